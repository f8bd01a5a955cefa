"""Two RIOT nodes of native, each on a tap of one bridge; every frame between them is looked at.

    unshare -n python3 native.py NAME ELF WORK          all of it
    unshare -n python3 native.py NAME ELF WORK udp      traffic, with ESP in UDP
"""

import os
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from peer import (
    COAP, GROUP, GROUP_ADDRESS, PLAIN, TUNNEL, Peer, Reject, counters, destination_of, diet_esp, echo,
    headers, ipv6, source_of, udp,
)  # fmt: skip
from report import Report

ETH_P_ALL, ETH_P_IPV6 = 3, 0x86DD
# Multicast listener discovery and neighbour discovery: all that may be in clear.
IN_CLEAR = {130, 131, 132, 133, 134, 135, 136, 137, 143}


class Node:
    """A RIOT process and its shell."""

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.log = (directory / f"{name}.log").open("a")
        self.process = subprocess.Popen(
            command, cwd=directory, bufsize=0, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.text = ""

    def close(self) -> None:
        # A native node reads its input in a process of its own.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def type(self, command: str) -> None:
        self.process.stdin.write(command.encode() + b"\n")

    def expect(self, pattern: str, seconds: float = 15) -> re.Match | None:
        """Text up to and with the pattern is used up; None when it does not come."""
        until = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end() :]
                return match
            left = until - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                return None
            octets = os.read(self.process.stdout.fileno(), 65536)
            if not octets:
                return None
            self.text += octets.decode(errors="replace")
            self.log.write(octets.decode(errors="replace"))

    def ping(self, address: str, count: int = 5, size: int = 16) -> int:
        """Replies that came."""
        self.type(f"ping -c {count} -i 50 -W 1000 -s {size} {address}")
        match = self.expect(r"(\d+) packets transmitted, (\d+) packets received")
        return int(match[2]) if match else -1

    def counters(self) -> dict[str, int]:
        self.type("sprat")
        match = self.expect(r"(?s)sprat: passed.*forged \d+")
        return counters(match[0]) if match else {}

    def link_local(self) -> str:
        """Address on the link, with the interface as this kind of node numbers it."""
        self.type("ifconfig")
        match = self.expect(r"(?s)Iface +(\d+).*?inet6 addr: (fe80::[0-9a-f:]+)")
        return f"{match[2]}%{match[1]}" if match else "none"

    def says(self, command: str, pattern: str) -> bool:
        self.type(command)
        return self.expect(pattern) is not None


class Wire(threading.Thread):
    """Every IPv6 frame on a tap, in both directions."""

    def __init__(self, interface: str) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, 0))
        self.frames: list[bytes] = []

    def run(self) -> None:
        while True:
            frame = self.socket.recv(65536)
            if int.from_bytes(frame[12:14], "big") == ETH_P_IPV6:
                self.frames.append(frame)


def run(*words: str) -> None:
    subprocess.run(words, check=True)


