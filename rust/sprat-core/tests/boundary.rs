//! The boundary: SPD, SAD and what the network sends at it.
#![cfg(feature = "alloc")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;

use std::net::IpAddr;

use common::{ARGS, CCM, address, in_room, packet, suite, tunnel};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, OutboundSa, SealArgs};
use sprat_core::ipsec::{HEAD_ROOM, Ipsec, Outcome, OuterFacts, Sa, TAIL_ROOM, Verdict};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Limit, Lookup, Mode, NatOriginal, SaError, SaParams, SenderId, UdpEncap};
use sprat_core::selector::{AddrRange, Selector};
use sprat_core::spd::{Action, Direction, Policy};
use sprat_core::time::Instant;
use sprat_core::wire::icmp;

fn keys() -> sprat_core::crypto::Suite {
    suite(CCM.0, CCM.1, CCM.2).unwrap()
}

fn policy(direction: Direction, selector: Selector, action: Action) -> Policy {
    Policy {
        direction,
        selector,
        action,
    }
}

/// A boundary whose outbound SA feeds its own inbound SA; everything else is
/// protected too.
fn looped(params: SaParams, selectors: Vec<Selector>) -> Ipsec {
    let mut ipsec = Ipsec::new();
    let out = OutboundSa::new(params, keys(), Sn64(0), Instant(0)).unwrap();
    let out = ipsec.add_outbound("out", out).unwrap();
    let inbound = InboundSa::new(params, keys(), selectors, Instant(0)).unwrap();
    ipsec.add_inbound("in", inbound).unwrap();
    let protect = Action::Protect(Some(out));
    ipsec.add_policy(policy(Direction::Out, Selector::ANY, protect));
    ipsec.add_policy(policy(Direction::In, Selector::ANY, Action::Protect(None)));
    ipsec
}

fn send(ipsec: &mut Ipsec, packet: &[u8], args: &SealArgs) -> (Outcome, Vec<u8>) {
    let mut data = in_room(packet, HEAD_ROOM, TAIL_ROOM);
    let mut buf = PacketBuf::new(&mut data, HEAD_ROOM, packet.len()).unwrap();
    let outcome = ipsec.outbound(&mut buf, args).unwrap();
    (outcome, buf.packet().to_vec())
}

fn receive(ipsec: &mut Ipsec, packet: &[u8], now: Instant) -> (Outcome, Vec<u8>) {
    let mut data = packet.to_vec();
    let mut buf = PacketBuf::new(&mut data, 0, packet.len()).unwrap();
    let outcome = ipsec.inbound(&mut buf, now);
    (outcome, buf.packet().to_vec())
}

fn reason(outcome: &Outcome) -> DropReason {
    assert_eq!(outcome.verdict, Verdict::Drop, "{outcome:?}");
    outcome.reason.unwrap()
}

const NOW: Instant = Instant(0);

#[test]
fn a_packet_crosses_both_ways_with_its_audit_facts() {
    let mut ipsec = looped(SaParams::new(Spi(777), tunnel(true)), Vec::new());
    let original = packet(false, 40);
    let (sealed, outer) = send(&mut ipsec, &original, &ARGS);
    assert_eq!(
        (sealed.verdict, sealed.spi, sealed.sn),
        (Verdict::Forward, 777, 1)
    );
    assert_eq!((sealed.sa, sealed.esp_offset), (Some(0), 40));
    let (opened, inner) = receive(&mut ipsec, &outer, NOW);
    assert_eq!(
        (opened.verdict, opened.spi, opened.sn),
        (Verdict::Deliver, 777, 1)
    );
    assert_eq!(opened.source, Some(address(true, 101)));
    assert_eq!(inner, original);
    let (again, _) = receive(&mut ipsec, &outer, NOW);
    assert_eq!(reason(&again), DropReason::Replay);
    assert_eq!((again.spi, again.sn), (777, 1));
    let (_, sa) = ipsec.sa(1).unwrap();
    assert_eq!(
        (sa.drops().of(DropReason::Replay), sa.usage().packets),
        (1, 1)
    );
}

