/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      ESP and Diet-ESP for uIP: set up SAs and policies, the rest happens in
 *      the hooks of the stack.
 *
 *      A node calls sprat_uip_init() before its first packet, then adds SAs and
 *      policies, at any time. Until a policy names it, no packet of the node's
 *      own passes, but for neighbour discovery, MLD and RPL control messages.
 */

#ifndef SPRAT_UIP_H_
#define SPRAT_UIP_H_

#include "contiki.h"
#include "sprat_glue.h"

/* SAs that the module keeps, both directions together. */
#ifdef SPRAT_CONF_SAS
#define SPRAT_SAS SPRAT_CONF_SAS
#else
#define SPRAT_SAS 4
#endif

/* Policies, those for control messages not counted. */
#ifdef SPRAT_CONF_POLICIES
#define SPRAT_POLICIES SPRAT_CONF_POLICIES
#else
#define SPRAT_POLICIES 4
#endif

/* What happens to packets that no policy names. */
#ifdef SPRAT_CONF_OTHERWISE
#define SPRAT_OTHERWISE SPRAT_CONF_OTHERWISE
#else
#define SPRAT_OTHERWISE SPRAT_GLUE_DISCARD
#endif

/* 1: neighbour discovery, MLD and RPL control messages pass in clear. */
#ifdef SPRAT_CONF_CONTROL
#define SPRAT_CONTROL SPRAT_CONF_CONTROL
#else
#define SPRAT_CONTROL 1
#endif

/*
 * First SPI that sprat_uip_spi() gives out, and the upper half of all others.
 * Stock routers of Contiki-NG take ESP for an extension header, and 11000001
 * for one of 8 octets with UDP behind it: plain ESP with such SPIs crosses a
 * mesh of them, others are dropped. That holds for plain ESP alone. Diet-ESP
 * sends the low bits of the SPI only, so its packets do not start with these
 * octets: over a mesh it needs the module sprat-fwd on every router (border
 * routers need it in any case), or UDP encapsulation.
 */
#ifdef SPRAT_CONF_SPI_FIRST
#define SPRAT_SPI_FIRST SPRAT_CONF_SPI_FIRST
#else
#define SPRAT_SPI_FIRST 0x11000001
#endif

/*
 * 1: transport mode acts where tunnel mode does, before RPL adds its headers.
 * The interface behind a border router is not seen by the later hook.
 */
#ifdef SPRAT_CONF_TRANSPORT_EARLY
#define SPRAT_TRANSPORT_EARLY SPRAT_CONF_TRANSPORT_EARLY
#elif defined(UIP_FALLBACK_INTERFACE)
#define SPRAT_TRANSPORT_EARLY 1
#else
#define SPRAT_TRANSPORT_EARLY 0
#endif

/*
 * 1: somebody else uses the AES driver from interrupts. TSCH with link-layer
 * security does: its key must not stay behind for ours.
 */
#ifdef SPRAT_CONF_AES_SHARED
#define SPRAT_AES_SHARED SPRAT_CONF_AES_SHARED
#elif MAC_CONF_WITH_TSCH
#define SPRAT_AES_SHARED 1
#else
#define SPRAT_AES_SHARED 0
#endif

/**
 * AES-128 by the driver that the platform names (AES_128). What the `aes128` of
 * a sprat_mote_port wants.
 */
void sprat_uip_aes128(const uint8_t *key, uint8_t *block);

/** The AES of the ports here: with SPRAT_FEATURES += aes the library's own. */
#if SPRAT_WITH_AES
#define SPRAT_UIP_AES128 NULL
#else
#define SPRAT_UIP_AES128 sprat_uip_aes128
#endif

/**
 * A port without storage: an SA that uses it must not outlive the power, as its
 * numbers start again. See sprat-cfs.h for one with storage.
 */
extern const sprat_mote_port sprat_uip_port;

/** Packets sealed and opened, and dropped by reason (SPRAT_DROP_*). */
extern sprat_mote_counters sprat_uip_counters;

/**
 * Puts the hooks in place. There is no way back: the stack cannot take a packet
 * processor out again.
 * \return SPRAT_OK; else header and library do not fit, and every packet is
 *         dropped from now on
 */
int32_t sprat_uip_init(void);

/**
 * A new SA in the module's memory.
 *
 * \param params key and salt are copied; port, path, ehc and counters are lent.
 *        port NULL: sprat_uip_port
 * \param pair of a receiving SA: the number of the policies whose traffic it
 *        carries; of a sending one not used
 * \param group of a receiving SA: the multicast address it is for, 16 octets,
 *        lent; NULL for unicast
 * \return NULL: no room, or sprat_mote_sa_init() refused
 */
sprat_mote_sa *sprat_uip_sa_add(const sprat_mote_params *params, uint8_t pair,
                                const uint8_t *group);

/** Wipes the SA and takes it out of the SAD and of the policies that name it. */
void sprat_uip_sa_remove(sprat_mote_sa *sa);

/**
 * Adds a policy in front of (at 0) or behind others: sprat_glue_policy_add(). The
 * first three places are those of control messages, if SPRAT_CONTROL is 1.
 */
int32_t sprat_uip_policy_add(uint8_t at, const sprat_glue_policy *policy);

/** Removes the policy at this place. */
int32_t sprat_uip_policy_remove(uint8_t at);

/** An SPI for the next receiving SA: one that plain ESP carries over any mesh. */
uint32_t sprat_uip_spi(void);

#endif /* SPRAT_UIP_H_ */
