/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: the addresses of the node. */
#ifndef STUB_UIP_DS6_H
#define STUB_UIP_DS6_H

#include "net/ipv6/uip.h"

struct stub_interface {
  uint8_t cur_hop_limit;
};

extern struct stub_interface uip_ds6_if;

bool uip_ds6_is_my_addr(const uip_ipaddr_t *address);
bool uip_ds6_is_my_maddr(const uip_ipaddr_t *address);

#endif
