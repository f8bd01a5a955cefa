/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: interrupts. */
#ifndef STUB_INT_MASTER_H
#define STUB_INT_MASTER_H

#include "contiki.h"

typedef uint32_t int_master_status_t;

int_master_status_t int_master_read_and_disable(void);
void int_master_status_set(int_master_status_t status);

#endif
