use super::super::esp::tests::Lines;
use super::super::esp::{Attempt, Outcome, show};
use super::super::sequence::Sequence;
use super::super::table::tests::{sa, with};
use super::super::table::{Class, Sa, Table};
use super::*;
use crate::crypto::{Encr, Integ, Keys, Numbers, Suite};
use crate::diet_esp::{Afrg, Alignment, Carried, DscpCda, DscpList, EcnCda, FlowLabelCda};
use crate::num::{Sn64, Spi};
use crate::selector::{AddrRange, PortRange, Selector};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use proptest::prelude::*;

fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse::<Ipv6Addr>().unwrap())
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().as_chunks::<2>().0;
    let octet = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16);
    digits.iter().map(|pair| octet(pair).unwrap()).collect()
}

/// The selector of the digest's examples with ranges of ports (section 14, 2).
fn selector() -> Selector {
    let ports = |first, last| PortRange::Range { first, last };
    Selector {
        source: AddrRange::single(v6("2001:db8:0:1::1000")),
        destination: AddrRange::single(v6("2001:db8:0:2::5678")),
        protocol: Some(17),
        source_ports: ports(5000, 5007),
        destination_ports: ports(4496, 4511),
    }
}

fn afrg() -> Afrg {
    Afrg {
        dscp_cda: DscpCda::Lower,
        ecn_cda: EcnCda::Lower,
        flow_label_cda: FlowLabelCda::Lower,
        alignment: Alignment::Bits8,
        esp_spi_lsb: 8,
        esp_sn_lsb: 8,
        ..Afrg::new(Version::V6, selector())
    }
}

fn compressed(mut sa: Sa, afrg: Afrg, outer: Option<Version>) -> Sa {
    let carried = Carried {
        spi: sa.spi,
        outer,
        udp: false,
    };
    let context = Context::new(afrg, &carried).unwrap();
    let reorder = 64;
    sa.ehc = Some(Box::new(Compression { context, reorder }));
    sa
}

/// The SA of the digest's examples.
fn example() -> Sa {
    let keys = Keys {
        encr_key: &core::array::from_fn::<u8, 16, _>(|i| u8::try_from(i).unwrap()),
        salt: &[0xa0, 0xa1, 0xa2],
        integ_key: &[],
    };
    let suite = Suite::new(Encr::AesCcm8Iiv, Integ::None, &keys).unwrap();
    let sa = Sa {
        suite,
        ..sa(0xa1b2_c3d4)
    };
    compressed(sa, afrg(), Some(Version::V6))
}

const OUTER: &str =
    "600123450015324020010db8000f0000000000000000000120010db8000f00000000000000000002";

fn input<'a>(esp: &'a [u8], before: &'a [u8]) -> Input<'a> {
    Input {
        octets: esp,
        reported: esp.len(),
        source: Some(v6("2001:db8:f::1")),
        destination: Some(v6("2001:db8:f::2")),
        encap: Encap::Ip,
        fragment: false,
        quoted: false,
        before,
    }
}

fn look(sa: &Sa, input: &Input<'_>) -> (Outcome, Vec<String>, Vec<u8>) {
    let mut sequence = Sequence::new(sa).unwrap();
    let mut plain = std::vec![0xa5; 2 * input.octets.len() + crate::diet_esp::MAX_HEADER];
    let attempt = Attempt::search(sa, input, &mut sequence, &mut plain);
    let mut lines = Lines::default();
    let outcome = show(sa, input, &attempt, &mut plain, &mut lines);
    let rebuilt = plain[outcome.rebuilt.clone()].to_vec();
    (outcome, lines.lines, rebuilt)
}

/// `text` as the encrypted octets of the first packet of `sa`.
fn sealed(sa: &Sa, text: &[u8]) -> Vec<u8> {
    let numbers = Numbers {
        spi: sa.spi,
        sn: Sn64(1),
        esn: sa.esn,
    };
    let (iv, icv) = (sa.suite.iv_len(), sa.suite.icv_len());
    let mut body = [&[0; 16][..iv], text, &[0; 32][..icv]].concat();
    sa.suite.seal(&numbers, &mut body).unwrap();
    let context = &sa.ehc.as_ref().unwrap().context;
    [context.header(Sn64(1)).octets(), &body].concat()
}

