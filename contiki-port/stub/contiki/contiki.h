/* SPDX-License-Identifier: BSD-3-Clause */
/* What our modules name of Contiki-NG, and no more. Written afresh. */
#ifndef STUB_CONTIKI_H
#define STUB_CONTIKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#endif
