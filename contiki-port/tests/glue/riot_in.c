/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives at a node with GNRC. */
#include "riot.h"

static void
check_delivered(const pkt *plain, uint8_t protocol)
{
  pkt got = seen();

  CHECK_EQ(stub.delivered, 1);
  CHECK_EQ(stub.protocol, protocol);
  CHECK(pkt_same(&got, plain));
  CHECK_EQ(refusal(), 0);
  check_clean();
}

/* Payload, an extension header of 8 octets or none, IPv6, the link: in GNRC's order. */
static void
check_chain(uint16_t payload, int options)
{
  unsigned at = 0;

  CHECK_EQ(stub.last.snips, options ? 4 : 3);
  CHECK_EQ(stub.last.types[at], GNRC_NETTYPE_UNDEF);
  CHECK_EQ(stub.last.sizes[at++], payload);
  if(options) {
    CHECK_EQ(stub.last.types[at], GNRC_NETTYPE_IPV6_EXT);
    CHECK_EQ(stub.last.sizes[at++], 8);
  }
  CHECK_EQ(stub.last.types[at], GNRC_NETTYPE_IPV6);
  CHECK_EQ(stub.last.sizes[at++], 40);
  CHECK_EQ(stub.last.types[at], GNRC_NETTYPE_NETIF);
}

static void
in_transport(void)
{
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain);

  CHECK(pkt_find(&p, ESP) == 40);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 0);
  arrive(&p);
  check_refused(SPRAT_DROP_REPLAY);

  pkt_ip(&plain, PEER, OWN);
  pkt_hop_by_hop(&plain);
  pkt_udp(&plain, PORT, PORT, 20);
  p = sealed(&transport, &plain);
  CHECK(pkt_find(&p, ESP) == 48);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 1);

  pkt_ip(&plain, PEER, OWN);
  pkt_udp(&plain, PORT, PORT, 0);
  p = sealed(&transport, &plain);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(8, 0);
}

static void
in_udp(void)
{
  pkt plain = datagram(PEER, OWN, ENCAP_PORT), p = sealed(&encap, &plain);

  CHECK(pkt_find(&p, UDP) == 40);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 0);
}

/* Puts Hop-by-Hop options behind the IPv6 header of a packet. */
static pkt
with_options(const pkt *p)
{
  pkt with;

  pkt_ip(&with, p->octets + 8, p->octets + 24);
  pkt_hop_by_hop(&with);
  pkt_raw(&with, p->octets[6], p->octets + 40, p->length - 40);
  return with;
}

/* Options of the outer header say nothing about the inner one. */
static void
in_tunnel(void)
{
  pkt plain = datagram(OUTSIDE, OWN, PORT), p = sealed(&tunnel, &plain);

  CHECK(pkt_find(&p, ESP) == 40);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 0);

  p = sealed(&tunnel, &plain);
  p = with_options(&p);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 0);
  CHECK_EQ(stub.options, 1);

  plain = with_options(&plain);
  p = sealed(&tunnel, &plain);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 1);
  CHECK_EQ(stub.options, 1);

  p = sealed(&tunnel, &plain);
  p = with_options(&p);
  arrive(&p);
  check_delivered(&plain, UDP);
  check_chain(28, 1);
  CHECK_EQ(stub.options, 2);
}

/* The outer options are shorter than the inner, and all addresses are the same. */
static void
in_tunnel_of_same_ends(void)
{
  static const uint8_t options[16] = { UDP, 1, 1, 12 };
  static sprat_glue_selector selector = SPRAT_GLUE_SELECTOR_ANY;
  sprat_glue_policy policy = { &selector, NULL, SPRAT_GLUE_PROTECT, 1, 2 };
  pkt plain, p;

  selector.protocol = UDP;
  CHECK_EQ(sprat_glue_policy_add(sprat_gnrc_acquire(), 0, &policy), SPRAT_OK);
  sprat_gnrc_release();
  pkt_ip(&plain, PEER, OWN);
  pkt_raw(&plain, HOP_BY_HOP, options, sizeof(options));
  plain.next_at = 40;
  pkt_udp(&plain, 1, 2, 20);
  p = sealed(&tunnel, &plain);
  p = with_options(&p);
  arrive(&p);
  check_delivered(&plain, UDP);
  CHECK_EQ(stub.last.sizes[0], 28);
  CHECK_EQ(stub.last.sizes[1], 16);
  CHECK_EQ(sprat_glue_policy_remove(sprat_gnrc_acquire(), 0), SPRAT_OK);
  sprat_gnrc_release();
}

static void
in_clear(void)
{
  pkt p = datagram(PEER, OWN, PORT);

  arrive(&p);
  check_refused(SPRAT_DROP_UNPROTECTED);
  p = datagram(PEER, OWN, CLOSED_PORT);
  arrive(&p);
  check_refused(SPRAT_DROP_POLICY);
  p = datagram(PEER, OWN, 1);
  arrive(&p);
  check_refused(SPRAT_DROP_NO_POLICY);
  p = datagram(PEER, OWN, OPEN_PORT);
  arrive(&p);
  check_delivered(&p, UDP);
  check_chain(28, 0);
  p = with_options(&p);
  arrive(&p);
  check_delivered(&p, UDP);
  check_chain(28, 1);
  pkt_ip(&p, PEER, OWN); /* nothing behind the header */
  arrive(&p);
  check_refused(SPRAT_DROP_NO_POLICY);
}

