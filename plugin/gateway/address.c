/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Addresses: the library's form to and from the system's. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "gateway.h"

size_t gw_addr_octets(const sprat_addr *addr)
{
	return addr->family == 4 ? 4 : addr->family == 6 ? 16 : 0;
}

bool gw_addr_equal(const sprat_addr *a, const sprat_addr *b)
{
	return a->family == b->family && memcmp(a->octets, b->octets, gw_addr_octets(a)) == 0;
}

const char *gw_addr_text(const sprat_addr *addr, char text[GW_ADDR_TEXT])
{
	int family = addr->family == 4 ? AF_INET : AF_INET6;

	if (addr->family == 0 || inet_ntop(family, addr->octets, text, GW_ADDR_TEXT) == NULL)
		return "-";
	return text;
}

socklen_t gw_addr_to_sockaddr(const sprat_addr *addr, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (addr->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr->octets, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr->octets, 16);
	return sizeof *in6;
}

uint16_t gw_addr_from_sockaddr(const struct sockaddr_storage *in, sprat_addr *addr)
{
	memset(addr, 0, sizeof *addr);
	if (in->ss_family == AF_INET) {
		const struct sockaddr_in *in4 = (const struct sockaddr_in *)in;

		addr->family = 4;
		memcpy(addr->octets, &in4->sin_addr, 4);
		return ntohs(in4->sin_port);
	}
	if (in->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)in;

		addr->family = 6;
		memcpy(addr->octets, &in6->sin6_addr, 16);
		return ntohs(in6->sin6_port);
	}
	return 0;
}
