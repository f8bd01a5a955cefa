//! What is made once from the attributes of an SA.

use core::net::IpAddr;

use super::afrg::{Afrg, Carried, ContextError, Profile};
use super::template::Template;
use super::{ctec, eec, rules};
use crate::num::Spi;
use crate::schc::{Cda, Descriptor, Fid, Mo, Tv};
use crate::selector::{AddrRange, PortRange};
use crate::wire::ip::{Version, proto};

/// The leading bits that all values of a range share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    octets: [u8; 16],
    bits: u8,
}

impl Shared {
    fn new(first: &[u8], last: &[u8]) -> Self {
        let mut octets = [0; 16];
        let mut bits = 0;
        let mut differ = false;
        for ((to, a), b) in octets.iter_mut().zip(first).zip(last) {
            *to = *a;
            if !differ {
                let equal = (a ^ b).leading_zeros();
                bits += u8::try_from(equal).unwrap_or(8);
                differ = equal < 8;
            }
        }
        Shared { octets, bits }
    }

    fn of_addresses(range: &AddrRange, of_ranges: bool) -> Self {
        match range {
            AddrRange::Any => Shared::new(&[], &[]),
            AddrRange::Range { first, last } if first != last && !of_ranges => {
                Shared::new(&[], &[])
            }
            AddrRange::Range { first, last } => match (first, last) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    Shared::new(&first.octets(), &last.octets())
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    Shared::new(&first.octets(), &last.octets())
                }
                _ => Shared::new(&[], &[]),
            },
        }
    }

    fn of_ports(range: &PortRange, of_ranges: bool) -> Self {
        match range {
            PortRange::Any | PortRange::Opaque => Shared::new(&[], &[]),
            PortRange::Range { first, last } if first != last && !of_ranges => {
                Shared::new(&[], &[])
            }
            PortRange::Range { first, last } => {
                Shared::new(&first.to_be_bytes(), &last.to_be_bytes())
            }
        }
    }

    /// MSB and LSB; a single value is not sent, anything is sent whole.
    pub(super) fn rule(&self, field: u8) -> (Tv<'_>, Mo, Cda) {
        let octets = self.octets.get(..usize::from(field / 8)).unwrap_or(&[]);
        match self.bits {
            0 => (Tv::None, Mo::Ignore, Cda::ValueSent),
            bits if bits >= field => (Tv::Octets(octets), Mo::Equal, Cda::NotSent),
            bits => (Tv::Octets(octets), Mo::Msb(bits), Cda::Lsb),
        }
    }
}

/// Which of the three compressors a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stratum {
    /// Inner IP Compression.
    Iipc = 0,
    /// Clear Text ESP Compression.
    Ctec = 1,
    /// Encrypted ESP Compression.
    Eec = 2,
}

/// The compression context of one SA, for either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    afrg: Afrg,
    spi: Spi,
    outer: Option<Version>,
    source: Shared,
    destination: Shared,
    source_port: Shared,
    destination_port: Shared,
    outer_ecn: bool,
    outer_flow: bool,
    template: Option<Template>,
    growth: usize,
}

impl Context {
    /// The context for these attributes.
    pub fn new(afrg: Afrg, carried: &Carried) -> Result<Self, ContextError> {
        afrg.validate(carried)?;
        let selector = &afrg.selector;
        // The texts of 2016-2019 know single values and "Unspecified".
        let of_ranges = afrg.profile != Profile::Ehc2019;
        let mut context = Context {
            spi: carried.spi,
            outer: carried.outer,
            source: Shared::of_addresses(&selector.source, of_ranges),
            destination: Shared::of_addresses(&selector.destination, of_ranges),
            source_port: Shared::of_ports(&selector.source_ports, of_ranges),
            destination_port: Shared::of_ports(&selector.destination_ports, of_ranges),
            afrg,
            outer_ecn: false,
            outer_flow: false,
            template: None,
            growth: 0,
        };
        context.outer_ecn = context.takes_from_outer(&[Fid::Ecn]);
        context.outer_flow = context.takes_from_outer(&[Fid::FlowLabel, Fid::Identification]);
        context.template = Template::of(&context);
        context.growth = context.growth_by_rules();
        Ok(context)
    }

    /// The attributes.
    pub fn afrg(&self) -> &Afrg {
        &self.afrg
    }

    /// The SPI in full.
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// IP version of the outer header; `None` in transport mode.
    pub fn outer(&self) -> Option<Version> {
        self.outer
    }

