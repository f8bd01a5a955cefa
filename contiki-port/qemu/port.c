/* SPDX-License-Identifier: BSD-3-Clause */
/* What does not depend on the processor. */

#include "port.h"

#include <sprat_port.h>

#define PATTERN 0xa5a5a5a5u
/* Below the painter's frame: what its own call may still use. */
#define MARGIN_WORDS 16
/* No exported function comes near this. */
#define PAINTED_WORDS 768

extern uint32_t image_stack_limit;

static uint32_t *painted_top;
static uint32_t *painted_end;

void sprat_port_panic(void) {
  port_print("FAIL: panic\n");
  port_exit(4);
}

void port_print_number(uint32_t number) {
  char digits[11];
  unsigned at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  port_print(&digits[at]);
}

static void nothing(void *argument) {
  (void)argument;
}

static uint32_t ticks(void (*volatile work)(void *), void *argument) {
  uint32_t start;
  port_clock_start();
  start = port_clock();
  work(argument);
  return (port_clock() - start) & port_clock_mask;
}

static void spin(void *argument) {
  port_spin(*(const uint32_t *)argument);
}

uint32_t port_instructions(void (*work)(void *), void *argument) {
  /* 100,000 instructions, by which the clock is set. */
  uint32_t rounds = 50000;
  uint32_t call = ticks(nothing, &rounds);
  uint32_t unit = ticks(spin, &rounds) - call;
  uint32_t taken = ticks(work, argument) - call;
  return (uint32_t)(((uint64_t)taken * 2 * rounds + unit / 2) / unit);
}

__attribute__((noinline)) void port_stack_paint(void) {
  uint32_t *word = (uint32_t *)__builtin_frame_address(0) - MARGIN_WORDS;
  painted_top = word;
  painted_end = word - PAINTED_WORDS;
  if (painted_end < &image_stack_limit) {
    painted_end = &image_stack_limit;
  }
  while (word > painted_end) {
    *--word = PATTERN;
  }
}

uint32_t port_stack_used(void) {
  const uint32_t *word = painted_end;
  while (word < painted_top && *word == PATTERN) {
    word++;
  }
  /* The caller's frame is where the painter's was. */
  return (uint32_t)(painted_top - word + MARGIN_WORDS) * sizeof *word;
}
