//! Diet-ESP through whole SAs: worked examples, receiver, look-up, fallback.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![cfg(feature = "alloc")]

use core::net::IpAddr;

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, Integ, Keys, Suite};
use sprat_core::diet_esp::{
    Afrg, Alignment, Context, DscpCda, EcnCda, Ehc, EspTrailer, FlowLabelCda, IipcProfile,
    OuterFields, Profile,
};
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, OutboundSa, SealArgs, SealError};
use sprat_core::ipsec::{Ipsec, OuterFacts, Sa, Verdict};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Df, Dscp, Lookup, Mode, NatOriginal, SaParams, Tunnel, UdpEncap};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::spd::{Action, Direction, Policy};
use sprat_core::time::Instant;
use sprat_core::wire::icmp;
use sprat_core::wire::ip::Version;

/// The inner packet U of the digest's section 14.
const INNER: &str = "600123450012114020010db800000001000000000000100020010db80000000200000000000056781389119400122af048656c6c6f2064696574";
const ESP: &str = "d401d2c0a113d805c826ad53008cdec3578d74a9";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn suite() -> Suite {
    let key: Vec<u8> = (0..16).collect();
    let keys = Keys {
        encr_key: &key,
        salt: &[0xa0, 0xa1, 0xa2],
        integ_key: &[],
    };
    Suite::new(Encr::AesCcm8Iiv, Integ::None, &keys).unwrap()
}

fn tunnel() -> Mode {
    Mode::Tunnel(Tunnel {
        source: address("2001:db8:f::1"),
        destination: address("2001:db8:f::2"),
        hop_limit: 64,
        dscp: Dscp::Copy,
        ecn: true,
        df: Df::Copy,
        flow_label: 0,
    })
}

fn selector() -> Selector {
    Selector {
        source: AddrRange::single(address("2001:db8:0:1::1000")),
        destination: AddrRange::single(address("2001:db8:0:2::5678")),
        protocol: Some(17),
        source_ports: PortRange::Range {
            first: 5001,
            last: 5001,
        },
        destination_ports: PortRange::Range {
            first: 4500,
            last: 4500,
        },
    }
}

fn lower(spi_lsb: u8, sn_lsb: u8) -> Afrg {
    Afrg {
        dscp_cda: DscpCda::Lower,
        ecn_cda: EcnCda::Lower,
        flow_label_cda: FlowLabelCda::Lower,
        alignment: Alignment::Bits8,
        esp_trailer: EspTrailer::Optional,
        esp_spi_lsb: spi_lsb,
        esp_sn_lsb: sn_lsb,
        ..Afrg::new(Version::V6, selector())
    }
}

fn params(spi: u32) -> SaParams {
    SaParams::new(Spi(spi), tunnel())
}

fn outbound(spi: u32, afrg: Afrg) -> OutboundSa {
    let sa = OutboundSa::new(params(spi), suite(), Sn64(0), Instant(0)).unwrap();
    sa.compress(&Ehc::new(afrg)).unwrap()
}

fn inbound(spi: u32, ehc: Ehc) -> InboundSa {
    let sa = InboundSa::new(params(spi), suite(), vec![], Instant(0)).unwrap();
    sa.compress(&ehc).unwrap()
}

/// Seals `packet` in a buffer with `head` octets in front.
fn seal(sa: &mut OutboundSa, packet: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut data = vec![0xa5; 128];
    data.extend(packet);
    data.extend([0xa5; 64]);
    let mut buf = PacketBuf::new(&mut data, 128, packet.len()).unwrap();
    sa.seal(&mut buf, &SealArgs::default())?;
    Ok(buf.packet().to_vec())
}

/// Opens `packet` in a buffer with room behind only.
fn open(sa: &mut InboundSa, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut data = packet.to_vec();
    data.extend([0xa5; 80]);
    let mut buf = PacketBuf::new(&mut data, 0, packet.len()).unwrap();
    sa.open(&mut buf, Instant(0))?;
    Ok(buf.packet().to_vec())
}