#[test]
fn an_example_of_the_digest_shows_every_field() {
    let esp = octets("d401b2eda813db4a8c2ba14296fe3f6b5efd3a6725");
    let outer = octets(OUTER);
    let (outcome, lines, rebuilt) = look(&example(), &input(&esp, &outer));
    assert_eq!((outcome.reason, outcome.saved), (None, Some(55)));
    assert_eq!(outcome.inner, Inner::Ipv6);
    let inner = "600123450012114020010db800000001000000000000100020010db8000000020000000000005678\
                 1389119400122af048656c6c6f2064696574";
    assert_eq!(rebuilt, octets(inner));
    let from = lines.iter().position(|l| l.starts_with("ehc.eec")).unwrap();
    assert_eq!(
        lines[from..from + 5],
        [
            "ehc.eec@0+2",
            " spi@0+1=2712847316",
            "  ehc.bits@0+1=11010100",
            " sequence@1+1=1",
            "  ehc.bits@1+1=00000001",
        ]
    );
    let from = lines
        .iter()
        .position(|l| l.starts_with("ehc.ctec"))
        .unwrap();
    assert_eq!(
        lines[from..],
        [
            "ehc.ctec",
            " pad_length=0",
            "  ehc.cda=padding",
            " next_header=41",
            "  ehc.cda=not-sent",
            "ehc.iipc@p0+11",
            " ehc.residue@p0+1",
            " ehc.version@r0+1=6",
            "  ehc.cda=not-sent",
            " ehc.dscp@r0+2=0",
            "  ehc.cda=lower",
            " ehc.ecn@r1+1=0",
            "  ehc.cda=lower",
            " ehc.flow_label@r1+3=74565",
            "  ehc.cda=lower",
            " ehc.length@r4+2=18",
            "  ehc.cda=compute",
            " ehc.protocol@r6+1=17",
            "  ehc.cda=not-sent",
            " ehc.hop_limit@r7+1=64",
            "  ehc.cda=lower",
            " ehc.source_v6@r8+16=[20, 01, 0d, b8, 00, 00, 00, 01, 00, 00, 00, 00, 00, 00, 10, 00]",
            "  ehc.cda=not-sent",
            " ehc.destination_v6@r24+16=[20, 01, 0d, b8, 00, 00, 00, 02, 00, 00, 00, 00, 00, 00, 56, 78]",
            "  ehc.cda=not-sent",
            " ehc.source_port@p0+1=5001",
            "  ehc.bits@p0+1=001",
            "  ehc.cda=LSB",
            " ehc.destination_port@p0+1=4500",
            "  ehc.bits@p0+1=0100",
            "  ehc.cda=LSB",
            " ehc.udp_length@r44+2=18",
            "  ehc.cda=compute",
            " ehc.checksum@r46+2=10992",
            "  ehc.cda=checksum",
            " ehc.pad_bits@p0+1=1",
            " ehc.payload@p1+10",
            " ehc.rebuilt@r0+58",
            "  ehc.unconfirmed=Version",
            "  ehc.unconfirmed=Protocol",
            "  ehc.unconfirmed=Source Address",
            "  ehc.unconfirmed=Destination Address",
            "  ehc.unconfirmed=Source Port",
            "  ehc.unconfirmed=Destination Port",
            "ehc.saved=55",
            "sa",
            " sa_name=toy",
            " encr=ENCR_AES_CCM_8_IIV",
            " mode=tunnel",
            " esn=0",
            " ehc.profile=diet-esp-07",
            " ehc.iipc_profile=iipc_diet-esp",
            " ehc.esp_trailer=Optional",
            " ehc.alignment=8",
            " ehc.esp_spi_lsb=8",
            " ehc.esp_sn_lsb=8",
        ]
    );
}

