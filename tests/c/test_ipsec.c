/* The boundary: numbers, counters, packets both ways. */
#include "common.h"

#define MAX_COUNTERS 64

static sprat_ipsec *ipsec_make(void)
{
	sprat_ipsec *ipsec = NULL;

	CHECK_EQ(sprat_ipsec_new(&ipsec), SPRAT_OK);
	if (ipsec == NULL)
		exit(2);
	return ipsec;
}

static uint64_t drops_of(const sprat_ipsec *ipsec, uint32_t number, int32_t reason)
{
	uint64_t counters[MAX_COUNTERS];
	size_t count = MAX_COUNTERS;

	CHECK_EQ(number == SPRAT_NO_SA ? sprat_ipsec_drops(ipsec, counters, &count)
	                               : sprat_ipsec_sa_drops(ipsec, number, counters, &count),
	         SPRAT_OK);
	CHECK_EQ(count, sprat_drop_count() + 1);
	CHECK_EQ(counters[0], 0);
	return counters[reason];
}

static sprat_sa_info info_of(const sprat_ipsec *ipsec, uint32_t number)
{
	sprat_sa_info info = SPRAT_SA_INFO_INIT;

	CHECK_EQ(sprat_ipsec_sa_info(ipsec, number, &info), SPRAT_OK);
	return info;
}

/* A tunnel SA between 192.0.2.11 and .12, in UDP or not. */
static sprat_sa_params tunnel_params(uint8_t direction, const struct transform *transform, int udp)
{
	sprat_sa_params params = sa_params(direction, transform);

	params.mode = SPRAT_TUNNEL;
	params.tunnel_source = v4(11);
	params.tunnel_destination = v4(12);
	params.udp_source_port = params.udp_destination_port = udp ? 4500 : 0;
	params.name = direction == SPRAT_OUT ? "to-b" : "from-a";
	return params;
}

static uint32_t add(sprat_ipsec *ipsec, const sprat_sa_params *params)
{
	uint32_t number = SPRAT_NO_SA;

	CHECK_EQ(sprat_ipsec_add_sa(ipsec, params, NOW, &number), SPRAT_OK);
	return number;
}

/* Two boundaries: what leaves a enters b. */
struct ends {
	sprat_ipsec *a, *b;
	uint32_t out, in;
	uint8_t packet[2048];
	size_t len;
	struct frame frame;
};

static void ends_make(struct ends *ends, const struct transform *transform, int udp)
{
	const sprat_sa_params out = tunnel_params(SPRAT_OUT, transform, udp);
	const sprat_sa_params in = tunnel_params(SPRAT_IN, transform, udp);

	ends->a = ipsec_make();
	ends->b = ipsec_make();
	ends->out = add(ends->a, &out);
	ends->in = add(ends->b, &in);
	CHECK_EQ(add_policy(ends->a, SPRAT_OUT, SPRAT_PROTECT, ends->out), SPRAT_OK);
	CHECK_EQ(add_policy(ends->b, SPRAT_IN, SPRAT_PROTECT, SPRAT_NO_SA), SPRAT_OK);
	ends->len = udp_packet(ends->packet, 4, 100);
}

static void ends_free(struct ends *ends)
{
	sprat_ipsec_free(ends->a);
	sprat_ipsec_free(ends->b);
}

static sprat_result leave(struct ends *ends)
{
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	frame_set(&ends->frame, ends->packet, ends->len);
	CHECK_EQ(sprat_ipsec_outbound(ends->a, &ends->frame.buf, &args, &result), SPRAT_OK);
	return result;
}

static sprat_result arrive(struct ends *ends)
{
	sprat_result result = result_init();

	CHECK_EQ(sprat_ipsec_inbound(ends->b, &ends->frame.buf, NOW, &result), SPRAT_OK);
	return result;
}

/* As arrive(), for a socket that took the outer header off; the caller is of the
 * version that knew no Diet-ESP. */
