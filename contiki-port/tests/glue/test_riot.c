/* SPDX-License-Identifier: BSD-3-Clause */
/* The modules for RIOT over stand-ins: a node, what it is made of, and its SAs. */
#define _POSIX_C_SOURCE 200809L

#include "riot.h"

#include "mutex.h"

#include <sys/wait.h>
#include <unistd.h>

unsigned checks_made, checks_failed;

const uint8_t OWN[16] = { 0xfd, [15] = 1 }, OWN2[16] = { 0xfd, [15] = 0x11 };
const uint8_t PEER[16] = { 0xfd, [15] = 2 }, OUTSIDE[16] = { 0xfd, 9, [15] = 9 };
const uint8_t GROUP[16] = { 0xff, 2, [15] = 0x99 };
static const uint8_t KEY[16] = { 1, 2, 3 }, SALT[3] = { 4, 5, 6 };

pair transport, tunnel, encap, group;

int32_t __wrap_sprat_mote_sa_size(void);
int32_t __real_sprat_mote_sa_size(void);
static int32_t wrong_by;

/* As if the linked library were of another version. */
int32_t
__wrap_sprat_mote_sa_size(void)
{
  return __real_sprat_mote_sa_size() + wrong_by;
}

/* -- Packets -- */

pkt
datagram(const uint8_t *from, const uint8_t *to, uint16_t port)
{
  pkt p;

  pkt_ip(&p, from, to);
  pkt_udp(&p, port, port, 20);
  return p;
}

pkt
sealed(pair *by, const pkt *plain)
{
  pkt p = *plain;

  CHECK_EQ(sprat_mote_seal(&by->peer_out, p.octets, &p.length, PACKET_ROOM), SPRAT_OK);
  return p;
}

void
check_opens(pair *by, pkt *p)
{
  CHECK_EQ(sprat_mote_open(&by->peer_in, p->octets, &p->length, PACKET_ROOM), SPRAT_OK);
}

pkt
seen(void)
{
  pkt p = { { 0 }, 0, 0, { 0 } };

  if(stub.last.length <= PACKET_ROOM) {
    memcpy(p.octets, stub.last.octets, stub.last.length);
    p.length = stub.last.length;
  }
  return p;
}

void
check_clean(void)
{
  CHECK_EQ(stub.faults, 0);
  CHECK_EQ(stub_snips(), 0);
  stub.faults = 0;
}

static void
forget(void)
{
  stub.delivered = stub.sent = stub.forwarded = stub.options = 0;
  stub.failed = stub.failed_ours = 0;
  memset(&stub.last, 0, sizeof(stub.last));
}

void
arrive(const pkt *p)
{
  forget();
  stub_receive(stub_received(p->octets, p->length, 1));
}

void
leave(const pkt *p)
{
  forget();
  stub_send(stub_to_send(p->octets, p->length, GNRC_NETTYPE_UDP));
}

/* -- Counters -- */

sprat_gnrc_stats
stats(void)
{
  sprat_gnrc_stats now;

  sprat_gnrc_counters(NULL, &now);
  return now;
}

int
refusal(void)
{
  static sprat_mote_counters before;
  sprat_mote_counters now;
  int reason = 0;

  sprat_gnrc_counters(&now, NULL);
  for(int i = 0; i < SPRAT_MOTE_DROPS; i++) {
    int more = now.dropped[i] - before.dropped[i];
    if(more != 0) {
      reason = reason == 0 && more == 1 ? i : -1;
    }
  }
  before = now;
  return reason;
}

void
check_refused(int reason)
{
  CHECK_EQ(stub.delivered + stub.sent + stub.forwarded, 0);
  CHECK_EQ(refusal(), reason);
  check_clean();
}

/* -- The node -- */

static sprat_mote_params
params(uint32_t spi, uint8_t sends, const sprat_mote_path *path)
{
  sprat_mote_params p = { 0 };

  p.spi = spi;
  p.out = sends;
  p.implicit_iv = 1;
  p.window = sends ? 0 : 64;
  p.key = KEY;
  p.salt = SALT;
  p.path = path;
  return p;
}

static void
make_pair(pair *of, uint32_t spi, const sprat_mote_path *out, const sprat_mote_path *in)
{
  sprat_mote_params p = params(spi, 1, out);

  CHECK_EQ(sprat_gnrc_sa_new(&p, &of->out), SPRAT_OK);
  p = params(spi, 0, out);
  CHECK_EQ(sprat_mote_sa_init(&of->peer_in, &p), SPRAT_OK);
  p = params(spi + 1, 0, in);
  CHECK_EQ(sprat_gnrc_sa_new(&p, &of->in), SPRAT_OK);
  p = params(spi + 1, 1, in);
  CHECK_EQ(sprat_mote_sa_init(&of->peer_out, &p), SPRAT_OK);
}

