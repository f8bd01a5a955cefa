/* What a gateway does beside ESP: ICMP errors, MSS, fragments, TCP framing. */
#include "common.h"

static void icmp(void)
{
	const sprat_addr from4 = v4(99), from6 = v6(99), none = SPRAT_ADDR_NONE;
	uint8_t packet[1400], out[1400], before[1400];
	size_t len = udp_packet(packet, 4, 700), room = sizeof out;

	CHECK_EQ(sprat_icmp_too_big(NULL, len, &from4, 600, out, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_too_big(packet, len, NULL, 600, out, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_too_big(packet, len, &from4, 600, NULL, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_too_big(packet, len, &from4, 600, out, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_too_big(packet, len, &none, 600, out, &room), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_icmp_too_big(packet, len, &from6, 600, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_icmp_too_big(packet, 19, &from4, 600, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(room, sizeof out);
	memset(out, 0x5a, sizeof out);
	memcpy(before, out, sizeof out);
	for (room = 0; room < 1280; room += 1279) {
		size_t told = room;

		CHECK_EQ(sprat_icmp_too_big(packet, len, &from4, 600, out, &told), SPRAT_E_SHORT);
		CHECK(told == 1280 && memcmp(out, before, sizeof out) == 0);
	}
	room = 1280;
	CHECK_EQ(sprat_icmp_too_big(packet, len, &from4, 600, out, &room), SPRAT_OK);
	CHECK(room == 576 && out[9] == 1 && out[26] == 600 >> 8 && out[27] == (600 & 0xff));
	CHECK(memcmp(out + 12, from4.octets, 4) == 0 && memcmp(out + 16, packet + 12, 4) == 0);
	/* No error about an error. */
	memcpy(packet, out, room);
	len = room;
	room = sizeof out;
	CHECK_EQ(sprat_icmp_too_big(packet, len, &from4, 600, out, &room), SPRAT_E_PACKET);
	len = udp_packet(packet, 6, 1300);
	CHECK_EQ(sprat_icmp_too_big(packet, len, &from6, 1280, out, &room), SPRAT_OK);
	CHECK(room == 1280 && out[6] == 58 && out[40] == 2);
}

static void icmp_prohibited(void)
{
	const sprat_addr from4 = v4(99), from6 = v6(99), none = SPRAT_ADDR_NONE;
	uint8_t packet[1400], out[1400];
	size_t len = udp_packet(packet, 4, 700), room = sizeof out;

	CHECK_EQ(sprat_icmp_prohibited(NULL, len, &from4, out, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, NULL, out, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from4, NULL, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from4, out, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &none, out, &room), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from6, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_icmp_prohibited(packet, 19, &from4, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(room, sizeof out);
	room = 1279;
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from4, out, &room), SPRAT_E_SHORT);
	CHECK_EQ(room, 1280);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from4, out, &room), SPRAT_OK);
	CHECK(room == 576 && out[9] == 1 && out[20] == 3 && out[21] == 13);
	CHECK(out[24] == 0 && out[25] == 0 && out[26] == 0 && out[27] == 0);
	CHECK(memcmp(out + 28, packet, room - 28) == 0);
	memcpy(packet, out, room);
	len = room;
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from4, out, &room), SPRAT_E_SHORT);
	room = sizeof out;
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from4, out, &room), SPRAT_E_PACKET);
	len = udp_packet(packet, 6, 1300);
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from6, out, &room), SPRAT_OK);
	CHECK(room == 1280 && out[6] == 58 && out[40] == 1 && out[41] == 1);
	packet[24] = 0xff; /* to a group */
	room = sizeof out;
	CHECK_EQ(sprat_icmp_prohibited(packet, len, &from6, out, &room), SPRAT_E_PACKET);
}

/* A SYN with an MSS of 1460 in a packet of 44 octets. */
static size_t syn(uint8_t *out)
{
	const size_t len = udp_packet(out, 4, 16);
	uint8_t *tcp = out + 20;

	memset(tcp, 0, 24);
	out[9] = 6;
	tcp[12] = 6 << 4;
	tcp[13] = 2;
	tcp[20] = 2;
	tcp[21] = 4;
	tcp[22] = 1460 >> 8;
	tcp[23] = 1460 & 0xff;
	return len;
}

