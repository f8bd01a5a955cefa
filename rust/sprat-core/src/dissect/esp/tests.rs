use super::super::sequence::Sequence;
use super::super::table::tests::{sa, with};
use super::super::table::{Class, Table};
use super::*;
use crate::num::Sn64;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

/// Spans as text: `field@offset+len=value`, indented below their parents.
#[derive(Default)]
pub struct Lines {
    depth: Vec<usize>,
    pub lines: Vec<String>,
}

impl Sink for Lines {
    fn add(&mut self, span: Span<'_>) -> u16 {
        let depth = span.parent.map_or(0, |p| self.depth[usize::from(p)] + 1);
        let name = span.field.abbrev().strip_prefix("sprat.").unwrap();
        let name = name.strip_prefix("esp.").unwrap_or(name);
        let value = match span.value {
            Value::InPlace => String::new(),
            Value::Number(n) => std::format!("={n}"),
            Value::Octets(o) => std::format!("={o:02x?}"),
            Value::Bits { octets, count } => {
                let bits = u128::from_be_bytes(*octets) >> (128 - u32::from(count));
                std::format!("={bits:0width$b}", width = usize::from(count))
            }
            Value::Text(text) => std::format!("={text}"),
        };
        let place = match (span.len, span.source) {
            (0, _) => String::new(),
            (len, Source::Packet) => std::format!("@{}+{len}", span.offset),
            (len, Source::Plaintext) => std::format!("@p{}+{len}", span.offset),
            (len, Source::Rebuilt) => std::format!("@r{}+{len}", span.offset),
        };
        let expert = span.expert.map_or("", Expert::name);
        self.depth.push(depth);
        self.lines.push(std::format!(
            "{}{name}{place}{value}{}{expert}",
            " ".repeat(depth),
            if expert.is_empty() { "" } else { " !" }
        ));
        u16::try_from(self.lines.len() - 1).unwrap()
    }
}

/// A packet of SPI 300 without IV, sealed with `text` as it is.
fn sealed(sa: &Sa, sn: Sn64, text: &[u8]) -> Vec<u8> {
    let numbers = Numbers {
        spi: sa.spi,
        sn,
        esn: sa.esn,
    };
    let mut body = [text, &[0; 32][..sa.suite.icv_len()]].concat();
    sa.suite.seal(&numbers, &mut body).unwrap();
    [&sa.spi.to_octets()[..], &sn.low().to_be_bytes(), &body].concat()
}

fn packet(sn: u32, text: &[u8]) -> Vec<u8> {
    sealed(&sa(300), Sn64(sn.into()), text)
}

fn input(octets: &[u8]) -> Input<'_> {
    Input {
        octets,
        reported: octets.len(),
        source: None,
        destination: None,
        encap: Encap::Ip,
        fragment: false,
        quoted: false,
        before: &[],
    }
}

fn show(sa: &Sa, input: &Input<'_>) -> (Outcome, Vec<String>) {
    let report = Sequence::new(sa).unwrap().report(input.sequence_low());
    let mut plain = std::vec![0xa5; input.octets.len()];
    let mut lines = Lines::default();
    let outcome = dissect(sa, input, &report, &mut plain, &mut lines);
    (outcome, lines.lines)
}

fn reason(sa: &Sa, octets: &[u8]) -> Option<DropReason> {
    show(sa, &input(octets)).0.reason
}