    /// Whether the rule leaves one of these fields to the outer header.
    fn takes_from_outer(&self, fields: &[Fid]) -> bool {
        let mut found = false;
        self.rule(Stratum::Iipc, 0, 1)
            .for_each(|d| found |= d.cda == Cda::Lower && fields.contains(&d.fid));
        found
    }

    /// Whether the inner ECN field is the outer one.
    pub fn outer_ecn(&self) -> bool {
        self.outer_ecn
    }

    /// Whether the outer Flow Label or Identification carries the inner one.
    pub fn outer_flow(&self) -> bool {
        self.outer_flow
    }

    /// Whether the receiver computes the checksum of `protocol`.
    pub(crate) fn computes_checksum(&self, protocol: u8) -> bool {
        self.afrg.compresses_inner()
            && rules::transport(self, protocol).any(|d| d.cda == Cda::Checksum)
    }

    pub(super) fn source(&self) -> &Shared {
        &self.source
    }

    pub(super) fn destination(&self) -> &Shared {
        &self.destination
    }

    pub(super) fn source_port(&self) -> &Shared {
        &self.source_port
    }

    pub(super) fn destination_port(&self) -> &Shared {
        &self.destination_port
    }

    pub(super) fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    /// The same context by its rules alone, without the template that stands in
    /// for them: both must do the same to every packet.
    #[must_use]
    pub fn by_rules(mut self) -> Self {
        self.template = None;
        self
    }

    /// Octets of compressed ESP header: SPI and SN bits.
    pub fn header_len(&self) -> usize {
        usize::from((self.afrg.esp_spi_lsb + self.afrg.esp_sn_lsb) / 8)
    }

    /// The rule of one compressor, for inner packets whose IP header names
    /// `protocol` (with a single protocol in the selector that one counts). The
    /// rule of CTEC depends on the `block` of the cipher, octets.
    pub fn rule(&self, stratum: Stratum, protocol: u8, block: usize) -> Rule<'_> {
        Rule {
            context: self,
            stratum,
            protocol: self.afrg.selector.protocol.unwrap_or(protocol),
            block,
        }
    }

    /// Whether the rule can be chosen only with the packet's own protocol.
    pub fn protocol_is_any(&self) -> bool {
        self.afrg.selector.protocol.is_none()
    }

    /// Most octets by which a packet grows when it is restored.
    pub fn most_growth(&self) -> usize {
        self.growth
    }

    /// The same by the rules: once for an SA, not for each packet.
    fn growth_by_rules(&self) -> usize {
        if !self.afrg.compresses_inner() {
            return 0;
        }
        let growth = |protocol| self.header_and_residue(protocol);
        let of = |protocol| {
            let (header, residue) = growth(protocol);
            header.saturating_sub(residue)
        };
        match self.afrg.selector.protocol {
            Some(protocol) => of(protocol),
            None => [
                proto::UDP,
                proto::UDP_LITE,
                proto::TCP,
                proto::SCTP,
                proto::NO_NEXT,
            ]
            .into_iter()
            .map(of)
            .max()
            .unwrap_or(0),
        }
    }

    /// Octets of the headers that the rule for `protocol` covers, and of its
    /// residue.
    pub fn header_and_residue(&self, protocol: u8) -> (usize, usize) {
        let rule = self.rule(Stratum::Iipc, protocol, 1);
        let (mut header, mut residue) = (0usize, 0usize);
        rule.for_each(|d| {
            header += usize::from(d.bits);
            residue += usize::from(d.residue_bits());
        });
        (header / 8, residue.div_ceil(8))
    }
}

/// A rule, to be listed.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    context: &'a Context,
    stratum: Stratum,
    protocol: u8,
    block: usize,
}

impl<'a> Rule<'a> {
    /// Calls `each` with every descriptor in packet order.
    pub fn for_each(&self, mut each: impl FnMut(Descriptor<'a>)) {
        let context = self.context;
        match self.stratum {
            Stratum::Iipc if !context.afrg.compresses_inner() => {}
            Stratum::Iipc => {
                if let (Some(_), Some(version)) = (context.outer, context.afrg.ip_version) {
                    rules::ip(context, version).for_each(&mut each);
                }
                rules::transport(context, self.protocol).for_each(&mut each);
            }
            Stratum::Ctec => ctec::rule(context, self.protocol, self.block).for_each(&mut each),
            Stratum::Eec => eec::rule(context).for_each(&mut each),
        }
    }
}
