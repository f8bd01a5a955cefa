/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments, and packets that GNRC would read otherwise than the policies do. */
#include "riot.h"

#include "net/protnum.h"

/*
 * The packet in two fragments; the second begins at octet `at` behind the IPv6
 * header and says that `next` follows.
 */
static void
split(const pkt *p, uint16_t at, uint8_t next, pkt parts[2])
{
  for(int i = 0; i < 2; i++) {
    pkt_ip(&parts[i], p->octets + 8, p->octets + 24);
    pkt_fragment(&parts[i], i == 0 ? 0 : at / 8, i == 0);
  }
  pkt_raw(&parts[0], p->octets[6], p->octets + 40, at);
  pkt_raw(&parts[1], next, p->octets + 40 + at, p->length - 40 - at);
}

/* Gives both fragments; the later one first if `late` is 1. */
static void
arrive_parts(const pkt parts[2], int late)
{
  arrive(&parts[late]);
  CHECK_EQ(stub.delivered, 0);
  arrive(&parts[!late]);
}

#ifdef MODULE_GNRC_IPV6_EXT_FRAG

static void
check_whole(const pkt *p, const pkt *plain)
{
  pkt parts[2];

  for(int late = 0; late < 2; late++) {
    split(p, 24, p->octets[6], parts);
    arrive_parts(parts, late);
    pkt got = seen();
    CHECK_EQ(stub.delivered, plain != NULL);
    CHECK(plain == NULL || pkt_same(&got, plain));
    check_clean();
    if(p->octets[6] == ESP || plain == NULL) {
      return; /* once more it would be a replay */
    }
  }
}

static void
whole(void)
{
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain), parts[2];

  plain.next_at = 0;
  check_whole(&p, &plain);
  CHECK_EQ(refusal(), 0);
  p = sealed(&transport, &plain);
  split(&p, 24, ESP, parts);
  arrive_parts(parts, 1);
  CHECK_EQ(stub.delivered, 1);
  check_whole(&plain, NULL);
  check_refused(SPRAT_DROP_UNPROTECTED);
  plain = datagram(PEER, OWN, OPEN_PORT);
  check_whole(&plain, &plain);
  plain = datagram(PEER, OWN, ENCAP_PORT);
  p = sealed(&encap, &plain);
  split(&p, 24, UDP, parts);
  arrive_parts(parts, 0);
  pkt got = seen();
  CHECK(stub.delivered == 1 && stub.protocol == UDP && pkt_same(&got, &plain));
  p = datagram(OUTSIDE, OWN, PORT);
  plain = p;
  p = sealed(&tunnel, &p);
  check_whole(&p, &plain);
  check_clean();
}

/* A fragment that is the whole datagram (RFC 6946). */
static void
atomic(void)
{
  pkt plain = datagram(PEER, OWN, OPEN_PORT), p;

  pkt_ip(&p, PEER, OWN);
  pkt_fragment(&p, 0, 0);
  pkt_raw(&p, UDP, plain.octets + 40, plain.length - 40);
  arrive(&p);
  pkt got = seen();
  CHECK(stub.delivered == 1 && stub.protocol == UDP && pkt_same(&got, &plain));
  check_clean();
}

/* The same in front of ESP and inside it: what was opened does not go round again. */
static void
atomic_and_esp(void)
{
  pkt plain = datagram(PEER, OWN, PORT), by = sealed(&transport, &plain), p;
  uint16_t at = pkt_find(&by, ESP);

  pkt_ip(&p, PEER, OWN);
  pkt_fragment(&p, 0, 0);
  pkt_raw(&p, ESP, by.octets + at, by.length - at);
  arrive(&p);
  CHECK(stub.delivered == 1 && stub.protocol == UDP);
  CHECK_EQ(refusal(), 0);
  pkt_ip(&plain, OUTSIDE, OWN);
  pkt_fragment(&plain, 0, 0);
  pkt_udp(&plain, PORT, PORT, 20);
  p = sealed(&tunnel, &plain);
  arrive(&p);
  CHECK(stub.delivered == 1 && stub.protocol == UDP);
  CHECK_EQ(refusal(), 0);
  check_clean();
  plain = datagram(PEER, OWN, PORT); /* and in clear it does */
  pkt_ip(&p, PEER, OWN);
  pkt_fragment(&p, 0, 0);
  pkt_raw(&p, UDP, plain.octets + 40, plain.length - 40);
  arrive(&p);
  check_refused(SPRAT_DROP_UNPROTECTED);
}

