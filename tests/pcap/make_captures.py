#!/usr/bin/env python3
"""Writes the packets of the ESP vectors as captures, with their SAs and expectations.

make_captures.py [--vectors FOLDER] [--out FOLDER]
"""

import argparse
import ipaddress
import json
import struct
from pathlib import Path
from typing import Any

from capture import Capture

HERE = Path(__file__).resolve().parent
UDP_CHECKSUM = 6


def ends(packet: bytes) -> tuple[str, str]:
    start, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    both = packet[start : start + size], packet[start + size : start + 2 * size]
    return str(ipaddress.ip_address(both[0])), str(ipaddress.ip_address(both[1]))


def sa_of(case: dict[str, Any], packet: bytes) -> dict[str, Any]:
    """The SA of a vector as keys of `[[sa]]`."""
    sa = case["sa"]
    source, destination = ends(packet)
    number = case["seq_hi"] << 32
    if "seq_lo" in case:
        number |= case["seq_lo"]
    return {
        "name": case["id"],
        "spi": sa["spi"],
        "mode": sa["mode"],
        "encr": sa["encr"],
        "encr_key": sa["encr_key"],
        "salt": sa["salt"],
        "integ": sa["integ"],
        "integ_key": sa["integ_key"],
        "esn": sa["esn"],
        # The high half is not on the wire: the reader starts just before the packet.
        "sequence_start": max(number - 1, 0) if sa["esn"] else None,
        "tunnel": {"source": source, "destination": destination} if sa["mode"] == "tunnel" else None,
        "udp_encap": sa["udp_encap"] and {"source_port": sa["udp_encap"]["sport"], "destination_port": sa["udp_encap"]["dport"]},
    }


def positive(cases: list[dict[str, Any]]) -> list[Capture]:
    """A case goes into the first capture that has no SA of its SPI yet."""
    captures: list[tuple[Capture, set[int]]] = []
    for case in cases:
        spi = case["sa"]["spi"]
        capture, spis = next((pair for pair in captures if spi not in pair[1]), (Capture(), set()))
        if not spis:
            captures.append((capture, spis))
        spis.add(spi)
        packet = bytes.fromhex(case["output"])
        capture.sas.append(sa_of(case, packet))
        esn_high = case["seq_hi"] if case["sa"]["esn"] else None
        capture.add(packet, id=case["id"], inner=case["input"], encr=case["sa"]["encr"], esn_high=esn_high)
    return [capture for capture, _ in captures]


def moved(packet: bytes, host: int) -> bytes:
    """The IPv4 packet with another last octet in its destination, checksums adjusted (RFC 1624)."""
    octets = bytearray(packet)
    old, new = octets[18] << 8 | octets[19], octets[18] << 8 | host
    octets[19] = host
    header = 4 * (octets[0] & 15)
    places = [10]
    first_fragment = (octets[6] << 8 | octets[7]) & 0x1FFF == 0
    if octets[9] == 17 and first_fragment and octets[header + UDP_CHECKSUM : header + 8] != b"\0\0":
        places.append(header + UDP_CHECKSUM)
    for place in places:
        total = (~struct.unpack_from("!H", octets, place)[0] & 0xFFFF) + (~old & 0xFFFF) + new
        total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", octets, place, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
    return bytes(octets)


def negative(cases: list[dict[str, Any]]) -> Capture:
    """All cases share one SPI and one address pair, with other keys: each SA gets a destination of its own."""
    capture = Capture()
    hosts: dict[str, int] = {}
    for case in cases:
        identity = json.dumps([case["sa"], case["seq_hi"]])
        known = identity in hosts
        host = hosts.setdefault(identity, 10 + len(hosts))
        packet = moved(bytes.fromhex(case["packet"]), host)
        if not known:
            # The cases of an SA repeat numbers; with ESN there is one case, and its half is inferred.
            window = None if case["sa"]["esn"] else 0
            capture.sas.append({**sa_of(case, packet), "replay_window": window, "destination": ends(packet)[1]})
        capture.add(packet, id=case["id"], encr=case["sa"]["encr"], expect=case["expect"], event=case["event"], why=case["name"])
    return capture


def load(path: Path, kind: str) -> list[dict[str, Any]]:
    document = json.loads(path.read_text())
    cases = document["vectors"]
    if document["kind"] != kind or document["number_of_cases"]["vectors"] != len(cases):
        raise SystemExit(f"{path}: not a complete document of kind {kind}")
    return cases


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--vectors", type=Path, default=HERE.parent / "vectors")
    arguments.add_argument("--out", type=Path, default=HERE)
    options = arguments.parse_args()
    for number, capture in enumerate(positive(load(options.vectors / "esp.json", "esp")), 1):
        capture.save(options.out / ("esp-vectors" if number == 1 else f"esp-vectors-{number}"))
    negative(load(options.vectors / "esp-negative.json", "esp-negative")).save(options.out / "esp-negative")


if __name__ == "__main__":
    main()