#[test]
fn a_good_packet_shows_every_octet() {
    // TCP, so that no length stands in the payload.
    let octets = packet(7, &[9, 9, 9, 1, 2, 3, 3, 6]);
    let (outcome, lines) = show(&sa(300), &input(&octets));
    assert_eq!(
        lines,
        [
            "spi@0+4=300",
            "sequence@4+4=7",
            "encrypted@8+8",
            "icv@16+12",
            " icv_good=1",
            " icv_bad=0",
            "payload@p0+3",
            "padding@p3+3",
            "pad_length@p6+1=3",
            " pad_good=1",
            "next_header@p7+1=6",
            "overhead=25",
            "sa",
            " sa_name=toy",
            " encr=ENCR_NULL",
            " integ=AUTH_HMAC_SHA1_96",
            " mode=transport",
            " esn=0",
        ]
    );
    assert_eq!(outcome.inner, Inner::Protocol(6));
    assert_eq!((outcome.plaintext, outcome.payload), (0..8, 0..3));
    assert_eq!((outcome.verified, outcome.reason), (true, None));
}

#[test]
fn the_udp_length_and_the_ip_length_cut_tfc_padding() {
    let udp = [
        0, 1, 0, 2, 0, 9, 0, 0, 0xee, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0, 17,
    ];
    let (outcome, lines) = show(&sa(300), &input(&packet(7, &udp)));
    assert_eq!(outcome.payload, 0..9);
    assert!(lines.contains(&"tfc@p9+5".to_string()), "{lines:?}");
    let options = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp[..15], &[60]].concat();
    let (outcome, _) = show(&sa(300), &input(&packet(7, &options)));
    assert_eq!((outcome.reason, outcome.payload), (None, 0..17));
    let mut ip = Vec::from([0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6]);
    ip.resize(20, 0);
    ip.extend([0xaa, 0xaa, 0, 4]);
    let (outcome, lines) = show(&sa(300), &input(&packet(7, &ip)));
    assert_eq!((outcome.inner, outcome.payload), (Inner::Ipv4, 0..20));
    assert!(lines.contains(&" mode=tunnel".to_string()), "{lines:?}");
}

#[test]
fn reasons_are_those_of_a_receiver() {
    let one = sa(300);
    let short = &packet(7, &[1, 2, 2, 6])[..23];
    assert_eq!(reason(&one, short), Some(DropReason::Malformed));
    assert_eq!(
        reason(&one, &packet(7, &[1, 2, 2, 59])),
        Some(DropReason::Dummy)
    );
    let mut bad = packet(7, &[1, 1, 0, 6]);
    bad[13] ^= 1;
    assert_eq!(reason(&one, &bad), Some(DropReason::Integrity));
    assert_eq!(reason(&one, &packet(7, &[2, 1, 1, 6])), None);
    assert_eq!(
        reason(&one, &packet(7, &[2, 2, 1, 6])),
        Some(DropReason::BadPadding)
    );
    assert_eq!(
        reason(&one, &packet(7, &[1, 2, 9, 6])),
        Some(DropReason::BadPadding)
    );
    assert_eq!(
        reason(&one, &packet(7, &[0x65, 0, 0, 4])),
        Some(DropReason::BadInner)
    );
    assert_eq!(
        reason(&one, &packet(0, &[1, 2, 2, 6])),
        Some(DropReason::InvalidZero)
    );
    let mut tunnel = sa(300);
    tunnel.mode = SaMode::Tunnel;
    assert_eq!(
        reason(&tunnel, &packet(7, &[9, 9, 0, 6])),
        Some(DropReason::BadInner)
    );
}

#[test]
fn fragments_and_cut_packets_are_not_decrypted() {
    let octets = packet(7, &[9, 9, 0, 6]);
    let mut fragment = input(&octets);
    fragment.fragment = true;
    let (outcome, _) = show(&sa(300), &fragment);
    assert_eq!(outcome.reason, Some(DropReason::Fragment));
    assert!(!outcome.verified);
    let mut cut = input(&octets[..octets.len() - 1]);
    cut.reported += 1;
    let (outcome, lines) = show(&sa(300), &cut);
    assert_eq!((outcome.verified, outcome.reason), (false, None));
    assert!(
        lines.contains(&"truncated=1 !truncated".to_string()),
        "{lines:?}"
    );
}

