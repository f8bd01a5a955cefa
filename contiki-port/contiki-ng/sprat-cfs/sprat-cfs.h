/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      Sequence numbers that outlive the power, in files of Contiki-NG's file
 *      system (CFS): Coffee on flash, the host's own on native.
 *
 *      static sprat_cfs_place place = { "gw" };
 *      static const sprat_mote_port port = SPRAT_CFS_PORT(&place, 64);
 *      params.port = &port;
 *      sprat_cfs_load(&place, params.spi, &params.last_sn);
 */

#ifndef SPRAT_CFS_H_
#define SPRAT_CFS_H_

#include "sprat-uip.h"

/**
 * Where the numbers of one sending SA are: in two files, "<name>.0" and ".1". An
 * SA that sends beside another one needs a place of its own: their records would
 * go over each other's.
 */
typedef struct sprat_cfs_place {
  const char *name; /* at most SPRAT_CFS_NAME characters; longer: nothing is stored */
} sprat_cfs_place;

#define SPRAT_CFS_NAME 12

/** `numbers`: taken with each write; as many are lost with the power. */
#define SPRAT_CFS_PORT(place, numbers) \
  { .aes128 = SPRAT_UIP_AES128, .store = sprat_cfs_store, .context = (place), .ahead = (numbers) }

/** What the `store` of a sprat_mote_port wants; `context` is a sprat_cfs_place. */
int32_t sprat_cfs_store(void *context, uint32_t spi, uint64_t number);

/**
 * The number that a sending SA starts behind: its `last_sn`. 0 if nothing was
 * written for this SPI.
 * \return SPRAT_OK; else do not use the SA's key: the file system is full, is not
 *         there, or cannot be read
 */
int32_t sprat_cfs_load(sprat_cfs_place *place, uint32_t spi, uint64_t *number);

#endif /* SPRAT_CFS_H_ */