#[test]
fn the_first_worked_example() {
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let mut rx = inbound(0xa1b2_c3d4, Ehc::new(lower(8, 8)));
    let sealed = seal(&mut tx, &hex(INNER)).unwrap();
    assert_eq!(&sealed[40..], hex(ESP));
    assert_eq!(sealed[..8], hex("6001234500143240")[..]);
    assert_eq!(tx.ehc_stats().octets_saved, 56);
    assert_eq!(open(&mut rx, &sealed).unwrap(), hex(INNER));
    assert_eq!((rx.ehc_stats().octets_saved, rx.usage().packets), (56, 1));
    assert_eq!(open(&mut rx, &sealed), Err(DropReason::Replay));
}

/// The receiver would take it for an IPv6 packet.
#[test]
fn another_version_is_refused_where_nothing_is_compressed() {
    let mut v4 = hex("45000026beef400040118f85c000020ac6336414138911940012008b");
    v4.extend(b"Hello diet");
    let whole = Afrg {
        iipc_profile: IipcProfile::NotCompressed,
        selector: Selector::ANY,
        ..lower(8, 8)
    };
    for esp_trailer in [EspTrailer::Mandatory, EspTrailer::Optional] {
        let mut tx = outbound(
            0xa1b2_c3d4,
            Afrg {
                esp_trailer,
                ..whole
            },
        );
        let refused = seal(&mut tx, &v4);
        assert_eq!(refused, Err(SealError::Dropped(DropReason::EhcVersion)));
        assert!(seal(&mut tx, &hex(INNER)).is_ok());
    }
    let both = Afrg {
        esp_trailer: EspTrailer::Mandatory,
        ip_version: None,
        ..whole
    };
    let (mut tx, mut rx) = (
        outbound(0xa1b2_c3d4, both),
        inbound(0xa1b2_c3d4, Ehc::new(both)),
    );
    for packet in [v4, hex(INNER)] {
        let sealed = seal(&mut tx, &packet).unwrap();
        let opened = open(&mut rx, &sealed).unwrap();
        assert_eq!(opened[12..], packet[12..]);
    }
}

#[test]
fn nothing_of_the_header_at_all() {
    let mut tx = outbound(0xa1b2_c3d4, lower(0, 0));
    let mut rx = inbound(0xa1b2_c3d4, Ehc::new(lower(0, 0)));
    for _ in 0..3 {
        let sealed = seal(&mut tx, &hex(INNER)).unwrap();
        assert_eq!(sealed.len(), 40 + 18);
        assert_eq!(open(&mut rx, &sealed).unwrap(), hex(INNER));
    }
}

#[test]
fn a_packet_that_does_not_fit_leaves_everything_as_it_was() {
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let mut packet = hex(INNER);
    packet[41] ^= 0x10;
    let refused = seal(&mut tx, &packet);
    assert_eq!(refused, Err(SealError::Dropped(DropReason::EhcPort)));
    assert_eq!(
        (tx.last_sn(), tx.drops().of(DropReason::EhcPort)),
        (Sn64(0), 1)
    );
    let mut packet = hex(INNER);
    packet[57] ^= 1;
    let refused = seal(&mut tx, &packet);
    assert_eq!(refused, Err(SealError::Dropped(DropReason::EhcChecksum)));
}

#[test]
fn no_room_is_told_before_the_window_moves() {
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let mut rx = inbound(0xa1b2_c3d4, Ehc::new(lower(8, 8)));
    let sealed = seal(&mut tx, &hex(INNER)).unwrap();
    // 42 octets stand in front of the payload, 48 are needed.
    for (room, good) in [(5, false), (6, true)] {
        let mut data = sealed.clone();
        data.resize(sealed.len() + room, 0);
        let mut buf = PacketBuf::new(&mut data, 0, sealed.len()).unwrap();
        let opened = rx.open(&mut buf, Instant(0));
        match good {
            true => assert_eq!(buf.packet(), hex(INNER)),
            false => assert_eq!(opened.unwrap_err(), DropReason::NoRoom),
        }
    }
    assert_eq!(rx.top_sn(), Sn64(1));
}

