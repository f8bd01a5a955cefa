/* Making one SA: every parameter out of its range, every pointer NULL. */
#include "common.h"

static int32_t try_new(const sprat_sa_params *params)
{
	sprat_sa *sa = NULL;
	const int32_t status = sprat_sa_new(params, NOW, &sa);

	CHECK((sa != NULL) == (status == SPRAT_OK));
	sprat_sa_free(sa);
	return status;
}

/* Sets a member of fresh parameters and looks at the status. */
#define TRY(member, value, want)                                              \
	do {                                                                  \
		sprat_sa_params p = tunnel_params();                          \
		p.member = (value);                                           \
		CHECK_EQ(try_new(&p), want);                                  \
	} while (0)

static sprat_sa_params tunnel_params(void)
{
	sprat_sa_params params = sa_params(SPRAT_IN, &transforms[0]);

	params.mode = SPRAT_TUNNEL;
	params.tunnel_source = v4(1);
	params.tunnel_destination = v4(2);
	return params;
}

static void ranges(void)
{
	const sprat_addr nowhere = { 5, { 0 } };

	TRY(spi, 256, SPRAT_OK);
	TRY(spi, 255, SPRAT_E_ARGUMENT);
	TRY(spi, 0, SPRAT_E_ARGUMENT);
	TRY(spi, UINT32_MAX, SPRAT_OK);
	TRY(direction, 0, SPRAT_E_ARGUMENT);
	TRY(direction, 3, SPRAT_E_ARGUMENT);
	TRY(mode, 0, SPRAT_E_ARGUMENT);
	TRY(mode, 3, SPRAT_E_ARGUMENT);
	TRY(mode, SPRAT_TRANSPORT, SPRAT_OK);
	TRY(esn, 1, SPRAT_OK);
	TRY(esn, 2, SPRAT_E_ARGUMENT);
	TRY(no_tfc, 255, SPRAT_E_ARGUMENT);
	TRY(no_ecn, 2, SPRAT_E_ARGUMENT);
	TRY(multi_sender, 2, SPRAT_E_ARGUMENT);
	TRY(dscp, 63, SPRAT_OK);
	TRY(dscp, 64, SPRAT_E_ARGUMENT);
	TRY(df, 3, SPRAT_E_ARGUMENT);
	TRY(hop_limit, 0, SPRAT_E_ARGUMENT);
	TRY(hop_limit, 255, SPRAT_OK);
	TRY(flow_label, 0xfffff, SPRAT_OK);
	TRY(flow_label, 0x100000, SPRAT_E_ARGUMENT);
	TRY(replay_window, 0, SPRAT_OK);
	TRY(replay_window, 4096, SPRAT_OK);
	TRY(replay_window, 33, SPRAT_E_ARGUMENT);
	TRY(replay_window, 4128, SPRAT_E_ARGUMENT);
	TRY(reserved[3], 1, SPRAT_E_ARGUMENT);
	TRY(reserved_too[1], 1, SPRAT_E_ARGUMENT);
	TRY(tunnel_source, nowhere, SPRAT_E_ARGUMENT);
	TRY(tunnel_source, (sprat_addr)SPRAT_ADDR_NONE, SPRAT_E_ARGUMENT);
	TRY(lookup_destination, nowhere, SPRAT_E_ARGUMENT);
	TRY(lookup_source, v4(9), SPRAT_E_ARGUMENT);
	TRY(nat_source, v4(9), SPRAT_E_ARGUMENT);
	TRY(udp_source_port, 4500, SPRAT_E_ARGUMENT);
	TRY(udp_destination_port, 4500, SPRAT_E_ARGUMENT);
}

static void contradictions(void)
{
	const sprat_limit backwards = { 2, 1 };

	TRY(tunnel_source, v6(1), SPRAT_E_SA);
	TRY(packets, backwards, SPRAT_E_SA);
	TRY(octets, backwards, SPRAT_E_SA);
	TRY(seconds, backwards, SPRAT_E_SA);
	TRY(multi_sender, 1, SPRAT_E_SA); /* and a replay window */
}

static void keys(void)
{
	TRY(encr, 0, SPRAT_E_KEY);
	TRY(encr, UINT16_MAX, SPRAT_E_KEY);
	TRY(encr, SPRAT_ENCR_3DES, SPRAT_E_KEY); /* legacy: not in this library */
	TRY(integ, UINT16_MAX, SPRAT_E_KEY);
	TRY(integ, SPRAT_AUTH_HMAC_SHA2_256_128, SPRAT_E_KEY); /* CCM has its own */
	TRY(encr_key, NULL, SPRAT_E_NULL);
	TRY(salt, NULL, SPRAT_E_NULL);
	TRY(encr_key_len, 0, SPRAT_E_KEY);
	TRY(encr_key_len, 15, SPRAT_E_KEY);
	TRY(encr_key_len, 17, SPRAT_E_KEY);
	TRY(encr_key_len, SIZE_MAX, SPRAT_E_ARGUMENT);
	TRY(salt_len, 2, SPRAT_E_KEY);
	TRY(salt_len, 4, SPRAT_E_KEY);
	TRY(integ_key_len, 16, SPRAT_E_KEY);
	for (size_t i = 0; i < TRANSFORMS; i++) {
		sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[i]);

		CHECK_EQ(try_new(&params), SPRAT_OK);
		params.encr_key_len--;
		CHECK_EQ(try_new(&params), SPRAT_E_KEY);
		params.encr_key_len++;
		params.integ_key_len++;
		CHECK_EQ(try_new(&params), SPRAT_E_KEY);
	}
}

