"""Random IP packets whose lengths and checksums are right, and parts to make them wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

import headers
from headers import DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING, SCTP, TCP, TRANSPORT, UDP, UDPLITE

# Protocols whose header stays payload; an ESP or AH header is payload like any other.
OPAQUE_PROTOCOLS = (2, 4, 41, 47, 50, 51, 89, 99, 103, 253, 255)


@dataclass(frozen=True)
class Draft:
    """A packet before its lengths and checksums are filled in.

    `ip` has the fields of the IP header, `extensions` what stands between it
    and the segment, whose protocol is `proto`. `first` is what the IP header
    names: `proto`, or the first extension header.
    """

    ip: Mapping[str, int]
    extensions: bytes
    first: int
    proto: int
    segment: bytes

    @property
    def version(self) -> int:
        return self.ip["VERSION"]

    @property
    def layout(self) -> headers.Layout:
        return headers.V6 if self.version == 6 else headers.V4

    @property
    def ends(self) -> bytes:
        width = 16 if self.version == 6 else 4
        return b"".join(self.ip[fid].to_bytes(width, "big") for fid in ("SRC", "DST"))


def with_ip(draft: Draft, **fields: int) -> Draft:
    return replace(draft, ip={**draft.ip, **fields})


def emit(draft: Draft) -> bytes:
    """The packet; `LENGTH` and `HDR_CKSUM` are computed where `ip` does not have them."""
    behind = draft.extensions + draft.segment
    options = behind[: 4 * (draft.ip["IHL"] - 5)] if draft.version == 4 else b""
    values = {"PROTO": draft.first, "LENGTH": len(behind) + (20 if draft.version == 4 else 0), **draft.ip}
    if draft.version == 4 and "HDR_CKSUM" not in values:
        head = headers.pack(draft.layout, values | {"HDR_CKSUM": 0})
        values["HDR_CKSUM"] = headers.checksum(head + options)
    return headers.pack(draft.layout, values) + behind


def with_checksum(draft: Draft, value: int | None = None) -> Draft:
    """The transport checksum made right, or the one given."""
    if draft.proto not in TRANSPORT or len(draft.segment) < headers.size(TRANSPORT[draft.proto]):
        return draft
    layout = TRANSPORT[draft.proto]
    values = headers.unpack(layout, draft.segment)
    if value is None:
        value = headers.transport_checksum(draft.ends, draft.proto, draft.segment)
    values[headers.CHECKSUM[draft.proto]] = value
    return replace(draft, segment=headers.pack(layout, values) + draft.segment[headers.size(layout) :])


def with_transport(draft: Draft, **fields: int) -> Draft:
    """Other fields of the transport header; the checksum is made right again."""
    layout = TRANSPORT[draft.proto]
    values = headers.unpack(layout, draft.segment) | fields
    return with_checksum(replace(draft, segment=headers.pack(layout, values) + draft.segment[headers.size(layout) :]))


def with_sum_zero(draft: Draft) -> Draft:
    """Data such that the checksum computes to 0, which UDP and UDP-Lite write as ffff."""
    size = headers.size(TRANSPORT[draft.proto])
    if draft.proto == SCTP or len(draft.segment) < size + 2:
        return draft
    empty = draft.segment[:size] + b"\0\0" + draft.segment[size + 2 :]
    word = headers.transport_checksum(draft.ends, draft.proto, empty)
    return with_checksum(replace(draft, segment=empty[:size] + word.to_bytes(2, "big") + empty[size + 2 :]))


def with_header_sum_zero(draft: Draft) -> Draft:
    """An Identification such that the IPv4 header checksum computes to 0."""
    plain = with_ip(draft, IDENT=0)
    return with_ip(draft, IDENT=int.from_bytes(emit(plain)[10:12], "big"))


class Maker:
    """Draws packets from a seeded source."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def octets(self, count: int) -> bytes:
        return self.rng.randbytes(count)

    def data(self) -> bytes:
        """Lengths of every residue, now and then the length of a real packet."""
        most = self.rng.choice((0, 1, 2, 3, 4, 8, 17, 40, 40, 100, 100, 1300))
        return self.octets(self.rng.randint(0, most))

    def address(self, version: int) -> int:
        rng = self.rng
        if version == 4:
            base = rng.choice((0x0A000000, 0xC0000200, 0xC6336400, rng.getrandbits(32)))
            return base & 0xFFFFFF00 | rng.getrandbits(8)
        base = rng.choice((0x20010DB8 << 96, 0xFE80 << 112, rng.getrandbits(128)))
        return base >> 64 << 64 | rng.getrandbits(rng.choice((8, 16, 64)))

    def port(self) -> int:
        return self.rng.choice((0, 53, 5683, 65535, self.rng.getrandbits(16), self.rng.getrandbits(16)))

    def ip(self, version: int) -> dict[str, int]:
        rng = self.rng
        fields = {
            "VERSION": version,
            "DSCP": rng.choice((0, 46, rng.getrandbits(6))),
            "ECN": rng.getrandbits(2),
            "HOP_LIMIT": rng.choice((1, 64, 255, rng.getrandbits(8))),
            "SRC": self.address(version),
            "DST": self.address(version),
        }
        if version == 6:
            return fields | {"FLOW_LABEL": rng.choice((0, rng.getrandbits(16), rng.getrandbits(20)))}
        flags = rng.choice((0, 2, 2, 2, 4, 6))
        return fields | {"IHL": 5, "IDENT": rng.choice((0, rng.getrandbits(16))), "FLAGS": flags, "FRAG_OFF": 0}

    def transport_values(self, proto: int, data: bytes) -> dict[str, int]:
        rng = self.rng
        values = {fid: rng.getrandbits(length) for fid, length in TRANSPORT[proto]}
        values |= {"SRC_PORT": self.port(), "DST_PORT": self.port()}
        length = headers.size(TRANSPORT[proto]) + len(data)
        if proto == UDPLITE:
            length *= rng.random() < 0.8
        if proto in headers.LENGTH:
            values[headers.LENGTH[proto]] = length
        if proto == TCP and rng.random() < 0.8:
            values["TCP.DOFF"] = 5
        return values

    def draft(self, version: int, proto: int) -> Draft:
        """A packet of one protocol without extension headers."""
        data = self.data()
        plain = Draft(self.ip(version), b"", proto, proto, data)
        if proto not in TRANSPORT:
            return plain
        head = headers.pack(TRANSPORT[proto], self.transport_values(proto, data))
        whole = with_checksum(replace(plain, segment=head + data))
        form = self.rng.random()
        if form < 0.08:
            return with_sum_zero(whole)
        if form < 0.16 and proto == UDP:
            return with_checksum(whole, 0)
        return whole

    def option_header(self, following: int, kind: int) -> bytes:
        """One extension header of 8 or more octets."""
        if kind == FRAGMENT:
            return bytes([following, 0]) + self.rng.choice((b"\0\1", b"\0\0", b"\1\x58")) + self.octets(4)
        if kind == ROUTING:
            return bytes([following, 2, 4, 0]) + bytes(4) + self.octets(16)
        pad = self.rng.choice((4, 12))
        return bytes([following, (pad + 4) // 8 - 1, 1, pad]) + bytes(pad)

    def extended(self, draft: Draft, kinds: tuple[int, ...]) -> Draft:
        """The same packet with extension headers of these kinds in front of its segment."""
        chain, following = b"", draft.proto
        for kind in reversed(kinds):
            chain = self.option_header(following, kind) + chain
            following = kind
        return replace(draft, extensions=chain, first=following)

    def with_options(self, draft: Draft) -> Draft:
        """The same IPv4 packet with options."""
        words = self.rng.randint(1, 10)
        return with_ip(replace(draft, extensions=b"\1" * (4 * words)), IHL=5 + words)


CHAINS = (
    (HOP_BY_HOP,), (DESTINATION,), (FRAGMENT,), (ROUTING,),
    (HOP_BY_HOP, DESTINATION), (HOP_BY_HOP, DESTINATION, ROUTING), (HOP_BY_HOP, FRAGMENT),
)  # fmt: skip
