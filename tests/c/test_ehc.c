/* Diet-ESP where another program does ESP: contexts, packets both ways, rules. */
#include "common.h"

#define MAX_COUNTERS 64

static const uint8_t text[] = "Hello diet";

static sprat_ehc_sa hello_sa(void)
{
	sprat_ehc_sa sa = SPRAT_EHC_SA_INIT;

	sa.spi = 0xa1b2c3d4;
	sa.outer_version = 6;
	return sa;
}

static int32_t try_new(const sprat_ehc_params *params, const sprat_ehc_sa *sa)
{
	sprat_ehc *ehc = NULL;
	const int32_t status = sprat_ehc_new(params, sa, &ehc);

	CHECK((ehc != NULL) == (status == SPRAT_OK));
	sprat_ehc_free(ehc);
	return status;
}

static sprat_ehc *ehc_make(const sprat_ehc_params *params, const sprat_ehc_sa *sa)
{
	sprat_ehc *ehc = NULL;

	CHECK_EQ(sprat_ehc_new(params, sa, &ehc), SPRAT_OK);
	if (ehc == NULL)
		exit(2);
	return ehc;
}

static sprat_ehc *hello_make(void)
{
	const sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();

	return ehc_make(&params, &sa);
}

static sprat_ehc_stats stats_of(const sprat_ehc *ehc)
{
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

	CHECK_EQ(sprat_ehc_get_stats(ehc, &stats), SPRAT_OK);
	return stats;
}

static uint64_t drops_of(const sprat_ehc *ehc, int32_t reason)
{
	uint64_t counters[MAX_COUNTERS];
	size_t count = MAX_COUNTERS;

	CHECK_EQ(sprat_ehc_drops(ehc, counters, &count), SPRAT_OK);
	CHECK_EQ(count, sprat_drop_count() + 1);
	return counters[reason];
}

/* Sets a member of fresh parameters and looks at the status. */
#define TRY(member, value, want)                                              \
	do {                                                                  \
		sprat_ehc_params p = ehc_params();                          \
		const sprat_ehc_sa s = hello_sa();                            \
		p.member = (value);                                           \
		CHECK_EQ(try_new(&p, &s), want);                              \
	} while (0)
#define TRY_SA(member, value, want)                                           \
	do {                                                                  \
		const sprat_ehc_params p = ehc_params();                    \
		sprat_ehc_sa s = hello_sa();                                  \
		s.member = (value);                                           \
		CHECK_EQ(try_new(&p, &s), want);                              \
	} while (0)

static void ranges(void)
{
	TRY(profile, 4, SPRAT_E_ARGUMENT);
	TRY(iipc_profile, 2, SPRAT_E_ARGUMENT);
	TRY(dscp_cda, 3, SPRAT_E_ARGUMENT);
	TRY(ecn_cda, 2, SPRAT_E_ARGUMENT);
	TRY(flow_label_cda, 4, SPRAT_E_ARGUMENT);
	TRY(alignment, 4, SPRAT_E_ARGUMENT);
	TRY(esp_trailer, 2, SPRAT_E_ARGUMENT);
	TRY(ip_version, 5, SPRAT_E_ARGUMENT);
	TRY(outer_id, 2, SPRAT_E_ARGUMENT);
	TRY(hardened, 2, SPRAT_E_ARGUMENT);
	TRY(no_guard, 255, SPRAT_E_ARGUMENT);
	TRY(udplite_whole, 2, SPRAT_E_ARGUMENT);
	TRY(tcp_options, 2, SPRAT_E_ARGUMENT);
	TRY(tcp_urgent, 2, SPRAT_E_ARGUMENT);
	TRY(reserved, 1, SPRAT_E_ARGUMENT);
	TRY(reserved_too[5], 1, SPRAT_E_ARGUMENT);
	TRY(selector.has_protocol, 2, SPRAT_E_ARGUMENT);
	TRY(selector.source_ports.reserved, 1, SPRAT_E_ARGUMENT);
	TRY(selector.destination_ports.reserved, 1, SPRAT_E_ARGUMENT);
	TRY(resync, 16, SPRAT_OK);
	TRY(resync, 17, SPRAT_E_ARGUMENT);
	TRY(alignment, SPRAT_EHC_ALIGNMENT_64_BIT, SPRAT_OK);
	TRY_SA(spi, 255, SPRAT_E_ARGUMENT);
	TRY_SA(outer_version, 3, SPRAT_E_ARGUMENT);
	TRY_SA(udp, 2, SPRAT_E_ARGUMENT);
	TRY_SA(esn, 2, SPRAT_E_ARGUMENT);
	TRY_SA(block, 0, SPRAT_E_ARGUMENT);
	TRY_SA(block, 4, SPRAT_E_ARGUMENT);
	TRY_SA(block, 16, SPRAT_OK);
	TRY_SA(reserved[1], 1, SPRAT_E_ARGUMENT);
	TRY_SA(outer_version, 0, SPRAT_OK);
}

