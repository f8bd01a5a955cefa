/* SPDX-License-Identifier: BSD-3-Clause */
/* sprat_glue between two nodes in memory, without an operating system. */

#include "check.h"
#include "packets.h"
#include "sprat_glue.h"
#include "sprat_port.h"

#include <stdlib.h>

unsigned checks_made, checks_failed;

enum { ESP = 50, UDP = 17, PORT = 5683, NAT_T = 4500, PAIR = 3 };

/* fd00::a, fd00::b, a router's fd00::7, somebody's fd00::c, and a group. */
static const uint8_t A[16] = { 0xfd, [15] = 0xa }, B[16] = { 0xfd, [15] = 0xb };
static const uint8_t ROUTER[16] = { 0xfd, [15] = 7 }, OTHER[16] = { 0xfd, [15] = 0xc };
static const uint8_t GROUP[16] = { 0xff, 0x02, [15] = 0x99 };

static const sprat_glue_selector any = SPRAT_GLUE_SELECTOR_ANY;

/* One node: its tables, and its address. */
typedef struct node {
  sprat_glue glue;
  sprat_glue_policy policies[6];
  sprat_glue_in in[8];
  sprat_mote_counters counters;
  uint8_t address[16];
  sprat_glue_selector selector;
  sprat_mote_sa out, sa_in;
} node;

void
sprat_port_panic(void)
{
  abort();
}

#ifdef __linux__
void rust_eh_personality(void);

void
rust_eh_personality(void)
{
  abort();
}
#endif

static int32_t
is_local(void *context, const uint8_t *address)
{
  const node *n = context;

  return address[0] == 0xff || memcmp(address, n->address, 16) == 0;
}

/* -- Set-up -- */

typedef struct format {
  const sprat_mote_ehc *ehc;
  const sprat_mote_path *path;
  uint8_t window; /* 0: 64 */
  uint8_t first_key_octet;
} format;

static void
make_sa(sprat_mote_sa *sa, uint32_t spi, uint8_t out, const format *f)
{
  uint8_t key[16] = { f->first_key_octet, 1, 2, 3, 4, 5, 6, 7 };
  static const uint8_t salt[3] = { 9, 8, 7 };
  sprat_mote_params params = { 0 };

  params.spi = spi;
  params.out = out;
  params.implicit_iv = 1;
  params.window = 64;
  params.key = key;
  params.salt = salt;
  params.ehc = f->ehc;
  params.path = f->path;
  CHECK_EQ(sprat_mote_sa_init(sa, &params), SPRAT_OK);
}

static void
make_node(node *n, const uint8_t *address)
{
  memset(n, 0, sizeof(*n));
  memcpy(n->address, address, 16);
  n->glue.policies = n->policies;
  n->glue.policies_room = 6;
  n->glue.in = n->in;
  n->glue.in_room = 8;
  n->glue.is_local = is_local;
  n->glue.context = n;
  n->glue.counters = &n->counters;
}

/* UDP with `peer`, from PORT to PORT, goes through the SAs. */
static void
protect(node *n, const uint8_t *peer, const uint32_t spis[2], const format *f)
{
  sprat_glue_policy policy = { &n->selector, &n->out, SPRAT_GLUE_PROTECT, 0, PAIR };
  sprat_glue_in entry = { &n->sa_in, NULL, 32, PAIR };

  make_sa(&n->out, spis[0], 1, f);
  make_sa(&n->sa_in, spis[1], 0, f);
  n->selector = any;
  memcpy(n->selector.remote, peer, 16);
  n->selector.remote_bits = 128;
  n->selector.protocol = UDP;
  n->selector.local_port_first = n->selector.local_port_last = PORT;
  n->selector.remote_port_first = n->selector.remote_port_last = PORT;
  policy.tunnel = f->path != NULL && f->path->tunnel;
  entry.spi_bits = f->ehc != NULL ? f->ehc->esp_spi_lsb : 32;
  CHECK_EQ(sprat_glue_in_add(&n->glue, &entry), SPRAT_OK);
  CHECK_EQ(sprat_glue_policy_add(&n->glue, SPRAT_GLUE_LAST, &policy), SPRAT_OK);
}

static const uint32_t A_TO_B[2] = { 0x11000001, 0x11000002 };
static const uint32_t B_TO_A[2] = { 0x11000002, 0x11000001 };

static void
make_pair(node *a, node *b)
{
  static const format plain;

  make_node(a, A);
  make_node(b, B);
  protect(a, B, A_TO_B, &plain);
  protect(b, A, B_TO_A, &plain);
}

static int32_t
leave(node *n, uint8_t stage, pkt *p)
{
  return sprat_glue_output(&n->glue, stage, p->octets, &p->length, PACKET_ROOM);
}