#[test]
fn a_lost_run_is_found_again_within_the_limit() {
    for (tries, found) in [(0, false), (1, true)] {
        let ehc = Ehc {
            resync: tries,
            ..Ehc::new(lower(8, 8))
        };
        let (mut tx, mut rx) = (
            outbound(0xa1b2_c3d4, lower(8, 8)),
            inbound(0xa1b2_c3d4, ehc),
        );
        tx.skip_to(Sn64(300));
        let sealed = seal(&mut tx, &hex(INNER)).unwrap();
        let opened = open(&mut rx, &sealed);
        match found {
            true => assert_eq!(opened.unwrap(), hex(INNER)),
            false => assert_eq!(opened, Err(DropReason::Integrity)),
        }
        let stats = rx.ehc_stats();
        assert_eq!(
            (stats.icv_trials, stats.resyncs),
            (tries.into(), tries.into())
        );
        assert_eq!(rx.top_sn(), Sn64(if found { 301 } else { 0 }));
    }
}

#[test]
fn a_forgery_costs_no_more_than_the_limit() {
    let ehc = Ehc {
        resync: 16,
        ..Ehc::new(lower(8, 8))
    };
    let mut rx = inbound(0xa1b2_c3d4, ehc);
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let mut sealed = seal(&mut tx, &hex(INNER)).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    for _ in 0..20 {
        assert!(open(&mut rx, &sealed).is_err());
    }
    assert_eq!(rx.ehc_stats().icv_trials, 100, "a second's worth");
    assert_eq!(rx.drops().of(DropReason::IcvTrials), 14);
}

fn boundary(spis: &[(u32, u8)]) -> Ipsec {
    let mut ipsec = Ipsec::new();
    for (spi, lsb) in spis {
        let sa = inbound(*spi, Ehc::new(lower(*lsb, 8)));
        ipsec.add_inbound("in", sa).unwrap();
    }
    ipsec
}

fn arrive(ipsec: &mut Ipsec, packet: &[u8]) -> (Verdict, Option<DropReason>, Option<u32>) {
    let mut data = packet.to_vec();
    data.extend([0; 80]);
    let mut buf = PacketBuf::new(&mut data, 0, packet.len()).unwrap();
    let outcome = ipsec.inbound(&mut buf, Instant(0));
    (outcome.verdict, outcome.reason, outcome.sa)
}

#[test]
fn overlapping_spis_are_told_apart_by_the_icv() {
    let mut ipsec = boundary(&[(0x0002_d4d4, 8), (0xa1b2_c3d4, 8), (0x9900_00d4, 8)]);
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let first = seal(&mut tx, &hex(INNER)).unwrap();
    assert_eq!(
        arrive(&mut ipsec, &first),
        (Verdict::Deliver, None, Some(1))
    );
    assert_eq!(ipsec.icv_trials(), 1);
    // Two checks are not enough for the third SA.
    let mut tx = outbound(0x9900_00d4, lower(8, 8));
    let third = seal(&mut tx, &hex(INNER)).unwrap();
    // For the second SA the number 1 is a copy: no check is spent on it.
    assert_eq!(
        arrive(&mut ipsec, &third),
        (Verdict::Deliver, None, Some(2))
    );
    let forged = {
        let mut p = seal(&mut tx, &hex(INNER)).unwrap();
        p[50] ^= 1;
        p
    };
    let dropped = (Verdict::Drop, Some(DropReason::Integrity), None);
    assert_eq!(arrive(&mut ipsec, &forged), dropped);
    ipsec.set_icv_trials(8, 0);
    let dropped = (Verdict::Drop, Some(DropReason::IcvTrials), None);
    assert_eq!(arrive(&mut ipsec, &forged), dropped);
}

