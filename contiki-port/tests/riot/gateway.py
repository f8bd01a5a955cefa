"""A RIOT node and the Linux gateway, in a tunnel; a client behind the gateway, in a network of its own.

    unshare -n python3 gateway.py NAME ELF GATEWAY PLUGINS WORK          a native node
    unshare -n python3 gateway.py NAME ELF GATEWAY PLUGINS WORK BOARD    an emulated board

    client ------------- gateway ====== ESP, tunnel ====== node
    fd00:b:0:1::1      fd00:a::2    (this program)    fd00:a::1
                                              in the tunnel: fd00:b::1

The gateway is configured as docs/riot.md says.
"""

import contextlib
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "gateway"))

import netlab  # noqa: E402
from board import QEMU  # noqa: E402
from native import Node, run  # noqa: E402
from peer import COAP_PORT, NAT_T_PORT, TUNNEL, Address, Peer, Reject, echo, headers  # noqa: E402
from peer import counters as counters_of  # noqa: E402
from peer import udp as datagram  # noqa: E402
from report import Report  # noqa: E402
from wire import FROM_NODE, TO_NODE, Serial, Slip, Taps, Wire, set_up_host, silence  # noqa: E402

HOST, NODE, INSIDE, CLIENT, LAN = "fd00:a::2", "fd00:a::1", "fd00:b::1", "fd00:b:0:1::1", "fd00:b:0:1::ff"
# What ESP is like, and whether it is in UDP.
NATIVE = [(form, udp) for udp in (False, True) for form in ("esp", "iiv", "diet")]
ON_BOARD = [("esp", False), ("diet", False), ("diet", True)]
ECHO_REQUEST, ECHO_REPLY = 128, 129
LINKTYPE_IPV6 = 229
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def configuration(form: str, udp: bool) -> str:
    """The one in docs/riot.md, with what it says to change."""
    document = (ROOT / "docs" / "riot.md").read_text()
    text = re.search(r"<!-- example: .*? -->\n```toml\n(.*?)```", document, re.S)[1]
    text = re.sub(r'state_file = "[^"]*"', 'state_file = "numbers"', text)
    if form != "diet":
        text = re.sub(r"\[sa\.ehc\].*?\n(?=\[)", "", text, flags=re.S)
    if form == "esp":
        text = text.replace("ENCR_AES_CCM_8_IIV", "ENCR_AES_CCM_8")
    if udp:
        text = text.replace("[gateway]\n", f"[gateway]\nudp_ports = [{NAT_T_PORT}]\n")
        text = text.replace("[[sa.selector]]", "[sa.udp_encap]\n[[sa.selector]]")
    return text


class Client:
    """Sockets in another network namespace, with a cable to this one."""

    def __init__(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if netlab.LIBC.unshare(netlab.CLONE_NEWNET) != 0:
            raise OSError("no second network namespace")
        self.there = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        netlab.enter(home)
        os.close(home)
        run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "host0")
        run("ip", "link", "set", "host0", "netns", f"/proc/{os.getpid()}/fd/{self.there}")
        set_up_host("lan0", LAN)
        with self.inside():
            set_up_host("host0", CLIENT)
            run("ip", "-6", "route", "add", "default", "via", LAN)
            self.icmp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.number = 0
        self.said: dict[int, bytes] = {}

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        netlab.enter(self.there)
        try:
            yield
        finally:
            netlab.enter(home)
            os.close(home)

    def ping(self, size: int = 16) -> None:
        self.number += 1
        self.said[self.number] = bytes((self.number + n) % 256 for n in range(size))
        head = struct.pack(">BBHHH", ECHO_REQUEST, 0, 0, 0x5350, self.number)
        self.icmp.sendto(head + self.said[self.number], (INSIDE, 0))

    def pong(self, seconds: float) -> int | None:
        """The number of the next reply that says what its request did."""
        until = time.monotonic() + seconds
        while select.select([self.icmp], [], [], max(0.0, until - time.monotonic()))[0]:
            message, sender = self.icmp.recvfrom(65536)
            number = int.from_bytes(message[6:8], "big")
            if message[0] == ECHO_REPLY and sender[0] == INSIDE and message[8:] == self.said.get(number):
                return number
        return None

    def pings(self, count: int, size: int = 16, seconds: float = 3) -> int:
        """Replies in turn to as many requests."""
        replies = 0
        for _ in range(count):
            self.ping(size)
            reply = self.pong(seconds)
            # One of before, when the machine is slow.
            while reply not in (None, self.number):
                reply = self.pong(seconds)
            replies += reply == self.number
        return replies

    def ask(self, message: bytes, seconds: float = 5) -> bytes | None:
        """What comes back from the node's CoAP port."""
        self.udp.sendto(message, (INSIDE, COAP_PORT))
        return self.udp.recv(2048) if select.select([self.udp], [], [], seconds)[0] else None


