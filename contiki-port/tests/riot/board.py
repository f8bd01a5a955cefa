"""A RIOT node on an emulated board, with this program as its peer at the other end of the serial line.

    python3 board.py NAME BOARD ELF          all of it
    python3 board.py NAME BOARD ELF udp      traffic and numbers, with ESP in UDP
"""

import sys

from peer import (
    COAP, COAP_PORT, ECHO_REPLY, GROUP, GROUP_ADDRESS, GROUP_PORT, PLAIN, TUNNEL, Address, Peer,
    Reject, counters, echo, headers, ipv6, reply_to, same, udp,
)  # fmt: skip
from report import Report
from slip import Line

COMMON = ["-nographic", "-monitor", "none", "-serial", "stdio"]
QEMU = {
    "microbit": lambda elf: ["qemu-system-arm", "-machine", "microbit", "-device", f"loader,file={elf}", *COMMON],
    "hifive1b": lambda elf: ["qemu-system-riscv32", "-M", "sifive_e,revb=true", "-kernel", elf, *COMMON],
}


class Node(Line):
    """The emulated node and its peer."""

    def __init__(self, report: Report, board: str, elf: str, udp: bool) -> None:
        super().__init__(QEMU[board](elf))
        self.report, self.peer = report, Peer(2, udp=udp)

    def boot(self) -> None:
        self.expect("> ", 30)
        self.type("node udp" if self.peer.udp else "node")
        match = self.expect(r"node: (-?\d+)", 20)
        self.report.equal("node", match and match[1], "0")

    def counters(self) -> dict[str, int]:
        self.type("sprat")
        match = self.expect(r"(?s)sprat: passed.*forged \d+")
        return counters(match[0]) if match else {}

    def problem(self, kind: int, packet: bytes) -> str | None:
        """Seals a request, and looks for the reply by the same kind of SA."""
        self.send(self.peer.seal(kind, packet))
        return self.answer(kind, packet)

    def answer(self, kind: int, packet: bytes) -> str | None:
        reply = self.receive()
        if reply is None:
            return "no reply"
        try:
            if self.peer.kind_of(reply) != kind:
                return f"not by this SA: {reply.hex()}"
            return same(self.peer.open(kind, reply), reply_to(packet))
        except Reject as error:
            return f"{error}: {reply.hex()}"

    def change(self, *packets: bytes) -> dict[str, int]:
        """What packets change in the counters."""
        before = self.counters()
        for packet in packets:
            self.send(packet)
        self.pump(0.5)
        after = self.counters()
        self.packets.clear()
        return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}

    def ping(self, number: int, size: int = 20) -> bytes:
        return echo(self.peer.local, self.peer.remote, number, bytes(n % 256 for n in range(size)))

    def coap(self, data: bytes) -> bytes:
        return udp(self.peer.local, self.peer.remote, (COAP_PORT, COAP_PORT), data)


def traffic(node: Node) -> None:
    report, peer = node.report, node.peer
    for number in range(6):
        report.result(f"esp-{number}", node.problem(PLAIN, node.ping(number)))
    for size in 0, 1, 10, 64, 128:
        report.result(f"diet-esp-{size}", node.problem(COAP, node.coap(bytes(range(size)))))
    for number in range(3):
        inner = echo(peer.inner_local, peer.inner_remote, number, b"inside")
        report.result(f"tunnel-{number}", node.problem(TUNNEL, inner))
    word = udp(peer.local, GROUP_ADDRESS, (GROUP_PORT, GROUP_PORT), b"hello")
    report.equal("group", node.change(peer.seal(GROUP, word)), {"passed": 1})
    report.result("large", node.problem(PLAIN, node.ping(9, 400)))


