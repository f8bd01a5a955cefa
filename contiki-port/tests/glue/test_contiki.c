/* SPDX-License-Identifier: BSD-3-Clause */
/* The modules for Contiki-NG over stand-ins: hooks, forwarder, stored numbers. */

#include "check.h"
#include "packets.h"
#include "sprat-cfs.h"
#include "sprat-uip.h"
#include "stub.h"

#ifndef UIP_IPV6_MULTICAST
#define UIP_IPV6_MULTICAST 0
#endif

unsigned checks_made, checks_failed;

enum { ESP = 50, UDP = 17, PORT = 5683, PAIR = 1 };

static const uint8_t OWN[16] = { 0xfd, [15] = 1 }, PEER[16] = { 0xfd, [15] = 2 };
static const uint8_t OUTSIDE[16] = { 0xfd, 9, [15] = 9 };
static const uint8_t KEY[16] = { 1, 2, 3 }, SALT[3] = { 4, 5, 6 };
static sprat_glue_selector selector = SPRAT_GLUE_SELECTOR_ANY;

int __wrap_rpl_ext_header_update(void);
uint8_t *__wrap_uipbuf_get_next_header(uint8_t *buffer, uint16_t size, uint8_t *protocol,
                                       bool start);
uint8_t *__wrap_uipbuf_get_last_header(uint8_t *buffer, uint16_t size, uint8_t *protocol);
uint8_t *__wrap_uipbuf_search_header(uint8_t *buffer, uint16_t size, uint8_t protocol);

/* The other end: the same SAs with the library's own AES. */
static sprat_mote_sa peer_out, peer_in;

/* -- Moving packets in and out of uip_buf -- */

static void
to_buffer(const pkt *p)
{
  memcpy(uip_buf, p->octets, p->length);
  uip_len = p->length;
}

static pkt
from_buffer(void)
{
  pkt p = { { 0 }, 0, 0, { 0 } };

  memcpy(p.octets, uip_buf, uip_len);
  p.length = uip_len;
  return p;
}

static pkt
datagram(const uint8_t *from, const uint8_t *to)
{
  pkt p;

  pkt_ip(&p, from, to);
  pkt_udp(&p, PORT, PORT, 20);
  return p;
}

static enum netstack_ip_action
out(const pkt *p)
{
  to_buffer(p);
  return stub.processor->process_output(NULL);
}

static enum netstack_ip_action
in(const pkt *p)
{
  to_buffer(p);
  return stub.processor->process_input();
}

static int
early(const pkt *p)
{
  to_buffer(p);
  return __wrap_rpl_ext_header_update();
}

/* -- SAs -- */

static sprat_mote_params
params(uint32_t spi, uint8_t sends)
{
  sprat_mote_params p = { 0 };

  p.spi = spi;
  p.out = sends;
  p.implicit_iv = 1;
  p.window = 64;
  p.key = KEY;
  p.salt = SALT;
  return p;
}

static void
make_peer(const sprat_mote_path *in_path, const sprat_mote_path *out_path)
{
  sprat_mote_params p = params(0x11000002, 0);

  p.path = in_path;
  CHECK_EQ(sprat_mote_sa_init(&peer_in, &p), SPRAT_OK);
  p = params(0x11000001, 1);
  p.path = out_path;
  CHECK_EQ(sprat_mote_sa_init(&peer_out, &p), SPRAT_OK);
}

static void
before_init(void)
{
  pkt p = datagram(OWN, PEER);

  CHECK(stub.processor == NULL);
  CHECK_EQ(early(&p), 1); /* no hook is in the way of a node without policies */
  CHECK_EQ(sprat_uip_policy_add(0, NULL), SPRAT_E_NULL);
}

