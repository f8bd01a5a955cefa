"""Diet-ESP of draft-ietf-ipsecme-diet-esp-07: the three compressors, sequence numbers, SPI lookup.

Written from the texts only, so that it can be compared with the product.
Lengths are octets unless a name ends in `lsb` or a comment says bits.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import headers
import schc
from crypto import BadIcv, Sa
from headers import FRAGMENT, NO_NEXT, TRANSPORT
from schc import Field, NoMatch

Outer = Mapping[str, int]
OUTER_ENDS = {
    4: (ipaddress.ip_address("203.0.113.1"), ipaddress.ip_address("203.0.113.2")),
    6: (ipaddress.ip_address("2001:db8:f::1"), ipaddress.ip_address("2001:db8:f::2")),
}


class Reject(Exception):
    """A received packet is refused; the text is the class of the refusal."""


@dataclass(frozen=True)
class Range:
    """A range of a Traffic Selector of `width` bits; `start` > `end` is OPAQUE."""

    start: int
    end: int
    width: int

    @property
    def common(self) -> int:
        """Leading bits that both ends share: all that is not sent."""
        return 0 if self.start > self.end else self.width - (self.start ^ self.end).bit_length()

    @property
    def leading(self) -> int:
        return self.start >> (self.width - self.common)

    @property
    def everything(self) -> bool:
        return self.start > self.end or (self.start, self.end) == (0, (1 << self.width) - 1)

    def __contains__(self, value: int) -> bool:
        return self.start <= value <= self.end


@dataclass(frozen=True)
class Context:
    """The attributes for rule generation (AfRG) of one SA; names as in the vectors."""

    iipc: bool
    dscp_cda: str
    ecn_cda: str
    flow_label_cda: str
    dscp_list: tuple[int, ...]
    alignment: int
    mandatory: bool
    tunnel: bool
    spi_lsb: int
    sn_lsb: int
    version: int
    proto: int
    src: Range
    dst: Range
    src_port: Range
    dst_port: Range

    @property
    def layout(self) -> headers.Layout:
        return headers.V6 if self.version == 6 else headers.V4


def context_of(case: Mapping[str, Any]) -> Context:
    """Reads the member `context` of a vector."""

    def of(name: str, width: int) -> Range:
        ends = [case[f"ts_{name}_{end}"] for end in ("start", "end")]
        return Range(*(int(ipaddress.ip_address(e)) if isinstance(e, str) else e for e in ends), width)

    width = 128 if case["ts_ip_version"] == 6 else 32
    return Context(
        case["iipc_profile"] == "iipc_diet-esp",
        *(case[name] for name in ("dscp_cda", "ecn_cda", "flow_label_cda")),
        tuple(case["dscp_list"]),
        case["alignment"],
        case["esp_trailer"] == "Mandatory",
        case["ipsec_mode"] == "Tunnel",
        *(case[name] for name in ("esp_spi_lsb", "esp_sn_lsb", "ts_ip_version", "ts_proto")),
        *(of("ip_src", width), of("ip_dst", width), of("port_src", 16), of("port_dst", 16)),
    )


# --- Rules of the inner IP packet (IIPC)


def sent(fid: str, length: int) -> Field:
    return Field(fid, length, None, "ignore", "value-sent")


def fixed(fid: str, length: int, value: int) -> Field:
    return Field(fid, length, value, "equal", "not-sent")


def computed(fid: str, length: int) -> Field:
    return Field(fid, length, None, "ignore", "compute")


def ranged(fid: str, ends: Range) -> Field:
    return Field(fid, ends.width, ends.leading, "MSB", "LSB", ends.common)


def dscp_rule(ctx: Context) -> Field:
    match ctx.dscp_cda:
        case "not_compressed":
            return sent("DSCP", 6)
        case "lower":
            return computed("DSCP", 6)
    if len(ctx.dscp_list) == 1:
        return fixed("DSCP", 6, ctx.dscp_list[0])
    return Field("DSCP", 6, ctx.dscp_list, "match-mapping", "mapping-sent")


def label_rule(ctx: Context, fid: str, length: int) -> Field:
    """IPv6 Flow Label or IPv4 Identification."""
    match ctx.flow_label_cda:
        case "not_compressed":
            return sent(fid, length)
        case "zero":
            return fixed(fid, length, 0)
    return computed(fid, length)


def ip_rule(ctx: Context) -> list[Field]:
    ecn = sent("ECN", 2) if ctx.ecn_cda == "not_compressed" else computed("ECN", 2)
    proto = fixed("PROTO", 8, ctx.proto) if ctx.proto else sent("PROTO", 8)
    ends = [ranged("SRC", ctx.src), ranged("DST", ctx.dst)]
    length, hops = computed("LENGTH", 16), computed("HOP_LIMIT", 8)
    version = fixed("VERSION", 4, ctx.version)
    if ctx.version == 6:
        label = label_rule(ctx, "FLOW_LABEL", 20)
        return [version, dscp_rule(ctx), ecn, label, length, proto, hops, *ends]
    label = label_rule(ctx, "IDENT", 16)
    fragment = [sent("FLAGS", 3), sent("FRAG_OFF", 13)]
    first = [version, sent("IHL", 4), dscp_rule(ctx), ecn, length, label, *fragment]
    return [*first, hops, proto, computed("HDR_CKSUM", 16), *ends]


def transport_rule(ctx: Context, proto: int) -> list[Field]:
    """Empty for a protocol whose header is payload."""
    ports = {"SRC_PORT": ctx.src_port, "DST_PORT": ctx.dst_port}
    elided = {*headers.CHECKSUM.values(), *headers.LENGTH.values()}
    rule = []
    for fid, length in TRANSPORT.get(proto, ()):
        if fid in ports:
            rule.append(ranged(fid, ports[fid]))
        else:
            rule.append(computed(fid, length) if fid in elided else sent(fid, length))
    return rule


# --- Taking a packet apart


@dataclass(frozen=True)
class Inner:
    """An IP packet: `head` is all that stays outside in transport mode, and the IP header in tunnel mode."""

    values: dict[str, int]
    head: bytes
    proto: int
    segment: bytes

    @property
    def ends(self) -> bytes:
        return headers.ends_of(self.head)


def esp_place(packet: bytes) -> tuple[int, int]:
    """Where ESP goes in transport mode, and the offset of the Next Header octet before it."""
    if packet[0] >> 4 == 4:
        return 4 * (packet[0] & 15), 9
    at, next_at = 40, 6
    while True:
        kind = packet[next_at]
        if kind == headers.DESTINATION and packet[at] != headers.ROUTING:
            return at, next_at
        if kind not in (headers.HOP_BY_HOP, headers.ROUTING, headers.DESTINATION):
            return at, next_at
        at, next_at = at + 8 * (packet[at + 1] + 1), at


def with_next(head: bytes, next_at: int, proto: int, length: int) -> bytes:
    """The headers before ESP with another protocol, in front of `length` octets."""
    head = head[:next_at] + bytes([proto]) + head[next_at + 1 :]
    if head[0] >> 4 == 6:
        return head[:4] + (len(head) - 40 + length).to_bytes(2, "big") + head[6:]
    head = head[:2] + (len(head) + length).to_bytes(2, "big") + head[4:10] + b"\0\0" + head[12:]
    return head[:10] + headers.checksum(head).to_bytes(2, "big") + head[12:]


def split(ctx: Context, packet: bytes) -> Inner:
    if not packet or packet[0] >> 4 != ctx.version:
        raise NoMatch("IP version")
    if len(packet) < headers.size(ctx.layout):
        raise NoMatch("truncated IP header")
    values = headers.unpack(ctx.layout, packet)
    if ctx.tunnel:
        size = 40 if ctx.version == 6 else 4 * values["IHL"]
        return Inner(values, packet[:size], values["PROTO"], packet[size:])
    size, next_at = esp_place(packet)
    return Inner(values, packet[:size], packet[next_at], packet[size:])


# --- The round-trip guard


def guard_fragment(ctx: Context, inner: Inner) -> None:
    fragment = inner.proto == FRAGMENT and not ctx.tunnel
    if ctx.version == 4:
        fragment = bool(inner.values["FLAGS"] & 1 or inner.values["FRAG_OFF"])
    if fragment:
        raise NoMatch("fragment")


def guard_ip(ctx: Context, inner: Inner) -> None:
    """Tunnel mode: the header is rebuilt, so what is computed must be right."""
    values = inner.values
    if ctx.version == 6:
        if values["LENGTH"] != len(inner.segment):
            raise NoMatch("IPv6 payload length")
        return
    if values["IHL"] != 5:
        raise NoMatch("IPv4 options")
    if values["LENGTH"] != 20 + len(inner.segment):
        raise NoMatch("IPv4 total length")
    if values["HDR_CKSUM"] != headers.header_checksum(values):
        raise NoMatch("IPv4 header checksum")


def guard_transport(inner: Inner, values: Mapping[str, int]) -> None:
    proto, segment = inner.proto, inner.segment
    if proto == headers.UDP and values["UDP.LEN"] != len(segment):
        raise NoMatch("UDP length is not the IP payload length")
    if proto == headers.UDPLITE and values["UDPLITE.COV"] not in (0, len(segment)):
        raise NoMatch("UDP-Lite partial coverage")
    if proto == headers.UDP and values["UDP.CKSUM"] == 0:
        return
    if values[headers.CHECKSUM[proto]] != headers.transport_checksum(inner.ends, proto, segment):
        raise NoMatch(f"{headers.CHECKSUM[proto]} wrong")


@dataclass(frozen=True)
class Compressed:
    """What IIPC makes; `pad_bits` is None where it is switched off."""

    residue: schc.Residue
    pad_bits: int | None
    octets: bytes
    next_header: int

    @property
    def residue_bits(self) -> str | None:
        return None if self.pad_bits is None else "".join(bits for _, bits in self.residue)


def next_header_of(ctx: Context, proto: int) -> int:
    if ctx.tunnel:
        return headers.IPV6 if ctx.version == 6 else 4
    return proto


def compress(ctx: Context, packet: bytes) -> Compressed:
    """The IIPC packet, or NoMatch."""
    inner = split(ctx, packet)
    next_header = next_header_of(ctx, inner.proto)
    if not ctx.iipc:
        return Compressed([], None, packet if ctx.tunnel else inner.segment, next_header)
    guard_fragment(ctx, inner)
    if ctx.tunnel:
        guard_ip(ctx, inner)
    if ctx.proto not in (0, inner.proto):
        raise NoMatch(f"protocol: {inner.proto} is not {ctx.proto}")
    layout = TRANSPORT.get(inner.proto, ())
    if len(inner.segment) < headers.size(layout):
        raise NoMatch("truncated transport header")
    values = inner.values | headers.unpack(layout, inner.segment)
    rule = transport_rule(ctx, inner.proto)
    residue = schc.compress([*ip_rule(ctx), *rule] if ctx.tunnel else rule, values)
    if layout:
        guard_transport(inner, values)
    text = "".join(bits for _, bits in residue)
    octets = schc.octets(text) + inner.segment[headers.size(layout) :]
    return Compressed(residue, -len(text) % 8, octets, next_header)


# --- Rebuilding


def label_of(outer: Outer) -> int:
    return outer["flow_label"] if outer["version"] == 6 else outer["ident"]


def combined_ecn(inner: int, outer: int) -> int:
    """ECN of a header that was sent inside (RFC 6040): the network's mark is taken over."""
    if outer != 3:
        return inner
    if inner == 0:
        raise Reject("ecn")
    return 3


