/* The mote profile: an SA in the caller's memory, and against a host's SA. */
#include "common.h"

struct mote {
	sprat_mote_sa sa;
	uint8_t guard[16];
};

static void mote_make(struct mote *mote, uint8_t out, uint8_t implicit_iv, uint64_t last_sn)
{
	memset(mote, 0xee, sizeof *mote);
	CHECK_EQ(sprat_mote_sa_init(&mote->sa, out, SPI, implicit_iv, test_key, test_key, last_sn),
	         SPRAT_OK);
	for (size_t i = 0; i < sizeof mote->guard; i++)
		CHECK_EQ(mote->guard[i], 0xee);
}

static uint64_t mote_sn(const sprat_mote_sa *sa)
{
	uint64_t sn = UINT64_MAX;

	CHECK_EQ(sprat_mote_sa_sn(sa, &sn), SPRAT_OK);
	return sn;
}

static void wrong_calls(void)
{
	sprat_mote_sa sa, zero;
	uint8_t packet[128];
	struct frame frame;
	uint64_t sn = 7;

	memset(&zero, 0, sizeof zero);
	memset(&sa, 0, sizeof sa);
	frame_set(&frame, packet, udp_packet(packet, 4, 16));
	CHECK_EQ(sprat_mote_sa_init(NULL, 1, SPI, 0, test_key, test_key, 0), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_sa_init(&sa, 1, SPI, 0, NULL, test_key, 0), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_sa_init(&sa, 1, SPI, 0, test_key, NULL, 0), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_sa_init(&sa, 2, SPI, 0, test_key, test_key, 0), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_sa_init(&sa, 1, SPI, 2, test_key, test_key, 0), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_sa_init(&sa, 1, 255, 0, test_key, test_key, 0), SPRAT_E_ARGUMENT);
	CHECK(memcmp(&sa, &zero, sizeof sa) == 0);

	CHECK_EQ(sprat_mote_seal(NULL, &frame.buf), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_open(NULL, &frame.buf), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_sa_sn(NULL, &sn), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_seal(&zero, &frame.buf), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_open(&zero, &frame.buf), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_sa_sn(&zero, &sn), SPRAT_E_ARGUMENT);
	CHECK_EQ(sn, 7);

	CHECK_EQ(sprat_mote_sa_init(&sa, 1, SPI, 0, test_key, test_key, 5), SPRAT_OK);
	CHECK_EQ(sprat_mote_seal(&sa, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_open(&sa, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_open(&sa, &frame.buf), SPRAT_E_ARGUMENT); /* it sends */
	CHECK_EQ(sprat_mote_sa_sn(&sa, NULL), SPRAT_E_NULL);
	frame.buf.start = sizeof frame.memory;
	CHECK_EQ(sprat_mote_seal(&sa, &frame.buf), SPRAT_E_ARGUMENT);
	frame.buf.data = NULL;
	CHECK_EQ(sprat_mote_seal(&sa, &frame.buf), SPRAT_E_NULL);
	CHECK_EQ(mote_sn(&sa), 5);

	sprat_mote_wipe(NULL);
	sprat_mote_wipe(&sa);
	CHECK(memcmp(&sa, &zero, sizeof sa) == 0);
	frame_set(&frame, packet, udp_packet(packet, 4, 16));
	CHECK_EQ(sprat_mote_seal(&sa, &frame.buf), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_sa_init(&sa, 0, SPI, 0, test_key, test_key, 0), SPRAT_OK);
	CHECK_EQ(sprat_mote_seal(&sa, &frame.buf), SPRAT_E_ARGUMENT); /* it receives */
	sprat_mote_wipe(&sa);
}

/* A mote seals, a host opens, and the other way round. */
static void with_a_host(int version, uint8_t implicit_iv)
{
	sprat_sa_params params = sa_params(SPRAT_IN, &transforms[implicit_iv]);
	sprat_sa *in = sa_make(&params);
	struct mote tx, rx;
	uint8_t packet[256];
	struct frame frame;

	params.direction = SPRAT_OUT;
	sprat_sa *out = sa_make(&params);
	mote_make(&tx, 1, implicit_iv, 0);
	mote_make(&rx, 0, implicit_iv, 0);
	for (size_t payload = 0; payload < 64; payload++) {
		const size_t len = udp_packet(packet, version, payload);
		const sprat_seal_args args = seal_args();
		sprat_result result = result_init();

		frame_set(&frame, packet, len);
		CHECK_EQ(sprat_mote_seal(&tx.sa, &frame.buf), SPRAT_OK);
		CHECK(!frame_leaks(&frame, packet + len - payload, payload));
		CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
		CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sn == payload + 1);
		CHECK(frame_holds(&frame, packet, len));

		CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
		CHECK_EQ(sprat_mote_open(&rx.sa, &frame.buf), SPRAT_OK);
		CHECK(frame_holds(&frame, packet, len));
	}
	CHECK(mote_sn(&tx.sa) == 64 && mote_sn(&rx.sa) == 64);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
	sprat_sa_free(in);
	sprat_sa_free(out);
}

static void drops(void)
{
	struct mote tx, rx;
	uint8_t packet[256];
	struct frame sealed, frame;
	const size_t len = udp_packet(packet, 4, 32);

	mote_make(&tx, 1, 0, 0);
	mote_make(&rx, 0, 0, 0);
	frame_set(&sealed, packet, len);
	CHECK_EQ(sprat_mote_seal(&tx.sa, &sealed.buf), SPRAT_OK);
	for (size_t at = 20; at < sealed.buf.len; at++) {
		frame = sealed;
		frame.buf.data = frame.memory;
		frame.memory[frame.buf.start + at] ^= 0x10;
		CHECK(sprat_mote_open(&rx.sa, &frame.buf) > 0);
		CHECK(!frame_leaks(&frame, packet + 28, 32));
	}
	frame = sealed;
	frame.buf.data = frame.memory;
	frame.buf.len -= 4;
	CHECK(sprat_mote_open(&rx.sa, &frame.buf) > 0);
	CHECK_EQ(mote_sn(&rx.sa), 0);
	frame = sealed;
	frame.buf.data = frame.memory;
	CHECK_EQ(sprat_mote_open(&rx.sa, &frame.buf), SPRAT_OK);
	frame = sealed;
	frame.buf.data = frame.memory;
	CHECK_EQ(sprat_mote_open(&rx.sa, &frame.buf), SPRAT_DROP_REPLAY);
	frame_set(&frame, packet, len);
	CHECK_EQ(sprat_mote_open(&rx.sa, &frame.buf), SPRAT_DROP_NO_SA);
	frame_set(&frame, packet, 0);
	CHECK_EQ(sprat_mote_open(&rx.sa, &frame.buf), SPRAT_DROP_NOT_IP);
	CHECK_EQ(sprat_mote_seal(&tx.sa, &frame.buf), SPRAT_DROP_NOT_IP);
	CHECK_EQ(mote_sn(&tx.sa), 1);
	mote_make(&tx, 1, 0, UINT32_MAX);
	frame_set(&frame, packet, len);
	CHECK_EQ(sprat_mote_seal(&tx.sa, &frame.buf), SPRAT_DROP_SN_EXHAUSTED);
	CHECK(frame_holds(&frame, packet, len));
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* 8 octets of ESP and 8 or 0 of IV in front, up to 13 behind. */
static void short_buffers(uint8_t implicit_iv)
{
	const size_t need_head = implicit_iv ? 8 : 16;
	struct mote tx;
	uint8_t packet[64], memory[16 + 64 + 16], before[sizeof memory];
	uint64_t sn = 0;

	mote_make(&tx, 1, implicit_iv, 0);
	for (size_t payload = 0; payload < 5; payload++) {
		const size_t len = udp_packet(packet, 4, payload);
		const size_t need_tail = (4 - (8 + payload + 2) % 4) % 4 + 2 + 8;

		for (size_t head = need_head - 1; head <= need_head + 1 && head <= 16; head++) {
			for (size_t tail = 0; tail <= need_tail + 1; tail++) {
				sprat_buf buf = { memory, head + len + tail, head, len };
				const int fits = head >= need_head && tail >= need_tail;

				memset(memory, 0xa5, sizeof memory);
				memcpy(memory + head, packet, len);
				memcpy(before, memory, sizeof memory);
				CHECK_EQ(sprat_mote_seal(&tx.sa, &buf), fits ? SPRAT_OK : SPRAT_E_SHORT);
				sn += (uint64_t)fits;
				CHECK_EQ(mote_sn(&tx.sa), sn);
				CHECK(fits || (memcmp(memory, before, sizeof memory) == 0 &&
				               buf.start == head && buf.len == len));
			}
		}
	}
	sprat_mote_wipe(&tx.sa);
}

void test_mote(void)
{
	CHECK_EQ(sprat_mote_sa_size(), sizeof(sprat_mote_sa));
	CHECK_EQ(sprat_mote_sa_size(), SPRAT_MOTE_SA_WORDS * 8);
	wrong_calls();
	with_a_host(4, 0);
	with_a_host(6, 0);
	with_a_host(4, 1);
	with_a_host(6, 1);
	drops();
	short_buffers(0);
	short_buffers(1);
}