static void
transport(void)
{
  sprat_glue_policy policy = { &selector, NULL, SPRAT_GLUE_PROTECT, 0, PAIR };
  sprat_mote_params p = params(0x11000002, 1);
  pkt plain = datagram(OWN, PEER), sealed;

  CHECK_EQ(sprat_uip_init(), SPRAT_OK);
  CHECK_EQ(sprat_uip_init(), SPRAT_OK);
  CHECK_EQ(out(&plain), NETSTACK_IP_DROP);
  selector.protocol = UDP;
  policy.out = sprat_uip_sa_add(&p, 0, NULL);
  p = params(0x11000001, 0);
  CHECK(policy.out != NULL && sprat_uip_sa_add(&p, PAIR, NULL) != NULL);
  CHECK_EQ(sprat_uip_policy_add(SPRAT_GLUE_LAST, &policy), SPRAT_OK);
  make_peer(NULL, NULL);

  stub.keys = stub.blocks = stub.disabled = stub.enabled = 0;
  CHECK_EQ(out(&plain), NETSTACK_IP_PROCESS);
  CHECK_EQ(stub.keys, SPRAT_AES_SHARED ? stub.blocks : 1);
  CHECK(stub.blocks > 3 && stub.disabled == (SPRAT_AES_SHARED ? stub.blocks : 0));
  CHECK_EQ(stub.enabled, stub.disabled);
  sealed = from_buffer();
  CHECK(pkt_find(&sealed, ESP) == 40);
  CHECK_EQ(sprat_mote_open(&peer_in, sealed.octets, &sealed.length, PACKET_ROOM), SPRAT_OK);
  CHECK(pkt_same(&sealed, &plain));

  plain = sealed = datagram(PEER, OWN);
  CHECK_EQ(sprat_mote_seal(&peer_out, sealed.octets, &sealed.length, PACKET_ROOM), SPRAT_OK);
  CHECK_EQ(in(&sealed), NETSTACK_IP_PROCESS);
  plain.next_at = 0;
  sealed = from_buffer();
  CHECK(pkt_same(&sealed, &plain));
  uip_len = 0; /* a message of the serial line */
  CHECK_EQ(stub.processor->process_input(), NETSTACK_IP_PROCESS);
}

static void
refusals(void)
{
  unsigned warnings = stub.lines[2];
  uint16_t clear = sprat_uip_counters.dropped[SPRAT_DROP_UNPROTECTED];
  pkt p = datagram(PEER, OWN);

  CHECK_EQ(in(&p), NETSTACK_IP_DROP);
  CHECK_EQ(stub.lines[2], warnings + 1);
  CHECK_EQ(sprat_uip_counters.dropped[SPRAT_DROP_UNPROTECTED], clear + 1);
  pkt_ip(&p, OWN, PEER);
  pkt_udp(&p, PORT, PORT, UIP_LINK_MTU - 48);
  CHECK_EQ(p.length, UIP_LINK_MTU); /* full: no octet for ESP */
  CHECK_EQ(out(&p), NETSTACK_IP_DROP);
  CHECK_EQ(sprat_uip_counters.dropped[SPRAT_DROP_NO_ROOM], 1);
  pkt_ip(&p, OWN, PEER);
  pkt_udp(&p, PORT, PORT, UIP_LINK_MTU - 66); /* and 8, 10 and 8 octets of ESP */
  CHECK_EQ(out(&p), NETSTACK_IP_PROCESS);
  CHECK_EQ(from_buffer().length, UIP_LINK_MTU);
  pkt_ip(&p, OWN, PEER);
  pkt_udp(&p, PORT, PORT, UIP_LINK_MTU - 65);
  CHECK_EQ(out(&p), NETSTACK_IP_DROP);
  CHECK_EQ(sprat_uip_counters.dropped[SPRAT_DROP_NO_ROOM], 2);
  pkt_ip(&p, OWN, PEER);
  pkt_icmp(&p, 135);
  CHECK_EQ(out(&p), NETSTACK_IP_PROCESS);
  p = datagram(PEER, OUTSIDE);
  CHECK_EQ(in(&p), NETSTACK_IP_PROCESS); /* forwarded */
  CHECK_EQ(out(&p), NETSTACK_IP_PROCESS);
  CHECK_EQ(from_buffer().length, p.length);
}

