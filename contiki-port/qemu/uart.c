/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The five kinds of serial port of the boards, as far as QEMU models them: a real
 * board wants its clocks and pins set as well. Polling is enough here because the
 * emulated line waits for its reader; a real one is read by interrupt or DMA.
 */

#include "uart.h"

#define REGISTER(offset) (*(volatile uint32_t *)(UART_BASE + (offset)))

#if defined(UART_NRF51)
/* nRF51 Reference Manual, section 29. */
#define UART_BASE 0x40002000u
#define STARTRX REGISTER(0x000)
#define STARTTX REGISTER(0x008)
#define RXDRDY REGISTER(0x108)
#define TXDRDY REGISTER(0x11c)
#define ENABLE REGISTER(0x500)
#define PSELTXD REGISTER(0x50c)
#define PSELRXD REGISTER(0x514)
#define RXD REGISTER(0x518)
#define TXD REGISTER(0x51c)

void uart_start(void) {
  /* The pins of the micro:bit that lead to USB. */
  PSELTXD = 24;
  PSELRXD = 25;
  ENABLE = 4;
  STARTTX = 1;
  STARTRX = 1;
}

uint8_t uart_receive(void) {
  while (RXDRDY == 0) {
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
#define BAUDDIV REGISTER(0x10)
#define TX_FULL 1u
#define RX_FULL 2u

void uart_start(void) {
  BAUDDIV = 217; /* 115,200 baud of 25 MHz */
  CTRL = 3;
}

uint8_t uart_receive(void) {
  while ((STATE & RX_FULL) == 0) {
  }
  return (uint8_t)DATA;
}

void uart_send(uint8_t octet) {
  while ((STATE & TX_FULL) != 0) {
  }
  DATA = octet;
}

#elif defined(UART_PL011)
/* LM3S6965 data sheet, chapter 12. */
#define UART_BASE 0x4000c000u
#define DR REGISTER(0x00)
#define FR REGISTER(0x18)
#define IBRD REGISTER(0x24)
#define FBRD REGISTER(0x28)
#define LCRH REGISTER(0x2c)
#define CTL REGISTER(0x30)
#define RX_EMPTY 0x10u
#define TX_FULL 0x20u

void uart_start(void) {
  CTL = 0;
  IBRD = 6; /* 115,200 baud of 12 MHz */
  FBRD = 33;
  LCRH = 0x70; /* 8 bits, FIFOs on */
  CTL = 0x301;
}

uint8_t uart_receive(void) {
  while ((FR & RX_EMPTY) != 0) {
  }
  return (uint8_t)DR;
}

void uart_send(uint8_t octet) {
  while ((FR & TX_FULL) != 0) {
  }
  DR = octet;
}

#elif defined(UART_STM32)
/* RM0090, section 30.6. */
#define UART_BASE 0x40011000u
#define SR REGISTER(0x00)
#define DR REGISTER(0x04)
#define BRR REGISTER(0x08)
#define CR1 REGISTER(0x0c)
#define RXNE 0x20u
#define TXE 0x80u

void uart_start(void) {
  BRR = 139; /* 115,200 baud of 16 MHz */
  CR1 = 0x200c;
}

uint8_t uart_receive(void) {
  while ((SR & RXNE) == 0) {
  }
  return (uint8_t)DR;
}

void uart_send(uint8_t octet) {
  while ((SR & TXE) == 0) {
  }
  DR = octet;
}

#elif defined(UART_SIFIVE)
/* FE310-G000 manual, chapter 18. */
#define UART_BASE 0x10013000u
#define TXDATA REGISTER(0x00)
#define RXDATA REGISTER(0x04)
#define TXCTRL REGISTER(0x08)
#define RXCTRL REGISTER(0x0c)
#define DIV REGISTER(0x18)
/* Bit 31 of either data register: no octet, or no room. */
#define WAIT 0x80000000u

void uart_start(void) {
  DIV = 138; /* 115,200 baud of 16 MHz */
  TXCTRL = 1;
  RXCTRL = 1;
}

uint8_t uart_receive(void) {
  uint32_t data;
  do {
    data = RXDATA;
  } while ((data & WAIT) != 0);
  return (uint8_t)data;
}

void uart_send(uint8_t octet) {
  while ((TXDATA & WAIT) != 0) {
  }
  TXDATA = octet;
}

#else
#error "which serial port?"
#endif
