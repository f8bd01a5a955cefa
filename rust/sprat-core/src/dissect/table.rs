//! The SAs that an analyser knows.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::crypto::{EspSuite, Suite};
use crate::diet_esp::Context;
use crate::error::DropReason;
use crate::num::{Sn64, Spi};
use crate::schc::bits_at;
use crate::selector::AddrRange;
use crate::wire::udp::Encapsulated;

use super::esp::{Encap, HEADER, Input};
use super::field::Field;
use super::span::{Sink, SinkExt};

/// What is known of the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaMode {
    /// Concluded from Next Header.
    Any,
    /// ESP between the IP header and the upper layer.
    Transport,
    /// ESP around a whole IP packet: any other Next Header is wrong.
    Tunnel,
}

/// How the packets of an SA are compressed (Diet-ESP).
pub struct Compression {
    /// The rules.
    pub context: Context,
    /// Packets that may come late where anti-replay is off: what the missing bits
    /// of the Sequence Number are inferred with.
    pub reorder: u16,
}

/// One SA, as far as looking at its packets needs it.
pub struct Sa {
    /// What the user calls it; may be empty.
    pub name: String,
    /// Its SPI.
    pub spi: Spi,
    /// Source addresses it is for.
    pub source: AddrRange,
    /// Destination addresses it is for.
    pub destination: AddrRange,
    /// Its mode.
    pub mode: SaMode,
    /// 64-bit sequence numbers.
    pub esn: bool,
    /// Where the numbers of the capture begin, about: gives the high half.
    pub sequence_start: Option<Sn64>,
    /// Anti-replay window in packets; 0 = off.
    pub window: u16,
    /// The transforms with their keys.
    pub suite: Suite,
    /// Diet-ESP, where the SA uses it.
    pub ehc: Option<Box<Compression>>,
}

impl Sa {
    /// Octets in front of the IV.
    pub(super) fn header_len(&self) -> usize {
        let ehc = self.ehc.as_ref();
        ehc.map_or(HEADER, |ehc| ehc.context.header_len())
    }

    /// What its encrypted octets are a multiple of for the cipher's sake; 1 where
    /// only ESP wants an alignment, as far as that is compressed.
    pub(super) fn block(&self) -> usize {
        match (self.suite.pad_align(), &self.ehc) {
            (..=4, Some(_)) => 1,
            (align, _) => align,
        }
    }

    /// How narrow its addresses are: the narrowest SA that fits is taken.
    fn rank(&self) -> (u32, u32) {
        (narrowness(self.destination), narrowness(self.source))
    }

    fn fits(&self, source: Option<IpAddr>, destination: Option<IpAddr>) -> bool {
        let inside = |range: &AddrRange, address: Option<IpAddr>| match address {
            Some(address) => range.contains(address),
            None => *range == AddrRange::Any,
        };
        inside(&self.source, source) && inside(&self.destination, destination)
    }
}

/// Leading bits that all addresses of a range share, plus 1; 0 for any address.
fn narrowness(range: AddrRange) -> u32 {
    match range {
        AddrRange::Any => 0,
        AddrRange::Range { first, last } => match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) => 1 + (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => 1 + (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => 0,
        },
    }
}

/// What a packet is to an analyser with these SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// IKE or a keepalive beside ESP: for other dissectors.
    Other,
    /// Cannot be ESP.
    Malformed,
    /// ESP of an SA that is not in the table.
    NoSa(Spi),
    /// ESP of the SA with this index.
    Esp(usize),
}

/// All SAs, found by SPI in a time that does not depend on their number.
#[derive(Default)]
pub struct Table {
    sas: Vec<Sa>,
    by_spi: BTreeMap<u32, Vec<usize>>,
    /// Compressed SAs by the number of SPI bits that they show, then those bits.
    by_bits: BTreeMap<u8, BTreeMap<u32, Vec<usize>>>,
}

impl Table {
    /// A table without an SA.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an SA. Of two that fit a packet equally well the first one is taken.
    pub fn add(&mut self, sa: Sa) {
        let like_it = match &sa.ehc {
            None => self.by_spi.entry(sa.spi.0).or_default(),
            Some(ehc) => {
                let shown = ehc.context.afrg().esp_spi_lsb;
                let of_width = self.by_bits.entry(shown).or_default();
                of_width.entry(sa.spi.low_bits(shown)).or_default()
            }
        };
        let rank = sa.rank();
        let sas = &self.sas;
        let place = like_it.partition_point(|i| sas.get(*i).is_some_and(|s| s.rank() >= rank));
        like_it.insert(place, sas.len());
        self.sas.push(sa);
    }

    /// Whether an SA of the table is compressed.
    pub fn compresses(&self) -> bool {
        !self.by_bits.is_empty()
    }

    /// Number of SAs.
    pub fn len(&self) -> usize {
        self.sas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sas.is_empty()
    }

    /// The SA with this index.
    pub fn sa(&self, index: usize) -> Option<&Sa> {
        self.sas.get(index)
    }

    /// Finds the SA of a packet.
    pub fn classify(&self, input: &Input<'_>) -> Class {
        if input.encap != Encap::Ip {
            match Encapsulated::classify(input.octets) {
                Encapsulated::Keepalive | Encapsulated::Ike => return Class::Other,
                Encapsulated::Short => return Class::Malformed,
                Encapsulated::Esp => {}
            }
        }
        let Some(spi) = input.spi() else {
            return Class::Malformed;
        };
        let found = self.plain(spi, input);
        match found.or_else(|| self.compressed(input).next()) {
            Some(index) => Class::Esp(index),
            None => Class::NoSa(spi),
        }
    }

