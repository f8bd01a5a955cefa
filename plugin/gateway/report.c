/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Counters for people, and the audit trail (RFC 4301 s4.4.1, RFC 4303 s4). */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway.h"

static uint64_t sum(const uint64_t *counters)
{
	uint64_t total = 0;

	for (size_t i = 0; i < GW_REASONS; i++)
		total += counters[i];
	return total;
}

static void line(const char *what, uint64_t n)
{
	if (n != 0)
		printf("    %-30s %12" PRIu64 "\n", what, n);
}

static void reasons(const uint64_t *counters)
{
	/* Code 0: the call failed before it could name a reason. */
	line("dropped: error", counters[0]);
	for (int32_t code = 1; code < GW_REASONS; code++) {
		char what[64];

		if (counters[code] == 0)
			continue;
		snprintf(what, sizeof what, "dropped: %s", sprat_drop_name(code));
		line(what, counters[code]);
	}
}

static void total(const char *what, uint64_t read, uint64_t accounted)
{
	printf("  %-32s %12" PRIu64 "%s\n", what, read, read == accounted ? "" : "  (DOES NOT ADD UP)");
}

static void report_outbound(const struct gw_tally *t)
{
	total("from the TUN device", t->from_tun + t->fragments,
	      t->forwarded + t->bypassed + t->fragmented + t->send_failed + sum(t->dropped_out));
	line("of these fragments made here", t->fragments);
	line("sealed and sent", t->forwarded);
	line("cut into fragments", t->fragmented);
	line("bypass: has no way but the TUN", t->bypassed);
	line("sealed, but not sent", t->send_failed);
	line("of these by a fallback SA", t->fell_back);
	reasons(t->dropped_out);
}

static void report_inbound(const struct gw_tally *t)
{
	total("from the outer side", t->from_raw + t->from_udp,
	      t->delivered + t->ike + t->keepalive + t->not_carried + t->tun_failed + sum(t->dropped_in));
	line("of these in UDP", t->from_udp);
	line("delivered to the TUN device", t->delivered);
	line("NAT keepalives", t->keepalive);
	line("IKE, which nobody here reads", t->ike);
	line("in the clear: not carried", t->not_carried);
	line("opened, but refused by the TUN", t->tun_failed);
	reasons(t->dropped_in);
	total("ICMP errors received", t->from_icmp, t->icmp_taken + t->icmp_ignored);
	line("taken for the path MTU", t->icmp_taken);
	line("ignored: not news of an SA", t->icmp_ignored);
}

/* What Diet-ESP made of the packets of an SA. */
static void report_ehc(const struct gateway *gw, uint32_t sa)
{
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

	if (sprat_ipsec_sa_ehc_stats(gw->ipsec, sa, &stats) != SPRAT_OK)
		return;
	printf("    %-30s %12" PRId64 "\n", "octets saved by Diet-ESP", stats.octets_saved);
	line("further ICV trials", stats.icv_trials);
	line("resyncs", stats.resyncs);
}

static void report_sa(const struct gateway *gw, uint32_t sa)
{
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	uint64_t drops[GW_REASONS] = { 0 };
	size_t count = GW_REASONS;

	if (sprat_ipsec_sa_info(gw->ipsec, sa, &info) != SPRAT_OK)
		return;
	printf("  %-20s %-4s 0x%08" PRIx32 " %12" PRIu64 " %14" PRIu64 " %12" PRIu64 "\n", gw->names[sa],
	       info.direction == SPRAT_OUT ? "out" : "in", info.spi, info.packets, info.octets,
	       info.sn);
	if (info.ehc != 0)
		report_ehc(gw, sa);
	if (sprat_ipsec_sa_drops(gw->ipsec, sa, drops, &count) != SPRAT_OK)
		return;
	/* These packets had a second try. */
	drops[SPRAT_DROP_SN_UNRESERVED] -= gw->retried[sa];
	reasons(drops);
}

void gw_report(struct gateway *gw)
{
	const struct gw_tally *t = &gw->tally;
	uint64_t drops[GW_REASONS] = { 0 };
	size_t count = GW_REASONS;

	printf("counters\n");
	report_outbound(t);
	report_inbound(t);
	printf("  made here\n");
	line("too-big answers", t->icmp_sent);
	line("too-big answers held back", gw->icmp.refused);
	line("prohibited answers", t->prohibited_sent);
	line("prohibited answers held back", gw->prohibited.refused);
	line("NAT keepalives sent", t->keepalives_sent);
	line("fragments of sealed packets", t->outer_fragments);
	line("ICV trials for equal SPI bits", sprat_ipsec_icv_trials(gw->ipsec));
	line("audit lines held back", gw->audit.refused);
	printf("  %-20s %-4s %-10s %12s %14s %12s\n", "SA", "dir", "SPI", "packets", "octets", "last SN");
	for (uint32_t sa = 0; sa < sprat_ipsec_sa_count(gw->ipsec); sa++)
		report_sa(gw, sa);
	if (sprat_ipsec_drops(gw->ipsec, drops, &count) == SPRAT_OK) {
		printf("  packets that met no SA\n");
		reasons(drops);
	}
	printf("end of counters\n");
	fflush(stdout);
}

/* A reader of the log who stands still must not make the gateway stand still:
 * strangers cause these lines. */
static bool log_takes_a_line(void)
{
	struct pollfd log = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&log, 1, 0) == 1 && (log.revents & POLLOUT) != 0;
}

void gw_audit(struct gateway *gw, const sprat_result *result)
{
	char source[GW_ADDR_TEXT], destination[GW_ADDR_TEXT], when[32];
	const char *text = sprat_drop_text(result->reason);
	struct tm utc;
	time_t now;

	if ((result->flags & SPRAT_FLAG_AUDIT) == 0 || !gw_bucket_take(&gw->audit, gw->now_ms))
		return;
	if (!log_takes_a_line()) {
		gw->audit.refused++;
		return;
	}
	now = time(NULL);
	gmtime_r(&now, &utc);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
	fprintf(stderr,
		"sprat-gw: audit %s %s spi=0x%08" PRIx32 " sn=%" PRIu64 " src=%s dst=%s flow=0x%05" PRIx32 ": %s\n",
		when, sprat_drop_name(result->reason), result->spi, result->sn,
		gw_addr_text(&result->source, source), gw_addr_text(&result->destination, destination),
		result->flow_label, text != NULL ? text : "");
}
