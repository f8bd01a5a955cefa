/*
 * ehc_junk [SEED [ROUNDS]]: contexts of random attributes, packets that fit or
 * nearly fit them, and octets that nobody sane sends. What is compressed comes
 * back as it was, what is refused is untouched, and every drop is counted. Run
 * under AddressSanitizer: each packet stands in memory of exactly its size.
 */
#include <inttypes.h>

#include "common.h"
#include "dice.h"

unsigned checks_made, checks_failed;

#define MAX_COUNTERS 64

static void noise(uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++)
		octets[i] = (uint8_t)dice(256);
}

/* A packet of 2001:db8::1 or 192.0.2.1, UDP, its checksum left out or not there at all. */
static size_t packet_make(uint8_t *out)
{
	static const uint8_t others[] = { 58, 1, 59, 60, 50 };
	const int version = dice(2) ? 4 : 6;
	const size_t len = udp_packet(out, version, dice(80));

	if (dice(3) == 0 && version == 6)
		out[6] = others[dice(sizeof others)];
	if (dice(8) == 0)
		out[dice((uint32_t)(len < 60 ? len : 60))] ^= (uint8_t)(1u << dice(8));
	return dice(16) == 0 ? dice((uint32_t)len + 1) : len;
}

static void range_of(sprat_addr *first, sprat_addr *last, int version, uint8_t end)
{
	*first = version == 4 ? v4(end) : v6(end);
	*last = *first;
	last->octets[version == 4 ? 3 : 15] |= (uint8_t)dice(8);
}

static sprat_ehc_params params_make(const uint8_t *dscps)
{
	static const uint8_t lsbs[][2] = { { 0, 0 }, { 8, 8 }, { 0, 16 }, { 3, 5 }, { 32, 32 }, { 6, 10 } };
	const uint8_t *lsb = lsbs[dice(6)];
	const int version = dice(2) ? 4 : 6;
	sprat_ehc_params params = SPRAT_EHC_PARAMS_INIT;

	params.profile = dice(8) ? 0 : (uint8_t)dice(5);
	params.iipc_profile = dice(4) == 0;
	params.dscp_cda = (uint8_t)dice(3);
	params.ecn_cda = (uint8_t)dice(2);
	params.flow_label_cda = (uint8_t)dice(4);
	params.alignment = (uint8_t)dice(4);
	params.esp_trailer = (uint8_t)dice(2);
	params.ip_version = (uint8_t)(dice(16) ? version : 0);
	params.esp_spi_lsb = lsb[0];
	params.esp_sn_lsb = lsb[1];
	params.outer_id = dice(4) != 0;
	params.hardened = dice(8) == 0;
	params.dscp_list = dscps;
	params.dscp_list_len = dice(5);
	if (dice(2)) {
		sprat_selector *s = &params.selector;

		range_of(&s->source_first, &s->source_last, version, 1);
		range_of(&s->destination_first, &s->destination_last, version, 2);
	}
	if (dice(2)) {
		params.selector.has_protocol = 1;
		params.selector.protocol = dice(8) ? 17 : (uint8_t)dice(256);
		if (dice(2))
			one_range(&params.selector.source_ports, 5683, (uint16_t)(5683 + dice(4)));
	}
	return params;
}

/* A packet in memory of exactly this room. */
static sprat_buf exact(const uint8_t *packet, size_t len, size_t head, size_t tail)
{
	sprat_buf buf = { malloc(head + len + tail + 1), head + len + tail, head, len };

	memcpy(buf.data + head, packet, len);
	return buf;
}

static int same(const sprat_buf *buf, const uint8_t *packet, size_t len)
{
	return buf->len == len && memcmp(buf->data + buf->start, packet, len) == 0;
}

static uint64_t packets_of(const sprat_ehc *ehc)
{
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

	CHECK_EQ(sprat_ehc_get_stats(ehc, &stats), SPRAT_OK);
	return stats.packets;
}

