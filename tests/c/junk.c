/*
 * junk [SEED [ROUNDS]]: octets that nobody sane sends, to every function that
 * meets foreign octets. Each packet is delivered or dropped with a reason that
 * is counted; the counters add up to the calls. Run under AddressSanitizer.
 */
#include <inttypes.h>

#include "common.h"
#include "dice.h"

unsigned checks_made, checks_failed;

#define MAX_COUNTERS 64

struct bench {
	sprat_ipsec *ipsec;
	sprat_sa *alone[TRANSFORMS], *sender[TRANSFORMS];
	sprat_mote_sa mote;
	uint64_t calls[6], verdicts[6], alone_dropped, alone_delivered, mote_dropped;
};

enum { OUTBOUND, INBOUND, INBOUND_ESP, ALONE, MOTE, OTHER };

static sprat_sa_params bench_params(uint8_t direction, size_t transform, int udp)
{
	sprat_sa_params params = sa_params(direction, &transforms[transform]);

	params.spi = SPI + (uint32_t)transform;
	params.mode = transform % 2 ? SPRAT_TUNNEL : SPRAT_TRANSPORT;
	params.tunnel_source = v4(1);
	params.tunnel_destination = v4(2);
	params.udp_source_port = params.udp_destination_port = udp ? 4500 : 0;
	return params;
}

static void bench_make(struct bench *bench)
{
	uint32_t number;

	memset(bench, 0, sizeof *bench);
	CHECK_EQ(sprat_ipsec_new(&bench->ipsec), SPRAT_OK);
	for (size_t i = 0; i < TRANSFORMS; i++) {
		sprat_sa_params params = bench_params(SPRAT_IN, i, i % 3 == 1);

		CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &number), SPRAT_OK);
		bench->alone[i] = sa_make(&params);
		params = bench_params(SPRAT_OUT, i, i % 3 == 1);
		bench->sender[i] = sa_make(&params);
		params.path_mtu = 1400;
		CHECK_EQ(sprat_ipsec_add_sa(bench->ipsec, &params, NOW, &number), SPRAT_OK);
	}
	CHECK_EQ(add_policy(bench->ipsec, SPRAT_OUT, SPRAT_PROTECT, 2 * 2 + 1), SPRAT_OK);
	CHECK_EQ(add_policy(bench->ipsec, SPRAT_IN, SPRAT_PROTECT, SPRAT_NO_SA), SPRAT_OK);
	CHECK_EQ(mote_init(&bench->mote, 0, 0, 0), SPRAT_OK);
}

static void bench_free(struct bench *bench)
{
	sprat_ipsec_free(bench->ipsec);
	for (size_t i = 0; i < TRANSFORMS; i++) {
		sprat_sa_free(bench->alone[i]);
		sprat_sa_free(bench->sender[i]);
	}
	sprat_mote_wipe(&bench->mote);
}

static void noise(uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++)
		octets[i] = (uint8_t)dice(256);
}

