//! `sprat explain`: against the vectors, field by field, and against figures that
//! were worked out by hand.

mod common;

use common::{Dir, Run, sprat};
use serde_json::Value;

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    let found = value[key].as_str();
    found.unwrap_or_else(|| panic!("{key} in {value}"))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let found = value[key].as_array();
    found.unwrap_or_else(|| panic!("{key} in {value}"))
}

/// The cases of the Diet-ESP vectors.
fn vectors() -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/diet-esp.json"
    );
    let file = std::fs::read_to_string(path).unwrap();
    let all: Value = serde_json::from_str(&file).unwrap();
    list(&all, "diet_esp").to_vec()
}

/// A vector's context and SA as a configuration.
fn configuration(case: &Value) -> String {
    let (sa, context) = (&case["sa"], &case["context"]);
    let (encr, integ) = text(sa, "encr")
        .split_once('+')
        .unwrap_or((text(sa, "encr"), "NONE"));
    let keys = [text(sa, "key"), text(sa, "salt"), text(sa, "auth_key")].concat();
    let over_v4 = case["outer_sent"]["version"] == 4;
    let tunnel = text(context, "ipsec_mode") == "Tunnel";
    let mut toml = format!(
        "[[sa]]\nname = \"it\"\nspi = 0x{}\nmode = \"{}\"\nencr = \"{encr}\"\ninteg = \"{integ}\"\n\
         keymat = \"{keys}\"\nesn = {}\nsequence_start = {}\n",
        text(sa, "spi"),
        text(context, "ipsec_mode").to_lowercase(),
        sa["esn"],
        case["sn"].as_u64().unwrap() - 1,
    );
    if tunnel {
        let (source, destination) = match over_v4 {
            true => ("192.0.2.1", "192.0.2.2"),
            false => ("2001:db8:f::1", "2001:db8:f::2"),
        };
        toml += &format!("[sa.tunnel]\nsource = \"{source}\"\ndestination = \"{destination}\"\n");
    }
    toml += &selector(context);
    let lower_id = over_v4 && text(context, "flow_label_cda") == "lower";
    toml += &format!(
        "[sa.ehc]\nip_version = {}\nouter_id = {lower_id}\n",
        context["ts_ip_version"]
    );
    for key in [
        "iipc_profile",
        "dscp_cda",
        "ecn_cda",
        "flow_label_cda",
        "esp_trailer",
    ] {
        toml += &format!("{key} = {}\n", context[key]);
    }
    for key in ["alignment", "esp_spi_lsb", "esp_sn_lsb"] {
        toml += &format!("{key} = {}\n", context[key]);
    }
    if text(context, "dscp_cda") == "sa" {
        toml += &format!("dscp_list = {}\n", context["dscp_list"]);
    }
    toml
}

fn selector(context: &Value) -> String {
    let mut toml = "[[sa.selector]]\n".to_owned();
    for (key, end) in [("source", "src"), ("destination", "dst")] {
        let at = |which: &str| text(context, &format!("ts_ip_{end}_{which}")).to_owned();
        toml += &format!("{key} = \"{}-{}\"\n", at("start"), at("end"));
    }
    let protocol = context["ts_proto"].as_u64().unwrap();
    if protocol == 0 {
        return toml;
    }
    toml += &format!("protocol = {protocol}\n");
    if [6, 17, 132, 136].contains(&protocol) {
        for (key, end) in [("source_ports", "src"), ("destination_ports", "dst")] {
            let at = |which: &str| context[format!("ts_port_{end}_{which}")].clone();
            toml += &format!("{key} = \"{}-{}\"\n", at("start"), at("end"));
        }
    }
    toml
}

fn explain(dir: &Dir, toml: &str, args: &[&str]) -> Run {
    let file = dir.file("sas.toml", toml);
    sprat(&[&["explain", "--sa", &file][..], args].concat(), "")
}

fn json(dir: &Dir, toml: &str, packet: &str) -> (Value, Run) {
    let run = explain(dir, toml, &["--json", "--packet", packet]);
    let value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run:?}\n{toml}"));
    (value, run)
}

