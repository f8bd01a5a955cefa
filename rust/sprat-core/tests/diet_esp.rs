//! Diet-ESP: what is compressed comes back, what would not is refused, and the
//! template of an SA does what its rules do.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod drawn;

use std::net::IpAddr;

use drawn::{Way, config, packet_fits, residue_bits, returned, segment_fits, trailer, way};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sprat_core::diet_esp::{
    Alignment, Context, Elided, FlowLabelCda, OuterFields, Profile, Pseudo, Restored, reconstruct,
};
use sprat_core::error::DropReason;
use sprat_core::num::Sn64;
use sprat_core::trailer::Form;
use sprat_core::wire::ip::Version;

const SN: Sn64 = Sn64(0x1234_5678);

impl Way {
    fn context(&self) -> Context {
        Context::new(self.afrg, &self.carried).unwrap()
    }

    /// The same without the guard.
    fn unguarded(&self) -> Context {
        let mut way = self.clone();
        way.afrg.guard = false;
        way.context()
    }

    fn transport(&self) -> bool {
        self.carried.outer.is_none()
    }

    /// In transport mode the header names the protocol that the trailer tells or
    /// that the SA knows.
    fn named(mut self) -> Self {
        let at = match self.afrg.ip_version {
            Some(Version::V4) => 9,
            _ => 6,
        };
        if let (true, Some(only)) = (self.transport(), self.afrg.selector.protocol) {
            self.packet[at] = only;
        }
        self
    }

    /// Header and segment; the whole packet in tunnel mode. Any octets make one.
    fn protected(&self) -> (Pseudo, &[u8]) {
        let v6 = self.afrg.ip_version == Some(Version::V6);
        let (header, name_at, at) = if v6 { (40, 6, 8) } else { (20, 9, 12) };
        let octet = |at: usize| self.packet.get(at).copied().unwrap_or(0);
        let address = |at: usize| match v6 {
            true => IpAddr::from(std::array::from_fn::<u8, 16, _>(|i| octet(at + i))),
            false => IpAddr::from(std::array::from_fn::<u8, 4, _>(|i| octet(at + i))),
        };
        let pseudo = Pseudo {
            source: address(at),
            destination: address(at + (header - at) / 2),
            protocol: octet(name_at),
        };
        let from = if self.transport() { header } else { 0 };
        (pseudo, self.packet.get(from..).unwrap_or(&[]))
    }

    fn compress(&self, context: &Context) -> Result<Elided, DropReason> {
        let (pseudo, protected) = self.protected();
        match self.transport() {
            true => context.compress_segment(protected, &pseudo),
            false => context.compress_packet(protected),
        }
    }

    fn restore(&self, context: &Context, iipc: &[u8], outer: &OuterFields) -> Restoring {
        let (pseudo, _) = self.protected();
        match self.transport() {
            true => context.restore_segment(iipc, &pseudo),
            // The generator knows the label, so that it comes back.
            false => context.restore_packet(iipc, outer, (SN, &|_| self.label())),
        }
    }

    fn label(&self) -> u32 {
        let octet = |at: usize| self.packet.get(at).map_or(0, |octet| u32::from(*octet));
        match self.afrg.ip_version {
            Some(Version::V4) => octet(4) << 8 | octet(5),
            _ => (octet(1) & 15) << 16 | octet(2) << 8 | octet(3),
        }
    }

    /// Residue and payload.
    fn iipc(&self, elided: &Elided) -> Vec<u8> {
        let (_, protected) = self.protected();
        [elided.residue.octets(), &protected[elided.header_len..]].concat()
    }

    fn fits(&self) -> bool {
        let (pseudo, protected) = self.protected();
        if !self.afrg.compresses_inner() {
            // Nothing of it is read in tunnel mode.
            let named = self.afrg.selector.protocol;
            return !self.transport() || named.is_none_or(|only| only == pseudo.protocol);
        }
        if !self.transport() {
            return packet_fits(&self.afrg, protected);
        }
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let ends = [octets(pseudo.source), octets(pseudo.destination)].concat();
        segment_fits(&self.afrg, pseudo.protocol, &ends, protected)
    }

    /// What must come back, without the header that transport mode keeps.
    fn returned(&self) -> Vec<u8> {
        if !self.afrg.compresses_inner() {
            return self.protected().1.to_vec();
        }
        let whole = returned(self);
        whole[whole.len() - self.protected().1.len()..].to_vec()
    }
}

type Restoring = Result<Restored, DropReason>;

fn joined(restored: &Restored, iipc: &[u8]) -> Vec<u8> {
    [restored.header(), &iipc[restored.residue_len..]].concat()
}

