/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      The hooks: sprat_glue over uip_buf.
 */

#include "sprat-uip.h"

#include "dev/watchdog.h"
#include "lib/aes-128.h"
#include "net/ipv6/uip-ds6.h"
#include "net/ipv6/uip.h"
#include "net/netstack.h"
#include "sprat_port.h"
#include "sys/int-master.h"

#include <string.h>

#include "sys/log.h"
#define LOG_MODULE "SPRAT"
#ifdef LOG_CONF_LEVEL_SPRAT
#define LOG_LEVEL LOG_CONF_LEVEL_SPRAT
#else
#define LOG_LEVEL LOG_LEVEL_NONE
#endif

#if UIP_CONF_IPV6_REASSEMBLY
#error "sprat: fragments would be put together behind the policies"
#endif
#if defined(UIP_FALLBACK_INTERFACE) && !SPRAT_WITH_RPL
#error "sprat: without RPL no hook sees the fallback interface"
#endif

#define POLICIES_ALL (SPRAT_POLICIES + (SPRAT_CONTROL ? SPRAT_GLUE_CONTROL_POLICIES : 0))

/* The buffer may be larger than what the link takes, which uIP has asked before. */
#define OUT_ROOM (UIP_BUFSIZE < UIP_LINK_MTU ? UIP_BUFSIZE : UIP_LINK_MTU)

sprat_mote_counters sprat_uip_counters;
const sprat_mote_port sprat_uip_port = { .aes128 = SPRAT_UIP_AES128 };

static sprat_mote_sa sas[SPRAT_SAS];
static uint8_t sa_used[SPRAT_SAS];
static sprat_glue_policy policies[POLICIES_ALL];
static sprat_glue_in sad[SPRAT_SAS];
/* Zeroed until sprat_uip_init(): then it lets nothing pass. */
static sprat_glue glue;
static uint8_t started;
/*---------------------------------------------------------------------------*/
void
sprat_port_panic(void)
{
  watchdog_reboot();
  for(;;) {
  }
}
/*---------------------------------------------------------------------------*/
#ifdef __linux__
/* Named by Rust objects for hosts, called by none that cannot unwind. */
void
rust_eh_personality(void)
{
  sprat_port_panic();
}
#endif
/*---------------------------------------------------------------------------*/
void
sprat_uip_aes128(const uint8_t *key, uint8_t *block)
{
#if SPRAT_AES_SHARED
  static uint8_t kept[AES_128_KEY_LENGTH];
  int_master_status_t status;

  if(key != NULL) {
    memcpy(kept, key, sizeof(kept));
  }
  status = int_master_read_and_disable();
  AES_128.set_key(kept);
  AES_128.encrypt(block);
  int_master_status_set(status);
#else
  if(key != NULL) {
    AES_128.set_key(key);
  }
  AES_128.encrypt(block);
#endif
}
/*---------------------------------------------------------------------------*/
/*
 * Where groups are routed, what is not for this node is to be forwarded as it is. A
 * host delivers every group, joined or not: all of them are its own.
 */
static int
is_group(const uip_ipaddr_t *a)
{
#if UIP_IPV6_MULTICAST && UIP_CONF_ROUTER
  if(uip_is_addr_mcast_routable(a)) {
    return uip_ds6_is_my_maddr(a);
  }
#endif
  return uip_is_addr_mcast(a);
}
/*---------------------------------------------------------------------------*/
/*
 * A packet without a source address is ours as well: uIP sends such while no
 * address is preferred, and they must not get around the policies.
 */
static int32_t
is_local(void *context, const uint8_t *address)
{
  uip_ipaddr_t a;

  (void)context;
  /* An address at the end of a source route stands at any offset. */
  memcpy(&a, address, sizeof(a));
  return is_group(&a) || uip_is_addr_unspecified(&a) || uip_ds6_is_my_addr(&a);
}
/*---------------------------------------------------------------------------*/
static int
passes(const char *direction, int32_t verdict, uint16_t length)
{
  if(verdict != SPRAT_OK) {
    LOG_WARN("%s: dropped, reason %d: ", direction, (int)verdict);
    LOG_WARN_6ADDR(&UIP_IP_BUF->srcipaddr);
    LOG_WARN_(" -> ");
    LOG_WARN_6ADDR(&UIP_IP_BUF->destipaddr);
    LOG_WARN_("\n");
    return 0;
  }
  if(glue.changed) {
    LOG_INFO("%s: %u octets, now %u\n", direction, (unsigned)uip_len, (unsigned)length);
    uip_len = length;
  }
  return 1;
}
/*---------------------------------------------------------------------------*/
static enum netstack_ip_action
process_input(void)
{
  uint16_t length = uip_len;
  int32_t verdict;

  if(uip_len == 0) {
    /* A message of the border router's serial line, not a packet. */
    return NETSTACK_IP_PROCESS;
  }
  verdict = sprat_glue_input(&glue, uip_buf, &length, UIP_BUFSIZE);
  return passes("in", verdict, length) ? NETSTACK_IP_PROCESS : NETSTACK_IP_DROP;
}
/*---------------------------------------------------------------------------*/
static enum netstack_ip_action
process_output(const linkaddr_t *localdest)
{
  uint16_t length = uip_len;
  int32_t verdict =
    sprat_glue_output(&glue, SPRAT_GLUE_TRANSPORT, uip_buf, &length, OUT_ROOM);

  (void)localdest;
  return passes("out", verdict, length) ? NETSTACK_IP_PROCESS : NETSTACK_IP_DROP;
}
/*---------------------------------------------------------------------------*/
#if SPRAT_WITH_RPL
int __real_rpl_ext_header_update(void);
int __wrap_rpl_ext_header_update(void);

