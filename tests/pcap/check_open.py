#!/usr/bin/env python3
"""check_open.py SPRAT: `sprat open` finds in each capture what its expectations say."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from capture import packets

HERE = Path(__file__).resolve().parent


def results(sprat: str, stem: Path) -> tuple[list[bytes], list[str]]:
    """Of each packet: what went in, and "opened HEX" or "refused REASON"."""
    sent = packets(stem.with_suffix(".pcap"))
    lines = "".join(packet.hex() + "\n" for packet in sent)
    command = [sprat, "open", "--sa", str(stem.with_suffix(".toml"))]
    done = subprocess.run(command, input=lines, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{stem.name}: {done.stderr}")
    refused = {int(line): reason for reason, line in re.findall(r"^(?:error:|#) ([a-z-]+): .*\(line (\d+)\)$", done.stderr, re.M)}
    opened = iter(done.stdout.split())
    return sent, [
        f"refused {refused[line]}" if line in refused else f"opened {next(opened, '')}" for line in range(1, len(sent) + 1)
    ]


def satisfies(row: dict[str, Any], packet: bytes, result: str) -> bool:
    unchanged = f"opened {packet.hex()}"
    if "inner" in row:
        return result == f"opened {row['inner']}"
    if row["expect"] == "drop":
        return result in [f"refused {event}" for event in row["event"].split("-or-")]
    if row["expect"] == "discard-silently":
        return result == "refused dummy"
    if row["expect"] == "accept":
        # The negative vectors do not say what is inside.
        return result.startswith("opened 4") and result != unchanged
    return result == unchanged


def main() -> int:
    passed = failed = 0
    for expectations in sorted(HERE.glob("*.expect.json")):
        stem = HERE / expectations.name.removesuffix(".expect.json")
        rows = json.loads(expectations.read_text())
        for row, packet, result in zip(rows, *results(sys.argv[1], stem), strict=True):
            good = satisfies(row, packet, result)
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"FAIL {stem.name} frame {row['frame']} {row['id']}: {result}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
