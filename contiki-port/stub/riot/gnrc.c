/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GNRC's IPv6 thread: what comes before and behind our hooks.
 */
#include "stub.h"

#include "net/gnrc/ipv6/ext.h"
#include "net/gnrc/netif/internal.h"
#include "net/protnum.h"

#include <errno.h>

enum { IP = sizeof(ipv6_hdr_t), QUEUE = 8, ROUNDS = 16 };

gnrc_pktsnip_t *__wrap_gnrc_ipv6_ext_process_all(gnrc_pktsnip_t *pkt, uint8_t *protnum);
int __real_gnrc_netreg_calc_csum(gnrc_pktsnip_t *hdr, gnrc_pktsnip_t *pseudo_hdr);
int __wrap_gnrc_netreg_calc_csum(gnrc_pktsnip_t *hdr, gnrc_pktsnip_t *pseudo_hdr);

static struct {
  gnrc_pktsnip_t *pkt;
  int leaves;
} queue[QUEUE];
static unsigned queued;

/* -- The node -- */

gnrc_netif_t *
gnrc_netif_get_by_ipv6_addr(const ipv6_addr_t *address)
{
  static gnrc_netif_t netif;
  int mine = memcmp(address, stub.addresses[0], 16) == 0 ||
             memcmp(address, stub.addresses[1], 16) == 0 ||
             memcmp(address, stub.group, 16) == 0;

  return mine ? &netif : NULL;
}

static int
dispatch(gnrc_nettype_t type, gnrc_pktsnip_t *pkt, int leaves)
{
  if(type != GNRC_NETTYPE_IPV6 || stub.receivers == 0) {
    return 0;
  }
  if(queued == QUEUE) {
    gnrc_pktbuf_release(pkt);
  } else {
    queue[queued].pkt = pkt;
    queue[queued++].leaves = leaves;
  }
  return 1;
}

int
gnrc_netapi_dispatch_send(gnrc_nettype_t type, uint32_t context, gnrc_pktsnip_t *pkt)
{
  (void)context;
  return dispatch(type, pkt, 1);
}

int
gnrc_netapi_dispatch_receive(gnrc_nettype_t type, uint32_t context, gnrc_pktsnip_t *pkt)
{
  (void)context;
  return dispatch(type, pkt, 0);
}

/* What went out, or up: the snips as they are, and the octets of the packet. */
void
stub_take_down(const gnrc_pktsnip_t *pkt, int receive_order)
{
  stub_packet *to = &stub.last;
  size_t at = 0;

  memset(to, 0, sizeof(*to));
  for(; pkt != NULL && to->snips < STUB_SNIPS; pkt = pkt->next, to->snips++) {
    to->types[to->snips] = pkt->type;
    to->sizes[to->snips] = (uint16_t)pkt->size;
    if(pkt->type == GNRC_NETTYPE_NETIF || at + pkt->size > STUB_ROOM) {
      continue;
    }
    if(receive_order) {
      memmove(to->octets + pkt->size, to->octets, at);
    }
    if(pkt->size > 0) {
      memcpy(to->octets + (receive_order ? 0 : at), pkt->data, pkt->size);
    }
    at += pkt->size;
  }
  to->length = (uint16_t)at;
}

/* -- What arrives -- */

gnrc_pktsnip_t *
stub_received(const uint8_t *octets, uint16_t length, int from_link)
{
  static const uint8_t header[8];
  gnrc_pktsnip_t *link = NULL;

  if(from_link) {
    link = gnrc_pktbuf_add(NULL, header, sizeof(header), GNRC_NETTYPE_NETIF);
  }
  return gnrc_pktbuf_add(link, octets, length, GNRC_NETTYPE_IPV6);
}

static void
deliver(gnrc_pktsnip_t *pkt, uint8_t protocol)
{
  for(const gnrc_pktsnip_t *snip = pkt; snip != NULL; snip = snip->next) {
    if((snip->size == 0) != (snip->data == NULL)) {
      stub_fault("a snip whose size is not that of its octets");
    }
  }
  stub_take_down(pkt, 1);
  stub.delivered++;
  stub.protocol = protocol;
  gnrc_pktbuf_release(pkt);
}

static int
is_for_me(const ipv6_hdr_t *header)
{
  return ipv6_addr_is_loopback(&header->dst) || gnrc_netif_get_by_ipv6_addr(&header->dst) != NULL;
}

/* The IPv6 header becomes a snip of its own. NULL: no packet to go on with. */
static gnrc_pktsnip_t *
begin(gnrc_pktsnip_t *pkt)
{
  gnrc_pktsnip_t *own = gnrc_pktbuf_start_write(pkt);
  const ipv6_hdr_t *header;
  size_t payload;

  if(own == NULL || own->size < IP || gnrc_pktbuf_mark(own, IP, GNRC_NETTYPE_IPV6) == NULL) {
    gnrc_pktbuf_release(own == NULL ? pkt : own);
    return NULL;
  }
  own->type = GNRC_NETTYPE_UNDEF;
  header = own->next->data;
  payload = header->len.u8[0] * 256u + header->len.u8[1];
  if(header->first[0] >> 4 != 6 || header->hl == 0 || payload > own->size ||
     (payload == 0 && header->nh != PROTNUM_IPV6_NONXT) ||
     gnrc_pktbuf_realloc_data(own, payload) != 0) {
    gnrc_pktbuf_release(own);
    return NULL;
  }
  return own;
}

