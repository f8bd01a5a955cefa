"""Records tests/pcap/linux-peer.*: ESP between a Linux kernel and scapy, none of it ours."""

import argparse
import sys
from pathlib import Path

from cases import Case, Kind, make_case
from guest import Guest
from linux_peer import configure
from report import Report
from scapy_driver import ScapyDriver
from sprat import sa_keys
from transforms import Transform

PCAP = Path(__file__).resolve().parent.parent / "pcap"
sys.path.append(str(PCAP))
from capture import Capture

CCM8 = Transform("ENCR_AES_CCM_8", 16)
CHACHA = Transform("ENCR_CHACHA20_POLY1305", 32)
GMAC = Transform("ENCR_NULL_AUTH_AES_GMAC", 16)
CBC = Transform("ENCR_AES_CBC", 16, "AUTH_HMAC_SHA2_256_128")
# Three packets: with ESN the low half wraps at the third.
SIZES = (16, 100, 40)

KINDS = [
    Kind(CCM8, "transport-4", sizes=SIZES),
    Kind(CCM8, "tunnel-6in4", esn=True, sizes=SIZES),
    Kind(CCM8, "tunnel-4in4", udp=True, sizes=SIZES),
    Kind(CCM8, "tunnel-4in4", sizes=SIZES, variant="tfc", tfc=200),
    Kind(CHACHA, "transport-6", sizes=SIZES),
    Kind(CHACHA, "tunnel-4in6", esn=True, sizes=SIZES),
    Kind(CHACHA, "transport-6", udp=True, sizes=SIZES),
    Kind(GMAC, "transport-4", sizes=SIZES),
    Kind(GMAC, "tunnel-6in6", esn=True, sizes=SIZES),
    Kind(Transform("ENCR_AES_GCM_16", 32), "transport-4", esn=True, udp=True, sizes=SIZES),
    Kind(Transform("ENCR_AES_CTR", 16, "AUTH_HMAC_SHA2_256_128"), "tunnel-4in4", sizes=SIZES),
    Kind(CBC, "transport-6", esn=True, sizes=SIZES),
    Kind(Transform("ENCR_NULL", 0, "AUTH_AES_CMAC_96"), "tunnel-4in4", sizes=SIZES),
]


def record(guest: Guest, case: Case, capture: Capture) -> None:
    """Requests and answers in the order of the wire, with what is inside."""
    driver = ScapyDriver()
    requests = [case.request(number, size) for number, size in enumerate(case.kind.sizes)]
    sealed = driver.seal(case.near, requests)
    for packet in sealed:
        guest.send(packet)
    answers = guest.receive(case.near.source, len(requests), timeout=2)
    # scapy leaves the TFC padding behind the packet.
    opened = [
        clear[: len(case.reply(number, size))]
        for number, (size, clear) in enumerate(zip(case.kind.sizes, driver.open(case.far, answers)[0], strict=True))
    ]
    for what, sa, packets, clears in (("request", case.near, sealed, requests), ("answer", case.far, answers, opened)):
        for number, (packet, clear) in enumerate(zip(packets, clears, strict=True), sa.seq + 1):
            esn_high = number >> 32 if sa.esn else None
            capture.add(packet, id=f"{case.kind.name} {what}", inner=clear.hex(), encr=sa.transform.encr, esn_high=esn_high)
    capture.sas += [sa_keys(case.near), sa_keys(case.far)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, required=True, help="folder for the files of this run")
    options = arguments.parse_args()
    capture = Capture()
    with Guest(options.work) as guest:
        for case in configure(guest, [make_case(index, kind) for index, kind in enumerate(KINDS, 1)], Report("xfrm")):
            record(guest, case, capture)
    capture.save(PCAP / "linux-peer")


if __name__ == "__main__":
    main()