/* One way, with the room that SHORT asks for and not an octet more. */
static int32_t work(sprat_ehc *ehc, sprat_buf *buf, int restore, sprat_outer *outer)
{
	sprat_result result = result_init();
	sprat_buf small = exact(buf->data + buf->start, buf->len, 0, 0);
	const sprat_outer told = *outer;
	int32_t status = restore ? sprat_ehc_decompress(ehc, &small, 9, outer, &result)
	                         : sprat_ehc_compress(ehc, &small, outer, &result);

	if (status == SPRAT_E_SHORT) {
		const uint64_t packets = packets_of(ehc);
		sprat_buf fits = exact(small.data, small.len, result.need_head, result.need_tail);

		CHECK(same(&small, buf->data + buf->start, buf->len) && result.need_head + result.need_tail > 0);
		free(small.data);
		small = fits;
		*outer = told;
		status = restore ? sprat_ehc_decompress(ehc, &small, 9, outer, &result)
		                 : sprat_ehc_compress(ehc, &small, outer, &result);
		CHECK_EQ(packets_of(ehc), packets + (result.reason == 0));
	}
	CHECK_EQ(status, SPRAT_OK);
	CHECK_EQ(result.verdict == SPRAT_VERDICT_DROP, result.reason != 0);
	CHECK(result.reason != SPRAT_DROP_INTERNAL && result.reason != SPRAT_DROP_NO_ROOM);
	if (result.reason != 0)
		CHECK(same(&small, buf->data + buf->start, buf->len) && memcmp(&told, outer, sizeof told) == 0);
	free(buf->data);
	*buf = small;
	return result.reason;
}

/* What may come back as another: the UDP checksum 0, and labels that are made or cut. */
static void forgive(const sprat_ehc_params *params, const sprat_ehc_sa *sa, uint8_t *packet, size_t len,
                    const uint8_t *back)
{
	const size_t ip = packet[0] >> 4 == 4 ? 20 : 40;
	const int cut = params->flow_label_cda == SPRAT_EHC_FLOW_LABEL_LOWER && sa->outer_version == 4;

	if (params->iipc_profile == SPRAT_EHC_IIPC_NOT_COMPRESSED)
		return;
	if (len >= ip + 8 && packet[ip == 20 ? 9 : 6] == 17 && packet[ip + 6] == 0 && packet[ip + 7] == 0)
		memcpy(packet + ip + 6, back + ip + 6, 2);
	if (ip == 40 && (params->flow_label_cda == SPRAT_EHC_FLOW_LABEL_GENERATED || cut))
		memcpy(packet + 1, back + 1, 3);
	if (ip == 20 && params->flow_label_cda == SPRAT_EHC_FLOW_LABEL_GENERATED) {
		memcpy(packet + 4, back + 4, 2);
		memcpy(packet + 10, back + 10, 2);
	}
}

struct sums {
	uint64_t contexts, refused_contexts, forth, refused, noise_back, noise_refused;
};

static void one_packet(sprat_ehc *ehc, const sprat_ehc_params *params, const sprat_ehc_sa *sa, struct sums *sums)
{
	uint8_t packet[512];
	const size_t len = packet_make(packet);
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_buf buf = exact(packet, len, 0, 0);

	outer.source = outer.destination = v6(7);
	outer.protocol = 17;
	outer.hop_limit = 9;
	if (work(ehc, &buf, 0, &outer) != 0) {
		sums->refused++;
	} else {
		sums->forth++;
		CHECK_EQ(work(ehc, &buf, 1, &outer), 0);
		if (sa->outer_version != 0 && buf.len == len)
			forgive(params, sa, packet, len, buf.data + buf.start);
		if (sa->outer_version == 0 && len >= 8 && packet[6] == 0 && packet[7] == 0)
			memcpy(packet + 6, buf.data + buf.start + 6, 2);
		CHECK(same(&buf, packet, len));
	}
	free(buf.data);
}

static void one_noise(sprat_ehc *ehc, struct sums *sums)
{
	uint8_t octets[120];
	const size_t len = dice(sizeof octets);
	sprat_outer outer = SPRAT_OUTER_INIT;
	uint64_t sn = 0;

	noise(octets, len);
	outer.source = outer.destination = v4(7);
	outer.traffic_class = (uint8_t)dice(256);
	outer.flow = dice(0x10000);
	sprat_buf buf = exact(octets, len, 0, 0);
	const int32_t status = sprat_ehc_sn(ehc, buf.data, len, dice(1000), &sn);
	CHECK(status == SPRAT_OK || status == SPRAT_E_PACKET || status == SPRAT_E_NOT_FOUND);
	*(work(ehc, &buf, 1, &outer) != 0 ? &sums->noise_refused : &sums->noise_back) += 1;
	free(buf.data);
}

