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
 * The port that an SA gets when none is named: the AES that SPRAT_AES chose;
 * sequence numbers are not kept, so the keys of a sending SA must not outlive a
 * reset. Its AES has one key at a time: one thread.
 */
extern const sprat_mote_port sprat_riot_port;

#ifdef __cplusplus
}
#endif

#endif /* SPRAT_RIOT_H */
