/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_NET_GNRC_NETIF_INTERNAL_H
#define STUB_NET_GNRC_NETIF_INTERNAL_H

#include "net/ipv6/hdr.h"

typedef struct gnrc_netif {
  int pid;
} gnrc_netif_t;

/* The interface with this address, or with this group. */
gnrc_netif_t *gnrc_netif_get_by_ipv6_addr(const ipv6_addr_t *address);

#endif
