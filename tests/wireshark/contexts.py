"""Packets of right keys whose context is one attribute off, and what may come of them.

The other side of each packet is the second implementation of Diet-ESP in
tests/oracle: it compresses, and it says what a sender with the wrong context would
have sent.
"""

import ipaddress
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
import diet_esp as oracle
import ehc
import headers
import plausible
import schc
from packets import ENCR, INTEG, KEY, diet_esp

V6_ENDS = "2001:db8:0:1::1000", "2001:db8:0:2::5678"
V4_ENDS = "192.0.2.10", "198.51.100.20"
SA = {"encr": f"{ENCR}+{INTEG}", "key": "", "salt": "", "auth_key": KEY.hex(), "esn": False}
EVERYTHING = frozenset({"FLAGS", "SRC", "DST", "SRC_PORT", "DST_PORT", "CHECKSUM", "HDR_CKSUM"})
# Text, CoAP, numbers that begin with zeros, nothing, and what looks like noise.
PAYLOADS = (b"Hello diet", bytes.fromhex("40017d34b474656d70ff"), bytes(8) + b"\1\2", b"",
            bytes.fromhex("9c3fe1a75b08d24466f01b8e2d"), bytes.fromhex("00ff17c0a89e"))


# Why nobody can tell, and whether the contexts cut the residue differently.
REASONS = ("other values are left out", "the same bits are as good a residue")


class NoCipher:
    """What a trailer asks of an SA."""

    class cipher:
        block = 1


def context(version: int, proto: int, *, mode: str = "Tunnel", **more: object) -> dict:
    """A context whose selectors are single values and which leaves out what it can."""
    source, destination = V6_ENDS if version == 6 else V4_ENDS
    ported = proto in headers.TRANSPORT
    ports = {"ts_port_src": (5001, 5001), "ts_port_dst": (4500, 4500)} if ported else {}
    found = {
        "iipc_profile": "iipc_diet-esp", "dscp_cda": "lower", "ecn_cda": "lower", "flow_label_cda": "lower",
        "dscp_list": [], "alignment": 8, "esp_trailer": "Optional", "ipsec_mode": mode, "esp_spi_lsb": 16,
        "esp_sn_lsb": 8, "ts_ip_version": version, "ts_proto": proto,
    }
    for name, ends in {"ts_ip_src": (source, source), "ts_ip_dst": (destination, destination),
                       "ts_port_src": (0, 65535), "ts_port_dst": (0, 65535), **ports}.items():
        found[f"{name}_start"], found[f"{name}_end"] = ends
    for name, value in more.items():
        if isinstance(value, tuple):
            found[f"{name}_start"], found[f"{name}_end"] = value
        else:
            found[name] = value
    return found


def segment(proto: int, payload: bytes, ends: bytes) -> bytes:
    """A transport header and the payload, or a message of a protocol without ports."""
    fields = {"SRC_PORT": 5001, "DST_PORT": 4500, "UDP.LEN": 8 + len(payload), "UDPLITE.COV": 8 + len(payload),
              "TCP.SEQ": 0x11223344, "TCP.ACK": 0x55667788, "TCP.DOFF": 5, "TCP.RSVD_FLAGS": 0x018, "TCP.WIN": 8192,
              "TCP.URG": 0, "SCTP.VTAG": 0xC0FFEE01}
    fields |= {name: 0 for name in headers.CHECKSUM.values()}
    if proto == headers.SCTP:
        payload = struct.pack(">BBHIHHI", 0, 3, 16 + len(payload), 7, 1, 0, 0) + payload + bytes(-len(payload) % 4)
    if proto in headers.TRANSPORT:
        layout = headers.TRANSPORT[proto]
        made = headers.pack(layout, fields) + payload
        fields[headers.CHECKSUM[proto]] = headers.transport_checksum(ends, proto, made)
        return headers.pack(layout, fields) + payload
    kind = 128 if proto == headers.ICMPV6 else 8
    covered = headers.pseudo_header(ends, proto, 8 + len(payload)) if proto == headers.ICMPV6 else b""
    message = bytes([kind, 0, 0, 0, 0, 7, 0, 1]) + payload
    return message[:2] + headers.checksum(covered + message).to_bytes(2, "big") + message[4:]


