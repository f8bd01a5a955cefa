/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_NET_UDP_H
#define STUB_NET_UDP_H

#include "byteorder.h"

/* RFC 768. */
typedef struct udp_hdr {
  network_uint16_t src_port;
  network_uint16_t dst_port;
  network_uint16_t length;
  network_uint16_t checksum;
} udp_hdr_t;

#endif
