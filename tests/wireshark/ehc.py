"""Captures and configurations made of the Diet-ESP vectors."""

import ipaddress
import json
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/pcap"))
from capture import sa_table

VECTORS = ROOT / "tests/vectors/diet-esp.json"
# Attributes that are named as in the configuration.
SAME = ("iipc_profile", "dscp_cda", "ecn_cda", "flow_label_cda", "alignment", "esp_trailer", "esp_spi_lsb", "esp_sn_lsb")


def load(name: str) -> list[dict]:
    """The cases of one list; all of them, or none."""
    document = json.loads(VECTORS.read_text())
    if len(document[name]) != document["number_of_cases"][name]:
        raise ValueError(f"{VECTORS}: not all of {name}")
    return document[name]


def ends(packet: bytes) -> tuple[str, str]:
    start, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    both = packet[start : start + size], packet[start + size : start + 2 * size]
    return str(ipaddress.ip_address(both[0])), str(ipaddress.ip_address(both[1]))


def moved(packet: bytes, host: int) -> bytes:
    """The packet to another outer destination; its checksum, which IPv4 has, made anew."""
    octets = bytearray(packet)
    at = 18 if packet[0] >> 4 == 4 else 38
    struct.pack_into("!H", octets, at, host)
    if packet[0] >> 4 == 4:
        struct.pack_into("!H", octets, 10, 0)
        total = sum(struct.unpack_from("!10H", octets))
        total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", octets, 10, ~(total + (total >> 16)) & 0xFFFF)
    return bytes(octets)


def arrived(case: dict) -> bytes:
    """The outer packet as the receiver has it: routers may have changed its header."""
    packet, outer = bytearray.fromhex(case["outer_packet"]), case["outer_received"]
    if outer != case["outer_sent"] and outer["version"] == 4:
        # Its checksum is nothing to Wireshark.
        packet[1], packet[8] = outer["dscp"] << 2 | outer["ecn"], outer["hop_limit"]
    elif outer != case["outer_sent"]:
        word = 6 << 28 | outer["dscp"] << 22 | outer["ecn"] << 20 | outer["flow_label"]
        struct.pack_into("!I", packet, 0, word)
        packet[7] = outer["hop_limit"]
    return bytes(packet)


def span(context: dict, name: str, *, ports: bool = False) -> str | None:
    first, last = context[f"{name}_start"], context[f"{name}_end"]
    if ports and (first, last) == (0, 65535):
        return None
    return f"{first}-{last}"


def sa_toml(case: dict, packet: bytes, **more: object) -> str:
    """`[[sa]]` of a case whose packet is `packet`; `more` replaces attributes of the context."""
    context, sa = case["context"], case["sa"]
    encr, _, integ = sa["encr"].partition("+")
    source, destination = ends(packet)
    ehc = {name: context[name] for name in SAME}
    if context["dscp_cda"] == "sa":
        ehc["dscp_list"] = context["dscp_list"]
    ehc |= {"ip_version": context["ts_ip_version"], "outer_id": True, **more}
    has_ports = context["ts_proto"] in (6, 17, 132, 136)
    lists = {"dscp_list": ehc.pop("dscp_list", None)}
    selector = {
        "source": span(context, "ts_ip_src"), "destination": span(context, "ts_ip_dst"),
        "protocol": context["ts_proto"] or None,
        "source_ports": span(context, "ts_port_src", ports=True) if has_ports else None,
        "destination_ports": span(context, "ts_port_dst", ports=True) if has_ports else None,
    }
    tunnel = context["ipsec_mode"] == "Tunnel"
    text = sa_table({
        "name": case["id"], "spi": int(sa["spi"], 16), "mode": "tunnel" if tunnel else "transport",
        "encr": encr, "encr_key": sa["key"], "salt": sa["salt"], "integ": integ, "integ_key": sa["auth_key"],
        "esn": sa["esn"], "sequence_start": case.get("receiver_state", {}).get("top") or None,
        "destination": destination if tunnel else None,
        "tunnel": {"source": source, "destination": destination} if tunnel else None,
        "ehc": {key: value for key, value in ehc.items() if value is not None},
    })
    # The helper knows no lists, neither of numbers nor of tables.
    text += "".join(f"{key} = {value}\n" for key, value in lists.items() if value)
    rows = [f"{key} = {json.dumps(value)}" for key, value in selector.items() if value is not None]
    return "\n".join([text, "[[sa.selector]]", *rows, ""])


