/* SPDX-License-Identifier: BSD-3-Clause */
/* What libsprat_mote.a takes from RIOT. */

#include <stddef.h>

#include "panic.h"
#include "sprat_port.h"
#include "sprat_riot.h"

#if defined(SPRAT_AES_BUILTIN)
const sprat_mote_port sprat_riot_port = { .aes128 = NULL };
#elif defined(SPRAT_AES_SMALL)
#include "aes128.h"

const sprat_mote_port sprat_riot_port = { .aes128 = aes128_encrypt };
#else
#include "crypto/aes.h"
#include "crypto/ciphers.h"

/* It stays in memory until another key comes. */
static void _aes128(const uint8_t *key, uint8_t *block)
{
    static cipher_t cipher;

    if (key != NULL) {
        cipher_init(&cipher, CIPHER_AES, key, AES_KEY_SIZE_128);
    }
    cipher_encrypt(&cipher, block, block);
}

const sprat_mote_port sprat_riot_port = { .aes128 = _aes128 };
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