static void one_context(struct sums *sums)
{
	static const uint8_t dscps[] = { 0, 46, 10, 8, 34 };
	const sprat_ehc_params params = params_make(dscps);
	sprat_ehc_sa sa = SPRAT_EHC_SA_INIT;
	sprat_ehc_row rows[SPRAT_EHC_ROWS_MAX];
	size_t count = SPRAT_EHC_ROWS_MAX;
	sprat_ehc *ehc = NULL;

	sa.spi = 256 + dice(0x7fffffff);
	sa.outer_version = (uint8_t[]){ 0, 4, 6 }[dice(3)];
	sa.block = dice(4) ? 1 : 16;
	const int32_t status = sprat_ehc_new(&params, &sa, &ehc);
	CHECK_EQ(ehc != NULL, status == SPRAT_OK);
	if (status != SPRAT_OK) {
		CHECK(strcmp(sprat_status_text(status), "unknown status") != 0);
		sums->refused_contexts++;
		return;
	}
	sums->contexts++;
	CHECK_EQ(sprat_ehc_explain(ehc, (uint8_t)dice(3), (uint8_t)dice(256), rows, &count), SPRAT_OK);
	for (int i = 0; i < 8; i++) {
		one_packet(ehc, &params, &sa, sums);
		one_noise(ehc, sums);
	}
	sprat_ehc_free(ehc);
}

/* A boundary: two SAs whose SPI bits are the same, a plain one, one that sends and falls back. */
struct bench {
	sprat_ipsec *ipsec;
	sprat_sa *sender;
	uint32_t plain;
	uint64_t calls, verdicts[6], fallen_back;
};

static sprat_sa_params bench_params(uint8_t direction, uint32_t spi, const sprat_ehc_params *ehc)
{
	sprat_sa_params params = sa_params(direction, &transforms[1]);

	params.mode = SPRAT_TUNNEL;
	params.tunnel_source = v6(1);
	params.tunnel_destination = v6(2);
	params.spi = spi;
	params.ehc = ehc;
	return params;
}

static void bench_make(struct bench *bench)
{
	sprat_ehc_params ehc = SPRAT_EHC_PARAMS_INIT;
	uint32_t number, compressed;

	memset(bench, 0, sizeof *bench);
	ehc.ip_version = 6;
	ehc.alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
	ehc.esp_spi_lsb = ehc.esp_sn_lsb = 8;
	ehc.resync = 2;
	CHECK_EQ(sprat_ipsec_new(&bench->ipsec), SPRAT_OK);
	sprat_sa_params params = bench_params(SPRAT_IN, 0x1001, &ehc);
	CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &number), SPRAT_OK);
	params.spi = 0x2001;
	params.encr_key = test_key + 16;
	CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &number), SPRAT_OK);
	params.direction = SPRAT_OUT;
	bench->sender = sa_make(&params);
	params = bench_params(SPRAT_IN, SPI, NULL);
	CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &number), SPRAT_OK);
	params = bench_params(SPRAT_OUT, 0x1001, &ehc);
	CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &compressed), SPRAT_OK);
	params.ehc = NULL;
	CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &bench->plain), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_set_fallback(bench->ipsec, compressed, bench->plain), SPRAT_OK);
	CHECK_EQ(add_policy(bench->ipsec, SPRAT_OUT, SPRAT_PROTECT, compressed), SPRAT_OK);
	CHECK_EQ(add_policy(bench->ipsec, SPRAT_IN, SPRAT_PROTECT, SPRAT_NO_SA), SPRAT_OK);
}

static void tally(struct bench *bench, int32_t status, const sprat_result *result, sprat_buf *buf)
{
	CHECK_EQ(status, SPRAT_OK);
	CHECK_EQ(result->verdict == SPRAT_VERDICT_DROP, result->reason != 0);
	CHECK(result->reason != SPRAT_DROP_INTERNAL && result->reason != SPRAT_DROP_NO_ROOM);
	CHECK(buf->start <= buf->capacity && buf->len <= buf->capacity - buf->start);
	bench->calls++;
	bench->verdicts[result->verdict]++;
	free(buf->data);
}

