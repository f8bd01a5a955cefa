/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IPv6 node without an operating system, at the end of a serial line (SLIP, RFC
 * 1055): it answers pings and echoes UDP (RFC 862), through ESP tunnels and nothing
 * else. The example of docs/porting.md, to whose table the numbers in brackets
 * refer; its addresses and SAs are in node_sa.c, the other end is a gateway there.
 *
 * One buffer holds a packet from the first octet that arrives to the last one that
 * leaves (9): opened, answered and sealed in place.
 */

#include <string.h>

#include "node.h"
#include "port.h"
#include "uart.h"

#define END 0xc0
#define ESC 0xdb
#define ESC_END 0xdc
#define ESC_ESC 0xdd

#define IPV6 40
#define UDP 17
#define ICMPV6 58
#define ECHO_REQUEST 128
#define ECHO_REPLY 129
#define HOP_LIMIT 64

static uint8_t frame[NODE_MTU + SPRAT_MOTE_SEAL_ROOM];

/* Packets that passed, but have no answer; and frames that held no packet. */
static uint16_t ignored, spoilt;

/* Answers to COUNTERS_PORT: passed 4, ignored 2, spoilt 2, dropped 2 each; network
   order. */
#define COUNTERS (8 + 2 * SPRAT_MOTE_DROPS)

static uint16_t get16(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

/* -- SLIP -- */

/* Octets of the next frame. One that is too long or ends within an escape is read to
   its end and forgotten. */
static uint16_t receive_frame(void) {
  uint16_t length = 0;
  int sound = 1;
  for (;;) {
    uint8_t octet = uart_receive();
    int escaped = octet == ESC;
    if (escaped) {
      octet = uart_receive();
    }
    if (octet == END) {
      if (sound && !escaped && length != 0) {
        return length;
      }
      spoilt += !sound || escaped;
      length = 0;
      sound = 1;
      continue;
    }
    if (escaped && (octet == ESC_END || octet == ESC_ESC)) {
      octet = octet == ESC_END ? END : ESC;
    }
    sound = sound && length < sizeof frame;
    if (sound) {
      frame[length++] = octet;
    }
  }
}

static void send_frame(uint16_t length) {
  uint16_t i;
  uart_send(END);
  for (i = 0; i < length; i++) {
    if (frame[i] == END || frame[i] == ESC) {
      uart_send(ESC);
      uart_send(frame[i] == END ? ESC_END : ESC_ESC);
    } else {
      uart_send(frame[i]);
    }
  }
  uart_send(END);
}

/* -- IPv6 -- */

/* The checksum over pseudo-header and upper layer (RFC 8200 s8.1); 0 where the field
   in it is right. */
static uint16_t checksum(uint16_t length) {
  uint32_t sum = (uint32_t)(length - IPV6) + frame[6];
  uint16_t i;
  for (i = 8; i < length; i++) {
    sum += i % 2 == 0 ? (uint32_t)frame[i] << 8 : frame[i];
  }
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return (uint16_t)~sum;
}

/* Turns the headers round; the checksum is at `field`. */
static void turn_round(uint16_t length, unsigned field) {
  uint8_t source[16];
  memcpy(source, frame + 8, sizeof source);
  memcpy(frame + 8, frame + 24, sizeof source);
  memcpy(frame + 24, source, sizeof source);
  put16(frame, 0x6000);
  put16(frame + 2, 0);
  put16(frame + 4, (uint32_t)(length - IPV6));
  frame[7] = HOP_LIMIT;
  put16(frame + field, 0);
  put16(frame + field, checksum(length));
}

static uint16_t answer_ping(uint16_t length) {
  if (length < IPV6 + 8 || frame[IPV6] != ECHO_REQUEST || frame[IPV6 + 1] != 0) {
    return 0;
  }
  frame[IPV6] = ECHO_REPLY;
  turn_round(length, IPV6 + 2);
  return length;
}

/* In place of the datagram's data. */
static uint16_t put_counters(void) {
  uint8_t *at = frame + IPV6 + 8;
  unsigned i;
  put16(at, node_counters.passed >> 16);
  put16(at + 2, node_counters.passed);
  put16(at + 4, ignored);
  put16(at + 6, spoilt);
  for (i = 0; i < SPRAT_MOTE_DROPS; i++) {
    put16(at + 8 + 2 * i, node_counters.dropped[i]);
  }
  return IPV6 + 8 + COUNTERS;
}

static uint16_t answer_udp(uint16_t length) {
  uint8_t *udp = frame + IPV6;
  uint16_t from, to;
  if (length < IPV6 + 8 || get16(udp + 4) != length - IPV6 || get16(udp + 6) == 0) {
    return 0;
  }
  from = get16(udp);
  to = get16(udp + 2);
  if (to == COUNTERS_PORT) {
    length = put_counters();
  } else if (to != ECHO_PORT) {
    return 0;
  }
  put16(udp, to);
  put16(udp + 2, from);
  put16(udp + 4, (uint32_t)(length - IPV6));
  turn_round(length, IPV6 + 6);
  if (get16(udp + 6) == 0) {
    put16(udp + 6, 0xffff);
  }
  return length;
}

/* Makes of the packet its answer; 0: there is none. */
static uint16_t answer(uint16_t length) {
  if (!node_is_local(NULL, frame + 24) || frame[24] == 0xff || frame[8] == 0xff || checksum(length) != 0) {
    return 0;
  }
  switch (frame[6]) {
  case ICMPV6:
    return answer_ping(length);
  case UDP:
    return answer_udp(length);
  default:
    return 0;
  }
}

/* -- The way of a packet -- */

static void handle(uint16_t length) {
  /* (7) Before any header is read. What is not SPRAT_OK is gone (11). */
  if (sprat_glue_input(&node_glue, frame, &length, sizeof frame) != SPRAT_OK) {
    return;
  }
  /* What was opened is not opened again after a reset. */
  if (node_glue.changed && node_keep_received() != SPRAT_OK) {
    ignored++;
    return;
  }
  /* (10) The packet has another length, and may be another packet. */
  length = answer(length);
  if (length == 0) {
    ignored++;
    return;
  }
  /* (8) Addresses, length and checksum are right. The outer packet goes out by the
     same line, else it would be routed now (12). */
  if (sprat_glue_output(&node_glue, SPRAT_GLUE_BOTH, frame, &length, sizeof frame) == SPRAT_OK) {
    send_frame(length);
  }
}

int main(void) {
  if (node_set_up() != SPRAT_OK) {
    port_print("FAIL: no SAs\n");
    return 1;
  }
  uart_start();
  port_print("node: ready\n");
  for (;;) {
    handle(receive_frame());
  }
}
