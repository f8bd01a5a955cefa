/* Packets there and back through single SAs. */
#include "common.h"

/* One combination: what is inside, what is around it. */
struct shape {
	uint8_t mode;
	int inner, outer; /* IP versions */
	int udp, esn;
	uint16_t tfc;
};

static const struct shape shapes[] = {
	{ SPRAT_TRANSPORT, 4, 4, 0, 0, 0 }, { SPRAT_TRANSPORT, 6, 6, 0, 1, 0 },
	{ SPRAT_TRANSPORT, 4, 4, 1, 0, 33 }, { SPRAT_TUNNEL, 4, 4, 0, 0, 0 },
	{ SPRAT_TUNNEL, 6, 4, 0, 1, 7 },     { SPRAT_TUNNEL, 4, 6, 1, 0, 0 },
	{ SPRAT_TUNNEL, 6, 6, 1, 1, 0 },
};

static sprat_sa_params shaped(uint8_t direction, const struct transform *transform,
                              const struct shape *shape)
{
	sprat_sa_params params = sa_params(direction, transform);

	params.mode = shape->mode;
	params.esn = (uint8_t)shape->esn;
	if (shape->mode == SPRAT_TUNNEL) {
		params.tunnel_source = shape->outer == 4 ? v4(11) : v6(11);
		params.tunnel_destination = shape->outer == 4 ? v4(12) : v6(12);
	}
	if (shape->udp) {
		params.udp_source_port = 4500;
		params.udp_destination_port = 4500;
	}
	return params;
}

