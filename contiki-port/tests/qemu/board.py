# SPDX-License-Identifier: BSD-3-Clause
"""The node of contiki-port/qemu in an emulated board, and the serial line between it
and a TUN device: SLIP (RFC 1055), with a hand in what passes.

board.py BOARD IMAGE: only that, until it is interrupted.
"""

import fcntl
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
DEVICE = "slip0"
# The peer's address on the line, and the largest packet there.
ADDRESS, MTU = "fd00:a::1/64", 1364
# Whatever takes longer is broken; a busy machine is not.
PATIENCE = 60


def encode(packet):
    packet = packet.replace(bytes([ESC]), bytes([ESC, ESC_ESC]))
    packet = packet.replace(bytes([END]), bytes([ESC, ESC_END]))
    return bytes([END]) + packet + bytes([END])


def decode(frame):
    frame = frame.replace(bytes([ESC, ESC_END]), bytes([END]))
    return frame.replace(bytes([ESC, ESC_ESC]), bytes([ESC]))


def wait_for(what, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.01)


class Board:
    """QEMU, its first serial port on its standard input and output. Pipes, since the
    model of the FE310's UART forgets what its line does not take at once: a pipe takes
    64 KiB, a socket some 280 writes of whatever size."""

    def __init__(self, board, image, place):
        self.place, self.starts = place, 0
        qemu = "qemu-system-riscv32" if board == "sifive_e" else "qemu-system-arm"
        self.process = subprocess.Popen(
            [qemu, "-machine", board, "-display", "none", "-kernel", image,
             "-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line",
             "-monitor", f"unix:{place}/monitor,server=on,wait=off",
             "-chardev", f"file,id=host,path={place}/text",
             "-semihosting-config", "enable=on,target=native,chardev=host"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        try:
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def text(self):
        """What the program has printed."""
        try:
            with open(f"{self.place}/text", encoding="latin-1") as text:
                return text.read()
        except FileNotFoundError:
            return ""

    def wait_until_ready(self):
        self.starts += 1
        wait_for("the node starts", lambda: self.text().count("node: ready") >= self.starts
                 or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(f"the emulator ended: {self.text()}")

    def reset(self):
        """The board's reset line; memory keeps what the start does not write."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(f"{self.place}/monitor")
            monitor.sendall(b"system_reset\n")
            self.wait_until_ready()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Way:
    """One direction of the line. `plan` says what becomes of the next packets."""

    def __init__(self, send):
        self.send = send
        self.plan, self.held, self.packets = [], [], []

    def take(self, packet):
        self.packets.append(packet)
        action = self.plan.pop(0) if self.plan else "pass"
        if action == "damage":
            self.send(packet[:-1] + bytes([packet[-1] ^ 0x10]))
        elif action == "misaddress":
            self.send(packet[:40] + bytes([packet[40] ^ 0x80]) + packet[41:])
        elif isinstance(action, int):
            self.held.append((len(self.packets) + action, packet))
        elif action != "lose":
            self.send(packet)
            if action == "double":
                self.send(packet)
        for due, late in [h for h in self.held if h[0] <= len(self.packets)]:
            self.held.remove((due, late))
            self.send(late)


class Bridge:
    """Carries packets between the TUN device and a board's process, until it is closed."""

    def __init__(self, board):
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
        # Without an address of the link's own the kernel sends nothing by itself.
        for words in (["link", "set", DEVICE, "addrgenmode", "none"],
                      ["link", "set", DEVICE, "mtu", str(MTU), "up"],
                      ["addr", "add", ADDRESS, "dev", DEVICE, "nodad"]):
            subprocess.run(["ip", *words], check=True)
        self.board, self.lock, self.pending = board, threading.Lock(), b""
        self.to_node = Way(lambda packet: self.write(encode(packet)))
        self.from_node = Way(lambda packet: os.write(self.tun, packet))
        self.failure = None
        self.stop_read, self.stop_write = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def write(self, octets):
        """To the node, as they are."""
        with self.lock:
            while octets:
                octets = octets[self.board.stdin.write(octets):]

    def run(self):
        try:
            while self.once():
                pass
        except Exception as error:  # the tests ask for it
            self.failure = error

    def once(self):
        line = self.board.stdout.fileno()
        ready = select.select([self.tun, line, self.stop_read], [], [])[0]
        if self.tun in ready:
            self.to_node.take(os.read(self.tun, 65536))
        if line in ready:
            octets = os.read(line, 65536)
            if not octets:
                raise EOFError("the emulator ended")
            *frames, self.pending = (self.pending + octets).split(bytes([END]))
            for frame in filter(None, frames):
                self.from_node.take(decode(frame))
        return self.stop_read not in ready

    def close(self):
        os.write(self.stop_write, b".")
        self.thread.join(PATIENCE)
        for file in (self.tun, self.stop_read, self.stop_write):
            os.close(file)


def junk(seed):
    """Frames that are no packets: (octets on the line, frames that the node counts)."""
    chance = random.Random(seed)
    octets, frames = bytes([END] * 7), 0
    for _ in range(150):
        packet = chance.randbytes(chance.randrange(1, 120))
        # Some look like IPv6 at first sight.
        if chance.random() < 0.5:
            packet = bytes([0x60]) + packet
        octets += encode(packet)
        frames += 1
    raw = chance.randbytes(4000) + bytes([END])
    octets += bytes([END]) + raw
    frames += sum(1 for chunk in raw.split(bytes([END])) if chunk)
    for cut in (bytes([ESC]), bytes([1, 2, ESC])):
        octets += bytes([END]) + cut + bytes([END])
        frames += 1
    return octets, frames


def main():
    with tempfile.TemporaryDirectory(prefix="sprat-node-") as place:
        board = Board(*sys.argv[1:], place)
        bridge = Bridge(board.process)
        print(f"{DEVICE}: the node is fd00:a::2, ^C ends it", flush=True)
        try:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            bridge.close()
            board.close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