#[test]
fn the_spd_decides_over_what_has_no_sa() {
    let mut ipsec = Ipsec::new();
    let mine = packet(false, 1);
    assert_eq!(
        reason(&send(&mut ipsec, &mine, &ARGS).0),
        DropReason::NoPolicy
    );
    assert_eq!(
        reason(&receive(&mut ipsec, &mine, NOW).0),
        DropReason::NoPolicy
    );
    let to_two = Selector {
        destination: AddrRange::single(address(false, 2)),
        ..Selector::ANY
    };
    ipsec.add_policy(policy(Direction::Out, to_two, Action::Bypass));
    ipsec.add_policy(policy(Direction::In, to_two, Action::Bypass));
    ipsec.add_policy(policy(Direction::Out, Selector::ANY, Action::Discard));
    ipsec.add_policy(policy(Direction::In, Selector::ANY, Action::Protect(None)));
    assert_eq!(send(&mut ipsec, &mine, &ARGS).0.verdict, Verdict::Bypass);
    assert_eq!(receive(&mut ipsec, &mine, NOW).0.verdict, Verdict::Bypass);
    let six = packet(true, 1);
    assert_eq!(reason(&send(&mut ipsec, &six, &ARGS).0), DropReason::Policy);
    assert_eq!(
        reason(&receive(&mut ipsec, &six, NOW).0),
        DropReason::Unprotected
    );
    assert_eq!(reason(&receive(&mut ipsec, &[], NOW).0), DropReason::NotIp);
    assert_eq!(ipsec.drops().total(), 5);
}

#[test]
fn a_policy_whose_sa_is_gone_drops() {
    let mut ipsec = looped(SaParams::new(Spi(777), tunnel(true)), Vec::new());
    let original = packet(false, 40);
    let (_, outer) = send(&mut ipsec, &original, &ARGS);
    assert!(ipsec.remove(0).is_some() && ipsec.remove(0).is_none());
    assert_eq!(
        reason(&send(&mut ipsec, &original, &ARGS).0),
        DropReason::NoOutboundSa
    );
    assert!(ipsec.remove(1).is_some());
    let (outcome, left) = receive(&mut ipsec, &outer, NOW);
    assert_eq!((reason(&outcome), outcome.spi), (DropReason::NoSa, 777));
    assert_eq!(left, outer, "without an SA nothing is touched");
}

#[test]
fn inner_packets_must_match_the_selectors_of_their_sa() {
    let to_two = Selector {
        destination: AddrRange::single(address(false, 2)),
        ..Selector::ANY
    };
    let port = Selector {
        protocol: Some(6),
        ..to_two
    };
    for (selector, passes) in [(to_two, true), (port, false)] {
        let mut ipsec = looped(SaParams::new(Spi(777), tunnel(true)), vec![selector]);
        let (_, outer) = send(&mut ipsec, &packet(false, 40), &ARGS);
        let (outcome, left) = receive(&mut ipsec, &outer, NOW);
        assert_eq!(outcome.verdict == Verdict::Deliver, passes);
        if !passes {
            assert_eq!(reason(&outcome), DropReason::Selector);
            assert!(
                left.iter().all(|octet| *octet == 0),
                "plaintext left behind"
            );
            let args = SealArgs {
                tfc: 32,
                extra_pad: 100,
                ..ARGS
            };
            let (_, mut data) = send(&mut ipsec, &packet(false, 40), &args);
            let len = data.len();
            let mut buf = PacketBuf::new(&mut data, 0, len).unwrap();
            assert_eq!(reason(&ipsec.inbound(&mut buf, NOW)), DropReason::Selector);
            let behind = &data[48..];
            assert!(
                behind.iter().all(|octet| *octet == 0),
                "trailer left behind"
            );
            let (_, Sa::Inbound(sa)) = ipsec.sa(1).unwrap() else {
                panic!("not inbound")
            };
            assert_eq!(sa.top_sn(), Sn64(2), "the packets were authentic");
        }
    }
}

fn in_udp() -> SaParams {
    let ports = UdpEncap {
        source_port: 4500,
        destination_port: 4500,
    };
    SaParams {
        udp_encap: Some(ports),
        ..SaParams::new(Spi(777), tunnel(false))
    }
}