def packet(version: int, proto: int, payload: bytes, extension: bytes = b"") -> bytes:
    """An inner packet that a host would send; DSCP 46, no ECN."""
    source, destination = (int(ipaddress.ip_address(end)) for end in (V6_ENDS if version == 6 else V4_ENDS))
    width = 16 if version == 6 else 4
    behind = extension + segment(proto, payload, source.to_bytes(width, "big") + destination.to_bytes(width, "big"))
    values = {"VERSION": version, "IHL": 5, "DSCP": 46, "ECN": 1, "FLOW_LABEL": 0x2345, "IDENT": 0x2345, "FLAGS": 2,
              "FRAG_OFF": 0, "HOP_LIMIT": 64, "PROTO": 60 if extension else proto, "HDR_CKSUM": 0,
              "LENGTH": len(behind) + (20 if version == 4 else 0), "SRC": source, "DST": destination}
    if version == 4:
        values["HDR_CKSUM"] = headers.header_checksum(values)
    return headers.pack(headers.V6 if version == 6 else headers.V4, values) + behind


UDP, TCP, SCTP, UDPLITE, ANY = headers.UDP, headers.TCP, headers.SCTP, headers.UDPLITE, 0
RANGES = {"ts_port_src": (5000, 5007), "ts_port_dst": (4496, 4511)}
SENT = {"dscp_cda": "not_compressed", "ecn_cda": "not_compressed", "flow_label_cda": "not_compressed"}
EVERY = {4: ("0.0.0.0", "255.255.255.255"), 6: ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}
NETS = {"ts_ip_src": ("2001:db8:0:1::1000", "2001:db8:0:1::10ff"), "ts_ip_dst": ("2001:db8:0:2::", "2001:db8:0:2::ffff")}
OPTIONS = bytes([0, 0, 1, 4, 0, 0, 0, 0])


def rights() -> Iterator[tuple[str, dict, int, bytes]]:
    """Name, context, protocol of the packet, extension header before it."""
    for version in (6, 4):
        for name, proto in (("udp", UDP), ("tcp", TCP), ("sctp", SCTP), ("udplite", UDPLITE)):
            yield f"{name}{version}", context(version, proto), proto, b""
            yield f"{name}{version}-ranges", context(version, proto, **RANGES), proto, b""
            yield f"{name}{version}-any", context(version, ANY, **SENT), proto, b""
            yield f"{name}{version}-transport", context(version, proto, mode="Transport"), proto, b""
        icmp = headers.ICMPV6 if version == 6 else headers.ICMP
        yield f"icmp{version}", context(version, icmp), icmp, b""
        yield f"icmp{version}-any", context(version, ANY, ts_ip_src=EVERY[version], ts_ip_dst=EVERY[version]), icmp, b""
        yield f"icmp{version}-transport", context(version, ANY, mode="Transport"), icmp, b""
        yield f"udp{version}-sent", context(version, UDP, **SENT), UDP, b""
        yield f"udp{version}-align32", context(version, UDP, alignment=32), UDP, b""
        yield f"udp{version}-align64", context(version, UDP, alignment=64, **RANGES), UDP, b""
        yield f"udp{version}-whole", context(version, UDP, esp_trailer="Mandatory", alignment=32), UDP, b""
        yield f"udp{version}-list", context(version, UDP, dscp_cda="sa", dscp_list=[0, 8, 10, 46, 34]), UDP, b""
    yield "udp6-nets", context(6, UDP, **NETS), UDP, b""
    yield "udp6-options", context(6, ANY, **SENT), UDP, bytes([UDP]) + OPTIONS[1:]


def addresses(right: dict, name: str) -> Iterator[tuple[str, str]]:
    """Other ranges of addresses: about the right one, beside it, and all."""
    version = right["ts_ip_version"]
    address = ipaddress.ip_address(dict(zip(("ts_ip_src", "ts_ip_dst"), V6_ENDS if version == 6 else V4_ENDS))[name])
    width = address.max_prefixlen
    yield str(address), str(address)
    yield str(address + 1), str(address + 1)
    for bits in (1, 3, 8, 16, *((64, 77) if width == 128 else ())):
        first = int(address) >> bits << bits
        yield str(type(address)(first)), str(type(address)(first + (1 << bits) - 1))
    yield str(address - 1), str(address + 4)
    yield EVERY[version]


PORTS = ((5001, 5001), (5002, 5002), (5000, 5001), (5000, 5007), (5001, 5003), (4496, 4511), (4500, 4500),
         (49152, 65535), (1, 1023), (0, 65535))
PROTOCOLS = (ANY, UDP, TCP, SCTP, UDPLITE, headers.ICMP, headers.ICMPV6)
LISTS = ([46], [0], [0, 46], [46, 34, 10, 8, 0], list(range(40, 49)), list(range(64)))