class Board(Serial):
    """An emulated board, with the words of a native node."""

    def says(self, command: str, pattern: str) -> bool:
        self.type(command)
        return self.expect(pattern, 20) is not None

    def counters(self) -> dict[str, int]:
        self.type("sprat")
        match = self.expect(r"(?s)sprat: passed.*forged \d+")
        return counters_of(match[0]) if match else {}


class Place:
    """What netlab's gateway wants of its surroundings: where it runs."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def popen(self, _name: str, *command: str, **options) -> subprocess.Popen:
        return subprocess.Popen(command, cwd=self.work, **options)


class Lab:
    """Node, wire, gateway and client of one form of tunnel."""

    def __init__(self, report: Report, name: str, work: Path, program: str, text: str) -> None:
        self.report, self.name, self.work = report, name, work
        self.client: Client | None = None
        self.gateway = netlab.Gateway(Place(work), "gw", text, program, start=False)
        os.chmod(self.gateway.path, 0o600)
        self.node: Node | Board | None = None
        self.wire: Wire | None = None

    def result(self, name: str, got: object, wanted: object) -> bool:
        return self.report.equal(f"{self.name}/{name}", got, wanted)

    def attach(self, node: Board | Callable[[], Node]) -> None:
        """Node and wire; a native node needs its tap first."""
        if isinstance(node, Board):
            self.node = node
            self.result("boot", node.boot("> ", 30), True)
        self.wire = Slip("wan0", node) if self.node else Taps("wan0", "tap0")
        self.wire.start()
        set_up_host("wan0", HOST)
        self.node = self.node or node()

    def close(self) -> None:
        for part in self.wire, self.node:
            if part:
                part.close()
        if self.gateway.process:
            self.gateway.stop()

    def count(self) -> dict[str, dict[str, int]]:
        """The counters of both ends: what passed, and what was refused on arrival."""
        table = self.gateway.report()
        lines = table.section("from the outer side")[1]
        refused = {name.removeprefix("dropped: "): n for name, n in lines.items() if name.startswith("dropped: ")}
        sealed, opened = (table.sa(name)["packets"] for name in ("to-node", "from-node"))
        node = {name: n for name, n in self.node.counters().items() if n}
        return {"gateway": {"sealed": sealed, "opened": opened} | refused, "node": node}

    def change(self, act: Callable[[], object]) -> dict[str, dict[str, int]]:
        """What `act` changes in the counters."""
        before = self.count()
        act()
        time.sleep(0.5)
        after = self.count()
        return {
            end: {name: n - before[end].get(name, 0) for name, n in after[end].items() if n != before[end].get(name, 0)}
            for end in after
        }


def get(number: int) -> bytes:
    """A confirmable GET of /state (RFC 7252)."""
    return b"\x40\x01" + number.to_bytes(2, "big") + b"\xb5state"


def traffic(lab: Lab) -> None:
    client, native = lab.client, isinstance(lab.node, Node)
    lab.result("ping", client.pings(5), 5)
    lab.result("ping-empty", client.pings(1, 0), 1)
    lab.result("ping-large", client.pings(2, 1300 if native else 300), 2)
    answers = [client.ask(get(number)) or b"" for number in range(1, 6)]
    if native:
        # CoAP: the answer is the node's own counter.
        texts = [re.fullmatch(rb"\x60\x45(..)\xc0\xffpassed \d+", answer, re.S) for answer in answers]
        lab.result("coap", [text and int.from_bytes(text[1], "big") for text in texts], [1, 2, 3, 4, 5])
        lab.result("ping-from-node", lab.node.ping(CLIENT), 5)
    else:
        lab.result("udp-echo", answers, [get(number) for number in range(1, 6)])


def esp_of(packet: bytes, udp: bool) -> bytes | None:
    """ESP of a packet between the ends of the tunnel; None: it is something else."""
    ends = {socket.inet_pton(socket.AF_INET6, end) for end in (HOST, NODE)}
    if {packet[8:24], packet[24:40]} != ends:
        return None
    if not udp:
        return packet[40:] if packet[6] == headers.ESP else None
    ports = struct.pack(">HH", NAT_T_PORT, NAT_T_PORT)
    shaped = packet[6] == headers.UDP and packet[40:44] == ports and packet[48:52] != bytes(4)
    return packet[48:] if shaped else None


def secrecy(lab: Lab, udp: bool) -> None:
    """All that crossed was ESP, with numbers of its own, and both ends have counted it."""
    wire, count = lab.wire, lab.count()
    there, back = (len(wire.packets(way)) for way in (TO_NODE, FROM_NODE))
    esp = [esp_of(packet, udp) for packet in wire.packets()]
    other = [packet.hex() for packet, inside in zip(wire.packets(), esp, strict=True) if inside is None]
    lab.result("only-esp-on-the-wire", (other, wire.foreign), ([], []))
    wanted = {"gateway": {"sealed": there, "opened": back}, "node": {"passed": there + back}}
    lab.result("counters-agree", count, wanted)


def numbers(lab: Lab, form: str, udp: bool) -> None:
    """No number was used twice. SPI and SN: 2 octets each in this Diet-ESP, else 4."""
    starts = [esp_of(packet, udp)[: 4 if form == "diet" else 8] for packet in lab.wire.packets()]
    lab.result("numbers-used-once", len(set(starts)), len(starts))


def second_opinion(lab: Lab, form: str, udp: bool) -> None:
    """All that crossed opens with code that neither end has, and is what the client and the node said."""
    wrong, inside = [], {TO_NODE: 0, FROM_NODE: 0}
    for number, way in (1, TO_NODE), (2, FROM_NODE):
        peer = Peer(number, udp=udp)
        peer.behind_gateway(form)
        for packet in lab.wire.packets(way):
            try:
                clear = peer.open(TUNNEL, packet)
            except Reject as error:
                wrong.append(f"{error}: {packet.hex()}")
                continue
            ends = [Address(clear[at : at + 16]).compressed for at in (8, 24)]
            inside[way] += ends == ([CLIENT, INSIDE] if way == TO_NODE else [INSIDE, CLIENT])
    lab.result("second-opinion", wrong[:3], [])
    lab.result("second-opinion-inside", inside, {way: len(lab.wire.packets(way)) for way in inside})


def losses(lab: Lab, way: str) -> None:
    """What is lost, repeated, late or forged on the way, told by the counters of both ends."""
    client, wire, receiver = lab.client, lab.wire, "node" if way == TO_NODE else "gateway"

    def expect(name: str, act: Callable[[], object], sealed: int, passed: int, **more: int) -> None:
        wanted = {"gateway": {"sealed": sealed, "opened": sealed}, "node": {"passed": passed}}
        wanted[receiver] |= more
        lab.result(f"{name}-{way}-counted", lab.change(act), wanted)

    wire.copies[way].extend([1, 0, 1, 0, 1])
    change = lab.change(lambda: lab.result(f"lost-{way}", client.pings(5, seconds=2), 3))
    # What the node never had it did not answer.
    wanted = {"gateway": {"sealed": 5, "opened": 3}, "node": {"passed": 6 if way == TO_NODE else 10}}
    lab.result(f"lost-{way}-counted", change, wanted)
    wire.copies[way].extend([2, 2, 2])
    expect("repeated", lambda: lab.result(f"repeated-{way}", client.pings(3), 3), 3, 6, replay=3)
    expect("late", lambda: late(lab, way), 2, 4, integrity=1)


def late(lab: Lab, way: str) -> None:
    """A packet that another one overtakes, and before it itself a forged one like it."""
    client, wire = lab.client, lab.wire
    wire.copies[way].extend([0, 1])
    client.ping()
    nothing = client.pong(1)
    frame = wire.last(way)
    client.ping()
    first = client.pong(3)
    end = wire.HEAD + 40 + int.from_bytes(frame[wire.HEAD + 4 : wire.HEAD + 6], "big")
    wire.put(way, frame[: end - 1] + bytes([frame[end - 1] ^ 1]))
    forged = client.pong(1)
    wire.put(way, frame)
    second = client.pong(3)
    lab.result(f"late-{way}", [nothing, first, forged, second], [None, client.number, None, client.number - 1])


def strangers(lab: Lab, udp: bool) -> None:
    """To the node: the client's words in clear; where ESP is in UDP, a NAT keepalive (RFC 3948) too."""
    wire, client = lab.wire, lab.client
    link = wire.last(TO_NODE)[: wire.HEAD]
    clear = link + echo(Address(CLIENT), Address(INSIDE), 1, b"in clear")
    change = lab.change(lambda: wire.put(TO_NODE, clear))
    lab.result("in-clear", change, {"gateway": {}, "node": {"unprotected": 1}})
    if udp:
        alive = link + datagram(Address(HOST), Address(NODE), (NAT_T_PORT, NAT_T_PORT), b"\xff")
        change = lab.change(lambda: wire.put(TO_NODE, alive))
        lab.result("keepalive", change, {"gateway": {}, "node": {"no-policy": 1}})
    lab.result("ping-after", client.pings(1), 1)


