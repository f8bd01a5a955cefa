//! Diet-ESP in buffers: exact room, what a refusal leaves behind, packets that are
//! tried on another SA, sizes.
#![cfg(feature = "alloc")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;
mod drawn;

use common::{ARGS, address, in_room, pairs, suite};
use drawn::{Way, config, way};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, Integ, Suite};
use sprat_core::diet_esp::{Afrg, Alignment, Ehc};
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, OutboundSa, SealArgs, SealError};
use sprat_core::ipsec::{Ipsec, Verdict};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel, UdpEncap};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::time::Instant;
use sprat_core::wire::ip::Version;

/// Room that every transform fits into.
const ROOM: usize = 400;

type Transform = (Encr, Integ, usize);

fn transform() -> impl Strategy<Value = Transform> {
    prop::sample::select(pairs())
}

fn make((encr, integ, key): Transform) -> Suite {
    suite(encr, integ, key).unwrap()
}

fn tunnel(v6: bool) -> Tunnel {
    Tunnel {
        source: address(v6, 101),
        destination: address(v6, 102),
        hop_limit: 64,
        dscp: Dscp::Copy,
        ecn: true,
        df: Df::Copy,
        flow_label: 0,
    }
}

/// The SA of a way; in UDP if asked for and possible.
fn params(way: &Way, encap: bool) -> SaParams {
    let mode = match way.carried.outer {
        Some(version) => Mode::Tunnel(tunnel(version == Version::V6)),
        None => Mode::Transport,
    };
    let mut params = SaParams::new(way.carried.spi, mode);
    let shown = way.carried.spi.low_bits(way.afrg.esp_spi_lsb);
    params.udp_encap = (encap && shown != 0).then_some(UdpEncap {
        source_port: 4500,
        destination_port: 4500,
    });
    params
}

fn outbound(way: &Way, params: SaParams, transform: Transform) -> OutboundSa {
    let sa = OutboundSa::new(params, make(transform), Sn64(0), Instant(0)).unwrap();
    sa.compress(&Ehc::new(way.afrg)).unwrap()
}

fn inbound(way: &Way, params: SaParams, transform: Transform, only: &[Selector]) -> InboundSa {
    let sa = InboundSa::new(params, make(transform), only.to_vec(), Instant(0)).unwrap();
    sa.compress(&Ehc::new(way.afrg)).unwrap()
}

