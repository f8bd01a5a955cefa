/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints what the compiled module has, and ends. */

#include <stdio.h>

#include "net/gnrc/ipv6.h"
#include "periph/pm.h"
#include "thread.h"

#include "sprat_gnrc.h"

/* SAs that there is room for. */
static unsigned _fill(void)
{
    static const uint8_t key[16], salt[3];
    sprat_mote_params params = { .spi = 256, .window = 64, .key = key, .salt = salt };
    sprat_mote_sa *sa;

    while (sprat_gnrc_sa_new(&params, &sa) == SPRAT_OK) {
        params.spi++;
    }
    return params.spi - 256;
}

int main(void)
{
    unsigned numof = _fill();
    sprat_glue *glue = sprat_gnrc_acquire();

    if (glue != NULL) {
        printf("configured: %u SAs of %u octets, %u policies, otherwise %u, stack %u\n", numof,
               (unsigned)sizeof(sprat_mote_sa), glue->policies_room - SPRAT_GLUE_CONTROL_POLICIES,
               glue->otherwise, (unsigned)(GNRC_IPV6_STACK_SIZE - (THREAD_STACKSIZE_DEFAULT - 64)));
    }
    pm_off();
    return 0;
}
