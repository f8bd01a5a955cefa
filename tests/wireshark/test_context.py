"""A wrong Diet-ESP context, seen through tshark: named, harmless, or beyond what anybody can tell."""

import json
import subprocess
import sys
import unittest
from collections import Counter

import ehc
import test_ehc
import test_plugin
from packets import ENCR, INTEG, KEY, checksum, esp, ipv4
from tshark import row, table

try:
    import contexts
except ModuleNotFoundError as error:
    if error.name != "cryptography":
        raise
    contexts = None

NAMES = ["sprat.esp.icv_good", "sprat.esp.drop_reason", "sprat.ehc.contradiction", "sprat.ehc.rebuilt",
         "sprat.esp.payload", "sprat.expert.ehc-contradiction", "frame.protocols"]
HARMLESS, UNKNOWABLE = "the right packet", "no receiver can tell: "
EARLIER = "an earlier packet of this SA shows that it has another context"
# What no sender with the context of the SA makes, whatever it is given.
PROOFS = {"bad-padding", "ehc-residue", "ehc-mapping", "pad bits are not 0", "what is encrypted is no multiple of the alignment"}


@unittest.skipIf(contexts is None, "no cryptography module for the second implementation")
class WrongContexts(unittest.TestCase):
    def test_each_attribute(self):
        """A remark and no inner packet, or the right one, or one that a sender with that context sends so."""
        proven = set()
        seen = list(contexts.sights())
        packets, toml = contexts.capture(seen)
        shown = test_ehc.Files("contexts", packets, toml, *test_ehc.PLAIN_UDP).fields(NAMES)
        counts = Counter()
        for frame, sight in zip(shown, seen, strict=True):
            with self.subTest(sight.name, changed=sight.changed, clear=sight.clear.hex()):
                self.assertEqual(frame["sprat.esp.icv_good"], "1")
                counts[self.outcome(frame, sight, sight.sa in proven)] += 1
            if {frame["sprat.esp.drop_reason"], frame["sprat.ehc.contradiction"]} & PROOFS:
                proven.add(sight.sa)
        # Each of them is met, so none is asserted of nothing.
        kinds = ("right context", "refused", "contradiction", EARLIER, HARMLESS, *(UNKNOWABLE + why for why in contexts.REASONS))
        self.assertEqual(sorted(counts), sorted(kinds))
        print("wrong contexts:", ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))

    def outcome(self, frame: dict, sight: "contexts.Sight", proven: bool) -> str:
        reason, contradiction = frame["sprat.esp.drop_reason"], frame["sprat.ehc.contradiction"]
        rebuilt = bytes.fromhex(frame["sprat.ehc.rebuilt"] or frame["sprat.esp.payload"])
        self.assertEqual(contradiction != "", frame["sprat.expert.ehc-contradiction"] != "")
        if sight.wrong == sight.right:
            self.assertEqual((reason, contradiction, rebuilt.hex()), ("", "", sight.rebuilt.hex()))
            return "right context"
        if proven or contradiction == EARLIER:
            self.assertTrue(proven and (contradiction or reason))
        if reason or contradiction:
            self.assertTrue(frame["frame.protocols"].endswith(":sprat"), frame["frame.protocols"])
            if contradiction == EARLIER and not reason:
                return EARLIER
            # Nothing is called a contradiction that this context could have sent.
            if not reason and sight.aligned:
                self.assertEqual(sight.unknowable(rebuilt), "")
            return "refused" if reason else "contradiction"
        if rebuilt == sight.rebuilt:
            return HARMLESS
        self.assertNotEqual(sight.unknowable(rebuilt), "", rebuilt.hex())
        return UNKNOWABLE + sight.unknowable(rebuilt)

    def test_with_the_right_context_only_what_cannot_be_is_remarked(self):
        made = test_plugin.tshark.file("generated.json", "")
        generate = ehc.ROOT / "tests/oracle/generate.py"
        subprocess.run([sys.executable, "-B", generate, "--seed", "7", "--count", "700", made], check=True)
        cases = [case for case in json.loads(made.read_text())["diet_esp"] if case["expect"] == "ok" and in_a_table(case)]
        counts = Counter()
        for packets, toml, cases in ehc.captures(cases)[:6]:
            shown = test_ehc.Files("generated", packets, toml, *test_ehc.PLAIN_UDP).fields(NAMES)
            for frame, case in zip(shown, cases, strict=True):
                # A number far from the beginning needs the state of a receiver.
                if frame["sprat.esp.icv_good"] == "1":
                    with self.subTest(case["id"]):
                        inner, ctx = bytes.fromhex(case["decompressed"]), contexts.oracle.context_of(case["context"])
                        wanted = contexts.impossible(ctx, inner)
                        self.assertEqual(frame["sprat.ehc.contradiction"] != "", wanted, frame["sprat.ehc.contradiction"])
                        counts[wanted] += 1
        self.assertGreater(min(counts[True], counts[False]), 50)

    def test_what_another_dissector_finds_malformed_is_remarked(self):
        # Read with a context for any protocol, the text begins with the number of VRRP.
        packets, toml = contexts.capture([sight_of(contexts.context(6, 17), "ts_proto", payload=b"prio 7")])
        files = test_ehc.Files("malformed", packets, toml)
        frame = files.fields([*NAMES, "sprat.expert.ehc-inner-malformed"])[0]
        self.assertTrue(frame["frame.protocols"].endswith(":sprat:ipv6:vrrp"), frame["frame.protocols"])
        self.assertEqual((frame["sprat.esp.drop_reason"], frame["sprat.ehc.contradiction"]), ("", ""))
        self.assertNotEqual(frame["sprat.expert.ehc-inner-malformed"], "")
        self.assertRegex(files.text("-q", "-z", "sprat,tree"), r"ehc-inner-malformed +1 ")
        self.assertIn("[Malformed Packet: VRRP]", files.text("-V"))

    def test_plain_esp_keeps_a_malformed_packet_to_its_dissector(self):
        files = test_ehc.Files("plain", [ipv4(50, esp(0x1001, 1, b"rio 7", 112))], "")
        options = table(row(0x1001, ENCR, b"", INTEG, KEY))
        text = test_plugin.tshark.output("-r", files.capture, *options, "-V")
        self.assertIn("[Malformed Packet: VRRP]", text)
        self.assertNotIn("Diet-ESP", text)

    def test_what_is_legal_though_rare_is_not_remarked(self):
        every = {"ts_ip_src": contexts.EVERY[4], "ts_ip_dst": contexts.EVERY[4]}
        # The checksum covers 198.51.100.20, which is the last address of a source route.
        routed = bytearray(contexts.packet(4, 17, b"far"))
        options, routed[16:20] = bytes([131, 7, 4, *routed[16:20], 0]), bytes([203, 0, 113, 9])
        routed[0], routed[3] = 0x47, routed[3] + 8
        routed[10:12] = bytes(2)
        routed[10:12] = checksum(bytes(routed[:20]) + options).to_bytes(2, "big")
        routed = bytes(routed[:20]) + options + bytes(routed[20:])
        # Space that nobody has, and a selector that asks for it.
        reserved = contexts.context(4, 99, ts_ip_src=("240.0.0.0", "240.0.0.255"))
        strange = ipv4(99, b"data", "240.0.0.7", contexts.V4_ENDS[1])
        whole = contexts.context(4, 0, iipc_profile="iipc_not_compressed", **every)
        seen = [contexts.sight("routed", whole, whole, routed), contexts.sight("reserved", reserved, reserved, strange)]
        packets, toml = contexts.capture(seen)
        for frame, sight in zip(test_ehc.Files("legal", packets, toml, *test_ehc.PLAIN_UDP).fields(NAMES), seen, strict=True):
            with self.subTest(sight.name):
                self.assertEqual((frame["sprat.esp.icv_good"], frame["sprat.esp.drop_reason"]), ("1", ""))
                self.assertEqual(frame["sprat.ehc.contradiction"], "")
                self.assertIn(":sprat:ip", frame["frame.protocols"])

    def test_what_is_not_from_the_packet_is_listed(self):
        case = test_ehc.by_id("iot6-udp-odd-range")
        names = test_ehc.one(case).text("-T", "fields", "-e", "sprat.ehc.unconfirmed").strip().split(",")
        rule = contexts.oracle.context_of(case["context"])
        fields = [*contexts.oracle.ip_rule(rule), *contexts.oracle.transport_rule(rule, 17)]
        said = [field.fid for field in fields if field.action != "compute" and contexts.width(field) < field.length]
        self.assertEqual(names, [TITLES[fid] for fid in said])

    def test_the_remark_is_counted(self):
        case = test_ehc.by_id("iot6-udp-spi8-sn8")
        files = test_ehc.one(case, ecn_cda="not_compressed")
        self.assertEqual(files.fields(["sprat.ehc.contradiction"])[0]["sprat.ehc.contradiction"], "pad bits are not 0")
        self.assertRegex(files.text("-q", "-z", "sprat,tree"), r"ehc-contradiction +1 ")
        self.assertRegex(files.text("-q", "-z", "expert"), r"Malformed +SPRAT +what was rebuilt cannot be")
        self.assertIn("[ehc-contradiction]", files.text())


def sight_of(right: dict, changed: str, payload: bytes) -> "contexts.Sight":
    """A packet of the right context, seen with the first other one that differs in this attribute."""
    inner = contexts.packet(right["ts_ip_version"], right["ts_proto"], payload)
    wrong = next(right | change for change in contexts.changes(right) if change.get(changed, right[changed]) != right[changed])
    return contexts.sight(changed, right, wrong, inner)


TITLES = {"VERSION": "Version", "PROTO": "Protocol", "SRC": "Source Address", "DST": "Destination Address",
          "SRC_PORT": "Source Port", "DST_PORT": "Destination Port"}


def in_a_table(case: dict) -> bool:
    """Whether a configuration can hold its selectors: ports belong to a protocol there."""
    context = case["context"]
    spans = [(context[f"ts_port_{end}_start"], context[f"ts_port_{end}_end"]) for end in ("src", "dst")]
    return context["ts_proto"] != 0 or spans == [(0, 65535)] * 2