#[test]
fn port_4500_is_sorted_into_esp_ike_and_keepalives() {
    let mut ipsec = looped(in_udp(), Vec::new());
    let original = packet(false, 40);
    let (sealed, outer) = send(&mut ipsec, &original, &ARGS);
    assert_eq!((sealed.udp_ports, sealed.esp_offset), ((4500, 4500), 28));
    let (opened, inner) = receive(&mut ipsec, &outer, NOW);
    assert_eq!((opened.verdict, inner), (Verdict::Deliver, original));
    let datagram = |payload: &[u8]| {
        let mut octets = outer[..28].to_vec();
        octets.extend(payload);
        let total = octets.len() as u16;
        octets[2..4].copy_from_slice(&total.to_be_bytes());
        octets[24..26].copy_from_slice(&(total - 20).to_be_bytes());
        octets
    };
    let (ike, message) = receive(&mut ipsec, &datagram(&[0, 0, 0, 0, 9, 8, 7]), NOW);
    assert_eq!(
        (ike.verdict, &message[..]),
        (Verdict::Ike, &[9u8, 8, 7][..])
    );
    let (alive, _) = receive(&mut ipsec, &datagram(&[0xff]), NOW);
    assert_eq!(alive.verdict, Verdict::Keepalive);
    for junk in [&[][..], &[0xff, 0xff], &[1, 2, 3], &[1, 2, 3, 4, 5]] {
        assert_eq!(
            reason(&receive(&mut ipsec, &datagram(junk), NOW).0),
            DropReason::Malformed
        );
    }
    let mut lying = datagram(&[1; 40]);
    lying[25] = 200;
    assert_eq!(
        reason(&receive(&mut ipsec, &lying, NOW).0),
        DropReason::Malformed
    );
    let mut other_port = datagram(&[1; 40]);
    other_port[23] = 1;
    assert_eq!(
        reason(&receive(&mut ipsec, &other_port, NOW).0),
        DropReason::Unprotected
    );
}

#[test]
fn a_socket_hands_over_esp_without_its_outer_header() {
    let mut ipsec = looped(in_udp(), Vec::new());
    let original = packet(true, 40);
    let (sealed, outer) = send(&mut ipsec, &original, &ARGS);
    let facts = OuterFacts {
        source: address(false, 101),
        destination: address(false, 102),
        traffic_class: 0,
        udp_ports: Some((4500, 4500)),
        outer: None,
    };
    let mut esp = outer[sealed.esp_offset..].to_vec();
    let len = esp.len();
    let mut buf = PacketBuf::new(&mut esp, 0, len).unwrap();
    let opened = ipsec.inbound_esp(&mut buf, &facts, NOW);
    assert_eq!(
        (opened.verdict, buf.packet()),
        (Verdict::Deliver, &original[..])
    );
    let mut ipsec = looped(SaParams::new(Spi(777), Mode::Transport), Vec::new());
    let (sealed, outer) = send(&mut ipsec, &original, &ARGS);
    let mut esp = outer[sealed.esp_offset..].to_vec();
    let len = esp.len();
    let mut buf = PacketBuf::new(&mut esp, 0, len).unwrap();
    let facts = OuterFacts {
        udp_ports: None,
        outer: None,
        ..facts
    };
    assert_eq!(
        reason(&ipsec.inbound_esp(&mut buf, &facts, NOW)),
        DropReason::Malformed
    );
}

#[test]
fn fragments_are_refused_before_any_sa_is_looked_up() {
    let mut ipsec = looped(SaParams::new(Spi(777), tunnel(false)), Vec::new());
    let (_, mut outer) = send(&mut ipsec, &packet(false, 40), &ARGS);
    outer[6] |= 0x20;
    assert_eq!(
        reason(&receive(&mut ipsec, &outer, NOW).0),
        DropReason::Fragment
    );
}

