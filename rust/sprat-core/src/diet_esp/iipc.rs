//! IIPC, Inner IP Compression: the inner headers become a residue (draft s5.1).

use core::net::IpAddr;

use super::context::Context;
use super::{guard, rules};
use crate::error::DropReason;
use crate::num::Sn64;
use crate::schc::{self, Cda, Fid, Residue, ResidueError, bits_at, put_bits};
use crate::wire::ip::{self, Version, proto, v4, v6};
use crate::wire::{finish_checksum, put, sum_words, u16_at};

/// Most octets of header that a rule covers: IPv6 and TCP without options.
pub const MAX_HEADER: usize = ip::IPV6_LEN + 20;
/// Largest value of a 16-bit length field.
const MAX_LEN: usize = 65_535;

/// What the fields of the outer header say that "lower" is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterFields {
    /// IPv4 or IPv6.
    pub version: Version,
    /// TOS or Traffic Class.
    pub traffic_class: u8,
    /// TTL or Hop Limit.
    pub hop_limit: u8,
    /// Flow Label, 20 bits; of an IPv4 header the Identification, 16 bits.
    pub flow: u32,
}

/// What a transport checksum covers besides the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudo {
    /// Source address of the IP header.
    pub source: IpAddr,
    /// Destination address of the IP header.
    pub destination: IpAddr,
    /// What the segment is.
    pub protocol: u8,
}

impl Pseudo {
    /// The sum of its words for a segment of `len` octets.
    pub(crate) fn sum(&self, len: usize) -> u32 {
        let rest = u32::from(self.protocol) + u32::try_from(len).unwrap_or(u32::MAX >> 1);
        [self.source, self.destination]
            .iter()
            .fold(rest, |sum, address| match address {
                IpAddr::V4(address) => sum_words(&address.octets(), sum),
                IpAddr::V6(address) => sum_words(&address.octets(), sum),
            })
    }
}

/// What a generator may look at.
#[derive(Clone, Copy, Debug)]
pub struct Generate<'a> {
    /// [`Fid::FlowLabel`] (20 bits wanted) or [`Fid::Identification`] (16 bits).
    pub fid: Fid,
    /// The rebuilt headers; the field wanted and the computed ones are 0.
    pub header: &'a [u8],
    /// The packet's Sequence Number.
    pub sn: Sn64,
}

/// Makes the values of `flow_label_cda` = `generated` (decision D-17).
pub type Generator<'a> = &'a dyn Fn(&Generate<'_>) -> u32;

/// A generator: the flow label is a hash of addresses, protocol and ports, never
/// 0 (RFC 6437 s2; FNV-1a); the Identification is the low half of the Sequence
/// Number, which returns as late as any value of 16 bits can (RFC 6864).
pub fn generate(wanted: &Generate<'_>) -> u32 {
    if wanted.fid == Fid::Identification {
        return wanted.sn.low() & 0xffff;
    }
    let protocol = wanted.header.get(v6::NEXT_HEADER).copied();
    let fixed = wanted.header.get(v6::SOURCE..ip::IPV6_LEN);
    let ports = match protocol {
        Some(proto::UDP | proto::TCP | proto::UDP_LITE | proto::SCTP) => {
            wanted.header.get(ip::IPV6_LEN..ip::IPV6_LEN + 4)
        }
        _ => None,
    };
    let parts = [fixed.unwrap_or(&[]), ports.unwrap_or(&[])];
    let octets = parts.into_iter().flatten().chain(protocol.iter());
    let hash = octets.fold(0x811c_9dc5u32, |hash, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    });
    (hash ^ hash >> 20) & 0xf_ffff | u32::from((hash ^ hash >> 20) & 0xf_ffff == 0)
}

/// Headers that were compressed. Nothing has been changed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elided {
    /// Octets of header that the residue stands for.
    pub header_len: usize,
    /// What is sent instead.
    pub residue: Residue,
}

