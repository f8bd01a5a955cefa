/* SPDX-License-Identifier: BSD-3-Clause */
/* Flash memory whose power ends when a test says so, and AES, panic, the lock. */
#include "stub.h"

#include "aes128.h"
#include "crypto/ciphers.h"
#include "mutex.h"
#include "panic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = STUB_PAGES * STUB_PAGE };

static uint8_t octets[STUB_SECTORS * SECTOR];
mtd_dev_t stub_flash = { STUB_SECTORS, STUB_PAGES, STUB_PAGE, 4 };
struct stub_power stub_power;

void
stub_flash_erase(void)
{
  memset(octets, 0xff, sizeof(octets));
}

int
mtd_init(mtd_dev_t *mtd)
{
  (void)mtd;
  return stub_power.init;
}

/* Offset in the memory; negative if the octets are not all there. */
static long
address(uint32_t page, uint32_t offset, uint32_t length)
{
  uint64_t at = (uint64_t)page * STUB_PAGE + offset;

  return at + length <= sizeof(octets) ? (long)at : -1;
}

int
mtd_read_page(mtd_dev_t *mtd, void *to, uint32_t page, uint32_t offset, uint32_t length)
{
  long at = address(page, offset, length);

  if(mtd != &stub_flash || at < 0) {
    return -EOVERFLOW;
  }
  if(stub_power.unreadable == page / STUB_PAGES + 1) {
    return -EIO;
  }
  memcpy(to, octets + at, length);
  return 0;
}

static int
has_power(void)
{
  stub_power.budget -= stub_power.budget > 0;
  return stub_power.budget > 0;
}

int
mtd_erase_sector(mtd_dev_t *mtd, uint32_t sector, uint32_t count)
{
  if(mtd != &stub_flash || sector >= STUB_SECTORS || count > STUB_SECTORS - sector) {
    return -EOVERFLOW;
  }
  if(stub_power.worn == sector + 1) {
    return -EIO;
  }
  for(uint32_t i = sector * SECTOR; i < (sector + count) * SECTOR; i++) {
    if(!has_power()) {
      return -EIO;
    }
    octets[i] = 0xff;
  }
  return 0;
}

int
mtd_write_page_raw(mtd_dev_t *mtd, const void *from, uint32_t page, uint32_t offset,
                   uint32_t length)
{
  long at = address(page, offset, length);

  if(mtd != &stub_flash || at < 0) {
    return -EOVERFLOW;
  }
  if(offset % mtd->write_size != 0 || length % mtd->write_size != 0) {
    return -EINVAL;
  }
  for(uint32_t i = 0; i < length; i++) {
    if(!has_power()) {
      return -EIO;
    }
    octets[at + i] &= ((const uint8_t *)from)[i];
  }
  return 0;
}

/* -- The rest of the system -- */

int
cipher_init(cipher_t *cipher, cipher_id_t id, const uint8_t *key, uint8_t key_size)
{
  cipher->id = id;
  memcpy(cipher->key, key, key_size);
  return 1;
}

int
cipher_encrypt(const cipher_t *cipher, const uint8_t *input, uint8_t *output)
{
  if(cipher->id == NULL || strcmp(cipher->id, CIPHER_AES) != 0) {
    stub_fault("a cipher without a key");
    return -1;
  }
  stub.blocks++;
  memmove(output, input, 16);
  aes128_encrypt(cipher->key, output);
  return 1;
}

void
core_panic(int code, const char *message)
{
  fprintf(stderr, "panic %d: %s\n", code, message);
  abort();
}

void
mutex_lock(mutex_t *mutex)
{
  if(mutex->locked) {
    stub_fault("locked by itself");
  }
  mutex->locked = 1;
}

void
mutex_unlock(mutex_t *mutex)
{
  if(!mutex->locked) {
    stub_fault("unlocked twice");
  }
  mutex->locked = 0;
}
