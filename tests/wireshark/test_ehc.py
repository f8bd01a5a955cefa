"""Diet-ESP in the plugin, seen through tshark."""

import re
import unittest
from pathlib import Path

import ehc
import test_plugin
from packets import pcap
from tshark import config

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

    def __init__(self, name: str, packets: list[bytes], toml: str) -> None:
        self.capture = test_plugin.tshark.file(f"{name}.pcap", pcap(packets))
        self.sas = config(test_plugin.tshark.file(f"{name}.toml", toml))

    def fields(self, names: list[str], *options: str) -> list[dict[str, str]]:
        return test_plugin.tshark.fields(self.capture, names, *self.sas, *PLAIN_UDP, *options)

    def text(self, *options: str) -> str:
        return test_plugin.tshark.output("-r", self.capture, *self.sas, *PLAIN_UDP, *options)


def one(case: dict, *, packet: bytes | None = None, **attributes: object) -> Files:
    """The packet of a case, or another one, with its SA, or one of other attributes."""
    sent = bytes.fromhex(case["outer_packet"])
    return Files("one", [packet or sent], ehc.sa_toml(case, sent, **attributes))


class Vectors(unittest.TestCase):
    def test_every_vector(self):
        seen = 0
        for number, (packets, toml, cases) in enumerate(ehc.captures(CASES)):
            shown = Files(f"ehc-{number}", packets, toml).fields([*NAMES, "frame.protocols"])
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
