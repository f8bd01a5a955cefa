"""Our ESP packets against scapy's IPsec layer, both ways."""

import argparse
import subprocess
import sys
from pathlib import Path

from cases import Case, Driver, all_cases
from packet import forged
from report import Report
from sprat import SpratDriver

try:
    from scapy_driver import ScapyDriver, supports
except ImportError as error:
    report = Report("scapy")
    report.skip("import", str(error))
    sys.exit(report.total())


def one_way(case: Case, sealer: Driver, opener: Driver) -> str | None:
    """The problem, if there is one: a forged packet opens, a good one is dropped or differs."""
    requests = [case.request(number, size) for number, size in enumerate(case.kind.sizes)]
    try:
        sealed = sealer.seal(case.near, requests)
        opened, refused = opener.open(case.near, [forged(sealed[0]), *sealed])
    except subprocess.CalledProcessError as failure:
        return f"{failure}: {failure.stderr}"
    if len(opened) != len(requests) or refused != ["integrity"]:
        return f"{len(opened)} opened of {len(requests)} good packets and a forged one; refused: {refused}"
    for number, (clear, expected) in enumerate(zip(opened, requests)):
        if clear != expected:
            return f"packet {number}, {sealed[number].hex()}, gives {clear.hex()}"
    return None


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sprat", type=Path, required=True, help="the command under test")
    arguments.add_argument("--work", type=Path, required=True, help="folder for the files of this run")
    options = arguments.parse_args()
    report = Report("scapy")
    ours, theirs = SpratDriver(options.sprat, options.work), ScapyDriver()
    for case in all_cases(1):
        # Without `tfc`: scapy cannot make that padding.
        if supports(case.kind.transform) and not case.kind.tfc:
            for sealer, opener in ((ours, theirs), (theirs, ours)):
                name = f"{sealer.name}->{opener.name} {case.kind.name}"
                report.result(name, one_way(case, sealer, opener), (case.kind.transform.name, case.kind.column))
    return report.total()


if __name__ == "__main__":
    sys.exit(main())