int
__wrap_rpl_ext_header_update(void)
{
  uint8_t stage = SPRAT_TRANSPORT_EARLY ? SPRAT_GLUE_BOTH : SPRAT_GLUE_TUNNEL;
  /* What RPL asks of a packet that has not been anywhere yet. */
  int is_new = UIP_IP_BUF->ttl == uip_ds6_if.cur_hop_limit;
  uint16_t length = uip_len;
  int32_t verdict;

  /* What is to ourselves the stack delivers, and no input hook sees it. */
  if(started && !uip_ds6_is_my_addr(&UIP_IP_BUF->destipaddr)) {
    verdict = sprat_glue_output(&glue, stage, uip_buf, &length, OUT_ROOM);
    if(!passes("out, early", verdict, length)) {
      return 0;
    }
    if(glue.changed && is_new) {
      /* An outer header must look to RPL as new as the inner one did. */
      UIP_IP_BUF->ttl = uip_ds6_if.cur_hop_limit;
    }
  }
  return __real_rpl_ext_header_update();
}
#endif /* SPRAT_WITH_RPL */
/*---------------------------------------------------------------------------*/
static struct netstack_ip_packet_processor processor = {
  .process_input = process_input,
  .process_output = process_output,
};
/*---------------------------------------------------------------------------*/
int32_t
sprat_uip_init(void)
{
  if(glue.is_local != NULL) {
    return SPRAT_OK;
  }
  if(!started) {
    started = 1;
    netstack_ip_packet_processor_add(&processor);
  }
  if(sprat_glue_check() != SPRAT_OK) {
    LOG_ERR("libsprat_mote.a and sprat.h are of different versions\n");
    return SPRAT_E_ARGUMENT;
  }
  glue.policies = policies;
  glue.policies_room = POLICIES_ALL;
  glue.in = sad;
  glue.in_room = SPRAT_SAS;
  glue.counters = &sprat_uip_counters;
  glue.otherwise = SPRAT_OTHERWISE;
  glue.is_local = is_local;
  return SPRAT_CONTROL ? sprat_glue_control_add(&glue) : SPRAT_OK;
}
/*---------------------------------------------------------------------------*/
static uint8_t
free_place(void)
{
  uint8_t i = 0;

  while(i < SPRAT_SAS && sa_used[i]) {
    i++;
  }
  return i;
}
/*---------------------------------------------------------------------------*/
sprat_mote_sa *
sprat_uip_sa_add(const sprat_mote_params *params, uint8_t pair, const uint8_t *group)
{
  sprat_mote_params p = *params;
  sprat_glue_in entry = { NULL, group, 32, pair };
  uint8_t i = free_place();
  int32_t result;

  if(glue.is_local == NULL || i == SPRAT_SAS) {
    LOG_ERR("no room for SA %08lx\n", (unsigned long)p.spi);
    return NULL;
  }
  if(p.port == NULL) {
    p.port = &sprat_uip_port;
  }
  result = sprat_mote_sa_init(&sas[i], &p);
  if(result != SPRAT_OK) {
    LOG_ERR("SA %08lx refused: %d\n", (unsigned long)p.spi, (int)result);
    return NULL;
  }
  if(!p.out) {
    entry.sa = &sas[i];
    entry.spi_bits = p.ehc == NULL ? 32 : p.ehc->esp_spi_lsb;
    /* The SAD has as many places as there are SAs. */
    sprat_glue_in_add(&glue, &entry);
  }
  sa_used[i] = 1;
  return &sas[i];
}
/*---------------------------------------------------------------------------*/
/* The driver keeps the last key until it gets another; the library's own AES none. */
static void
forget_key(void)
{
  static const uint8_t none[AES_128_KEY_LENGTH];
  uint8_t block[AES_128_BLOCK_SIZE] = { 0 };

  if(sprat_uip_port.aes128 != NULL) {
    sprat_uip_port.aes128(none, block);
  }
}
/*---------------------------------------------------------------------------*/
void
sprat_uip_sa_remove(sprat_mote_sa *sa)
{
  uint8_t i;

  for(i = 0; i < glue.policies_len; i++) {
    if(policies[i].out == sa) {
      policies[i].out = NULL;
    }
  }
  for(i = 0; i < SPRAT_SAS; i++) {
    if(sa == &sas[i] && sa_used[i]) {
      sprat_glue_in_remove(&glue, sa);
      sprat_mote_wipe(sa);
      forget_key();
      sa_used[i] = 0;
    }
  }
}
/*---------------------------------------------------------------------------*/
int32_t
sprat_uip_policy_add(uint8_t at, const sprat_glue_policy *policy)
{
  return sprat_glue_policy_add(&glue, at, policy);
}
/*---------------------------------------------------------------------------*/
int32_t
sprat_uip_policy_remove(uint8_t at)
{
  return sprat_glue_policy_remove(&glue, at);
}
/*---------------------------------------------------------------------------*/
uint32_t
sprat_uip_spi(void)
{
  static uint16_t given;

  return ((uint32_t)SPRAT_SPI_FIRST & 0xffff0000) |
         (uint16_t)((uint32_t)SPRAT_SPI_FIRST + given++);
}
/*---------------------------------------------------------------------------*/
