"""IP, ICMP and Ethernet as far as the echo exchanges need them."""

import ipaddress
import struct
from dataclasses import dataclass

ICMP, ICMPV6 = 1, 58

# Extension headers: type and all but the first two octets. IPv4 options: number, all octets.
Between = tuple[tuple[int, bytes], ...]


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def ip(source: str, destination: str, protocol: int, payload: bytes, between: Between = ()) -> bytes:
    """An IP packet with IPv4 options or IPv6 extension headers `between` header and payload."""
    ends = address(source) + address(destination)
    if len(ends) == 32:
        first = protocol
        for kind, body in reversed(between):
            payload = bytes((first, len(body) // 8)) + body + payload
            first = kind
        return struct.pack("!IHBB", 6 << 28, len(payload), first, 64) + ends + payload
    options = b"".join(body for _, body in between)
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 0, 0, 64, protocol, 0)
    head += ends + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def echo(source: str, destination: str, number: int, data: bytes, between: Between = (), reply: bool = False) -> bytes:
    """An ICMP or ICMPv6 echo request or reply."""
    ends = address(source) + address(destination)
    v6 = len(ends) == 32
    kind = (129 if reply else 128) if v6 else (0 if reply else 8)
    message = struct.pack("!BBHHH", kind, 0, 0, 0x5A5A, number) + data
    pseudo = ends + struct.pack("!II", len(message), ICMPV6) if v6 else b""
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    return ip(source, destination, ICMPV6 if v6 else ICMP, message, between)


@dataclass(frozen=True)
class View:
    """What the tests compare of an IP packet: a peer is free in all the other fields."""

    source: str
    destination: str
    protocol: int
    payload: bytes


def view(packet: bytes) -> View:
    """`protocol` and `payload` are those behind IPv4 options; IPv6 extension headers stay."""
    if packet[0] >> 4 == 6:
        source, destination, protocol, start = packet[8:24], packet[24:40], packet[6], 40
        end = 40 + int.from_bytes(packet[4:6])
    else:
        source, destination, protocol, start = packet[12:16], packet[16:20], packet[9], 4 * (packet[0] & 15)
        end = int.from_bytes(packet[2:4])
    ends = (str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination)))
    return View(*ends, protocol, packet[start:end])


def traffic_class(octets: bytes) -> int:
    """DSCP and ECN."""
    return octets[1] if octets[0] >> 4 == 4 else int.from_bytes(octets[:2]) >> 4 & 0xFF


def with_traffic_class(octets: bytes, value: int) -> bytes:
    if octets[0] >> 4 == 6:
        return (0x6000 | value << 4 | octets[1] & 15).to_bytes(2) + octets[2:]
    length = 4 * (octets[0] & 15)
    head = octets[:1] + bytes([value]) + octets[2:10] + b"\0\0" + octets[12:length]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + octets[length:]


def forged(octets: bytes) -> bytes:
    """With the last bit of the ICV flipped."""
    return octets[:-1] + bytes([octets[-1] ^ 1])


def ethernet(destination: bytes, source: bytes, packet: bytes) -> bytes:
    return destination + source + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet
