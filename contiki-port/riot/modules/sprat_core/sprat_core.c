/* SPDX-License-Identifier: BSD-3-Clause */
/* What libsprat_mote.a takes from RIOT. */

#include <stddef.h>

#include "panic.h"
#include "sprat_port.h"
#include "sprat_riot.h"

#ifndef SPRAT_AES_BUILTIN
#include "crypto/aes.h"
#include "crypto/ciphers.h"

void sprat_riot_aes128(const uint8_t *key, uint8_t *block)
{
    static cipher_t cipher;

    if (key != NULL) {
        cipher_init(&cipher, CIPHER_AES, key, AES_KEY_SIZE_128);
    }
    cipher_encrypt(&cipher, block, block);
}

const sprat_mote_port sprat_riot_port = { .aes128 = sprat_riot_aes128 };
#else
const sprat_mote_port sprat_riot_port = { .aes128 = NULL };
#endif

void sprat_port_panic(void)
{
    core_panic(PANIC_GENERAL_ERROR, "sprat");
    while (1) {}
}

#ifdef CPU_NATIVE
/* Rust's core library for a hosted target names it; nothing ever unwinds. */
void rust_eh_personality(void);
void rust_eh_personality(void)
{
    sprat_port_panic();
}
#endif
