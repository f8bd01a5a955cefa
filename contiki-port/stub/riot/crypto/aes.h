/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_CRYPTO_AES_H
#define STUB_CRYPTO_AES_H

#define AES_KEY_SIZE_128 16

#endif