static sprat_result arrive_bare(struct ends *ends, const sprat_result *sealed, int udp)
{
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();

	outer.struct_size = offsetof(sprat_outer, hop_limit);
	outer.source = sealed->source;
	outer.destination = sealed->destination;
	outer.udp = (uint8_t)udp;
	outer.udp_source_port = sealed->udp_source_port;
	outer.udp_destination_port = sealed->udp_destination_port;
	ends->frame.buf.start += sealed->esp_offset;
	ends->frame.buf.len -= sealed->esp_offset;
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->b, &ends->frame.buf, &outer, NOW, &result), SPRAT_OK);
	return result;
}

static void there_and_back(const struct transform *transform, int udp)
{
	struct ends ends;

	ends_make(&ends, transform, udp);
	for (uint64_t sn = 1; sn <= 8; sn++) {
		const sprat_result sealed = leave(&ends);

		CHECK(sealed.verdict == SPRAT_VERDICT_FORWARD && sealed.sn == sn);
		CHECK(sealed.sa == ends.out && sealed.spi == SPI && sealed.source.octets[3] == 11);
		CHECK_EQ(sealed.esp_offset, udp ? 28 : 20);
		const sprat_result opened = sn % 2 ? arrive(&ends) : arrive_bare(&ends, &sealed, udp);
		CHECK(opened.verdict == SPRAT_VERDICT_DELIVER && opened.sn == sn && opened.sa == ends.in);
		CHECK(opened.destination.octets[3] == 12 && opened.udp_source_port == (udp ? 4500 : 0));
		CHECK(frame_holds(&ends.frame, ends.packet, ends.len));
	}
	CHECK(info_of(ends.a, ends.out).packets == 8 && info_of(ends.b, ends.in).sn == 8);

	/* Flipped, replayed, for another SPI: one drop each, none delivered. */
	leave(&ends);
	struct frame keep = ends.frame;
	ends.frame.memory[ends.frame.buf.start + ends.frame.buf.len - 1] ^= 1;
	sprat_result result = arrive(&ends);
	CHECK(result.reason == SPRAT_DROP_INTEGRITY && (result.flags & SPRAT_FLAG_AUDIT));
	CHECK(result.sn == 9 && result.spi == SPI && result.sa == ends.in);
	CHECK(!frame_leaks(&ends.frame, ends.packet + 28, 100));
	ends.frame = keep;
	CHECK_EQ(arrive(&ends).verdict, SPRAT_VERDICT_DELIVER);
	ends.frame = keep;
	CHECK_EQ(arrive(&ends).reason, SPRAT_DROP_REPLAY);
	ends.frame = keep;
	ends.frame.memory[ends.frame.buf.start + (udp ? 28 : 20) + 3] ^= 1;
	CHECK_EQ(arrive(&ends).reason, SPRAT_DROP_NO_SA);
	CHECK_EQ(drops_of(ends.b, ends.in, SPRAT_DROP_INTEGRITY), 1);
	CHECK_EQ(drops_of(ends.b, ends.in, SPRAT_DROP_REPLAY), 1);
	CHECK_EQ(drops_of(ends.b, SPRAT_NO_SA, SPRAT_DROP_NO_SA), 1);
	CHECK_EQ(info_of(ends.b, ends.in).drops, 2);
	ends_free(&ends);
}

static void udp_port_4500(void)
{
	static const uint8_t keepalive[] = { 0xff }, ike[] = { 0, 0, 0, 0, 'i', 'k', 'e' };
	struct ends ends;
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();

	ends_make(&ends, &transforms[0], 1);
	outer.source = v4(11);
	outer.destination = v4(12);
	outer.udp = 1;
	frame_set(&ends.frame, keepalive, sizeof keepalive);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &ends.frame.buf, &outer, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_KEEPALIVE);
	frame_set(&ends.frame, ike, sizeof ike);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &ends.frame.buf, &outer, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_IKE);
	CHECK(frame_holds(&ends.frame, (const uint8_t *)"ike", 3));
	frame_set(&ends.frame, ike, 3);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &ends.frame.buf, &outer, NOW, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DROP && result.reason == SPRAT_DROP_MALFORMED);
	outer.udp = 0;
	frame_set(&ends.frame, ike, sizeof ike);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends.b, &ends.frame.buf, &outer, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.reason, SPRAT_DROP_MALFORMED); /* no sequence number */
	ends_free(&ends);
}