static int32_t
arrive(node *n, pkt *p)
{
  return sprat_glue_input(&n->glue, p->octets, &p->length, PACKET_ROOM);
}

static void
datagram(pkt *p, const uint8_t *from, const uint8_t *to)
{
  pkt_ip(p, from, to);
  pkt_udp(p, PORT, PORT, 20);
}

/* -- What is tested -- */

static void
there_and_back(void)
{
  node a, b;
  pkt p, before;

  make_pair(&a, &b);
  datagram(&p, A, B);
  before = p;
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_OK);
  CHECK(a.glue.changed == 1 && pkt_find(&p, ESP) == 40 && p.length > before.length);
  CHECK_EQ(p.octets[40] << 8 | p.octets[43], 0x1101);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK); /* another hook */
  CHECK_EQ(a.glue.changed, 0);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK(b.glue.changed == 1 && pkt_same(&p, &before));
  CHECK(a.counters.passed == 1 && b.counters.passed == 1);
  datagram(&p, B, A);
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(arrive(&a, &p), SPRAT_OK);
}

/* ESP stands behind Hop-by-Hop and route; the route's end selects the SA. */
static void
place_of_esp(uint8_t shared)
{
  node a, b, router;
  pkt p, before;
  uint16_t route;

  make_pair(&a, &b);
  make_node(&router, ROUTER);
  pkt_ip(&p, A, ROUTER);
  pkt_hop_by_hop(&p);
  route = p.length;
  pkt_route(&p, 1, shared, B);
  pkt_udp(&p, PORT, PORT, 20);
  before = p;
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(pkt_find(&p, ESP), pkt_find(&before, UDP));
  CHECK_EQ(p.octets[route], ESP);

  /* The router is the destination by the field, not by the route. */
  before = p;
  CHECK_EQ(arrive(&router, &p), SPRAT_OK);
  CHECK(router.glue.changed == 0 && pkt_same(&p, &before));
  memcpy(p.octets + 24, B, 16);
  p.octets[route + 3] = 0;
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK(b.glue.changed == 1 && pkt_find(&p, UDP) != 0 && p.octets[p.length - 1] == 20);
}

/* The final destination decides also where it is this node that the field names. */
static void
segments_left(void)
{
  node a, b;
  pkt p;

  make_pair(&a, &b);
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  pkt_ip(&p, A, B);
  pkt_route(&p, 1, 0, OTHER);
  pkt_raw(&p, ESP, (const uint8_t[16]){ 0x11, 0, 0, 1 }, 16);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK_EQ(b.glue.changed, 0);
  datagram(&p, A, OTHER);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK); /* to be forwarded, whatever it is */
  pkt_ip(&p, OTHER, B); /* the stack would forward it to itself */
  pkt_route(&p, 1, 0, B);
  pkt_udp(&p, 7, PORT, 4);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_UNPROTECTED);
  pkt_ip(&p, OTHER, ROUTER); /* but one that comes back here is only under way */
  pkt_route(&p, 1, 0, B);
  pkt_udp(&p, 7, PORT, 4);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

static void
full_buffer(void)
{
  node a, b;
  pkt p, before;
  uint64_t used = 0;

  make_pair(&a, &b);
  datagram(&p, A, B);
  before = p;
  for(uint16_t room = p.length; room < PACKET_ROOM; room++) {
    int32_t verdict =
      sprat_glue_output(&a.glue, SPRAT_GLUE_TRANSPORT, p.octets, &p.length, room);
    if(verdict == SPRAT_OK) {
      CHECK_EQ(p.length, room);
      break;
    }
    CHECK_EQ(verdict, SPRAT_DROP_NO_ROOM);
    CHECK(pkt_same(&p, &before) && a.glue.changed == 0);
  }
  CHECK_EQ(sprat_mote_sa_sn(&a.out, &used), SPRAT_OK);
  CHECK_EQ(used, 1);
  CHECK(a.counters.dropped[SPRAT_DROP_NO_ROOM] > 10);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

static void
wrong_lengths(void)
{
  node a, b;
  pkt p, sealed;

  make_pair(&a, &b);
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  sealed = p;
  for(uint16_t length = 0; length < sealed.length; length++) {
    p = sealed;
    p.length = length;
    CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NOT_IP);
  }
  p = sealed;
  p.length += 7; /* octets behind the end are nobody's */
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK_EQ(p.length, 40 + 8 + 20);
  b.glue.otherwise = SPRAT_GLUE_BYPASS;
  datagram(&p, OTHER, B);
  p.length += 7; /* in clear as well */
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK_EQ(p.length, 40 + 8 + 20);
  CHECK_EQ(b.counters.dropped[SPRAT_DROP_NOT_IP], sealed.length);
}

