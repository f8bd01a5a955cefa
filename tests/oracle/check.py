#!/usr/bin/env python3
"""check.py FILE...: the oracle against vector files of kind diet-esp, all lists, all outputs.

Ends with `N passed, N failed, N skipped`; one FAIL line for each case that differs.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cases

PROSE = ("lossy", "no_match_reason")


def comparable(name: str, value: Any) -> Any:
    """A member without what is information only."""
    if name in PROSE:
        return value is None
    if name == "candidates":
        return sorted(value)
    if name == "verdict":
        # The class ends at the first punctuation, or says IKE.
        return "read as IKE" if value.startswith("read as IKE") else re.split("[,(]", value)[0].strip()
    if name == "residue_fields":
        return [field["bits"] for field in value]
    if isinstance(value, dict):
        return {key: comparable(key, inner) for key, inner in value.items()}
    return value


def differences(case: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[str]:
    """Each output that the case does not state so, and each that it lacks."""
    return [
        f"{name}: stated {case.get(name)!r}, computed {value!r}"
        for name, value in outputs.items()
        if name not in case or comparable(name, case[name]) != comparable(name, value)
    ]


def properties(case: Mapping[str, Any]) -> list[str]:
    """What holds for every packet that is sent, whatever its bits are."""
    if case.get("expect") != "ok":
        return []
    context, wrong = case["context"], []
    if context["alignment"] <= 32 and case["esp_len"] > case["standard_esp_len"]:
        wrong.append("the packet grew")
    lsb = context["esp_spi_lsb"], context["esp_sn_lsb"]
    plain = context["iipc_profile"], context["esp_trailer"], context["alignment"], lsb
    if plain == ("iipc_not_compressed", "Mandatory", 32, (32, 32)) and case["esp"] != case["standard_esp"]:
        wrong.append("nothing is compressed, yet it is not RFC 4303")
    same_way = case["outer_sent"] == case["outer_received"] and context["flow_label_cda"] == "lower"
    if same_way and case["outer_sent"]["version"] == 6 and not case["decompressed_equals_input"]:
        wrong += checksum_came_back(case)
    return wrong


def checksum_came_back(case: Mapping[str, Any]) -> list[str]:
    """The only loss on an unchanged way: UDP checksum 0 and UDP-Lite coverage 0 come back as their equivalents."""
    packet = bytes.fromhex(case["inner_packet"])
    proto, segment = (packet[6], packet[40:]) if packet[0] >> 4 == 6 else (packet[9], packet[4 * (packet[0] & 15) :])
    if case["context"]["ipsec_mode"] == "Transport" or (proto, segment[6:8]) == (17, b"\0\0"):
        return []
    return [] if (proto, segment[4:6]) == (136, b"\0\0") else ["the packet comes back in another form"]


def check_document(document: Mapping[str, Any]) -> tuple[int, int]:
    """Cases that passed and failed."""
    passed = failed = 0
    if document["kind"] != "diet-esp":
        raise ValueError(f"kind {document['kind']}")
    for name, count in document["number_of_cases"].items():
        if len(document[name]) != count:
            raise ValueError(f"{name} has {len(document[name])} cases, not {count}")
        for case in document[name]:
            wrong = differences(case, cases.OUTPUTS[name](case)) + properties(case)
            for line in wrong:
                print(f"FAIL {name}/{case['id']}: {line}")
            passed, failed = passed + (not wrong), failed + bool(wrong)
    return passed, failed


def main(paths: list[str]) -> int:
    counts = [check_document(json.loads(Path(path).read_text())) for path in paths]
    passed, failed = sum(p for p, _ in counts), sum(f for _, f in counts)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return int(failed > 0 or passed == 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