/* Each contradiction has a status of its own, and a text. */
static void contradictions(void)
{
	TRY(esp_spi_lsb, 33, SPRAT_E_EHC_LSB_RANGE);
	TRY(esp_sn_lsb, 255, SPRAT_E_EHC_LSB_RANGE);
	TRY(esp_sn_lsb, 9, SPRAT_E_EHC_LSB_OCTETS);
	TRY(dscp_cda, SPRAT_EHC_DSCP_SA, SPRAT_E_EHC_DSCP_LIST);
	TRY(hardened, 1, SPRAT_E_EHC_HARDENED);
	TRY(profile, SPRAT_EHC_PROFILE_DIET_ESP_2016, SPRAT_E_EHC_PROFILE);
	TRY(ip_version, 4, SPRAT_E_EHC_SELECTOR);
	TRY_SA(outer_version, 4, SPRAT_E_EHC_OUTER_ID);
	TRY(ip_version, 0, SPRAT_E_EHC_IP_VERSION);
	sprat_ehc_params params = ehc_params();
	sprat_ehc_sa sa = hello_sa();
	sa.udp = 1;
	CHECK_EQ(try_new(&params, &sa), SPRAT_OK);
	sa.spi = 0xa1b2c300;
	CHECK_EQ(try_new(&params, &sa), SPRAT_E_EHC_UDP);
	sa.outer_version = 4;
	sa.udp = 0;
	params.outer_id = 1;
	CHECK_EQ(try_new(&params, &sa), SPRAT_OK);
	CHECK(strstr(sprat_status_text(SPRAT_E_EHC_DSCP_LIST), "dscp_list") != NULL);
}

static void dscp_lists(void)
{
	static const uint8_t all[65] = { 0, 8, 10, 46, 34 };
	static const uint8_t wrong[] = { 1, 64 };
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();

	params.dscp_cda = SPRAT_EHC_DSCP_SA;
	params.dscp_list_len = 5;
	CHECK_EQ(try_new(&params, &sa), SPRAT_E_NULL);
	params.dscp_list = all;
	CHECK_EQ(try_new(&params, &sa), SPRAT_OK);
	params.dscp_list_len = 64;
	CHECK_EQ(try_new(&params, &sa), SPRAT_OK);
	params.dscp_list_len = 65;
	CHECK_EQ(try_new(&params, &sa), SPRAT_E_ARGUMENT);
	params.dscp_list_len = SIZE_MAX;
	CHECK_EQ(try_new(&params, &sa), SPRAT_E_ARGUMENT);
	params.dscp_list = wrong;
	params.dscp_list_len = sizeof wrong;
	CHECK_EQ(try_new(&params, &sa), SPRAT_E_ARGUMENT);
}

static void sizes(void)
{
	const sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	const uint32_t size = sizeof params;
	sprat_ehc *ehc = hello_make();
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;
	union wide wide;

	CHECK_EQ(try_new(widened(&wide, &params, size, size + 32, 0), &sa), SPRAT_OK);
	CHECK_EQ(try_new(widened(&wide, &params, size, size + 32, 1), &sa), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(widened(&wide, &params, size, size - 1, 0), &sa), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(&params, widened(&wide, &sa, sizeof sa, sizeof sa - 1, 0)), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(&params, widened(&wide, &sa, sizeof sa, sizeof sa + 4, 0)), SPRAT_OK);
	stats.struct_size--;
	CHECK_EQ(sprat_ehc_get_stats(ehc, &stats), SPRAT_E_ARGUMENT);
	sprat_ehc_free(ehc);
}

