/* Diet-ESP attached to SAs, alone and in a boundary. */
#include "common.h"

#define MAX_COUNTERS 64
#define EHC_SPI 0xa1b2c3d4u

static const uint8_t key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t salt[4] = { 0xa0, 0xa1, 0xa2, 0xa3 };
/* ehc_hello from 2001:db8:f::1 to ::2 with number 1: vector iot6-udp-spi8-sn8. */
static const uint8_t sealed[60] = {
	0x60, 0x01, 0x23, 0x45, 0x00, 0x14, 0x32, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x0f, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x0f, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 2, 0xd4, 0x01, 0xd2, 0xc0, 0xa1, 0x13, 0xd8, 0x05,
	0xc8, 0x26, 0xad, 0x53, 0x00, 0x8c, 0xde, 0xc3, 0x57, 0x8d, 0x74, 0xa9,
};

static sprat_sa_params ehc_sa(uint8_t direction, const sprat_ehc_params *ehc)
{
	sprat_sa_params params = SPRAT_SA_PARAMS_INIT;

	params.direction = direction;
	params.mode = SPRAT_TUNNEL;
	params.spi = EHC_SPI;
	params.encr = SPRAT_ENCR_AES_CCM_8_IIV;
	params.encr_key = key;
	params.encr_key_len = sizeof key;
	params.salt = salt;
	params.salt_len = 3;
	params.tunnel_source = v6_at(sealed + 8);
	params.tunnel_destination = v6_at(sealed + 24);
	params.ehc = ehc;
	return params;
}

static sprat_sa *make(uint8_t direction, const sprat_ehc_params *ehc)
{
	const sprat_sa_params params = ehc_sa(direction, ehc);

	return sa_make(&params);
}

static sprat_ehc_stats stats_of(const sprat_sa *sa)
{
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

	CHECK_EQ(sprat_sa_ehc_stats(sa, &stats), SPRAT_OK);
	return stats;
}

static uint64_t drops_of(const sprat_sa *sa, int32_t reason)
{
	uint64_t counters[MAX_COUNTERS];
	size_t count = MAX_COUNTERS;

	CHECK_EQ(sprat_sa_drops(sa, counters, &count), SPRAT_OK);
	CHECK_EQ(count, sprat_drop_count() + 1);
	return counters[reason];
}

static sprat_result seal(sprat_sa *out, struct frame *frame, const uint8_t *packet, size_t len)
{
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	frame_set(frame, packet, len);
	CHECK_EQ(sprat_seal(out, &frame->buf, &args, &result), SPRAT_OK);
	return result;
}

static sprat_result open(sprat_sa *in, struct frame *frame)
{
	sprat_result result = result_init();

	CHECK_EQ(sprat_open(in, &frame->buf, NOW, &result), SPRAT_OK);
	return result;
}

static void both_ways(void)
{
	const sprat_ehc_params ehc = ehc_params();
	sprat_sa *out = make(SPRAT_OUT, &ehc), *in = make(SPRAT_IN, &ehc);
	struct frame frame, again;
	sprat_result result = seal(out, &frame, ehc_hello, sizeof ehc_hello);

	CHECK_EQ(result.verdict, SPRAT_VERDICT_FORWARD);
	CHECK(frame_holds(&frame, sealed, sizeof sealed));
	/* What is "lower" stands in the outer header, and is told. */
	CHECK(result.hop_limit == 64 && result.traffic_class == 0 && result.flow_label == 0x12345);
	CHECK(result.esp_offset == 40 && result.spi == EHC_SPI && result.sn == 1);
	frame_set(&again, sealed, sizeof sealed);
	result = open(in, &frame);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.spi == EHC_SPI && result.sn == 1);
	CHECK(frame_holds(&frame, ehc_hello, sizeof ehc_hello));
	CHECK_EQ(open(in, &again).reason, SPRAT_DROP_REPLAY);
	CHECK(stats_of(out).packets == 1 && stats_of(out).octets_saved == 76 - 20);
	CHECK(stats_of(in).packets == 1 && stats_of(in).octets_saved == 76 - 20);
	CHECK(stats_of(in).refused == 0 && stats_of(in).icv_trials == 0 && stats_of(in).resyncs == 0);
	CHECK(drops_of(in, SPRAT_DROP_REPLAY) == 1 && sa_info(in).drops == 1);
	CHECK_EQ(sa_info(in).sn_bits, 8);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

