#!/usr/bin/env python3
"""cases.py VECTORS: writes the packets of esp.json and diet-esp.json in Rust, for
the image that runs them on an emulated processor (src/vectors)."""

import ipaddress
import json
import sys

# Where a case says nothing about a tunnel's ends.
ENDS = ("2001:db8:f::1", "2001:db8:f::2")


def octets(text):
    data = bytes.fromhex(text) if isinstance(text, str) else text
    return 'b"' + "".join(f"\\x{octet:02x}" for octet in data) + '"'


def some(value):
    return "None" if value is None else f"Some({value})"


def struct(name, fields):
    return f"{name} {{ " + ", ".join(f"{key}: {value}" for key, value in fields.items()) + " }"


def text(value):
    return json.dumps(value)


def flag(value):
    return "true" if value else "false"


def transforms(encr, integ, keys):
    names = dict(zip(("encr_key", "salt", "integ_key"), map(octets, keys)))
    return struct("Transforms", {"encr": text(encr), "integ": text(integ)} | names)


def header(outer):
    return struct("Header", {key: text(value) if isinstance(value, str) else value for key, value in outer.items()})


def esp_outer(outer):
    if outer is None:
        return None
    four = "ttl" in outer
    return header(
        {
            "source": outer["src"],
            "destination": outer["dst"],
            "hop_limit": outer["ttl" if four else "hlim"],
            "traffic_class": outer["tos" if four else "tc"],
            "id": outer["id"] if four else 0,
            "fragment": outer["frag"] if four else 0,
            "flow_label": 0 if four else outer["fl"],
        }
    )


def sent(packet, plaintext, nonce, aad):
    aad = None if aad is None else octets(aad)
    fields = {"packet": octets(packet), "plaintext": octets(plaintext), "nonce": octets(nonce), "aad": some(aad)}
    return struct("Sent", fields)


BLANK = {
    "outer": "None",
    "udp": "None",
    "context": "None",
    "iv": 'b""',
    "tfc": 0,
    "extra_pad": 0,
    "generated": 0,
    "clear": "None",
    "sent": "None",
    "received": "None",
    "restored": "None",
}


def esp_case(case):
    sa = case["sa"]
    sn = case["seq_hi"] << 32 | case["seq_lo"]
    udp = sa["udp_encap"]
    fields = {
        "id": text(case["id"]),
        "suite": transforms(sa["encr"], sa["integ"], (sa["encr_key"], sa["salt"], sa["integ_key"])),
        "spi": sa["spi"],
        "esn": flag(sa["esn"]),
        "outer": some(esp_outer(sa["outer"])),
        "udp": some(udp and f"({udp['sport']}, {udp['dport']})"),
        "sn": sn,
        # The number before makes the receiver infer the high half.
        "top": sn - 1,
        "window": 0,
        "iv": octets(case["iv"]),
        "tfc": case["tfc_pad"],
        "extra_pad": case["extra_pad"],
        "clear": some(octets(case["input"])),
        "sent": some(sent(case["output"], case["plaintext"], case["nonce"], case["aad_or_icv_input"])),
        "received": some(octets(case["output"])),
        "restored": some(octets(case["input"])),
    }
    return struct("Case", BLANK | fields)


def attributes(context):
    def pair(name, convert):
        return f"({convert(context[name + '_start'])}, {convert(context[name + '_end'])})"

    names = ("iipc_profile", "dscp_cda", "ecn_cda", "flow_label_cda", "esp_trailer")
    fields = {name: text(context[name]) for name in names}
    fields |= {
        "dscp_list": octets(bytes(context["dscp_list"])),
        "alignment": context["alignment"],
        "spi_lsb": context["esp_spi_lsb"],
        "sn_lsb": context["esp_sn_lsb"],
        "version": context["ts_ip_version"],
        "protocol": context["ts_proto"],
        "source": pair("ts_ip_src", text),
        "destination": pair("ts_ip_dst", text),
        "source_ports": pair("ts_port_src", str),
        "destination_ports": pair("ts_port_dst", str),
    }
    return "&" + struct("Attributes", fields)


def diet_transforms(sa):
    encr, _, integ = sa["encr"].partition("+")
    return transforms(encr, integ or "NONE", (sa["key"], sa["salt"], sa["auth_key"]))


def diet_fields(case):
    """What the cases of both lists have in common."""
    sa = case["sa"]
    return {
        "suite": diet_transforms(sa),
        "spi": int(sa["spi"], 16),
        "esn": flag(sa["esn"]),
        "context": some(attributes(case["context"])),
        "top": case["receiver_state"]["top"],
        "window": case["receiver_state"]["window"],
    }


def ends(packet):
    """Source and destination of a packet."""
    width, at = (4, 12) if packet[0] >> 4 == 4 else (16, 8)
    pair = (packet[at : at + width], packet[at + width : at + 2 * width])
    return tuple(str(ipaddress.ip_address(address)) for address in pair)


def diet_header(outer, addresses):
    four = outer["version"] == 4
    return {
        "source": addresses[0],
        "destination": addresses[1],
        "hop_limit": outer["hop_limit"],
        "traffic_class": outer["dscp"] << 2 | outer["ecn"],
        "id": outer["ident"] if four else 0,
        "fragment": 0x4000 if four else 0,
        "flow_label": 0 if four else outer["flow_label"],
    }


