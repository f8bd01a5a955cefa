"""Node 2 of RIOT's examples: their SAs once more, over the second Diet-ESP of tests/oracle.

Nothing here comes from the library under test: AES-CCM is that of `cryptography`.
"""

import ipaddress
import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "oracle"))

import diet_esp
import headers
from crypto import Sa
from diet_esp import Context, Range, Reject

COAP, TUNNEL, PLAIN, GROUP = range(4)
COAP_PORT, GROUP_PORT, NAT_T_PORT = 5683, 5350, 4500
SPI = {COAP: 0x11000151, TUNNEL: 0x11005301, PLAIN: 0xC0FFEE01, GROUP: 0x11000300}
SALT = b"SPR"
ECHO_REQUEST, ECHO_REPLY = 128, 129

Address = ipaddress.IPv6Address
GROUP_ADDRESS = Address("ff02::5350")
NETWORK = int(Address("fd00:b:0:1::")), int(Address("fd00:b:0:1:ffff:ffff:ffff:ffff"))
ANY, ANY_PORT = Range(0, 2**128 - 1, 128), Range(0, 65535, 16)


def only(address: Address) -> Range:
    return Range(int(address), int(address), 128)


def tunnel_context(source: Range, destination: Range) -> Context:
    cda = ("lower", "lower", "lower")
    return Context(True, *cda, (), 8, False, True, 16, 16, 6, 0, source, destination, ANY_PORT, ANY_PORT)


def plain_context(tunnel: bool) -> Context:
    """ESP as RFC 4303 has it: everything is sent."""
    cda = ("not_compressed", "not_compressed", "not_compressed")
    return Context(False, *cda, (), 32, True, tunnel, 32, 32, 6, 0, ANY, ANY, ANY_PORT, ANY_PORT)


def context(kind: int, source: Address, destination: Address) -> Context:
    match kind:
        case 0:
            port = Range(COAP_PORT, COAP_PORT, 16)
            cda = ("not_compressed", "not_compressed", "not_compressed")
            return Context(True, *cda, (), 8, False, False, 8, 8, 6, 17, ANY, ANY, port, port)
        case 1:
            return tunnel_context(only(source), only(destination))
    return plain_context(False)


@dataclass
class End:
    """An SA of one direction, with the number that was used or verified last."""

    context: Context
    sa: Sa
    sn: int = 0

    @property
    def start(self) -> tuple[int, int]:
        return self.sa.spi, self.context.spi_lsb


def ipv6(source: Address, destination: Address, protocol: int, payload: bytes, hops: int = 64) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, hops)
    return head + source.packed + destination.packed + payload


def source_of(packet: bytes) -> Address:
    return Address(packet[8:24])


def destination_of(packet: bytes) -> Address:
    return Address(packet[24:40])


def echo(source: Address, destination: Address, number: int, data: bytes, kind: int = ECHO_REQUEST) -> bytes:
    message = struct.pack(">BBHHH", kind, 0, 0, 0x5350, number) + data
    pseudo = headers.pseudo_header(source.packed + destination.packed, headers.ICMPV6, len(message))
    message = message[:2] + headers.checksum(pseudo + message).to_bytes(2, "big") + message[4:]
    return ipv6(source, destination, headers.ICMPV6, message)


def udp(source: Address, destination: Address, ports: tuple[int, int], data: bytes) -> bytes:
    segment = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
    sum_ = headers.transport_checksum(source.packed + destination.packed, headers.UDP, segment)
    return ipv6(source, destination, headers.UDP, segment[:6] + sum_.to_bytes(2, "big") + data)


def into_udp(packet: bytes) -> bytes:
    """ESP as RFC 3948 sends it; over IPv6 without a checksum, as it has one of its own."""
    at, next_at = diet_esp.esp_place(packet)
    segment = struct.pack(">HHHH", NAT_T_PORT, NAT_T_PORT, 8 + len(packet) - at, 0) + packet[at:]
    return diet_esp.with_next(packet[:at], next_at, headers.UDP, len(segment)) + segment


def out_of_udp(packet: bytes) -> bytes | None:
    """ESP without the UDP around it; None if it is anything else."""
    at, next_at = diet_esp.esp_place(packet)
    ports = struct.pack(">HH", NAT_T_PORT, NAT_T_PORT)
    if packet[next_at] != headers.UDP or packet[at : at + 4] != ports or packet[at + 8 : at + 12] in (b"", bytes(4)):
        return None
    return diet_esp.with_next(packet[:at], next_at, headers.ESP, len(packet) - at - 8) + packet[at + 8 :]


