/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, SAs and policies of the node: four pairs of SAs, all tunnels between
 * fd00:a::2, this node, and fd00:a::1, a gateway, for a client fd00:98::1 behind it.
 *
 *   pair         inside, this node  protocol        form
 *   EXPLICIT_IV  fd00:99::1         any             ESP, AES-CCM-8 (RFC 4309)
 *   IMPLICIT_IV  fd00:99::2         any             the same by RFC 8750
 *   DIET_ECHO    fd00:99::3         UDP, our port 7 Diet-ESP: addresses, protocol and
 *                                                   our port are not sent
 *   DIET_ANY     fd00:99::3         any             Diet-ESP: addresses are not sent
 *
 * Keys are for show. A product has its own for each device, and no two SAs share one.
 */

#include <string.h>

#include "aes128.h"
#include "node.h"
#include "nvm.h"

enum { EXPLICIT_IV, IMPLICIT_IV, DIET_ECHO, DIET_ANY, PAIRS };

#define ADDRESS(net, host) { 0xfd, 0, 0, net, [15] = host }
#define GATEWAY ADDRESS(0x0a, 1)
#define NODE ADDRESS(0x0a, 2)
#define CLIENT ADDRESS(0x98, 1)
#define INSIDE(host) ADDRESS(0x99, host)
#define PORTS_ANY { 0, 65535 }
#define PORTS_ECHO { ECHO_PORT, ECHO_PORT }

#define WINDOW 64
/* Numbers that one write to storage is good for. */
#define AHEAD 16

static const uint8_t own[][16] = { NODE, INSIDE(1), INSIDE(2), INSIDE(3) };

/* SPI of the SA that sends by each pair, and of the one that receives. */
static const uint32_t spis[2][PAIRS] = {
  { 0x11000101, 0x11000102, 0x11000103, 0x11000104 },
  { 0x11000181, 0x11000182, 0x11000183, 0x11000184 },
};

static const uint8_t salt[3] = { 0x73, 0x70, 0x72 };

static const sprat_mote_path paths[2] = {
  { .source = NODE, .destination = GATEWAY, .tunnel = 1, .family = 6, .hop_limit = 64 },
  { .source = GATEWAY, .destination = NODE, .tunnel = 1, .family = 6, .hop_limit = 64 },
};

/* Source is the side that sends. */
#define CONTEXT(from, from_ports, to, to_ports, upper)                            \
  { .source_first = from, .source_last = from,                                    \
    .destination_first = to, .destination_last = to,                              \
    .source_ports = from_ports, .destination_ports = to_ports,                    \
    .protocol = upper, .ip_version = 6,                                           \
    .iipc_profile = SPRAT_EHC_IIPC_DIET_ESP, .dscp_cda = SPRAT_EHC_DSCP_LOWER,    \
    .ecn_cda = SPRAT_EHC_ECN_LOWER, .flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER, \
    .alignment = SPRAT_EHC_ALIGNMENT_8_BIT,                                       \
    .esp_trailer = SPRAT_EHC_TRAILER_OPTIONAL, .esp_spi_lsb = 8, .esp_sn_lsb = 8 }

static const sprat_mote_ehc contexts[2][2] = {
  { CONTEXT(INSIDE(3), PORTS_ECHO, CLIENT, PORTS_ANY, 17), CONTEXT(INSIDE(3), PORTS_ANY, CLIENT, PORTS_ANY, 0) },
  { CONTEXT(CLIENT, PORTS_ANY, INSIDE(3), PORTS_ECHO, 17), CONTEXT(CLIENT, PORTS_ANY, INSIDE(3), PORTS_ANY, 0) },
};

/* "Local" is this node, whichever way a packet goes. */
#define SELECTOR(host, upper, first, last)                                        \
  { .local = INSIDE(host), .local_bits = 128, .remote = CLIENT, .remote_bits = 128, \
    .protocol = upper, .local_port_first = first, .local_port_last = last,        \
    .remote_port_last = 65535 }

static const sprat_glue_selector selectors[PAIRS] = {
  SELECTOR(1, 0, 0, 65535),
  SELECTOR(2, 0, 0, 65535),
  SELECTOR(3, 17, ECHO_PORT, ECHO_PORT),
  SELECTOR(3, 0, 0, 65535),
};

