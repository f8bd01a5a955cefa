/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SAs and policies of the example. The keys are in the source for everybody to
 * read: real ones come from provisioning or a key exchange.
 */

#ifndef EXAMPLE_SA_H
#define EXAMPLE_SA_H

#include <stdint.h>

#include "sprat_gnrc.h"

/* Addresses of this node and of its peer, network order. */
typedef struct example_ends {
    uint8_t local[16];
    uint8_t remote[16];
    uint8_t inner_local[16]; /* inside the tunnel */
    uint8_t inner_remote[16];
} example_ends;

/* The group of the multicast SA, ff02::5350. */
extern const uint8_t example_group[16];

/* Addresses of node `number`, 1 or 2: fd00:a::number, and fd00:b::number inside. */
void example_ends_of(int number, example_ends *ends);

/*
 * Makes the SAs of node `number` and its policies; once. SPRAT_OK, or what the
 * library says of them (SPRAT_E_*).
 */
int32_t example_set_up(int number, const example_ends *ends);

#endif /* EXAMPLE_SA_H */
