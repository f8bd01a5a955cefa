//! What a wrong file is told: file, line, key and what is allowed.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sprat_config::{Config, Problem};

const KEY: &str = "00112233445566778899aabbccddeeff";

/// A valid SA; `edit` replaces lines.
fn sa(edit: &[(&str, &str)]) -> String {
    let mut lines: Vec<(String, String)> = [
        ("name", "\"a\""),
        ("spi", "0x1000"),
        ("mode", "\"transport\""),
        ("encr", "\"ENCR_AES_CCM_8\""),
        ("encr_key", "\"00112233445566778899aabbccddeeff\""),
        ("salt", "\"010203\""),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .to_vec();
    for (key, value) in edit {
        lines.retain(|(k, _)| k != key);
        if !value.is_empty() {
            lines.push(((*key).to_owned(), (*value).to_owned()));
        }
    }
    let body = lines.iter().map(|(k, v)| format!("{k} = {v}\n"));
    format!("[[sa]]\n{}", body.collect::<String>())
}

fn problems(text: &str) -> Vec<Problem> {
    Config::parse(text, "sas.toml").err().unwrap_or_default()
}

fn lines(text: &str) -> Vec<String> {
    problems(text).iter().map(Problem::to_string).collect()
}

#[test]
fn each_fault_names_file_line_key_and_what_is_allowed() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "spi",
            "255",
            "sas.toml:7: sa.spi: number out of range; allowed: 256 to 4294967295",
        ),
        (
            "spi",
            "-1",
            "sas.toml:7: sa.spi: number out of range; allowed: 256 to 4294967295",
        ),
        (
            "mode",
            "\"tunel\"",
            "sas.toml:7: sa.mode: \"tunel\" does not fit here; allowed: \"transport\", \"tunnel\"",
        ),
        (
            "mode",
            "true",
            "sas.toml:7: sa.mode: a boolean does not fit here; allowed: \"transport\", \"tunnel\"",
        ),
        (
            "salt",
            "\"0102\"",
            "sas.toml:7: sa.salt: 2 octets do not fit ENCR_AES_CCM_8; allowed: 3 octets",
        ),
        (
            "salt",
            "",
            "sas.toml:1: sa.salt: missing for ENCR_AES_CCM_8; allowed: 3 octets",
        ),
        (
            "encr_key",
            "\"0011\"",
            "sas.toml:7: sa.encr_key: 2 octets do not fit ENCR_AES_CCM_8; allowed: 16, 24 or 32 octets",
        ),
        (
            "encr_key",
            "\"xx\"",
            "sas.toml:7: sa.encr_key: not hex; allowed: an even number of hex digits, 0x in front or not",
        ),
        (
            "integ",
            "\"sha1\"",
            "sas.toml:8: sa.integ: ENCR_AES_CCM_8 makes the ICV itself; allowed: NONE",
        ),
        (
            "replay_window",
            "33",
            "sas.toml:8: sa.replay_window: 33 does not fit here; allowed: 0 (off), a multiple of 32 from 32 to 4096",
        ),
        (
            "replay_windw",
            "64",
            "sas.toml:8: sa.replay_windw: unknown key, perhaps replay_window; allowed: name, ",
        ),
        (
            "sequence_start",
            "4294967296",
            "sas.toml:8: sa.sequence_start: number out of range; allowed: 0 to 4294967295",
        ),
        (
            "source",
            "\"::1\"",
            "sas.toml:8: sa.source: stands without destination; allowed: destination beside it",
        ),
        (
            "path_mtu",
            "67",
            "sas.toml:8: sa.path_mtu: below every link's; allowed: 0 (no limit), 68 to 65535 octets",
        ),
        (
            "path_mtu",
            "true",
            "sas.toml:8: sa.path_mtu: a boolean does not fit here; allowed: 0 (no limit), 68 to 65535 octets",
        ),
        (
            "replay_window",
            "+64",
            "sas.toml:8: sa.replay_window: number out of range; allowed: 0 to 4096",
        ),
        (
            "spi",
            "\"+1500\"",
            "sas.toml:7: sa.spi: number out of range; allowed: 256 to 4294967295",
        ),
        (
            "spi",
            "\"0x+500\"",
            "sas.toml:7: sa.spi: number out of range; allowed: 256 to 4294967295",
        ),
        (
            "encr",
            "\"priv_aes_ccm_8\"",
            "sas.toml:7: sa.encr: \"priv_aes_ccm_8\" does not fit here; allowed: ",
        ),
        (
            "encr",
            "\"ENCR_CHACHA20_POLY1350\"",
            "sas.toml:7: sa.encr: \"ENCR_CHACHA20_POLY1350\" does not fit here; allowed: ",
        ),
        (
            "direction",
            "\"both\"",
            "sas.toml:8: sa.direction: \"both\" does not fit here; allowed: \"out\", \"in\"",
        ),
        (
            "encr_key_file",
            "\"none\"",
            "sas.toml:8: sa.encr_key_file: stands beside encr_key; allowed: one of them",
        ),
    ];
    assert!(problems(&sa(&[])).is_empty());
    for (key, value, told) in cases {
        let text = sa(&[(key, value)]);
        let lines = lines(&text);
        assert!(
            lines.iter().any(|line| line.starts_with(told)),
            "{told}\n{lines:#?}"
        );
    }
}