#[test]
fn a_packet_that_does_not_fit_goes_to_the_plain_sa() {
    let mut ipsec = Ipsec::new();
    let compressed = ipsec
        .add_outbound("diet", outbound(0xa1b2_c3d4, lower(8, 8)))
        .unwrap();
    let plain = OutboundSa::new(params(0x300), suite(), Sn64(0), Instant(0)).unwrap();
    let plain = ipsec.add_outbound("plain", plain).unwrap();
    ipsec.add_policy(Policy {
        direction: Direction::Out,
        selector: Selector::ANY,
        action: Action::Protect(Some(compressed)),
    });
    let mut packet = hex(INNER);
    packet[57] ^= 1;
    let leave = |ipsec: &mut Ipsec| {
        let mut data = vec![0; 128];
        data.extend(&packet);
        data.extend([0; 64]);
        let mut buf = PacketBuf::new(&mut data, 128, packet.len()).unwrap();
        let outcome = ipsec.outbound(&mut buf, &SealArgs::default()).unwrap();
        (outcome.verdict, outcome.reason, outcome.sa)
    };
    let refused = (
        Verdict::Drop,
        Some(DropReason::EhcChecksum),
        Some(compressed),
    );
    assert_eq!(leave(&mut ipsec), refused);
    assert!(!ipsec.set_fallback(plain, compressed));
    assert!(!ipsec.set_fallback(compressed, 9));
    assert!(ipsec.set_fallback(compressed, plain));
    assert_eq!(leave(&mut ipsec), (Verdict::Forward, None, Some(plain)));
}

/// Ports 5001 to 5003 share 14 bits: 5000 could be sent, and would be refused.
fn falling_back() -> (Ipsec, u32, u32) {
    let mut ipsec = Ipsec::new();
    let mut afrg = lower(8, 8);
    afrg.selector.source_ports = PortRange::Range {
        first: 5001,
        last: 5003,
    };
    let diet = ipsec
        .add_outbound("diet", outbound(0xa1b2_c3d4, afrg))
        .unwrap();
    let mut plain = OutboundSa::new(params(0x300), suite(), Sn64(0), Instant(0)).unwrap();
    plain.reserve(Sn64(0));
    let plain = ipsec.add_outbound("plain", plain).unwrap();
    ipsec.add_policy(Policy {
        direction: Direction::Out,
        selector: Selector::ANY,
        action: Action::Protect(Some(diet)),
    });
    assert!(ipsec.set_fallback(diet, plain));
    (ipsec, diet, plain)
}

#[test]
fn a_packet_beside_the_selector_falls_back_and_counts_once() {
    let (mut ipsec, diet, plain) = falling_back();
    let mut packet = hex(INNER);
    packet[41] -= 1;
    packet[47] += 1;
    let leave = |ipsec: &mut Ipsec, tail: usize| {
        let mut data = vec![0; 128];
        data.extend(&packet);
        data.extend(vec![0; tail]);
        let mut buf = PacketBuf::new(&mut data, 128, packet.len()).unwrap();
        ipsec.outbound(&mut buf, &SealArgs::default())
    };
    let misfits = |ipsec: &Ipsec| ipsec.sa(diet).unwrap().1.drops().of(DropReason::Selector);
    let refused = leave(&mut ipsec, 64).unwrap();
    assert_eq!(refused.reason, Some(DropReason::SnUnreserved));
    assert_eq!((refused.sa, refused.fell_back), (Some(plain), false));
    assert_eq!(misfits(&ipsec), 0, "the caller comes again");
    let Some(Sa::Outbound(sa)) = ipsec.sa_mut(plain) else {
        panic!("it sends");
    };
    sa.reserve(Sn64(100));
    assert!(leave(&mut ipsec, 0).is_err());
    assert_eq!(misfits(&ipsec), 0, "the caller comes with more room");
    let sealed = leave(&mut ipsec, 64).unwrap();
    assert_eq!((sealed.verdict, sealed.fell_back), (Verdict::Forward, true));
    assert_eq!((sealed.sa, sealed.sn), (Some(plain), 1));
    assert_eq!(misfits(&ipsec), 1);
}

