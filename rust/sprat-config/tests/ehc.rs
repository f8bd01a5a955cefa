//! `[sa.ehc]`: what is read, what is refused, what is told beside it.

use sprat_config::{Config, Problem, Weight};
use sprat_core::diet_esp::{
    Alignment, DscpCda, EcnCda, EspTrailer, FlowLabelCda, IipcProfile, Profile,
};
use sprat_core::selector::{PortRange, Selector};
use sprat_core::wire::ip::Version;

const SELECTOR: &str =
    "[[sa.selector]]\nsource = \"2001:db8::1\"\nprotocol = \"udp\"\nsource_ports = \"5000-5007\"\n";

/// An SA in tunnel mode over IPv4; its `ehc` with one selector begins in line 14.
fn sa(head: &str, selectors: &str, ehc: &str) -> String {
    named(
        ("a", 0x1122_3344),
        head,
        &format!("{selectors}[sa.ehc]\n{ehc}"),
    )
}

fn named((name, spi): (&str, u32), head: &str, tail: &str) -> String {
    format!(
        "[[sa]]\nname = \"{name}\"\nspi = {spi}\nmode = \"tunnel\"\nencr = \"aes-ccm-8\"\n\
         keymat = \"000102030405060708090a0b0c0d0e0f101112\"\n{head}\
         [sa.tunnel]\nsource = \"192.0.2.1\"\ndestination = \"192.0.2.2\"\n{tail}"
    )
}

