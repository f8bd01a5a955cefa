/*
 * Every function of sprat.h from C++11 and later: the header as C++, handles in
 * objects that free them, one right and one wrong use each. What a function
 * does in detail is tested in C.
 */
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <sprat.h>

#include "check.h"

unsigned checks_made, checks_failed;

namespace {

static_assert(std::is_standard_layout<sprat_sa_params>::value, "what C sees");
static_assert(sizeof(sprat_mote_sa) == 48 + 4 * sizeof(void *), "size of a mote SA");

struct Free {
	void operator()(sprat_sa *sa) const { sprat_sa_free(sa); }
	void operator()(sprat_ipsec *ipsec) const { sprat_ipsec_free(ipsec); }
	void operator()(sprat_config *config) const { sprat_config_free(config); }
	void operator()(sprat_ehc *ehc) const { sprat_ehc_free(ehc); }
};
template <typename T> using Handle = std::unique_ptr<T, Free>;

using Octets = std::vector<uint8_t>;

const Octets key(16, 0x42), salt(3, 0x17);
const char toml[] = R"(
[[sa]]
name = "to-b"
direction = "out"
spi = 0x1001
mode = "tunnel"
encr = "ENCR_AES_CCM_8"
encr_key = "42424242424242424242424242424242"
salt = "171717"
[sa.tunnel]
source = "192.0.2.1"
destination = "192.0.2.2"
[[policy]]
direction = "out"
action = "protect"
sa = "to-b"
[gateway]
state_file = "state"
)";

sprat_sa_params params(uint8_t direction)
{
	sprat_sa_params p = SPRAT_SA_PARAMS_INIT;
	p.direction = direction;
	p.mode = SPRAT_TUNNEL;
	p.spi = 0x1001;
	p.encr = SPRAT_ENCR_AES_CCM_8;
	p.encr_key = key.data();
	p.encr_key_len = key.size();
	p.salt = salt.data();
	p.salt_len = salt.size();
	p.tunnel_source = sprat_addr{ 4, { 192, 0, 2, 1 } };
	p.tunnel_destination = sprat_addr{ 4, { 192, 0, 2, 2 } };
	return p;
}

/* 2001:db8::1 to ::2, UDP with "ping". */
Octets ping()
{
	Octets p(52);
	p[0] = 0x60;
	p[5] = 12;
	p[6] = 17;
	p[7] = 64;
	const uint8_t net[] = { 0x20, 0x01, 0x0d, 0xb8 };
	std::memcpy(&p[8], net, 4);
	std::memcpy(&p[24], net, 4);
	p[23] = 1;
	p[39] = 2;
	p[40] = p[42] = 0x16;
	p[41] = p[43] = 0x33;
	p[45] = 12;
	std::memcpy(&p[48], "ping", 4);
	return p;
}

/* A packet with room around it. */
struct Room {
	Octets memory;
	sprat_buf buf;
	explicit Room(const Octets &packet, size_t head = 96, size_t tail = 96)
		: memory(head + packet.size() + tail), buf()
	{
		std::copy(packet.begin(), packet.end(), memory.begin() + static_cast<long>(head));
		buf.data = memory.data();
		buf.capacity = memory.size();
		buf.start = head;
		buf.len = packet.size();
	}
	Octets packet() const
	{
		return Octets(buf.data + buf.start, buf.data + buf.start + buf.len);
	}
};

sprat_result fresh_result()
{
	sprat_result result = SPRAT_RESULT_INIT;
	return result;
}

void versions()
{
	CHECK_EQ(sprat_abi_version(), SPRAT_ABI_VERSION);
	CHECK(!std::string(sprat_version()).empty());
	CHECK(std::string(sprat_status_text(SPRAT_OK)) == "success");
	CHECK(std::string(sprat_drop_name(SPRAT_DROP_REPLAY)) == "replay");
	CHECK(sprat_drop_text(0) == nullptr && sprat_drop_count() >= SPRAT_DROP_SN_UNRESERVED);
	CHECK_EQ(sprat_drop_audit(0), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_mote_sa_size(), sizeof(sprat_mote_sa));
}

