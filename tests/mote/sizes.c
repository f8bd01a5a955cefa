/* Compiled, never linked: the sizes of these objects are what an SA needs in RAM. */
#define SPRAT_MOTE
#include <sprat.h>

char size_sa[sizeof(sprat_mote_sa)];
char size_ehc[sizeof(sprat_mote_ehc)];
char size_path[sizeof(sprat_mote_path)];
char size_counters[sizeof(sprat_mote_counters)];
