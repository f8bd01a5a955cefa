/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_NET_PROTNUM_H
#define STUB_NET_PROTNUM_H

/* Numbers of IANA's registry of protocols. */
#define PROTNUM_IPV6_EXT_HOPOPT 0
#define PROTNUM_UDP 17
#define PROTNUM_IPV6 41
#define PROTNUM_IPV6_EXT_RH 43
#define PROTNUM_IPV6_EXT_FRAG 44
#define PROTNUM_IPV6_EXT_ESP 50
#define PROTNUM_IPV6_EXT_AH 51
#define PROTNUM_ICMPV6 58
#define PROTNUM_IPV6_NONXT 59
#define PROTNUM_IPV6_EXT_DST 60
#define PROTNUM_IPV6_EXT_MOB 135

#endif
