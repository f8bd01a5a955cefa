/* Calls on single SAs that are refused, and that they change nothing. */
#include "common.h"

struct pair {
	sprat_sa *out, *in;
	struct frame frame, before;
	size_t len;
};

static struct pair pair_make(const struct transform *transform)
{
	struct pair pair;
	uint8_t packet[256];
	sprat_sa_params params = sa_params(SPRAT_OUT, transform);

	pair.out = sa_make(&params);
	params.direction = SPRAT_IN;
	pair.in = sa_make(&params);
	pair.len = udp_packet(packet, 4, 48);
	frame_set(&pair.frame, packet, pair.len);
	return pair;
}

static void pair_free(struct pair *pair)
{
	sprat_sa_free(pair->out);
	sprat_sa_free(pair->in);
}

/* Points the frame to itself again after a copy, and remembers it. */
static void remember(struct pair *pair)
{
	pair->frame.buf.data = pair->frame.memory;
	pair->before = pair->frame;
}

static int unchanged(const struct pair *pair)
{
	return memcmp(&pair->frame, &pair->before, sizeof pair->frame) == 0 &&
	       sa_info(pair->out).sn == 0 && sa_info(pair->out).packets == 0 &&
	       sa_info(pair->out).drops == 0 && sa_info(pair->in).drops == 0;
}