#[test]
fn what_a_socket_hands_over_needs_the_outer_fields() {
    let mut ipsec = boundary(&[(0xa1b2_c3d4, 8)]);
    let mut facts = OuterFacts {
        source: address("2001:db8:f::1"),
        destination: address("2001:db8:f::2"),
        traffic_class: 0,
        udp_ports: None,
        outer: None,
    };
    let fields = OuterFields {
        version: Version::V6,
        traffic_class: 0,
        hop_limit: 64,
        flow: 0x12345,
    };
    for (outer, expected) in [(None, Verdict::Drop), (Some(fields), Verdict::Deliver)] {
        let mut data = hex(ESP);
        let len = data.len();
        data.extend([0; 60]);
        let mut buf = PacketBuf::new(&mut data, 0, len).unwrap();
        facts.outer = outer;
        let outcome = ipsec.inbound_esp(&mut buf, &facts, Instant(0));
        assert_eq!(outcome.verdict, expected, "{:?}", outcome.reason);
        assert_eq!(outcome.flow_label, outer.map_or(0, |outer| outer.flow));
        if expected == Verdict::Deliver {
            assert_eq!(buf.packet(), hex(INNER));
        }
    }
}

#[test]
fn an_sa_of_one_lookup_does_not_take_another_s_packets() {
    let elsewhere = Lookup::SpiDestination(address("2001:db8:f::3"));
    let params = SaParams {
        lookup: elsewhere,
        ..params(0xa1b2_c3d4)
    };
    let sa = InboundSa::new(params, suite(), vec![], Instant(0)).unwrap();
    let mut ipsec = Ipsec::new();
    ipsec
        .add_inbound("in", sa.compress(&Ehc::new(lower(8, 8))).unwrap())
        .unwrap();
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let sealed = seal(&mut tx, &hex(INNER)).unwrap();
    assert_eq!(arrive(&mut ipsec, &sealed).1, Some(DropReason::NoSa));
}

#[test]
fn a_plain_sa_tried_first_leaves_the_packet_to_the_compressed_one() {
    let mut tx = outbound(0xa1b2_c3d4, lower(8, 8));
    let sealed = seal(&mut tx, &hex(INNER)).unwrap();
    // Its SPI is what the compressed packet happens to begin with.
    let spi = u32::from_be_bytes(*sealed[40..].first_chunk().unwrap());
    let mut ipsec = boundary(&[(0xa1b2_c3d4, 8)]);
    let plain = InboundSa::new(params(spi), suite(), vec![], Instant(0)).unwrap();
    ipsec.add_inbound("plain", plain).unwrap();
    assert_eq!(
        arrive(&mut ipsec, &sealed),
        (Verdict::Deliver, None, Some(0))
    );
    assert_eq!(ipsec.icv_trials(), 1);
}

/// The rules of 2016-2019, whatever the attributes say that they do not know.
fn old(version: Version, selector: Selector) -> Afrg {
    Afrg {
        profile: Profile::Ehc2019,
        ecn_cda: EcnCda::Lower,
        flow_label_cda: FlowLabelCda::Lower,
        alignment: Alignment::Bits8,
        esp_spi_lsb: 8,
        esp_sn_lsb: 8,
        outer_id: true,
        ..Afrg::new(version, selector)
    }
}

/// UDP over IPv4 with ECT(0) and DF, of the digest's section 14.
const INNER_V4: &str =
    "45020026beef400040118f83c000020ac6336414138911940012008b48656c6c6f2064696574";

