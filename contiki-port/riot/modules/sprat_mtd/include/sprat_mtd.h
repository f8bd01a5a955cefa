/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sprat_mtd: sequence numbers that survive a reset, in two sectors of any
 * memory that RIOT knows as MTD (flash pages of the CPU by mtd_flashpage, a
 * file on native, FRAM, EEPROM, SPI flash).
 *
 * A sending SA must never use a number twice. So numbers are written ahead:
 * one write reserves `ahead` of them, and as many may be skipped by a reset.
 * The two sectors are written in turn, so that a torn write spoils one only.
 */

#ifndef SPRAT_MTD_H
#define SPRAT_MTD_H

#include <stdint.h>

#include "mtd.h"

#include "sprat_riot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One sending SA's place; must outlive the SA. Only `port` is for the caller. */
typedef struct sprat_mtd {
    sprat_mote_port port; /* for sprat_mote_params */
    sprat_mote_nvm nvm;
    mtd_dev_t *mtd;
    uint32_t first_sector;
} sprat_mtd;

/*
 * Prepares `keep` and reads up to which number all may have been used for
 * `spi`: *last_sn is for sprat_mote_params.last_sn. The sectors first_sector and
 * first_sector + 1 are this SA's alone. `ahead`: numbers reserved by one write,
 * at least 1; flash wears out by one erasure of a sector in 2 * ahead packets.
 *
 * SPRAT_OK; SPRAT_E_NOT_FOUND: nothing is stored, *last_sn is 0: right for new
 * keys only; SPRAT_E_NULL; SPRAT_E_ARGUMENT: no such sectors, or memory that
 * does not take 16 octets; SPRAT_E_INTERNAL: the memory does not start.
 */
int32_t sprat_mtd_open(sprat_mtd *keep, mtd_dev_t *mtd, uint32_t first_sector, uint32_t spi,
                       uint32_t ahead, uint64_t *last_sn);

#ifdef __cplusplus
}
#endif

#endif /* SPRAT_MTD_H */
