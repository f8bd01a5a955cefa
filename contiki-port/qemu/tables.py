#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tables.py VECTORS FEATURES: writes the test tables of the emulated boards, in C.

VECTORS is tests/vectors; every expected value comes from there. FEATURES are those
of the library, separated by spaces: cases that need another one are skipped by name.
"""

import ipaddress
import json
import sys

SUITES = {"ENCR_AES_CCM_8": 0, "ENCR_AES_CCM_8_IIV": 1}
VERDICTS = {
    "accept": "SPRAT_OK",
    "invalid-zero": "SPRAT_DROP_INVALID_ZERO",
    "too-old": "SPRAT_DROP_TOO_OLD",
    "replay": "SPRAT_DROP_REPLAY",
    "integrity": "SPRAT_DROP_INTEGRITY",
}
CODES = {
    "iipc_profile": {"iipc_diet-esp": 0, "iipc_not_compressed": 1},
    "dscp_cda": {"not_compressed": 0, "lower": 1, "sa": 2},
    "ecn_cda": {"not_compressed": 0, "lower": 1},
    "flow_label_cda": {"not_compressed": 0, "lower": 1, "generated": 2, "zero": 3},
    "alignment": {8: 0, 16: 1, 32: 2, 64: 3},
    "esp_trailer": {"Mandatory": 0, "Optional": 1},
}
PROTOCOLS = {0: None, 17: None, 6: "tcp", 132: "sctp", 136: "udp-lite"}
# Where a case says nothing about a tunnel's ends.
ANY_TUNNEL = {"version": 6, "src": "2001:db8:f::1", "dst": "2001:db8:f::2", "hop_limit": 64}


class Skip(Exception):
    """The library, as it was built, has no such thing."""


class Writer:
    """Constants in C, each octet string and struct once."""

    def __init__(self, features):
        self.features = features
        self.lines = []
        self.known = {}
        self.skips = {}

    def need(self, feature):
        if feature and feature not in self.features:
            raise Skip(f"the library was built without {feature}")

    def constant(self, kind, body):
        """The name of a constant of this kind and value."""
        key = (kind, body)
        if key not in self.known:
            name = f"constant_{len(self.known)}"
            self.known[key] = name
            array = "[]" if kind == "uint8_t" else ""
            self.lines.append(f"static const {kind} {name}{array} = {body};")
        return self.known[key]

    def forget(self, many):
        """Keeps the first `many` constants: a skipped case needs none of its own."""
        del self.lines[many:]
        for key in list(self.known)[many:]:
            del self.known[key]

    def octets(self, data):
        """A struct octets."""
        if not data:
            return "{ 0, 0 }"
        return f"{{ {self.constant('uint8_t', braces(data))}, {len(data)} }}"

    def skip(self, file, reason, name):
        self.skips.setdefault(f"{file}: {reason}", []).append(name)


def braces(data):
    return "{ " + ", ".join(str(octet) for octet in data) + " }"


def address(text):
    packed = ipaddress.ip_address(text).packed
    return packed + bytes(16 - len(packed))


def text(name):
    return json.dumps(name)


def path_of(writer, outer, udp):
    """A sprat_mote_path, or None: outer is None in transport mode."""
    if outer is None and udp is None:
        return "0"
    fields = {}
    if udp is not None:
        writer.need("udp-encap")
        fields |= {"udp_source": udp["sport"], "udp_destination": udp["dport"]}
    if outer is not None:
        writer.need("tunnel")
        family = ipaddress.ip_address(outer["src"]).version
        writer.need("ipv4" if family == 4 else None)
        fields |= {
            "source": braces(address(outer["src"])),
            "destination": braces(address(outer["dst"])),
            "tunnel": 1,
            "family": family,
            "hop_limit": outer["hop_limit"],
            "no_ecn": outer.get("no_ecn", 1),
        }
    return "&" + writer.constant("sprat_mote_path", designated(fields))


def designated(fields):
    return "{ " + ", ".join(f".{name} = {value}" for name, value in fields.items()) + " }"


def ehc_of(writer, context, lossy):
    """A sprat_mote_ehc."""
    writer.need("diet-esp")
    writer.need(PROTOCOLS[context["ts_proto"]])
    writer.need("ipv4" if context["ts_ip_version"] == 4 else None)
    fields = {
        "source_first": braces(address(context["ts_ip_src_start"])),
        "source_last": braces(address(context["ts_ip_src_end"])),
        "destination_first": braces(address(context["ts_ip_dst_start"])),
        "destination_last": braces(address(context["ts_ip_dst_end"])),
        "source_ports": braces([context["ts_port_src_start"], context["ts_port_src_end"]]),
        "destination_ports": braces([context["ts_port_dst_start"], context["ts_port_dst_end"]]),
        "protocol": context["ts_proto"],
        "ip_version": context["ts_ip_version"],
        "esp_spi_lsb": context["esp_spi_lsb"],
        "esp_sn_lsb": context["esp_sn_lsb"],
        "no_guard": 0,
    }
    for name, codes in CODES.items():
        fields[name] = codes[context[name]]
    if context["dscp_list"]:
        fields |= {"dscp_count": len(context["dscp_list"]), "dscp_list": braces(context["dscp_list"])}
    return "&" + writer.constant("sprat_mote_ehc", designated(fields))


def any_packet(**fields):
    """A sprat_mote_ehc whose selector is ANY."""
    highest = braces([255] * 16)
    ends = {"source_last": highest, "destination_last": highest}
    ports = {"source_ports": "{ 0, 65535 }", "destination_ports": "{ 0, 65535 }"}
    return designated({"ip_version": 6} | ends | ports | fields)


def params_of(writer, sa, path, ehc, window=64):
    """A sprat_mote_params without what the runner sets."""
    spi = sa["spi"]
    fields = {
        "spi": f"{spi if isinstance(spi, int) else int(spi, 16)}u",
        "implicit_iv": SUITES[sa["encr"]],
        "esn": int(sa["esn"]),
        "window": window,
        "key": writer.constant("uint8_t", braces(bytes.fromhex(sa["key"]))),
        "salt": writer.constant("uint8_t", braces(bytes.fromhex(sa["salt"]))),
        "path": path,
        "ehc": ehc,
    }
    return designated(fields)


def check_suite(sa, key):
    if sa["encr"] not in SUITES or len(key) != 32:
        raise Skip(f"{sa['encr']}, {len(key) * 4} bits")


def own_iv(iv, number):
    """Whether a sender of ours writes this IV: the number itself."""
    return iv == "" or int(iv, 16) == number


def packet_case(writer, name, what, sa, numbers, packets, error="0"):
    number, top = numbers
    octets = {key: writer.octets(value) for key, value in packets.items()}
    fields = {"id": text(name), "what": " | ".join(f"CASE_{w}" for w in what), "sa": sa}
    fields |= {"number": f"{number}u" + "ll", "top": f"{top}u" + "ll", **octets, "error": error}
    return "  " + designated(fields) + ","


def esp_case(writer, case):
    sa = dict(case["sa"], key=case["sa"]["encr_key"])
    check_suite(sa, sa["key"])
    clear, sent = bytes.fromhex(case["input"]), bytes.fromhex(case["output"])
    if 4 in (clear[0] >> 4, sent[0] >> 4):
        writer.need("ipv4")
    outer = sa["outer"]
    if outer is not None:
        outer = dict(outer, hop_limit=outer.get("ttl", outer.get("hlim")))
    number = case["seq_hi"] << 32 | case["seq_lo"]
    plain = case["tfc_pad"] == 0 and case["extra_pad"] == 0
    what = ["OPEN", "SEAL" if plain and own_iv(case["iv"], number) else "LOOP"]
    params = params_of(writer, sa, path_of(writer, outer, sa["udp_encap"]), "0")
    packets = {"clear": clear, "sent": sent, "received": sent, "restored": clear}
    return packet_case(writer, case["id"], what, params, (number, number - 1), packets)


def checksum_v4(header):
    header[10:12] = bytes(2)
    total = sum(int.from_bytes(header[i : i + 2], "big") for i in range(0, len(header), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = (0xFFFF - total).to_bytes(2, "big")


def as_received(packet, outer):
    """The packet with the outer fields that the way has changed."""
    packet = bytearray(packet)
    traffic_class = outer["dscp"] << 2 | outer["ecn"]
    if outer["version"] == 6:
        word = 6 << 28 | traffic_class << 20 | outer["flow_label"]
        packet[0:4] = word.to_bytes(4, "big")
        packet[7] = outer["hop_limit"]
        return bytes(packet)
    header = packet[:20]
    header[1] = traffic_class
    header[4:6] = outer["ident"].to_bytes(2, "big")
    header[8] = outer["hop_limit"]
    checksum_v4(header)
    return bytes(header + packet[20:])


def ends_of(packet):
    """The addresses of a packet, as text."""
    octets, at = (4, 12) if packet[0] >> 4 == 4 else (16, 8)
    pair = (packet[at : at + octets], packet[at + octets : at + 2 * octets])
    return tuple(str(ipaddress.ip_address(bytes(a))) for a in pair)


def diet_outer(case):
    """The path of a tunnel, None in transport mode."""
    if case["context"]["ipsec_mode"] != "Tunnel":
        return None
    if not case.get("outer_packet"):
        return ANY_TUNNEL
    inner, sent = bytes.fromhex(case["inner_packet"]), case["outer_sent"]
    source, destination = ends_of(bytes.fromhex(case["outer_packet"]))
    ecn = inner[1] & 3 if inner[0] >> 4 == 4 else inner[1] >> 4 & 3
    return {
        "src": source,
        "dst": destination,
        "hop_limit": sent["hop_limit"],
        "no_ecn": int(sent["ecn"] != ecn),
    }


def diet_case(writer, case):
    sa, context = case["sa"], case["context"]
    check_suite(sa, sa["key"])
    accepted, outer = case["expect"] == "ok", diet_outer(case)
    ehc = ehc_of(writer, context, bool(case.get("lossy")))
    params = params_of(writer, sa, path_of(writer, outer, None), ehc)
    number, name = case["sn"], f"diet-esp/{case['id']}"
    packets = {"clear": bytes.fromhex(case["inner_packet"])}
    if not accepted:
        return packet_case(writer, name, ["REFUSE_SEAL"], params, (number, number - 1), packets)
    over_v4 = outer is not None and case["outer_sent"]["version"] == 4
    lower = context["flow_label_cda"] == "lower" and context["iipc_profile"] == "iipc_diet-esp"
    if over_v4 and lower:
        return packet_case(
            writer, name, ["REFUSE_SA"], params, (number, number - 1), packets, "SPRAT_E_EHC_OUTER_ID"
        )
    sent = bytes.fromhex(case["outer_packet"])
    packets["sent"] = sent
    packets["received"] = as_received(sent, case["outer_received"]) if outer is not None else sent
    packets["restored"] = bytes.fromhex(case["decompressed"])
    what = ["OPEN", "SEAL" if own_iv(case["iv"], number) else "LOOP"]
    if outer is not None:
        what.append("OUTER_IMPOSED")
    if case["generated_value"]:
        what.append("GENERATED")
    return packet_case(writer, name, what, params, (number, case["receiver_state"]["top"]), packets)


def datagram(outer, payload):
    """An IPv6 packet that carries ESP."""
    head = bytes([0x60, 0, 0, 0]) + len(payload).to_bytes(2, "big") + bytes([50, outer["hop_limit"]])
    return head + address(outer["src"]) + address(outer["dst"]) + payload


def reject_case(writer, case):
    sa = case["sa"]
    check_suite(sa, sa["key"])
    ehc = ehc_of(writer, case["context"], False)
    params = params_of(writer, sa, path_of(writer, ANY_TUNNEL, None), ehc)
    top = case["receiver_state"]["top"]
    packets = {"received": datagram(ANY_TUNNEL, bytes.fromhex(case["esp"]))}
    name = f"receive_reject/{case['id']}"
    return packet_case(writer, name, ["REFUSE_OPEN"], params, (top + 1, top), packets)


def reconstruct_case(writer, case, clear):
    """A packet with the number that must come out, for a receiver that has seen the
    highest one: if it takes the packet for another number, the ICV fails."""
    bits, number = case["esp_sn_lsb"], case["expect_sn"]
    if case["window"] not in (32, 64):
        raise Skip(f"a window of {case['window']}")
    writer.need("tunnel")
    writer.need("diet-esp")
    sa = {"spi": "a1b2c3d4", "encr": "ENCR_AES_CCM_8_IIV", "esn": case["esn"], "key": "00" * 16, "salt": "00" * 3}
    ehc = any_packet(iipc_profile=1, esp_sn_lsb=bits, esp_spi_lsb=8 - bits % 8)
    ehc = "&" + writer.constant("sprat_mote_ehc", ehc)
    params = params_of(writer, sa, path_of(writer, ANY_TUNNEL, None), ehc, case["window"])
    numbers = (number, case["highest_authenticated"])
    return packet_case(writer, case["id"], ["LOOP"], params, numbers, {"clear": clear})


def replay_cases(writer, scenarios):
    rows = []
    for scenario in scenarios:
        if scenario["window"] not in (32, 64):
            writer.skip("replay.json", f"a window of {scenario['window']}", f"'{scenario['id']}'")
            continue
        steps = []
        for step in scenario["steps"]:
            number = step["seq_hi_true"] << 32 | step["seq_lo"]
            verdict = VERDICTS[step["verdict"]]
            steps.append(f"  {{ {number}ull, {step['T']}ull, {int(step['forged'])}, {verdict} }},")
        name = f"steps_{len(rows)}"
        writer.lines += [f"static const struct replay_step {name}[] = {{", *steps, "};"]
        esn = int(scenario["esn"])
        head = f"{text(scenario['id'])}, {scenario['window']}, {esn}, {scenario['start_T']}ull"
        rows.append(f"  {{ {head}, {name}, {len(steps)} }},")
    return rows


def lookup_sa(writer, entry):
    """A receiving SA of which only the bits of its SPI matter."""
    bits = entry["esp_spi_lsb"]
    sa = {"spi": entry["spi"], "encr": "ENCR_AES_CCM_8_IIV", "esn": False, "key": "00" * 16, "salt": "00" * 3}
    if bits == 32:
        return params_of(writer, sa, "0", "0")
    ehc = any_packet(esp_spi_lsb=bits, esp_sn_lsb=16 - bits % 8 if bits % 8 else 16)
    return params_of(writer, sa, "0", "&" + writer.constant("sprat_mote_ehc", ehc))


def lookup_case(writer, case):
    writer.need("diet-esp")
    sas = ", ".join(lookup_sa(writer, entry) for entry in case["sad"])
    # Octets of ciphertext and ICV behind what the case shows.
    packet = datagram(ANY_TUNNEL, bytes.fromhex(case["packet_start"]) + bytes(24))
    expected = [int(i in case["candidates"]) for i in range(len(case["sad"]))]
    fields = {"id": text(case["id"]), "sa": f"{{ {sas} }}", "packet": writer.octets(packet)}
    return "  " + designated(fields | {"expected": braces(expected)}) + ","


def collect(writer, file, cases, convert):
    """Converted cases; the others are noted."""
    rows = []
    for case in cases:
        many = len(writer.lines)
        try:
            rows.append(convert(writer, case))
        except Skip as reason:
            writer.forget(many)
            writer.skip(file, str(reason), case["id"])
    return rows


def load(directory, name, lists):
    """A document, its counts checked."""
    with open(f"{directory}/{name}", encoding="ascii") as file:
        document = json.load(file)
    counts = document["number_of_cases"]
    if set(counts) != set(lists) or any(len(document[key]) != counts[key] for key in counts):
        sys.exit(f"{name}: other lists or numbers of cases than expected")
    return document


def table(name, kind, rows, count):
    # An empty array is no C.
    body = rows or ["  { 0 },"]
    return [f"const {kind} {name}[] = {{", *body, "};", f"const size_t {count} = {len(rows)};"]


def main():
    directory, features = sys.argv[1], sys.argv[2].split()
    writer = Writer(features)
    esp = load(directory, "esp.json", ["vectors"])
    replay = load(directory, "replay.json", ["scenarios"])
    lists = "diet_esp receive_reject sn_reconstruct spi_lookup udp_encapsulation ehc_2016_2019".split()
    diet = load(directory, "diet-esp.json", lists)

    packets = collect(writer, "esp.json", esp["vectors"], esp_case)
    packets += collect(writer, "diet-esp.json", diet["diet_esp"], diet_case)
    packets += collect(writer, "diet-esp.json", diet["receive_reject"], reject_case)
    lookups = collect(writer, "diet-esp.json", diet["spi_lookup"], lookup_case)
    clear = bytes.fromhex(diet["diet_esp"][0]["inner_packet"])
    packets += collect(
        writer, "diet-esp.json", diet["sn_reconstruct"], lambda w, case: reconstruct_case(w, case, clear)
    )
    for key in ("udp_encapsulation", "ehc_2016_2019"):
        for case in diet[key]:
            writer.skip("diet-esp.json", f"{key} has no function of its own on a mote", case["id"])
    replays = replay_cases(writer, replay["scenarios"])
    skips = [
        f"  {{ {text(reason)}, {text(' '.join(names))}, {len(names)} }},"
        for reason, names in writer.skips.items()
    ]

    print("/* Written by tables.py from tests/vectors. */", '#include "cases.h"', sep="\n")
    print(*writer.lines, sep="\n")
    print(*table("packet_cases", "struct packet_case", packets, "packet_case_count"), sep="\n")
    print(*table("replay_cases", "struct replay_case", replays, "replay_case_count"), sep="\n")
    print(*table("lookup_cases", "struct lookup_case", lookups, "lookup_case_count"), sep="\n")
    print(*table("skipped", "struct skipped", skips, "skipped_count"), sep="\n")


main()