/* While the node has no address, its packets come from none. */
static void
without_address(void)
{
  static const uint8_t none[16];
  pkt p = datagram(none, PEER);

  CHECK_EQ(out(&p), NETSTACK_IP_PROCESS);
  p = from_buffer();
  CHECK_EQ(pkt_find(&p, ESP), 40);
  pkt_ip(&p, none, PEER);
  pkt_udp(&p, PORT, PORT, UIP_LINK_MTU - 48);
  CHECK_EQ(out(&p), NETSTACK_IP_DROP);
  pkt_ip(&p, none, PEER);
  pkt_icmp(&p, 135); /* detection of duplicate addresses */
  CHECK_EQ(out(&p), NETSTACK_IP_PROCESS);
  CHECK_EQ(from_buffer().length, p.length);
}

/* Somebody else's group: nothing to a node, and to be forwarded by a router of groups. */
static void
foreign_group(void)
{
  static const uint8_t other[16] = { 0xff, 0x1e, [15] = 8 }, near[16] = { 0xff, 2, [15] = 9 };
  enum netstack_ip_action elsewhere =
      UIP_IPV6_MULTICAST && UIP_CONF_ROUTER ? NETSTACK_IP_PROCESS : NETSTACK_IP_DROP;
  const uint8_t sealed[32] = { 0xc0, 0xff, 0xee, 1 };
  pkt p;

  memcpy(stub.group, other, 16);
  stub.group[15] = 7;
  pkt_ip(&p, PEER, other);
  pkt_raw(&p, ESP, sealed, sizeof(sealed));
  CHECK_EQ(in(&p), elsewhere);
  CHECK_EQ(from_buffer().length, p.length);
  pkt_ip(&p, PEER, stub.group);
  pkt_raw(&p, ESP, sealed, sizeof(sealed));
  CHECK_EQ(in(&p), NETSTACK_IP_DROP);
  pkt_ip(&p, PEER, near);
  pkt_raw(&p, ESP, sealed, sizeof(sealed));
  CHECK_EQ(in(&p), NETSTACK_IP_DROP);
  /* In clear, by a policy for every address; on its way, only what is not for us. */
  p = datagram(PEER, stub.group);
  CHECK_EQ(in(&p), NETSTACK_IP_DROP);
  CHECK_EQ(out(&p), NETSTACK_IP_DROP);
  p = datagram(PEER, other);
  CHECK_EQ(in(&p), elsewhere);
  CHECK_EQ(out(&p), elsewhere);
}

/* Transport mode at the early hook, for what the later one does not see. */
static void
transport_early(void)
{
  pkt plain = datagram(OWN, PEER), p;

  CHECK_EQ(early(&plain), 1);
  p = from_buffer();
  CHECK_EQ(pkt_find(&p, ESP), SPRAT_TRANSPORT_EARLY ? 40 : 0);
  if(SPRAT_TRANSPORT_EARLY) {
    CHECK_EQ(out(&p), NETSTACK_IP_PROCESS);
    CHECK_EQ(from_buffer().length, p.length);
    CHECK_EQ(sprat_mote_open(&peer_in, p.octets, &p.length, PACKET_ROOM), SPRAT_OK);
  }
  CHECK(pkt_same(&p, &plain));
  plain.octets[7] = 1; /* as a socket's owner may ask for */
  CHECK_EQ(early(&plain), 1);
  p = from_buffer();
  CHECK_EQ(pkt_find(&p, ESP), SPRAT_TRANSPORT_EARLY ? 40 : 0);
  CHECK_EQ(p.octets[7], 1);
}

