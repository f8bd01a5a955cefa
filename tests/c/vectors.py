#!/usr/bin/env python3
"""vectors.py ESP.JSON: the ESP vectors as C tables, on standard output.

What the library has to be told before it makes a vector's packet is decided
here: `sealable` is 0 where a vector has an IV that no caller can choose, or an
outer header that is not made by the rules of a tunnel.
"""
import ipaddress
import json
import sys

COUNTER_OR_RANDOM = {12, 11, 29, 30, 31}  # CBC takes the caller's IV, the others have none
LEGACY_ENCR, LEGACY_INTEG = {3}, {1, None}


def octets(text):
    return ", ".join(f"0x{b:02x}" for b in bytes.fromhex(text)) or "0"


def address(text):
    if text is None:
        return "{ 0, { 0 } }"
    ip = ipaddress.ip_address(text)
    return f"{{ {ip.version}, {{ {octets(ip.packed.hex())} }} }}"


def outer_fields(outer):
    """DSCP, no_ecn, DF, identification, hop limit, flow label; None if not ours."""
    if outer is None:
        return 0, 0, 0, 0, 64, 0
    if "ttl" in outer:
        traffic, hops, flow = outer["tos"], outer["ttl"], 0
        df = outer["frag"] == 0x4000
        if outer["frag"] not in (0, 0x4000) or (df and outer["id"] != 0):
            return None
        ident = outer["id"]
    else:
        traffic, hops, flow, df, ident = outer["tc"], outer["hlim"], outer["fl"], False, 0
    if traffic & 3 or not hops:
        return None
    return traffic >> 2, 1, 1 if df else 2, ident, hops, flow


def row(v):
    sa, outer = v["sa"], v["sa"]["outer"]
    udp = sa["udp_encap"] or {"sport": 0, "dport": 0}
    fields = outer_fields(outer)
    number = v["seq_hi"] << 32 | v["seq_lo"]
    sealable = sa["encr_id"] in COUNTER_OR_RANDOM and fields is not None and number != 0
    dscp, no_ecn, df, ident, hops, flow = fields or (0, 1, 2, 0, 64, 0)
    legacy = sa["encr_id"] in LEGACY_ENCR or sa["integ_id"] in LEGACY_INTEG
    name = v["id"].replace("-", "_")
    hexes = ["input", "output", "iv"]
    arrays = "".join(f"static const uint8_t {name}_{h}[] = {{ {octets(v[h])} }};\n" for h in hexes)
    arrays += "".join(
        f"static const uint8_t {name}_{h}[] = {{ {octets(sa[h])} }};\n"
        for h in ("encr_key", "salt", "integ_key")
    )
    sized = lambda h, text: f"{name}_{h}, {len(text) // 2}"
    cells = [
        f'"{v["id"]}"', sa["spi"], 1 if sa["mode"] == "transport" else 2, int(sa["esn"]),
        sa["encr_id"], sa["integ_id"] if sa["integ_id"] is not None else 1026,
        sized("encr_key", sa["encr_key"]), sized("salt", sa["salt"]),
        sized("integ_key", sa["integ_key"]), udp["sport"], udp["dport"],
        address(outer and outer["src"]), address(outer and outer["dst"]),
        f"UINT64_C({number})", sized("iv", v["iv"]), v["tfc_pad"], v["extra_pad"],
        dscp, no_ecn, df, ident, hops, flow, int(sealable), int(legacy),
        sized("input", v["input"]), sized("output", v["output"]),
    ]
    return arrays, "\t{ " + ", ".join(str(c) for c in cells) + " },\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    vectors = document["vectors"]
    counted = document["number_of_cases"]
    counted = counted["vectors"] if isinstance(counted, dict) else counted
    assert document["kind"] == "esp" and len(vectors) == counted, "not the file this is for"
    rows = [row(v) for v in vectors]
    print("".join(arrays for arrays, _ in rows))
    print("static const struct vector vectors[] = {")
    print("".join(cells for _, cells in rows) + "};")


main()