/// Headers that were rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    pub(super) header: [u8; MAX_HEADER],
    pub(super) header_len: usize,
    /// Octets of residue that the header stands for.
    pub residue_len: usize,
}

impl Restored {
    /// The header; it belongs in front of what is behind the residue.
    pub fn header(&self) -> &[u8] {
        self.header.get(..self.header_len).unwrap_or(&[])
    }
}

/// The reason for a field that does not match.
fn mismatch(fid: Fid) -> DropReason {
    match fid {
        Fid::Version => DropReason::EhcVersion,
        Fid::Protocol => DropReason::EhcProtocol,
        Fid::Source | Fid::Destination => DropReason::EhcAddress,
        Fid::SourcePort | Fid::DestinationPort => DropReason::EhcPort,
        Fid::Dscp => DropReason::EhcDscp,
        Fid::FlowLabel | Fid::Identification => DropReason::EhcFlowLabel,
        _ => DropReason::EhcValue,
    }
}

fn residue_reason(error: ResidueError) -> DropReason {
    match error {
        ResidueError::Truncated => DropReason::EhcResidue,
        ResidueError::MappingIndex => DropReason::EhcMapping,
    }
}

/// Extension headers of IPv6, and AH, which stands like one.
const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        proto::HOP_BY_HOP
            | proto::ROUTING
            | proto::FRAGMENT
            | 51
            | proto::DESTINATION
            | proto::MOBILITY
            | 139
            | 140
    )
}

/// Octets of the IP header that a rule covers.
const fn ip_len(version: Version) -> usize {
    match version {
        Version::V4 => ip::IPV4_LEN,
        Version::V6 => ip::IPV6_LEN,
    }
}

impl Context {
    /// Tunnel mode: the headers of `packet`, a whole inner packet and nothing
    /// else. With `iipc_not_compressed` nothing is elided.
    ///
    /// Error: why the packet does not fit the rule or would not come back (digest
    /// section 11); it is to be sent otherwise.
    pub fn compress_packet(&self, packet: &[u8]) -> Result<Elided, DropReason> {
        if !self.afrg().compresses_inner() {
            return Ok(Elided {
                header_len: 0,
                residue: Residue::default(),
            });
        }
        match self.template() {
            Some(template) => template.compress(self, packet),
            None => self.compress_by_rules(packet),
        }
    }

    pub(super) fn compress_by_rules(&self, packet: &[u8]) -> Result<Elided, DropReason> {
        let version = self.afrg().ip_version.ok_or(DropReason::EhcVersion)?;
        let at = ip_len(version);
        let protocol = self.check_ip(packet, version)?;
        let mut residue = Residue::default();
        schc::compress(rules::ip(self, version), packet, &mut residue).map_err(|fid| {
            let extension = version == Version::V6 && is_extension(protocol);
            match mismatch(fid) {
                DropReason::EhcProtocol if extension => DropReason::EhcExtension,
                reason => reason,
            }
        })?;
        let segment = packet.get(at..).ok_or(DropReason::EhcTruncated)?;
        let pseudo = pseudo_of(packet, version, protocol).ok_or(DropReason::EhcTruncated)?;
        let transport = self.compress_transport(segment, &pseudo, &mut residue)?;
        Ok(Elided {
            header_len: at + transport,
            residue,
        })
    }

    /// Transport mode: the header of `segment`, which stands behind an IP header.
    pub fn compress_segment(&self, segment: &[u8], pseudo: &Pseudo) -> Result<Elided, DropReason> {
        let mut elided = Elided {
            header_len: 0,
            residue: Residue::default(),
        };
        if self
            .afrg()
            .selector
            .protocol
            .is_some_and(|p| p != pseudo.protocol)
        {
            let extension = pseudo.source.is_ipv6() && is_extension(pseudo.protocol);
            return Err(match extension {
                true => DropReason::EhcExtension,
                false => DropReason::EhcProtocol,
            });
        }
        if self.afrg().compresses_inner() {
            elided.header_len = self.compress_transport(segment, pseudo, &mut elided.residue)?;
        }
        Ok(elided)
    }