/* What the early hook must leave alone, and what it makes. */
static void
tunnels(void)
{
  static sprat_mote_path to;
  sprat_glue_policy policy = { &selector, NULL, SPRAT_GLUE_PROTECT, 1, PAIR };
  sprat_mote_params p = params(0x11000002, 1);
  sprat_mote_sa *sa;
  pkt plain = datagram(OWN, OUTSIDE), made, other = datagram(OWN, OWN);
  unsigned routed, lost;
  uint64_t number;

  to.tunnel = 1;
  to.family = 6;
  to.hop_limit = 9;
  memcpy(to.source, OWN, 16);
  memcpy(to.destination, PEER, 16);
  p.path = &to;
  policy.out = sa = sprat_uip_sa_add(&p, 0, NULL);
  CHECK(sa != NULL);
  CHECK_EQ(sprat_uip_policy_add(0, &policy), SPRAT_OK);
  make_peer(&to, NULL);
  routed = stub.routed;
  CHECK(early(&other) == 1 && from_buffer().length == other.length);
  other = datagram(PEER, OUTSIDE); /* somebody else's */
  CHECK(early(&other) == 1 && from_buffer().length == other.length);
  other = plain;
  other.octets[7] = 63; /* a hop limit of the application's own */
  CHECK_EQ(early(&other), 1);
  CHECK(from_buffer().octets[6] == ESP && from_buffer().octets[7] == to.hop_limit);
  CHECK_EQ(early(&plain), 1);
  made = from_buffer();
  CHECK(made.octets[6] == ESP && memcmp(made.octets + 24, PEER, 16) == 0);
  CHECK_EQ(made.octets[7], uip_ds6_if.cur_hop_limit); /* RPL takes it for new */
  CHECK_EQ(stub.routed, routed + 4);
  CHECK_EQ(out(&made), NETSTACK_IP_PROCESS);
  CHECK_EQ(sprat_mote_open(&peer_in, made.octets, &made.length, PACKET_ROOM), SPRAT_OK);
  CHECK(pkt_same(&made, &plain));
  lost = sprat_uip_counters.dropped[SPRAT_DROP_NO_OUTBOUND_SA];
  CHECK_EQ(out(&plain), NETSTACK_IP_DROP); /* too late: its next hop is chosen */
  sprat_uip_sa_remove(sa);
  CHECK(sprat_mote_sa_sn(sa, &number) != SPRAT_OK);
  CHECK(key_is_forgotten(sprat_uip_aes128));
  CHECK_EQ(early(&plain), 0); /* dropped, and RPL is not asked */
  CHECK_EQ(sprat_uip_counters.dropped[SPRAT_DROP_NO_OUTBOUND_SA], lost + 2);
  CHECK_EQ(stub.routed, routed + 4);
  CHECK_EQ(sprat_uip_policy_remove(0), SPRAT_OK);
  CHECK_EQ(sprat_uip_policy_remove(99), SPRAT_E_NOT_FOUND);
}

/* Packet of the peer's, opened by an SA for this group (NULL: our address) and pair. */
static enum netstack_ip_action
opened(const uint8_t *group, uint8_t pair, const uint8_t *to)
{
  sprat_mote_params p = params(0x11000009, 0);
  sprat_mote_sa *receives = sprat_uip_sa_add(&p, pair, group), sends;
  pkt packet = datagram(PEER, to);
  enum netstack_ip_action verdict;

  p.out = 1;
  CHECK(receives != NULL && sprat_mote_sa_init(&sends, &p) == SPRAT_OK);
  CHECK_EQ(sprat_mote_seal(&sends, packet.octets, &packet.length, PACKET_ROOM), SPRAT_OK);
  verdict = in(&packet);
  sprat_uip_sa_remove(receives);
  CHECK_EQ(in(&packet), NETSTACK_IP_DROP);
  return verdict;
}

/* What an SA is for goes with it, and does not stay in its place. */
static void
receivers(void)
{
  static const uint8_t group[16] = { 0xff, 2, [15] = 9 };

  CHECK_EQ(opened(NULL, PAIR, OWN), NETSTACK_IP_PROCESS);
  CHECK_EQ(opened(NULL, PAIR + 1, OWN), NETSTACK_IP_DROP);
  CHECK_EQ(opened(NULL, PAIR, group), NETSTACK_IP_DROP);
  CHECK_EQ(opened(group, PAIR, group), NETSTACK_IP_PROCESS);
  CHECK_EQ(opened(group, PAIR, OWN), NETSTACK_IP_DROP);
  CHECK_EQ(opened(NULL, PAIR, OWN), NETSTACK_IP_PROCESS);
}

