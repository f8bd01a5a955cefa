//! `sprat seal` and `sprat open` with packets in hex.

mod common;

use common::{Dir, sprat, sprat_raw};
use sprat_core::crypto::{Encr, Integ};

/// IPv4 and UDP with `len` octets of data.
fn udp4(len: u8) -> String {
    let total = 28 + len;
    let data: String = (0..len).map(|n| format!("{n:02x}")).collect();
    let checksum = 0xffff
        - [
            0x4500,
            u32::from(total),
            0x4011,
            0x0a00,
            0x0001,
            0x0a00,
            0x0002,
        ]
        .iter()
        .fold(0, |sum: u32, word| (sum + word) % 0xffff);
    format!(
        "450000{total:02x}000000004011{checksum:04x}0a0000010a00000200090009{:04x}0000{data}",
        8 + u16::from(len)
    )
}

fn key(octets: usize, seed: usize) -> String {
    (0..octets)
        .map(|n| format!("{:02x}", (n * 7 + seed) % 251))
        .collect()
}

/// One `[[sa]]` for these transforms.
fn sa(encr: Encr, key_len: usize, integ: Integ, more: &str) -> String {
    format!(
        "[[sa]]\nname = \"x\"\nspi = 0x1234\nencr = \"{}\"\nencr_key = \"{}\"\nsalt = \"{}\"\n\
         integ = \"{}\"\ninteg_key = \"{}\"\n{more}",
        encr.name(),
        key(key_len, 1),
        key(encr.salt_len(), 2),
        integ.name(),
        key(integ.key_len(), 3),
    )
}

const TUNNEL: &str =
    "mode = \"tunnel\"\n[sa.tunnel]\nsource = \"192.0.2.1\"\ndestination = \"192.0.2.2\"\n";
const TRANSPORT: &str = "mode = \"transport\"\n";

#[test]
fn every_transform_seals_and_opens_in_both_modes() {
    let dir = Dir::new("transforms");
    let input: Vec<String> = [0, 1, 7, 100].map(udp4).to_vec();
    let mut pairs = 0;
    for encr in Encr::ALL {
        for integ in Integ::ALL.iter().filter(|integ| encr.allows(**integ)) {
            for key_len in encr.key_lens() {
                let mode = if pairs % 2 == 0 { TUNNEL } else { TRANSPORT };
                let esn = format!("esn = {}\n{mode}", pairs % 3 == 0);
                let file = dir.file("sas.toml", sa(*encr, *key_len, *integ, &esn));
                let sealed = sprat(&["seal", "--sa", &file], &input.join("\n"));
                assert_eq!(
                    (sealed.code, sealed.err.as_str()),
                    (Some(0), ""),
                    "{encr:?} {integ:?}"
                );
                assert_eq!(sealed.out.lines().count(), input.len());
                let opened = sprat(&["open", "--sa", &file], &sealed.out);
                assert_eq!(opened.code, Some(0), "{encr:?} {integ:?} {opened:?}");
                let same: Vec<&str> = opened.out.lines().collect();
                assert_eq!(same, input, "{encr:?} {integ:?}");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 93);
}

#[test]
fn each_refusal_is_named_and_the_rest_goes_on() {
    let dir = Dir::new("refusals");
    let more = format!("replay_window = 32\n{TUNNEL}");
    let file = dir.file("sas.toml", sa(Encr::AesCcm8, 16, Integ::None, &more));
    let sealed = sprat(&["seal", "--sa", &file, &udp4(4)], "").out;
    let sealed = sealed.trim();
    let flipped = format!(
        "{}{}",
        &sealed[..sealed.len() - 1],
        if sealed.ends_with('0') { '1' } else { '0' }
    );
    let other_spi = sealed.replacen("00001234", "00004321", 1);
    let fragment = format!("{}2000{}", &sealed[..12], &sealed[16..]);
    let input = [
        &flipped,
        sealed,
        sealed,
        &other_spi,
        &fragment,
        "4500",
        "xyz",
        "# a remark",
        "",
        &udp4(1),
    ];
    let run = sprat(&["open", "--sa", &file], &input.join("\n"));
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.out,
        format!("{}\n{}\n", udp4(4), udp4(1)),
        "ESP opened, the rest unchanged"
    );
    let told: Vec<&str> = run
        .err
        .lines()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "integrity",
            "replay",
            "no-sa",
            "fragment",
            "not-ip",
            "not-hex"
        ]
    );
    assert!(
        run.err
            .starts_with("error: integrity: ICV does not verify (RFC 4303 s3.4.4) (line 1)\n")
    );
    let run = sprat(&["open", "--sa", &file, sealed], "");
    assert_eq!((run.code, run.out.trim()), (Some(0), udp4(4).as_str()));
}

