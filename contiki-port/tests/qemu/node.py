# SPDX-License-Identifier: BSD-3-Clause
"""node.py BOARD IMAGE GATEWAY: the bare-metal node in an emulated board, and the Linux
gateway as its peer. To be run in a network namespace of its own.

    client --- gateway ====== ESP, tunnel ====== serial line --- node
    fd00:98::1 fd00:a::1                                 fd00:a::2, inside fd00:99::1 to ::3

Ends with `N passed, N failed, N skipped`.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, f"{ROOT}/tests/gateway")

from board import DEVICE, MTU as LINE_MTU, PATIENCE, Board, Bridge, encode, junk  # noqa: E402
from netlab import Gateway  # noqa: E402

CLIENT, NODE, GATEWAY = "fd00:98::1", "fd00:a::2", "fd00:a::1"
EXPLICIT, IMPLICIT, DIET = "fd00:99::1", "fd00:99::2", "fd00:99::3"
MODES = {"explicit-iv": EXPLICIT, "implicit-iv": IMPLICIT, "diet-esp": DIET}
# SA of the gateway that carries UDP echo.
SAS = {"explicit-iv": "explicit-iv", "implicit-iv": "implicit-iv", "diet-esp": "diet-echo"}
ECHO, COUNTERS, CLIENT_PORT = 7, 7777, 40007
ETH_P_ALL, ETH_P_IPV6, ESP, UDP, ICMPV6 = 3, 0x86DD, 50, 17, 58
MTU, WINDOW, AHEAD = 1280, 64, 16
# What the node counts by number: SPRAT_DROP_*.
NO_SA, TOO_OLD, REPLAY, INTEGRITY, NO_POLICY, UNPROTECTED, NOT_IP = 1, 5, 6, 7, 18, 20, 22
LARGEST = MTU - 48

passed = failed = 0


def report(name, good, detail=""):
    global passed, failed
    passed += bool(good)
    failed += not good
    print(f"ok {name}" if good else f"FAIL {name}: {detail}", flush=True)


def equal(name, got, wanted):
    report(name, got == wanted, f"{got}, not {wanted}")


def packed(address):
    return socket.inet_pton(socket.AF_INET6, address)


def checksum(source, target, protocol, segment):
    data = packed(source) + packed(target) + struct.pack(">II", len(segment), protocol) + segment
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ipv6(source, target, protocol, payload):
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + packed(source) + packed(target) + payload


def udp(target, port, data, wrong=0, source=CLIENT, length=None):
    """A packet with a datagram; `wrong` is added to its checksum."""
    head = struct.pack(">HHH", CLIENT_PORT, port, 8 + len(data) if length is None else length)
    value = checksum(source, target, UDP, head + b"\0\0" + data) or 0xFFFF
    return ipv6(source, target, UDP, head + struct.pack(">H", (value + wrong) & 0xFFFF) + data)


def unchecked(target):
    """A datagram without checksum, which IPv6 does not allow, that sums up all the same."""
    short = udp(target, ECHO, b"\0\0")
    packet = udp(target, ECHO, short[46:48])
    assert packet[46:48] == b"\xff\xff"
    return packet[:46] + b"\0\0" + packet[48:]


def ping(target, data, wrong=0, kind=128, source=CLIENT):
    head = struct.pack(">BB", kind, 0)
    rest = struct.pack(">HH", 0x5350, 1) + data
    value = (checksum(source, target, ICMPV6, head + b"\0\0" + rest) + wrong) & 0xFFFF
    return ipv6(source, target, ICMPV6, head + struct.pack(">H", value) + rest)


def data_of(size, mark=0):
    """Octets that SLIP has to escape are among them."""
    return bytes((mark * 31 + 0xB8 + n) & 0xFF for n in range(size))


class Counters:
    """What the node has counted, but for the packets that asked for it."""

    def __init__(self, data):
        self.passed, self.ignored, self.spoilt, *self.dropped = struct.unpack(">IHH64H", data)

    def since(self, before):
        drops = {reason: now - then
                 for reason, (now, then) in enumerate(zip(self.dropped, before.dropped)) if now != then}
        # The answer to the question before, and this question.
        return {"passed": self.passed - before.passed - 2, "ignored": self.ignored - before.ignored,
                "spoilt": self.spoilt - before.spoilt, **drops}


def counts(passed=0, ignored=0, spoilt=0, **_):
    return {"passed": passed, "ignored": ignored, "spoilt": spoilt}


class Client:
    """Sockets at the address behind the gateway."""

    def __init__(self):
        self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.udp.bind((CLIENT, CLIENT_PORT))
        self.asking = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.asking.bind((CLIENT, 0))
        self.icmp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ICMPV6)
        self.icmp.bind((CLIENT, 0))
        # Only echo replies.
        self.icmp.setsockopt(ICMPV6, 1, bytes([255] * 16 + [253] + [255] * 15))
        self.raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        for sock in (self.udp, self.asking, self.icmp):
            sock.settimeout(PATIENCE)

    def send(self, packet):
        self.raw.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))

    def counters(self, target=EXPLICIT):
        """Everything sent before has then been dealt with at both ends."""
        self.asking.sendto(b"?", (target, COUNTERS))
        return Counters(self.asking.recv(2048))

    def echo(self, target, data):
        self.udp.sendto(data, (target, ECHO))
        got, sender = self.udp.recvfrom(2048)
        return got == data and sender[:2] == (target, ECHO)

    def ping(self, target, number, data):
        head = struct.pack(">HH", 0x5350, number)
        self.icmp.sendto(b"\x80\0\0\0" + head + data, (target, 0))
        got, sender = self.icmp.recvfrom(2048)
        return got[:2] == b"\x81\0" and got[4:] == head + data and sender[0] == target

    def waiting(self):
        """Datagrams that have come meanwhile."""
        self.udp.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.udp.recv(2048))
        except BlockingIOError:
            return found
        finally:
            self.udp.settimeout(PATIENCE)


class Wire:
    """Everything that crosses the TUN device of the line, either way."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.bind((DEVICE, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.socket.setblocking(False)

    def take(self):
        packets = []
        try:
            while True:
                packets.append(self.socket.recv(65536))
        except BlockingIOError:
            return packets