fn config(text: &str) -> Config {
    Config::parse(text, "sas.toml").unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

fn lines(text: &str) -> Vec<String> {
    let problems = Config::parse(text, "sas.toml").err().unwrap_or_default();
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn defaults_are_those_of_the_draft() {
    let config = config(&sa("", SELECTOR, ""));
    let sa = &config.sas[0];
    let ehc = sa.ehc.unwrap();
    assert_eq!((ehc.resync, ehc.reorder), (0, 64));
    let afrg = ehc.afrg;
    assert_eq!(afrg.profile, Profile::DietEsp07);
    assert_eq!(afrg.iipc_profile, IipcProfile::DietEsp);
    assert_eq!((afrg.esp_spi_lsb, afrg.esp_sn_lsb), (32, 32));
    assert_eq!(afrg.alignment, Alignment::Bits64);
    assert_eq!(afrg.esp_trailer, EspTrailer::Optional);
    let copied = (afrg.dscp_cda, afrg.ecn_cda, afrg.flow_label_cda);
    let sent = FlowLabelCda::NotCompressed;
    assert_eq!(
        copied,
        (DscpCda::NotCompressed, EcnCda::NotCompressed, sent)
    );
    assert_eq!(
        (afrg.outer_id, afrg.hardened, afrg.guard),
        (false, false, true)
    );
    assert_eq!(afrg.ip_version, Some(Version::V6), "of the selector");
    assert_eq!(afrg.selector, sa.selectors[0]);
    assert_eq!((sa.params.replay_window, &sa.ehc_fallback), (128, &None));
}

#[test]
fn every_key_is_taken() {
    let ehc = "dscp_cda = \"sa\"\ndscp_list = [46, 0]\necn_cda = \"lower\"\n\
               flow_label_cda = \"lower\"\nouter_id = true\nalignment = 16\n\
               esp_trailer = \"Mandatory\"\nesp_spi_lsb = 6\nesp_sn_lsb = 10\nguard = false\n\
               resync = 16\nreorder = 7\nip_version = 6\n";
    let ehc = config(&sa("", "", ehc)).sas[0].ehc.unwrap();
    assert_eq!((ehc.resync, ehc.reorder), (16, 7));
    let afrg = ehc.afrg;
    assert_eq!(afrg.dscp_list.values(), [46, 0]);
    let copied = (afrg.dscp_cda, afrg.ecn_cda, afrg.flow_label_cda);
    assert_eq!(copied, (DscpCda::Sa, EcnCda::Lower, FlowLabelCda::Lower));
    assert_eq!((afrg.outer_id, afrg.guard), (true, false));
    assert_eq!(afrg.alignment, Alignment::Bits16);
    assert_eq!(afrg.esp_trailer, EspTrailer::Mandatory);
    assert_eq!((afrg.esp_spi_lsb, afrg.esp_sn_lsb), (6, 10));
    assert_eq!(
        (afrg.ip_version, afrg.selector),
        (Some(Version::V6), Selector::ANY)
    );
    let hardened = config(&sa("", SELECTOR, "hardened = true\n"));
    assert!(hardened.sas[0].ehc.unwrap().afrg.hardened);
}

#[test]
fn profiles_have_defaults_of_their_own() {
    let afrg = |ehc: &str| config(&sa("", SELECTOR, ehc)).sas[0].ehc.unwrap().afrg;
    let of_2016 = afrg("profile = \"diet-esp-2016\"\nesp_spi_lsb = 16\n");
    assert_eq!(of_2016.profile, Profile::DietEsp2016);
    assert_eq!(of_2016.iipc_profile, IipcProfile::NotCompressed);
    let of_2019 = afrg(
        "profile = \"ehc-2019\"\nudplite_whole = true\ntcp_options = true\ntcp_urgent = true\n",
    );
    let ehc2019 = of_2019.ehc2019;
    assert!(ehc2019.udplite_whole && ehc2019.tcp_options && ehc2019.tcp_urgent);
    let of_2023 = afrg("profile = \"ehc-2023\"\n");
    assert_eq!(
        (of_2023.dscp_cda, of_2023.ecn_cda),
        (DscpCda::Lower, EcnCda::Lower)
    );
    let listed = afrg("profile = \"ehc-2023\"\ndscp_list = [0, 46]\n");
    assert_eq!(
        (listed.dscp_cda, listed.ecn_cda),
        (DscpCda::Sa, EcnCda::Lower)
    );
}

/// Several selectors leave one protocol, or any; and one version, or both.
#[test]
fn without_inner_compression_selectors_may_be_many() {
    let two = |second: &str| format!("{SELECTOR}[[sa.selector]]\n{second}");
    let plain = "iipc_profile = \"iipc_not_compressed\"\nesp_trailer = \"Mandatory\"\n";
    let afrg = |second: &str| {
        config(&sa("", &two(second), plain)).sas[0]
            .ehc
            .unwrap()
            .afrg
    };
    let same = afrg("source = \"2001:db8::2\"\nprotocol = \"udp\"\n");
    assert_eq!(
        (same.selector.protocol, same.ip_version),
        (Some(17), Some(Version::V6))
    );
    assert_eq!(same.selector.source_ports, PortRange::Any);
    let both = afrg("source = \"10.0.0.1\"\n");
    assert_eq!((both.selector.protocol, both.ip_version), (None, None));
}

#[test]
fn the_window_is_one_that_the_sent_bits_can_serve() {
    let window = |head: &str, bits: u8| {
        let ehc = format!("esp_sn_lsb = {bits}\nesp_spi_lsb = {}\n", 8 - bits % 8);
        config(&sa(head, SELECTOR, &ehc)).sas[0]
            .params
            .replay_window
    };
    for (bits, expected) in [
        (0, 128),
        (1, 32),
        (5, 32),
        (6, 32),
        (7, 64),
        (8, 128),
        (16, 128),
    ] {
        assert_eq!(window("", bits), expected, "{bits}");
    }
    assert_eq!(
        window("replay_window = 256\n", 4),
        256,
        "what is asked for stays"
    );
}

#[test]
fn each_fault_names_file_line_key_and_what_is_allowed() {
    let cases = [
        (
            "profile = \"diet-esp-08\"\n",
            "15: sa.ehc.profile: \"diet-esp-08\" does not fit here; allowed: \"diet-esp-07\", \"diet-esp-2016\", \"ehc-2019\", \"ehc-2023\"",
        ),
        (
            "alignment = 24\n",
            "15: sa.ehc.alignment: 24 does not fit here; allowed: 8, 16, 32, 64 bits",
        ),
        (
            "esp_trailer = \"optional\"\n",
            "15: sa.ehc.esp_trailer: \"optional\" does not fit here; allowed: \"Mandatory\", \"Optional\"",
        ),
        (
            "esp_spi_lsb = 33\n",
            "15: sa.ehc.esp_spi_lsb: number out of range; allowed: 0 to 32",
        ),
        (
            "esp_spi_lsb = 6\nesp_sn_lsb = 9\n",
            "16: sa.ehc.esp_sn_lsb: esp_spi_lsb + esp_sn_lsb must be a multiple of 8 bits; allowed: a sum of 0, 8, 16",
        ),
        (
            "profile = \"ehc-2019\"\nesp_spi_lsb = 6\n",
            "16: sa.ehc.esp_spi_lsb: the profile ehc-2019 counts in octets; allowed: 0, 8, 16, 24, 32 bits",
        ),
        (
            "dscp_cda = \"sa\"\n",
            "14: sa.ehc.dscp_list: dscp_cda \"sa\" needs a dscp_list; allowed: 1 to 64 values",
        ),
        (
            "dscp_list = [0]\n",
            "15: sa.ehc.dscp_list: stands without dscp_cda = \"sa\"",
        ),
        (
            "dscp_cda = \"sa\"\ndscp_list = [0, 64]\n",
            "16: sa.ehc.dscp_list: number out of range; allowed: 0 to 63",
        ),
        (
            "hardened = true\necn_cda = \"lower\"\n",
            "15: sa.ehc.hardened: hardened takes nothing",
        ),
        (
            "profile = \"diet-esp-2016\"\niipc_profile = \"iipc_diet-esp\"\n",
            "15: sa.ehc.profile: the profile counts",
        ),
        (
            "profile = \"ehc-2019\"\necn_cda = \"lower\"\n",
            "16: sa.ehc.ecn_cda: the profile ehc-2019 has no such attribute; allowed: profile diet-esp-07, ehc-2023",
        ),
        (
            "tcp_urgent = false\n",
            "15: sa.ehc.tcp_urgent: the profile diet-esp-07 has no such attribute; allowed: profile ehc-2019",
        ),
        (
            "ip_version = 4\n",
            "10: sa.selector: the selector's addresses are not of the inner IP version; allowed: addresses of",
        ),
        (
            "ip_version = 5\n",
            "15: sa.ehc.ip_version: 5 does not fit here; allowed: 4, 6",
        ),
        (
            "flow_label_cda = \"lower\"\n",
            "15: sa.ehc.flow_label_cda: \"lower\" over outer IPv4 uses the Identification",
        ),
        (
            "resync = 17\n",
            "15: sa.ehc.resync: number out of range; allowed: 0 to 16",
        ),
        (
            "fallback = \"b\"\n",
            "15: sa.ehc.fallback: stands in an SA that does not send",
        ),
        (
            "gard = false\n",
            "15: sa.ehc.gard: unknown key, perhaps guard; allowed: profile, ",
        ),
    ];
    assert_eq!(lines(&sa("", SELECTOR, "")), [""; 0]);
    for (ehc, told) in cases {
        let lines = lines(&sa("", SELECTOR, ehc));
        let told = format!("sas.toml:{told}");
        assert!(
            lines.len() == 1 && lines[0].starts_with(&told),
            "{told}\n{lines:#?}"
        );
    }
}

#[test]
fn what_the_sa_says_must_suit() {
    let two = format!("{SELECTOR}[[sa.selector]]\n");
    let udp = "[sa.udp_encap]\n";
    let long = format!("dscp_cda = \"sa\"\ndscp_list = {:?}\n", [0; 65]);
    let cases = [
        (
            sa("", &two, ""),
            "sas.toml:10: sa.selector: 2 selectors: iipc_diet-esp makes rules from one; allowed: one [[sa.selector]]",
        ),
        (
            sa("", "", ""),
            "sas.toml:10: sa.ehc.ip_version: inner headers of one IP version only",
        ),
        (
            sa("multi_sender = true\n", "", "ip_version = 6\n"),
            "sas.toml:7: sa.multi_sender: several senders share no sequence: it cannot be compressed; allowed: multi_sender = false beside [sa.ehc]",
        ),
        (
            sa("", udp, "ip_version = 6\nesp_spi_lsb = 0\n"),
            "sas.toml:13: sa.ehc.esp_spi_lsb: in UDP the sent bits",
        ),
        (
            sa("ehc = 5\n", "", "").replace("[sa.ehc]\n", ""),
            "sas.toml:7: sa.ehc: an integer does not fit here; allowed: a table, [sa.ehc]",
        ),
        (
            sa("", SELECTOR, &long),
            "sas.toml:16: sa.ehc.dscp_list: 65 values are too many; allowed: at most 64 values",
        ),
    ];
    for (text, told) in cases {
        let lines = lines(&text);
        assert!(
            lines.len() == 1 && lines[0].starts_with(told),
            "{told}\n{lines:#?}\n{text}"
        );
    }
}

/// A sending SA with Diet-ESP, a plain one, a compressed one, a receiving one.
fn four(fallback: &str) -> String {
    let out = "direction = \"out\"\n";
    let ehc = "[sa.ehc]\nip_version = 6\n";
    let first = format!("{ehc}fallback = \"{fallback}\"\n");
    named(("first", 0x101), out, &first)
        + &named(("plain", 0x102), out, "")
        + &named(("other", 0x103), out, ehc)
        + &named(("in", 0x104), "direction = \"in\"\n", "")
}

#[test]
fn a_fallback_is_a_plain_sa_that_sends() {
    let good = config(&four("plain"));
    assert_eq!(good.sas[0].ehc_fallback.as_deref(), Some("plain"));
    for (name, told) in [
        ("nobody", "no [[sa]] has this name"),
        ("first", "this SA is compressed, too"),
        ("other", "this SA is compressed, too"),
        ("in", "this SA does not send"),
    ] {
        let lines = lines(&four(name));
        let told = format!("sas.toml:13: sa.ehc.fallback: {told}; allowed: the name of an SA with");
        assert!(
            lines.len() == 1 && lines[0].starts_with(&told),
            "{lines:#?}"
        );
    }
}

fn notices(text: &str) -> Vec<String> {
    let notices = config(text).notices();
    let hop = |text: &String| !text.contains("Hop Limit");
    notices
        .iter()
        .map(ToString::to_string)
        .filter(hop)
        .collect()
}

#[test]
fn what_may_not_be_meant_is_told() {
    let bits = |spi, sn| format!("esp_spi_lsb = {spi}\nesp_sn_lsb = {sn}\n");
    let told = |head: &str, ehc: String| notices(&sa(head, SELECTOR, &ehc));
    let wide = told("replay_window = 64\n", bits(4, 4));
    assert_eq!(
        wide,
        [
            "warning: SA \"a\": replay_window 64 is wider than 4 bits of the number can tell apart: 8 packets of it count"
        ]
    );
    assert_eq!(told("replay_window = 64\n", bits(9, 7)), [""; 0]);
    assert_eq!(told("direction = \"in\"\n", bits(8, 8)), [""; 0]);
    let blind = told("", bits(8, 0));
    assert!(blind.len() == 1 && blind[0].contains("esp_sn_lsb = 0: one lost packet"));
    assert_eq!(told("", bits(8, 0) + "resync = 1\n"), [""; 0]);
    let out = told("direction = \"out\"\n", bits(8, 0));
    assert_eq!(
        out,
        ["note: SA \"a\": no fallback: packets that do not fit its rules are dropped"]
    );
    let hop = config(&sa("", SELECTOR, "")).notices();
    assert_eq!((hop.len(), hop[0].weight), (1, Weight::Note));
    assert!(hop[0].text.contains("Hop Limit"));
    let transport = sa("", SELECTOR, "").replace("\"tunnel\"", "\"transport\"");
    let transport = transport.replace(
        "[sa.tunnel]\nsource = \"192.0.2.1\"\ndestination = \"192.0.2.2\"\n",
        "",
    );
    assert!(config(&transport).notices().is_empty());
}

#[test]
fn spi_bits_that_begin_others_are_told() {
    let ehc = |lsb: u8| format!("[sa.ehc]\nip_version = 6\nesp_spi_lsb = {lsb}\nesp_sn_lsb = 8\n");
    let pair = |a: (u32, &str), b: (u32, &str), head: &str| {
        let text = named(("a", a.0), head, a.1) + &named(("b", b.0), head, b.1);
        notices(&text)
    };
    let (eight, sixteen, none) = (ehc(8), ehc(16), ehc(0));
    // Equal low octets; the low octet 44 begins the low octets 4433; and the
    // plain SPI 44000000, whose most significant octet comes first.
    for (a, b) in [
        ((0x1144, &*eight), (0x2244, &*eight)),
        ((0x1144, &*eight), (0x0011_4433, &*sixteen)),
        ((0x1144, &*eight), (0x4400_0000, "")),
    ] {
        let told = pair(a, b, "");
        assert!(
            told.len() == 1 && told[0].contains("SA \"a\" shows 8 SPI bits"),
            "{told:#?}"
        );
        assert!(told[0].starts_with("warning: SA \"b\": "));
    }
    let told = pair((0x1144, &none), (0x2244, ""), "");
    assert!(
        told.iter()
            .any(|line| line.contains("SA \"a\" shows no SPI bits (esp_spi_lsb = 0)"))
    );
    // 45 is not 44; what is sent is the peer's to tell apart; two addresses do.
    assert_eq!(pair((0x1144, &eight), (0x2245, &eight), ""), [""; 0]);
    assert_eq!(pair((0x1144, ""), (0x4400_0000, ""), ""), [""; 0]);
    let out = pair((0x1144, &eight), (0x2244, &eight), "direction = \"out\"\n");
    assert!(
        out.iter().all(|line| line.starts_with("note: ")),
        "{out:#?}"
    );
    let at = |n: u8| format!("destination = \"192.0.2.{n}\"\n");
    let apart = named(("a", 0x1144), &at(2), &eight) + &named(("b", 0x2244), &at(3), &eight);
    assert_eq!(notices(&apart), [""; 0]);
}

/// Nothing is ignored in silence.
#[test]
fn keys_without_effect_are_told() {
    let none: [&str; 0] = [];
    let told = |head: &str, ehc: &str| {
        let all = notices(&sa(head, SELECTOR, ehc));
        let idle = all.into_iter().filter(|text| text.contains("effect"));
        idle.collect::<Vec<_>>()
    };
    let idle = |keys: &str| [format!("note: SA \"a\": without effect here: {keys}")];
    let lower =
        "dscp_cda = \"lower\"\necn_cda = \"lower\"\nflow_label_cda = \"lower\"\nouter_id = true\n";
    assert_eq!(told("", lower), none);
    let plain = format!("{lower}iipc_profile = \"iipc_not_compressed\"\n");
    let keys = "dscp_cda, ecn_cda, flow_label_cda, outer_id";
    assert_eq!(told("", &plain), idle(keys));
    assert_eq!(told("", "outer_id = true\n"), idle("outer_id"));
    let receiver = "resync = 1\nreorder = 5\n";
    assert_eq!(
        told("direction = \"out\"\n", receiver),
        idle("resync, reorder")
    );
    assert_eq!(told("direction = \"in\"\n", receiver), idle("reorder"));
    let off = "direction = \"in\"\nreplay_window = 0\n";
    assert_eq!(told(off, receiver), none);
    assert_eq!(told(off, "guard = false\n"), idle("guard"));
    let slides = "profile = \"ehc-2023\"\niipc_profile = \"iipc_not_compressed\"\n";
    assert_eq!(told("", slides), none);
}
