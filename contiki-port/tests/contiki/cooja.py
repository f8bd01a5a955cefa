# SPDX-License-Identifier: BSD-3-Clause
"""Runs nodes of Contiki-NG's target `cooja` without Cooja.

The target builds a shared library whose variables are the node's hardware. Each
node is a copy of that file, loaded into this process; a Network gives the nodes
one clock and one radio channel. Time is virtual and nothing is left to chance:
the same run gives the same frames.
"""

import ctypes
import itertools
import os
import shutil

US = 1
MS = 1000
SECOND = 1000 * MS

AIR_OCTET = 32  # us, 2.4 GHz IEEE 802.15.4
AIR_HEADER = 6 + 2  # preamble, start, length; check sequence
SILENCE, LOUD = -110, -40  # dBm
BUSY_STEP = 200 * US  # how often a node that waits looks at its radio


COPIES = itertools.count()


class Mote:
    """One node."""

    def __init__(self, library, number, directory):
        # A file that is loaded already would give the same variables again.
        path = os.path.join(directory, f"mote-{next(COPIES)}.so")
        shutil.copyfile(library, path)
        self.lib = ctypes.CDLL(path)
        os.unlink(path)
        self.number = number
        self.wake = 0
        self.sending_until = None
        self.text = ""
        self.octets = b""  # console output not yet taken by serial_frames()
        self.slip = False
        self.heard = []  # [end, frame, spoilt] of what is on the air here
        self.set("simMoteID", ctypes.c_int, number)
        self.set("simRandomSeed", ctypes.c_int, 1000 + number)
        self.set("simMoteIDChanged", ctypes.c_char, 1)
        self.started = False

    def var(self, name, kind):
        return kind.in_dll(self.lib, name)

    def set(self, name, kind, value):
        self.var(name, kind).value = value

    def get(self, name, kind):
        return self.var(name, kind).value

    def tick(self, now):
        """Lets the node run at this instant; sets when it wants to run again."""
        if not self.started:
            if self.lib.cooja_init() != 0:
                raise RuntimeError("cooja_init failed")
            self.started = True
        self.set("simCurrentTime", ctypes.c_ulong, now // MS)
        self.set("simRtimerCurrentTicks", ctypes.c_uint64, now)
        self.lib.cooja_tick()
        self.take_console()
        self.wake = self.next_wake(now)

    def next_wake(self, now):
        times = [now + SECOND]
        if self.get("simProcessRunValue", ctypes.c_int) > 0:
            times.append(now + BUSY_STEP)
        if self.get("simEtimerPending", ctypes.c_int):
            at = self.get("simEtimerNextExpirationTime", ctypes.c_ulong) * MS
            times.append(max(at, now + BUSY_STEP))
        if self.get("simRtimerPending", ctypes.c_int):
            at = self.get("simRtimerNextExpirationTime", ctypes.c_uint64)
            if at > now:
                times.append(at)
        return min(times)

    def take_console(self):
        length = self.var("simLoggedLength", ctypes.c_int)
        if length.value:
            data = (ctypes.c_char * length.value).in_dll(self.lib, "simLoggedData").raw
            length.value = 0
            if self.slip:
                self.octets += data
            else:
                self.text += data.decode("latin-1")

    def serial_input(self, octets):
        """Octets for the node's serial line, all at once."""
        (ctypes.c_char * len(octets)).in_dll(self.lib, "simSerialReceivingData").raw = octets
        self.set("simSerialReceivingLength", ctypes.c_int, len(octets))
        self.set("simSerialReceivingFlag", ctypes.c_char, 1)
        self.wake = 0

    def listens(self):
        return self.sending_until is None and self.get("simRadioHWOn", ctypes.c_char) != b"\0"

    def take_frame(self):
        """The frame that the node wants to send, or None."""
        size = self.get("simOutSize", ctypes.c_int)
        if size == 0 or self.sending_until is not None:
            return None
        return (ctypes.c_char * size).in_dll(self.lib, "simOutDataBuffer").raw

    def sent(self):
        self.sending_until = None
        self.set("simOutSize", ctypes.c_int, 0)
        self.wake = 0

    def hear_begin(self, end, frame):
        spoilt = bool(self.heard)
        for other in self.heard:
            other[2] = True
        self.heard.append([end, frame, spoilt or not self.listens()])
        self.set("simReceiving", ctypes.c_char, 1)
        self.set("simSignalStrength", ctypes.c_int, LOUD)
        self.wake = 0

    def hear_end(self, now):
        done = [h for h in self.heard if h[0] <= now]
        self.heard = [h for h in self.heard if h[0] > now]
        if done and not self.heard:
            self.set("simReceiving", ctypes.c_char, 0)
            self.set("simSignalStrength", ctypes.c_int, SILENCE)
        for _, frame, spoilt in done:
            self.wake = 0
            if not spoilt:
                (ctypes.c_char * len(frame)).in_dll(self.lib, "simInDataBuffer").raw = frame
                self.set("simInSize", ctypes.c_int, len(frame))


class Network:
    """Nodes on one channel. `links` are pairs of numbers that hear each other."""

    def __init__(self, motes, links):
        self.motes = {m.number: m for m in motes}
        self.links = {frozenset(link) for link in links}
        self.now = 0
        self.frames = []  # (time, sender, frame), all that were sent
        # Called with (sender, frame); returns what others hear of it instead:
        # frames, each after a delay in us. To lose, double and delay.
        self.medium = lambda sender, frame: [(0, frame)]
        self.later = []  # (time, sender, frame)

    def neighbours(self, sender):
        return [m for m in self.motes.values()
                if m.number != sender and frozenset((m.number, sender)) in self.links]

    def on_air(self, sender, frame):
        end = self.now + (len(frame) + AIR_HEADER) * AIR_OCTET
        for mote in self.neighbours(sender):
            mote.hear_begin(end, frame)
        return end

    def start_frames(self):
        for mote in self.motes.values():
            frame = mote.take_frame()
            if frame is None:
                continue
            self.frames.append((self.now, mote.number, frame))
            mote.sending_until = self.now + (len(frame) + AIR_HEADER) * AIR_OCTET
            for delay, heard in self.medium(mote.number, frame):
                if delay == 0:
                    self.on_air(mote.number, heard)
                else:
                    self.later.append((self.now + delay, mote.number, heard))
        due = [x for x in self.later if x[0] <= self.now]
        self.later = [x for x in self.later if x[0] > self.now]
        for _, sender, frame in due:
            self.on_air(sender, frame)

    def end_frames(self):
        for mote in self.motes.values():
            if mote.sending_until is not None and mote.sending_until <= self.now:
                mote.sent()
            mote.hear_end(self.now)

    def next_event(self):
        times = [x[0] for x in self.later]
        for mote in self.motes.values():
            times += [h[0] for h in mote.heard]
            times.append(mote.wake if mote.sending_until is None
                         else min(mote.sending_until, max(mote.wake, self.now + BUSY_STEP)))
        return max(self.now + US, min(times))

    def step(self):
        self.end_frames()
        for mote in self.motes.values():
            if mote.wake <= self.now:
                mote.tick(self.now)
        self.start_frames()
        self.now = self.next_event()

    def run(self, duration, until=lambda: False):
        """Runs for `duration` us, or until `until()`, which it then returns."""
        end = self.now + duration
        while self.now < end:
            self.step()
            if until():
                return True
        return until()
