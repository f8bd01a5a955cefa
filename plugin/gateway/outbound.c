/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From the TUN device to the outer side. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "gateway.h"

sprat_buf gw_buf(uint8_t *storage, size_t len)
{
	return (sprat_buf){ .data = storage, .capacity = GW_HEAD + GW_PACKET + GW_TAIL,
			    .start = GW_HEAD, .len = len };
}

/* Octets nobody can predict, each given out once: CBC wants such an IV. */
static const uint8_t *take_random(struct gateway *gw)
{
	if (gw->iv_left < GW_IV_OCTETS) {
		if (getrandom(gw->iv_pool, sizeof gw->iv_pool, 0) != (ssize_t)sizeof gw->iv_pool)
			return NULL;
		gw->iv_left = sizeof gw->iv_pool;
	}
	gw->iv_left -= GW_IV_OCTETS;
	return gw->iv_pool + gw->iv_left;
}

static void seal_args(struct gateway *gw, sprat_seal_args *args)
{
	*args = (sprat_seal_args)SPRAT_SEAL_ARGS_INIT;
	args->now_ms = gw->now_ms;
	args->iv = take_random(gw);
	args->iv_len = args->iv != NULL ? GW_IV_OCTETS : 0;
	/* For 0 the kernel would take one of its own, another for each fragment. */
	if (++gw->ipv4_id == 0)
		gw->ipv4_id = 1;
	args->ipv4_id = gw->ipv4_id;
}

/* The refusal consumes nothing, so after a reservation the packet has a second
 * try. The block is on disk before the library may use it. */
static int seal(struct gateway *gw, sprat_buf *buf, sprat_result *result)
{
	sprat_seal_args args;
	int32_t status;

	seal_args(gw, &args);
	*result = (sprat_result)SPRAT_RESULT_INIT;
	status = sprat_ipsec_outbound(gw->ipsec, buf, &args, result);
	if (status == SPRAT_OK && result->verdict == SPRAT_VERDICT_DROP &&
	    result->reason == SPRAT_DROP_SN_UNRESERVED && gw_state_reserve(gw, result->sa) == 0) {
		gw->retried[result->sa]++;
		*result = (sprat_result)SPRAT_RESULT_INIT;
		status = sprat_ipsec_outbound(gw->ipsec, buf, &args, result);
	}
	if (status == SPRAT_OK && (result->flags & SPRAT_FLAG_RESERVE_SOON) != 0)
		gw_state_reserve(gw, result->sa);
	if (status == SPRAT_OK && (result->flags & SPRAT_FLAG_FALLBACK) != 0)
		gw->tally.fell_back++;
	return status;
}

static void clamp_to(struct gateway *gw, uint32_t mtu)
{
	if (mtu >= gw->clamp_mtu)
		return;
	gw->clamp_mtu = mtu;
	gw->clamp_learnt_ms = gw->now_ms;
}

/* The error about this packet from this address: that at most `mtu` octets fit, or
 * with 0 that it is prohibited. False where the library refuses: an address of the
 * other family, and to answer at all where nobody must be told. */
static bool answer_from(struct gateway *gw, const sprat_buf *buf, const sprat_addr *from, uint32_t mtu)
{
	const uint8_t *packet = buf->data + buf->start;
	size_t len = sizeof gw->message;
	int32_t status = mtu != 0 ? sprat_icmp_too_big(packet, buf->len, from, mtu, gw->message, &len)
				  : sprat_icmp_prohibited(packet, buf->len, from, gw->message, &len);

	if (status != SPRAT_OK)
		return false;
	/* What is not answered anyway must not use up what others may be told. */
	if (!gw_bucket_take(mtu != 0 ? &gw->icmp : &gw->prohibited, gw->now_ms))
		return true;
	if (write(gw->tun, gw->message, len) == (ssize_t)len)
		*(mtu != 0 ? &gw->tally.icmp_sent : &gw->tally.prohibited_sent) += 1;
	return true;
}

/* Tells the sender of an inner packet: from an address of the device, or of a
 * gateway without one from a tunnel end. */
static void answer(struct gateway *gw, const sprat_buf *buf, uint32_t mtu)
{
	const struct gw_prefixes *own = &gw->settings.addresses;
	bool done = false;

	for (size_t i = 0; i < own->count && !done; i++)
		done = answer_from(gw, buf, &own->list[i].address, mtu);
	for (size_t i = 0; i < gw->local_count && !done; i++)
		done = answer_from(gw, buf, &gw->locals[i], mtu);
}

/* Sends a sealed packet in fragments of at most `mtu` octets: 1 when it is out,
 * 0 if it cannot be cut, -1 with errno. */
static int send_cut(struct gateway *gw, const sprat_buf *buf, const sprat_result *result, uint32_t mtu)
{
	const uint8_t *packet = buf->data + buf->start, *random = take_random(gw);
	uint32_t id, index = 0;

	if (random == NULL)
		return -1;
	memcpy(&id, random, sizeof id);
	for (;; index++) {
		size_t len = sizeof gw->cut;

		if (sprat_ip_fragment(packet, buf->len, mtu, id, index, gw->cut, &len) != SPRAT_OK)
			return index != 0;
		if (gw_send(gw, gw->cut, len, result) != 0)
			return -1;
		gw->tally.outer_fragments++;
	}
}

/* A sealed packet does not fit the link. Let the SA learn, so that the next
 * inner packet is answered (RFC 4301 s8.2); this one is cut if that is allowed:
 * in IPv4 the DF bit says so. */
