/*
 * The smallest firmware with the mote library in it, linked and never run: what
 * it is larger than the same one without (EMPTY) is what sprat costs in flash.
 */
#include <sprat_port.h>

void sprat_port_panic(void) {
    for (;;) {
    }
}

#ifndef EMPTY
#define SPRAT_MOTE
#include <sprat.h>

/* Their addresses keep the functions in the image, whatever their parameters. */
void (*const used[])(void) = {
#ifndef DATA_PLANE
    (void (*)(void))sprat_mote_sa_init,
#endif
    (void (*)(void))sprat_mote_seal,
    (void (*)(void))sprat_mote_open,
#ifdef ALL
    (void (*)(void))sprat_mote_wipe,
    (void (*)(void))sprat_mote_sa_size,
    (void (*)(void))sprat_mote_sa_sn,
    (void (*)(void))sprat_mote_is_for,
    (void (*)(void))sprat_mote_flow_of,
    (void (*)(void))sprat_mote_nvm_load,
    (void (*)(void))sprat_mote_nvm_store,
#endif
};
#endif

void _start(void) {
#ifndef EMPTY
    for (unsigned i = 0; i < sizeof used / sizeof used[0]; i++) {
        ((void (*const volatile *)(void))used)[i]();
    }
#endif
    for (;;) {
    }
}
