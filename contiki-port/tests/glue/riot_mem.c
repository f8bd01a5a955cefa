/* SPDX-License-Identifier: BSD-3-Clause */
/* Every allocation fails in turn, and random packets. */
#include "dice.h"
#include "riot.h"

/* -- Memory -- */

/* What happens to the node; the packet that has to come out. */
typedef pkt (*event)(int *protected_by_us);

static void
begin(unsigned fail_at, unsigned fail_on)
{
  stub.delivered = stub.sent = stub.failed = stub.failed_ours = 0;
  stub.fail_at = fail_at;
  stub.fail_on = fail_on;
}

static unsigned fail_at, fail_on;

/* As arrive() and leave(), but memory ends. */
static void
arrive_short(const pkt *p)
{
  gnrc_pktsnip_t *pkt = stub_received(p->octets, p->length, 1);

  begin(fail_at, fail_on);
  stub_receive(pkt);
  stub.fail_at = 0;
}

static void
leave_short(const pkt *p)
{
  gnrc_pktsnip_t *pkt = stub_to_send(p->octets, p->length, GNRC_NETTYPE_UDP);

  begin(fail_at, fail_on);
  stub_send(pkt);
  stub.fail_at = 0;
}

static pkt
in_sealed(int *ours)
{
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain);

  *ours = 1;
  arrive_short(&p);
  return plain;
}

static pkt
in_options(int *ours)
{
  pkt plain, p;

  pkt_ip(&plain, PEER, OWN);
  pkt_hop_by_hop(&plain);
  pkt_udp(&plain, PORT, PORT, 20);
  p = sealed(&transport, &plain);
  *ours = 1;
  arrive_short(&p);
  return plain;
}

static pkt
in_tunnel(int *ours)
{
  pkt plain, p;

  pkt_ip(&plain, OUTSIDE, OWN);
  pkt_hop_by_hop(&plain);
  pkt_udp(&plain, PORT, PORT, 20);
  p = sealed(&tunnel, &plain);
  *ours = 1;
  arrive_short(&p);
  return plain;
}

static pkt
in_clear(int *ours)
{
  pkt p = datagram(PEER, OWN, OPEN_PORT);

  *ours = 0;
  arrive_short(&p);
  return p;
}

#ifdef MODULE_GNRC_IPV6_EXT_FRAG
static pkt
in_parts(int *ours)
{
  pkt plain = datagram(PEER, OWN, PORT), p = sealed(&transport, &plain), part;

  pkt_ip(&part, PEER, OWN);
  pkt_fragment(&part, 0, 1);
  pkt_raw(&part, ESP, p.octets + 40, 24);
  arrive(&part);
  pkt_ip(&part, PEER, OWN);
  pkt_fragment(&part, 3, 0);
  pkt_raw(&part, ESP, p.octets + 64, p.length - 64);
  *ours = 1;
  arrive_short(&part);
  stub_forget_fragments();
  return plain;
}
#endif

static pkt
out_sealed(int *ours)
{
  pkt p = datagram(OWN, PEER, PORT);

  *ours = 1;
  leave_short(&p);
  return p;
}

static pkt
out_tunnel(int *ours)
{
  pkt p = datagram(OWN, OUTSIDE, PORT);

  *ours = 1;
  leave_short(&p);
  return p;
}

static pkt
out_clear(int *ours)
{
  pkt p = datagram(OWN, PEER, OPEN_PORT);

  *ours = 0;
  leave_short(&p);
  return p;
}

/* What came out is what should, and never in clear. */
static void
check_outcome(const pkt *plain, int ours)
{
  pkt got = seen();

  CHECK(stub.sent + stub.delivered <= 1);
  if(stub.sent == 1 && ours) {
    CHECK_EQ(got.octets[6], ESP);
    check_opens(got.octets[39] == PEER[15] && plain->octets[39] == OUTSIDE[15] ? &tunnel
                                                                             : &transport,
                &got);
  }
  if(stub.sent + stub.delivered == 1) {
    CHECK(pkt_same(&got, plain));
  }
}

static uint64_t
numbers(void)
{
  uint64_t a = 0, b = 0;

  sprat_mote_sa_sn(transport.out, &a);
  sprat_mote_sa_sn(tunnel.out, &b);
  return a + b;
}