static void
replays_and_forgeries(void)
{
  node a, b;
  pkt p, sealed;

  make_pair(&a, &b);
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  sealed = p;
  p.octets[p.length - 1] ^= 1;
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_INTEGRITY);
  p = sealed;
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  p = sealed;
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_REPLAY);
  CHECK(pkt_same(&p, &sealed) && b.glue.changed == 0);
  p.octets[43] ^= 0x40; /* an SPI that nobody has */
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NO_SA);
  CHECK(b.counters.passed == 1 && b.counters.dropped[SPRAT_DROP_REPLAY] == 1 &&
        b.counters.dropped[SPRAT_DROP_NO_SA] == 1);
}

static void
policies(void)
{
  sprat_glue_policy policy = { &any, NULL, SPRAT_GLUE_DISCARD, 0, 0 };
  node a, b;
  pkt p;

  make_pair(&a, &b);
  datagram(&p, A, B);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_UNPROTECTED);
  pkt_ip(&p, A, B);
  pkt_udp(&p, PORT, 80, 4);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_NO_POLICY);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TUNNEL, &p), SPRAT_OK); /* the other hook decides */
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NO_POLICY);
  CHECK_EQ(sprat_glue_policy_add(&a.glue, SPRAT_GLUE_LAST, &policy), SPRAT_OK);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_POLICY);
  policy.action = SPRAT_GLUE_BYPASS;
  CHECK_EQ(sprat_glue_policy_add(&a.glue, 1, &policy), SPRAT_OK);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(sprat_glue_policy_remove(&a.glue, 1), SPRAT_OK);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_POLICY);
  b.glue.otherwise = SPRAT_GLUE_BYPASS;
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  a.policies[0].out = NULL; /* receive only */
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_NO_OUTBOUND_SA);
}

/* Prefixes that do not end with an octet. */
static void
prefixes(void)
{
  node a, b;
  pkt p;

  make_pair(&a, &b);
  b.glue.otherwise = SPRAT_GLUE_BYPASS;
  datagram(&p, OTHER, B);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  b.selector.remote_bits = 126; /* fd00::8 to fd00::b */
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  b.selector.remote_bits = 125; /* fd00::8 to fd00::f */
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_UNPROTECTED);
  b.selector.remote_bits = 129; /* none */
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

/* RFC 4301 section 5.2 step 4. */
static void
not_of_the_policy(void)
{
  node a, b;
  pkt p, zero = { { 0 }, 0, 0, { 0 } };

  make_pair(&a, &b);
  a.selector.local_port_first = 1; /* a sends more than b agreed to */
  a.selector.local_port_last = 65535;
  pkt_ip(&p, A, B);
  pkt_udp(&p, 7, PORT, 20);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_SELECTOR);
  zero.length = p.length;
  CHECK(pkt_same(&p, &zero) && b.glue.changed == 0);
  for(uint16_t i = p.length; i < PACKET_ROOM; i++) {
    CHECK_EQ(p.octets[i], 0); /* nor behind it, where plaintext was moved from */
  }
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  b.in[0].pair = PAIR + 1; /* another policy's SA */
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_SELECTOR);
}

static void
control_messages(void)
{
  static const uint8_t clear[] = { 130, 131, 132, 133, 134, 135, 136, 137, 143, 155 };
  static const uint8_t not_clear[] = { 1, 2, 128, 129, 138, 142, 144, 154, 156 };
  node a;
  pkt p;

  make_node(&a, A);
  CHECK_EQ(sprat_glue_control_add(&a.glue), SPRAT_OK);
  for(size_t i = 0; i < sizeof(clear); i++) {
    pkt_ip(&p, A, B);
    pkt_icmp(&p, clear[i]);
    CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
    pkt_ip(&p, B, A);
    pkt_icmp(&p, clear[i]);
    CHECK_EQ(arrive(&a, &p), SPRAT_OK);
  }
  for(size_t i = 0; i < sizeof(not_clear); i++) {
    pkt_ip(&p, A, B);
    pkt_icmp(&p, not_clear[i]);
    CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_NO_POLICY);
  }
  pkt_ip(&p, A, B);
  pkt_udp(&p, 135 * 256, 0, 4); /* a port is no type */
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_NO_POLICY);
  CHECK_EQ(sprat_glue_control_add(&a.glue), SPRAT_OK);
  CHECK_EQ(sprat_glue_control_add(&a.glue), SPRAT_E_SHORT);
  CHECK_EQ(a.glue.policies_len, 6);
}

/* An ICMPv6 message of b to a about a packet from a to this port, of which it
   quotes all but the last octets. */
static void
error_about(pkt *p, uint8_t type, uint16_t port, uint16_t left_out)
{
  uint8_t message[8 + PACKET_ROOM] = { type, 4 };
  pkt quoted;

  pkt_ip(&quoted, A, B);
  pkt_udp(&quoted, PORT, port, 20);
  memcpy(message + 8, quoted.octets, quoted.length);
  pkt_ip(p, B, A);
  pkt_raw(p, 58, message, 8 + quoted.length - left_out);
}

