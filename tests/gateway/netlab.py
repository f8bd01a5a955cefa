# SPDX-License-Identifier: MIT OR Apache-2.0
"""Network namespaces for the gateway's tests:

    hosta --- gwa --- router --- gwb --- hostb

The names carry the process id, and everything is removed at exit.
"""

import atexit
import contextlib
import ctypes
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
LIBC = ctypes.CDLL(None, use_errno=True)

OUTER = {
    4: ("192.0.2.1", "198.51.100.1"),
    6: ("2001:db8:a::1", "2001:db8:b::1"),
}


class Unavailable(Exception):
    """This machine cannot make what the tests need."""


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise Unavailable(f"{' '.join(words)}: {done.stderr.strip()}")
    return done


class Lab:
    """Five namespaces in a row; `path` of the middle link is what MTU tests turn."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Unavailable("network namespaces need root")
        if not os.path.exists("/dev/net/tun"):
            raise Unavailable("there is no /dev/net/tun")
        self.prefix = f"sprat{os.getpid()}-"
        self.names = []
        self.work = tempfile.mkdtemp(prefix="sprat-gw-test-")
        atexit.register(self.remove)
        for name in ("hosta", "gwa", "router", "gwb", "hostb"):
            run("ip", "netns", "add", self.ns(name))
            self.names.append(name)
            self.ip(name, "link", "set", "lo", "up")
        self.wire("gwa", "out0", "router", "toa", "192.0.2.1", "192.0.2.254")
        self.wire("gwb", "out0", "router", "tob", "198.51.100.1", "198.51.100.254")
        self.wire("hosta", "host0", "gwa", "in0", "10.71.0.2", "10.71.0.1")
        self.wire("hostb", "host0", "gwb", "in0", "10.72.0.2", "10.72.0.1")
        self.more("gwa", "out0", "router", "toa", "2001:db8:a::1", "2001:db8:a::fe")
        self.more("gwb", "out0", "router", "tob", "2001:db8:b::1", "2001:db8:b::fe")
        self.more("hosta", "host0", "gwa", "in0", "fd71::2", "fd71::1")
        self.more("hostb", "host0", "gwb", "in0", "fd72::2", "fd72::1")
        for name in ("gwa", "router", "gwb"):
            for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                self.sysctl(name, key, "1")

    def ns(self, name):
        return self.prefix + name

    def ip(self, name, *words, check=True):
        return run("ip", "-n", self.ns(name), *words, check=check)

    def sysctl(self, name, key, value):
        with self.inside(name):
            with open("/proc/sys/" + key.replace(".", "/"), "w") as file:
                file.write(value)

    def wire(self, left, dev_left, right, dev_right, addr_left, addr_right):
        run("ip", "link", "add", dev_left, "netns", self.ns(left),
            "type", "veth", "peer", "name", dev_right, "netns", self.ns(right))
        for name, dev, addr in ((left, dev_left, addr_left), (right, dev_right, addr_right)):
            self.sysctl(name, f"net.ipv6.conf.{dev}.accept_dad", "0")
            self.ip(name, "addr", "add", f"{addr}/24", "dev", dev)
            self.ip(name, "link", "set", "dev", dev, "up")
        # A gateway has two links; the way out is the first.
        self.ip(left, "route", "add", "default", "via", addr_right, check=False)

    def more(self, left, dev_left, right, dev_right, addr_left, addr_right):
        for name, dev, addr in ((left, dev_left, addr_left), (right, dev_right, addr_right)):
            self.ip(name, "addr", "add", f"{addr}/64", "dev", dev, "nodad")
        self.ip(left, "-6", "route", "add", "default", "via", addr_right)

    def set_mtu(self, mtu):
        """MTU of the link between the router and gwb: gwa learns it by ICMP."""
        self.ip("router", "link", "set", "dev", "tob", "mtu", str(mtu))
        self.ip("gwb", "link", "set", "dev", "out0", "mtu", str(mtu))
        # What the kernels learnt of the path before is old.
        for name in ("gwa", "router", "gwb"):
            self.ip(name, "route", "flush", "cache")
            self.ip(name, "-6", "route", "flush", "cache")

    @contextlib.contextmanager
    def inside(self, name):
        """Sockets opened in this block stay in the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.ns(name)}", os.O_RDONLY)
        try:
            enter(there)
            yield
        finally:
            enter(home)
            os.close(home)
            os.close(there)

    def exec(self, name, *words, timeout=20):
        return subprocess.run(["ip", "netns", "exec", self.ns(name), *words],
                              capture_output=True, text=True, timeout=timeout)

    def popen(self, name, *words, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.ns(name), *words], **options)

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", self.ns(name)], capture_output=True)
        self.names = []
        subprocess.run(["rm", "-rf", self.work])


