/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: the AES driver. */
#ifndef STUB_AES_128_H
#define STUB_AES_128_H

#include "contiki.h"

#define AES_128_BLOCK_SIZE 16
#define AES_128_KEY_LENGTH 16

struct stub_aes_driver {
  void (*set_key)(const uint8_t *key);
  void (*encrypt)(uint8_t *block);
};

extern const struct stub_aes_driver AES_128;

#endif