#[test]
fn what_keys_say_about_each_other_is_checked() {
    let tunnel = |inner: &str| sa(&[("mode", "\"tunnel\"")]) + "[sa.tunnel]\n" + inner;
    let cases = [
        (
            sa(&[("mode", "\"tunnel\"")]),
            "sas.toml:1: sa.tunnel: missing in tunnel mode",
        ),
        (
            sa(&[]) + "[sa.tunnel]\nsource = \"1.2.3.4\"\ndestination = \"1.2.3.5\"\n",
            "sas.toml:8: sa.tunnel: stands in transport mode",
        ),
        (
            tunnel("source = \"1.2.3.4\"\n"),
            "sas.toml:8: sa.tunnel.destination: missing; allowed: an IPv4 or IPv6 address",
        ),
        (
            tunnel("source = \"1.2.3.4\"\ndestination = \"::1\"\n"),
            "sas.toml:10: sa.tunnel.destination: source and destination are of two",
        ),
        (
            tunnel("source = \"1.2.3.4\"\ndestination = \"1.2.3.5\"\nhop_limit = 0\n"),
            "sas.toml:11: sa.tunnel.hop_limit: number out of range; allowed: 1 to 255",
        ),
        (
            tunnel("source = \"1.2.3.4\"\ndestination = \"1.2.3.5\"\ndscp = 64\n"),
            "sas.toml:11: sa.tunnel.dscp: number out of range; allowed: 0 to 63",
        ),
        (
            sa(&[]) + "[sa.lifetime]\npackets_soft = 5\npackets_hard = 4\n",
            "sas.toml:9: sa.lifetime.packets_soft: the soft limit 5 is above the hard limit 4; allowed: 1 to 4",
        ),
        (
            sa(&[("multi_sender", "true"), ("replay_window", "64")]),
            "sas.toml:9: sa.replay_window: anti-replay is not possible",
        ),
        (
            sa(&[("multi_sender", "true"), ("encr", "\"aes-ccm-8-iiv\"")]),
            "sas.toml:7: sa.multi_sender: an implicit IV",
        ),
        (
            sa(&[("encr", "\"aes-cbc\""), ("salt", "")]),
            "sas.toml:1: sa.integ: ENCR_AES_CBC needs an integrity transform; allowed: AUTH_HMAC_",
        ),
        (
            sa(&[]) + "[[sa.selector]]\nsource_ports = 5\n",
            "sas.toml:9: sa.selector.source_ports: ports need a protocol",
        ),
        (
            sa(&[]) + "[[sa.selector]]\nsource = \"10.0.0.0/8\"\ndestination = \"::/0\"\n",
            "sas.toml:10: sa.selector.destination: source and destination are of two",
        ),
        (
            sa(&[]) + &sa(&[("spi", "0x1001")]),
            "sas.toml:9: sa.name: used twice",
        ),
        (
            sa(&[]) + &sa(&[("name", "\"b\"")]),
            "sas.toml:9: sa.spi: nothing tells this SA from the one with its spi in line 3",
        ),
        (
            sa(&[]) + "[gateway]\nstate_file = \"s\"\n",
            "sas.toml:1: sa.direction: missing",
        ),
        (
            sa(&[]) + "[gateway]\n",
            "sas.toml:8: gateway.state_file: missing",
        ),
        (
            sa(&[]) + "[gateway]\nraw = false\nstate_file = \"s\"\n",
            "sas.toml:9: gateway.raw: the gateway would receive nothing",
        ),
        (
            sa(&[("direction", "\"in\"")])
                + "[sa.udp_encap]\ndestination_port = 4501\n[gateway]\nudp_ports = [4500]\nstate_file = \"s\"\n",
            "sas.toml:12: gateway.udp_ports: port 4501 of SA \"a\" is not opened",
        ),
        (
            "[[policy]]\ndirection = \"out\"\naction = \"protect\"\n".to_owned(),
            "sas.toml:1: policy.sa: missing",
        ),
        (
            "[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"x\"\n".to_owned(),
            "sas.toml:4: policy.sa: no [[sa]] has this name",
        ),
        (
            sa(&[("direction", "\"in\"")])
                + "[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"a\"\n",
            "sas.toml:12: policy.sa: this SA does not send",
        ),
        (
            "[[policy]]\ndirection = \"in\"\naction = \"bypass\"\nsa = \"x\"\n".to_owned(),
            "sas.toml:4: policy.sa: an SA is named where none is used",
        ),
        (
            "sa = 5\n".to_owned(),
            "sas.toml:1: sa: an integer does not fit here; allowed: a list of tables, [[sa]]",
        ),
        ("[[sa]\n".to_owned(), "sas.toml:1: "),
    ];
    for (text, told) in cases {
        let lines = lines(&text);
        assert!(
            lines.iter().any(|line| line.starts_with(told)),
            "{told}\n{lines:#?}\n{text}"
        );
    }
}