/// Everything that another implementation has written down about a packet.
#[test]
fn every_layer_is_that_of_the_vectors() {
    let dir = Dir::new("explain-vectors");
    let mut seen = 0;
    for case in vectors().iter().filter(|case| case["expect"] == "ok") {
        let (told, run) = json(&dir, &configuration(case), text(case, "outer_packet"));
        let (id, packet, layers) = (text(case, "id"), &told["packet"], &case["layers"]);
        assert_eq!(run.code, Some(0), "{id} {run:?}");
        assert_eq!(packet["sn"], case["sn"], "{id}");
        // A generated flow label is each receiver's own; and what the network has
        // changed, the packet as it was sent does not show.
        let generated = case["context"]["flow_label_cda"] == "generated";
        if !generated && case["outer_sent"] == case["outer_received"] {
            assert_eq!(packet["inner"], case["decompressed"], "{id}");
        }
        assert_eq!(packet["esp"], case["esp"], "{id}");
        assert_eq!(packet["octets"], case["esp_len"], "{id}");
        assert_eq!(packet["plain_octets"], case["standard_esp_len"], "{id}");
        let [iipc, ctec, cipher, eec] = list(packet, "layers") else {
            panic!("{packet}");
        };
        assert_eq!(sent(iipc), residue_fields(layers), "{id}");
        for (layer, ours, theirs) in [
            (iipc, "IIPC packet", "iipc_packet"),
            (ctec, "CTE", "cte"),
            (cipher, "AAD", "aad"),
            (cipher, "nonce", "nonce"),
            (cipher, "ciphertext", "ciphertext"),
            (cipher, "ICV", "icv"),
            (eec, "header", "eec_header"),
        ] {
            // What there is none of stands there empty, or not at all.
            let ours = layer["octets"][ours].as_str().unwrap_or("");
            let theirs = layers[theirs].as_str().unwrap_or("");
            assert_eq!(ours, theirs, "{id}");
        }
        seen += 1;
    }
    assert_eq!(seen, 49);
}

fn sent(layer: &Value) -> Vec<(String, String)> {
    let pair = |field: &Value| {
        (
            text(field, "fid").to_owned(),
            text(field, "bits").to_owned(),
        )
    };
    list(layer, "fields").iter().map(pair).collect()
}

fn residue_fields(layers: &Value) -> Vec<(String, String)> {
    let pair = |field: &Value| {
        (
            text(field, "fid").to_owned(),
            text(field, "bits").to_owned(),
        )
    };
    let fields = layers["residue_fields"].as_array();
    fields
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(pair)
        .collect()
}

/// What another implementation refuses to compress.
#[test]
fn a_refusal_has_its_name() {
    let reasons = [
        ("iot6-udp-bad-cksum", "ehc-checksum"),
        ("iot6-udp-len-mismatch", "ehc-length"),
        ("iot6-udp-port-out", "ehc-port"),
        ("iot6-udp-src-out", "ehc-address"),
        ("iot6-exthdr-on-udp-sa", "ehc-extension"),
        ("iot6-dscp-sa-nomatch", "ehc-dscp"),
        ("iot6-tcp-bad-cksum", "ehc-checksum"),
        ("iot6-udplite-partial", "ehc-coverage"),
        ("iot4-options", "ehc-options"),
        ("iot4-fragment", "ehc-fragment"),
        ("tr6-proto-nomatch", "ehc-protocol"),
    ];
    let dir = Dir::new("explain-refused");
    let cases = vectors();
    let refused: Vec<&Value> = cases.iter().filter(|case| case["expect"] != "ok").collect();
    assert_eq!(refused.len(), reasons.len());
    for case in refused {
        let toml = configuration(case);
        let (told, run) = json(&dir, &toml, text(case, "inner_packet"));
        let expected = reasons
            .iter()
            .find(|(id, _)| *id == text(case, "id"))
            .unwrap()
            .1;
        assert_eq!(
            (run.code, text(&told["packet"], "refused")),
            (Some(1), expected)
        );
    }
}

