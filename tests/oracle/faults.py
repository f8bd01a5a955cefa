"""Packets that the compressor must refuse, each with one fault (section 11 of the digest's list).

A fault takes the inputs and the draft of a packet that fits, and gives another
packet, or None where it cannot be had.
"""

from collections.abc import Callable
from dataclasses import replace

import headers
import packets
from cases import Case
from diet_esp import Context, Range, context_of
from headers import SCTP, TCP, TRANSPORT, UDP, UDPLITE
from packets import Draft, Maker, emit, with_checksum, with_ip, with_transport

Fault = Callable[[Maker, Context, Draft], bytes | None]


def ported(draft: Draft) -> bool:
    return draft.proto in TRANSPORT and draft.first == draft.proto


def outside(maker: Maker, ends: Range, value: int) -> int | None:
    """`value` with one of the leading bits that the range fixes turned over."""
    if not ends.common:
        return None
    return value ^ 1 << maker.rng.randint(ends.width - ends.common, ends.width - 1)


def other_version(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    return emit(maker.draft(10 - ctx.version, draft.proto))


def other_protocol(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    other = maker.rng.choice([p for p in (1, 6, 17, 47, 58, 132, 136) if p != draft.proto])
    return emit(replace(draft, first=other)) if ctx.proto else None


def address(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    fid, ends = maker.rng.choice((("SRC", ctx.src), ("DST", ctx.dst)))
    value = outside(maker, ends, draft.ip[fid])
    if value is None or not ctx.tunnel:
        return None
    moved = with_ip(draft, **{fid: value})
    zero = draft.proto == UDP and ported(draft) and draft.segment[6:8] == b"\0\0"
    return emit(moved if zero else with_checksum(moved))


def port(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    if not ported(draft):
        return None
    fid, ends = maker.rng.choice((("SRC_PORT", ctx.src_port), ("DST_PORT", ctx.dst_port)))
    value = outside(maker, ends, headers.unpack(TRANSPORT[draft.proto], draft.segment)[fid])
    return None if value is None else emit(with_transport(draft, **{fid: value}))


def dscp(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    others = [value for value in range(64) if value not in ctx.dscp_list]
    if ctx.dscp_cda != "sa" or not others or not ctx.tunnel:
        return None
    return emit(with_ip(draft, DSCP=maker.rng.choice(others)))


def label(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    if ctx.flow_label_cda != "zero" or not ctx.tunnel:
        return None
    fid, width = ("FLOW_LABEL", 20) if ctx.version == 6 else ("IDENT", 16)
    return emit(with_ip(draft, **{fid: 1 << maker.rng.randrange(width)}))


def extension(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    if not ctx.proto or ctx.version == 4 or draft.extensions or not ctx.tunnel:
        return None
    return emit(maker.extended(draft, maker.rng.choice(packets.CHAINS)))


def truncated_transport(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    if not ported(draft):
        return None
    return emit(replace(draft, segment=draft.segment[: maker.rng.randrange(headers.size(TRANSPORT[draft.proto]))]))


def truncated_ip(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    return emit(draft)[: maker.rng.randrange(1, headers.size(ctx.layout))]


def ip_length(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    """A length that is not that of the packet: octets behind the datagram, or some that are missing."""
    if not ctx.tunnel:
        return None
    right = int.from_bytes(emit(draft)[4:6] if ctx.version == 6 else emit(draft)[2:4], "big")
    wrong = maker.rng.choice((right + 1, right - 1, right + maker.rng.randint(1, 300), 0))
    return emit(with_ip(draft, LENGTH=wrong)) if 0 <= wrong != right else None


def options(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    return emit(maker.with_options(draft)) if ctx.version == 4 and ctx.tunnel else None


def fragment(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    if ctx.version == 6:
        return None
    first = maker.rng.random() < 0.5
    offset = 0 if first else maker.rng.randint(1, 0x1FFF)
    return emit(with_ip(draft, FLAGS=1 if first else maker.rng.choice((0, 1, 2)), FRAG_OFF=offset))


def header_checksum(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    """Wrong, or ffff where it is 0: equal as sums, yet not what comes back."""
    if ctx.version == 6 or not ctx.tunnel:
        return None
    zero = maker.rng.random() < 0.4 and ctx.flow_label_cda != "zero"
    draft = packets.with_header_sum_zero(draft) if zero else draft
    right = int.from_bytes(emit(draft)[10:12], "big")
    return emit(with_ip(draft, HDR_CKSUM=0xFFFF if zero else right ^ 1 << maker.rng.randrange(16)))


def udp_length(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    """UDP options behind the datagram, with a checksum that is right for it; or a length beyond the packet."""
    if draft.proto != UDP or not ported(draft):
        return None
    length = maker.rng.choice((len(draft.segment) + 1, 0, 7, maker.rng.randrange(len(draft.segment))))
    if 8 <= length < len(draft.segment):
        short = with_transport(replace(draft, segment=draft.segment[:length]), **{"UDP.LEN": length})
        return emit(replace(draft, segment=short.segment + draft.segment[length:]))
    return emit(with_transport(draft, **{"UDP.LEN": length}))


def transport_checksum(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    if not ported(draft):
        return None
    right = headers.transport_checksum(draft.ends, draft.proto, draft.segment)
    wrong = right ^ 1 << maker.rng.randrange(32 if draft.proto == SCTP else 16)
    if draft.proto == SCTP and maker.rng.random() < 0.4:
        wrong = maker.rng.choice((0, int.from_bytes(right.to_bytes(4, "big"), "little")))
    if draft.proto == UDPLITE and maker.rng.random() < 0.4:
        wrong = 0
    return None if wrong == right or (draft.proto == UDP and not wrong) else emit(with_checksum(draft, wrong))


def other_zero(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    """TCP with ffff where the checksum is 0000."""
    if draft.proto != TCP or not ported(draft):
        return None
    draft = packets.with_sum_zero(draft)
    zero = headers.transport_checksum(draft.ends, TCP, draft.segment) == 0
    return emit(with_checksum(draft, 0xFFFF)) if zero else None


def coverage(maker: Maker, ctx: Context, draft: Draft) -> bytes | None:
    """UDP-Lite coverage of a part, below 8, or beyond the datagram."""
    if draft.proto != UDPLITE or not ported(draft):
        return None
    most = len(draft.segment)
    wrong = maker.rng.choice((8, most - 1, maker.rng.randint(1, 7), most + 1, maker.rng.randint(1, 0xFFFF)))
    return emit(with_transport(draft, **{"UDPLITE.COV": wrong})) if wrong != most else None


FAULTS: tuple[Fault, ...] = (
    other_version, other_protocol, address, port, dscp, label, extension, truncated_transport, truncated_ip,
    ip_length, options, fragment, header_checksum, udp_length, transport_checksum, other_zero, coverage,
)  # fmt: skip


def faulty(maker: Maker, inputs: Case, draft: Draft, fault: Fault) -> bytes | None:
    """The packet with the fault; None where the context has nothing to do with it."""
    ctx = context_of(inputs["context"])
    if not ctx.iipc or (draft.extensions and not ctx.tunnel):
        return None
    return fault(maker, ctx, draft)
