# SPDX-License-Identifier: BSD-3-Clause
"""The other end of a node's SAs, written from the RFCs and the draft.

Nothing of the product is in it: Diet-ESP and AES-CCM are those of tests/oracle.
"""

import ipaddress
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../tests/oracle"))

import crypto  # noqa: E402
import diet_esp  # noqa: E402
import headers  # noqa: E402

CLEAR, ESP, IIV, DIET = range(4)
COAP_PORT = 5683
NAT_T = 4500


def demo_key(spi):
    """Key and salt of demo-sa.c."""
    key = bytearray(b"sprat demo key 1")
    for i, octet in enumerate(spi.to_bytes(4, "big")):
        key[i] ^= octet
    return bytes(key), bytes(key[:3])


def ipv6(source, destination, protocol, payload, hop_limit=64):
    return (struct.pack(">IHBB", 6 << 28, len(payload), protocol, hop_limit)
            + source.packed + destination.packed + payload)


def udp(source, destination, ports, payload):
    """An IPv6 packet with a datagram."""
    segment = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    ends = source.packed + destination.packed
    value = headers.transport_checksum(ends, headers.UDP, segment)
    segment = segment[:6] + value.to_bytes(2, "big") + payload
    return ipv6(source, destination, headers.UDP, segment)


class Refused(Exception):
    """A packet that this end does not take."""


class Peer:
    """One pair of SAs with a node, in transport mode.

    `ends` are this end's address and the node's, `spis` those of the SA that
    receives here and of the one that sends.
    """

    def __init__(self, ends, spis, mode):
        self.own, self.node = map(ipaddress.IPv6Address, ends)
        self.mode = mode
        self.inbound, self.outbound = map(self.sa, spis)
        self.sent = 0
        self.top = 0
        self.seen = set()

    def sa(self, spi):
        key, salt = demo_key(spi)
        transform = "ENCR_AES_CCM_8" if self.mode == ESP else "ENCR_AES_CCM_8_IIV"
        return crypto.Sa(transform, key, salt, b"", spi, False)

    def context(self, out):
        """The context of demo-sa.c, in the words of the draft."""
        ends = (self.own, self.node) if out else (self.node, self.own)
        case = {
            "iipc_profile": "iipc_diet-esp", "dscp_cda": "lower", "ecn_cda": "lower",
            "flow_label_cda": "lower", "dscp_list": [], "alignment": 8,
            "esp_trailer": "Optional", "ipsec_mode": "Transport",
            "esp_spi_lsb": 8, "esp_sn_lsb": 8, "ts_ip_version": 6, "ts_proto": headers.UDP,
        }
        for name, end in zip(("src", "dst"), ends):
            for edge in ("start", "end"):
                case[f"ts_ip_{name}_{edge}"] = str(end)
                case[f"ts_port_{name}_{edge}"] = COAP_PORT
        return diet_esp.context_of(case)

    def seal(self, packet, number=None):
        """What ESP makes of `packet`: the octets behind the IP header."""
        if number is None:
            self.sent += 1
            number = self.sent
        iv = struct.pack(">Q", number) if self.mode == ESP else b""
        context = self.context(True)
        if self.mode == DIET:
            return diet_esp.seal(context, self.outbound, number, iv, packet).esp
        return diet_esp.standard_esp(context, self.outbound, number, iv, packet)

    def send(self, packet, number=None):
        """The IP packet with ESP in it."""
        return ipv6(self.own, self.node, headers.ESP, self.seal(packet, number))

    def open(self, packet):
        """The packet that a received one (IPv6, ESP first) carries, or Refused."""
        esp = packet[40:]
        try:
            if self.mode == DIET:
                number = self.shown(esp)
                way = {"packet": packet, "generated": 0, "outer": headers_of(packet)}
                state = (self.top, 64) if number > self.top else (number - 1, 64)
                inner = diet_esp.receive(self.context(False), self.inbound, esp, state, way)
            else:
                number, inner = self.open_plain(packet, esp)
        except diet_esp.Reject as error:
            raise Refused(str(error)) from error
        if number in self.seen:
            raise Refused("replay")
        self.seen.add(number)
        self.top = max(self.top, number)
        return inner

    def shown(self, esp):
        number = diet_esp.reconstruct(8, esp[1], self.top, 64, False)
        if number is None:
            raise Refused("sn")
        return number

    def open_plain(self, packet, esp):
        """RFC 4303 with RFC 4309 or RFC 8750."""
        sa = self.inbound
        spi, number = struct.unpack(">II", esp[:8])
        if spi != sa.spi:
            raise Refused(f"SPI {spi:08x}")
        at = 8 + sa.cipher.iv
        try:
            clear = sa.open(number, esp[8:at], esp[at:-8], esp[-8:])
        except crypto.BadIcv as error:
            raise Refused("icv") from error
        pad, following = clear[-2:]
        end = len(clear) - 2 - pad
        if clear[end:-2] != bytes(range(1, pad + 1)):
            raise Refused("padding")
        return number, diet_esp.with_next(packet[:40], 6, following, end) + clear[:end]


def headers_of(packet):
    """The outer header as the oracle wants it."""
    values = headers.unpack(headers.V6, packet)
    return {"version": 6, "dscp": values["DSCP"], "ecn": values["ECN"],
            "hop_limit": values["HOP_LIMIT"], "flow_label": values["FLOW_LABEL"]}


# --- As much of CoAP (RFC 7252, RFC 7641) as the questions need


def coap_get(path, message_id, observe=False):
    """A confirmable GET; its token is made of the Message ID."""
    token = struct.pack(">H", message_id)
    options = b"\x60" if observe else b""  # Observe: 0, register
    delta = 5 if observe else 11
    text = path.encode()
    options += bytes([delta << 4 | len(text)]) + text
    return struct.pack(">BBH", 0x42, 0x01, message_id) + token + options


def coap_ack(message):
    return struct.pack(">BB", 0x60, 0) + message[2:4]


def coap_answer(message):
    """(type, code, token, payload)."""
    length = message[0] & 15
    _, mark, payload = message[4 + length:].partition(b"\xff")
    return message[0] >> 4 & 3, message[1], message[4:4 + length], payload if mark else b""