static void
places(void)
{
  sprat_mote_params p = params(0x11000005, 1);
  sprat_mote_sa *sas[SPRAT_SAS];
  unsigned i, n = 0;

  while(n < SPRAT_SAS && (sas[n] = sprat_uip_sa_add(&p, 0, NULL)) != NULL) {
    n++;
  }
  CHECK_EQ(n, SPRAT_SAS - 2); /* two are in use since the test of transport mode */
  CHECK(sprat_uip_sa_add(&p, 0, NULL) == NULL);
  for(i = 0; i < n; i++) {
    sprat_uip_sa_remove(sas[i]);
  }
  p.spi = 5; /* reserved */
  CHECK(sprat_uip_sa_add(&p, 0, NULL) == NULL);
  p.spi = 0x11000005;
  CHECK(sprat_uip_sa_add(&p, 0, NULL) == sas[0]);
  sprat_uip_sa_remove(sas[0]);
  CHECK_EQ(sprat_uip_spi(), 0x11000001);
  CHECK_EQ(sprat_uip_spi(), 0x11000002);
}

/* FIPS 197, appendix B: the stand-in is AES, or nothing above says anything. */
static void
aes(void)
{
  static const uint8_t key[16] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                   0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c };
  static const uint8_t cipher[16] = { 0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb,
                                      0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32 };
  uint8_t block[16] = { 0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d,
                        0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34 };

  sprat_uip_aes128(key, block);
  CHECK(memcmp(block, cipher, 16) == 0);
}

/* -- The forwarder -- */

static void
walk(uint32_t spi)
{
  const uint8_t head[16] = { spi >> 24, (spi >> 16) & 0xff, (spi >> 8) & 0xff, spi & 0xff };
  uint8_t protocol = 0, *at;
  pkt p;

  pkt_ip(&p, PEER, OUTSIDE);
  pkt_hop_by_hop(&p);
  pkt_raw(&p, ESP, head, sizeof(head));
  at = __wrap_uipbuf_get_last_header(p.octets, p.length, &protocol);
  CHECK(at == p.octets + 48 && protocol == ESP);
  CHECK(__wrap_uipbuf_search_header(p.octets, p.length, 0) == p.octets + 40);
  CHECK(__wrap_uipbuf_search_header(p.octets, p.length, ESP) == p.octets + 48);
  CHECK(__wrap_uipbuf_search_header(p.octets, p.length, UDP) == NULL);
  at = __wrap_uipbuf_get_next_header(p.octets, p.length, &protocol, true);
  CHECK(at == p.octets + 40 && protocol == 0);
  at = __wrap_uipbuf_get_next_header(at, p.length - 40, &protocol, false);
  CHECK(at == p.octets + 48 && protocol == ESP);
  CHECK(__wrap_uipbuf_get_next_header(at, p.length - 48, &protocol, false) == NULL);
  CHECK(__wrap_uipbuf_get_last_header(p.octets, 48, &protocol) == NULL);
  CHECK(__wrap_uipbuf_get_last_header(p.octets, 41, &protocol) == NULL);
  CHECK(__wrap_uipbuf_get_last_header(p.octets, 39, &protocol) == NULL);
}

static void
forwarder(void)
{
  uint8_t protocol = 0;
  pkt p = datagram(PEER, OUTSIDE);

  walk(0x11000001);
  walk(0xC0FFEE01);
  walk(0x2B000001);
  walk(0x00000100);
  CHECK(__wrap_uipbuf_get_last_header(p.octets, p.length, &protocol) == p.octets + 40);
  CHECK_EQ(protocol, UDP);
  pkt_ip(&p, PEER, OUTSIDE);
  pkt_hop_by_hop(&p);
  pkt_udp(&p, 1, 2, 4);
  CHECK(__wrap_uipbuf_search_header(p.octets, p.length, UDP) == p.octets + 48);

  /* ESP, and in the next packet a header that is none in the same place. */
  pkt_ip(&p, PEER, OUTSIDE);
  pkt_hop_by_hop(&p);
  pkt_raw(&p, ESP, (const uint8_t[16]){ 0xc0 }, 16);
  CHECK(__wrap_uipbuf_get_last_header(p.octets, p.length, &protocol) == p.octets + 48);
  pkt_ip(&p, PEER, OUTSIDE);
  pkt_hop_by_hop(&p);
  pkt_hop_by_hop(&p);
  pkt_udp(&p, 1, 2, 4);
  CHECK(__wrap_uipbuf_get_last_header(p.octets, p.length, &protocol) == p.octets + 56);
  CHECK_EQ(protocol, UDP);
}