    /// Every SA that the packet can be of, that which shows most SPI bits first.
    /// Only an ICV tells which it is of.
    pub fn candidates(&self, input: &Input<'_>) -> impl Iterator<Item = usize> {
        let plain = input.spi().and_then(|spi| self.plain(spi, input));
        plain.into_iter().chain(self.compressed(input))
    }

    fn plain(&self, spi: Spi, input: &Input<'_>) -> Option<usize> {
        let of_spi = self.by_spi.get(&spi.0)?;
        of_spi.iter().copied().find(|i| self.fits(*i, input))
    }

    fn compressed(&self, input: &Input<'_>) -> impl Iterator<Item = usize> {
        let by_bits = self.by_bits.iter().rev().flat_map(move |(shown, sas)| {
            let bits = bits_at(input.octets, 0, usize::from(*shown));
            let of_bits = bits.and_then(|bits| sas.get(&bits));
            of_bits.map_or(&[][..], Vec::as_slice).iter().copied()
        });
        by_bits.filter(move |i| self.fits(*i, input))
    }

    fn fits(&self, index: usize, input: &Input<'_>) -> bool {
        let sa = self.sas.get(index);
        sa.is_some_and(|sa| sa.fits(input.source, input.destination))
    }
}

impl Class {
    /// Why a receiver would drop a packet of this class unseen.
    pub fn reason(self) -> Option<DropReason> {
        match self {
            Class::Malformed => Some(DropReason::Malformed),
            Class::NoSa(_) => Some(DropReason::NoSa),
            Class::Other | Class::Esp(_) => None,
        }
    }

    /// Shows a packet that no SA is known for.
    pub fn show<S: Sink + ?Sized>(self, sink: &mut S) {
        if let Class::NoSa(spi) = self {
            sink.number(Field::Spi, 0, 4, spi.0.into());
        }
        if let Some(reason) = self.reason() {
            sink.refusal(reason);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::crypto::{Encr, Integ, Keys};
    use alloc::string::ToString;

    /// No encryption, so that what is sealed can be read in a test.
    pub fn sa(spi: u32) -> Sa {
        with(spi, Encr::Null, Integ::HmacSha1_96)
    }

    /// Keys of nothing but 0x11, a salt of 0xaa.
    pub fn with(spi: u32, encr: Encr, integ: Integ) -> Sa {
        let keys = Keys {
            encr_key: &[0x11; 32][..encr.key_lens()[0]],
            salt: &[0xaa; 4][..encr.salt_len()],
            integ_key: &[0x11; 64][..integ.key_len()],
        };
        Sa {
            name: "toy".to_string(),
            spi: Spi(spi),
            source: AddrRange::Any,
            destination: AddrRange::Any,
            mode: SaMode::Any,
            esn: false,
            sequence_start: None,
            window: 64,
            suite: Suite::new(encr, integ, &keys).unwrap(),
            ehc: None,
        }
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn class(table: &Table, octets: &[u8], encap: Encap, ends: (u8, u8)) -> Class {
        table.classify(&Input {
            octets,
            reported: octets.len(),
            source: Some(v4(ends.0)),
            destination: Some(v4(ends.1)),
            encap,
            fragment: false,
            quoted: false,
            before: &[],
        })
    }

    #[test]
    fn the_narrowest_sa_wins_then_the_first() {
        let mut table = Table::new();
        let ends = [
            (None, None),
            (Some(1), None),
            (None, Some(2)),
            (Some(1), Some(2)),
            (None, Some(2)),
        ];
        for (source, destination) in ends {
            let range = |end: Option<u8>| end.map_or(AddrRange::Any, |e| AddrRange::single(v4(e)));
            table.add(Sa {
                source: range(source),
                destination: range(destination),
                ..sa(256)
            });
        }
        let packet = [0, 0, 1, 0, 9];
        let found = |ends| class(&table, &packet, Encap::Ip, ends);
        assert_eq!(found((1, 2)), Class::Esp(3));
        assert_eq!(found((9, 2)), Class::Esp(2));
        assert_eq!(found((1, 9)), Class::Esp(1));
        assert_eq!(found((8, 9)), Class::Esp(0));
        assert_eq!(
            class(&table, &[0, 0, 1, 1], Encap::Ip, (1, 2)),
            Class::NoSa(Spi(257))
        );
    }

    #[test]
    fn a_longer_prefix_is_narrower() {
        let mut table = Table::new();
        for bits in [8, 32, 24] {
            table.add(Sa {
                destination: AddrRange::prefix(v4(2), bits).unwrap(),
                ..sa(256)
            });
        }
        let found = |ends| class(&table, &[0, 0, 1, 0, 9], Encap::Ip, ends);
        assert_eq!(found((1, 2)), Class::Esp(1));
        assert_eq!(found((1, 3)), Class::Esp(2));
    }

    #[test]
    fn udp_carries_ike_and_keepalives_too() {
        let table = Table::new();
        let of = |octets: &[u8], encap| class(&table, octets, encap, (1, 2));
        assert_eq!(of(&[0xff], Encap::Udp), Class::Other);
        assert_eq!(of(&[0xff], Encap::Ip), Class::Malformed);
        assert_eq!(of(&[0, 0, 0, 0, 1], Encap::Udp), Class::Other);
        assert_eq!(of(&[0, 0, 0, 0], Encap::Ip), Class::NoSa(Spi(0)));
        assert_eq!(of(&[1, 2, 3], Encap::Udp), Class::Malformed);
        assert_eq!(of(&[], Encap::Udp), Class::Malformed);
        assert_eq!(Class::Malformed.reason(), Some(DropReason::Malformed));
    }
}
