"""Our ESP packets against a Linux kernel, both ways.

Each case has an SA pair of its own in the guest. ICMP echo requests are sealed, sent, and
answered by the guest through its outbound SA; the answers are opened and compared. Then a
forged packet and a replayed one go each way, and the guest's counters must show just these.
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import packet
from cases import CCM8, LAYOUTS, Case, Driver, Kind, all_cases, make_case
from guest import Guest, Unavailable
from packet import forged
from report import Report
from sprat import SpratDriver
from transforms import ENCR, INTEG, Sa


def identity(sa: Sa) -> str:
    return f"src {sa.source} dst {sa.destination} proto esp spi {sa.spi:#x} reqid {sa.spi & 0xFFFF} mode {sa.mode}"


def algorithms(sa: Sa) -> str:
    encr = ENCR[sa.transform.encr]
    key = f"0x{(sa.encr_key + sa.salt).hex()}" if sa.encr_key else "''"
    if encr.icv:
        return f"aead {encr.xfrm} {key} {8 * encr.icv}"
    integ = INTEG[sa.transform.integ]
    return f"enc {encr.xfrm} {key} auth-trunc {integ.xfrm} 0x{sa.integ_key.hex()} {8 * integ.icv}"


def xfrm_states(case: Case) -> Iterator[str]:
    """Two lines of `ip -batch`: the guest's inbound SA, then its outbound one."""
    for sa, counter in ((case.near, "replay-seq"), (case.far, "replay-oseq")):
        line = f"xfrm state add {identity(sa)} replay-window 64"
        flags = ["esn"] * sa.esn + ["af-unspec"] * (sa.mode == "tunnel")
        if flags:
            line += f" flag {' '.join(flags)}"
        if sa.seq:
            line += f" {counter} {sa.seq & 0xFFFFFFFF:#x} {counter}-hi {sa.seq >> 32:#x}"
        if sa.udp:
            line += f" encap espinudp 4500 4500 {'::' if ':' in sa.source else '0.0.0.0'}"
        if case.kind.tfc:
            line += f" tfcpad {case.kind.tfc}"
        yield f"{line} {algorithms(sa)}"


def xfrm_policies(case: Case) -> Iterator[str]:
    # Of ICMP alone: the UDP that carries ESP must not be asked for an ESP of its own.
    protocol = "ipv6-icmp" if ":" in case.source else "icmp"
    for direction, source, destination, sa in (
        ("in", case.source, case.destination, case.near),
        ("out", case.destination, case.source, case.far),
    ):
        yield f"xfrm policy add src {source} dst {destination} proto {protocol} dir {direction} tmpl {identity(sa)}"


