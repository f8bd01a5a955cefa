"""IP and transport headers as numbers by field identifier, and their checksums."""

import struct
from collections.abc import Mapping

ICMP, TCP, UDP, IPV6, ESP, ICMPV6, NO_NEXT, SCTP, UDPLITE = 1, 6, 17, 41, 50, 58, 59, 132, 136
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60

Layout = tuple[tuple[str, int], ...]

V6: Layout = (
    ("VERSION", 4), ("DSCP", 6), ("ECN", 2), ("FLOW_LABEL", 20), ("LENGTH", 16),
    ("PROTO", 8), ("HOP_LIMIT", 8), ("SRC", 128), ("DST", 128),
)  # fmt: skip
V4: Layout = (
    ("VERSION", 4), ("IHL", 4), ("DSCP", 6), ("ECN", 2), ("LENGTH", 16), ("IDENT", 16), ("FLAGS", 3),
    ("FRAG_OFF", 13), ("HOP_LIMIT", 8), ("PROTO", 8), ("HDR_CKSUM", 16), ("SRC", 32), ("DST", 32),
)  # fmt: skip
PORTS: Layout = (("SRC_PORT", 16), ("DST_PORT", 16))
TRANSPORT: dict[int, Layout] = {
    UDP: (*PORTS, ("UDP.LEN", 16), ("UDP.CKSUM", 16)),
    UDPLITE: (*PORTS, ("UDPLITE.COV", 16), ("UDPLITE.CKSUM", 16)),
    TCP: (
        *PORTS, ("TCP.SEQ", 32), ("TCP.ACK", 32), ("TCP.DOFF", 4), ("TCP.RSVD_FLAGS", 12),
        ("TCP.WIN", 16), ("TCP.CKSUM", 16), ("TCP.URG", 16),
    ),
    SCTP: (*PORTS, ("SCTP.VTAG", 32), ("SCTP.CKSUM", 32)),
}  # fmt: skip
CHECKSUM = {UDP: "UDP.CKSUM", UDPLITE: "UDPLITE.CKSUM", TCP: "TCP.CKSUM", SCTP: "SCTP.CKSUM"}
LENGTH = {UDP: "UDP.LEN", UDPLITE: "UDPLITE.COV"}


def size(layout: Layout) -> int:
    """In octets."""
    return sum(length for _, length in layout) // 8


def unpack(layout: Layout, octets: bytes) -> dict[str, int]:
    """The octets may be longer than the header."""
    left = 8 * size(layout)
    number = int.from_bytes(octets[: left // 8], "big")
    values = {}
    for fid, length in layout:
        left -= length
        values[fid] = number >> left & (1 << length) - 1
    return values


def pack(layout: Layout, values: Mapping[str, int]) -> bytes:
    number = 0
    for fid, length in layout:
        if values[fid] >> length:
            raise ValueError(f"{fid} has more than {length} bits")
        number = number << length | values[fid]
    return number.to_bytes(size(layout), "big")


def ones_sum(octets: bytes) -> int:
    """The 16-bit ones' complement sum (RFC 1071)."""
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(octets: bytes) -> int:
    return 0xFFFF - ones_sum(octets)


def crc32c(octets: bytes) -> int:
    """The CRC of SCTP, as the number that its checksum field holds (RFC 9260 appendix A)."""
    register = 0xFFFFFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return int.from_bytes((register ^ 0xFFFFFFFF).to_bytes(4, "little"), "big")


def pseudo_header(ends: bytes, proto: int, length: int) -> bytes:
    """`ends` are the two addresses of the IP header, 8 or 32 octets."""
    form = ">BBH" if len(ends) == 8 else ">I3xB"
    return ends + struct.pack(form, *((0, proto, length) if len(ends) == 8 else (length, proto)))


def transport_checksum(ends: bytes, proto: int, segment: bytes) -> int:
    """What the checksum field must hold; the field's own octets play no part.

    For UDP-Lite the coverage is the one in the segment, 0 for all of it.
    """
    layout = TRANSPORT[proto]
    header = unpack(layout, segment) | {CHECKSUM[proto]: 0}
    segment = pack(layout, header) + segment[size(layout) :]
    if proto == SCTP:
        return crc32c(segment)
    covered = segment
    if proto == UDPLITE and header["UDPLITE.COV"]:
        covered = segment[: header["UDPLITE.COV"]]
    value = checksum(pseudo_header(ends, proto, len(segment)) + covered)
    return 0xFFFF if value == 0 and proto in (UDP, UDPLITE) else value


def header_checksum(values: Mapping[str, int]) -> int:
    return checksum(pack(V4, {**values, "HDR_CKSUM": 0}))


def ends_of(packet: bytes) -> bytes:
    """Source and destination of an IP packet."""
    return packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
