/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_CRYPTO_CIPHERS_H
#define STUB_CRYPTO_CIPHERS_H

#include <stdint.h>

typedef const char *cipher_id_t;

/* Who made it, and the key. */
typedef struct cipher {
  cipher_id_t id;
  uint8_t key[16];
} cipher_t;

#define CIPHER_AES "AES"

int cipher_init(cipher_t *cipher, cipher_id_t id, const uint8_t *key, uint8_t key_size);
int cipher_encrypt(const cipher_t *cipher, const uint8_t *input, uint8_t *output);

#endif