static void mss(void)
{
	uint8_t packet[64], changed = 9;
	const size_t len = syn(packet);

	CHECK_EQ(sprat_tcp_clamp_mss(NULL, len, 1300, &changed), SPRAT_E_NULL);
	CHECK_EQ(sprat_tcp_clamp_mss(packet, len, 1300, NULL), SPRAT_E_NULL);
	CHECK_EQ(changed, 9);
	CHECK_EQ(sprat_tcp_clamp_mss(NULL, 0, 1300, &changed), SPRAT_OK);
	CHECK_EQ(changed, 0);
	CHECK_EQ(sprat_tcp_clamp_mss(packet, len, 1300, &changed), SPRAT_OK);
	CHECK(changed == 1 && packet[42] == 1260 >> 8 && packet[43] == (1260 & 0xff));
	CHECK_EQ(sprat_tcp_clamp_mss(packet, len, 1300, &changed), SPRAT_OK);
	CHECK_EQ(changed, 0);
	for (size_t cut = 0; cut < len; cut++) {
		CHECK_EQ(sprat_tcp_clamp_mss(packet, cut, 600, &changed), SPRAT_OK);
		CHECK_EQ(changed, 0);
	}
	packet[33] = 0x10; /* no SYN */
	CHECK_EQ(sprat_tcp_clamp_mss(packet, len, 600, &changed), SPRAT_OK);
	CHECK_EQ(changed, 0);
}

static void fragments(void)
{
	uint8_t packet[1500], out[600], whole[1500];
	const size_t len = udp_packet(packet, 4, 1400);
	size_t room, total = 0;
	uint32_t index = 0;

	for (;; index++) {
		room = sizeof out;
		const int32_t status = sprat_ipv4_fragment(packet, len, 576, index, out, &room);
		if (status != SPRAT_OK) {
			CHECK_EQ(status, SPRAT_E_NOT_FOUND);
			break;
		}
		const size_t offset = ((size_t)(out[6] & 0x1f) << 8 | out[7]) * 8;
		CHECK(room <= 576 && offset == total && offset + room - 20 <= sizeof whole);
		memcpy(whole + offset, out + 20, room - 20);
		total += room - 20;
		CHECK_EQ((out[6] & 0x20) != 0, total != len - 20);
	}
	CHECK(index == 3 && total == len - 20 && memcmp(whole, packet + 20, total) == 0);
	for (size_t told = 0; told < 576; told += 575) {
		room = told;
		CHECK_EQ(sprat_ipv4_fragment(packet, len, 576, 0, out, &room), SPRAT_E_SHORT);
		CHECK_EQ(room, 576);
	}
	room = sizeof out;
	CHECK_EQ(sprat_ipv4_fragment(NULL, len, 576, 0, out, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 576, 0, NULL, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 576, 0, out, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 27, 0, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 0, 0, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ipv4_fragment(packet, len, UINT32_MAX, 0, out, &room), SPRAT_E_SHORT);
	CHECK_EQ(room, 65535);
	room = sizeof out;
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 576, UINT32_MAX, out, &room), SPRAT_E_NOT_FOUND);
	packet[6] = 0x40; /* do not fragment */
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 576, 0, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ipv4_fragment(packet, udp_packet(packet, 6, 900), 576, 0, out, &room),
	         SPRAT_E_PACKET);
}

