/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PROJECT_CONF_H_
#define PROJECT_CONF_H_

/* The node with the server. Native: --peer. */
#ifndef DEMO_SA_CONF_PEER
#define DEMO_SA_CONF_PEER \
  { 0xfd, 0x00, 0, 0, 0, 0, 0, 0, 0x02, 0x02, 0, 0x02, 0, 0x02, 0, 0x02 }
#endif

/* The other way round than the node. */
#define DEMO_SA_CONF_SPI_IN 0x11000002
#define DEMO_SA_CONF_SPI_OUT 0x11000001

#define DEMO_SA_CONF_STORE 1

#define COAP_OBSERVE_CLIENT 1

/* Say what is dropped, and why. */
#define LOG_CONF_LEVEL_SPRAT LOG_LEVEL_WARN

#endif /* PROJECT_CONF_H_ */
