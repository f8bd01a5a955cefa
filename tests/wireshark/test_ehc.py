"""Diet-ESP in the plugin, seen through tshark."""

import unittest
from pathlib import Path
from random import Random

import ehc
import test_plugin
from packets import DESTINATION, ENCR, INTEG, KEY, SOURCE, diet_esp, esp, ipv4, pcap, tcp, udp
from tshark import config, row, table

CASES = [case for case in ehc.load("diet_esp") if case["expect"] == "ok"]
NAMES = [f"sprat.{name}" for name in (
    "esp.icv_good", "esp.drop_reason", "esp.spi", "esp.sequence", "esp.sequence64", "esp.aad", "esp.nonce",
    "ehc.saved", "ehc.rebuilt", "ehc.residue", "ehc.pad_bits", "esp.sa_name", "esp.payload")]
# Where a value is made by whoever rebuilds the packet: octets of it, and of the sum over it.
MADE = {6: slice(1, 4), 4: slice(4, 6)}
IPV4_CHECKSUM = slice(10, 12)
# The vectors' inner datagrams go to port 4500 and are no ESP.
PLAIN_UDP = ["-d", "udp.port==4500,data"]


def by_id(name: str) -> dict:
    return next(case for case in CASES if case["id"] == name)


class Files:
    """A capture and its configuration where tshark can read them."""

    def __init__(self, name: str, packets: list[bytes], toml: str, *options: str) -> None:
        self.options = options
        self.capture = test_plugin.tshark.file(f"{name}.pcap", pcap(packets))
        self.sas = config(test_plugin.tshark.file(f"{name}.toml", toml))

    def fields(self, names: list[str], *options: str) -> list[dict[str, str]]:
        return test_plugin.tshark.fields(self.capture, names, *self.sas, *self.options, *options)

    def text(self, *options: str) -> str:
        return test_plugin.tshark.output("-r", self.capture, *self.sas, *self.options, *options)


def one(case: dict, *, packet: bytes | None = None, **attributes: object) -> Files:
    """The packet of a case, or another one, with its SA, or one of other attributes."""
    sent = bytes.fromhex(case["outer_packet"])
    return Files("one", [packet or sent], ehc.sa_toml(case, sent, **attributes), *PLAIN_UDP)


INNER = ipv4(17, udp(b"data"), "10.0.0.1", "10.1.0.1")
SPI = 0x1034


def null_sa(name: str = "null", spi: int = SPI, **more: object) -> str:
    """A tunnel with NULL encryption that compresses ESP header and trailer only; keys of `[sa.ehc]` in `more`."""
    keys = {"esp_spi_lsb": 8, "esp_sn_lsb": 8, **more}
    of_sa = {key: keys.pop(key) for key in ("esn", "sequence_start", "replay_window") if key in keys}
    udp_encap = {"udp_encap": {"source_port": 4500}} if keys.pop("udp", False) else {}
    return ehc.sa_table({
        "name": name, "spi": spi, "mode": "tunnel", "encr": ENCR, "integ": INTEG, "integ_key": KEY.hex(), **of_sa,
        "tunnel": {"source": SOURCE, "destination": DESTINATION}, **udp_encap,
        "ehc": {"iipc_profile": "iipc_not_compressed", "alignment": 8, "ip_version": 4, **keys},
    })