#[test]
fn seal_options_do_what_they_say() {
    let dir = Dir::new("options");
    let file = dir.file("sas.toml", sa(Encr::AesCbc, 16, Integ::HmacSha1_96, TUNNEL));
    let iv = "000102030405060708090a0b0c0d0e0f";
    let args = [
        "seal",
        "--sa",
        &file,
        "--seq",
        "7",
        "--iv",
        iv,
        "--ipv4-id",
        "258",
        "--sa-name",
        "x",
    ];
    let args: Vec<&str> = args.into_iter().collect();
    let packet = udp4(4);
    let once = sprat(&[&args[..], &[&packet]].concat(), "").out;
    assert_eq!(
        once,
        sprat(&[&args[..], &[&packet]].concat(), "").out,
        "all of it is given"
    );
    // Identification, SPI, number, IV.
    assert_eq!((&once[8..12], &once[40..56]), ("0102", "0000123400000007"));
    assert_eq!(&once[56..88], iv);
    let two = sprat(&[&args[..], &[&packet, &packet]].concat(), "");
    assert!(
        two.code == Some(2) && two.err.contains("--iv serves one packet"),
        "{two:?}"
    );
    let plain = sprat(&["seal", "--sa", &file, &packet], "").out;
    for (option, octets) in [("--tfc", 32), ("--pad", 48)] {
        let grown = sprat(
            &["seal", "--sa", &file, option, &octets.to_string(), &packet],
            "",
        )
        .out;
        assert_eq!(grown.len(), plain.len() + 2 * octets, "{option}");
        assert_eq!(
            sprat(&["open", "--sa", &file, grown.trim()], "").out.trim(),
            packet
        );
    }
    assert_ne!(
        plain,
        sprat(&["seal", "--sa", &file, &packet], "").out,
        "random IV"
    );
}

#[test]
fn wrong_uses_are_told_and_end_with_two() {
    let dir = Dir::new("uses");
    let one = sa(Encr::AesCcm8, 16, Integ::None, TUNNEL);
    let file = dir.file("sas.toml", &one);
    let both = one.clone() + &one.replace("\"x\"", "\"y\"").replace("0x1234", "0x1235");
    let both = dir.file("both.toml", both);
    let packet = udp4(0);
    for (args, told) in [
        (
            &["seal", "--sa", &file, "--iv", "00", &packet][..],
            "the sequence number makes the IV of ENCR_AES_CCM_8",
        ),
        (
            &["seal", "--sa", &file, "--seq", "4294967296", &packet],
            "without esn at most 4294967295",
        ),
        (&["seal", "--sa", &file, "--seq", "0", &packet], "--seq"),
        (
            &["seal", "--sa", &file, "--sa-name", "z", &packet],
            "no SA has the name \"z\"",
        ),
        (
            &["seal", "--sa", &both, &packet],
            "--sa-name with one of: \"x\", \"y\"",
        ),
        (&["open", "--sa", &file, "--in", "a.pcap"], "--out"),
        (&["open", &packet], "--sa"),
        (
            &[
                "open",
                "--sa",
                &file,
                "--in",
                "/nowhere/a",
                "--out",
                "/nowhere/b",
            ],
            "/nowhere/a",
        ),
        (&["unseal"], "unseal"),
    ] {
        let run = sprat(args, "");
        assert_eq!(run.code, Some(2), "{args:?} {run:?}");
        assert!(
            run.err.contains(told) && run.out.is_empty(),
            "{args:?} {run:?}"
        );
    }
    let end = sprat(
        &[
            "seal",
            "--sa",
            &file,
            "--seq",
            "4294967295",
            &packet,
            &packet,
        ],
        "",
    );
    assert_eq!((end.code, end.out.lines().count()), (Some(1), 1));
    assert!(end.err.starts_with("error: sn-exhausted: "), "{end:?}");
    let small = dir.file("small.toml", one.replace("mode =", "path_mtu = 68\nmode ="));
    let big = sprat(&["seal", "--sa", &small, &udp4(60)], "");
    assert!(
        big.err.starts_with("error: too-big: ") && big.err.contains("at most "),
        "{big:?}"
    );
    let broken = dir.file("broken.toml", one.replace("0x1234", "5"));
    let run = sprat(&["open", "--sa", &broken, &packet], "");
    assert!(
        run.code == Some(1) && run.err.contains("broken.toml:3: sa.spi: "),
        "{run:?}"
    );
}

