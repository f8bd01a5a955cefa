//! Two ends exchange packets: what one seals the other opens, and what is
//! refused changes nothing.
#![cfg(feature = "alloc")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{ARGS, CCM, ends, in_room, packet, pairs, tunnel};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, Integ, Keys, Suite};
use sprat_core::error::DropReason;
use sprat_core::esp::{OutboundSa, SealArgs, SealError};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Df, Mode, SaParams, UdpEncap};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, fragment, proto};

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
            assert_eq!(tx.last_sn(), Sn64(6));
            assert_eq!(rx.top_sn(), Sn64(6));
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
            assert_eq!((tx.last_sn(), tx.drops().total()), (Sn64(0), 0));
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
    assert_eq!(tx.last_sn(), Sn64(0));
    assert!(try_seal(&mut tx, &packet(false, mtu - 28 + 1), &ARGS).is_err());
    assert!(
        try_seal(&mut tx, &packet(false, mtu - 28), &ARGS).is_ok(),
        "the told MTU fits"
    );
    assert_eq!(
        try_seal(&mut tx, &small, &ARGS),
        dropped(DropReason::LifetimePackets)
    );
    assert_eq!(tx.last_sn(), Sn64(1));
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
    assert_eq!(rx.top_sn(), Sn64(1), "a verified dummy moves the window");
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
        let reason = rx.open(&mut buf, Instant(0)).err();
        prop_assert!(matches!(reason, Some(DropReason::InvalidZero | DropReason::Integrity)));
        prop_assert_eq!(rx.top_sn(), Sn64(0));
        prop_assert_eq!(rx.usage().packets, 0);
        let shown = data.windows(16).any(|w| w == &original[60..76]);
        // Number 0 is refused before the cipher is asked, so NULL stays as it came.
        prop_assert!(reason == Some(DropReason::InvalidZero) || !shown, "plaintext left behind");
        let mut data = clean;
        let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
        prop_assert!(rx.open(&mut buf, Instant(0)).is_ok());
        prop_assert_eq!(buf.packet(), original);
    }

    #[test]
    fn any_octets_behind_the_spi_fail_by_their_own_reason(octets in prop::collection::vec(any::<u8>(), 0..300), transport in any::<bool>()) {
        let mode = if transport { Mode::Transport } else { tunnel(false) };
        let (_, mut rx) = ends(SaParams::new(Spi(0x0102_0304), mode), CCM);
        let mut data = packet(false, 0);
        data.truncate(20);
        data.extend([1, 2, 3, 4]);
        data.extend(&octets);
        let len = data.len() as u16;
        data[2..4].copy_from_slice(&len.to_be_bytes());
        data[9] = proto::ESP;
        let mut buf = PacketBuf::new(&mut data, 0, usize::from(len)).unwrap();
        // Number, IV, trailer and ICV, of which the ciphertext is a multiple of 4.
        let possible = octets.len() >= 4 + 8 + 4 + 8 && octets.len().is_multiple_of(4);
        let zero = octets.starts_with(&[0; 4]);
        let expected = match (possible, zero) {
            (false, _) => DropReason::Malformed,
            (true, true) => DropReason::InvalidZero,
            (true, false) => DropReason::Integrity,
        };
        prop_assert_eq!(rx.open(&mut buf, Instant(0)).err(), Some(expected));
        prop_assert_eq!(rx.top_sn(), Sn64(0));
    }

    #[test]
    fn the_told_mtu_is_the_largest_that_fits(
        which in 0usize..1000,
        limit in 300u16..3000,
        (six, outer) in (any::<bool>(), 0u8..3),
        (tfc, extra) in (0u16..60, 0u8..3),
    ) {
        let pairs = pairs();
        let pair = pairs[which % pairs.len()];
        let mode = [Mode::Transport, tunnel(false), tunnel(true)][usize::from(outer)];
        let mut params = SaParams::new(Spi(300), mode);
        // Small IPv6 packets in a tunnel go out in fragments instead.
        params.path_mtu = if six && outer != 0 { limit + 1500 } else { limit };
        let (mut tx, _) = ends(params, pair);
        let args = SealArgs { tfc, extra_pad: extra * 16, ..ARGS };
        let mut try_len = |len: usize| {
            let headers = if six { 48 } else { 28 };
            let original = packet(six, len - headers);
            let mut data = in_room(&original, 100, 400);
            let mut buf = PacketBuf::new(&mut data, 100, original.len()).unwrap();
            tx.seal(&mut buf, &args).map(|sealed| (sealed.fragment_to, buf.len()))
        };
        let Err(SealError::TooBig { mtu }) = try_len(5000) else { panic!("not too big") };
        let fits = try_len(mtu);
        prop_assert!(matches!(fits, Ok((0, len)) if len <= usize::from(params.path_mtu)), "{:?}", fits);
        prop_assert_eq!(try_len(mtu + 1), Err(SealError::TooBig { mtu }));
    }
}

#[test]
fn where_nothing_fits_the_told_mtu_is_zero() {
    let mut params = SaParams::new(Spi(300), tunnel(true));
    params.path_mtu = 65;
    let (mut tx, _) = ends(params, CCM);
    let original = packet(false, 10);
    let mut data = in_room(&original, 100, 100);
    let mut buf = PacketBuf::new(&mut data, 100, original.len()).unwrap();
    assert_eq!(tx.seal(&mut buf, &ARGS), Err(SealError::TooBig { mtu: 0 }));
}