static void
make_pairs(void)
{
  static sprat_mote_path to, from, udp_to, udp_from;

  to.tunnel = from.tunnel = 1;
  to.family = from.family = 6;
  to.hop_limit = from.hop_limit = 9;
  memcpy(to.source, OWN, 16);
  memcpy(to.destination, PEER, 16);
  memcpy(from.source, PEER, 16);
  memcpy(from.destination, OWN, 16);
  udp_to.udp_source = udp_from.udp_destination = 4500;
  udp_to.udp_destination = udp_from.udp_source = 4501;
  make_pair(&transport, 0x11000001, NULL, NULL);
  make_pair(&tunnel, 0x11000101, &to, &from);
  make_pair(&encap, 0x11000201, &udp_to, &udp_from);
  make_pair(&group, 0x11000301, NULL, NULL);
}

static sprat_glue_selector
udp(const uint8_t *remote, uint16_t port)
{
  sprat_glue_selector s = { { 0 }, { 0 }, 0, 0, UDP, port, port, port, port };

  if(remote != NULL) {
    memcpy(s.remote, remote, 16);
    s.remote_bits = 128;
  }
  return s;
}

static void
add_policy(const sprat_glue_selector *selector, sprat_mote_sa *out, uint8_t action, uint8_t number)
{
  sprat_glue_policy policy = { selector, out, action, number == 2, number };
  sprat_glue *glue = sprat_gnrc_acquire();

  CHECK(glue != NULL);
  CHECK_EQ(sprat_glue_policy_add(glue, SPRAT_GLUE_LAST, &policy), SPRAT_OK);
  sprat_gnrc_release();
}

static void
add_in(sprat_mote_sa *sa, const uint8_t *to, uint8_t number)
{
  sprat_glue_in entry = { sa, to, 32, number };

  CHECK_EQ(sprat_glue_in_add(sprat_gnrc_acquire(), &entry), SPRAT_OK);
  sprat_gnrc_release();
}

void
set_up(void)
{
  static sprat_glue_selector s[7];

  make_pairs();
  s[0] = udp(PEER, PORT);
  s[1] = (sprat_glue_selector)SPRAT_GLUE_SELECTOR_ANY;
  memcpy(s[1].remote, OUTSIDE, 16);
  s[1].remote_bits = 128;
  s[2] = udp(PEER, ENCAP_PORT);
  s[3] = udp(GROUP, PORT);
  s[4] = udp(NULL, PORT);
  memcpy(s[4].local, GROUP, 16);
  s[4].local_bits = 128;
  s[5] = udp(NULL, OPEN_PORT);
  s[6] = udp(NULL, CLOSED_PORT);
  add_policy(&s[0], transport.out, SPRAT_GLUE_PROTECT, 1);
  add_policy(&s[1], tunnel.out, SPRAT_GLUE_PROTECT, 2);
  add_policy(&s[2], encap.out, SPRAT_GLUE_PROTECT, 3);
  add_policy(&s[3], group.out, SPRAT_GLUE_PROTECT, 4);
  add_policy(&s[4], NULL, SPRAT_GLUE_PROTECT, 4);
  add_policy(&s[5], NULL, SPRAT_GLUE_BYPASS, 0);
  add_policy(&s[6], NULL, SPRAT_GLUE_DISCARD, 0);
  add_in(transport.in, NULL, 1);
  add_in(tunnel.in, NULL, 2);
  add_in(encap.in, NULL, 3);
  add_in(group.in, GROUP, 4);
}

/* -- A library of another version: nothing passes, and nothing is locked -- */

static void
broken(void)
{
  sprat_mote_params p = params(0x11000001, 1, NULL);
  pkt in = datagram(PEER, OWN, OPEN_PORT), out = datagram(OWN, PEER, OPEN_PORT);
  sprat_mote_sa *sa = NULL;

  wrong_by = 8;
  for(int i = 0; i < 2; i++) {
    CHECK(sprat_gnrc_acquire() == NULL);
    CHECK_EQ(sprat_gnrc_sa_new(&p, &sa), SPRAT_E_ARGUMENT);
    CHECK_EQ(sprat_gnrc_sa_free(sa), SPRAT_E_ARGUMENT);
    arrive(&in);
    CHECK_EQ(stub.delivered, 0);
    leave(&out);
    CHECK_EQ(stub.sent, 0);
    check_clean();
  }
}