static int send_too_long(struct gateway *gw, const sprat_buf *buf, const sprat_result *result)
{
	uint32_t mtu = gw_route_mtu(&result->source, &result->destination), learnt;
	size_t len = sizeof gw->message;
	int sent;

	if (sprat_icmp_too_big(buf->data + buf->start, buf->len, &result->destination, mtu, gw->message, &len) ==
	    SPRAT_OK)
		sprat_ipsec_icmp_error(gw->ipsec, gw->message, len, gw->now_ms, &learnt);
	if (result->destination.family == 4 || result->fragment_mtu != 0) {
		sent = send_cut(gw, buf, result, mtu);
		if (sent != 0)
			return sent > 0 ? 0 : -1;
	}
	errno = EMSGSIZE;
	return -1;
}

/* What a packet in fragments tells of its path is news for TCP as well. */
static int send_as_told(struct gateway *gw, const sprat_buf *buf, const sprat_result *result)
{
	uint32_t inner;

	if (result->fragment_mtu == 0)
		return gw_send(gw, buf->data + buf->start, buf->len, result);
	if (sprat_ipsec_inner_mtu(gw->ipsec, result->sa, result->fragment_mtu, &inner) == SPRAT_OK)
		clamp_to(gw, inner);
	return send_cut(gw, buf, result, result->fragment_mtu) > 0 ? 0 : -1;
}

static void forward(struct gateway *gw, const sprat_buf *buf, const sprat_result *result)
{
	int status = send_as_told(gw, buf, result);

	if (status != 0 && errno == EMSGSIZE)
		status = send_too_long(gw, buf, result);
	if (status != 0) {
		gw->tally.send_failed++;
		return;
	}
	gw->tally.forwarded++;
	if (result->udp_source_port != 0 && result->sa < GW_SAS) {
		struct gw_path *path = &gw->paths[result->sa];

		path->source = result->source;
		path->destination = result->destination;
		path->source_port = result->udp_source_port;
		path->destination_port = result->udp_destination_port;
		path->last_ms = gw->now_ms;
	}
}

static void drop(struct gateway *gw, const sprat_result *result)
{
	if (result->reason > 0 && result->reason < GW_REASONS)
		gw->tally.dropped_out[result->reason]++;
	else
		gw->tally.dropped_out[0]++;
	gw_audit(gw, result);
}

static bool too_big(const sprat_result *result)
{
	return result->verdict == SPRAT_VERDICT_DROP && result->reason == SPRAT_DROP_TOO_BIG &&
	       result->mtu != 0;
}

/* Whether the rules of the packet's SA do not suit it, and no other SA took it. */
static bool misfit(const sprat_result *result)
{
	return result->verdict == SPRAT_VERDICT_DROP &&
	       (result->reason == SPRAT_DROP_SELECTOR ||
		(result->reason >= SPRAT_DROP_EHC_VERSION && result->reason <= SPRAT_DROP_EHC_COVERAGE));
}

/* Everything but a packet that is too big, for which there is more to do. */
static void outcome(struct gateway *gw, const sprat_buf *buf, const sprat_result *result)
{
	switch (result->verdict) {
	case SPRAT_VERDICT_FORWARD:
		forward(gw, buf, result);
		break;
	case SPRAT_VERDICT_BYPASS:
		/* The kernel routed it here; sent in the clear it would come back. */
		gw->tally.bypassed++;
		break;
	default:
		drop(gw, result);
		if (misfit(result))
			answer(gw, buf, 0);
	}
}

/* Whether the packet could be cut; each fragment is then sealed by itself. */
static bool seal_fragments(struct gateway *gw, const sprat_buf *whole, uint32_t mtu)
{
	uint32_t index = 0;

	for (;; index++) {
		size_t len = GW_PACKET;
		sprat_buf piece;
		sprat_result result;

		if (sprat_ipv4_fragment(whole->data + whole->start, whole->len, mtu, index,
					gw->piece + GW_HEAD, &len) != SPRAT_OK)
			break;
		gw->tally.fragments++;
		piece = gw_buf(gw->piece, len);
		if (seal(gw, &piece, &result) != SPRAT_OK)
			result = (sprat_result)SPRAT_RESULT_INIT;
		outcome(gw, &piece, &result);
	}
	return index != 0;
}

static void outbound(struct gateway *gw, size_t len)
{
	sprat_buf buf = gw_buf(gw->packet, len);
	sprat_result result;
	uint8_t changed;

	gw->tally.from_tun++;
	if (gw->settings.mss_clamp)
		sprat_tcp_clamp_mss(buf.data + buf.start, buf.len, gw->clamp_mtu, &changed);
	if (seal(gw, &buf, &result) != SPRAT_OK)
		result = (sprat_result)SPRAT_RESULT_INIT;
	if (!too_big(&result)) {
		outcome(gw, &buf, &result);
	} else if (seal_fragments(gw, &buf, result.mtu)) {
		gw->tally.fragmented++;
	} else {
		drop(gw, &result);
		clamp_to(gw, result.mtu);
		answer(gw, &buf, result.mtu);
	}
}

void gw_outbound_turn(struct gateway *gw)
{
	for (int i = 0; i < GW_BATCH; i++) {
		ssize_t n = read(gw->tun, gw->packet + GW_HEAD, GW_PACKET);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			gw_fail("TUN device %s", gw->settings.tun);
			gw->failed = gw->stop = true;
		}
		if (n <= 0)
			return;
		outbound(gw, (size_t)n);
	}
}

void gw_keepalive_turn(struct gateway *gw)
{
	for (size_t i = 0; i < GW_SAS; i++) {
		struct gw_path *path = &gw->paths[i];

		if (path->source_port == 0 || gw->now_ms - path->last_ms < GW_KEEPALIVE_MS)
			continue;
		path->last_ms = gw->now_ms;
		if (gw_send_keepalive(gw, path) == 0)
			gw->tally.keepalives_sent++;
	}
}
