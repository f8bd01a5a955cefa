/* The Diet-ESP vectors through contexts of the C ABI: both ways, every layer but the cipher. */
#include "common.h"

unsigned checks_made, checks_failed;

struct fields {
	uint8_t traffic_class, hop_limit;
	uint32_t flow;
};

struct vector {
	const char *id;
	sprat_ehc_params params;
	uint32_t spi;
	uint8_t outer_version, esn, block;
	uint64_t sn, top_sn;
	uint16_t window;
	sprat_addr source, destination;
	uint8_t protocol;
	struct fields before, after, arrived; /* outer header: without Diet-ESP, sent, received */
	int32_t reason;
	int64_t saved;
	int generated; /* the receiver makes the label: another than the vector's generator */
	const uint8_t *packet;
	size_t packet_len;
	const uint8_t *cte;
	size_t cte_len;
	const uint8_t *header;
	size_t header_len;
	const uint8_t *back;
	size_t back_len;
};

struct number {
	const char *id;
	uint8_t sn_lsb, spi_lsb, esn;
	uint16_t window;
	uint64_t top_sn;
	uint8_t esp[5];
	size_t len;
	uint64_t sn; /* 0: there is none */
};

#include "ehc_vectors.h"

static void wrong(const char *id, const char *what, const uint8_t *got, size_t len)
{
	fprintf(stderr, "%s: %s:", id, what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", got[i]);
	fprintf(stderr, "\n");
	CHECK(!"is as the vector says");
}

static sprat_outer outer_of(const struct vector *v, const struct fields *fields)
{
	sprat_outer outer = SPRAT_OUTER_INIT;

	outer.source = v->source;
	outer.destination = v->destination;
	outer.protocol = v->protocol;
	outer.traffic_class = fields->traffic_class;
	outer.hop_limit = fields->hop_limit;
	outer.flow = fields->flow;
	return outer;
}

static sprat_ehc *context_of(const struct vector *v)
{
	sprat_ehc_sa sa = SPRAT_EHC_SA_INIT;
	sprat_ehc *ehc = NULL;

	sa.spi = v->spi;
	sa.outer_version = v->outer_version;
	sa.esn = v->esn;
	sa.block = v->block;
	sa.replay_window = v->window;
	CHECK_EQ(sprat_ehc_new(&v->params, &sa, &ehc), SPRAT_OK);
	if (ehc == NULL) {
		fprintf(stderr, "%s\n", v->id);
		exit(2);
	}
	return ehc;
}

static void compresses(const struct vector *v, sprat_ehc *ehc)
{
	sprat_outer outer = outer_of(v, &v->before);
	sprat_result result = result_init();
	struct frame frame;

	frame_set(&frame, v->packet, v->packet_len);
	CHECK_EQ(sprat_ehc_compress(ehc, &frame.buf, &outer, &result), SPRAT_OK);
	if (result.reason != v->reason) {
		fprintf(stderr, "%s: %s\n", v->id, result.reason ? sprat_drop_name(result.reason) : "fits");
		CHECK_EQ(result.reason, v->reason);
	}
	if (v->reason != 0) {
		CHECK(frame_holds(&frame, v->packet, v->packet_len));
		return;
	}
	if (!frame_holds(&frame, v->cte, v->cte_len))
		wrong(v->id, "octets to encrypt", frame_packet(&frame), frame.buf.len);
	if (outer.traffic_class != v->after.traffic_class || outer.hop_limit != v->after.hop_limit ||
	    outer.flow != v->after.flow) {
		fprintf(stderr, "%s: %x %u %x\n", v->id, outer.traffic_class, outer.hop_limit, outer.flow);
		CHECK(!"the outer header is as the vector says");
	}
}

/* The label or Identification that the receiver made, with what depends on it. */
static void take_generated(const struct frame *frame, uint8_t *expected)
{
	const uint8_t *packet = frame_packet(frame);

	if (expected[0] >> 4 == 6) {
		expected[1] = (uint8_t)((expected[1] & 0xf0) | (packet[1] & 0x0f));
		memcpy(expected + 2, packet + 2, 2);
		CHECK((packet[1] & 0x0f) != 0 || packet[2] != 0 || packet[3] != 0);
	} else {
		memcpy(expected + 4, packet + 4, 2);
		memcpy(expected + 10, packet + 10, 2);
	}
}

static void restores(const struct vector *v, sprat_ehc *ehc)
{
	sprat_outer outer = outer_of(v, &v->arrived);
	sprat_result result = result_init();
	uint8_t expected[2048];
	struct frame frame;

	frame_set(&frame, v->cte, v->cte_len);
	outer.protocol = 0;
	CHECK_EQ(sprat_ehc_decompress(ehc, &frame.buf, v->sn, &outer, &result), SPRAT_OK);
	CHECK_EQ(result.reason, 0);
	CHECK_EQ(outer.protocol, v->protocol);
	memcpy(expected, v->back, v->back_len);
	if (v->generated && frame.buf.len == v->back_len)
		take_generated(&frame, expected);
	if (!frame_holds(&frame, expected, v->back_len))
		wrong(v->id, "packet", frame_packet(&frame), frame.buf.len);
}

static void numbers_and_header(const struct vector *v, sprat_ehc *ehc)
{
	uint8_t header[8];
	size_t len = sizeof header;
	uint64_t sn = 0;

	CHECK_EQ(sprat_ehc_header(ehc, v->sn, header, &len), SPRAT_OK);
	if (len != v->header_len || memcmp(header, v->header, len) != 0)
		wrong(v->id, "header", header, len);
	CHECK_EQ(sprat_ehc_sn(ehc, v->header, v->header_len, v->top_sn, &sn), SPRAT_OK);
	CHECK_EQ(sn, v->sn);
}

static void reconstructs(const struct number *n)
{
	sprat_ehc_params params = SPRAT_EHC_PARAMS_INIT;
	sprat_ehc_sa sa = SPRAT_EHC_SA_INIT;
	sprat_ehc *ehc = NULL;
	uint64_t sn = 0;

	params.ip_version = 6;
	params.esp_spi_lsb = n->spi_lsb;
	params.esp_sn_lsb = n->sn_lsb;
	sa.spi = 0xa1b2c3d4;
	sa.outer_version = 6;
	sa.esn = n->esn;
	sa.replay_window = n->window;
	CHECK_EQ(sprat_ehc_new(&params, &sa, &ehc), SPRAT_OK);
	CHECK_EQ(sprat_ehc_sn(ehc, n->esp, n->len, n->top_sn, &sn), n->sn ? SPRAT_OK : SPRAT_E_PACKET);
	if (sn != n->sn)
		fprintf(stderr, "%s\n", n->id);
	CHECK_EQ(sn, n->sn);
	sprat_ehc_free(ehc);
}

int main(void)
{
	const size_t count = sizeof vectors / sizeof *vectors, reconstructed = sizeof numbers / sizeof *numbers;
	unsigned both = 0, refused = 0;

	for (size_t i = 0; i < count; i++) {
		const struct vector *v = &vectors[i];
		sprat_ehc *ehc = context_of(v);
		sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;

		compresses(v, ehc);
		CHECK_EQ(sprat_ehc_get_stats(ehc, &stats), SPRAT_OK);
		if (v->reason == 0) {
			both++;
			CHECK_EQ(stats.octets_saved, v->saved);
			restores(v, ehc);
			numbers_and_header(v, ehc);
		} else {
			refused++;
			CHECK(stats.refused == 1 && stats.packets == 0);
		}
		sprat_ehc_free(ehc);
	}
	for (size_t i = 0; i < reconstructed; i++)
		reconstructs(&numbers[i]);
	printf("Diet-ESP: %u both ways, %u refused, %zu numbers\n", both, refused, reconstructed);
	CHECK(both > 40 && refused > 5 && reconstructed > 10);
	return check_sum("ehc_vectors");
}