static void misfits(void)
{
	const sprat_ehc_params ehc = ehc_params();
	sprat_sa *out = make(SPRAT_OUT, &ehc), *in = make(SPRAT_IN, &ehc);
	uint8_t packet[sizeof ehc_hello];
	struct frame frame;

	memcpy(packet, ehc_hello, sizeof packet);
	packet[41] ^= 1;
	CHECK_EQ(seal(out, &frame, packet, sizeof packet).reason, SPRAT_DROP_EHC_PORT);
	CHECK(frame_holds(&frame, packet, sizeof packet));
	packet[41] ^= 1;
	packet[57] ^= 1;
	CHECK_EQ(seal(out, &frame, packet, sizeof packet).reason, SPRAT_DROP_EHC_CHECKSUM);
	CHECK(stats_of(out).refused == 2 && sa_info(out).sn == 0 && stats_of(out).packets == 0);
	CHECK(drops_of(out, SPRAT_DROP_EHC_PORT) == 1 && drops_of(out, SPRAT_DROP_EHC_CHECKSUM) == 1);
	CHECK_EQ(seal(out, &frame, ehc_hello, sizeof ehc_hello).verdict, SPRAT_VERDICT_FORWARD);
	frame.memory[frame.buf.start + 40] ^= 1; /* another SPI */
	sprat_result result = open(in, &frame);
	CHECK(result.reason == SPRAT_DROP_NO_SA && result.spi == 0 && result.sn == 0);
	frame.memory[frame.buf.start + 40] ^= 1;
	frame.memory[frame.buf.start + 59] ^= 1; /* the ICV */
	result = open(in, &frame);
	CHECK(result.reason == SPRAT_DROP_INTEGRITY && result.spi == EHC_SPI && result.sn == 1);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

/* 300 packets are lost, more than 8 bits can tell. */
static void lost_and_found(void)
{
	sprat_ehc_params ehc = ehc_params();
	sprat_sa_params params = ehc_sa(SPRAT_OUT, &ehc);
	struct frame frame;

	params.last_sn = 400;
	ehc.resync = 1;
	sprat_sa *out = sa_make(&params), *in = make(SPRAT_IN, &ehc);
	CHECK_EQ(seal(out, &frame, ehc_hello, sizeof ehc_hello).sn, 401);
	const sprat_result result = open(in, &frame);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sn == 401);
	CHECK(stats_of(in).icv_trials == 1 && stats_of(in).resyncs == 1);
	sprat_sa_free(in);
	ehc.resync = 0;
	in = make(SPRAT_IN, &ehc);
	CHECK_EQ(seal(out, &frame, ehc_hello, sizeof ehc_hello).sn, 402);
	CHECK_EQ(open(in, &frame).reason, SPRAT_DROP_INTEGRITY);
	CHECK(stats_of(in).icv_trials == 0 && stats_of(in).resyncs == 0);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

static int32_t try_new(const sprat_sa_params *params)
{
	sprat_sa *sa = NULL;
	const int32_t status = sprat_sa_new(params, NOW, &sa);

	CHECK((sa != NULL) == (status == SPRAT_OK));
	sprat_sa_free(sa);
	return status;
}

static void wrong_attributes(void)
{
	for (uint8_t direction = SPRAT_OUT; direction <= SPRAT_IN; direction++) {
		sprat_ehc_params ehc = ehc_params();
		sprat_sa_params params = ehc_sa(direction, &ehc);

		ehc.esp_sn_lsb = 7;
		CHECK_EQ(try_new(&params), SPRAT_E_EHC_LSB_OCTETS);
		ehc.esp_sn_lsb = 8;
		ehc.alignment = 9;
		CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT);
		ehc.alignment = 0;
		ehc.struct_size--;
		CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT);
		ehc.struct_size++;
		ehc.dscp_list_len = 1;
		CHECK_EQ(try_new(&params), SPRAT_E_NULL);
		ehc.dscp_list_len = 0;
		params.tunnel_source = v4(1);
		params.tunnel_destination = v4(2);
		CHECK_EQ(try_new(&params), SPRAT_E_EHC_OUTER_ID);
		ehc.outer_id = 1;
		CHECK_EQ(try_new(&params), SPRAT_OK);
		params.replay_window = 0;
		params.multi_sender = 1;
		params.encr = SPRAT_ENCR_NULL_AUTH_AES_GMAC;
		params.salt_len = 4;
		params.sender_id_bits = 8;
		CHECK_EQ(try_new(&params), SPRAT_E_EHC_MULTI_SENDER);
		params.ehc = NULL;
		CHECK_EQ(try_new(&params), SPRAT_OK);
	}
}

