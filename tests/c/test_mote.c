/* The mote profile: an SA in the caller's memory, and against a host's SA. */
#include "common.h"

#define ROOM (SPRAT_MOTE_SEAL_ROOM + 16)

struct mote {
	sprat_mote_sa sa;
	uint8_t guard[16];
};

/* A packet at the start of a buffer, as motes have it. */
struct square {
	uint8_t octets[512];
	uint16_t len;
};

static void mote_make(struct mote *mote, uint8_t out, uint8_t implicit_iv, uint64_t last_sn)
{
	memset(mote, 0xee, sizeof *mote);
	CHECK_EQ(mote_init(&mote->sa, out, implicit_iv, last_sn), SPRAT_OK);
	for (size_t i = 0; i < sizeof mote->guard; i++)
		CHECK_EQ(mote->guard[i], 0xee);
}

static uint64_t mote_sn(const sprat_mote_sa *sa)
{
	uint64_t sn = UINT64_MAX;

	CHECK_EQ(sprat_mote_sa_sn(sa, &sn), SPRAT_OK);
	return sn;
}

static void square_set(struct square *square, const uint8_t *packet, size_t len)
{
	memset(square->octets, 0xa5, sizeof square->octets);
	memcpy(square->octets, packet, len);
	square->len = (uint16_t)len;
}

static int square_leaks(const struct square *square, const uint8_t *text, size_t len)
{
	for (size_t at = 0; at + 8 <= sizeof square->octets; at++)
		for (size_t from = 0; from + 8 <= len; from++)
			if (memcmp(square->octets + at, text + from, 8) == 0)
				return 1;
	return 0;
}

static int32_t seal(struct mote *mote, struct square *square)
{
	return sprat_mote_seal(&mote->sa, square->octets, &square->len, sizeof square->octets);
}

static int32_t open_it(struct mote *mote, struct square *square)
{
	return sprat_mote_open(&mote->sa, square->octets, &square->len, sizeof square->octets);
}

/* A context that contradicts itself, or what carries it. */
static void wrong_contexts(void)
{
	const sprat_mote_ehc good = SPRAT_MOTE_EHC_INIT;
	sprat_mote_path path = { .family = 4, .hop_limit = 64, .tunnel = 1 };
	sprat_mote_ehc ehc = good;
	sprat_mote_params params = { .spi = SPI, .out = 1, .key = test_key, .salt = test_key,
		.path = &path, .ehc = &ehc };
	sprat_mote_sa sa;

	ehc.flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER;
	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_E_EHC_OUTER_ID);
	path.family = 6;
	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_OK);
	ehc = good;
	ehc.reserved[2] = 1;
	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_E_ARGUMENT);
	ehc = good;
	ehc.dscp_count = 1;
	ehc.dscp_list[0] = 64;
	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_E_EHC_DSCP_LIST);
	ehc = good;
	params.sender_id_bits = 8;
	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_E_EHC_MULTI_SENDER);
}

static void wrong_params(void)
{
	const sprat_mote_params good = { .spi = SPI, .out = 1, .window = 64, .key = test_key,
		.salt = test_key };
	sprat_mote_port port = { 0 };
	sprat_mote_path path = { .family = 6, .hop_limit = 64, .tunnel = 1 };
	sprat_mote_ehc ehc = SPRAT_MOTE_EHC_INIT;
	sprat_mote_sa sa, zero;

	memset(&zero, 0, sizeof zero);
	CHECK_EQ(sprat_mote_sa_init(NULL, &good), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_sa_init(&sa, NULL), SPRAT_E_NULL);
#define REFUSES(error, change) \
	do { \
		sprat_mote_params params = good; \
		memset(&sa, 0xee, sizeof sa); \
		params.port = &port; \
		change; \
		CHECK_EQ(sprat_mote_sa_init(&sa, &params), error); \
		CHECK(error == SPRAT_OK || memcmp(&sa, &zero, sizeof sa) == 0); \
	} while (0)
	REFUSES(SPRAT_OK, (void)0);
	REFUSES(SPRAT_E_NULL, params.key = NULL);
	REFUSES(SPRAT_E_NULL, params.salt = NULL);
	REFUSES(SPRAT_E_ARGUMENT, params.out = 2);
	REFUSES(SPRAT_E_ARGUMENT, params.implicit_iv = 2);
	REFUSES(SPRAT_E_ARGUMENT, params.esn = 2);
	REFUSES(SPRAT_E_ARGUMENT, params.spi = 255);
	REFUSES(SPRAT_E_ARGUMENT, params.window = 48);
	REFUSES(SPRAT_E_ARGUMENT, params.reserved = 1);
	REFUSES(SPRAT_E_ARGUMENT, (params.out = 0, params.last_sn = (uint64_t)UINT32_MAX + 1));
	REFUSES(SPRAT_E_ARGUMENT, params.sender_id = 1);
	REFUSES(SPRAT_E_ARGUMENT, (params.sender_id_bits = 8, params.sender_id = 256));
	REFUSES(SPRAT_E_ARGUMENT, (params.sender_id_bits = 8, params.implicit_iv = 1));
	REFUSES(SPRAT_E_ARGUMENT, (params.sender_id_bits = 8, params.esn = 1));
	REFUSES(SPRAT_E_ARGUMENT, params.reserved_too = 1);
	REFUSES(SPRAT_E_ARGUMENT, port.reserved = 1);
	port.reserved = 0;
	REFUSES(SPRAT_E_ARGUMENT, port.ahead = 1);
	port.ahead = 0;
	REFUSES(SPRAT_OK, params.path = &path);
	path.hop_limit = 0;
	REFUSES(SPRAT_E_ARGUMENT, params.path = &path);
	path.hop_limit = 64;
	path.family = 5;
	REFUSES(SPRAT_E_ARGUMENT, params.path = &path);
	path.family = 6;
	path.no_ecn = 2;
	REFUSES(SPRAT_E_ARGUMENT, params.path = &path);
	path.no_ecn = 0;
	path.udp_source = 4500; /* and no destination port */
	REFUSES(SPRAT_E_ARGUMENT, params.path = &path);
	path.udp_source = 0;
	wrong_contexts();
	REFUSES(SPRAT_OK, (params.path = &path, params.ehc = &ehc));
	ehc.esp_spi_lsb = 33;
	REFUSES(SPRAT_E_EHC_LSB_RANGE, params.ehc = &ehc);
	ehc.esp_spi_lsb = 3;
	REFUSES(SPRAT_E_EHC_LSB_OCTETS, params.ehc = &ehc);
	ehc.esp_spi_lsb = 0;
	path.udp_destination = 4500;
	REFUSES(SPRAT_E_EHC_UDP, (params.path = &path, params.ehc = &ehc));
	ehc.dscp_cda = SPRAT_EHC_DSCP_SA;
	REFUSES(SPRAT_E_EHC_DSCP_LIST, params.ehc = &ehc);
	ehc.dscp_cda = 3;
	REFUSES(SPRAT_E_ARGUMENT, params.ehc = &ehc);
	ehc.dscp_cda = 0;
	ehc.source_ports[0] = 2;
	ehc.source_ports[1] = 1;
	REFUSES(SPRAT_E_EHC_SELECTOR, params.ehc = &ehc);
	ehc.source_ports[1] = 3;
	ehc.ip_version = 5;
	REFUSES(SPRAT_E_ARGUMENT, params.ehc = &ehc);
#undef REFUSES
}