class Peer:
    """The SAs of node `number` (1 or 2); the other node is `remote`. With `udp`, all but the group's are in UDP."""

    def __init__(self, number: int, local: str | None = None, remote: str | None = None, udp: bool = False) -> None:
        other = 3 - number
        self.udp = udp
        self.number = number
        self.local, self.remote = Address(local or f"fd00:a::{number}"), Address(remote or f"fd00:a::{other}")
        self.inner_local, self.inner_remote = Address(f"fd00:b::{number}"), Address(f"fd00:b::{other}")
        inner = self.inner_local, self.inner_remote
        self.out = {kind: self._end(kind, number, *inner) for kind in SPI}
        self.into = {kind: self._end(kind, other, *reversed(inner)) for kind in SPI}

    @staticmethod
    def _end(kind: int, sender: int, source: Address, destination: Address) -> End:
        key, spi = bytearray([0x40 + 2 * kind]) * 16, SPI[kind]
        encr = "ENCR_AES_CCM_8" if kind == GROUP else "ENCR_AES_CCM_8_IIV"
        if kind != GROUP:
            spi += sender - 1
            key[0] += sender
        return End(context(kind, source, destination), Sa(encr, bytes(key), SALT, b"", spi, False))

    def behind_gateway(self, form: str) -> None:
        """The tunnel as node 1 has it with a gateway in the place of node 2, for all behind that."""
        node, network = only(Address("fd00:b::1")), Range(*NETWORK, 128)
        for sender, ends in ((self.number, self.out), (3 - self.number, self.into)):
            way = (node, network) if sender == 1 else (network, node)
            old = ends[TUNNEL].sa
            encr = "ENCR_AES_CCM_8" if form == "esp" else "ENCR_AES_CCM_8_IIV"
            what = tunnel_context(*way) if form == "diet" else plain_context(True)
            ends[TUNNEL] = End(what, Sa(encr, old.key, old.salt, b"", old.spi, False))

    def seal(self, kind: int, packet: bytes, sn: int | None = None) -> bytes:
        """With the next number, or with `sn`, which then is not the last one."""
        end = self.out[kind]
        if sn is None:
            end.sn = sn = end.sn + 1
        iv = bytes([self.number]) + sn.to_bytes(7, "big") if kind == GROUP else b""
        esp = diet_esp.seal(end.context, end.sa, sn, iv, packet).esp
        if kind == TUNNEL:
            sealed = ipv6(self.local, self.remote, headers.ESP, esp)
        else:
            sealed = diet_esp.outer_packet(end.context, packet, {}, esp)
        return into_udp(sealed) if self.udp and kind != GROUP else sealed

    def bare(self, packet: bytes) -> bytes | None:
        """Without UDP; None if it ought to be there and is not."""
        return out_of_udp(packet) if self.udp and destination_of(packet) != GROUP_ADDRESS else packet

    def kind_of(self, packet: bytes) -> int | None:
        """Which SA of the other node a packet came by; None: it is in clear."""
        packet = self.bare(packet)
        if packet is None:
            return None
        size, next_at = diet_esp.esp_place(packet)
        if packet[next_at] != headers.ESP:
            return None
        if destination_of(packet) == GROUP_ADDRESS:
            return GROUP
        kinds = sorted(set(SPI) - {GROUP}, key=lambda kind: -self.into[kind].context.spi_lsb)
        found = diet_esp.spi_candidates([self.into[kind].start for kind in kinds], packet[size:])
        return kinds[found[0]] if found else None

    def open(self, kind: int, packet: bytes) -> bytes:
        """The packet in clear; Reject if it is none of this SA, or comes again."""
        end, packet = self.into[kind], self.bare(packet)
        if packet is None:
            raise Reject("not in UDP")
        size, _ = diet_esp.esp_place(packet)
        esp = packet[size:]
        fields = headers.unpack(headers.V6, packet)
        names = {"dscp": "DSCP", "ecn": "ECN", "hop_limit": "HOP_LIMIT", "flow_label": "FLOW_LABEL"}
        outer = {"version": 6} | {name: fields[field] for name, field in names.items()}
        way = {"outer": outer, "generated": 0, "packet": packet}
        lsb = end.context.sn_lsb
        received = int.from_bytes(esp[end.context.spi_lsb // 8 : (end.context.spi_lsb + lsb) // 8], "big")
        sn = diet_esp.reconstruct(lsb, received, end.sn, 64, False)
        clear = diet_esp.receive(end.context, end.sa, esp, (end.sn, 64), way)
        end.sn = max(end.sn, sn)
        return clear


def reply_to(packet: bytes) -> bytes:
    """The echo reply, or what a UDP echo service returns."""
    if packet[6] == headers.ICMPV6:
        number = int.from_bytes(packet[46:48], "big")
        return echo(destination_of(packet), source_of(packet), number, packet[48:], ECHO_REPLY)
    ports = struct.unpack(">HH", packet[40:44])
    return udp(destination_of(packet), source_of(packet), (ports[1], ports[0]), packet[48:])


def same(clear: bytes, wanted: bytes) -> str | None:
    """What is wrong with a packet; hop limit and flow label are the sender's."""
    if clear[4:7] + clear[8:] == wanted[4:7] + wanted[8:]:
        return None
    return f"got {clear.hex()}, not {wanted.hex()}"


def counters(text: str) -> dict[str, int]:
    """What the shell command `sprat` printed."""
    found = re.findall(r"sprat: passed (\d+)|sprat: dropped (\S+) (\d+)", text)
    own = re.findall(r"(no-buffer|nested|not-for-us|forged) (\d+)", text)
    values = {name or "passed": int(passed or count) for passed, name, count in found}
    return values | {name: int(count) for name, count in own}


__all__ = [name for name in globals() if not name.startswith("_")]