/// Octets of a trailer's worth.
fn padded(form: &Form, payload: usize) -> usize {
    payload + form.padding_len(payload, 0).unwrap() + form.len()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_accepted_comes_back(way in way()) {
        let context = way.context();
        if let Ok(elided) = way.compress(&context) {
            let iipc = way.iipc(&elided);
            let outer = context.outer_fields(&way.packet, way.plain);
            let restored = way.restore(&context, &iipc, &outer);
            prop_assert!(restored.is_ok(), "{restored:?}");
            prop_assert_eq!(joined(&restored.unwrap(), &iipc), way.returned());
        }
    }

    #[test]
    fn accepted_is_what_the_text_lets_through(way in way()) {
        let context = way.context();
        let compressed = way.compress(&context);
        prop_assert_eq!(compressed.is_ok(), way.fits(), "{:?}", compressed);
        if let Err(reason) = compressed {
            let of_ehc = DropReason::EhcVersion.code()..=DropReason::EhcCoverage.code();
            prop_assert!(of_ehc.contains(&reason.code()), "{:?}", reason);
        }
    }

    #[test]
    fn refused_is_what_would_not_come_back(way in way()) {
        let guarded = way.compress(&way.context());
        let context = way.unguarded();
        match way.compress(&context) {
            // The rule alone refuses it.
            Err(_) => prop_assert!(guarded.is_err()),
            Ok(elided) => {
                let iipc = way.iipc(&elided);
                let outer = context.outer_fields(&way.packet, way.plain);
                let restored = way.restore(&context, &iipc, &outer);
                let same = restored.is_ok_and(|r| joined(&r, &iipc) == way.returned());
                prop_assert_eq!(guarded.is_ok(), same);
                if let Ok(guarded) = guarded {
                    prop_assert_eq!(guarded, elided);
                }
            }
        }
    }

    #[test]
    fn the_template_does_what_the_rules_do(
        way in way(), octets in prop::collection::vec(any::<u8>(), 0..120), outer in any::<[u8; 2]>(),
    ) {
        let (context, rules) = (way.context(), way.context().by_rules());
        for (context, rules) in [(context, rules), (way.unguarded(), way.unguarded().by_rules())] {
            let elided = way.compress(&context);
            prop_assert_eq!(&elided, &way.compress(&rules));
            let [traffic_class, hop_limit] = outer;
            let outer = OuterFields { traffic_class, hop_limit, ..way.plain };
            prop_assert_eq!(
                context.outer_fields(&way.packet, outer),
                rules.outer_fields(&way.packet, outer)
            );
            let sent = elided.map_or(octets.clone(), |elided| way.iipc(&elided));
            let mut given = vec![octets.clone(), sent];
            if octets.len() % 16 == 0 {
                // Around the most that a length field holds.
                given.push(vec![0x5a; 65_480 + octets.len()]);
            }
            for iipc in &given {
                prop_assert_eq!(
                    way.restore(&context, iipc, &outer),
                    way.restore(&rules, iipc, &outer)
                );
            }
        }
    }

    #[test]
    fn it_is_never_longer_than_plain_esp(way in way(), block in prop::sample::select(vec![1, 8, 16])) {
        let context = way.context();
        if let (Ok(elided), true) = (way.compress(&context), way.afrg.alignment != Alignment::Bits64) {
            let (_, protected) = way.protected();
            let sent = padded(&context.trailer(block), way.iipc(&elided).len());
            let plain = padded(&Form::whole(block.max(4)), protected.len());
            prop_assert!(context.header_len() + sent <= 8 + plain);
            let (header, residue) = context.header_and_residue(way.protected().0.protocol);
            prop_assert_eq!((header, residue), (elided.header_len, elided.residue.octets().len()));
            prop_assert!(header - residue <= context.most_growth());
        }
    }

    #[test]
    fn the_sizes_are_those_of_the_text(way in way(), block in prop::sample::select(vec![1, 8, 16])) {
        let context = way.context();
        let (pad_length, next_header, align) = trailer(&way, block);
        let form = context.trailer(block);
        prop_assert_eq!((usize::from(form.pad_length), usize::from(form.next_header)), (pad_length, next_header));
        let cte = padded(&form, way.packet.len());
        prop_assert!(cte.is_multiple_of(align) && cte < way.packet.len() + pad_length + next_header + align);
        let lsb = way.afrg.esp_spi_lsb + way.afrg.esp_sn_lsb;
        prop_assert_eq!(context.header_len() * 8, usize::from(lsb));
        let bits = match way.afrg.compresses_inner() {
            true => residue_bits(&way, way.protected().0.protocol),
            false => 0,
        };
        if let Ok(elided) = way.compress(&context) {
            prop_assert_eq!(elided.residue.bits(), usize::try_from(bits).unwrap());
        }
    }

    #[test]
    fn any_octets_are_a_packet_or_refused(
        way in way(), octets in prop::collection::vec(any::<u8>(), 0..150), block in 1usize..17,
    ) {
        let way = way.named();
        let context = way.context();
        let payload = match context.trailer(block).read(&octets) {
            Ok(trailer) => &octets[..trailer.payload_len],
            Err(reason) => {
                prop_assert!(matches!(reason, DropReason::Malformed | DropReason::BadPadding));
                &octets
            }
        };
        for len in 0..=payload.len() {
            let iipc = &payload[..len];
            match way.restore(&context, iipc, &way.plain) {
                Ok(restored) => again(&way, &context, iipc, &restored)?,
                Err(reason) => prop_assert!(matches!(
                    reason,
                    DropReason::EhcResidue | DropReason::EhcMapping | DropReason::BadInner
                ), "{:?}", reason),
            }
        }
    }

    #[test]
    fn a_number_within_reach_is_found(
        lsb in 0u8..=32, top in any::<u64>(), window in 0u64..5000, esn in any::<bool>(), ahead in any::<u64>(),
    ) {
        let last = if esn { u64::MAX } else { u32::MAX.into() };
        let top = top % last;
        // Digest section 8.2.
        let late = window.min(if lsb == 0 { 0 } else { 1 << (lsb - 1) });
        let low = (top + 1).saturating_sub(late).max(1);
        let reach = (1u64 << lsb) - 1;
        let sn = Sn64(low.saturating_add(ahead % (reach + 1)).min(last));
        let received = u32::try_from(sn.low_bits(lsb)).unwrap();
        prop_assert_eq!(reconstruct((received, lsb), Sn64(top), window, esn), Ok(sn));
    }

    #[test]
    fn the_header_shows_the_bits_that_are_read(way in way(), sn in any::<u64>(), rest in any::<[u8; 2]>()) {
        let context = way.context();
        let header = context.header(Sn64(sn));
        prop_assert_eq!(header.octets().len(), context.header_len());
        let esp = [header.octets(), &rest].concat();
        prop_assert!(context.shows_spi(&esp));
        let lsb = way.afrg.esp_sn_lsb;
        prop_assert_eq!(context.received_sn(&esp).map(u64::from), Some(Sn64(sn).low_bits(lsb)));
        if let Some(cut) = header.octets().len().checked_sub(1).filter(|_| lsb > 0) {
            prop_assert_eq!(context.received_sn(&esp[..cut]), None);
        }
        if way.afrg.esp_spi_lsb > 0 {
            let mut other = esp.clone();
            other[0] ^= 0x80;
            prop_assert!(!context.shows_spi(&other));
        }
    }
}