def from_outer(ctx: Context, values: dict[str, int], outer: Outer, generated: int) -> None:
    """Completes the fields that no residue holds."""
    values.setdefault("DSCP", outer["dscp"])
    if "ECN" in values:
        values["ECN"] = combined_ecn(values["ECN"], outer["ecn"])
    values.setdefault("ECN", outer["ecn"])
    values["HOP_LIMIT"] = outer["hop_limit"]
    label = generated if ctx.flow_label_cda == "generated" else label_of(outer)
    fid, mask = ("FLOW_LABEL", 0xFFFFF) if ctx.version == 6 else ("IDENT", 0xFFFF)
    values.setdefault(fid, label & mask)


def segment_of(ends: bytes, proto: int, values: dict[str, int], payload: bytes) -> bytes:
    """The transport header, its length and its checksum in front of the payload."""
    layout = TRANSPORT.get(proto, ())
    if not layout:
        return payload
    if proto in headers.LENGTH:
        values[headers.LENGTH[proto]] = headers.size(layout) + len(payload)
    values[headers.CHECKSUM[proto]] = 0
    segment = headers.pack(layout, values) + payload
    values[headers.CHECKSUM[proto]] = headers.transport_checksum(ends, proto, segment)
    return headers.pack(layout, values) + payload


def read_residue(ctx: Context, rule: Sequence[Field], reader: schc.Reader) -> dict[str, int]:
    try:
        return schc.decompress(rule, reader)
    except schc.Truncated as error:
        raise Reject("residue truncated") from error
    except schc.BadIndex as error:
        raise Reject("mapping index") from error