    fn check_ip(&self, packet: &[u8], version: Version) -> Result<u8, DropReason> {
        let first = packet.first().ok_or(DropReason::EhcTruncated)?;
        let (nibble, name_at) = match version {
            Version::V4 => (4, v4::PROTOCOL),
            Version::V6 => (6, v6::NEXT_HEADER),
        };
        if first >> 4 != nibble {
            return Err(DropReason::EhcVersion);
        }
        if packet.len() < ip_len(version) {
            return Err(DropReason::EhcTruncated);
        }
        if version == Version::V4 {
            guard::ipv4_shape(packet)?;
        }
        if self.afrg().guard {
            match version {
                Version::V4 => guard::ipv4(packet)?,
                Version::V6 => guard::ipv6(packet)?,
            }
        }
        packet.get(name_at).copied().ok_or(DropReason::EhcTruncated)
    }

    /// Returns the octets of transport header that the rule covers.
    fn compress_transport(
        &self,
        segment: &[u8],
        pseudo: &Pseudo,
        residue: &mut Residue,
    ) -> Result<usize, DropReason> {
        let len = rules::transport_len(self, pseudo.protocol);
        if segment.len() < len {
            return Err(DropReason::EhcTruncated);
        }
        let rule = rules::transport(self, pseudo.protocol);
        schc::compress(rule, segment, residue).map_err(mismatch)?;
        let computes = rules::transport(self, pseudo.protocol).any(|d| d.cda == Cda::Checksum);
        if self.afrg().guard && computes {
            guard::transport(segment, pseudo)?;
        }
        Ok(len)
    }

    /// The outer header's fields for a packet with these inner headers: what is
    /// "lower" is copied from them (decision D-18), the rest is `plain`'s.
    pub fn outer_fields(&self, packet: &[u8], plain: OuterFields) -> OuterFields {
        let mut outer = plain;
        let Some(version) = self
            .afrg()
            .ip_version
            .filter(|_| self.afrg().compresses_inner())
        else {
            return outer;
        };
        let mut at = 0;
        for d in rules::ip(self, version) {
            let value = bits_at(packet, at, usize::from(d.bits).min(32));
            at += usize::from(d.bits);
            if let (Cda::Lower, Some(value)) = (d.cda, value) {
                set_outer(&mut outer, d.fid, value);
            }
        }
        outer
    }

