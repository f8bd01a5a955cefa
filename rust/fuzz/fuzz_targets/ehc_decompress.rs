//! Any attributes with any octets: as what an authentic peer sends they are a
//! packet or refused, as a packet they come back or are refused; with the template
//! of an SA and by the rules alone.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, DscpList, EcnCda, Elided, EspTrailer, FlowLabelCda,
    IipcProfile, OuterFields, Profile, Pseudo, Restored, reconstruct,
};
use sprat_core::error::DropReason;
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::wire::ip::Version;

const UDP: u8 = 17;
const UDP_LITE: u8 = 136;

/// Takes the input apart; past its end everything is 0.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn octet(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.octet())
    }

    fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.octets())
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.octet()) % all.len()]
    }

    fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    fn addresses(&mut self, v6: bool) -> AddrRange {
        let more = self.octet();
        if more == 255 {
            return AddrRange::Any;
        }
        let first: [u8; 16] = self.octets();
        let mut last = first;
        // The bits of one octet differ: any length of what both ends share.
        last[usize::from(more) % 16] |= self.octet();
        let end = |octets: [u8; 16]| match v6 {
            true => IpAddr::from(octets),
            false => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        };
        AddrRange::range(end(first), end(last)).unwrap_or(AddrRange::Any)
    }

    fn ports(&mut self) -> PortRange {
        let [a, b, c, d] = self.octets();
        let (first, last) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        match (first, last) {
            (u16::MAX, 0) => PortRange::Opaque,
            (first, last) if first <= last => PortRange::Range { first, last },
            _ => PortRange::Any,
        }
    }

    fn afrg(&mut self) -> Afrg {
        let v6 = self.flag();
        let version = if v6 { Version::V6 } else { Version::V4 };
        let selector = Selector {
            source: self.addresses(v6),
            destination: self.addresses(v6),
            protocol: Some(self.octet()).filter(|protocol| *protocol != 0),
            source_ports: self.ports(),
            destination_ports: self.ports(),
        };
        let mut afrg = Afrg::new(version, selector);
        afrg.profile = self.one_of(Profile::ALL);
        afrg.iipc_profile = self.one_of(IipcProfile::ALL);
        afrg.dscp_cda = self.one_of(DscpCda::ALL);
        afrg.ecn_cda = self.one_of(EcnCda::ALL);
        afrg.flow_label_cda = self.one_of(FlowLabelCda::ALL);
        let len = usize::from(self.octet() % 8);
        let values: Vec<u8> = (0..len).map(|_| self.octet()).collect();
        afrg.dscp_list = DscpList::new(&values).unwrap_or(DscpList::EMPTY);
        afrg.alignment = self.one_of(Alignment::ALL);
        afrg.esp_trailer = self.one_of(EspTrailer::ALL);
        afrg.esp_spi_lsb = self.octet() % 40;
        afrg.esp_sn_lsb = self.octet() % 40;
        afrg.outer_id = self.flag();
        afrg.hardened = self.flag();
        afrg.guard = self.flag();
        afrg.ehc2019.udplite_whole = self.flag();
        afrg.ehc2019.tcp_options = self.flag();
        afrg.ehc2019.tcp_urgent = self.flag();
        afrg
    }
}

/// One SA with and without its template, and what comes with the packet.
struct Sa {
    context: Context,
    rules: Context,
    outer: OuterFields,
    pseudo: Pseudo,
    label: u32,
}

impl Sa {
    fn compress(&self, octets: &[u8]) -> Result<Elided, DropReason> {
        let by = |context: &Context| match context.outer() {
            Some(_) => context.compress_packet(octets),
            None => context.compress_segment(octets, &self.pseudo),
        };
        let elided = by(&self.context);
        assert_eq!(elided, by(&self.rules));
        elided
    }

    fn restore(&self, iipc: &[u8], outer: &OuterFields) -> Result<Restored, DropReason> {
        let by = |context: &Context| match context.outer() {
            Some(_) => context.restore_packet(iipc, outer, (Sn64(1), &|_| self.label)),
            None => context.restore_segment(iipc, &self.pseudo),
        };
        let restored = by(&self.context);
        assert_eq!(restored, by(&self.rules));
        if let Err(reason) = restored {
            let known = [
                DropReason::EhcResidue,
                DropReason::EhcMapping,
                DropReason::BadInner,
            ];
            assert!(known.contains(&reason), "{reason:?}");
        }
        restored
    }

    /// The packet at the other end, if it is taken.
    fn trip(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let octet = |at: usize| packet.get(at).map_or(0, |octet| u32::from(*octet));
        self.label = match self.context.afrg().ip_version {
            Some(Version::V4) => octet(4) << 8 | octet(5),
            _ => octet(1) << 16 | octet(2) << 8 | octet(3),
        };
        let elided = self.compress(packet).ok()?;
        let iipc = [elided.residue.octets(), &packet[elided.header_len..]].concat();
        let outer = self.context.outer_fields(packet, self.outer);
        let restored = self.restore(&iipc, &outer).expect("what was sent is read");
        assert_eq!(restored.residue_len, elided.residue.octets().len());
        assert_eq!(restored.header().len(), elided.header_len);
        Some([restored.header(), &iipc[restored.residue_len..]].concat())
    }

