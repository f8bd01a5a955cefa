/* SPDX-License-Identifier: BSD-3-Clause */
/* Cortex-M: start, semihosting, sleep, SysTick. */

#include "port.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

/* SysTick (ARMv7-M B3.3): 24 bits, counts down. */
#define SYST_CSR (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018u)
/* NVIC (B3.4), a bit for each interrupt. */
#define NVIC_ISER(number) (((volatile uint32_t *)0xe000e100u)[(number) / 32])
#define NVIC_ICPR(number) (((volatile uint32_t *)0xe000e280u)[(number) / 32])
/* The coprocessor access register: the FPU of a Cortex-M4F is off after reset. */
#define CPACR (*(volatile uint32_t *)0xe000ed88u)

extern uint32_t image_stack_top, image_data_load, image_data_start, image_data_end;
extern uint32_t image_bss_start, image_bss_end;

int main(void);
void port_reset(void);
static void fault(void);

/* Initial stack, then reset, NMI to UsageFault, and what is not used. */
__attribute__((section(".vectors"), used)) static const struct {
  const uint32_t *stack;
  void (*handlers[15])(void);
} vectors = {
    &image_stack_top, {port_reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault},
};

const uint32_t port_clock_mask = 0xffffffu;

__attribute__((noreturn, used)) void port_reset(void) {
  const uint32_t *from = &image_data_load;
  uint32_t *to;
#ifdef __ARM_FP
  CPACR |= 0xfu << 20;
  __asm__ volatile("dsb\n isb");
#endif
  for (to = &image_data_start; to < &image_data_end; to++) {
    *to = *from++;
  }
  for (to = &image_bss_start; to < &image_bss_end; to++) {
    *to = 0;
  }
  port_exit((uint32_t)main());
}

static void semihosting(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt #0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void port_print(const char *text) {
  semihosting(SYS_WRITE0, text);
}

void port_exit(uint32_t status) {
  const uint32_t block[2] = {APPLICATION_EXIT, status};
  semihosting(SYS_EXIT_EXTENDED, block);
  for (;;) {
  }
}

static void fault(void) {
  port_print("FAIL: fault\n");
  port_exit(3);
}

void port_interrupt_enable(uint32_t number) {
  /* What is masked is not taken, but ends a sleep. */
  __asm__ volatile("cpsid i");
  NVIC_ISER(number) = 1u << number % 32;
}

void port_interrupt_clear(uint32_t number) {
  NVIC_ICPR(number) = 1u << number % 32;
}

void port_sleep(void) {
  __asm__ volatile("dsb\n wfi" : : : "memory");
}

void port_clock_start(void) {
  SYST_RVR = port_clock_mask;
  SYST_CVR = 0;
  /* The processor's clock, no interrupt, on. */
  SYST_CSR = 5;
}

uint32_t port_clock(void) {
  return port_clock_mask - SYST_CVR;
}

__attribute__((naked, noinline)) void port_spin(uint32_t rounds __attribute__((unused))) {
  __asm__ volatile(".syntax unified\n"
                   "1: subs r0, r0, #1\n"
                   "bne 1b\n"
                   "bx lr\n");
}
