/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      One pair of SAs with one peer.
 *
 *      The Diet-ESP context: UDP between two addresses, its length and checksum
 *      are left out, its ports too where they have one value; one octet of the
 *      SPI and one of the sequence number are sent; octet alignment, and no
 *      trailer where none is needed. The IV is implicit.
 */

#include "demo-sa.h"

#include "net/ipv6/uip-ds6.h"
#include "net/ipv6/uip.h"
#include "net/ipv6/uiplib.h"
#include "sprat-uip.h"
#include "sys/platform.h"
#if DEMO_SA_STORE
#include "sprat-cfs.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR 1
#define PAIR_GROUP 2
#define PORT_NAT_T 4500
#define NUMBERS_AHEAD 64

#ifndef DEMO_SA_CONF_PEER
#define DEMO_SA_CONF_PEER { 0 }
#endif

struct demo_sa_config demo_sa = {
  .spi_in = DEMO_SA_SPI_IN,
  .spi_out = DEMO_SA_SPI_OUT,
  .local_port = DEMO_SA_LOCAL_PORT,
  .remote_port = DEMO_SA_REMOTE_PORT,
  .peer = DEMO_SA_CONF_PEER,
  .mode = DEMO_SA_MODE,
  .encap = DEMO_SA_ENCAP,
};

/* What an SA borrows must last as long as it. */
static sprat_glue_selector selector, to_group, from_group;
static sprat_mote_path path_in, path_out;
static sprat_mote_ehc ehc_in, ehc_out;
#if DEMO_SA_STORE
static sprat_cfs_place place = { "sprat-sn" };
static const sprat_mote_port stored = SPRAT_CFS_PORT(&place, NUMBERS_AHEAD);
#endif
/*---------------------------------------------------------------------------*/
#if PLATFORM_MAIN_ACCEPTS_ARGS
static uint8_t options_good = 1;

static int
address_option(const char *arg, uint8_t *address)
{
  uip_ipaddr_t a;

  if(!uiplib_ip6addrconv(arg, &a)) {
    fprintf(stderr, "not an IPv6 address: %s\n", arg);
    options_good = 0;
    return 1;
  }
  memcpy(address, &a, sizeof(a));
  return 0;
}

static int
peer_option(const char *arg)
{
  return address_option(arg, demo_sa.peer);
}

static int
gateway_option(const char *arg)
{
  return address_option(arg, demo_sa.gateway);
}

static int
inner_option(const char *arg)
{
  return address_option(arg, demo_sa.inner);
}

static int
spi_in_option(const char *arg)
{
  demo_sa.spi_in = (uint32_t)strtoul(arg, NULL, 16);
  return 0;
}

static int
spi_out_option(const char *arg)
{
  demo_sa.spi_out = (uint32_t)strtoul(arg, NULL, 16);
  return 0;
}

static int
mode_option(const char *arg)
{
  demo_sa.mode = (uint8_t)atoi(arg);
  return 0;
}

static int
encap_option(const char *arg)
{
  demo_sa.encap = (uint8_t)atoi(arg);
  return 0;
}

static int
remote_port_option(const char *arg)
{
  demo_sa.remote_port = (uint16_t)atoi(arg);
  return 0;
}

#define OPTION_PRIO (CONTIKI_MAX_INIT_PRIO - 20)
CONTIKI_OPTION(OPTION_PRIO, { "peer", required_argument, NULL, 0 },
               peer_option, "address of the peer\n");
CONTIKI_OPTION(OPTION_PRIO + 1, { "gateway", required_argument, NULL, 0 },
               gateway_option, "tunnel mode to this address\n");
CONTIKI_OPTION(OPTION_PRIO + 2, { "spi-in", required_argument, NULL, 0 },
               spi_in_option, "SPI of the receiving SA, hexadecimal\n");
CONTIKI_OPTION(OPTION_PRIO + 3, { "spi-out", required_argument, NULL, 0 },
               spi_out_option, "SPI of the sending SA, hexadecimal\n");
CONTIKI_OPTION(OPTION_PRIO + 4, { "mode", required_argument, NULL, 0 },
               mode_option, "0 clear, 1 ESP, 2 implicit IV, 3 Diet-ESP\n");
CONTIKI_OPTION(OPTION_PRIO + 5, { "encap", required_argument, NULL, 0 },
               encap_option, "1: ESP in UDP\n");
CONTIKI_OPTION(OPTION_PRIO + 6, { "remote-port", required_argument, NULL, 0 },
               remote_port_option, "UDP port of the peer, 0: any\n");
CONTIKI_OPTION(OPTION_PRIO + 7, { "inner", required_argument, NULL, 0 },
               inner_option, "address of this node inside the tunnel\n");
