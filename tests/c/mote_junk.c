/*
 * mote_junk [SEED [ROUNDS]]: motes' SAs of every kind, and packets that nobody sane
 * sends, each in memory of exactly its size. What is refused has used no number and
 * is as it was, or zeroed where it was authentic. The glue sees the same packets.
 */
#include <inttypes.h>

#include "common.h"
#include "dice.h"
#include "sprat_glue.h"

unsigned checks_made, checks_failed;

/* Both ends of an SA, and what they were lent. */
struct ends {
	sprat_mote_params params;
	sprat_mote_port port;
	sprat_mote_path path;
	sprat_mote_ehc ehc, other_ehc;
	sprat_mote_counters counters;
	sprat_mote_sa out, in;
	unsigned stores, calls;
	int32_t store_says;
};

/* A packet and the memory it is in. */
struct piece {
	uint8_t *octets;
	uint16_t length, capacity;
};

static unsigned sealed_count, opened_count, refused_count, zeroed_count, glue_changed;

static int32_t counted_store(void *context, uint32_t spi, uint64_t number)
{
	struct ends *ends = (struct ends *)context;

	CHECK(spi == ends->params.spi && number != 0);
	ends->stores++;
	return ends->store_says;
}

static uint64_t some_number(int esn)
{
	static const uint64_t edges[] = { 0, 1, 31, 63, 64, UINT32_MAX - 40u, UINT32_MAX,
		UINT64_C(0x100000000), UINT64_C(0x10000003f), UINT64_MAX - 70, UINT64_MAX };
	const uint64_t number = dice(4) ? edges[dice(esn ? 11 : 7)] : dice(100000);

	return dice(2) || number > UINT64_MAX - 40 ? number : number + dice(40);
}

static void some_ports(uint16_t *range, uint16_t port)
{
	const uint32_t kind = dice(3);

	range[0] = kind == 0 ? 0 : (uint16_t)(port - (kind == 1 ? dice(40) : 0));
	range[1] = kind == 0 ? 65535 : (uint16_t)(port + (kind == 1 ? dice(40) : 0));
}

static void some_context(sprat_mote_ehc *ehc)
{
	const sprat_mote_ehc any = SPRAT_MOTE_EHC_INIT;
	static const uint8_t protocols[] = { 0, 17, 17, 17, 6, 132, 136, 58 };

	*ehc = any;
	ehc->ip_version = dice(3) ? 6 : 4;
	ehc->iipc_profile = dice(8) == 0;
	ehc->dscp_cda = (uint8_t)dice(3);
	ehc->dscp_count = ehc->dscp_cda == 2 ? (uint8_t)(1 + dice(8)) : 0;
	for (int i = 1; i < 8; i++)
		ehc->dscp_list[i] = (uint8_t)dice(64);
	ehc->ecn_cda = (uint8_t)dice(2);
	ehc->flow_label_cda = (uint8_t)dice(4);
	ehc->alignment = (uint8_t)dice(4);
	ehc->esp_trailer = (uint8_t)dice(2);
	ehc->esp_spi_lsb = (uint8_t)dice(33);
	ehc->esp_sn_lsb = (uint8_t)((8 - ehc->esp_spi_lsb % 8) % 8 + 8 * dice(4));
	ehc->no_guard = (uint8_t)dice(2);
	ehc->reorder = (uint8_t)dice(256);
	ehc->protocol = protocols[dice(8)];
	some_ports(ehc->source_ports, 5683);
	some_ports(ehc->destination_ports, 5684);
}

static void some_path(sprat_mote_path *path)
{
	memset(path, 0, sizeof *path);
	path->family = dice(2) ? 6 : 4;
	path->tunnel = (uint8_t)dice(2);
	path->hop_limit = 64;
	path->no_ecn = (uint8_t)dice(2);
	path->mtu = dice(4) ? 0 : (uint16_t)(60 + dice(200));
	path->source[0] = path->destination[0] = 0xfd;
	path->source[15] = 1;
	path->destination[15] = 2;
	if (dice(2))
		path->udp_source = path->udp_destination = 4500;
}