/* GNRC would follow the route of each fragment, and forget what link it came by. */
static void
detour_in_parts(void)
{
  pkt plain = datagram(PEER, OWN, OPEN_PORT), p;
  sprat_gnrc_stats before = stats();

  for(uint16_t offset = 0; offset < 2; offset++) {
    pkt_ip(&p, PEER, OWN);
    pkt_route(&p, 1, 0, OWN2);
    pkt_fragment(&p, 2 * offset, !offset);
    pkt_raw(&p, UDP, plain.octets + 40 + 16 * offset, offset ? plain.length - 56 : 16);
    arrive(&p);
    check_refused(0);
  }
  CHECK_EQ(stats().forged, before.forged + 2);
}

/* Nobody takes the packet that is to go round once more. */
static void
nobody(void)
{
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain), parts[2];

  split(&p, 24, ESP, parts);
  stub.receivers = 0;
  arrive_parts(parts, 0);
  stub.receivers = 1;
  check_refused(0);
}

/* GNRC would read on by what the last fragment says, policies by what the first does. */
static void
lying_fragment(void)
{
  pkt p = datagram(PEER, OWN, PORT), parts[2];

  p.octets[40] = 135; /* as ICMPv6: a neighbour solicitation */
  p.octets[41] = 0;
  p.octets[6] = ICMPV6;
  split(&p, 24, UDP, parts);
  arrive_parts(parts, 0);
  CHECK(stub.delivered == 1 && stub.protocol == ICMPV6);
  parts[0].octets[40] = UDP; /* now the second lies */
  parts[1].octets[40] = ICMPV6;
  arrive_parts(parts, 0);
  check_refused(SPRAT_DROP_NO_POLICY);
}

/* Headers behind that of the fragments are not read before a policy is asked. */
static void
routed_parts(void)
{
  static const uint8_t unspecified[16];
  const uint8_t *const from[] = { OWN, OWN2, unspecified };
  pkt p, parts[2];

  for(unsigned i = 0; i < 3; i++) {
    pkt_ip(&p, from[i], OWN);
    pkt_route(&p, 1, 0, i == 0 ? PEER : OWN2);
    pkt_udp(&p, PORT, PORT, 20);
    split(&p, 40, 43, parts);
    arrive(&parts[0]);
    arrive(&parts[1]);
    check_refused(0);
  }
}

#ifdef MODULE_GNRC_SIXLOWPAN_IPHC_NHC
/* 6LoWPAN gave the header the length of the first fragment. */
static void
compressed(void)
{
  pkt plain = datagram(PEER, OWN, OPEN_PORT), p = plain, parts[2];

  p.octets[44] = 0;
  p.octets[45] = 16;
  split(&p, 16, UDP, parts);
  arrive_parts(parts, 0);
  pkt got = seen();
  CHECK(stub.delivered == 1 && pkt_same(&got, &plain));
  pkt_ip(&p, PEER, OWN); /* too short for one */
  pkt_raw(&p, UDP, plain.octets + 40, 7);
  pkt_ip(&parts[0], PEER, OWN);
  pkt_fragment(&parts[0], 0, 0);
  pkt_raw(&parts[0], UDP, p.octets + 40, 7);
  arrive(&parts[0]);
  got = seen();
  CHECK(stub.delivered == 1 && pkt_same(&got, &p));
  check_clean();
}
#endif

/* Who holds the headers of a datagram, as who asked for them does, keeps all of them. */
static void
subscribed_to_parts(void)
{
  pkt p = datagram(PEER, OWN, PORT), whole_packet = sealed(&transport, &p), parts[2];

  split(&whole_packet, 24, ESP, parts);
  arrive(&parts[0]);
  stub.subscriber = PROTNUM_IPV6_EXT_FRAG;
  arrive(&parts[1]);
  stub.subscriber = -1;
  CHECK_EQ(stub.delivered, 1);
  CHECK(stub.seen != NULL);
  stub_take_down(stub.seen, 1);
  CHECK_EQ(stub.last.snips, 3);
  gnrc_pktbuf_release(stub.seen);
  stub.seen = NULL;
  check_clean();
}

