/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the stack of the node and its SAs. */

#ifndef NODE_H
#define NODE_H

#include "sprat_glue.h"

/* Largest packet inside a tunnel, octets. */
#define NODE_MTU 1280

#define ECHO_PORT 7
#define COUNTERS_PORT 7777

extern sprat_glue node_glue;
extern sprat_mote_counters node_counters;

/* SAs and policies; SPRAT_OK, or what was refused. */
int32_t node_set_up(void);

/* (6) Whether 16 octets are an address of this node, or a group. */
int32_t node_is_local(void *context, const uint8_t *address);

/* Notes which numbers were received, after a packet was opened. SPRAT_OK, or the
   packet must not be used. */
int32_t node_keep_received(void);

#endif