/* Both SAs; 0 where the parameters contradict each other. */
static int make_ends(struct ends *ends)
{
	static const uint8_t windows[] = { 0, 32, 64 };
	sprat_mote_params *params = &ends->params;
	uint64_t last;

	memset(ends, 0, sizeof *ends);
	params->spi = 0x1100c000u + dice(1024);
	params->esn = (uint8_t)dice(2);
	params->implicit_iv = (uint8_t)dice(2);
	params->window = windows[dice(3)];
	params->key = params->salt = test_key;
	if (!params->esn && !params->implicit_iv && dice(2)) {
		params->sender_id_bits = dice(2) ? 8 : 16;
		params->sender_id = (uint16_t)dice(256);
	}
	some_path(&ends->path);
	some_context(&ends->ehc);
	params->path = dice(3) ? &ends->path : NULL;
	params->ehc = dice(3) ? &ends->ehc : NULL;
	params->counters = &ends->counters;
	if (dice(2)) {
		ends->port.store = counted_store;
		ends->port.context = ends;
		ends->port.ahead = 1 + dice(9);
		params->port = &ends->port;
	}
	last = some_number(params->esn);
	params->last_sn = params->esn || last <= UINT32_MAX ? last : UINT32_MAX;
	params->out = 1;
	if (sprat_mote_sa_init(&ends->out, params) != SPRAT_OK)
		return 0;
	params->out = 0;
	/* Now and then the ends do not agree on what is left out. */
	some_context(&ends->other_ehc);
	ends->other_ehc.esp_spi_lsb = ends->ehc.esp_spi_lsb;
	ends->other_ehc.esp_sn_lsb = ends->ehc.esp_sn_lsb;
	if (params->ehc != NULL && dice(3) == 0)
		params->ehc = &ends->other_ehc;
	return sprat_mote_sa_init(&ends->in, params) == SPRAT_OK;
}

static uint64_t used(const sprat_mote_sa *sa)
{
	uint64_t number = 0;

	CHECK_EQ(sprat_mote_sa_sn(sa, &number), SPRAT_OK);
	return number;
}

/* An IPv6 packet with some extension headers, or an IPv4 packet. */
static size_t some_packet(uint8_t *out)
{
	static const uint8_t kinds[] = { 0, 43, 44, 60, 17, 17 };
	uint8_t plain[320];
	const int version = dice(3) ? 6 : 4;
	const size_t len = udp_packet(plain, version, dice(120));
	size_t at = 40, name_at = 6;

	if (version == 4 || dice(2)) {
		memcpy(out, plain, len);
		return len;
	}
	memcpy(out, plain, 40);
	for (uint32_t headers = dice(4); headers > 0; headers--) {
		const uint8_t kind = kinds[dice(4)];
		const size_t size = kind == 43 ? 8 + 16 * dice(3) : 8 + (kind == 44 ? 0 : 8 * dice(2));

		memset(out + at, 0, size);
		out[name_at] = kind;
		out[at + 1] = (uint8_t)(size / 8 - 1);
		if (kind == 43) {
			out[at + 2] = dice(2) ? 3 : 4;
			out[at + 3] = size > 8 ? (uint8_t)dice(2) : 0;
			out[at + 4] = dice(2) ? (uint8_t)dice(256) : 0;
			out[at + 5] = dice(2) ? (uint8_t)dice(256) : 0;
		} else if (kind == 44) {
			out[at + 3] = dice(2) ? (uint8_t)dice(256) : 0;
		}
		name_at = at;
		at += size;
	}
	out[name_at] = plain[6];
	memcpy(out + at, plain + 40, len - 40);
	at += len - 40;
	out[4] = (uint8_t)((at - 40) >> 8);
	out[5] = (uint8_t)(at - 40);
	return at;
}

static struct piece exact(const uint8_t *octets, size_t len, size_t room)
{
	struct piece piece = { (uint8_t *)malloc(len + room > 0 ? len + room : 1), (uint16_t)len,
		(uint16_t)(len + room) };

	memset(piece.octets, 0xa5, len + room);
	memcpy(piece.octets, octets, len);
	return piece;
}

static void flip(uint8_t *octets, size_t len)
{
	for (uint32_t n = 1 + dice(3); n > 0 && len > 0; n--)
		octets[dice((uint32_t)(dice(2) && len > 80 ? 80 : len))] ^= (uint8_t)(1u << dice(8));
}

