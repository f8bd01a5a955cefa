"""The plugin, seen through tshark."""

import json
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from packets import ENCR, INTEG, KEY, esp, ipv4, pcap, tcp, udp
from tshark import ROOT, Tshark, config, row, table

PCAP = ROOT / "tests/pcap"
VECTORS = ROOT / "tests/vectors/esp.json"
SPI = 0x1000

tshark: Tshark  # set by the runner


def capture(name: str) -> tuple[Path, list[str], list[dict]]:
    """A capture of tests/pcap, the option that gives its SAs, and its expectations."""
    expectations = json.loads((PCAP / f"{name}.expect.json").read_text())
    return tshark.copy(PCAP / f"{name}.pcap"), config(tshark.copy(PCAP / f"{name}.toml")), expectations


def null_row(**more) -> str:
    return row(SPI, ENCR, b"", INTEG, KEY, **more)


def vectors() -> dict[str, dict]:
    return {vector["id"]: vector for vector in json.loads(VECTORS.read_text())["vectors"]}


class Registration(unittest.TestCase):
    def test_the_plugin_is_loaded(self):
        self.assertRegex(tshark.output("-G", "plugins"), r"(?m)^sprat\.so\s")

    def test_the_fields_are_those_of_the_readme(self):
        registered = {line.split("\t")[2] for line in tshark.output("-G", "fields").splitlines() if "\t" in line}
        registered = {name for name in registered if name.startswith(("sprat.esp.", "sprat.ehc."))}
        readme = (ROOT / "plugin/wireshark/README.md").read_text()
        self.assertEqual(registered, set(re.findall(r"(?m)^\| `(sprat\.e(?:sp|hc)\.[a-z0-9_.]+)` \|", readme)))
        self.assertGreater(len(registered), 25)

    def test_nothing_but_the_loader_s_symbols_is_exported(self):
        if not shutil.which("nm"):
            self.skipTest("no nm")
        plugin = next((tshark.folder / "plugins").rglob("sprat.so"))
        listed = subprocess.run(["nm", "-D", "--defined-only", str(plugin)], capture_output=True, text=True, check=True)
        names = {line.split()[-1] for line in listed.stdout.splitlines()}
        self.assertEqual(names, {"plugin_version", "plugin_want_major", "plugin_want_minor", "plugin_register",
                                 "plugin_describe"})