def changes(right: dict) -> Iterator[dict]:
    """Every change of one attribute."""
    for value in ("not_compressed", "lower"):
        yield {"dscp_cda": value, "dscp_list": []}
        yield {"ecn_cda": value}
    yield from ({"dscp_cda": "sa", "dscp_list": values} for values in LISTS)
    yield from ({"flow_label_cda": value} for value in ("not_compressed", "lower", "generated", "zero"))
    yield from ({"alignment": value} for value in (8, 16, 32, 64))
    yield from ({"esp_trailer": value} for value in ("Mandatory", "Optional"))
    yield from ({"iipc_profile": value} for value in ("iipc_diet-esp", "iipc_not_compressed"))
    for name in ("ts_ip_src", "ts_ip_dst"):
        yield from ({f"{name}_start": first, f"{name}_end": last} for first, last in addresses(right, name))
    yield from ({"ipsec_mode": value} for value in ("Tunnel", "Transport"))
    other = 10 - right["ts_ip_version"]
    yield {"ts_ip_version": other} | {
        f"ts_ip_{end}_{part}": EVERY[other][part == "end"] for end in ("src", "dst") for part in ("start", "end")}
    every = {"ts_port_src_start": 0, "ts_port_src_end": 65535, "ts_port_dst_start": 0, "ts_port_dst_end": 65535}
    for proto in PROTOCOLS:
        yield {"ts_proto": proto} | ({} if proto in headers.TRANSPORT else every)
    if right["ts_proto"] in headers.TRANSPORT:
        for name in ("ts_port_src", "ts_port_dst"):
            yield from ({f"{name}_start": first, f"{name}_end": last} for first, last in PORTS)


def outer_of(inner: bytes) -> dict[str, int]:
    """What a sender copies to the outer header, which is IPv6."""
    values = headers.unpack(headers.V6 if inner[0] >> 4 == 6 else headers.V4, inner)
    label = values.get("FLOW_LABEL", values.get("IDENT"))
    return {"version": 6, "dscp": values["DSCP"], "ecn": values["ECN"], "hop_limit": values["HOP_LIMIT"], "flow_label": label}


