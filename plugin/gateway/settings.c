/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the configuration says, as far as it is the gateway's. The library has
 * read and checked the file; here is only what the gateway alone can know. */
#include <inttypes.h>
#include <string.h>

#include "gateway.h"

static int copy_prefixes(const char *key, const sprat_prefix *from, size_t count, struct gw_prefixes *to)
{
	if (count > GW_PREFIXES) {
		gw_say("gateway.%s: %zu entries, at most %d are possible", key, count, GW_PREFIXES);
		return -1;
	}
	memcpy(to->list, from, count * sizeof *from);
	to->count = count;
	return 0;
}

static bool has_port(const struct gw_settings *settings, uint16_t port)
{
	for (size_t i = 0; i < settings->port_count; i++)
		if (settings->ports[i] == port)
			return true;
	return false;
}

static int add_port(struct gw_settings *settings, uint16_t port)
{
	if (has_port(settings, port)) {
		gw_say("gateway.udp_ports: %u is there twice", port);
		return -1;
	}
	settings->ports[settings->port_count++] = port;
	return 0;
}

int gw_settings_read(struct gateway *gw)
{
	sprat_gateway_settings read = SPRAT_GATEWAY_SETTINGS_INIT;
	struct gw_settings *s = &gw->settings;

	if (sprat_config_gateway(gw->config, &read) != SPRAT_OK) {
		gw_say("the configuration has no table [gateway]");
		return -1;
	}
	if (copy_prefixes("tun_addresses", read.tun_addresses, read.tun_addresses_len, &s->addresses) != 0 ||
	    copy_prefixes("routes", read.routes, read.routes_len, &s->routes) != 0)
		return -1;
	if (read.udp_ports_len > GW_PORTS) {
		gw_say("gateway.udp_ports: %zu entries, at most %d are possible", read.udp_ports_len, GW_PORTS);
		return -1;
	}
	for (size_t i = 0; i < read.udp_ports_len; i++)
		if (add_port(s, read.udp_ports[i]) != 0)
			return -1;
	s->tun = read.tun;
	s->mtu = read.mtu;
	s->state_file = read.state_file;
	s->state_block = read.state_block;
	s->user = read.user;
	s->audit_rate = read.audit_rate;
	s->raw = read.raw != 0;
	s->mss_clamp = read.mss_clamp != 0;
	return 0;
}

static int add_local(struct gateway *gw, const sprat_addr *local)
{
	for (size_t i = 0; i < gw->local_count; i++)
		if (gw_addr_equal(&gw->locals[i], local))
			return 0;
	if (gw->local_count == GW_LOCALS) {
		gw_say("more than %d local tunnel addresses", GW_LOCALS);
		return -1;
	}
	gw->locals[gw->local_count++] = *local;
	return 0;
}

static bool is_multicast(const sprat_addr *addr)
{
	return addr->family == 4 ? addr->octets[0] >> 4 == 14 : addr->octets[0] == 0xff;
}

static int check_sa(struct gateway *gw, const char *name, const sprat_sa_info *info)
{
	bool sends = info->direction == SPRAT_OUT;
	uint16_t port = sends ? info->udp_source_port : info->udp_destination_port;

	if (info->mode != SPRAT_TUNNEL) {
		gw_say("SA %s: transport mode has no place behind a TUN device: use mode = \"tunnel\"", name);
		return -1;
	}
	if (port != 0 && !has_port(&gw->settings, port)) {
		gw_say("SA %s: its UDP port %u is not in gateway.udp_ports", name, port);
		return -1;
	}
	if (port == 0 && !sends && !gw->settings.raw) {
		gw_say("SA %s: ESP without UDP cannot arrive with gateway.raw = false", name);
		return -1;
	}
	if (info->ehc_outer_flow != 0 && port != 0 && info->tunnel_destination.family == 4) {
		gw_say("SA %s: flow_label_cda = \"lower\" needs the outer Identification, "
		       "which a UDP socket does not tell: use ESP without UDP, IPv6, or another flow_label_cda", name);
		return -1;
	}
	if (!sends && is_multicast(&info->tunnel_destination)) {
		gw_say("SA %s: its destination is a multicast group, and the gateway joins none", name);
		return -1;
	}
	return add_local(gw, sends ? &info->tunnel_source : &info->tunnel_destination);
}

int gw_sas_check(struct gateway *gw)
{
	uint32_t count = sprat_ipsec_sa_count(gw->ipsec);

	if (count == 0 || count > GW_SAS) {
		gw_say("the configuration has %u SAs, from 1 to %d are possible", count, GW_SAS);
		return -1;
	}
	for (uint32_t sa = 0; sa < count; sa++) {
		sprat_sa_info info = SPRAT_SA_INFO_INIT;
		size_t room = GW_NAME;

		if (sprat_ipsec_sa_info(gw->ipsec, sa, &info) != SPRAT_OK ||
		    sprat_ipsec_sa_name(gw->ipsec, sa, gw->names[sa], &room) != SPRAT_OK) {
			gw_say("SA number %u: its name or its state cannot be read", sa);
			return -1;
		}
		if (check_sa(gw, gw->names[sa], &info) != 0)
			return -1;
	}
	return 0;
}

/* The least of what the configuration and the system know of a tunnel's path. */
static uint32_t path_mtu(const sprat_sa_info *info)
{
	uint32_t mtu = gw_route_mtu(&info->tunnel_source, &info->tunnel_destination);

	if (info->path_mtu != 0 && (mtu == 0 || info->path_mtu < mtu))
		return info->path_mtu;
	return mtu;
}

uint32_t gw_inner_mtu(struct gateway *gw)
{
	uint32_t least = gw->settings.mtu;

	for (uint32_t sa = 0; sa < sprat_ipsec_sa_count(gw->ipsec); sa++) {
		sprat_sa_info info = SPRAT_SA_INFO_INIT;
		uint32_t path, inner;

		if (sprat_ipsec_sa_info(gw->ipsec, sa, &info) != SPRAT_OK || info.direction != SPRAT_OUT)
			continue;
		path = path_mtu(&info);
		if (path != 0 && sprat_ipsec_inner_mtu(gw->ipsec, sa, path, &inner) == SPRAT_OK && inner < least)
			least = inner;
	}
	return least;
}
