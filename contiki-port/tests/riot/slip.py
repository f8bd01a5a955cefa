"""SLIP (RFC 1055) on the serial line of an emulated node, with its console as frames that begin with 0x0a."""

import os
import re
import selectors
import subprocess
import time
from collections.abc import Sequence

END, ESC, ESC_END, ESC_ESC, CONSOLE = 0xC0, 0xDB, 0xDC, 0xDD, 0x0A


def encode(frame: bytes) -> bytes:
    frame = frame.replace(bytes([ESC]), bytes([ESC, ESC_ESC])).replace(bytes([END]), bytes([ESC, ESC_END]))
    return bytes([END]) + frame + bytes([END])


def decode(frame: bytes) -> bytes:
    return frame.replace(bytes([ESC, ESC_END]), bytes([END])).replace(bytes([ESC, ESC_ESC]), bytes([ESC]))


def is_control(packet: bytes) -> bool:
    """Neighbour discovery and listener reports, which come when they like."""
    if packet[6] == 0:
        return packet[40] == 58 and packet[48] in (131, 132, 143)
    return packet[6] == 58 and packet[40] in range(133, 138)


class Line:
    """A program whose standard input and output are the line."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.pending = b""
        self.packets: list[bytes] = []
        self.text = ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, packet: bytes) -> None:
        """In pieces, as a UART takes them: an emulated one has no room for more."""
        octets = encode(packet)
        for at in range(0, len(octets), 4):
            self.process.stdin.write(octets[at : at + 4])
            time.sleep(0.004)

    def type(self, command: str) -> None:
        self.send(bytes([CONSOLE]) + command.encode() + b"\n")

    def pump(self, seconds: float) -> None:
        """Reads what comes within this time; returns early after something came."""
        if not self.selector.select(seconds):
            return
        octets = os.read(self.process.stdout.fileno(), 65536)
        if not octets:
            raise EOFError("the emulator ended")
        *frames, self.pending = (self.pending + octets).split(bytes([END]))
        for frame in map(decode, frames):
            if frame[:1] == bytes([CONSOLE]):
                self.text += frame[1:].decode(errors="replace")
            elif frame and frame[0] >> 4 == 6 and not is_control(frame):
                self.packets.append(frame)

    def expect(self, pattern: str, seconds: float = 10) -> re.Match | None:
        """Console text up to and with the pattern is used up; None when it does not come."""
        until = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end() :]
                return match
            if time.monotonic() >= until:
                return None
            self.pump(until - time.monotonic())

    def receive(self, seconds: float = 5) -> bytes | None:
        """The next packet, or None."""
        until = time.monotonic() + seconds
        while not self.packets and time.monotonic() < until:
            self.pump(until - time.monotonic())
        return self.packets.pop(0) if self.packets else None
