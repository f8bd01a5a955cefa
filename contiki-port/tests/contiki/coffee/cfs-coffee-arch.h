/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Coffee over the flash of coffee.c, in the sizes that it has on a CC2538. The
 * compiler's command line says COFFEE_MICRO_LOGS and COFFEE_APPEND_ONLY.
 */
#ifndef CFS_COFFEE_ARCH_H_
#define CFS_COFFEE_ARCH_H_

#include <stdint.h>

#define COFFEE_SECTOR_SIZE 2048
#define COFFEE_PAGE_SIZE (COFFEE_SECTOR_SIZE / 8)
#define COFFEE_START 0
#define COFFEE_SIZE (4 * COFFEE_SECTOR_SIZE)
#define COFFEE_NAME_LENGTH 40
#define COFFEE_MAX_OPEN_FILES 5
#define COFFEE_FD_SET_SIZE 5
#define COFFEE_LOG_TABLE_LIMIT 16
#define COFFEE_DYN_SIZE (COFFEE_SECTOR_SIZE - 50)
#define COFFEE_LOG_SIZE (4 * COFFEE_PAGE_SIZE)

#define COFFEE_WRITE(octets, length, at) flash_write((octets), (length), (at))
#define COFFEE_READ(octets, length, at) flash_read((octets), (length), (at))
#define COFFEE_ERASE(sector) flash_erase(sector)

typedef int16_t coffee_page_t;

void flash_write(const void *octets, unsigned length, unsigned at);
void flash_read(void *octets, unsigned length, unsigned at);
void flash_erase(unsigned sector);

#endif /* CFS_COFFEE_ARCH_H_ */
