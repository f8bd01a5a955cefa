#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Diet-ESP between two gateways in namespaces: diet_esp.py GATEWAY GATEWAY_WITH_ASAN

The router between them is a relay that loses, repeats and reorders packets.
Ends with `N passed, N failed, N skipped`. SPRAT_SECONDS makes the runs longer.
"""

import hashlib
import os
import random
import re
import select
import socket
import struct
import subprocess
import threading
import time

from netlab import OUTER, Gateway, Sniffer, Tunnel, Unavailable, config, wait_until
from run import Pair, equal, inner, largest_ping, main, ping

TESTS = []
SECONDS = int(os.environ.get("SPRAT_SECONDS", "2"))
ESP, UDP, ICMP = 50, 17, 1
# Tunnel ends of an SA that shows no bit of its SPI: no other may have them.
APART = ("2001:db8:a::9", "2001:db8:b::9")


def test(function):
    TESTS.append(function)
    return function


class Diet(Tunnel):
    """A pair of SAs for one IP version inside, by default everything that the
    socket can tell taken from the outer header."""

    def __init__(self, number, version=6, family=6, udp=False, protocol=None, fallback=None,
                 spi=8, sn=8, transform="AES_CCM_8_IIV", extra="", **attributes):
        super().__init__(number, transform, family, udp, extra=extra)
        self.version, self.protocol, self.fallback = version, protocol, fallback
        self.inner = [self.inner[0 if version == 4 else 1]]
        # A UDP socket over IPv4 does not tell the Identification.
        label = "not_compressed" if udp and family == 4 else "lower"
        self.attributes = {"dscp_cda": "lower", "ecn_cda": "lower", "flow_label_cda": label,
                           "outer_id": family == 4 and label == "lower", "alignment": 8,
                           "esp_spi_lsb": spi, "esp_sn_lsb": sn, **attributes}
        self.name = f"{'udp' if udp else 'raw'} v{family}, inner IPv{version}"

    def ends(self):
        return tuple(address.split("/")[0] for address in self.inner[0])

    def sa(self, to_b, sends):
        source, destination = self.ends() if to_b else self.ends()[::-1]
        lines = [super().sa(to_b, sends), "[[sa.selector]]",
                 f'source = "{source}"', f'destination = "{destination}"']
        if self.protocol:
            lines.append(f'protocol = "{self.protocol}"')
        lines.append("[sa.ehc]")
        for key, value in self.attributes.items():
            lines.append(f"{key} = {str(value).lower() if not isinstance(value, str) else repr(value)}")
        if self.fallback and sends:
            lines.append(f'fallback = "{"ab" if to_b else "ba"}-{self.fallback}"')
        return "\n".join(lines)


def carrier(number, *arguments, **options):
    """A plain tunnel that nothing but a fallback names."""
    tunnel = Tunnel(number, *arguments, **options)
    tunnel.inner = []
    return tunnel


class Relay:
    """Stands in for the router: what goes through is lost, repeated and delayed
    by chance, and all of it is counted. Its order is off by `depth` at most."""

    def __init__(self, lab, loss=0.0, copies=0.0, late=0.0, depth=20, seed=1):
        self.lab, self.chance = lab, random.Random(seed)
        self.loss, self.copies, self.late, self.depth = loss, copies, late, depth
        self.counts = {to: {"taken": 0, "lost": 0, "copied": 0, "late": 0} for to in "ab"}
        self.lose = {"a": 0, "b": 0}  # how many of the next ones are lost for sure
        self.seen = {"a": [], "b": []}
        self.held = {"a": [], "b": []}
        self.stop, self.changing = False, threading.Lock()

    def __enter__(self):
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.lab.sysctl("router", key, "0")
        self.sniffers = {"b": Sniffer(self.lab, "router", "toa"), "a": Sniffer(self.lab, "router", "tob")}
        with self.lab.inside("router"):
            self.raw = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                        6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join(10)
        for sniffer in self.sniffers.values():
            sniffer.close()
        for sock in self.raw.values():
            sock.close()
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.lab.sysctl("router", key, "1")

    def run(self):
        while not self.stop:
            idle = True
            for to in "ab":
                for packet in self.sniffers[to].take():
                    if wanted(packet, to):
                        idle = False
                        self.one(to, packet)
                self.release(to, everything=idle)
            if idle:
                select.select([s.socket for s in self.sniffers.values()], [], [], 0.01)
        for to in "ab":
            self.release(to, everything=True)

    def one(self, to, packet):
        counts = self.counts[to]
        counts["taken"] += 1
        self.seen[to].append(packet)
        if self.lose[to] > 0 or self.chance.random() < self.loss:
            self.lose[to] = max(0, self.lose[to] - 1)
            counts["lost"] += 1
            return
        if self.chance.random() < self.late:
            counts["late"] += 1
            self.held[to].append((counts["taken"] + self.chance.randrange(1, self.depth), packet))
        else:
            self.send(packet)
        if self.chance.random() < self.copies:
            counts["copied"] += 1
            self.send(packet) if not self.held[to] else self.held[to].append((counts["taken"], packet))
        self.release(to)

    def release(self, to, everything=False):
        due = [p for when, p in self.held[to] if everything or when <= self.counts[to]["taken"]]
        self.held[to] = [] if everything else [h for h in self.held[to] if h[0] > self.counts[to]["taken"]]
        for packet in due:
            self.send(packet)

    def send(self, packet):
        self.raw[packet[0] >> 4].sendto(packet, (destination_of(packet), 0))

    def sum(self, to):
        counts = self.counts[to]
        return counts["taken"] - counts["lost"] + counts["copied"]


def destination_of(packet):
    if packet[0] >> 4 == 4:
        return socket.inet_ntop(socket.AF_INET, packet[16:20])
    return socket.inet_ntop(socket.AF_INET6, packet[24:40])


def wanted(packet, to):
    """ESP, raw or in UDP, on its way to this side; a NAT keepalive is none."""
    protocol, rest = (packet[9], packet[20:]) if packet[0] >> 4 == 4 else (packet[6], packet[40:])
    in_udp = protocol == UDP and rest[2:4] == struct.pack(">H", 4500) and rest[8:] != b"\xff"
    ends = [pair[0 if to == "a" else 1] for pair in (*OUTER.values(), APART)]
    return (protocol == ESP or in_udp) and destination_of(packet) in ends


def esp_part(packet):
    """The octets of ESP in an outer packet."""
    rest = packet[20:] if packet[0] >> 4 == 4 else packet[40:]
    return rest[8:] if packet[9 if packet[0] >> 4 == 4 else 6] == UDP else rest


def checksum(data, start=0):
    total = start + sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def udp_packet(source, target, payload, ports=(5001, 5002), hops=64, tclass=0, label=0):
    """A whole packet, with the label's 16 low bits as Identification in IPv4."""
    body = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    if "." in source:
        ends = socket.inet_aton(source) + socket.inet_aton(target)
        header = struct.pack(">BBHHHBBH", 0x45, tclass, 20 + len(body), label & 0xFFFF, 0x4000, hops, UDP, 0) + ends
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    else:
        ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
        header = struct.pack(">IHBB", 6 << 28 | tclass << 20 | label, len(body), UDP, hops) + ends
    total = checksum(ends + struct.pack(">HH", UDP, len(body)) + body) or 0xFFFF
    return header + body[:6] + struct.pack(">H", total) + body[8:]


