/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_NET_GNRC_IPV6_EXT_H
#define STUB_NET_GNRC_IPV6_EXT_H

#include "net/gnrc.h"
#include "net/ipv6/hdr.h"

/* Reads a Hop-by-Hop header at the start of `pkt`. NULL: it was consumed. */
gnrc_pktsnip_t *gnrc_ipv6_ext_process_hopopt(gnrc_pktsnip_t *pkt, uint8_t *protnum);

#endif
