/* Packets that other implementations made (tests/vectors/esp.json). */
#include "common.h"

struct vector {
	const char *id;
	uint32_t spi;
	uint8_t mode, esn;
	uint16_t encr, integ;
	const uint8_t *encr_key;
	size_t encr_key_len;
	const uint8_t *salt;
	size_t salt_len;
	const uint8_t *integ_key;
	size_t integ_key_len;
	uint16_t udp_source, udp_destination;
	sprat_addr source, destination;
	uint64_t sn;
	const uint8_t *iv;
	size_t iv_len;
	uint16_t tfc;
	uint8_t extra_pad, dscp, no_ecn, df;
	uint16_t ident;
	uint8_t hops;
	uint32_t flow_label;
	int sealable, legacy;
	const uint8_t *input;
	size_t input_len;
	const uint8_t *output;
	size_t output_len;
};

#include "vectors.h" /* vectors.py made it */

unsigned checks_made, checks_failed;

static sprat_sa_params params_of(const struct vector *v, uint8_t direction)
{
	sprat_sa_params params = SPRAT_SA_PARAMS_INIT;

	params.direction = direction;
	params.spi = v->spi;
	params.mode = v->mode;
	params.esn = v->esn;
	params.encr = v->encr;
	params.integ = v->integ;
	params.encr_key = v->encr_key;
	params.encr_key_len = v->encr_key_len;
	params.salt = v->salt;
	params.salt_len = v->salt_len;
	params.integ_key = v->integ_key;
	params.integ_key_len = v->integ_key_len;
	params.udp_source_port = v->udp_source;
	params.udp_destination_port = v->udp_destination;
	params.tunnel_source = v->source;
	params.tunnel_destination = v->destination;
	params.no_ecn = v->no_ecn;
	params.dscp = v->dscp;
	params.df = v->df;
	params.hop_limit = v->hops;
	params.flow_label = v->flow_label;
	params.last_sn = v->sn == 0 ? 0 : v->sn - 1;
	params.replay_window = 0;
	return params;
}

static void opens(const struct vector *v)
{
	const sprat_sa_params params = params_of(v, SPRAT_IN);
	sprat_result result = result_init();
	struct frame frame;
	sprat_sa *sa = sa_make(&params);

	frame_set(&frame, v->output, v->output_len);
	CHECK_EQ(sprat_open(sa, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.sn, v->sn);
	CHECK_EQ(result.reason, 0);
	if (!frame_holds(&frame, v->input, v->input_len)) {
		fprintf(stderr, "%s\n", v->id);
		CHECK(!"opens to its input");
	}
	sprat_sa_free(sa);
}

static void seals(const struct vector *v)
{
	const sprat_sa_params params = params_of(v, SPRAT_OUT);
	sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	struct frame frame;
	sprat_sa *sa = sa_make(&params);

	frame_set(&frame, v->input, v->input_len);
	args.iv = v->iv;
	args.iv_len = v->iv_len;
	args.tfc = v->tfc;
	args.extra_pad = v->extra_pad;
	args.ipv4_id = v->ident;
	CHECK_EQ(sprat_seal(sa, &frame.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.reason, 0);
	if (!frame_holds(&frame, v->output, v->output_len)) {
		fprintf(stderr, "%s\n", v->id);
		CHECK(!"seals to its output");
	}
	sprat_sa_free(sa);
}

int main(void)
{
	unsigned opened = 0, sealed = 0, refused = 0;

	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *v = &vectors[i];
		const sprat_sa_params params = params_of(v, SPRAT_IN);
		sprat_sa *none = NULL;

		if (v->legacy) {
			refused++;
			CHECK_EQ(sprat_sa_new(&params, NOW, &none), SPRAT_E_KEY);
			continue;
		}
		opened++;
		opens(v);
		if (v->sealable) {
			sealed++;
			seals(v);
		}
	}
	printf("vectors: %u opened, %u sealed, %u of legacy transforms refused\n", opened, sealed,
	       refused);
	CHECK(opened > 200 && sealed > 20 && refused > 0);
	return check_sum("vectors");
}