def inside(lab, name, version):
    """A socket that sends whole packets as they are."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with lab.inside(name):
        return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)


def between(tunnels):
    """Every kind of outer header around every kind of inner packet."""
    number = 0
    for family in (4, 6):
        for udp in (False, True):
            for version in (4, 6):
                number += 1
                tunnels.append(Diet(number, version, family, udp))
    return tunnels


def counts_add_up(pair, relay, tunnels):
    """Sealed = delivered + lost on the way, each repeated packet is a replay, and
    nothing else is refused on arrival. TCP may still say goodbye while the counters
    are read one by one, so they have some seconds to agree."""
    deadline = time.monotonic() + 10
    while True:
        try:
            both_ways_add_up(pair, relay, tunnels)
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def both_ways_add_up(pair, relay, tunnels):
    for to, sender, receiver in (("b", pair.a, pair.b), ("a", pair.b, pair.a)):
        sent, got = sender.report(), receiver.report()
        counts, (total, outcome) = relay.counts[to], got.section("from the outer side")
        equal(f"to {to}: sealed, and seen by the relay",
              sent.section("from the TUN device")[1].get("sealed and sent", 0), counts["taken"])
        equal(f"to {to}: left the relay, and read", total, relay.sum(to))
        outcome.pop("of these in UDP", None)
        wished = {"delivered to the TUN device": counts["taken"] - counts["lost"],
                  "dropped: replay": counts["copied"]}
        equal(f"to {to}: by outcome", outcome, {what: n for what, n in wished.items() if n})
        assert sent.adds_up() and got.adds_up(), sent.text + got.text
        name = "ab" if to == "b" else "ba"
        packets = [sum(r.sa(f"{name}-{t.number}")["packets"] for t in tunnels) for r in (sent, got)]
        equal(f"to {to}: packets of the SAs", packets, [counts["taken"], counts["taken"] - counts["lost"]])


# ---------------------------------------------------------------- the tests

@test
def every_inner_header_comes_back_bit_for_bit(lab, programs):
    """Hop limit, traffic class, flow label and Identification by chance; the outer
    header carries them as they are, and the kernel changes none."""
    tunnels, chance = between([]), random.Random(7)
    with Pair(lab, programs.plain, tunnels) as pair, Relay(lab) as relay:
        entering, leaving = Sniffer(lab, "gwa", "tun0"), Sniffer(lab, "gwb", "tun0")
        sent = []
        for tunnel in tunnels:
            source, target = tunnel.ends()
            with inside(lab, "gwa", tunnel.version) as raw:
                for _ in range(40):
                    # Over IPv4 the label has 16 bits; 0 is a value like any other.
                    label = chance.choice([0, 1, chance.randrange(1 << 16 if tunnel.family == 4 else 1 << 20)])
                    tclass = chance.randrange(256)
                    packet = udp_packet(source, target, chance.randbytes(chance.randrange(200)),
                                        (chance.randrange(65536), chance.randrange(1, 65536)),
                                        chance.randrange(1, 256), tclass, label)
                    raw.sendto(packet, (target, 0))
                    sent.append((tunnel, packet))
        taken = lambda: relay.counts["b"]["taken"] >= len(sent)
        assert wait_until(taken, 5), pair.a.report().text
        arrived = []
        wait_until(lambda: arrived.extend(ours(leaving.take())) or len(arrived) >= len(sent), 5)
        entered = ours(entering.take())
        equal("packets that entered", sorted(entered), sorted(p for _, p in sent))
        missing = [f"{t.name}: {p.hex()}" for t, p in sent if p not in arrived]
        assert not missing, f"{len(missing)} of {len(sent)} did not come back, first {missing[0]}"
        for (tunnel, packet), outer in zip(sent, relay.seen["b"]):
            equal(f"{tunnel.name}: outer fields", outer_fields(outer, tunnel), inner_fields(packet, tunnel))
        entering.close()
        leaving.close()
        counts_add_up(pair, relay, tunnels)
        equal("exit status", (pair.a.stop(), pair.b.stop()), (0, 0))


def ours(packets):
    """UDP between addresses of the tunnels."""
    return [p for p in packets if (p[9] if p[0] >> 4 == 4 else p[6]) == UDP]


def fields(packet):
    """(hop limit, traffic class, flow label or Identification)."""
    if packet[0] >> 4 == 4:
        return packet[8], packet[1], struct.unpack(">H", packet[4:6])[0]
    word = struct.unpack(">I", packet[:4])[0]
    return packet[7], word >> 20 & 0xFF, word & 0xFFFFF


def outer_fields(packet, tunnel):
    hops, tclass, label = fields(packet)
    return hops, tclass, label if tunnel.attributes["flow_label_cda"] == "lower" else None


def inner_fields(packet, tunnel):
    return outer_fields(packet, tunnel)


@test
def udp_tcp_and_ping_pass_over_a_bad_link(lab, programs):
    """Loss, copies and reordering within what 8 bits of the number stand for."""
    tunnels = between([])
    with Pair(lab, programs.plain, tunnels, b={"audit_rate": 0}) as pair, \
            Relay(lab, loss=0.02, copies=0.02, late=0.1) as relay:
        for tunnel in tunnels:
            source, target = tunnel.ends()
            ping(lab, "gwa", source, target, "-W", "0.3", count=10)
        echoes = flood(lab, tunnels, SECONDS)
        for tunnel in tunnels[2:4]:
            sums = transfer(lab, *tunnel.ends(), 1 << 19)
            equal(f"digest over {tunnel.name}", sums[1], sums[0])
        counts_add_up(pair, relay, tunnels)
        told = {to: dict(relay.counts[to]) for to in "ab"}
        assert all(told["b"].values()) and told["a"]["lost"] + told["a"]["copied"] > 0, told
        # No datagram is wrong, and none is missing that the relay has not lost.
        sent, got = echoes
        assert got <= sent and len(sent) - len(got) <= relay.counts["b"]["lost"], f"{len(got)} of {len(sent)}"
        print(f"    {len(sent)} datagrams; to b {told['b']}")
        equal("exit status", (pair.a.stop(), pair.b.stop()), (0, 0))


def flood(lab, tunnels, seconds):
    """(datagrams sent, datagrams received) over all tunnels at once, as sets."""
    chance, sent, got = random.Random(11), set(), set()
    pairs = []
    for tunnel in tunnels:
        source, target = tunnel.ends()
        family = socket.AF_INET if tunnel.version == 4 else socket.AF_INET6
        with lab.inside("gwa"):
            sender = socket.socket(family, socket.SOCK_DGRAM)
        with lab.inside("gwb"):
            receiver = socket.socket(family, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        receiver.bind((target, 5002))
        receiver.setblocking(False)
        sender.bind((source, 5001))
        sender.connect((target, 5002))
        pairs.append((sender, receiver))
    ends, number = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        for sender, _ in pairs:
            number += 1
            payload = struct.pack(">I", number) + chance.randbytes(chance.randrange(300))
            sender.send(payload)
            sent.add(payload)
        drain(pairs, got)
        time.sleep(0.003)
    wait_until(lambda: drain(pairs, got) and False, 1)
    for sender, receiver in pairs:
        sender.close()
        receiver.close()
    return sent, got


def drain(pairs, got):
    for _, receiver in pairs:
        while True:
            try:
                got.add(receiver.recv(2048))
            except BlockingIOError:
                break
    return True


def transfer(lab, source, target, size):
    """(digest sent, digest received) of a TCP connection from A to B."""
    family = socket.AF_INET if "." in target else socket.AF_INET6
    with lab.inside("gwb"):
        listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((target, 7777))
    listener.listen(1)
    with lab.inside("gwa"):
        client = socket.socket(family, socket.SOCK_STREAM)
    client.bind((source, 0))
    data, digest = random.Random(size).randbytes(size), hashlib.sha256()

    def serve():
        listener.settimeout(30)
        peer, _ = listener.accept()
        peer.settimeout(30)
        while octets := peer.recv(1 << 16):
            digest.update(octets)
        peer.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    client.settimeout(30)
    client.connect((target, 7777))
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    server.join(40)
    client.close()
    listener.close()
    return hashlib.sha256(data).hexdigest(), digest.hexdigest()


@test
def iperf3_runs_over_a_bad_link(lab, programs):
    if subprocess.run(["sh", "-c", "command -v iperf3"], capture_output=True).returncode != 0:
        raise Unavailable("iperf3 is not installed")
    tunnels = [Diet(1, 6, 6), Diet(2, 4, 6)]
    with Pair(lab, programs.plain, tunnels) as pair, Relay(lab, loss=0.005, copies=0.01, late=0.02) as relay:
        for tunnel in tunnels:
            source, target = tunnel.ends()
            server = lab.popen("gwb", "iperf3", "-s", "-1", "-B", target,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            listens = lambda: ":5201" in lab.exec("gwb", "ss", "-ltn").stdout
            assert wait_until(listens, 5)
            done = lab.exec("gwa", "iperf3", "-c", target, "-B", source, "-t", str(SECONDS), "-J", timeout=SECONDS + 60)
            equal(f"iperf3 over {tunnel.name}: {done.stdout[-300:]}", done.returncode, 0)
            server.wait(10)
            received = int(re.findall(r'"sum_received":\s*{.*?"bytes":\s*(\d+)', done.stdout, re.S)[-1])
            assert received > 100_000, done.stdout
            print(f"    {tunnel.name}: {received * 8 / SECONDS / 1e6:.1f} Mbit/s")
        counts_add_up(pair, relay, tunnels)
        assert all(relay.counts["b"][what] > 0 for what in ("lost", "copied", "late")), relay.counts


@test
def what_does_not_fit_goes_to_the_fallback_or_is_answered(lab, programs):
    """A ping through SAs for UDP only: one pair has a plain SA beside it, the
    others tell the sender."""
    tunnels = [Diet(1, 6, 6, protocol="udp", fallback=2), carrier(2, family=6),
               Diet(3, 6, 6, protocol="udp"), Diet(4, 4, 4, protocol="udp")]
    with Pair(lab, programs.plain, tunnels) as pair:
        # The answer comes through a fallback as well.
        assert ping(lab, "gwa", *tunnels[0].ends(), count=3)[0], pair.a.report().text
        for tunnel, wanted_text in ((tunnels[2], "prohibited"), (tunnels[3], "filtered")):
            done, text = ping(lab, "gwa", *tunnel.ends(), "-W", "0.5", count=2)
            assert not done and wanted_text in text, text
        report = pair.a.report()
        total, counts = report.section("from the TUN device")
        equal("given to the fallback SA", counts["of these by a fallback SA"], 3)
        equal("packets of the fallback SA", report.sa("ab-2")["packets"], 3)
        equal("dropped", counts["dropped: ehc-protocol"], 4)
        equal("answers", report.section("made here")[1]["prohibited answers"], 4)
        assert report.adds_up() and pair.b.report().adds_up(), report.text
        source, target = tunnels[3].ends()
        dropped = lambda why: pair.a.report().section("from the TUN device")[1].get("dropped: " + why, 0)
        with inside(lab, "gwa", 4) as raw:
            # A flood is not answered packet by packet: 100 at once, then 100 a second.
            started = time.monotonic()
            for number in range(400):
                raw.sendto(icmp_packet(source, target, 8, number), (target, 0))
            assert wait_until(lambda: dropped("ehc-protocol") == 404), pair.a.report().text
            told, seconds = answers(pair), time.monotonic() - started
            assert 100 <= told <= 4 + 100 + 100 * (seconds + 1), pair.a.report().text
            held = pair.a.report().section("made here")[1].get("prohibited answers held back", 0)
            equal("told, or held back", told + held, 404)
            # Nobody is told about errors and later fragments, though it would be time,
            # and a flood of them takes no answer from those who may be told.
            time.sleep(0.5)
            for number in range(150):
                raw.sendto(icmp_packet(source, target, 3, number), (target, 0))
                raw.sendto(later_fragment(source, target), (target, 0))
            gone = lambda: (dropped("ehc-protocol"), dropped("ehc-fragment"))
            assert wait_until(lambda: gone() == (554, 150)), pair.a.report().text
            equal("told in the end", answers(pair), told)
            raw.sendto(icmp_packet(source, target, 8, 0), (target, 0))
            assert wait_until(lambda: answers(pair) == told + 1), pair.a.report().text
            made_here = pair.a.report().section("made here")[1]
            equal("held back in the end", made_here.get("prohibited answers held back", 0), held)
        assert pair.a.report().adds_up(), pair.a.report().text


def answers(pair):
    return pair.a.report().section("made here")[1]["prohibited answers"]


def ipv4_packet(source, target, protocol, body, fragment=0x4000):
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, fragment, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(target)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + body


def icmp_packet(source, target, kind, number):
    body = struct.pack(">BBHHH", kind, 0, 0, 7, number) + bytes(20)
    return ipv4_packet(source, target, ICMP, body[:2] + struct.pack(">H", checksum(body)) + body[4:])


def later_fragment(source, target):
    return ipv4_packet(source, target, UDP, bytes(32), fragment=4)


@test
def the_best_case_is_as_short_as_the_text_says(lab, programs):
    """10 octets in UDP over IPv6: 20 octets of ESP, 18 without SPI and number, 76
    in plain ESP; the counter of saved octets says the same."""
    ports = {"source_ports": 5001, "destination_ports": 5683}
    tunnels = [Sensor(1, 8, 8), Sensor(2, 0, 0), Tunnel(3, "AES_CCM_8_IIV", 6)]
    for name, address in zip(("gwa", "gwb"), APART):
        lab.ip(name, "addr", "replace", f"{address}/64", "dev", "out0", "nodad")
    with Pair(lab, programs.plain, tunnels) as pair, Relay(lab) as relay:
        for tunnel in tunnels:
            source, target = tunnel.ends() if isinstance(tunnel, Diet) else inner(tunnel, 6)
            with inside(lab, "gwa", 6) as raw:
                raw.sendto(udp_packet(source, target, b"Hello diet", tuple(ports.values())), (target, 0))
        assert wait_until(lambda: relay.counts["b"]["taken"] == 3), pair.a.report().text
        equal("octets of ESP", [len(esp_part(p)) for p in relay.seen["b"]], [20, 18, 76])
        report = pair.a.report().text
        equal("octets saved", re.findall(r"octets saved by Diet-ESP +(-?\d+)", report), ["56", "0", "58", "0"])
        delivered = lambda: pair.b.report().section("from the outer side")[1].get("delivered to the TUN device")
        assert wait_until(lambda: delivered() == 3), pair.b.report().text


class Sensor(Diet):
    """Single addresses and ports: nothing of the headers is sent."""

    def __init__(self, number, spi, sn):
        super().__init__(number, 6, 6, spi=spi, sn=sn, protocol="udp")
        self.apart = spi == 0

    def sa(self, to_b, sends):
        text = super().sa(to_b, sends)
        if self.apart:
            for usual, other in zip(OUTER[6], APART):
                text = text.replace(f'"{usual}"', f'"{other}"')
            text = text.replace('mode = "tunnel"', f'mode = "tunnel"\ndestination = "{APART[1 if to_b else 0]}"')
        ports = ("source_ports = 5001", "destination_ports = 5683")
        if not to_b:
            ports = ("source_ports = 5683", "destination_ports = 5001")
        text = text.replace('protocol = "udp"', 'protocol = "udp"\n' + "\n".join(ports))
        return text


@test
def too_big_counts_what_is_left_out(lab, programs):
    """The MTU told is that of a packet whose headers do not travel."""
    tunnels = [Diet(1, 6, 6, extra="path_mtu = 1380"), Diet(2, 4, 4, extra="path_mtu = 1380")]
    # Without the outer header, SPI and number, ICV, and the residue: the protocol;
    # in IPv4 also IHL, flags and offset.
    room = [1380 - 40 - 2 - 8 - 1 + 40, 1380 - 20 - 2 - 8 - 4 + 20]
    with Pair(lab, programs.plain, tunnels, mtu=1500) as pair:
        for tunnel, wanted_mtu in zip(tunnels, room):
            equal(tunnel.name, largest_ping(lab, *tunnel.ends()), (wanted_mtu, False))
        assert pair.a.report().adds_up(), pair.a.report().text


@test
def fragments_go_to_the_fallback(lab, programs):
    tunnels = [Diet(1, 4, 4, fallback=2), carrier(2), Diet(3, 6, 4, fallback=4, udp=True), carrier(4, udp=True)]
    with Pair(lab, programs.plain, tunnels) as pair:
        for tunnel, name in ((tunnels[0], "ab-2"), (tunnels[2], "ab-4")):
            done, text = ping(lab, "gwa", *tunnel.ends(), "-s", "3000", count=5)
            assert done and " 0% packet loss" in text, text + pair.a.report().text
            for side in (pair.a, pair.b):
                assert side.report().adds_up(), side.report().text
            # IPv4 fragments cannot be compressed; those of IPv6 are opaque payload
            # for an SA that takes any protocol.
            equal(f"{tunnel.name}: by the fallback SA", pair.a.report().sa(name)["packets"],
                  15 if tunnel.version == 4 else 0)
        equal("refused", pair.a.report().section("from the TUN device")[1]["of these by a fallback SA"], 15)


class Alike(Diet):
    """SAs of which the receiver sees the same SPI bits."""

    def spi(self, to_b):
        return super().spi(to_b) << 8 | 0xD4


@test
def equal_spi_bits_are_told_apart_by_the_icv(lab, programs):
    tunnels = [Alike(1, 6, 6), Alike(2, 4, 6)]
    with Pair(lab, programs.plain, tunnels) as pair:
        # The second first: what the first SA has seen it would refuse unopened.
        for tunnel in reversed(tunnels):
            assert ping(lab, "gwa", *tunnel.ends(), count=5)[0], pair.b.report().text
        report = pair.b.report()
        equal("packets", [report.sa(f"ab-{t.number}")["packets"] for t in tunnels], [5, 5])
        tried = int(re.search(r"ICV trials for equal SPI bits +(\d+)", report.text)[1])
        assert 1 <= tried <= 10 and report.adds_up(), report.text


@test
def the_audit_record_knows_the_flow_label(lab, programs):
    """Of a packet whose header a socket has taken off."""
    with Pair(lab, programs.plain, [Diet(1, 6, 6)]) as pair:
        header = struct.pack(">IHBB", 6 << 28 | 0x54321, 40, ESP, 64)
        ends = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in OUTER[6])
        with inside(lab, "router", 6) as raw:
            raw.sendto(header + ends + b"\xee" * 40, (OUTER[6][1], 0))
        assert wait_until(lambda: "audit" in pair.b.log() and "no-sa" in pair.b.log()), pair.b.report().text
        assert re.search(r"no-sa .* flow=0x54321", pair.b.log()), pair.b.log()


@test
def a_configuration_that_the_sockets_cannot_serve_is_refused(lab, programs):
    bad = Diet(1, 6, 4, udp=True, flow_label_cda="lower", outer_id=True)
    gateway = Gateway(lab, "gwa", config([bad], True, lab.work), programs.plain, start=False)
    for option in ((), ("-t",)):
        refused = lab.exec("gwa", programs.plain, *option, "-c", gateway.path)
        assert refused.returncode == 1 and re.search("SA ba-1: flow_label_cda.*Identification", refused.stderr), refused
    for good in (Diet(1, 6, 4, udp=True), Diet(1, 6, 4), Diet(1, 6, 6, udp=True)):
        gateway = Gateway(lab, "gwa", config([good], True, lab.work), programs.plain, start=False)
        equal(good.name, lab.exec("gwa", programs.plain, "-t", "-c", gateway.path).returncode, 0)


@test
def a_burst_of_loss_is_caught_up_with(lab, programs):
    """More packets are lost in a row than 8 bits count: without resync the SA is
    deaf, with it the next packet opens."""
    tunnels = [Diet(1, 6, 6), Diet(2, 6, 6, resync=3)]
    with Pair(lab, programs.plain, tunnels) as pair, Relay(lab) as relay:
        for tunnel, heard in zip(tunnels, (False, True)):
            source, target = tunnel.ends()
            with inside(lab, "gwa", 6) as raw:
                relay.lose["b"] = 300
                for number in range(310):
                    raw.sendto(udp_packet(source, target, struct.pack(">I", number)), (target, 0))
                    time.sleep(0.0003)
            assert wait_until(lambda: relay.lose["b"] == 0 and not relay.held["b"], 5)
            total = lambda: pair.b.report().section("from the outer side")[0]
            assert wait_until(lambda: total() >= relay.sum("b"), 5)
            equal(f"delivered after the burst, resync = {3 if heard else 0}",
                  pair.b.report().sa(f"ab-{tunnel.number}")["packets"], 10 if heard else 0)
        report = pair.b.report()
        equal("refused", report.section("from the outer side")[1]["dropped: integrity"], 10)
        assert re.search(r"resyncs +1$", report.text, re.M), report.text
        assert re.search(r"further ICV trials +1$", report.text, re.M), report.text
        assert report.adds_up(), report.text


def passed(pair, number):
    """Packets sealed and opened in each direction, as either end counts them."""
    reports = pair.a.report(), pair.b.report()
    return [report.sa(f"{way}-{number}")["packets"] for way in ("ab", "ba") for report in reports]


@test
def a_restart_of_either_end_leaves_no_sa_deaf(lab, programs):
    """8 and 4 bits of the number, blocks of 4096, more packets than they count: after kill -9
    and after a clean end each number is read right in both directions."""
    tunnels = [Diet(1, 6, 6), Diet(2, 4, 4), Diet(3, 4, 6, udp=True, spi=12, sn=4)]
    with Pair(lab, programs.plain, tunnels, state_block=4096) as pair:
        for end in (Gateway.kill, Gateway.stop):
            for side in (pair.a, pair.b):
                for tunnel in tunnels:
                    count = 20 if tunnel.attributes["esp_sn_lsb"] == 4 else 300
                    before = passed(pair, tunnel.number)
                    done, text = ping(lab, "gwa", *tunnel.ends(), "-f", "-i", "0", count=count)
                    # ping ends two round trips after its last request, whether or not the
                    # reply is still on its way; what is dropped the counters say.
                    received = re.search(r"(\d+) received", text)
                    assert done and int(received[1]) >= count - 1, tunnel.name + text
                    # Those of an end are gone with it, so before that.
                    wanted = [number + count for number in before]
                    assert wait_until(lambda: passed(pair, tunnel.number) == wanted, 5), tunnel.name + text
                end(side)
                side.start()
                for tunnel in tunnels:
                    done, text = ping(lab, "gwa", *tunnel.ends(), count=3)
                    assert done and " 0% packet loss" in text, f"{tunnel.name} after {end.__name__}: {text}"
        for side in (pair.a, pair.b):
            report = side.report()
            assert report.adds_up() and "dropped: " not in report.text.replace("dropped: no-policy", ""), report.text


@test
def junk_at_compressed_sas_is_counted_under_asan(lab, programs):
    """6,000 datagrams, random, cut and changed, of which every first octet may be
    that of an SA; each is counted, and then packets still pass."""
    if programs.asan is None:
        raise Unavailable("no build with AddressSanitizer was given")
    chance, tunnels = random.Random(4303), between([])
    with Pair(lab, programs.asan, tunnels, b={"audit_rate": 20}) as pair, Relay(lab) as relay:
        for tunnel in tunnels:
            assert ping(lab, "gwa", *tunnel.ends())[0], tunnel.name + pair.b.log()
        good = [esp_part(p) for p in relay.seen["b"]]
        before = pair.b.report().section("from the outer side")[0]
        sent = throw(lab, chance, good)
        arrived = lambda: pair.b.report().section("from the outer side")[0] - before
        wait_until(lambda: arrived() >= sent, 10)
        report = pair.b.report()
        total, counts = report.section("from the outer side")
        equal("datagrams counted", total - before, sent)
        assert report.adds_up() and counts["dropped: integrity"] > 1000, report.text
        for tunnel in tunnels:
            assert ping(lab, "gwa", *tunnel.ends())[0], f"{tunnel.name} after the junk"
        codes = (pair.a.stop(), pair.b.stop())
        found = re.findall(r"(?:ERROR|SUMMARY|runtime error).*", pair.a.log() + pair.b.log())
        equal(f"exit status ({found})", codes, (0, 0))
        print(f"    {sent} datagrams: {counts}")


def throw(lab, chance, good, count=6000):
    """Datagrams by all ways at B; how many."""
    with lab.inside("router"):
        ways = [(socket.socket(socket.AF_INET, socket.SOCK_RAW, ESP), (OUTER[4][1], 0)),
                (socket.socket(socket.AF_INET6, socket.SOCK_RAW, ESP), (OUTER[6][1], 0)),
                (socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (OUTER[4][1], 4500)),
                (socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), (OUTER[6][1], 4500))]
    for turn in range(count):
        sock, to = ways[turn % len(ways)]
        sock.sendto(junk(chance, chance.choice(good)), to)
        if turn % 50 == 0:
            time.sleep(0.01)
    for sock, _ in ways:
        sock.close()
    return count


def junk(chance, good):
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(1400))
    if kind == 1:
        return good[: chance.randrange(len(good))]
    if kind == 2:
        return good[:1] + chance.randbytes(chance.randrange(60))
    # A number of its own, or it would be taken for a copy.
    changed = bytearray(good[:1] + chance.randbytes(1) + good[2:] + chance.randbytes(chance.randrange(4)))
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


if __name__ == "__main__":
    raise SystemExit(main(TESTS))