class Lab:
    """What a Gateway asks for: a directory, and programs in this namespace."""

    def __init__(self, place):
        self.work = place

    @staticmethod
    def popen(_, *command, **options):
        return subprocess.Popen(command, **options)


class Test:
    """Node, line, gateway and client, in that order."""

    def __init__(self, board, image, program, place):
        self.board = Board(board, image, place)
        self.bridge = Bridge(self.board.process)
        self.wire = Wire()
        with open(f"{ROOT}/contiki-port/qemu/gateway.toml", encoding="ascii") as file:
            self.gateway = Gateway(Lab(place), "gw", file.read(), program)
        self.client = Client()

    def close(self):
        self.gateway.stop()
        self.bridge.close()
        self.board.close()

    def arrivals(self, before=None):
        """By outcome, what the gateway has received since an earlier report."""
        now = self.gateway.report().section("from the outer side")[1]
        if before is None:
            return now
        return {what: n - before.get(what, 0) for what, n in now.items() if n != before.get(what, 0)}


def traffic(test):
    """Sizes from nothing to the largest packet, each way of protection."""
    for mode, target in MODES.items():
        sizes = (0, 1, 10, 63, 64, 500, LARGEST)
        before = test.client.counters()
        report(f"{mode}/udp", all([test.client.echo(target, data_of(size)) for size in sizes]), "another answer")
        report(f"{mode}/ping", all([test.client.ping(target, n, data_of(size)) for n, size in enumerate(sizes)]),
               "another answer")
        # For Diet-ESP by the SA for all that is not echo.
        equal(f"{mode}/node-counts", test.client.counters(target).since(before), counts(4 * len(sizes)))


def one_answer_each(test):
    ways = only_esp(test)
    report("as-many-each-way", ways[0] == ways[1] > 40, ways)