/* A caller that was compiled when there was no member for Diet-ESP. */
static void older_caller(void)
{
	sprat_ehc_params ehc = ehc_params();
	sprat_sa_params params = ehc_sa(SPRAT_OUT, &ehc);
	sprat_ehc *copy = NULL;
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

	params.struct_size = offsetof(sprat_sa_params, ehc);
	sprat_sa *out = sa_make(&params);
	CHECK_EQ(sprat_sa_ehc(out, &copy), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_sa_ehc_stats(out, &stats), SPRAT_E_NOT_FOUND);
	CHECK(copy == NULL);
	sprat_sa_free(out);
}

/* The copy outlives its SA and knows its rules. */
static void copies(void)
{
	sprat_ehc_params ehc = ehc_params();
	sprat_sa_params params = ehc_sa(SPRAT_IN, &ehc);
	sprat_ehc *copy = NULL;
	sprat_ehc_row rows[SPRAT_EHC_ROWS_MAX];
	size_t count = SPRAT_EHC_ROWS_MAX;
	uint64_t sn = 0;

	params.encr = SPRAT_ENCR_AES_CBC;
	params.integ = SPRAT_AUTH_HMAC_SHA2_256_128;
	params.salt_len = 0;
	params.integ_key = test_key;
	params.integ_key_len = 32;
	params.replay_window = 0;
	ehc.reorder = 10;
	sprat_sa *in = sa_make(&params);
	CHECK_EQ(sprat_sa_ehc(in, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_ehc(NULL, &copy), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_ehc(in, &copy), SPRAT_OK);
	sprat_sa_free(in);
	/* A cipher with blocks has padding, which is sent. */
	CHECK_EQ(sprat_ehc_explain(copy, SPRAT_EHC_STRATUM_CTEC, 0, rows, &count), SPRAT_OK);
	CHECK(count == 3 && rows[1].fid == SPRAT_FID_ESP_PAD_LEN && rows[1].residue_bits == 8);
	/* 9 back is late, 11 back is 245 ahead. */
	CHECK_EQ(sprat_ehc_sn(copy, (const uint8_t *)"\xd4\x5b", 2, 100, &sn), SPRAT_OK);
	CHECK_EQ(sn, 91);
	CHECK_EQ(sprat_ehc_sn(copy, (const uint8_t *)"\xd4\x59", 2, 100, &sn), SPRAT_OK);
	CHECK_EQ(sn, 89 + 256);
	sprat_ehc_free(copy);
}

static void nulls(void)
{
	const sprat_ehc_params ehc = ehc_params();
	sprat_sa *out = make(SPRAT_OUT, &ehc);
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;
	uint64_t one = 7;
	size_t count = 1;

	CHECK_EQ(sprat_sa_ehc_stats(NULL, &stats), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_ehc_stats(out, NULL), SPRAT_E_NULL);
	stats.struct_size = 4;
	CHECK_EQ(sprat_sa_ehc_stats(out, &stats), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_sa_drops(NULL, &one, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_drops(out, NULL, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_drops(out, &one, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_drops(out, &one, &count), SPRAT_E_SHORT);
	CHECK(count == sprat_drop_count() + 1 && one == 7);
	sprat_sa_free(out);
}

/* A boundary that sends by a compressed SA and one that receives it. */
struct ends {
	sprat_ipsec *a, *b;
	uint32_t compressed, plain, in;
	struct frame frame;
};

static uint32_t add(sprat_ipsec *ipsec, const sprat_sa_params *params)
{
	uint32_t number = SPRAT_NO_SA;

	CHECK_EQ(sprat_ipsec_add_sa(ipsec, params, NOW, &number), SPRAT_OK);
	return number;
}

static struct ends ends_make(void)
{
	const sprat_ehc_params ehc = ehc_params();
	sprat_sa_params params = ehc_sa(SPRAT_OUT, &ehc);
	struct ends ends;

	if (sprat_ipsec_new(&ends.a) != SPRAT_OK || sprat_ipsec_new(&ends.b) != SPRAT_OK)
		exit(2);
	ends.compressed = add(ends.a, &params);
	params.direction = SPRAT_IN;
	ends.in = add(ends.b, &params);
	params.ehc = NULL;
	params.spi = SPI;
	CHECK_EQ(add(ends.b, &params), ends.in + 1);
	params.direction = SPRAT_OUT;
	ends.plain = add(ends.a, &params);
	CHECK_EQ(add_policy(ends.a, SPRAT_OUT, SPRAT_PROTECT, ends.compressed), SPRAT_OK);
	CHECK_EQ(add_policy(ends.b, SPRAT_IN, SPRAT_PROTECT, SPRAT_NO_SA), SPRAT_OK);
	return ends;
}

static sprat_result leave(struct ends *ends, const uint8_t *packet, size_t len)
{
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	frame_set(&ends->frame, packet, len);
	CHECK_EQ(sprat_ipsec_outbound(ends->a, &ends->frame.buf, &args, &result), SPRAT_OK);
	return result;
}

static sprat_result arrive(struct ends *ends)
{
	sprat_result result = result_init();

	CHECK_EQ(sprat_ipsec_inbound(ends->b, &ends->frame.buf, NOW, &result), SPRAT_OK);
	return result;
}

static sprat_ehc_stats stats_at(const sprat_ipsec *ipsec, uint32_t number)
{
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ipsec, number, &stats), SPRAT_OK);
	return stats;
}

static void through_boundaries(void)
{
	struct ends ends = ends_make();
	sprat_result result = leave(&ends, ehc_hello, sizeof ehc_hello);
	uint8_t wrong[sizeof ehc_hello];

	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.sa == ends.compressed);
	CHECK(result.hop_limit == 64 && result.flow_label == 0x12345);
	CHECK(frame_holds(&ends.frame, sealed, sizeof sealed));
	result = arrive(&ends);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sa == ends.in);
	CHECK(frame_holds(&ends.frame, ehc_hello, sizeof ehc_hello));
	/* What does not fit goes by the plain SA once there is one. */
	memcpy(wrong, ehc_hello, sizeof wrong);
	wrong[57] ^= 1;
	result = leave(&ends, wrong, sizeof wrong);
	CHECK(result.reason == SPRAT_DROP_EHC_CHECKSUM && result.sa == ends.compressed);
	CHECK_EQ(sprat_ipsec_set_fallback(ends.a, ends.compressed, ends.plain), SPRAT_OK);
	result = leave(&ends, wrong, sizeof wrong);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.sa == ends.plain);
	result = arrive(&ends);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sa == ends.in + 1);
	CHECK(frame_holds(&ends.frame, wrong, sizeof wrong));
	CHECK_EQ(stats_at(ends.a, ends.compressed).refused, 2);
	CHECK(stats_at(ends.a, ends.compressed).packets == 1 && stats_at(ends.b, ends.in).packets == 1);
	CHECK_EQ(stats_at(ends.b, ends.in).octets_saved, 76 - 20);
	CHECK_EQ(sprat_ipsec_icv_trials(ends.b), 0);
	sprat_ipsec_free(ends.a);
	sprat_ipsec_free(ends.b);
}

