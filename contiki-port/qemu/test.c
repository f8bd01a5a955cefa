/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the test vectors through the C interface on the board: what tables.py wrote,
 * and refusals. The exit status is the verdict.
 */

#include <string.h>

#include "aes128.h"
#include "cases.h"
#include "port.h"

/* The largest packet of the vectors, and what opening may add to it. */
#define BUFFER 1536
#define FILL 0xa5

static union {
  uint64_t aligned;
  uint8_t octets[BUFFER];
} buffer, before;

#define PACKET (buffer.octets)

static uint32_t passed, failed, left_out;
static uint32_t seal_stack, open_stack;

static int32_t refuse_to_store;
static uint64_t stored;

static int32_t store(void *context, uint32_t spi, uint64_t number) {
  (void)context;
  (void)spi;
  if (refuse_to_store) {
    return -1;
  }
  stored = number;
  return 0;
}

#ifdef BUILT_IN_AES
#define AES NULL
#else
#define AES aes128_encrypt
#endif

static const sprat_mote_port plain_port = {.aes128 = AES};
static const sprat_mote_port storing_port = {.aes128 = AES, .store = store, .ahead = 16};

static void result(const char *id, const char *why) {
  if (why == NULL) {
    passed++;
    return;
  }
  failed++;
  port_print("FAIL ");
  port_print(id);
  port_print(": ");
  port_print(why);
  port_print("\n");
}

/* An SA of this case, on the stack of the caller. */
static int32_t begin(sprat_mote_sa *sa, const sprat_mote_params *params, int out, uint64_t last) {
  sprat_mote_params all = *params;
  all.out = (uint8_t)out;
  all.last_sn = last;
  if (all.port == NULL) {
    all.port = &plain_port;
  }
  memset(sa, 0, sizeof *sa);
  return sprat_mote_sa_init(sa, &all);
}

static uint16_t load(struct octets packet) {
  memset(PACKET, FILL, BUFFER);
  memcpy(PACKET, packet.at, packet.length);
  memcpy(before.octets, PACKET, BUFFER);
  return packet.length;
}

static int untouched(void) {
  return memcmp(PACKET, before.octets, BUFFER) == 0;
}

static int32_t sealed(sprat_mote_sa *sa, uint16_t *length, uint16_t capacity) {
  int32_t status;
  uint32_t used;
  port_stack_paint();
  status = sprat_mote_seal(sa, PACKET, length, capacity);
  used = port_stack_used();
  seal_stack = used > seal_stack ? used : seal_stack;
  return status;
}

static int32_t opened(sprat_mote_sa *sa, uint16_t *length, uint16_t capacity) {
  int32_t status;
  uint32_t used;
  port_stack_paint();
  status = sprat_mote_open(sa, PACKET, length, capacity);
  used = port_stack_used();
  open_stack = used > open_stack ? used : open_stack;
  return status;
}

/* The number of an SA, all ones if it has none. */
static uint64_t number_of(const sprat_mote_sa *sa) {
  uint64_t number;
  return sprat_mote_sa_sn(sa, &number) == SPRAT_OK ? number : UINT64_MAX;
}

/* Gives what the case imposes on the outer header to both packets. */
static void impose(const uint8_t *sent) {
  if (sent[0] >> 4 == 6) {
    memcpy(PACKET, sent, 4);
  } else {
    memcpy(PACKET + 1, sent + 1, 1);
    memcpy(PACKET + 4, sent + 4, 4);
    memcpy(PACKET + 10, sent + 10, 2);
  }
}

static const char *seal_case(const struct packet_case *c) {
  sprat_mote_sa sa;
  uint16_t length = load(c->clear);
  if (begin(&sa, &c->sa, 1, c->number - 1) != SPRAT_OK) {
    return "no SA to send by";
  }
  if (sealed(&sa, &length, BUFFER) != SPRAT_OK) {
    return "not sealed";
  }
  if (number_of(&sa) != c->number) {
    return "another number than sealed with";
  }
  if (c->what & CASE_OUTER_IMPOSED) {
    impose(c->sent.at);
  }
  if (length != c->sent.length || memcmp(PACKET, c->sent.at, length) != 0) {
    return "sealed to something else";
  }
  return NULL;
}

