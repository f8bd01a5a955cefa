"""Two RIOT nodes of native over IEEE 802.15.4 made of UDP (ZEP), with 6LoWPAN; every frame is looked at.

    unshare -n python3 zep.py NAME ELF WORK

The radio loses frames on a busy machine, with or without sprat: asked of it is that
answers come in the end. What was sent and what the nodes counted is judged exactly.
"""

import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from native import IN_CLEAR, Node, run
from peer import COAP, PLAIN, Address, Peer, Reject, headers, ipv6
from report import Report

PORT, SECONDS = 17754, 60
# The octet of a ZEPv2 header that tells data from acknowledgements, and its length.
TYPE_AT, DATA, HEADER, FCS = 3, 1, 32, 2
EUI = {1: "000102030405060b", 2: "000102030405060c"}
ADDRESS = {1: "fe80::201:203:405:60b", 2: "fe80::201:203:405:60c"}
# First octet of a 6LoWPAN payload, with its bits below the dispatch cleared.
FRAG1, FRAGN, IPHC = 0xC0, 0xE0, 0x60


class Air(threading.Thread):
    """What a node sends, the others hear."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.bind(("::1", PORT))
        self.nodes: set[tuple] = set()
        self.frames: list[bytes] = []

    def run(self) -> None:
        while True:
            datagram, sender = self.socket.recvfrom(2048)
            self.nodes.add(sender)
            if len(datagram) > HEADER and datagram[TYPE_AT] == DATA:
                self.frames.append(datagram[HEADER:-FCS])
            for node in self.nodes - {sender}:
                self.socket.sendto(datagram, node)


class Heard:
    """The packets in the frames of both nodes: ESP, and what else there was."""

    def __init__(self, frames: list[bytes]) -> None:
        self.packets: dict[int, list[bytes]] = {1: [], 2: []}
        self.other: list[str] = []
        self.parts: dict[tuple[int, int], tuple[int, bytes]] = {}
        for frame in frames:
            self.add(frame)

    def add(self, frame: bytes) -> None:
        # A group has a short address.
        at = 5 + (8 if frame[1] & 0x0C == 0x0C else 2)
        sender = next((n for n in EUI if bytes.fromhex(EUI[n])[::-1] == frame[at : at + 8]), 0)
        payload = frame[at + 8 :]
        head, key = payload[0] & 0xF8, (sender, int.from_bytes(payload[2:4], "big"))
        if head == FRAG1:
            size = int.from_bytes(payload[:2], "big") & 0x7FF
            self.parts[key] = size - 40, payload[4:]
        elif head == FRAGN and key in self.parts:
            size, parts = self.parts[key]
            self.parts[key] = size, parts + payload[5:]
        else:
            self.packet(sender, payload)
            return
        size, parts = self.parts[key]
        # Two octets of IPHC and the next header stand for the 40 of IPv6.
        if len(parts) == size + 3:
            self.packet(sender, parts)
            del self.parts[key]

    def packet(self, sender: int, payload: bytes) -> None:
        # IPHC that sends the next header, and leaves out all the rest for ESP.
        if sender and payload[:3] == b"\x7a\x33\x32":
            ends = Address(ADDRESS[sender]), Address(ADDRESS[3 - sender])
            self.packets[sender].append(ipv6(*ends, headers.ESP, payload[3:]))
        elif payload[0] & 0xE4 != IPHC or not self.is_control(payload):
            self.other.append(payload.hex())

    @staticmethod
    def is_control(payload: bytes) -> bool:
        """ICMPv6 of the link between addresses that IPHC leaves out or shortens."""
        if payload[2] != headers.ICMPV6 or payload[0] & 0x18 != 0x18:
            return False
        source = (16, 8, 2, 0)[payload[1] >> 4 & 3] if not payload[1] & 0x40 else 0
        if payload[1] & 8:
            destination = (16, 6, 4, 1)[payload[1] & 3]
        else:
            destination = (16, 8, 2, 0)[payload[1] & 3]
        at = 3 + (payload[0] & 3 == 0) + source + destination
        return payload[at] in IN_CLEAR


def start(number: int, elf: str, directory: Path) -> Node:
    flash = directory / f"flash{number}"
    command = [elf, "--mtd", str(flash), "-z", f"[::1]:{PORT}", "--eui64", EUI[number]]
    return Node(f"zep{number}", command, directory)


def set_up(report: Report, number: int, node: Node) -> str:
    """The peer's address, with the interface as this node numbers it."""
    command = f"node {number} {ADDRESS[number]} {ADDRESS[3 - number]}"
    report.check(f"node-{number}-ready", node.says(command, rf"node {number}: ready"), "no answer")
    interface = node.link_local().partition("%")[2]
    # Acknowledgements are due within a millisecond. When they are late, RIOT's
    # radio ends a node by an assertion, without sprat as well.
    quiet = node.says(f"ifconfig {interface} -ack_req", "success: unset option")
    report.check(f"node-{number}-no-ack", quiet, "no answer")
    return f"{ADDRESS[3 - number]}%{interface}"


