/* Configurations: read, refused with a message, turned into a boundary. */
#include "common.h"

#include <unistd.h>

static const char good[] =
	"[[sa]]\nname = \"to-b\"\ndirection = \"out\"\nspi = 0x1234\nmode = \"tunnel\"\n"
	"encr = \"%s\"\n%s%s%s"
	"[sa.tunnel]\nsource = \"192.0.2.11\"\ndestination = \"192.0.2.12\"\n"
	"[[sa]]\nname = \"from-a\"\ndirection = \"in\"\nspi = 0x1234\nmode = \"tunnel\"\n"
	"encr = \"%s\"\n%s%s%s"
	"[sa.tunnel]\nsource = \"192.0.2.11\"\ndestination = \"192.0.2.12\"\n"
	"[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"to-b\"\n"
	"[[policy]]\ndirection = \"in\"\naction = \"protect\"\n"
	"[gateway]\ntun = \"tun7\"\nstate_file = \"state\"\nmtu = 1300\n"
	"tun_addresses = [\"10.1.0.1/16\", \"2001:db8::1/64\"]\nroutes = [\"10.2.0.0/16\"]\n"
	"udp_ports = [4500, 4501]\nuser = \"nobody\"\naudit_rate = 3\nstate_block = 7\n";

static void key_line(char *out, size_t room, const char *key, size_t len)
{
	int at = 0;

	out[0] = '\0';
	if (len == 0)
		return;
	at = snprintf(out, room, "%s = \"", key);
	for (size_t i = 0; i < len; i++)
		at += snprintf(out + at, room - (size_t)at, "%02x", test_key[i]);
	snprintf(out + at, room - (size_t)at, "\"\n");
}

/* The configuration of both ends with this transform. */
static size_t config_text(char *out, size_t room, const struct transform *transform)
{
	char encr[160], salt[64], integ[256], line[160];

	key_line(encr, sizeof encr, "encr_key", transform->key_len);
	key_line(salt, sizeof salt, "salt", transform->salt_len);
	key_line(line, sizeof line, "integ_key", transform->integ_len);
	snprintf(integ, sizeof integ, "%s%s", transform->integ_len ? "integ = \"sha256\"\n" : "", line);
	return (size_t)snprintf(out, room, good, transform->name, encr, salt, integ, transform->name,
	                        encr, salt, integ);
}

static sprat_config *parse(const char *text, size_t len)
{
	sprat_config *config = NULL;
	char message[512] = "";
	size_t room = sizeof message;

	CHECK_EQ(sprat_config_parse((const uint8_t *)text, len, "test.toml", &config, message, &room),
	         SPRAT_OK);
	if (config == NULL) {
		fprintf(stderr, "%s\n", message);
		exit(2);
	}
	return config;
}

