/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables that tables.py writes from tests/vectors. */

#ifndef CASES_H
#define CASES_H

#include <stddef.h>
#include <stdint.h>

#define SPRAT_MOTE
#include <sprat.h>

/* What is done with a case. */
#define CASE_SEAL 1          /* clear becomes sent */
#define CASE_OPEN 2          /* received becomes restored */
#define CASE_LOOP 4          /* clear is sealed with an IV of our own, and opened again */
#define CASE_REFUSE_SEAL 8   /* clear is refused */
#define CASE_REFUSE_OPEN 16  /* received is refused */
#define CASE_REFUSE_SA 32    /* no SA comes into being: error says which refusal */
/* How results are compared. */
#define CASE_OUTER_IMPOSED 64 /* sent: DSCP, ECN, flow label, Identification are the case's own */
#define CASE_GENERATED 128    /* restored: the flow label or Identification is the receiver's choice */

struct octets {
  const uint8_t *at;
  uint16_t length;
};

struct packet_case {
  const char *id;
  uint8_t what;
  /* Direction, numbers and port are the runner's; an SA that sends begins at
     number - 1, one that receives at top. */
  sprat_mote_params sa;
  uint64_t number;
  uint64_t top;
  struct octets clear, sent, received, restored;
  int32_t error;
};

struct replay_step {
  uint64_t number; /* what the sender used */
  uint64_t top;    /* highest number afterwards */
  uint8_t forged;
  int8_t verdict;  /* SPRAT_OK or SPRAT_DROP_* */
};

struct replay_case {
  const char *id;
  uint8_t window;
  uint8_t esn;
  uint64_t top;
  const struct replay_step *steps;
  uint16_t count;
};

/* Which of the SAs a packet may be for. */
struct lookup_case {
  const char *id;
  sprat_mote_params sa[2];
  struct octets packet;
  uint8_t expected[2];
};

/* What this library cannot do, by file and reason. */
struct skipped {
  const char *reason;
  const char *ids;
  uint16_t count;
};

extern const struct packet_case packet_cases[];
extern const size_t packet_case_count;
extern const struct replay_case replay_cases[];
extern const size_t replay_case_count;
extern const struct lookup_case lookup_cases[];
extern const size_t lookup_case_count;
extern const struct skipped skipped[];
extern const size_t skipped_count;

#endif