def enter(namespace):
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Sniffer:
    """Every IP packet that passes one device, from its network header on."""

    def __init__(self, lab, name, device):
        with lab.inside(name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.setblocking(False)

    def take(self):
        packets = []
        while True:
            try:
                data, address = self.socket.recvfrom(65535)
            except BlockingIOError:
                return packets
            if address[1] in (0x0800, 0x86DD):
                packets.append(data)

    def close(self):
        self.socket.close()


def esp_of(packet):
    """(SPI, SN) of an ESP packet, raw or in UDP port 4500; None for others."""
    if packet[0] >> 4 == 4:
        protocol, rest = packet[9], packet[(packet[0] & 15) * 4:]
        if struct.unpack(">H", packet[6:8])[0] & 0x1FFF:
            return None
    else:
        protocol, rest = packet[6], packet[40:]
    if protocol == 17 and struct.unpack(">H", rest[2:4])[0] == 4500:
        rest = rest[8:]
    elif protocol != 50:
        return None
    if len(rest) < 8 or rest[:4] == b"\0\0\0\0":
        return None
    return struct.unpack(">II", rest[:8])


# Key length with salt, and whether an integrity transform is needed.
TRANSFORMS = {
    "AES_CCM_8": ("ENCR_AES_CCM_8", 16, 3, None),
    "AES_CCM_8_IIV": ("ENCR_AES_CCM_8_IIV", 16, 3, None),
    "AES_GCM_16": ("ENCR_AES_GCM_16", 16, 4, None),
    "CHACHA20_POLY1305": ("ENCR_CHACHA20_POLY1305", 32, 4, None),
    "AES_CBC+SHA256": ("ENCR_AES_CBC", 16, 0, ("AUTH_HMAC_SHA2_256_128", 32)),
}


def octets(seed, count):
    return bytes((seed * 37 + i * 11) & 0xFF for i in range(count)).hex()


class Tunnel:
    """Both directions between gwa and gwb; `number` makes SPIs and keys."""

    def __init__(self, number, transform="AES_CCM_8", family=4, udp=False, inner=None, extra="",
                 tunnel_extra=""):
        self.number, self.transform, self.family, self.udp = number, transform, family, udp
        self.inner = inner or [(f"10.1.{number}.1/32", f"10.2.{number}.1/32"),
                               (f"fd01:{number:x}::1/128", f"fd02:{number:x}::1/128")]
        self.extra, self.tunnel_extra, self.more_policies = extra, tunnel_extra, ""
        self.name = f"{'udp' if udp else 'raw'} v{family} {transform}"

    def spi(self, to_b):
        return 0x1000 + 2 * self.number + (0 if to_b else 1)

    def sa(self, to_b, sends):
        encr, key, salt, integ = TRANSFORMS[self.transform]
        ends = OUTER[self.family] if to_b else OUTER[self.family][::-1]
        seed = self.spi(to_b)
        lines = ["[[sa]]",
                 f'name = "{"ab" if to_b else "ba"}-{self.number}"',
                 f'direction = "{"out" if sends else "in"}"',
                 f"spi = {seed}", 'mode = "tunnel"', f'encr = "{encr}"',
                 f'encr_key = "{octets(seed, key)}"']
        if salt:
            lines.append(f'salt = "{octets(seed + 1, salt)}"')
        if integ:
            lines += [f'integ = "{integ[0]}"', f'integ_key = "{octets(seed + 2, integ[1])}"']
        if self.extra:
            lines.append(self.extra)
        lines += ["[sa.tunnel]", f'source = "{ends[0]}"', f'destination = "{ends[1]}"', self.tunnel_extra]
        if self.udp:
            lines += ["[sa.udp_encap]", "source_port = 4500", "destination_port = 4500"]
        return "\n".join(lines)

    def policies(self, at_a):
        out = []
        for a, b in self.inner:
            here, there = (a, b) if at_a else (b, a)
            out.append(f'[[policy]]\ndirection = "out"\naction = "protect"\n'
                       f'sa = "{"ab" if at_a else "ba"}-{self.number}"\n'
                       f'source = "{here}"\ndestination = "{there}"')
            out.append(f'[[policy]]\ndirection = "in"\naction = "protect"\n'
                       f'source = "{there}"\ndestination = "{here}"')
        return "\n".join(out) + "\n" + self.more_policies


def config(tunnels, at_a, work, **gateway):
    """The TOML of one side."""
    side = "a" if at_a else "b"
    other = 2 if at_a else 1
    settings = {
        "tun": "tun0",
        "tun_addresses": [(pair[0] if at_a else pair[1]) for t in tunnels for pair in t.inner],
        "routes": [f"10.{other}.0.0/16", f"fd0{other}::/16"],
        "mtu": 1400,
        "udp_ports": [4500] if any(t.udp for t in tunnels) else [],
        "raw": any(not t.udp for t in tunnels),
        "state_file": f"{work}/state-{side}/numbers",
        "state_block": 1024,
        "user": "nobody",
        "audit_rate": 1000,
    }
    settings.update(gateway)
    lines = ["[gateway]"]
    for key, value in settings.items():
        lines.append(f"{key} = {toml(value)}")
    for tunnel in tunnels:
        lines += [tunnel.sa(True, at_a), tunnel.sa(False, not at_a)]
    for tunnel in tunnels:
        lines.append(tunnel.policies(at_a))
    return "\n".join(lines) + "\n"


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return f'"{value}"'


class Gateway:
    """One sprat-gw process in a namespace."""

    def __init__(self, lab, name, text, program, start=True):
        self.lab, self.name, self.command = lab, name, program.split()
        stem = f"{lab.work}/{name}-{time.monotonic_ns()}"
        self.path, self.log_path, self.out_path = f"{stem}.toml", f"{stem}.err", f"{stem}.out"
        with open(self.path, "w") as file:
            file.write(text)
        self.process, self.starts = None, 0
        if start:
            self.start()

    def start(self):
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
                           UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
        with open(self.log_path, "a") as log, open(self.out_path, "a") as out:
            self.process = self.lab.popen(self.name, *self.command, "-c", self.path,
                                          stdout=out, stderr=log, env=environment)
        self.starts += 1
        alive = lambda: self.process.poll() is None
        wait_until(lambda: self.ready() or not alive(), 20)
        if not self.ready() or not alive():
            raise AssertionError(f"the gateway did not start:\n{self.log()}")
        return self

    def ready(self):
        return self.log().count("sprat-gw: ready") >= self.starts

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def out(self):
        with open(self.out_path, errors="replace") as file:
            return file.read()

    @property
    def pid(self):
        # `ip netns exec` replaces itself by the program.
        return self.process.pid

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait(10)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def report(self):
        """Asks by SIGUSR1 and reads what comes."""
        mark = self.out().count("end of counters")
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while self.out().count("end of counters") == mark:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"no counters:\n{self.log()}")
            time.sleep(0.01)
        return Report(self.out())