#[test]
fn multicast_sas_are_told_apart_by_addresses() {
    let mut ipsec = Ipsec::new();
    let group = address(false, 2);
    let lookups = [
        Lookup::SpiDestination(group),
        Lookup::SpiDestinationSource(group, address(false, 1)),
        Lookup::SpiDestinationSource(group, address(false, 9)),
    ];
    for lookup in lookups {
        let params = SaParams {
            lookup,
            multi_sender: true,
            replay_window: 0,
            ..SaParams::new(Spi(777), Mode::Transport)
        };
        let sa = InboundSa::new(params, keys(), Vec::new(), NOW).unwrap();
        assert!(ipsec.add_inbound("group", sa).is_some());
        let again = InboundSa::new(params, keys(), Vec::new(), NOW).unwrap();
        assert!(ipsec.add_inbound("twice", again).is_none());
    }
    let params = SaParams::new(Spi(777), Mode::Transport);
    let mut sender = OutboundSa::new(params, keys(), Sn64(0), NOW).unwrap();
    let original = packet(false, 4);
    let mut data = in_room(&original, HEAD_ROOM, TAIL_ROOM);
    let mut buf = PacketBuf::new(&mut data, HEAD_ROOM, original.len()).unwrap();
    sender.seal(&mut buf, &ARGS).unwrap();
    for _ in 0..2 {
        let (outcome, inner) = receive(&mut ipsec, buf.packet(), NOW);
        assert_eq!((outcome.verdict, outcome.sa), (Verdict::Deliver, Some(1)));
        assert_eq!(inner, original);
    }
}

