"""Diet-ESP of 2016 to 2019: EHC rules in whole octets, and the form of 2016 without header compression.

A selector is one value, and then elided, or null, and then sent whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import headers
from crypto import Sa
from diet_esp import pad_clear_text
from headers import TCP, TRANSPORT, UDP, UDPLITE

Context = Mapping[str, Any]


class NotCovered(Exception):
    """The packet does not fit the rules of the context."""


@dataclass(frozen=True)
class Sent:
    """A sealed packet with what each layer made."""

    payload: bytes
    clear: bytes
    pad: int
    header: bytes
    iv: bytes
    sealed: bytes

    @property
    def esp(self) -> bytes:
        return self.header + self.iv + self.sealed


def require(fits: bool, what: str) -> None:
    if not fits:
        raise NotCovered(what)


def selector(ctx: Context, name: str, octets: bytes) -> bytes:
    """Nothing where the selector is the one value, which the packet must have."""
    value = ctx.get(name)
    if value is None:
        return octets
    require(int.from_bytes(octets, "big") == value, name)
    return b""


def ipv6(ctx: Context, packet: bytes) -> tuple[bytes, bytes, int]:
    """Compressed header, what follows it, its Next Header."""
    require(packet[4:6] == (len(packet) - 40).to_bytes(2, "big"), "payload length")
    first = b"" if ctx["outer_version"] == 6 else packet[:4]
    kept = first + selector(ctx, "l4_proto", packet[6:7])
    kept += selector(ctx, "ip_src", packet[8:24]) + selector(ctx, "ip_dst", packet[24:40])
    return kept, packet[40:], packet[6]


def ipv4(ctx: Context, packet: bytes) -> tuple[bytes, bytes, int]:
    """TOS and Identification stay; flags must be 010 and the offset 0."""
    require(packet[0] == 0x45 and packet[6:8] == b"\x40\0", "options or fragment")
    require(packet[2:4] == len(packet).to_bytes(2, "big"), "total length")
    require(headers.checksum(packet[:20]) == 0, "header checksum")
    kept = packet[1:2] + packet[4:6] + selector(ctx, "l4_proto", packet[9:10])
    kept += selector(ctx, "ip_src", packet[12:16]) + selector(ctx, "ip_dst", packet[16:20])
    return kept, packet[20:], packet[9]


def transport(ctx: Context, ends: bytes, segment: bytes) -> bytes:
    """A header is compressed where `l4_proto` names its protocol."""
    proto = ctx.get("l4_proto")
    if proto not in (UDP, UDPLITE, TCP) or (proto == UDPLITE and ctx.get("udplite_coverage") is None):
        return segment
    size = headers.size(TRANSPORT[proto])
    require(len(segment) >= size, "transport header")
    values = headers.unpack(TRANSPORT[proto], segment)
    if proto in headers.LENGTH:
        require(values[headers.LENGTH[proto]] == len(segment), "transport length")
    require(values[headers.CHECKSUM[proto]] == headers.transport_checksum(ends, proto, segment), "checksum")
    kept = selector(ctx, "l4_src", segment[:2]) + selector(ctx, "l4_dst", segment[2:4])
    if proto == TCP:
        kept += tcp(ctx, segment)
    return kept + segment[size:]


def tcp(ctx: Context, segment: bytes) -> bytes:
    """Sequence and acknowledgment whole: their LSB form needs state of each flow."""
    require(ctx.get("tcp_lsb", 4) == 4, "tcp_lsb")
    kept = segment[4:12]
    if ctx.get("tcp_options", True):
        kept += segment[12:13]
    else:
        require(segment[12] == 0x50, "TCP options")
    kept += segment[13:16]
    if ctx.get("tcp_urgent", True):
        return kept + segment[18:20]
    require(segment[18:20] == b"\0\0", "TCP urgent pointer")
    return kept


def compress(ctx: Context, packet: bytes) -> bytes:
    if ctx.get("trailer_only"):
        return packet
    kept, segment, _ = (ipv6 if ctx["ip_version"] == 6 else ipv4)(ctx, packet)
    return kept + transport(ctx, headers.ends_of(packet), segment)


def next_header_elided(ctx: Context) -> bool:
    return ctx.get("mode", "Tunnel") == "Tunnel" or ctx.get("l4_proto") is not None


def seal(ctx: Context, sa: Sa, numbers: tuple[int, bytes], payload_data: bytes, next_header: int) -> Sent:
    """`numbers` are SN and IV."""
    sn, iv = numbers
    payload = compress(ctx, payload_data)
    pad_there = ctx["esp_align"] > 8 or sa.cipher.block > 1
    alignment = max(ctx["esp_align"] // 8, sa.cipher.block)
    clear, pad = pad_clear_text(payload, next_header, alignment, (pad_there, not next_header_elided(ctx)))
    header = sa.spi.to_bytes(4, "big")[4 - ctx["esp_spi_lsb"] :]
    header += (sn & 0xFFFFFFFF).to_bytes(4, "big")[4 - ctx["esp_sn_lsb"] :]
    return Sent(payload, clear, pad, header, iv, b"".join(sa.seal(sn, iv, clear)))


def standard_len(sa: Sa, payload_data: bytes) -> int:
    """Octets of the same packet as RFC 4303 sends it."""
    clear, _ = pad_clear_text(payload_data, 0, max(4, sa.cipher.block), (True, True))
    return 8 + sa.cipher.iv + len(clear) + sa.icv_len
