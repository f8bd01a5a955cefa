/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sprat for RIOT's GNRC: ESP (RFC 4303) and Diet-ESP in the IPv6 thread.
 *
 * `USEMODULE += sprat` puts every packet of this node under the policies that
 * are set here. Nothing is configured at start: neighbour discovery, multicast
 * listener discovery and RPL pass in clear, everything else is discarded, or
 * passes with CONFIG_SPRAT_OTHERWISE_BYPASS.
 *
 * All functions may be called from any thread, not from an interrupt.
 */

#ifndef SPRAT_GNRC_H
#define SPRAT_GNRC_H

#include <stdint.h>

#include "sprat_glue.h"
#include "sprat_riot.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef CONFIG_SPRAT_SA_NUMOF
/* SAs of both directions; 64 octets of RAM each on a 32-bit CPU. */
#define CONFIG_SPRAT_SA_NUMOF 4
#endif

#ifndef CONFIG_SPRAT_POLICY_NUMOF
/* Policies besides those for the control messages of the link. */
#define CONFIG_SPRAT_POLICY_NUMOF 8
#endif

/* What this port drops for reasons of its own, besides the counters of the glue. */
typedef struct sprat_gnrc_stats {
    uint32_t no_buffer;  /* GNRC's packet buffer was full, or too small for any such packet */
    uint32_t nested;     /* ESP in ESP, or fragments that cannot be put together */
    uint32_t not_for_us; /* out of a tunnel, but to another node */
    uint32_t forged;     /* from the link with a source of this node, or such that GNRC
                            would read another packet than the policies did */
} sprat_gnrc_stats;

/*
 * Policies and SAD, for sprat_glue_policy_add(), sprat_glue_in_add() and the
 * like. No packet passes until sprat_gnrc_release(). NULL: the library is of
 * another version than the headers; nothing is locked and every packet dropped.
 */
sprat_glue *sprat_gnrc_acquire(void);

/* Ends what sprat_gnrc_acquire() began. */
void sprat_gnrc_release(void);

/*
 * Makes an SA in a place of CONFIG_SPRAT_SA_NUMOF. `params` as for
 * sprat_mote_sa_init(), where `port` NULL is sprat_riot_port. What `params`
 * points to besides key and salt must outlive the SA. A sending SA takes effect
 * with a policy, a receiving one with an entry of the SAD.
 *
 * SPRAT_OK; SPRAT_E_SHORT: no place; errors of sprat_mote_sa_init().
 */
int32_t sprat_gnrc_sa_new(const sprat_mote_params *params, sprat_mote_sa **sa);

/*
 * Takes an SA out of the SAD and of every policy, wipes it and gives its place
 * back. A policy that sent by it drops until it gets another one.
 * SPRAT_E_NOT_FOUND: no SA of sprat_gnrc_sa_new().
 */
int32_t sprat_gnrc_sa_free(sprat_mote_sa *sa);

/* Copies of the counters; either may be NULL. */
void sprat_gnrc_counters(sprat_mote_counters *counters, sprat_gnrc_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* SPRAT_GNRC_H */