#[test]
fn old_transforms_need_a_legacy_build() {
    let old = |encr: &str, integ: &str, octets: usize| {
        let (encr, integ) = (format!("\"{encr}\""), format!("\"{integ}\""));
        let keymat = format!("\"{}\"", "5a".repeat(octets));
        let edit = [("encr", &*encr), ("integ", &*integ), ("keymat", &*keymat)];
        lines(&sa(&[&edit[..], &[("encr_key", ""), ("salt", "")]].concat()))
    };
    for (lines, name) in [
        (old("3des", "sha1", 44), "ENCR_3DES"),
        (old("null", "md5", 16), "AUTH_HMAC_MD5_96"),
        (old("null", "sha256-96", 32), "PRIV_HMAC_SHA2_256_96"),
    ] {
        let refused = lines
            .iter()
            .any(|line| line.contains(&format!("{name} is old: only")));
        assert_eq!(refused, cfg!(not(feature = "legacy")), "{lines:#?}");
        assert_eq!(lines.is_empty(), cfg!(feature = "legacy"), "{lines:#?}");
    }
    let gmac = old("null", "AUTH_AES_128_GMAC", 16).join("\n");
    assert!(
        gmac.contains("sa.integ: AUTH_AES_128_GMAC is for AH; allowed: "),
        "{gmac}"
    );
}