#endif /* PLATFORM_MAIN_ACCEPTS_ARGS */
/*---------------------------------------------------------------------------*/
static int
is_zero(const uint8_t *address)
{
  static const uint8_t zero[16];

  return memcmp(address, zero, sizeof(zero)) == 0;
}
/*---------------------------------------------------------------------------*/
/* Never the same key for two SAs: their nonces would meet. */
static void
make_key(uint32_t spi, uint8_t *key, uint8_t *salt)
{
  static const uint8_t constant[16] = {
    's', 'p', 'r', 'a', 't', ' ', 'd', 'e', 'm', 'o', ' ', 'k', 'e', 'y', ' ', '1'
  };

  memcpy(key, constant, sizeof(constant));
  key[0] ^= spi >> 24;
  key[1] ^= (spi >> 16) & 0xff;
  key[2] ^= (spi >> 8) & 0xff;
  key[3] ^= spi & 0xff;
  memcpy(salt, key, 3);
}
/*---------------------------------------------------------------------------*/
static void
set_ports(uint16_t port, uint16_t *first, uint16_t *last)
{
  *first = port;
  *last = port == 0 ? UINT16_MAX : port;
}
/*---------------------------------------------------------------------------*/
static void
make_selector(void)
{
  memcpy(selector.remote, demo_sa.peer, 16);
  selector.remote_bits = 128;
  selector.protocol = UIP_PROTO_UDP;
  set_ports(demo_sa.local_port, &selector.local_port_first, &selector.local_port_last);
  set_ports(demo_sa.remote_port, &selector.remote_port_first, &selector.remote_port_last);
}
/*---------------------------------------------------------------------------*/
/* The context of one direction; addresses count in tunnel mode only. */
static void
make_ehc(sprat_mote_ehc *ehc, const uint8_t *source, const uint8_t *destination)
{
  static const sprat_mote_ehc initial = SPRAT_MOTE_EHC_INIT;
  int out = ehc == &ehc_out;

  *ehc = initial;
  if(source != NULL) {
    memcpy(ehc->source_first, source, 16);
    memcpy(ehc->source_last, source, 16);
    memcpy(ehc->destination_first, destination, 16);
    memcpy(ehc->destination_last, destination, 16);
  }
  set_ports(out ? demo_sa.local_port : demo_sa.remote_port,
            &ehc->source_ports[0], &ehc->source_ports[1]);
  set_ports(out ? demo_sa.remote_port : demo_sa.local_port,
            &ehc->destination_ports[0], &ehc->destination_ports[1]);
  ehc->protocol = UIP_PROTO_UDP;
  ehc->dscp_cda = SPRAT_EHC_DSCP_LOWER;
  ehc->ecn_cda = SPRAT_EHC_ECN_LOWER;
  ehc->flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER;
  ehc->alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
  ehc->esp_trailer = SPRAT_EHC_TRAILER_OPTIONAL;
  ehc->esp_spi_lsb = 8;
  ehc->esp_sn_lsb = 8;
}
/*---------------------------------------------------------------------------*/
static void
make_path(sprat_mote_path *path, const uint8_t *source, const uint8_t *destination)
{
  if(demo_sa.encap) {
    path->udp_source = PORT_NAT_T;
    path->udp_destination = PORT_NAT_T;
  }
  path->family = 6;
  path->hop_limit = uip_ds6_if.cur_hop_limit;
  if(source != NULL) {
    path->tunnel = 1;
    memcpy(path->source, source, 16);
    memcpy(path->destination, destination, 16);
  }
}
/*---------------------------------------------------------------------------*/
/* The address inside the tunnel. */
static const uint8_t *
inner_address(const uip_ds6_addr_t *own)
{
  uip_ipaddr_t inner;

  if(is_zero(demo_sa.inner)) {
    return own->ipaddr.u8;
  }
  memcpy(&inner, demo_sa.inner, sizeof(inner));
  uip_ds6_addr_add(&inner, 0, ADDR_MANUAL);
  return demo_sa.inner;
}
/*---------------------------------------------------------------------------*/
static int
make_contexts(void)
{
  const uip_ds6_addr_t *own = uip_ds6_get_global(ADDR_PREFERRED);
  const uint8_t *inner;

  if(is_zero(demo_sa.gateway)) {
    make_path(&path_in, NULL, NULL);
    make_path(&path_out, NULL, NULL);
    make_ehc(&ehc_in, NULL, NULL);
    make_ehc(&ehc_out, NULL, NULL);
    return 1;
  }
  if(own == NULL) {
    printf("sprat: no address yet for the tunnel\n");
    return 0;
  }
  make_path(&path_in, demo_sa.gateway, own->ipaddr.u8);
  make_path(&path_out, own->ipaddr.u8, demo_sa.gateway);
  inner = inner_address(own);
  make_ehc(&ehc_in, demo_sa.peer, inner);
  make_ehc(&ehc_out, inner, demo_sa.peer);
  return 1;
}
/*---------------------------------------------------------------------------*/
static sprat_mote_sa *
add_sa(uint32_t spi, uint8_t out)
{
  int needs_path = demo_sa.encap || !is_zero(demo_sa.gateway);
  uint8_t key[16], salt[3];
  sprat_mote_params params = { 0 };

  make_key(spi, key, salt);
  params.spi = spi;
  params.out = out;
  params.implicit_iv = demo_sa.mode >= DEMO_SA_IIV;
  params.window = 64;
  params.key = key;
  params.salt = salt;
  if(needs_path) {
    params.path = out ? &path_out : &path_in;
  }
  if(demo_sa.mode == DEMO_SA_DIET) {
    params.ehc = out ? &ehc_out : &ehc_in;
  }
#if DEMO_SA_STORE
  if(out) {
    params.port = &stored;
    if(sprat_cfs_load(&place, spi, &params.last_sn) != SPRAT_OK) {
      printf("sprat: the numbers of %08lx cannot be read\n", (unsigned long)spi);
      return NULL;
    }
  }
#endif
  return sprat_uip_sa_add(&params, PAIR, NULL);
}
/*---------------------------------------------------------------------------*/
/*
 * One key for all who send to the group: each puts its own number into the IV
 * (RFC 6054), and nobody can tell replays of several senders.
 */
