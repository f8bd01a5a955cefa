/* What the C tests share: packets, buffers, SAs. */
#ifndef COMMON_H
#define COMMON_H

#include <stdlib.h>

#include <sprat.h>

#include "check.h"

#define HEAD 128 /* room in front of a packet */
#define TAIL 384 /* room behind it */
#define NOW UINT64_C(1000)
#define SPI 0x1234u

/* A packet with room around it. */
struct frame {
	uint8_t memory[HEAD + 2048 + TAIL];
	sprat_buf buf;
};

/* A transform with keys that are good for nothing but tests. */
struct transform {
	const char *name; /* as in the configuration */
	uint16_t encr, integ;
	size_t key_len, salt_len, integ_len;
};

#define TRANSFORMS 6
extern const struct transform transforms[TRANSFORMS];
extern const uint8_t test_key[64]; /* key, salt and integrity key are prefixes of it */
extern const uint8_t test_iv[16];

/* The packets of the tests: IPv4 or IPv6, UDP from port 5683 to 5684, payload octets. */
size_t udp_packet(uint8_t *out, int version, size_t payload);
sprat_addr v4(uint8_t last);
sprat_addr v6(uint8_t last);

void frame_set(struct frame *frame, const uint8_t *packet, size_t len);
const uint8_t *frame_packet(const struct frame *frame);
int frame_holds(const struct frame *frame, const uint8_t *packet, size_t len);
/* Whether 8 successive octets of text stand anywhere in the memory. */
int frame_leaks(const struct frame *frame, const uint8_t *text, size_t len);

sprat_sa_params sa_params(uint8_t direction, const struct transform *transform);
sprat_seal_args seal_args(void);
sprat_sa *sa_make(const sprat_sa_params *params);
sprat_sa_info sa_info(const sprat_sa *sa);
sprat_result result_init(void);
/* Diet-ESP: a packet that is left out but for "Hello diet" by these attributes,
 * SPI and number of 8 bits; both from the worked examples of the digest. */
extern const uint8_t ehc_hello[58];
sprat_ehc_params ehc_params(void);
sprat_addr v6_at(const uint8_t *octets);
void one_range(sprat_ports *ports, uint16_t first, uint16_t last);
/* A policy for every packet. */
int32_t add_policy(sprat_ipsec *ipsec, uint8_t direction, uint8_t action, uint32_t sa);

/*
 * A struct of another version: copies size octets, claims to have `claim`
 * octets, with `tail` in the octet behind what this version knows.
 */
union wide {
	uint64_t align;
	uint8_t octets[4200];
};
void *widened(union wide *wide, const void *known, size_t size, uint32_t claim, uint8_t tail);

void test_versions(void);
void test_sa(void);
void test_packets(void);
void test_refusals(void);
void test_ipsec(void);
void test_policies(void);
void test_config(void);
void test_ehc(void);
void test_ehc_sa(void);
void test_frames(void);
/* An SA of motes in transport mode with the library's own AES. */
int32_t mote_init(sprat_mote_sa *sa, uint8_t out, uint8_t implicit_iv, uint64_t last_sn);
void test_mote(void);

#endif