def repeat(wanted: int, ask: Callable[[int], int]) -> int:
    """Asks until `wanted` answers came, or for a bounded time."""
    got, until = 0, time.monotonic() + SECONDS
    while got < wanted and time.monotonic() < until:
        answers = ask(wanted - got)
        if answers < 0:
            break
        got += answers
    return got


def talk(report: Report, nodes: dict[int, Node], peers: dict[int, str]) -> int:
    """Answers that came, to either side."""
    total = 0
    for number, node in nodes.items():
        # Fragments first: so the last number of each SA is one that was answered.
        asked = {
            "fragments": (2, lambda left: node.ping(peers[number], left, 300)),
            "ping-esp": (10, lambda left: node.ping(peers[number], left)),
            "coap-diet-esp": (5, lambda _: int(node.says("get", r"coap: 2\.05 passed \d+"))),
        }
        for name, (wanted, ask) in asked.items():
            got = repeat(wanted, ask)
            report.equal(f"{name}-{number}", got, wanted)
            total += got
    return total


def secrecy(report: Report, heard: Heard) -> dict[int, tuple[int, int]]:
    """All of it went as ESP, by numbers used once, and opens; of each sender, packets heard and numbers used."""
    report.equal("nothing-in-clear", heard.other, [])
    wrong, sent = [], {}
    for sender, packets in heard.packets.items():
        receiver = Peer(3 - sender, ADDRESS[3 - sender], ADDRESS[sender])
        kinds = [receiver.kind_of(packet) for packet in packets]
        for kind, packet in zip(kinds, packets, strict=True):
            try:
                if kind not in (PLAIN, COAP):
                    raise Reject(f"SA {kind}")
                receiver.open(kind, packet)
            except Reject as error:
                wrong.append(f"{error}: {packet.hex()}")
        # SPI and SN: 64 bits in plain ESP, 16 in Diet-ESP for CoAP.
        starts = [packet[40 : 48 if kind == PLAIN else 42] for kind, packet in zip(kinds, packets, strict=True)]
        report.equal(f"numbers-used-once-{sender}", len(set(starts)), len(packets))
        # Numbers begin at 1. Those that are missing belong to what the radio never sent.
        last = {start[:-4] or start[:1]: int.from_bytes(start[4:] or start[1:], "big") for start in sorted(starts)}
        sent[sender] = len(packets), sum(last.values())
    report.equal("opened", wrong, [])
    return sent


def balance(report: Report, nodes: dict[int, Node], answers: int, sent: dict[int, tuple[int, int]]) -> None:
    """What was answered was opened at both ends; nothing was opened that was not sent."""
    for number, node in nodes.items():
        count = node.counters()
        if not report.check(f"counters-{number}", "passed" in count, "no answer"):
            continue
        dropped = {name: n for name, n in count.items() if n and name != "passed"}
        report.equal(f"dropped-{number}", dropped, {})
        # A number was used for each that was sealed; the others were opened.
        opened, heard = count["passed"] - sent[number][1], sent[3 - number][0]
        report.check(f"passed-{number}", answers <= opened <= heard, f"{opened} of {heard}, {answers} answers")


def alive(report: Report, nodes: dict[int, Node], directory: Path) -> None:
    for number, node in nodes.items():
        if not report.check(f"alive-{number}", node.process.poll() is None and node.counters(), "no answer"):
            node.log.flush()
            print((directory / f"zep{number}.log").read_text(), flush=True)


def main(name: str, elf: str, work: str) -> int:
    report, directory = Report(name), Path(work)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    run("ip", "link", "set", "lo", "up")
    air = Air()
    air.start()
    nodes = {number: start(number, elf, directory) for number in EUI}
    try:
        peers = {number: set_up(report, number, node) for number, node in nodes.items()}
        answers = talk(report, nodes, peers)
        # What is on its way arrives, or is lost.
        time.sleep(1)
        balance(report, nodes, answers, secrecy(report, Heard(air.frames)))
    except BrokenPipeError:
        report.result("shell", "a node has ended")
    finally:
        alive(report, nodes, directory)
        for node in nodes.values():
            node.close()
    return report.total()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
