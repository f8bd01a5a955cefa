/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one packet costs: instructions and octets of stack of sprat_mote_seal() and
 * sprat_mote_open(), the key schedule included. Prints a name and a number a line.
 *
 * Plain ESP: transport mode, explicit IV, 64 octets behind the IPv6 header.
 * Diet-ESP: a tunnel, implicit IV, IPv6 and UDP of single values with 64 octets of
 * data; 8 bits of SPI and of sequence number on the wire.
 */

#include <string.h>

#define SPRAT_MOTE
#include <sprat.h>

#include "aes128.h"
#include "port.h"

#define DATA 64
#define BUFFER 256
#define IPV6 40
#define UDP 8

static union {
  uint64_t aligned;
  uint8_t octets[BUFFER];
} buffer;

/* One call, and what came of it. */
struct call {
  int32_t (*function)(sprat_mote_sa *sa, uint8_t *packet, uint16_t *length, uint16_t capacity);
  sprat_mote_sa sa;
  uint16_t length;
  int32_t status;
};

#define ADDRESS(last) { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last }
#define PORT 5683

static const uint8_t source[16] = ADDRESS(1), destination[16] = ADDRESS(2);
static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t salt[3] = {1, 2, 3};

#ifdef BUILT_IN_AES
static const sprat_mote_port port;
#else
static void no_aes(const uint8_t *given, uint8_t *block) {
  (void)given;
  (void)block;
}
static const sprat_mote_port port = {.aes128 = aes128_encrypt};
static const sprat_mote_port port_without_aes = {.aes128 = no_aes};
#endif

static const sprat_mote_params plain = {
    .spi = 0x11000001, .window = 64, .key = key, .salt = salt, .port = &port,
};

#ifdef WITH_DIET_ESP
static const sprat_mote_path path = {
    .source = ADDRESS(3), .destination = ADDRESS(4), .tunnel = 1, .family = 6, .hop_limit = 64,
};
static const sprat_mote_ehc context = {
    .source_first = ADDRESS(1), .source_last = ADDRESS(1),
    .destination_first = ADDRESS(2), .destination_last = ADDRESS(2),
    .source_ports = {PORT, PORT}, .destination_ports = {PORT, PORT},
    .protocol = 17, .ip_version = 6,
    .iipc_profile = SPRAT_EHC_IIPC_DIET_ESP, .dscp_cda = SPRAT_EHC_DSCP_LOWER, .ecn_cda = SPRAT_EHC_ECN_LOWER,
    .flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER, .alignment = SPRAT_EHC_ALIGNMENT_8_BIT,
    .esp_trailer = SPRAT_EHC_TRAILER_OPTIONAL, .esp_spi_lsb = 8, .esp_sn_lsb = 8,
};
static const sprat_mote_params diet = {
    .spi = 0x110000d4, .implicit_iv = 1, .window = 64, .key = key, .salt = salt,
    .port = &port, .path = &path, .ehc = &context,
};
#endif

static void fail(const char *why) {
  port_print("FAIL: ");
  port_print(why);
  port_print("\n");
  port_exit(1);
}

static void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

/* The checksum of UDP over IPv6, its own field 0. */
static uint32_t checksum(const uint8_t *packet, uint32_t length) {
  uint32_t sum = 17 + length - IPV6, i;
  for (i = 8; i < length; i += 2) {
    sum += (uint32_t)packet[i] << 8 | packet[i + 1];
  }
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return ~sum & 0xffff;
}

/* An IPv6 packet with a UDP datagram of `octets`, header included. */
static uint16_t make_packet(uint16_t octets) {
  uint8_t *packet = buffer.octets;
  uint32_t i;
  memset(packet, 0, BUFFER);
  packet[0] = 0x60;
  put16(packet + 4, octets);
  packet[6] = 17;
  packet[7] = 64;
  memcpy(packet + 8, source, sizeof source);
  memcpy(packet + 24, destination, sizeof destination);
  put16(packet + IPV6, PORT);
  put16(packet + IPV6 + 2, PORT);
  put16(packet + IPV6 + 4, octets);
  for (i = UDP; i < octets; i++) {
    packet[IPV6 + i] = (uint8_t)i;
  }
  put16(packet + IPV6 + 6, checksum(packet, IPV6 + octets));
  return IPV6 + octets;
}

static void begin(struct call *call, const sprat_mote_params *params, int out) {
  sprat_mote_params all = *params;
  all.out = (uint8_t)out;
  memset(&call->sa, 0, sizeof call->sa);
  if (sprat_mote_sa_init(&call->sa, &all) != SPRAT_OK) {
    fail("no SA");
  }
  call->function = out ? sprat_mote_seal : sprat_mote_open;
}

static void run(void *argument) {
  struct call *call = argument;
  call->status = call->function(&call->sa, buffer.octets, &call->length, BUFFER);
}

/* As a call, but for what it calls. */
static int32_t nothing(sprat_mote_sa *sa, uint8_t *packet, uint16_t *length, uint16_t capacity) {
  (void)sa;
  (void)packet;
  (void)capacity;
  return *length == 0;
}

/* Octets of stack from here through run(). */
static uint32_t depth(struct call *call, uint32_t *instructions) {
  port_stack_paint();
  *instructions = port_instructions(run, call);
  return port_stack_used();
}

static void print(const char *name, const char *what, uint32_t number) {
  port_print(name);
  port_print(what);
  port_print_number(number);
  port_print("\n");
}

static void measure(const char *name, struct call *call, int32_t wanted) {
  struct call idle = {.function = nothing, .length = call->length};
  uint32_t instructions, calling, stack, called;
  called = depth(&idle, &calling);
  stack = depth(call, &instructions) - called;
  instructions -= calling;
  if (call->status != wanted) {
    fail(name);
  }
  print(name, " ", instructions);
  print(name, "-stack ", stack);
}

/* A packet there and back. */
static void both(const sprat_mote_params *params, uint16_t octets, const char *seal, const char *open) {
  static uint8_t clear[BUFFER];
  struct call call;
  uint16_t length = make_packet(octets);
  memcpy(clear, buffer.octets, length);
  begin(&call, params, 1);
  call.length = length;
  measure(seal, &call, SPRAT_OK);
  begin(&call, params, 0);
  measure(open, &call, SPRAT_OK);
  if (call.length != length || memcmp(clear, buffer.octets, length) != 0) {
    fail("opened to something else");
  }
}

/* A clock that counts something else than instructions must not go unnoticed. */
static void spin(void *rounds) {
  port_spin(*(const uint32_t *)rounds);
}

static void check_clock(void) {
  uint32_t rounds = 500, counted = port_instructions(spin, &rounds);
  if (counted < 995 || counted > 1010) {
    fail("the clock does not count instructions");
  }
}

int main(void) {
  check_clock();
  both(&plain, DATA, "seal-64", "open-64");
#ifdef WITH_DIET_ESP
  both(&diet, UDP + DATA, "diet-seal-64", "diet-open-64");
#endif
#ifndef BUILT_IN_AES
  {
    sprat_mote_params without = plain;
    without.port = &port_without_aes;
    both(&without, DATA, "seal-64-but-aes", "open-64-but-aes");
  }
#endif
  return 0;
}