/* Whether the buffer holds the packet, but for a field that the receiver makes. */
static int is_restored(struct octets restored, int generated) {
  uint8_t *made = PACKET;
  if (generated && PACKET[0] >> 4 == 6) {
    made[1] = (uint8_t)((made[1] & 0xf0) | (restored.at[1] & 0x0f));
    memcpy(made + 2, restored.at + 2, 2);
  } else if (generated) {
    memcpy(made + 4, restored.at + 4, 2);
    memcpy(made + 10, restored.at + 10, 2);
  }
  return memcmp(PACKET, restored.at, restored.length) == 0;
}

static const char *open_case(const struct packet_case *c) {
  sprat_mote_sa sa;
  uint16_t length = load(c->received);
  uint64_t top = c->number > c->top ? c->number : c->top;
  if (begin(&sa, &c->sa, 0, c->top) != SPRAT_OK) {
    return "no SA to receive by";
  }
  if (!sprat_mote_is_for(&sa, PACKET, length)) {
    return "not taken for this SA's";
  }
  if (opened(&sa, &length, BUFFER) != SPRAT_OK) {
    return "not opened";
  }
  if (number_of(&sa) != top) {
    return "the window is elsewhere";
  }
  if (length != c->restored.length || !is_restored(c->restored, c->what & CASE_GENERATED)) {
    return "opened to something else";
  }
  return NULL;
}

/* A receiver that has verified the highest number of the case, and not the case's own,
   though that is lower: it took the packets in this order. */
static int receiver_of(sprat_mote_sa *receiver, const struct packet_case *c) {
  sprat_mote_sa sender;
  uint16_t length = load(c->clear);
  if (c->number >= c->top) {
    return begin(receiver, &c->sa, 0, c->top) == SPRAT_OK;
  }
  return begin(receiver, &c->sa, 0, c->number - 1) == SPRAT_OK && begin(&sender, &c->sa, 1, c->top - 1) == SPRAT_OK &&
         sealed(&sender, &length, BUFFER) == SPRAT_OK && opened(receiver, &length, BUFFER) == SPRAT_OK;
}

static const char *loop_case(const struct packet_case *c) {
  sprat_mote_sa sender, receiver;
  uint64_t top = c->number > c->top ? c->number : c->top;
  uint16_t length;
  if (!receiver_of(&receiver, c) || begin(&sender, &c->sa, 1, c->number - 1) != SPRAT_OK) {
    return "no SAs";
  }
  length = load(c->clear);
  if (sealed(&sender, &length, BUFFER) != SPRAT_OK) {
    return "not sealed";
  }
  if (c->number == c->top) {
    return opened(&receiver, &length, BUFFER) == SPRAT_DROP_REPLAY ? NULL : "the highest number is no replay";
  }
  if (opened(&receiver, &length, BUFFER) != SPRAT_OK) {
    return "what we sealed is not opened";
  }
  if (number_of(&receiver) != top) {
    return "the window is elsewhere";
  }
  if (length != c->clear.length || memcmp(PACKET, c->clear.at, length) != 0) {
    return "what we sealed is opened to something else";
  }
  return NULL;
}

static const char *refused(const struct packet_case *c, int out) {
  sprat_mote_sa sa;
  uint16_t length = load(out ? c->clear : c->received);
  uint16_t same = length;
  uint64_t last = out ? c->number - 1 : c->top;
  int32_t status;
  if (begin(&sa, &c->sa, out, last) != SPRAT_OK) {
    return "no SA";
  }
  status = out ? sealed(&sa, &length, BUFFER) : opened(&sa, &length, BUFFER);
  if (status <= 0) {
    return "not refused";
  }
  if (length != same || (out && (!untouched() || number_of(&sa) != last))) {
    return "a refusal has left something behind";
  }
  return NULL;
}

static const char *packet_case(const struct packet_case *c) {
  const char *why = NULL;
  sprat_mote_sa sa;
  if (c->what & CASE_REFUSE_SA) {
    return begin(&sa, &c->sa, 1, c->number - 1) == c->error ? NULL : "the SA is not refused as stated";
  }
  if (c->what & CASE_SEAL) {
    why = seal_case(c);
  }
  if (why == NULL && (c->what & CASE_OPEN)) {
    why = open_case(c);
  }
  if (why == NULL && (c->what & CASE_LOOP)) {
    why = loop_case(c);
  }
  if (why == NULL && (c->what & CASE_REFUSE_SEAL)) {
    why = refused(c, 1);
  }
  if (why == NULL && (c->what & CASE_REFUSE_OPEN)) {
    why = refused(c, 0);
  }
  return why;
}