class Decryption(unittest.TestCase):
    NAMES = [f"sprat.esp.{name}" for name in
             "icv_good drop_reason payload iv nonce aad icv encr integ sequence64 pad_good overhead".split()]

    def check(self, name: str):
        path, sas, expectations = capture(name)
        names = [*self.NAMES, "frame.protocols", "frame.len"]
        shown = tshark.fields(path, names, *sas)
        self.assertEqual(len(shown), len(expectations))
        known = vectors()
        for frame, wanted in zip(shown, expectations):
            with self.subTest(wanted.get("id", wanted)):
                got = {field.removeprefix("sprat.esp."): value for field, value in frame.items()}
                self.assertEqual((got["icv_good"], got["drop_reason"], got["pad_good"]), ("1", "", "1"))
                self.inner(got, bytes.fromhex(wanted["inner"]))
                if wanted.get("id") in known:
                    self.vector(got, known[wanted["id"]])

    def inner(self, got: dict, inner: bytes):
        """The payload is the packet before, or what stood behind its headers."""
        payload = bytes.fromhex(got["payload"])
        self.assertTrue(inner.endswith(payload), got["payload"])
        if payload != inner:
            self.assertGreaterEqual(len(inner) - len(payload), 20)
        layers = got["frame.protocols"].split(":")
        behind = layers[layers.index("sprat") + 1:]
        self.assertTrue(behind, layers)

    def vector(self, got: dict, vector: dict):
        sa = vector["sa"]
        self.assertEqual((got["iv"], got["icv"], got["nonce"]), (vector["iv"], vector["icv"], vector["nonce"]))
        self.assertEqual(got["encr"], sa["encr"])
        self.assertEqual(got["aad"], vector["aad_or_icv_input"] or "")
        number = (vector["seq_hi"] << 32) + vector["seq_lo"]
        self.assertEqual(got["sequence64"], str(number) if sa["esn"] else "")
        esp_len = 8 + len(vector["iv"]) // 2 + len(vector["plaintext"]) // 2 + len(vector["icv"]) // 2
        self.assertEqual(int(got["overhead"]), esp_len - len(got["payload"]) // 2)

    def test_every_vector(self):
        self.check("esp-vectors")

    def test_what_a_linux_kernel_sent(self):
        self.check("linux-peer")

    def test_an_ipv4_packet_inside_is_dissected_as_one(self):
        path = tshark.file("tunnel.pcap", pcap([ipv4(50, esp(SPI, 1, ipv4(17, udp(b"abcd")) + bytes(5), 4))]))
        names = ["frame.protocols", "sprat.esp.tfc", "sprat.esp.mode", "udp.dstport", "sprat.esp.overhead"]
        shown = tshark.fields(path, names, *table(null_row()))
        self.assertEqual(list(shown[0].values()), ["raw:ip:sprat:ip:udp:data", "0000000000", "tunnel", "40001", "32"])


class Refusals(unittest.TestCase):
    def test_negative_vectors_show_the_reason(self):
        path, sas, expectations = capture("esp-negative")
        names = ["sprat.esp.drop_reason", "sprat.esp.icv_good", "frame.protocols"]
        shown = tshark.fields(path, names, *sas, "-o", "ip.defragment:FALSE")
        for frame, wanted in zip(shown, expectations, strict=True):
            with self.subTest(wanted["id"], why=wanted["why"]):
                self.frame(*frame.values(), wanted)

    def frame(self, reason: str, good: str, layers: str, wanted: dict):
        expect, event = wanted["expect"], wanted["event"]
        if expect == "accept":
            self.assertEqual((reason, good), ("", "1"))
        elif expect == "discard-silently":
            self.assertEqual((reason, good), ("dummy", "1"))
        elif expect in ("ike", "keepalive"):
            self.assertIn("udpencap", layers)
            self.assertEqual(reason, "")
        elif event == "fragment" and "sprat" not in layers:
            pass  # a later fragment: Wireshark hands it to nobody
        else:
            self.assertIn(reason, event.split("-or-") if "-or-" in event else [event])

    def test_remarks_are_expert_infos(self):
        path, sas, expectations = capture("esp-negative")
        report = tshark.output("-q", "-z", "expert", "-r", path, *sas)
        self.assertRegex(report, r"Security\s+SPRAT\s+ICV does not verify")
        self.assertRegex(report, r"Malformed\s+SPRAT\s+padding is not 1, 2, 3")
        self.assertRegex(report, r"Undecoded\s+SPRAT\s+no SA for this SPI")
        found = tshark.output("-r", path, *sas, "-Y", "sprat.expert.bad-inner")
        wanted = [frame for frame in expectations if frame["event"] == "bad-inner"]
        self.assertEqual(len(found.splitlines()), len(wanted))


class Sequences(unittest.TestCase):
    NAMES = [f"sprat.esp.{name}" for name in
             ("sequence", "drop_reason", "sequence.duplicate", "sequence.too_old", "sequence.gap")]

    def frames(self, numbers: list[int], *, esn: bool = False, name: str = "seq.pcap", **more) -> tuple[Path, list[str]]:
        packets = [ipv4(50, esp(SPI, n, udp(b"data"), 17, esn=esn)) for n in numbers]
        return tshark.file(name, pcap(packets)), table(null_row(esn=esn, **more))

    def test_duplicates_old_packets_and_gaps(self):
        path, sas = self.frames([1000, 1001, 1001, 1005, 1003, 1100, 1036, 1037, 0])
        shown = [tuple(frame.values()) for frame in tshark.fields(path, self.NAMES, *sas)]
        self.assertEqual(shown, [
            ("1000", "", "", "", ""), ("1001", "", "", "", ""), ("1001", "replay", "1", "", ""),
            ("1005", "", "", "", "3"), ("1003", "", "", "", ""), ("1100", "", "", "", "94"),
            ("1036", "too-old", "", "1", ""), ("1037", "", "", "", ""), ("0", "invalid-zero", "", "", ""),
        ])
        report = tshark.output("-q", "-z", "expert", "-r", path, *sas)
        self.assertRegex(report, r"2\s+Sequence\s+SPRAT\s+numbers of this SA are missing")
        self.assertRegex(report, r"1\s+Sequence\s+SPRAT\s+sequence number already seen")

    def test_one_pass_and_two_passes_show_the_same(self):
        path, sas = self.frames([7, 7, 90, 8, 2**32 + 3, 2**32 + 1], esn=True)
        once = tshark.output("-V", "-r", path, *sas)
        self.assertEqual(once, tshark.output("-2", "-V", "-r", path, *sas))
        self.assertEqual(once.count("[Duplicate: True]"), 1)

    def test_forged_packets_do_not_move_the_window(self):
        packets = [ipv4(50, esp(SPI, n, udp(b"data"), 17)) for n in (5, 500, 6)]
        packets[1] = packets[1][:-1] + bytes([packets[1][-1] ^ 1])
        shown = tshark.fields(tshark.file("forged.pcap", pcap(packets)), self.NAMES[:2], *table(null_row()))
        self.assertEqual([tuple(f.values()) for f in shown], [("5", ""), ("500", "integrity"), ("6", "")])

    def test_addresses_tell_equal_spis_apart(self):
        packets = [ipv4(50, esp(SPI, 9, udp(b"data"), 17), source=s) for s in ("192.0.2.1", "192.0.2.9", "192.0.2.1")]
        rows = table(null_row(name="any"), null_row(source="192.0.2.8/30", name="narrow"))
        path = tshark.file("addresses.pcap", pcap(packets))
        shown = tshark.fields(path, ["sprat.esp.sa_name", "sprat.esp.drop_reason"], *rows)
        self.assertEqual([tuple(f.values()) for f in shown], [("any", ""), ("narrow", ""), ("any", "replay")])

    def test_the_high_half_is_zero_unless_a_start_is_given(self):
        numbers = [2**33 + 5, 2**33 + 6]
        path, sas = self.frames(numbers, esn=True)
        self.assertEqual({f["sprat.esp.icv_bad"] for f in tshark.fields(path, ["sprat.esp.icv_bad"], *sas)}, {"1"})
        path, sas = self.frames(numbers, esn=True, start=2**33)
        shown = tshark.fields(path, ["sprat.esp.sequence64", "sprat.esp.icv_good"], *sas)
        self.assertEqual([tuple(f.values()) for f in shown], [(str(n), "1") for n in numbers])


class Coexistence(unittest.TestCase):
    def test_without_sas_the_output_is_that_of_wireshark_alone(self):
        for name in ("esp-vectors", "esp-negative", "linux-peer"):
            path, _, _ = capture(name)
            texts = [tshark.output("-V", "-r", path, with_plugin=plugin) for plugin in (True, False)]
            ours, theirs = (re.sub(r"(?m)^ +\[Protocols in frame:.*\n", "", text) for text in texts)
            self.assertEqual(ours, theirs, name)
            columns = [tshark.output("-r", path, with_plugin=plugin) for plugin in (True, False)]
            self.assertEqual(*columns, name)

    def test_a_packet_without_an_sa_goes_to_the_built_in_dissector(self):
        path = tshark.file("nosa.pcap", pcap([ipv4(50, esp(0x2000, 1, udp(b"data"), 17)),
                                              ipv4(17, udp(esp(0x2000, 1, udp(b"data"), 17), 4500, 4500))]))
        names = ["frame.protocols", "esp.spi", "sprat.esp.drop_reason"]
        shown = tshark.fields(path, names, *table(null_row()))
        self.assertEqual(list(shown[0].values()), ["raw:ip:sprat:esp", "0x00002000", "no-sa"])
        self.assertEqual(list(shown[1].values()), ["raw:ip:udp:sprat:udpencap:esp", "0x00002000", "no-sa"])

    def layers(self, packet: bytes, *options: str) -> str:
        path = tshark.file("layers.pcap", pcap([packet]))
        return tshark.fields(path, ["frame.protocols"], *table(null_row()), *options)[0]["frame.protocols"]

    def test_the_preference_and_decode_as_choose_the_dissector(self):
        plain = ipv4(50, esp(SPI, 1, udp(b"data"), 17))
        encapsulated = ipv4(17, udp(esp(SPI, 1, udp(b"data"), 17), 4500, 4500))
        off = ["-o", "sprat.take_over:FALSE"]
        self.assertEqual(self.layers(plain), "raw:ip:sprat:udp:data")
        self.assertEqual(self.layers(encapsulated), "raw:ip:udp:sprat:udp:data")
        self.assertTrue(self.layers(plain, *off).startswith("raw:ip:esp"))
        self.assertTrue(self.layers(encapsulated, *off).startswith("raw:ip:udp:udpencap:esp"))
        self.assertTrue(self.layers(plain, "-d", "ip.proto==50,esp").startswith("raw:ip:esp"))
        other = ipv4(17, udp(esp(SPI, 1, udp(b"data"), 17), 5001, 5001))
        for options in ([], off):
            self.assertEqual(self.layers(other, *options, "-d", "udp.port==5001,sprat"), "raw:ip:udp:sprat:udp:data")

    def test_ike_and_keepalives_on_port_4500_stay_with_the_built_in_dissector(self):
        ike = bytes(4) + bytes(range(1, 9)) + bytes(8) + bytes([33, 0x20, 34, 8, 0, 0, 0, 0, 0, 0, 0, 28])
        self.assertEqual(self.layers(ipv4(17, udp(ike, 4500, 4500))), "raw:ip:udp:sprat:udpencap:isakmp")
        self.assertEqual(self.layers(ipv4(17, udp(b"\xff", 4500, 4500))), "raw:ip:udp:sprat:udpencap")

    def test_esp_in_tcp_by_decode_as(self):
        messages = [esp(SPI, n, udp(b"data"), 17) for n in (1, 2)]
        stream = b"IKETCP" + b"".join((2 + len(m)).to_bytes(2, "big") + m for m in messages) + b"\x00\x03\xff"
        # Cut where a frame is not: the rest comes with the next segment.
        packets = [ipv4(6, tcp(stream[:50], 1)), ipv4(6, tcp(stream[50:], 51)), ipv4(6, tcp(b"\x00\x01abc", 1 + len(stream)))]
        path = tshark.file("tcp.pcap", pcap(packets))
        options = [*table(null_row()), "-d", "tcp.port==4500,sprat"]
        text = tshark.output("-V", "-r", path, *options)
        self.assertEqual(text.count("[ICV good: True]"), 2)
        self.assertEqual(text.count("IPsec in TCP (RFC 9329)"), 4)
        self.assertIn("the TCP stream is not framed as RFC 9329 says", text)

    def test_a_tcp_prefix_in_two_segments(self):
        message = esp(SPI, 1, udp(b"data"), 17)
        stream = b"IKETCP" + (2 + len(message)).to_bytes(2, "big") + message
        path = tshark.file("prefix.pcap", pcap([ipv4(6, tcp(stream[:3], 1)), ipv4(6, tcp(stream[3:], 4))]))
        shown = tshark.fields(path, ["sprat.esp.icv_good"], *table(null_row()), "-d", "tcp.port==4500,sprat")
        self.assertEqual([f["sprat.esp.icv_good"] for f in shown], ["", "1"])

    def test_packets_side_by_side_in_a_segment_have_numbers_of_their_own(self):
        forged = bytearray(esp(SPI, 7, udp(b"data"), 17))
        forged[-1] ^= 1
        messages = [bytes(forged), esp(SPI, 9, udp(b"data"), 17)]
        stream = b"".join((2 + len(m)).to_bytes(2, "big") + m for m in messages)
        again = (2 + len(messages[1])).to_bytes(2, "big") + messages[1]
        path = tshark.file("side.pcap", pcap([ipv4(6, tcp(stream, 1)), ipv4(6, tcp(again, 1 + len(stream)))]))
        for passes in ([], ["-2"]):
            text = tshark.output("-V", "-r", path, *table(null_row()), "-d", "tcp.port==4500,sprat", *passes)
            self.assertEqual(re.findall(r"Drop reason: ([a-z-]+)", text), ["integrity", "replay"])

    def test_what_tcp_says_of_itself_is_not_taken_for_an_ip_header(self):
        # The first octet of what TCP passes on is the end of its number: 6, as of IPv6.
        message = esp(SPI, 1, bytes([17, 0, 1, 4, 0, 0, 0, 0]) + udp(b"data"), 60)
        packets = [ipv4(6, tcp((2 + len(message)).to_bytes(2, "big") + message, 6))]
        options = [*table(null_row()), "-d", "tcp.port==4500,sprat", "-o", "tcp.relative_sequence_numbers:FALSE"]
        report = tshark.output("-q", "-z", "endpoints,ipv6", "-r", tshark.file("six.pcap", pcap(packets)), *options)
        self.assertRegex(report, r"Rx Bytes +\|\n=+\n$")

    def test_the_payload_of_a_disabled_protocol_is_shown_as_data(self):
        packet = ipv4(50, esp(SPI, 1, udp(b"data"), 17))
        self.assertEqual(self.layers(packet, "--disable-protocol", "udp"), "raw:ip:sprat:data")

    def test_a_quotation_in_an_icmp_error_is_cut_off_not_forged(self):
        packet = ipv4(50, esp(SPI, 1, udp(bytes(64)), 17))
        errors = [ipv4(1, bytes([3, 1, 0, 0, 0, 0, 0, 0]) + packet[:n]) for n in (28, 60, len(packet))]
        names = [f"sprat.esp.{name}" for name in ("truncated", "drop_reason", "icv_good")]
        shown = tshark.fields(tshark.file("quoted.pcap", pcap(errors)), names, *table(null_row()))
        self.assertEqual([tuple(f.values()) for f in shown], [("1", "", ""), ("1", "", ""), ("", "", "1")])


class Tables(unittest.TestCase):
    def refused(self, wrong: str, message: str):
        done = tshark.run("-r", tshark.copy(PCAP / "linux-peer.pcap"), *table(wrong))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(message, done.stderr)

    def test_rows_that_are_no_sa_are_refused_in_the_library_s_words(self):
        self.refused(row(SPI, "ENCR_AES_CCM_8", bytes(16)), "ENCR_AES_CCM_8 takes a key of 19 or 27 or 35 octets")
        self.refused(row(SPI, "ENCR_AES_CBC", bytes(16)), "ENCR_AES_CBC needs an integrity transform")
        self.refused(row(SPI, "ENCR_AES_GCM_16", bytes(20), INTEG, KEY), "makes the ICV itself")
        self.refused(row(255, ENCR, b"", INTEG, KEY), "SPI 0-255 is reserved")
        self.refused(null_row(source="10.0.0.0/40"), "10.0.0.0/40")
        self.refused(null_row(start=2**40), "needs 64-bit numbers")

    def test_a_wrong_file_is_told_and_breaks_nothing(self):
        toml = tshark.file("wrong.toml", '[[sa]]\nname = "x"\nspi = 12\nmode = "sideways"\n')
        path = tshark.file("one.pcap", pcap([ipv4(50, esp(SPI, 1, udp(b"data"), 17))]))
        done = tshark.run("-r", path, "-T", "fields", "-e", "sprat.esp.icv_good", *config(toml), *table(null_row()))
        self.assertEqual((done.returncode, done.stdout), (0, "1\n"))
        self.assertIn("wrong.toml:3: sa.spi", done.stderr)
        self.assertIn("wrong.toml:4: sa.mode", done.stderr)
        done = tshark.run("-r", path, *config(tshark.folder / "absent.toml"))
        self.assertEqual(done.returncode, 0)
        self.assertIn("absent.toml: cannot be read", done.stderr)

    def test_every_transform_of_the_table_can_be_chosen(self):
        """Vectors by the table instead of the file: key and salt in one column."""
        seen, rows, ids = set(), [], {}
        for vector in vectors().values():
            sa = vector["sa"]
            pair = (sa["encr"], sa["encr_key_bits"], sa["integ"])
            if pair in seen:
                continue
            seen.add(pair)
            ids[sa["spi"]] = vector["id"]
            rows.append(row(sa["spi"], sa["encr"], bytes.fromhex(sa["encr_key"] + sa["salt"]), sa["integ"],
                            bytes.fromhex(sa["integ_key"]), esn=sa["esn"],
                            start=(vector["seq_hi"] << 32) + vector["seq_lo"] if sa["esn"] else 0, name=vector["id"]))
        self.assertGreater(len(seen), 40)
        path, _, _ = capture("esp-vectors")
        profile = tshark.home / ".config/wireshark"
        profile.mkdir(parents=True, exist_ok=True)
        try:
            (profile / "sprat_sas").write_text("\n".join(rows) + "\n")
            shown = tshark.fields(path, ["sprat.esp.sa_name", "sprat.esp.icv_good"], "-Y", "sprat.esp.sa_name")
        finally:
            shutil.rmtree(profile)
        good = {frame["sprat.esp.sa_name"] for frame in shown if frame["sprat.esp.icv_good"] == "1"}
        self.assertEqual(set(ids.values()) - good, set())

    def test_statistics_count_by_sa(self):
        path, sas, expectations = capture("linux-peer")
        report = tshark.output("-q", "-z", "sprat,tree", "-r", path, *sas)
        self.assertRegex(report, rf"ESP packets by SA\s+{len(expectations)}\s")
        self.assertIn("ICV good", report)


class Robustness(unittest.TestCase):
    def look(self, path: Path, sas: list[str]):
        done = tshark.run("-V", "-r", path, *sas)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Dissector bug", done.stdout + done.stderr)
        self.assertNotIn("sprat failed on this packet", done.stdout)
        self.assertNotRegex(done.stderr, "Sanitizer|panicked")
        return done.stdout

    def edited(self, path: Path, *options: str) -> Path:
        if not shutil.which("editcap"):
            self.skipTest("no editcap")
        out = tshark.folder / "edited.pcap"
        subprocess.run(["editcap", *options, str(path), str(out)], check=True, capture_output=True)
        out.chmod(0o644)
        return out

    def test_random_errors(self):
        for name in ("esp-vectors", "esp-negative", "linux-peer"):
            path, sas, _ = capture(name)
            for seed in range(1, 6):
                with self.subTest(name, seed=seed):
                    self.look(self.edited(path, "-E", "0.03", "--seed", str(seed)), sas)

    def test_cut_packets(self):
        path, sas, expectations = capture("esp-vectors")
        for length in (20, 24, 28, 29, 36, 44, 60, 90):
            with self.subTest(length=length):
                text = self.look(self.edited(path, "-s", str(length)), sas)
                if length == 60:
                    self.assertGreater(text.count("[Cut off: True]"), len(expectations) // 2)
                    self.assertNotIn("does not verify", text)
