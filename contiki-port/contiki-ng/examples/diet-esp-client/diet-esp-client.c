/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      A CoAP client behind Diet-ESP: asks diet-esp-node for /hello until it
 *      answers, then observes /count.
 */

#include "contiki.h"
#include "coap-blocking-api.h"
#include "coap-engine.h"
#include "coap-observe-client.h"
#include "demo-sa.h"

#include <stdio.h>
#include <string.h>

#define RETRY (2 * CLOCK_SECOND)

static coap_endpoint_t server;
static int answered;

PROCESS(diet_esp_client, "Diet-ESP client");
AUTOSTART_PROCESSES(&diet_esp_client);
/*---------------------------------------------------------------------------*/
static void
on_hello(coap_message_t *response)
{
  const uint8_t *payload;
  int len;

  if(response == NULL) {
    printf("client: no answer\n");
    return;
  }
  len = coap_get_payload(response, &payload);
  printf("client: GET /hello: %.*s\n", len, (const char *)payload);
  answered = 1;
}
/*---------------------------------------------------------------------------*/
static void
on_count(coap_observee_t *observee, void *notification, coap_notification_flag_t flag)
{
  const uint8_t *payload = NULL;
  int len = notification == NULL ? 0 : coap_get_payload(notification, &payload);

  if(flag == OBSERVE_OK || flag == NOTIFICATION_OK) {
    printf("client: Observe /count: %.*s\n", len, (const char *)payload);
  } else {
    printf("client: Observe /count ended, flag %d\n", (int)flag);
  }
}
/*---------------------------------------------------------------------------*/
PROCESS_THREAD(diet_esp_client, ev, data)
{
  static struct etimer timer;
  static coap_message_t request[1];

  PROCESS_BEGIN();

  if(!demo_sa_start()) {
    printf("diet-esp-client: not started\n");
    PROCESS_EXIT();
  }
  memcpy(&server.ipaddr, demo_sa.peer, sizeof(server.ipaddr));
  server.port = UIP_HTONS(COAP_DEFAULT_PORT);

  while(!answered) {
    etimer_set(&timer, RETRY);
    PROCESS_WAIT_EVENT_UNTIL(etimer_expired(&timer));
    coap_init_message(request, COAP_TYPE_CON, COAP_GET, 0);
    coap_set_header_uri_path(request, "hello");
    COAP_BLOCKING_REQUEST(&server, request, on_hello);
  }
  coap_obs_request_registration(&server, "count", on_count, NULL);
  while(1) {
    PROCESS_WAIT_EVENT();
  }

  PROCESS_END();
}
/*---------------------------------------------------------------------------*/