static gnrc_pktsnip_t *
admit(gnrc_pktsnip_t *pkt, uint8_t *protocol)
{
  stub.in_hook = 1;
  pkt = __wrap_gnrc_ipv6_ext_process_all(pkt, protocol);
  stub.in_hook = 0;
  return pkt;
}

static void
receive(gnrc_pktsnip_t *pkt)
{
  const ipv6_hdr_t *header;
  uint8_t protocol;

  pkt = begin(pkt);
  if(pkt == NULL) {
    return;
  }
  header = pkt->next->data;
  protocol = header->nh;
  pkt = gnrc_ipv6_ext_process_hopopt(pkt, &protocol);
  if(pkt != NULL && !is_for_me(header)) {
    gnrc_pktbuf_release(pkt);
    return;
  }
  if(pkt == NULL || (pkt = admit(pkt, &protocol)) == NULL) {
    return;
  }
  deliver(pkt, protocol);
}

/* -- What leaves -- */

gnrc_pktsnip_t *
stub_to_send(const uint8_t *octets, uint16_t length, gnrc_nettype_t type)
{
  gnrc_pktsnip_t *upper = NULL;

  if(length > IP) {
    upper = gnrc_pktbuf_add(NULL, octets + IP, length - IP, type);
  }
  return gnrc_pktbuf_add(upper, octets, IP, GNRC_NETTYPE_IPV6);
}

int
__real_gnrc_netreg_calc_csum(gnrc_pktsnip_t *hdr, gnrc_pktsnip_t *pseudo_hdr)
{
  (void)pseudo_hdr;
  if(stub.checksum != 0) {
    return stub.checksum;
  }
  return hdr->type == GNRC_NETTYPE_UDP || hdr->type == GNRC_NETTYPE_ICMPV6 ? 0 : -ENOENT;
}

/* The length, and a checksum over what nobody else uses. False: it goes no further. */
static int
fill(gnrc_pktsnip_t *ipv6)
{
  gnrc_pktsnip_t *last = ipv6;
  ipv6_hdr_t *header = ipv6->data;
  size_t payload = gnrc_pkt_len(ipv6->next);
  int result;

  header->len = byteorder_htons((uint16_t)payload);
  if(ipv6_addr_is_unspecified(&header->src)) {
    memcpy(&header->src, stub.addresses[0], 16);
  }
  while((last->type == GNRC_NETTYPE_IPV6 || last->type == GNRC_NETTYPE_IPV6_EXT) &&
        last->next != NULL) {
    gnrc_pktsnip_t *own = gnrc_pktbuf_start_write(last->next);
    if(own == NULL) {
      return 0;
    }
    last->next = own;
    last = own;
  }
  stub.in_hook = 1;
  result = __wrap_gnrc_netreg_calc_csum(last, ipv6);
  stub.in_hook = 0;
  return result >= 0 || result == -ENOENT;
}

/* What is sent to the node itself comes back in one piece. */
static void
loop(gnrc_pktsnip_t *pkt)
{
  stub_take_down(pkt, 0);
  gnrc_pktsnip_t *whole = stub_received(stub.last.octets, stub.last.length, 0);
  gnrc_pktbuf_release(pkt);
  if(whole != NULL && dispatch(GNRC_NETTYPE_IPV6, whole, 0) == 0) {
    gnrc_pktbuf_release(whole);
  }
}

static void
send(gnrc_pktsnip_t *pkt)
{
  gnrc_pktsnip_t *own = gnrc_pktbuf_start_write(pkt);

  if(own == NULL || !fill(own)) {
    gnrc_pktbuf_release(own == NULL ? pkt : own);
    return;
  }
  const ipv6_addr_t *to = &((ipv6_hdr_t *)own->data)->dst;
  if(!ipv6_addr_is_multicast(to) && is_for_me(own->data)) {
    loop(own);
    return;
  }
  stub_take_down(own, 0);
  stub.sent++;
  gnrc_pktbuf_release(own);
}

/* -- The thread -- */

static void
work(gnrc_pktsnip_t *pkt, int leaves)
{
  for(unsigned rounds = 0;; rounds++) {
    if(rounds == ROUNDS) {
      stub_fault("a packet that goes round for ever");
    }
    if(leaves) {
      send(pkt);
    } else {
      receive(pkt);
    }
    if(queued == 0) {
      return;
    }
    pkt = queue[0].pkt;
    leaves = queue[0].leaves;
    memmove(queue, queue + 1, --queued * sizeof(queue[0]));
  }
}

void
stub_receive(gnrc_pktsnip_t *pkt)
{
  work(pkt, 0);
}

void
stub_send(gnrc_pktsnip_t *pkt)
{
  work(pkt, 1);
}
