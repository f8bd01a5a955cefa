/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a board provides to the programs in this directory: words to the host, an
 * exit status, sleep, a clock that counts instructions, the depth of the stack.
 */

#ifndef PORT_H
#define PORT_H

#include <stdint.h>

/* Prints on the host that debugs the board (semihosting). */
void port_print(const char *text);
void port_print_number(uint32_t number);

/* Ends the run; status is QEMU's exit status. */
__attribute__((noreturn)) void port_exit(uint32_t status);

/* Interrupts end a sleep; none is ever taken, so there are no handlers. */
void port_interrupt_enable(uint32_t number);
/* Forgets that the interrupt came. */
void port_interrupt_clear(uint32_t number);
/* Until an interrupt comes, or has come since it was cleared. */
void port_sleep(void);

/* A clock of at least 24 bits that counts up, by any unit. */
uint32_t port_clock(void);
/* Largest value of the clock: all ones. */
extern const uint32_t port_clock_mask;
void port_clock_start(void);
/* Executes 2 * rounds instructions, plus call and return; rounds from 1. */
void port_spin(uint32_t rounds);

/* Instructions that work(argument) takes, without those of calling it. */
uint32_t port_instructions(void (*work)(void *), void *argument);

/* Fills the unused stack below the caller with a pattern. */
void port_stack_paint(void);
/* Octets of it that were used since. */
uint32_t port_stack_used(void);

#endif