def stack(lab: Lab) -> None:
    """Of the IPv6 thread."""
    lab.node.text = ""
    lab.node.type("stack")
    match = lab.node.expect(r"stack: (\d+) of (\d+) free")
    free, size = (int(match[1]), int(match[2])) if match else (0, 0)
    print(f"{lab.report.test}/{lab.name}: IPv6 thread used {size - free} of {size} octets of stack", flush=True)
    lab.report.check(f"{lab.name}/stack", free > 0, "all of it was used")


def restart(lab: Lab, start: Callable[[], Node], command: str) -> None:
    """Either end loses its power: numbers go on behind those that were used."""
    lab.gateway.kill()
    lab.gateway.start()
    lab.result("gateway-restarted", lab.client.pings(3), 3)
    lab.node.close()
    lab.node = start()
    lab.result("node-ready-again", lab.node.says(command, "gateway: 0"), True)
    lab.result("node-restarted", lab.client.pings(3), 3)


def write_capture(path: Path, packets: list[bytes]) -> None:
    octets = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_IPV6)
    for number, packet in enumerate(packets):
        octets += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
    path.write_bytes(octets)


def dissect(lab: Lab, plugins: Path) -> list[list[str]]:
    """ICV good, ICMPv6 type, UDP port: of each packet, by tshark. It loads no plugins for root."""
    shutil.copytree(plugins, lab.work / "plugins")
    os.chmod(lab.gateway.path, 0o644)
    environment = os.environ | {
        "HOME": str(lab.work), "LC_ALL": "C.UTF-8", "WIRESHARK_PLUGIN_DIR": str(lab.work / "plugins"),
    }  # fmt: skip
    fields = ["sprat.esp.icv_good", "icmpv6.type", "udp.dstport"]
    command = [*AS_NOBODY, "tshark", "-r", str(lab.work / "wire.pcap"), "-o", f"sprat.config:{lab.gateway.path}"]
    command += ["-T", "fields", *(word for field in fields for word in ("-e", field))]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def decode(lab: Lab, plugins: Path) -> None:
    missing = None if shutil.which("tshark") else "no tshark"
    missing = missing or (None if plugins.is_dir() else "no plugin for Wireshark (make build)")
    missing = missing or (None if silence(*AS_NOBODY, "true") else "tshark cannot be run as another user")
    if missing:
        lab.report.skip(f"{lab.name}/wireshark", missing)
        return
    packets = lab.wire.packets()
    write_capture(lab.work / "wire.pcap", packets)
    rows = dissect(lab, plugins)
    opened = [row for row in rows if row[0] in ("1", "True")]
    lab.result("wireshark-opens-all", len(opened), len(packets))
    inside = [sum(str(kind) in row[1].split(",") for row in opened) for kind in (ECHO_REQUEST, ECHO_REPLY)]
    coap = sum(str(COAP_PORT) in row[2].split(",") for row in opened)
    lab.report.check(f"{lab.name}/wireshark-shows-inside", min(*inside, coap) >= 5, f"{inside}, {coap}: {rows[:3]}")