static void there_and_back(const struct transform *transform, const struct shape *shape)
{
	sprat_sa_params params = shaped(SPRAT_OUT, transform, shape);
	sprat_sa *out = sa_make(&params);
	uint8_t packet[2048];
	struct frame frame;
	sprat_seal_args args = seal_args();

	params.direction = SPRAT_IN;
	sprat_sa *in = sa_make(&params);
	args.tfc = shape->tfc;
	for (size_t payload = 0; payload <= 1200; payload += payload < 40 ? 1 : 137) {
		const size_t len = udp_packet(packet, shape->inner, payload);
		sprat_result sealed = result_init(), opened = result_init();

		frame_set(&frame, packet, len);
		CHECK_EQ(sprat_seal(out, &frame.buf, &args, &sealed), SPRAT_OK);
		CHECK_EQ(sealed.verdict, SPRAT_VERDICT_FORWARD);
		CHECK_EQ(frame_packet(&frame)[0] >> 4, shape->outer);
		CHECK(memcmp(frame_packet(&frame) + sealed.esp_offset, "\0\0\x12\x34", 4) == 0);
		CHECK(sealed.spi == SPI && sealed.source.family == shape->outer);
		CHECK_EQ(sealed.udp_source_port, shape->udp ? 4500 : 0);
		if (transform->encr != SPRAT_ENCR_NULL_AUTH_AES_GMAC)
			CHECK(!frame_leaks(&frame, packet + len - payload, payload));
		CHECK_EQ(sprat_open(in, &frame.buf, NOW, &opened), SPRAT_OK);
		CHECK_EQ(opened.verdict, SPRAT_VERDICT_DELIVER);
		CHECK(opened.sn == sealed.sn && opened.spi == SPI);
		CHECK_EQ(opened.destination.octets[opened.destination.family == 4 ? 3 : 15],
		         shape->mode == SPRAT_TUNNEL ? 12 : 2);
		CHECK(frame_holds(&frame, packet, len));
	}
	CHECK(sa_info(out).sn == sa_info(in).sn && sa_info(in).drops == 0);
	CHECK(sa_info(out).packets == sa_info(in).packets);
	CHECK(sa_info(out).octets == sa_info(in).octets);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

/* A sealed packet of 64 octets of payload, in frame; its length before. */
static size_t sealed_frame(sprat_sa *out, struct frame *frame, uint8_t *packet)
{
	const size_t len = udp_packet(packet, 4, 64);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	frame_set(frame, packet, len);
	CHECK_EQ(sprat_seal(out, &frame->buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_FORWARD);
	return len;
}

/* No octet of ESP can be changed, and no plaintext is left then. */
static void flipped(const struct transform *transform)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, transform);
	sprat_sa *out = sa_make(&params);
	uint8_t packet[256];
	struct frame sealed, frame;
	uint64_t drops = 0;

	params.direction = SPRAT_IN;
	sprat_sa *in = sa_make(&params);
	const size_t len = sealed_frame(out, &sealed, packet);
	for (size_t bit = 20 * 8; bit < sealed.buf.len * 8; bit += 3) {
		sprat_result result = result_init();

		frame = sealed;
		frame.buf.data = frame.memory;
		frame.memory[frame.buf.start + bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
		CHECK_EQ(result.verdict, SPRAT_VERDICT_DROP);
		CHECK(bit / 8 >= 28 ? result.reason == SPRAT_DROP_INTEGRITY : result.reason > 0);
		if (transform->encr != SPRAT_ENCR_NULL_AUTH_AES_GMAC || bit / 8 >= 28)
			CHECK(!frame_leaks(&frame, packet + 28, len - 28));
		CHECK_EQ(sa_info(in).drops, ++drops);
	}
	CHECK(sa_info(in).sn == 0 && sa_info(in).packets == 0);

	/* The packet itself still passes: nothing above moved the window. */
	sprat_result result = result_init();
	sealed.buf.data = sealed.memory;
	CHECK_EQ(sprat_open(in, &sealed.buf, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_DELIVER);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

static int32_t open_reason(sprat_sa *in, struct frame frame)
{
	sprat_result result = result_init();

	frame.buf.data = frame.memory;
	CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK((result.verdict == SPRAT_VERDICT_DELIVER) == (result.reason == 0));
	CHECK_EQ((result.flags & SPRAT_FLAG_AUDIT) != 0,
	         result.reason != 0 && sprat_drop_audit(result.reason) == SPRAT_AUDIT_AUDIT);
	return result.reason;
}

static void replayed(void)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[0]);
	sprat_sa *out = sa_make(&params);
	uint8_t packet[256];
	struct frame first, later;

	params.direction = SPRAT_IN;
	params.replay_window = 32;
	sprat_sa *in = sa_make(&params);
	sealed_frame(out, &first, packet);
	CHECK_EQ(open_reason(in, first), 0);
	CHECK_EQ(open_reason(in, first), SPRAT_DROP_REPLAY);
	for (int i = 0; i < 32; i++)
		sealed_frame(out, &later, packet);
	CHECK_EQ(open_reason(in, later), 0); /* number 33 */
	CHECK_EQ(open_reason(in, first), SPRAT_DROP_TOO_OLD);
	CHECK_EQ(open_reason(in, later), SPRAT_DROP_REPLAY);
	CHECK(sa_info(in).sn == 33 && sa_info(in).packets == 2 && sa_info(in).drops == 3);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

/* Every shorter form of a good packet is refused, whole or with its length mended. */
static void truncated(void)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[2]);
	sprat_sa *out = sa_make(&params);
	uint8_t packet[256];
	struct frame sealed;

	params.direction = SPRAT_IN;
	sprat_sa *in = sa_make(&params);
	sealed_frame(out, &sealed, packet);
	for (size_t len = 0; len < sealed.buf.len; len++) {
		struct frame frame = sealed;

		frame.buf.len = len;
		CHECK(open_reason(in, frame) != 0);
		if (len >= 20) {
			frame.memory[frame.buf.start + 2] = (uint8_t)(len >> 8);
			frame.memory[frame.buf.start + 3] = (uint8_t)len;
			CHECK(open_reason(in, frame) != 0);
		}
	}
	CHECK_EQ(open_reason(in, sealed), 0);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

void test_packets(void)
{
	for (size_t t = 0; t < TRANSFORMS; t++) {
		for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
			there_and_back(&transforms[t], &shapes[s]);
		flipped(&transforms[t]);
	}
	replayed();
	truncated();
}