#[test]
fn an_ecn_field_that_was_sent_still_learns_of_congestion() {
    let afrg = old(Version::V4, Selector::ANY);
    let mut tx = outbound(0xa1b2_c3d4, afrg);
    let mut rx = inbound(0xa1b2_c3d4, Ehc::new(afrg));
    let mut sealed = seal(&mut tx, &hex(INNER_V4)).unwrap();
    sealed[1] |= 0x30;
    let opened = open(&mut rx, &sealed).unwrap();
    assert_eq!(opened[1], 3, "CE outside, ECT inside (RFC 6040 s4.2)");
}

#[test]
fn the_rules_of_2019_know_no_ranges() {
    let selector = Selector {
        source: AddrRange::prefix(address("2001:db8:0:1::"), 64).unwrap(),
        source_ports: PortRange::Range {
            first: 5001,
            last: 5003,
        },
        ..selector()
    };
    let context = Context::new(old(Version::V6, selector), &params(0x300).carried()).unwrap();
    // Source address and port in full, nothing else.
    assert_eq!(context.header_and_residue(17), (48, 18));
}

#[test]
fn behind_a_nat_a_checksum_that_was_sent_is_mended() {
    let encap = UdpEncap {
        source_port: 4500,
        destination_port: 4500,
    };
    let original = NatOriginal {
        source: address("192.0.2.10"),
        destination: address("198.51.100.20"),
    };
    let params = SaParams {
        mode: Mode::Transport,
        udp_encap: Some(encap),
        nat_original: Some(original),
        ..params(0xa1b2_c3d4)
    };
    let ehc = Ehc::new(old(Version::V4, Selector::ANY));
    let through = |compressed: bool| {
        let tx = OutboundSa::new(params, suite(), Sn64(0), Instant(0)).unwrap();
        let rx = InboundSa::new(params, suite(), vec![], Instant(0)).unwrap();
        let (mut tx, mut rx) = match compressed {
            true => (tx.compress(&ehc).unwrap(), rx.compress(&ehc).unwrap()),
            false => (tx, rx),
        };
        let mut sealed = seal(&mut tx, &hex(INNER_V4)).unwrap();
        // The NAT gives it the source 203.0.113.7; the header checksum is nobody's
        // business here.
        sealed[12..16].copy_from_slice(&[203, 0, 113, 7]);
        let opened = open(&mut rx, &sealed).unwrap();
        opened[20..].to_vec()
    };
    assert_ne!(through(false)[6..8], hex(INNER_V4)[26..28]);
    assert_eq!(through(true), through(false));
}

#[test]
fn checks_that_find_the_sa_cost_nothing_of_the_limit() {
    let mut ipsec = boundary(&[(0x0002_d4d4, 8), (0xa1b2_c3d4, 8), (0x9900_00d4, 8)]);
    ipsec.set_icv_trials(3, 2);
    let mut tx = outbound(0x9900_00d4, lower(8, 8));
    for n in 1..=20 {
        let packet = seal(&mut tx, &hex(INNER)).unwrap();
        let delivered = (Verdict::Deliver, None, Some(2));
        assert_eq!(arrive(&mut ipsec, &packet), delivered, "packet {n}");
        assert_eq!(ipsec.icv_trials(), 2 * n);
    }
}

#[test]
fn an_sa_that_refuses_before_its_icv_costs_no_check() {
    let mut ipsec = boundary(&[(0x0002_d4d4, 8), (0xa1b2_c3d4, 8)]);
    ipsec.set_icv_trials(2, 1);
    let mut second = outbound(0xa1b2_c3d4, lower(8, 8));
    let first = seal(&mut second, &hex(INNER)).unwrap();
    assert_eq!(arrive(&mut ipsec, &first).0, Verdict::Deliver);
    assert_eq!(ipsec.icv_trials(), 1);
    // A copy: the first SA's check fails, the second knows the number.
    let copies = (Verdict::Drop, Some(DropReason::Integrity), None);
    for _ in 0..5 {
        assert_eq!(arrive(&mut ipsec, &first), copies);
    }
    assert_eq!(ipsec.icv_trials(), 1);
}

