"""Packets that the receiver must refuse: changed on the way, replayed, or sent by a faulty peer with the keys."""

from collections.abc import Callable
from random import Random

import diet_esp
import headers
import schc
from cases import Case, sa_of
from crypto import Sa
from diet_esp import Context, Range, context_of, eec_header
from packets import Draft

# What a fault gives: the packet as it arrives, and the state where it matters.
Made = tuple[bytes, Case] | None


class Peer:
    """One end of an SA with a fitting packet, and the faults it can make."""

    def __init__(self, rng: Random, inputs: Case, draft: Draft) -> None:
        self.rng, self.draft = rng, draft
        self.ctx: Context = context_of(inputs["context"])
        self.sa: Sa = sa_of(inputs["sa"])
        self.sn: int = inputs["sn"]
        self.state: Case = inputs["receiver_state"]
        self.iv = bytes.fromhex(inputs["iv"])
        self.sent = diet_esp.seal(self.ctx, self.sa, self.sn, self.iv, bytes.fromhex(inputs["inner_packet"]))

    def clear(self, clear: bytes) -> Made:
        """Any clear text, sealed; filled up in front to what the cipher takes."""
        missing = -len(clear) % self.sa.cipher.block
        return diet_esp.seal_clear(self.ctx, self.sa, self.sn, self.iv, self.rng.randbytes(missing) + clear), self.state

    def payload(self, octets: bytes) -> Made:
        """Any IIPC packet, with the right trailer."""
        inner = diet_esp.Compressed([], None, octets, self.sent.inner.next_header)
        clear, _ = diet_esp.add_trailer(self.ctx, self.sa, inner)
        return diet_esp.seal_clear(self.ctx, self.sa, self.sn, self.iv, clear), self.state

    # On the way

    def bit_error(self) -> Made:
        esp = bytearray(self.sent.esp)
        place = self.rng.choice((self.rng.randrange(len(esp)), self.rng.randrange(min(20, len(esp)))))
        esp[place] ^= 1 << self.rng.randrange(8)
        return bytes(esp), self.state

    def cut(self) -> Made:
        """Where several checks could be the first to see it, it is left out."""
        esp, trailer = self.sent.esp, sum(diet_esp.trailer_has(self.ctx, self.sa))
        least = len(self.sent.header) + self.sa.cipher.iv + self.sa.icv_len
        lengths = [*range(least), *range(least + trailer, len(esp))]
        if self.sa.cipher.block > 1:
            lengths = lengths[:least]
        return esp[: self.rng.choice((self.rng.choice(lengths), lengths[-1]))], self.state

    def appended(self) -> Made:
        if self.sa.cipher.block > 1:
            return None
        return self.sent.esp + self.rng.randbytes(self.rng.randint(1, 20)), self.state

    def swapped(self) -> Made:
        """Two octets changed places."""
        esp = bytearray(self.sent.esp)
        a, b = (self.rng.randrange(len(esp)) for _ in range(2))
        esp[a], esp[b] = esp[b], esp[a]
        return bytes(esp), self.state

    # Numbers

    def replayed(self) -> Made:
        return (self.sent.esp, self.state | {"top": self.sn}) if self.ctx.sn_lsb else None

    def too_old(self) -> Made:
        top = self.sn + self.state["window"] + self.rng.randrange(1000)
        if self.ctx.sn_lsb < 32 or self.sa.esn or top >> 32:
            return None
        return self.sent.esp, self.state | {"top": top}

    def beyond(self) -> Made:
        """Bits that no number of the space ends with any more."""
        if self.sa.esn or not 0 < self.ctx.sn_lsb < 32:
            return None
        behind = self.rng.randint(1, 5)
        state = {"top": (1 << 32) - behind, "window": 64}
        header = eec_header(self.ctx, self.sa.spi, self.rng.randrange(behind + 5))
        return header + self.sent.esp[len(header) :], state

    # With the keys: the trailer

    def bad_padding(self) -> Made:
        if not diet_esp.trailer_has(self.ctx, self.sa)[0] or self.sent.pad_len == 0:
            return None
        clear = bytearray(self.sent.clear)
        behind = sum(diet_esp.trailer_has(self.ctx, self.sa))
        clear[len(clear) - behind - self.rng.randint(1, self.sent.pad_len)] ^= 1 << self.rng.randrange(8)
        return self.clear(bytes(clear))

    def pad_too_long(self) -> Made:
        has = diet_esp.trailer_has(self.ctx, self.sa)
        if not has[0]:
            return None
        clear = bytearray(self.sent.clear)
        clear[len(clear) - sum(has)] = self.rng.randint(min(255, len(clear) + 17 - sum(has)), 255)
        return self.clear(bytes(clear))

    def no_trailer(self) -> Made:
        has = sum(diet_esp.trailer_has(self.ctx, self.sa))
        if not has or self.sa.cipher.block > 1:
            return None
        return self.clear(bytes([41] * self.rng.randrange(has)))

    def wrong_next_header(self) -> Made:
        if not diet_esp.trailer_has(self.ctx, self.sa)[1]:
            return None
        return self.clear(self.sent.clear[:-1] + bytes([self.rng.choice((4, 41, 17, 59, 255))]))

    # With the keys: the inner packet

    def short_residue(self) -> Made:
        octets = self.sent.inner.octets
        needed = (len(self.sent.inner.residue_bits or "") + 7) // 8
        return self.payload(octets[: self.rng.randrange(needed)]) if needed else None

    def any_payload(self) -> Made:
        """Octets of no meaning behind the keys, where the rule gives them all a place."""
        ruled = self.ctx.proto and self.ctx.iipc
        return self.payload(self.rng.randbytes(self.rng.randint(0, 80))) if ruled else None

    def any_clear(self) -> Made:
        ruled = self.ctx.proto and self.ctx.iipc
        return self.clear(self.rng.randbytes(self.rng.randint(0, 40))) if ruled else None

    def other_residue(self, rule_fid: str, value: int) -> Made:
        """The same packet with other bits for one field."""
        residue = [
            (fid, schc.bits(value, len(bits)) if fid == rule_fid else bits) for fid, bits in self.sent.inner.residue
        ]
        text = "".join(bits for _, bits in residue)
        behind = self.sent.inner.octets[(len(text) + 7) // 8 :]
        return self.payload(schc.octets(text) + behind)

    def bad_index(self) -> Made:
        count = len(self.ctx.dscp_list)
        free = (1 << schc.index_bits(self.ctx.dscp_list or [0])) - count
        if not (self.ctx.iipc and self.ctx.tunnel and count > 1 and free):
            return None
        return self.other_residue("DSCP", count + self.rng.randrange(free))

    def bad_ipv4(self) -> Made:
        if not (self.ctx.iipc and self.ctx.tunnel and self.ctx.version == 4):
            return None
        ihl, offset = self.rng.choice((0, 4, 6, 15)), self.rng.randint(1, 0x1FFF)
        fid, value = self.rng.choice((("IHL", ihl), ("FLAGS", 1), ("FLAGS", 3), ("FRAG_OFF", offset)))
        return self.other_residue(fid, value)

    def outside(self) -> Made:
        """An address or port within the common prefix, but not in the range."""
        ctx = self.ctx
        ranges: dict[str, Range] = {"SRC_PORT": ctx.src_port, "DST_PORT": ctx.dst_port}
        if ctx.tunnel:
            ranges |= {"SRC": ctx.src, "DST": ctx.dst}
        fid = self.rng.choice(list(ranges))
        ends = ranges[fid]
        left = ends.width - ends.common
        values = [v for v in (ends.start - 1, ends.end + 1, self.rng.getrandbits(left)) if ends.start <= ends.end]
        values = [v & (1 << left) - 1 for v in values]
        values = [v for v in values if ends.leading << left | v not in ends]
        if not ctx.iipc or not values or fid not in dict(self.sent.inner.residue):
            return None
        return self.other_residue(fid, self.rng.choice(values))


Hostile = Callable[[Peer], Made]
HOSTILE: tuple[Hostile, ...] = (
    Peer.bit_error, Peer.bit_error, Peer.cut, Peer.appended, Peer.swapped, Peer.replayed, Peer.too_old, Peer.beyond,
    Peer.bad_padding, Peer.pad_too_long, Peer.no_trailer, Peer.wrong_next_header, Peer.short_residue,
    Peer.bad_index, Peer.bad_ipv4, Peer.outside, Peer.outside, Peer.any_payload, Peer.any_clear,
)  # fmt: skip
