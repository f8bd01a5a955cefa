"""From the inputs of a vector to the outputs that it must state, for each list of the kind diet-esp."""

from collections.abc import Mapping
from typing import Any

import diet_esp
import ehc
from crypto import Sa
from diet_esp import Context, Reject
from schc import NoMatch

Case = dict[str, Any]


def sa_of(case: Mapping[str, Any]) -> Sa:
    octets = (bytes.fromhex(case[name]) if name in case else b"" for name in ("key", "salt", "auth_key"))
    return Sa(case["encr"], *octets, int(case["spi"], 16), case["esn"])


def layers(ctx: Context, sa: Sa, sn: int, sent: diet_esp.Sent) -> Case:
    aead = not sa.integ
    return {
        "residue_fields": [{"fid": fid, "bits": bits} for fid, bits in sent.inner.residue],
        "residue_bits": sent.inner.residue_bits,
        "iipc_pad_bits": sent.inner.pad_bits,
        "iipc_packet": sent.inner.octets.hex(),
        "cte": sent.clear.hex(),
        "esp_pad_len": sent.pad_len,
        "aad": sa.aad(sn).hex() if aead else None,
        "nonce": sa.nonce(sn, sent.iv).hex() if aead else None,
        "ciphertext": sent.ciphertext.hex(),
        "icv": sent.icv.hex(),
        "eec_header": sent.header.hex(),
    }


def diet_esp_outputs(case: Mapping[str, Any]) -> Case:
    ctx, sa = diet_esp.context_of(case["context"]), sa_of(case["sa"])
    sn, iv, packet = case["sn"], bytes.fromhex(case["iv"]), bytes.fromhex(case["inner_packet"])
    try:
        sent = diet_esp.seal(ctx, sa, sn, iv, packet)
    except NoMatch as error:
        return {"expect": "no_match", "no_match_reason": str(error)}
    way = {"outer": case["outer_received"], "generated": case["generated_value"]}
    way["packet"] = diet_esp.outer_packet(ctx, packet, case["outer_sent"], sent.esp)
    state = case["receiver_state"]["top"], case["receiver_state"]["window"]
    received = diet_esp.receive(ctx, sa, sent.esp, state, way)
    standard = diet_esp.standard_esp(ctx, sa, sn, iv, packet)
    return {
        "expect": "ok",
        "layers": layers(ctx, sa, sn, sent),
        "esp": sent.esp.hex(),
        "esp_len": len(sent.esp),
        "outer_packet": way["packet"].hex(),
        "decompressed": received.hex(),
        "decompressed_equals_input": received == packet,
        "lossy": None if received == packet else "something comes back in another form",
        "standard_esp_len": len(standard),
        "standard_esp": standard.hex(),
        "saved_bytes": len(standard) - len(sent.esp),
    }


# What the packets of receive_reject came with: nothing that is refused depends on it.
NO_WAY = {
    "outer": {"version": 6, "dscp": 0, "ecn": 0, "hop_limit": 64, "flow_label": 0},
    "generated": 0,
}


def receive_reject_outputs(case: Mapping[str, Any]) -> Case:
    state = case["receiver_state"]["top"], case["receiver_state"]["window"]
    ctx, sa = diet_esp.context_of(case["context"]), sa_of(case["sa"])
    way = NO_WAY | {"packet": bare_packet(ctx)}
    try:
        diet_esp.receive(ctx, sa, bytes.fromhex(case["esp"]), state, way)
    except Reject as error:
        return {"expect": "reject", "reason": str(error)}
    return {"expect": "accept", "reason": None}


def bare_packet(ctx: Context) -> bytes:
    """An IP header between the first addresses of the selectors."""
    values = {fid: 0 for fid, _ in ctx.layout}
    values |= {"VERSION": ctx.version, "HOP_LIMIT": 64, "PROTO": 50, "SRC": ctx.src.start, "DST": ctx.dst.start}
    if ctx.version == 4:
        values |= {"IHL": 5, "LENGTH": 20}
        values["HDR_CKSUM"] = diet_esp.headers.header_checksum(values)
    return diet_esp.headers.pack(ctx.layout, values)


def sn_reconstruct_outputs(case: Mapping[str, Any]) -> Case:
    names = ("esp_sn_lsb", "received_lsb", "highest_authenticated", "window", "esn")
    return {"expect_sn": diet_esp.reconstruct(*(case[name] for name in names))}


def spi_lookup_outputs(case: Mapping[str, Any]) -> Case:
    sad = [(int(sa["spi"], 16), sa["esp_spi_lsb"]) for sa in case["sad"]]
    candidates = diet_esp.spi_candidates(sad, bytes.fromhex(case["packet_start"]))
    return {"candidates": candidates, "prefix_free": diet_esp.prefix_free(sad)}


def udp_encapsulation_outputs(case: Mapping[str, Any]) -> Case:
    """The class in the words of the vectors (RFC 3948 sections 2.2 to 2.4)."""
    first = case["first4"]
    if first == "00000000":
        return {"verdict": "read as IKE (non-ESP marker)"}
    return {"verdict": "NAT keepalive" if first == "ff" else "ESP"}


def ehc_outputs(case: Mapping[str, Any]) -> Case:
    sa, data = sa_of(case["sa"]), bytes.fromhex(case["payload_data"])
    numbers = case["sn"], bytes.fromhex(case["iv"])
    sent = ehc.seal(case["context"], sa, numbers, data, case["next_header"])
    standard = ehc.standard_len(sa, data)
    return {
        "compressed_payload": sent.payload.hex(),
        "cte": sent.clear.hex(),
        "pad": sent.pad,
        "header": sent.header.hex(),
        "esp": sent.esp.hex(),
        "esp_len": len(sent.esp),
        "overhead": len(sent.esp) - len(data),
        "standard_esp_len": standard,
        "standard_overhead": standard - len(data),
        "saved": standard - len(sent.esp),
    }


OUTPUTS = {
    "diet_esp": diet_esp_outputs,
    "receive_reject": receive_reject_outputs,
    "sn_reconstruct": sn_reconstruct_outputs,
    "spi_lookup": spi_lookup_outputs,
    "udp_encapsulation": udp_encapsulation_outputs,
    "ehc_2016_2019": ehc_outputs,
}
