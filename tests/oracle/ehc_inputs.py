"""Random inputs of the list ehc_2016_2019: packets that the rules of 2016 to 2019 cover."""

from random import Random

import headers
from cases import Case
from headers import TCP, TRANSPORT, UDP, UDPLITE
from inputs import Inputs
from packets import Draft, emit, with_checksum, with_ip, with_transport

SA_MEMBERS = ("encr", "key", "salt", "spi", "esn")


def lsb_octets(rng: Random, context: Case) -> Case:
    spi, sn = rng.randint(0, 4), rng.randint(0, 4)
    return context | {"esp_align": rng.choice((8, 8, 16, 32)), "esp_spi_lsb": spi, "esp_sn_lsb": sn}


def trailer_only(rng: Random) -> tuple[Case, bytes, int]:
    """The form of 2016: any payload, one protocol or several."""
    proto = rng.choice((UDP, TCP, 58))
    several = rng.random() < 0.4
    context = {"trailer_only": True, "mode": "Transport", "l4_proto": None if several else proto}
    return lsb_octets(rng, context), rng.randbytes(rng.randint(0, 80)), proto


def maybe(rng: Random, value: int) -> int | None:
    return value if rng.random() < 0.6 else None


def covered(inputs: Inputs) -> Draft:
    """UDP with a checksum, UDP-Lite of full coverage, or another protocol; DF where it is IPv4."""
    rng = inputs.rng
    proto = rng.choice((UDP, UDP, UDPLITE, TCP, 58))
    draft = inputs.maker.draft(rng.choice((6, 4)), proto)
    if draft.version == 4:
        draft = with_ip(draft, FLAGS=2, FRAG_OFF=0)
    if proto == UDPLITE:
        return with_transport(draft, **{"UDPLITE.COV": len(draft.segment)})
    return with_checksum(draft)


def compressed(inputs: Inputs) -> tuple[Case, bytes, int]:
    """The form of 2017 to 2019, tunnel mode."""
    rng = inputs.rng
    draft = covered(inputs)
    proto = maybe(rng, draft.proto)
    context: Case = {
        "ip_version": draft.version,
        "outer_version": rng.choice((6, 4)),
        "ip_src": maybe(rng, draft.ip["SRC"]),
        "ip_dst": maybe(rng, draft.ip["DST"]),
        "l4_proto": proto,
    }
    if proto in TRANSPORT:
        values = headers.unpack(TRANSPORT[proto], draft.segment)
        context |= {"l4_src": maybe(rng, values["SRC_PORT"]), "l4_dst": maybe(rng, values["DST_PORT"])}
    if proto == UDPLITE:
        context["udplite_coverage"] = 0
    if proto == TCP:
        # Fewer octets of the numbers need state of each flow.
        context["tcp_lsb"] = 4
        context |= {"tcp_options": rng.random() < 0.5, "tcp_urgent": rng.random() < 0.5}
        if not context["tcp_options"]:
            draft = with_transport(draft, **{"TCP.DOFF": 5, "TCP.RSVD_FLAGS": rng.getrandbits(8)})
        if not context["tcp_urgent"]:
            draft = with_transport(draft, **{"TCP.URG": 0})
    return lsb_octets(rng, context), emit(draft), headers.IPV6 if draft.version == 6 else 4


def draw(rng: Random, inputs: Inputs) -> Case:
    context, data, next_header = trailer_only(rng) if rng.random() < 0.4 else compressed(inputs)
    sa = inputs.sa()
    while sa["auth_key"]:
        sa = inputs.sa()
    iv = rng.randbytes(sa["iv_len"]).hex()
    sn = rng.randrange(1, 1 << (64 if sa["esn"] else 32))
    sa = {name: sa[name] for name in SA_MEMBERS}
    return {"context": context, "sa": sa, "sn": sn, "iv": iv, "payload_data": data.hex(), "next_header": next_header}