/// The SA of the worked examples, with these selectors and attributes.
fn sa(selector: &str, ehc: &str) -> String {
    format!(
        "[[sa]]\nname = \"sensor\"\nspi = 0xa1b2c3d4\nmode = \"tunnel\"\nencr = \"aes-ccm-8-iiv\"\n\
         keymat = \"000102030405060708090a0b0c0d0e0fa0a1a2\"\n\
         [sa.tunnel]\nsource = \"2001:db8:f::1\"\ndestination = \"2001:db8:f::2\"\n\
         [[sa.selector]]\nsource = \"2001:db8:0:1::1000\"\ndestination = \"2001:db8:0:2::5678\"\n\
         protocol = \"udp\"\n{selector}[sa.ehc]\necn_cda = \"lower\"\nflow_label_cda = \"lower\"\n{ehc}"
    )
}

const PORTS: &str = "source_ports = 5001\ndestination_ports = 4500\n";
const RANGES: &str = "source_ports = \"5000-5007\"\ndestination_ports = \"4496-4511\"\n";
const LEAN: &str = "dscp_cda = \"lower\"\nalignment = 8\nesp_spi_lsb = 8\nesp_sn_lsb = 8\n";
const INNER: &str = "600123450012114020010db800000001000000000000100020010db80000000200000000000056781389119400122af048656c6c6f2064696574";

/// The output with runs of blanks as one.
fn lines(run: &Run) -> Vec<String> {
    let one = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    run.out.lines().map(one).collect()
}

fn has(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|l| l == line), "{line}\n{lines:#?}");
    }
}

