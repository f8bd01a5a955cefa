"""Which inner packets cannot be, written from the texts of their protocols.

Only fields of which at least a bit was sent are judged: what a context says itself
is no evidence of the wire.
"""

import ipaddress
from collections.abc import Set

import headers
from headers import ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE

IGMP, IPV4, IPV6 = 2, 4, 41
ONLY_V4, ONLY_V6 = {ICMP, IGMP}, {0, 43, 44, ICMPV6, 59, 60}
# Whose header holds a checksum over all of it, and its least length.
WHOLE = {TCP: 20, SCTP: 12, ICMP: 8, IGMP: 8, ICMPV6: 4}


def nobodys(protocol: int, version: int) -> bool:
    return 148 <= protocol <= 252 or protocol == 255 or protocol in (ONLY_V6 if version == 4 else ONLY_V4)


# Of IPv6 the space that IANA has given away, of IPv4 what it has kept.
GIVEN = [ipaddress.ip_network(net) for net in ("::/8", "100::/16", "2000::/3", "5f00::/16", "fc00::/7", "fe80::/10",
                                               "fec0::/10", "ff00::/8")]
KEPT = ipaddress.ip_network("240.0.0.0/4")
BROADCAST = ipaddress.ip_address("255.255.255.255")


def nowhere(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address.version == 4:
        return address in KEPT and address != BROADCAST or address.is_loopback
    return not any(address in net for net in GIVEN) or address.is_loopback


def wanted(first: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a selector that begins so asks for what is nobody's or a group's."""
    return nowhere(first) or first.is_multicast or first == BROADCAST


def bad_addresses(packet: bytes, sent: Set[str]) -> bool:
    ends = headers.ends_of(packet)
    half = len(ends) // 2
    source, destination = ipaddress.ip_address(ends[:half]), ipaddress.ip_address(ends[half:])
    nameless = source.version == 6 and source.is_unspecified and not destination.is_multicast
    if "SRC" in sent and (source.is_multicast or source == BROADCAST or nowhere(source) or nameless):
        return True
    return "DST" in sent and (destination.is_unspecified or nowhere(destination))


def source_routed(packet: bytes) -> bool:
    at, size = 20, 4 * (packet[0] & 15)
    while at < size and packet[at]:
        if packet[at] in (131, 137):
            return True
        at += 1 if packet[at] == 1 else max(2, packet[at + 1]) if at + 1 < size else size
    return False


def past_extensions(packet: bytes) -> tuple[int, int, bool, bool]:
    """Upper protocol, where it begins, whether it is a fragment, whether the addresses may be others."""
    if packet[0] >> 4 == 4:
        fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF != 0
        return packet[9], 4 * (packet[0] & 15), fragment, source_routed(packet)
    protocol, at, fragment, other = packet[6], 40, False, False
    while protocol in (0, 43, 44, 60) and not fragment:
        other |= protocol in (43, 60)
        fragment = protocol == 44 and int.from_bytes(packet[at + 2 : at + 4], "big") & 0xFFF9 != 0
        protocol, at = packet[at], at + (8 if protocol == 44 else 8 * packet[at + 1] + 8)
    return protocol, at, fragment, other


def bad_tcp(segment: bytes) -> bool:
    size = 4 * (segment[12] >> 4)
    if size < 20 or size > len(segment) or segment[12] & 0x0E:
        return True
    at = 20
    while at < size and segment[at]:
        if segment[at] == 1:
            at += 1
            continue
        length = segment[at + 1] if at + 1 < size else 0
        if length < 2 or at + length > size:
            return True
        at += length
    return False


def bad_sctp(packet: bytes) -> bool:
    at = 12
    if len(packet) <= at or (packet[4:8] == bytes(4)) != (packet[at] == 1):
        return True
    while at < len(packet):
        length = int.from_bytes(packet[at + 2 : at + 4], "big") if at + 4 <= len(packet) else 0
        if length < 4 or at + length > len(packet):
            return True
        at += length + -length % 4
    return False


def bad_tunnelled(protocol: int, packet: bytes) -> bool:
    version = 4 if protocol == IPV4 else 6
    if len(packet) < (20 if version == 4 else 40) or packet[0] >> 4 != version:
        return True
    if version == 6:
        return 40 + int.from_bytes(packet[4:6], "big") > len(packet) or cut_extension(packet)
    size, total = 4 * (packet[0] & 15), int.from_bytes(packet[2:4], "big")
    return not 20 <= size <= total <= len(packet) or headers.ones_sum(packet[:size]) != 0xFFFF


def cut_extension(packet: bytes) -> bool:
    """An extension header, or the whole of a jumbogram, past the end."""
    end = 40 + int.from_bytes(packet[4:6], "big")
    if end == 40 and packet[6] == 0:
        return True
    try:
        return past_extensions(packet[:end])[1] > end
    except IndexError:
        return True


def bad_checksum(ends: bytes | None, protocol: int, upper: bytes) -> bool:
    """A checksum that came along, or a length for it; without `ends` what covers them is not judged."""
    if protocol in (UDP, UDPLITE):
        stated = int.from_bytes(upper[4:6], "big") if len(upper) >= 6 else 0
        covered = stated or (len(upper) if protocol == UDPLITE else 0)
        counted = covered if protocol == UDP else len(upper)
        if not 8 <= covered <= len(upper):
            return True
        if protocol == UDP and upper[6:8] == bytes(2):
            return False
        upper = upper[:covered]
    elif protocol in WHOLE:
        counted = len(upper)
        if counted < WHOLE[protocol]:
            return True
    else:
        return False
    if protocol == SCTP:
        return upper[8:12] not in (bytes(4), headers.crc32c(upper[:8] + bytes(4) + upper[12:]).to_bytes(4, "big"))
    if protocol in ONLY_V4:
        return headers.ones_sum(upper) != 0xFFFF
    return ends is not None and headers.ones_sum(headers.pseudo_header(ends, protocol, counted) + upper) != 0xFFFF


def bad_ports(protocol: int, upper: bytes, sent: Set[str]) -> bool:
    if protocol not in (TCP, UDP, SCTP, UDPLITE) or len(upper) < 4:
        return False
    if "DST_PORT" in sent and upper[2:4] == bytes(2):
        return True
    return "SRC_PORT" in sent and protocol in (TCP, SCTP) and upper[:2] == bytes(2)


def bad_upper(ends: bytes | None, protocol: int, upper: bytes, sent: Set[str]) -> bool:
    """`sent` holds CHECKSUM where the checksum of the transport header was."""
    if protocol == TCP and len(upper) > 12 and bad_tcp(upper):
        return True
    if protocol == SCTP and len(upper) >= 12 and bad_sctp(upper):
        return True
    if protocol in (IPV4, IPV6) and bad_tunnelled(protocol, upper):
        return True
    return bad_ports(protocol, upper, sent) or "CHECKSUM" in sent and bad_checksum(ends, protocol, upper)


def impossible(packet: bytes, sent: Set[str], said: int) -> bool:
    """Whether an inner packet cannot be; the context says the protocol `said`, or 0."""
    version = packet[0] >> 4
    if version == 4 and "FLAGS" in sent and packet[6] & 0x80:
        return True
    if version == 4 and "HDR_CKSUM" in sent and headers.ones_sum(packet[: 4 * (packet[0] & 15)]) != 0xFFFF:
        return True
    if bad_addresses(packet, sent):
        return True
    protocol, at, fragment, other = past_extensions(packet)
    if fragment:
        return False
    if (said == 0 or protocol != said) and nobodys(protocol, version):
        return True
    return bad_upper(None if other else headers.ends_of(packet), protocol, packet[at:], sent)