def rebuild_tunnel(ctx: Context, octets: bytes, outer: Outer, generated: int) -> bytes:
    reader = schc.Reader(octets)
    values = read_residue(ctx, ip_rule(ctx), reader)
    proto = values["PROTO"]
    values |= read_residue(ctx, transport_rule(ctx, proto), reader)
    if ctx.version == 4 and (values["IHL"] != 5 or values["FLAGS"] & 1 or values["FRAG_OFF"]):
        raise Reject("fragment" if values["IHL"] == 5 else "options")
    from_outer(ctx, values, outer, generated)
    width = ctx.src.width // 8
    ends = values["SRC"].to_bytes(width, "big") + values["DST"].to_bytes(width, "big")
    segment = segment_of(ends, proto, values, reader.rest())
    values["LENGTH"] = len(segment) + (20 if ctx.version == 4 else 0)
    if values["LENGTH"] > 0xFFFF:
        raise Reject("too long")
    if ctx.version == 4:
        values["HDR_CKSUM"] = headers.header_checksum(values)
    return headers.pack(ctx.layout, values) + segment


def decompress(ctx: Context, octets: bytes, next_header: int, way: Mapping[str, Any]) -> bytes:
    """The inner packet, from the IIPC packet and `way`: `outer`, `generated` and, in transport mode, `packet`."""
    if ctx.tunnel:
        return rebuild_tunnel(ctx, octets, way["outer"], way["generated"]) if ctx.iipc else octets
    size, next_at = esp_place(way["packet"])
    head = way["packet"][:size]
    if ctx.iipc:
        reader = schc.Reader(octets)
        values = read_residue(ctx, transport_rule(ctx, next_header), reader)
        octets = segment_of(headers.ends_of(head), next_header, values, reader.rest())
    return with_next(head, next_at, next_header, len(octets)) + octets