/* What came sealed must not leave in clear in an error that quotes it. */
static void
quotations(void)
{
  node a, b;
  pkt p;

  make_pair(&a, &b);
  b.glue.otherwise = SPRAT_GLUE_BYPASS;
  error_about(&p, 1, PORT, 0);
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_POLICY);
  error_about(&p, 1, PORT, 10); /* who knows */
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_POLICY);
  error_about(&p, 1, PORT, 68); /* nothing of it */
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_POLICY);
  error_about(&p, 2, PORT, 28); /* the IPv6 header of it */
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_POLICY);
  CHECK_EQ(b.counters.dropped[SPRAT_DROP_POLICY], 4);
  error_about(&p, 2, 80, 10); /* cut, as all that is too big */
  pkt whole = p;
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK(pkt_same(&p, &whole));
  p.octets[40 + 8 + 6] = ESP;
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  error_about(&p, 1, 80, 0);
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  error_about(&p, 129, PORT, 0); /* an echo is no quotation */
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  b.selector.protocol = 0;
  b.selector.local_port_first = b.selector.remote_port_first = 0;
  b.selector.local_port_last = b.selector.remote_port_last = UINT16_MAX;
  error_about(&p, 1, PORT, 0);
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(b.glue.changed, 1); /* sealed, it may quote what it likes */
}

/* A policy for UDP is not asked for what a stack does not skip on its way out. */
static void
unread_on_the_way_out(void)
{
  static const uint8_t protocols[] = { 51, 135, 139, 140 };
  static const uint8_t body[40] = { 59, 4 };
  sprat_glue_selector own = any, udp = any;
  sprat_glue_policy bypass = { &own, NULL, SPRAT_GLUE_BYPASS, 0, 0 };
  sprat_glue_policy discard = { &udp, NULL, SPRAT_GLUE_DISCARD, 0, 0 };
  node a, b;
  pkt p;

  udp.protocol = UDP;
  for(unsigned i = 0; i < sizeof(protocols); i++) {
    make_pair(&a, &b);
    own.protocol = protocols[i];
    CHECK_EQ(sprat_glue_policy_add(&a.glue, SPRAT_GLUE_LAST, &bypass), SPRAT_OK);
    CHECK_EQ(sprat_glue_policy_add(&a.glue, 0, &discard), SPRAT_OK);
    pkt_ip(&p, A, B);
    pkt_raw(&p, protocols[i], body, sizeof(body));
    CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
    CHECK_EQ(a.glue.changed, 0);
  }
}

/* What a fragment hides must not come round a policy, nor open one. */
static void
fragments(void)
{
  sprat_glue_selector web = any;
  sprat_glue_policy bypass = { &web, NULL, SPRAT_GLUE_BYPASS, 0, 0 };
  node a, b;
  pkt p;

  make_pair(&a, &b);
  web.protocol = UDP;
  web.local_port_first = web.local_port_last = 80;
  CHECK_EQ(sprat_glue_policy_add(&b.glue, 0, &bypass), SPRAT_OK);
  pkt_ip(&p, A, B);
  pkt_fragment(&p, 5, 0);
  pkt_raw(&p, UDP, (const uint8_t[8]){ 0 }, 8);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_UNPROTECTED);
  pkt_ip(&p, OTHER, B);
  pkt_fragment(&p, 5, 0);
  pkt_raw(&p, UDP, (const uint8_t[8]){ 0 }, 8);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NO_POLICY);
  pkt_ip(&p, A, B);
  pkt_fragment(&p, 0, 1);
  pkt_udp(&p, 9, 80, 8);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK); /* its first one shows what it is */
  pkt_ip(&p, A, B);
  pkt_fragment(&p, 0, 1);
  pkt_raw(&p, ESP, (const uint8_t[32]){ 0x11, 0, 0, 1 }, 32);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_FRAGMENT);
  pkt_ip(&p, A, B); /* a fragment inside it that says it is whole */
  pkt_fragment(&p, 0, 1);
  pkt_fragment(&p, 0, 0);
  pkt_raw(&p, ESP, (const uint8_t[32]){ 0x11, 0, 0, 1 }, 32);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_FRAGMENT);
}

/*
 * Headers that some stacks skip and go on behind: what is there must not come
 * round a policy either.
 */
