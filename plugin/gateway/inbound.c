/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From the outer side to the TUN device. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip6.h>
#include <string.h>
#include <unistd.h>

#include "gateway.h"

static void deliver(struct gateway *gw, const sprat_buf *buf)
{
	uint8_t *packet = buf->data + buf->start, changed;

	/* The peer may know no path MTU: the inner SYN is clamped both ways. */
	if (gw->settings.mss_clamp)
		sprat_tcp_clamp_mss(packet, buf->len, gw->clamp_mtu, &changed);
	if (write(gw->tun, packet, buf->len) == (ssize_t)buf->len)
		gw->tally.delivered++;
	else
		gw->tally.tun_failed++;
}

static void drop(struct gateway *gw, const sprat_result *result)
{
	if (result->reason > 0 && result->reason < GW_REASONS)
		gw->tally.dropped_in[result->reason]++;
	else
		gw->tally.dropped_in[0]++;
	gw_audit(gw, result);
}

static void outcome(struct gateway *gw, const sprat_buf *buf, const sprat_result *result)
{
	switch (result->verdict) {
	case SPRAT_VERDICT_DELIVER:
		gw_state_heard(gw, result->sa, result->sn);
		deliver(gw, buf);
		break;
	case SPRAT_VERDICT_IKE:
		gw->tally.ike++;
		break;
	case SPRAT_VERDICT_KEEPALIVE:
		gw->tally.keepalive++;
		break;
	case SPRAT_VERDICT_BYPASS:
	case SPRAT_VERDICT_FORWARD:
		gw->tally.not_carried++;
		break;
	default:
		drop(gw, result);
	}
}

/* A raw IPv4 socket gives the whole packet, all others what stands behind the
 * IP or UDP header, with the facts of that header beside it. */
static void inbound(struct gateway *gw, const struct gw_source *source, size_t len, const sprat_outer *outer)
{
	sprat_buf buf = gw_buf(gw->packet, len);
	sprat_result result = SPRAT_RESULT_INIT;
	int32_t status;

	if (source->kind == GW_RAW && source->local.family == 4)
		status = sprat_ipsec_inbound(gw->ipsec, &buf, gw->now_ms, &result);
	else
		status = sprat_ipsec_inbound_esp(gw->ipsec, &buf, outer, gw->now_ms, &result);
	if (status != SPRAT_OK)
		result = (sprat_result)SPRAT_RESULT_INIT;
	outcome(gw, &buf, &result);
}

void gw_inbound_turn(struct gateway *gw, const struct gw_source *source)
{
	for (int i = 0; i < GW_BATCH; i++) {
		sprat_outer outer;
		ssize_t n = gw_source_read(gw, source, &outer);

		/* An error that ICMP left at the socket is none of a packet's. */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			continue;
		if (n < 0)
			return;
		if (source->kind == GW_UDP)
			gw->tally.from_udp++;
		else
			gw->tally.from_raw++;
		inbound(gw, source, (size_t)n, &outer);
	}
}

/* A raw IPv6 socket gives the ICMPv6 message alone, the library reads whole
 * packets: the header is put back from what the kernel told of it. */
static const uint8_t *put_back_header(struct gateway *gw, size_t *len, const sprat_outer *outer)
{
	struct ip6_hdr header;
	uint8_t *start = gw->packet + GW_HEAD - sizeof header;

	memset(&header, 0, sizeof header);
	header.ip6_vfc = 6 << 4;
	header.ip6_plen = htons((uint16_t)*len);
	header.ip6_nxt = IPPROTO_ICMPV6;
	header.ip6_hlim = 255;
	memcpy(&header.ip6_src, outer->source.octets, 16);
	memcpy(&header.ip6_dst, outer->destination.octets, 16);
	memcpy(start, &header, sizeof header);
	*len += sizeof header;
	return start;
}

void gw_icmp_turn(struct gateway *gw, const struct gw_source *source)
{
	for (int i = 0; i < GW_BATCH; i++) {
		sprat_outer outer;
		ssize_t n = gw_source_read(gw, source, &outer);
		const uint8_t *packet = gw->packet + GW_HEAD;
		size_t len = (size_t)n;
		uint32_t learnt;

		if (n < 0)
			return;
		gw->tally.from_icmp++;
		if (source->local.family == 6)
			packet = put_back_header(gw, &len, &outer);
		if (sprat_ipsec_icmp_error(gw->ipsec, packet, len, gw->now_ms, &learnt) == SPRAT_OK)
			gw->tally.icmp_taken++;
		else
			gw->tally.icmp_ignored++;
	}
}
