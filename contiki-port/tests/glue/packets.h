/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets for the glue tests, header by header. */

#ifndef PACKETS_H
#define PACKETS_H

#include <stdint.h>

#define PACKET_ROOM 1280

/* A packet at the start of its buffer, as stacks keep it. */
typedef struct pkt {
  uint8_t octets[PACKET_ROOM];
  uint16_t length;
  uint16_t next_at;   /* the octet that names what is appended next */
  uint8_t final[16];  /* destination behind a source route: checksums mean it */
} pkt;

/* Begins a packet: an IPv6 header. */
void pkt_ip(pkt *p, const uint8_t *source, const uint8_t *destination);

/* Appends a Hop-by-Hop header with RPL's option, 8 octets. */
void pkt_hop_by_hop(pkt *p);

/*
 * Appends a source route of RFC 6554 with one address, of which `shared` octets
 * are those of the destination field; the destination field is the first hop.
 */
void pkt_route(pkt *p, uint8_t segments_left, uint8_t shared, const uint8_t *last);

/* Appends a Fragment header: offset in units of 8 octets. */
void pkt_fragment(pkt *p, uint16_t offset, uint8_t more);

/* Appends a datagram of `payload` octets, with its checksum. */
void pkt_udp(pkt *p, uint16_t source_port, uint16_t destination_port, uint16_t payload);

/* Appends an ICMPv6 message without body and with a checksum of 0. */
void pkt_icmp(pkt *p, uint8_t type);

/* Appends octets that call themselves `protocol`. */
void pkt_raw(pkt *p, uint8_t protocol, const uint8_t *octets, uint16_t length);

/* Whether both hold the same octets. */
int pkt_same(const pkt *a, const pkt *b);

/* Offset of the first header `protocol`; 0 if the chain does not lead to it. */
uint16_t pkt_find(const pkt *p, uint8_t protocol);

/*
 * Whether a platform's AES has a zero key for its last: a zero block becomes what
 * FIPS 197 makes of it, H of GCM's first test case. The library's own, NULL, keeps none.
 */
int key_is_forgotten(void (*aes128)(const uint8_t *key, uint8_t *block));

#endif