#[test]
fn without_room_nothing_is_rebuilt() {
    let esp = octets("d401b2eda813db4a8c2ba14296fe3f6b5efd3a6725");
    let (sa, before) = (example(), octets(OUTER));
    let given = input(&esp, &before);
    let mut sequence = Sequence::new(&sa).unwrap();
    for room in [0, esp.len(), 2 * esp.len()] {
        let mut plain = std::vec![0; room];
        let attempt = Attempt::search(&sa, &given, &mut sequence, &mut plain);
        let outcome = show(&sa, &given, &attempt, &mut plain, &mut Lines::default());
        assert_eq!(outcome.reason, Some(DropReason::NoRoom));
        assert_eq!((outcome.inner, outcome.rebuilt), (Inner::None, 0..0));
    }
}

#[test]
fn the_outer_header_is_found_behind_anything() {
    let esp = octets("d401b2eda813db4a8c2ba14296fe3f6b5efd3a6725");
    let flow = |before: &[u8], encap| {
        let mut given = input(&esp, before);
        given.encap = encap;
        outer_fields(&given).map(|o| (o.traffic_class, o.hop_limit, o.flow))
    };
    let outer = octets(OUTER);
    let found = Some((0, 64, 0x12345));
    assert_eq!(flow(&outer, Encap::Ip), found);
    assert_eq!(flow(&[&[0x60; 14][..], &outer].concat(), Encap::Ip), found);
    assert_eq!(flow(&[&outer[..], &[0; 8]].concat(), Encap::Udp), found);
    assert_eq!(flow(&outer, Encap::Tcp), None);
    assert_eq!(flow(&outer[1..], Encap::Ip), None);
    assert_eq!(flow(&[&outer[..], &[0; 8]].concat(), Encap::Ip), None);
    assert_eq!(flow(&[], Encap::Udp), None);
    // Hop-by-Hop Options of 16 octets, then Fragment; the one before names them.
    let mut more = outer.clone();
    more[6] = 0;
    more.extend([44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    more.extend([50, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(flow(&more, Encap::Ip), found);
    more.truncate(more.len() - 8);
    assert_eq!(flow(&more, Encap::Ip), found);
    more.truncate(more.len() - 1);
    assert_eq!(flow(&more, Encap::Ip), None);
}

#[test]
fn an_ipv4_header_with_options_is_found_by_its_addresses() {
    let esp = [0; 20];
    let mut header = std::vec![0x46, 0xb9, 0, 44, 0xbe, 0xef, 0x40, 0, 63, 50, 0, 0];
    header.extend([203, 0, 113, 1, 203, 0, 113, 2, 1, 1, 1, 0]);
    let mut given = input(&esp, &header);
    assert_eq!(outer_fields(&given), None);
    given.source = Some(IpAddr::from([203, 0, 113, 1]));
    given.destination = Some(IpAddr::from([203, 0, 113, 2]));
    let wanted = OuterFields {
        version: Version::V4,
        traffic_class: 0xb9,
        hop_limit: 63,
        flow: 0xbeef,
    };
    assert_eq!(outer_fields(&given), Some(wanted));
    given.destination = Some(IpAddr::from([203, 0, 113, 3]));
    assert_eq!(outer_fields(&given), None);
}

#[test]
fn what_is_wrong_inside_is_named_and_nothing_handed_on() {
    let refused = |afrg: Afrg, outer, text: &[u8]| {
        let sa = compressed(sa(0x1d4), afrg, outer);
        let esp = sealed(&sa, text);
        let before = octets(OUTER);
        let (outcome, _, _) = look(&sa, &input(&esp, &before));
        assert!(outcome.verified);
        assert_eq!(outcome.inner, Inner::None);
        outcome.reason.unwrap()
    };
    let tunnel = Some(Version::V6);
    let list = DscpList::new(&[1, 2, 3, 4, 5]).unwrap();
    let mapped = Afrg {
        dscp_cda: DscpCda::Sa,
        dscp_list: list,
        ..afrg()
    };
    assert_eq!(
        refused(mapped, tunnel, &[0xff, 0xff]),
        DropReason::EhcMapping
    );
    assert_eq!(refused(mapped, tunnel, &[0]), DropReason::EhcResidue);
    assert_eq!(refused(afrg(), tunnel, &[]), DropReason::EhcResidue);
    let odd = Selector {
        source_ports: PortRange::Range {
            first: 5001,
            last: 5007,
        },
        ..selector()
    };
    let odd = Afrg {
        selector: odd,
        ..afrg()
    };
    assert_eq!(refused(odd, tunnel, &[0]), DropReason::Selector);
    let aligned = Afrg {
        alignment: Alignment::Bits32,
        ..afrg()
    };
    assert_eq!(refused(aligned, tunnel, &[]), DropReason::Malformed);
    assert_eq!(
        refused(aligned, tunnel, &[0, 2, 1, 2]),
        DropReason::BadPadding
    );
    let whole = Afrg {
        esp_trailer: crate::diet_esp::EspTrailer::Mandatory,
        ..afrg()
    };
    assert_eq!(refused(whole, tunnel, &[0, 0, 4]), DropReason::BadInner);
    assert_eq!(refused(whole, tunnel, &[0, 0, 59]), DropReason::Dummy);
    assert_eq!(refused(whole, None, &[0, 0, 6]), DropReason::BadInner);
    let untouched = Afrg {
        iipc_profile: crate::diet_esp::IipcProfile::NotCompressed,
        ..afrg()
    };
    assert_eq!(
        refused(untouched, tunnel, &[0x45; 40]),
        DropReason::BadInner
    );
    assert_eq!(refused(untouched, None, &[0; 8]), DropReason::Selector);
}

#[test]
fn a_contradiction_is_told_and_nothing_handed_on() {
    let found = |afrg: Afrg, text: &[u8]| {
        let sa = compressed(sa(0x1d4), afrg, Some(Version::V6));
        let esp = sealed(&sa, text);
        let before = octets(OUTER);
        let (outcome, lines, rebuilt) = look(&sa, &input(&esp, &before));
        assert_eq!((outcome.verified, outcome.reason), (true, None));
        let told = lines
            .iter()
            .any(|line| line.starts_with("ehc.contradiction="));
        assert_eq!(told, outcome.contradiction.is_some());
        assert_eq!(outcome.inner == Inner::None, told);
        assert!(!rebuilt.is_empty());
        (outcome.contradiction, outcome.disproves_context())
    };
    let residue = 0b0010_1000;
    assert_eq!(found(afrg(), &[residue, 1]), (None, false));
    let pad = Some(Contradiction::PadBits);
    assert_eq!(found(afrg(), &[residue | 1, 1]), (pad, true));
    let aligned = Afrg {
        alignment: Alignment::Bits32,
        ..afrg()
    };
    assert_eq!(found(aligned, &[residue, 1, 2, 0]), (None, false));
    let odd = Some(Contradiction::Alignment);
    assert_eq!(found(aligned, &[residue, 1, 2, 3, 0]), (odd, true));
    let echo = Afrg {
        selector: Selector {
            protocol: Some(proto::ICMPV6),
            source_ports: PortRange::Any,
            destination_ports: PortRange::Any,
            ..selector()
        },
        ..afrg()
    };
    let broken = Some(Contradiction::Checksum);
    assert_eq!(found(echo, &[128, 0, 1, 2, 0, 0, 0, 0]), (broken, false));
}

#[test]
fn space_that_the_selector_asks_for_is_no_contradiction() {
    let found = |first, last, residue: &[u8]| {
        let of_space = Selector {
            source: AddrRange::Range {
                first: v6(first),
                last: v6(last),
            },
            source_ports: PortRange::Any,
            destination_ports: PortRange::Any,
            protocol: Some(99),
            ..selector()
        };
        let afrg = Afrg {
            selector: of_space,
            ..afrg()
        };
        let sa = compressed(sa(0x1d4), afrg, Some(Version::V6));
        let esp = sealed(&sa, residue);
        let before = octets(OUTER);
        let (outcome, ..) = look(&sa, &input(&esp, &before));
        assert_eq!((outcome.verified, outcome.reason), (true, None));
        outcome.contradiction
    };
    assert_eq!(found("200::", "200::ff", &[7]), None);
    assert_eq!(found("::", "::ff", &[7]), None);
    // The wire says the loopback address where the selector has more.
    let nobody = Some(Contradiction::SourceAddress);
    assert_eq!(found("::", "::ff", &[1]), nobody);
}

#[test]
fn a_checksum_is_judged_by_the_header_in_front_of_esp_only() {
    let icmp = Selector {
        source: AddrRange::Any,
        destination: AddrRange::Any,
        protocol: Some(proto::ICMPV6),
        source_ports: PortRange::Any,
        destination_ports: PortRange::Any,
    };
    let afrg = Afrg {
        selector: icmp,
        ..afrg()
    };
    let sa = compressed(sa(0x1d4), afrg, None);
    let esp = sealed(&sa, &[128, 0, 1, 2, 0, 0, 0, 0]);
    let found = |before: &[u8]| {
        let given = Input {
            destination: Some(v6("2001:db8:0:3200::2")),
            ..input(&esp, before)
        };
        look(&sa, &given).0.contradiction
    };
    let ends = "20010db8000f0000000000000000000120010db8000032000000000000000002";
    let bare = octets(&["600000000018324", "0", ends].concat());
    assert_eq!(found(&bare), Some(Contradiction::Checksum));
    // A home address stands in front, and what 40 octets before ESP would be Next
    // Header is 50.
    let home = "3202010400000000c91020010db8000000000000000000000009";
    let moved = octets(&["6000000000303c40", ends, &home[..48]].concat());
    assert_eq!(found(&moved), None);
}

#[test]
fn a_packet_that_disproves_the_context_casts_doubt_on_the_later_ones() {
    let sa = example();
    let esp = octets("d401b2eda813db4a8c2ba14296fe3f6b5efd3a6725");
    let before = octets(OUTER);
    let given = input(&esp, &before);
    let mut sequence = Sequence::new(&sa).unwrap();
    let mut plain = std::vec![0; 2 * esp.len() + crate::diet_esp::MAX_HEADER];
    let mut seen = |sequence: &mut Sequence| {
        let attempt = Attempt::search(&sa, &given, sequence, &mut plain);
        let outcome = show(&sa, &given, &attempt, &mut plain, &mut Lines::default());
        (outcome.contradiction, outcome.inner)
    };
    assert_eq!(seen(&mut sequence), (None, Inner::Ipv6));
    sequence.disprove();
    let doubt = Some(Contradiction::Earlier);
    assert_eq!(seen(&mut sequence), (doubt, Inner::None));
}

#[test]
fn a_table_looks_at_the_bits_that_an_sa_shows() {
    let mut table = Table::new();
    let of_width = |spi, spi_lsb, sn_lsb| {
        let afrg = Afrg {
            esp_spi_lsb: spi_lsb,
            esp_sn_lsb: sn_lsb,
            ..afrg()
        };
        compressed(sa(spi), afrg, Some(Version::V6))
    };
    assert!(!table.compresses());
    table.add(sa(0xa400_0001));
    table.add(of_width(0x10a, 4, 4));
    table.add(of_width(0x300, 0, 8));
    table.add(of_width(0x129, 6, 2));
    table.add(of_width(0x229, 6, 2));
    assert!(table.compresses());
    let found = |octets: &[u8]| -> Vec<usize> { table.candidates(&input(octets, &[])).collect() };
    assert_eq!(found(&[0xa4, 0, 0, 1]), [0, 3, 4, 1, 2]);
    assert_eq!(found(&[0xa4, 0, 0, 2]), [3, 4, 1, 2]);
    assert_eq!(found(&[0xa0, 0, 0, 2]), [1, 2]);
    assert_eq!(found(&[0x10, 0, 0, 2]), [2]);
    let class = |octets| table.classify(&input(octets, &[]));
    assert_eq!(class(&[0xa4, 0, 0, 2]), Class::Esp(3));
    assert_eq!(
        Table::new().classify(&input(&[0; 4], &[])),
        Class::NoSa(Spi(0))
    );
}

#[test]
fn guesses_are_used_up_until_a_packet_verifies() {
    let sa = example();
    let mut sequence = Sequence::new(&sa).unwrap();
    let first = sequence.report(9);
    assert_eq!(first.sn, Sn64(9));
    let mut last = first;
    let mut count = 0;
    while let Some(next) = sequence.guess(&last) {
        assert_eq!(next.sn.0, last.sn.0 + 256);
        (last, count) = (next, count + 1);
    }
    assert_eq!(count, 4096);
    sequence.advance(Sn64(9));
    assert_eq!(sequence.guess(&first).unwrap().sn, Sn64(265));
    // All of the number was sent: nothing to guess, with or without compression.
    let whole = Afrg {
        esp_spi_lsb: 32,
        esp_sn_lsb: 32,
        ..afrg()
    };
    let mut sequence = Sequence::new(&compressed(example(), whole, Some(Version::V6))).unwrap();
    let first = sequence.report(9);
    assert_eq!(sequence.guess(&first), None);
    assert_eq!(
        Sequence::new(&super::super::table::tests::sa(300))
            .unwrap()
            .guess(&first),
        None
    );
}

/// Ends of what is shown, by source.
#[derive(Default)]
struct Ends([usize; 3], u16);

impl Sink for Ends {
    fn add(&mut self, span: Span<'_>) -> u16 {
        let end = &mut self.0[span.source as usize];
        *end = (*end).max(span.offset + span.len);
        assert!(span.parent.is_none_or(|parent| parent < self.1));
        self.1 += 1;
        self.1 - 1
    }
}

fn any_afrg() -> impl Strategy<Value = Afrg> {
    let pick = |n: usize| 0..n;
    let parts = (
        pick(2),
        pick(3),
        pick(4),
        pick(4),
        pick(2),
        pick(5),
        pick(3),
    );
    parts.prop_map(|(version, dscp, flow, align, trailer, protocol, lsb)| {
        let version = [Version::V4, Version::V6][version];
        let list = DscpList::new(&[0, 8, 10, 46, 34]).unwrap();
        let (esp_spi_lsb, esp_sn_lsb) = [(8, 8), (3, 5), (0, 0)][lsb];
        let selector = Selector {
            protocol: [None, Some(17), Some(6), Some(132), Some(136)][protocol],
            ..Selector::ANY
        };
        Afrg {
            dscp_cda: DscpCda::ALL[dscp],
            dscp_list: list,
            flow_label_cda: FlowLabelCda::ALL[flow],
            alignment: Alignment::ALL[align],
            esp_trailer: crate::diet_esp::EspTrailer::ALL[trailer],
            esp_spi_lsb,
            esp_sn_lsb,
            outer_id: true,
            ..Afrg::new(version, selector)
        }
    })
}

proptest! {
    /// An authentic peer may send anything: every span stays inside what it is in,
    /// and what is handed on was rebuilt.
    #[test]
    fn spans_stay_inside(
        afrg in any_afrg(), tunnel in any::<bool>(), cbc in any::<bool>(),
        text in prop::collection::vec(any::<u8>(), 0..160), forged in any::<bool>(),
    ) {
        let plain = match cbc {
            true => with(0x1d4, Encr::AesCbc, Integ::HmacSha2_256_128),
            false => sa(0x1d4),
        };
        let sa = compressed(plain, afrg, tunnel.then_some(Version::V6));
        let blocks = text.len() / 16 * 16;
        let text = if cbc { &text[..blocks] } else { &text[..] };
        let esp = if forged { text.to_vec() } else { sealed(&sa, text) };
        let before = octets(OUTER);
        let given = input(&esp, &before);
        let mut plain = std::vec![0xa5; 2 * esp.len() + crate::diet_esp::MAX_HEADER];
        let mut sequence = Sequence::new(&sa).unwrap();
        let attempt = Attempt::search(&sa, &given, &mut sequence, &mut plain);
        prop_assert!(forged || attempt.verified());
        let mut ends = Ends::default();
        let outcome = show(&sa, &given, &attempt, &mut plain, &mut ends);
        let room = [esp.len(), outcome.plaintext.len(), outcome.rebuilt.len()];
        prop_assert!(ends.0.iter().zip(room).all(|(end, room)| *end <= room));
        prop_assert!(usize::from(ends.1) <= 192);
        prop_assert!(outcome.rebuilt.end <= plain.len() && outcome.plaintext.end <= esp.len());
        if outcome.inner != Inner::None {
            prop_assert!(!outcome.rebuilt.is_empty() && outcome.reason.is_none());
            prop_assert_eq!(outcome.contradiction, None);
        }
    }
}