PLAIN_OUTER = {"version": 6, "dscp": 0, "ecn": 0, "hop_limit": 64, "flow_label": 0}


def as_received(packet, outer):
    """The packet with the outer fields that the way has changed."""
    packet, traffic_class = bytearray(packet), outer["dscp"] << 2 | outer["ecn"]
    if outer["version"] == 6:
        word = 6 << 28 | traffic_class << 20 | outer["flow_label"]
        packet[:4], packet[7] = word.to_bytes(4, "big"), outer["hop_limit"]
        return bytes(packet)
    packet[1], packet[8] = traffic_class, outer["hop_limit"]
    packet[4:6], packet[10:12] = outer["ident"].to_bytes(2, "big"), bytes(2)
    total = sum(int.from_bytes(packet[i : i + 2], "big") for i in range(0, 20, 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    packet[10:12] = (0xFFFF - total).to_bytes(2, "big")
    return bytes(packet)


def diet_case(case):
    tunnel = case["context"]["ipsec_mode"] == "Tunnel"
    accepted = case["expect"] == "ok"
    fields = {"id": text(case["id"]), "sn": case["sn"], "iv": octets(case["iv"])}
    clear = case["inner_packet"]
    if not accepted:
        state = {"receiver_state": {"top": 0, "window": 0}}
        outer = some(header(diet_header(PLAIN_OUTER, ENDS))) if tunnel else "None"
        fields |= diet_fields(case | state) | {"outer": outer, "clear": some(octets(clear))}
        return struct("Case", BLANK | fields)
    packet, layers = bytes.fromhex(case["outer_packet"]), case["layers"]
    received = as_received(packet, case["outer_received"]) if tunnel else packet
    outer = header(diet_header(case["outer_sent"], ends(packet))) if tunnel else None
    fields |= diet_fields(case) | {
        "outer": some(outer),
        "generated": case["generated_value"],
        "clear": some(octets(clear)),
        "sent": some(sent(packet, layers["cte"], layers["nonce"] or "", layers["aad"])),
        "received": some(octets(received)),
        "restored": some(octets(case["decompressed"])),
    }
    return struct("Case", BLANK | fields)


def reject_case(case):
    esp = bytes.fromhex(case["esp"])
    ipv6 = bytes([0x60, 0, 0, 0]) + len(esp).to_bytes(2, "big") + bytes([50, 64])
    packet = ipv6 + b"".join(ipaddress.ip_address(end).packed for end in ENDS) + esp
    fields = {"id": text("receive_reject/" + case["id"]), "sn": 0, "received": some(octets(packet))}
    fields |= {"outer": some(header(diet_header(PLAIN_OUTER, ENDS)))}
    return struct("Case", BLANK | diet_fields(case) | fields)


def reconstruct_case(case):
    fields = {
        "id": text(case["id"]),
        "received": f"({case['received_lsb']}, {case['esp_sn_lsb']})",
        "top": case["highest_authenticated"],
        "window": case["window"],
        "esn": flag(case["esn"]),
        "sn": case["expect_sn"],
    }
    return struct("Reconstruct", fields)


def lookup_case(case):
    sas = (
        f"({int(entry['spi'], 16)}, {entry['esp_spi_lsb']}, {flag(i in case['candidates'])})"
        for i, entry in enumerate(case["sad"])
    )
    fields = {"id": text(case["id"]), "sas": "&[" + ", ".join(sas) + "]", "packet": octets(case["packet_start"])}
    return struct("Lookup", fields)


def load(directory, name, lists):
    """A document, its counts checked."""
    with open(f"{directory}/{name}", encoding="ascii") as file:
        document = json.load(file)
    counts = document["number_of_cases"]
    if set(counts) != set(lists) or any(len(document[key]) != counts[key] for key in counts):
        sys.exit(f"{name}: other lists or numbers of cases than expected")
    return document


def table(name, kind, rows):
    return "\n".join([f"pub static {name}: &[{kind}] = &[", *(f"    {row}," for row in rows), "];"])


def main():
    directory = sys.argv[1]
    esp = load(directory, "esp.json", ["vectors"])
    lists = "diet_esp receive_reject sn_reconstruct spi_lookup udp_encapsulation ehc_2016_2019".split()
    diet = load(directory, "diet-esp.json", lists)
    packets = [esp_case(case) for case in esp["vectors"]]
    packets += [diet_case(case) for case in diet["diet_esp"]]
    packets += [reject_case(case) for case in diet["receive_reject"]]
    skipped = [
        (diet["udp_encapsulation"], "diet-esp.json: what stands in UDP is a host's question"),
        (diet["ehc_2016_2019"], "diet-esp.json: older forms, which no packet path has"),
    ]
    rows = [
        struct("Skipped", {"reason": text(why), "ids": text(" ".join(c["id"] for c in cases)), "count": len(cases)})
        for cases, why in skipped
    ]
    print(table("PACKETS", "Case", packets))
    print(table("RECONSTRUCT", "Reconstruct", map(reconstruct_case, diet["sn_reconstruct"])))
    print(table("LOOKUPS", "Lookup", map(lookup_case, diet["spi_lookup"])))
    print(table("SKIPPED", "Skipped", rows))


main()