static void
unread_headers(void)
{
  static const uint8_t kinds[] = { 51, 135, 139, 140 };
  sprat_glue_selector narrow = any;
  sprat_glue_policy bypass = { &narrow, NULL, SPRAT_GLUE_BYPASS, 0, 0 };
  node a, b;
  pkt p;

  make_pair(&a, &b);
  narrow.protocol = UDP;
  CHECK_EQ(sprat_glue_policy_add(&b.glue, 0, &bypass), SPRAT_OK);
  b.glue.otherwise = SPRAT_GLUE_BYPASS;
  for(size_t i = 0; i < sizeof(kinds); i++) {
    pkt_ip(&p, A, B);
    pkt_raw(&p, kinds[i], (const uint8_t[16]){ UDP }, 16);
    CHECK_EQ(arrive(&b, &p), SPRAT_DROP_UNPROTECTED);
    pkt_ip(&p, OTHER, B);
    pkt_raw(&p, kinds[i], (const uint8_t[16]){ UDP }, 16);
    CHECK_EQ(arrive(&b, &p), SPRAT_OK); /* nothing with this peer is protected */
  }
  narrow.protocol = 135; /* who wants them has them in clear */
  pkt_ip(&p, A, B);
  pkt_raw(&p, 135, (const uint8_t[16]){ UDP }, 16);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

/* A tunnel from a to b, into which a puts everything. */
static void
make_tunnel(node *a, node *b, sprat_mote_path *ab)
{
  const format f = { NULL, ab, 0, 0 };

  *ab = (sprat_mote_path){ .tunnel = 1, .family = 6, .hop_limit = 64 };
  memcpy(ab->source, A, 16);
  memcpy(ab->destination, B, 16);
  make_node(a, A);
  make_node(b, B);
  protect(a, B, A_TO_B, &f);
  protect(b, A, B_TO_A, &f);
  make_sa(&b->sa_in, A_TO_B[0], 0, &f);
  a->selector = any;
}

/* A peer does not pass by its selector with a fragment that hides the ports. */
static void
fragments_inside(void)
{
  sprat_mote_path ab;
  node a, b;
  pkt p;

  make_tunnel(&a, &b, &ab);
  pkt_ip(&p, A, B);
  pkt_fragment(&p, 5, 0);
  pkt_raw(&p, UDP, (const uint8_t[8]){ 0 }, 8);
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_SELECTOR);
  b.selector.protocol = 0;
  b.selector.local_port_first = b.selector.remote_port_first = 0;
  b.selector.local_port_last = b.selector.remote_port_last = UINT16_MAX;
  pkt_ip(&p, A, B);
  pkt_fragment(&p, 5, 0);
  pkt_raw(&p, UDP, (const uint8_t[8]){ 0 }, 8);
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK); /* which hides nothing that was asked */
}

/* A peer's packet in our name would leave as ours, sealed for another peer. */
static void
own_source_inside(void)
{
  sprat_mote_path ab;
  node a, b;
  pkt p;

  make_tunnel(&a, &b, &ab);
  b.selector = any;
  memcpy(a.address, B, 16); /* a forges */
  datagram(&p, B, OTHER);
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_OK);
  CHECK_EQ(a.glue.changed, 1);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_SELECTOR);
}

/* A policy in front that discards holds for what came protected too. */
static void
discard_in_front(void)
{
  sprat_glue_selector web = any;
  sprat_glue_policy front = { &web, NULL, SPRAT_GLUE_DISCARD, 0, 0 };
  sprat_mote_path ab;
  node a, b;
  pkt p;

  make_tunnel(&a, &b, &ab);
  web.protocol = UDP;
  web.local_port_first = web.local_port_last = PORT;
  CHECK_EQ(sprat_glue_policy_add(&b.glue, 0, &front), SPRAT_OK);
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_SELECTOR);
  b.policies[0].action = SPRAT_GLUE_BYPASS; /* clear or not, it may come */
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

/* A packet from outside with our source address, which we would seal in passing. */
static void
own_source_from_outside(void)
{
  node a, b;
  pkt p;

  make_pair(&a, &b);
  datagram(&p, A, B);
  CHECK_EQ(arrive(&a, &p), SPRAT_DROP_UNPROTECTED);
  pkt_ip(&p, A, A);
  pkt_route(&p, 1, 0, B);
  pkt_udp(&p, PORT, PORT, 20);
  CHECK_EQ(arrive(&a, &p), SPRAT_DROP_UNPROTECTED);
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(arrive(&a, &p), SPRAT_OK); /* our own ESP, round a loop of routes */
  a.selector = any;
  CHECK_EQ(arrive(&a, &p), SPRAT_OK); /* which a policy for everything names, too */
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(a.glue.changed, 0);
  memcpy(a.selector.remote, B, 16);
  a.selector.remote_bits = 128;
  datagram(&p, A, OTHER);
  CHECK_EQ(arrive(&a, &p), SPRAT_OK); /* nothing that we would seal */
}

