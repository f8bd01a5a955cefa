/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: the walk over headers, which stub.c has. */
#ifndef STUB_UIPBUF_H
#define STUB_UIPBUF_H

#include "net/ipv6/uip.h"

#endif
