#include "common.h"

const struct transform transforms[TRANSFORMS] = {
	{ "ENCR_AES_CCM_8", SPRAT_ENCR_AES_CCM_8, 0, 16, 3, 0 },
	{ "ENCR_AES_CCM_8_IIV", SPRAT_ENCR_AES_CCM_8_IIV, 0, 16, 3, 0 },
	{ "ENCR_AES_GCM_16", SPRAT_ENCR_AES_GCM_16, 0, 32, 4, 0 },
	{ "ENCR_CHACHA20_POLY1305", SPRAT_ENCR_CHACHA20_POLY1305, 0, 32, 4, 0 },
	{ "ENCR_AES_CBC", SPRAT_ENCR_AES_CBC, SPRAT_AUTH_HMAC_SHA2_256_128, 16, 0, 32 },
	{ "ENCR_NULL_AUTH_AES_GMAC", SPRAT_ENCR_NULL_AUTH_AES_GMAC, 0, 16, 4, 0 },
};

const uint8_t test_key[64] = {
	0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98, 0xa9, 0xba, 0xcb, 0xdc, 0xed, 0xfe,
	0x0f, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
	0xff, 0x00, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x89, 0x9a, 0xab, 0xbc, 0xcd, 0xde,
	0xef, 0xf0, 0x01, 0x13, 0x24, 0x35, 0x46, 0x57, 0x68, 0x79, 0x8a, 0x9b, 0xac, 0xbd, 0xce,
	0xdf, 0xe0, 0xf1, 0x02,
};
const uint8_t test_iv[16] = { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12, 13, 14, 15, 16 };

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void ipv4_checksum(uint8_t *header)
{
	uint32_t sum = 0;

	put16(header + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(header + 10, ~sum & 0xffff);
}

size_t udp_packet(uint8_t *out, int version, size_t payload)
{
	const size_t ip = version == 4 ? 20 : 40;
	uint8_t *udp = out + ip;

	memset(out, 0, ip + 8);
	if (version == 4) {
		out[0] = 0x45;
		put16(out + 2, ip + 8 + payload);
		out[8] = 64;
		out[9] = 17;
		memcpy(out + 12, v4(1).octets, 4);
		memcpy(out + 16, v4(2).octets, 4);
		ipv4_checksum(out);
	} else {
		out[0] = 0x60;
		put16(out + 4, 8 + payload);
		out[6] = 17;
		out[7] = 64;
		memcpy(out + 8, v6(1).octets, 16);
		memcpy(out + 24, v6(2).octets, 16);
	}
	put16(udp, 5683);
	put16(udp + 2, 5684);
	put16(udp + 4, 8 + payload);
	for (size_t i = 0; i < payload; i++)
		udp[8 + i] = (uint8_t)(0x55 + i * 151 + (i >> 3) * 29);
	return ip + 8 + payload;
}

sprat_addr v4(uint8_t last)
{
	sprat_addr addr = { 4, { 192, 0, 2, 0 } };

	addr.octets[3] = last;
	return addr;
}

sprat_addr v6(uint8_t last)
{
	sprat_addr addr = { 6, { 0x20, 0x01, 0x0d, 0xb8 } };

	addr.octets[15] = last;
	return addr;
}

void frame_set(struct frame *frame, const uint8_t *packet, size_t len)
{
	memset(frame->memory, 0xa5, sizeof frame->memory);
	memcpy(frame->memory + HEAD, packet, len);
	frame->buf.data = frame->memory;
	frame->buf.capacity = sizeof frame->memory;
	frame->buf.start = HEAD;
	frame->buf.len = len;
}

const uint8_t *frame_packet(const struct frame *frame)
{
	return frame->memory + frame->buf.start;
}

int frame_holds(const struct frame *frame, const uint8_t *packet, size_t len)
{
	return frame->buf.data == frame->memory && frame->buf.capacity == sizeof frame->memory &&
	       frame->buf.start + frame->buf.len <= sizeof frame->memory &&
	       frame->buf.len == len && memcmp(frame_packet(frame), packet, len) == 0;
}

int frame_leaks(const struct frame *frame, const uint8_t *text, size_t len)
{
	for (size_t at = 0; at + 8 <= sizeof frame->memory; at++)
		for (size_t from = 0; from + 8 <= len; from++)
			if (frame->memory[at] == text[from] &&
			    memcmp(frame->memory + at, text + from, 8) == 0)
				return 1;
	return 0;
}

sprat_sa_params sa_params(uint8_t direction, const struct transform *transform)
{
	sprat_sa_params params = SPRAT_SA_PARAMS_INIT;

	params.direction = direction;
	params.mode = SPRAT_TRANSPORT;
	params.spi = SPI;
	params.encr = transform->encr;
	params.integ = transform->integ;
	params.encr_key = test_key;
	params.encr_key_len = transform->key_len;
	params.salt = test_key;
	params.salt_len = transform->salt_len;
	params.integ_key = test_key;
	params.integ_key_len = transform->integ_len;
	return params;
}

sprat_seal_args seal_args(void)
{
	sprat_seal_args args = SPRAT_SEAL_ARGS_INIT;

	args.now_ms = NOW;
	args.iv = test_iv;
	args.iv_len = sizeof test_iv;
	return args;
}

sprat_result result_init(void)
{
	sprat_result result = SPRAT_RESULT_INIT;

	return result;
}

sprat_sa *sa_make(const sprat_sa_params *params)
{
	sprat_sa *sa = NULL;

	CHECK_EQ(sprat_sa_new(params, NOW, &sa), SPRAT_OK);
	if (sa == NULL)
		exit(2);
	return sa;
}

sprat_sa_info sa_info(const sprat_sa *sa)
{
	sprat_sa_info info = SPRAT_SA_INFO_INIT;

	CHECK_EQ(sprat_sa_get_info(sa, &info), SPRAT_OK);
	return info;
}

int32_t add_policy(sprat_ipsec *ipsec, uint8_t direction, uint8_t action, uint32_t sa)
{
	sprat_policy policy = SPRAT_POLICY_INIT;

	policy.direction = direction;
	policy.action = action;
	policy.sa = sa;
	return sprat_ipsec_add_policy(ipsec, &policy);
}

const uint8_t ehc_hello[58] = {
	0x60, 0x01, 0x23, 0x45, 0x00, 0x12, 0x11, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1,
	0, 0, 0, 0, 0, 0, 0x10, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 2,
	0, 0, 0, 0, 0, 0, 0x56, 0x78, 0x13, 0x89, 0x11, 0x94, 0x00, 0x12, 0x2a, 0xf0,
	'H', 'e', 'l', 'l', 'o', ' ', 'd', 'i', 'e', 't',
};

sprat_addr v6_at(const uint8_t *octets)
{
	sprat_addr addr = { 6, { 0 } };

	memcpy(addr.octets, octets, 16);
	return addr;
}

void one_range(sprat_ports *ports, uint16_t first, uint16_t last)
{
	ports->kind = SPRAT_PORTS_RANGE;
	ports->first = first;
	ports->last = last;
}

sprat_ehc_params ehc_params(void)
{
	sprat_ehc_params params = SPRAT_EHC_PARAMS_INIT;

	params.dscp_cda = SPRAT_EHC_DSCP_LOWER;
	params.ecn_cda = SPRAT_EHC_ECN_LOWER;
	params.flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER;
	params.alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
	params.ip_version = 6;
	params.esp_spi_lsb = params.esp_sn_lsb = 8;
	params.selector.source_first = params.selector.source_last = v6_at(ehc_hello + 8);
	params.selector.destination_first = params.selector.destination_last = v6_at(ehc_hello + 24);
	params.selector.has_protocol = 1;
	params.selector.protocol = 17;
	one_range(&params.selector.source_ports, 5001, 5001);
	one_range(&params.selector.destination_ports, 4500, 4500);
	return params;
}

void *widened(union wide *wide, const void *known, size_t size, uint32_t claim, uint8_t tail)
{
	memset(wide, 0, sizeof *wide);
	memcpy(wide->octets, known, size);
	memcpy(wide->octets, &claim, sizeof claim);
	wide->octets[size] = tail;
	return wide->octets;
}

int32_t mote_init(sprat_mote_sa *sa, uint8_t out, uint8_t implicit_iv, uint64_t last_sn)
{
	const sprat_mote_params params = { .spi = SPI, .out = out, .implicit_iv = implicit_iv,
		.window = 64, .key = test_key, .salt = test_key, .last_sn = last_sn };

	return sprat_mote_sa_init(sa, &params);
}