void
test_fragments(void)
{
  refusal();
  whole();
  refusal();
  atomic();
  atomic_and_esp();
  detour_in_parts();
  nobody();
  lying_fragment();
  routed_parts();
#ifdef MODULE_GNRC_SIXLOWPAN_IPHC_NHC
  compressed();
#endif
  subscribed_to_parts();
}

#else

void
test_fragments(void)
{
  sprat_gnrc_stats before = stats();
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain), parts[2];

  refusal();
  split(&p, 24, ESP, parts);
  arrive_parts(parts, 0);
  plain = datagram(PEER, OWN, OPEN_PORT);
  split(&plain, 16, UDP, parts);
  arrive_parts(parts, 1);
  check_refused(0);
  CHECK_EQ(stats().nested, before.nested + 4);
  
}

#endif

/* -- Packets that GNRC reads otherwise -- */

/* All that the hooks have counted by themselves. */
static unsigned
counted(void)
{
  sprat_gnrc_stats now = stats();

  return now.nested + now.not_for_us + now.forged + now.no_buffer;
}

/* Nothing is delivered, and the reason is counted here or by the glue. */
static void
check_unread(const pkt *p)
{
  unsigned before = counted();

  refusal();
  arrive(p);
  CHECK_EQ(stub.delivered, 0);
  CHECK(counted() == before + 1 || refusal() > 0);
  check_clean();
}

/* GNRC skips these headers; to selectors they are the upper layer. */
static void
skipped_headers(void)
{
  static sprat_glue_selector selector = SPRAT_GLUE_SELECTOR_ANY;
  static const uint8_t protocols[] = { PROTNUM_IPV6_EXT_AH, PROTNUM_IPV6_EXT_MOB };
  static const uint8_t header[8] = { UDP };
  sprat_glue_policy policy = { &selector, NULL, SPRAT_GLUE_BYPASS, 0, 0 };
  pkt p;

  for(unsigned i = 0; i < sizeof(protocols); i++) {
    selector.protocol = protocols[i];
    CHECK_EQ(sprat_glue_policy_add(sprat_gnrc_acquire(), 0, &policy), SPRAT_OK);
    sprat_gnrc_release();
    pkt_ip(&p, PEER, OWN);
    pkt_raw(&p, protocols[i], header, sizeof(header));
    p.next_at = 40;
    pkt_udp(&p, PORT, PORT, 20);
    check_unread(&p);
    CHECK_EQ(sprat_glue_policy_remove(sprat_gnrc_acquire(), 0), SPRAT_OK);
    sprat_gnrc_release();
  }
}

/* A length octet where the Fragment header has none: GNRC skips more. */
static void
long_fragment_header(void)
{
  static const uint8_t solicitation[8] = { 135 };
  pkt p;

  pkt_ip(&p, PEER, OWN);
  pkt_fragment(&p, 0, 0);
  p.octets[41] = 1;
  pkt_raw(&p, ICMPV6, solicitation, sizeof(solicitation));
  uint8_t request[16] = { 128 };
  pkt_raw(&p, ICMPV6, request, sizeof(request));
#ifdef MODULE_GNRC_IPV6_EXT_FRAG
  arrive(&p); /* read as it is meant */
  CHECK(stub.delivered == 1 && stub.last.octets[40] == 135);
  check_clean();
#else
  check_unread(&p);
#endif
}

/*
 * Both walks end at the same octet, but by other headers: a length octet where the
 * Fragment header has none hides one, whose protocol is another.
 */