/* -- Stored numbers -- */

/* The power fails after `cut` octets of what is written, whenever that is. */
static void
power_cut(unsigned cut)
{
  static sprat_cfs_place place = { "twelve chars" };
  static const sprat_mote_port port = SPRAT_CFS_PORT(&place, 3);
  sprat_mote_params p = params(0x11000007, 1);
  uint64_t used = 0, sn = 0;
  unsigned lives, sent = 0;

  stub_erase();
  p.port = &port;
  for(lives = 0; lives < 3; lives++) {
    sprat_mote_sa sa;
    stub.write_budget = lives == 1 ? cut : 1000;
    CHECK_EQ(sprat_cfs_load(&place, p.spi, &p.last_sn), SPRAT_OK);
    CHECK(p.last_sn >= used);
    CHECK_EQ(sprat_mote_sa_init(&sa, &p), SPRAT_OK);
    for(int i = 0; i < 10; i++) {
      pkt packet = datagram(OWN, PEER);
      int32_t verdict = sprat_mote_seal(&sa, packet.octets, &packet.length, PACKET_ROOM);
      if(verdict == SPRAT_DROP_SN_UNRESERVED) {
        break;
      }
      CHECK_EQ(verdict, SPRAT_OK);
      CHECK(sprat_mote_sa_sn(&sa, &sn) == SPRAT_OK && sn > used);
      used = sn;
      sent++;
    }
  }
  CHECK(sent >= 20);
}

/* Of the records of one SPI some end with 0, and Coffee with them. */
static void
short_records(void)
{
  static sprat_cfs_place place = { "gw" };
  uint64_t number = 0, stored;

  stub_erase();
  stub.short_files = 0;
  stub.write_budget = 17 * 1000;
  for(stored = 1; stored <= 1000; stored++) {
    CHECK_EQ(sprat_cfs_store(&place, 0x11000007, stored), SPRAT_OK);
    CHECK_EQ(sprat_cfs_load(&place, 0x11000007, &number), SPRAT_OK);
    CHECK_EQ(number, stored);
  }
  CHECK(stub.short_files > 0);
}

/* A file that is there and cannot be read is not one that was never written. */
static void
unreadable(void)
{
  static sprat_cfs_place place = { "gw" }, longer = { "thirteen char" };
  uint64_t number = 0;

  stub_erase();
  stub.write_budget = 100;
  CHECK_EQ(sprat_cfs_load(&place, 0x11000007, &number), SPRAT_OK);
  CHECK_EQ(sprat_cfs_store(&place, 0x11000007, 64), SPRAT_OK);
  stub.no_files = 1;
  CHECK_EQ(sprat_cfs_load(&place, 0x11000007, &number), SPRAT_E_INTERNAL);
  CHECK(sprat_cfs_store(&place, 0x11000007, 128) != SPRAT_OK);
  stub.no_files = 0;
  stub.no_reads = 1;
  CHECK_EQ(sprat_cfs_load(&place, 0x11000007, &number), SPRAT_E_INTERNAL);
  stub.no_reads = 0;
  CHECK_EQ(sprat_cfs_load(&place, 0x11000007, &number), SPRAT_OK);
  CHECK_EQ(number, 64);
  CHECK_EQ(sprat_cfs_load(&longer, 0x11000007, &number), SPRAT_E_INTERNAL);
  CHECK(sprat_cfs_store(&longer, 0x11000007, 128) != SPRAT_OK);
}

int
main(void)
{
  memcpy(stub.address, OWN, 16);
  before_init();
  aes();
  transport();
  transport_early();
  refusals();
  without_address();
  foreign_group();
  tunnels();
  receivers();
  places();
  forwarder();
  for(unsigned cut = 0; cut <= 68; cut++) {
    power_cut(cut);
  }
  short_records();
  unreadable();
  return check_sum("contiki");
}