/* A good IP packet, sealed most of the time. Its length. */
static size_t good_packet(struct bench *bench, uint8_t *out)
{
	const size_t len = udp_packet(out, dice(2) ? 4 : 6, dice(200));
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	struct frame frame;

	if (dice(8) == 0)
		return len;
	frame_set(&frame, out, len);
	CHECK_EQ(sprat_seal(bench->sender[dice(TRANSFORMS)], &frame.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_FORWARD);
	memcpy(out, frame_packet(&frame), frame.buf.len);
	return frame.buf.len;
}

static void mend_length(uint8_t *packet, size_t len)
{
	if (len >= 4 && packet[0] >> 4 == 4) {
		packet[2] = (uint8_t)(len >> 8);
		packet[3] = (uint8_t)len;
	} else if (len >= 40 && packet[0] >> 4 == 6) {
		packet[4] = (uint8_t)((len - 40) >> 8);
		packet[5] = (uint8_t)(len - 40);
	}
}

/* Noise, or a packet that was flipped, cut, stretched or had its length mended. */
static size_t junk_packet(struct bench *bench, uint8_t *out)
{
	size_t len = good_packet(bench, out);

	switch (dice(8)) {
	case 0:
		len = dice(300);
		noise(out, len);
		if (len != 0 && dice(4) != 0)
			out[0] = dice(2) ? 0x45 : 0x60;
		break;
	case 1:
		len = dice((uint32_t)len + 1);
		break;
	case 2:
		noise(out + len, 40);
		len += dice(40);
		break;
	case 3: /* as it is */
		return len;
	default:
		for (uint32_t n = 1 + dice(4); n > 0; n--)
			out[dice((uint32_t)(dice(2) && len > 60 ? 60 : len))] ^= (uint8_t)(1u << dice(8));
	}
	if (dice(2))
		mend_length(out, len);
	return len;
}

/* The packet in memory of exactly its size, so that a step beyond is seen. */
static sprat_buf exact(const uint8_t *packet, size_t len, size_t room)
{
	sprat_buf buf = { malloc(len + 2 * room + 1), len + 2 * room, room, len };

	memcpy(buf.data + room, packet, len);
	return buf;
}

static void to_the_boundary(struct bench *bench, int kind, const uint8_t *packet, size_t len)
{
	const sprat_seal_args args = seal_args();
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = result_init();
	sprat_buf buf = exact(packet, len, kind == OUTBOUND ? 128 : 0);
	int32_t status;

	outer.source = v4(1);
	outer.destination = v4(2);
	outer.udp = (uint8_t)dice(2);
	if (kind == INBOUND_ESP && dice(4) == 0) { /* IKE behind its marker, a keepalive, or less */
		buf.len = dice(len < 6 ? (uint32_t)len + 1 : 6);
		memset(buf.data, dice(2) ? 0 : 0xff, buf.len);
	}
	if (kind == OUTBOUND)
		status = sprat_ipsec_outbound(bench->ipsec, &buf, &args, &result);
	else if (kind == INBOUND)
		status = sprat_ipsec_inbound(bench->ipsec, &buf, NOW, &result);
	else
		status = sprat_ipsec_inbound_esp(bench->ipsec, &buf, &outer, NOW, &result);
	CHECK_EQ(status, SPRAT_OK);
	CHECK(result.verdict >= 0 && result.verdict <= SPRAT_VERDICT_KEEPALIVE);
	CHECK_EQ(result.verdict == SPRAT_VERDICT_DROP, result.reason != 0);
	CHECK(result.reason != SPRAT_DROP_INTERNAL && result.reason != SPRAT_DROP_NO_ROOM);
	CHECK(buf.start <= buf.capacity && buf.len <= buf.capacity - buf.start);
	bench->calls[kind]++;
	bench->verdicts[result.verdict]++;
	free(buf.data);
}

static void to_single_sas(struct bench *bench, const uint8_t *packet, size_t len)
{
	sprat_result result = result_init();
	sprat_buf buf = exact(packet, len, 0);

	CHECK_EQ(sprat_open(bench->alone[dice(TRANSFORMS)], &buf, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.verdict == SPRAT_VERDICT_DROP, result.reason != 0);
	*(result.reason != 0 ? &bench->alone_dropped : &bench->alone_delivered) += 1;
	bench->calls[ALONE]++;
	free(buf.data);
	buf = exact(packet, len, 0);
	uint16_t mote_len = (uint16_t)len;
	const int32_t status = sprat_mote_open(&bench->mote, buf.data, &mote_len, mote_len);
	CHECK(status >= 0 && status <= (int32_t)sprat_drop_count());
	bench->mote_dropped += status != 0;
	bench->calls[MOTE]++;
	free(buf.data);
}

static void to_the_rest(struct bench *bench, const uint8_t *packet, size_t len)
{
	static const sprat_addr from = { 4, { 1, 2, 3, 4 } };
	sprat_buf copy = exact(packet, len, 0);
	uint8_t out[1280], flag = 0;
	size_t room = sizeof out, consumed = 0;
	uint32_t number = 0;
	int32_t kind = 0, status;

	status = sprat_ipsec_icmp_error(bench->ipsec, copy.data, len, NOW, &number);
	CHECK(status == SPRAT_OK || status == SPRAT_E_NOT_FOUND);
	status = sprat_tcp_frame(copy.data, len, &kind, &consumed);
	CHECK(status == SPRAT_OK ? consumed <= len : status == SPRAT_E_PACKET);
	status = sprat_tcp_prefix(copy.data, len, &flag);
	CHECK(status == SPRAT_OK || status == SPRAT_E_PACKET);
	status = sprat_icmp_too_big(copy.data, len, &from, 576, out, &room);
	CHECK(status == SPRAT_OK ? room <= 576 : status == SPRAT_E_PACKET);
	room = sizeof out;
	status = sprat_icmp_prohibited(copy.data, len, &from, out, &room);
	CHECK(status == SPRAT_OK ? room <= 576 : status == SPRAT_E_PACKET);
	room = sizeof out;
	status = sprat_ipv4_fragment(copy.data, len, 68 + dice(600), dice(9), out, &room);
	CHECK(status == SPRAT_OK || status == SPRAT_E_NOT_FOUND || status == SPRAT_E_PACKET);
	room = sizeof out;
	status = sprat_ip_fragment(copy.data, len, 68 + dice(600), 1, dice(9), out, &room);
	CHECK(status == SPRAT_OK || status == SPRAT_E_NOT_FOUND || status == SPRAT_E_PACKET);
	CHECK_EQ(sprat_tcp_clamp_mss(copy.data, len, dice(1500), &flag), SPRAT_OK);
	bench->calls[OTHER]++;
	free(copy.data);
}

static const char toml[] =
	"[[sa]]\nname = \"a\"\ndirection = \"out\"\nspi = 0x100\nmode = \"tunnel\"\n"
	"encr = \"aes-ccm-8\"\nkeymat = \"000102030405060708090a0b0c0d0e0f101112\"\n"
	"[sa.tunnel]\nsource = \"192.0.2.1\"\ndestination = \"192.0.2.2\"\n"
	"[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"a\"\n"
	"[gateway]\nstate_file = \"s\"\nroutes = [\"10.0.0.0/8\"]\n";

/* A configuration with octets changed, cut or doubled. */
static void to_the_parser(void)
{
	char text[2 * sizeof toml], message[128];
	size_t len = sizeof toml - 1, room = sizeof message;
	sprat_config *config = NULL;

	memcpy(text, toml, len);
	for (uint32_t n = dice(4); n > 0; n--)
		text[dice((uint32_t)len)] = dice(2) ? "\"\n[]=.0-_,{}#\\"[dice(14)] : (char)dice(256);
	if (dice(4) == 0)
		len = dice((uint32_t)len + 1);
	if (dice(4) == 0) {
		const size_t more = dice((uint32_t)len + 1);

		memcpy(text + len, text, more);
		len += more;
	}
	sprat_buf copy = exact((const uint8_t *)text, len, 0);
	const int32_t status = sprat_config_parse(copy.data, len, NULL, &config, message, &room);
	CHECK(status == SPRAT_OK || status == SPRAT_E_CONFIG || status == SPRAT_E_ARGUMENT);
	CHECK_EQ(config != NULL, status == SPRAT_OK);
	CHECK(status != SPRAT_E_CONFIG || (room > 1 && strlen(message) < sizeof message));
	sprat_config_free(config);
	free(copy.data);
}

static uint64_t sum_of(const uint64_t *counters, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += counters[i];
	return sum;
}

/* Every call is in a verdict, every drop in a counter. */
static void add_up(const struct bench *bench)
{
	uint64_t counters[MAX_COUNTERS], dropped = 0, delivered = 0, alone = 0;
	size_t count = MAX_COUNTERS;

	CHECK_EQ(sprat_ipsec_drops(bench->ipsec, counters, &count), SPRAT_OK);
	dropped = sum_of(counters, count);
	for (uint32_t n = 0; n < sprat_ipsec_sa_count(bench->ipsec); n++) {
		sprat_sa_info info = SPRAT_SA_INFO_INIT;

		count = MAX_COUNTERS;
		CHECK_EQ(sprat_ipsec_sa_drops(bench->ipsec, n, counters, &count), SPRAT_OK);
		CHECK_EQ(sprat_ipsec_sa_info(bench->ipsec, n, &info), SPRAT_OK);
		CHECK_EQ(info.drops, sum_of(counters, count));
		dropped += info.drops;
		/* A packet that was verified and refused afterwards counts as both. */
		if (info.direction == SPRAT_IN)
			delivered += info.packets - (counters[SPRAT_DROP_BAD_PADDING] +
			                             counters[SPRAT_DROP_BAD_INNER] +
			                             counters[SPRAT_DROP_DUMMY] + counters[SPRAT_DROP_ECN]);
	}
	CHECK_EQ(dropped, bench->verdicts[SPRAT_VERDICT_DROP]);
	CHECK_EQ(sum_of(bench->verdicts, 6),
	         bench->calls[OUTBOUND] + bench->calls[INBOUND] + bench->calls[INBOUND_ESP]);
	CHECK(delivered >= bench->verdicts[SPRAT_VERDICT_DELIVER]);
	for (size_t i = 0; i < TRANSFORMS; i++)
		alone += sa_info(bench->alone[i]).drops;
	CHECK_EQ(alone, bench->alone_dropped);
	CHECK_EQ(bench->alone_dropped + bench->alone_delivered, bench->calls[ALONE]);
	printf("boundary: %" PRIu64 " delivered, %" PRIu64 " forwarded, %" PRIu64 " dropped, %" PRIu64
	       " IKE, %" PRIu64 " keepalives\n",
	       bench->verdicts[SPRAT_VERDICT_DELIVER], bench->verdicts[SPRAT_VERDICT_FORWARD],
	       bench->verdicts[SPRAT_VERDICT_DROP], bench->verdicts[SPRAT_VERDICT_IKE],
	       bench->verdicts[SPRAT_VERDICT_KEEPALIVE]);
	printf("single SAs: %" PRIu64 " opened, %" PRIu64 " dropped; motes: %" PRIu64 " dropped of %" PRIu64
	       "\n", bench->alone_delivered, bench->alone_dropped, bench->mote_dropped, bench->calls[MOTE]);
	for (int verdict = SPRAT_VERDICT_DROP; verdict <= SPRAT_VERDICT_KEEPALIVE; verdict++)
		CHECK(bench->verdicts[verdict] > 0 || verdict == SPRAT_VERDICT_BYPASS);
	CHECK(bench->alone_delivered > 0);
	CHECK(bench->mote_dropped < bench->calls[MOTE]);
}

int main(int argc, char **argv)
{
	const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 200000;
	uint8_t packet[1024];
	struct bench bench;

	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	printf("junk: seed %" PRIu64 ", %lu packets\n", seed, rounds);
	fflush(stdout);
	bench_make(&bench);
	for (unsigned long i = 0; i < rounds && checks_failed == 0; i++) {
		const size_t len = junk_packet(&bench, packet);

		switch (dice(4)) {
		case 0:
			to_the_boundary(&bench, OUTBOUND + (int)dice(3), packet, len);
			break;
		case 1:
			to_the_boundary(&bench, INBOUND, packet, len);
			break;
		case 2:
			to_single_sas(&bench, packet, len);
			break;
		default:
			to_the_rest(&bench, packet, len);
		}
		if (i % 32 == 0)
			to_the_parser();
	}
	add_up(&bench);
	bench_free(&bench);
	return check_sum("junk");
}