#[test]
fn senders_of_one_group_never_share_an_iv() {
    let mut params = SaParams::new(Spi(777), Mode::Transport);
    params.multi_sender = true;
    params.replay_window = 0;
    let missing = OutboundSa::new(params, keys(), Sn64(0), NOW).err();
    assert_eq!(missing, Some(SaError::SenderIdMissing));
    assert_eq!(SenderId::new(12, 0x1000), None);
    assert_eq!(SenderId::new(9, 0), None);
    params.sender_id = SenderId::new(12, 0xabc);
    let mut sender = OutboundSa::new(params, keys(), Sn64(0xffff_fffe), NOW).unwrap();
    let original = packet(false, 4);
    let mut data = in_room(&original, HEAD_ROOM, TAIL_ROOM);
    let mut buf = PacketBuf::new(&mut data, HEAD_ROOM, original.len()).unwrap();
    let sealed = sender.seal(&mut buf, &ARGS).unwrap();
    let iv_at = sealed.esp_offset + 8;
    let iv = [0xab, 0xc0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(buf.packet()[iv_at..iv_at + 8], iv);
    params.esn = true;
    assert_eq!(params.validate(), Err(SaError::EsnMultiSender));
    params.multi_sender = false;
    assert_eq!(params.validate(), Err(SaError::SenderIdAlone));
}

#[test]
fn original_addresses_belong_to_transport_mode_and_one_family() {
    let mut params = SaParams::new(Spi(777), Mode::Transport);
    let (source, destination) = (address(false, 1), address(true, 2));
    params.nat_original = Some(NatOriginal {
        source,
        destination,
    });
    assert_eq!(params.validate(), Err(SaError::NatFamilies));
    let destination = address(false, 2);
    params.nat_original = Some(NatOriginal {
        source,
        destination,
    });
    assert_eq!(params.validate(), Ok(()));
    params.mode = tunnel(false);
    assert_eq!(params.validate(), Err(SaError::NatTunnel));
}

#[test]
fn a_removed_sa_takes_its_udp_port_along() {
    let mut ipsec = looped(in_udp(), Vec::new());
    let (_, outer) = send(&mut ipsec, &packet(false, 40), &ARGS);
    assert!(ipsec.remove(1).is_some());
    assert_eq!(
        reason(&receive(&mut ipsec, &outer, NOW).0),
        DropReason::Unprotected
    );
    ipsec.listen_udp(4500);
    assert_eq!(
        reason(&receive(&mut ipsec, &outer, NOW).0),
        DropReason::NoSa
    );
}

#[test]
fn lifetimes_end_an_sa_on_both_sides() {
    let mut params = SaParams::new(Spi(777), tunnel(false));
    params.lifetime.seconds = Limit {
        soft: Some(5),
        hard: Some(10),
    };
    let mut ipsec = looped(params, Vec::new());
    let original = packet(false, 40);
    let at = |s: u64| SealArgs {
        now: Instant(s * 1000),
        ..ARGS
    };
    assert!(!send(&mut ipsec, &original, &at(4)).0.soft_expired);
    let (soft, outer) = send(&mut ipsec, &original, &at(9));
    assert!(soft.soft_expired);
    assert!(receive(&mut ipsec, &outer, Instant(9_999)).0.soft_expired);
    assert_eq!(
        reason(&send(&mut ipsec, &original, &at(10)).0),
        DropReason::LifetimeSeconds
    );
    let (late, _) = receive(&mut ipsec, &outer, Instant(10_000));
    assert_eq!(reason(&late), DropReason::LifetimeSeconds);
}

#[test]
fn a_path_mtu_from_the_network_is_believed_for_ten_minutes() {
    for six in [false, true] {
        let mut ipsec = looped(SaParams::new(Spi(777), tunnel(six)), Vec::new());
        let big = packet(false, 1350);
        let (_, outer) = send(&mut ipsec, &big, &ARGS);
        let mut error = [0u8; 1280];
        let router = address(six, 50);
        let len = icmp::too_big(&outer, router, 1300, &mut error).unwrap();
        assert_eq!(ipsec.icmp_error(&error[..len], NOW), Some(0));
        let (too_big, _) = send(&mut ipsec, &big, &ARGS);
        assert_eq!(reason(&too_big), DropReason::TooBig);
        let fits = packet(false, too_big.mtu - 28);
        let (sealed, outer) = send(&mut ipsec, &fits, &ARGS);
        assert_eq!(sealed.verdict, Verdict::Forward);
        assert!(outer.len() <= 1300);
        let one_more = packet(false, too_big.mtu - 28 + 1);
        assert_eq!(
            reason(&send(&mut ipsec, &one_more, &ARGS).0),
            DropReason::TooBig
        );
        let later = SealArgs {
            now: Instant(600_000),
            ..ARGS
        };
        assert_eq!(send(&mut ipsec, &big, &later).0.verdict, Verdict::Forward);
        // A made-up message: another SPI, then a ridiculous MTU.
        let spi_at = len - 1;
        let mut forged = error;
        forged[if six { 40 + 8 + 40 } else { 20 + 8 + 20 }] ^= 1;
        assert_eq!(ipsec.icmp_error(&forged[..=spi_at], NOW), None);
        let len = icmp::too_big(&outer, router, 68, &mut error).unwrap();
        assert_eq!(ipsec.icmp_error(&error[..len], NOW), Some(0));
        let Some((_, Sa::Outbound(sa))) = ipsec.sa(0) else {
            panic!("not outbound")
        };
        assert_eq!(sa.params().path_mtu, if six { 1280 } else { 576 });
    }
}

proptest! {
    #[test]
    fn everything_is_delivered_or_counted(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        kind in 0u8..4,
        cut in 0usize..120,
    ) {
        let mut ipsec = looped(in_udp(), Vec::new());
        let (_, outer) = send(&mut ipsec, &packet(false, 40), &ARGS);
        let mut data = match kind {
            0 => octets.clone(),
            1 => outer[..cut.min(outer.len())].to_vec(),
            _ => outer.clone(),
        };
        if kind == 2 && !octets.is_empty() {
            let at = cut % data.len();
            data[at] ^= octets[0];
        }
        let mut buf_data = data.clone();
        let len = data.len();
        let mut buf = PacketBuf::new(&mut buf_data, 0, len).unwrap();
        let outcome = if kind == 3 {
            let facts = OuterFacts {
                source: IpAddr::from([1, 1, 1, 1]),
                destination: IpAddr::from([1, 1, 1, 2]),
                traffic_class: 3,
                udp_ports: (cut % 2 == 0).then_some((1, 2)),
                outer: None,
            };
            ipsec.inbound_esp(&mut buf, &facts, NOW)
        } else {
            ipsec.inbound(&mut buf, NOW)
        };
        let counted = ipsec.drops().total() + ipsec.sa(1).unwrap().1.drops().total();
        prop_assert_eq!(counted, u64::from(outcome.verdict == Verdict::Drop));
        ipsec.icmp_error(&data, NOW);
    }
}
