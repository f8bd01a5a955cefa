/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The outer side: raw sockets for ESP, UDP sockets for ESP in UDP, raw ICMP
 * sockets for path MTU. All are bound to the local tunnel addresses, so that
 * the kernel's own traffic does not pass through here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h> /* before the kernel's own */
#include <linux/icmp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway.h"

#define SOCKET_BUFFER (4 << 20) /* octets queued by the kernel in a burst */

/* In <linux/in6.h>, which does not go with <netinet/in.h>. */
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* What the kernel shall tell with each datagram: all that Diet-ESP takes from the
 * outer header but the Identification of IPv4, which no socket of UDP tells. */
static int ask_for_facts(int fd, uint8_t family)
{
	if (family == 4)
		return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) | set_int(fd, IPPROTO_IP, IP_RECVTOS, 1) |
		       set_int(fd, IPPROTO_IP, IP_RECVTTL, 1);
	return set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) |
	       set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) |
	       set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) |
	       set_int(fd, IPPROTO_IPV6, IPV6_FLOWINFO, 1);
}

int gw_source_add(struct gateway *gw, const struct gw_source *source)
{
	if (gw->source_count == GW_SOURCES) {
		gw_say("more than %d sockets are needed: use fewer tunnel addresses or ports", GW_SOURCES);
		return -1;
	}
	gw->sources[gw->source_count++] = *source;
	return 0;
}

static int open_socket(struct gateway *gw, struct gw_source *source, int type, int protocol)
{
	int family = source->local.family == 4 ? AF_INET : AF_INET6;

	source->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (source->fd < 0)
		return -1;
	/* Who may not pass the limit of the system gets that. */
	if (set_int(source->fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER) != 0)
		set_int(source->fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	set_int(source->fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	if (ask_for_facts(source->fd, source->local.family) != 0)
		return -1;
	return gw_source_add(gw, source);
}

static int bind_source(const struct gw_source *source)
{
	struct sockaddr_storage address;
	socklen_t len = gw_addr_to_sockaddr(&source->local, source->port, &address);

	return bind(source->fd, (struct sockaddr *)&address, len);
}

static int open_raw(struct gateway *gw, const sprat_addr *local)
{
	struct gw_source source = { .kind = GW_RAW, .local = *local };
	char text[GW_ADDR_TEXT];

	if (open_socket(gw, &source, SOCK_RAW, IPPROTO_ESP) == 0 && bind_source(&source) == 0)
		return 0;
	return gw_fail("raw ESP socket at %s", gw_addr_text(local, text));
}

static int open_udp(struct gateway *gw, const sprat_addr *local, uint16_t port)
{
	struct gw_source source = { .kind = GW_UDP, .local = *local, .port = port };
	char text[GW_ADDR_TEXT];

	if (open_socket(gw, &source, SOCK_DGRAM, 0) != 0 || bind_source(&source) != 0)
		return gw_fail("UDP socket at %s port %u", gw_addr_text(local, text), port);
	/* RFC 3948 s2.1: receivers must not care about the checksum. */
	if (local->family == 6)
		set_int(source.fd, SOL_UDP, UDP_NO_CHECK6_RX, 1);
	return 0;
}

static int open_icmp(struct gateway *gw, const sprat_addr *local)
{
	struct gw_source source = { .kind = GW_ICMP, .local = *local };
	struct icmp_filter four = { ~(1U << ICMP_DEST_UNREACH) };
	struct icmp6_filter six;
	char text[GW_ADDR_TEXT];
	int status;

	if (open_socket(gw, &source, SOCK_RAW, local->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) != 0 ||
	    bind_source(&source) != 0)
		return gw_fail("raw ICMP socket at %s", gw_addr_text(local, text));
	if (local->family == 4) {
		status = setsockopt(source.fd, SOL_RAW, ICMP_FILTER, &four, sizeof four);
	} else {
		ICMP6_FILTER_SETBLOCKALL(&six);
		ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &six);
		status = setsockopt(source.fd, IPPROTO_ICMPV6, ICMP6_FILTER, &six, sizeof six);
	}
	return status == 0 ? 0 : gw_fail("ICMP filter");
}

/* A socket of protocol IPPROTO_RAW sends whole packets and receives none. */
static int open_sender(uint8_t family)
{
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			IPPROTO_RAW);

	if (fd < 0)
		return gw_fail("raw socket for sending");
	set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	return fd;
}

static int open_family(struct gateway *gw, uint8_t family, int *sender)
{
	bool any = false;

	for (size_t i = 0; i < gw->local_count; i++) {
		const sprat_addr *local = &gw->locals[i];

		if (local->family != family)
			continue;
		any = true;
		if (open_icmp(gw, local) != 0)
			return -1;
		if (gw->settings.raw && open_raw(gw, local) != 0)
			return -1;
		for (size_t p = 0; p < gw->settings.port_count; p++)
			if (open_udp(gw, local, gw->settings.ports[p]) != 0)
				return -1;
	}
	if (!any)
		return 0;
	/* Whole packets, so that the DF bit and all else is as the library made it. */
	*sender = open_sender(family);
	return *sender < 0 ? -1 : 0;
}