def readable_directory(work: Path, name: str) -> Path:
    """One that nobody can read in, above it too."""
    place = work / name
    place.mkdir(parents=True)
    for path in place, work, work.parent:
        path.chmod(0o755)
    return place


@dataclass
class Bench:
    """What all forms of the tunnel have in common."""

    report: Report
    client: Client
    elf: str
    program: str
    plugins: Path
    work: Path
    board: str


def one(bench: Bench, form: str, udp: bool) -> None:
    """A tunnel of one form, raw or in UDP."""
    name, board = form + ("-in-udp" if udp else ""), bench.board
    command = f"gateway {form}{' udp' if udp else ''}"
    work = readable_directory(bench.work, name)
    lab = Lab(bench.report, name, work, bench.program, configuration(form, udp))
    lab.client = bench.client

    def start() -> Node:
        return Node("node", [bench.elf, "--mtd", str(work / "flash"), "tap0"], work)

    try:
        lab.attach(Board(QEMU[board](bench.elf)) if board else start)
        lab.gateway.start()
        if not lab.result("node-ready", lab.node.says(command, "gateway: 0"), True):
            return
        traffic(lab)
        secrecy(lab, udp)
        for direction in TO_NODE, FROM_NODE:
            losses(lab, direction)
        strangers(lab, udp)
        if board:
            stack(lab)
        else:
            restart(lab, start, command)
        numbers(lab, form, udp)
        second_opinion(lab, form, udp)
        decode(lab, bench.plugins)
    finally:
        lab.close()


def main(name: str, elf: str, program: str, plugins: str, work: str, board: str = "") -> int:
    report, directory = Report(name), Path(work)
    shutil.rmtree(directory, ignore_errors=True)
    run("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    bench = Bench(report, Client(), elf, program, Path(plugins), directory, board)
    for form, udp in ON_BOARD if board else NATIVE:
        one(bench, form, udp)
    return report.total()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