/* Both ends from a file; the SA that receives names the same selector. */
static void from_a_configuration(void)
{
#define SA(name, direction)                                                                 \
	"[[sa]]\nname = \"" name "\"\ndirection = \"" direction "\"\nspi = 0xa1b2c3d4\n"      \
	"mode = \"tunnel\"\nencr = \"ENCR_AES_CCM_8_IIV\"\n"                                  \
	"encr_key = \"000102030405060708090a0b0c0d0e0f\"\nsalt = \"a0a1a2\"\n"                \
	"[sa.tunnel]\nsource = \"2001:db8:f::1\"\ndestination = \"2001:db8:f::2\"\n"          \
	"[sa.ehc]\nalignment = 8\nesp_spi_lsb = 8\nesp_sn_lsb = 8\ndscp_cda = \"lower\"\n"    \
	"ecn_cda = \"lower\"\nflow_label_cda = \"lower\"\n"                                   \
	"[[sa.selector]]\nsource = \"2001:db8:0:1::1000\"\n"                                  \
	"destination = \"2001:db8:0:2::5678\"\nprotocol = \"udp\"\n"                          \
	"source_ports = 5001\ndestination_ports = 4500\n"
	static const char file[] = SA("to-b", "out") SA("from-a", "in")
		"[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"to-b\"\n"
		"[[policy]]\ndirection = \"in\"\naction = \"protect\"\n";
	char message[256] = "";
	size_t room = sizeof message, count = SPRAT_EHC_ROWS_MAX;
	sprat_ehc_row rows[SPRAT_EHC_ROWS_MAX];
	sprat_config *config = NULL;
	sprat_ehc *copy = NULL;
	struct ends ends;

	CHECK_EQ(sprat_config_parse((const uint8_t *)file, sizeof file - 1, NULL, &config, message, &room),
	         SPRAT_OK);
	CHECK_TEXT(message, "");
	CHECK_EQ(sprat_ipsec_from_config(config, NOW, &ends.a, NULL, NULL), SPRAT_OK);
	sprat_config_free(config);
	ends.b = ends.a;
	CHECK_EQ(leave(&ends, ehc_hello, sizeof ehc_hello).verdict, SPRAT_VERDICT_FORWARD);
	CHECK(frame_holds(&ends.frame, sealed, sizeof sealed));
	CHECK_EQ(arrive(&ends).verdict, SPRAT_VERDICT_DELIVER);
	CHECK(frame_holds(&ends.frame, ehc_hello, sizeof ehc_hello));
	CHECK_EQ(stats_at(ends.b, 1).octets_saved, 76 - 20);
	CHECK_EQ(sprat_ipsec_sa_ehc(ends.a, 0, &copy), SPRAT_OK);
	CHECK_EQ(sprat_ehc_explain(copy, SPRAT_EHC_STRATUM_IIPC, 0, rows, &count), SPRAT_OK);
	CHECK(count == 13 && rows[7].fid == SPRAT_FID_SRC && rows[7].residue_bits == 0);
	sprat_ehc_free(copy);
	sprat_ipsec_free(ends.a);
#undef SA
}

