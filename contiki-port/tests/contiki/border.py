# SPDX-License-Identifier: BSD-3-Clause
"""A border router between a mesh and a peer outside, which is written in Python."""

import ipaddress

from cooja import MS, SECOND, Mote, Network
from nodes import DIET, ESP, IIV, PORT, Node, address
from peer import Peer, Refused, ipv6, udp

PREFIX = "fd00:c::"
OUTSIDE = ipaddress.IPv6Address("fd00:d::1")
SPIS = (0x11000001, 0xC0FFEE01, 0x2B000001, 0x00000100)
SIZES = (20, 41, 1, 150)
MODES = {ESP: "esp", IIV: "implicit-iv", DIET: "diet-esp"}
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD  # RFC 1055


class Serial(Mote):
    """A border router, with what is behind its serial line."""

    def __init__(self, library, number, directory):
        super().__init__(library, number, directory)
        self.slip = True

    def write(self, frame):
        text = frame.replace(bytes([ESC]), bytes([ESC, ESC_ESC]))
        text = text.replace(bytes([END]), bytes([ESC, ESC_END]))
        self.serial_input(bytes([END]) + text + bytes([END]))

    def packets(self):
        """The IPv6 packets that came out; answers the question for the prefix."""
        *frames, self.octets = self.octets.split(bytes([END]))
        found = []
        for frame in frames:
            frame = frame.replace(bytes([ESC, ESC_END]), bytes([END]))
            frame = frame.replace(bytes([ESC, ESC_ESC]), bytes([ESC]))
            if frame == b"?P":
                self.write(b"!P" + ipaddress.IPv6Address(PREFIX).packed[:8])
            # The console speaks on the same line.
            elif len(frame) > 40 and frame[0] >> 4 == 6 and \
                    int.from_bytes(frame[4:6], "big") == len(frame) - 40:
                found.append(frame)
        return found


class Border(Serial, Node):
    """A border router that has SAs of its own, and talks to the peer."""


class Talk:
    """What crosses the border between a node and the peer."""

    def __init__(self, border, node, motes, links):
        self.border, self.node = border, node
        self.net = Network(motes, links)
        self.bare = []  # what came out and was no ESP

    def protect(self, spi, mode):
        self.node.protect(OUTSIDE, spi, spi + 1, mode)
        own = address(self.node.number, PREFIX)
        self.peer = Peer((OUTSIDE, own), (spi, spi + 1), mode)

    def join(self):
        def joined():
            self.border.packets()
            return self.node.mesh.reachable
        return bool(self.net.run(600 * SECOND, joined))

    def echo(self, packet):
        """What the peer answers: the same datagram, the other way."""
        inner = self.peer.open(packet)
        source = ipaddress.IPv6Address(inner[8:24])
        answer = udp(self.peer.own, source, (PORT, PORT), inner[48:])
        return ipv6(self.peer.own, source, 50, self.peer.seal(answer))

    def ask(self, octets):
        """One datagram to the peer and back."""
        mesh = self.node.mesh
        mesh.peer[:] = OUTSIDE.packed
        before, mesh.send_length = mesh.received, octets
        for _ in range(100):
            self.net.run(50 * MS)
            for packet in self.border.packets():
                if packet[24:40] == OUTSIDE.packed and packet[6] == 50:
                    self.border.write(self.echo(packet))
                elif packet[24:40] == OUTSIDE.packed:
                    self.bare.append(packet)
            if mesh.received > before:
                return mesh.received_length == octets and bool(mesh.good)
        return False


def outcome(talk):
    """Whether all went through and nothing else came out; and what did."""
    came = detail = 0
    try:
        came = sum(talk.ask(octets) for octets in SIZES) if talk.join() else 0
    except Refused as error:
        detail = error
    good = came == len(SIZES) and not talk.bare and not talk.node.drops()
    return good, (came, detail, talk.bare, talk.node.drops())


def beyond(images):
    """Border router, a router, and the node that talks to the peer."""
    directory = images["directory"]
    border, node = Serial(images["border"], 1, directory), Node(images["ends"], 3, directory)
    router = Node(images["routers"], 2, directory)
    return Talk(border, node, [border, router, node], [(1, 2), (2, 3)])


def itself(images):
    """The border router is the node."""
    border = Border(images["own"], 1, images["directory"])
    return Talk(border, border, [border], [])


def run(images, rpl, report):
    for mode, what in MODES.items():
        for spi in SPIS:
            talk = beyond(images)
            talk.protect(spi, mode)
            report(f"{rpl}/border/{what}-{spi:08x}", *outcome(talk))
        # A hop limit of its own makes a datagram no other's.
        for hop_limit in (0, 17):
            talk = itself(images)
            talk.protect(SPIS[1], mode)
            talk.node.mesh.hop_limit = hop_limit
            report(f"{rpl}/border/{what}-itself-{hop_limit}", *outcome(talk))
