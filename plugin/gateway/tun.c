/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The TUN device, its addresses and its routes, by rtnetlink. */
#include <net/if.h> /* before the kernel's own */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gateway.h"

/* One rtnetlink request; attributes are appended behind the body. */
struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
		uint8_t room[512];
	} u;
};

static void request_begin(struct request *request, uint16_t type, uint16_t flags, size_t body)
{
	memset(request, 0, sizeof *request);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
}

static struct rtattr *request_add(struct request *request, uint16_t type, const void *data, size_t len)
{
	struct rtattr *attribute =
		(struct rtattr *)(void *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len != 0)
		memcpy(RTA_DATA(attribute), data, len);
	request->header.nlmsg_len =
		(uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
	return attribute;
}

static void request_end_nest(struct request *request, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((uint8_t *)request + request->header.nlmsg_len - (uint8_t *)nest);
}

/* Sends the request and waits for the acknowledgement; -1 with errno. */
static int request_do(int netlink, struct request *request)
{
	union {
		struct nlmsghdr header;
		uint8_t octets[4096];
	} answer;
	const struct nlmsgerr *error;
	ssize_t n;

	if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
		return -1;
	n = recv(netlink, &answer, sizeof answer, 0);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof *error) || answer.header.nlmsg_type != NLMSG_ERROR) {
		errno = EPROTO;
		return -1;
	}
	error = NLMSG_DATA(&answer.header);
	errno = -error->error;
	return error->error == 0 ? 0 : -1;
}

/* The kernel must not speak IPv6 into the tunnel by itself: no link-local
 * address, no router solicitation. */
static int set_ipv6(int netlink, int index)
{
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct request request;
	struct rtattr *spec, *inet6;

	request_begin(&request, RTM_NEWLINK, 0, sizeof request.u.link);
	request.u.link.ifi_index = index;
	spec = request_add(&request, IFLA_AF_SPEC, NULL, 0);
	inet6 = request_add(&request, AF_INET6, NULL, 0);
	request_add(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
	request_end_nest(&request, inet6);
	request_end_nest(&request, spec);
	/* A kernel without IPv6 knows no such mode. */
	if (request_do(netlink, &request) == 0 || errno == EAFNOSUPPORT || errno == EOPNOTSUPP)
		return 0;
	return gw_fail("TUN device: address generation");
}

/* "Too big" answers come from the device's own address. */
static int set_ipv4(int netlink, int index)
{
	const uint32_t yes = 1;
	struct request request;
	struct rtattr *spec, *inet, *conf;

	request_begin(&request, RTM_NEWLINK, 0, sizeof request.u.link);
	request.u.link.ifi_index = index;
	spec = request_add(&request, IFLA_AF_SPEC, NULL, 0);
	inet = request_add(&request, AF_INET, NULL, 0);
	conf = request_add(&request, IFLA_INET_CONF, NULL, 0);
	request_add(&request, IPV4_DEVCONF_ACCEPT_LOCAL, &yes, sizeof yes);
	request_end_nest(&request, conf);
	request_end_nest(&request, inet);
	request_end_nest(&request, spec);
	return request_do(netlink, &request) == 0 ? 0 : gw_fail("TUN device: own address as source");
}

static int set_link(int netlink, int index, uint32_t mtu)
{
	struct request request;

	request_begin(&request, RTM_NEWLINK, 0, sizeof request.u.link);
	request.u.link.ifi_index = index;
	request.u.link.ifi_flags = IFF_UP;
	request.u.link.ifi_change = IFF_UP | IFF_MULTICAST;
	request_add(&request, IFLA_MTU, &mtu, sizeof mtu);
	return request_do(netlink, &request) == 0 ? 0 : gw_fail("TUN device: MTU %u", mtu);
}

static int add_address(int netlink, int index, const sprat_prefix *prefix)
{
	size_t len = gw_addr_octets(&prefix->address);
	char text[GW_ADDR_TEXT];
	struct request request;

	request_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof request.u.addr);
	request.u.addr.ifa_family = prefix->address.family == 4 ? AF_INET : AF_INET6;
	request.u.addr.ifa_prefixlen = prefix->bits;
	request.u.addr.ifa_flags = IFA_F_NODAD;
	request.u.addr.ifa_index = (uint32_t)index;
	request_add(&request, IFA_LOCAL, prefix->address.octets, len);
	request_add(&request, IFA_ADDRESS, prefix->address.octets, len);
	if (request_do(netlink, &request) == 0)
		return 0;
	return gw_fail("gateway.tun_addresses: %s/%u", gw_addr_text(&prefix->address, text), prefix->bits);
}

static int add_route(int netlink, int index, const sprat_prefix *prefix)
{
	char text[GW_ADDR_TEXT];
	struct request request;

	request_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof request.u.route);
	request.u.route.rtm_family = prefix->address.family == 4 ? AF_INET : AF_INET6;
	request.u.route.rtm_dst_len = prefix->bits;
	request.u.route.rtm_table = RT_TABLE_MAIN;
	request.u.route.rtm_protocol = RTPROT_STATIC;
	request.u.route.rtm_scope = RT_SCOPE_LINK;
	request.u.route.rtm_type = RTN_UNICAST;
	if (prefix->bits != 0)
		request_add(&request, RTA_DST, prefix->address.octets, gw_addr_octets(&prefix->address));
	request_add(&request, RTA_OIF, &index, sizeof index);
	if (request_do(netlink, &request) == 0)
		return 0;
	return gw_fail("gateway.routes: %s/%u", gw_addr_text(&prefix->address, text), prefix->bits);
}

static int configure(struct gateway *gw, int netlink, int index)
{
	const struct gw_settings *s = &gw->settings;

	if (set_ipv6(netlink, index) != 0 || set_ipv4(netlink, index) != 0 ||
	    set_link(netlink, index, s->mtu) != 0)
		return -1;
	for (size_t i = 0; i < s->addresses.count; i++)
		if (add_address(netlink, index, &s->addresses.list[i]) != 0)
			return -1;
	for (size_t i = 0; i < s->routes.count; i++)
		if (add_route(netlink, index, &s->routes.list[i]) != 0)
			return -1;
	return 0;
}

int gw_tun_open(struct gateway *gw)
{
	struct gw_source source = { .kind = GW_TUN };
	struct ifreq request;
	int netlink, status;

	gw->tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (gw->tun < 0)
		return gw_fail("/dev/net/tun");
	memset(&request, 0, sizeof request);
	/* Ours alone: addresses and routes would stay on a device that stays. */
	request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", gw->settings.tun);
	if (ioctl(gw->tun, TUNSETIFF, &request) != 0)
		return gw_fail("TUN device %s", gw->settings.tun);

	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink < 0)
		return gw_fail("rtnetlink");
	status = configure(gw, netlink, (int)if_nametoindex(request.ifr_name));
	close(netlink);
	if (status != 0)
		return -1;
	source.fd = gw->tun;
	return gw_source_add(gw, &source);
}