def received_inner(ctx: Context, packet: bytes, next_header: int, way: Mapping[str, Any]) -> Inner:
    """The rebuilt packet taken apart: where ESP stood, in transport mode."""
    if not ctx.tunnel:
        size, _ = esp_place(way["packet"])
        return Inner({}, packet[:size], next_header, packet[size:])
    try:
        inner = split(ctx, packet)
    except NoMatch as error:
        raise Reject("inner") from error
    if inner.values["LENGTH"] > len(inner.segment) + (len(inner.head) if ctx.version == 4 else 0):
        raise Reject("inner")
    return inner


def check_selectors(ctx: Context, inner: Inner) -> None:
    """RFC 4301 section 5.2: the rebuilt packet against the Traffic Selectors."""
    width = ctx.src.width // 8
    ends = [(inner.ends[:width], ctx.src), (inner.ends[width:], ctx.dst)]
    fits = ctx.proto in (0, inner.proto)
    if inner.proto in TRANSPORT:
        ends += [(inner.segment[:2], ctx.src_port), (inner.segment[2:4], ctx.dst_port)]
    else:
        # What has no ports is in no smaller range of them (RFC 4301 section 4.4.1.1).
        fits = fits and ctx.src_port.everything and ctx.dst_port.everything
    if not fits or any(int.from_bytes(v, "big") not in r for v, r in ends):
        raise Reject("selector")


