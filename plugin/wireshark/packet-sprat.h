/* packet-sprat.h
 * ESP by sprat: what the files of this plugin share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PACKET_SPRAT_H
#define PACKET_SPRAT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include <ws_version.h>
#include <epan/packet.h>
#include <epan/prefs.h>

#define SPRAT_DISSECT 1
#include <sprat.h>

/* What booleans behind a pointer are: Wireshark changed them on its way to 4.4. */
#if WIRESHARK_VERSION_MAJOR > 4 || (WIRESHARK_VERSION_MAJOR == 4 && WIRESHARK_VERSION_MINOR >= 3)
typedef bool sprat_bool;
#else
typedef gboolean sprat_bool;
#endif

/* packet-sprat.c */
void proto_register_sprat(void);
void proto_reg_handoff_sprat(void);

/* sprat-sas.c: the SAs that the user gave, from the table and from the file. */
void sprat_sas_register(module_t *module);
void sprat_sas_changed(void);                   /* a preference has another value */
void sprat_sas_open(void);                      /* before a capture is dissected */
const sprat_dissect_ctx *sprat_sas(void);       /* NULL without an SA */
bool sprat_sas_compress(void);                  /* one of them uses Diet-ESP */

/* sprat-stats.c: tshark -z sprat,tree and -z sprat,sa */
typedef struct {
    const char *sa;             /* name, or SPI where it has none */
    bool        verified;
    const char *reason;         /* drop reason, NULL if there is none */
    const char *remark;         /* what is wrong otherwise, likewise */
    uint32_t    octets;         /* of the ESP packet */
    int64_t     saved;          /* octets, by compression */
} sprat_tap_t;

void sprat_stats_register(void);

#endif /* PACKET_SPRAT_H */