/// The packet as it goes out; `None` if it is refused.
fn sealed(sa: &mut OutboundSa, packet: &[u8]) -> Option<Vec<u8>> {
    let mut data = in_room(packet, ROOM, ROOM);
    let mut buf = PacketBuf::new(&mut data, ROOM, packet.len())?;
    sa.seal(&mut buf, &ARGS).ok()?;
    Some(buf.packet().to_vec())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sealing_takes_the_room_it_asks_for_and_no_less(
        way in way(), transform in transform(), encap in any::<bool>(), less in any::<bool>(),
    ) {
        let params = params(&way, encap);
        let mut tx = outbound(&way, params, transform);
        let mut data = way.packet.clone();
        let mut buf = PacketBuf::new(&mut data, 0, way.packet.len()).unwrap();
        let Err(SealError::Short(need)) = tx.seal(&mut buf, &ARGS) else { return Ok(()) };
        prop_assert_eq!(buf.packet(), &way.packet[..]);
        let rooms = match less {
            true => [(need.head.wrapping_sub(1), need.tail), (need.head, need.tail.wrapping_sub(1))],
            false => [(need.head, need.tail); 2],
        };
        let expected = sealed(&mut outbound(&way, params, transform), &way.packet);
        for (head, tail) in rooms {
            if head > ROOM || tail > ROOM {
                continue;
            }
            let mut data = in_room(&way.packet, head, tail);
            let mut buf = PacketBuf::new(&mut data, head, way.packet.len()).unwrap();
            let mut tx = outbound(&way, params, transform);
            let result = tx.seal(&mut buf, &ARGS);
            // Octets behind the packet's own length are room too.
            if less && matches!(result, Err(SealError::Short(_))) {
                prop_assert_eq!(tx.last_sn(), Sn64(0));
                continue;
            }
            prop_assert!(result.is_ok(), "{result:?}");
            prop_assert_eq!(Some(buf.packet()), expected.as_deref());
        }
    }

    #[test]
    fn opening_takes_any_room_that_is_enough(
        way in way(), transform in transform(), encap in any::<bool>(),
        head in 0usize..70, tail in 0usize..70,
    ) {
        let params = params(&way, encap);
        let Some(esp) = sealed(&mut outbound(&way, params, transform), &way.packet) else {
            return Ok(());
        };
        let open = |head: usize, tail: usize| {
            let mut data = in_room(&esp, head, tail);
            let mut rx = inbound(&way, params, transform, &[]);
            let mut buf = PacketBuf::new(&mut data, head, esp.len()).unwrap();
            let opened = rx.open(&mut buf, Instant(0));
            (opened, buf.packet().to_vec(), rx.top_sn())
        };
        let (opened, packet, top) = open(head, tail);
        if opened == Err(DropReason::NoRoom) {
            prop_assert_eq!((packet, top), (esp.clone(), Sn64(0)));
            prop_assert!(head < 60 && tail < 60);
        } else {
            let (full, expected, _) = open(ROOM, 0);
            prop_assert_eq!((opened, packet), (full, expected));
        }
    }

    #[test]
    fn nothing_of_a_refused_packet_stays(
        way in way(), transform in transform(), encap in any::<bool>(),
        head in prop::sample::select(vec![0usize, 1, 8, 40, 69]), tail in 0usize..200, ce in any::<bool>(),
    ) {
        let params = params(&way, encap);
        let Some(mut esp) = sealed(&mut outbound(&way, params, transform), &way.packet) else {
            return Ok(());
        };
        if ce && way.carried.outer == Some(Version::V6) {
            esp[1] |= 0x30;
        }
        let none = Selector { protocol: Some(253), ..Selector::ANY };
        let mut rx = inbound(&way, params, transform, &[none]);
        let mut data = in_room(&esp, head, tail);
        let mut buf = PacketBuf::new(&mut data, head, esp.len()).unwrap();
        let refused = rx.open(&mut buf, Instant(0));
        prop_assert!(refused.is_err());
        // What only the payload can bring in.
        let behind = if way.afrg.ip_version == Some(Version::V6) { 60 } else { 40 };
        let payload = way.packet.get(behind..).unwrap_or(&[]);
        for window in payload.windows(8) {
            let telling = window.iter().any(|octet| *octet != window[0]);
            let stays = data.windows(8).any(|octets| octets == window);
            prop_assert!(!(telling && stays) || encr_is_null(transform) && refused == Err(DropReason::NoRoom), "{refused:?}");
        }
    }

    #[test]
    fn a_packet_tried_on_another_sa_is_opened_by_its_own(
        way in way(), transform in transform(), other in transform(), plain in any::<bool>(),
    ) {
        if way.afrg.esp_spi_lsb == 32 {
            return Ok(());
        }
        let own = params(&way, false);
        let mut tx = outbound(&way, own, transform);
        let Some(esp) = sealed(&mut tx, &way.packet) else { return Ok(()) };
        let mut alone = inbound(&way, own, transform, &[]);
        let mut data = in_room(&esp, ROOM, ROOM);
        let mut buf = PacketBuf::new(&mut data, ROOM, esp.len()).unwrap();
        let expected = alone.open(&mut buf, Instant(0)).map(|_| buf.packet().to_vec());
        let mut ipsec = Ipsec::new();
        let mut first = own;
        first.spi = Spi(own.spi.0 ^ 0x8000_0000);
        let at = esp.len() - behind_ip(&way, &esp);
        let shown = esp.get(at..at + 4).map(|octets| u32::from_be_bytes(octets.try_into().unwrap()));
        let first = match shown {
            Some(spi) if plain => {
                first.spi = Spi(spi);
                InboundSa::new(first, make(other), Vec::new(), Instant(0)).ok()
            }
            _ => (first.spi.0 >= 256).then(|| inbound(&way, first, other, &[])),
        };
        let Some(first) = first else { return Ok(()) };
        ipsec.add_inbound("first", first).unwrap();
        let number = ipsec.add_inbound("own", inbound(&way, own, transform, &[]));
        let mut data = in_room(&esp, ROOM, ROOM);
        let mut buf = PacketBuf::new(&mut data, ROOM, esp.len()).unwrap();
        let outcome = ipsec.inbound(&mut buf, Instant(0));
        match expected {
            Ok(packet) => {
                prop_assert_eq!((outcome.verdict, outcome.sa), (Verdict::Deliver, number));
                prop_assert_eq!(buf.packet(), &packet[..]);
            }
            Err(reason) => prop_assert_eq!(outcome.reason, Some(reason)),
        }
    }
}

/// Each case seals 250 packets.
fn fewer() -> ProptestConfig {
    let mut config = config();
    config.cases = config.cases.div_ceil(10);
    config
}

/// Which numbers a receiver must take whose highest is `top` (digest section 8.2).
fn within(sn: u64, top: u64, (window, lsb): (u64, u8)) -> bool {
    let values = 1u64 << lsb;
    let late = window.min(values / 2);
    let low = top.saturating_sub(late) + 1;
    sn >= low && sn - low < values
}

