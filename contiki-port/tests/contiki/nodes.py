# SPDX-License-Identifier: BSD-3-Clause
"""Nodes of mesh-node/ in a line, and what their memory says."""

import ctypes
import ipaddress

from cooja import MS, SECOND, Mote, Network

CLEAR, ESP, IIV, DIET = range(4)
PORT = 5683
DROPS = 64
TOO_OLD, REPLAY, INTEGRITY = 5, 6, 7  # SPRAT_DROP_*
HEADER_154 = 21  # octets: 64-bit addresses, no security
LONG_DESTINATION = 0x0c  # in the second octet of a frame; a broadcast has a short one
ACK = 3  # octets of an acknowledgement


class Mesh(ctypes.Structure):
    """struct mesh of mesh-node.c."""

    _fields_ = [("peer", ctypes.c_uint8 * 16), ("sent", ctypes.c_uint32),
                ("received", ctypes.c_uint32), ("send_length", ctypes.c_uint16),
                ("received_length", ctypes.c_uint16), ("root", ctypes.c_uint8),
                ("reachable", ctypes.c_uint8), ("listen", ctypes.c_uint8),
                ("good", ctypes.c_uint8), ("quiet", ctypes.c_uint8),
                ("hop_limit", ctypes.c_uint8)]


class DemoSa(ctypes.Structure):
    """struct demo_sa_config of demo-sa.h."""

    _fields_ = [("spi_in", ctypes.c_uint32), ("spi_out", ctypes.c_uint32),
                ("local_port", ctypes.c_uint16), ("remote_port", ctypes.c_uint16),
                ("peer", ctypes.c_uint8 * 16), ("gateway", ctypes.c_uint8 * 16),
                ("inner", ctypes.c_uint8 * 16), ("group", ctypes.c_uint8 * 16), ("mode", ctypes.c_uint8),
                ("encap", ctypes.c_uint8)]


class Counters(ctypes.Structure):
    """sprat_mote_counters."""

    _fields_ = [("passed", ctypes.c_uint32), ("dropped", ctypes.c_uint16 * DROPS)]


def address(number, prefix="fd00::"):
    """Global address of a node with 64-bit link addresses made of its number."""
    high, low = number >> 8, number & 0xff
    interface = bytes([high ^ 2, low] + [high, low] * 3)
    return ipaddress.IPv6Address(ipaddress.IPv6Address(prefix).packed[:8] + interface)


class Node(Mote):
    """A mesh-node, before and while it runs."""

    def __init__(self, library, number, directory):
        super().__init__(library, number, directory)
        self.mesh = self.var("mesh", Mesh)

    def protect(self, peer, spi_out, spi_in, mode, **more):
        """Before it starts: the SAs with `peer`."""
        sa = self.var("demo_sa", DemoSa)
        sa.peer[:] = peer.packed
        sa.spi_out, sa.spi_in, sa.mode = spi_out, spi_in, mode
        for name, value in more.items():
            if isinstance(value, ipaddress.IPv6Address):
                getattr(sa, name)[:] = value.packed
            else:
                setattr(sa, name, value)

    @property
    def counters(self):
        return self.var("sprat_uip_counters", Counters)

    def drops(self):
        return {i: n for i, n in enumerate(self.counters.dropped) if n}


class Line:
    """A root (number 1), routers, and at the far end the node that talks to it."""

    def __init__(self, ends, routers, hops, directory):
        libraries = [ends] + [routers] * (hops - 1) + [ends]
        self.nodes = [Node(lib, i + 1, directory) for i, lib in enumerate(libraries)]
        self.root, self.end = self.nodes[0], self.nodes[-1]
        self.root.mesh.root = 1
        self.net = Network(self.nodes, [(i, i + 1) for i in range(1, hops + 1)])

    def protect(self, spi, mode, **more):
        """SAs between the ends: `spi` towards the root, the next one back."""
        root, end = address(1), address(self.end.number)
        self.root.protect(end, spi + 1, spi, mode, **more)
        self.end.protect(root, spi, spi + 1, mode, **more)

    def join(self):
        """Until there are routes both ways; true if there are."""
        joined = self.net.run(600 * SECOND, lambda: self.end.mesh.reachable)
        self.net.run(5 * SECOND)
        return bool(joined)

    def send(self, octets, to=None, wait=5 * SECOND):
        """One datagram from the end to the root and back. Did it come back whole?"""
        mesh = self.end.mesh
        mesh.peer[:] = (to or address(1)).packed
        before = mesh.received
        mesh.send_length = octets
        back = self.net.run(wait, lambda: mesh.received > before)
        self.net.run(200 * MS)
        return bool(back) and mesh.received_length == octets and bool(mesh.good)

    def fragments(self, since):
        """Frames after the first `since` that are fragments of 6LoWPAN (RFC 4944)."""
        unicast = [f for _, _, f in self.net.frames[since:]
                   if len(f) > HEADER_154 and f[1] & 0x0c == LONG_DESTINATION]
        return [f for f in unicast if f[HEADER_154] & 0xc0 == 0xc0]