static void wrong_calls(void)
{
	struct mote tx, rx;
	sprat_mote_sa zero;
	sprat_mote_flow flow;
	uint8_t packet[128];
	struct square square;
	uint64_t sn = 7;

	memset(&zero, 0, sizeof zero);
	square_set(&square, packet, udp_packet(packet, 6, 16));
	CHECK_EQ(sprat_mote_seal(NULL, square.octets, &square.len, 512), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_open(NULL, square.octets, &square.len, 512), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_sa_sn(NULL, &sn), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_seal(&zero, square.octets, &square.len, 512), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_open(&zero, square.octets, &square.len, 512), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_sa_sn(&zero, &sn), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_mote_is_for(&zero, square.octets, square.len), 0);
	CHECK_EQ(sprat_mote_is_for(NULL, NULL, 8), 0);
	CHECK_EQ(sprat_mote_flow_of(NULL, 8, &flow), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_flow_of(square.octets, square.len, NULL), SPRAT_E_NULL);
	CHECK_EQ(sn, 7);

	mote_make(&tx, 1, 0, 5);
	mote_make(&rx, 0, 0, 0);
	CHECK_EQ(sprat_mote_seal(&tx.sa, NULL, &square.len, 512), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_seal(&tx.sa, square.octets, NULL, 512), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_seal(&tx.sa, square.octets, &square.len, 8), SPRAT_E_ARGUMENT);
	CHECK_EQ(open_it(&tx, &square), SPRAT_E_ARGUMENT); /* it sends */
	CHECK_EQ(seal(&rx, &square), SPRAT_E_ARGUMENT); /* it receives */
	CHECK_EQ(sprat_mote_sa_sn(&tx.sa, NULL), SPRAT_E_NULL);
	CHECK_EQ(mote_sn(&tx.sa), 5);
	sprat_mote_wipe(NULL);
	sprat_mote_wipe(&tx.sa);
	CHECK(memcmp(&tx.sa, &zero, sizeof zero) == 0);
	CHECK_EQ(seal(&tx, &square), SPRAT_E_ARGUMENT);
	sprat_mote_wipe(&rx.sa);
}

