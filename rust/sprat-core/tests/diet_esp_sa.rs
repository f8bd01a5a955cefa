//! Diet-ESP through SAs, for any context and packet: what is sealed comes back,
//! what is refused leaves no trace, and with nothing compressed it is plain ESP.
#![cfg(feature = "alloc")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;
mod drawn;

use common::{ARGS, address, in_room, pairs, suite};
use drawn::{Way, config, packet_fits, returned, way};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, Integ};
use sprat_core::diet_esp::{Afrg, Alignment, Ehc, EspTrailer, FlowLabelCda, IipcProfile, Profile};
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, Opened, OutboundSa, SealArgs, SealError, Sealed};
use sprat_core::num::Sn64;
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel};
use sprat_core::selector::Selector;
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, Version};

/// Room that every transform fits into.
const ROOM: usize = 400;

type Transform = (Encr, Integ, usize);

fn transform() -> impl Strategy<Value = Transform> {
    prop::sample::select(pairs())
}

fn make(transform: Transform) -> sprat_core::crypto::Suite {
    suite(transform.0, transform.1, transform.2).unwrap()
}

fn mode(outer: Option<Version>, way: &Way) -> Mode {
    let Some(version) = outer else {
        return Mode::Transport;
    };
    let v6 = version == Version::V6;
    Mode::Tunnel(Tunnel {
        source: address(v6, 101),
        destination: address(v6, 102),
        hop_limit: way.plain.hop_limit.max(1),
        dscp: match way.plain.traffic_class & 1 {
            0 => Dscp::Copy,
            _ => Dscp::Set(way.plain.traffic_class >> 2),
        },
        ecn: way.plain.traffic_class & 2 == 0,
        df: Df::Copy,
        flow_label: if v6 { way.plain.flow } else { 0 },
    })
}

fn params(way: &Way, esn: bool) -> SaParams {
    let mut params = SaParams::new(way.carried.spi, mode(way.carried.outer, way));
    params.esn = esn;
    params
}

/// The packet and what the SA leaves in the buffer.
fn seal(
    sa: &mut OutboundSa,
    packet: &[u8],
    args: &SealArgs,
) -> (Result<Sealed, SealError>, Vec<u8>) {
    let mut data = in_room(packet, ROOM, ROOM);
    let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).unwrap();
    let sealed = sa.seal(&mut buf, args);
    (sealed, buf.packet().to_vec())
}

fn open(sa: &mut InboundSa, packet: &[u8]) -> (Result<Opened, DropReason>, Vec<u8>) {
    let mut data = in_room(packet, ROOM, ROOM);
    let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).unwrap();
    let opened = sa.open(&mut buf, Instant(0));
    (opened, buf.packet().to_vec())
}

/// A packet that the SA refused: nobody can tell that it was there.
fn no_trace(sa: &OutboundSa, error: SealError, same: bool) -> Result<(), TestCaseError> {
    prop_assert!(same, "the packet has changed");
    prop_assert_eq!(sa.last_sn(), Sn64(0));
    prop_assert_eq!(sa.usage().packets, 0);
    prop_assert_eq!(sa.ehc_stats().packets, 0);
    let SealError::Dropped(reason) = error else {
        return Err(TestCaseError::fail(format!("{error:?}")));
    };
    prop_assert_eq!((sa.drops().of(reason), sa.drops().total()), (1, 1));
    Ok(())
}

/// Whether transport mode sends a Next Header that says dummy (RFC 4303 s2.6).
fn is_dummy(sa: &OutboundSa, packet: &[u8]) -> bool {
    let named = Head::parse(packet).map(|head| head.insert_protocol);
    sa.params().mode == Mode::Transport && sa.terms().trailer().next_header && named == Ok(59)
}

/// Whether transport mode puts ESP right behind the fixed header.
fn plainly_placed(way: &Way) -> bool {
    Head::parse(&way.packet).is_ok_and(|head| match head.version {
        Version::V4 => true,
        Version::V6 => head.insert_at == 40,
    })
}