def sizes_on_the_wire(test):
    """10 octets of data by RFC 4303 and the draft. Explicit IV: SPI and number 8, IV 8,
    IPv6 and UDP 48, data 10, padding and trailer 2, ICV 8. Diet-ESP: SPI 1, number 1,
    the client's port 2, data 10, ICV 8."""
    for mode, wanted in (("explicit-iv", 84), ("implicit-iv", 76), ("diet-esp", 22)):
        test.bridge.to_node.packets.clear()
        test.bridge.from_node.packets.clear()
        test.client.echo(MODES[mode], data_of(10))
        got = [len(way.packets[0]) - 40 for way in (test.bridge.to_node, test.bridge.from_node)]
        equal(f"{mode}/octets-of-10", got, [wanted, wanted])


def only_esp(test):
    packets = test.wire.take()
    ends = {packed(GATEWAY), packed(NODE)}
    strange = [p.hex() for p in packets if p[0] >> 4 != 6 or p[6] != ESP or {p[8:24], p[24:40]} != ends]
    ways = [sum(p[8:24] == packed(end) for p in packets) for end in (GATEWAY, NODE)]
    report("only-esp-on-the-wire", not strange, strange[:1])
    return ways


def losses(test):
    """Lost, doubled, damaged and late packets, each way, counted at each end."""
    plan = ["pass", "lose", "double", 2, "damage", "pass", "misaddress", "double", 3, "lose", "double",
            "pass", "damage", WINDOW + 5] + ["pass"] * (WINDOW + 6)
    for mode, target in MODES.items():
        # Of a number with 8 bits on the wire one from before the window is taken for a
        # later one, and its ICV says no.
        old = INTEGRITY if mode == "diet-esp" else TOO_OLD
        drops = {NO_SA: 1, REPLAY: 3, INTEGRITY: 2}
        drops[old] = drops.get(old, 0) + 1
        arrived = len(plan) - plan.count("lose") - sum(drops.values()) + drops[REPLAY]
        for way, name in ((test.bridge.to_node, "to-node"), (test.bridge.from_node, "from-node")):
            before, arrivals = test.client.counters(), test.arrivals()
            way.plan = list(plan)
            sent = [struct.pack(">H", n) + data_of(40, n) for n in range(len(plan))]
            for data in sent:
                test.client.udp.sendto(data, (target, ECHO))
            node = test.client.counters().since(before)
            echoes = test.client.waiting()
            report(f"{mode}/{name}/echoes", len(echoes) == arrived == len(set(echoes)) and set(echoes) <= set(sent),
                   (len(echoes), arrived))
            all_pass = counts(2 * len(plan))
            equal(f"{mode}/{name}/node-counts", node,
                  {**counts(2 * arrived), **drops} if way is test.bridge.to_node else all_pass)
            delivered = {"delivered to the TUN device": arrived + 1}
            refused = {"dropped: no-sa": 1, "dropped: replay": 3, "dropped: integrity": drops[INTEGRITY]}
            if old == TOO_OLD:
                refused["dropped: too-old"] = 1
            equal(f"{mode}/{name}/gateway-counts", test.arrivals(arrivals),
                  delivered if way is test.bridge.to_node else {**delivered, **refused})


def clear_packets(test):
    """Only ESP gets in, whatever is outside."""
    before, seen = test.client.counters(), len(test.bridge.from_node.packets)
    wrong = [udp(EXPLICIT, ECHO, b"clear"), udp(DIET, ECHO, b"clear"), ping(IMPLICIT, b"clear")]
    strangers = [ping(NODE, b"clear", source=GATEWAY), ping("ff02::1", b"clear", source=GATEWAY),
                 udp(EXPLICIT, ECHO, b"clear", source="fd00:97::1")]
    for packet in wrong + strangers:
        test.bridge.write(encode(packet))
    equal("clear/node-counts", test.client.counters().since(before),
          {**counts(), UNPROTECTED: len(wrong), NO_POLICY: len(strangers)})
    # The answer to the counters' question alone.
    equal("clear/no-answer", len(test.bridge.from_node.packets) - seen - 1, 0)


