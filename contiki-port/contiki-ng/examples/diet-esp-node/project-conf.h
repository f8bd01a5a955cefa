/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PROJECT_CONF_H_
#define PROJECT_CONF_H_

/* The peer: where the client is, or a gateway's other side. Native: --peer. */
#ifndef DEMO_SA_CONF_PEER
#define DEMO_SA_CONF_PEER \
  { 0xfd, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01 }
#endif

#define DEMO_SA_CONF_STORE 1

/* Say what is dropped, and why. */
#define LOG_CONF_LEVEL_SPRAT LOG_LEVEL_WARN

#endif /* PROJECT_CONF_H_ */
