"""The cases that every peer runs: a transform, a layout, options, and an SA for each way."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import packet
from transforms import Sa, Transform, transforms

GUEST4, GUEST6 = "198.19.0.1", "2001:db8:19::1"
INNER4, INNER6 = "10.2.0.1", "2001:db8:2::1"
HOST4, HOST6 = ipaddress.ip_address("198.18.0.0"), ipaddress.ip_address("2001:db8:18::")
FAR4, FAR6 = ipaddress.ip_address("10.1.0.0"), ipaddress.ip_address("2001:db8:1::")


class Driver(Protocol):
    """Our side of the exchange."""

    name: str
    replay_window: bool

    def seal(self, sa: Sa, packets: list[bytes]) -> list[bytes]: ...

    def open(self, sa: Sa, packets: list[bytes]) -> tuple[list[bytes], list[str]]:
        """The opened packets in order, and the reasons of the refusals in order."""
        ...


# Mode, inner and outer version.
LAYOUTS = {
    "transport-4": ("transport", 4, 4),
    "transport-6": ("transport", 6, 6),
    "tunnel-4in4": ("tunnel", 4, 4),
    "tunnel-6in4": ("tunnel", 6, 4),
    "tunnel-4in6": ("tunnel", 4, 6),
    "tunnel-6in6": ("tunnel", 6, 6),
}


@dataclass(frozen=True)
class Kind:
    """What a case tries, apart from addresses. `tfc` is the length the guest pads to."""

    transform: Transform
    layout: str
    esn: bool = False
    udp: bool = False
    variant: str = ""
    sizes: tuple[int, ...] = (0, 13, 64, 1200)
    between: packet.Between = ()
    tfc: int = 0

    @property
    def name(self) -> str:
        options = ["esn"] * self.esn + ["udp"] * self.udp + [self.variant] * bool(self.variant)
        return "/".join([self.transform.name, self.layout, *options])

    @property
    def column(self) -> str:
        return "variants" if self.variant else f"{self.layout}{'+udp' if self.udp else ''}"


CCM8 = Transform("ENCR_AES_CCM_8", 16)
CBC = Transform("ENCR_AES_CBC", 16, "AUTH_HMAC_SHA2_256_128")
UDP_TRANSFORMS = (
    CCM8,
    CBC,
    Transform("ENCR_AES_GCM_16", 32),
    Transform("ENCR_CHACHA20_POLY1305", 32),
    Transform("ENCR_NULL_AUTH_AES_GMAC", 16),
)

PADN = b"\1\4\0\0\0\0"
HOP_BY_HOP, ROUTING, DESTINATION = (0, PADN), (43, b"\xfd\0\0\0\0\0"), (60, PADN)
BETWEEN: dict[str, tuple[str, packet.Between]] = {
    "router-alert": ("transport-4", ((148, b"\x94\4\0\0"),)),
    "hop-by-hop": ("transport-6", (HOP_BY_HOP,)),
    "destination": ("transport-6", (DESTINATION,)),
    "routing": ("transport-6", (HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION)),
}


def kinds() -> Iterator[Kind]:
    for transform in transforms():
        for layout in LAYOUTS:
            yield from (Kind(transform, layout, esn) for esn in (False, True))
    for transform in UDP_TRANSFORMS:
        for layout in LAYOUTS:
            # Linux takes ESP of less than 40 octets in UDP over IPv6 for IKE.
            yield from (Kind(transform, layout, esn, True, sizes=(13, 64, 1200)) for esn in (False, True))
    every_size = tuple(range(66))
    for transform in (CCM8, CBC, Transform("ENCR_3DES", 24, "AUTH_HMAC_SHA1_96"), Transform("ENCR_NULL", 0, "AUTH_HMAC_SHA1_96")):
        for layout in ("transport-4", "tunnel-6in6"):
            yield Kind(transform, layout, variant="every-size", sizes=every_size)
    for variant, (layout, between) in BETWEEN.items():
        yield from (Kind(transform, layout, variant=variant, between=between) for transform in (CCM8, CBC))
    for layout in ("tunnel-4in4", "tunnel-6in6"):
        yield from (Kind(transform, layout, variant="tfc", tfc=800) for transform in (CCM8, CBC))


@dataclass(frozen=True)
class Case:
    """`near` is sealed by us and opened by the guest, `far` the other way."""

    kind: Kind
    near: Sa
    far: Sa
    source: str
    destination: str

    def request(self, number: int, size: int) -> bytes:
        return packet.echo(self.source, self.destination, number, bytes(i & 0xFF for i in range(size)), self.kind.between)

    def reply(self, number: int, size: int) -> bytes:
        return packet.echo(self.destination, self.source, number, bytes(i & 0xFF for i in range(size)), reply=True)


def make_case(index: int, kind: Kind) -> Case:
    """Addresses and SPIs of its own, so that all cases live in the guest at once."""
    mode, inner, outer = LAYOUTS[kind.layout]
    host = str((HOST4 if outer == 4 else HOST6) + index)
    guest = GUEST4 if outer == 4 else GUEST6
    # With ESN the high half is not zero and the low half wraps within the exchange.
    seq = (3 << 32) - 3 if kind.esn else 0
    near = Sa(f"near{index}", kind.transform, 0x10000 + index, mode, host, guest, kind.esn, kind.udp, seq)
    far = Sa(f"far{index}", kind.transform, 0x20000 + index, mode, guest, host, kind.esn, kind.udp, seq)
    if mode == "transport":
        return Case(kind, near, far, host, guest)
    return Case(kind, near, far, str((FAR4 if inner == 4 else FAR6) + index), INNER4 if inner == 4 else INNER6)


def all_cases(first: int) -> list[Case]:
    """Every case, numbered from `first`: two runs in one guest need ranges of their own."""
    return [make_case(index, kind) for index, kind in enumerate(kinds(), first)]
