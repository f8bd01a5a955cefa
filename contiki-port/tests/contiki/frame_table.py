# SPDX-License-Identifier: BSD-3-Clause
"""The largest UDP payload that one IEEE 802.15.4 frame carries, over 1 to 3 hops.

64-bit link addresses, no link-layer security, RPL Lite in non-storing mode, both
directions. The rows differ in IPsec alone.
"""

from nodes import CLEAR, DIET, ESP, IIV, Line

SPI = 0x11000001
HOPS = (1, 2, 3)
ROWS = [("no IPsec", CLEAR), ("ESP, AES-CCM-8 (RFC 4309)", ESP),
        ("same, implicit IV (RFC 8750)", IIV), ("same, with Diet-ESP", DIET)]

# Octets that the context of demo-sa.c leaves out of an ESP packet with one UDP
# datagram, against implicit IV: of the SPI and of the sequence number 3 each, the
# UDP header (ports have one value, length and checksum are computed), Pad Length
# and Next Header. It also aligns to octets and plain ESP to 4: the largest payload
# of plain ESP has no padding, but may leave octets of the frame unused.
SAVED = {"SPI": 3, "SN": 3, "UDP header": 8, "ESP trailer": 2}


def largest(ends, routers, hops, mode, directory):
    """(payload, octets of its longest frame), or None where nothing came through."""
    line = Line(ends, routers, hops, directory)
    line.protect(SPI, mode)
    if not line.join():
        return None
    best = None
    for octets in range(8, 110):
        since = len(line.net.frames)
        back = line.send(octets)
        if not line.fragments(since):
            if not back:
                return None
            best = octets, max(len(f) for _, _, f in line.net.frames[since:])
        elif best and octets > best[0] + 4:
            # Padding makes steps, so one that does not fit does not end it.
            break
    return best


def measure(ends, routers, directory):
    return {name: [largest(ends, routers, hops, mode, directory) for hops in HOPS]
            for name, mode in ROWS}


def show(table):
    lines = [f"{'largest UDP payload in one frame':34} 1 hop  2 hops 3 hops"]
    for name, row in table.items():
        lines.append(f"{name:34} " + "".join(f"{cell[0] if cell else '-':<7}" for cell in row))
    return "\n".join(lines)


def check(table, report):
    """Every cell is there, and Diet-ESP gains what its context says."""
    iiv, diet = (table[name] for name, mode in ROWS if mode in (IIV, DIET))
    saved = sum(SAVED.values())
    full = max(cell[1] for row in table.values() for cell in row if cell)
    for i, hops in enumerate(HOPS):
        row = [table[name][i] for name, _ in ROWS]
        report(f"frame/{hops}-hops-measured", None not in row, row)
        if None not in row:
            unused = full - iiv[i][1]
            gained = diet[i][0] - iiv[i][0]
            report(f"frame/{hops}-hops-diet-esp-gains-{saved}", gained == saved + unused,
                   f"{diet[i]} against {iiv[i]}: {gained}, of it {unused} that padding left unused")
