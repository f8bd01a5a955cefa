"""Captures with their SAs and with what a reader of them must find."""

import json
import struct
from pathlib import Path
from typing import Any

LINKTYPE_RAW = 101


def sa_table(sa: dict[str, Any]) -> str:
    """One `[[sa]]` of the configuration format. None, "" and False leave a key out; a dict
    becomes a sub-table; keys of more than 63 bits are written as text."""
    lines, tables = ["[[sa]]"], []
    for key, value in sa.items():
        if value is None or value is False or value == "":
            continue
        if isinstance(value, dict):
            tables += [f"[sa.{key}]", *(f"{name} = {literal(item)}" for name, item in value.items())]
        else:
            lines.append(f"{key} = {literal(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def literal(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if value < 1 << 63 else f'"{value:#x}"'


def packets(path: Path) -> list[bytes]:
    """The packets of a capture that `Capture.save` wrote."""
    octets, at, found = path.read_bytes(), 24, []
    while at < len(octets):
        (length,) = struct.unpack_from("<I", octets, at + 8)
        found.append(octets[at + 16 : at + 16 + length])
        at += 16 + length
    return found


class Capture:
    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.expectations: list[dict[str, Any]] = []
        self.sas: list[dict[str, Any]] = []

    def add(self, packet: bytes, **expectation: Any) -> None:
        self.packets.append(packet)
        self.expectations.append({"frame": len(self.packets), **expectation})

    def save(self, stem: Path) -> None:
        """`stem`.pcap, .toml and .expect.json. Times are made up: a millisecond a packet."""
        records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_RAW)]
        for number, packet in enumerate(self.packets):
            seconds, milliseconds = divmod(number, 1000)
            records.append(struct.pack("<IIII", seconds, 1000 * milliseconds, len(packet), len(packet)) + packet)
        stem.with_suffix(".pcap").write_bytes(b"".join(records))
        stem.with_suffix(".toml").write_text("\n".join(map(sa_table, self.sas)))
        rows = ",\n".join(json.dumps(row) for row in self.expectations)
        stem.with_suffix(".expect.json").write_text(f"[\n{rows}\n]\n")
