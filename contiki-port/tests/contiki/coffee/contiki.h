/* SPDX-License-Identifier: BSD-3-Clause */
/* What Coffee asks of Contiki-NG on a host. */
#ifndef CONTIKI_H_
#define CONTIKI_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif /* CONTIKI_H_ */