static sprat_mote_ehc
context(uint8_t spi_lsb)
{
  sprat_mote_ehc ehc = SPRAT_MOTE_EHC_INIT;

  ehc.source_ports[0] = ehc.source_ports[1] = PORT;
  ehc.destination_ports[0] = ehc.destination_ports[1] = PORT;
  ehc.protocol = UDP;
  ehc.dscp_cda = SPRAT_EHC_DSCP_LOWER;
  ehc.ecn_cda = SPRAT_EHC_ECN_LOWER;
  ehc.flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER;
  ehc.alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
  ehc.esp_spi_lsb = spi_lsb;
  ehc.esp_sn_lsb = 8;
  return ehc;
}

static void
diet_esp(void)
{
  const sprat_mote_ehc ehc = context(8);
  const format f = { &ehc, NULL, 0, 0 };
  node a, b;
  pkt p, before;

  make_node(&a, A);
  make_node(&b, B);
  protect(&a, B, A_TO_B, &f);
  protect(&b, A, B_TO_A, &f);
  datagram(&p, A, B);
  before = p;
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  /* SPI, number, 20 octets, ICV: longer than the UDP header by 2. */
  CHECK_EQ(p.length, 40 + 1 + 1 + 20 + 8);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK(pkt_same(&p, &before));

  /* Over a source route the checksum is that of the last address. */
  pkt_ip(&p, A, ROUTER);
  pkt_route(&p, 1, 15, B);
  pkt_udp(&p, PORT, PORT, 20);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  memcpy(p.octets + 24, B, 16);
  p.octets[43] = 0;
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK(memcmp(p.octets + p.length - 28, before.octets + 40, 28) == 0);
}

/* Compressed SPIs that look alike: the ICV tells them apart, for some tries. */
static void
look_alikes(void)
{
  enum { SAS = SPRAT_GLUE_TRIALS + 2 };
  const sprat_mote_ehc one = context(8);
  static sprat_mote_sa sas[SAS];
  sprat_mote_sa sender;
  node a, b;
  pkt p;

  make_pair(&a, &b);
  for(uint8_t i = 0; i < SAS; i++) {
    const format f = { &one, NULL, 0, (uint8_t)(i + 1) };
    const sprat_glue_in entry = { &sas[i], NULL, 8, PAIR };
    make_sa(&sas[i], 0x22000044u + 256 * i, 0, &f);
    CHECK_EQ(sprat_glue_in_add(&b.glue, &entry), SPRAT_OK);
  }
  CHECK_EQ(b.in[0].spi_bits, 32); /* the longer SPI is asked first */
  for(uint8_t i = 0; i < SAS; i++) {
    const format f = { &one, NULL, 0, (uint8_t)(i + 1) };
    make_sa(&sender, 0x22000044u + 256 * i, 1, &f);
    a.policies[0].out = &sender;
    datagram(&p, A, B);
    CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
    CHECK_EQ(arrive(&b, &p), i < SPRAT_GLUE_TRIALS ? SPRAT_OK : SPRAT_DROP_ICV_TRIALS);
  }
  CHECK_EQ(sprat_glue_in_remove(&b.glue, &sas[0]), SPRAT_OK);
  CHECK_EQ(sprat_glue_in_remove(&b.glue, &sas[0]), SPRAT_E_NOT_FOUND);
  sprat_mote_wipe(&sender);
}