/// Worked examples 1 and 2: rules, cost, and the bits of the ports.
#[test]
fn rules_stand_in_a_table() {
    let dir = Dir::new("explain-rules");
    let run = explain(&dir, &sa(RANGES, LEAN), &["--packet", INNER]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    has(
        &lines(&run),
        &[
            "IIPC, inner IPv6 header",
            "FID FL TV MO CDA BITS",
            "VERSION 4 6 equal not-sent 0",
            "HOP_LIMIT 8 - ignore lower 0",
            "LENGTH 16 - ignore compute 0",
            "SRC 128 2001:db8:0:1::1000 equal not-sent 0",
            // 5000 and 5007 share 13 bits, 4496 and 4511 share 12.
            "SRC_PORT 16 5000/13 MSB(13) LSB 3",
            "DST_PORT 16 4496/12 MSB(12) LSB 4",
            "UDP.CKSUM 16 - ignore checksum 0",
            "residue: 7 bits + 1 pad bit = 1 octet, for 48 octets of header",
            "ESP.PAD varies - ignore padding 0",
            "ESP.NH 8 41 equal not-sent 0",
            "ESP.SPI 32 0xa1b2c3d4 MSB(24) LSB 8",
            "ESP.SN 32 the next MSB(24) LSB 8",
            "header: 2 octets, not 8",
            "Diet-ESP SPI 1 + SN 1 + residue 1 + payload 10 + ICV 8 = 21",
            "ESP SPI 4 + SN 4 + inner headers 48 + payload 10 + Pad Length 1 + Next Header 1 + ICV 8 = 76",
            "55 octets saved",
            "FLOW_LABEL 0x12345 elided (lower, from the outer header)",
            "SRC_PORT 5001 sent 3 of 16 bits (LSB): 001",
            "DST_PORT 4500 sent 4 of 16 bits (LSB): 0100",
            "residue, 7 bits and 1 to pad: 28",
            "CTE: 2848656c6c6f2064696574",
            "AAD: a1b2c3d400000001",
            "nonce: a0a1a20000000000000001",
            "header: d401",
            "ESP packet, 21 octets; plain ESP 76: d401b2eda813db4a8c2ba14296fe3f6b5efd3a6725",
        ],
    );
}

/// Worked example 3: an index of three bits. Example 4: bits that fill octets
/// only together.
#[test]
fn odd_bits_are_shown_as_they_are_sent() {
    let dir = Dir::new("explain-bits");
    let ehc = "dscp_cda = \"sa\"\ndscp_list = [0, 8, 10, 46, 34]\nalignment = 8\n\
               esp_spi_lsb = 6\nesp_sn_lsb = 10\n";
    let toml = sa(PORTS, ehc).replace("[sa.tunnel]", "sequence_start = 676\n[sa.tunnel]");
    // Traffic Class b8 is EF, the DSCP 46.
    let inner = INNER.replacen("6001", "6b81", 1);
    let run = explain(&dir, &toml, &["--packet", &inner]);
    has(
        &lines(&run),
        &[
            "DSCP 6 0,8,10,46,34 match-mapping mapping-sent 3",
            "DSCP 46 sent 3 of 6 bits (mapping-sent): 011",
            "residue, 3 bits and 5 to pad: 60",
            "Diet-ESP SPI (6 bits) and SN (10 bits) 2 + residue 1 + payload 10 + ICV 8 = 21",
            // d4 ends in 010100, 2a5 is 1010100101.
            "ESP.SPI 0xa1b2c3d4 sent 6 of 32 bits (LSB): 010100",
            "ESP.SN 677 sent 10 of 32 bits (LSB): 1010100101",
            "header: 52a5",
        ],
    );
}

/// Worked example 10: any protocol, addresses in full.
#[test]
fn any_protocol_has_a_rule_for_each() {
    let dir = Dir::new("explain-any");
    let toml = "[[sa]]\nname = \"vpn\"\nspi = 0xa1b2c3d4\nmode = \"tunnel\"\nencr = \"aes-gcm-16-iiv\"\n\
                keymat = \"000102030405060708090a0b0c0d0e0fa0a1a2a3\"\n\
                [sa.tunnel]\nsource = \"2001:db8:f::1\"\ndestination = \"2001:db8:f::2\"\n\
                [sa.ehc]\nip_version = 6\nalignment = 8\nesp_spi_lsb = 8\nesp_sn_lsb = 8\n";
    let lines = lines(&explain(&dir, toml, &[]));
    has(
        &lines,
        &[
            "PROTO 8 - ignore value-sent 8",
            // 6 + 2 + 20 + 8 + 128 + 128 = 292 bits of IPv6; ports add 32, TCP
            // 32 + 32 + 32 + 4 + 12 + 16 + 16 = 144, SCTP 32 + 32.
            "IIPC, udp header",
            "residue: 324 bits + 4 pad bits = 41 octets, for 48 octets of header",
            "IIPC, udplite header",
            "IIPC, tcp header",
            "residue: 436 bits + 4 pad bits = 55 octets, for 60 octets of header",
            "IIPC, sctp header",
            "residue: 356 bits + 4 pad bits = 45 octets, for 52 octets of header",
            "IIPC, every other protocol: all of it is payload",
            "residue: 292 bits + 4 pad bits = 37 octets, for 40 octets of header",
            "ESP SPI 4 + SN 4 + inner headers 48 + payload 10 + Pad Length 1 + Next Header 1 + ICV 16 = 84",
        ],
    );
    let tcp = explain(&dir, toml, &["--protocol", "tcp", "--payload", "1"]).out;
    assert!(tcp.contains("Cost of tcp with 1 octet of payload"), "{tcp}");
}

/// Worked example 7 has 26 octets with 64-bit alignment, where example 1 has 20.
#[test]
fn advice_is_what_the_other_context_saves() {
    let dir = Dir::new("explain-advice");
    let wide = LEAN.replace("alignment = 8\n", "");
    let run = lines(&explain(&dir, &sa(PORTS, &wide), &[]));
    has(
        &run,
        &[
            "Diet-ESP SPI 1 + SN 1 + payload 10 + Padding 5 + Pad Length 1 + ICV 8 = 26",
            // Padding of 5, 4, 3, 2, 1, 0, 7, 6 octets for payloads of 10 to 17,
            // and a Pad Length each: 36 octets for eight packets.
            "4.5 on average, 6 here alignment = 8: no padding, and no Pad Length",
            "all but what is in brackets: 6 octets, 26 -> 20",
        ],
    );
    // 8 octets of IV, a whole trailer (10 + 0 + 2 fill 12), SPI and SN in full.
    let fat = "dscp_cda = \"lower\"\nalignment = 32\nesp_trailer = \"Mandatory\"\n";
    let explicit = sa(PORTS, fat).replace("aes-ccm-8-iiv", "aes-ccm-8");
    let run = lines(&explain(&dir, &explicit, &[]));
    has(
        &run,
        &[
            "Diet-ESP SPI 4 + SN 4 + IV 8 + payload 10 + Pad Length 1 + Next Header 1 + ICV 8 = 36",
            "8 octets ENCR_AES_CCM_8_IIV: the number makes the IV, whose 8 octets are not sent",
            "3 octets esp_spi_lsb = 8: for SAs that few bits tell apart",
            "3 octets esp_sn_lsb = 8: window and longest loss together below 256 packets",
            "all but what is in brackets: 16 octets, 36 -> 20",
        ],
    );
    let none = "dscp_cda = \"lower\"\nalignment = 8\nesp_spi_lsb = 0\nesp_sn_lsb = 0\n";
    let run = explain(&dir, &sa(PORTS, none), &[]).out;
    assert!(
        run.contains("= 18\n") && run.contains("Advice: none"),
        "{run}"
    );
}

/// Fewer octets of ICV would be another saving, and less security.
#[test]
fn advice_on_the_iv_keeps_the_icv() {
    let dir = Dir::new("explain-iv");
    let keymat = |octets: usize| format!("keymat = \"{}\"", "01".repeat(octets));
    let told = |encr: &str, integ: &str, octets: usize| {
        let toml = sa(PORTS, LEAN).replace("\"aes-ccm-8-iiv\"", &format!("\"{encr}\"{integ}"));
        let given = "keymat = \"000102030405060708090a0b0c0d0e0fa0a1a2\"";
        let run = explain(&dir, &toml.replace(given, &keymat(octets)), &[]);
        assert_eq!(run.code, Some(0), "{run:?}");
        lines(&run)
    };
    // CBC fills blocks of 16 octets with 10 + 1: 5 octets of padding, 16 of IV.
    let cbc = told("aes-cbc", "\ninteg = \"sha256\"", 48);
    has(&cbc, &["all but what is in brackets: 22 octets, 50 -> 28"]);
    assert!(
        cbc.iter()
            .any(|line| line.contains("here ENCR_AES_GCM_16_IIV: ")),
        "{cbc:?}"
    );
    has(
        &told("aes-gcm-12", "", 20),
        &[
            "4 octets ENCR_AES_GCM_16_IIV: the number makes the IV, whose 8 octets are not sent; \
             the ICV has 16 octets, not 12",
        ],
    );
    let gmac = told("null-auth-aes-gmac", "", 20);
    assert!(!gmac.iter().any(|line| line.contains("IIV")), "{gmac:?}");
}

/// The fallback takes what does not fit, and nothing else.
#[test]
fn a_fallback_is_named_where_it_helps() {
    let dir = Dir::new("explain-fallback");
    let lean = format!("{LEAN}fallback = \"plain\"\n");
    let spi = "spi = 0xa1b2c3d4";
    let sends =
        |sa: String, spi_too: &str| sa.replace(spi, &format!("direction = \"out\"\n{spi_too}"));
    let compressed = sends(sa(PORTS, &lean), spi);
    let plain = sends(sa(PORTS, ""), "spi = 0xa1b2c3d5").replace("sensor", "plain");
    let (plain, _) = plain.split_once("[[sa.selector]]").unwrap();
    let toml = format!("{compressed}{}", plain.replace("0a0b0c", "1a1b1c"));
    for (packet, helps) in [
        (INNER.replace("2af0", "2af1"), true),
        ("00".to_owned(), false),
    ] {
        let run = explain(&dir, &toml, &["--packet", &packet]);
        let named = run.out.contains("its fallback \"plain\" would seal it");
        assert_eq!((run.code, named), (Some(1), helps), "{run:?}");
    }
}

/// Ranges, prefixes, fields that routers see; and IPv4's 20 bits.
#[test]
fn advice_knows_the_bits_of_each_field() {
    let dir = Dir::new("explain-fields");
    let ports = "source_ports = \"5001-5008\"\n";
    let toml = sa(ports, "alignment = 8\n").replace("0:1::1000", "0:1::/64");
    let toml = toml.replace("ecn_cda = \"lower\"\nflow_label_cda = \"lower\"\n", "");
    let run = lines(&explain(&dir, &toml, &[]));
    has(
        &run,
        &[
            "SRC 128 2001:db8:0:1::/64 MSB(64) LSB 64",
            // 5001 is 1001110001001, 5008 is 1001110010000: five bits differ.
            "SRC_PORT 16 4992/11 MSB(11) LSB 5",
            "DST_PORT 16 - ignore value-sent 16",
            // 6 + 2 + 20 + 64 + 5 + 16
            "residue: 113 bits + 7 pad bits = 15 octets, for 48 octets of header",
            "8 octets a single source address: 64 of its 128 bits are sent",
            "2 octets a single destination port: 16 of its 16 bits are sent",
            // 20 of 113 bits leave 93, 12 octets.
            "3 octets flow_label_cda = \"lower\": the outer header's flow label, unprotected",
            "1 octet dscp_cda = \"lower\": the outer header's DSCP, unprotected",
            "1 octet ecn_cda = \"lower\": the outer header's ECN field, unprotected",
            "1 octet (source ports 5000-5007: as many as in 5001-5008, and fewer bits differ)",
        ],
    );
    let v4 = sa(PORTS, LEAN).replace("2001:db8:0:1::1000", "10.0.0.1");
    let v4 = v4.replace("2001:db8:0:2::5678", "10.0.0.2");
    // IHL 4, Flags 3, Fragment Offset 13: 20 bits, 3 octets.
    has(
        &lines(&explain(&dir, &v4, &[])),
        &[
            "3 octets (IPv6 inside: of IPv4, IHL, Flags and Fragment Offset are always sent, 20 bits)",
        ],
    );
}

#[test]
fn an_sa_is_chosen_by_name_by_packet_or_because_it_sends() {
    let dir = Dir::new("explain-choice");
    let lean = sa(PORTS, LEAN);
    let going =
        |toml: &str, way: &str| toml.replace("\nspi", &format!("\ndirection = \"{way}\"\nspi"));
    let other = lean.replace("sensor", "taker").replace("c3d4", "c3d5");
    let plain = "[[sa]]\nname = \"plain\"\nspi = 300\nmode = \"transport\"\nencr = \"null\"\n\
                 integ = \"sha1\"\ninteg_key = \"000102030405060708090a0b0c0d0e0f10111213\"\n";
    let all = going(&lean, "out") + &going(&other, "in") + plain;
    let names = |args: &[&str]| -> Vec<String> {
        let run = explain(&dir, &all, args);
        let named = |line: &str| {
            line.strip_prefix("SA \"")
                .map(|rest| rest.split('"').next().unwrap().to_owned())
        };
        let names: Vec<String> = run.out.lines().filter_map(named).collect();
        match names.is_empty() {
            true => vec![run.err],
            false => names,
        }
    };
    assert_eq!(names(&[]), ["sensor", "taker"]);
    assert_eq!(names(&["--name", "taker"]), ["taker"]);
    assert_eq!(names(&["--packet", INNER]), ["sensor"]);
    let file = dir.file("taker.toml", going(&other, "out"));
    let esp = sprat(&["seal", "--sa", &file, INNER], "").out;
    assert_eq!(names(&["--packet", esp.trim()]), ["taker"]);
    for (args, told) in [
        (
            &["--name", "plain"][..],
            "error: SA \"plain\" has no [sa.ehc]: it is plain ESP\n",
        ),
        (
            &["--name", "nobody"],
            "error: no SA has the name \"nobody\"\n",
        ),
        (
            &["--name", "sensor", "--packet", esp.trim()],
            "error: --packet: it is SA \"taker\" that opens it\n",
        ),
        (&["--packet", "xyz"], "error: --packet: not octets in hex\n"),
    ] {
        assert_eq!(names(args), [told]);
    }
    // Another number, and the ICV does not verify.
    let broken = esp.trim().replacen("d501", "d502", 1);
    let run = explain(&dir, &all, &["--packet", &broken]);
    assert!(
        run.err
            .starts_with("error: --packet: ESP, but: integrity: "),
        "{run:?}"
    );
    assert_eq!(run.code, Some(2));
}