static void null_pointers(void)
{
	struct pair pair = pair_make(&transforms[0]);
	sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	sprat_buf *buf = &pair.frame.buf;

	remember(&pair);
	CHECK_EQ(sprat_seal(NULL, buf, &args, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_seal(pair.out, NULL, &args, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_seal(pair.out, buf, NULL, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_seal(pair.out, buf, &args, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_open(NULL, buf, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_open(pair.in, NULL, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_open(pair.in, buf, NOW, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_seal_dummy(NULL, buf, &args, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_seal_dummy(pair.out, buf, NULL, &result), SPRAT_E_NULL);
	args.iv = NULL;
	CHECK_EQ(sprat_seal(pair.out, buf, &args, &result), SPRAT_E_NULL);
	args = seal_args();
	CHECK(unchanged(&pair));

	buf->data = NULL;
	CHECK_EQ(sprat_seal(pair.out, buf, &args, &result), SPRAT_E_NULL);
	CHECK_EQ(sprat_open(pair.in, buf, NOW, &result), SPRAT_E_NULL);
	buf->capacity = buf->start = buf->len = 0;
	CHECK_EQ(sprat_open(pair.in, buf, NOW, &result), SPRAT_E_NULL);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_DROP);
	pair_free(&pair);
}

static void wrong_side(void)
{
	struct pair pair = pair_make(&transforms[0]);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	remember(&pair);
	CHECK_EQ(sprat_seal(pair.in, &pair.frame.buf, &args, &result), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_seal_dummy(pair.in, &pair.frame.buf, &args, &result), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_open(pair.out, &pair.frame.buf, NOW, &result), SPRAT_E_ARGUMENT);
	CHECK(unchanged(&pair));
	pair_free(&pair);
}

static void outside_the_memory(void)
{
	static const size_t places[][2] = {
		{ 0, sizeof(((struct frame *)0)->memory) + 1 },
		{ sizeof(((struct frame *)0)->memory), 1 },
		{ sizeof(((struct frame *)0)->memory) + 1, 0 },
		{ SIZE_MAX, 1 }, { 1, SIZE_MAX }, { SIZE_MAX, SIZE_MAX },
	};
	struct pair pair = pair_make(&transforms[0]);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		pair.frame.buf.start = places[i][0];
		pair.frame.buf.len = places[i][1];
		remember(&pair);
		CHECK_EQ(sprat_seal(pair.out, &pair.frame.buf, &args, &result), SPRAT_E_ARGUMENT);
		CHECK_EQ(sprat_open(pair.in, &pair.frame.buf, NOW, &result), SPRAT_E_ARGUMENT);
		CHECK(unchanged(&pair));
	}
	pair.frame.buf.start = HEAD;
	pair.frame.buf.len = pair.len;
	pair.frame.buf.capacity = SIZE_MAX;
	remember(&pair);
	CHECK_EQ(sprat_seal(pair.out, &pair.frame.buf, &args, &result), SPRAT_E_ARGUMENT);
	CHECK(unchanged(&pair));
	pair_free(&pair);
}

static void struct_sizes(void)
{
	struct pair pair = pair_make(&transforms[0]);
	const sprat_seal_args args = seal_args();
	const uint32_t size = sizeof args;
	sprat_seal_args reserved = seal_args();
	sprat_result result = result_init(), small = result_init();
	sprat_buf *buf = &pair.frame.buf;
	union wide wide;

	remember(&pair);
	small.struct_size = sizeof small - 1;
	reserved.reserved[6] = 1;
	CHECK_EQ(sprat_seal(pair.out, buf, &args, &small), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_open(pair.in, buf, NOW, &small), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_seal(pair.out, buf, &reserved, &result), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_seal(pair.out, buf, widened(&wide, &args, size, size - 1, 0), &result),
	         SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_seal(pair.out, buf, widened(&wide, &args, size, size + 8, 1), &result),
	         SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_seal(pair.out, buf, widened(&wide, &args, size, UINT32_MAX, 0), &result),
	         SPRAT_E_ARGUMENT);
	CHECK(unchanged(&pair));
	CHECK_EQ(sprat_seal(pair.out, buf, widened(&wide, &args, size, size + 8, 0), &result), SPRAT_OK);
	sprat_result *later = widened(&wide, &result, sizeof result, sizeof result + 8, 0x77);
	CHECK_EQ(sprat_open(pair.in, buf, NOW, later), SPRAT_OK);
	CHECK(later->verdict == SPRAT_VERDICT_DELIVER && wide.octets[sizeof result] == 0x77);
	pair_free(&pair);
}

/* Seals in memory of exactly this room; SHORT must leave everything as it was. */
static int32_t seal_within(const struct pair *pair, size_t head, size_t tail, sprat_result *result)
{
	const size_t capacity = head + pair->len + tail;
	uint8_t *memory = malloc(capacity), *before = malloc(capacity);
	sprat_buf buf = { memory, capacity, head, pair->len };
	sprat_seal_args args = seal_args();
	const sprat_sa_info was = sa_info(pair->out);

	memset(memory, 0xa5, capacity);
	memcpy(memory + head, pair->frame.memory + HEAD, pair->len);
	memcpy(before, memory, capacity);
	args.tfc = 5;
	const int32_t status = sprat_seal(pair->out, &buf, &args, result);
	const sprat_sa_info is = sa_info(pair->out);
	if (status == SPRAT_E_SHORT) {
		CHECK(memcmp(memory, before, capacity) == 0);
		CHECK(buf.data == memory && buf.capacity == capacity);
		CHECK(buf.start == head && buf.len == pair->len);
		CHECK(memcmp(&was, &is, sizeof was) == 0);
	} else {
		CHECK_EQ(is.sn, was.sn + 1);
	}
	free(memory);
	free(before);
	return status;
}

/* The room that SHORT asks for suffices, one octet less on either side does not. */
static void short_buffers(const struct transform *transform)
{
	struct pair pair = pair_make(transform);
	sprat_result need = result_init(), result = result_init();

	CHECK_EQ(seal_within(&pair, 0, 0, &need), SPRAT_E_SHORT);
	CHECK(need.need_head >= 8 && need.need_head <= 24 && need.need_tail >= 2 + 8 + 5);
	for (size_t head = 0; head <= need.need_head + 1; head++) {
		for (size_t tail = 0; tail <= need.need_tail + 1; tail++) {
			const int fits = head >= need.need_head && tail >= need.need_tail;

			CHECK_EQ(seal_within(&pair, head, tail, &result), fits ? SPRAT_OK : SPRAT_E_SHORT);
			CHECK_EQ(result.need_head, fits ? 0 : need.need_head);
			CHECK_EQ(result.need_tail, fits ? 0 : need.need_tail);
			CHECK_EQ(result.verdict, fits ? SPRAT_VERDICT_FORWARD : SPRAT_VERDICT_DROP);
		}
	}
	pair_free(&pair);
}

static int32_t seal_reason(sprat_sa *out, struct frame *frame, const sprat_seal_args *args)
{
	const struct frame before = *frame;
	const uint64_t sn = sa_info(out).sn, drops = sa_info(out).drops;
	sprat_result result = result_init();

	CHECK_EQ(sprat_seal(out, &frame->buf, args, &result), SPRAT_OK);
	if (result.verdict != SPRAT_VERDICT_FORWARD) {
		CHECK(memcmp(&before, frame, sizeof before) == 0);
		CHECK(sa_info(out).sn == sn && sa_info(out).drops == drops + 1);
		CHECK(result.sa == SPRAT_NO_SA && result.spi == SPI && result.reason != 0);
	}
	return result.reason;
}

static void drops_when_sealing(void)
{
	struct pair pair = pair_make(&transforms[4]);
	sprat_seal_args args = seal_args();
	struct frame *frame = &pair.frame;

	frame->buf.data = frame->memory;
	args.iv_len = 15;
	CHECK_EQ(seal_reason(pair.out, frame, &args), SPRAT_DROP_IV_MISSING);
	args = seal_args();
	args.extra_pad = 3; /* not a multiple of the block */
	CHECK_EQ(seal_reason(pair.out, frame, &args), SPRAT_DROP_UNSUPPORTED);
	args = seal_args();
	frame->buf.len = 0;
	CHECK_EQ(seal_reason(pair.out, frame, &args), SPRAT_DROP_NOT_IP);
	frame->buf.len = pair.len - 1;
	CHECK_EQ(seal_reason(pair.out, frame, &args), SPRAT_DROP_NOT_IP);
	frame->buf.len = pair.len;
	frame->memory[HEAD + 6] = 0x20; /* more fragments */
	CHECK_EQ(seal_reason(pair.out, frame, &args), SPRAT_DROP_FRAGMENT);
	frame->memory[HEAD + 6] = 0;
	CHECK_EQ(sprat_sa_reserve(pair.out, 0), SPRAT_OK);
	CHECK_EQ(seal_reason(pair.out, frame, &args), SPRAT_DROP_SN_UNRESERVED);
	CHECK_EQ(sprat_sa_reserve(pair.out, 1), SPRAT_OK);
	args.extra_pad = 16;
	CHECK_EQ(seal_reason(pair.out, frame, &args), 0);
	pair_free(&pair);
}

static void limits(void)
{
	struct pair pair = pair_make(&transforms[0]);
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[0]);
	sprat_seal_args args = seal_args();
	sprat_result result = result_init();

	params.packets.soft = 1;
	params.packets.hard = 2;
	params.seconds.hard = 10;
	params.no_tfc = 1;
	params.path_mtu = 100;
	sprat_sa *out = sa_make(&params);
	struct frame frame = pair.frame;
	frame.buf.data = frame.memory;
	args.tfc = 1;
	CHECK_EQ(seal_reason(out, &frame, &args), SPRAT_DROP_TFC_REFUSED);
	args.tfc = 0;
	CHECK_EQ(seal_reason(out, &frame, &args), SPRAT_DROP_TOO_BIG);
	frame.memory[HEAD + 3] = 60; /* as long as it may be */
	frame.buf.len = 60;
	struct frame small = frame;
	small.buf.data = small.memory;
	CHECK_EQ(sprat_seal(out, &small.buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && (result.flags & SPRAT_FLAG_SOFT_EXPIRED));
	args.now_ms = NOW + 10000;
	CHECK_EQ(seal_reason(out, &frame, &args), SPRAT_DROP_LIFETIME_SECONDS);
	args.now_ms = NOW + 9999;
	small = frame;
	small.buf.data = small.memory;
	CHECK_EQ(seal_reason(out, &small, &args), 0);
	CHECK_EQ(seal_reason(out, &frame, &args), SPRAT_DROP_LIFETIME_PACKETS);
	sprat_sa_free(out);

	params = sa_params(SPRAT_OUT, &transforms[0]);
	params.octets.hard = 32;
	out = sa_make(&params);
	CHECK_EQ(seal_reason(out, &frame, &args), SPRAT_DROP_LIFETIME_OCTETS);
	sprat_sa_free(out);
	params.octets.hard = 0;
	params.last_sn = UINT32_MAX;
	out = sa_make(&params);
	CHECK_EQ(seal_reason(out, &frame, &args), SPRAT_DROP_SN_EXHAUSTED);
	sprat_sa_free(out);
	pair_free(&pair);
}

static void too_big_tells_what_fits(void)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[0]);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	uint8_t packet[2048];
	struct frame frame;

	params.path_mtu = 1280;
	sprat_sa *out = sa_make(&params);
	frame_set(&frame, packet, udp_packet(packet, 6, 1300));
	CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK(result.reason == SPRAT_DROP_TOO_BIG && result.mtu > 1200 && result.mtu < 1280);
	const size_t fits = result.mtu - 48;
	frame_set(&frame, packet, udp_packet(packet, 6, fits));
	CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && frame.buf.len <= 1280);
	frame_set(&frame, packet, udp_packet(packet, 6, fits + 1));
	CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.reason, SPRAT_DROP_TOO_BIG);
	sprat_sa_free(out);
}

static void longest_packets(void)
{
	enum { room = 66000 };
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[2]);
	sprat_sa *out = sa_make(&params);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	uint8_t *memory = calloc(1, room);
	sprat_buf buf = { memory, room, 64, 65535 };

	memory[64] = 0x45;
	memory[64 + 2] = memory[64 + 3] = 0xff;
	memory[64 + 9] = 17;
	CHECK_EQ(sprat_seal(out, &buf, &args, &result), SPRAT_OK);
	CHECK(result.reason == SPRAT_DROP_TOO_BIG && result.mtu > 65000 && result.mtu < 65535);
	memory[64 + 2] = (uint8_t)(result.mtu >> 8);
	memory[64 + 3] = (uint8_t)result.mtu;
	buf.len = result.mtu;
	CHECK_EQ(sprat_seal(out, &buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && buf.len <= 65535 && buf.len > 65520);
	free(memory);
	sprat_sa_free(out);
}

static void dummies(void)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[0]);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	uint8_t junk[40] = { 1, 2, 3 };
	struct frame frame;
	sprat_sa *out = sa_make(&params);

	frame_set(&frame, junk, sizeof junk);
	CHECK_EQ(sprat_seal_dummy(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK(result.reason == SPRAT_DROP_UNSUPPORTED && frame_holds(&frame, junk, sizeof junk));
	sprat_sa_free(out);

	params.mode = SPRAT_TUNNEL;
	params.tunnel_source = v4(1);
	params.tunnel_destination = v4(2);
	out = sa_make(&params);
	params.direction = SPRAT_IN;
	sprat_sa *in = sa_make(&params);
	result.struct_size = 0;
	CHECK_EQ(sprat_seal_dummy(out, &frame.buf, &args, &result), SPRAT_E_ARGUMENT);
	result = result_init();
	CHECK_EQ(sprat_seal_dummy(out, &frame.buf, &args, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_seal_dummy(out, NULL, &args, &result), SPRAT_E_NULL);
	frame.buf.capacity = HEAD + sizeof junk;
	CHECK_EQ(sprat_seal_dummy(out, &frame.buf, &args, &result), SPRAT_E_SHORT);
	CHECK_EQ(sa_info(out).sn, 0);
	frame_set(&frame, junk, sizeof junk);
	CHECK_EQ(sprat_seal_dummy(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.sn == 1);
	CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DROP && result.reason == SPRAT_DROP_DUMMY);
	CHECK(sa_info(in).packets == 1 && sa_info(in).drops == 1);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

void test_refusals(void)
{
	null_pointers();
	wrong_side();
	outside_the_memory();
	struct_sizes();
	for (size_t i = 0; i < TRANSFORMS; i++)
		short_buffers(&transforms[i]);
	drops_when_sealing();
	limits();
	too_big_tells_what_fits();
	longest_packets();
	dummies();
}