/* Sizes of the packet's memory; too little as often as enough. */
static size_t some_room(void)
{
	return dice(3) ? 100 : dice(100);
}

static int32_t seal(struct ends *ends, struct piece *piece)
{
	const uint64_t before = used(&ends->out);
	uint8_t *copy = (uint8_t *)malloc((size_t)piece->capacity + 1);
	const uint16_t length = piece->length;
	int32_t verdict;

	memcpy(copy, piece->octets, piece->capacity);
	ends->stores = 0;
	ends->store_says = dice(4) == 0;
	verdict = sprat_mote_seal(&ends->out, piece->octets, &piece->length, piece->capacity);
	ends->calls++;
	CHECK(verdict >= SPRAT_OK && verdict < SPRAT_MOTE_DROPS);
	if (verdict == SPRAT_OK) {
		CHECK(used(&ends->out) == before + 1 && piece->length <= piece->capacity);
		CHECK(piece->length <= length + SPRAT_MOTE_SEAL_ROOM);
		CHECK(sprat_mote_is_for(&ends->in, piece->octets, piece->length));
		sealed_count++;
	} else {
		CHECK(used(&ends->out) == before && piece->length == length);
		CHECK(memcmp(copy, piece->octets, piece->capacity) == 0);
		CHECK(ends->stores == 0 || verdict == SPRAT_DROP_SN_UNRESERVED);
		refused_count++;
	}
	free(copy);
	return verdict;
}

static int behind_the_icv(int32_t verdict)
{
	return verdict == SPRAT_DROP_BAD_PADDING || verdict == SPRAT_DROP_BAD_INNER ||
	       verdict == SPRAT_DROP_DUMMY || verdict == SPRAT_DROP_SELECTOR ||
	       verdict == SPRAT_DROP_ECN || verdict == SPRAT_DROP_EHC_RESIDUE ||
	       verdict == SPRAT_DROP_EHC_MAPPING || verdict == SPRAT_DROP_UNSUPPORTED ||
	       verdict == SPRAT_DROP_INTERNAL;
}

static int32_t open_it(struct ends *ends, struct piece *piece)
{
	const sprat_mote_sa before = ends->in;
	uint8_t *copy = (uint8_t *)malloc((size_t)piece->capacity + 1);
	const uint16_t length = piece->length;
	int32_t verdict;

	memcpy(copy, piece->octets, piece->capacity);
	verdict = sprat_mote_open(&ends->in, piece->octets, &piece->length, piece->capacity);
	ends->calls++;
	CHECK(verdict >= SPRAT_OK && verdict < SPRAT_MOTE_DROPS);
	if (verdict == SPRAT_OK) {
		CHECK(piece->length <= piece->capacity);
		CHECK(piece->length <= length + SPRAT_MOTE_OPEN_ROOM);
		opened_count++;
	} else if (behind_the_icv(verdict)) {
		memset(copy, 0, piece->capacity);
		CHECK(memcmp(copy, piece->octets, piece->capacity) == 0);
		zeroed_count++;
	} else {
		CHECK(memcmp(&before, &ends->in, sizeof before) == 0 && piece->length == length);
		CHECK(memcmp(copy, piece->octets, piece->capacity) == 0);
		refused_count++;
	}
	free(copy);
	return verdict;
}

/* What was sealed: changed on its way, as it was, and once more. */
static void receive(struct ends *ends, const uint8_t *sealed, size_t len)
{
	uint8_t changed[1024];
	size_t other = dice(4) ? len : dice((uint32_t)len + 1);
	struct piece piece;
	int32_t verdict;

	memcpy(changed, sealed, len);
	memset(changed + len, 0x5a, 40);
	if (other == len && dice(4) == 0)
		other += dice(40);
	flip(changed, len);
	piece = exact(changed, other, some_room());
	open_it(ends, &piece);
	free(piece.octets);
	piece = exact(sealed, len, some_room());
	verdict = open_it(ends, &piece);
	free(piece.octets);
	if (verdict == SPRAT_DROP_NO_ROOM || ends->params.window == 0)
		return;
	/* Of a compressed number the receiver may guess another. */
	CHECK(ends->params.ehc != NULL ||
	      (verdict != SPRAT_DROP_INTEGRITY && verdict != SPRAT_DROP_MALFORMED));
	piece = exact(sealed, len, 100);
	CHECK(open_it(ends, &piece) != SPRAT_OK);
	free(piece.octets);
}