/* It is so for as long as the node runs: in a process of its own. */
static void
in_process(void (*test)(void))
{
  int status = 1;
  pid_t child = fork();

  if(child == 0) {
    checks_made = checks_failed = 0;
    test();
    _exit(checks_failed == 0 && checks_made > 0 ? 0 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* -- SAs -- */

static void
nulls(void)
{
  sprat_mote_params p = params(0x11000001, 1, NULL);
  sprat_mote_sa *sa, other;

  CHECK_EQ(sprat_gnrc_sa_new(NULL, &sa), SPRAT_E_NULL);
  CHECK_EQ(sprat_gnrc_sa_new(&p, NULL), SPRAT_E_NULL);
  CHECK_EQ(sprat_gnrc_sa_free(NULL), SPRAT_E_NOT_FOUND);
  CHECK_EQ(sprat_gnrc_sa_free(&other), SPRAT_E_NOT_FOUND);
  sprat_gnrc_counters(NULL, NULL);
  p.spi = 5; /* reserved */
  CHECK_EQ(sprat_gnrc_sa_new(&p, &sa), SPRAT_E_ARGUMENT);
  check_clean();
}

static void
places(void)
{
  sprat_mote_params p = params(0x11000401, 1, NULL);
  sprat_mote_sa *first, *sa;
  unsigned made = 0;

  CHECK_EQ(sprat_gnrc_sa_new(&p, &first), SPRAT_OK);
  while(sprat_gnrc_sa_new(&p, &sa) == SPRAT_OK) {
    made++;
    CHECK(sa != first);
  }
  CHECK_EQ(made, CONFIG_SPRAT_SA_NUMOF - 9); /* the pairs, and the first here */
  sa = NULL;
  CHECK_EQ(sprat_gnrc_sa_new(&p, &sa), SPRAT_E_SHORT);
  CHECK(sa == NULL);
  CHECK_EQ(sprat_gnrc_sa_free(first), SPRAT_OK);
  CHECK_EQ(sprat_gnrc_sa_free(first), SPRAT_E_NOT_FOUND);
  CHECK_EQ(sprat_gnrc_sa_new(&p, &sa), SPRAT_OK);
  CHECK(sa == first);
}

/* SAs that policies and SAD name. */
static void
freed(void)
{
  pkt out = datagram(OWN, PEER, PORT), in = datagram(PEER, OWN, PORT);

  refusal();
  CHECK_EQ(sprat_gnrc_sa_free(transport.out), SPRAT_OK);
  CHECK(key_is_forgotten(sprat_riot_port.aes128));
  leave(&out);
  check_refused(SPRAT_DROP_NO_OUTBOUND_SA);
  CHECK_EQ(sprat_gnrc_sa_free(transport.in), SPRAT_OK);
  in = sealed(&transport, &in);
  arrive(&in);
  check_refused(SPRAT_DROP_NO_SA);
  CHECK_EQ(sprat_gnrc_acquire()->in_len, 3);
  sprat_gnrc_release();
  for(unsigned i = 0; i < sizeof(sprat_mote_sa); i++) {
    CHECK_EQ(((const uint8_t *)transport.out)[i] | ((const uint8_t *)transport.in)[i], 0);
  }
}

/* The configuration is not touched while a packet is worked on, and not by two. */
static void
locks(void)
{
  unsigned faults;

  CHECK(sprat_gnrc_acquire() != NULL);
  sprat_gnrc_counters(NULL, NULL); /* a thread would wait here */
  faults = stub.faults;
  stub.faults = 0;
  CHECK(faults > 0);
}

extern int (*const stub_shell_sprat)(int argc, char **argv);

int
main(void)
{
  memcpy(stub.addresses[0], OWN, 16);
  memcpy(stub.addresses[1], OWN2, 16);
  memcpy(stub.group, GROUP, 16);
  stub.receivers = 1;
  stub.subscriber = -1;
  in_process(broken);
  in_process(locks);
  nulls();
  set_up();
  test_input();
  test_fragments();
  test_disguise();
  test_output();
  test_allocations();
  test_random();
  places();
  freed();
  test_numbers();
  CHECK_EQ(stub_shell_sprat(0, NULL), 0);
  check_clean();
  return check_sum("riot");
}