/* A mote seals, a host opens, and the other way round. */
static void with_a_host(int version, uint8_t implicit_iv)
{
	sprat_sa_params params = sa_params(SPRAT_IN, &transforms[implicit_iv]);
	sprat_sa *in = sa_make(&params);
	struct mote tx, rx;
	uint8_t packet[256];
	struct frame frame;
	struct square square;

	params.direction = SPRAT_OUT;
	sprat_sa *out = sa_make(&params);
	mote_make(&tx, 1, implicit_iv, 0);
	mote_make(&rx, 0, implicit_iv, 0);
	for (size_t payload = 0; payload < 64; payload++) {
		const size_t len = udp_packet(packet, version, payload);
		const sprat_seal_args args = seal_args();
		sprat_result result = result_init();

		square_set(&square, packet, len);
		CHECK_EQ(seal(&tx, &square), SPRAT_OK);
		CHECK(!square_leaks(&square, packet + len - payload, payload));
		frame_set(&frame, square.octets, square.len);
		CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
		CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sn == payload + 1);
		CHECK(frame_holds(&frame, packet, len));

		CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
		square_set(&square, frame_packet(&frame), frame.buf.len);
		CHECK_EQ(sprat_mote_is_for(&rx.sa, square.octets, square.len), 1);
		CHECK_EQ(sprat_mote_is_for(&tx.sa, square.octets, square.len), 1);
		CHECK_EQ(open_it(&rx, &square), SPRAT_OK);
		CHECK(square.len == len && memcmp(square.octets, packet, len) == 0);
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
	struct square sealed, square;
	const size_t len = udp_packet(packet, 4, 32);

	mote_make(&tx, 1, 0, 0);
	mote_make(&rx, 0, 0, 0);
	square_set(&sealed, packet, len);
	CHECK_EQ(seal(&tx, &sealed), SPRAT_OK);
	for (size_t at = 20; at < sealed.len; at++) {
		square = sealed;
		square.octets[at] ^= 0x10;
		CHECK(open_it(&rx, &square) > 0);
		CHECK(!square_leaks(&square, packet + 28, 32));
	}
	square = sealed;
	square.len -= 4;
	CHECK(open_it(&rx, &square) > 0);
	CHECK_EQ(mote_sn(&rx.sa), 0);
	square = sealed;
	CHECK_EQ(open_it(&rx, &square), SPRAT_OK);
	square = sealed;
	CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_REPLAY);
	square_set(&square, packet, len);
	CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_NO_SA);
	square_set(&square, packet, 0);
	CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_NOT_IP);
	CHECK_EQ(seal(&tx, &square), SPRAT_DROP_NOT_IP);
	CHECK_EQ(mote_sn(&tx.sa), 1);
	mote_make(&tx, 1, 0, UINT32_MAX);
	square_set(&square, packet, len);
	CHECK_EQ(seal(&tx, &square), SPRAT_DROP_SN_EXHAUSTED);
	CHECK(square.len == len && memcmp(square.octets, packet, len) == 0);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* A receiver that starts again behind a number takes none that it may have taken. */
static void begun_again(void)
{
	enum { SENT = 70, LAST = 66 };
	struct mote tx, rx;
	struct square sealed[SENT + 1], square;
	uint8_t packet[64];
	const size_t len = udp_packet(packet, 6, 4);

	mote_make(&tx, 1, 0, 0);
	mote_make(&rx, 0, 0, LAST);
	for (size_t sn = 1; sn <= SENT; sn++) {
		square_set(&sealed[sn], packet, len);
		CHECK_EQ(seal(&tx, &sealed[sn]), SPRAT_OK);
	}
	for (size_t sn = 1; sn <= LAST; sn++) {
		square = sealed[sn];
		CHECK_EQ(open_it(&rx, &square),
		         sn + 64 <= LAST ? SPRAT_DROP_TOO_OLD : SPRAT_DROP_REPLAY);
	}
	CHECK_EQ(mote_sn(&rx.sa), LAST);
	for (size_t sn = SENT; sn > LAST; sn--) {
		square = sealed[sn];
		CHECK_EQ(open_it(&rx, &square), SPRAT_OK);
	}
	square = sealed[LAST];
	CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_REPLAY);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* What the path says holds, to the octet. */
static void paths(void)
{
	sprat_mote_path path = { .udp_source = 4501, .udp_destination = 4500 };
	sprat_mote_params params = { .spi = SPI, .out = 1, .window = 64, .key = test_key,
		.salt = test_key, .path = &path };
	struct mote tx, rx;
	struct square sealed, square;
	uint8_t packet[64];
	const size_t len = udp_packet(packet, 6, 4);
	/* UDP, ESP, IV, two octets of padding, trailer and ICV. */
	const uint16_t need = (uint16_t)(len + 8 + 8 + 8 + 2 + 2 + 8);

	CHECK_EQ(sprat_mote_sa_init(&tx.sa, &params), SPRAT_OK);
	params.out = 0;
	CHECK_EQ(sprat_mote_sa_init(&rx.sa, &params), SPRAT_OK);
	path.mtu = (uint16_t)(need - 1);
	square_set(&square, packet, len);
	CHECK_EQ(seal(&tx, &square), SPRAT_DROP_TOO_BIG);
	CHECK(mote_sn(&tx.sa) == 0 && square.len == len);
	path.mtu = need;
	CHECK_EQ(seal(&tx, &square), SPRAT_OK);
	CHECK_EQ(square.len, need);
	sealed = square;

	square.octets[43] ^= 1; /* another port */
	CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_NO_SA);
	for (uint8_t more = 1; more < 20; more++) {
		square = sealed;
		square.octets[45] = (uint8_t)(square.octets[45] + more); /* beyond the packet's end */
		CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_NO_SA);
	}
	CHECK_EQ(mote_sn(&rx.sa), 0);
	square = sealed;
	square.octets[41] ^= 1; /* its source port is a translator's to change */
	CHECK_EQ(open_it(&rx, &square), SPRAT_OK);
	CHECK(square.len == len && memcmp(square.octets, packet, len) == 0);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* Seals by one SA what the other opens, with the same key and SPI. */
