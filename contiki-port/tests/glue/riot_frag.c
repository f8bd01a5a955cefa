/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments. */
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
  nobody();
  lying_fragment();
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
