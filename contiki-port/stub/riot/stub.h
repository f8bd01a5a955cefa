/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test sets and sees of the stand-ins. */
#ifndef STUB_H
#define STUB_H

#include "mtd.h"
#include "net/gnrc.h"

#define STUB_ROOM 1400
#define STUB_SNIPS 6

/* A packet that left GNRC's IPv6 thread, and the snips that it was in. */
typedef struct stub_packet {
  uint8_t octets[STUB_ROOM]; /* from the IPv6 header on */
  uint16_t length;
  uint16_t snips;
  gnrc_nettype_t types[STUB_SNIPS]; /* in the order of the chain */
  uint16_t sizes[STUB_SNIPS];
} stub_packet;

struct stub {
  /* The node, set by a test. */
  uint8_t addresses[2][16]; /* its own */
  uint8_t group[16];        /* joined */
  unsigned receivers;       /* of what is dispatched: 0 or 1 */
  int subscriber;           /* protocol that another thread wants to see; -1: none */
  int checksum;             /* what computing one ends with; 0: as it goes */
  unsigned fail_at;         /* this allocation fails, counted from 1; 0: none */
  unsigned fail_on;         /* 1: and all behind it */

  /* What came of it. */
  unsigned in_hook;     /* 1: what runs is ours */
  unsigned failed;      /* allocations that failed, */
  unsigned failed_ours; /* and of them those that our hooks asked for */
  unsigned faults;      /* double releases, locks locked twice, and the like */
  unsigned delivered;   /* packets handed to upper layers */
  uint8_t protocol;     /* of the last of them, as GNRC calls it */
  unsigned sent;        /* packets handed to the link */
  unsigned forwarded;   /* packets sent on by a routing header */
  unsigned options;     /* Hop-by-Hop headers read */
  unsigned blocks;      /* AES blocks encrypted by RIOT's cipher module */
  stub_packet last;     /* the last that was delivered or sent */
  gnrc_pktsnip_t *seen; /* what the subscriber holds */
};

extern struct stub stub;

/* Says what is wrong, and counts it. */
void stub_fault(const char *what);

/* Snips that exist. */
unsigned stub_snips(void);

/* A packet in one piece, as a link hands it up; behind it the link's header, or none. */
gnrc_pktsnip_t *stub_received(const uint8_t *octets, uint16_t length, int from_link);

/* A packet as upper layers hand it down: the IPv6 header, `type` in the rest. */
gnrc_pktsnip_t *stub_to_send(const uint8_t *octets, uint16_t length, gnrc_nettype_t type);

/* GNRC's IPv6 thread, until its queue is empty. */
void stub_receive(gnrc_pktsnip_t *pkt);
void stub_send(gnrc_pktsnip_t *pkt);

/* Notes the snips of a packet and its octets in stub.last. */
void stub_take_down(const gnrc_pktsnip_t *pkt, int receive_order);

/* Drops what waits for further fragments. */
void stub_forget_fragments(void);

/* Flash memory: 4 sectors of 2 pages of 64 octets. */
#define STUB_SECTORS 4
#define STUB_PAGES 2
#define STUB_PAGE 64

extern mtd_dev_t stub_flash;

struct stub_power {
  unsigned budget;     /* octets that are still erased or written; the power ends then */
  unsigned unreadable; /* 1 + a sector that cannot be read; 0: none */
  unsigned worn;       /* 1 + a sector that cannot be erased; 0: none */
  int init;            /* what mtd_init() ends with */
};

extern struct stub_power stub_power;

/* As the flash is when it is new. */
void stub_flash_erase(void);

#endif