def numbers(node: Node) -> None:
    """Lost, duplicated, reordered and old packets; replies count as passed too."""
    report, peer = node.report, node.peer
    first = peer.out[PLAIN].sn
    lost = [peer.seal(PLAIN, node.ping(n), sn=first + 10 + n) for n in range(4)]
    report.equal("lost", node.change(lost[0]), {"passed": 2})
    report.equal("duplicate", node.change(lost[0]), {"replay": 1})
    report.equal("reordered", node.change(lost[3], lost[1], lost[2]), {"passed": 6})
    report.equal("reordered-duplicate", node.change(lost[1], lost[2]), {"replay": 2})
    far = peer.seal(PLAIN, node.ping(5), sn=first + 200)
    edge = peer.seal(PLAIN, node.ping(6), sn=first + 200 - 63)
    behind = peer.seal(PLAIN, node.ping(7), sn=first + 200 - 64)
    report.equal("far-ahead", node.change(far), {"passed": 2})
    report.equal("window-edge", node.change(edge), {"passed": 2})
    report.equal("too-old", node.change(behind), {"too-old": 1})
    peer.out[PLAIN].sn = first + 200
    coap = peer.seal(COAP, node.coap(b"again"))
    report.equal("diet-esp-duplicate", node.change(coap, coap), {"passed": 2, "replay": 1})


def forgeries(node: Node) -> None:
    report, peer = node.report, node.peer
    good = peer.seal(PLAIN, node.ping(1))
    report.equal("forged", node.change(good[:-1] + bytes([good[-1] ^ 1])), {"integrity": 1})
    report.equal("forged-text", node.change(good[:52] + bytes([good[52] ^ 0x80]) + good[53:]), {"integrity": 1})
    report.equal("then-good", node.change(good), {"passed": 2})
    report.equal("unknown-spi", node.change(good[:40] + b"\0\1\1\0" + good[44:]), {"no-sa": 1})
    report.equal("in-clear", node.change(node.ping(2)), {"unprotected": 1})
    stranger = Address("fd00:a::3")
    report.equal("no-policy", node.change(echo(stranger, peer.remote, 1, b"")), {"no-policy": 1})
    other = peer.seal(PLAIN, echo(stranger, peer.remote, 1, b""))
    report.equal("selector", node.change(other), {"selector": 1})
    forged = ipv6(peer.remote, peer.remote, headers.UDP, bytes(12))
    report.equal("own-source", node.change(forged), {"forged": 1})
    nested = ipv6(peer.local, peer.remote, headers.ESP, peer.seal(COAP, node.coap(b"x"))[40:])
    report.equal("esp-in-esp", node.change(peer.seal(PLAIN, nested)), {"passed": 1, "nested": 1})
    outside = peer.seal(TUNNEL, echo(peer.inner_local, peer.inner_remote, 8, b""))
    report.equal("tunnel-other-end", node.change(outside[:8] + stranger.packed + outside[24:]), {"passed": 2})
    empty = echo(peer.local, peer.remote, 1, b"", ECHO_REPLY)
    report.equal("reply-nobody-asked-for", node.change(peer.seal(PLAIN, empty)), {"passed": 1})
    for size in range(41, 60):
        node.send(good[:4] + (size - 40).to_bytes(2, "big") + good[6:size])
    node.counters()
    node.packets.clear()
    report.result("alive", node.problem(PLAIN, node.ping(3)))


def restart(node: Node) -> None:
    """Numbers begin behind the last one that was used, and not far behind it."""
    report, last = node.report, node.peer.into[PLAIN].sn
    node.text = ""
    node.type("reboot")
    node.boot()
    # Node 1 has forgotten what it received; its peer has not.
    report.result("after-restart", node.problem(PLAIN, node.ping(1)))
    first = node.peer.into[PLAIN].sn
    report.check("number-after-restart", last < first <= last + 64, f"{first} after {last}")
    report.result("diet-esp-after-restart", node.problem(COAP, node.coap(b"again")))


def stack(node: Node) -> None:
    node.type("stack")
    match = node.expect(r"stack: (\d+) of (\d+) free")
    free, size = (int(match[1]), int(match[2])) if match else (0, 0)
    print(f"{node.report.test}: IPv6 thread used {size - free} of {size} octets of stack")
    node.report.check("stack", free > 0, "all of it was used")
    node.report.equal("no-buffer", node.counters().get("no-buffer"), 0)


def main(name: str, board: str, elf: str, udp: str = "") -> int:
    report = Report(name)
    node = Node(report, board, elf, udp == "udp")
    try:
        node.boot()
        for part in (traffic, numbers, stack) if udp else (traffic, numbers, forgeries, stack):
            part(node)
        # Only this board has flash that a program can write.
        if board == "microbit" and name == board:
            restart(node)
    finally:
        node.close()
    return report.total()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