static int32_t across(sprat_mote_params from, sprat_mote_params to, struct square *square)
{
	struct mote tx, rx;
	int32_t verdict;

	from.spi = to.spi = SPI;
	from.key = from.salt = to.key = to.salt = test_key;
	from.out = 1;
	to.window = 64;
	CHECK_EQ(sprat_mote_sa_init(&tx.sa, &from), SPRAT_OK);
	CHECK_EQ(sprat_mote_sa_init(&rx.sa, &to), SPRAT_OK);
	CHECK_EQ(seal(&tx, square), SPRAT_OK);
	verdict = open_it(&rx, square);
	/* Whatever is inside, the number is used up. */
	CHECK_EQ(mote_sn(&rx.sa), 1);
	for (size_t i = 0; verdict != SPRAT_OK && i < sizeof square->octets; i++)
		CHECK_EQ(square->octets[i], 0);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
	return verdict;
}

/* An IPv6 packet in another one that calls it `protocol`, and octets behind it. */
static size_t in_another(struct square *square, uint8_t protocol, uint8_t behind)
{
	uint8_t packet[256];
	const size_t inner = udp_packet(packet + 40, 6, 4);

	memset(packet + 40 + inner, 0, behind);
	memcpy(packet, packet + 40, 40);
	packet[5] = (uint8_t)(inner + behind);
	packet[6] = protocol;
	square_set(square, packet, 40 + inner + behind);
	return inner;
}

/* A peer that holds the key and says what was not agreed. */
static void untrue_peers(void)
{
	const sprat_mote_params plain = { 0 };
	const sprat_mote_path path = { .tunnel = 1, .family = 6, .hop_limit = 64 };
	sprat_mote_ehc ehc = SPRAT_MOTE_EHC_INIT;
	sprat_mote_params tunnel = { .path = &path }, diet = { .ehc = &ehc };
	struct square square;
	uint8_t packet[64];
	size_t inner = in_another(&square, 41, 0);

	CHECK_EQ(across(plain, tunnel, &square), SPRAT_OK);
	CHECK_EQ(square.len, inner);
	inner = in_another(&square, 41, 11); /* TFC padding */
	CHECK_EQ(across(plain, tunnel, &square), SPRAT_OK);
	CHECK_EQ(square.len, inner);
	in_another(&square, 4, 0);
	CHECK_EQ(across(plain, tunnel, &square), SPRAT_DROP_BAD_INNER);
	in_another(&square, 59, 0);
	CHECK_EQ(across(plain, tunnel, &square), SPRAT_DROP_DUMMY);

	/* Diet-ESP that leaves nothing out is ESP. */
	ehc.iipc_profile = SPRAT_EHC_IIPC_NOT_COMPRESSED;
	ehc.esp_trailer = SPRAT_EHC_TRAILER_MANDATORY;
	ehc.alignment = SPRAT_EHC_ALIGNMENT_32_BIT;
	ehc.protocol = 17;
	square_set(&square, packet, udp_packet(packet, 6, 4));
	CHECK_EQ(across(plain, diet, &square), SPRAT_OK);
	ehc.destination_ports[1] = 5683; /* one less than the packet's */
	square_set(&square, packet, udp_packet(packet, 6, 4));
	CHECK_EQ(across(plain, diet, &square), SPRAT_DROP_SELECTOR);
	packet[6] = 58;
	square_set(&square, packet, 52);
	CHECK_EQ(across(plain, diet, &square), SPRAT_DROP_BAD_INNER);

	/* Less than the headers that are sent. */
	ehc.iipc_profile = SPRAT_EHC_IIPC_DIET_ESP;
	diet.path = &path;
	packet[6] = 41;
	square_set(&square, packet, 52);
	CHECK_EQ(across(plain, diet, &square), SPRAT_DROP_EHC_RESIDUE);
}

/* What is refused in front of the ICV, by itself: nothing has moved. */
static void in_front_of_the_icv(void)
{
	struct mote tx, rx;
	struct square sealed, square;
	uint8_t packet[64];

	mote_make(&tx, 1, 0, 0);
	mote_make(&rx, 0, 0, 0);
	square_set(&sealed, packet, udp_packet(packet, 6, 4));
	CHECK_EQ(seal(&tx, &sealed), SPRAT_OK);
	for (uint8_t less = 1; less < 4; less++) { /* not of 32-bit words */
		square = sealed;
		square.len = (uint16_t)(square.len - less);
		square.octets[5] = (uint8_t)(square.octets[5] - less);
		CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_MALFORMED);
	}
	square = sealed;
	memmove(square.octets + 48, sealed.octets + 40, sealed.len - 40u);
	memset(square.octets + 40, 0, 8);
	square.octets[5] = (uint8_t)(square.octets[5] + 8);
	square.octets[6] = 44;
	square.octets[40] = 50;
	square.octets[43] = 1; /* the first fragment of more */
	square.len = (uint16_t)(square.len + 8);
	CHECK_EQ(sprat_mote_is_for(&rx.sa, square.octets, square.len), 0);
	CHECK_EQ(open_it(&rx, &square), SPRAT_DROP_NO_SA);
	square.octets[43] = 0; /* all of it */
	CHECK_EQ(open_it(&rx, &square), SPRAT_OK);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* Room for headers that were left out is asked for before the number is used. */