/// Puts the sender's label over the receiver's.
fn undo_generator(way: &Way, inner: &mut [u8]) {
    if way.afrg.flow_label_cda != FlowLabelCda::Generated || way.afrg.profile == Profile::Ehc2019 {
        return;
    }
    match way.afrg.ip_version {
        Some(Version::V4) => {
            inner[4..6].copy_from_slice(&way.packet[4..6]);
            inner[10..12].copy_from_slice(&way.packet[10..12]);
        }
        _ => {
            inner[1] = inner[1] & 0xf0 | way.packet[1] & 15;
            inner[2..4].copy_from_slice(&way.packet[2..4]);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_an_sa_takes_comes_back(way in way(), transform in transform(), esn in any::<bool>()) {
        let mut way = way;
        let params = params(&way, esn);
        let ehc = Ehc::new(way.afrg);
        let new = OutboundSa::new(params, make(transform), Sn64(0), Instant(0)).unwrap();
        let mut tx = new.compress(&ehc).unwrap();
        let (sealed, esp) = seal(&mut tx, &way.packet, &ARGS);
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => return no_trace(&tx, error, esp == way.packet),
        };
        // What is behind the packet's own length is the link's.
        way.packet.truncate(Head::parse(&way.packet).unwrap().total_len);
        let tunnel = way.carried.outer.is_some();
        let inner = way.afrg.compresses_inner();
        prop_assert!(!tunnel || !inner || packet_fits(&way.afrg, &way.packet));
        let new = InboundSa::new(params, make(transform), Vec::new(), Instant(0)).unwrap();
        let mut rx = new.compress(&ehc).unwrap();
        let (opened, mut back) = open(&mut rx, &esp);
        if is_dummy(&tx, &way.packet) {
            prop_assert_eq!(opened, Err(DropReason::Dummy));
            return Ok(());
        }
        prop_assert!(opened.is_ok(), "{opened:?}");
        if tunnel && inner {
            undo_generator(&way, &mut back);
        }
        if !tunnel && !plainly_placed(&way) {
            return Ok(());
        }
        let expected = if inner { returned(&way) } else { way.packet.clone() };
        prop_assert_eq!(back, expected);
        let mut plain = OutboundSa::new(params, make(transform), Sn64(0), Instant(0)).unwrap();
        let (_, longer) = seal(&mut plain, &way.packet, &ARGS);
        let saved = i64::try_from(longer.len()).unwrap() - i64::try_from(esp.len()).unwrap();
        prop_assert_eq!(sealed.saved, saved);
        prop_assert_eq!(tx.ehc_stats().octets_saved, saved);
        prop_assert_eq!(rx.ehc_stats().octets_saved, saved);
        prop_assert!(saved >= 0 || way.afrg.alignment == Alignment::Bits64);
    }

    #[test]
    fn with_nothing_compressed_it_is_plain_esp(
        way in way(), transform in transform(), esn in any::<bool>(), last in 0u32..u32::MAX,
        tfc in 0u16..40, extra in 0u8..4,
    ) {
        let mut afrg = Afrg::new(Version::V6, Selector::ANY);
        afrg.iipc_profile = IipcProfile::NotCompressed;
        afrg.esp_trailer = EspTrailer::Mandatory;
        afrg.alignment = Alignment::Bits32;
        afrg.ip_version = None;
        let params = params(&way, esn);
        let args = SealArgs { tfc: tfc.saturating_sub(30), extra_pad: extra * 16, ..ARGS };
        let new = || OutboundSa::new(params, make(transform), Sn64(last.into()), Instant(0)).unwrap();
        let mut plain = new();
        let mut compressed = new().compress(&Ehc::new(afrg)).unwrap();
        let (sealed, packet) = seal(&mut plain, &way.packet, &args);
        let (also, same) = seal(&mut compressed, &way.packet, &args);
        // More padding than plain ESP has by itself counts as a loss.
        prop_assert_eq!(sealed, also.map(|sealed| Sealed { saved: 0, ..sealed }));
        prop_assert_eq!(&packet, &same);
        prop_assert_eq!(plain.last_sn(), compressed.last_sn());
        if sealed.is_ok() {
            // Either end takes what the other sends.
            let new = || InboundSa::new(params, make(transform), Vec::new(), Instant(0)).unwrap();
            let mut plain = new();
            let mut compressed = new().compress(&Ehc::new(afrg)).unwrap();
            for sa in [&mut plain, &mut compressed] {
                sa.start_at(Sn64(last.into()));
            }
            let (opened, inner) = open(&mut plain, &packet);
            let (also, same) = open(&mut compressed, &packet);
            let also = also.map(|opened| Opened { saved: 0, ..opened });
            prop_assert_eq!((opened, inner), (also, same));
            prop_assert_eq!(plain.top_sn(), compressed.top_sn());
        }
    }

    #[test]
    fn what_is_not_the_sa_s_own_is_refused(
        way in way(), transform in transform(), cut in 0usize..200, flips in any::<[u16; 3]>(),
    ) {
        let params = params(&way, false);
        let ehc = Ehc::new(way.afrg);
        let new = OutboundSa::new(params, make(transform), Sn64(0), Instant(0)).unwrap();
        let mut tx = new.compress(&ehc).unwrap();
        let (sealed, esp) = seal(&mut tx, &way.packet, &ARGS);
        let Ok(sealed) = sealed else { return Ok(()) };
        let new = InboundSa::new(params, make(transform), Vec::new(), Instant(0)).unwrap();
        let mut rx = new.compress(&ehc).unwrap();
        // Cut, with the length in the header, and changed behind the header.
        let kept = esp.len() - cut.min(esp.len() - sealed.esp_offset);
        let mut forged = vec![set_len(esp[..kept].to_vec())];
        for flip in flips {
            let mut packet = esp.clone();
            let behind = packet.len() - sealed.esp_offset;
            packet[sealed.esp_offset + usize::from(flip) % behind] ^= 1 << (flip >> 13);
            forged.push(packet);
        }
        for packet in forged.iter().filter(|packet| **packet != esp) {
            let (opened, _) = open(&mut rx, packet);
            prop_assert!(opened.is_err());
            prop_assert_eq!((rx.top_sn(), rx.usage().packets), (Sn64(0), 0));
        }
        let opened = open(&mut rx, &esp).0;
        prop_assert!(opened.is_ok() || is_dummy(&tx, &way.packet), "{opened:?}");
    }
}

/// States the length that the packet has.
fn set_len(mut packet: Vec<u8>) -> Vec<u8> {
    let len = u16::try_from(packet.len()).unwrap();
    if packet[0] >> 4 == 6 {
        packet[4..6].copy_from_slice(&(len - 40).to_be_bytes());
    } else {
        packet[2..4].copy_from_slice(&len.to_be_bytes());
    }
    packet
}