static void
same_end(void)
{
  static const uint8_t seen_by_policies[32] = { ICMPV6, 3, 1, 12, [16] = UDP, 1, 1, 12 };
  pkt p;

  pkt_ip(&p, PEER, OWN);
  pkt_fragment(&p, 0, 0);
  p.octets[41] = 2;
  pkt_raw(&p, DESTINATION, seen_by_policies, sizeof(seen_by_policies));
  p.next_at = 48;
  pkt_icmp(&p, 135);
#ifdef MODULE_GNRC_IPV6_EXT_FRAG
  arrive(&p); /* read as it is meant */
  CHECK(stub.delivered == 1 && stub.protocol == ICMPV6);
  check_clean();
#else
  check_unread(&p);
#endif
}

/* Source routes with segments left are not for this node. */
static void
routed(void)
{
  pkt p;

  pkt_ip(&p, PEER, OWN);
  pkt_route(&p, 1, 0, OUTSIDE);
  pkt_udp(&p, PORT, PORT, 20);
  arrive(&p);
  CHECK_EQ(stub.delivered, 0);
  CHECK_EQ(stub.sent, 1);
  CHECK(memcmp(stub.last.octets + 24, OUTSIDE, 16) == 0);
  check_clean();
  pkt_ip(&p, PEER, OWN);
  pkt_route(&p, 1, 0, OWN2);
  pkt_udp(&p, PORT, PORT, 20);
  check_unread(&p);
  pkt_ip(&p, OWN2, OWN); /* would come back as if the node had sent it */
  pkt_route(&p, 1, 0, OWN2);
  pkt_udp(&p, CLOSED_PORT, CLOSED_PORT, 20);
  check_unread(&p);
  pkt_ip(&p, OWN2, OWN);
  pkt_route(&p, 1, 0, OWN2);
  pkt_icmp(&p, 128);
  check_unread(&p);
  static const uint8_t unspecified[16]; /* GNRC would put its own in its place */
  pkt_ip(&p, unspecified, OWN);
  pkt_route(&p, 1, 0, PEER);
  pkt_udp(&p, PORT, PORT, 20);
  check_unread(&p);
  CHECK_EQ(stub.sent, 0);
  pkt_ip(&p, unspecified, OWN);
  pkt_route(&p, 1, 0, PEER);
  pkt_icmp(&p, 135);
  check_unread(&p);
  CHECK_EQ(stub.sent, 0);
  pkt_ip(&p, PEER, OWN);
  pkt_route(&p, 0, 0, PEER);
  pkt_udp(&p, OPEN_PORT, OPEN_PORT, 20);
  arrive(&p);
  CHECK(stub.delivered == 1 && stub.protocol == UDP);
  check_clean();
}

/* A source route inside ESP: the peer has nothing to send on through us. */
static void
routed_inside(void)
{
  pkt p;

  pkt_ip(&p, OUTSIDE, OWN);
  pkt_route(&p, 1, 0, PEER);
  pkt_udp(&p, PORT, PORT, 20);
  p = sealed(&tunnel, &p);
  check_unread(&p);
  CHECK_EQ(stub.sent + stub.forwarded, 0);
}

/* What says that it comes from this node, and does not. */
static void
forged_source(void)
{
  static const uint8_t unspecified[16];
  pkt p = datagram(OWN2, OWN, OPEN_PORT);

  check_unread(&p);
  p = datagram(OWN, OWN, OPEN_PORT);
  check_unread(&p);
  p = datagram(unspecified, OWN, OPEN_PORT);
  check_unread(&p);
  pkt_ip(&p, OWN, GROUP);
  pkt_hop_by_hop(&p);
  pkt_fragment(&p, 0, 1);
  pkt_raw(&p, UDP, OWN, 16);
  check_unread(&p);
  /* Another node says that it has the address as well: it has to be heard. */
  pkt_ip(&p, OWN, GROUP);
  pkt_icmp(&p, 136);
  arrive(&p);
  CHECK(stub.delivered == 1 && stub.protocol == ICMPV6);
  pkt_ip(&p, OWN, OWN); /* but not if it says more */
  pkt_icmp(&p, 128);
  check_unread(&p);
}

void
test_disguise(void)
{
  skipped_headers();
  long_fragment_header();
  same_end();
  routed();
  routed_inside();
  forged_source();
  stub_forget_fragments();
  check_clean();
  refusal();
}
