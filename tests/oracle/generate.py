#!/usr/bin/env python3
"""generate.py --seed N --count M OUT.json: random vectors of kind diet-esp, the same for the same seed."""

import argparse
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ehc_inputs
import faults
import hostile
from cases import OUTPUTS, Case
from inputs import Inputs
from packets import Maker

SPEC = "draft-ietf-ipsecme-diet-esp-07"
# Shares of the lists; refused packets are in the first one too.
SHARES = {
    "diet_esp": 60,
    "receive_reject": 22,
    "sn_reconstruct": 6,
    "spi_lookup": 3,
    "udp_encapsulation": 1,
    "ehc_2016_2019": 8,
}
NO_OUTPUTS = ("outer_sent", "outer_received", "receiver_state", "generated_value")


class Generator:
    """Draws the cases of one document."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(f"diet-esp-{seed}")
        self.inputs = Inputs(self.rng)

    def first_of(self, draw: Callable[[], Case | None]) -> Case:
        while True:
            case = draw()
            if case is not None:
                return case

    def fitting(self) -> Case:
        inputs, _ = self.inputs.complete()
        case = inputs | OUTPUTS["diet_esp"](inputs)
        if case["expect"] != "ok":
            raise ValueError(f"refused, and should fit: {case}")
        return case

    def refused(self) -> Case | None:
        fault = self.rng.choice(faults.FAULTS)
        inputs, draft = self.inputs.complete()
        packet = faults.faulty(Maker(self.rng), inputs, draft, fault)
        if packet is None:
            return None
        inputs["inner_packet"] = packet.hex()
        outputs = OUTPUTS["diet_esp"](inputs)
        if outputs["expect"] != "no_match":
            return None
        kept = {name: value for name, value in inputs.items() if name not in NO_OUTPUTS}
        return kept | outputs | {"note": fault.__name__}

    def diet_esp(self) -> Case:
        case = self.fitting() if self.rng.random() < 0.75 else self.first_of(self.refused)
        return {"group": case["context"]["ipsec_mode"], "spec": SPEC, "note": "", "oracles": []} | case

    def rejected(self) -> Case | None:
        make = self.rng.choice(hostile.HOSTILE)
        inputs, draft = self.inputs.complete()
        made = make(hostile.Peer(self.rng, inputs, draft))
        if made is None:
            return None
        sa = {name: inputs["sa"][name] for name in ("encr", "key", "salt", "auth_key", "spi", "esn")}
        case = {"note": make.__name__, "context": inputs["context"], "sa": sa}
        case |= {"receiver_state": made[1], "esp": made[0].hex()}
        case |= OUTPUTS["receive_reject"](case)
        return case if case["expect"] == "reject" else None

    def receive_reject(self) -> Case:
        return self.first_of(self.rejected)

    def sn_reconstruct(self) -> Case:
        rng = self.rng
        esn, lsb = rng.random() < 0.5, rng.randint(0, 32)
        most = (1 << 64 if esn else 1 << 32) - 1
        power = 1 << rng.randrange(most.bit_length())
        tops = (0, rng.randrange(200), rng.randrange(most), most, most - rng.randrange(200), power)
        case = {
            "esp_sn_lsb": lsb,
            "highest_authenticated": rng.choice(tops),
            "window": rng.choice((32, 64, 64, 128, 1024)),
            "esn": esn,
            "note": "",
        }
        near = case["highest_authenticated"] + rng.randint(-200, 200)
        case["received_lsb"] = rng.choice((near, rng.getrandbits(32))) & (1 << lsb) - 1
        return case | OUTPUTS["sn_reconstruct"](case)

    def spi_lookup(self) -> Case:
        rng = self.rng
        bits = (0, 32, 32, *(rng.randint(1, 31) for _ in range(6)))
        sad = [
            {"spi": f"{rng.randint(256, 0xFFFFFFFF):08x}", "esp_spi_lsb": rng.choice(bits)}
            for _ in range(rng.randint(1, 6))
        ]
        sa = rng.choice(sad)
        lsb = sa["esp_spi_lsb"]
        first = (int(sa["spi"], 16) & (1 << lsb) - 1) << (48 - lsb) | rng.getrandbits(48 - lsb)
        start = rng.choice((first, first, rng.getrandbits(48)))
        case = {"note": "", "sad": sad, "packet_start": f"{start:012x}"}
        return case | OUTPUTS["spi_lookup"](case)

    def udp_encapsulation(self) -> Case:
        rng = self.rng
        drawn = f"{rng.getrandbits(32):08x}", f"{1 << rng.randrange(32):08x}"
        first = rng.choice(("00000000", "ff", "ffffffff", *drawn))
        return {"note": "", "first4": first} | OUTPUTS["udp_encapsulation"]({"first4": first})

    def ehc_2016_2019(self) -> Case:
        case = ehc_inputs.draw(self.rng, self.inputs)
        spec = "July 2016 form" if case["context"].get("trailer_only") else "draft-mglt-ipsecme-diet-esp-07 (2019)"
        return {"spec": spec, "note": "", "oracles": []} | case | OUTPUTS["ehc_2016_2019"](case)

    def document(self, count: int) -> Mapping[str, Any]:
        lists: dict[str, list[Case]] = {}
        for name, share in SHARES.items():
            made = []
            for number in range(max(1, count * share // 100)):
                case_id = f"{name}-{self.seed}-{number}"
                made.append({"name": case_id} | getattr(self, name)() | {"id": case_id})
            lists[name] = made
        meta = {"title": "Diet-ESP vectors", "seed": self.seed, "spec": SPEC}
        counts = {name: len(made) for name, made in lists.items()}
        return {"kind": "diet-esp", "meta": meta, **lists, "number_of_cases": counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    document = Generator(arguments.seed).document(arguments.count)
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
