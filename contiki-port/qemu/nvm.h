/* SPDX-License-Identifier: BSD-3-Clause */
/* Records that outlive a reset: the functions of a sprat_mote_nvm. */

#ifndef NVM_H
#define NVM_H

#include <stdint.h>

/* Slots of one record. */
#define NVM_SLOTS 16
#define NVM_RECORD 16

/* Both: 0 = done, -1: no such slot. */
int32_t nvm_read(void *context, uint32_t slot, uint8_t *record);
int32_t nvm_write(void *context, uint32_t slot, const uint8_t *record);

#endif
