/* SPDX-License-Identifier: BSD-3-Clause */
/* What leaves a node with GNRC. */
#include "riot.h"

#include <errno.h>

static uint64_t
number(const pair *of)
{
  uint64_t sn = 0;

  CHECK_EQ(sprat_mote_sa_sn(of->out, &sn), SPRAT_OK);
  return sn;
}

/* One packet went out, sealed, and is what it was for the peer. */
static void
check_sent(pair *by, const pkt *plain)
{
  pkt got = seen();

  CHECK_EQ(stub.sent, 1);
  CHECK_EQ(stub.delivered, 0);
  CHECK_EQ(stub.last.snips, 2);
  CHECK_EQ(stub.last.types[0], GNRC_NETTYPE_IPV6);
  CHECK_EQ(stub.last.sizes[0], 40);
  CHECK_EQ(stub.last.types[1], GNRC_NETTYPE_UNDEF);
  CHECK_EQ(got.octets[4] * 256 + got.octets[5], got.length - 40);
  check_opens(by, &got);
  CHECK(pkt_same(&got, plain));
  CHECK_EQ(refusal(), 0);
  check_clean();
}

static void
out_protected(void)
{
  pkt p = datagram(OWN, PEER, PORT);

  stub.blocks = 0;
  leave(&p);
#if defined(SPRAT_AES_BUILTIN) || defined(SPRAT_AES_SMALL)
  CHECK_EQ(stub.blocks, 0);
#else
  CHECK(stub.blocks > 3);
#endif
  CHECK_EQ(stub.last.octets[6], ESP);
  check_sent(&transport, &p);
  p = datagram(OWN, PEER, ENCAP_PORT);
  leave(&p);
  CHECK_EQ(stub.last.octets[6], UDP);
  check_sent(&encap, &p);
  p = datagram(OWN, GROUP, PORT);
  leave(&p);
  CHECK_EQ(stub.last.octets[6], ESP);
  check_sent(&group, &p);
}

static void
out_tunnel(void)
{
  pkt p = datagram(OWN, OUTSIDE, PORT);
  uint64_t before = number(&tunnel);

  leave(&p);
  CHECK_EQ(stub.last.octets[6], ESP);
  CHECK(memcmp(stub.last.octets + 24, PEER, 16) == 0);
  check_sent(&tunnel, &p);
  CHECK_EQ(number(&tunnel), before + 1);
  stub.receivers = 0;
  leave(&p);
  stub.receivers = 1;
  check_refused(0);
}

static void
out_refused(void)
{
  pkt p = datagram(OWN, PEER, CLOSED_PORT);

  leave(&p);
  check_refused(SPRAT_DROP_POLICY);
  p = datagram(OWN, PEER, 1);
  leave(&p);
  check_refused(SPRAT_DROP_NO_POLICY);
  static const uint8_t unspecified[16]; /* as ours as any */
  p = datagram(unspecified, PEER, CLOSED_PORT);
  leave(&p);
  check_refused(SPRAT_DROP_POLICY);
}

static void
out_clear(void)
{
  pkt p = datagram(OWN, PEER, OPEN_PORT);

  leave(&p);
  pkt got = seen();
  CHECK(stub.sent == 1 && pkt_same(&got, &p));
  CHECK_EQ(stub.last.types[1], GNRC_NETTYPE_UDP);
  pkt_ip(&p, OWN, PEER);
  pkt_icmp(&p, 135);
  leave(&p);
  got = seen();
  CHECK(stub.sent == 1 && pkt_same(&got, &p));
  CHECK_EQ(refusal(), 0);
  check_clean();
}

/* Longer than any packet that ESP could be put around, and almost so. */
static void
too_long(void)
{
  static uint8_t octets[65535];
  pkt p = datagram(OWN, PEER, PORT);
  uint64_t before = number(&transport);
  unsigned none = stats().no_buffer;

  memcpy(octets, p.octets, p.length);
  stub.delivered = stub.sent = 0;
  stub_send(stub_to_send(octets, 65535, GNRC_NETTYPE_UDP));
  CHECK_EQ(stats().no_buffer, none + 1);
  check_refused(0);
  stub_send(stub_to_send(octets, 65535 - SPRAT_MOTE_SEAL_ROOM + 1, GNRC_NETTYPE_UDP));
  CHECK_EQ(stats().no_buffer, none + 2);
  check_refused(0);
  CHECK_EQ(number(&transport), before);
  stub_send(stub_to_send(octets, 65535 - SPRAT_MOTE_SEAL_ROOM, GNRC_NETTYPE_UDP));
  CHECK_EQ(stub.sent, 1);
  CHECK_EQ(number(&transport), before + 1);
  check_clean();
}

static void
checksums(void)
{
  pkt p = datagram(OWN, PEER, PORT);
  uint64_t before = number(&transport);

  stub.checksum = -EINVAL;
  leave(&p);
  check_refused(0);
  CHECK_EQ(number(&transport), before);
  stub.checksum = -ENOENT; /* none is needed */
  leave(&p);
  check_sent(&transport, &p);
  stub.checksum = 0;
}

/* To whatever is no IPv6 header the hook has nothing to say. */
static void
other_headers(void)
{
  gnrc_pktsnip_t snip = { .type = GNRC_NETTYPE_UDP };
  int __wrap_gnrc_netreg_calc_csum(gnrc_pktsnip_t *, gnrc_pktsnip_t *);

  CHECK_EQ(__wrap_gnrc_netreg_calc_csum(&snip, &snip), 0);
}

/* The application keeps its packet, to send it again. */
static void
kept(const uint8_t *to, pair *by)
{
  pkt plain = datagram(OWN, to, PORT), got;
  gnrc_pktsnip_t *pkt = stub_to_send(plain.octets, plain.length, GNRC_NETTYPE_UDP);
  gnrc_pktsnip_t *upper = pkt->next;

  for(int i = 0; i < 3; i++) {
    stub.sent = 0;
    gnrc_pktbuf_hold(pkt, 1);
    stub_send(pkt);
    CHECK_EQ(stub.sent, 1);
    got = seen();
    check_opens(by, &got);
    CHECK(pkt_same(&got, &plain));
    CHECK(pkt->next == upper && pkt->users == 1 && upper->users == 1);
    CHECK_EQ(stub_snips(), 2);
    CHECK(memcmp(pkt->data, plain.octets, 40) == 0);
    CHECK(memcmp(upper->data, plain.octets + 40, plain.length - 40) == 0);
  }
  gnrc_pktbuf_release(pkt);
  check_clean();
}

void
test_output(void)
{
  refusal();
  out_protected();
  out_tunnel();
  out_refused();
  out_clear();
  too_long();
  checksums();
  other_headers();
  kept(PEER, &transport);
  kept(OUTSIDE, &tunnel);
}