/* The same by either function, and IPv6 behind a Fragment header of 8 octets. */
static void fragments_of_both_families(void)
{
	uint8_t packet[1500], out[600], again[600], whole[1500];
	size_t len = udp_packet(packet, 4, 1000), room = sizeof out, same = sizeof out, total = 0;

	CHECK_EQ(sprat_ip_fragment(packet, len, 576, 7, 1, out, &room), SPRAT_OK);
	CHECK_EQ(sprat_ipv4_fragment(packet, len, 576, 1, again, &same), SPRAT_OK);
	CHECK(room == same && memcmp(out, again, room) == 0);
	len = udp_packet(packet, 6, 1400);
	for (uint32_t index = 0; total < len - 40 && index < 9; index++) {
		room = sizeof out;
		CHECK_EQ(sprat_ip_fragment(packet, len, 576, 0x01020304, index, out, &room), SPRAT_OK);
		CHECK(room > 48 && room <= 576 && out[6] == 44 && out[40] == 17);
		CHECK(memcmp(out + 44, "\1\2\3\4", 4) == 0);
		CHECK(((size_t)out[42] << 8 | (out[43] & 0xf8)) == total && total + room - 48 <= sizeof whole);
		memcpy(whole + total, out + 48, room - 48);
		total += room - 48;
		CHECK_EQ(out[43] & 1, total != len - 40);
	}
	CHECK(total == len - 40 && memcmp(whole, packet + 40, total) == 0);
	CHECK_EQ(sprat_ip_fragment(packet, len, 576, 7, 9, out, &room), SPRAT_E_SHORT);
	CHECK_EQ(room, 576);
	CHECK_EQ(sprat_ip_fragment(packet, len, 576, 7, 9, out, &room), SPRAT_E_NOT_FOUND);
	CHECK_EQ(sprat_ip_fragment(packet, len, 55, 7, 0, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ip_fragment(packet, 39, 576, 7, 0, out, &room), SPRAT_E_PACKET);
	CHECK_EQ(sprat_ip_fragment(NULL, len, 576, 7, 0, out, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_ip_fragment(packet, len, 576, 7, 0, NULL, &room), SPRAT_E_NULL);
	CHECK_EQ(sprat_ip_fragment(packet, len, 576, 7, 0, out, NULL), SPRAT_E_NULL);
}

/* A stream that comes octet by octet: the prefix, then frames. */
static void tcp_stream(void)
{
	static const uint8_t stream[] = {
		'I', 'K', 'E', 'T', 'C', 'P', 0, 7, 0, 0, 1, 0, 9, /* ESP, SPI 256 */
		0, 7, 0, 0, 0, 0, 'x',                             /* IKE */
		0, 3, 0xff,                                        /* keepalive */
		0, 2,                                              /* nothing */
	};
	static const int32_t kinds[] = { SPRAT_TCP_ESP, SPRAT_TCP_IKE, SPRAT_TCP_KEEPALIVE,
		                         SPRAT_TCP_IGNORE };
	size_t at = 6, seen = 0;
	uint8_t complete = 9;

	for (size_t len = 0; len <= sizeof stream; len++) {
		CHECK_EQ(sprat_tcp_prefix(stream, len, &complete), SPRAT_OK);
		CHECK_EQ(complete, len >= 6);
	}
	CHECK_EQ(sprat_tcp_prefix((const uint8_t *)"IKEx", 4, &complete), SPRAT_E_PACKET);
	for (size_t len = 6; len <= sizeof stream; len++) {
		int32_t kind = -1;
		size_t consumed = 9;

		CHECK_EQ(sprat_tcp_frame(stream + at, len - at, &kind, &consumed), SPRAT_OK);
		if (kind == SPRAT_TCP_MORE) {
			CHECK_EQ(consumed, 0);
			continue;
		}
		CHECK(seen < 4 && kind == kinds[seen] && consumed == len - at);
		at += consumed;
		seen++;
	}
	CHECK(seen == 4 && at == sizeof stream);
}

static void tcp_wrong_calls(void)
{
	static const uint8_t lost[][2] = { { 0, 0 }, { 0, 1 } };
	uint8_t length[2] = { 7, 7 }, complete = 9;
	int32_t kind = 77;
	size_t consumed = 77;

	for (size_t i = 0; i < 2; i++)
		CHECK_EQ(sprat_tcp_frame(lost[i], 2, &kind, &consumed), SPRAT_E_PACKET);
	CHECK_EQ(sprat_tcp_frame(NULL, 2, &kind, &consumed), SPRAT_E_NULL);
	CHECK_EQ(sprat_tcp_frame(lost[0], 2, NULL, &consumed), SPRAT_E_NULL);
	CHECK_EQ(sprat_tcp_frame(lost[0], 2, &kind, NULL), SPRAT_E_NULL);
	CHECK(kind == 77 && consumed == 77);
	CHECK_EQ(sprat_tcp_frame(NULL, 0, &kind, &consumed), SPRAT_OK);
	CHECK_EQ(kind, SPRAT_TCP_MORE);
	CHECK_EQ(sprat_tcp_prefix(NULL, 1, &complete), SPRAT_E_NULL);
	CHECK_EQ(sprat_tcp_prefix(lost[0], 1, NULL), SPRAT_E_NULL);
	CHECK_EQ(complete, 9);
	CHECK_EQ(sprat_tcp_frame_length(0, NULL), SPRAT_E_NULL);
	CHECK_EQ(sprat_tcp_frame_length(65534, length), SPRAT_E_ARGUMENT);
	CHECK_EQ(sprat_tcp_frame_length(SIZE_MAX, length), SPRAT_E_ARGUMENT);
	CHECK(length[0] == 7 && length[1] == 7);
	CHECK_EQ(sprat_tcp_frame_length(65533, length), SPRAT_OK);
	CHECK(length[0] == 0xff && length[1] == 0xff);
	CHECK_EQ(sprat_tcp_frame_length(5, length), SPRAT_OK);
	CHECK(length[0] == 0 && length[1] == 7);
}

void test_frames(void)
{
	icmp();
	icmp_prohibited();
	mss();
	fragments();
	fragments_of_both_families();
	tcp_stream();
	tcp_wrong_calls();
}
