/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_NET_GNRC_H
#define STUB_NET_GNRC_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  GNRC_NETTYPE_NETIF = -1,
  GNRC_NETTYPE_UNDEF = 0,
  GNRC_NETTYPE_L3_ROUTING,
  GNRC_NETTYPE_IPV6,
  GNRC_NETTYPE_IPV6_EXT,
  GNRC_NETTYPE_ICMPV6,
  GNRC_NETTYPE_UDP,
} gnrc_nettype_t;

#define GNRC_NETREG_DEMUX_CTX_ALL 0xffff0000u

/* A piece of a packet. Whoever changes one has to be its only user. */
typedef struct gnrc_pktsnip {
  struct gnrc_pktsnip *next;
  void *data; /* NULL with size 0 */
  size_t size;
  uint8_t users;
  gnrc_nettype_t type;
} gnrc_pktsnip_t;

#define CONFIG_GNRC_PKTBUF_SIZE 300000

gnrc_pktsnip_t *gnrc_pktbuf_add(gnrc_pktsnip_t *next, const void *data, size_t size,
                                gnrc_nettype_t type);
/* The first `size` octets of `pkt` become a snip behind it. */
gnrc_pktsnip_t *gnrc_pktbuf_mark(gnrc_pktsnip_t *pkt, size_t size, gnrc_nettype_t type);
int gnrc_pktbuf_realloc_data(gnrc_pktsnip_t *pkt, size_t size);
/* Holding and releasing go through the whole chain. */
void gnrc_pktbuf_hold(gnrc_pktsnip_t *pkt, unsigned times);
void gnrc_pktbuf_release_error(gnrc_pktsnip_t *pkt, uint32_t error);
gnrc_pktsnip_t *gnrc_pktbuf_start_write(gnrc_pktsnip_t *pkt);
gnrc_pktsnip_t *gnrc_pktbuf_remove_snip(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *snip);
gnrc_pktsnip_t *gnrc_pkt_append(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *snip);
size_t gnrc_pkt_len(const gnrc_pktsnip_t *pkt);
gnrc_pktsnip_t *gnrc_pktsnip_search_type(gnrc_pktsnip_t *pkt, gnrc_nettype_t type);

static inline void
gnrc_pktbuf_release(gnrc_pktsnip_t *pkt)
{
  gnrc_pktbuf_release_error(pkt, 0);
}

/* Puts the packet into the queue of who receives it; how many do. */
int gnrc_netapi_dispatch_send(gnrc_nettype_t type, uint32_t context, gnrc_pktsnip_t *pkt);
int gnrc_netapi_dispatch_receive(gnrc_nettype_t type, uint32_t context, gnrc_pktsnip_t *pkt);

#endif