static void null_packet_calls(struct ends *ends)
{
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_buf *buf = &ends->frame.buf;
	uint32_t number = 0;

	frame_set(&ends->frame, ends->packet, ends->len);
	CHECK_EQ(sprat_ipsec_outbound(NULL, buf, &args, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_outbound(ends->a, NULL, &args, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_outbound(ends->a, buf, NULL, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_outbound(ends->a, buf, &args, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound(NULL, buf, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound(ends->a, NULL, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound(ends->a, buf, NOW, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound_esp(NULL, buf, &outer, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, NULL, &outer, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, buf, NULL, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, buf, &outer, NOW, &result), SPRAT_E_ARGUMENT);
	outer.source = outer.destination = v4(1);
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, buf, &outer, NOW, NULL), SPRAT_E_NULL);
	outer.udp = 2;
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, buf, &outer, NOW, &result), SPRAT_E_ARGUMENT);
	outer.udp = 0;
	outer.reserved[0] = 1;
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, buf, &outer, NOW, &result), SPRAT_E_ARGUMENT);
	outer.reserved[0] = 0;
	outer.struct_size = offsetof(sprat_outer, hop_limit) - 1; /* smaller than it ever was */
	CHECK_EQ(sprat_ipsec_inbound_esp(ends->a, buf, &outer, NOW, &result), SPRAT_E_ARGUMENT);
	result.struct_size = 1;
	CHECK_EQ(sprat_ipsec_inbound(ends->a, buf, NOW, &result), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_outbound(ends->a, buf, &args, &result), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_icmp_error(NULL, ends->packet, ends->len, NOW, &number), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_icmp_error(ends->a, NULL, 1, NOW, &number), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_icmp_error(ends->a, NULL, 0, NOW, &number), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_icmp_error(ends->a, ends->packet, ends->len, NOW, NULL), SPRAT_E_NULL);
	CHECK(frame_holds(&ends->frame, ends->packet, ends->len));
	for (int32_t reason = 1; reason <= (int32_t)sprat_drop_count(); reason++)
		CHECK_EQ(drops_of(ends->a, SPRAT_NO_SA, reason), 0);
}

static void null_calls(struct ends *ends)
{
	const sprat_sa_params params = tunnel_params(SPRAT_OUT, &transforms[0], 0);
	sprat_policy policy = SPRAT_POLICY_INIT;
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	uint64_t counters[MAX_COUNTERS];
	size_t count = MAX_COUNTERS;
	uint32_t number = 77;
	char name[8];

	CHECK_EQ(sprat_ipsec_new(NULL), SPRAT_E_NULL);
	sprat_ipsec_free(NULL);
	CHECK_EQ(sprat_ipsec_add_sa(NULL, &params, NOW, &number), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_add_sa(ends->a, NULL, NOW, &number), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_add_sa(ends->a, &params, NOW, NULL), SPRAT_E_NULL);
	CHECK(number == 77 && sprat_ipsec_sa_count(ends->a) == 1);
	CHECK_EQ(sprat_ipsec_sa_count(NULL), 0);
	CHECK_EQ(sprat_ipsec_remove_sa(NULL, 0), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_add_policy(NULL, &policy), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_add_policy(ends->a, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_info(NULL, 0, &info), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_info(ends->a, 0, NULL), SPRAT_E_NULL);
	info.struct_size = 4;
	CHECK_EQ(sprat_ipsec_sa_info(ends->a, 0, &info), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_sa_name(NULL, 0, name, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_name(ends->a, 0, NULL, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_name(ends->a, 0, name, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_drops(NULL, 0, counters, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_drops(ends->a, 0, NULL, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_drops(ends->a, 0, counters, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_drops(NULL, counters, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_drops(ends->a, NULL, &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_drops(ends->a, counters, NULL), SPRAT_E_NULL);
	CHECK_EQ(count, MAX_COUNTERS);
	CHECK_EQ(sprat_ipsec_sa_skip_to(NULL, 0, 1), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_sa_reserve(NULL, 0, 1), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inner_mtu(NULL, 0, 1500, &number), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_inner_mtu(ends->a, 0, 1500, NULL), SPRAT_E_NULL);
}

static void wrong_numbers(struct ends *ends)
{
	const uint32_t wrong[] = { 1, 2, SPRAT_NO_SA };
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	uint64_t counters[MAX_COUNTERS];
	size_t count = MAX_COUNTERS;
	uint32_t mtu = 77;
	char name[8];

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const uint32_t n = wrong[i];

		CHECK_EQ(sprat_ipsec_remove_sa(ends->a, n), SPRAT_E_NOT_FOUND);
		CHECK_EQ(sprat_ipsec_sa_info(ends->a, n, &info), SPRAT_E_NOT_FOUND);
		CHECK_EQ(sprat_ipsec_sa_name(ends->a, n, name, &count), SPRAT_E_NOT_FOUND);
		CHECK_EQ(sprat_ipsec_sa_drops(ends->a, n, counters, &count), SPRAT_E_NOT_FOUND);
		CHECK_EQ(sprat_ipsec_sa_skip_to(ends->a, n, 1), SPRAT_E_NOT_FOUND);
		CHECK_EQ(sprat_ipsec_sa_reserve(ends->a, n, 1), SPRAT_E_NOT_FOUND);
		CHECK_EQ(sprat_ipsec_inner_mtu(ends->a, n, 1500, &mtu), SPRAT_E_NOT_FOUND);
		CHECK_EQ(add_policy(ends->a, SPRAT_OUT, SPRAT_PROTECT, n), SPRAT_E_NOT_FOUND);
	}
	CHECK(count == MAX_COUNTERS && mtu == 77 && info.spi == 0);
	/* An SA that receives is no SA to send with. */
	CHECK_EQ(sprat_ipsec_sa_reserve(ends->b, ends->in, 1), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_inner_mtu(ends->b, ends->in, 1500, &mtu), SPRAT_E_NOT_FOUND);
	CHECK_EQ(add_policy(ends->b, SPRAT_OUT, SPRAT_PROTECT, ends->in), SPRAT_E_NOT_FOUND);
}

static void duplicates_and_removal(void)
{
	struct ends ends;
	sprat_sa_params in = tunnel_params(SPRAT_IN, &transforms[0], 0);
	uint32_t number = 77;

	ends_make(&ends, &transforms[0], 0);
	CHECK_EQ(sprat_ipsec_add_sa(ends.b, &in, NOW, &number), SPRAT_E_EXISTS);
	CHECK(number == 77 && sprat_ipsec_sa_count(ends.b) == 1);
	in.lookup_destination = v4(12);
	number = add(ends.b, &in); /* the same SPI at one address: the longer match */
	CHECK_EQ(number, 1);
	in.name = "\xff\xfe";
	in.spi++;
	CHECK_EQ(sprat_ipsec_add_sa(ends.b, &in, NOW, &number), SPRAT_E_ARGUMENT);
	in.name = NULL;
	in.encr = 999;
	CHECK_EQ(sprat_ipsec_add_sa(ends.b, &in, NOW, &number), SPRAT_E_KEY);

	leave(&ends);
	CHECK_EQ(arrive(&ends).sa, 1);
	CHECK_EQ(sprat_ipsec_remove_sa(ends.b, 1), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_remove_sa(ends.b, 1), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_sa_count(ends.b), 2);
	leave(&ends);
	CHECK_EQ(arrive(&ends).sa, 0);
	CHECK_EQ(sprat_ipsec_remove_sa(ends.b, 0), SPRAT_OK);
	leave(&ends);
	CHECK_EQ(arrive(&ends).reason, SPRAT_DROP_NO_SA);
	in = tunnel_params(SPRAT_IN, &transforms[0], 0);
	CHECK_EQ(add(ends.b, &in), 2); /* no number is given twice */

	CHECK_EQ(sprat_ipsec_remove_sa(ends.a, ends.out), SPRAT_OK);
	CHECK_EQ(leave(&ends).reason, SPRAT_DROP_NO_OUTBOUND_SA);
	CHECK(frame_holds(&ends.frame, ends.packet, ends.len));
	ends_free(&ends);
}

static void names_and_counters(struct ends *ends)
{
	uint64_t counters[MAX_COUNTERS];
	size_t need = sprat_drop_count() + 1, len = 0;
	char name[16];

	CHECK_EQ(sprat_ipsec_sa_name(ends->a, ends->out, NULL, &len), SPRAT_E_SHORT);
	CHECK_EQ(len, sizeof "to-b");
	for (size_t room = 0; room <= sizeof "to-b" + 1; room++) {
		len = room;
		memset(name, 'x', sizeof name);
		CHECK_EQ(sprat_ipsec_sa_name(ends->a, ends->out, name, &len),
		         room < sizeof "to-b" ? SPRAT_E_SHORT : SPRAT_OK);
		CHECK(len == sizeof "to-b" && name[room] == 'x');
		CHECK(room == 0 || strncmp(name, "to-b", room - 1) == 0);
	}
	CHECK_TEXT(name, "to-b");
	for (size_t room = 0; room <= need + 1; room++) {
		size_t count = room;

		memset(counters, 0xff, sizeof counters);
		CHECK_EQ(sprat_ipsec_drops(ends->a, counters, &count),
		         room < need ? SPRAT_E_SHORT : SPRAT_OK);
		CHECK_EQ(count, need);
		CHECK_EQ(counters[room < need ? 0 : need], UINT64_MAX);
		count = room;
		CHECK_EQ(sprat_ipsec_sa_drops(ends->a, ends->out, counters, &count),
		         room < need ? SPRAT_E_SHORT : SPRAT_OK);
		CHECK_EQ(count, need);
	}
	len = 0;
	CHECK_EQ(sprat_ipsec_drops(ends->a, NULL, &len), SPRAT_E_SHORT);
	CHECK_EQ(len, need);
}

static void numbers_written_ahead(void)
{
	struct ends ends;
	sprat_result result;

	ends_make(&ends, &transforms[0], 0);
	CHECK_EQ(sprat_ipsec_sa_skip_to(ends.a, ends.out, 99), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_sa_reserve(ends.a, ends.out, 103), SPRAT_OK);
	CHECK_EQ(info_of(ends.a, ends.out).sn, 99);
	for (uint64_t sn = 100; sn <= 103; sn++) {
		result = leave(&ends);
		CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.sn == sn);
	}
	CHECK(result.flags & SPRAT_FLAG_RESERVE_SOON);
	CHECK_EQ(leave(&ends).reason, SPRAT_DROP_SN_UNRESERVED);
	CHECK_EQ(sprat_ipsec_sa_skip_to(ends.a, ends.out, 5), SPRAT_OK); /* never back */
	CHECK_EQ(info_of(ends.a, ends.out).sn, 103);
	CHECK_EQ(sprat_ipsec_sa_reserve(ends.a, ends.out, UINT64_MAX), SPRAT_OK);
	CHECK_EQ(leave(&ends).sn, 104);
	ends_free(&ends);
}

static void short_and_unchanged(void)
{
	struct ends ends;
	const sprat_seal_args args = seal_args();
	sprat_result need = result_init();
	uint8_t before[HEAD + 256];

	ends_make(&ends, &transforms[3], 1);
	frame_set(&ends.frame, ends.packet, ends.len);
	ends.frame.buf.capacity = HEAD + ends.len;
	memcpy(before, ends.frame.memory, sizeof before);
	CHECK_EQ(sprat_ipsec_outbound(ends.a, &ends.frame.buf, &args, &need), SPRAT_E_SHORT);
	CHECK(need.need_head == 20 + 8 + 8 + 8 && need.need_tail >= 18);
	CHECK(memcmp(before, ends.frame.memory, sizeof before) == 0);
	CHECK(info_of(ends.a, ends.out).sn == 0 && info_of(ends.a, ends.out).drops == 0);
	for (size_t less = 0; less <= 1; less++) {
		frame_set(&ends.frame, ends.packet, ends.len);
		ends.frame.buf.capacity = HEAD + ends.len + need.need_tail - less;
		CHECK_EQ(sprat_ipsec_outbound(ends.a, &ends.frame.buf, &args, &need),
		         less ? SPRAT_E_SHORT : SPRAT_OK);
		if (!less) {
			CHECK_EQ(need.verdict, SPRAT_VERDICT_FORWARD);
			frame_set(&ends.frame, ends.packet, ends.len);
			ends.frame.buf.capacity = HEAD + ends.len;
			CHECK_EQ(sprat_ipsec_outbound(ends.a, &ends.frame.buf, &args, &need), SPRAT_E_SHORT);
		}
	}
	CHECK_EQ(info_of(ends.a, ends.out).sn, 1);
	ends_free(&ends);
}

/* Too big outside: the router's error lowers the path MTU, packets that fit pass. */
static void path_mtu(void)
{
	struct ends ends;
	uint8_t error[1280];
	size_t len = 0;
	uint32_t number = SPRAT_NO_SA, inner = 0;
	const sprat_addr router = v4(99);

	ends_make(&ends, &transforms[0], 0);
	ends.len = udp_packet(ends.packet, 4, 900);
	CHECK_EQ(leave(&ends).verdict, SPRAT_VERDICT_FORWARD);
	CHECK_EQ(sprat_icmp_too_big(frame_packet(&ends.frame), ends.frame.buf.len, &router, 800, error, &len),
	         SPRAT_E_SHORT);
	CHECK_EQ(len, sizeof error);
	CHECK_EQ(sprat_icmp_too_big(frame_packet(&ends.frame), ends.frame.buf.len, &router, 800, error, &len),
	         SPRAT_OK);
	CHECK(len > 56 && len <= 576 && error[20] == 3 && error[21] == 4);
	CHECK_EQ(sprat_ipsec_icmp_error(ends.b, error, len, NOW, &number), SPRAT_E_NOT_FOUND);
	CHECK_EQ(number, SPRAT_NO_SA);
	CHECK_EQ(sprat_ipsec_icmp_error(ends.a, error, len, NOW, &number), SPRAT_OK);
	CHECK(number == ends.out && info_of(ends.a, number).path_mtu == 800);
	CHECK_EQ(sprat_ipsec_icmp_error(ends.a, error, len, NOW, &number), SPRAT_E_NOT_FOUND); /* known */

	sprat_result result = leave(&ends);
	CHECK_EQ(result.reason, SPRAT_DROP_TOO_BIG);
	CHECK_EQ(sprat_ipsec_inner_mtu(ends.a, ends.out, 800, &inner), SPRAT_OK);
	CHECK_EQ(result.mtu, inner);
	ends.len = udp_packet(ends.packet, 4, inner - 28);
	CHECK_EQ(leave(&ends).verdict, SPRAT_VERDICT_FORWARD);
	CHECK(ends.frame.buf.len <= 800);
	CHECK_EQ(sprat_ipsec_inner_mtu(ends.a, ends.out, 30, &inner), SPRAT_E_NOT_FOUND);

	/* It is believed for ten minutes. */
	const sprat_seal_args now = seal_args();
	sprat_seal_args later = now;
	later.now_ms = NOW + 600 * 1000;
	ends.len = udp_packet(ends.packet, 4, 900);
	frame_set(&ends.frame, ends.packet, ends.len);
	CHECK_EQ(sprat_ipsec_outbound(ends.a, &ends.frame.buf, &later, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_FORWARD);
	ends_free(&ends);
}

void test_ipsec(void)
{
	struct ends ends;

	for (size_t i = 0; i < TRANSFORMS; i++) {
		there_and_back(&transforms[i], 0);
		there_and_back(&transforms[i], 1);
	}
	udp_port_4500();
	ends_make(&ends, &transforms[0], 0);
	null_packet_calls(&ends);
	null_calls(&ends);
	wrong_numbers(&ends);
	names_and_counters(&ends);
	ends_free(&ends);
	duplicates_and_removal();
	numbers_written_ahead();
	short_and_unchanged();
	path_mtu();
}