static void room_to_restore(void)
{
	sprat_mote_ehc ehc = SPRAT_MOTE_EHC_INIT;
	const sprat_mote_path path = { .tunnel = 1, .family = 4, .hop_limit = 64 };
	sprat_mote_params params = { .spi = SPI, .out = 1, .window = 64, .implicit_iv = 1,
		.key = test_key, .salt = test_key, .path = &path, .ehc = &ehc };
	struct mote tx, rx;
	struct square sealed, square;
	uint8_t packet[64];
	const size_t len = udp_packet(packet, 6, 4);

	memcpy(ehc.source_first, packet + 8, 16);
	memcpy(ehc.source_last, packet + 8, 16);
	memcpy(ehc.destination_first, packet + 24, 16);
	memcpy(ehc.destination_last, packet + 24, 16);
	ehc.protocol = 17;
	ehc.alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
	ehc.esp_spi_lsb = ehc.esp_sn_lsb = 8;
	CHECK_EQ(sprat_mote_sa_init(&tx.sa, &params), SPRAT_OK);
	params.out = 0;
	CHECK_EQ(sprat_mote_sa_init(&rx.sa, &params), SPRAT_OK);
	square_set(&sealed, packet, len);
	CHECK_EQ(seal(&tx, &sealed), SPRAT_OK);
	CHECK(sealed.len < len); /* so that opening needs room */
	for (size_t capacity = sealed.len; capacity < sizeof square.octets; capacity++) {
		int32_t verdict;

		square = sealed;
		verdict = sprat_mote_open(&rx.sa, square.octets, &square.len, (uint16_t)capacity);
		if (verdict == SPRAT_OK) {
			CHECK(capacity >= len && capacity - sealed.len <= SPRAT_MOTE_OPEN_ROOM);
			break;
		}
		CHECK_EQ(verdict, SPRAT_DROP_NO_ROOM);
		CHECK(mote_sn(&rx.sa) == 0 && memcmp(&square, &sealed, sizeof square) == 0);
	}
	CHECK(mote_sn(&rx.sa) == 1 && square.len == len);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* A tunnel that has nothing to do with ECN neither shows it nor heeds it (RFC 6040). */
static void without_ecn(uint8_t no_ecn)
{
	const sprat_mote_path path = { .tunnel = 1, .family = 6, .hop_limit = 64, .no_ecn = no_ecn };
	sprat_mote_params params = { .spi = SPI, .out = 1, .window = 64, .key = test_key,
		.salt = test_key, .path = &path };
	struct mote tx, rx;
	struct square square;
	uint8_t packet[64];

	CHECK_EQ(sprat_mote_sa_init(&tx.sa, &params), SPRAT_OK);
	params.out = 0;
	CHECK_EQ(sprat_mote_sa_init(&rx.sa, &params), SPRAT_OK);
	square_set(&square, packet, udp_packet(packet, 6, 4));
	square.octets[1] = 0x20; /* ECT(0) */
	CHECK_EQ(seal(&tx, &square), SPRAT_OK);
	CHECK_EQ(square.octets[1], no_ecn ? 0 : 0x20);
	square.octets[1] = 0x30; /* the network says CE */
	CHECK_EQ(open_it(&rx, &square), SPRAT_OK);
	CHECK_EQ(square.octets[1], no_ecn ? 0x20 : 0x30);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* Without anti-replay a compressed number is read for as late as the context says. */
static void late_numbers(void)
{
	enum { SENT = 100, LATE = 16 };
	sprat_mote_ehc ehc = SPRAT_MOTE_EHC_INIT;
	sprat_mote_params params = { .spi = SPI, .out = 1, .key = test_key, .salt = test_key,
		.ehc = &ehc };
	struct mote tx, rx;
	struct square sealed[SENT + 1];
	uint8_t packet[64];
	const size_t len = udp_packet(packet, 6, 4);

	ehc.esp_sn_lsb = 8;
	ehc.reorder = LATE;
	CHECK_EQ(sprat_mote_sa_init(&tx.sa, &params), SPRAT_OK);
	params.out = 0;
	CHECK_EQ(sprat_mote_sa_init(&rx.sa, &params), SPRAT_OK);
	for (size_t sn = 1; sn <= SENT; sn++) {
		square_set(&sealed[sn], packet, len);
		CHECK_EQ(seal(&tx, &sealed[sn]), SPRAT_OK);
	}
	CHECK_EQ(open_it(&rx, &sealed[SENT]), SPRAT_OK);
	CHECK_EQ(open_it(&rx, &sealed[SENT - LATE + 1]), SPRAT_OK);
	CHECK_EQ(open_it(&rx, &sealed[SENT - LATE]), SPRAT_DROP_INTEGRITY);
	sprat_mote_wipe(&tx.sa);
	sprat_mote_wipe(&rx.sa);
}

/* The sender's identifier is in front in the IV, the counter behind (RFC 6054). */
static void senders(uint8_t bits, uint16_t id, const uint8_t *iv)
{
	sprat_mote_params params = { .spi = SPI, .out = 1, .key = test_key, .salt = test_key,
		.sender_id_bits = bits, .sender_id = id, .last_sn = 0x01020303 };
	struct square square;
	struct mote tx;
	uint8_t packet[64];

	CHECK_EQ(sprat_mote_sa_init(&tx.sa, &params), SPRAT_OK);
	square_set(&square, packet, udp_packet(packet, 6, 4));
	CHECK_EQ(seal(&tx, &square), SPRAT_OK);
	CHECK(memcmp(square.octets + 48, iv, 8) == 0);
	sprat_mote_wipe(&tx.sa);
}

/* 8 octets of ESP and 8 or 0 of IV, padding, trailer and ICV. */
static void short_buffers(uint8_t implicit_iv)
{
	struct mote tx;
	uint8_t packet[64], memory[64 + ROOM], before[sizeof memory];
	uint64_t sn = 0;

	mote_make(&tx, 1, implicit_iv, 0);
	for (size_t payload = 0; payload < 5; payload++) {
		const size_t len = udp_packet(packet, 4, payload);
		const size_t need = len + (implicit_iv ? 8 : 16) +
		                    (4 - (8 + payload + 2) % 4) % 4 + 2 + 8;

		for (size_t capacity = len; capacity <= need + 1; capacity++) {
			uint16_t length = (uint16_t)len;
			const int fits = capacity >= need;

			memset(memory, 0xa5, sizeof memory);
			memcpy(memory, packet, len);
			memcpy(before, memory, sizeof memory);
			CHECK_EQ(sprat_mote_seal(&tx.sa, memory, &length, (uint16_t)capacity),
			         fits ? SPRAT_OK : SPRAT_DROP_NO_ROOM);
			sn += (uint64_t)fits;
			CHECK_EQ(mote_sn(&tx.sa), sn);
			CHECK(fits ? length == need : length == len);
			CHECK(memcmp(memory + capacity, before + capacity, sizeof memory - capacity) == 0);
			CHECK(fits || memcmp(memory, before, sizeof memory) == 0);
		}
	}
	sprat_mote_wipe(&tx.sa);
}

/*
 * Storage of four slots where the power may fail: after `octets_left` octets of
 * writing, counted over all writes, nothing is written any more and nothing is
 * said to be. What is half written is as it comes: the new octets, and behind
 * them the old ones or what an erased flash shows.
 */
struct store {
	uint8_t slots[4][16];
	uint32_t octets_left;
	uint8_t erases;
	uint32_t first_slot;
	uint32_t unreadable; /* this slot + 1 cannot be read now */
	sprat_mote_nvm nvm;
};

static int32_t store_read(void *context, uint32_t slot, uint8_t *record)
{
	const struct store *store = (const struct store *)context;

	if (slot >= 4 || slot + 1 == store->unreadable)
		return -1;
	memcpy(record, store->slots[slot], 16);
	return 0;
}

static int32_t store_write(void *context, uint32_t slot, const uint8_t *record)
{
	struct store *store = (struct store *)context;

	if (slot >= 4 || store->octets_left == 0)
		return -1;
	if (store->erases)
		memset(store->slots[slot], 0xff, 16);
	for (size_t i = 0; i < 16; i++) {
		if (store->octets_left == 0)
			return -1;
		store->octets_left--;
		store->slots[slot][i] = record[i];
	}
	return 0;
}

static int32_t keep(void *context, uint32_t spi, uint64_t number)
{
	const struct store *store = (const struct store *)context;

	return sprat_mote_nvm_store(&store->nvm, spi, store->first_slot, number);
}

static uint64_t kept(const struct store *store, uint32_t spi)
{
	uint64_t number = 0;
	const int32_t status = sprat_mote_nvm_load(&store->nvm, spi, store->first_slot, &number);

	CHECK(status == SPRAT_OK || (status == SPRAT_E_NOT_FOUND && number == 0));
	return number;
}

/* Seals until nothing goes out any more; the numbers used are marked. */
static void until_dark(struct store *store, uint8_t *used, size_t most, uint32_t ahead)
{
	const sprat_mote_port port = { .store = keep, .context = store, .ahead = ahead };
	const sprat_mote_params params = { .spi = SPI, .out = 1, .key = test_key, .salt = test_key,
		.last_sn = kept(store, SPI), .port = &port };
	sprat_mote_sa sa;
	uint8_t packet[64];
	struct square square;
	const size_t len = udp_packet(packet, 6, 4);

	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_OK);
	for (size_t i = 0; i < 40; i++) {
		square_set(&square, packet, len);
		const uint64_t before = mote_sn(&sa);
		const int32_t status = sprat_mote_seal(&sa, square.octets, &square.len, 512);
		const uint64_t number = mote_sn(&sa);

		if (status != SPRAT_OK) {
			CHECK_EQ(status, SPRAT_DROP_SN_UNRESERVED);
			CHECK(number == before && square.len == len);
			CHECK(memcmp(square.octets, packet, len) == 0);
			break;
		}
		CHECK(number < most && !used[number]);
		if (number < most)
			used[number] = 1;
	}
	sprat_mote_wipe(&sa);
}

/* Power fails at every octet of the writes, and again at every octet of those that follow. */
static void every_cut(uint8_t erases, uint32_t ahead)
{
	enum { OCTETS = 6 * 16 };

	for (uint32_t first = 0; first <= OCTETS; first++) {
		for (uint32_t second = 0; second <= 40; second++) {
			struct store store = { .octets_left = first, .erases = erases, .first_slot = 2 };
			uint8_t used[1024] = { 0 };

			memset(store.slots, 0xff, sizeof store.slots);
			store.nvm = (sprat_mote_nvm){ store_read, store_write, &store };
			until_dark(&store, used, sizeof used, ahead);
			store.octets_left = second;
			until_dark(&store, used, sizeof used, ahead);
			store.octets_left = UINT32_MAX;
			until_dark(&store, used, sizeof used, ahead);
			/* The power that stays on lets every packet out. */
			size_t sent = 0;
			for (size_t i = 0; i < sizeof used; i++)
				sent += used[i];
			CHECK(sent >= 40);
			CHECK(store.slots[0][0] == 0xff && store.slots[1][15] == 0xff);
		}
	}
}

/*
 * A slot that cannot be read now may hold the higher number: neither a start below
 * it nor a write over it.
 */
static void unreadable(uint32_t slot)
{
	struct store store = { .octets_left = UINT32_MAX, .unreadable = 0 };
	struct store before;
	uint64_t number = 7;

	store.nvm = (sprat_mote_nvm){ store_read, store_write, &store };
	CHECK_EQ(keep(&store, SPI, 64), SPRAT_OK);
	CHECK_EQ(keep(&store, SPI, 128), SPRAT_OK);
	store.unreadable = slot + 1;
	before = store;
	CHECK_EQ(sprat_mote_nvm_load(&store.nvm, SPI, 0, &number), SPRAT_E_INTERNAL);
	CHECK_EQ(number, 7);
	CHECK_EQ(keep(&store, SPI, 192), SPRAT_E_INTERNAL);
	CHECK(memcmp(store.slots, before.slots, sizeof store.slots) == 0);
	store.unreadable = 0;
	CHECK_EQ(kept(&store, SPI), 128);
}

/* An SA that began too low sends nothing: its numbers were used. */
static void begun_too_low(void)
{
	struct store store = { .octets_left = UINT32_MAX };
	const sprat_mote_port port = { .store = keep, .context = &store, .ahead = 64 };
	sprat_mote_params params = { .spi = SPI, .out = 1, .key = test_key, .salt = test_key,
		.port = &port };
	sprat_mote_sa sa;
	uint8_t packet[64];
	struct square square;
	const size_t len = udp_packet(packet, 6, 4);

	store.nvm = (sprat_mote_nvm){ store_read, store_write, &store };
	for (uint64_t last = 64; last <= 128; last += 64) {
		CHECK_EQ(keep(&store, SPI, last), SPRAT_OK);
		CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_OK);
		square_set(&square, packet, len);
		CHECK_EQ(sprat_mote_seal(&sa, square.octets, &square.len, 512),
		         SPRAT_DROP_SN_UNRESERVED);
		CHECK_EQ(kept(&store, SPI), last);
	}
	params.last_sn = 128;
	CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_OK);
	square_set(&square, packet, len);
	CHECK_EQ(sprat_mote_seal(&sa, square.octets, &square.len, 512), SPRAT_OK);
	CHECK_EQ(kept(&store, SPI), 192);
	sprat_mote_wipe(&sa);
}