class EhcVectors(unittest.TestCase):
    def test_every_vector(self):
        seen = 0
        for number, (packets, toml, cases) in enumerate(ehc.captures(CASES)):
            shown = Files(f"ehc-{number}", packets, toml, *PLAIN_UDP).fields([*NAMES, "frame.protocols"])
            self.assertEqual(len(shown), len(cases))
            for frame, case in zip(shown, cases):
                with self.subTest(case["id"]):
                    got = {name.rpartition(".")[2]: value for name, value in frame.items()}
                    self.numbers(got, case)
                    self.inner(got, case)
                    seen += 1
        self.assertEqual(seen, len(CASES))
        self.assertGreater(seen, 40)

    def numbers(self, got: dict, case: dict):
        self.assertEqual((got["icv_good"], got["drop_reason"], got["sa_name"]), ("1", "", case["id"]))
        self.assertEqual(int(got["spi"], 16), int(case["sa"]["spi"], 16))
        self.assertEqual(int(got["sequence"]), case["sn"] & 0xFFFFFFFF)
        self.assertEqual(got["sequence64"], str(case["sn"]) if case["sa"]["esn"] else "")
        self.assertEqual(got["aad"], case["layers"]["aad"] or "")
        self.assertEqual(got["nonce"], case["layers"]["nonce"] or "")
        self.assertEqual(int(got["saved"]), case["saved_bytes"])
        self.assertEqual(int(got["pad_bits"] or 0), case["layers"]["iipc_pad_bits"] or 0)
        bits = case["layers"]["residue_bits"] or ""
        if bits:
            self.assertEqual(bin(int("1" + got["residue"], 16))[3:][:len(bits)], bits)
        else:
            self.assertEqual(got["residue"], "")

    def inner(self, got: dict, case: dict):
        wanted = bytes.fromhex(case["decompressed"])
        if case["context"]["iipc_profile"] == "iipc_not_compressed":
            self.assertEqual((got["payload"], got["rebuilt"]), (wanted.hex(), ""))
            return
        rebuilt = bytes.fromhex(got["rebuilt"])
        if case["context"]["ipsec_mode"] == "Transport":
            wanted = wanted[-len(rebuilt):]
            self.assertGreaterEqual(len(rebuilt), 8)
        if case["context"]["flow_label_cda"] == "generated":
            rebuilt, wanted = self.without_made(rebuilt), self.without_made(wanted)
        self.assertEqual(rebuilt.hex(), wanted.hex())
        layers = got["protocols"].split(":")
        self.assertTrue(layers[layers.index("sprat") + 1:], layers)

    @staticmethod
    def without_made(packet: bytes) -> bytes:
        octets, version = bytearray(packet), packet[0] >> 4
        slices = [MADE[version], IPV4_CHECKSUM] if version == 4 else [MADE[version]]
        for part in slices:
            octets[part] = bytes(part.stop - part.start)
        return bytes(octets)

    def test_the_forms_of_2016_to_2019(self):
        cases = ehc.load("ehc_2016_2019")
        self.assertGreater(len(cases), 5)
        for case in cases:
            with self.subTest(case["id"]):
                packet = ehc.older_packet(case)
                files = Files("older", [packet], ehc.older_toml(case, packet), *PLAIN_UDP)
                got = {name.rpartition(".")[2]: value for name, value in files.fields(NAMES)[0].items()}
                self.assertEqual((got["icv_good"], got["drop_reason"]), ("1", ""))
                self.assertEqual((int(got["sequence"]), int(got["saved"])), (case["sn"], case["saved"]))
                self.assertEqual(got["rebuilt"] or got["payload"], case["payload_data"])

    def test_each_field_of_the_rule_shows_its_bits(self):
        for case in CASES:
            if case["context"]["ipsec_mode"] != "Tunnel" or not case["layers"]["residue_bits"]:
                continue
            with self.subTest(case["id"]):
                shown = [line.split(",") for line in self.bits(case).splitlines()]
                wanted = [field["bits"] for field in case["layers"]["residue_fields"] if field["bits"]]
                self.assertEqual(shown[0][-len(wanted):], wanted)

    @staticmethod
    def bits(case: dict) -> str:
        return one(case).text("-T", "fields", "-e", "sprat.ehc.bits")


