/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      A border router that lets ESP through, between its mesh and the outside.
 *      It has no keys and no policies: protection is between the nodes and
 *      whoever they talk to.
 */

#include "contiki.h"
#include "rpl-border-router.h"

#include <stdio.h>

PROCESS(border_router, "ESP border router");
AUTOSTART_PROCESSES(&border_router);
/*---------------------------------------------------------------------------*/
PROCESS_THREAD(border_router, ev, data)
{
  PROCESS_BEGIN();

  /* The service has started by itself and asks its serial line for a prefix. */
  printf("border-router: ESP passes\n");

  PROCESS_END();
}
/*---------------------------------------------------------------------------*/