/// The properties would hold of packets that are all refused, too.
#[test]
fn what_is_drawn_is_of_every_sort() {
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut refused, mut templates, mut transport) = (0, 0, 0, 0);
    for _ in 0..1000 {
        let way = way().new_tree(&mut runner).unwrap().current();
        let context = way.context();
        match way.compress(&context) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
        transport += usize::from(way.transport());
        let udp = way.afrg.selector.protocol == Some(17) && !way.transport();
        templates += usize::from(udp && context.header_and_residue(17) == (48, 0));
    }
    for (sort, count) in [
        ("accepted", accepted),
        ("refused", refused),
        ("template", templates),
        ("transport", transport),
    ] {
        assert!(count >= 100, "{sort}: {count} of 1000");
    }
}

/// What was rebuilt fits, and is compressed to what it was rebuilt from.
fn again(
    way: &Way,
    context: &Context,
    iipc: &[u8],
    restored: &Restored,
) -> Result<(), TestCaseError> {
    prop_assert!(restored.residue_len <= iipc.len());
    let rebuilt = joined(restored, iipc);
    let mut same = way.clone();
    if way.transport() {
        let kept = way.packet.len() - way.protected().1.len();
        same.packet.truncate(kept);
        same.packet.extend(&rebuilt);
    } else {
        same.packet = rebuilt;
    }
    let generated = way.afrg.flow_label_cda == FlowLabelCda::Generated;
    // What the outer header says need not be what an SA of 2019 sends.
    let fixed = way.afrg.profile == Profile::Ehc2019 || generated;
    match same.compress(context) {
        Ok(elided) => {
            let bits = elided.residue.bits();
            let sent = |octets: &[u8], at| octets[at / 8] >> (7 - at % 8) & 1;
            let octets = elided.residue.octets();
            prop_assert!((0..bits).all(|at| sent(octets, at) == sent(iipc, at)));
            prop_assert_eq!(&same.iipc(&elided)[octets.len()..], &iipc[octets.len()..]);
        }
        Err(reason) => prop_assert!(fixed, "{:?}", reason),
    }
    Ok(())
}