class EhcRefusals(unittest.TestCase):
    NAMES = [f"sprat.{name}" for name in ("esp.drop_reason", "esp.icv_good", "ehc.rebuilt", "ehc.saved")]

    def check(self, files: Files, reason: str, icv_good: str, remark: str, *options: str):
        """The reason is told, as an expert info as well, and no inner packet is handed on."""
        shown = files.fields([*self.NAMES, "frame.protocols", f"sprat.expert.{remark}"], *options)[0]
        self.assertEqual((shown["sprat.esp.drop_reason"], shown["sprat.esp.icv_good"]), (reason, icv_good))
        self.assertNotEqual(shown[f"sprat.expert.{remark}"], "")
        self.assertTrue(shown["frame.protocols"].endswith(":sprat"), shown["frame.protocols"])
        return shown

    def test_a_wrong_key_or_spi_is_named(self):
        case = by_id("iot6-udp-ports3bits")
        wrong = {"sa": {**case["sa"], "key": "ff" * 16}}, {"sa": {**case["sa"], "spi": "a1b2c0d4"}}
        for change in wrong:
            with self.subTest(change):
                packet = bytes.fromhex(case["outer_packet"])
                shown = self.check(one({**case, **change}, packet=packet), "integrity", "0", "ehc-integrity")
                self.assertEqual((shown["sprat.ehc.rebuilt"], shown["sprat.ehc.saved"]), ("", ""))
        report = one({**case, **change}, packet=packet).text("-q", "-z", "expert")
        self.assertRegex(report, r"Security\s+SPRAT\s+ICV does not verify \(wrong key, SA or Diet-ESP context\)")

    def test_a_wrong_context_is_named(self):
        case = by_id("iot6-udp-ports3bits")
        # Fewer bits of the number, more of the SPI: what the ICV covers begins elsewhere.
        self.check(one(case, esp_spi_lsb=0, esp_sn_lsb=8), "integrity", "0", "ehc-integrity")
        self.check(one(case, alignment=32), "bad-padding", "1", "bad-padding")
        self.check(one(case, esp_trailer="Mandatory"), "bad-padding", "1", "bad-padding")
        empty = by_id("iot6-udp-empty")
        self.check(one(empty, alignment=64), "malformed", "1", "malformed")
        self.check(one(empty, dscp_cda="not_compressed"), "ehc-residue", "1", "ehc-residue")
        ranges = {"context": {**case["context"], "ts_port_src_start": 5000, "ts_port_src_end": 5007,
                              "ts_port_dst_start": 4501, "ts_port_dst_end": 4511}}
        shown = self.check(one({**case, **ranges}), "selector", "1", "selector")
        self.assertNotEqual(shown["sprat.ehc.rebuilt"], "")

    def test_what_a_receiver_rejects_has_a_reason(self):
        reasons = {"short": "malformed", "padding": "bad-padding", "trailer": "malformed",
                   "mapping index": "ehc-mapping", "residue truncated": "ehc-residue"}
        cases, seen = ehc.load("receive_reject"), 0
        for case in cases:
            esp = bytes.fromhex(case["esp"])
            if not esp:
                continue  # Wireshark asks nobody about an IP packet without a payload
            with self.subTest(case["id"]):
                outer = bytes.fromhex(by_id("iot6-udp-spi8-sn8")["outer_packet"])[:40]
                packet = outer[:4] + len(esp).to_bytes(2, "big") + outer[6:] + esp
                files = Files("reject", [packet], ehc.sa_toml(case, packet))
                shown = files.fields([*self.NAMES, "frame.protocols"])[0]
                self.assertEqual(shown["sprat.esp.drop_reason"], reasons[case["reason"]])
                self.assertEqual(shown["sprat.ehc.rebuilt"], "")
                self.assertIn(shown["frame.protocols"].rpartition(":")[2], ("sprat", "esp"))
                seen += 1
        self.assertEqual(seen, len(cases) - 1)

    def test_without_the_outer_header_nothing_is_rebuilt(self):
        case = by_id("iot6-udp-spi8-sn8")
        esp = bytes.fromhex(case["esp"])
        packet = ipv4(6, tcp((2 + len(esp)).to_bytes(2, "big") + esp, 1))
        toml = ehc.sa_toml(case, packet)
        shown = self.check(Files("tcp", [packet], toml), "", "1", "outer-unknown", "-d", "tcp.port==4500,sprat")
        self.assertEqual(shown["sprat.ehc.rebuilt"], "")


