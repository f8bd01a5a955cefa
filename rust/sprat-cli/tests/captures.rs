//! `sprat seal` and `sprat open` with captures.

mod common;

use common::capture::{Order, PcapNg, Written, pcap, read_back};
use common::{Dir, Run, sprat};

const SAS: &str = r#"
[[sa]]
name = "wire"
spi = 0x1234
mode = "tunnel"
encr = "aes-gcm-16"
keymat = "000102030405060708090a0b0c0d0e0f10111213"
[sa.tunnel]
source = "2001:db8::1"
destination = "2001:db8::2"
"#;

/// An IPv4 packet with protocol 253 and `n` as its data.
fn packet(n: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 24, 0, n, 0, 0, 64, 253, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 0, 2, n, n, n, n]);
    packet
}

struct Bench {
    dir: Dir,
    sas: String,
}

impl Bench {
    fn new(name: &str) -> Self {
        let dir = Dir::new(name);
        let sas = dir.file("sas.toml", SAS);
        Bench { dir, sas }
    }

    /// ESP packets with the numbers from 1 on.
    fn sealed(&self, count: u8) -> Vec<Vec<u8>> {
        let packets = (0..count).map(|n| (1, 0, packet(n))).collect::<Vec<_>>();
        let input = self
            .dir
            .file("clear.pcap", pcap(Order::Little, false, 101, &packets));
        let output = self.dir.path("wire.pcapng");
        let run = sprat(
            &["seal", "--sa", &self.sas, "--in", &input, "--out", &output],
            "",
        );
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(
            run.err
                .contains(&format!("SA \"wire\" 0x00001234: {count} sealed\n")),
            "{run:?}"
        );
        let written = read_back(&std::fs::read(&output).unwrap());
        written.into_iter().map(|packet| packet.octets).collect()
    }

    fn open(&self, capture: &[u8]) -> (Run, Vec<Written>) {
        let input = self.dir.file("in", capture);
        let output = self.dir.path("out.pcapng");
        let _ = std::fs::remove_file(&output);
        let run = sprat(
            &["open", "--sa", &self.sas, "--in", &input, "--out", &output],
            "",
        );
        let written = std::fs::read(&output).map(|file| read_back(&file));
        (run, written.unwrap_or_default())
    }
}

fn clear(time: u64, n: u8) -> Written {
    Written {
        link: 101,
        time,
        octets: packet(n),
        comment: None,
    }
}

#[test]
fn pcap_in_both_orders_and_resolutions() {
    let bench = Bench::new("pcap");
    let sealed = bench.sealed(2);
    for order in [Order::Little, Order::Big] {
        for (nanos, unit) in [(false, 1000), (true, 1)] {
            let packets = [
                (1_700_000_000, 7, sealed[0].clone()),
                (1_700_000_001, 8, sealed[1].clone()),
            ];
            let (run, written) = bench.open(&pcap(order, nanos, 101, &packets));
            let second = 1_000_000_000;
            let expected = [
                clear(1_700_000_000 * second + 7 * unit, 0),
                clear(1_700_000_001 * second + 8 * unit, 1),
            ];
            assert_eq!(written, expected, "{order:?} {nanos}");
            assert_eq!(run.code, Some(0));
            assert!(
                run.err.contains("SA \"wire\" 0x00001234: 2 opened\n"),
                "{run:?}"
            );
        }
    }
}

#[test]
fn pcapng_in_both_orders_with_interfaces_and_unknown_blocks() {
    let bench = Bench::new("pcapng");
    let sealed = bench.sealed(4);
    for order in [Order::Little, Order::Big] {
        let mut capture = PcapNg::new(order);
        capture.block(0x0bad, b"what is this");
        capture.interface(229, 6);
        capture.interface(1, 9);
        capture.packet(0, 5, &sealed[0]);
        capture.block(5, &[0; 12]);
        let ethernet = [&[0; 12][..], &[0x81, 0, 0, 7, 0x86, 0xdd], &sealed[1]].concat();
        capture.packet(1, 1 << 40, &ethernet);
        capture.simple_packet(&sealed[2]);
        // A new section forgets the interfaces of the one before.
        let mut second = PcapNg::new(if order == Order::Big {
            Order::Little
        } else {
            Order::Big
        });
        second.interface(101, 3);
        second.packet(0, 2, &sealed[3]);
        capture.file.extend(second.file);
        let (run, written) = bench.open(&capture.file);
        let expected = [
            clear(5000, 0),
            clear(1 << 40, 1),
            clear(0, 2),
            clear(2_000_000, 3),
        ];
        assert_eq!(written, expected, "{order:?} {run:?}");
    }
}

