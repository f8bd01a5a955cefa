/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: hooks for packets. */
#ifndef STUB_NETSTACK_H
#define STUB_NETSTACK_H

#include "contiki.h"

typedef struct {
  uint8_t u8[8];
} linkaddr_t;

enum netstack_ip_action { NETSTACK_IP_PROCESS, NETSTACK_IP_DROP };

struct netstack_ip_packet_processor {
  struct netstack_ip_packet_processor *next;
  enum netstack_ip_action (*process_input)(void);
  enum netstack_ip_action (*process_output)(const linkaddr_t *destination);
};

void netstack_ip_packet_processor_add(struct netstack_ip_packet_processor *processor);

#endif