Handle<sprat_sa> make_sa(uint8_t direction)
{
	const sprat_sa_params p = params(direction);
	sprat_sa *sa = nullptr;
	CHECK_EQ(sprat_sa_new(&p, 0, &sa), SPRAT_OK);
	return Handle<sprat_sa>(sa);
}

void single_sas()
{
	const Handle<sprat_sa> out = make_sa(SPRAT_OUT), in = make_sa(SPRAT_IN);
	sprat_seal_args args = SPRAT_SEAL_ARGS_INIT;
	sprat_result result = fresh_result();
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	Room room(ping());

	CHECK_EQ(sprat_seal(in.get(), &room.buf, &args, &result), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_sa_reserve(out.get(), 1), SPRAT_OK);
	CHECK_EQ(sprat_seal(out.get(), &room.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_FORWARD);
	const Octets sealed = room.packet();
	CHECK_EQ(sprat_open(in.get(), &room.buf, 0, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && room.packet() == ping());
	Room again(sealed);
	CHECK_EQ(sprat_open(in.get(), &again.buf, 0, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DROP && result.reason == SPRAT_DROP_REPLAY);
	CHECK_EQ(sprat_sa_get_info(in.get(), &info), SPRAT_OK);
	CHECK(info.packets == 1 && info.drops == 1 && info.sn == 1);
	Room dummy(Octets(40));
	CHECK_EQ(sprat_seal_dummy(out.get(), &dummy.buf, &args, &result), SPRAT_OK);
	CHECK_EQ(result.reason, SPRAT_DROP_SN_UNRESERVED);
	Room tight(ping(), 0, 0);
	CHECK_EQ(sprat_sa_reserve(out.get(), UINT64_MAX), SPRAT_OK);
	CHECK_EQ(sprat_seal(out.get(), &tight.buf, &args, &result), SPRAT_E_SHORT);
	CHECK(result.need_head > 0 && result.need_tail > 0 && tight.packet() == ping());
}

Handle<sprat_config> read_config()
{
	sprat_config *config = nullptr;
	CHECK_EQ(sprat_config_parse(reinterpret_cast<const uint8_t *>(toml), sizeof toml - 1, "a.toml",
	                            &config, nullptr, nullptr),
	         SPRAT_OK);
	return Handle<sprat_config>(config);
}

Handle<sprat_ipsec> configured()
{
	const Handle<sprat_config> config = read_config();
	sprat_gateway_settings settings = SPRAT_GATEWAY_SETTINGS_INIT;
	sprat_config *none = nullptr;
	sprat_ipsec *ipsec = nullptr;
	size_t len = 0;

	CHECK_EQ(sprat_config_gateway(config.get(), &settings), SPRAT_OK);
	CHECK(std::string(settings.tun) == "sprat0");
	CHECK_EQ(sprat_config_load("/nonexistent", &none, nullptr, &len), SPRAT_E_CONFIG);
	std::string message(len, 'x');
	CHECK_EQ(sprat_config_load("/nonexistent", &none, &message[0], &len), SPRAT_E_CONFIG);
	CHECK(message.back() == '\0' && message.find("/nonexistent") == 0);
	CHECK_EQ(sprat_ipsec_from_config(config.get(), 0, &ipsec, nullptr, nullptr), SPRAT_OK);
	return Handle<sprat_ipsec>(ipsec);
}

Handle<sprat_ipsec> built()
{
	sprat_ipsec *ipsec = nullptr;
	sprat_policy policy = SPRAT_POLICY_INIT;
	const sprat_sa_params in = params(SPRAT_IN);
	uint32_t number = SPRAT_NO_SA;

	CHECK_EQ(sprat_ipsec_new(&ipsec), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_add_sa(ipsec, &in, 0, &number), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_add_sa(ipsec, &in, 0, &number), SPRAT_E_EXISTS);
	policy.direction = SPRAT_IN;
	policy.action = SPRAT_PROTECT;
	CHECK_EQ(sprat_ipsec_add_policy(ipsec, &policy), SPRAT_OK);
	CHECK(number == 0 && sprat_ipsec_sa_count(ipsec) == 1);
	return Handle<sprat_ipsec>(ipsec);
}

void boundary_packets(sprat_ipsec *a, sprat_ipsec *b)
{
	sprat_seal_args args = SPRAT_SEAL_ARGS_INIT;
	sprat_result result = fresh_result();
	sprat_outer outer = SPRAT_OUTER_INIT;
	Room room(ping()), bare(ping());

	CHECK_EQ(sprat_ipsec_sa_skip_to(a, 0, 41), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_sa_reserve(a, 0, 43), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_outbound(a, &room.buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.sn == 42);
	CHECK_EQ(sprat_ipsec_inbound(b, &room.buf, 0, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && room.packet() == ping());
	/* A receiver does not move back either. */
	CHECK_EQ(sprat_ipsec_sa_skip_to(b, result.sa, 41), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_outbound(a, &bare.buf, &args, &result), SPRAT_OK);
	bare.buf.start += result.esp_offset;
	bare.buf.len -= result.esp_offset;
	outer.source = result.source;
	outer.destination = result.destination;
	CHECK_EQ(sprat_ipsec_inbound_esp(b, &bare.buf, &outer, 0, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && bare.packet() == ping());
	CHECK_EQ(sprat_ipsec_inbound(b, &bare.buf, 0, &result), SPRAT_OK);
	CHECK_EQ(result.reason, SPRAT_DROP_UNPROTECTED);
}

void boundary_state(sprat_ipsec *a, sprat_ipsec *b)
{
	std::vector<uint64_t> counters(sprat_drop_count() + 1);
	size_t count = counters.size();
	sprat_sa_info info = SPRAT_SA_INFO_INIT;
	char name[8];
	size_t len = sizeof name;
	uint32_t mtu = 0, number = 0;

	CHECK_EQ(sprat_ipsec_drops(b, counters.data(), &count), SPRAT_OK);
	CHECK(counters[SPRAT_DROP_UNPROTECTED] == 1 && count == counters.size());
	CHECK_EQ(sprat_ipsec_sa_drops(b, 0, counters.data(), &count), SPRAT_OK);
	CHECK_EQ(counters[SPRAT_DROP_UNPROTECTED], 0);
	CHECK_EQ(sprat_ipsec_sa_info(b, 0, &info), SPRAT_OK);
	CHECK_EQ(info.sn_bits, 32u);
	CHECK(info.packets == 2 && info.sn == 43);
	CHECK_EQ(sprat_ipsec_sa_name(a, 0, name, &len), SPRAT_OK);
	CHECK(std::string(name) == "to-b");
	CHECK_EQ(sprat_ipsec_inner_mtu(a, 0, 1500, &mtu), SPRAT_OK);
	CHECK(mtu > 1400 && mtu < 1500);
	CHECK_EQ(sprat_ipsec_icmp_error(a, ping().data(), ping().size(), 0, &number), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_remove_sa(b, 0), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_remove_sa(b, 0), SPRAT_E_NOT_FOUND);
}

void frames()
{
	const Octets packet = ping();
	Octets out(1280), length(2);
	const sprat_addr from{ 6, { 0x20, 0x01, 0x0d, 0xb8 } };
	size_t len = out.size();
	uint8_t flag = 9;
	int32_t kind = -1;

	CHECK_EQ(sprat_icmp_too_big(packet.data(), packet.size(), &from, 1280, out.data(), &len), SPRAT_OK);
	CHECK_EQ(len, 40 + 8 + packet.size());
	len = out.size();
	CHECK_EQ(sprat_icmp_prohibited(packet.data(), packet.size(), &from, out.data(), &len), SPRAT_OK);
	CHECK_EQ(len, 40 + 8 + packet.size());
	len = out.size();
	CHECK_EQ(sprat_ipv4_fragment(packet.data(), packet.size(), 600, 0, out.data(), &len), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ip_fragment(packet.data(), packet.size(), 1280, 1, 0, out.data(), &len), SPRAT_OK);
	CHECK_EQ(len, packet.size() + 8);
	Octets same = packet;
	CHECK_EQ(sprat_tcp_clamp_mss(same.data(), same.size(), 600, &flag), SPRAT_OK);
	CHECK(flag == 0 && same == packet);
	const Octets stream{ 'I', 'K', 'E', 'T', 'C', 'P', 0, 3, 0xff };
	CHECK_EQ(sprat_tcp_prefix(stream.data(), stream.size(), &flag), SPRAT_OK);
	CHECK_EQ(flag, 1);
	CHECK_EQ(sprat_tcp_frame(&stream[6], 3, &kind, &len), SPRAT_OK);
	CHECK(kind == SPRAT_TCP_KEEPALIVE && len == 3);
	CHECK_EQ(sprat_tcp_frame_length(1, length.data()), SPRAT_OK);
	CHECK(length[0] == 0 && length[1] == 3);
}

Handle<sprat_ehc> make_ehc(int32_t want, uint8_t sn_lsb)
{
	sprat_ehc_params p = SPRAT_EHC_PARAMS_INIT;
	sprat_ehc_sa sa = SPRAT_EHC_SA_INIT;
	sprat_ehc *ehc = nullptr;

	p.ip_version = 6;
	p.alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
	p.esp_spi_lsb = 8;
	p.esp_sn_lsb = sn_lsb;
	p.selector.has_protocol = 1;
	p.selector.protocol = 17;
	sa.spi = 0x1001;
	sa.outer_version = 6;
	CHECK_EQ(sprat_ehc_new(&p, &sa, &ehc), want);
	return Handle<sprat_ehc>(ehc);
}

void diet_esp()
{
	const Handle<sprat_ehc> ehc = make_ehc(SPRAT_OK, 8);
	sprat_outer outer = SPRAT_OUTER_INIT;
	sprat_result result = fresh_result();
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;
	std::vector<sprat_ehc_row> rows(SPRAT_EHC_ROWS_MAX);
	std::vector<uint64_t> counters(sprat_drop_count() + 1);
	size_t count = rows.size(), len = 2;
	Octets header(2);
	uint64_t sn = 0;
	Room room(ping()), tight(ping(), 0, 0), other(Octets(9));

	CHECK(!make_ehc(SPRAT_E_EHC_LSB_OCTETS, 7));
	CHECK_EQ(sprat_ehc_compress(ehc.get(), &room.buf, &outer, &result), SPRAT_OK);
	/* DSCP, ECN, flow label, two addresses and two ports: 316 bits. */
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && room.packet().size() == 40 + 4);
	CHECK_EQ(sprat_ehc_header(ehc.get(), 0x102, header.data(), &len), SPRAT_OK);
	CHECK(header[0] == 0x01 && header[1] == 0x02);
	len = 1;
	CHECK_EQ(sprat_ehc_header(ehc.get(), 0x102, header.data(), &len), SPRAT_E_SHORT);
	CHECK_EQ(len, 2);
	CHECK_EQ(sprat_ehc_sn(ehc.get(), header.data(), 2, 0x100, &sn), SPRAT_OK);
	CHECK_EQ(sn, 0x102);
	CHECK_EQ(sprat_ehc_sn(ehc.get(), header.data(), 1, 0, &sn), SPRAT_E_PACKET);
	tight.buf.start = 0;
	tight.buf.len = room.packet().size();
	std::memcpy(tight.buf.data, room.packet().data(), tight.buf.len);
	CHECK_EQ(sprat_ehc_decompress(ehc.get(), &tight.buf, sn, &outer, &result), SPRAT_E_SHORT);
	CHECK_EQ(result.need_head, 48 - 40);
	CHECK_EQ(sprat_ehc_decompress(ehc.get(), &room.buf, sn, &outer, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_DELIVER && room.packet().size() == ping().size());
	CHECK_EQ(sprat_ehc_compress(ehc.get(), &other.buf, &outer, &result), SPRAT_OK);
	CHECK_EQ(result.reason, SPRAT_DROP_EHC_VERSION);
	CHECK_EQ(sprat_ehc_explain(ehc.get(), SPRAT_EHC_STRATUM_IIPC, 0, rows.data(), &count), SPRAT_OK);
	CHECK(count == 13 && std::string(rows[12].name) == "UDP.CKSUM");
	CHECK_EQ(sprat_ehc_explain(ehc.get(), 3, 0, rows.data(), &count), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ehc_get_stats(nullptr, &stats), SPRAT_E_NULL);
	CHECK_EQ(sprat_ehc_get_stats(ehc.get(), &stats), SPRAT_OK);
	CHECK(stats.packets == 2 && stats.refused == 1 && stats.octets_saved == 2 * (8 + 56 - 46));
	count = counters.size();
	CHECK_EQ(sprat_ehc_drops(ehc.get(), counters.data(), &count), SPRAT_OK);
	CHECK_EQ(counters[SPRAT_DROP_EHC_VERSION], 1);
	count = 1;
	CHECK_EQ(sprat_ehc_drops(ehc.get(), counters.data(), &count), SPRAT_E_SHORT);
	CHECK_EQ(sprat_ehc_compress(ehc.get(), nullptr, &outer, &result), SPRAT_E_NULL);
}

/* SAs with a context. */
void compressed_sas()
{
	sprat_ehc_params ehc = SPRAT_EHC_PARAMS_INIT;
	sprat_sa_params out_params = params(SPRAT_OUT), in_params = params(SPRAT_IN);
	sprat_sa *out = nullptr, *in = nullptr;
	sprat_ehc *copy = nullptr;
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;
	sprat_seal_args args = SPRAT_SEAL_ARGS_INIT;
	sprat_result result = fresh_result();
	std::vector<uint64_t> counters(sprat_drop_count() + 1);
	size_t count = counters.size();
	Room room(ping());

	ehc.ip_version = 6;
	ehc.esp_spi_lsb = 9;
	ehc.esp_sn_lsb = 8;
	out_params.ehc = in_params.ehc = &ehc;
	CHECK_EQ(sprat_sa_new(&out_params, 0, &out), SPRAT_E_EHC_LSB_OCTETS);
	ehc.esp_spi_lsb = 8;
	CHECK_EQ(sprat_sa_new(&out_params, 0, &out), SPRAT_OK);
	CHECK_EQ(sprat_sa_new(&in_params, 0, &in), SPRAT_OK);
	const Handle<sprat_sa> sender(out), receiver(in);
	CHECK_EQ(sprat_seal(out, &room.buf, &args, &result), SPRAT_OK);
	CHECK(result.verdict == SPRAT_VERDICT_FORWARD && result.hop_limit == 64);
	CHECK_EQ(sprat_open(in, &room.buf, 0, &result), SPRAT_OK);
	CHECK_EQ(result.verdict, SPRAT_VERDICT_DELIVER);
	CHECK_EQ(sprat_sa_ehc_stats(in, &stats), SPRAT_OK);
	CHECK(stats.packets == 1 && stats.octets_saved > 0);
	stats.struct_size = 1;
	CHECK_EQ(sprat_sa_ehc_stats(in, &stats), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_sa_drops(in, counters.data(), &count), SPRAT_OK);
	CHECK_EQ(sprat_sa_drops(nullptr, counters.data(), &count), SPRAT_E_NULL);
	CHECK_EQ(sprat_sa_ehc(in, &copy), SPRAT_OK);
	const Handle<sprat_ehc> kept(copy);
	CHECK_EQ(sprat_sa_ehc(in, nullptr), SPRAT_E_NULL);
}

void compressed_boundary()
{
	sprat_ehc_params ehc = SPRAT_EHC_PARAMS_INIT;
	sprat_sa_params p = params(SPRAT_OUT);
	sprat_ipsec *ipsec = nullptr;
	sprat_ehc *copy = nullptr;
	sprat_ehc_stats stats = SPRAT_EHC_STATS_INIT;
	uint32_t plain = 9, compressed = 9, spi = 0;

	ehc.ip_version = 6;
	CHECK_EQ(sprat_ipsec_new(&ipsec), SPRAT_OK);
	const Handle<sprat_ipsec> freed(ipsec);
	CHECK_EQ(sprat_ipsec_add_sa(ipsec, &p, 0, &plain), SPRAT_OK);
	p.ehc = &ehc;
	CHECK_EQ(sprat_ipsec_add_sa(ipsec, &p, 0, &compressed), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_set_fallback(ipsec, compressed, plain), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_set_fallback(ipsec, plain, compressed), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_set_icv_trials(ipsec, 4, 10), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_set_icv_trials(ipsec, 0, 10), SPRAT_E_ARGUMENT);
	CHECK(sprat_ipsec_icv_trials(ipsec) == 0 && sprat_ipsec_icv_trials(nullptr) == 0);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, 8, 0, 77, &spi), SPRAT_OK);
	CHECK(spi >= 256);
	CHECK_EQ(sprat_ipsec_allocate_spi(ipsec, 40, 0, 77, &spi), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ipsec, compressed, &stats), SPRAT_OK);
	CHECK_EQ(sprat_ipsec_sa_ehc_stats(ipsec, plain, &stats), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ipsec_sa_ehc(ipsec, compressed, &copy), SPRAT_OK);
	const Handle<sprat_ehc> kept(copy);
	CHECK_EQ(sprat_ipsec_sa_ehc(ipsec, 9, &copy), SPRAT_E_NOT_FOUND);
}

/* Two records that forget nothing. */
int32_t slot_read(void *context, uint32_t slot, uint8_t *record)
{
	std::memcpy(record, static_cast<uint8_t *>(context) + 16 * slot, 16);
	return 0;
}

int32_t slot_write(void *context, uint32_t slot, const uint8_t *record)
{
	std::memcpy(static_cast<uint8_t *>(context) + 16 * slot, record, 16);
	return 0;
}

void motes()
{
	sprat_mote_sa tx, rx;
	sprat_mote_params params{};
	sprat_mote_flow flow{};
	uint8_t slots[32] = { 0 };
	const sprat_mote_nvm nvm{ slot_read, slot_write, slots };
	uint64_t sn = 0;
	Octets packet(ping());
	uint16_t length = static_cast<uint16_t>(packet.size());

	params.spi = 0x1001;
	params.out = 1;
	params.implicit_iv = 1;
	params.window = 64;
	params.key = key.data();
	params.salt = salt.data();
	packet.resize(packet.size() + SPRAT_MOTE_SEAL_ROOM);
	const uint16_t capacity = static_cast<uint16_t>(packet.size());
	CHECK_EQ(sprat_mote_flow_of(packet.data(), length, &flow), SPRAT_OK);
	CHECK(flow.total == length && flow.version == 6);
	CHECK_EQ(std::memcmp(flow.source, packet.data() + 8, 16), 0);
	CHECK_EQ(sprat_mote_sa_init(&tx, &params), SPRAT_OK);
	params.out = 0;
	CHECK_EQ(sprat_mote_sa_init(&rx, &params), SPRAT_OK);
	CHECK_EQ(sprat_mote_seal(&tx, packet.data(), &length, capacity), SPRAT_OK);
	CHECK_EQ(sprat_mote_is_for(&rx, packet.data(), length), 1);
	CHECK_EQ(sprat_mote_open(&rx, packet.data(), &length, capacity), SPRAT_OK);
	packet.resize(length);
	CHECK(packet == ping());
	CHECK_EQ(sprat_mote_sa_sn(&rx, &sn), SPRAT_OK);
	CHECK_EQ(sn, 1);
	CHECK_EQ(sprat_mote_nvm_load(&nvm, 0x1001, 0, &sn), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_mote_nvm_store(&nvm, 0x1001, 0, 9), SPRAT_OK);
	CHECK_EQ(sprat_mote_nvm_load(&nvm, 0x1001, 0, &sn), SPRAT_OK);
	CHECK_EQ(sn, 9);
	sprat_mote_wipe(&tx);
	CHECK_EQ(sprat_mote_seal(&tx, packet.data(), &length, length), SPRAT_E_ARGUMENT);
	sprat_mote_wipe(&rx);
}

} // namespace

int main()
{
	versions();
	single_sas();
	const Handle<sprat_ipsec> a = configured(), b = built();
	boundary_packets(a.get(), b.get());
	boundary_state(a.get(), b.get());
	frames();
	diet_esp();
	compressed_sas();
	compressed_boundary();
	motes();
	return check_sum("abi_test (C++)");
}
