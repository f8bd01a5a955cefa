/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      Walks over extension headers end at ESP.
 *
 *      To uIP every protocol but TCP, UDP and ICMPv6 is an extension header with
 *      its length in the second octet. Of ESP that octet belongs to the SPI, so
 *      the walk leaves the packet and a router drops what it should forward. The
 *      three functions that walk are wrapped here; with other packets they do
 *      what they did.
 */

#include "contiki.h"
#include "net/ipv6/uip.h"
#include "net/ipv6/uipbuf.h"

#include <stdbool.h>

#define PROTO_ESP 50

uint8_t *__real_uipbuf_get_next_header(uint8_t *buffer, uint16_t size, uint8_t *protocol,
                                       bool start);
uint8_t *__wrap_uipbuf_get_next_header(uint8_t *buffer, uint16_t size, uint8_t *protocol,
                                       bool start);
uint8_t *__wrap_uipbuf_get_last_header(uint8_t *buffer, uint16_t size, uint8_t *protocol);
uint8_t *__wrap_uipbuf_search_header(uint8_t *buffer, uint16_t size, uint8_t protocol);

/* Where the last walk met ESP. Who asks for the header behind it gets none. */
static const uint8_t *esp;
/*---------------------------------------------------------------------------*/
/* Octets of the header at `buffer`, and what comes behind it. */
static unsigned
header(const uint8_t *buffer, bool start, uint8_t *next)
{
  const struct uip_ext_hdr *ext = (const struct uip_ext_hdr *)buffer;

  if(start) {
    *next = ((const struct uip_ip_hdr *)buffer)->proto;
    return UIP_IPH_LEN;
  }
  *next = ext->next;
  return (ext->len << 3) + 8;
}
/*---------------------------------------------------------------------------*/
uint8_t *
__wrap_uipbuf_get_next_header(uint8_t *buffer, uint16_t size, uint8_t *protocol, bool start)
{
  unsigned len;
  uint8_t next;

  if(start) {
    esp = NULL;
  } else if(buffer == esp) {
    return NULL;
  }
  if(size < (start ? UIP_IPH_LEN : sizeof(struct uip_ext_hdr))) {
    return NULL;
  }
  len = header(buffer, start, &next);
  if(next != PROTO_ESP) {
    return __real_uipbuf_get_next_header(buffer, size, protocol, start);
  }
  *protocol = PROTO_ESP;
  /* What follows is at least one octet; more, a receiver will ask for. */
  if(len >= size) {
    return NULL;
  }
  esp = buffer + len;
  return buffer + len;
}
/*---------------------------------------------------------------------------*/
static bool
goes_on(uint8_t protocol)
{
  return protocol != PROTO_ESP && uip_is_proto_ext_hdr(protocol);
}
/*---------------------------------------------------------------------------*/
uint8_t *
__wrap_uipbuf_get_last_header(uint8_t *buffer, uint16_t size, uint8_t *protocol)
{
  uint8_t *at = __wrap_uipbuf_get_next_header(buffer, size, protocol, true);

  while(at != NULL && goes_on(*protocol)) {
    at = __wrap_uipbuf_get_next_header(at, size - (at - buffer), protocol, false);
  }
  return at;
}
/*---------------------------------------------------------------------------*/
uint8_t *
__wrap_uipbuf_search_header(uint8_t *buffer, uint16_t size, uint8_t protocol)
{
  uint8_t found = 0;
  uint8_t *at = __wrap_uipbuf_get_next_header(buffer, size, &found, true);

  while(at != NULL && found != protocol && goes_on(found)) {
    at = __wrap_uipbuf_get_next_header(at, size - (at - buffer), &found, false);
  }
  return found == protocol ? at : NULL;
}
/*---------------------------------------------------------------------------*/