/// 141, as if a signal had ended it: a part must not pass for the whole.
#[test]
fn a_reader_that_goes_away_is_no_success() {
    use std::io::Read;
    use std::process::{Command, Stdio};
    let dir = Dir::new("pipe");
    let file = dir.file("sas.toml", sa(Encr::AesCcm8, 16, Integ::None, TUNNEL));
    let packets = vec![udp4(100); 4000].join("\n");
    let input = dir.file("packets", packets);
    let vectors = dir.file("vectors.json", "[]");
    for args in [&["seal", "--sa", &file][..], &["vectors", &vectors]] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut sprat = Command::new(env!("CARGO_BIN_EXE_sprat"));
        sprat
            .args(args)
            .stdin(std::fs::File::open(&input).unwrap())
            .stdout(writer)
            .stderr(Stdio::piped());
        // What writes little is done before anybody could go away: nobody is there.
        let child = match args[0] {
            "seal" => {
                let child = sprat.spawn().unwrap();
                reader.read_exact(&mut [0; 16]).unwrap();
                drop(reader);
                child
            }
            _ => {
                drop(reader);
                sprat.spawn().unwrap()
            }
        };
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
    }
}

#[test]
fn each_packet_comes_out_before_the_next_goes_in() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    let dir = Dir::new("follow");
    let file = dir.file("sas.toml", sa(Encr::AesCcm8, 16, Integ::None, TUNNEL));
    let mut child = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .args(["seal", "--sa", &file])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        writeln!(stdin, "{}", udp4(4)).unwrap();
        assert!(lines.next().unwrap().unwrap().starts_with("45"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_that_is_no_text_is_one_refusal() {
    let dir = Dir::new("octets");
    let file = dir.file("sas.toml", sa(Encr::AesCcm8, 16, Integ::None, TUNNEL));
    let input = [b"\xff\xfe\n", udp4(1).as_bytes(), b"\n"].concat();
    let run = sprat_raw(&["seal", "--sa", &file], &input);
    assert_eq!((run.code, run.out.lines().count()), (Some(1), 1), "{run:?}");
    assert_eq!(run.err, "error: not-hex: line 1 is not octets in hex\n");
}

/// A dummy is no fault: it says that there is nothing.
#[test]
fn a_dummy_is_a_remark() {
    let dir = Dir::new("dummy");
    let more = format!("esn = false\n{TRANSPORT}");
    let file = dir.file("sas.toml", sa(Encr::Null, 0, Integ::HmacSha1_96, &more));
    // An IPv4 packet whose protocol is 59, "no next header".
    let nothing = udp4(4).replacen("004011", "00403b", 1);
    let sealed = sprat(&["seal", "--sa", &file, &nothing], "");
    let opened = sprat(&["open", "--sa", &file, sealed.out.trim()], "");
    assert_eq!(
        (opened.code, opened.out.as_str()),
        (Some(0), ""),
        "{opened:?}"
    );
    assert!(opened.err.starts_with("# dummy: "), "{opened:?}");
}

#[test]
fn padding_that_does_not_fit_is_a_wrong_use() {
    let dir = Dir::new("pad");
    for (encr, integ, align) in [
        (Encr::AesCcm8, Integ::None, 4),
        (Encr::AesCbc, Integ::HmacSha1_96, 16),
    ] {
        let file = dir.file("sas.toml", sa(encr, 16, integ, TUNNEL));
        let run = sprat(&["seal", "--sa", &file, "--pad", "3", &udp4(1)], "");
        let told = format!(
            "error: --pad: {} takes multiples of {align} octets\n",
            encr.name()
        );
        assert_eq!((run.code, run.err), (Some(2), told));
    }
}

/// A UDP packet of the SA below: 2001:db8::1 port 5001 to 2001:db8::2 port 4500.
const FITS: &str = "600000000009114020010db800000000000000000000000120010db8000000000000000000000002\
                    1389119400093e4a41";
/// The same to port 4501.
const ODD: &str = "600000000009114020010db800000000000000000000000120010db8000000000000000000000002\
                   1389119500093e4941";

/// An SA with Diet-ESP, and a plain one for what does not fit.
fn with_fallback(ehc: &str) -> String {
    let tunnel = "[sa.tunnel]\nsource = \"2001:db8:f::1\"\ndestination = \"2001:db8:f::2\"\n";
    let sa = |name: &str, spi: u32, key: u8| {
        let keymat = format!("{key:02x}").repeat(19);
        format!(
            "[[sa]]\nname = \"{name}\"\ndirection = \"out\"\nspi = {spi}\nmode = \"tunnel\"\n\
             encr = \"aes-ccm-8-iiv\"\nkeymat = \"{keymat}\"\n{tunnel}"
        )
    };
    format!(
        "{}[[sa.selector]]\nsource = \"2001:db8::1\"\ndestination = \"2001:db8::2\"\nprotocol = \"udp\"\n\
         source_ports = 5001\ndestination_ports = 4500\n\
         [sa.ehc]\nesp_spi_lsb = 8\nesp_sn_lsb = 8\nfallback = \"plain\"\n{ehc}{}",
        sa("lean", 0x12d4, 1),
        sa("plain", 0x12d5, 2)
    )
}

/// As the gateway does it: digest section 11.
#[test]
fn what_does_not_fit_is_sealed_by_the_fallback() {
    let dir = Dir::new("fallback");
    let file = dir.file("sas.toml", with_fallback("alignment = 8\n"));
    let seal = ["seal", "--sa", &file, "--sa-name", "lean", "--seq", "7"];
    let run = sprat(&[&seal[..], &[ODD, FITS, ODD]].concat(), "");
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((run.code, lines.len()), (Some(0), 3), "{run:?}");
    // SPI and number behind the outer header.
    let starts = ["000012d500000001", "d407", "000012d500000002"];
    for (line, start) in lines.iter().zip(starts) {
        assert_eq!(line.get(80..80 + start.len()), Some(start), "{line}");
    }
    let opened = sprat(&["open", "--sa", &file], &run.out).out;
    let sent = ODD.len() * 2 + FITS.len();
    assert_eq!(opened.replace('\n', "").len(), sent, "{opened}");
    // What no SA can take is refused as before.
    let run = sprat(&[&seal[..], &["00"]].concat(), "");
    assert!(run.code == Some(1) && run.err.contains("not-ip"), "{run:?}");
}

#[test]
fn padding_of_diet_esp_goes_by_its_alignment() {
    let dir = Dir::new("ehc-pad");
    let pad = |ehc: &str, octets: &str| {
        let file = dir.file(
            "sas.toml",
            with_fallback(ehc).replace("fallback = \"plain\"\n", ""),
        );
        let args = [
            "seal",
            "--sa",
            &file,
            "--sa-name",
            "lean",
            "--pad",
            octets,
            FITS,
        ];
        sprat(&args, "")
    };
    let none = pad("alignment = 8\n", "4");
    let told = "error: --pad: SA \"lean\" sends no padding\n";
    assert_eq!((none.code, none.err.as_str()), (Some(2), told));
    let four = pad("alignment = 64\n", "4");
    let told = "error: --pad: SA \"lean\", with ENCR_AES_CCM_8_IIV, takes multiples of 8 octets\n";
    assert_eq!((four.code, four.err.as_str()), (Some(2), told));
    let less = pad("alignment = 16\n", "0").out.len();
    assert_eq!(pad("alignment = 16\n", "2").out.len(), less + 4);
}

/// ESP in UDP of an SA whose sent bits others show, too: whoever does not expect
/// the port must not pass it for something else.
#[test]
fn esp_in_udp_is_found_behind_sas_that_show_the_same_bits() {
    let dir = Dir::new("udp-layers");
    let lean = with_fallback("alignment = 8\n").replace("fallback = \"plain\"\n", "");
    let (first, _) = lean.split_once("[[sa]]\nname = \"plain\"").unwrap();
    let second = first
        .replace("\"lean\"", "\"udp\"")
        .replace("spi = 4820", "spi = 0x11d4");
    let second = second.replace("[sa.ehc]", "[sa.udp_encap]\n[sa.ehc]");
    let second = second.replace("0101", "0303");
    let file = dir.file("sas.toml", format!("{first}{second}"));
    let sealed = sprat(&["seal", "--sa", &file, "--sa-name", "udp", FITS], "").out;
    // Ports 4500, then the bits that both show.
    assert_eq!((&sealed[80..88], &sealed[96..98]), ("11941194", "d4"));
    let run = sprat(&["open", "--sa", &file, sealed.trim()], "");
    assert_eq!((run.code, run.out.trim()), (Some(0), FITS), "{run:?}");
}

/// Eight bits of number 1000 read as number 232, which no ICV verifies.
#[test]
fn a_capture_that_begins_late_needs_a_start() {
    let dir = Dir::new("late");
    let toml = with_fallback("alignment = 8\n");
    let file = dir.file("sas.toml", &toml);
    let seal = [
        "seal",
        "--sa",
        &file,
        "--sa-name",
        "lean",
        "--seq",
        "1000",
        FITS,
    ];
    let sealed = sprat(&seal, "").out;
    let run = sprat(&["open", "--sa", &file, sealed.trim()], "");
    let told = "; with 8 bits of the number, read as 232: is sequence_start near? (packet 1)\n";
    assert!(run.code == Some(1) && run.err.ends_with(told), "{run:?}");
    let near = toml.replacen("spi =", "sequence_start = 900\nspi =", 1);
    let near = dir.file("near.toml", near);
    assert_eq!(
        sprat(&["open", "--sa", &near, sealed.trim()], "")
            .out
            .trim(),
        FITS
    );
}
