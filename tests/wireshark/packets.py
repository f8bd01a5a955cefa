"""Packets made by hand: ESP with NULL encryption, Diet-ESP too, needs nothing but an HMAC."""

import hashlib
import hmac
import ipaddress
import struct

LINKTYPE_RAW = 101
KEY = bytes(range(32))
ENCR, INTEG = "ENCR_NULL", "AUTH_HMAC_SHA2_256_128"
SOURCE, DESTINATION = "192.0.2.1", "192.0.2.2"


def pcap(packets: list[bytes]) -> bytes:
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_RAW)]
    records += [struct.pack("<IIII", n, 0, len(p), len(p)) + p for n, p in enumerate(packets)]
    return b"".join(records)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(protocol: int, payload: bytes, source: str = SOURCE, destination: str = DESTINATION, flags: int = 0) -> bytes:
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, flags, 64, protocol, 0) + addresses
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def udp(payload: bytes, source: int = 40000, destination: int = 40001) -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(payload: bytes, sequence: int, source: int = 40000, destination: int = 4500) -> bytes:
    return struct.pack(">HHIIBBHHH", source, destination, sequence, 1, 0x50, 0x18, 65535, 0, 0) + payload


def esp(spi: int, number: int, payload: bytes, next_header: int, *, esn: bool = False) -> bytes:
    """NULL with HMAC-SHA2-256-128 under KEY; `number` has 64 bits."""
    padding = bytes(range(1, 1 + -(len(payload) + 2) % 4))
    covered = struct.pack(">II", spi, number & 0xFFFFFFFF) + payload + padding
    covered += bytes([len(padding), next_header])
    high = struct.pack(">I", number >> 32) if esn else b""
    return covered + hmac.new(KEY, covered + high, hashlib.sha256).digest()[:16]


def diet_esp(spi: int, number: int, text: bytes, spi_lsb: int = 8, sn_lsb: int = 8, *, esn: bool = False) -> bytes:
    """`text` under the low bits of SPI and number, whose sum is a multiple of 8; the ICV covers all of both."""
    covered = struct.pack(">II", spi, number & 0xFFFFFFFF) + text
    high = struct.pack(">I", number >> 32) if esn else b""
    shown = (spi & (1 << spi_lsb) - 1) << sn_lsb | number & (1 << sn_lsb) - 1
    header = shown.to_bytes((spi_lsb + sn_lsb) // 8, "big")
    return header + text + hmac.new(KEY, covered + high, hashlib.sha256).digest()[:16]
