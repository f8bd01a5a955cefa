/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* sprat-gw: a TUN gateway over libsprat.
 *
 * The C in this directory moves packets between a TUN device and the outer
 * sockets and maps verdicts to system calls. It never looks into a packet:
 * headers, policy, SAs, MSS, ICMP and fragments are calls into the library. */
#ifndef SPRAT_GATEWAY_H
#define SPRAT_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "sprat.h"

#define GW_BATCH 64            /* packets from one socket before the next has its turn */
#define GW_PACKET 65535        /* octets of the largest IP packet */
#define GW_HEAD 256            /* head room: outer IPv6, UDP, ESP header, IV */
#define GW_TAIL 512            /* tail room: 255 octets of padding, trailer, ICV */
#define GW_SOURCES 64          /* sockets the loop waits for */
#define GW_LOCALS 16           /* distinct local tunnel addresses */
#define GW_PREFIXES 64         /* TUN addresses, and routes */
#define GW_PORTS 8             /* UDP ports */
#define GW_SAS 1024            /* SAs */
#define GW_REASONS 64          /* drop reasons of the library; code 0 counts failed calls */
#define GW_NAME 128            /* octets of the name of an SA, with the final 0 */
#define GW_IV_OCTETS 16        /* largest IV a transform takes */
#define GW_IV_POOL 4096        /* random octets fetched at once */
#define GW_KEEPALIVE_MS 20000  /* RFC 3948 s4 */

struct gw_prefixes {
	sprat_prefix list[GW_PREFIXES];
	size_t count;
};

/* What [gateway] of the configuration says. Strings belong to the library's
 * configuration object. */
struct gw_settings {
	const char *tun;
	struct gw_prefixes addresses, routes;
	uint16_t ports[GW_PORTS];
	size_t port_count;
	uint32_t mtu; /* octets, of the TUN device */
	const char *state_file;
	uint64_t state_block; /* sequence numbers */
	const char *user;     /* NULL: stay who we are */
	uint32_t audit_rate;  /* log lines per second, 0 = none */
	bool raw;
	bool mss_clamp;
};

enum gw_kind { GW_TUN, GW_RAW, GW_UDP, GW_ICMP, GW_SIGNALS };

/* A file descriptor the loop waits for. */
struct gw_source {
	int fd;
	enum gw_kind kind;
	sprat_addr local; /* bound address */
	uint16_t port;    /* UDP */
};

/* At most `rate` events per second, `burst` at once. */
struct gw_bucket {
	uint64_t last_ms;
	uint32_t rate, burst, level;
	uint64_t refused;
};

/* Every packet read ends in exactly one of these; gw_report prints the sums. */
struct gw_tally {
	uint64_t from_tun, from_raw, from_udp, from_icmp, fragments;
	uint64_t forwarded, bypassed, fragmented, send_failed, dropped_out[GW_REASONS];
	uint64_t delivered, ike, keepalive, not_carried, tun_failed, dropped_in[GW_REASONS];
	uint64_t icmp_taken, icmp_ignored;
	uint64_t icmp_sent, prohibited_sent, keepalives_sent, outer_fragments;
	uint64_t fell_back; /* did not fit the rules of one SA and went to another */
};

/* Where the last packet of an outbound SA in UDP went, for the keepalive. */
struct gw_path {
	sprat_addr source, destination;
	uint16_t source_port, destination_port; /* 0: not in UDP */
	uint64_t last_ms;
};

/* One line of the state file. */
struct gw_state_line {
	uint32_t spi;
	bool receives;
	uint64_t limit; /* sending: no number above it was ever used; receiving: the highest verified */
	char name[GW_NAME];
};

struct gw_state {
	int directory; /* -1: no state file, nothing is sealed without one */
	int lock;
	char path[4096];
	const char *file; /* name within the directory, points into path */
	struct gw_state_line lines[GW_SAS * 2];
	size_t line_count;
	size_t line_of[GW_SAS];  /* by SA; SIZE_MAX for one that needs none */
	uint64_t step_of[GW_SAS]; /* numbers from one write to the next */
	uint64_t failed_ms;       /* when the last write failed, 0 if it did not */
};

