"""A Linux kernel as the peer: User Mode Linux over the host's file system, read-only.

Its network device is one end of a socket pair, so neither root nor a namespace is needed.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import packet
from cases import GUEST4, GUEST6, INNER4, INNER6

HERE = Path(__file__).resolve().parent
HOST_MAC, GUEST_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")

MODULES = (
    "drbg jitterentropy_rng hmac sha512_generic seqiv echainiv ctr cbc ccm gcm ghash-generic "
    "chacha_generic poly1305_generic chacha20poly1305 authenc authencesn xcbc cmac md5 ecb "
    "des_generic crypto_null xfrm_user esp4 esp6"
).split()


class Unavailable(Exception):
    """The peer cannot start or go on; the text is the reason."""


class Guest:
    def __init__(self, work: Path) -> None:
        self.work = work
        self.link, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        command = [
            "linux.uml", "mem=192M", "rootfstype=hostfs", "ro", "quiet", f"init={HERE}/guest-init.sh",
            f"vec0:transport=fd,fd={far.fileno()},mac={GUEST_MAC.hex(':')},gro=0",
            f"uml_dir={work}", "con=null", "con0=fd:0,fd:1",
        ]  # fmt: skip
        environment = {"PATH": os.defpath, "LD_PRELOAD": str(compile_xstate(work))}
        pipe = subprocess.PIPE
        # A session of its own: the guest's processes are processes of the host, too.
        self.process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            pass_fds=[far.fileno()],
            env=environment,
            start_new_session=True,
        )
        far.close()
        self.console = b""

    def __enter__(self) -> Self:
        try:
            self._answer(30)
            self.release = self.run("/bin/uname -r").strip()
            self._insert_modules()
            self._configure_network()
            self.run(f"{os.path.realpath(sys.executable)} {HERE}/guest_encap.py")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.write(b"/bin/busybox poweroff -f\n")
            self.process.stdin.flush()
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.link.close()

    def _answer(self, timeout: float) -> str:
        """What a command printed; raises `Unavailable` when the guest dies or hangs."""
        assert self.process.stdout
        end = time.monotonic() + timeout
        while not (self.console.endswith(b"\r\n") and b"@@" in self.console):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            octets = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not octets:
                tail = self.console[-300:].decode(errors="replace")
                raise Unavailable(f"the guest {'ended' if ready else 'hangs'}: {tail!r}")
            self.console += octets
        text, _, code = self.console.decode(errors="replace").replace("\r", "").rpartition("@@")
        self.console = b""
        if code != "0\n":
            raise Unavailable(f"the guest answered {code.strip()}: {text[-300:]!r}")
        return text

    def run(self, command: str, timeout: float = 60) -> str:
        assert self.process.stdin
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self._answer(timeout)

    def ip_batch(self, lines: list[str]) -> dict[int, str]:
        """Runs lines of `ip`; gives the refusals by index of the line."""
        batch = self.work / "ip.batch"
        batch.write_text("".join(line + "\n" for line in lines))
        refusals, cause = {}, "refused"
        for line in self.run(f"/bin/ip -force -batch {batch} 2>&1 || true").splitlines():
            if line.startswith("Command failed"):
                refusals[int(line.rpartition(":")[2]) - 1] = cause
            elif line:
                cause = line
        return refusals

    def _insert_modules(self) -> None:
        folder = Path("/usr/lib/uml/modules") / self.release
        needs: dict[str, list[str]] = {}
        for line in (folder / "modules.dep").read_text().splitlines():
            path, _, below = line.partition(":")
            needs[path] = below.split()
        paths = {Path(path).stem: path for path in needs}
        order: dict[str, None] = {}
        for name in MODULES:
            if name in paths:
                # modules.dep lists the nearest dependency first.
                order |= dict.fromkeys([*reversed(needs[paths[name]]), paths[name]])
        script = self.work / "modules.sh"
        script.write_text("".join(f"/bin/busybox insmod {folder / path} || return 1\n" for path in order))
        self.run(f". {script}")

    def _configure_network(self) -> None:
        gateway4, gateway6 = "198.19.0.254", "2001:db8:19::fe"
        refusals = self.ip_batch([
            "link set lo up",
            "link set vec0 up",
            f"addr add {GUEST4}/24 dev vec0",
            f"addr add {GUEST6}/64 dev vec0 nodad",
            f"addr add {INNER4}/32 dev lo",
            f"addr add {INNER6}/128 dev lo nodad",
            f"neigh replace {gateway4} lladdr {HOST_MAC.hex(':')} dev vec0 nud permanent",
            f"neigh replace {gateway6} lladdr {HOST_MAC.hex(':')} dev vec0 nud permanent",
            f"route add default via {gateway4}",
            f"route add default via {gateway6}",
        ])  # fmt: skip
        if refusals:
            raise Unavailable(f"the guest refused its network configuration: {refusals}")

    def send(self, octets: bytes) -> None:
        self.link.send(packet.ethernet(GUEST_MAC, HOST_MAC, octets))

    def receive(self, destination: str, count: int, timeout: float) -> list[bytes]:
        """Up to `count` IP packets that the guest sent to `destination`; others are dropped."""
        end = time.monotonic() + timeout
        packets: list[bytes] = []
        while len(packets) < count and select.select([self.link], [], [], max(0, end - time.monotonic()))[0]:
            octets = self.link.recv(65536)[14:]
            if packet.view(octets).destination == destination:
                packets.append(octets)
        return packets

    def counters(self) -> dict[str, int]:
        """The error counters that are not zero."""
        rows = (line.split() for line in self.run("/bin/cat /proc/net/xfrm_stat").splitlines())
        return {name: int(value) for name, value in rows if value != "0"}


def compile_xstate(work: Path) -> Path:
    library = work / "xstate.so"
    compiler = shutil.which("cc")
    if not compiler:
        raise Unavailable("no C compiler")
    if not shutil.which("linux.uml"):
        raise Unavailable("linux.uml is not installed (package user-mode-linux)")
    if not Path("/bin/busybox").exists():
        raise Unavailable("/bin/busybox is not installed (package busybox)")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, HERE / "xstate.c"], check=True)
    return library