#[test]
fn every_link_type_is_understood() {
    let bench = Bench::new("links");
    let sealed = bench.sealed(1);
    for (link, header) in [
        (1, &[&[0; 12][..], &[0x86, 0xdd]].concat()),
        (113, &[&[0; 14][..], &[0x86, 0xdd]].concat()),
        (276, &[&[0x86, 0xdd][..], &[0; 18]].concat()),
        (0, &vec![30, 0, 0, 0]),
        (101, &vec![]),
        (229, &vec![]),
    ] {
        let frame = [&header[..], &sealed[0]].concat();
        let (_, written) = bench.open(&pcap(Order::Little, false, link, &[(0, 0, frame)]));
        assert_eq!(written, [clear(0, 0)], "link type {link}");
    }
}

#[test]
fn what_stays_sealed_is_unchanged_and_says_why() {
    let bench = Bench::new("stays");
    let sealed = bench.sealed(2);
    let mut bad = sealed[1].clone();
    *bad.last_mut().unwrap() ^= 1;
    let mut stranger = sealed[1].clone();
    stranger[40..44].copy_from_slice(&[9, 9, 9, 9]);
    let mut fragment = sealed[1].clone();
    fragment[6] = 44;
    fragment.splice(40..40, [50, 0, 0, 1, 0, 0, 0, 9]);
    fragment[5] += 8;
    let cut = sealed[1][..60].to_vec();
    let frames = [
        sealed[0].clone(),
        sealed[0].clone(),
        bad,
        stranger,
        fragment,
        packet(9),
        cut,
    ];
    let packets: Vec<_> = frames.iter().map(|frame| (0, 0, frame.clone())).collect();
    let (run, written) = bench.open(&pcap(Order::Big, true, 101, &packets));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(written[0], clear(0, 0));
    let comments: Vec<Option<&str>> = written.iter().map(|w| w.comment.as_deref()).collect();
    assert!(
        comments[1]
            .unwrap()
            .starts_with("sprat: SA \"wire\" SPI 0x00001234 number 1: replay: ")
    );
    assert!(
        comments[2]
            .unwrap()
            .starts_with("sprat: SA \"wire\" SPI 0x00001234 number 2: integrity: ")
    );
    assert!(
        comments[4].unwrap().starts_with("sprat: fragment: "),
        "{comments:?}"
    );
    assert_eq!((comments[3], comments[5], comments[6]), (None, None, None));
    for (frame, written) in frames.iter().zip(&written).skip(1) {
        assert_eq!(*frame, written.octets);
    }
    assert!(
        run.err.contains("1 opened, 1 replay, 1 integrity\n"),
        "{run:?}"
    );
    assert!(
        run.err.contains("no SA, 1 no-sa, 1 fragment, 1 not-ip\n"),
        "{run:?}"
    );
    assert!(run.err.contains("other packets: 1\n"), "{run:?}");
}

#[test]
fn frames_without_ip_keep_their_link_type() {
    let bench = Bench::new("arp");
    let arp = [&[0xff; 12][..], &[8, 6], &[1; 28]].concat();
    let ethernet = [&[0; 12][..], &[0x86, 0xdd], &bench.sealed(1)[0]].concat();
    let packets = [(0, 1, arp.clone()), (0, 2, ethernet)];
    let (run, written) = bench.open(&pcap(Order::Little, true, 1, &packets));
    let unchanged = Written {
        link: 1,
        time: 1,
        octets: arp.clone(),
        comment: None,
    };
    assert_eq!(written, [unchanged, clear(2, 0)], "{run:?}");
    // Sealing leaves them alone as well.
    let input = bench
        .dir
        .file("arp", pcap(Order::Little, true, 1, &[(0, 1, arp)]));
    let output = bench.dir.path("arp.pcapng");
    let run = sprat(
        &["seal", "--sa", &bench.sas, "--in", &input, "--out", &output],
        "",
    );
    assert!(
        run.code == Some(0) && run.err.contains("other packets: 1"),
        "{run:?}"
    );
}