static sprat_mote_sa *
add_group_sa(uint8_t out)
{
  uint8_t key[16], salt[3];
  sprat_mote_params params = { 0 };

  make_key(DEMO_SA_GROUP_SPI, key, salt);
  params.spi = DEMO_SA_GROUP_SPI;
  params.out = out;
  if(out) {
    params.sender_id_bits = 16;
    params.sender_id = linkaddr_node_addr.u8[LINKADDR_SIZE - 1];
  }
  params.key = key;
  params.salt = salt;
  return sprat_uip_sa_add(&params, PAIR_GROUP, demo_sa.group);
}
/*---------------------------------------------------------------------------*/
/* The group is remote to who sends and local to who receives: two policies. */
static int
add_group(void)
{
  sprat_glue_policy policy = { &to_group, NULL, SPRAT_GLUE_PROTECT, 0, PAIR_GROUP };

  to_group.remote_bits = from_group.local_bits = 128;
  memcpy(to_group.remote, demo_sa.group, 16);
  memcpy(from_group.local, demo_sa.group, 16);
  to_group.protocol = from_group.protocol = UIP_PROTO_UDP;
  set_ports(0, &to_group.local_port_first, &to_group.local_port_last);
  set_ports(0, &to_group.remote_port_first, &to_group.remote_port_last);
  set_ports(0, &from_group.local_port_first, &from_group.local_port_last);
  set_ports(0, &from_group.remote_port_first, &from_group.remote_port_last);
  policy.out = add_group_sa(1);
  if(policy.out == NULL || add_group_sa(0) == NULL ||
     sprat_uip_policy_add(SPRAT_GLUE_LAST, &policy) != SPRAT_OK) {
    return 0;
  }
  policy.selector = &from_group;
  policy.out = NULL;
  return sprat_uip_policy_add(SPRAT_GLUE_LAST, &policy) == SPRAT_OK;
}
/*---------------------------------------------------------------------------*/
int
demo_sa_start(void)
{
  sprat_glue_policy policy = { &selector, NULL, SPRAT_GLUE_BYPASS, 0, PAIR };

#if PLATFORM_MAIN_ACCEPTS_ARGS
  if(!options_good) {
    return 0;
  }
#endif
  if(sprat_uip_init() != SPRAT_OK || !make_contexts()) {
    return 0;
  }
  make_selector();
  if(demo_sa.mode != DEMO_SA_CLEAR) {
    policy.action = SPRAT_GLUE_PROTECT;
    policy.tunnel = !is_zero(demo_sa.gateway);
    policy.out = add_sa(demo_sa.spi_out, 1);
    if(policy.out == NULL || add_sa(demo_sa.spi_in, 0) == NULL) {
      printf("sprat: an SA was refused\n");
      return 0;
    }
  }
  if(!is_zero(demo_sa.group) && !add_group()) {
    printf("sprat: the group was refused\n");
    return 0;
  }
  return sprat_uip_policy_add(SPRAT_GLUE_LAST, &policy) == SPRAT_OK;
}
/*---------------------------------------------------------------------------*/
