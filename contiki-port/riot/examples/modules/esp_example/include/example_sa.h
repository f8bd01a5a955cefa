/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SAs and policies of the example. The keys are in the source for everybody to
 * read: real ones come from provisioning or a key exchange.
 */

#ifndef EXAMPLE_SA_H
#define EXAMPLE_SA_H

#include <stdbool.h>
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
 * Makes the SAs of node `number` and its policies; once. With `udp`, all but the
 * group's are ESP in UDP port 4500 (RFC 3948). SPRAT_OK, or what the library says
 * of them (SPRAT_E_*).
 */
int32_t example_set_up(int number, const example_ends *ends, bool udp);

/* What the packets of a tunnel to a gateway are. */
typedef enum {
    EXAMPLE_ESP,         /* RFC 4303, with the IV of RFC 4309 */
    EXAMPLE_IMPLICIT_IV, /* RFC 8750 */
    EXAMPLE_DIET_ESP,
} example_form;

/*
 * Instead of example_set_up(), once: nothing but a tunnel between this node,
 * number 1, and a gateway in the place of number 2. Through it goes what is
 * between `ends->inner_local` and the network of 64 bits that
 * `ends->inner_remote` begins with. `udp` and result as of example_set_up().
 */
int32_t example_gateway(const example_ends *ends, example_form form, bool udp);

#endif /* EXAMPLE_SA_H */
