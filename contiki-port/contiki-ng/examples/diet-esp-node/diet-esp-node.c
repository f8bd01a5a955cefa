/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      A CoAP server behind Diet-ESP: GET /hello, and GET /count with Observe.
 *      It knows nothing of IPsec but the call that sets it up.
 */

#include "contiki.h"
#include "coap-engine.h"
#include "demo-sa.h"
#include "sprat-uip.h"

#include <stdio.h>
#include <string.h>

#define COUNT_PERIOD_MS 1000

static void get_hello(coap_message_t *request, coap_message_t *response, uint8_t *buffer,
                      uint16_t preferred_size, int32_t *offset);
static void get_count(coap_message_t *request, coap_message_t *response, uint8_t *buffer,
                      uint16_t preferred_size, int32_t *offset);
static void count(void);

RESOURCE(res_hello, "title=\"Greeting\"", get_hello, NULL, NULL, NULL);
PERIODIC_RESOURCE(res_count, "title=\"Seconds\";obs", get_count, NULL, NULL, NULL,
                  COUNT_PERIOD_MS, count);

static unsigned counted;

PROCESS(diet_esp_node, "Diet-ESP node");
AUTOSTART_PROCESSES(&diet_esp_node);
/*---------------------------------------------------------------------------*/
static void
get_hello(coap_message_t *request, coap_message_t *response, uint8_t *buffer,
          uint16_t preferred_size, int32_t *offset)
{
  int len = snprintf((char *)buffer, preferred_size, "hello, behind ESP");

  coap_set_header_content_format(response, TEXT_PLAIN);
  coap_set_payload(response, buffer, len);
}
/*---------------------------------------------------------------------------*/
static void
get_count(coap_message_t *request, coap_message_t *response, uint8_t *buffer,
          uint16_t preferred_size, int32_t *offset)
{
  int len = snprintf((char *)buffer, preferred_size, "count %u", counted);

  coap_set_header_content_format(response, TEXT_PLAIN);
  coap_set_payload(response, buffer, len);
}
/*---------------------------------------------------------------------------*/
static void
count(void)
{
  counted++;
  coap_notify_observers(&res_count);
}
/*---------------------------------------------------------------------------*/
static void
print_counters(void)
{
  static sprat_mote_counters told;
  unsigned i;

  if(memcmp(&told, &sprat_uip_counters, sizeof(told)) == 0) {
    return;
  }
  told = sprat_uip_counters;
  printf("sprat: passed %lu", (unsigned long)told.passed);
  for(i = 0; i < SPRAT_MOTE_DROPS; i++) {
    if(told.dropped[i] != 0) {
      printf(", reason %u: %u", i, (unsigned)told.dropped[i]);
    }
  }
  printf("\n");
}
/*---------------------------------------------------------------------------*/
PROCESS_THREAD(diet_esp_node, ev, data)
{
  static struct etimer timer;

  PROCESS_BEGIN();

  /* Before anything else is sent. */
  if(!demo_sa_start()) {
    printf("diet-esp-node: not started\n");
    PROCESS_EXIT();
  }
  coap_activate_resource(&res_hello, "hello");
  coap_activate_resource(&res_count, "count");
  printf("diet-esp-node: serving /hello and /count\n");

  etimer_set(&timer, 5 * CLOCK_SECOND);
  while(1) {
    PROCESS_WAIT_EVENT_UNTIL(etimer_expired(&timer));
    print_counters();
    etimer_reset(&timer);
  }

  PROCESS_END();
}
/*---------------------------------------------------------------------------*/
