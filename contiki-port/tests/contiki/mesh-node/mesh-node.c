/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      A node for the test drivers, which write and read `mesh`.
 */

#include "contiki.h"
#include "net/ipv6/simple-udp.h"
#include "net/ipv6/uip-ds6.h"
#include "net/routing/routing.h"
#if WITH_SPRAT
#include "demo-sa.h"
#endif

#include <stdio.h>
#include <string.h>

#define PORT 5683

/* Layout known to nodes.py. */
struct mesh {
  uint8_t peer[16];
  uint32_t sent;
  uint32_t received;
  uint16_t send_length;     /* not 0: send one datagram of so many octets */
  uint16_t received_length; /* of the last */
  uint8_t root;             /* set before start: this node is the root */
  uint8_t reachable;        /* routes to and from the root are there */
  uint8_t listen;           /* set before start: join the group ff02::5359 */
  uint8_t good;             /* the last one was what was sent */
  uint8_t quiet;            /* the root does not answer */
  uint8_t hop_limit;        /* not 0: that of its datagrams */
};

struct mesh mesh;

static struct simple_udp_connection connection;

PROCESS(mesh_node, "Mesh node");
AUTOSTART_PROCESSES(&mesh_node);
/*---------------------------------------------------------------------------*/
static uint8_t
pattern(unsigned i)
{
  return (uint8_t)(i * 7 + 3);
}
/*---------------------------------------------------------------------------*/
static int
is_pattern(const uint8_t *data, uint16_t length)
{
  uint16_t i;

  for(i = 0; i < length; i++) {
    if(data[i] != pattern(i)) {
      return 0;
    }
  }
  return 1;
}
/*---------------------------------------------------------------------------*/
static void
on_datagram(struct simple_udp_connection *c, const uip_ipaddr_t *sender, uint16_t sender_port,
            const uip_ipaddr_t *receiver, uint16_t receiver_port, const uint8_t *data,
            uint16_t length)
{
  mesh.received++;
  mesh.received_length = length;
  mesh.good = is_pattern(data, length);
  if(mesh.root && !mesh.quiet && !uip_is_addr_mcast(receiver)) {
    simple_udp_sendto(c, data, length, sender);
  }
}
/*---------------------------------------------------------------------------*/
static void
send_one(void)
{
  static uint8_t data[1280];
  uip_ipaddr_t peer;
  uint16_t i;

  for(i = 0; i < mesh.send_length; i++) {
    data[i] = pattern(i);
  }
  memcpy(&peer, mesh.peer, sizeof(peer));
  if(mesh.hop_limit != 0) {
    connection.udp_conn->ttl = mesh.hop_limit;
  }
  simple_udp_sendto(&connection, data, mesh.send_length, &peer);
  mesh.send_length = 0;
  mesh.sent++;
}
/*---------------------------------------------------------------------------*/
static void
start(void)
{
  uip_ipaddr_t group;

  simple_udp_register(&connection, PORT, NULL, PORT, on_datagram);
  if(mesh.root) {
    NETSTACK_ROUTING.root_start();
  }
  if(mesh.listen) {
    uip_ip6addr(&group, 0xff02, 0, 0, 0, 0, 0, 0, 0x5359);
    uip_ds6_maddr_add(&group);
  }
}
/*---------------------------------------------------------------------------*/
static int
is_protected(void)
{
#if WITH_SPRAT
  return demo_sa_start();
#else
  return 1;
#endif
}
/*---------------------------------------------------------------------------*/
PROCESS_THREAD(mesh_node, ev, data)
{
  static struct etimer timer;
  static int ready;

  PROCESS_BEGIN();

  start();
  ready = is_protected();
  etimer_set(&timer, CLOCK_SECOND / 20);
  while(1) {
    PROCESS_WAIT_EVENT_UNTIL(etimer_expired(&timer));
    ready = ready || is_protected();
    mesh.reachable = ready && NETSTACK_ROUTING.node_is_reachable();
    if(mesh.send_length != 0) {
      send_one();
    }
    etimer_reset(&timer);
  }

  PROCESS_END();
}
/*---------------------------------------------------------------------------*/