@dataclass(frozen=True)
class Sight:
    """One packet and the context with which it is looked at."""

    name: str
    right: dict
    wrong: dict
    inner: bytes
    clear: bytes
    outer: bytes

    @property
    def sa(self) -> str:
        """Names the pair of contexts, which is an SA of its own."""
        return repr((self.name, self.wrong))

    @property
    def changed(self) -> str:
        names = [name for name in self.wrong if self.wrong[name] != self.right[name]]
        return ", ".join(f"{name}={self.wrong[name]}" for name in names)

    @property
    def rebuilt(self) -> bytes:
        """What is to be seen of the inner packet: all, or what ESP stood in front of."""
        if self.right["ipsec_mode"] == "Tunnel":
            return self.inner
        return oracle.split(oracle.context_of(self.right), self.inner).segment

    def whole(self, rebuilt: bytes) -> bytes:
        """A rebuilt packet, behind its IP header if it has none."""
        if self.wrong["ipsec_mode"] == "Tunnel":
            return rebuilt
        size, at = oracle.esp_place(self.outer)
        return oracle.with_next(self.outer[:size], at, self.read[1], len(rebuilt)) + rebuilt

    @property
    def read(self) -> tuple[bytes, int]:
        """IIPC packet and Next Header as the wrong context reads them."""
        return oracle.strip_trailer(oracle.context_of(self.wrong), NoCipher, self.clear)

    @property
    def aligned(self) -> bool:
        """Whether the clear text, alone or behind the ESP header, is as long as the wrong context makes it."""
        ctx = oracle.context_of(self.wrong)
        fits = [length % (ctx.alignment // 8) == 0 for length in (len(self.clear), 3 + len(self.clear))]
        return any(fits) or not oracle.trailer_has(ctx, NoCipher)[0]

    def unknowable(self, rebuilt: bytes) -> str:
        """Why no receiver can tell that `rebuilt` is wrong; empty if one can.

        A sender with the wrong context, given `rebuilt`, which is a packet that can
        be, sends the very octets of this packet.
        """
        ctx = oracle.context_of(self.wrong)
        whole = self.whole(rebuilt)
        try:
            same = oracle.compress(ctx, whole).octets == self.read[0]
            oracle.check_selectors(ctx, oracle.received_inner(ctx, whole, self.read[1], {"packet": self.outer}))
        except (oracle.NoMatch, oracle.Reject):
            return ""
        if not same or impossible(ctx, whole):
            return ""
        return REASONS[self.widths(self.right) != self.widths(self.wrong)]

    def widths(self, case: dict) -> list[tuple[str, int]]:
        """Which fields are sent, with how many bits each."""
        ctx = oracle.context_of(case)
        proto = self.inner_protocol(case)
        rule = [*oracle.ip_rule(ctx), *oracle.transport_rule(ctx, proto)] if ctx.tunnel else oracle.transport_rule(ctx, proto)
        return [(field.fid, width(field)) for field in rule if width(field)] if ctx.iipc else [("all", 0)]

    def inner_protocol(self, case: dict) -> int:
        return case["ts_proto"] or (self.inner[9] if self.inner[0] >> 4 == 4 else self.inner[6])


def width(field: schc.Field) -> int:
    """Bits of a field in the residue."""
    match field.action:
        case "value-sent":
            return field.length
        case "LSB":
            return field.length - field.prefix
        case "mapping-sent":
            return schc.index_bits(field.target)
    return 0


def sent(ctx: oracle.Context, proto: int) -> frozenset[str]:
    """Of what plausibility looks at, that of which at least a bit was sent."""
    # Space that the selector asks for is the word of the context.
    kind = ipaddress.IPv6Address if ctx.version == 6 else ipaddress.IPv4Address
    wanted = {fid for fid, ends in (("SRC", ctx.src), ("DST", ctx.dst)) if plausible.wanted(kind(ends.start))}
    if not ctx.iipc:
        return EVERYTHING - wanted
    transport = oracle.transport_rule(ctx, proto)
    rule = [*(oracle.ip_rule(ctx) if ctx.tunnel else []), *transport]
    elided = {field.fid for field in rule if not width(field)}
    return EVERYTHING - wanted - elided - ({"CHECKSUM"} if transport else set())


def impossible(ctx: oracle.Context, whole: bytes) -> bool:
    """Whether the inner packet cannot be, by what this context had to be sent."""
    if not ctx.tunnel:
        size, at = oracle.esp_place(whole)
        proto, version = whole[at], whole[0] >> 4
        # What a Routing header does to the addresses is not looked at.
        ends = headers.ends_of(whole) if version == 4 or at == 6 else None
        if not ctx.proto and (proto == headers.HOP_BY_HOP or plausible.nobodys(proto, version)):
            return True
        return plausible.bad_upper(ends, proto, whole[size:], sent(ctx, proto))
    proto = whole[9] if whole[0] >> 4 == 4 else whole[6]
    return plausible.impossible(whole, sent(ctx, proto), ctx.proto)


def sight(name: str, right: dict, wrong: dict, inner: bytes) -> Sight:
    """`inner`, sent with the right context and seen with the wrong one."""
    ctx = oracle.context_of(right)
    clear, _ = oracle.add_trailer(ctx, NoCipher, oracle.compress(ctx, inner))
    return Sight(name, right, wrong, inner, clear, oracle.outer_packet(ctx, inner, outer_of(inner), b""))


def sights() -> Iterator[Sight]:
    """Every packet with its own context, and with every one that is one attribute off."""
    for name, right, proto, extension in rights():
        wrongs = [right | change for change in changes(right) if right | change != right]
        for payload in PAYLOADS:
            inner = packet(right["ts_ip_version"], proto, payload, extension)
            for wrong in (right, *wrongs):
                yield sight(name, right, wrong, inner)


def capture(seen: list[Sight]) -> tuple[list[bytes], str]:
    """Packets and configuration: an SA for each pair of contexts, with an SPI and an end of its own."""
    packets, tables, numbers = [], [], {}
    for sight in seen:
        tunnel = sight.right["ipsec_mode"] == "Tunnel"
        spi, count = numbers.get(sight.sa, (0x1_0100 + len(numbers), 0))
        first = count == 0
        numbers[sight.sa] = spi, count + 1
        esp = diet_esp(spi, count + 1, sight.clear, 16, 8)
        size, at = oracle.esp_place(sight.outer)
        outer = oracle.with_next(sight.outer[:size], at, headers.ESP, len(esp)) + esp
        outer = ehc.moved(outer, spi & 0xFFFF) if tunnel else outer
        packets.append(outer)
        if first:
            case = {"id": f"sa-{spi}", "context": sight.wrong, "sa": {**SA, "spi": f"{spi:x}"}}
            tables.append(ehc.sa_toml(case, outer))
    return packets, "\n".join(tables)