def captures(cases: list[dict]) -> list[tuple[list[bytes], str, list[dict]]]:
    """Packets, configuration and cases; in tunnel mode each case has an outer destination of
    its own, in transport mode, whose checksums cover it, a capture of its own."""
    tunnels = [case for case in cases if case["context"]["ipsec_mode"] == "Tunnel"]
    packets = [moved(arrived(case), 0x100 + n) for n, case in enumerate(tunnels)]
    toml = "\n".join(sa_toml(case, packet) for case, packet in zip(tunnels, packets))
    made = [(packets, toml, tunnels)]
    for case in cases:
        if case not in tunnels:
            packet = bytes.fromhex(case["outer_packet"])
            made.append(([packet], sa_toml(case, packet), [case]))
    return made


def older_packet(case: dict) -> bytes:
    """A case of the forms of 2016 to 2019 behind an outer header that tells what it was left."""
    payload, esp = bytes.fromhex(case["payload_data"]), bytes.fromhex(case["esp"])
    version = case["context"].get("outer_version", 6)
    inner_version = case["context"].get("ip_version")
    hops = payload[7 if inner_version == 6 else 8]
    if version == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(esp), 7, 0, hops, 50, 0)
        # A wrong header checksum is nothing to Wireshark: it is not verified.
        return header + bytes([203, 0, 113, 1, 203, 0, 113, 2]) + esp
    first = payload[:4] if inner_version == 6 else bytes([0x60, 0, 0, 0])
    addresses = [ipaddress.ip_address(f"2001:db8:f::{n}").packed for n in (1, 2)]
    return first + struct.pack("!HBB", len(esp), 50, hops) + b"".join(addresses) + esp


def older_toml(case: dict, packet: bytes) -> str:
    """`[[sa]]` of such a case; its lengths are in octets, its addresses numbers."""
    context, sa = case["context"], case["sa"]
    slides, tunnel = context.get("trailer_only", False), case["next_header"] in (4, 41)
    source, destination = ends(packet)
    ehc = {
        "profile": "diet-esp-2016" if slides else "ehc-2019", "alignment": context["esp_align"],
        "esp_spi_lsb": 8 * context["esp_spi_lsb"], "esp_sn_lsb": 8 * context["esp_sn_lsb"],
        "ip_version": context.get("ip_version", 6), **({"udplite_whole": True} if "udplite_coverage" in context else {}),
    }
    address = ipaddress.IPv4Address if context.get("ip_version") == 4 else ipaddress.IPv6Address
    ends_of = [context.get(name) and str(address(context[name])) for name in ("ip_src", "ip_dst")]
    selector = {
        "source": ends_of[0], "destination": ends_of[1], "protocol": context["l4_proto"],
        "source_ports": context.get("l4_src"), "destination_ports": context.get("l4_dst"),
    }
    text = sa_table({
        "name": case["id"], "spi": int(sa["spi"], 16), "mode": "tunnel" if tunnel else "transport",
        "encr": sa["encr"], "encr_key": sa["key"], "salt": sa["salt"],
        "tunnel": {"source": source, "destination": destination} if tunnel else None, "ehc": ehc,
    })
    rows = [f"{key} = {json.dumps(value)}" for key, value in selector.items() if value is not None]
    return "\n".join([text, "[[sa.selector]]", *rows, ""])