class EhcSequences(unittest.TestCase):
    NAMES = [f"sprat.esp.{name}" for name in ("sequence64", "icv_good", "drop_reason", "sequence.gap")]

    def frames(self, numbers: list[int], sn_lsb: int = 8, **more: object) -> Files:
        packets = [ipv4(50, diet_esp(SPI, n, INNER, 8, sn_lsb, esn=True)) for n in numbers]
        return Files("numbers", packets, null_sa(esn=True, esp_sn_lsb=sn_lsb, **more))

    def shown(self, files: Files) -> list[tuple[str, ...]]:
        return [tuple(frame.values()) for frame in files.fields(self.NAMES)]

    def test_the_number_is_followed_along_the_capture(self):
        numbers = [1, 2, 5, 3, 3, 250, 255, 256, 257, 240, 400, 600]
        wanted = [(str(n), "1", "", "") for n in numbers]
        wanted[2] = ("5", "1", "", "2")
        wanted[4] = ("3", "1", "replay", "")
        for at, gap in ((5, 244), (6, 4), (10, 142), (11, 199)):
            wanted[at] = (str(numbers[at]), "1", "", str(gap))
        self.assertEqual(self.shown(self.frames(numbers, replay_window=32)), wanted)

    def test_one_pass_and_two_passes_show_the_same(self):
        files = self.frames([1, 200, 300, 300, 299, 290, 700, 60000], replay_window=32)
        self.assertEqual(files.text("-V"), files.text("-V", "-2"))
        self.assertEqual(files.text("-V").count("[ICV good: True]"), 8)

    def test_a_capture_may_begin_late_or_lose_packets(self):
        # The second is 16 turns of the 8 bits further on, and the fourth as many again.
        late = [5000, 5000 + 256 * 16, 5001 + 256 * 16, 5002 + 256 * 32]
        self.assertEqual([f[:3] for f in self.shown(self.frames(late))], [(str(n), "1", "") for n in late])
        self.assertEqual([f[:3] for f in self.shown(self.frames([700, 701], 0))], [("1", "0", "integrity")] * 2)
        self.assertEqual([f[:3] for f in self.shown(self.frames([200, 201, 203], 0))],
                         [("200", "1", ""), ("201", "1", ""), ("203", "1", "")])

    def test_a_start_tells_the_upper_bits(self):
        far = [2**33 + 700, 2**33 + 701]
        self.assertEqual([f[1] for f in self.shown(self.frames(far))], ["0", "0"])
        self.assertEqual([f[:3] for f in self.shown(self.frames(far, sequence_start=2**33 + 600))],
                         [(str(n), "1", "") for n in far])

    def test_a_wrong_key_does_not_cost_a_search_for_ever(self):
        packets = [ipv4(50, bytes([SPI & 255, n & 255]) + bytes(60)) for n in range(400)]
        files = Files("forged", [*packets, ipv4(50, diet_esp(SPI, 7, INNER))], null_sa())
        shown = files.fields(["sprat.esp.icv_good"])
        self.assertEqual([f["sprat.esp.icv_good"] for f in shown], ["0"] * 400 + ["1"])

    def test_made_up_addresses_and_quotations_do_not_either(self):
        def shown(forged: list[bytes]) -> list[str]:
            packets = [*forged, *(ipv4(17, udp(diet_esp(SPI, n, INNER), 4500, 4500)) for n in (300, 7, 300))]
            return [f["sprat.esp.icv_good"] for f in Files("many", packets, null_sa(udp=True)).fields(["sprat.esp.icv_good"])]

        # A number that only a guess finds shows whether there are any left.
        garbage = udp(bytes([SPI & 255, 9]) + bytes(60), 4500, 4500)
        elsewhere = [ipv4(17, garbage, source=f"198.51.100.{n}") for n in range(20)]
        # Behind 300 no number near it ends like 7.
        self.assertEqual(shown(elsewhere[:10]), ["0"] * 10 + ["1", "0", "1"])
        self.assertEqual(shown(elsewhere), ["0"] * 20 + ["0", "1", "1"])
        quoted = [ipv4(1, bytes([3, 1, 0, 0, 0, 0, 0, 0]) + packet) for packet in elsewhere]
        self.assertEqual(shown(quoted), [""] * 20 + ["0", "1", "1"])


