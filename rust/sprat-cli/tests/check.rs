//! `sprat sa check`, help texts and man pages.

mod common;

use common::{Dir, sprat};

#[test]
fn a_wrong_file_is_told_line_by_line() {
    let dir = Dir::new("check");
    let text = "[[sa]]\nname = \"a\"\nspi = 12\nmode = \"tunel\"\nencr = \"ENCR_AES_CCM_8\"\n\
                encr_key = \"0011223344556677\"\nsallt = \"010203\"\n";
    let file = dir.file("sas.toml", text);
    let run = sprat(&["sa", "check", &file], "");
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    let expected = [
        ":1: sa.salt: missing for ENCR_AES_CCM_8; allowed: 3 octets",
        ":3: sa.spi: number out of range; allowed: 256 to 4294967295",
        ":4: sa.mode: \"tunel\" does not fit here; allowed: \"transport\", \"tunnel\"",
        ":6: sa.encr_key: 8 octets do not fit ENCR_AES_CCM_8; allowed: 16, 24 or 32 octets",
        ":7: sa.sallt: unknown key, perhaps salt; allowed: name, direction, spi, ",
    ];
    let lines: Vec<&str> = run.err.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{run:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(&format!("error: {file}{expected}")),
            "{line}\n{expected}"
        );
    }
}

#[test]
fn a_right_file_is_listed_without_keys() {
    let dir = Dir::new("right");
    let text = "[[sa]]\nname = \"office\"\ndirection = \"in\"\nspi = 0x1234\nmode = \"transport\"\nesn = true\n\
                encr = \"aes-cbc\"\nkeymat = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff01234567\"\n\
                integ = \"sha1\"\nreplay_window = 0\n";
    let run = sprat(&["sa", "check", &dir.file("sas.toml", text)], "");
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let row: Vec<&str> = run.out.lines().nth(1).unwrap().split_whitespace().collect();
    let expected = [
        "office",
        "in",
        "0x00001234",
        "transport",
        "ENCR_AES_CBC/128",
        "AUTH_HMAC_SHA1_96",
        "64",
        "off",
    ];
    assert_eq!(row, expected);
    assert!(run.out.ends_with("1 SAs, 0 policies, no gateway\n"));
    assert!(
        !run.out.contains("0011") && !run.out.contains("eeff"),
        "{run:?}"
    );
}

#[test]
fn old_transforms_work_here() {
    let dir = Dir::new("legacy");
    let text = "[[sa]]\nname = \"old\"\nspi = 256\nmode = \"transport\"\nencr = \"3des\"\ninteg = \"md5\"\n";
    let text = format!("{text}keymat = \"{}\"\n", "5a".repeat(40));
    assert_eq!(
        sprat(&["sa", "check", &dir.file("sas.toml", text)], "").code,
        Some(0)
    );
}

#[test]
fn files_with_keys_that_others_may_read_are_warned_of() {
    let dir = Dir::new("modes");
    dir.file("key", "00".repeat(16));
    let text = "[[sa]]\nname = \"a\"\nspi = 256\nmode = \"transport\"\nencr = \"aes-ccm-8\"\n";
    let beside = format!("{text}encr_key_file = \"key\"\nsalt = \"010203\"\n");
    let sas = dir.file("sas.toml", beside);
    assert_eq!(sprat(&["sa", "check", &sas], "").err, "");
    dir.mode("key", 0o640);
    dir.mode("sas.toml", 0o604);
    let run = sprat(&["sa", "check", &sas], "");
    assert_eq!((run.code, run.err.lines().count()), (Some(0), 2), "{run:?}");
    for told in ["key: holds keys, ", "(mode 0640)", "(mode 0604)"] {
        assert!(run.err.contains(told), "{run:?}");
    }
    // A file without keys may be read by anyone.
    let keyless = dir.file("none.toml", "[gateway]\nstate_file = \"s\"\n");
    dir.mode("none.toml", 0o644);
    assert_eq!(sprat(&["sa", "check", &keyless], "").err, "");
}

/// Notices are no faults.
#[test]
fn what_may_lose_packets_is_told() {
    let dir = Dir::new("notices");
    let text = "[[sa]]\nname = \"lean\"\nspi = 0x1234\nmode = \"transport\"\nencr = \"aes-ccm-8-iiv\"\n\
                keymat = \"000102030405060708090a0b0c0d0e0fa0a1a2\"\nreplay_window = 128\n\
                [sa.ehc]\nip_version = 6\nesp_spi_lsb = 4\nesp_sn_lsb = 4\n";
    let file = dir.file("sas.toml", text);
    let run = sprat(&["sa", "check", &file], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    let told = "warning: SA \"lean\": replay_window 128 is wider than 4 bits of the number";
    assert!(run.err.starts_with(&format!("{file}: {told}")), "{run:?}");
    let row = run.out.lines().nth(1).unwrap();
    assert!(row.contains("ENCR_AES_CCM_8_IIV/128 diet-esp-07 "), "{row}");
}

#[test]
fn a_missing_file_is_an_error() {
    let run = sprat(&["sa", "check", "/nowhere/sas.toml"], "");
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(
        run.err
            .starts_with("error: /nowhere/sas.toml: cannot be read: "),
        "{run:?}"
    );
}

#[test]
fn every_command_has_help_with_examples_and_exit_codes() {
    for args in [
        &["vectors"][..],
        &["open"],
        &["seal"],
        &["explain"],
        &["overhead"],
        &["sa", "check"],
    ] {
        let run = sprat(&[args, &["--help"]].concat(), "");
        assert_eq!(run.code, Some(0));
        let command = format!("  sprat {} ", args.join(" "));
        assert!(
            run.out.contains("Example") && run.out.contains(&command),
            "{}",
            run.out
        );
        assert!(run.out.contains("Exit codes:"), "{}", run.out);
    }
    let run = sprat(&["--version"], "");
    assert_eq!(run.out, format!("sprat {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn man_pages_are_written_for_every_command() {
    let dir = Dir::new("man");
    let pages = dir.path("pages");
    assert_eq!(sprat(&["man", &pages], "").code, Some(0));
    for page in [
        "sprat",
        "sprat-vectors",
        "sprat-open",
        "sprat-seal",
        "sprat-explain",
        "sprat-overhead",
        "sprat-sa",
        "sprat-sa-check",
    ] {
        let text = std::fs::read_to_string(format!("{pages}/{page}.1")).unwrap();
        assert!(
            text.contains(".TH") && text.contains("Exit codes"),
            "{page}"
        );
    }
    assert!(!std::fs::exists(format!("{pages}/sprat-man.1")).unwrap());
    let open = std::fs::read_to_string(format!("{pages}/sprat-open.1")).unwrap();
    let synopsis = ".SH SYNOPSIS\nsprat open [OPTIONS] \\-\\-sa <FILE> [HEX]...\n";
    assert!(open.contains(synopsis), "{open}");
    let sa = std::fs::read_to_string(format!("{pages}/sprat-sa.1")).unwrap();
    assert!(!sa.contains("file:line"), "{sa}");
}