static int32_t is_local(void *context, const uint8_t *address)
{
	(void)context;
	return address[15] % 2 == 0 || address[0] == 0xff;
}

/* A node with the SAs of `ends`; the packet comes and goes. */
static void through_the_glue(struct ends *ends, const uint8_t *packet, size_t len)
{
	sprat_glue_selector selector = SPRAT_GLUE_SELECTOR_ANY;
	sprat_glue_policy policies[1 + SPRAT_GLUE_CONTROL_POLICIES];
	sprat_glue_in in[1];
	const sprat_glue_in entry = { &ends->in, NULL, 32, 1 };
	const sprat_glue_policy policy = { &selector, &ends->out, (uint8_t)dice(3),
		(uint8_t)(ends->params.path != NULL && ends->path.tunnel), (uint8_t)dice(2) };
	sprat_glue glue;
	struct piece piece = exact(packet, len, some_room());

	memset(&glue, 0, sizeof glue);
	glue.policies = policies;
	glue.policies_room = 1 + SPRAT_GLUE_CONTROL_POLICIES;
	glue.in = in;
	glue.in_room = 1;
	glue.is_local = is_local;
	glue.otherwise = (uint8_t)dice(2);
	selector.protocol = dice(2) ? 17 : 0;
	selector.local_port_last = dice(2) ? 65535 : 6000;
	CHECK_EQ(sprat_glue_control_add(&glue), SPRAT_OK);
	CHECK_EQ(sprat_glue_policy_add(&glue, (uint8_t)dice(4), &policy), SPRAT_OK);
	CHECK_EQ(sprat_glue_in_add(&glue, &entry), SPRAT_OK);
	if (dice(2))
		sprat_glue_output(&glue, (uint8_t)dice(4), piece.octets, &piece.length, piece.capacity);
	else
		sprat_glue_input(&glue, piece.octets, &piece.length, piece.capacity);
	CHECK(piece.length <= piece.capacity);
	glue_changed += glue.changed;
	free(piece.octets);
}

static void one_pair(void)
{
	struct ends ends;
	uint8_t packet[1024];
	sprat_mote_flow flow;
	uint64_t counted;

	if (!make_ends(&ends))
		return;
	for (uint32_t packets = 1 + dice(8); packets > 0; packets--) {
		const size_t len = some_packet(packet);
		struct piece piece;

		if (dice(3) == 0)
			flip(packet, len);
		piece = exact(packet, len, some_room());
		sprat_mote_flow_of(piece.octets, piece.length, &flow);
		sprat_mote_is_for(&ends.in, piece.octets, piece.length);
		if (seal(&ends, &piece) == SPRAT_OK && dice(8) != 0)
			receive(&ends, piece.octets, piece.length);
		free(piece.octets);
	}
	counted = ends.counters.passed;
	for (int i = 0; i < SPRAT_MOTE_DROPS; i++)
		counted += ends.counters.dropped[i];
	CHECK_EQ(counted, ends.calls);
	for (int i = 0; i < 4; i++) {
		const size_t len = some_packet(packet);
		struct piece piece = exact(packet, len, 100);

		if (dice(2))
			seal(&ends, &piece);
		if (dice(2))
			flip(piece.octets, piece.length);
		through_the_glue(&ends, piece.octets, piece.length);
		free(piece.octets);
	}
}

int main(int argc, char **argv)
{
	const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;

	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	printf("mote_junk: seed %" PRIu64 ", %lu pairs\n", seed, rounds);
	fflush(stdout);
	for (unsigned long i = 0; i < rounds && checks_failed == 0; i++)
		one_pair();
	printf("%u sealed, %u opened, %u refused, %u zeroed, %u by the glue\n", sealed_count,
	       opened_count, refused_count, zeroed_count, glue_changed);
	CHECK(sealed_count > 0 && opened_count > 0 && refused_count > 0 && zeroed_count > 0 &&
	      glue_changed > 0);
	return check_sum("mote_junk");
}
