/* SPDX-License-Identifier: BSD-3-Clause */
#include "packets.h"

#include <string.h>

enum { HOP_BY_HOP = 0, UDP = 17, ROUTING = 43, FRAGMENT = 44, ICMPV6 = 58, IP_LEN = 40 };

void
pkt_raw(pkt *p, uint8_t protocol, const uint8_t *octets, uint16_t length)
{
  uint16_t payload;

  p->octets[p->next_at] = protocol;
  memcpy(p->octets + p->length, octets, length);
  p->length += length;
  payload = p->length - IP_LEN;
  p->octets[4] = payload >> 8;
  p->octets[5] = payload & 0xff;
}

/* An extension header names the next in its first octet. */
static void
extension(pkt *p, uint8_t protocol, const uint8_t *octets, uint16_t length)
{
  uint16_t at = p->length;

  pkt_raw(p, protocol, octets, length);
  p->next_at = at;
}

void
pkt_ip(pkt *p, const uint8_t *source, const uint8_t *destination)
{
  memset(p, 0, sizeof(*p));
  p->octets[0] = 0x60;
  p->octets[7] = 64;
  memcpy(p->octets + 8, source, 16);
  memcpy(p->octets + 24, destination, 16);
  memcpy(p->final, destination, 16);
  p->octets[6] = 59;
  p->length = IP_LEN;
  p->next_at = 6;
}

void
pkt_hop_by_hop(pkt *p)
{
  static const uint8_t header[8] = { 59, 0, 0x63, 4, 0, 0, 1, 0 };

  extension(p, HOP_BY_HOP, header, sizeof(header));
}

void
pkt_route(pkt *p, uint8_t segments_left, uint8_t shared, const uint8_t *last)
{
  uint8_t header[24] = { 59, 0, 3, segments_left, 0, 0, 0, 0 };
  uint8_t stated = 16 - shared;
  uint8_t padding = (8 - stated % 8) % 8;

  header[1] = (stated + padding) / 8;
  header[4] = (uint8_t)(shared << 4 | shared);
  header[5] = (uint8_t)(padding << 4);
  memcpy(header + 8, last + shared, stated);
  extension(p, ROUTING, header, 8 + stated + padding);
  if(segments_left != 0) {
    memcpy(p->final, last, 16);
  }
}

void
pkt_fragment(pkt *p, uint16_t offset, uint8_t more)
{
  uint8_t header[8] = { 59, 0, 0, 0, 0, 0, 0, 7 };

  header[2] = offset >> 5;
  header[3] = (uint8_t)(offset << 3) | more;
  extension(p, FRAGMENT, header, sizeof(header));
}

static uint32_t
add(uint32_t sum, const uint8_t *octets, uint16_t length)
{
  for(uint16_t i = 0; i < length; i++) {
    sum += i % 2 == 0 ? (uint32_t)octets[i] << 8 : octets[i];
  }
  return sum;
}

void
pkt_udp(pkt *p, uint16_t source_port, uint16_t destination_port, uint16_t payload)
{
  uint8_t segment[PACKET_ROOM] = { 0 };
  uint16_t length = 8 + payload;
  uint32_t sum;

  segment[0] = source_port >> 8;
  segment[1] = source_port & 0xff;
  segment[2] = destination_port >> 8;
  segment[3] = destination_port & 0xff;
  segment[4] = length >> 8;
  segment[5] = length & 0xff;
  for(uint16_t i = 0; i < payload; i++) {
    segment[8 + i] = (uint8_t)(i + 1);
  }
  sum = add(add(add(UDP + length, p->octets + 8, 16), p->final, 16), segment, length);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
  sum = sum == 0 ? 0xffff : sum;
  segment[6] = (uint8_t)(sum >> 8);
  segment[7] = sum & 0xff;
  pkt_raw(p, UDP, segment, length);
}

void
pkt_icmp(pkt *p, uint8_t type)
{
  uint8_t message[8] = { type };

  pkt_raw(p, ICMPV6, message, sizeof(message));
}

int
pkt_same(const pkt *a, const pkt *b)
{
  return a->length == b->length && memcmp(a->octets, b->octets, a->length) == 0;
}

uint16_t
pkt_find(const pkt *p, uint8_t protocol)
{
  uint8_t next = p->octets[6];
  uint16_t at = IP_LEN;

  while(next != protocol) {
    if(next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT) {
      return 0;
    }
    /* The length octet of a Fragment header is reserved, and 0. */
    next = p->octets[at];
    at += p->octets[at + 1] * 8 + 8;
  }
  return at;
}

int
key_is_forgotten(void (*aes128)(const uint8_t *key, uint8_t *block))
{
  static const uint8_t encrypted[16] = { 0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b,
                                         0x88, 0x4c, 0xfa, 0x59, 0xca, 0x34, 0x2b, 0x2e };
  uint8_t block[16] = { 0 };

  if(aes128 != NULL) {
    aes128(NULL, block);
  }
  return aes128 == NULL || memcmp(block, encrypted, sizeof(block)) == 0;
}
