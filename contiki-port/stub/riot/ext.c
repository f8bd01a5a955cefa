/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walk over extension headers, as its original does it: it takes ESP for one,
 * and reads on in a datagram that was put together by what its last fragment says.
 */
#include "stub.h"

#include "net/gnrc/ipv6/ext.h"
#include "net/protnum.h"

#include <errno.h>

gnrc_pktsnip_t *__real_gnrc_ipv6_ext_process_all(gnrc_pktsnip_t *pkt, uint8_t *protnum);
gnrc_pktsnip_t *__real_gnrc_ipv6_ext_frag_reass(gnrc_pktsnip_t *pkt);
gnrc_pktsnip_t *__wrap_gnrc_ipv6_ext_frag_reass(gnrc_pktsnip_t *pkt);

/* Moves the header of `size` octets at the start of `pkt` behind it. */
static gnrc_pktsnip_t *
step(gnrc_pktsnip_t *pkt, size_t size)
{
  if(gnrc_pktbuf_mark(pkt, size, GNRC_NETTYPE_IPV6_EXT) == NULL) {
    gnrc_pktbuf_release_error(pkt, EINVAL);
    return NULL;
  }
  return pkt;
}

/* Another thread gets a packet of its own, whose headers it shares with us. */
static void
show(gnrc_pktsnip_t *pkt, uint8_t protocol)
{
  if(stub.subscriber != protocol || stub.seen != NULL) {
    return;
  }
  gnrc_pktbuf_hold(pkt, 1);
  stub.seen = gnrc_pktbuf_start_write(pkt);
  if(stub.seen == NULL) {
    gnrc_pktbuf_release(pkt);
  }
}

/* A source route (RFC 6554) whose one address is the next hop. */
static gnrc_pktsnip_t *
route(gnrc_pktsnip_t *pkt, size_t size)
{
  uint8_t *header = pkt->data;
  size_t shared = header[4] & 15;
  gnrc_pktsnip_t *ipv6 = gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_IPV6);

  if(header[3] == 0) {
    return step(pkt, size);
  }
  if(header[2] != 3 || header[3] != 1 || size < 24 - shared) {
    gnrc_pktbuf_release_error(pkt, EINVAL);
    return NULL;
  }
  header[3] = 0;
  for(size_t i = shared; i < 16; i++) {
    uint8_t *to = &((ipv6_hdr_t *)ipv6->data)->dst.u8[i], next = header[8 + i - shared];
    header[8 + i - shared] = *to;
    *to = next;
  }
  stub_packet whole;
  stub_take_down(pkt, 1);
  whole = stub.last;
  gnrc_pktbuf_release(pkt);
  stub.forwarded++;
  pkt = stub_to_send(whole.octets, whole.length, GNRC_NETTYPE_UNDEF);
  if(pkt != NULL && gnrc_netapi_dispatch_send(GNRC_NETTYPE_IPV6, GNRC_NETREG_DEMUX_CTX_ALL, pkt) == 0) {
    gnrc_pktbuf_release(pkt);
  }
  return NULL;
}

static gnrc_pktsnip_t *
read_header(gnrc_pktsnip_t *pkt, uint8_t protocol)
{
  size_t size = pkt->size < 2 ? 8 : ((uint8_t *)pkt->data)[1] * 8u + 8;

  if(pkt->size < size) {
    gnrc_pktbuf_release(pkt);
    return NULL;
  }
  show(pkt, protocol);
  if(protocol == PROTNUM_IPV6_EXT_RH) {
    return route(pkt, size);
  }
#ifdef MODULE_GNRC_IPV6_EXT_FRAG
  if(protocol == PROTNUM_IPV6_EXT_FRAG) {
    stub.in_hook = 1;
    pkt = __wrap_gnrc_ipv6_ext_frag_reass(pkt);
    stub.in_hook = 0;
    return pkt;
  }
#endif
  return step(pkt, size);
}

/* GNRC's own part of what a hook asks for. */
static gnrc_pktsnip_t *
read_header_itself(gnrc_pktsnip_t *pkt, uint8_t protocol)
{
  unsigned hook = stub.in_hook;

  stub.in_hook = 0;
  pkt = read_header(pkt, protocol);
  stub.in_hook = hook;
  return pkt;
}

gnrc_pktsnip_t *
gnrc_ipv6_ext_process_hopopt(gnrc_pktsnip_t *pkt, uint8_t *protnum)
{
  if(*protnum != PROTNUM_IPV6_EXT_HOPOPT) {
    return pkt;
  }
  stub.options++;
  pkt = read_header_itself(pkt, *protnum);
  if(pkt == NULL) {
    return NULL;
  }
  if(pkt->next->next == NULL || pkt->next->next->type != GNRC_NETTYPE_IPV6) {
    stub_fault("hop-by-hop options that are not behind the IPv6 header");
  }
  *protnum = ((ipv6_ext_t *)pkt->next->data)->nh;
  if(*protnum == PROTNUM_IPV6_EXT_HOPOPT) {
    gnrc_pktbuf_release(pkt);
    return NULL;
  }
  return pkt;
}