/* Every octet of a sealed packet damaged, but for those that ESP does not cover. */
static void
damaged(void)
{
  pkt plain = datagram(PEER, OWN, PORT), good = sealed(&transport, &plain), p;

  for(uint16_t at = 40; at < good.length; at++) {
    p = good;
    p.octets[at] ^= 0x40;
    arrive(&p);
    check_refused(at < 44 ? SPRAT_DROP_NO_SA : SPRAT_DROP_INTEGRITY);
  }
  for(uint16_t cut = 1; cut < good.length - 48; cut++) {
    p = good;
    p.length -= cut;
    p.octets[5] -= (uint8_t)cut;
    arrive(&p);
    CHECK_EQ(stub.delivered, 0);
    CHECK(refusal() > 0);
    check_clean();
  }
  arrive(&good);
  check_delivered(&plain, UDP);
}

/* Out of a tunnel, authentic, and still not for this node to read. */
static void
unreadable(void)
{
  static const uint8_t esp[40] = { 0x11, 0, 0, 7 };
  sprat_gnrc_stats before = stats();
  pkt p;

  pkt_ip(&p, OUTSIDE, OWN);
  pkt_raw(&p, ESP, esp, sizeof(esp));
  p = sealed(&tunnel, &p);
  arrive(&p);
  check_refused(0);
  CHECK_EQ(stats().nested, before.nested + 1);

  pkt_ip(&p, OUTSIDE, OWN);
  pkt_fragment(&p, 0, 1);
  pkt_udp(&p, PORT, PORT, 24);
  p = sealed(&tunnel, &p);
  arrive(&p);
  check_refused(0);
  CHECK_EQ(stats().nested, before.nested + 2);

  p = datagram(OUTSIDE, PEER, PORT);
  p = sealed(&tunnel, &p);
  arrive(&p);
  check_refused(0);
  CHECK_EQ(stats().not_for_us, before.not_for_us + 1);

  p = datagram(OUTSIDE, GROUP, OPEN_PORT);
  pkt inner = p;
  p = sealed(&tunnel, &p);
  arrive(&p);
  check_delivered(&inner, UDP);
}

static void
in_group(void)
{
  pkt plain = datagram(PEER, GROUP, PORT), p = sealed(&group, &plain);

  arrive(&p);
  check_delivered(&plain, UDP);
  arrive(&plain);
  check_refused(SPRAT_DROP_UNPROTECTED);
  p = datagram(PEER, OWN, PORT); /* the group's SA, but to the node */
  p = sealed(&group, &p);
  arrive(&p);
  check_refused(SPRAT_DROP_NO_SA);
}

static void
own(void)
{
  static const uint8_t unspecified[16], loopback[16] = { [15] = 1 };
  pkt p = datagram(OWN, OWN2, PORT);

  p.next_at = 0;
  leave(&p); /* comes back by itself */
  check_delivered(&p, UDP);
  CHECK_EQ(stub.sent, 0);
  p = datagram(loopback, loopback, CLOSED_PORT);
  leave(&p);
  check_delivered(&p, UDP);

  pkt_ip(&p, unspecified, GROUP);
  pkt_icmp(&p, 135);
  arrive(&p);
  check_delivered(&p, ICMPV6);
  p = datagram(PEER, loopback, PORT);
  arrive(&p);
  check_refused(SPRAT_DROP_UNPROTECTED);
}

/* Somebody else keeps the packet that arrives, as a sniffer does. */
static void
held(void)
{
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain);
  gnrc_pktsnip_t *pkt = stub_received(p.octets, p.length, 1);

  gnrc_pktbuf_hold(pkt, 1);
  stub.delivered = 0;
  stub_receive(pkt);
  CHECK_EQ(stub.delivered, 1);
  CHECK_EQ(stub_snips(), 2);
  CHECK(pkt->size == p.length && memcmp(pkt->data, p.octets, p.length) == 0);
  CHECK(pkt->users == 1 && pkt->next->users == 1 && pkt->next->size == 8);
  gnrc_pktbuf_release(pkt);
  check_clean();
}

/* A thread that wants Hop-by-Hop headers shares all behind them with us. */
static void
subscribed(void)
{
  pkt plain, p;

  pkt_ip(&plain, PEER, OWN);
  pkt_hop_by_hop(&plain);
  pkt_udp(&plain, PORT, PORT, 20);
  p = sealed(&transport, &plain);
  stub.subscriber = HOP_BY_HOP;
  arrive(&p);
  stub.subscriber = -1;
  CHECK_EQ(stub.delivered, 1);
  CHECK(stub.seen != NULL && stub_snips() == 3);
  stub_take_down(stub.seen, 1);
  CHECK_EQ(stub.last.snips, 3);
  p.next_at = 0;
  pkt got = seen();
  CHECK(pkt_same(&got, &p));
  gnrc_pktbuf_release(stub.seen);
  stub.seen = NULL;
  check_clean();
}

void
test_input(void)
{
  refusal();
  in_transport();
  in_udp();
  in_tunnel();
  in_tunnel_of_same_ends();
  in_clear();
  damaged();
  unreadable();
  in_group();
  own();
  held();
  subscribed();
}