/* Numbers are written ahead beyond the last; after a start it is known that none is left. */
static void written_beyond_the_end(void)
{
	struct store store = { .octets_left = UINT32_MAX };
	const sprat_mote_port port = { .store = keep, .context = &store, .ahead = 64 };
	sprat_mote_params params = { .spi = SPI, .out = 1, .key = test_key, .salt = test_key,
		.port = &port, .last_sn = UINT32_MAX - 1 };
	sprat_mote_sa sa;
	uint8_t packet[64];
	struct square square;
	const size_t len = udp_packet(packet, 6, 4);

	store.nvm = (sprat_mote_nvm){ store_read, store_write, &store };
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sprat_mote_sa_init(&sa, &params), SPRAT_OK);
		square_set(&square, packet, len);
		CHECK_EQ(sprat_mote_seal(&sa, square.octets, &square.len, 512),
		         i == 0 ? SPRAT_OK : SPRAT_DROP_SN_EXHAUSTED);
		params.last_sn = kept(&store, SPI);
		CHECK(params.last_sn > UINT32_MAX);
	}
	sprat_mote_wipe(&sa);
}

/* Takes what it is given, says so, and keeps nothing. */
static int32_t store_lies(void *context, uint32_t slot, const uint8_t *record)
{
	(void)context;
	(void)slot;
	(void)record;
	return 0;
}