#[test]
fn a_capture_cut_anywhere_is_told_and_never_a_crash() {
    let bench = Bench::new("cut");
    let sealed = bench.sealed(2);
    let mut ng = PcapNg::new(Order::Big);
    ng.interface(101, 6);
    ng.packet(0, 0, &sealed[0]);
    let old = pcap(
        Order::Little,
        false,
        101,
        &[(0, 0, sealed[0].clone()), (0, 0, sealed[1].clone())],
    );
    for file in [ng.file, old] {
        let mut whole = 0;
        for cut in (0..=file.len()).step_by(5).chain([file.len()]) {
            let (run, _) = bench.open(&file[..cut]);
            let told = match run.code {
                Some(0) => run.err.contains("other packets: "),
                Some(1) => run.err.contains("ends in the middle of a packet"),
                Some(2) => {
                    run.err.contains("neither pcap nor pcapng") || run.err.contains("damaged")
                }
                _ => false,
            };
            assert!(told, "cut at {cut}: {run:?}");
            whole += usize::from(run.code == Some(0));
        }
        assert!(whole >= 1, "the whole file is read");
    }
}

#[test]
fn long_blocks_are_read() {
    let bench = Bench::new("long");
    let mut capture = PcapNg::new(Order::Little);
    capture.block(0x0bad, &vec![7; 300_000]);
    capture.interface(101, 9);
    let sealed = bench.sealed(1);
    for _ in 0..3000 {
        capture.packet(0, 3, &sealed[0]);
    }
    let (run, written) = bench.open(&capture.file);
    assert_eq!(
        (written.len(), &written[0]),
        (3000, &clear(3, 0)),
        "{run:?}"
    );
    assert!(run.err.contains("1 opened, 2999 replay\n"), "{run:?}");
}

#[test]
fn nothing_that_is_read_is_overwritten() {
    let bench = Bench::new("same");
    let wire = pcap(
        Order::Little,
        false,
        101,
        &[(0, 0, bench.sealed(1)[0].clone())],
    );
    let input = bench.dir.file("wire.pcap", &wire);
    let key = bench.dir.file("key", "000102030405060708090a0b0c0d0e0f");
    let text = SAS.replace(
        "keymat = ",
        "encr_key_file = \"key\"\nsalt = \"10111213\"\n# ",
    );
    let sas = bench.dir.file("files.toml", text);
    let files = [&input, &key, &sas];
    for (number, file) in files.into_iter().enumerate() {
        let hard = bench.dir.path(&format!("hard{number}"));
        std::fs::hard_link(file, &hard).unwrap();
        let soft = bench.dir.path(&format!("soft{number}"));
        std::os::unix::fs::symlink(file, &soft).unwrap();
        let before = std::fs::read(file).unwrap();
        for output in [file, &hard, &soft] {
            for verb in ["open", "seal"] {
                let run = sprat(&[verb, "--sa", &sas, "--in", &input, "--out", output], "");
                let told = run.code == Some(2) && run.err.contains("it would be lost");
                assert!(told, "{verb} {output}: {run:?}");
                assert_eq!(std::fs::read(file).unwrap(), before, "{verb} {output}");
            }
        }
    }
    let other = bench.dir.file("other", "to be replaced");
    let run = sprat(&["open", "--sa", &sas, "--in", &input, "--out", &other], "");
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn no_packet_of_a_capture_is_passed_over() {
    let bench = Bench::new("counted");
    let sealed = bench.sealed(5);
    for order in [Order::Little, Order::Big] {
        let mut capture = PcapNg::new(order);
        capture.packet(0, 0, &sealed[0]);
        capture.simple_packet(&sealed[0]);
        capture.interface(101, 9);
        capture.old_packet(0, 1, &sealed[1]);
        capture.packet(7, 0, &sealed[2]);
        // More octets than its block has: the one behind it is whole.
        capture.packet_of(0, 0, (5000, 5000), &sealed[3]);
        capture.packet(0, 2, &sealed[4]);
        let (run, written) = bench.open(&capture.file);
        assert_eq!(written, [clear(1, 1), clear(2, 4)], "{run:?}");
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains(": 2 opened\n"), "{run:?}");
        assert!(run.err.contains("\ndamaged packets: 4\n"), "{run:?}");
    }
}