/* What is too short for the first SA, or not aligned, may be the second's. */
static void
other_formats(void)
{
  const sprat_mote_ehc one = context(8);
  const format f = { &one, NULL, 0, 0 };
  sprat_mote_sa other;
  const sprat_glue_in first = { &other, NULL, 8, PAIR };
  static const uint8_t key[16] = { 1 }, salt[3] = { 1 };
  sprat_mote_params params = { 0 };
  node a, b;
  pkt p;

  make_node(&a, A);
  make_node(&b, B);
  params.spi = 0x22000001; /* looks like A_TO_B[0], and has an IV of 8 octets */
  params.window = 64;
  params.key = key;
  params.salt = salt;
  params.ehc = &one;
  CHECK_EQ(sprat_mote_sa_init(&other, &params), SPRAT_OK);
  CHECK_EQ(sprat_glue_in_add(&b.glue, &first), SPRAT_OK);
  protect(&a, B, A_TO_B, &f);
  protect(&b, A, B_TO_A, &f);
  CHECK(b.in[0].sa == &other);
  pkt_ip(&p, A, B);
  pkt_udp(&p, PORT, PORT, 4);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(p.length, 40 + 2 + 4 + 8);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

/* An SA that reads numbers as old, or lacks room, says nothing about the next one. */
static void
other_states(void)
{
  sprat_mote_ehc one = context(8), compressed;
  const format f = { &one, NULL, 0, 0 };
  sprat_mote_sa other;
  const sprat_glue_in first = { &other, NULL, 8, PAIR };
  static const uint8_t key[16] = { 1 }, salt[3] = { 1 };
  sprat_mote_params params = { 0 };
  node a, b;
  pkt p, before;

  one.esp_sn_lsb = 32;
  compressed = one;
  one.iipc_profile = SPRAT_EHC_IIPC_NOT_COMPRESSED;
  make_node(&a, A);
  make_node(&b, B);
  params.spi = 0x22000001; /* looks like A_TO_B[0] */
  params.implicit_iv = 1;
  params.window = 64;
  params.last_sn = 1000;
  params.key = key;
  params.salt = salt;
  params.ehc = &one;
  CHECK_EQ(sprat_mote_sa_init(&other, &params), SPRAT_OK);
  CHECK_EQ(sprat_glue_in_add(&b.glue, &first), SPRAT_OK);
  protect(&a, B, A_TO_B, &f);
  protect(&b, A, B_TO_A, &f);
  CHECK(b.in[0].sa == &other);
  datagram(&p, A, B);
  before = p;
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK(pkt_same(&p, &before));

  params.ehc = &compressed;
  params.last_sn = 0;
  CHECK_EQ(sprat_mote_sa_init(&other, &params), SPRAT_OK);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(sprat_glue_input(&b.glue, p.octets, &p.length, p.length), SPRAT_OK);
  CHECK(pkt_same(&p, &before));
}

/* An SA at the end of its numbers does not keep packets from the one that follows it. */
static void
used_up(void)
{
  const sprat_mote_ehc one = context(8);
  const format f = { &one, NULL, 0, 0 };
  sprat_mote_sa old;
  const sprat_glue_in first = { &old, NULL, 8, PAIR };
  static const uint8_t key[16] = { 1 }, salt[3] = { 1 };
  sprat_mote_params params = { 0 };
  node a, b;
  pkt p;

  make_node(&a, A);
  make_node(&b, B);
  params.spi = 0x22000001; /* looks like A_TO_B[0] */
  params.implicit_iv = 1;
  params.window = 64;
  params.last_sn = UINT32_MAX - 10;
  params.key = key;
  params.salt = salt;
  params.ehc = &one;
  CHECK_EQ(sprat_mote_sa_init(&old, &params), SPRAT_OK);
  CHECK_EQ(sprat_glue_in_add(&b.glue, &first), SPRAT_OK);
  protect(&a, B, A_TO_B, &f);
  protect(&b, A, B_TO_A, &f);
  CHECK(b.in[0].sa == &old);
  datagram(&p, A, B);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  p.octets[p.length - 1] ^= 1;
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_SN_EXHAUSTED); /* what the first one says */
  p.octets[p.length - 1] ^= 1;
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
}

static void
tables(void)
{
  node a;
  sprat_glue_in entry = { NULL, NULL, 32, 0 };
  sprat_glue_policy policy = { NULL, NULL, 0, 0, 0 };
  pkt p;

  make_node(&a, A);
  CHECK_EQ(sprat_glue_check(), SPRAT_OK);
  CHECK_EQ(sprat_glue_policy_add(&a.glue, 0, &policy), SPRAT_E_ARGUMENT);
  policy.selector = &any;
  CHECK_EQ(sprat_glue_policy_add(&a.glue, 1, &policy), SPRAT_E_ARGUMENT);
  CHECK_EQ(sprat_glue_policy_add(NULL, 0, &policy), SPRAT_E_NULL);
  for(uint8_t i = 0; i < 6; i++) {
    policy.pair = i;
    CHECK_EQ(sprat_glue_policy_add(&a.glue, 0, &policy), SPRAT_OK);
  }
  CHECK_EQ(sprat_glue_policy_add(&a.glue, 0, &policy), SPRAT_E_SHORT);
  CHECK(a.policies[0].pair == 5 && a.policies[5].pair == 0);
  CHECK_EQ(sprat_glue_policy_remove(&a.glue, 6), SPRAT_E_NOT_FOUND);
  CHECK_EQ(sprat_glue_policy_remove(&a.glue, 0), SPRAT_OK);
  CHECK(a.policies[0].pair == 4 && a.glue.policies_len == 5);
  CHECK_EQ(sprat_glue_in_add(&a.glue, &entry), SPRAT_E_NULL);
  entry.sa = &a.sa_in;
  entry.spi_bits = 8;
  CHECK_EQ(sprat_glue_in_add(&a.glue, &entry), SPRAT_OK);
  CHECK_EQ(sprat_glue_in_add(&a.glue, &entry), SPRAT_E_EXISTS);
  entry.sa = &a.out;
  entry.spi_bits = 32;
  CHECK_EQ(sprat_glue_in_add(&a.glue, &entry), SPRAT_OK);
  CHECK(a.in[0].sa == &a.out && a.in[1].sa == &a.sa_in); /* the longer SPI first */
  CHECK_EQ(sprat_glue_in_remove(&a.glue, &a.out), SPRAT_OK);
  a.glue.in_room = 1;
  entry.sa = &a.out;
  CHECK_EQ(sprat_glue_in_add(&a.glue, &entry), SPRAT_E_SHORT);
  datagram(&p, A, B);
  a.glue.is_local = NULL; /* as a zeroed glue */
  CHECK_EQ(leave(&a, SPRAT_GLUE_BOTH, &p), SPRAT_E_NULL);
  CHECK_EQ(arrive(&a, &p), SPRAT_E_NULL);
}

