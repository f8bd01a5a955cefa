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
#define NAME_ROOM (SPRAT_CFS_NAME + 3)
/*---------------------------------------------------------------------------*/
/* Name of the file. 0: it is too long; cut off it could be another SA's. */
static int
name_of(const sprat_cfs_place *place, uint32_t slot, char *name)
{
  return snprintf(name, NAME_ROOM, "%s.%u", place->name, (unsigned)(slot & 1)) < NAME_ROOM;
}
/*---------------------------------------------------------------------------*/
/*
 * CFS does not say why a file cannot be opened. One that is not there can be
 * made; where that fails too, nobody knows what the slot holds.
 */
static int
open_to_read(const char *name)
{
  int fd = cfs_open(name, CFS_READ);

  if(fd < 0) {
    fd = cfs_open(name, CFS_READ | CFS_WRITE | CFS_APPEND);
    if(fd >= 0 && cfs_seek(fd, 0, CFS_SEEK_SET) != 0) {
      cfs_close(fd);
      return -1;
    }
  }
  return fd;
}
/*---------------------------------------------------------------------------*/
/*
 * After a reset Coffee takes the last octet that is not 0 for a file's end. What
 * is missing is 0 then; of a record that was not written to its end, the CRC says so.
 */
static int32_t
read_slot(void *context, uint32_t slot, uint8_t *octets)
{
  char name[NAME_ROOM];
  int fd = name_of(context, slot, name) ? open_to_read(name) : -1;
  int got;

  if(fd < 0) {
    return -1;
  }
  memset(octets, 0, SLOT_LEN);
  got = cfs_read(fd, octets, SLOT_LEN);
  cfs_close(fd);
  return got < 0 ? -1 : 0;
}
/*---------------------------------------------------------------------------*/
/* A new file each time: without micro logs Coffee cannot write over an old one. */
static int32_t
write_slot(void *context, uint32_t slot, const uint8_t *octets)
{
  char name[NAME_ROOM];
  int fd, put;

  if(!name_of(context, slot, name)) {
    return -1;
  }
  cfs_remove(name);
  fd = cfs_open(name, CFS_WRITE);
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