static void selectors(void)
{
	sprat_selector selector = SPRAT_SELECTOR_INIT;
	sprat_sa_params params = tunnel_params();

	params.selectors_len = 1;
	CHECK_EQ(try_new(&params), SPRAT_E_NULL);
	params.selectors = &selector;
	CHECK_EQ(try_new(&params), SPRAT_OK);
	selector.has_protocol = 2;
	CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT);
	selector.has_protocol = 0;
	selector.source_first = v4(9);
	CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT); /* no last */
	selector.source_last = v4(8);
	CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT); /* backwards */
	selector.source_last = v6(9);
	CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT); /* another family */
	selector.source_last = v4(9);
	CHECK_EQ(try_new(&params), SPRAT_OK);
	selector.destination_ports.kind = 3;
	CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT);
	selector.destination_ports.kind = SPRAT_PORTS_RANGE;
	selector.destination_ports.first = 2;
	selector.destination_ports.last = 1;
	CHECK_EQ(try_new(&params), SPRAT_E_ARGUMENT);
}

static void sizes(void)
{
	const sprat_sa_params params = tunnel_params();
	const uint32_t size = sizeof params, oldest = offsetof(sprat_sa_params, ehc);
	union wide wide;
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	sprat_sa *sa = sa_make(&params);

	CHECK_EQ(try_new(widened(&wide, &params, size, size + 64, 0)), SPRAT_OK);
	CHECK_EQ(try_new(widened(&wide, &params, size, size + 64, 1)), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(widened(&wide, &params, size, size, 1)), SPRAT_OK);
	CHECK_EQ(try_new(widened(&wide, &params, size, oldest, 0)), SPRAT_OK);
	CHECK_EQ(try_new(widened(&wide, &params, size, oldest - 1, 0)), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(widened(&wide, &params, size, 0, 0)), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(widened(&wide, &params, size, 4097, 0)), SPRAT_E_ARGUMENT);
	CHECK_EQ(try_new(widened(&wide, &params, size, UINT32_MAX, 0)), SPRAT_E_ARGUMENT);

	sprat_sa_info *later = widened(&wide, &info, sizeof info, sizeof info + 8, 0x77);
	CHECK_EQ(sprat_sa_get_info(sa, later), SPRAT_OK);
	CHECK_EQ(later->struct_size, sizeof info + 8);
	CHECK_EQ(wide.octets[sizeof info], 0x77);
	info.struct_size = sizeof info - 1;
	CHECK_EQ(sprat_sa_get_info(sa, &info), SPRAT_E_ARGUMENT);
	CHECK_EQ(info.spi, 0);
	sprat_sa_free(sa);
}

static void nulls(void)
{
	const sprat_sa_params params = tunnel_params();
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	sprat_sa *in = sa_make(&params);
	sprat_sa *sa = NULL;

	CHECK_EQ(sprat_sa_new(NULL, NOW, &sa), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_new(&params, NOW, NULL), SPRAT_E_NULL);
	CHECK(sa == NULL);
	sprat_sa_free(NULL);
	CHECK_EQ(sprat_sa_get_info(NULL, &info), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_get_info(in, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_reserve(NULL, 1), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_reserve(in, 1), SPRAT_E_ARGUMENT); /* it does not send */
	sprat_sa_free(in);
}

static void told(void)
{
	sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[4]);
	sprat_sa *sa;
	sprat_sa_info info;

	params.mode = SPRAT_TUNNEL;
	params.tunnel_source = v6(1);
	params.tunnel_destination = v6(2);
	params.udp_source_port = 4500;
	params.udp_destination_port = 4501;
	params.last_sn = 77;
	params.path_mtu = 1400;
	sa = sa_make(&params);
	info = sa_info(sa);
	CHECK_EQ(info.struct_size, sizeof info);
	CHECK_EQ(info.spi, SPI);
	CHECK(info.direction == SPRAT_OUT && info.mode == SPRAT_TUNNEL);
	CHECK(info.udp_source_port == 4500 && info.udp_destination_port == 4501);
	CHECK(info.encr == SPRAT_ENCR_AES_CBC && info.integ == SPRAT_AUTH_HMAC_SHA2_256_128);
	CHECK_EQ(info.random_iv_len, 16);
	CHECK(info.tunnel_source.family == 6 && info.tunnel_destination.octets[15] == 2);
	CHECK(info.sn == 77 && info.packets == 0 && info.octets == 0 && info.drops == 0);
	CHECK_EQ(info.path_mtu, 1400);
	sprat_sa_free(sa);
}

void test_sa(void)
{
	ranges();
	contradictions();
	keys();
	selectors();
	sizes();
	nulls();
	told();
}
