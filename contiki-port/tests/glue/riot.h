/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of test_riot share: a node with SAs and policies, and its peer. */
#ifndef RIOT_H
#define RIOT_H

#include "check.h"
#include "packets.h"
#include "sprat_gnrc.h"
#include "stub.h"

enum { HOP_BY_HOP = 0, UDP = 17, ESP = 50, ICMPV6 = 58, DESTINATION = 60 };

/* UDP ports: protected with PEER, in UDP with it, in clear, discarded. */
enum { PORT = 5683, ENCAP_PORT = 6000, OPEN_PORT = 7777, CLOSED_PORT = 9 };

/* The node, its other address, its peer, one behind a tunnel to it, a group. */
extern const uint8_t OWN[16], OWN2[16], PEER[16], OUTSIDE[16], GROUP[16];

/* Both directions between the node and its peer. */
typedef struct pair {
  sprat_mote_sa *out, *in;          /* the node's */
  sprat_mote_sa peer_out, peer_in; /* the peer's, with the library's own AES */
} pair;

/* PORT, everything with OUTSIDE, ENCAP_PORT, the group. */
extern pair transport, tunnel, encap, group;

/* Makes all of it. */
void set_up(void);

/* UDP from `port` to `port`, 20 octets. */
pkt datagram(const uint8_t *from, const uint8_t *to, uint16_t port);

/* The same packet as the peer sends it. */
pkt sealed(pair *by, const pkt *plain);

/* The packet without ESP, opened by the peer; a failed check if it is none. */
void check_opens(pair *by, pkt *p);

/* Gives a packet from the link to GNRC, or one of the node; afterwards nothing is left. */
void arrive(const pkt *p);
void leave(const pkt *p);

/* What was delivered or sent last. */
pkt seen(void);

/* Checks that no snip is left and that locks and releases were as they should. */
void check_clean(void);

/* Refusals of the glue since the last call: 0 none, else the reason; -1: several. */
int refusal(void);

sprat_gnrc_stats stats(void);

/* Checks that nothing came out, and that it was the glue's refusal `reason`. */
void check_refused(int reason);

/* The parts. */
void test_input(void);
void test_fragments(void);
void test_output(void);
void test_allocations(void);
void test_disguise(void);
void test_random(void);
void test_numbers(void);

#endif
