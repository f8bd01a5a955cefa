/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The five kinds of serial port of the boards, as far as QEMU models them: a real
 * board wants its clocks and pins set as well. That one octet is taken at a time is
 * enough here because the emulated line waits for its reader; a real one is read by
 * an interrupt's handler or DMA.
 */

#include "uart.h"

#include "port.h"

#define REGISTER(offset) (*(volatile uint32_t *)(UART_BASE + (offset)))

#if defined(UART_NRF51)
/* nRF51 Reference Manual, section 29. */
#define UART_BASE 0x40002000u
#define UART_IRQ 2
#define STARTRX REGISTER(0x000)
#define STARTTX REGISTER(0x008)
#define RXDRDY REGISTER(0x108)
#define TXDRDY REGISTER(0x11c)
#define INTENSET REGISTER(0x304)
#define ENABLE REGISTER(0x500)
#define PSELTXD REGISTER(0x50c)
#define PSELRXD REGISTER(0x514)
#define RXD REGISTER(0x518)
#define TXD REGISTER(0x51c)

static void start(void) {
  /* The pins of the micro:bit that lead to USB. */
  PSELTXD = 24;
  PSELRXD = 25;
  ENABLE = 4;
  INTENSET = 4;
  STARTTX = 1;
  STARTRX = 1;
}

static int take(void) {
  if (RXDRDY == 0) {
    return -1;
  }
  /* Before the octet is read, since that reports the next one. */
  RXDRDY = 0;
  return (uint8_t)RXD;
}

void uart_send(uint8_t octet) {
  TXDRDY = 0;
  TXD = octet;
  while (TXDRDY == 0) {
  }
}

#elif defined(UART_CMSDK)
/* Cortex-M System Design Kit, APB UART. */
#define DATA REGISTER(0x00)
#define STATE REGISTER(0x04)
#define CTRL REGISTER(0x08)
#define INTCLEAR REGISTER(0x0c)
#define BAUDDIV REGISTER(0x10)
#define TX_FULL 1u
#define RX_FULL 2u

static void start(void) {
  BAUDDIV = 217; /* 115,200 baud of 25 MHz */
  CTRL = 0xb;
}

static int take(void) {
  INTCLEAR = 2;
  return (STATE & RX_FULL) != 0 ? (uint8_t)DATA : -1;
}

void uart_send(uint8_t octet) {
  while ((STATE & TX_FULL) != 0) {
  }
  DATA = octet;
}

#elif defined(UART_PL011)
/* LM3S6965 data sheet, chapter 12. */
#define UART_BASE 0x4000c000u
#define UART_IRQ 5
#define DR REGISTER(0x00)
#define FR REGISTER(0x18)
#define IBRD REGISTER(0x24)
#define FBRD REGISTER(0x28)
#define LCRH REGISTER(0x2c)
#define CTL REGISTER(0x30)
#define IM REGISTER(0x38)
#define RX_EMPTY 0x10u
#define TX_FULL 0x20u

static void start(void) {
  CTL = 0;
  IBRD = 6; /* 115,200 baud of 12 MHz */
  FBRD = 33;
  LCRH = 0x70; /* 8 bits, FIFOs on */
  CTL = 0x301;
  IM = 0x50; /* octets, and octets that wait */
}

static int take(void) {
  return (FR & RX_EMPTY) == 0 ? (uint8_t)DR : -1;
}

void uart_send(uint8_t octet) {
  while ((FR & TX_FULL) != 0) {
  }
  DR = octet;
}

#elif defined(UART_STM32)
/* RM0090, section 30.6. */
#define UART_BASE 0x40011000u
#define UART_IRQ 37
#define SR REGISTER(0x00)
#define DR REGISTER(0x04)
#define BRR REGISTER(0x08)
#define CR1 REGISTER(0x0c)
#define RXNE 0x20u
#define TXE 0x80u

static void start(void) {
  BRR = 139; /* 115,200 baud of 16 MHz */
  CR1 = 0x202c;
}

static int take(void) {
  return (SR & RXNE) != 0 ? (uint8_t)DR : -1;
}

void uart_send(uint8_t octet) {
  while ((SR & TXE) == 0) {
  }
  DR = octet;
}

#elif defined(UART_SIFIVE)
/* FE310-G000 manual, chapter 18. */
#define UART_BASE 0x10013000u
#define UART_IRQ 3
#define TXDATA REGISTER(0x00)
#define RXDATA REGISTER(0x04)
#define TXCTRL REGISTER(0x08)
#define RXCTRL REGISTER(0x0c)
#define IE REGISTER(0x10)
#define DIV REGISTER(0x18)
/* Bit 31 of either data register: no octet, or no room. */
#define WAIT 0x80000000u

static void start(void) {
  DIV = 138; /* 115,200 baud of 16 MHz */
  TXCTRL = 1;
  RXCTRL = 1;
  IE = 2;
}

static int take(void) {
  uint32_t data = RXDATA;
  return (data & WAIT) == 0 ? (uint8_t)data : -1;
}

void uart_send(uint8_t octet) {
  while ((TXDATA & WAIT) != 0) {
  }
  TXDATA = octet;
}

#else
#error "which serial port?"
#endif

void uart_start(void) {
  port_interrupt_enable(UART_IRQ);
  start();
}

uint8_t uart_receive(void) {
  for (;;) {
    int octet;
    /* Cleared before the look, so that what comes after it ends the sleep. */
    port_interrupt_clear(UART_IRQ);
    octet = take();
    if (octet >= 0) {
      return (uint8_t)octet;
    }
    port_sleep();
  }
}