#[test]
fn senders_of_one_group_are_told_apart() {
    let group = |more: &[(&str, &str)]| {
        let mut edit = vec![("multi_sender", "true"), ("direction", "\"out\"")];
        edit.extend(more);
        lines(&sa(&edit))
    };
    let told = |lines: Vec<String>| lines.join("\n");
    assert!(told(group(&[])).contains("sa.sender_id: one of several senders needs an identifier"));
    assert_eq!(told(group(&[("sender_id", "65535")])), "");
    let narrow = group(&[("sender_id_bits", "8"), ("sender_id", "256")]);
    assert!(told(narrow).contains("sa.sender_id: number out of range; allowed: 0 to 255"));
    let odd = group(&[("sender_id_bits", "10"), ("sender_id", "1")]);
    assert!(told(odd).contains("sa.sender_id_bits: 10 does not fit here; allowed: 8, 12, 16"));
    let alone = lines(&sa(&[("sender_id", "1")]));
    assert!(told(alone).contains("sa.sender_id: stands without multi_sender = true"));
    let config = Config::parse(&sa(&[("multi_sender", "true"), ("sender_id", "7")]), "f").unwrap();
    let sender = config.sas[0].params.sender_id.unwrap();
    assert_eq!((sender.bits(), sender.value()), (16, 7));
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_lines() {
    let text = sa(&[
        ("spi", "1"),
        ("mode", "\"x\""),
        ("encr", "\"y\""),
        ("name", "5"),
    ]);
    let found = problems(&text);
    let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["sa.spi", "sa.mode", "sa.encr", "sa.name"]);
    assert!(found.is_sorted_by_key(|p| p.line));
    assert_eq!((found[0].line, found[0].column), (4, 7));
}

/// One fault does not hide another.
#[test]
fn what_can_be_judged_alone_is_judged() {
    let keys = |text: &str| -> Vec<String> {
        let found = problems(text);
        found.into_iter().map(|problem| problem.key).collect()
    };
    let wrong_pair = sa(&[("integ", "\"sha1\""), ("encr_key", "\"00\"")]);
    assert_eq!(keys(&wrong_pair), ["sa.integ", "sa.encr_key"]);
    let unknown = sa(&[("integ", "\"x\""), ("salt", "\"00\"")]);
    assert_eq!(keys(&unknown), ["sa.integ", "sa.salt"]);
    let no_file = [
        ("encr_key", ""),
        ("encr_key_file", "\"none\""),
        ("salt", "\"00\""),
    ];
    assert_eq!(keys(&sa(&no_file)), ["sa.encr_key_file", "sa.salt"]);
    // Neither key nor name of the second SA is right, and yet its SPI counts.
    let alike = sa(&[]) + &sa(&[("name", "5"), ("salt", "")]);
    assert_eq!(keys(&alike), ["sa.salt", "sa.spi", "sa.name"]);
}

#[test]
fn of_very_many_problems_the_first_are_told() {
    let keys: String = (0..2500).map(|n| format!("x{} = 1\n", 9999 - n)).collect();
    let found = problems(&keys);
    let lines: Vec<usize> = found.iter().map(|problem| problem.line).collect();
    assert_eq!(lines[..1000], (1..=1000).collect::<Vec<_>>());
    assert_eq!(found.len(), 1001);
    assert_eq!(
        found[1000].to_string(),
        "sas.toml: 1500 more problems, further down"
    );
}

#[test]
fn no_message_repeats_a_key() {
    let texts = [
        sa(&[("encr", &format!("\"{KEY}\""))]),
        sa(&[("salt", &format!("\"{KEY}\""))]),
        sa(&[("encr_key", &format!("\"{KEY}{KEY}{KEY}\""))]),
        sa(&[("encr_key", &format!("\"{KEY}x\""))]),
        sa(&[("keymat", &format!("\"{KEY}\""))]),
        sa(&[("mode", &format!("\"0x{KEY}\""))]),
        sa(&[(KEY, "1")]),
        sa(&[("mode", "\"00:11:22:33:44:55:66:77\"")]),
        sa(&[("mode", "\"0011 2233 4455 6677\"")]),
        sa(&[("mode", "\"0011223344556677889z\"")]),
        sa(&[("tunnel", "\"AAECAwQFBgcICQoLDA0ODw00110011==\"")]),
        sa(&[("direction", "\"ABEiM0RVZneImaq7zN3u001100==\"")]),
        sa(&[("name", &format!("\"{KEY}{KEY}{KEY}\""))]),
        format!("[[sa]]\nencr_key = \"{KEY}\n"),
        format!("[[sa]]\nencr_key = {KEY}z\n"),
    ];
    for text in texts {
        let lines = lines(&text);
        assert!(!lines.is_empty(), "{text}");
        assert!(
            lines.iter().all(|line| !line.contains("0011")),
            "{lines:#?}"
        );
    }
    let config = Config::parse(&sa(&[]), "f").unwrap();
    assert!(!format!("{config:?}").contains("22, 33") && !format!("{config:?}").contains("2233"));
}

