"""The command `sprat` behind the interface that drives every peer."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from transforms import Sa

sys.path.append(str(Path(__file__).resolve().parent.parent / "pcap"))
from capture import sa_table


def sa_keys(sa: Sa) -> dict[str, Any]:
    """The SA as keys of `[[sa]]`."""
    return {
        "name": sa.name,
        "spi": sa.spi,
        "mode": sa.mode,
        "encr": sa.transform.encr,
        "encr_key": sa.encr_key.hex(),
        "salt": sa.salt.hex(),
        "integ": sa.transform.integ,
        "integ_key": sa.integ_key.hex(),
        "esn": sa.esn,
        "replay_window": 64,
        "sequence_start": sa.seq or None,
        "tunnel": {"source": sa.source, "destination": sa.destination} if sa.mode == "tunnel" else None,
        "udp_encap": {"source_port": 4500, "destination_port": 4500} if sa.udp else None,
    }


class SpratDriver:
    name = "sprat"
    replay_window = True

    def __init__(self, command: Path, work: Path) -> None:
        self.command, self.config = command, work / "sa.toml"

    def _run(self, verb: str, sa: Sa, packets: list[bytes]) -> tuple[list[bytes], list[str]]:
        self.config.write_text(sa_table(sa_keys(sa)))
        lines = "".join(packet.hex() + "\n" for packet in packets)
        command = [str(self.command), verb, "--sa", str(self.config)]
        done = subprocess.run(command, input=lines, capture_output=True, text=True)
        # 1: a packet was refused.
        if done.returncode not in (0, 1):
            done.check_returncode()
        return [bytes.fromhex(line) for line in done.stdout.split()], re.findall("^error: ([a-z-]+):", done.stderr, re.M)

    def seal(self, sa: Sa, packets: list[bytes]) -> list[bytes]:
        return self._run("seal", sa, packets)[0]

    def open(self, sa: Sa, packets: list[bytes]) -> tuple[list[bytes], list[str]]:
        return self._run("open", sa, packets)