/* The n-th allocation fails, and with it all later ones or none, for every n. */
static void
each_failure(event happens, int wasted)
{
  unsigned wasted_numbers = 0;

  for(fail_on = 0; fail_on < 2; fail_on++) {
    unsigned done = 0;
    for(fail_at = 1; !done && fail_at < 40; fail_at++) {
      unsigned before = stats().no_buffer;
      uint64_t from = numbers();
      int ours;
      pkt plain = happens(&ours);
      plain.next_at = 0;
      done = stub.failed == 0;
      check_outcome(&plain, ours);
      CHECK_EQ(stats().no_buffer, before + (stub.failed_ours != 0));
      CHECK(!done || stub.sent + stub.delivered == 1);
      CHECK(stub.failed_ours == 0 || stub.sent + stub.delivered == 0);
      CHECK(numbers() - from <= 1);
      wasted_numbers += stub.sent == 0 && numbers() != from;
      check_clean();
    }
    CHECK(done && fail_at > 3);
  }
  /* A number that was taken is gone, whatever becomes of its packet. */
  CHECK_EQ(wasted_numbers > 0, wasted);
  refusal();
}

void
test_allocations(void)
{
  each_failure(in_sealed, 0);
  each_failure(in_options, 0);
  each_failure(in_tunnel, 0);
  each_failure(in_clear, 0);
#ifdef MODULE_GNRC_IPV6_EXT_FRAG
  each_failure(in_parts, 0);
#endif
  each_failure(out_sealed, 1);
  each_failure(out_tunnel, 1);
  each_failure(out_clear, 0);
}

/* -- Random packets -- */

#ifndef RANDOM_PACKETS
#define RANDOM_PACKETS 150000
#endif

/* What becomes of a packet that no policy names. */
static uint8_t otherwise = SPRAT_GLUE_DISCARD;

static void
random_octets(uint8_t *octets, uint16_t length)
{
  for(uint16_t i = 0; i < length; i++) {
    octets[i] = (uint8_t)dice(256);
  }
}

static const uint8_t *
random_address(void)
{
  static const uint8_t unspecified[16];
  const uint8_t *const addresses[] = { OWN, OWN2, PEER, OUTSIDE, GROUP, unspecified };

  return addresses[dice(6)];
}

/* Headers of all kinds, few octets long, that may say anything. */
static void
random_headers(pkt *p)
{
  static const uint8_t kinds[] = { 0, 43, 44, 50, 51, 60, 135, 44, 43 };
  uint8_t header[24];

  for(uint32_t n = dice(4); n > 0; n--) {
    uint16_t at = p->length, length = 8 + 8 * (uint16_t)dice(3);
    random_octets(header, length);
    header[1] = dice(4) == 0 ? header[1] % 4 : (uint8_t)(length / 8 - 1);
    header[2] = dice(2) ? 0 : header[2] % 4;
    header[3] = (uint8_t)(dice(6) * 4 & 0xf9);
    header[3] |= (uint8_t)dice(2);
    memset(header + 4, 0, 4); /* fragments of one datagram */
    pkt_raw(p, kinds[dice(sizeof(kinds))], header, length);
    p->next_at = at;
  }
}

static pkt
random_packet(const uint8_t *from, const uint8_t *to)
{
  static const uint16_t ports[] = { PORT, OPEN_PORT, CLOSED_PORT, ENCAP_PORT, 4500, 135 * 256 };
  pkt p;

  pkt_ip(&p, from, to);
  random_headers(&p);
  uint16_t source = ports[dice(6)], destination = ports[dice(6)];
  if(dice(3) == 0) {
    pkt_icmp(&p, 125 + (uint8_t)dice(20));
  } else {
    pkt_udp(&p, source, destination, 8 * (uint16_t)dice(5));
  }
  return p;
}

/* A packet that an SA of the peer seals, if it is one that can be. */
static pkt
random_sealed(void)
{
  pair *const pairs[] = { &transport, &tunnel, &encap, &group };
  uint32_t i = dice(4);
  const uint8_t *to = random_address();
  pkt p = random_packet(i == 1 ? OUTSIDE : PEER, i == 3 ? GROUP : to);

  if(dice(2)) {
    p = datagram(i == 1 ? OUTSIDE : PEER, i == 3 ? GROUP : OWN, i == 2 ? ENCAP_PORT : PORT);
  }
  sprat_mote_seal(&pairs[i]->peer_out, p.octets, &p.length, PACKET_ROOM);
  return p;
}