static void packets_through(const struct transform *transform)
{
	char text[4096];
	sprat_config *config = parse(text, config_text(text, sizeof text, transform));
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	sprat_ipsec *ipsec = NULL;
	uint8_t packet[256];
	const size_t len = udp_packet(packet, 6, 77);
	struct frame frame;

	CHECK_EQ(sprat_ipsec_from_config(config, NOW, &ipsec, NULL, NULL), SPRAT_OK);
	sprat_config_free(config); /* the boundary does not need it any more */
	CHECK_EQ(sprat_ipsec_sa_count(ipsec), 2);
	frame_set(&frame, packet, len);
	CHECK_EQ(sprat_ipsec_outbound(ipsec, &frame.buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.sa == 0 && result.spi == SPI);
	CHECK_EQ(sprat_ipsec_inbound(ipsec, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && result.sa == 1);
	CHECK(frame_holds(&frame, packet, len));

	/* An SA of parameters with the same keys understands one of the configuration. */
	sprat_sa_params params = sa_params(SPRAT_IN, transform);
	params.mode = SPRAT_TUNNEL;
	params.tunnel_source = v4(11);
	params.tunnel_destination = v4(12);
	sprat_sa *in = sa_make(&params);
	CHECK_EQ(sprat_ipsec_outbound(ipsec, &frame.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(sprat_open(in, &frame.buf, NOW, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && frame_holds(&frame, packet, len));
	sprat_sa_free(in);
	sprat_ipsec_free(ipsec);
}

static void gateway_section(void)
{
	char text[4096];
	sprat_gateway_settings settings = SPRAT_GATEWAY_SETTINGS_INIT;
	union wide wide;
	sprat_config *config = parse(text, config_text(text, sizeof text, &transforms[0]));

	CHECK_EQ(sprat_config_gateway(NULL, &settings), SPRAT_E_NULL);
	CHECK_EQ(sprat_config_gateway(config, NULL), SPRAT_E_NULL);
	settings.struct_size--;
	CHECK_EQ(sprat_config_gateway(config, &settings), SPRAT_E_ARGUMENT);
	CHECK(settings.tun == NULL);
	settings.struct_size++;
	CHECK_EQ(sprat_config_gateway(config, &settings), SPRAT_OK);
	CHECK_TEXT(settings.tun, "tun7");
	CHECK(strstr(settings.state_file, "state") != NULL);
	CHECK_TEXT(settings.user, "nobody");
	CHECK(settings.mtu == 1300 && settings.raw == 1 && settings.mss_clamp == 1);
	CHECK(settings.audit_rate == 3 && settings.state_block == 7);
	CHECK(settings.tun_addresses_len == 2 && settings.routes_len == 1);
	CHECK(settings.tun_addresses[1].address.family == 6 && settings.tun_addresses[1].bits == 64);
	CHECK(settings.routes[0].bits == 16 && settings.routes[0].address.octets[1] == 2);
	CHECK(settings.udp_ports_len == 2 && settings.udp_ports[1] == 4501);
	sprat_gateway_settings *later =
		widened(&wide, &settings, sizeof settings, sizeof settings + 8, 0x77);
	CHECK_EQ(sprat_config_gateway(config, later), SPRAT_OK);
	CHECK_EQ(wide.octets[sizeof settings], 0x77);
	sprat_config_free(config);

	config = parse("", 0);
	CHECK_EQ(sprat_config_gateway(config, &settings), SPRAT_E_NOT_FOUND);
	sprat_config_free(config);
	config = NULL;
	CHECK_EQ(sprat_config_parse(NULL, 0, NULL, &config, NULL, NULL), SPRAT_OK);
	sprat_config_free(config);
	sprat_config_free(NULL);
}

/* The message is cut to every room, and its need always told. */
static void messages(void)
{
	static const char bad[] = "[[sa]]\nname = \"x\"\nspi = 1\nencr_key = \"00112233445566778899\"\n";
	const uint8_t *text = (const uint8_t *)bad;
	const size_t len = sizeof bad - 1;
	sprat_config *config = NULL;
	char whole[4096], cut[4096];
	size_t need = sizeof whole;

	CHECK_EQ(sprat_config_parse(text, len, "sas.toml", &config, whole, &need), SPRAT_E_CONFIG);
	CHECK(config == NULL && need > 64 && need == strlen(whole) + 1);
	CHECK(strncmp(whole, "sas.toml:", 9) == 0 && strstr(whole, "sa.spi") != NULL);
	CHECK(strstr(whole, "; allowed: ") != NULL && strstr(whole, "0011223344") == NULL);
	for (size_t room = 0; room <= need + 1; room++) {
		size_t told = room;

		memset(cut, 'x', sizeof cut);
		CHECK_EQ(sprat_config_parse(text, len, "sas.toml", &config, cut, &told), SPRAT_E_CONFIG);
		CHECK_EQ(told, need);
		CHECK_EQ(cut[room], 'x');
		if (room != 0) {
			const size_t shown = strlen(cut);

			CHECK(shown < room && shown <= need - 1 && strncmp(cut, whole, shown) == 0);
		}
	}
	size_t told = 0;
	CHECK_EQ(sprat_config_parse(text, len, NULL, &config, NULL, &told), SPRAT_E_CONFIG);
	CHECK(told > 0);
	CHECK_EQ(sprat_config_parse(text, len, NULL, &config, whole, NULL), SPRAT_E_CONFIG);
	CHECK_EQ(sprat_config_parse(text, len, NULL, &config, NULL, NULL), SPRAT_E_CONFIG);
	CHECK(config == NULL);
}

static void wrong_calls(void)
{
	static const uint8_t latin[] = { 'a', '=', '"', 0xe9, '"' };
	static const char *const faults[] = {
		"= 1", "[[sa]", "nonsense = true", "\"\\ud800\" = 1", "[gateway]\n", "a = 1\na = 2\n",
	};
	sprat_config *config = NULL;
	char message[256];
	size_t len = sizeof message;

	CHECK_EQ(sprat_config_parse(NULL, 1, NULL, &config, message, &len), SPRAT_E_NULL);
	CHECK_EQ(sprat_config_parse(latin, sizeof latin, NULL, &config, message, &len), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_config_parse(latin, 0, "\xff", &config, message, &len), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_config_parse(latin, 0, NULL, NULL, message, &len), SPRAT_E_NULL);
	CHECK_EQ(len, sizeof message);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		len = sizeof message;
		memset(message, 0, sizeof message);
		CHECK_EQ(sprat_config_parse((const uint8_t *)faults[i], strlen(faults[i]), NULL, &config,
		                            message, &len),
		         SPRAT_E_CONFIG);
		CHECK(len > 1 && strncmp(message, "config:", 7) == 0 && config == NULL);
	}
}

static void from_files(void)
{
	char path[] = "/tmp/sprat-abi-XXXXXX", text[4096], message[256];
	sprat_config *config = NULL;
	sprat_ipsec *ipsec = NULL;
	size_t len = sizeof message;
	const int file = mkstemp(path);
	const size_t octets = config_text(text, sizeof text, &transforms[0]);

	CHECK(file >= 0 && write(file, text, octets) == (ssize_t)octets);
	close(file);
	CHECK_EQ(sprat_config_load(NULL, &config, message, &len), SPRAT_E_NULL);
	CHECK_EQ(sprat_config_load(path, NULL, message, &len), SPRAT_E_NULL);
	CHECK_EQ(sprat_config_load("\xff", &config, message, &len), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_config_load("/nonexistent/sas.toml", &config, message, &len), SPRAT_E_CONFIG);
	CHECK(len > 1 && strstr(message, "/nonexistent/sas.toml") != NULL);
	CHECK_EQ(sprat_config_load("/", &config, NULL, NULL), SPRAT_E_CONFIG);
	CHECK(config == NULL);
	CHECK_EQ(sprat_config_load(path, &config, message, &len), SPRAT_OK);
	unlink(path);

	CHECK_EQ(sprat_ipsec_from_config(NULL, NOW, &ipsec, NULL, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_from_config(config, NOW, NULL, NULL, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipsec_from_config(config, NOW, &ipsec, message, &len), SPRAT_OK);
	sprat_ipsec_free(ipsec);
	sprat_config_free(config);
}

/* An SA without a direction receives. */
static void no_direction(void)
{
	static const char text[] =
		"[[sa]]\nname = \"x\"\nspi = 256\nmode = \"transport\"\nencr = \"aes-ccm-8\"\n"
		"keymat = \"000102030405060708090a0b0c0d0e0f101112\"\n";
	sprat_config *config = parse(text, sizeof text - 1);
	sprat_ipsec *ipsec = NULL;
	sprat_sa_info info = SPRAT_SA_INFO_INIT;

	CHECK_EQ(sprat_ipsec_from_config(config, NOW, &ipsec, NULL, NULL), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_sa_info(ipsec, 0, &info), SPRAT_OK);
	CHECK_EQ(info.direction, SPRAT_IN);
	sprat_ipsec_free(ipsec);
	sprat_config_free(config);
}

void test_config(void)
{
	for (size_t i = 0; i < TRANSFORMS; i++)
		packets_through(&transforms[i]);
	gateway_section();
	messages();
	wrong_calls();
	from_files();
	no_direction();
}
