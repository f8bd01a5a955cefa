/* SPD entries: what they may hold, which one decides. */
#include "common.h"

static void refused(sprat_ipsec *ipsec)
{
	sprat_policy policy = SPRAT_POLICY_INIT;
	union wide wide;

	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_E_ARGUMENT); /* no direction */
	policy.direction = SPRAT_IN;
	policy.action = SPRAT_PROTECT + 1;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_E_ARGUMENT);
	policy.action = SPRAT_DISCARD;
	policy.reserved[1] = 1;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_E_ARGUMENT);
	policy.reserved[1] = 0;
	policy.reserved_too[0] = 1;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_E_ARGUMENT);
	policy.reserved_too[0] = 0;
	policy.selector.source_first.family = 7;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_E_ARGUMENT);
	policy.selector.source_first.family = 0;
	policy.selector.source_ports.kind = 9;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_E_ARGUMENT);
	policy.selector.source_ports.kind = SPRAT_PORTS_ANY;
	const uint32_t size = sizeof policy;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, widened(&wide, &policy, size, size - 1, 0)),
	         SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, widened(&wide, &policy, size, size + 4, 9)),
	         SPRAT_E_ARGUMENT);
}

static sprat_result pass(sprat_ipsec *ipsec, uint8_t direction, int version)
{
	uint8_t packet[128];
	const size_t len = udp_packet(packet, version, 8);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	struct frame frame;

	frame_set(&frame, packet, len);
	CHECK_EQ(direction == SPRAT_OUT ? sprat_ipsec_outbound(ipsec, &frame.buf, &args, &result)
	                                : sprat_ipsec_inbound(ipsec, &frame.buf, NOW, &result),
	         SPRAT_OK);
	CHECK(frame_holds(&frame, packet, len));
	CHECK(result.sa == SPRAT_NO_SA && result.source.family == version);
	return result;
}

static void first_match_decides(sprat_ipsec *ipsec)
{
	sprat_policy policy = SPRAT_POLICY_INIT;

	CHECK_EQ(pass(ipsec, SPRAT_OUT, 4).reason, SPRAT_DROP_NO_POLICY);
	CHECK_EQ(pass(ipsec, SPRAT_IN, 4).reason, SPRAT_DROP_NO_POLICY);
	policy.direction = SPRAT_OUT;
	policy.action = SPRAT_BYPASS;
	policy.selector.has_protocol = 1;
	policy.selector.protocol = 17;
	policy.selector.destination_ports.kind = SPRAT_PORTS_RANGE;
	policy.selector.destination_ports.first = policy.selector.destination_ports.last = 5684;
	policy.selector.source_first = policy.selector.source_last = v4(1);
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_OK);
	CHECK_EQ(add_policy(ipsec, SPRAT_OUT, SPRAT_DISCARD, SPRAT_NO_SA), SPRAT_OK);
	CHECK_EQ(pass(ipsec, SPRAT_OUT, 4).verdict, SPRAT_VERDICT_BYPASS);
	CHECK_EQ(pass(ipsec, SPRAT_OUT, 6).reason, SPRAT_DROP_POLICY);
	CHECK_EQ(pass(ipsec, SPRAT_IN, 4).reason, SPRAT_DROP_NO_POLICY);
	CHECK_EQ(add_policy(ipsec, SPRAT_IN, SPRAT_PROTECT, SPRAT_NO_SA), SPRAT_OK);
	CHECK_EQ(pass(ipsec, SPRAT_IN, 4).reason, SPRAT_DROP_UNPROTECTED);
}

/* A packet comes out of an SA only if one of its selectors admits it. */
static void selector_of_an_sa(void)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[0]);
	sprat_selector selectors[2] = { SPRAT_SELECTOR_INIT, SPRAT_SELECTOR_INIT };
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	uint8_t packet[128];
	const size_t len = udp_packet(packet, 4, 64);
	struct frame frame;
	sprat_sa *out = sa_make(&params);

	selectors[0].source_first = selectors[0].source_last = v6(1);
	selectors[1].destination_ports.kind = SPRAT_PORTS_OPAQUE;
	params.direction = SPRAT_IN;
	params.selectors = selectors;
	params.selectors_len = 2;
	sprat_sa *in = sa_make(&params);
	frame_set(&frame, packet, len);
	CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DROP && result.reason == SPRAT_DROP_SELECTOR);
	CHECK(!frame_leaks(&frame, packet + 28, len - 28));
	sprat_sa_free(in);
	selectors[1].destination_ports.kind = SPRAT_PORTS_ANY;
	in = sa_make(&params);
	frame_set(&frame, packet, len);
	CHECK_EQ(sprat_seal(out, &frame.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_DELIVER);
	sprat_sa_free(out);
	sprat_sa_free(in);
}

void test_policies(void)
{
	sprat_ipsec *ipsec = NULL;

	CHECK_EQ(sprat_ipsec_new(&ipsec), SPRAT_OK);
	refused(ipsec);
	first_match_decides(ipsec);
	sprat_ipsec_free(ipsec);
	selector_of_an_sa();
}
