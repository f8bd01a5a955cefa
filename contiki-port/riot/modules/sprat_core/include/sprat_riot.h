/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sprat_core: libsprat_mote.a in a RIOT firmware, without a network stack.
 *
 * The module builds the library for the board's CPU and gives it what it asks
 * of the system: the end of the line (core_panic) and AES.
 */

#ifndef SPRAT_RIOT_H
#define SPRAT_RIOT_H

#include <stdint.h>

#include "sprat.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The port that an SA gets when none is named: AES of RIOT's cipher module, or
 * the library's own with SPRAT_AES=builtin; sequence numbers are not kept, so
 * the keys of a sending SA must not outlive a reset.
 */
extern const sprat_mote_port sprat_riot_port;

/*
 * AES-128 by RIOT's cipher module: encrypts `block` (16 octets) in place. `key`
 * (16 octets) comes with the first block of a packet; NULL: the same as before.
 * It stays in memory until another one comes. One thread at a time.
 */
void sprat_riot_aes128(const uint8_t *key, uint8_t *block);

#ifdef __cplusplus
}
#endif

#endif /* SPRAT_RIOT_H */
