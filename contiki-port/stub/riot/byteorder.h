/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_BYTEORDER_H
#define STUB_BYTEORDER_H

#include <stdint.h>

typedef struct network_uint16 {
  uint8_t u8[2];
} network_uint16_t;

static inline network_uint16_t
byteorder_htons(uint16_t value)
{
  return (network_uint16_t){ { (uint8_t)(value >> 8), (uint8_t)value } };
}

#endif