def lay_wire() -> None:
    run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    for link in "tap0", "tap1":
        run("ip", "tuntap", "add", link, "mode", "tap")
        run("ip", "link", "set", link, "master", "br0")
    for link in "br0", "tap0", "tap1":
        # The kernel itself is to say nothing on this wire.
        Path(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6").write_text("1")
        run("ip", "link", "set", link, "up")


class Fragments:
    """Puts datagrams together that were fragmented behind the IPv6 header."""

    def __init__(self) -> None:
        self.parts: dict[bytes, dict[int, bytes]] = {}
        self.last: dict[bytes, int] = {}

    def add(self, packet: bytes) -> bytes | None:
        key, place = packet[8:40] + packet[44:48], int.from_bytes(packet[42:44], "big")
        parts = self.parts.setdefault(key, {})
        parts[place & ~7] = packet[48:]
        if not place & 1:
            self.last[key] = (place & ~7) + len(packet[48:])
        whole = b"".join(parts[at] for at in sorted(parts))
        if self.last.get(key) != len(whole):
            return None
        return diet_esp.with_next(packet[:40], 6, packet[40], len(whole)) + whole


class Pair:
    """The two nodes, and what the independent peer makes of their packets."""

    def __init__(self, report: Report, elf: Path, work: Path, udp: bool) -> None:
        self.report, self.elf, self.work, self.udp = report, elf, work, udp
        self.wire = Wire("tap0")
        self.wire.start()
        # Out of the second tap: to node 2 alone, and past the wire that is watched.
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.tap.bind(("tap1", 0))
        # What node 1 sends is for Peer(2) to open.
        self.peers = {number: Peer(number, udp=udp) for number in (2, 1)}
        self.nodes = {number: self.start(number) for number in (1, 2)}

    def start(self, number: int) -> Node:
        flash = self.work / f"flash{number}"
        return Node(f"node{number}", [str(self.elf), "--mtd", str(flash), f"tap{number - 1}"], self.work)

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()

    def set_up(self, number: int) -> None:
        command = f"node {number} udp" if self.udp else f"node {number}"
        ready = self.nodes[number].says(command, rf"node {number}: ready")
        self.report.check(f"node-{number}-ready", ready, "no answer to `node`")

    def opened(self) -> tuple[dict[int, int], list[str]]:
        """Packets that opened, by kind of SA, and what is wrong with others."""
        opened, wrong, fragments = {}, [], Fragments()
        for frame in self.wire.frames:
            packet = frame[14 : 54 + int.from_bytes(frame[18:20], "big")]
            if packet[6] == headers.FRAGMENT:
                packet = fragments.add(packet)
                if packet is None:
                    continue
            if self.is_control(packet):
                continue
            kind = self.open(packet, wrong)
            opened[kind] = opened.get(kind, 0) + 1
        return opened, wrong

    @staticmethod
    def is_control(packet: bytes) -> bool:
        """A message of the link, a listener report behind its router alert option."""
        at, next_at = diet_esp.esp_place(packet)
        return packet[next_at] == headers.ICMPV6 and packet[at] in IN_CLEAR

    def open(self, packet: bytes, wrong: list[str]) -> int | None:
        receiver = self.peers.get(self.receiver_of(packet))
        kind = receiver and receiver.kind_of(packet)
        if kind is None:
            wrong.append(f"in clear: {packet[:60].hex()}")
            return None
        try:
            receiver.open(kind, packet)
        except Reject as error:
            wrong.append(f"{error}: {packet.hex()}")
        return kind

    def receiver_of(self, packet: bytes) -> int:
        if destination_of(packet) == GROUP_ADDRESS:
            # The IV behind SPI and number names the sender.
            return 3 - packet[48]
        return 2 if source_of(packet) == self.peers[1].local else 1

    def last_frame(self, kind: int) -> bytes:
        """The last one of node 1 by this kind of SA."""
        for frame in reversed(self.wire.frames):
            packet = frame[14:]
            if packet[6] == headers.ESP and source_of(packet) == self.peers[1].local:
                if self.peers[2].kind_of(packet) == kind:
                    return frame
        raise LookupError(kind)

    def inject(self, frame: bytes) -> dict[str, int]:
        """What a frame changes in the counters of node 2."""
        before = self.nodes[2].counters()
        self.tap.send(frame)
        time.sleep(0.3)
        after = self.nodes[2].counters()
        return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def traffic(pair: Pair) -> None:
    report, one, two = pair.report, pair.nodes[1], pair.nodes[2]
    report.equal("ping-esp", one.ping("fd00:a::2"), 5)
    report.equal("ping-esp-back", two.ping("fd00:a::1"), 5)
    answers = sum(one.says("get fd00:a::2", r"coap: 2\.05 passed \d+") for _ in range(5))
    report.equal("coap-diet-esp", answers, 5)
    answers = sum(two.says("get fd00:a::1", r"coap: 2\.05 passed \d+") for _ in range(5))
    report.equal("coap-diet-esp-back", answers, 5)
    report.equal("ping-tunnel", one.ping("fd00:b::2"), 5)
    report.equal("ping-tunnel-back", two.ping("fd00:b::1"), 5)
    one.type("tell hello")
    report.check("group", two.expect("heard: hello"), "nothing was heard")
    two.type("tell again")
    report.check("group-back", one.expect("heard: again"), "nothing was heard")
    report.equal("ping-fragments", one.ping("fd00:a::2", 2, 2000), 2)
    report.equal("ping-self", one.ping("fd00:a::1", 2), 2)


def secrecy(pair: Pair) -> None:
    """All of it went as ESP, and opens with code that the nodes do not have."""
    report = pair.report
    opened, wrong = pair.opened()
    report.result("wire", "; ".join(wrong[:3]) if wrong else None)
    wanted = {PLAIN: 24, COAP: 20, TUNNEL: 20, GROUP: 2}
    # CoAP says things twice where the machine is slow.
    opened[COAP] = min(opened.get(COAP, 0), wanted[COAP])
    report.equal("opened", {kind: opened.get(kind) for kind in wanted}, wanted)


def behind_route(pair: Pair) -> bytes:
    """An echo request in clear, behind a source route that is not at its end.

    Its place is also where a Fragment header would have an offset of 0.
    """
    clear = echo(pair.peers[1].local, pair.peers[2].local, 1, bytes(8))
    route = bytes([headers.ICMPV6, 2, 0, 2, 0, 0, 0, 0])
    return diet_esp.with_next(clear[:40], 6, headers.ROUTING, len(clear) - 32) + route + clear[40:]


def lying_fragments(pair: Pair) -> list[bytes]:
    """A datagram in clear in two fragments, which the first calls a neighbour
    solicitation, as its first octet does, and the last one UDP."""
    source, destination = pair.peers[1].local, pair.peers[2].local
    whole = udp(source, destination, (135 << 8, 5350), b"in clear")[40:]
    return [
        ipv6(source, destination, headers.FRAGMENT, struct.pack(">BBHI", protocol, 0, offset | more, 7) + part)
        for protocol, offset, more, part in ((headers.ICMPV6, 0, 1, whole[:8]), (headers.UDP, 8, 0, whole[8:]))
    ]


def refusals(pair: Pair) -> None:
    report, one = pair.report, pair.nodes[1]
    before = one.counters()
    mark = len(pair.wire.frames)
    report.equal("no-policy", one.ping(pair.nodes[2].link_local(), 2), 0)
    after = one.counters()
    report.check("no-policy-counter", after.get("no-policy", 0) > before.get("no-policy", 0), f"{after}")
    report.equal("no-policy-silent", [f.hex() for f in pair.wire.frames[mark:] if f[20] == headers.ESP], [])
    frame = pair.last_frame(PLAIN)
    report.equal("duplicate", pair.inject(frame), {"replay": 1})
    forged = frame[:-1] + bytes([frame[-1] ^ 1])
    sn = int.from_bytes(frame[58:62], "big") + 10
    forged = forged[:58] + sn.to_bytes(4, "big") + forged[62:]
    report.equal("forged", pair.inject(forged), {"integrity": 1})
    report.equal("unknown-spi", pair.inject(frame[:54] + b"\0\0\1\0" + frame[58:]), {"no-sa": 1})
    clear = diet_esp.with_next(frame[14:54], 6, headers.UDP, 12) + bytes(12)
    report.equal("in-clear", pair.inject(frame[:14] + clear), {"unprotected": 1})
    report.equal("in-clear-behind-route", pair.inject(frame[:14] + behind_route(pair)), {})
    for packet in lying_fragments(pair):
        pair.tap.send(frame[:14] + packet)
    report.check("lying-fragments", not pair.nodes[2].expect("heard: in clear", 1), "it was heard")
    report.equal("no-buffer", {n: pair.nodes[n].counters().get("no-buffer") for n in (1, 2)}, {1: 0, 2: 0})


def restart(pair: Pair) -> None:
    """The number of the last packet before the power went is far from the next."""
    report = pair.report
    last = int.from_bytes(pair.last_frame(PLAIN)[58:62], "big")
    pair.nodes[1].close()
    pair.nodes[1] = pair.start(1)
    pair.set_up(1)
    # Node 1 begins to receive anew; what node 2 sends is still fresh to it.
    report.equal("ping-after-restart", pair.nodes[1].ping("fd00:a::2"), 5)
    numbers = [
        int.from_bytes(f[58:62], "big") for f in pair.wire.frames
        if f[20] == headers.ESP and source_of(f[14:]) == pair.peers[1].local and pair.peers[2].kind_of(f[14:]) == PLAIN
    ]  # fmt: skip
    report.equal("numbers-used-once", len(set(numbers)), len(numbers))
    report.check("number-after-restart", numbers[-1] > last + 5, f"{numbers}")


def main(name: str, elf: str, work: str, udp: str = "") -> int:
    report, directory = Report(name), Path(work)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    lay_wire()
    pair = Pair(report, Path(elf), directory, udp == "udp")
    try:
        for number in pair.nodes:
            pair.set_up(number)
        for part in (traffic, secrecy) if udp else (traffic, secrecy, refusals, restart):
            part(pair)
    finally:
        pair.close()
    return report.total()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
