/* SPDX-License-Identifier: BSD-3-Clause */
/* The first serial port of the board. */

#ifndef UART_H
#define UART_H

#include <stdint.h>

/* Makes the port ready; nothing is received before. */
void uart_start(void);

/* The next octet; sleeps until it comes. */
uint8_t uart_receive(void);

/* Sends an octet; waits until there is room for it. */
void uart_send(uint8_t octet);

#endif