gnrc_pktsnip_t *
__real_gnrc_ipv6_ext_process_all(gnrc_pktsnip_t *pkt, uint8_t *protnum)
{
  static const uint8_t headers[] = { PROTNUM_IPV6_EXT_DST, PROTNUM_IPV6_EXT_RH,
                                     PROTNUM_IPV6_EXT_FRAG, PROTNUM_IPV6_EXT_AH,
                                     PROTNUM_IPV6_EXT_ESP, PROTNUM_IPV6_EXT_MOB };

  while(pkt != NULL && memchr(headers, *protnum, sizeof(headers)) != NULL) {
    uint8_t next = pkt->size > 0 ? *(uint8_t *)pkt->data : 0;
    pkt = read_header_itself(pkt, *protnum);
    *protnum = next;
    if(pkt != NULL && next == PROTNUM_IPV6_EXT_HOPOPT) {
      gnrc_pktbuf_release(pkt);
      pkt = NULL;
    }
  }
  return pkt;
}

/* -- Fragments: one datagram at a time, which a new one drives out -- */

static struct {
  gnrc_pktsnip_t *pkt; /* what is there, and headers */
  uint8_t key[36];     /* addresses and identification */
  size_t end;          /* 0: not known */
  uint8_t have[65536 / 8 + 32];
} datagram;

void
stub_forget_fragments(void)
{
  if(datagram.pkt != NULL) {
    gnrc_pktbuf_release(datagram.pkt);
  }
  memset(&datagram, 0, sizeof(datagram));
}

static void
set_next_header(gnrc_pktsnip_t *in, uint8_t protocol)
{
  if(in->type == GNRC_NETTYPE_IPV6) {
    ((ipv6_hdr_t *)in->data)->nh = protocol;
  } else {
    ((ipv6_ext_t *)in->data)->nh = protocol;
  }
}

static void
set_length(gnrc_pktsnip_t *pkt, size_t payload)
{
  gnrc_pktsnip_t *ipv6 = gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_IPV6);

  for(pkt = pkt->next; pkt != ipv6; pkt = pkt->next) {
    payload += pkt->size;
  }
  ((ipv6_hdr_t *)ipv6->data)->len = byteorder_htons((uint16_t)payload);
}

/* The whole datagram; NULL: something is still missing. */
static gnrc_pktsnip_t *
complete(void)
{
  gnrc_pktsnip_t *pkt = datagram.pkt;

  if(datagram.end == 0 || memchr(datagram.have, 0, (datagram.end + 7) / 8) != NULL) {
    return NULL;
  }
  set_length(pkt, datagram.end);
  datagram.pkt = NULL;
  stub_forget_fragments();
  return pkt;
}

/* Octets of a fragment into the datagram. False: no memory. */
static int
keep(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *headers, size_t offset)
{
  size_t end = offset + pkt->size;

  if(datagram.pkt == NULL) {
    datagram.pkt = gnrc_pktbuf_add(NULL, NULL, end, GNRC_NETTYPE_UNDEF);
    if(datagram.pkt == NULL) {
      return 0;
    }
  } else if(datagram.pkt->size < end && gnrc_pktbuf_realloc_data(datagram.pkt, end) != 0) {
    return 0;
  }
  memcpy((uint8_t *)datagram.pkt->data + offset, pkt->data, pkt->size);
  memset(datagram.have + offset / 8, 1, (pkt->size + 7) / 8);
  /* The headers of the first fragment count. */
  if(offset == 0 || datagram.pkt->next == NULL) {
    gnrc_pktbuf_hold(headers, 1);
    gnrc_pktsnip_t *old = datagram.pkt->next;
    datagram.pkt->next = headers;
    if(old != NULL) {
      gnrc_pktbuf_release(old);
    }
  }
  return 1;
}

static gnrc_pktsnip_t *
put_together(gnrc_pktsnip_t *pkt)
{
  uint8_t key[36];
  gnrc_pktsnip_t *header = gnrc_pktbuf_mark(pkt, 8, GNRC_NETTYPE_IPV6_EXT);

  if(header == NULL || pkt->size == 0) {
    gnrc_pktbuf_release(pkt);
    return NULL;
  }
  const uint8_t *octets = header->data;
  gnrc_pktsnip_t *headers = header->next;
  size_t offset = octets[2] * 256u + (octets[3] & 0xf8);
  int more = octets[3] & 1;
  memcpy(key, (uint8_t *)gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_IPV6)->data + 8, 32);
  memcpy(key + 32, octets + 4, 4);
  if(memcmp(key, datagram.key, sizeof(key)) != 0) {
    stub_forget_fragments();
    memcpy(datagram.key, key, sizeof(key));
  }
  if(offset == 0) {
    set_next_header(headers, octets[0]);
  }
  if(offset == 0 && !more) {
    gnrc_pktbuf_remove_snip(pkt, header);
    set_length(pkt, pkt->size);
    return pkt;
  }
  if((more && pkt->size % 8 != 0) || !keep(pkt, headers, offset)) {
    stub_forget_fragments();
    gnrc_pktbuf_release(pkt);
    return NULL;
  }
  datagram.end = more ? datagram.end : offset + pkt->size;
  gnrc_pktbuf_release(pkt);
  return complete();
}

gnrc_pktsnip_t *
__real_gnrc_ipv6_ext_frag_reass(gnrc_pktsnip_t *pkt)
{
  stub.in_hook = 0;
  pkt = put_together(pkt);
  stub.in_hook = 1;
  return pkt;
}