/* A socket took the outer header off: its fields must be told. */
static void without_the_outer_header(void)
{
	struct ends ends = ends_make();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = leave(&ends, ehc_hello, sizeof ehc_hello);
	struct frame *frame = &ends.frame;

	outer.source = result.source;
	outer.destination = result.destination;
	outer.traffic_class = result.traffic_class;
	frame->buf.start += result.esp_offset;
	frame->buf.len -= result.esp_offset;
	outer.flow = 0x100000;
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &frame->buf, &outer, NOW, &result), SPRAT_E_ARGUMENT);
	outer.flow = result.flow_label;
	struct frame unknown = *frame;
	unknown.buf.data = unknown.memory;
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &unknown.buf, &outer, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.reason, SPRAT_DROP_UNSUPPORTED);
	outer.hop_limit = 63;
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &frame->buf, &outer, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_DELIVER);
	/* One hop was taken on the way. */
	uint8_t arrived[sizeof ehc_hello];
	memcpy(arrived, ehc_hello, sizeof arrived);
	arrived[7] = 63;
	CHECK(frame_holds(frame, arrived, sizeof arrived));
	sprat_ipsec_free(ends.a);
	sprat_ipsec_free(ends.b);
}

/* Two SAs whose 8 bits are the same: the ICV tells them apart, within limits. */
static void overlapping_spis(void)
{
	const sprat_ehc_params ehc = ehc_params();
	struct ends ends = ends_make();
	sprat_sa_params params = ehc_sa(SPRAT_IN, &ehc);
	unsigned delivered = 0;

	params.spi = 0x11110000 | (EHC_SPI & 0xff);
	params.encr_key = test_key;
	add(ends.b, &params);
	params.direction = SPRAT_OUT;
	params.last_sn = 100; /* so that neither takes a number of the other for a replay */
	sprat_sa *other = sa_make(&params);
	for (int i = 0; i < 2; i++) {
		leave(&ends, ehc_hello, sizeof ehc_hello);
		delivered += arrive(&ends).verdict == SPRAT_VERDICT_DELIVER;
		seal(other, &ends.frame, ehc_hello, sizeof ehc_hello);
		delivered += arrive(&ends).verdict == SPRAT_VERDICT_DELIVER;
	}
	CHECK_EQ(delivered, 4);
	CHECK_EQ(sprat_ipsec_icv_trials(ends.b), 2); /* one of the two comes second */
	CHECK_EQ(sprat_ipsec_set_icv_trials(ends.b, 1, 100), SPRAT_OK);
	delivered = 0;
	leave(&ends, ehc_hello, sizeof ehc_hello);
	delivered += arrive(&ends).verdict == SPRAT_VERDICT_DELIVER;
	seal(other, &ends.frame, ehc_hello, sizeof ehc_hello);
	delivered += arrive(&ends).verdict == SPRAT_VERDICT_DELIVER;
	CHECK_EQ(delivered, 1);
	CHECK_EQ(sprat_ipsec_icv_trials(ends.b), 2);
	sprat_sa_free(other);
	sprat_ipsec_free(ends.a);
	sprat_ipsec_free(ends.b);
}

