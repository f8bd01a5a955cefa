/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sprat_glue: which SA, which policy. What every port of sprat to a mote's
 * IPv6 stack needs between the stack's hooks and libsprat_mote.a.
 *
 * No operating system's header, no memory of its own: the caller lends the
 * tables, and everything happens in its thread. Nothing here blocks.
 *
 * A port sets up one sprat_glue, then calls sprat_glue_input() for each packet
 * that arrives and sprat_glue_output() for each that leaves, with the packet
 * at the start of a buffer in which it may grow. Both return SPRAT_OK when the
 * packet, changed or not, goes on; anything else says why it is to be dropped.
 */

#ifndef SPRAT_GLUE_H
#define SPRAT_GLUE_H

#include <stdint.h>

#ifndef SPRAT_MOTE
#define SPRAT_MOTE
#endif
#include "sprat.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Actions of a policy. A zeroed policy discards. */
#define SPRAT_GLUE_DISCARD 0
#define SPRAT_GLUE_BYPASS 1
#define SPRAT_GLUE_PROTECT 2

/* Stages of sprat_glue_output(): which SAs may act at this hook. */
#define SPRAT_GLUE_TUNNEL 1    /* before the stack routes: tunnel mode */
#define SPRAT_GLUE_TRANSPORT 2 /* after it routed: transport mode */
#define SPRAT_GLUE_BOTH 3      /* a stack with one hook */

/* SAs that one packet is tried against when its compressed SPI names several. */
#ifndef SPRAT_GLUE_TRIALS
#define SPRAT_GLUE_TRIALS 4
#endif

/*
 * Which packets. "Local" is the source of what this node sends and the
 * destination of what it receives, so one selector serves both directions
 * (RFC 4301 section 4.4.1). Behind a source route the destination is the last
 * address of the route. Zeroed but for the last ports: everything.
 *
 * Multicast is the exception: the group is remote where it is sent to and local
 * where it is received, so a node that does both has two policies.
 *
 * ICMPv6 (protocol 58): the local ports are type * 256 + code, as sent, in
 * either direction; leave the remote ports 0 to 65535.
 *
 * AH, Mobility, HIP and Shim6 that arrive may hide an upper layer from the policies
 * and not from the stack: a PROTECT or DISCARD that could be meant matches them, so
 * a BYPASS for one of these protocols stands in front.
 */
typedef struct sprat_glue_selector {
  uint8_t local[16];         /* network order */
  uint8_t remote[16];        /* network order */
  uint8_t local_bits;        /* length of the prefix, 0 to 128; 0: any address */
  uint8_t remote_bits;       /* the same */
  uint8_t protocol;          /* upper layer protocol; 0: any */
  uint16_t local_port_first; /* host order, ends included; 0 to 65535: any, */
  uint16_t local_port_last;  /* and only then packets without ports match */
  uint16_t remote_port_first;
  uint16_t remote_port_last;
} sprat_glue_selector;

/* A selector that matches everything. */
#define SPRAT_GLUE_SELECTOR_ANY { { 0 }, { 0 }, 0, 0, 0, 0, 65535, 0, 65535 }

/* One entry of the SPD. The first that matches decides. */
typedef struct sprat_glue_policy {
  const sprat_glue_selector *selector; /* lent, may be in flash */
  sprat_mote_sa *out;                  /* PROTECT: the SA that sends; NULL: receive only */
  uint8_t action;                      /* SPRAT_GLUE_DISCARD, _BYPASS, _PROTECT */
  uint8_t tunnel;                      /* 1: `out` is in tunnel mode */
  uint8_t pair;                        /* PROTECT: the receiving SAs with this number carry its traffic */
} sprat_glue_policy;

/*
 * One entry of the SAD: an SA that receives. Several may have the number of
 * one policy, as the old and the new one while keys change.
 */
typedef struct sprat_glue_in {
  sprat_mote_sa *sa;
  const uint8_t *group; /* 16 octets, lent: the multicast address whose packets
                           the SA is for; NULL: those to this node's own */
  uint8_t spi_bits;     /* of the SPI on the wire: 32, or the context's esp_spi_lsb */
  uint8_t pair;         /* of the policy */
} sprat_glue_in;

