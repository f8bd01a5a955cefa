# SPDX-License-Identifier: BSD-3-Clause
"""ESP through a mesh: 4 nodes, 3 hops, any SPI, both forms of RPL."""

import ipaddress

from cooja import SECOND, Network
from nodes import CLEAR, DIET, ESP, IIV, Line, Node, address

SPIS = (0x11000001, 0xC0FFEE01, 0x2B000001, 0x00000100)
MODES = {ESP: "esp", IIV: "implicit-iv", DIET: "diet-esp"}
GROUP = ipaddress.IPv6Address("ff02::5359")
SIZES = (20, 40, 33, 1)
HOPS = 3


def goes_through(line):
    """How many datagrams came back whole."""
    return sum(line.send(octets) for octets in SIZES) if line.join() else 0


def counted_right(line):
    """Each end sealed and opened what was sent, and dropped nothing."""
    n = len(SIZES)
    return all(node.counters.passed == 2 * n and not node.drops()
               for node in (line.root, line.end))


def through(images, routers, name, spi, mode, report, **more):
    line = Line(images["ends"], images[routers], HOPS, images["directory"])
    if more.get("tunnel"):
        protect_tunnel(line, spi, mode)
    else:
        line.protect(spi, mode, **more)
    came = goes_through(line)
    report(name, came == len(SIZES) and counted_right(line),
           f"{came} of {len(SIZES)}, root {line.root.drops()}, end {line.end.drops()}")


def protect_tunnel(line, spi, mode):
    """The two ends are the ends of the tunnel as well."""
    root, end = address(1), address(line.end.number)
    line.root.protect(end, spi + 1, spi, mode, gateway=end)
    line.end.protect(root, spi, spi + 1, mode, gateway=root)


def at_the_early_hook(images, rpl, report):
    """Transport mode before RPL adds its headers, as on a border router."""
    early = dict(images, ends=images["early"])
    for mode, what in MODES.items():
        through(early, "routers", f"{rpl}/early/{what}", 0xC0FFEE01, mode, report)


def stock_routers(images, rpl, report):
    """Without the forwarder: what passes all the same, and that the rest does not."""
    through(images, "stock", f"{rpl}/stock/esp-11000001", 0x11000001, ESP, report)
    for mode, spi in ((ESP, 0xC0FFEE01), (DIET, 0x11000001)):
        through(images, "stock", f"{rpl}/stock/{MODES[mode]}-in-udp", spi, mode, report, encap=1)
        line = Line(images["ends"], images["stock"], HOPS, images["directory"])
        line.protect(spi, mode)
        came = goes_through(line)
        report(f"{rpl}/stock/{MODES[mode]}-needs-sprat-fwd", came == 0, f"{came} came through")


def group(images, rpl, report):
    """One key for all, two senders: what one sends, the others open."""
    nodes = [Node(images["ends"], i, images["directory"]) for i in (1, 2, 3)]
    nodes[0].mesh.root = 1
    for node in nodes:
        node.mesh.listen = 1
        node.protect(address(9), 0x11000001, 0x11000002, CLEAR, group=GROUP)
    net = Network(nodes, [(1, 2), (1, 3), (2, 3)])
    net.run(60 * SECOND)
    for sender in nodes[1:]:
        sender.mesh.peer[:] = GROUP.packed
        for _ in range(3):
            sender.mesh.send_length = 30
            net.run(SECOND)
    heard = [node.mesh.received for node in nodes]
    passed = [node.counters.passed for node in nodes]
    report(f"{rpl}/group", heard == [6, 3, 3] and passed == [6, 6, 6] and
           not any(node.drops() for node in nodes), (heard, passed))


def run(images, rpl, report):
    """`images`: files of the nodes (ends, early, routers, stock), and a directory."""
    for spi in SPIS:
        for mode, what in MODES.items():
            through(images, "routers", f"{rpl}/3-hops/{what}-{spi:08x}", spi, mode, report)
    for mode, what in MODES.items():
        through(images, "routers", f"{rpl}/tunnel/{what}", 0xC0FFEE01, mode, report, tunnel=True)
    at_the_early_hook(images, rpl, report)
    stock_routers(images, rpl, report)
    group(images, rpl, report)