struct gateway {
	sprat_config *config;
	sprat_ipsec *ipsec;
	struct gw_settings settings;
	struct gw_source sources[GW_SOURCES];
	size_t source_count;
	int epoll, tun;
	int send4, send6; /* raw sockets that send whole packets; -1 without `raw` */
	char names[GW_SAS][GW_NAME];
	sprat_addr locals[GW_LOCALS];
	size_t local_count;
	uint64_t now_ms;
	uint64_t housekeeping_ms;
	uint32_t clamp_mtu; /* inner MTU for the MSS, as far as it is known */
	uint64_t clamp_learnt_ms;
	uint16_t ipv4_id;
	uint8_t iv_pool[GW_IV_POOL];
	size_t iv_left;
	struct gw_bucket audit, icmp, prohibited;
	struct gw_tally tally;
	struct gw_path paths[GW_SAS];
	uint64_t retried[GW_SAS]; /* packets the library refused before a block was reserved */
	struct gw_state state;
	bool stop, failed;
	uint8_t packet[GW_HEAD + GW_PACKET + GW_TAIL];
	uint8_t piece[GW_HEAD + GW_PACKET + GW_TAIL]; /* a fragment before it is sealed */
	uint8_t cut[GW_PACKET];                       /* a fragment of a sealed packet */
	uint8_t message[1500];                        /* an ICMP error on its way */
};

/* main.c: one line on stderr, "sprat-gw: …". */
__attribute__((format(printf, 1, 2))) void gw_say(const char *format, ...);
/* The same, then ": " and the text of errno; always -1. */
__attribute__((format(printf, 1, 2))) int gw_fail(const char *format, ...);
uint64_t gw_clock_ms(void);
bool gw_bucket_take(struct gw_bucket *bucket, uint64_t now_ms);

/* settings.c */
int gw_settings_read(struct gateway *gw);
/* Refuses SAs a TUN gateway cannot serve; collects names and local tunnel ends. */
int gw_sas_check(struct gateway *gw);
/* The inner MTU that every tunnel takes, as far as paths are known. */
uint32_t gw_inner_mtu(struct gateway *gw);

/* address.c: sprat_addr to and from what the system uses. */
#define GW_ADDR_TEXT 64
const char *gw_addr_text(const sprat_addr *addr, char text[GW_ADDR_TEXT]);
socklen_t gw_addr_to_sockaddr(const sprat_addr *addr, uint16_t port, struct sockaddr_storage *out);
uint16_t gw_addr_from_sockaddr(const struct sockaddr_storage *in, sprat_addr *addr);
bool gw_addr_equal(const sprat_addr *a, const sprat_addr *b);
size_t gw_addr_octets(const sprat_addr *addr);

/* tun.c: makes the device; it goes away when the descriptor is closed. */
int gw_tun_open(struct gateway *gw);

/* sockets.c */
int gw_sockets_open(struct gateway *gw);
int gw_source_add(struct gateway *gw, const struct gw_source *source);
/* Reads one datagram into gw->packet behind the head room; the length, 0 when
 * there is none, -1 on an error of the socket. `outer` gets what the kernel
 * tells about the outer header. */
ssize_t gw_source_read(struct gateway *gw, const struct gw_source *source, sprat_outer *outer);
/* Sends a sealed packet; 0, or -1 with errno. */
int gw_send(struct gateway *gw, const uint8_t *packet, size_t len, const sprat_result *result);
/* Sends one octet 0xFF (RFC 3948 s2.3). */
int gw_send_keepalive(struct gateway *gw, const struct gw_path *path);
/* MTU of the route to `to` as the kernel knows it, 0 if it does not. */
uint32_t gw_route_mtu(const sprat_addr *from, const sprat_addr *to);

/* outbound.c, inbound.c: up to GW_BATCH packets from one source. */
void gw_outbound_turn(struct gateway *gw);
void gw_inbound_turn(struct gateway *gw, const struct gw_source *source);
void gw_icmp_turn(struct gateway *gw, const struct gw_source *source);
void gw_keepalive_turn(struct gateway *gw);
sprat_buf gw_buf(uint8_t *storage, size_t len);

/* loop.c */
int gw_loop_open(struct gateway *gw);
void gw_loop_run(struct gateway *gw);

/* state.c: sequence numbers that survive a crash. */
int gw_state_open(struct gateway *gw, uid_t uid, gid_t gid);
/* Writes the file as it was read, so that one that cannot be written is known
 * at the start. */
int gw_state_prove(struct gateway *gw);
int gw_state_reserve(struct gateway *gw, uint32_t sa);
/* A packet was verified; now and then that is written. */
void gw_state_heard(struct gateway *gw, uint32_t sa, uint64_t sn);
/* Writes the numbers really used: nothing is lost on a clean end. */
void gw_state_close(struct gateway *gw);

/* privileges.c */
struct gw_identity {
	uid_t uid;
	gid_t gid;
	bool change;
};
int gw_identity_find(const char *user, struct gw_identity *out);
int gw_privileges_drop(const struct gw_identity *identity);

/* report.c */
void gw_report(struct gateway *gw);
void gw_audit(struct gateway *gw, const sprat_result *result);

#endif