class EhcLookup(unittest.TestCase):
    NAMES = [f"sprat.esp.{name}" for name in ("sa_name", "icv_good", "drop_reason")]

    def shown(self, packets: list[bytes], *sas: str, rows: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        frames = Files("lookup", packets, "\n".join(sas)).fields([*self.NAMES, "esp.spi"], *table(*rows))
        return [tuple(frame.values()) for frame in frames]

    def test_the_icv_tells_sas_apart_that_show_the_same_bits(self):
        sas = null_sa("one", 0xA1B2C3D4), null_sa("other", 0x2D4)
        packets = [ipv4(50, diet_esp(spi, n, INNER)) for n, spi in ((1, 0x2D4), (1, 0xA1B2C3D4), (2, 0x2D4))]
        self.assertEqual(self.shown(packets, *sas),
                         [("other", "1", "", ""), ("one", "1", "", ""), ("other", "1", "", "")])

    def test_more_bits_are_tried_first_and_plain_sas_before_all(self):
        sas = (null_sa("four", 0x10A, esp_spi_lsb=4, esp_sn_lsb=4), null_sa("none", 0x300, esp_spi_lsb=0),
               null_sa("six", 0x129, esp_spi_lsb=6, esp_sn_lsb=2))
        plain = row(0xA4000001, ENCR, b"", INTEG, KEY, name="plain")
        packets = [ipv4(50, diet_esp(0x129, 1, INNER, 6, 2)), ipv4(50, diet_esp(0x10A, 4, INNER, 4, 4)),
                   ipv4(50, diet_esp(0x300, 0xA5, INNER, 0, 8)), ipv4(50, esp(0xA4000001, 1, INNER, 4))]
        self.assertEqual(self.shown(packets, *sas, rows=(plain,)),
                         [(name, "1", "", "") for name in ("six", "four", "none", "plain")])
        # Where none verifies, the one with most bits is shown.
        forged = ipv4(50, bytes([0xA4, 0, 0, 1]) + bytes([9] * 60))
        self.assertEqual(self.shown([forged], *sas, rows=(plain,)), [("plain", "0", "integrity", "")])
        self.assertEqual(self.shown([forged], *sas), [("six", "0", "integrity", "")])

    def test_what_no_sa_s_bits_fit_goes_to_the_built_in_dissector(self):
        packets = [ipv4(50, esp(0x2000, 1, INNER, 4)), ipv4(50, esp(0x34000001, 1, INNER, 4), source="192.0.2.9"),
                   ipv4(50, diet_esp(SPI, 1, INNER))]
        self.assertEqual(self.shown(packets, null_sa()), [
            ("", "", "no-sa", "0x00002000"), ("", "", "no-sa", "0x34000001"), ("null", "1", "", "")])

    def test_a_plain_sa_is_shown_as_without_compressed_ones_beside_it(self):
        path, sas, _ = test_plugin.capture("esp-vectors")
        alone = test_plugin.tshark.output("-V", "-r", path, *sas)
        toml = test_plugin.PCAP.joinpath("esp-vectors.toml").read_text() + null_sa("beside", 0x70000000)
        beside = test_plugin.tshark.output("-V", "-r", path, *config(test_plugin.tshark.file("beside.toml", toml)))
        self.assertEqual(alone, beside)

    def test_in_udp_and_quoted(self):
        packet = diet_esp(SPI, 1, INNER)
        encapsulated = ipv4(17, udp(packet, 4500, 4500))
        quoted = ipv4(1, bytes([3, 1, 0, 0, 0, 0, 0, 0]) + ipv4(50, diet_esp(SPI, 1, INNER)))
        ike = ipv4(17, udp(bytes(4) + bytes(range(1, 29)), 4500, 4500))
        self.assertEqual(self.shown([encapsulated, ike], null_sa(udp=True)), [("null", "1", "", ""), ("", "", "", "")])
        self.assertEqual(self.shown([quoted, ipv4(50, packet)], null_sa()), [("null", "1", "", "")] * 2)

    def test_saved_octets_of_each_sa(self):
        case = by_id("iot6-udp-ports3bits")
        packet = bytes.fromhex(case["outer_packet"])
        more = [ipv4(50, diet_esp(SPI, n, INNER)) for n in (1, 2)]
        files = Files("saved", [packet, packet, *more], ehc.sa_toml(case, packet) + "\n" + null_sa("header"))
        report = files.text("-q", "-z", "sprat,sa")
        saved = case["saved_bytes"]
        line = r"\s*\|{}\s*\|{}\s*\|{}\s*\|{}\s*\|{:.1f}\s*\|"
        self.assertRegex(report, case["id"] + line.format(2, 2, 2 * case["esp_len"], 2 * saved, saved))
        # 6 octets of header and the trailer with its padding.
        trailer = 2 + -(len(INNER) + 2) % 4
        each = len(more[0]) - 20
        self.assertRegex(report, "header" + line.format(2, 2, 2 * each, 2 * (6 + trailer), 6 + trailer))


class EhcRobustness(unittest.TestCase):
    def look(self, path: Path, sas: list[str]) -> str:
        done = test_plugin.tshark.run("-V", "-r", path, *sas)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        text = done.stdout + done.stderr
        self.assertNotIn("Dissector bug", text)
        self.assertNotIn("AddressSanitizer", text)
        self.assertNotIn("runtime error", text)
        return done.stdout

    def test_damaged_packets(self):
        packets, toml, cases = ehc.captures(CASES)[0]
        random = Random(4303)
        for packet in packets[:]:
            front = 20 if packet[0] >> 4 == 4 else 40
            for _ in range(8):
                octets = bytearray(packet)
                octets[random.randrange(front, len(octets))] ^= 1 << random.randrange(8)
                packets.append(bytes(octets))
            packets.append(packet[:front] + random.randbytes(len(packet) - front))
        files = Files("damaged", packets, toml)
        text = self.look(files.capture, files.sas)
        self.assertGreater(text.count("[ICV bad: True]"), 7 * len(CASES))
        self.assertEqual(text.count("[ICV good: True]"), len(cases))

    def test_authentic_packets_of_any_content(self):
        random = Random(8724)
        packets, sas = [], []
        for number in range(40):
            spi = 0x1000 + number
            mode = random.choice(["tunnel", "transport"])
            packets += [ipv4(50, diet_esp(spi, n, random.randbytes(random.randrange(70)))) for n in range(1, 6)]
            sas.append(self.random_sa(random, spi, mode))
        files = Files("content", packets, "\n".join(sas))
        text = self.look(files.capture, files.sas)
        self.assertEqual(text.count("[ICV good: True]"), len(packets))
        self.assertGreater(text.count("[Rebuilt: "), 30)
        self.assertGreater(text.count("its residue ends"), 10)

    @staticmethod
    def random_sa(random: Random, spi: int, mode: str) -> str:
        choose = random.choice
        keys = {
            "ip_version": choose([4, 6]), "alignment": choose([8, 8, 16, 32]), "esp_spi_lsb": 8, "esp_sn_lsb": 8,
            "esp_trailer": choose(["Optional", "Optional", "Mandatory"]), "ecn_cda": choose(["lower", "not_compressed"]),
            "flow_label_cda": choose(["zero", "generated", "not_compressed"]),
            "dscp_cda": choose(["lower", "not_compressed"]),
        }
        protocol = choose(["udp", "tcp", "sctp", "udplite", None])
        address = {4: ("10.0.0.0/30", "10.1.0.1"), 6: ("2001:db8::/126", "2001:db8:1::1")}[keys["ip_version"]]
        selector = [f'source = "{address[0]}"', f'destination = "{address[1]}"']
        if protocol:
            selector += [f'protocol = "{protocol}"', 'source_ports = "5000-5007"']
        tunnel = {"tunnel": {"source": SOURCE, "destination": DESTINATION}} if mode == "tunnel" else {}
        text = ehc.sa_table({"name": f"sa-{spi}", "spi": spi, "mode": mode, "encr": ENCR, "integ": INTEG,
                             "integ_key": KEY.hex(), **tunnel, "ehc": keys})
        return "\n".join([text, "[[sa.selector]]", *selector, ""])

    def test_cut_packets(self):
        packets, toml, cases = ehc.captures(CASES)[0]
        for length in (40, 41, 42, 44, 50, 55):
            with self.subTest(length=length):
                cut = Files("cut", packets, toml)
                records = pcap(packets)
                cut.capture.write_bytes(snapped(records, length))
                text = self.look(cut.capture, cut.sas)
                self.assertEqual(text.count("does not verify"), 0)
                if length == 50:
                    self.assertGreater(text.count("[Cut off: True]"), len(cases) // 2)


def snapped(capture: bytes, length: int) -> bytes:
    """The capture with at most `length` octets of each packet."""
    out, at = [capture[:24]], 24
    while at < len(capture):
        captured = int.from_bytes(capture[at + 8 : at + 12], "little")
        kept = min(captured, length)
        out += [capture[at : at + 8], kept.to_bytes(4, "little"), capture[at + 12 : at + 16 + kept]]
        at += 16 + captured
    return b"".join(out)