proptest! {
    #![proptest_config(fewer())]

    #[test]
    fn every_number_within_reach_is_taken_once(
        lsb in prop::sample::select(vec![0u8, 1, 3, 4, 8, 16, 32]), esn in any::<bool>(),
        from in prop::sample::select(vec![0, 200, (1u64 << 32) - 300, (1 << 32) + 50, u64::MAX - 260]),
        window in prop::sample::select(vec![32u16, 64, 256]),
        steps in prop::collection::vec(0usize..250, 1..40),
    ) {
        if !esn && from >= 1 << 32 {
            return Ok(());
        }
        let mut params = SaParams::new(Spi(0x1234), Mode::Tunnel(tunnel(true)));
        (params.esn, params.replay_window) = (esn, window);
        let transform = pairs()[0];
        let ehc = Ehc::new(Afrg { esp_spi_lsb: (32 - lsb % 8) % 32, esp_sn_lsb: lsb, ..single(Alignment::Bits8) });
        let tx = OutboundSa::new(params, make(transform), Sn64(from), Instant(0)).unwrap();
        let mut tx = tx.compress(&ehc).unwrap();
        let packets: Vec<_> = (0..250).map(|_| sealed(&mut tx, &of_size(60)).unwrap()).collect();
        let rx = InboundSa::new(params, make(transform), Vec::new(), Instant(0)).unwrap();
        let mut rx = rx.compress(&ehc).unwrap();
        rx.start_at(Sn64(from));
        let mut taken = std::collections::BTreeSet::from([from]);
        for step in steps {
            let sn = from + 1 + u64::try_from(step).unwrap();
            let top = rx.top_sn().0;
            let mut data = in_room(&packets[step], ROOM, ROOM);
            let mut buf = PacketBuf::new(&mut data, ROOM, packets[step].len()).unwrap();
            let opened = rx.open(&mut buf, Instant(0));
            let in_window = sn > top || top - sn < u64::from(window);
            let whole = lsb == 32 && !esn;
            let due = in_window && !taken.contains(&sn)
                && (whole || within(sn, top, (window.into(), lsb)));
            prop_assert_eq!(opened.is_ok(), due, "{} over {}: {:?}", sn, top, opened);
            if due {
                prop_assert_eq!(opened.unwrap().sn, Sn64(sn));
                taken.insert(sn);
            }
            prop_assert_eq!(rx.top_sn(), Sn64(*taken.last().unwrap()));
        }
    }
}

fn encr_is_null(transform: Transform) -> bool {
    transform.0.name().contains("NULL")
}

/// Octets of ESP in a packet without UDP.
fn behind_ip(way: &Way, esp: &[u8]) -> usize {
    let head = sprat_core::wire::ip::Head::parse(esp).unwrap();
    assert!(
        head.upper_at
            >= if way.carried.outer == Some(Version::V4) {
                20
            } else {
                0
            }
    );
    esp.len() - head.upper_at
}

/// The SA of the template: IPv6, UDP, single values, nothing in the residue.
fn single(alignment: Alignment) -> Afrg {
    let selector = Selector {
        source: AddrRange::single(address(true, 1)),
        destination: AddrRange::single(address(true, 2)),
        protocol: Some(17),
        source_ports: port(0x1633),
        destination_ports: port(0x1634),
    };
    Afrg {
        alignment,
        flow_label_cda: sprat_core::diet_esp::FlowLabelCda::Zero,
        ..Afrg::new(Version::V6, selector)
    }
}

fn port(port: u16) -> PortRange {
    PortRange::Range {
        first: port,
        last: port,
    }
}

/// A UDP packet over IPv6 of `total` octets with a right checksum.
fn of_size(total: usize) -> Vec<u8> {
    common::packet(true, total - 48)
}

#[test]
fn what_is_too_big_tells_what_would_fit() {
    for transform in pairs() {
        for (alignment, limit) in Alignment::ALL
            .iter()
            .flat_map(|a| [1400u16, 1401, 1403, 1407].map(|l| (*a, l)))
        {
            let mut params = SaParams::new(Spi(0x1234), Mode::Tunnel(tunnel(true)));
            params.path_mtu = limit;
            let sa = OutboundSa::new(params, make(transform), Sn64(0), Instant(0)).unwrap();
            let mut tx = sa.compress(&Ehc::new(single(alignment))).unwrap();
            let mut try_size = |size: usize| {
                let packet = of_size(size);
                let mut data = in_room(&packet, ROOM, ROOM);
                let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).unwrap();
                let args = SealArgs {
                    iv: &[7; 16],
                    ..ARGS
                };
                tx.seal(&mut buf, &args).map(|_| buf.len())
            };
            let Err(SealError::TooBig { mtu }) = try_size(1500) else {
                panic!("{transform:?} {alignment:?}");
            };
            let largest = try_size(mtu).unwrap();
            assert!(largest <= usize::from(limit));
            assert_eq!(try_size(mtu + 1), Err(SealError::TooBig { mtu }));
        }
    }
}