#[test]
fn key_files_are_read_beside_the_configuration() {
    let dir = std::env::temp_dir().join(format!("sprat-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("key"), format!("{KEY}\n")).unwrap();
    let path = dir.join("sas.toml");
    let text = sa(&[("encr_key", ""), ("encr_key_file", "\"key\"")]);
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path);
    std::fs::write(
        &path,
        sa(&[("encr_key", ""), ("encr_key_file", "\"nokey\"")]),
    )
    .unwrap();
    let missing = Config::load(&path).unwrap_err();
    let long = format!("{KEY}{}", " ".repeat(4065));
    std::fs::write(dir.join("nokey"), long).unwrap();
    let long = Config::load(&path).unwrap_err();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(long[0].text.contains("too long"), "{long:?}");
    let config = config.unwrap();
    // The salt stands in the configuration.
    assert_eq!(config.key_files, [dir.join("key"), path.clone()]);
    assert_eq!(config.sas[0].keys.encr_key[..3], [0x00, 0x11, 0x22]);
    assert_eq!(
        (missing[0].line, missing[0].key.as_str()),
        (7, "sa.encr_key_file")
    );
    assert_eq!(Config::load(&path).unwrap_err()[0].line, 0);
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let problems = Config::load(std::path::Path::new("/dev/zero")).unwrap_err();
    assert!(problems[0].text.contains("longer than"), "{problems:?}");
}

#[test]
fn the_state_file_is_beside_the_configuration() {
    let state = |file: &str, name: &str| {
        let text = format!("[gateway]\nstate_file = \"{name}\"\n");
        Config::parse(&text, file)
            .unwrap()
            .gateway
            .unwrap()
            .state_file
    };
    assert_eq!(
        state("/etc/sprat/gw.toml", "gw.state"),
        "/etc/sprat/gw.state"
    );
    assert_eq!(
        state("/etc/sprat/gw.toml", "/var/gw.state"),
        "/var/gw.state"
    );
    assert_eq!(state("gw.toml", "gw.state"), "gw.state");
}

#[test]
fn a_thousand_sas_load_well_under_a_second() {
    let text: String = (0..1000)
        .map(|n| {
            sa(&[
                ("name", &format!("\"sa{n}\"")),
                ("spi", &(0x1000 + n).to_string()),
            ])
        })
        .collect();
    let start = Instant::now();
    let config = Config::parse(&text, "f").unwrap();
    assert_eq!(config.sas.len(), 1000);
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
}

/// Pieces that together come near to a configuration.
fn pieces() -> impl Strategy<Value = String> {
    let words: Vec<String> = sprat_config::schema::SECTIONS
        .iter()
        .flat_map(|(section, keys)| {
            let lines = keys.iter().map(|key| format!("{key} = "));
            lines.chain([format!("[[{section}]]\n"), format!("[{section}]\n")])
        })
        .chain(
            [
                "1\n",
                "\"any\"\n",
                "\"0x10\"\n",
                "[",
                "]\n",
                "{",
                "}\n",
                "\"",
                "'''",
                "é\n",
                "0x",
                "-1\n",
                "1e9\n",
                "true\n",
                "\"tunnel\"\n",
                "\"1.2.3.4\"\n",
            ]
            .map(String::from),
        )
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Config::parse(&text, "f");
    }

    #[test]
    fn no_near_configuration_panics(text in pieces()) {
        if let Err(problems) = Config::parse(&text, "f") {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn no_truncated_example_panics(cut in 0usize..9000) {
        let text = include_str!("../../../docs/configuration.md");
        let start = text.find("```toml").unwrap() + 7;
        let end = text.floor_char_boundary(start + cut);
        let _ = Config::parse(&text[start..end], "f");
    }
}
