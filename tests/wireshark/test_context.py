"""A wrong Diet-ESP context, seen through tshark: named, harmless, or beyond what anybody can tell."""

import json
import subprocess
import sys
import unittest
from collections import Counter

import ehc
import test_ehc
import test_plugin

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


TITLES = {"VERSION": "Version", "PROTO": "Protocol", "SRC": "Source Address", "DST": "Destination Address",
          "SRC_PORT": "Source Port", "DST_PORT": "Destination Port"}


def in_a_table(case: dict) -> bool:
    """Whether a configuration can hold its selectors: ports belong to a protocol there."""
    context = case["context"]
    spans = [(context[f"ts_port_{end}_start"], context[f"ts_port_{end}_end"]) for end in ("src", "dst")]
    return context["ts_proto"] != 0 or spans == [(0, 65535)] * 2