/* IPv6 and UDP, 16 octets of payload, from one address to another. */
static const uint8_t datagram[64] = {
    0x60, 0, 0, 0, 0, 24, 17, 64,
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    0x16, 0x33, 0x16, 0x33, 0, 24, 0x12, 0x34,
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
};
static const struct octets packet = {datagram, sizeof datagram};
static const uint8_t key[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
static const uint8_t salt[3] = {2, 7, 1};
static const sprat_mote_params plain = {.spi = 0x11000001, .window = 64, .key = key, .salt = salt};

#define ESP_AT 40

/* Seals the datagram with this number; 0 is written over that of another packet. */
static int seal_as(const sprat_mote_params *params, uint64_t number, uint16_t *length) {
  sprat_mote_sa sender;
  *length = load(packet);
  if (begin(&sender, params, 1, number ? number - 1 : 0) != SPRAT_OK ||
      sprat_mote_seal(&sender, PACKET, length, BUFFER) != SPRAT_OK) {
    return 0;
  }
  if (number == 0) {
    memset(PACKET + ESP_AT + 4, 0, 4);
  }
  return 1;
}

static const char *replay_case(const struct replay_case *c) {
  sprat_mote_params params = plain;
  sprat_mote_sa receiver;
  uint16_t i, length;
  params.window = c->window;
  params.esn = c->esn;
  if (begin(&receiver, &params, 0, c->top) != SPRAT_OK) {
    return "no SA";
  }
  for (i = 0; i < c->count; i++) {
    const struct replay_step *step = &c->steps[i];
    if (!seal_as(&params, step->number, &length)) {
      return "the sender cannot seal with a number of the scenario";
    }
    PACKET[length - 1] ^= step->forged;
    if (sprat_mote_open(&receiver, PACKET, &length, BUFFER) != step->verdict) {
      return "another verdict than stated";
    }
    if (number_of(&receiver) != step->top) {
      return "the window is elsewhere";
    }
  }
  return NULL;
}

static const char *lookup_case(const struct lookup_case *c) {
  sprat_mote_sa sa;
  unsigned i;
  for (i = 0; i < 2; i++) {
    uint16_t length = load(c->packet);
    if (begin(&sa, &c->sa[i], 0, 0) != SPRAT_OK) {
      return "no SA";
    }
    if (sprat_mote_is_for(&sa, PACKET, length) != c->expected[i]) {
      return "another candidate than stated";
    }
  }
  return NULL;
}

/* Opens what is in the buffer and looks whether anything but `wanted` came of it. */
static const char *expect_open(sprat_mote_sa *sa, uint16_t length, int32_t wanted) {
  uint64_t number = number_of(sa);
  uint16_t same = length;
  memcpy(before.octets, PACKET, BUFFER);
  if (opened(sa, &length, BUFFER) != wanted) {
    return "not refused as it should be";
  }
  return untouched() && length == same && number_of(sa) == number ? NULL : "a refusal has left something behind";
}

static const char *refuse_forged(void) {
  sprat_mote_sa sa;
  uint16_t length, at;
  const char *why = NULL;
  /* Each octet from the sequence number to the end of the ICV; the SPI is no case of
     this one. */
  for (at = ESP_AT + 8; why == NULL && at < 100; at++) {
    if (!seal_as(&plain, 5, &length) || begin(&sa, &plain, 0, 0) != SPRAT_OK) {
      return "nothing to forge";
    }
    if (at >= length) {
      break;
    }
    PACKET[at] ^= 0x40;
    why = expect_open(&sa, length, SPRAT_DROP_INTEGRITY);
  }
  return why;
}

static const char *refuse_replayed(void) {
  sprat_mote_sa sa;
  uint16_t length;
  if (!seal_as(&plain, 5, &length) || begin(&sa, &plain, 0, 0) != SPRAT_OK ||
      opened(&sa, &length, BUFFER) != SPRAT_OK || !seal_as(&plain, 5, &length)) {
    return "nothing to replay";
  }
  return expect_open(&sa, length, SPRAT_DROP_REPLAY);
}

static const char *refuse_short(void) {
  sprat_mote_sa sa;
  uint16_t whole, length;
  if (begin(&sa, &plain, 0, 0) != SPRAT_OK) {
    return "no SA";
  }
  if (!seal_as(&plain, 5, &whole)) {
    return "nothing to shorten";
  }
  memcpy(before.octets, PACKET, BUFFER);
  for (length = 0; length < whole; length++) {
    uint16_t given = length;
    /* First cut off on the way, then with a length field that says so. */
    if (opened(&sa, &given, BUFFER) <= 0 || !untouched()) {
      return "a cut packet is not refused";
    }
    if (length >= ESP_AT) {
      PACKET[5] = (uint8_t)(length - ESP_AT);
      given = length;
      if (opened(&sa, &given, BUFFER) <= 0) {
        return "a short packet is not refused";
      }
      memcpy(PACKET, before.octets, BUFFER);
    }
  }
  return number_of(&sa) == 0 ? NULL : "a short packet has moved the window";
}

static const char *refuse_other_spi(void) {
  sprat_mote_sa sa;
  uint16_t length;
  if (!seal_as(&plain, 5, &length) || begin(&sa, &plain, 0, 0) != SPRAT_OK) {
    return "nothing to change";
  }
  PACKET[ESP_AT + 3] ^= 2;
  if (sprat_mote_is_for(&sa, PACKET, length)) {
    return "taken for another SA's";
  }
  return expect_open(&sa, length, SPRAT_DROP_NO_SA);
}

static const char *refuse_full_buffer(void) {
  sprat_mote_sa sa;
  uint16_t need = 0, capacity, length;
  if (!seal_as(&plain, 1, &need) || begin(&sa, &plain, 1, 0) != SPRAT_OK) {
    return "no SA";
  }
  for (capacity = packet.length; capacity < need; capacity++) {
    length = load(packet);
    if (sealed(&sa, &length, capacity) != SPRAT_DROP_NO_ROOM || !untouched() || number_of(&sa) != 0) {
      return "not refused as it should be";
    }
  }
  length = load(packet);
  if (sealed(&sa, &length, need) != SPRAT_OK || length != need) {
    return "refused with room enough";
  }
  return PACKET[need] == FILL ? NULL : "written behind the buffer";
}

static const char *refuse_unreserved(void) {
  sprat_mote_params params = plain;
  sprat_mote_sa sa;
  uint16_t length = load(packet);
  params.port = &storing_port;
  if (begin(&sa, &params, 1, 7) != SPRAT_OK) {
    return "no SA";
  }
  refuse_to_store = 1;
  if (sealed(&sa, &length, BUFFER) != SPRAT_DROP_SN_UNRESERVED || !untouched() || number_of(&sa) != 7) {
    return "sealed with a number that is not stored";
  }
  refuse_to_store = 0;
  stored = 0;
  if (sealed(&sa, &length, BUFFER) != SPRAT_OK) {
    return "not sealed";
  }
  return stored >= 8 ? NULL : "the number was not stored";
}

static const char *refuse_exhausted(void) {
  sprat_mote_sa sa;
  uint16_t length = load(packet);
  if (begin(&sa, &plain, 1, UINT32_MAX) != SPRAT_OK) {
    return "no SA";
  }
  return sealed(&sa, &length, BUFFER) == SPRAT_DROP_SN_EXHAUSTED && untouched() ? NULL : "a number was used twice";
}

static const char *refuse_wiped(void) {
  static const sprat_mote_sa zero;
  sprat_mote_sa sa = zero;
  uint16_t length = load(packet);
  if (sprat_mote_seal(&sa, PACKET, &length, BUFFER) == SPRAT_OK) {
    return "zeroed memory seals";
  }
  if (begin(&sa, &plain, 1, 0) != SPRAT_OK) {
    return "no SA";
  }
  sprat_mote_wipe(&sa);
  if (sprat_mote_seal(&sa, PACKET, &length, BUFFER) == SPRAT_OK) {
    return "a wiped SA seals";
  }
  return memcmp(&sa, &zero, sizeof sa) == 0 && untouched() ? NULL : "something is left";
}

static const char *refuse_null(void) {
  sprat_mote_sa sa;
  uint16_t length = load(packet);
  if (sprat_mote_sa_init(NULL, &plain) != SPRAT_E_NULL || sprat_mote_sa_init(&sa, NULL) != SPRAT_E_NULL) {
    return "an SA out of nothing";
  }
  if (begin(&sa, &plain, 1, 0) != SPRAT_OK || sprat_mote_seal(&sa, NULL, &length, 64) != SPRAT_E_NULL ||
      sprat_mote_seal(&sa, PACKET, NULL, BUFFER) != SPRAT_E_NULL || sprat_mote_seal(NULL, PACKET, &length, BUFFER) != SPRAT_E_NULL) {
    return "NULL is not told";
  }
  return number_of(&sa) == 0 && untouched() ? NULL : "something has changed";
}

static const struct {
  const char *id;
  const char *(*run)(void);
} refusals[] = {
    {"refused/forged", refuse_forged},
    {"refused/replayed", refuse_replayed},
    {"refused/short", refuse_short},
    {"refused/other SPI", refuse_other_spi},
    {"refused/full buffer", refuse_full_buffer},
    {"refused/number not stored", refuse_unreserved},
    {"refused/numbers used up", refuse_exhausted},
    {"refused/wiped", refuse_wiped},
    {"refused/NULL", refuse_null},
};

/* FIPS 197, appendix C.1. */
static const char *aes_example(void) {
  static const uint8_t cipher[16] = {
      0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a,
  };
  uint8_t plain_key[16], block[16];
  uint8_t i;
  for (i = 0; i < 16; i++) {
    plain_key[i] = i;
    block[i] = (uint8_t)(i * 0x11);
  }
  aes128_encrypt(plain_key, block);
  return memcmp(block, cipher, sizeof cipher) == 0 ? NULL : "not AES";
}

static void count_line(const char *what, uint32_t count) {
  port_print_number(count);
  port_print(what);
}

/* How many cases are sealed to the octets of the file, how many opened from them. */
static void describe(void) {
  uint32_t counts[5] = {0, 0, 0, 0, 0};
  static const uint8_t flags[5] = {CASE_SEAL, CASE_OPEN, CASE_LOOP, CASE_REFUSE_SEAL | CASE_REFUSE_OPEN, CASE_REFUSE_SA};
  static const char *const names[5] = {" sealed as stated, ", " opened as stated, ", " sealed and opened by ourselves, ",
                                       " refused, ", " without an SA, as stated\n"};
  size_t i;
  unsigned j;
  for (i = 0; i < packet_case_count; i++) {
    for (j = 0; j < 5; j++) {
      counts[j] += (packet_cases[i].what & flags[j]) != 0;
    }
  }
  port_print("packets: ");
  for (j = 0; j < 5; j++) {
    count_line(names[j], counts[j]);
  }
}

static void describe_skipped(void) {
  size_t i;
  for (i = 0; i < skipped_count; i++) {
    left_out += skipped[i].count;
    port_print("SKIP ");
    port_print(skipped[i].reason);
    port_print(": ");
    port_print(skipped[i].ids);
    port_print("\n");
  }
}

int main(void) {
  size_t i;
  if (sprat_mote_sa_size() != sizeof(sprat_mote_sa) || sprat_abi_version() != SPRAT_ABI_VERSION) {
    port_print("FAIL: the header is not this library's\n");
    return 2;
  }
  result("aes128", aes_example());
  for (i = 0; i < packet_case_count; i++) {
    result(packet_cases[i].id, packet_case(&packet_cases[i]));
  }
  for (i = 0; i < replay_case_count; i++) {
    result(replay_cases[i].id, replay_case(&replay_cases[i]));
  }
  for (i = 0; i < lookup_case_count; i++) {
    result(lookup_cases[i].id, lookup_case(&lookup_cases[i]));
  }
  for (i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    result(refusals[i].id, refusals[i].run());
  }
  describe();
  describe_skipped();
  count_line(" octets of stack to seal, ", seal_stack);
  count_line(" to open, callbacks included\n", open_stack);
  count_line(" passed, ", passed);
  count_line(" failed, ", failed);
  count_line(" skipped\n", left_out);
  return failed != 0;
}
