#!/usr/bin/env python3
"""ehc_vectors.py DIET-ESP.JSON: the Diet-ESP vectors as C tables, on standard output.

Lists diet_esp and ehc_2016_2019 as rows of `struct vector`, sn_reconstruct as
`struct number`. A refusal is told by its drop reason.
"""
import ipaddress
import json
import sys

CDA = {"not_compressed": 0, "lower": 1}
DSCP, FLOW = {**CDA, "sa": 2}, {**CDA, "generated": 2, "zero": 3}
IIPC = {"iipc_diet-esp": 0, "iipc_not_compressed": 1}
TRAILER = {"Mandatory": 0, "Optional": 1}
ALIGNMENT = {8: 0, 16: 1, 32: 2, 64: 3}
# The reasons of the vectors, by how they begin.
REASONS = {
    "UDP checksum": "CHECKSUM", "TCP checksum": "CHECKSUM", "UDP length": "LENGTH",
    "SRC_PORT": "PORT", "DST_PORT": "PORT", "SRC ": "ADDRESS", "DST ": "ADDRESS",
    "PROTO: 60": "EXTENSION", "DSCP": "DSCP", "UDP-Lite partial": "COVERAGE",
    "IPv4 options": "OPTIONS", "IPv4 fragment": "FRAGMENT", "protocol": "PROTOCOL",
}
NO_ADDRESS = "{ 0, { 0 } }"


def octets(data):
    return ", ".join(f"0x{b:02x}" for b in data) or "0"


def address(ip):
    return f"{{ {ip.version}, {{ {octets(ip.packed)} }} }}"


def ports(first, last):
    # OPAQUE as IKEv2 writes it: 65535 to 0 (RFC 7296 s3.13.1)
    if first > last:
        return "{ SPRAT_PORTS_OPAQUE, 0, 0, 0 }"
    return f"{{ SPRAT_PORTS_RANGE, 0, {first}, {last} }}"


def selector(c):
    ends = [address(ipaddress.ip_address(c[f"ts_ip_{side}_{end}"]))
            for side in ("src", "dst") for end in ("start", "end")]
    if c["ts_proto"] in (0, 58, 1, 59):  # ports are those of protocols that have them
        both = ["{ SPRAT_PORTS_ANY, 0, 0, 0 }"] * 2
        full = all(c[f"ts_port_{s}_start"] == 0 and c[f"ts_port_{s}_end"] == 65535 for s in ("src", "dst"))
        assert full, "ports without a protocol"
    else:
        both = [ports(c[f"ts_port_{s}_start"], c[f"ts_port_{s}_end"]) for s in ("src", "dst")]
    protocol = [1 if c["ts_proto"] else 0, c["ts_proto"]]
    return "{ " + ", ".join(str(x) for x in ends + protocol + both) + " }"


def params(values, chosen, dscps=""):
    """values: profile to ip_version, then SPI and SN bits, outer_id and Diet-ESP of 2019."""
    head = ", ".join(str(int(v)) for v in values)
    count = len(dscps.split(",")) if dscps else 0
    array = f"(const uint8_t[]){{ {dscps} }}" if dscps else "NULL"
    return (f"{{ sizeof(sprat_ehc_params), {head}, 64, 0, 0, {chosen}, {{ 0 }}, {array}, {count} }}")


def fields(outer):
    """Traffic class, hop limit, flow label or Identification."""
    flow = outer["flow_label"] if outer["version"] == 6 else outer["ident"]
    return [outer["dscp"] << 2 | outer["ecn"], outer["hop_limit"], flow]


def three(values):
    return f"{{ {', '.join(map(str, values))} }}"


def row(cells, hexes):
    name = cells[0].replace("-", "_")
    arrays = "".join(f"static const uint8_t v_{name}_{k}[] = {{ {octets(h)} }};\n" for k, h in hexes.items())
    sized = [f"v_{name}_{k}, {len(h)}" for k, h in hexes.items()]
    text = ", ".join([f'"{cells[0]}"'] + [str(c) for c in cells[1:]] + sized)
    return arrays, f"\t{{ {text} }},\n"


def reason(v):
    if v["expect"] == "ok":
        return 0
    return next("SPRAT_DROP_EHC_" + to for start, to in REASONS.items() if v["no_match_reason"].startswith(start))


def sent_fields(v):
    """The outer header as sent, and before Diet-ESP: what is "lower" was something else."""
    if v["expect"] != "ok":
        return [0, 64, 0], [0, 64, 0]
    c, after = v["context"], fields(v["outer_sent"])
    before = list(after)
    if c["ipsec_mode"] == "Tunnel" and c["iipc_profile"] == "iipc_diet-esp":
        before[1] ^= 0x55
        before[0] ^= (0xfc if c["dscp_cda"] == "lower" else 0) | (3 if c["ecn_cda"] == "lower" else 0)
        before[2] ^= 0x1234 if c["flow_label_cda"] == "lower" else 0
    return before, after