static void storage(void)
{
	struct store store = { .octets_left = UINT32_MAX };
	uint64_t number = 7;

	store.nvm = (sprat_mote_nvm){ store_read, store_write, &store };
	CHECK_EQ(sprat_mote_nvm_load(NULL, SPI, 0, &number), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_nvm_load(&store.nvm, SPI, 0, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_nvm_store(NULL, SPI, 0, 1), SPRAT_E_NULL);
	CHECK_EQ(sprat_mote_nvm_load(&store.nvm, SPI, 0, &number), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_mote_nvm_store(&store.nvm, SPI, 9, 1), SPRAT_E_INTERNAL);
	CHECK_EQ(number, 7);
	CHECK_EQ(sprat_mote_nvm_store(&store.nvm, SPI, 0, 5), SPRAT_OK);
	CHECK_EQ(kept(&store, SPI), 5);
	CHECK_EQ(kept(&store, SPI + 1), 0); /* another SA's record */
	CHECK_EQ(sprat_mote_nvm_store(&store.nvm, SPI, 0, 9), SPRAT_OK);
	store.slots[1][3] ^= 1; /* the newer one is spoilt: the older one counts */
	CHECK_EQ(kept(&store, SPI), 5);
	store.nvm.write = store_lies;
	CHECK_EQ(sprat_mote_nvm_store(&store.nvm, SPI, 0, 12), SPRAT_E_INTERNAL);
	store.nvm.read = NULL;
	CHECK_EQ(sprat_mote_nvm_load(&store.nvm, SPI, 0, &number), SPRAT_E_INTERNAL);
	unreadable(0);
	unreadable(1);
	begun_too_low();
	written_beyond_the_end();
	every_cut(0, 3);
	every_cut(1, 3);
	every_cut(1, 1);
}

/* What selectors see of extension headers, and of a source route under way. */
static void flows(void)
{
	static const uint8_t route[] = {
		0x60, 0, 0, 0, 0, 32, 43, 64,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* source */
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, /* the first hop */
		50, 2, 3, 1, 0, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
		0, 0, 0x10, 1, 0, 0, 0, 1,
	};
	uint8_t packet[sizeof route];
	sprat_mote_flow flow;

	memcpy(packet, route, sizeof route);
	CHECK_EQ(sprat_mote_flow_of(packet, sizeof packet, &flow), SPRAT_OK);
	CHECK(flow.protocol == 50 && flow.upper_at == 64 && flow.total == 72 && flow.version == 6);
	CHECK(flow.segments_left == 1 && !memcmp(flow.source, packet + 8, 16));
	CHECK(!memcmp(flow.destination, packet + 48, 16));
	CHECK(flow.has_ports == 0 && flow.fragment == 0);
	packet[43] = 0; /* it has arrived */
	CHECK_EQ(sprat_mote_flow_of(packet, sizeof packet, &flow), SPRAT_OK);
	CHECK(flow.segments_left == 0 && !memcmp(flow.destination, packet + 24, 16));
	packet[43] = 1;
	packet[44] = 0x9a; /* 6 octets of the last address stand in the route */
	packet[45] = 0x10; /* in front of one of padding */
	CHECK_EQ(sprat_mote_flow_of(packet, sizeof packet, &flow), SPRAT_OK);
	CHECK(!memcmp(flow.destination, packet + 24, 10));
	CHECK(!memcmp(flow.destination + 10, packet + 57, 6));
	packet[44] = packet[45] = 0xf0; /* no room for 16 octets beside 15 of padding */
	CHECK_EQ(sprat_mote_flow_of(packet, sizeof packet, &flow), SPRAT_DROP_NOT_IP);
	packet[41] = 4; /* beyond the end */
	CHECK_EQ(sprat_mote_flow_of(packet, sizeof packet, &flow), SPRAT_DROP_NOT_IP);
	packet[41] = 2;
	CHECK_EQ(sprat_mote_flow_of(packet, sizeof packet - 1, &flow), SPRAT_DROP_NOT_IP);
	CHECK_EQ(sprat_mote_flow_of(NULL, 0, &flow), SPRAT_DROP_NOT_IP);
}

/* A fragment stays one, whatever Fragment header is inside it. */
static void fragments_in_fragments(void)
{
	uint8_t plain[64], packet[64 + 16];
	sprat_mote_flow flow;
	const size_t len = udp_packet(plain, 6, 4) + 16;

	memcpy(packet, plain, 40);
	memset(packet + 40, 0, 16);
	memcpy(packet + 56, plain + 40, len - 56);
	packet[5] = (uint8_t)(len - 40);
	packet[6] = packet[40] = 44;
	packet[48] = 17;
	CHECK_EQ(sprat_mote_flow_of(packet, (uint16_t)len, &flow), SPRAT_OK);
	CHECK(flow.fragment == 0 && flow.protocol == 17 && flow.has_ports == 1 && flow.upper_at == 56);
	packet[43] = 1; /* more fragments; the header inside says that there are none */
	CHECK_EQ(sprat_mote_flow_of(packet, (uint16_t)len, &flow), SPRAT_OK);
	CHECK(flow.fragment == 1 && flow.protocol == 17 && flow.has_ports == 1);
	packet[40] = 17;
	packet[43] = 8; /* a later one, in which nothing is read */
	CHECK_EQ(sprat_mote_flow_of(packet, (uint16_t)len, &flow), SPRAT_OK);
	CHECK(flow.fragment == 1 && flow.protocol == 44 && flow.has_ports == 0);
}

void test_mote(void)
{
	CHECK_EQ(sprat_mote_sa_size(), sizeof(sprat_mote_sa));
	wrong_params();
	wrong_calls();
	with_a_host(4, 0);
	with_a_host(6, 0);
	with_a_host(4, 1);
	with_a_host(6, 1);
	drops();
	short_buffers(0);
	short_buffers(1);
	begun_again();
	paths();
	untrue_peers();
	in_front_of_the_icv();
	room_to_restore();
	without_ecn(0);
	without_ecn(1);
	late_numbers();
	senders(8, 0x7a, (const uint8_t *)"\x7a\0\0\0\1\2\3\4");
	senders(16, 0x7a5b, (const uint8_t *)"\x7a\x5b\0\0\1\2\3\4");
	storage();
	flows();
	fragments_in_fragments();
}