def configure(guest: Guest, cases: list[Case], report: Report) -> list[Case]:
    """Gives the guest its SAs; leaves out, loudly, what this kernel does not have."""
    refused: dict[int, str] = {}
    for line, cause in guest.ip_batch([line for case in cases for line in xfrm_states(case)]).items():
        refused.setdefault(line // 2, cause)
    for index, cause in refused.items():
        report.skip(cases[index].kind.name, cause)
    kept = [case for index, case in enumerate(cases) if index not in refused]
    refusals = guest.ip_batch([line for case in kept for line in xfrm_policies(case)])
    if refusals:
        raise Unavailable(f"the guest refused policies: {refusals}")
    return kept


def exchange(guest: Guest, driver: Driver, case: Case) -> str | None:
    """The problem, if there is one."""
    requests = [case.request(number, size) for number, size in enumerate(case.kind.sizes)]
    *sealed, unsent = driver.seal(case.near, [*requests, requests[0]])
    for octets in sealed:
        guest.send(octets)
    answers = guest.receive(case.near.source, len(sealed), timeout=1)
    if len(answers) != len(sealed):
        return f"{len(answers)} answers to {len(sealed)} packets; {guest.counters()}"
    for octets in (forged(unsent), sealed[-1]):
        guest.send(octets)
    replayed = answers[-1:] if driver.replay_window else []
    opened, refused = driver.open(case.far, [forged(answers[0]), *answers, *replayed])
    if len(opened) != len(answers) or refused != ["integrity", *["replay"] * len(replayed)]:
        return f"{len(opened)} opened of {len(answers)} good answers, a forged and a replayed one; refused: {refused}"
    for number, (size, clear) in enumerate(zip(case.kind.sizes, opened)):
        expected = case.reply(number, size)
        if packet.view(clear) != packet.view(expected) or len(clear) != len(expected):
            return f"answer {number}, {answers[number].hex()}, gives {clear.hex()}"
    return None


@dataclass(frozen=True)
class Usage:
    """What `ip -s xfrm state` tells of an SA."""

    packets: int
    replayed: int
    forged: int


def usages(guest: Guest) -> dict[int, Usage]:
    """By SPI."""
    result = {}
    for block in guest.run("/bin/ip -s xfrm state list").split("\nsrc "):
        words = block.replace("(", " ").replace(")", " ").split()
        current = words[words.index("current:") :]
        stats = words[words.index("stats:") :]
        spi = int(words[words.index("spi") + 1], 16)
        result[spi] = Usage(
            packets=int(current[current.index("packets") - 1]),
            replayed=int(stats[stats.index("replay") + 1]),
            forged=int(stats[stats.index("failed") + 1]),
        )
    return result


def accounting(used: dict[int, Usage], case: Case) -> str | None:
    """Each packet counted once, the forged and the replayed one refused for that reason."""
    sent = len(case.kind.sizes)
    for sa, expected in ((case.near, Usage(sent, 1, 1)), (case.far, Usage(sent, 0, 0))):
        if used[sa.spi] != expected:
            return f"the guest counted {used[sa.spi]} for {sa.name}, not {expected}"
    return None


def run(guest: Guest, driver: Driver, cases: list[Case], report: Report) -> None:
    before = guest.counters()
    problems: list[str | None] = []
    for case in cases:
        try:
            problems.append(exchange(guest, driver, case))
        except subprocess.CalledProcessError as error:
            problems.append(f"{error}: {error.stderr}")
    used = usages(guest)
    for case, problem in zip(cases, problems):
        name = f"{driver.name} {case.kind.name}"
        report.result(name, problem or accounting(used, case), (case.kind.transform.name, case.kind.column))
    count = sum(problem is None for problem in problems)
    expected = {"XfrmInStateProtoError": count, "XfrmInStateSeqError": count}
    seen = {name: count - before.get(name, 0) for name, count in guest.counters().items()}
    report.result(f"{driver.name} counters", None if seen == expected else f"{seen}, not {expected}")


NOT_ECT, ECT0, CE = 0, 2, 3


def congestion(guest: Guest, driver: Driver, case: Case) -> str | None:
    """RFC 6040: the mark of the outer header reaches the inner one, or drops the packet."""
    plain = case.request(0, 40)
    sealed = driver.seal(case.near, [packet.with_traffic_class(plain, ecn) for ecn in (ECT0, ECT0, NOT_ECT)])
    if [packet.traffic_class(octets) for octets in sealed] != [ECT0, ECT0, NOT_ECT]:
        return "the outer header does not carry the inner mark"
    for octets in (packet.with_traffic_class(sealed[0], CE), *sealed[1:]):
        guest.send(octets)
    answers = guest.receive(case.near.source, 3, timeout=1)
    marked = answers[:1] + [packet.with_traffic_class(octets, CE) for octets in answers[1:]]
    opened, refused = driver.open(case.far, marked)
    seen = [packet.traffic_class(clear) for clear in opened]
    return None if (seen, refused) == ([CE, CE], ["ecn"]) else f"inner marks are {seen}; refused: {refused}"


def run_congestion(guest: Guest, driver: Driver, report: Report) -> None:
    layouts = [layout for layout in LAYOUTS if layout.startswith("tunnel")]
    cases = [make_case(0x2000 + i, Kind(CCM8, layout, variant="ecn")) for i, layout in enumerate(layouts)]
    for case in configure(guest, cases, report):
        name = f"{driver.name} {case.kind.name}"
        report.result(name, congestion(guest, driver, case), (case.kind.transform.name, case.kind.column))


def self_check(guest: Guest, report: Report) -> None:
    """scapy against the guest: tells a broken guest from a broken `sprat`."""
    try:
        import scapy_driver
    except ImportError as reason:
        report.skip("scapy self-check", str(reason), missing="scapy")
        return
    layouts = ("transport-4", "tunnel-6in6")
    some = [
        case
        for case in all_cases(0x1000)
        if case.kind.column in layouts and scapy_driver.supports(case.kind.transform)
    ]
    run(guest, scapy_driver.ScapyDriver(), configure(guest, some, report), report)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sprat", type=Path, required=True, help="the command under test")
    arguments.add_argument("--work", type=Path, required=True, help="folder for the files of this run")
    options = arguments.parse_args()
    report = Report("xfrm")
    driver = SpratDriver(options.sprat, options.work)
    with contextlib.ExitStack() as stack:
        try:
            guest = stack.enter_context(Guest(options.work))
        except Unavailable as reason:
            report.skip("guest", str(reason))
            return report.total()
        try:
            run(guest, driver, configure(guest, all_cases(1), report), report)
            run_congestion(guest, driver, report)
            self_check(guest, report)
        except Unavailable as reason:
            # It has started: a guest that dies now may have died of our packets.
            report.result("guest", str(reason))
    return report.total()


if __name__ == "__main__":
    sys.exit(main())