static sprat_mote_sa sas[2][PAIRS];
static sprat_glue_policy policies[PAIRS];
static sprat_glue_in inbound[PAIRS];
/* Up to here received numbers are used up. */
static uint64_t kept[PAIRS];

sprat_mote_counters node_counters;
/* Zero is SPRAT_GLUE_DISCARD: what no policy names is dropped. */
sprat_glue node_glue = {
  .policies = policies, .policies_room = PAIRS, .in = inbound, .in_room = PAIRS,
  .is_local = node_is_local, .counters = &node_counters,
};

int32_t node_is_local(void *context, const uint8_t *address) {
  unsigned i;
  (void)context;
  for (i = 0; i < sizeof own / sizeof *own; i++) {
    if (memcmp(address, own[i], sizeof *own) == 0) {
      return 1;
    }
  }
  return address[0] == 0xff;
}

/* -- Numbers in storage: (4) and (5) are nvm_read() and nvm_write() -- */

static const sprat_mote_nvm nvm = { .read = nvm_read, .write = nvm_write };

/* The first of the two slots of an SA. */
static uint32_t slot(unsigned receives, unsigned pair) {
  return 2 * (receives * PAIRS + pair);
}

/* (3) */
static int32_t store(void *context, uint32_t spi, uint64_t number) {
  unsigned pair = 0;
  (void)context;
  while (pair < PAIRS - 1 && spis[0][pair] != spi) {
    pair++;
  }
  return sprat_mote_nvm_store(&nvm, spi, slot(0, pair), number);
}

/* (2) and (3) */
static const sprat_mote_port port = { .aes128 = aes128_encrypt, .store = store, .ahead = AHEAD };

/* The number that storage has; a new SA has none. */
static int32_t load(unsigned receives, unsigned pair, uint64_t *number) {
  int32_t status = sprat_mote_nvm_load(&nvm, spis[receives][pair], slot(receives, pair), number);
  if (status == SPRAT_E_NOT_FOUND) {
    *number = 0;
    return SPRAT_OK;
  }
  return status;
}

int32_t node_keep_received(void) {
  unsigned pair;
  for (pair = 0; pair < PAIRS; pair++) {
    uint64_t top;
    int32_t status = sprat_mote_sa_sn(&sas[1][pair], &top);
    if (status == SPRAT_OK && top > kept[pair]) {
      kept[pair] = top + AHEAD;
      status = sprat_mote_nvm_store(&nvm, spis[1][pair], slot(1, pair), kept[pair]);
    }
    if (status != SPRAT_OK) {
      return status;
    }
  }
  return SPRAT_OK;
}

/* -- SAs -- */

static int32_t make_sa(unsigned receives, unsigned pair) {
  uint8_t key[] = "sprat test key ?";
  sprat_mote_params params = {
    .spi = spis[receives][pair], .out = !receives, .implicit_iv = pair != EXPLICIT_IV, .window = WINDOW,
    .key = key, .salt = salt, .port = &port, .path = &paths[receives],
  };
  int32_t status = load(receives, pair, &params.last_sn);
  if (status != SPRAT_OK) {
    return status;
  }
  if (receives) {
    kept[pair] = params.last_sn;
  }
  if (pair >= DIET_ECHO) {
    params.ehc = &contexts[receives][pair - DIET_ECHO];
  }
  key[15] = (uint8_t)params.spi;
  return sprat_mote_sa_init(&sas[receives][pair], &params);
}

int32_t node_set_up(void) {
  uint8_t pair;
  int32_t status = sprat_glue_check();
  /* Policies in this order: the narrower one first. */
  for (pair = 0; pair < PAIRS && status == SPRAT_OK; pair++) {
    sprat_glue_policy policy = {
      .selector = &selectors[pair], .out = &sas[0][pair], .action = SPRAT_GLUE_PROTECT, .tunnel = 1, .pair = pair,
    };
    sprat_glue_in in = { .sa = &sas[1][pair], .spi_bits = pair >= DIET_ECHO ? 8 : 32, .pair = pair };
    status = make_sa(0, pair);
    if (status == SPRAT_OK) {
      status = make_sa(1, pair);
    }
    if (status == SPRAT_OK) {
      status = sprat_glue_policy_add(&node_glue, SPRAT_GLUE_LAST, &policy);
    }
    if (status == SPRAT_OK) {
      status = sprat_glue_in_add(&node_glue, &in);
    }
  }
  return status;
}
