/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test sees and sets of the stand-ins. */
#ifndef STUB_H
#define STUB_H

#include "net/ipv6/uip-ds6.h"
#include "net/netstack.h"

struct stub {
  struct netstack_ip_packet_processor *processor; /* the last that was added */
  uint8_t address[16];   /* the node's */
  uint8_t group[16];     /* the one that it has joined */
  unsigned keys;         /* AES keys set */
  unsigned blocks;       /* AES blocks encrypted */
  unsigned disabled;     /* times that interrupts were disabled, */
  unsigned enabled;      /* and put back as they were */
  unsigned routed;       /* packets that came to RPL's header update */
  unsigned lines[4];     /* of the log: continued, error, warning, information */
  unsigned write_budget; /* octets that files still take, a removal counts as one;
                            the power ends then */
  unsigned short_files;  /* files that were opened and ended early by a 0 */
  int no_files;          /* no file can be opened */
  int no_reads;          /* nor read, once it is open */
};

extern struct stub stub;

/* Both files as they are before the first start. */
void stub_erase(void);

/* AES-128 of one block, whatever key was set (FIPS 197). */
void stub_aes128(const uint8_t key[16], uint8_t block[16]);

#endif