def diet_esp(v):
    c, sa, ok = v["context"], v["sa"], v["expect"] == "ok"
    tunnel = c["ipsec_mode"] == "Tunnel"
    outer = v["outer_sent"]["version"] if ok else c["ts_ip_version"]
    lower_id = c["flow_label_cda"] == "lower" and outer == 4
    values = [0, IIPC[c["iipc_profile"]], DSCP[c["dscp_cda"]], CDA[c["ecn_cda"]], FLOW[c["flow_label_cda"]],
              ALIGNMENT[c["alignment"]], TRAILER[c["esp_trailer"]], c["ts_ip_version"], c["esp_spi_lsb"],
              c["esp_sn_lsb"], lower_id, 0, 0, 0, 0, 0]
    packet, back = bytes.fromhex(v["inner_packet"]), bytes.fromhex(v.get("decompressed", "") or "")
    ends, protocol, cut = (NO_ADDRESS, NO_ADDRESS), 0, 0
    if not tunnel:  # all transport vectors are plain IPv6
        cut, protocol = 40, packet[6]
        ends = [address(ipaddress.ip_address(packet[at:at + 16])) for at in (8, 24)]
    before, after = sent_fields(v)
    received = fields(v["outer_received"]) if ok else [0, 0, 0]
    generated = c["flow_label_cda"] == "generated" and c["iipc_profile"] == "iipc_diet-esp"
    state = v.get("receiver_state") or {"top": 0, "window": 64}
    cells = [v["id"], params(values, selector(c), ", ".join(map(str, c["dscp_list"]))), f"0x{sa['spi']}",
             outer if tunnel else 0, int(sa["esn"]), 16 if "CBC" in sa["encr"] else 1, f"UINT64_C({v['sn']})",
             f"UINT64_C({state['top']})", state["window"], *ends, protocol, three(before), three(after), three(received), reason(v),
             v.get("saved_bytes") or 0, int(generated)]
    layers = v.get("layers") or {"cte": "", "eec_header": ""}
    return row(cells, {"packet": packet[cut:], "cte": bytes.fromhex(layers["cte"]),
                       "header": bytes.fromhex(layers["eec_header"]), "back": back[cut:]})


def older(v):
    c, sa = v["context"], v["sa"]
    only = c.get("trailer_only", False)
    version = c.get("ip_version", 6)
    one = lambda value: address(ipaddress.ip_address(value.to_bytes(16 if version == 6 else 4, "big"))) \
        if value is not None else NO_ADDRESS
    pair = [one(c.get("ip_src")), one(c.get("ip_dst"))]
    at = lambda port: ports(port, port) if port is not None else "{ SPRAT_PORTS_ANY, 0, 0, 0 }"
    proto = c["l4_proto"] or 0
    chosen = (f"{{ {pair[0]}, {pair[0]}, {pair[1]}, {pair[1]}, {int(proto != 0)}, {proto}, "
              f"{at(c.get('l4_src'))}, {at(c.get('l4_dst'))} }}")
    values = [1 if only else 2, int(only), 0, 0, 0, ALIGNMENT[c["esp_align"]], 1, version, 8 * c["esp_spi_lsb"],
              8 * c["esp_sn_lsb"], 1, 0, 0, c.get("udplite_coverage") == 0, c.get("tcp_options", True),
              c.get("tcp_urgent", True)]
    packet = bytes.fromhex(v["payload_data"])
    # 2016: what is in front of the segment does not matter. 2019: version, class and
    # label are those outside where that is IPv6 too.
    ends = [address(ipaddress.ip_address(a)) for a in ("2001:db8::1", "2001:db8::2")] if only else [NO_ADDRESS] * 2
    after = [0, 64, 0]
    if not only:
        after[1] = packet[7] if version == 6 else packet[8]
        if version == 6 and c["outer_version"] == 6:
            word = int.from_bytes(packet[:4], "big")
            after[0], after[2] = word >> 20 & 0xff, word & 0xfffff
    cells = [v["id"], params(values, chosen), f"0x{sa['spi']}", 0 if only else c["outer_version"], 0, 1, v["sn"],
             0, 64, *ends, v["next_header"] if only else 0, *[three(after)] * 3, 0, v["saved"], 0]
    return row(cells, {"packet": packet, "cte": bytes.fromhex(v["cte"]), "header": bytes.fromhex(v["header"]),
                       "back": packet})


def number(v):
    """The bits behind as many of an SPI as fill octets; a number beyond the last is 0."""
    n = v["esp_sn_lsb"]
    spi_bits = -n % 8
    spi = 0xa1b2c3d4 & ((1 << spi_bits) - 1)
    esp = (spi << n | v["received_lsb"]).to_bytes((n + spi_bits) // 8, "big")
    padded = ", ".join(f"0x{b:02x}" for b in esp + b"\0" * (5 - len(esp)))
    return (f'\t{{ "{v["id"]}", {n}, {spi_bits}, {int(v["esn"])}, {v["window"]}, '
            f'UINT64_C({v["highest_authenticated"]}), {{ {padded} }}, {len(esp)}, UINT64_C({v["expect_sn"] or 0}) }},\n')


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    lists = [document[name] for name in ("diet_esp", "ehc_2016_2019", "sn_reconstruct")]
    counted = document["number_of_cases"]
    assert document["kind"] == "diet-esp" and [len(l) for l in lists] == [
        counted[name] for name in ("diet_esp", "ehc_2016_2019", "sn_reconstruct")], "not the file this is for"
    rows = [diet_esp(v) for v in lists[0]] + [older(v) for v in lists[1]]
    print("".join(arrays for arrays, _ in rows))
    print("static const struct vector vectors[] = {\n" + "".join(cells for _, cells in rows) + "};\n")
    print("static const struct number numbers[] = {\n" + "".join(number(v) for v in lists[2]) + "};")


main()