/* As many SAs as 8 bits tell apart, if each SPI is asked for. */
static void allocated_spis(void)
{
	const sprat_ehc_params ehc = ehc_params();
	sprat_sa_params params = ehc_sa(SPRAT_IN, &ehc);
	sprat_ipsec *ipsec = NULL;
	uint32_t spi = 7;
	uint8_t taken[256] = { 0 };
	unsigned given = 0;

	CHECK_EQ(sprat_ipsec_new(&ipsec), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, 33, 0, 0, &spi), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, 8, 2, 0, &spi), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, 8, 0, 0, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_allocate_spi(NULL, 8, 0, 0, &spi), SPRAT_E_NULL);
	CHECK_EQ(spi, 7);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, SPRAT_SPI_PLAIN, 0, 0xdeadbeef, &spi), SPRAT_OK);
	CHECK(spi >= 256);
	while (given <= 256 && sprat_ipsec_allocate_spi(ipsec, 8, 0, 0x12345678, &spi) == SPRAT_OK) {
		CHECK(spi >= 256 && !taken[spi & 0xff]);
		taken[spi & 0xff] = 1;
		params.spi = spi;
		add(ipsec, &params);
		given++;
	}
	CHECK_EQ(given, 256);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, SPRAT_SPI_PLAIN, 0, 1, &spi), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_remove_sa(ipsec, 0), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, SPRAT_SPI_PLAIN, 0, 1, &spi), SPRAT_OK);
	sprat_ipsec_free(ipsec);
}

static void wrong_calls(void)
{
	struct ends ends = ends_make();
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;
	sprat_ehc *copy = NULL;

	CHECK_EQ(sprat_ipsec_set_fallback(NULL, 0, 1), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_set_fallback(ends.a, ends.plain, ends.compressed), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_set_fallback(ends.a, ends.compressed, 9), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_set_fallback(ends.a, 9, ends.plain), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_set_fallback(ends.b, ends.in, ends.in + 1), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_set_icv_trials(NULL, 1, 1), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_set_icv_trials(ends.b, 0, 1), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_set_icv_trials(ends.b, 9, 1), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_set_icv_trials(ends.b, 8, 0), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_icv_trials(NULL), 0);
	CHECK_EQ(sprat_ipsec_sa_ehc(NULL, 0, &copy), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_ehc(ends.a, ends.compressed, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_ehc(ends.a, ends.plain, &copy), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_sa_ehc(ends.a, 9, &copy), SPRAT_E_NOT_FOUND);
	CHECK(copy == NULL);
	CHECK_EQ(sprat_ipsec_sa_ehc(ends.a, ends.compressed, &copy), SPRAT_OK);
	sprat_ehc_free(copy);
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(NULL, 0, &stats), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ends.a, ends.compressed, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ends.a, ends.plain, &stats), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ends.a, 9, &stats), SPRAT_E_NOT_FOUND);
	stats.struct_size--;
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ends.a, ends.compressed, &stats), SPRAT_E_ARGUMENT);
	sprat_ipsec_free(ends.a);
	sprat_ipsec_free(ends.b);
}

void test_ehc_sa(void)
{
	both_ways();
	misfits();
	lost_and_found();
	wrong_attributes();
	older_caller();
	copies();
	nulls();
	through_boundaries();
	from_a_configuration();
	without_the_outer_header();
	overlapping_spis();
	allocated_spis();
	wrong_calls();
}
