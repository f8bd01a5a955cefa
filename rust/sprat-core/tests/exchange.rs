//! Two ends exchange packets: what one seals the other opens, and what is
//! refused changes nothing.
#![cfg(feature = "alloc")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{ARGS, CCM, ends, in_room, packet, pairs, tunnel};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, Integ};
use sprat_core::error::DropReason;
use sprat_core::esp::{OutboundSa, SealArgs, SealError};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Mode, SaParams, UdpEncap};
use sprat_core::time::Instant;
use sprat_core::wire::ip::proto;

/// Seals into `data` and returns where the result stands.
fn seal(tx: &mut OutboundSa, data: &mut [u8], len: usize, args: &SealArgs) -> (usize, usize) {
    let mut buf = PacketBuf::new(data, 100, len).unwrap();
    tx.seal(&mut buf, args).unwrap();
    (buf.start(), buf.len())
}

#[test]
fn every_transform_mode_and_family_opens_what_it_sealed() {
    let pairs = pairs();
    // 29 combined modes, CBC and CTR with three keys and six MACs, NULL with six.
    assert!(pairs.len() >= 29 + 36 + 6, "only {} pairs", pairs.len());
    for pair in pairs {
        for (inner6, mode, esn, udp) in [
            (false, Mode::Transport, false, false),
            (true, Mode::Transport, true, true),
            (false, tunnel(true), true, false),
            (true, tunnel(false), false, true),
        ] {
            let mut params = SaParams::new(Spi(0x1234), mode);
            params.esn = esn;
            let ports = UdpEncap {
                source_port: 4500,
                destination_port: 4500,
            };
            params.udp_encap = udp.then_some(ports);
            let (mut tx, mut rx) = ends(params, pair);
            for payload in [0, 1, 2, 13, 64, 1200] {
                let original = packet(inner6, payload);
                let mut data = in_room(&original, 100, 100);
                let (start, len) = seal(&mut tx, &mut data, original.len(), &ARGS);
                let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
                let opened = rx.open(&mut buf, Instant(0));
                assert!(opened.is_ok(), "{pair:?} {mode:?} {payload}: {opened:?}");
                assert_eq!(buf.packet(), original, "{pair:?} {mode:?} {payload}");
            }
            assert_eq!(tx.tx.last(), Sn64(6));
            assert_eq!(rx.rx.window.top(), Sn64(6));
        }
    }
}

#[test]
fn a_short_buffer_tells_the_need_and_changes_nothing() {
    for mode in [Mode::Transport, tunnel(true)] {
        let (mut tx, _) = ends(SaParams::new(Spi(300), mode), CCM);
        let original = packet(true, 33);
        let mut data = original.clone();
        let mut buf = PacketBuf::new(&mut data, 0, original.len()).unwrap();
        let Err(SealError::Short(need)) = tx.seal(&mut buf, &ARGS) else {
            panic!("not short")
        };
        for (head, tail) in [(need.head - 1, need.tail), (need.head, need.tail - 1)] {
            let mut data = in_room(&original, head, tail);
            let before = data.clone();
            let mut buf = PacketBuf::new(&mut data, head, original.len()).unwrap();
            assert_eq!(tx.seal(&mut buf, &ARGS), Err(SealError::Short(need)));
            assert_eq!(data, before);
            assert_eq!((tx.tx.last(), tx.drops().total()), (Sn64(0), 0));
        }
        let mut data = in_room(&original, need.head, need.tail);
        let mut buf = PacketBuf::new(&mut data, need.head, original.len()).unwrap();
        assert!(tx.seal(&mut buf, &ARGS).is_ok());
    }
}

#[test]
fn refusals_to_seal_consume_no_number() {
    let mut params = SaParams::new(Spi(300), tunnel(false));
    params.path_mtu = 200;
    params.lifetime.packets.hard = Some(1);
    let (mut tx, _) = ends(params, (Encr::AesCbc, Integ::HmacSha2_256_128, 16));
    let try_seal = |tx: &mut OutboundSa, packet: &[u8], args: &SealArgs| {
        let mut data = in_room(packet, 100, 100);
        let before = data.clone();
        let mut buf = PacketBuf::new(&mut data, 100, packet.len()).unwrap();
        let outcome = tx.seal(&mut buf, args);
        assert!(
            outcome.is_ok() || data == before,
            "a refusal touched the buffer"
        );
        outcome
    };
    let dropped = |reason| Err(SealError::Dropped(reason));
    let small = packet(false, 10);
    assert_eq!(
        try_seal(&mut tx, &small[..19], &ARGS),
        dropped(DropReason::NotIp)
    );
    let no_iv = SealArgs {
        iv: &[7; 15],
        ..ARGS
    };
    assert_eq!(
        try_seal(&mut tx, &small, &no_iv),
        dropped(DropReason::IvMissing)
    );
    let crooked = SealArgs {
        extra_pad: 5,
        ..ARGS
    };
    assert_eq!(
        try_seal(&mut tx, &small, &crooked),
        dropped(DropReason::Unsupported)
    );
    let Err(SealError::TooBig { mtu }) = try_seal(&mut tx, &packet(false, 150), &ARGS) else {
        panic!("not too big")
    };
    assert_eq!(tx.tx.last(), Sn64(0));
    assert!(try_seal(&mut tx, &packet(false, mtu - 28 + 1), &ARGS).is_err());
    assert!(
        try_seal(&mut tx, &packet(false, mtu - 28), &ARGS).is_ok(),
        "the told MTU fits"
    );
    assert_eq!(
        try_seal(&mut tx, &small, &ARGS),
        dropped(DropReason::LifetimePackets)
    );
    assert_eq!(tx.tx.last(), Sn64(1));
    assert_eq!(tx.drops().total(), 6);
}