#[test]
fn a_path_mtu_is_not_taken_for_that_of_another_peer() {
    let mut ipsec = Ipsec::new();
    let mut sealed = Vec::new();
    for (spi, to) in [(0x300, "2001:db8:0:2::5678"), (0x400, "2001:db8:0:2::5679")] {
        let to = address(to);
        let selector = Selector {
            destination: AddrRange::single(to),
            ..selector()
        };
        let params = SaParams {
            mode: Mode::Transport,
            ..params(spi)
        };
        let new = || OutboundSa::new(params, suite(), Sn64(0), Instant(0)).unwrap();
        let ehc = Ehc::new(Afrg {
            selector,
            ..lower(8, 8)
        });
        let mut packet = hex(INNER);
        let IpAddr::V6(to) = to else { panic!() };
        packet[24..40].copy_from_slice(&to.octets());
        packet[46..48].fill(0);
        sealed.push(seal(&mut new().compress(&ehc).unwrap(), &packet).unwrap());
        ipsec.add_outbound("out", new().compress(&ehc).unwrap());
    }
    let mut error = [0; 1280];
    let router = address("2001:db8::1");
    let len = icmp::too_big(&sealed[0], router, 1400, &mut error).unwrap();
    assert_eq!(ipsec.icmp_error(&error[..len], Instant(0)), Some(0));
    let mtu = |number| match ipsec.sa(number).unwrap().1 {
        Sa::Outbound(sa) => sa.params().path_mtu,
        Sa::Inbound(_) => panic!(),
    };
    assert_eq!((mtu(0), mtu(1)), (1400, 0));
}

/// Transport mode by these attributes and back, in UDP or not.
fn across(afrg: Afrg, packet: &[u8], udp: bool) -> Result<Vec<u8>, SealError> {
    let encap = UdpEncap {
        source_port: 4500,
        destination_port: 4500,
    };
    let params = SaParams {
        mode: Mode::Transport,
        udp_encap: udp.then_some(encap),
        ..params(0xa1b2_c3d4)
    };
    let ehc = Ehc::new(afrg);
    let tx = OutboundSa::new(params, suite(), Sn64(0), Instant(0)).unwrap();
    let rx = InboundSa::new(params, suite(), vec![], Instant(0)).unwrap();
    let sealed = seal(&mut tx.compress(&ehc).unwrap(), packet)?;
    Ok(open(&mut rx.compress(&ehc).unwrap(), &sealed).unwrap())
}

#[test]
fn transport_mode_stands_behind_options_and_extension_headers() {
    let any = Afrg {
        selector: Selector::ANY,
        ..lower(8, 8)
    };
    // Router alert and padding of a Hop-by-Hop header, then UDP.
    let mut hops = hex(INNER);
    hops[6] = 0;
    hops[5] += 8;
    hops.splice(40..40, [17, 0, 5, 2, 0, 0, 1, 0]);
    // A Destination Options header is protected along with what it precedes.
    let mut options = hex(INNER);
    options[6] = 60;
    options[5] += 8;
    options.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]);
    // No Operation, four times, in IPv4; the checksum follows.
    let mut four = hex(INNER_V4);
    four[0] = 0x46;
    four[3] += 4;
    four[10..12].copy_from_slice(&(0x8f83u16 - 0x0104 - 0x0202).to_be_bytes());
    four.splice(20..20, [1; 4]);
    let only_udp = Afrg {
        selector: Selector {
            protocol: Some(17),
            ..Selector::ANY
        },
        ..any
    };
    for udp in [false, true] {
        for packet in [&hops, &options, &four] {
            assert_eq!(across(any, packet, udp).unwrap(), *packet);
        }
        assert_eq!(across(only_udp, &hops, udp).unwrap(), hops);
        let refused = SealError::Dropped(DropReason::EhcExtension);
        assert_eq!(across(only_udp, &options, udp), Err(refused));
    }
}