    /// Where the transport header of a packet stands, and whose it is.
    fn transport(&self, packet: &[u8]) -> (usize, u8) {
        match (self.context.outer(), self.context.afrg().ip_version) {
            (None, _) => (0, self.pseudo.protocol),
            (_, Some(Version::V4)) => (20, packet[9]),
            _ => (40, packet[6]),
        }
    }

    /// The exceptions of digest section 11 made equal in both.
    fn forgive(&self, sent: &mut [u8], back: &mut [u8]) {
        let afrg = self.context.afrg();
        if !afrg.compresses_inner() {
            return;
        }
        let label = afrg.flow_label_cda == FlowLabelCda::Lower && afrg.outer_id;
        let v4 = self.context.outer() == Some(Version::V4);
        if label && v4 && afrg.ip_version == Some(Version::V6) {
            sent[1] &= 0xf0;
            back[1] &= 0xf0;
        }
        let (at, protocol) = self.transport(sent);
        let zero = |from: usize| sent.get(at + from..at + from + 2) == Some(&[0, 0][..]);
        let lost = match protocol {
            UDP if zero(6) => at + 6..at + 8,
            UDP_LITE if zero(4) => at + 4..at + 8,
            _ => return,
        };
        if let (Some(sent), Some(back)) = (sent.get_mut(lost.clone()), back.get_mut(lost)) {
            sent.copy_from_slice(back);
        }
    }
}

fn sa(source: &mut Source<'_>) -> Option<Sa> {
    let afrg = source.afrg();
    let outer = source.one_of(&[None, Some(Version::V4), Some(Version::V6)]);
    let carried = Carried {
        spi: Spi(source.word()),
        outer,
        udp: source.flag(),
    };
    let context = Context::new(afrg, &carried).ok()?;
    let v6 = afrg.ip_version == Some(Version::V6);
    let end: [u8; 16] = source.octets();
    let end = match v6 {
        true => IpAddr::from(end),
        false => IpAddr::from([end[0], end[1], end[2], end[3]]),
    };
    let version = outer.unwrap_or(Version::V6);
    let most = if version == Version::V4 {
        0xffff
    } else {
        0xf_ffff
    };
    Some(Sa {
        rules: context.clone().by_rules(),
        context,
        outer: OuterFields {
            version,
            traffic_class: source.octet(),
            hop_limit: source.octet(),
            flow: source.word() & most,
        },
        pseudo: Pseudo {
            source: end,
            destination: end,
            protocol: afrg.selector.protocol.unwrap_or(source.octet()),
        },
        label: source.word(),
    })
}

/// Header, number and trailer of a received packet.
fn receive<'a>(
    sa: &Sa,
    esp: &'a [u8],
    numbers: (u64, u64, bool),
    block: usize,
) -> Option<&'a [u8]> {
    let lsb = sa.context.afrg().esp_sn_lsb;
    sa.context.shows_spi(esp);
    let received = sa.context.received_sn(esp)?;
    let (top, window, esn) = numbers;
    if let Ok(sn) = reconstruct((received, lsb), Sn64(top), window, esn) {
        assert_eq!(sn.low_bits(lsb), u64::from(received));
        let header = sa.context.header(sn);
        assert_eq!(sa.context.received_sn(header.octets()), Some(received));
    }
    let clear = esp.get(sa.context.header_len()..)?;
    let trailer = sa.context.trailer(block).read(clear).ok()?;
    clear.get(..trailer.payload_len)
}

fuzz_target!(|octets: &[u8]| {
    let mut source = Source(octets);
    let Some(mut sa) = sa(&mut source) else {
        return;
    };
    let numbers = (
        u64::from(source.word()) << 32 | u64::from(source.word()),
        u64::from(source.word()),
        source.flag(),
    );
    let block = source.one_of(&[1, 8, 16]);
    let data = source.0;
    let iipc = receive(&sa, data, numbers, block).unwrap_or(data);
    if let Ok(restored) = sa.restore(iipc, &sa.outer) {
        assert!(restored.residue_len <= iipc.len());
        let packet = [restored.header(), &iipc[restored.residue_len..]].concat();
        // What was rebuilt, if it is taken, comes back as it is: nothing in it is
        // left to be made right.
        if sa.context.afrg().guard
            && let Some(back) = sa.trip(&packet)
        {
            let (mut packet, mut back) = (packet, back);
            sa.forgive(&mut packet, &mut back);
            assert_eq!(packet, back);
        }
    }
    let sent = data.to_vec();
    let back = sa.trip(&sent);
    if let (Some(mut back), true) = (back, sa.context.afrg().guard) {
        let mut sent = sent;
        sa.forgive(&mut sent, &mut back);
        assert_eq!(sent, back);
    }
});