#[test]
fn transport_mode_refuses_fragments_and_tcp_tfc() {
    let (mut tx, _) = ends(SaParams::new(Spi(300), Mode::Transport), CCM);
    let mut fragment = packet(false, 10);
    fragment[6] = 0x20;
    let mut data = in_room(&fragment, 100, 100);
    let mut buf = PacketBuf::new(&mut data, 100, fragment.len()).unwrap();
    assert_eq!(
        tx.seal(&mut buf, &ARGS),
        Err(SealError::Dropped(DropReason::Fragment))
    );
    let mut tcp = packet(false, 10);
    tcp[9] = proto::TCP;
    let mut data = in_room(&tcp, 100, 100);
    let mut buf = PacketBuf::new(&mut data, 100, tcp.len()).unwrap();
    let tfc = SealArgs { tfc: 20, ..ARGS };
    assert_eq!(
        tx.seal(&mut buf, &tfc),
        Err(SealError::Dropped(DropReason::TfcRefused))
    );
}

#[test]
fn tfc_padding_is_cut_and_dummies_are_discarded() {
    for mode in [Mode::Transport, tunnel(false)] {
        let (mut tx, mut rx) = ends(SaParams::new(Spi(300), mode), CCM);
        let original = packet(false, 10);
        let mut data = in_room(&original, 100, 300);
        let args = SealArgs {
            tfc: 77,
            extra_pad: 40,
            ..ARGS
        };
        let (start, len) = seal(&mut tx, &mut data, original.len(), &args);
        let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
        rx.open(&mut buf, Instant(0)).unwrap();
        assert_eq!(buf.packet(), original);
    }
    let (mut tx, mut rx) = ends(SaParams::new(Spi(300), tunnel(false)), CCM);
    let mut data = in_room(&[9; 50], 100, 100);
    let mut buf = PacketBuf::new(&mut data, 100, 50).unwrap();
    tx.seal_dummy(&mut buf, &ARGS).unwrap();
    assert_eq!(rx.open(&mut buf, Instant(0)), Err(DropReason::Dummy));
    assert_eq!(
        rx.rx.window.top(),
        Sn64(1),
        "a verified dummy moves the window"
    );
    assert!(
        !data.windows(8).any(|w| w == [9; 8]),
        "plaintext left behind"
    );
}

#[test]
fn outer_ce_over_not_ect_is_dropped_and_marks_ect() {
    let (mut tx, mut rx) = ends(SaParams::new(Spi(300), tunnel(true)), CCM);
    for (inner_ecn, expected) in [(2u8, Ok(3)), (0, Err(DropReason::Ecn))] {
        let mut original = packet(false, 10);
        original[1] |= inner_ecn;
        let mut data = in_room(&original, 100, 100);
        let (start, len) = seal(&mut tx, &mut data, original.len(), &ARGS);
        data[start + 1] |= 0x30;
        let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
        let opened = rx.open(&mut buf, Instant(0));
        assert_eq!(opened.map(|o| o.head.traffic_class & 3), expected);
        if expected.is_ok() {
            assert_eq!(buf.packet()[1] & 3, 3);
        }
    }
}

proptest! {
    #[test]
    fn a_changed_octet_is_refused_and_moves_nothing(at in 0usize..2000, bit in 0u8..8, which in 0usize..1000) {
        let pairs = pairs();
        let pair = pairs[which % pairs.len()];
        let (mut tx, mut rx) = ends(SaParams::new(Spi(300), tunnel(false)), pair);
        let original = packet(true, 90);
        let mut data = in_room(&original, 100, 100);
        let (start, len) = seal(&mut tx, &mut data, original.len(), &ARGS);
        let clean = data.clone();
        // Anywhere behind SPI: the number, the IV, the ciphertext, the ICV.
        let at = start + 24 + at % (len - 24);
        data[at] ^= 1 << bit;
        let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
        prop_assert!(rx.open(&mut buf, Instant(0)).is_err());
        prop_assert_eq!(rx.rx.window.top(), Sn64(0));
        prop_assert_eq!(rx.usage().packets, 0);
        prop_assert!(!data.windows(16).any(|w| w == &original[60..76]), "plaintext left behind");
        let mut data = clean;
        let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
        prop_assert!(rx.open(&mut buf, Instant(0)).is_ok());
        prop_assert_eq!(buf.packet(), original);
    }

    #[test]
    fn any_octets_open_or_fail(octets in prop::collection::vec(any::<u8>(), 0..300), esp_first in any::<bool>()) {
        let mut params = SaParams::new(Spi(0x0102_0304), Mode::Transport);
        params.udp_encap = Some(UdpEncap { source_port: 4500, destination_port: 4500 });
        let (_, mut rx) = ends(params, CCM);
        let mut data = if esp_first { packet(false, 0) } else { Vec::new() };
        data.extend(octets);
        if esp_first {
            let len = data.len() as u16;
            data[2..4].copy_from_slice(&len.to_be_bytes());
            data[9] = proto::ESP;
        }
        let len = data.len();
        let mut buf = PacketBuf::new(&mut data, 0, len).unwrap();
        prop_assert!(rx.open(&mut buf, Instant(0)).is_err());
    }
}