# --- The ESP trailer (CTEC)


def trailer_has(ctx: Context, sa: Sa) -> tuple[bool, bool]:
    """Are Pad Length and Next Header there?"""
    if ctx.mandatory:
        return True, True
    return ctx.alignment > 8 or sa.cipher.block > 1, not ctx.tunnel and not ctx.proto


def pad_clear_text(payload: bytes, next_header: int, alignment: int, has: tuple[bool, bool]) -> tuple[bytes, int]:
    """Payload with its trailer, and the octets of Padding; `alignment` in octets."""
    pad = -(len(payload) + sum(has)) % alignment if has[0] else 0
    trailer = bytes(range(1, pad + 1))
    trailer += bytes([pad]) * has[0] + bytes([next_header]) * has[1]
    return payload + trailer, pad


def add_trailer(ctx: Context, sa: Sa, inner: Compressed) -> tuple[bytes, int]:
    alignment = max(ctx.alignment // 8, sa.cipher.block)
    return pad_clear_text(inner.octets, inner.next_header, alignment, trailer_has(ctx, sa))


def strip_trailer(ctx: Context, sa: Sa, clear: bytes) -> tuple[bytes, int]:
    """Payload and Next Header, looked at in the order of RFC 4303 section 3.4.4."""
    pad_there, next_there = trailer_has(ctx, sa)
    if len(clear) < pad_there + next_there:
        raise Reject("trailer")
    clear, received = (clear[:-1], clear[-1]) if next_there else (clear, None)
    if pad_there:
        clear, pad = clear[:-1], clear[-1]
        if pad > len(clear) or clear[len(clear) - pad :] != bytes(range(1, pad + 1)):
            raise Reject("padding")
        clear = clear[: len(clear) - pad]
    next_header = next_header_of(ctx, ctx.proto)
    if received == NO_NEXT:
        raise Reject("dummy")
    if received is not None and (ctx.tunnel or ctx.proto) and received != next_header:
        raise Reject("next header")
    if received is not None:
        next_header = received
    return clear, next_header


# --- SPI and SN (EEC)


def eec_header(ctx: Context, spi: int, sn: int) -> bytes:
    text = schc.bits(spi & (1 << ctx.spi_lsb) - 1, ctx.spi_lsb)
    return schc.octets(text + schc.bits(sn & (1 << ctx.sn_lsb) - 1, ctx.sn_lsb))


def reconstruct(lsb: int, received: int, top: int, window: int, esn: bool) -> int | None:
    """The sequence number that `lsb` received bits stand for; None when there is none."""
    if lsb == 32 and not esn:
        return received or None
    behind = min(window, 1 << (lsb - 1)) if lsb else 0
    low = max(1, top - behind + 1)
    sn = low + (received - low) % (1 << lsb)
    return sn if sn < 1 << (64 if esn else 32) else None


def spi_pattern(spi: int, lsb: int) -> str:
    return schc.bits(spi & (1 << lsb) - 1, lsb)


def spi_candidates(sad: Sequence[tuple[int, int]], start: bytes) -> list[int]:
    """Indexes of the SAs (SPI, bits of it sent) that a packet beginning with `start` may belong to."""
    text = schc.bits(int.from_bytes(start, "big"), 8 * len(start))
    return [i for i, sa in enumerate(sad) if text.startswith(spi_pattern(*sa))]


def prefix_free(sad: Sequence[tuple[int, int]]) -> bool:
    patterns = [spi_pattern(*sa) for sa in sad]
    return not any(b.startswith(a) for i, a in enumerate(patterns) for j, b in enumerate(patterns) if i != j)


# --- Whole packets


@dataclass(frozen=True)
class Sent:
    """A sealed packet with what each layer made."""

    inner: Compressed
    clear: bytes
    pad_len: int
    ciphertext: bytes
    icv: bytes
    header: bytes
    iv: bytes

    @property
    def esp(self) -> bytes:
        return self.header + self.iv + self.ciphertext + self.icv


def seal_clear(ctx: Context, sa: Sa, sn: int, iv: bytes, clear: bytes) -> bytes:
    """A packet of any clear text: what only a peer with the keys can send."""
    return eec_header(ctx, sa.spi, sn) + iv + b"".join(sa.seal(sn, iv, clear))


def seal(ctx: Context, sa: Sa, sn: int, iv: bytes, packet: bytes) -> Sent:
    inner = compress(ctx, packet)
    clear, pad_len = add_trailer(ctx, sa, inner)
    ciphertext, icv = sa.seal(sn, iv, clear)
    return Sent(inner, clear, pad_len, ciphertext, icv, eec_header(ctx, sa.spi, sn), iv)


def standard_esp(ctx: Context, sa: Sa, sn: int, iv: bytes, packet: bytes) -> bytes:
    """The same packet as RFC 4303 sends it."""
    inner = split(ctx, packet)
    payload = packet if ctx.tunnel else inner.segment
    alignment = max(4, sa.cipher.block)
    clear, _ = pad_clear_text(payload, next_header_of(ctx, inner.proto), alignment, (True, True))
    return sa.aad(sn)[:4] + (sn & 0xFFFFFFFF).to_bytes(4, "big") + iv + b"".join(sa.seal(sn, iv, clear))


def outer_packet(ctx: Context, packet: bytes, outer: Outer, esp: bytes) -> bytes:
    if not ctx.tunnel:
        size, next_at = esp_place(packet)
        return with_next(packet[:size], next_at, headers.ESP, len(esp)) + esp
    values = dict(outer) | {"proto": headers.ESP, "length": len(esp)}
    values = {name.upper(): value for name, value in values.items()}
    values["SRC"], values["DST"] = (int(end) for end in OUTER_ENDS[outer["version"]])
    if outer["version"] == 6:
        return headers.pack(headers.V6, values) + esp
    values |= {"IHL": 5, "FLAGS": 2, "FRAG_OFF": 0, "LENGTH": 20 + len(esp)}
    values["HDR_CKSUM"] = headers.header_checksum(values)
    return headers.pack(headers.V4, values) + esp


def check_sn(ctx: Context, sa: Sa, received: int, top: int, window: int) -> int:
    """The number of a packet that may be opened; the highest number counts as seen."""
    sn = reconstruct(ctx.sn_lsb, received, top, window, sa.esn)
    if sn is None:
        raise Reject("sn")
    if sn == top or sn <= top - window:
        raise Reject("replay")
    return sn


def open_clear(ctx: Context, sa: Sa, esp: bytes, top: int, window: int) -> bytes:
    """The authenticated clear text, trailer included."""
    header, iv_len = (ctx.spi_lsb + ctx.sn_lsb) // 8, sa.cipher.iv
    body = len(esp) - header - iv_len - sa.icv_len
    if body < 0 or body % sa.cipher.block:
        raise Reject("short")
    reader = schc.Reader(esp)
    if reader.take(ctx.spi_lsb) != sa.spi & (1 << ctx.spi_lsb) - 1:
        raise Reject("spi")
    sn = check_sn(ctx, sa, reader.take(ctx.sn_lsb), top, window)
    iv, text = esp[header : header + iv_len], esp[header + iv_len :]
    try:
        return sa.open(sn, iv, text[:body], text[body:])
    except BadIcv as error:
        raise Reject("icv") from error


def receive(ctx: Context, sa: Sa, esp: bytes, state: tuple[int, int], way: Mapping[str, Any]) -> bytes:
    """The inner packet, or Reject; `state` is (highest verified number, window)."""
    payload, next_header = strip_trailer(ctx, sa, open_clear(ctx, sa, esp, *state))
    packet = decompress(ctx, payload, next_header, way)
    check_selectors(ctx, received_inner(ctx, packet, next_header, way))
    return packet

