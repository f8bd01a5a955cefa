/* SPDX-License-Identifier: BSD-3-Clause */
/* The shell command `sprat`: what was passed, and what was dropped and why. */

#include <inttypes.h>
#include <stdio.h>

#include "kernel_defines.h"
#include "shell.h"

#include "sprat_gnrc.h"

static int _sprat(int argc, char **argv)
{
    /* Too large for the stack of a small node's shell. */
    static sprat_mote_counters counters;
    sprat_gnrc_stats stats;

    (void)argc;
    (void)argv;
    sprat_gnrc_counters(&counters, &stats);
    printf("sprat: passed %" PRIu32 "\n", counters.passed);
    for (unsigned i = 1; i < ARRAY_SIZE(counters.dropped); i++) {
        if (counters.dropped[i] != 0) {
            printf("sprat: dropped %s %u\n", sprat_drop_name(i), counters.dropped[i]);
        }
    }
    printf("sprat: no-buffer %" PRIu32 " nested %" PRIu32 " not-for-us %" PRIu32
           " forged %" PRIu32 "\n",
           stats.no_buffer, stats.nested, stats.not_for_us, stats.forged);
    return 0;
}

SHELL_COMMAND(sprat, "counters of ESP and of the policies", _sprat);
