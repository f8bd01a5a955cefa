/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_NET_IPV6_HDR_H
#define STUB_NET_IPV6_HDR_H

#include "byteorder.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct ipv6_addr {
  uint8_t u8[16];
} ipv6_addr_t;

/* RFC 8200 section 3. */
typedef struct ipv6_hdr {
  uint8_t first[4];
  network_uint16_t len;
  uint8_t nh;
  uint8_t hl;
  ipv6_addr_t src;
  ipv6_addr_t dst;
} ipv6_hdr_t;

/* What most extension headers begin with. */
typedef struct ipv6_ext {
  uint8_t nh;
  uint8_t len; /* units of 8 octets behind the first */
} ipv6_ext_t;

static inline bool
ipv6_addr_equal(const ipv6_addr_t *a, const ipv6_addr_t *b)
{
  return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool
ipv6_addr_is_multicast(const ipv6_addr_t *address)
{
  return address->u8[0] == 0xff;
}

static inline bool
ipv6_addr_is_unspecified(const ipv6_addr_t *address)
{
  static const ipv6_addr_t unspecified;

  return ipv6_addr_equal(address, &unspecified);
}

static inline bool
ipv6_addr_is_loopback(const ipv6_addr_t *address)
{
  static const ipv6_addr_t loopback = { { [15] = 1 } };

  return ipv6_addr_equal(address, &loopback);
}

#endif