#[test]
fn time_stamps_count_in_any_unit_from_any_second() {
    let bench = Bench::new("units");
    let sealed = bench.sealed(1);
    for order in [Order::Little, Order::Big] {
        for (resolution, offset, time, nanos) in [
            (9, 0, 5, 5),
            (6, 3600, 7, 3_600_000_007_000),
            (6, -10, 11_000_000, 1_000_000_000),
            (6, -10, 1, 0),
            (0, 0, 2, 2_000_000_000),
            (12, 0, 5_999, 5),
            (0x80 | 10, 0, 1024 * 3 + 512, 3_500_000_000),
            (0xbf, 0, u64::MAX, 1_999_999_999),
            (0xff, 0, u64::MAX, 0),
            (0x7f, 0, u64::MAX, 0),
        ] {
            let mut capture = PcapNg::new(order);
            capture.interface_at(101, resolution, offset);
            capture.packet(0, time, &sealed[0]);
            let (run, written) = bench.open(&capture.file);
            assert_eq!(written, [clear(nanos, 0)], "{order:?} {resolution} {run:?}");
        }
    }
}

#[test]
fn what_the_snaplen_cut_is_told_where_it_met_an_sa() {
    let bench = Bench::new("snaplen");
    let sealed = bench.sealed(2);
    let mut capture = PcapNg::new(Order::Little);
    capture.interface(101, 9);
    let len = sealed[0].len() as u32;
    capture.packet_of(0, 0, (60, len), &sealed[0][..60]);
    // None of our business, and no fault.
    capture.packet_of(0, 0, (22, 24), &packet(3)[..22]);
    capture.packet(0, 0, &sealed[1]);
    let (run, written) = bench.open(&capture.file);
    assert_eq!(run.code, Some(1), "{run:?}");
    let comments: Vec<Option<&str>> = written.iter().map(|w| w.comment.as_deref()).collect();
    let cut = "sprat: SA \"wire\" SPI 0x00001234 number 1: cut by the snaplen";
    assert_eq!(comments, [Some(cut), None, None]);
    assert_eq!(written[2], clear(0, 1));
    assert!(
        run.err
            .contains(": 1 opened, 1 cut by the snaplen\nother packets: 1\n"),
        "{run:?}"
    );
}

#[test]
fn comments_stay_with_their_packets() {
    let bench = Bench::new("comments");
    let sealed = bench.sealed(1);
    for order in [Order::Little, Order::Big] {
        let mut capture = PcapNg::new(order);
        capture.interface(101, 9);
        let len = sealed[0].len() as u32;
        let mut noted = sealed[0].clone();
        noted.resize(noted.len().next_multiple_of(4), 0);
        noted.extend(capture.option(1, b"first"));
        noted.extend(capture.option(2, &[0; 4]));
        noted.extend(capture.option(1, b"second"));
        noted.extend([0; 4]);
        capture.packet_of(0, 0, (len, len), &noted);
        capture.packet_of(0, 0, (len, len), &noted);
        let (run, written) = bench.open(&capture.file);
        assert_eq!(
            written[0].comment.as_deref(),
            Some("first|second"),
            "{run:?}"
        );
        let comment = written[1].comment.as_deref().unwrap();
        assert!(
            comment.starts_with("first|second|sprat: SA \"wire\" "),
            "{comment}"
        );
    }
}

#[test]
fn behind_damage_the_summary_still_comes() {
    let bench = Bench::new("damage");
    let mut capture = PcapNg::new(Order::Little);
    capture.interface(101, 9);
    capture.packet(0, 0, &bench.sealed(1)[0]);
    let at = capture.file.len();
    capture.file.extend([6, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    let (run, written) = bench.open(&capture.file);
    assert_eq!(written, [clear(0, 0)]);
    assert!(
        run.err.contains(": 1 opened\nother packets: 0\n"),
        "{run:?}"
    );
    assert!(
        run.err.contains(&format!("damaged at octet {at}\n")),
        "{run:?}"
    );
    assert_eq!(run.code, Some(2));
}

#[test]
fn equal_transport_sas_open_a_capture() {
    let bench = Bench::new("equal");
    let sa = |name: &str, key: &str| {
        let keymat = format!("{}010203", key.repeat(16));
        format!(
            "[[sa]]\nname = \"{name}\"\nspi = 4097\nmode = \"transport\"\ndirection = \"out\"\n\
             encr = \"aes-ccm-8\"\nkeymat = \"{keymat}\"\n"
        )
    };
    let sas = bench.dir.file("equal.toml", sa("a", "11") + &sa("b", "22"));
    let hex: String = packet(1)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    for name in ["a", "b"] {
        let sealed = sprat(&["seal", "--sa", &sas, "--sa-name", name, &hex], "");
        let opened = sprat(&["open", "--sa", &sas, sealed.out.trim()], "");
        assert_eq!(opened.code, Some(0), "{opened:?}");
        assert_eq!(opened.out.trim()[24..], hex[24..]);
    }
}
