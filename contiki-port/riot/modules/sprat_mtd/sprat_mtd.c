/* SPDX-License-Identifier: BSD-3-Clause */
/* One record of 16 octets at the start of each of two sectors. */

#include "sprat_mtd.h"

#define RECORD 16

static int32_t _read(void *context, uint32_t slot, uint8_t *octets)
{
    sprat_mtd *keep = context;
    uint32_t page = (keep->first_sector + slot) * keep->mtd->pages_per_sector;

    return mtd_read_page(keep->mtd, octets, page, 0, RECORD);
}

static int32_t _write(void *context, uint32_t slot, const uint8_t *octets)
{
    sprat_mtd *keep = context;
    uint32_t sector = keep->first_sector + slot;
    int res = mtd_erase_sector(keep->mtd, sector, 1);

    if (res < 0) {
        return res;
    }
    return mtd_write_page_raw(keep->mtd, octets, sector * keep->mtd->pages_per_sector, 0, RECORD);
}

static int32_t _store(void *context, uint32_t spi, uint64_t number)
{
    sprat_mtd *keep = context;

    return sprat_mote_nvm_store(&keep->nvm, spi, 0, number);
}

static bool _fits(const mtd_dev_t *mtd, uint32_t first_sector)
{
    return mtd->sector_count >= 2 && first_sector <= mtd->sector_count - 2 &&
           mtd->page_size >= RECORD && (mtd->write_size == 0 || RECORD % mtd->write_size == 0);
}

int32_t sprat_mtd_open(sprat_mtd *keep, mtd_dev_t *mtd, uint32_t first_sector, uint32_t spi,
                       uint32_t ahead, uint64_t *last_sn)
{
    if (keep == NULL || mtd == NULL || last_sn == NULL) {
        return SPRAT_E_NULL;
    }
    *last_sn = 0;
    if (mtd_init(mtd) < 0) {
        return SPRAT_E_INTERNAL;
    }
    if (ahead == 0 || !_fits(mtd, first_sector)) {
        return SPRAT_E_ARGUMENT;
    }
    keep->mtd = mtd;
    keep->first_sector = first_sector;
    keep->nvm = (sprat_mote_nvm){ .read = _read, .write = _write, .context = keep };
    keep->port = sprat_riot_port;
    keep->port.store = _store;
    keep->port.context = keep;
    keep->port.ahead = ahead;
    return sprat_mote_nvm_load(&keep->nvm, spi, 0, last_sn);
}