int gw_sockets_open(struct gateway *gw)
{
	if (open_family(gw, 4, &gw->send4) != 0 || open_family(gw, 6, &gw->send6) != 0)
		return -1;
	return 0;
}

static void read_fact4(const struct cmsghdr *c, sprat_outer *outer)
{
	struct in_pktinfo info;
	int value;

	switch (c->cmsg_type) {
	case IP_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof info);
		outer->destination.family = 4;
		memcpy(outer->destination.octets, &info.ipi_addr, 4);
		break;
	case IP_TOS:
		outer->traffic_class = *CMSG_DATA(c);
		break;
	case IP_TTL:
		memcpy(&value, CMSG_DATA(c), sizeof value);
		outer->hop_limit = (uint8_t)value;
		break;
	}
}

static void read_fact6(const struct cmsghdr *c, sprat_outer *outer)
{
	struct in6_pktinfo info;
	uint32_t word;
	int value;

	switch (c->cmsg_type) {
	case IPV6_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof info);
		outer->destination.family = 6;
		memcpy(outer->destination.octets, &info.ipi6_addr, 16);
		break;
	case IPV6_TCLASS:
		memcpy(&value, CMSG_DATA(c), sizeof value);
		outer->traffic_class = (uint8_t)value;
		break;
	case IPV6_HOPLIMIT:
		memcpy(&value, CMSG_DATA(c), sizeof value);
		outer->hop_limit = (uint8_t)value;
		break;
	case IPV6_FLOWINFO:
		/* Traffic Class and Flow Label; it is not told where both are 0. */
		memcpy(&word, CMSG_DATA(c), sizeof word);
		outer->flow = ntohl(word) & 0xfffff;
		break;
	}
}

static void read_facts(struct msghdr *message, sprat_outer *outer)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == IPPROTO_IP)
			read_fact4(c, outer);
		else if (c->cmsg_level == IPPROTO_IPV6)
			read_fact6(c, outer);
	}
}

ssize_t gw_source_read(struct gateway *gw, const struct gw_source *source, sprat_outer *outer)
{
	struct iovec part = { gw->packet + GW_HEAD, GW_PACKET };
	struct sockaddr_storage from;
	union {
		struct cmsghdr align;
		uint8_t octets[256];
	} control;
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof control,
	};
	ssize_t n = recvmsg(source->fd, &message, 0);

	if (n < 0)
		return -1;
	*outer = (sprat_outer)SPRAT_OUTER_INIT;
	outer->udp_source_port = gw_addr_from_sockaddr(&from, &outer->source);
	outer->destination = source->local;
	read_facts(&message, outer);
	outer->udp = source->kind == GW_UDP;
	outer->udp_destination_port = source->port;
	/* A raw IPv6 socket tells the protocol where a UDP one tells the port. */
	if (!outer->udp)
		outer->udp_source_port = 0;
	return n;
}

int gw_send(struct gateway *gw, const uint8_t *packet, size_t len, const sprat_result *result)
{
	int fd = result->destination.family == 4 ? gw->send4 : gw->send6;
	struct sockaddr_storage to;
	socklen_t to_len = gw_addr_to_sockaddr(&result->destination, 0, &to);

	return sendto(fd, packet, len, 0, (struct sockaddr *)&to, to_len) < 0 ? -1 : 0;
}

int gw_send_keepalive(struct gateway *gw, const struct gw_path *path)
{
	static const uint8_t octet = 0xff;
	struct sockaddr_storage to;
	socklen_t to_len = gw_addr_to_sockaddr(&path->destination, path->destination_port, &to);

	for (size_t i = 0; i < gw->source_count; i++) {
		const struct gw_source *s = &gw->sources[i];

		if (s->kind == GW_UDP && s->port == path->source_port &&
		    gw_addr_equal(&s->local, &path->source))
			return sendto(s->fd, &octet, 1, 0, (struct sockaddr *)&to, to_len) < 0 ? -1 : 0;
	}
	errno = EADDRNOTAVAIL;
	return -1;
}

uint32_t gw_route_mtu(const sprat_addr *from, const sprat_addr *to)
{
	bool four = to->family == 4;
	int fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address;
	int mtu = 0;
	socklen_t len = gw_addr_to_sockaddr(from, 0, &address), mtu_len = sizeof mtu;

	if (fd < 0)
		return 0;
	if (bind(fd, (struct sockaddr *)&address, len) == 0 &&
	    (len = gw_addr_to_sockaddr(to, 9, &address)) != 0 &&
	    connect(fd, (struct sockaddr *)&address, len) == 0)
		getsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_MTU : IPV6_MTU, &mtu, &mtu_len);
	close(fd);
	return mtu > 0 ? (uint32_t)mtu : 0;
}
