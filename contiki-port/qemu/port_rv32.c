/* SPDX-License-Identifier: BSD-3-Clause */
/* RISC-V: semihosting, sleep, the counter of retired instructions. */

#include "port.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

/* The PLIC of the FE310 (manual, chapter 10). */
#define PLIC(offset) (*(volatile uint32_t *)(0x0c000000u + (offset)))
#define PRIORITY(number) PLIC(4 * (number))
#define ENABLES(number) PLIC(0x2000 + (number) / 32 * 4)
#define CLAIM PLIC(0x200004)
/* External interrupts in mie; in mstatus they stay off. */
#define MEIE 0x800u

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

void port_interrupt_enable(uint32_t number) {
  PRIORITY(number) = 1;
  ENABLES(number) |= 1u << number % 32;
  __asm__ volatile(".option push\n"
                   ".option arch, +zicsr\n"
                   "csrs mie, %0\n"
                   ".option pop" : : "r"(MEIE));
}

void port_interrupt_clear(uint32_t number) {
  if (CLAIM == number) {
    CLAIM = number;
  }
}

void port_sleep(void) {
  __asm__ volatile("wfi" : : : "memory");
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
