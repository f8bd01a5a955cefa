/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records in flash where the emulated board has flash that a program can write,
 * else in memory that a start leaves alone: that outlives a reset, not a power cut.
 */

#include "nvm.h"

#include <string.h>

#if defined(NVM_NRF51)
/* nRF51 Reference Manual, section 6. A page for each slot, so that an erasure which
   power cuts short spoils no other. */
#define REGISTER(offset) (*(volatile uint32_t *)(0x4001e000u + (offset)))
#define READY REGISTER(0x400)
#define CONFIG REGISTER(0x504)
#define ERASEPAGE REGISTER(0x508)
#define PAGE 1024u
#define WRITABLE 1u
#define ERASABLE 2u

/* The last pages of the flash. */
static uint32_t place(uint32_t slot) {
  return 256 * 1024u - (NVM_SLOTS - slot) * PAGE;
}

static void wait(void) {
  while (READY == 0) {
  }
}

static void write(uint32_t slot, const uint8_t *record) {
  volatile uint32_t *word = (volatile uint32_t *)place(slot);
  uint32_t i, value;
  CONFIG = ERASABLE;
  ERASEPAGE = place(slot);
  wait();
  CONFIG = WRITABLE;
  for (i = 0; i < NVM_RECORD; i += sizeof value) {
    memcpy(&value, record + i, sizeof value);
    *word++ = value;
    wait();
  }
  CONFIG = 0;
}

static void read(uint32_t slot, uint8_t *record) {
  memcpy(record, (const void *)place(slot), NVM_RECORD);
}

#else
__attribute__((section(".noinit"))) static uint8_t slots[NVM_SLOTS][NVM_RECORD];

static void write(uint32_t slot, const uint8_t *record) {
  memcpy(slots[slot], record, NVM_RECORD);
}

static void read(uint32_t slot, uint8_t *record) {
  memcpy(record, slots[slot], NVM_RECORD);
}
#endif

int32_t nvm_read(void *context, uint32_t slot, uint8_t *record) {
  (void)context;
  if (slot >= NVM_SLOTS) {
    return -1;
  }
  read(slot, record);
  return 0;
}

int32_t nvm_write(void *context, uint32_t slot, const uint8_t *record) {
  (void)context;
  if (slot >= NVM_SLOTS) {
    return -1;
  }
  write(slot, record);
  return 0;
}
