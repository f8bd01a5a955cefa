"""The wire between a node and a host: this program itself, so it sees every packet, and loses or repeats some."""

import fcntl
import os
import selectors
import socket
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from native import ETH_P_ALL, ETH_P_IPV6, Pair, run
from slip import Line

TO_NODE, FROM_NODE = "to-node", "from-node"
TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454CA, 1, 2, 0x1000
ETHERNET, PACKET_OUTGOING = 14, 4


def network_device(name: str, kind: int) -> int:
    """A new TUN or TAP device; what the kernel sends into it is read from here."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))
    return device


class Wire(threading.Thread):
    """Between the host's device and a node; `HEAD` octets stand in front of a packet."""

    HEAD = 0

    def __init__(self, host: int) -> None:
        super().__init__(daemon=True)
        self.host = host
        # What was sent, first of all: (which way, frame). Neighbour discovery is not in it.
        self.sent: list[tuple[str, bytes]] = []
        self.foreign: list[bytes] = []
        # How often each of the next frames is delivered; 1 when there are no more.
        self.copies: dict[str, deque[int]] = {TO_NODE: deque(), FROM_NODE: deque()}
        self.selector = selectors.DefaultSelector()
        self.ending = False

    def run(self) -> None:
        while not self.ending:
            for key, _ in self.selector.select(0.1):
                for frame in self.take(key.data):
                    self.cross(key.data, frame)

    def close(self) -> None:
        self.ending = True
        self.join()
        os.close(self.host)

    def cross(self, way: str, frame: bytes) -> None:
        times = 1
        if not self.is_packet(frame):
            self.foreign.append(frame)
        elif not Pair.is_control(frame[self.HEAD :]):
            self.sent.append((way, frame))
            times = self.copies[way].popleft() if self.copies[way] else 1
        for _ in range(times):
            self.put(way, frame)

    def is_packet(self, frame: bytes) -> bool:
        return frame[self.HEAD] >> 4 == 6

    def packets(self, way: str | None = None) -> list[bytes]:
        """Those sent that way, or all, without what pads a short frame."""
        found = [frame[self.HEAD :] for sent, frame in self.sent if way in (None, sent)]
        return [packet[: 40 + int.from_bytes(packet[4:6], "big")] for packet in found]

    def last(self, way: str) -> bytes:
        return next(frame for sent, frame in reversed(self.sent) if sent == way)

    def take(self, way: str) -> list[bytes]:
        """Frames that wait to go this way."""
        raise NotImplementedError

    def put(self, way: str, frame: bytes) -> None:
        """Delivers a frame."""
        raise NotImplementedError


class Taps(Wire):
    """A native node on the device `tap`; the host on another."""

    HEAD = ETHERNET

    def __init__(self, name: str, tap: str) -> None:
        super().__init__(network_device(name, IFF_TAP))
        run("ip", "tuntap", "add", tap, "mode", "tap")
        # The kernel itself is to say nothing there.
        Path(f"/proc/sys/net/ipv6/conf/{tap}/disable_ipv6").write_text("1")
        run("ip", "link", "set", tap, "up")
        self.tap = tap
        self.node = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.node.bind((tap, 0))
        self.selector.register(self.host, selectors.EVENT_READ, TO_NODE)
        self.selector.register(self.node, selectors.EVENT_READ, FROM_NODE)

    def close(self) -> None:
        super().close()
        run("ip", "link", "del", self.tap)

    def is_packet(self, frame: bytes) -> bool:
        return int.from_bytes(frame[12:14], "big") == ETH_P_IPV6 and super().is_packet(frame)

    def take(self, way: str) -> list[bytes]:
        if way == TO_NODE:
            return [os.read(self.host, 65536)]
        frame, address = self.node.recvfrom(65536)
        return [] if address[2] == PACKET_OUTGOING else [frame]

    def put(self, way: str, frame: bytes) -> None:
        if way == TO_NODE:
            self.node.send(frame)
        else:
            os.write(self.host, frame)


class Serial(Line):
    """A serial line that the thread of a wire reads, and other threads write to."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(command)
        self.writing = threading.Lock()

    def boot(self, prompt: str, seconds: float) -> bool:
        """Before there is a wire: what comes in too early, the node reads as its console's."""
        until = time.monotonic() + seconds
        while prompt not in self.text and time.monotonic() < until:
            super().pump(1)
        return prompt in self.text

    def send(self, packet: bytes) -> None:
        with self.writing:
            super().send(packet)

    def pump(self, seconds: float) -> None:
        """The wire does it."""
        time.sleep(min(seconds, 0.02))

    def take(self) -> list[bytes]:
        super().pump(0)
        packets, self.packets = self.packets, []
        return packets


class Slip(Wire):
    """An emulated board on a serial line; the host on a TUN device."""

    def __init__(self, name: str, line: Serial) -> None:
        super().__init__(network_device(name, IFF_TUN))
        self.line = line
        self.selector.register(self.host, selectors.EVENT_READ, TO_NODE)
        self.selector.register(line.process.stdout, selectors.EVENT_READ, FROM_NODE)

    def take(self, way: str) -> list[bytes]:
        return [os.read(self.host, 65536)] if way == TO_NODE else self.line.take()

    def put(self, way: str, frame: bytes) -> None:
        if way == TO_NODE:
            self.line.send(frame)
        else:
            os.write(self.host, frame)


def set_up_host(device: str, address: str) -> None:
    """The host's side of a wire."""
    run("ip", "link", "set", device, "up")
    run("ip", "addr", "add", f"{address}/64", "dev", device, "nodad")


def silence(*words: str) -> bool:
    """Whether a command can be run here."""
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