#[test]
fn a_quotation_that_does_not_verify_is_cut_off() {
    let octets = packet(7, &[9, 9, 9, 9, 9, 1, 1, 6]);
    for len in 8..octets.len() {
        let mut quoted = input(&octets[..len]);
        quoted.quoted = true;
        let (outcome, lines) = show(&sa(300), &quoted);
        assert_eq!((outcome.verified, outcome.reason), (false, None), "{len}");
        assert!(lines.contains(&"truncated=1 !truncated".to_string()));
        assert!(!lines.iter().any(|line| line.contains("icv")), "{lines:?}");
    }
    let mut quoted = input(&octets);
    quoted.quoted = true;
    assert!(show(&sa(300), &quoted).0.verified);
}

#[test]
fn implicit_iv_nonce_and_aad_hold_the_64_bit_number() {
    let mut one = with(300, Encr::AesCcm8Iiv, Integ::None);
    one.esn = true;
    one.sequence_start = Some(Sn64(0x2_0000_0001));
    let octets = sealed(&one, Sn64(0x2_0000_0007), &[9, 1, 1, 6]);
    let (outcome, lines) = show(&one, &input(&octets));
    assert_eq!((outcome.verified, outcome.reason), (true, None));
    for line in [
        "implicit_iv=8589934599",
        "nonce=[aa, aa, aa, 00, 00, 00, 02, 00, 00, 00, 07]",
        "aad=[00, 00, 01, 2c, 00, 00, 00, 02, 00, 00, 00, 07]",
        " sequence64=8589934599",
    ] {
        assert!(lines.contains(&line.to_string()), "{line}: {lines:?}");
    }
}

#[test]
fn messages_of_a_tcp_stream_have_their_length_in_front() {
    let whole = |len, header| Frame::Whole { len, header };
    assert_eq!(frame(b"IKETCP\x00\x10"), whole(6, 6));
    assert_eq!(frame(&[0, 9, 1]), whole(9, 2));
    assert_eq!(frame(&[0, 2]), whole(2, 2));
    assert_eq!(frame(&[0, 1]), Frame::Lost);
    assert_eq!(frame(&[0]), Frame::More);
    assert_eq!(frame(b"IKETC"), Frame::More);
    assert_eq!(frame(b"IKEtcp"), whole(0x494b, 2));
}

proptest! {
    #[test]
    fn any_octets_are_taken(
        octets in prop::collection::vec(any::<u8>(), 0..120),
        more in 0usize..3,
        encap in prop::sample::select(std::vec![Encap::Ip, Encap::Udp, Encap::Tcp]),
        fragment in any::<bool>(),
        room in 0usize..130,
    ) {
        let mut table = Table::new();
        table.add(sa(300));
        let reported = octets.len() + more;
        let given = Input { reported, encap, fragment, ..input(&octets) };
        let _ = (table.classify(&given), frame(&octets));
        let report = Sequence::new(&sa(300)).unwrap().report(given.sequence_low());
        let mut lines = Lines::default();
        let mut plain = std::vec![0; room];
        let outcome = dissect(&sa(300), &given, &report, &mut plain, &mut lines);
        prop_assert!(plain.get(outcome.plaintext.clone()).is_some());
        prop_assert!(outcome.payload.end <= outcome.plaintext.len());
    }

    #[test]
    fn every_cut_of_a_good_packet_is_told(
        text in prop::collection::vec(any::<u8>(), 4..90), sn in 1u32.., cut in 1usize..98,
    ) {
        let octets = packet(sn, &text[..text.len() / 4 * 4]);
        let mut given = input(&octets[..octets.len().saturating_sub(cut)]);
        given.reported = octets.len();
        let (outcome, lines) = show(&sa(300), &given);
        prop_assert!(!outcome.verified);
        prop_assert!(lines.iter().any(|line| line.starts_with("truncated=1")));
        prop_assert_eq!(Table::new().classify(&input(&octets)), Class::NoSa(sa(300).spi));
    }
}