/* A multicast SA is known by SPI and group; it does not open what is to us. */
static void
groups(void)
{
  static const format plain;
  sprat_glue_in entry = { NULL, GROUP, 32, PAIR };
  sprat_glue_selector to = any, from = any;
  sprat_glue_policy sends = { &to, NULL, SPRAT_GLUE_PROTECT, 0, PAIR };
  sprat_glue_policy hears = { &from, NULL, SPRAT_GLUE_PROTECT, 0, PAIR };
  node a, b;
  pkt p;

  make_node(&a, A);
  make_node(&b, B);
  make_sa(&a.out, 0x5000, 1, &plain);
  make_sa(&b.sa_in, 0x5000, 0, &plain);
  memcpy(to.remote, GROUP, 16);
  memcpy(from.local, GROUP, 16);
  to.remote_bits = from.local_bits = 128;
  sends.out = &a.out;
  entry.sa = &b.sa_in;
  CHECK_EQ(sprat_glue_policy_add(&a.glue, 0, &sends), SPRAT_OK);
  CHECK_EQ(sprat_glue_policy_add(&b.glue, 0, &hears), SPRAT_OK);
  CHECK_EQ(sprat_glue_in_add(&b.glue, &entry), SPRAT_OK);
  datagram(&p, A, GROUP);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK_EQ(b.glue.changed, 1);
  /* As a multicast engine would forward it, opened. */
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_UNPROTECTED);
  memcpy(p.octets + 24, (const uint8_t[16]){ 0xff, 0x02, [15] = 0x98 }, 16);
  CHECK_EQ(leave(&b, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK); /* another group */
  datagram(&p, A, GROUP);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  memcpy(p.octets + 24, B, 16);
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NO_SA);
  datagram(&p, A, GROUP);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  p.octets[24 + 15] ^= 1; /* another group */
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NO_SA);
  p.octets[24 + 15] ^= 1;
  b.in[0].group = NULL; /* an SA for what is to this node */
  CHECK_EQ(arrive(&b, &p), SPRAT_DROP_NO_SA);
}

/* The tunnel's hook comes first; the later one meets what it made. */
static void
tunnel(uint16_t port)
{
  sprat_mote_path ab = { .tunnel = 1, .family = 6, .hop_limit = 64 }, ba;
  format f = { NULL, &ab, 0, 0 };
  node a, b;
  pkt p, before;

  ab.udp_source = ab.udp_destination = port;
  ba = ab;
  memcpy(ab.source, A, 16);
  memcpy(ab.destination, B, 16);
  memcpy(ba.source, B, 16);
  memcpy(ba.destination, A, 16);
  make_node(&a, A);
  make_node(&b, B);
  protect(&a, B, A_TO_B, &f);
  make_sa(&b.sa_in, A_TO_B[0], 0, &f);
  f.path = &ba;
  protect(&b, A, B_TO_A, &f);
  datagram(&p, A, B);
  before = p;
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_DROP_NO_OUTBOUND_SA);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TUNNEL, &p), SPRAT_OK);
  CHECK_EQ(a.glue.changed, 1);
  CHECK_EQ(p.octets[6], port != 0 ? UDP : ESP);
  CHECK_EQ(leave(&a, SPRAT_GLUE_TRANSPORT, &p), SPRAT_OK);
  CHECK_EQ(a.glue.changed, 0);
  f.path = &ab;
  make_sa(&b.sa_in, A_TO_B[0], 0, &f);
  CHECK_EQ(arrive(&b, &p), SPRAT_OK);
  CHECK(b.glue.changed == 1 && pkt_same(&p, &before));
}

int
main(void)
{
  there_and_back();
  place_of_esp(0);
  place_of_esp(8);
  place_of_esp(15);
  segments_left();
  full_buffer();
  wrong_lengths();
  replays_and_forgeries();
  policies();
  prefixes();
  not_of_the_policy();
  control_messages();
  quotations();
  unread_on_the_way_out();
  fragments();
  unread_headers();
  fragments_inside();
  own_source_inside();
  discard_in_front();
  own_source_from_outside();
  diet_esp();
  look_alikes();
  other_formats();
  other_states();
  used_up();
  tables();
  groups();
  tunnel(0);
  tunnel(NAT_T);
  return check_sum("glue");
}
