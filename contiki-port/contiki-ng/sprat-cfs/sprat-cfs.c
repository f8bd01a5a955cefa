/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      The two slots of the core's journal, each a file of its own: a write that
 *      the power ends leaves the other one whole.
 */

#include "sprat-cfs.h"

#include "cfs/cfs.h"

#include <stdio.h>
#include <string.h>

#define SLOT_LEN 16
/*---------------------------------------------------------------------------*/
static int
open_slot(const sprat_cfs_place *place, uint32_t slot, int flags)
{
  char name[SPRAT_CFS_NAME + 3];

  snprintf(name, sizeof(name), "%.*s.%u", SPRAT_CFS_NAME, place->name, (unsigned)(slot & 1));
  return cfs_open(name, flags);
}
/*---------------------------------------------------------------------------*/
/* A slot that was never written, or not to its end, reads as erased flash. */
static int32_t
read_slot(void *context, uint32_t slot, uint8_t *octets)
{
  int fd = open_slot(context, slot, CFS_READ);
  int got = 0;

  if(fd >= 0) {
    got = cfs_read(fd, octets, SLOT_LEN);
    cfs_close(fd);
  }
  if(got != SLOT_LEN) {
    memset(octets, 0xff, SLOT_LEN);
  }
  return 0;
}
/*---------------------------------------------------------------------------*/
static int32_t
write_slot(void *context, uint32_t slot, const uint8_t *octets)
{
  int fd = open_slot(context, slot, CFS_WRITE);
  int put;

  if(fd < 0) {
    return -1;
  }
  put = cfs_write(fd, octets, SLOT_LEN);
  cfs_close(fd);
  return put == SLOT_LEN ? 0 : -1;
}
/*---------------------------------------------------------------------------*/
int32_t
sprat_cfs_store(void *context, uint32_t spi, uint64_t number)
{
  sprat_mote_nvm nvm = { read_slot, write_slot, context };

  return sprat_mote_nvm_store(&nvm, spi, 0, number);
}
/*---------------------------------------------------------------------------*/
int32_t
sprat_cfs_load(sprat_cfs_place *place, uint32_t spi, uint64_t *number)
{
  sprat_mote_nvm nvm = { read_slot, write_slot, place };

  int32_t result = sprat_mote_nvm_load(&nvm, spi, 0, number);

  if(result == SPRAT_E_NOT_FOUND) {
    /* No number is used before it was stored, so none was used. */
    *number = 0;
    return SPRAT_OK;
  }
  return result;
}
/*---------------------------------------------------------------------------*/