#[test]
fn outer_ipv6_states_40_octets_more_than_its_length_field() {
    let (mut tx, _) = ends(SaParams::new(Spi(300), tunnel(true)), CCM);
    let mut try_len = |len: usize| {
        let original = packet(false, len - 28);
        let mut data = in_room(&original, 100, 400);
        let mut buf = PacketBuf::new(&mut data, 100, original.len()).unwrap();
        tx.seal(&mut buf, &ARGS).map(|_| buf.len())
    };
    let Err(SealError::TooBig { mtu }) = try_len(65_535) else {
        panic!("not too big")
    };
    assert_eq!(
        mtu,
        65_535 - 8 - 8 - 8 - 2 - 3,
        "ESP header, IV, ICV, trailer, alignment"
    );
    assert!(try_len(mtu).is_ok() && try_len(mtu + 1).is_err());
}

#[test]
fn dummies_obey_path_and_tfc_as_packets_do() {
    let mut params = SaParams::new(Spi(300), tunnel(false));
    params.path_mtu = 600;
    params.tfc_allowed = false;
    let (mut tx, _) = ends(params, CCM);
    let mut data = in_room(&[0; 1400], 100, 700);
    let mut buf = PacketBuf::new(&mut data, 100, 1400).unwrap();
    assert!(matches!(
        tx.seal_dummy(&mut buf, &ARGS),
        Err(SealError::TooBig { .. })
    ));
    let tfc = SealArgs { tfc: 8, ..ARGS };
    let refused = Err(SealError::Dropped(DropReason::TfcRefused));
    assert_eq!(tx.seal_dummy(&mut buf, &tfc), refused);
    assert_eq!((tx.last_sn(), tx.drops().total()), (Sn64(0), 2));
}

#[test]
fn what_cannot_be_made_smaller_goes_out_in_fragments() {
    for (six, df, inner_six, passes) in [
        (false, Df::Clear, false, true),
        (false, Df::Copy, false, false),
        (true, Df::Clear, false, false),
        (true, Df::Copy, true, true),
        (false, Df::Set, true, true),
    ] {
        let Mode::Tunnel(mut ends_of) = tunnel(six) else {
            panic!("a tunnel")
        };
        ends_of.df = df;
        let mut params = SaParams::new(Spi(300), Mode::Tunnel(ends_of));
        params.path_mtu = 1280;
        let (mut tx, mut rx) = ends(params, CCM);
        let headers = if inner_six { 48 } else { 28 };
        let original = packet(inner_six, 1280 - headers);
        let mut data = in_room(&original, 100, 100);
        let mut buf = PacketBuf::new(&mut data, 100, original.len()).unwrap();
        let sealed = tx.seal(&mut buf, &ARGS);
        assert_eq!(
            sealed.is_ok(),
            passes,
            "{six} {df:?} {inner_six}: {sealed:?}"
        );
        if !passes {
            continue;
        }
        assert_eq!(sealed.unwrap().fragment_to, 1280);
        let mut joined = Vec::new();
        let mut out = [0; 1280];
        let mut index = 0;
        while let Some(len) = fragment(buf.packet(), (1280, Some(5)), index, &mut out).unwrap() {
            joined.extend(&out[Head::parse(&out[..len]).unwrap().upper_at..len]);
            index += 1;
        }
        assert_eq!(
            (index, &joined[..]),
            (2, &buf.packet()[if six { 40 } else { 20 }..])
        );
        assert!(rx.open(&mut buf, Instant(0)).is_ok());
        assert_eq!(buf.packet(), original);
        let larger = packet(true, 1281 - 48);
        let mut data = in_room(&larger, 100, 100);
        let mut buf = PacketBuf::new(&mut data, 100, larger.len()).unwrap();
        if inner_six {
            assert_eq!(
                tx.seal(&mut buf, &ARGS),
                Err(SealError::TooBig { mtu: 1280 })
            );
        }
    }
}

#[test]
fn tfc_padding_is_cut_behind_destination_options_too() {
    let (mut tx, mut rx) = ends(SaParams::new(Spi(300), Mode::Transport), CCM);
    let mut original = packet(true, 10);
    original.splice(40..40, [proto::UDP, 0, 1, 4, 0, 0, 0, 0]);
    original[6] = proto::DESTINATION;
    original[5] += 8;
    let mut data = in_room(&original, 100, 100);
    let args = SealArgs { tfc: 33, ..ARGS };
    let (start, len) = seal(&mut tx, &mut data, original.len(), &args);
    let mut buf = PacketBuf::new(&mut data, start, len).unwrap();
    rx.open(&mut buf, Instant(0)).unwrap();
    assert_eq!(buf.packet(), original);
}

#[test]
fn three_keys_of_3des_must_differ_where_it_is_there() {
    let suite = |encr_key: &[u8]| {
        let keys = Keys {
            encr_key,
            salt: &[],
            integ_key: &[1; 20],
        };
        Suite::new(Encr::TripleDes, Integ::HmacSha1_96, &keys)
    };
    let [a, b, c] = [[0x10u8; 8], [0x20; 8], [0x30; 8]];
    // Parity bits make no other key.
    let a_too = [0x11u8; 8];
    assert_eq!(suite(&[a, b, c].concat()).is_ok(), cfg!(feature = "legacy"));
    assert_eq!(suite(&[a, b, a].concat()).is_ok(), cfg!(feature = "legacy"));
    for weak in [[a, a, c], [a, c, c], [a, a_too, c]] {
        assert!(suite(&weak.concat()).is_err());
    }
}
