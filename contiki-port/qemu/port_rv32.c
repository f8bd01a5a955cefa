/* SPDX-License-Identifier: BSD-3-Clause */
/* RISC-V: semihosting, the counter of retired instructions. */

#include "port.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

/* In start_rv32.S. */
uint32_t port_semihosting(uint32_t operation, const void *argument);
void port_trap(void);

const uint32_t port_clock_mask = 0xffffffffu;

void port_print(const char *text) {
  port_semihosting(SYS_WRITE0, text);
}

void port_exit(uint32_t status) {
  const uint32_t block[2] = {APPLICATION_EXIT, status};
  port_semihosting(SYS_EXIT_EXTENDED, block);
  for (;;) {
  }
}

/* mtvec holds multiples of 4. */
__attribute__((aligned(4))) void port_trap(void) {
  port_print("FAIL: trap\n");
  port_exit(3);
}

void port_clock_start(void) {
}

uint32_t port_clock(void) {
  uint32_t retired;
  __asm__ volatile(".option push\n"
                   ".option arch, +zicsr\n"
                   "csrr %0, minstret\n"
                   ".option pop" : "=r"(retired));
  return retired;
}