static void
damage(pkt *p)
{
  for(uint32_t n = dice(3); n > 0; n--) {
    uint32_t at = dice(p->length);
    p->octets[at] ^= (uint8_t)(1 << dice(8));
  }
}

static int
is(const uint8_t *address, const uint8_t *other)
{
  return memcmp(address, other, 16) == 0;
}

static int
is_port(const uint8_t *upper, uint16_t port)
{
  return upper[0] * 256 + upper[1] == port && upper[2] * 256 + upper[3] == port;
}

/* Whether policies let it pass in clear, by what upper layers are given. */
static int
may_pass(uint8_t protocol, const uint8_t *upper, uint16_t length, const uint8_t *remote,
         const uint8_t *to)
{
  if(protocol == ICMPV6 && length >= 2 &&
     ((upper[0] >= 130 && upper[0] <= 137) || upper[0] == 143 || upper[0] == 155)) {
    return 1;
  }
  if(is(remote, OUTSIDE)) {
    return 0;
  }
  if(protocol == UDP && length >= 4) {
    int with_peer = is_port(upper, PORT) || is_port(upper, ENCAP_PORT);
    if((is(remote, PEER) && with_peer) || (is(to, GROUP) && is_port(upper, PORT)) ||
       is_port(upper, CLOSED_PORT)) {
      return 0;
    }
    if(is_port(upper, OPEN_PORT)) {
      return 1;
    }
  }
  return otherwise == SPRAT_GLUE_BYPASS;
}

static uint32_t
passed(void)
{
  sprat_mote_counters now;

  sprat_gnrc_counters(&now, NULL);
  return now.passed;
}

static void
check_arrival(const pkt *p)
{
  uint32_t opened = passed();
  const uint8_t *octets = stub.last.octets;

  arrive(p);
  if(stub.delivered > 0 && passed() == opened) {
    uint16_t payload = stub.last.sizes[0];
    CHECK(may_pass(stub.protocol, octets + stub.last.length - payload, payload, octets + 8,
                   octets + 24));
  }
  /* What a source route leads on is never in our name. */
  CHECK(stub.sent == 0 || !(is(octets + 8, OWN) || is(octets + 8, OWN2)));
  CHECK_EQ(stub.faults, 0);
}

static void
check_departure(const pkt *p)
{
  uint32_t sealed_before = passed();
  const uint8_t *octets = stub.last.octets;
  sprat_mote_flow flow;

  leave(p);
  if(stub.sent > 0 && passed() == sealed_before) {
    CHECK_EQ(sprat_mote_flow_of(octets, stub.last.length, &flow), SPRAT_OK);
    CHECK(flow.protocol == ESP ||
          may_pass(flow.protocol, octets + flow.upper_at, stub.last.length - flow.upper_at,
                   flow.destination, flow.destination));
  }
  CHECK_EQ(stub.faults, 0);
}

static pkt
random_one(unsigned kind)
{
  const uint8_t *from;
  pkt p;

  switch(kind) {
  case 0:
    pkt_ip(&p, PEER, OWN);
    p.length = (uint16_t)(40 + dice(100));
    random_octets(p.octets, p.length);
    p.octets[0] = 0x60;
    p.octets[4] = 0;
    p.octets[5] = (uint8_t)(p.length - 40);
    memcpy(p.octets + 24, OWN, 16);
    return p;
  case 1:
    p = random_sealed();
    damage(&p);
    return p;
  default:
    from = random_address();
    p = random_packet(from, random_address());
    if(kind == 2) {
      damage(&p);
    }
    return p;
  }
}

/* What no policy names is discarded in the first half, and passes in the other. */
void
test_random(void)
{
  state = 1;
  for(unsigned i = 0; i < RANDOM_PACKETS; i++) {
    if(i == RANDOM_PACKETS / 2) {
      otherwise = SPRAT_GLUE_BYPASS;
      sprat_gnrc_acquire()->otherwise = otherwise;
      sprat_gnrc_release();
    }
    pkt p = random_one(i % 4);
    check_arrival(&p);
    p.octets[0] = 0x60;
    memcpy(p.octets + 8, OWN, 16);
    check_departure(&p);
  }
  otherwise = SPRAT_GLUE_DISCARD;
  sprat_gnrc_acquire()->otherwise = otherwise;
  sprat_gnrc_release();
  stub_forget_fragments();
  check_clean();
}
