/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_MTD_H
#define STUB_MTD_H

#include <stdint.h>

typedef struct mtd_dev {
  uint32_t sector_count;
  uint32_t pages_per_sector;
  uint32_t page_size;
  uint32_t write_size;
} mtd_dev_t;

/* 0, or a negative error. */
int mtd_init(mtd_dev_t *mtd);
int mtd_read_page(mtd_dev_t *mtd, void *octets, uint32_t page, uint32_t offset, uint32_t length);
int mtd_erase_sector(mtd_dev_t *mtd, uint32_t sector, uint32_t count);
/* As flash does: a bit that is 0 stays 0 until its sector is erased. */
int mtd_write_page_raw(mtd_dev_t *mtd, const void *octets, uint32_t page, uint32_t offset,
                       uint32_t length);

#endif