def no_answer(test):
    """Authentic, but nothing that this node answers."""
    before, seen = test.client.counters(), len(test.bridge.from_node.packets)
    wrong = [udp(EXPLICIT, ECHO, b"checksum", wrong=1), ping(EXPLICIT, b"checksum", wrong=1),
             unchecked(EXPLICIT), udp(EXPLICIT, ECHO, b"too long", length=18),
             udp(EXPLICIT, ECHO, b"too short", length=9), udp(EXPLICIT, 9, b"port"),
             ping(EXPLICIT, b"reply", kind=129), ipv6(CLIENT, EXPLICIT, 59, b""),
             ipv6(CLIENT, EXPLICIT, UDP, b"short")]
    for packet in wrong:
        test.client.send(packet)
    equal("no-answer/node-counts", test.client.counters().since(before), counts(len(wrong), len(wrong)))
    equal("no-answer/silent", len(test.bridge.from_node.packets) - seen - 1, 0)


def junk_frames(test):
    """Each frame is counted once and does no harm."""
    before = test.client.counters()
    octets, frames = junk(4)
    test.bridge.write(octets)
    got = test.client.counters().since(before)
    report("junk/each-counted-once", sum(got.values()) == frames and got["passed"] == 0, (got, frames))
    before = test.client.counters()
    for size in (LINE_MTU, LINE_MTU + 1, 20000):
        test.bridge.write(encode(b"\x01" * size))
    equal("junk/too-long", test.client.counters().since(before), {**counts(spoilt=2), NOT_IP: 1})
    report("junk/alive", test.client.echo(DIET, data_of(LARGEST)), "another answer")


def restart(test):
    """After a reset no number is used again, and none is taken again."""
    number = lambda sa: test.gateway.report().sa(sa)["sn"]  # noqa: E731
    test.bridge.to_node.packets.clear()
    last = {}
    for mode, target in MODES.items():
        for n in range(AHEAD + 1 if mode == "explicit-iv" else 5):
            test.client.echo(target, data_of(20, n))
        last[mode] = number(f"{SAS[mode]}-in")
    recorded, seen = list(test.bridge.to_node.packets), len(test.bridge.from_node.packets)
    test.board.reset()
    for packet in recorded:
        test.bridge.write(encode(packet))
    answered = 0
    for mode, target in MODES.items():
        # The node has reserved numbers of ours too; the last of these are beyond them.
        sent = [data_of(30, n) for n in range(AHEAD + 2)]
        for data in sent:
            test.client.udp.sendto(data, (target, ECHO))
        echoes = [test.client.udp.recv(2048)]
        while echoes[-1] != sent[-1]:
            echoes.append(test.client.udp.recv(2048))
        answered += len(echoes)
        report(f"{mode}/restart/goes-on", echoes == sent[-len(echoes):], len(echoes))
        first = number(f"{SAS[mode]}-in") - len(echoes) + 1
        report(f"{mode}/restart/numbers", last[mode] < first <= last[mode] + AHEAD + 1, (last[mode], first))
    refused = sum(test.client.counters().dropped)
    equal("restart/refused", refused, len(recorded) + len(MODES) * len(sent) - answered)
    equal("restart/answers", len(test.bridge.from_node.packets) - seen - 1, answered)


def main():
    board, image, program = sys.argv[1:]
    place = tempfile.mkdtemp(prefix="sprat-node-")
    test = None
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        test = Test(board, image, program, place)
        for part in (traffic, one_answer_each, sizes_on_the_wire, losses, clear_packets, no_answer,
                     junk_frames, restart, only_esp):
            part(test)
        report("gateway-adds-up", test.gateway.report().adds_up(), test.gateway.report().text)
        equal("bridge", test.bridge.failure, None)
    except Exception:  # a driver that breaks must not look like one that is done
        traceback.print_exc(file=sys.stdout)
        report("ended", False, "see above")
        if test:
            print(test.board.text(), test.bridge.failure, test.gateway.log())
    finally:
        if test:
            test.close()
        shutil.rmtree(place)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
