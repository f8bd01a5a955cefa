//! The vectors once more, the way a user goes: SAs as TOML, packets as hex or
//! as a capture.

mod common;

use common::capture::{Order, pcap, read_back};
use common::{Dir, sprat};
use serde_json::Value;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/esp.json");

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// One `[[sa]]` for a case: the number before its own has been verified.
fn sa(case: &Value) -> String {
    let sa = &case["sa"];
    let high = if sa["esn"] == true {
        case["seq_hi"].as_u64().unwrap()
    } else {
        0
    };
    let number = high << 32 | case["seq_lo"].as_u64().unwrap();
    let mut toml = format!(
        "[[sa]]\nname = {}\nspi = {}\nmode = {}\nencr = {}\nencr_key = {}\nsalt = {}\n\
         integ = {}\ninteg_key = {}\nesn = {}\nreplay_window = 0\nsequence_start = \"{}\"\n",
        case["id"],
        sa["spi"],
        sa["mode"],
        sa["encr"],
        sa["encr_key"],
        sa["salt"],
        sa["integ"],
        sa["integ_key"],
        sa["esn"],
        number - 1,
    );
    if sa["udp_encap"].is_object() {
        let (from, to) = (&sa["udp_encap"]["sport"], &sa["udp_encap"]["dport"]);
        toml += &format!("[sa.udp_encap]\nsource_port = {from}\ndestination_port = {to}\n");
    }
    if sa["outer"].is_object() {
        let (from, to) = (&sa["outer"]["src"], &sa["outer"]["dst"]);
        toml += &format!("[sa.tunnel]\nsource = {from}\ndestination = {to}\necn = false\n");
    }
    toml
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn every_vector_opens_with_its_sa_from_a_file() {
    let file = std::fs::read_to_string(VECTORS).unwrap();
    let document: Value = serde_json::from_str(&file).unwrap();
    let cases = document["vectors"].as_array().unwrap();
    let dir = Dir::new("both-ways");
    let sas: String = cases.iter().map(sa).collect();
    let sas = dir.file("sas.toml", sas);
    let listed = sprat(&["sa", "check", &sas], "");
    assert!(listed.code == Some(0), "{}", listed.err);

    let lines =
        |member: &str| -> Vec<&str> { cases.iter().map(|case| text(&case[member])).collect() };
    let opened = sprat(&["open", "--sa", &sas], &lines("output").join("\n"));
    assert_eq!((opened.code, opened.err.as_str()), (Some(0), ""));
    assert_eq!(opened.out.lines().collect::<Vec<_>>(), lines("input"));

    let packets: Vec<_> = lines("output")
        .iter()
        .map(|hex| (0, 0, octets(hex)))
        .collect();
    let wire = dir.file("wire.pcap", pcap(Order::Big, true, 101, &packets));
    let clear = dir.path("clear.pcapng");
    let run = sprat(&["open", "--sa", &sas, "--in", &wire, "--out", &clear], "");
    assert_eq!(run.code, Some(0), "{}", run.err);
    let written = read_back(&std::fs::read(clear).unwrap());
    let expected: Vec<_> = lines("input").iter().map(|hex| octets(hex)).collect();
    assert_eq!(
        written.into_iter().map(|w| w.octets).collect::<Vec<_>>(),
        expected
    );
}
