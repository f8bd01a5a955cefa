# SPDX-License-Identifier: BSD-3-Clause
"""Frames lost, doubled, spoilt and out of order: what a receiver counts.

The link layer would hide most of it. So the channel answers in place of the root
for what it withholds, and numbers anew what it repeats.
"""

from cooja import AIR_HEADER, AIR_OCTET, MS, SECOND
from nodes import ACK, DIET, ESP, IIV, INTEGRITY, REPLAY, TOO_OLD, Line, address

SEQUENCE = 2  # offset of the sequence number in a frame
PAYLOAD = 40
WINDOW = 64
MODES = {ESP: "esp", IIV: "implicit-iv", DIET: "diet-esp"}


class Channel:
    """Treats the frames of one datagram as `action` says."""

    def __init__(self, line):
        self.line = line
        self.action = None
        self.kept = None
        self.repeated = 0
        line.net.medium = self.medium

    def medium(self, sender, frame):
        mine = sender == self.line.end.number and len(frame) > PAYLOAD + ACK
        if not mine or self.action is None:
            return [(0, frame)]
        action, self.action = self.action, None
        self.kept = frame
        if action == "pass":
            return [(0, frame)]
        self.answer(frame)
        return [(200 * MS, self.spoilt(frame))] if action == "spoil" else []

    def answer(self, frame):
        """The acknowledgement that the root would send."""
        end = self.line.net.now + (len(frame) + AIR_HEADER) * AIR_OCTET
        self.line.net.later.append((end + 200, 1, bytes([2, 0, frame[SEQUENCE]])))

    def anew(self, frame):
        """The frame with a sequence number that the link layer takes for new."""
        self.repeated += 1
        number = (frame[SEQUENCE] + 100 + self.repeated) % 256
        return frame[:SEQUENCE] + bytes([number]) + frame[SEQUENCE + 1:]

    def spoilt(self, frame):
        return self.anew(frame[:-1] + bytes([frame[-1] ^ 0x10]))

    def repeat(self, frame):
        self.line.net.later.append((self.line.net.now + MS, self.line.end.number,
                                    self.anew(frame)))
        self.line.net.run(300 * MS)

    def datagram(self, action):
        """Sends one; returns its frame."""
        self.action, self.kept = action, None
        mesh = self.line.end.mesh
        mesh.peer[:] = address(1).packed
        mesh.send_length = PAYLOAD
        self.line.net.run(SECOND)
        return self.kept


def play(channel):
    """40 datagrams and more; returns how many were lost, doubled, spoilt, late."""
    lost = doubled = spoilt = late = 0
    for i in range(40):
        if i % 7 == 3:
            channel.datagram("withhold")
            lost += 1
        elif i % 11 == 5:
            channel.datagram("spoil")
            spoilt += 1
        elif i % 5 == 2:
            channel.repeat(channel.datagram("pass"))
            doubled += 1
        elif i % 13 == 6:
            held = channel.datagram("withhold")
            for _ in range(3):
                channel.datagram("pass")
            channel.repeat(held)
            late += 1
        else:
            channel.datagram("pass")
    return lost, doubled, spoilt, late


def beyond_the_window(channel):
    """One that comes again when the window has gone on."""
    old = channel.datagram("pass")
    for _ in range(WINDOW + 5):
        channel.datagram("pass")
    channel.repeat(old)


def run(images, rpl, report):
    for mode, what in MODES.items():
        line = Line(images["ends"], images["ends"], 1, images["directory"])
        line.protect(0x11000001, mode)
        line.root.mesh.quiet = 1
        line.join()
        channel = Channel(line)
        lost, doubled, spoilt, late = play(channel)
        sent = line.end.mesh.sent
        name = f"{rpl}/losses/{what}"
        expected = {REPLAY: doubled, INTEGRITY: spoilt}
        report(f"{name}/drops", line.root.drops() == expected, (line.root.drops(), expected))
        arrived = sent - lost - spoilt
        got = (line.root.mesh.received, line.root.counters.passed)
        report(f"{name}/delivered-once", got == (arrived, arrived) and late > 0, (got, arrived))
        beyond_the_window(channel)
        # Of a number with 8 bits on the wire only the window's part is known: one
        # from before is taken for a later one, and its ICV says no.
        expected[INTEGRITY if mode == DIET else TOO_OLD] = expected.get(
            INTEGRITY if mode == DIET else TOO_OLD, 0) + 1
        report(f"{name}/beyond-the-window", line.root.drops() == expected,
               (line.root.drops(), expected))
