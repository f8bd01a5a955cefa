# SPDX-License-Identifier: BSD-3-Clause
"""Nodes of the target `native` in a network namespace of their own (unshare -n).

A node has a tun device; the kernel forwards between two of them, and is the host
that the Python peer sits on.
"""

import os
import re
import select
import socket
import struct
import subprocess
import time

from peer import (COAP_PORT, DIET, ESP, IIV, NAT_T, Peer, Refused, coap_ack,
                  coap_answer, coap_get, ipv6, udp)

NODE = "302:304:506:708"  # interface identifier of every native node
ESP_PROTOCOL = 50
ETH_P_ALL = 3  # linux/if_ether.h
UDP_NO_CHECK6_RX = 102  # linux/udp.h
SPIS = SPI_FROM_NODE, SPI_TO_NODE = 0x11000002, 0x11000001
CONTENT = 0x45
MODES = {ESP: "esp", IIV: "implicit-iv", DIET: "diet-esp"}


class NativeNode:
    """A running node; its console goes to a file, its numbers to `directory`."""

    def __init__(self, program, device, net, directory, *options):
        self.address = f"fd00:{net}::{NODE}"
        self.host = f"fd00:{net}::1"
        self.device = device
        os.makedirs(directory, exist_ok=True)
        self.log = os.path.join(directory, "console.txt")
        self.at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        # The node ends when its standard input does.
        with open(self.log, "ab") as console:
            self.process = subprocess.Popen(
                [program, "-t", device, "--prefix", f"fd00:{net}::1/64", *options],
                cwd=directory, stdin=subprocess.PIPE, stdout=console, stderr=console)

    def text(self):
        with open(self.log, encoding="latin-1") as console:
            console.seek(self.at)
            return console.read()

    def wait_for(self, pattern, seconds):
        """The match of a regular expression in what the node printed, or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(pattern, self.text())
            if found:
                return found
            time.sleep(0.05)
        return re.search(pattern, self.text())

    def drops(self):
        """What the node says it has dropped, by reason; None if it has said nothing."""
        lines = re.findall(r"^sprat: passed \d+(.*)$", self.text(), re.M)
        if not lines:
            return None
        return {int(r): int(n) for r, n in re.findall(r"reason (\d+): (\d+)", lines[-1])}

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Wire:
    """IPv6 that crosses a device, both ways: a socket for IPv6 alone is given only
    what comes in, one for every protocol also what goes out."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.bind((device, 0))

    def wait(self, seconds):
        """Until there is a packet, or that time is over."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def take(self):
        packets = []
        while select.select([self.socket], [], [], 0)[0]:
            packets.append(self.socket.recv(2048))
        return [p for p in packets if p and p[0] >> 4 == 6]


def between(packets, one, other):
    ends = {socket.inet_pton(socket.AF_INET6, a) for a in (one, other)}
    return [p for p in packets if {p[8:24], p[24:40]} == ends]


def judge_wire(name, packets, least, report):
    """Every packet is ESP, and as many are from each address as `least` says."""
    sent = {address: sum(p[8:24] == socket.inet_pton(socket.AF_INET6, address) for p in packets)
            for address in least}
    bare = [p.hex() for p in packets if p[6] != ESP_PROTOCOL]
    report(f"{name}/only-esp-on-the-wire",
           all(sent[a] >= n for a, n in least.items()) and not bare,
           f"packets from {sent}, in clear: {bare[:1]}")


def pair(programs, directory, mode, report):
    """A CoAP server and a client, each behind ESP: GET and Observe."""
    name = f"pair/{MODES[mode]}"
    options = ["--mode", str(mode)]
    server = NativeNode(programs["node"], "tun0", "a", f"{directory}/{name}-node",
                        "--peer", f"fd00:b::{NODE}", *options)
    started = server.wait_for("serving", 10)
    wire = Wire("tun0") if started else None
    client = NativeNode(programs["client"], "tun1", "b", f"{directory}/{name}-client",
                        "--peer", server.address, *options)
    try:
        got = client.wait_for(r"GET /hello: hello, behind ESP", 20)
        report(f"{name}/get", bool(got), client.text()[-300:])
        client.wait_for(r"(?s)(Observe /count: .*){6}", 15)
        counts = [int(n) for n in re.findall(r"Observe /count: count (\d+)", client.text())]
        in_order = counts == list(range(counts[0], counts[0] + len(counts))) if counts else False
        report(f"{name}/observe", in_order and len(counts) >= 5, counts)
        server.wait_for(r"sprat: passed \d+", 10)
        report(f"{name}/no-drops", server.drops() == {}, server.drops())
        seen = between(wire.take(), server.address, client.address) if wire else []
        judge_wire(name, seen, {server.address: 6, client.address: 2}, report)
    finally:
        client.stop()
        server.stop()


class Line:
    """The Python peer's way to a node: raw ESP, or ESP in UDP."""

    def __init__(self, node, encap):
        self.node, self.encap = node, encap
        if encap:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            # Over IPv6 too the checksum is zero (RFC 6935): ESP has its ICV.
            self.socket.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
            self.socket.bind((node.host, NAT_T))
        else:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ESP_PROTOCOL)
            self.socket.bind((node.host, 0))

    def send(self, esp):
        self.socket.sendto(esp, (self.node.address, NAT_T if self.encap else 0))

    def receive(self, peer, seconds=3.0):
        """The next packet that the node sent, opened; None after `seconds`."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        esp = self.socket.recv(2048)
        return peer.open(ipv6(peer.node, peer.own, ESP_PROTOCOL, esp))

    def close(self):
        self.socket.close()


def ask(line, peer, message):
    """Sends a CoAP message; what comes back, or None."""
    line.send(peer.seal(udp(peer.own, peer.node, (COAP_PORT, COAP_PORT), message)))
    inner = line.receive(peer)
    return None if inner is None else inner[48:]


def observe(line, peer, message_id, count):
    """Registers, and acknowledges notifications until there are `count`."""
    texts = []
    message = ask(line, peer, coap_get("count", message_id, observe=True))
    while message is not None:
        kind, code, token, payload = coap_answer(message)
        if code == CONTENT and token == struct.pack(">H", message_id):
            texts.append(payload.decode())
        if kind == 0:
            answer = udp(peer.own, peer.node, (COAP_PORT, COAP_PORT), coap_ack(message))
            line.send(peer.seal(answer))
        if len(texts) == count:
            break
        inner = line.receive(peer)
        message = None if inner is None else inner[48:]
    return texts


def start_node(programs, directory, name, mode, encap):
    return NativeNode(programs["node"], "tun0", "a", f"{directory}/{name}", "--peer", "fd00:a::1",
                      "--mode", str(mode), "--encap", str(int(encap)))


def hostile(line, peer, report, name):
    """What a node must not answer, and the reasons it gives."""
    again = peer.seal(udp(peer.own, peer.node, (COAP_PORT, COAP_PORT), coap_get("hello", 0x5000)))
    line.send(again)
    first = line.receive(peer)
    line.send(again)
    report(f"{name}/replay-is-silent", first is not None and line.receive(peer, 0.5) is None)
    forged = bytearray(peer.seal(udp(peer.own, peer.node, (COAP_PORT, COAP_PORT),
                                     coap_get("hello", 0x5001))))
    forged[-1] ^= 1
    line.send(bytes(forged))
    report(f"{name}/forgery-is-silent", line.receive(peer, 0.5) is None)
    clear = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    clear.bind((line.node.host, COAP_PORT))
    clear.sendto(coap_get("hello", 0x5002), (line.node.address, COAP_PORT))
    answered = bool(select.select([clear], [], [], 0.5)[0])
    clear.close()
    report(f"{name}/clear-text-is-silent", not answered)


def python_peer(programs, directory, mode, encap, report):
    """A node against an implementation that shares no code with it."""
    name = f"peer/{MODES[mode]}{'-in-udp' if encap else ''}"
    node = start_node(programs, directory, name, mode, encap)
    line = None
    try:
        report(f"{name}/started", bool(node.wait_for("serving", 10)), node.text()[-300:])
        peer = Peer((node.host, node.address), SPIS, mode)
        line = Line(node, encap)
        message = ask(line, peer, coap_get("hello", 0x4000))
        answer = coap_answer(message) if message else None
        report(f"{name}/get", answer is not None and answer[1:] == (
            CONTENT, b"\x40\x00", b"hello, behind ESP"), answer)
        texts = observe(line, peer, 0x4001, 4)
        report(f"{name}/observe", len(set(texts)) == 4, texts)
        hostile(line, peer, report, name)
        time.sleep(5.5)
        # Reason 6 replay, 7 integrity, 20 clear text that must be protected.
        drops = node.drops() or {}
        report(f"{name}/counted", {r: drops.get(r) for r in (6, 7, 20)} == {6: 1, 7: 1, 20: 1},
               drops)
    except Refused as error:
        report(f"{name}/understood", False, error)
    finally:
        if line:
            line.close()
        node.stop()


def restart(programs, directory, report):
    """A node that lost its power goes on with numbers that it never used."""
    name = "restart"
    tops = []
    peer = None
    for life in range(3):
        node = start_node(programs, directory, name, IIV, False)
        line = None
        try:
            node.wait_for("serving", 10)
            line = Line(node, False)
            if peer is None:
                peer = Peer((node.host, node.address), SPIS, IIV)
            if ask(line, peer, coap_get("hello", 0x6000 + life)) is None:
                break
            tops.append(peer.top)
        except Refused as error:
            report(f"{name}/understood", False, error)
        finally:
            if line:
                line.close()
            node.process.kill()
            node.process.wait(10)
    report(f"{name}/numbers-never-come-again",
           len(tops) == 3 and all(b > a for a, b in zip(tops, tops[1:])), tops)


def run(programs, directory, report):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open("/proc/sys/net/ipv6/conf/all/forwarding", "w", encoding="ascii") as forwarding:
        forwarding.write("1")
    for mode in MODES:
        pair(programs, directory, mode, report)
    for mode in MODES:
        for encap in (False, True):
            python_peer(programs, directory, mode, encap, report)
    restart(programs, directory, report)
