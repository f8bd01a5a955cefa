/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: the packet buffer and the headers that are named. */
#ifndef STUB_UIP_H
#define STUB_UIP_H

#include "contiki.h"

#define UIP_BUFSIZE 1280
#ifndef UIP_LINK_MTU
#define UIP_LINK_MTU 1280
#endif
#define UIP_IPH_LEN 40
#define UIP_PROTO_TCP 6
#define UIP_PROTO_UDP 17
#define UIP_PROTO_ICMP6 58

typedef union {
  uint8_t u8[16];
  uint16_t u16[8];
} uip_ipaddr_t;

struct uip_ip_hdr {
  uint8_t vtc, tcflow;
  uint16_t flow;
  uint8_t len[2];
  uint8_t proto, ttl;
  uip_ipaddr_t srcipaddr, destipaddr;
};

struct uip_ext_hdr {
  uint8_t next, len;
};

union stub_buffer {
  uint32_t aligned;
  uint8_t octets[UIP_BUFSIZE];
  struct uip_ip_hdr ip;
};

extern union stub_buffer stub_buffer;
extern uint16_t uip_len;

#define uip_buf (stub_buffer.octets)
#define UIP_IP_BUF (&stub_buffer.ip)
#ifndef UIP_CONF_ROUTER
#define UIP_CONF_ROUTER 1
#endif
#define uip_is_addr_mcast(address) ((address)->u8[0] == 0xff)
#define uip_is_addr_mcast_routable(address) \
  (uip_is_addr_mcast(address) && ((address)->u8[1] & 15) > 2)
#define uip_is_proto_ext_hdr(protocol) \
  ((protocol) != UIP_PROTO_TCP && (protocol) != UIP_PROTO_UDP && (protocol) != UIP_PROTO_ICMP6)

bool uip_is_addr_unspecified(const uip_ipaddr_t *address);

#endif
