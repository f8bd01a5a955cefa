/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef AES128_H
#define AES128_H

#include <stdint.h>

/* Encrypts the 16 octets of block in place, by key (16 octets), or by the key of
   the call before where key is NULL: the `aes128` of a sprat_mote_port. */
void aes128_encrypt(const uint8_t *key, uint8_t *block);

#endif