    /// Tunnel mode: the headers for the IIPC packet `iipc` (residue, pad bits,
    /// payload), with the outer header's fields as they arrived. Changes nothing.
    ///
    /// Errors: `EhcResidue`, `EhcMapping`; `BadInner` for a packet longer than its
    /// length field holds, or an IPv4 header that a sender refuses.
    pub fn restore_packet(
        &self,
        iipc: &[u8],
        outer: &OuterFields,
        (sn, generator): (Sn64, Generator<'_>),
    ) -> Result<Restored, DropReason> {
        let mut restored = Restored {
            header: [0; MAX_HEADER],
            header_len: 0,
            residue_len: 0,
        };
        if !self.afrg().compresses_inner() {
            return Ok(restored);
        }
        if let Some(template) = self.template() {
            return template.restore(iipc, outer);
        }
        let version = self.afrg().ip_version.ok_or(DropReason::Internal)?;
        let at = ip_len(version);
        let header = &mut restored.header;
        let (read, _) =
            schc::decompress(rules::ip(self, version), iipc, 0, header).map_err(residue_reason)?;
        let protocol = match version {
            Version::V4 => header.get(v4::PROTOCOL),
            Version::V6 => header.get(v6::NEXT_HEADER),
        };
        let protocol = *protocol.ok_or(DropReason::Internal)?;
        let (residue_bits, len) = self.restore_ports((iipc, read), protocol, header, at)?;
        restored.residue_len = residue_bits.div_ceil(8);
        restored.header_len = at + len;
        let payload = iipc
            .get(restored.residue_len..)
            .ok_or(DropReason::EhcResidue)?;
        self.fill_ip(&mut restored, payload.len(), outer, (sn, generator))?;
        let (ip, segment) = restored
            .header
            .get_mut(..at + len)
            .and_then(|header| header.split_at_mut_checked(at))
            .ok_or(DropReason::Internal)?;
        let pseudo = pseudo_of(ip, version, protocol).ok_or(DropReason::Internal)?;
        self.fill_transport(segment, payload, &pseudo)?;
        Ok(restored)
    }

    /// Transport mode: the transport header for `iipc`, in a packet whose IP header
    /// gives `pseudo`. Errors as [`Context::restore_packet`].
    pub fn restore_segment(&self, iipc: &[u8], pseudo: &Pseudo) -> Result<Restored, DropReason> {
        let mut restored = Restored {
            header: [0; MAX_HEADER],
            header_len: 0,
            residue_len: 0,
        };
        if !self.afrg().compresses_inner() {
            return Ok(restored);
        }
        let header = &mut restored.header;
        let (bits, len) = self.restore_ports((iipc, 0), pseudo.protocol, header, 0)?;
        restored.residue_len = bits.div_ceil(8);
        restored.header_len = len;
        let payload = iipc
            .get(restored.residue_len..)
            .ok_or(DropReason::EhcResidue)?;
        if len + payload.len() > MAX_LEN {
            return Err(DropReason::BadInner);
        }
        let segment = restored.header.get_mut(..len).ok_or(DropReason::Internal)?;
        self.fill_transport(segment, payload, pseudo)?;
        Ok(restored)
    }

    /// The transport header as far as the residue tells it, at `at` of `header`.
    /// Returns the bits of residue read in all and the octets of header.
    fn restore_ports(
        &self,
        (iipc, read): (&[u8], usize),
        protocol: u8,
        header: &mut [u8],
        at: usize,
    ) -> Result<(usize, usize), DropReason> {
        let space = header.get_mut(at..).ok_or(DropReason::Internal)?;
        let rule = rules::transport(self, protocol);
        let (more, bits) = schc::decompress(rule, iipc, read, space).map_err(residue_reason)?;
        if (read + more).div_ceil(8) > iipc.len() {
            return Err(DropReason::EhcResidue);
        }
        Ok((read + more, bits / 8))
    }

    /// Lengths, what the outer header tells, what is made here, and last the IPv4
    /// header checksum.
    fn fill_ip(
        &self,
        restored: &mut Restored,
        payload_len: usize,
        outer: &OuterFields,
        (sn, generator): (Sn64, Generator<'_>),
    ) -> Result<(), DropReason> {
        let version = self.afrg().ip_version.ok_or(DropReason::Internal)?;
        let total = restored.header_len + payload_len;
        let length = match version {
            Version::V4 => total,
            Version::V6 => total - ip::IPV6_LEN,
        };
        let length = u16::try_from(length).map_err(|_| DropReason::BadInner)?;
        if version == Version::V4 {
            guard::ipv4_shape(&restored.header).map_err(|_| DropReason::BadInner)?;
        }
        let mut at = 0;
        for d in rules::ip(self, version) {
            let value = match d.cda {
                Cda::Compute => Some(u32::from(length)),
                Cda::Lower => outer_value(outer, d.fid),
                Cda::Generated => Some(generator(&Generate {
                    fid: d.fid,
                    header: restored.header(),
                    sn,
                })),
                _ => None,
            };
            if let Some(value) = value {
                put_bits(&mut restored.header, at, usize::from(d.bits), value)
                    .ok_or(DropReason::Internal)?;
            }
            at += usize::from(d.bits);
        }
        if version == Version::V4 {
            let header = restored.header.get(..ip::IPV4_LEN).unwrap_or(&[]);
            let checksum = finish_checksum(sum_words(header, 0));
            put(&mut restored.header, v4::CHECKSUM, checksum.to_be_bytes())
                .map_err(|_| DropReason::Internal)?;
        }
        Ok(())
    }

    /// Lengths and checksum of the transport header `segment` in front of
    /// `payload`.
    fn fill_transport(
        &self,
        segment: &mut [u8],
        payload: &[u8],
        pseudo: &Pseudo,
    ) -> Result<(), DropReason> {
        let len = segment.len() + payload.len();
        let stated = u16::try_from(len).map_err(|_| DropReason::BadInner)?;
        let mut at = 0;
        let mut checksum = None;
        for d in rules::transport(self, pseudo.protocol) {
            match d.cda {
                Cda::Compute => put_bits(segment, at, usize::from(d.bits), u32::from(stated))
                    .ok_or(DropReason::Internal)?,
                Cda::Checksum => checksum = Some((d.fid, at / 8)),
                _ => {}
            }
            at += usize::from(d.bits);
        }
        let Some((fid, at)) = checksum else {
            return Ok(());
        };
        if fid == Fid::SctpChecksum {
            let sum = guard::crc32c(&[segment, payload]);
            return put(segment, at, sum).map_err(|_| DropReason::Internal);
        }
        // Every transport header has an even number of octets.
        let sum = sum_words(payload, sum_words(segment, pseudo.sum(len)));
        let value = match (finish_checksum(sum), fid) {
            (0, Fid::UdpChecksum | Fid::UdpLiteChecksum) => 0xffff,
            (value, _) => value,
        };
        put(segment, at, value.to_be_bytes()).map_err(|_| DropReason::Internal)
    }
}

/// Addresses of the IP header at the start of `packet`.
fn pseudo_of(packet: &[u8], version: Version, protocol: u8) -> Option<Pseudo> {
    let (source, destination) = match version {
        Version::V4 => (
            IpAddr::from(*packet.get(v4::SOURCE..)?.first_chunk::<4>()?),
            IpAddr::from(*packet.get(v4::DESTINATION..)?.first_chunk::<4>()?),
        ),
        Version::V6 => (
            IpAddr::from(*packet.get(v6::SOURCE..)?.first_chunk::<16>()?),
            IpAddr::from(*packet.get(v6::DESTINATION..)?.first_chunk::<16>()?),
        ),
    };
    Some(Pseudo {
        source,
        destination,
        protocol,
    })
}

/// The value of an inner field that the outer header tells (digest section 9).
fn outer_value(outer: &OuterFields, fid: Fid) -> Option<u32> {
    Some(match fid {
        Fid::Dscp => u32::from(outer.traffic_class >> 2),
        Fid::Ecn => u32::from(outer.traffic_class & 3),
        Fid::HopLimit => u32::from(outer.hop_limit),
        Fid::FlowLabel => outer.flow & 0xf_ffff,
        Fid::Identification => outer.flow & 0xffff,
        _ => return None,
    })
}

fn set_outer(outer: &mut OuterFields, fid: Fid, value: u32) {
    let [.., low] = value.to_be_bytes();
    match fid {
        Fid::Dscp => outer.traffic_class = low << 2 | outer.traffic_class & 3,
        Fid::Ecn => outer.traffic_class = outer.traffic_class & !3 | low & 3,
        Fid::HopLimit => outer.hop_limit = low,
        Fid::FlowLabel | Fid::Identification => {
            outer.flow = match outer.version {
                Version::V4 => value & 0xffff,
                Version::V6 => value & 0xf_ffff,
            }
        }
        _ => {}
    }
}

/// The 16-bit number at `at` of a packet known to be long enough.
pub(super) fn word(packet: &[u8], at: usize) -> Result<u16, DropReason> {
    u16_at(packet, at).map_err(|_| DropReason::EhcTruncated)
}