/* Everything is elided and comes back. */
static void worked_example(void)
{
	sprat_ehc *out = hello_make(), *in = hello_make();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	struct frame frame;

	outer.traffic_class = 0xb8;
	outer.hop_limit = 1;
	outer.flow = 7;
	frame_set(&frame, ehc_hello, sizeof ehc_hello);
	CHECK_EQ(sprat_ehc_compress(out, &frame.buf, &outer, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.reason == 0);
	CHECK_EQ(result.spi, 0xa1b2c3d4);
	CHECK(frame_holds(&frame, text, 10));
	/* The inner fields go outside. */
	CHECK(outer.traffic_class == 0 && outer.hop_limit == 64 && outer.flow == 0x12345);
	CHECK(stats_of(out).packets == 1 && stats_of(out).refused == 0);
	CHECK_EQ(stats_of(out).octets_saved, 76 - 20);
	CHECK_EQ(sprat_ehc_decompress(in, &frame.buf, 1, &outer, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sn == 1);
	CHECK(frame_holds(&frame, ehc_hello, sizeof ehc_hello));
	CHECK_EQ(stats_of(in).octets_saved, 76 - 20);
	sprat_ehc_free(out);
	sprat_ehc_free(in);
}

static void ports_of_a_range(void)
{
	static const uint8_t cte[] = "\x28Hello diet";
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	struct frame frame;

	one_range(&params.selector.source_ports, 5000, 5007);
	one_range(&params.selector.destination_ports, 4496, 4511);
	sprat_ehc *ehc = ehc_make(&params, &sa);
	frame_set(&frame, ehc_hello, sizeof ehc_hello);
	CHECK_EQ(sprat_ehc_compress(ehc, &frame.buf, &outer, &result), SPRAT_OK);
	CHECK(result.reason == 0 && frame_holds(&frame, cte, 11));
	CHECK_EQ(sprat_ehc_decompress(ehc, &frame.buf, 1, &outer, &result), SPRAT_OK);
	CHECK(result.reason == 0 && frame_holds(&frame, ehc_hello, sizeof ehc_hello));
	sprat_ehc_free(ehc);
}

/* 5001 to 5003 share 14 bits, so 5000 can be said, but must not be. */
static void between_the_bits_and_the_range(void)
{
	static const uint8_t cte[] = { 0x00, 'H', 'i' }, last[] = { 0xc0, 'H', 'i' };
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	struct frame frame, before;

	one_range(&params.selector.source_ports, 5001, 5003);
	sprat_ehc *ehc = ehc_make(&params, &sa);
	frame_set(&frame, cte, sizeof cte);
	before = frame;
	CHECK_EQ(sprat_ehc_decompress(ehc, &frame.buf, 1, &outer, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DROP && result.reason == SPRAT_DROP_SELECTOR);
	CHECK(memcmp(&frame, &before, sizeof frame) == 0);
	CHECK_EQ(drops_of(ehc, SPRAT_DROP_SELECTOR), 1);
	frame_set(&frame, last, sizeof last);
	CHECK_EQ(sprat_ehc_decompress(ehc, &frame.buf, 2, &outer, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_DELIVER);
	CHECK(frame.buf.len == 50 && frame_packet(&frame)[41] == 0x8b);
	sprat_ehc_free(ehc);
}

/* Worked example 8: transport mode, any protocol, 32 bit. */
static void transport(void)
{
	static const uint8_t cte[] = "\x13\x89\x11\x94Hello diet\0\x11";
	sprat_ehc_params params = SPRAT_EHC_PARAMS_INIT;
	sprat_ehc_sa sa = SPRAT_EHC_SA_INIT;
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	struct frame frame;

	sa.spi = 0xa1b2c3d4;
	params.ip_version = 6;
	params.alignment = SPRAT_EHC_ALIGNMENT_32_BIT;
	params.esp_spi_lsb = params.esp_sn_lsb = 16;
	sprat_ehc *ehc = ehc_make(&params, &sa);
	frame_set(&frame, ehc_hello + 40, sizeof ehc_hello - 40);
	CHECK_EQ(sprat_ehc_compress(ehc, &frame.buf, &outer, &result), SPRAT_E_ARGUMENT);
	outer.source = v6_at(ehc_hello + 8);
	outer.destination = v6_at(ehc_hello + 24);
	outer.protocol = 17;
	CHECK_EQ(sprat_ehc_compress(ehc, &frame.buf, &outer, &result), SPRAT_OK);
	CHECK(result.reason == 0 && frame_holds(&frame, cte, 16));
	outer.protocol = 0;
	CHECK_EQ(sprat_ehc_decompress(ehc, &frame.buf, 1, &outer, &result), SPRAT_OK);
	CHECK(result.reason == 0 && frame_holds(&frame, ehc_hello + 40, sizeof ehc_hello - 40));
	CHECK_EQ(outer.protocol, 17);
	sprat_ehc_free(ehc);
}

static int32_t compress_reason(sprat_ehc *ehc, const uint8_t *packet, size_t len)
{
	sprat_outer outer = SPRAT_OUTER_INIT, untouched = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	struct frame frame, before;

	frame_set(&frame, packet, len);
	before = frame;
	CHECK_EQ(sprat_ehc_compress(ehc, &frame.buf, &outer, &result), SPRAT_OK);
	CHECK_EQ(result.verdict == SPRAT_VERDICT_DROP, result.reason != 0);
	if (result.reason != 0)
		CHECK(memcmp(&frame, &before, sizeof frame) == 0 &&
		      memcmp(&outer, &untouched, sizeof outer) == 0);
	return result.reason;
}

/* Sets an octet of the packet to another value. */
static int32_t changed(sprat_ehc *ehc, size_t offset, uint8_t value)
{
	uint8_t packet[sizeof ehc_hello];

	memcpy(packet, ehc_hello, sizeof packet);
	packet[offset] = value;
	return compress_reason(ehc, packet, sizeof packet);
}

static void refusals(void)
{
	sprat_ehc *ehc = hello_make();

	CHECK_EQ(changed(ehc, 0, 0x45), SPRAT_DROP_EHC_VERSION);
	CHECK_EQ(changed(ehc, 6, 6), SPRAT_DROP_EHC_PROTOCOL);
	CHECK_EQ(changed(ehc, 6, 60), SPRAT_DROP_EHC_EXTENSION);
	CHECK_EQ(changed(ehc, 23, 1), SPRAT_DROP_EHC_ADDRESS);
	CHECK_EQ(changed(ehc, 41, 0x8a), SPRAT_DROP_EHC_PORT);
	CHECK_EQ(changed(ehc, 5, 0x13), SPRAT_DROP_EHC_LENGTH);
	CHECK_EQ(changed(ehc, 57, 'T'), SPRAT_DROP_EHC_CHECKSUM);
	CHECK_EQ(compress_reason(ehc, ehc_hello, 20), SPRAT_DROP_EHC_TRUNCATED);
	CHECK_EQ(compress_reason(ehc, ehc_hello, 0), SPRAT_DROP_EHC_TRUNCATED);
	CHECK_EQ(stats_of(ehc).refused, 9);
	CHECK_EQ(drops_of(ehc, SPRAT_DROP_EHC_TRUNCATED), 2);
	CHECK_EQ(drops_of(ehc, SPRAT_DROP_EHC_PORT), 1);
	CHECK_EQ(stats_of(ehc).packets, 0);
	CHECK_EQ(compress_reason(ehc, ehc_hello, sizeof ehc_hello), 0);
	sprat_ehc_free(ehc);

	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	params.no_guard = 1;
	ehc = ehc_make(&params, &sa);
	CHECK_EQ(changed(ehc, 57, 'T'), 0);
	sprat_ehc_free(ehc);
	/* Headers that are sent as they are: the receiver believes their length. */
	params.iipc_profile = SPRAT_EHC_IIPC_NOT_COMPRESSED;
	ehc = ehc_make(&params, &sa);
	CHECK_EQ(changed(ehc, 57, 'T'), 0);
	CHECK_EQ(changed(ehc, 5, 0x11), SPRAT_DROP_EHC_LENGTH);
	CHECK_EQ(changed(ehc, 5, 0x13), SPRAT_DROP_NOT_IP);
	sprat_ehc_free(ehc);
}

/* What an authentic peer could send and must not. */
static void bad_cleartext(void)
{
	static const struct {
		uint8_t cte[4];
		size_t len;
		int32_t reason;
	} bad[] = {
		{ { 0 }, 0, SPRAT_DROP_MALFORMED },          /* no trailer */
		{ { 'x', 1, 2, 41 }, 4, SPRAT_DROP_BAD_PADDING },
		{ { 'x', 9, 41 }, 3, SPRAT_DROP_BAD_PADDING },
		{ { 'x', 'y', 0, 4 }, 4, SPRAT_DROP_BAD_INNER }, /* IPv4 */
		{ { 'x', 'y', 0, 59 }, 4, SPRAT_DROP_DUMMY },
		{ { 0x12, 0x34, 0, 41 }, 4, SPRAT_DROP_EHC_RESIDUE },
	};
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	struct frame frame, before;

	params.esp_trailer = SPRAT_EHC_TRAILER_MANDATORY;
	params.flow_label_cda = SPRAT_EHC_FLOW_LABEL_NOT_COMPRESSED;
	sprat_ehc *ehc = ehc_make(&params, &sa);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		frame_set(&frame, bad[i].cte, bad[i].len);
		before = frame;
		CHECK_EQ(sprat_ehc_decompress(ehc, &frame.buf, 1, &outer, &result), SPRAT_OK);
		CHECK_EQ(result.reason, bad[i].reason);
		CHECK(memcmp(&frame, &before, sizeof frame) == 0);
	}
	CHECK_EQ(stats_of(ehc).refused, 1);
	sprat_ehc_free(ehc);
}

/* Compresses or restores in memory of exactly this room. */
static int32_t within(sprat_ehc *ehc, const uint8_t *octets, size_t len, const size_t room[2],
                      int restore, sprat_result *result)
{
	const size_t capacity = room[0] + len + room[1];
	uint8_t *memory = malloc(capacity + 1), *before = malloc(capacity + 1);
	sprat_buf buf = { memory, capacity, room[0], len };
	sprat_outer outer = SPRAT_OUTER_INIT;
	const uint64_t packets = stats_of(ehc).packets;

	memset(memory, 0xa5, capacity + 1);
	memcpy(memory + room[0], octets, len);
	memcpy(before, memory, capacity + 1);
	const int32_t status = restore ? sprat_ehc_decompress(ehc, &buf, 1, &outer, result)
	                               : sprat_ehc_compress(ehc, &buf, &outer, result);
	if (status == SPRAT_E_SHORT) {
		CHECK(memcmp(memory, before, capacity + 1) == 0);
		CHECK(buf.start == room[0] && buf.len == len);
	}
	CHECK_EQ(stats_of(ehc).packets, packets + (status == SPRAT_OK));
	free(memory);
	free(before);
	return status;
}

/* The room that SHORT asks for suffices, one octet less does not. */
static void short_buffers(void)
{
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	sprat_result result = result_init();
	/* "Hello diet", Padding 1 to 5 and its length: worked example 7. */
	static const uint8_t cte[] = "Hello diet\1\2\3\4\5\5";

	params.alignment = SPRAT_EHC_ALIGNMENT_64_BIT;
	sprat_ehc *ehc = ehc_make(&params, &sa);
	for (size_t tail = 0; tail <= 8; tail++) {
		const size_t room[2] = { 0, tail };
		const int fits = tail >= 6;

		CHECK_EQ(within(ehc, ehc_hello, sizeof ehc_hello, room, 0, &result),
		         fits ? SPRAT_OK : SPRAT_E_SHORT);
		CHECK_EQ(result.need_tail, fits ? 0 : 6);
	}
	for (size_t head = 44; head <= 50; head++) {
		const size_t room[2] = { head, 0 };
		const int fits = head >= 48;

		CHECK_EQ(within(ehc, cte, 16, room, 1, &result), fits ? SPRAT_OK : SPRAT_E_SHORT);
		CHECK_EQ(result.need_head, fits ? 0 : 48);
	}
	sprat_ehc_free(ehc);
}

static void wrong_calls(void)
{
	const sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	sprat_ehc *ehc = NULL;
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init(), small = result_init();
	struct frame frame;
	sprat_buf *buf = &frame.buf;

	CHECK_EQ(sprat_ehc_new(NULL, &sa, &ehc), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_new(&params, NULL, &ehc), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_new(&params, &sa, NULL), SPRAT_E_NULL);
	CHECK(ehc == NULL);
	sprat_ehc_free(NULL);
	ehc = hello_make();
	frame_set(&frame, ehc_hello, sizeof ehc_hello);
	CHECK_EQ(sprat_ehc_compress(NULL, buf, &outer, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_compress(ehc, NULL, &outer, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_compress(ehc, buf, NULL, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_compress(ehc, buf, &outer, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_decompress(NULL, buf, 1, &outer, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_decompress(ehc, NULL, 1, &outer, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_decompress(ehc, buf, 1, NULL, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_decompress(ehc, buf, 1, &outer, NULL), SPRAT_E_NULL);
	small.struct_size = 8;
	CHECK_EQ(sprat_ehc_compress(ehc, buf, &outer, &small), SPRAT_E_ARGUMENT);
	outer.flow = 0x100000;
	CHECK_EQ(sprat_ehc_compress(ehc, buf, &outer, &result), SPRAT_E_ARGUMENT);
	outer.flow = 0;
	outer.reserved[1] = 1;
	CHECK_EQ(sprat_ehc_decompress(ehc, buf, 1, &outer, &result), SPRAT_E_ARGUMENT);
	outer.reserved[1] = 0;
	buf->start = sizeof frame.memory;
	CHECK_EQ(sprat_ehc_compress(ehc, buf, &outer, &result), SPRAT_E_ARGUMENT);
	buf->start = HEAD;
	CHECK(frame_holds(&frame, ehc_hello, sizeof ehc_hello));
	CHECK(stats_of(ehc).packets == 0 && stats_of(ehc).refused == 0);
	CHECK_EQ(sprat_ehc_get_stats(NULL, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_get_stats(ehc, NULL), SPRAT_E_NULL);
	sprat_ehc_free(ehc);
}

static void counters(void)
{
	sprat_ehc *ehc = hello_make();
	uint64_t few[2] = { 7, 7 };
	size_t count = 2;

	CHECK_EQ(sprat_ehc_drops(ehc, few, &count), SPRAT_E_SHORT);
	CHECK(count == sprat_drop_count() + 1 && few[0] == 7 && few[1] == 7);
	CHECK_EQ(sprat_ehc_drops(ehc, NULL, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_drops(ehc, few, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_drops(NULL, few, &count), SPRAT_E_NULL);
	sprat_ehc_free(ehc);
}

static void headers(void)
{
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	uint8_t out[9];
	size_t len = sizeof out;

	/* SPI a1b2c3d4 and number 2a5 with 6 and 10 bits: digest section 7. */
	params.esp_spi_lsb = 6;
	params.esp_sn_lsb = 10;
	sprat_ehc *ehc = ehc_make(&params, &sa);
	memset(out, 0xa5, sizeof out);
	CHECK_EQ(sprat_ehc_header(ehc, 0x2a5, out, &len), SPRAT_OK);
	CHECK(len == 2 && out[0] == 0x52 && out[1] == 0xa5 && out[2] == 0xa5);
	len = 1;
	CHECK_EQ(sprat_ehc_header(ehc, 1, out, &len), SPRAT_E_SHORT);
	CHECK(len == 2 && out[1] == 0xa5);
	len = 0;
	CHECK_EQ(sprat_ehc_header(ehc, 1, NULL, &len), SPRAT_E_SHORT);
	CHECK_EQ(len, 2);
	CHECK_EQ(sprat_ehc_header(ehc, 1, NULL, &len), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_header(ehc, 1, out, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_header(NULL, 1, out, &len), SPRAT_E_NULL);
	sprat_ehc_free(ehc);
	params.esp_spi_lsb = params.esp_sn_lsb = 0;
	ehc = ehc_make(&params, &sa);
	len = 0;
	CHECK_EQ(sprat_ehc_header(ehc, UINT64_MAX, NULL, &len), SPRAT_OK);
	CHECK_EQ(len, 0);
	sprat_ehc_free(ehc);
}

static void numbers(void)
{
	static const uint8_t esp[] = { 0xd4, 0x03 };
	sprat_ehc *ehc = hello_make();
	uint64_t sn = 77;

	CHECK_EQ(sprat_ehc_sn(ehc, esp, 2, 0, &sn), SPRAT_OK);
	CHECK_EQ(sn, 3);
	CHECK_EQ(sprat_ehc_sn(ehc, esp, 2, 300, &sn), SPRAT_OK);
	CHECK_EQ(sn, 259);
	CHECK_EQ(sprat_ehc_sn(ehc, esp, 2, 400, &sn), SPRAT_OK);
	CHECK_EQ(sn, 515);
	CHECK_EQ(sprat_ehc_sn(ehc, esp, 2, UINT32_MAX, &sn), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ehc_sn(ehc, esp, 1, 0, &sn), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ehc_sn(ehc, NULL, 0, 0, &sn), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ehc_sn(ehc, esp + 1, 1, 0, &sn), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ehc_sn(ehc, (const uint8_t *)"\xd5\x03", 2, 0, &sn), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ehc_sn(ehc, NULL, 2, 0, &sn), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_sn(ehc, esp, 2, 0, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_sn(NULL, esp, 2, 0, &sn), SPRAT_E_NULL);
	CHECK_EQ(sn, 515);
	sprat_ehc_free(ehc);
}

static unsigned residue(const sprat_ehc_row *rows, size_t count)
{
	unsigned bits = 0;

	for (size_t i = 0; i < count; i++)
		bits += rows[i].residue_bits;
	return bits;
}

static void rules(void)
{
	static const uint8_t classes[] = { 0, 8, 10, 46, 34 };
	sprat_ehc_params params = ehc_params();
	const sprat_ehc_sa sa = hello_sa();
	sprat_ehc_row rows[SPRAT_EHC_ROWS_MAX];
	size_t count = SPRAT_EHC_ROWS_MAX;

	params.dscp_cda = SPRAT_EHC_DSCP_SA;
	params.dscp_list = classes;
	params.dscp_list_len = sizeof classes;
	one_range(&params.selector.source_ports, 5001, 5003);
	sprat_ehc *ehc = ehc_make(&params, &sa);
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_IIPC, 0, rows, &count), SPRAT_OK);
	CHECK(count == 13 && residue(rows, count) == 3 + 2);
	CHECK(rows[0].fid == SPRAT_FID_VERSION && rows[0].bits == 4 && rows[0].residue_bits == 0);
	CHECK(rows[0].tv_kind == SPRAT_EHC_TV_VALUE && rows[0].tv_len == 1 && rows[0].tv[0] == 6);
	CHECK(rows[0].mo == SPRAT_EHC_MO_EQUAL && rows[0].cda == SPRAT_EHC_CDA_NOT_SENT);
	CHECK_TEXT(rows[0].name, "VERSION");
	CHECK_TEXT(rows[0].text, "IP version");
	CHECK(rows[1].tv_kind == SPRAT_EHC_TV_LIST && memcmp(rows[1].tv, classes, 5) == 0);
	CHECK(rows[1].tv_len == 5 && rows[1].residue_bits == 3);
	CHECK_TEXT(rows[1].mo_name, "match-mapping");
	CHECK_TEXT(rows[1].cda_name, "mapping-sent");
	CHECK(rows[7].fid == SPRAT_FID_SRC && rows[7].bits == 128 && rows[7].tv_len == 16 &&
	      memcmp(rows[7].tv, ehc_hello + 8, 16) == 0);
	CHECK(rows[9].fid == SPRAT_FID_SRC_PORT && rows[9].mo == SPRAT_EHC_MO_MSB);
	CHECK(rows[9].mo_bits == 14 && rows[9].cda == SPRAT_EHC_CDA_LSB && rows[9].residue_bits == 2);
	CHECK(rows[12].fid == SPRAT_FID_UDP_CKSUM && rows[12].cda == SPRAT_EHC_CDA_CHECKSUM);
	count = SPRAT_EHC_ROWS_MAX;
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_CTEC, 0, rows, &count), SPRAT_OK);
	CHECK(count == 3 && residue(rows, count) == 0 && rows[2].fid == SPRAT_FID_ESP_NH);
	count = SPRAT_EHC_ROWS_MAX;
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_EEC, 0, rows, &count), SPRAT_OK);
	CHECK(count == 2 && rows[0].residue_bits == 8 && rows[1].residue_bits == 8);
	CHECK(rows[0].mo_bits == 24 && memcmp(rows[0].tv, "\xa1\xb2\xc3\xd4", 4) == 0);
	CHECK_EQ(rows[1].tv_kind, SPRAT_EHC_TV_NONE);
	sprat_ehc_free(ehc);
}

/* With any protocol the rule is that of the packet. */
static void rules_of_any(void)
{
	static const struct {
		uint8_t protocol;
		size_t rows;
		unsigned bits;
	} kinds[] = {
		{ 17, 13, 32 },
		{ 6, 9 + 9, 32 + 64 + 16 + 16 + 16 }, /* ports, both numbers, flags, window, urgent */
		{ 132, 13, 32 + 32 },
		{ 58, 9, 0 },
	};
	sprat_ehc_params params = SPRAT_EHC_PARAMS_INIT;
	const sprat_ehc_sa sa = hello_sa();
	sprat_ehc_row rows[SPRAT_EHC_ROWS_MAX];
	size_t count = SPRAT_EHC_ROWS_MAX;

	params.ip_version = 6;
	sprat_ehc *ehc = ehc_make(&params, &sa);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		count = SPRAT_EHC_ROWS_MAX;
		CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_IIPC, kinds[i].protocol, rows, &count),
		         SPRAT_OK);
		CHECK_EQ(count, kinds[i].rows);
		/* DSCP, ECN, flow label, next header and both addresses are sent. */
		CHECK_EQ(residue(rows, count), 6 + 2 + 20 + 8 + 256 + kinds[i].bits);
	}
	memset(rows, 0xa5, sizeof rows);
	count = 8;
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_IIPC, 58, rows, &count), SPRAT_E_SHORT);
	CHECK(count == 9 && rows[0].fid == 0xa5);
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_IIPC, 58, NULL, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_IIPC, 58, rows, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_explain(NULL, SPRAT_EHC_STRATUM_IIPC, 58, rows, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_explain(ehc, 3, 58, rows, &count), SPRAT_E_ARGUMENT);
	count = 0;
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_EEC, 0, NULL, &count), SPRAT_E_SHORT);
	CHECK_EQ(count, 2);
	sprat_ehc_free(ehc);
	params.iipc_profile = SPRAT_EHC_IIPC_NOT_COMPRESSED;
	ehc = ehc_make(&params, &sa);
	count = 0;
	CHECK_EQ(sprat_ehc_explain(ehc, SPRAT_EHC_STRATUM_IIPC, 0, NULL, &count), SPRAT_OK);
	CHECK_EQ(count, 0);
	sprat_ehc_free(ehc);
}

void test_ehc(void)
{
	ranges();
	contradictions();
	dscp_lists();
	sizes();
	worked_example();
	ports_of_a_range();
	between_the_bits_and_the_range();
	transport();
	refusals();
	bad_cleartext();
	short_buffers();
	wrong_calls();
	counters();
	headers();
	numbers();
	rules();
	rules_of_any();
}