class Report:
    """The last table of counters in a text."""

    def __init__(self, text):
        self.text = text[text.rindex("\ncounters\n") + 1 if "\ncounters\n" in text else 0:]
        self.lines = self.text.splitlines()

    def section(self, heading):
        """(total, {line: count}) of the lines below a heading."""
        counts, total, found = {}, 0, False
        for line in self.lines:
            if re.match(r"  \S", line):
                found = line[2:].startswith(heading)
                if found:
                    numbers = re.findall(r"(\d+)(?:  \(DOES NOT ADD UP\))?$", line)
                    total = int(numbers[-1]) if numbers else 0
            elif found and line.startswith("    "):
                words = re.match(r"    (.*?)\s+(\d+)$", line)
                counts[words[1]] = int(words[2])
        return total, counts

    def sa(self, name):
        """{direction, spi, packets, octets, sn} of an SA."""
        for line in self.lines:
            words = line.split()
            if len(words) == 6 and words[0] == name:
                return {"direction": words[1], "spi": int(words[2], 16), "packets": int(words[3]),
                        "octets": int(words[4]), "sn": int(words[5])}
        return None

    def adds_up(self):
        """Each sum of the table, and the library's refusals against the gateway's."""
        split = next(i for i, line in enumerate(self.lines) if line.split()[:2] == ["SA", "dir"])
        refused = lambda lines: sum(int(l.split()[-1]) for l in lines if l.startswith("    dropped: "))
        return ("DOES NOT ADD UP" not in self.text and
                refused(self.lines[:split]) == refused(self.lines[split:]) - self.cut() - self.fallen_back())

    def fallen_back(self):
        """Packets that did not fit the rules of one SA and that another then took."""
        return self.section("from the TUN device")[1].get("of these by a fallback SA", 0)

    def cut(self):
        """Packets that an SA found too big and the gateway then cut."""
        return self.section("from the TUN device")[1].get("cut into fragments", 0)


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def readable(sock, seconds):
    return bool(select.select([sock], [], [], seconds)[0])