/* Everything the glue knows. Zeroed: it discards every packet of this node. */
typedef struct sprat_glue {
  sprat_glue_policy *policies; /* the SPD, in order; lent */
  sprat_glue_in *in;           /* the SAD, longest SPI first; lent */
  /* 1 if the address (16 octets) is this node's: one of its own, or a multicast
     address (all of ff00::/8 will do). Needed. */
  int32_t (*is_local)(void *context, const uint8_t *address);
  void *context;                 /* of is_local */
  sprat_mote_counters *counters; /* passed: sealed or opened here; dropped: for any
                                    reason, once. NULL: none. Not those of an SA. */
  uint8_t policies_len;          /* entries in use */
  uint8_t policies_room;         /* entries in the table */
  uint8_t in_len;
  uint8_t in_room;
  uint8_t otherwise; /* what no policy names: SPRAT_GLUE_DISCARD or _BYPASS */
  uint8_t changed;   /* set by each call: 1 if it sealed or opened the packet, and it goes on */
} sprat_glue;

/*
 * Whether this header and the linked library are of one version. SPRAT_OK, or
 * SPRAT_E_ARGUMENT: then nothing else may be called. To be asked at start.
 */
int32_t sprat_glue_check(void);

/* Place of a new policy: behind all others. */
#define SPRAT_GLUE_LAST 255

/*
 * Puts a copy of `policy` at place `at` (0: first) and moves those from there
 * on back by one. SPRAT_E_SHORT: no room, SPRAT_E_ARGUMENT: no such place or
 * no selector.
 */
int32_t sprat_glue_policy_add(sprat_glue *glue, uint8_t at, const sprat_glue_policy *policy);

/* Takes the policy at place `at` out. SPRAT_E_NOT_FOUND: there is none. */
int32_t sprat_glue_policy_remove(sprat_glue *glue, uint8_t at);

/* Policies that sprat_glue_control_add() puts into the table. */
#define SPRAT_GLUE_CONTROL_POLICIES 3

/*
 * Adds the policies that let the control messages of the link pass in clear:
 * multicast listener discovery (ICMPv6 130 to 132 and 143), neighbour discovery
 * (133 to 137) and RPL (155). Without them no key could ever be of use, as no
 * neighbour would be found. SPRAT_E_SHORT: no room, nothing was added.
 */
int32_t sprat_glue_control_add(sprat_glue *glue);

/*
 * Puts a copy of `entry` into the SAD, in its order. SPRAT_E_SHORT: no room,
 * SPRAT_E_EXISTS: the SA is there already.
 */
int32_t sprat_glue_in_add(sprat_glue *glue, const sprat_glue_in *entry);

/* Takes the SA out of the SAD; wiping it is the caller's. SPRAT_E_NOT_FOUND. */
int32_t sprat_glue_in_remove(sprat_glue *glue, const sprat_mote_sa *sa);

/*
 * A packet that leaves: IPv6, from packet[0], `*length` octets in a buffer of
 * `capacity`. SPRAT_OK: send it; it may have been sealed and have another
 * length. Not this node's own packets, and what is ESP already, pass as they
 * are. Positive: a drop reason (SPRAT_DROP_*); negative: SPRAT_E_*; the packet
 * is to be dropped and is as it was.
 *
 * With stage SPRAT_GLUE_TUNNEL a packet whose policy wants transport mode, or
 * drops it, passes untouched: the later stage decides. With stage
 * SPRAT_GLUE_TRANSPORT one whose policy wants tunnel mode is dropped
 * (SPRAT_DROP_NO_OUTBOUND_SA): it came round the earlier hook.
 *
 * Dropped also: an ICMPv6 error in clear that quotes what came protected
 * (SPRAT_DROP_POLICY), and somebody else's packet to a group whose traffic is
 * protected, since it was opened here (SPRAT_DROP_UNPROTECTED). Ports that are cut
 * off a quotation could be any; a selector without local addresses takes errors of
 * a router about others' packets for errors about its own.
 */
int32_t sprat_glue_output(sprat_glue *glue, uint8_t stage, uint8_t *packet, uint16_t *length,
                          uint16_t capacity);

/*
 * A packet that arrives, before the stack reads its headers. SPRAT_OK: give it
 * to the stack; it may have been opened, and in tunnel mode be another packet,
 * not necessarily to this node. What is not (yet) to this node passes: packets
 * to be forwarded, and source routes with segments left, if they do not lead back
 * here. The stack must not deliver one that it has not followed to its end. Else as
 * sprat_glue_output(), but the packet may have been zeroed. Octets behind the end
 * that the IPv6 header states are cut off.
 */
int32_t sprat_glue_input(sprat_glue *glue, uint8_t *packet, uint16_t *length, uint16_t capacity);

#ifdef __cplusplus
}
#endif

#endif /* SPRAT_GLUE_H */