static void leaves(struct bench *bench)
{
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	uint8_t packet[512];
	const size_t len = packet_make(packet);
	sprat_buf buf = exact(packet, len, 64, 64);
	const int32_t status = sprat_ipsec_outbound(bench->ipsec, &buf, &args, &result);

	bench->fallen_back += result.sa == bench->plain;
	tally(bench, status, &result, &buf);
}

static void arrives(struct bench *bench)
{
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	sprat_outer outer = SPRAT_OUTER_INIT;
	uint8_t packet[512];
	const size_t len = udp_packet(packet, 6, dice(40));
	sprat_buf buf = exact(packet, len, 64, 64);

	CHECK_EQ(sprat_seal(bench->sender, &buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.reason, 0);
	if (dice(2))
		buf.data[buf.start + 40 + dice((uint32_t)buf.len - 40)] ^= (uint8_t)(1u << dice(8));
	sprat_buf sent = exact(buf.data + buf.start + 40, buf.len - 40, 60, 0);
	free(buf.data);
	outer.source = v6(1);
	outer.destination = v6(2);
	outer.hop_limit = (uint8_t)dice(4);
	/* Time goes on: ICV checks are limited by the second. */
	const int32_t status = sprat_ipsec_inbound_esp(bench->ipsec, &sent, &outer, NOW + 20 * bench->calls, &result);
	tally(bench, status, &result, &sent);
}

static uint64_t sum_of(const uint64_t *counters, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += counters[i];
	return sum;
}

/* A packet that falls back is counted as a drop of the SA it does not fit. */
static void add_up(const struct bench *bench)
{
	uint64_t counters[MAX_COUNTERS], dropped = 0;
	size_t count = MAX_COUNTERS;

	CHECK_EQ(sprat_ipsec_drops(bench->ipsec, counters, &count), SPRAT_OK);
	dropped = sum_of(counters, count);
	for (uint32_t n = 0; n < sprat_ipsec_sa_count(bench->ipsec); n++) {
		count = MAX_COUNTERS;
		CHECK_EQ(sprat_ipsec_sa_drops(bench->ipsec, n, counters, &count), SPRAT_OK);
		dropped += sum_of(counters, count);
	}
	CHECK_EQ(dropped, bench->verdicts[SPRAT_VERDICT_DROP] + bench->fallen_back);
	CHECK_EQ(sum_of(bench->verdicts, 6), bench->calls);
	CHECK(bench->fallen_back > 0 && bench->verdicts[SPRAT_VERDICT_DELIVER] > 0);
	CHECK(bench->verdicts[SPRAT_VERDICT_FORWARD] > bench->fallen_back);
	CHECK(sprat_ipsec_icv_trials(bench->ipsec) > 0);
}

int main(int argc, char **argv)
{
	const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
	struct sums sums = { 0 };
	struct bench bench;

	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	printf("ehc_junk: seed %" PRIu64 ", %lu contexts\n", seed, rounds);
	fflush(stdout);
	bench_make(&bench);
	for (unsigned long i = 0; i < rounds && checks_failed == 0; i++) {
		one_context(&sums);
		leaves(&bench);
		arrives(&bench);
	}
	add_up(&bench);
	sprat_ipsec_free(bench.ipsec);
	sprat_sa_free(bench.sender);
	printf("contexts: %" PRIu64 ", refused %" PRIu64 "; packets: %" PRIu64 " both ways, %" PRIu64
	       " refused; noise: %" PRIu64 " restored, %" PRIu64 " refused\n",
	       sums.contexts, sums.refused_contexts, sums.forth, sums.refused, sums.noise_back, sums.noise_refused);
	printf("boundary: %" PRIu64 " delivered, %" PRIu64 " forwarded, %" PRIu64 " of them plain, %" PRIu64 " dropped\n",
	       bench.verdicts[SPRAT_VERDICT_DELIVER], bench.verdicts[SPRAT_VERDICT_FORWARD], bench.fallen_back,
	       bench.verdicts[SPRAT_VERDICT_DROP]);
	CHECK(sums.contexts > 0 && sums.refused_contexts > 0 && sums.forth > 0 && sums.refused > 0);
	CHECK(sums.noise_back > 0 && sums.noise_refused > 0);
	return check_sum("ehc_junk");
}
