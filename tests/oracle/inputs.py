"""Random contexts, SAs and numbers around a packet: the inputs of a vector of the list diet_esp."""

import ipaddress
from random import Random

import headers
from cases import Case
from crypto import ENCR, INTEG
from headers import FRAGMENT, NO_NEXT, ROUTING, SCTP, TCP, TRANSPORT, UDP, UDPLITE
from packets import CHAINS, OPAQUE_PROTOCOLS, Draft, Maker, emit, with_header_sum_zero, with_ip

LSB_PAIRS = [(spi, sn) for spi in range(33) for sn in range(33) if (spi + sn) % 8 == 0]
COMMON_PAIRS = [(8, 8), (0, 16), (16, 16), (6, 10), (32, 32), (0, 8), (8, 0), (4, 4)]


class Inputs:
    """Draws everything that a case is given, from a seeded source."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.maker = Maker(rng)

    # Selectors

    def ends(self, value: int, width: int) -> tuple[int, int]:
        """A range with `value` in it: one value, a prefix, no prefix, or all."""
        rng = self.rng
        most = (1 << width) - 1
        form = rng.random()
        if form < 0.35:
            return value, value
        if form < 0.6:
            host = (1 << rng.randint(1, width - 1)) - 1
            return value & ~host, value | host
        if form < 0.9:
            reach = 1 << rng.randint(1, width - 1)
            return max(0, value - rng.randrange(reach)), min(most, value + rng.randrange(reach))
        return 0, most

    def selectors(self, draft: Draft, any_proto: bool) -> Case:
        width, address = (128, ipaddress.IPv6Address) if draft.version == 6 else (32, ipaddress.IPv4Address)
        found: Case = {"ts_ip_version": draft.version, "ts_proto": 0 if any_proto else draft.proto}
        for end, fid in (("src", "SRC"), ("dst", "DST")):
            start, stop = self.ends(draft.ip[fid], width)
            found[f"ts_ip_{end}_start"], found[f"ts_ip_{end}_end"] = str(address(start)), str(address(stop))
        ported = draft.proto in TRANSPORT and draft.first == draft.proto
        for end, at in (("src", 0), ("dst", 2)):
            start, stop = 0, 65535
            if ported and not (any_proto and self.rng.random() < 0.5):
                start, stop = self.ends(int.from_bytes(draft.segment[at : at + 2], "big"), 16)
            found[f"ts_port_{end}_start"], found[f"ts_port_{end}_end"] = start, stop
        if not any_proto and draft.proto in OPAQUE_PROTOCOLS and self.rng.random() < 0.2:
            found |= {f"ts_port_{end}_start": 65535 for end in ("src", "dst")}
            found |= {f"ts_port_{end}_end": 0 for end in ("src", "dst")}
        return found

    # The rest of the context

    def dscp_list(self, dscp: int) -> list[int]:
        count = self.rng.choice((1, 1, 2, 3, 4, 5, 8, 9, 16, 33, 64))
        others = [value for value in range(64) if value != dscp]
        values = [dscp, *self.rng.sample(others, count - 1)]
        self.rng.shuffle(values)
        return values

    def context(self, draft: Draft, tunnel: bool, iipc: bool, any_proto: bool) -> Case:
        rng = self.rng
        dscp_cda = rng.choice(("not_compressed", "lower", "sa"))
        spi_lsb, sn_lsb = rng.choice(LSB_PAIRS if rng.random() < 0.6 else COMMON_PAIRS)
        context = {
            "iipc_profile": "iipc_diet-esp" if iipc else "iipc_not_compressed",
            "dscp_cda": dscp_cda,
            "ecn_cda": rng.choice(("not_compressed", "lower")),
            "flow_label_cda": rng.choice(("not_compressed", "lower", "generated", "zero")),
            "dscp_list": self.dscp_list(draft.ip["DSCP"]) if dscp_cda == "sa" else [],
            "alignment": rng.choice((8, 8, 8, 16, 32, 64)),
            "esp_trailer": rng.choice(("Mandatory", "Optional", "Optional")),
            "ipsec_mode": "Tunnel" if tunnel else "Transport",
            "esp_spi_lsb": spi_lsb,
            "esp_sn_lsb": sn_lsb,
        }
        return context | self.selectors(draft, any_proto)

    # Packets that fit

    def protocol(self, version: int, tunnel: bool) -> int:
        icmp = headers.ICMPV6 if version == 6 else headers.ICMP
        others = [p for p in OPAQUE_PROTOCOLS if tunnel or p != 51]
        last = NO_NEXT if tunnel else icmp
        kinds = (UDP, TCP, UDPLITE, SCTP, icmp, self.rng.choice(others), last)
        return self.rng.choices(kinds, (8, 4, 3, 3, 3, 2, 1))[0]

    def chain(self, draft: Draft, tunnel: bool) -> Draft:
        """Extension headers; in transport mode only those whose place is beyond doubt."""
        kinds = self.rng.choice(CHAINS)
        if not tunnel and FRAGMENT in kinds:
            return draft
        if not tunnel and ROUTING in kinds and draft.proto in TRANSPORT:
            return draft
        return self.maker.extended(draft, kinds)

    def fitting(self, tunnel: bool, iipc: bool) -> tuple[Draft, bool]:
        """A packet, and whether its selectors are to name every protocol."""
        rng = self.rng
        version = rng.choice((6, 6, 4))
        draft = self.maker.draft(version, self.protocol(version, tunnel))
        any_proto = rng.random() < 0.3
        if version == 6 and any_proto and rng.random() < 0.3:
            draft = self.chain(draft, tunnel)
        if version == 4 and not (tunnel and iipc) and rng.random() < 0.2:
            draft = self.maker.with_options(draft)
        elif version == 4 and rng.random() < 0.05:
            draft = with_header_sum_zero(draft)
        return draft, any_proto

    # SA and numbers

    def sa(self) -> Case:
        rng = self.rng
        encr = rng.choice(list(ENCR))
        row = ENCR[encr]
        auth_key, name, icv_len = b"", encr, row.icv
        if not row.icv:
            integ = rng.choice(list(INTEG))
            _, key_len, icv_len = INTEG[integ]
            auth_key, name = rng.randbytes(key_len), f"{encr}+{integ}"
        return {
            "encr": name,
            "encr_id": row.number,
            "key": rng.randbytes(rng.choice(row.keys)).hex(),
            "salt": rng.randbytes(row.salt).hex(),
            "auth_key": auth_key.hex(),
            "icv_len": icv_len,
            "iv_len": row.iv,
            "spi": f"{rng.choice((rng.randint(256, 0xFFFF), rng.randint(256, 0xFFFFFFFF))):08x}",
            "esn": rng.random() < 0.4,
        }

    def numbers(self, sn_lsb: int, esn: bool) -> tuple[int, Case]:
        """A sequence number that the receiver in this state finds, and the state."""
        rng = self.rng
        most = (1 << 64 if esn else 1 << 32) - 1
        window = rng.choice((64, 64, 64, 32, 128, 1024))
        tops = (0, 0, rng.randrange(300), rng.randrange(1 << 20), most - 1, most - rng.randint(1, 300))
        top = rng.choice((*tops, rng.randrange(most)))
        if esn and rng.random() < 0.4:
            top = (rng.randrange(1, 9) << 32) + rng.randint(-100, 100)
        low = max(1, top - (min(window, 1 << max(sn_lsb - 1, 0)) if sn_lsb else 0) + 1)
        last = min(most, low + (1 << sn_lsb) - 1)
        form = rng.random()
        if form < 0.6 or low >= last:
            sn = top + 1
        elif form < 0.8:
            sn = rng.choice((last, rng.randint(low, last), rng.randint(low, last)))
        else:
            sn = rng.randint(low, min(last, max(top - 1, low)))
        return (top + 1 if sn == top else sn), {"top": top, "window": window}

    # The way of the packet

    def outer_sent(self, context: Case, draft: Draft) -> Case:
        """Copies what is compressed as `lower`, and the hop limit; the rest is any value."""
        rng, ip = self.rng, draft.ip
        lower = {name: context[f"{name}_cda"] == "lower" for name in ("dscp", "ecn", "flow_label")}
        outer = {
            "version": rng.choice((6, 6, 4)),
            "dscp": ip["DSCP"] if lower["dscp"] else rng.choice((0, rng.getrandbits(6))),
            "ecn": ip["ECN"] if lower["ecn"] else rng.choice((0, ip["ECN"])),
            "hop_limit": ip["HOP_LIMIT"],
        }
        inner = ip["FLOW_LABEL"] if draft.version == 6 else ip["IDENT"]
        fid, width = ("flow_label", 20) if outer["version"] == 6 else ("ident", 16)
        outer[fid] = inner if lower["flow_label"] else rng.choice((0, rng.getrandbits(width)))
        outer[fid] &= (1 << width) - 1
        return outer

    def outer_received(self, context: Case, outer: Case) -> Case:
        """What the network made of it; a mark of congestion is only put on what allows it."""
        rng = self.rng
        if rng.random() < 0.7 or context["ipsec_mode"] == "Transport":
            return outer
        changed = dict(outer)
        changed["hop_limit"] = max(0, outer["hop_limit"] - rng.randint(0, 20))
        if rng.random() < 0.5:
            changed["dscp"] = rng.getrandbits(6)
        if outer["ecn"] and rng.random() < 0.5:
            changed["ecn"] = 3
        if outer["version"] == 6 and rng.random() < 0.3:
            changed["flow_label"] = rng.getrandbits(20)
        return changed

    def generated(self, context: Case) -> int:
        if context["flow_label_cda"] != "generated":
            return 0
        return self.rng.randint(1, 0xFFFFF if context["ts_ip_version"] == 6 else 0xFFFF)

    def complete(self) -> tuple[Case, Draft]:
        """All inputs of a case whose packet fits, and the packet."""
        rng = self.rng
        tunnel, iipc = rng.random() < 0.7, rng.random() < 0.92
        draft, any_proto = self.fitting(tunnel, iipc)
        context = self.context(draft, tunnel, iipc, any_proto)
        if context["flow_label_cda"] == "zero":
            draft = with_ip(draft, **{"FLOW_LABEL" if draft.version == 6 else "IDENT": 0})
        sa = self.sa()
        sn, state = self.numbers(context["esp_sn_lsb"], sa["esn"])
        outer = self.outer_sent(context, draft)
        return {
            "context": context,
            "sa": sa,
            "sn": sn,
            "iv": rng.randbytes(sa["iv_len"]).hex(),
            "inner_packet": emit(draft).hex(),
            "outer_sent": outer,
            "outer_received": self.outer_received(context, outer),
            "receiver_state": state,
            "generated_value": self.generated(context),
        }, draft

