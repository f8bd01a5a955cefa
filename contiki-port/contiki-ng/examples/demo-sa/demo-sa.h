/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * \file
 *      One pair of SAs with one peer, for the examples: set up by macros of the
 *      project, and on native by the command line.
 *
 *      The keys are made of a constant and the SPI. Everybody knows them: a
 *      product gets its keys from a key exchange, or one by one at the factory.
 */

#ifndef DEMO_SA_H_
#define DEMO_SA_H_

#include "contiki.h"

/* How packets with the peer look. */
#define DEMO_SA_CLEAR 0 /* no IPsec */
#define DEMO_SA_ESP 1   /* ESP, AES-CCM with an ICV of 8 octets (RFC 4309) */
#define DEMO_SA_IIV 2   /* the same with implicit IV (RFC 8750) */
#define DEMO_SA_DIET 3  /* and with Diet-ESP: see demo-sa.c for the context */

#ifdef DEMO_SA_CONF_MODE
#define DEMO_SA_MODE DEMO_SA_CONF_MODE
#else
#define DEMO_SA_MODE DEMO_SA_DIET
#endif

/*
 * A plain SPI of 1100xxxx crosses stock routers of Contiki-NG. With Diet-ESP
 * only its low octet is sent: have sprat-fwd on every router, or set
 * DEMO_SA_CONF_ENCAP.
 */
#ifdef DEMO_SA_CONF_SPI_IN
#define DEMO_SA_SPI_IN DEMO_SA_CONF_SPI_IN
#else
#define DEMO_SA_SPI_IN 0x11000001
#endif

#ifdef DEMO_SA_CONF_SPI_OUT
#define DEMO_SA_SPI_OUT DEMO_SA_CONF_SPI_OUT
#else
#define DEMO_SA_SPI_OUT 0x11000002
#endif

/* UDP ports of the traffic that is protected; 0: any. */
#ifdef DEMO_SA_CONF_LOCAL_PORT
#define DEMO_SA_LOCAL_PORT DEMO_SA_CONF_LOCAL_PORT
#else
#define DEMO_SA_LOCAL_PORT 5683
#endif

#ifdef DEMO_SA_CONF_REMOTE_PORT
#define DEMO_SA_REMOTE_PORT DEMO_SA_CONF_REMOTE_PORT
#else
#define DEMO_SA_REMOTE_PORT 5683
#endif

/* 1: ESP in UDP, port 4500 on both sides (RFC 3948). */
#ifdef DEMO_SA_CONF_ENCAP
#define DEMO_SA_ENCAP DEMO_SA_CONF_ENCAP
#else
#define DEMO_SA_ENCAP 0
#endif

/* 1: sequence numbers are kept in files (module sprat-cfs). */
#ifdef DEMO_SA_CONF_STORE
#define DEMO_SA_STORE DEMO_SA_CONF_STORE
#else
#define DEMO_SA_STORE 0
#endif

/* SPI of the group that everybody in it shares. */
#define DEMO_SA_GROUP_SPI 0x110000ff

/** What is set up. Test drivers write it before the node starts. */
struct demo_sa_config {
  uint32_t spi_in;      /* host order */
  uint32_t spi_out;
  uint16_t local_port;  /* host order; 0: any */
  uint16_t remote_port;
  uint8_t peer[16];     /* the peer's address, network order; on boards DEMO_SA_CONF_PEER */
  uint8_t gateway[16];  /* other end of the tunnel; all 0: transport mode */
  uint8_t inner[16];    /* tunnel: one more address, for what is inside; all 0: the global one */
  uint8_t group[16];    /* multicast address to talk to as well; all 0: none */
  uint8_t mode;         /* DEMO_SA_... */
  uint8_t encap;        /* 1: ESP in UDP */
};

extern struct demo_sa_config demo_sa;

/**
 * Calls sprat_uip_init() and sets up what demo_sa says. From the first call on
 * nothing passes in clear. Tunnel mode needs a global address: call again until
 * there is one.
 * \return 1, or 0 with the reason on the console
 */
int demo_sa_start(void);

#endif /* DEMO_SA_H_ */
