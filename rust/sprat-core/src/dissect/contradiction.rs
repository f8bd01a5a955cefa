//! What of a compressed packet cannot be: the traces that a wrong Diet-ESP context
//! leaves where its ICV verifies.
//!
//! Only what was sent is judged, never what the context itself says; and only by
//! what the texts of the protocols make impossible, not by what data looks like.

use core::net::IpAddr;

use crate::diet_esp::{Context, Pseudo, Stratum, guard};
use crate::schc::{Cda, Fid, bits_at};
use crate::selector::{AddrRange, Selector};
use crate::trailer::Form;
use crate::wire::ip::{self, Fragment, Head, Version, proto, v4, v6};
use crate::wire::{finish_checksum, sum_words, u8_at, u16_at, u32_at};

macro_rules! contradictions {
    ($($variant:ident $text:literal;)*) => {
        /// What cannot be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Contradiction {
            $(#[doc = $text] $variant,)*
        }

        impl Contradiction {
            /// A few words for people.
            pub const fn text(self) -> &'static str {
                match self { $(Contradiction::$variant => $text,)* }
            }
        }
    };
}

contradictions! {
    Alignment "what is encrypted is no multiple of the alignment";
    PadBits "pad bits are not 0";
    ReservedFlag "reserved IPv4 flag is set";
    SourceAddress "no packet has this source address";
    DestinationAddress "no packet has this destination address";
    Protocol "no such protocol here";
    Port "port 0";
    Length "a length beyond what is there";
    Checksum "a checksum that was sent does not verify";
    TcpDataOffset "TCP Data Offset beyond the segment or below 5";
    TcpReserved "reserved TCP bits are set";
    TcpOptions "TCP options do not fit their lengths";
    SctpTag "SCTP Verification Tag 0 without INIT, or INIT with another one";
    SctpChunks "SCTP chunks do not fit their lengths";
    Earlier "an earlier packet of this SA shows that it has another context";
}

/// A packet in front of the compressor, and what stands for it.
pub(super) struct Rebuilt<'a> {
    pub(super) context: &'a Context,
    /// Residue, pad bits, payload.
    pub(super) iipc: &'a [u8],
    /// The whole packet, or in transport mode segment.
    pub(super) packet: &'a [u8],
    /// Octets of residue.
    pub(super) residue: usize,
    /// What the rule was chosen with.
    pub(super) protocol: u8,
}

/// Whether `text` with its trailer can end where it does; in front of it stand
/// `front` octets of header and IV. Both readings of the draft count: it alone is
/// aligned, or the packet up to its end (decision D-05).
pub(super) fn alignment(form: &Form, text: usize, front: usize) -> Option<Contradiction> {
    let fits = |len: usize| len.is_multiple_of(form.align);
    let wrong = form.pad_length && !fits(text) && !fits(front + text);
    wrong.then_some(Contradiction::Alignment)
}

/// The first thing that cannot be. `ends` are the addresses that a transport
/// mode packet has, where they are those that its sender used.
pub(super) fn find(rebuilt: &Rebuilt<'_>, ends: Option<(IpAddr, IpAddr)>) -> Option<Contradiction> {
    let sent = Sent::of(rebuilt);
    let pad = rebuilt.residue * 8 - sent.bits.min(rebuilt.residue * 8);
    if bits_at(rebuilt.iipc, sent.bits, pad).is_some_and(|bits| bits != 0) {
        return Some(Contradiction::PadBits);
    }
    if rebuilt.context.outer().is_some() {
        // What cannot be read at all is a drop reason.
        return Head::parse(rebuilt.packet)
            .ok()
            .and_then(|head| sent.packet(rebuilt, &head));
    }
    let protocol = rebuilt.protocol;
    let version = match ends {
        Some((source, _)) if source.is_ipv4() => Some(Version::V4),
        Some(_) => Some(Version::V6),
        None => None,
    };
    // Hop-by-Hop Options stand nowhere but behind the IP header (RFC 8200 s4.1).
    let nobodys = protocol == proto::HOP_BY_HOP || is_nobodys(protocol, version);
    if rebuilt.context.protocol_is_any() && nobodys {
        return Some(Contradiction::Protocol);
    }
    let pseudo = |(source, destination)| Pseudo {
        source,
        destination,
        protocol,
    };
    sent.upper(&Upper {
        protocol,
        octets: rebuilt.packet,
        pseudo: ends.map(pseudo),
    })
}

/// What was sent of a packet.
struct Sent {
    /// Fields that were not, a bit for each code.
    elided: u64,
    /// Bits of residue.
    bits: usize,
    /// The receiver computes the transport checksum.
    computed: bool,
}

/// What stands behind the IP headers.
struct Upper<'a> {
    protocol: u8,
    octets: &'a [u8],
    /// What a checksum covers besides; `None` where that is not known.
    pseudo: Option<Pseudo>,
}

impl Sent {
    fn of(rebuilt: &Rebuilt<'_>) -> Self {
        let mut sent = Sent {
            elided: 0,
            bits: 0,
            computed: false,
        };
        let rule = rebuilt.context.rule(Stratum::Iipc, rebuilt.protocol, 1);
        rule.for_each(|d| {
            sent.bits += usize::from(d.residue_bits());
            if d.residue_bits() == 0 {
                sent.elided |= bit(d.fid);
            }
            sent.computed |= d.cda == Cda::Checksum && d.fid != Fid::HeaderChecksum;
        });
        sent
    }

    fn has(&self, fid: Fid) -> bool {
        self.elided & bit(fid) == 0
    }

    fn packet(&self, rebuilt: &Rebuilt<'_>, head: &Head) -> Option<Contradiction> {
        let packet = rebuilt.packet.get(..head.total_len)?;
        let headers = packet.get(..head.upper_at)?;
        let selector = &rebuilt.context.afrg().selector;
        let named = selector.protocol == Some(head.protocol);
        self.ipv4(headers)
            .or_else(|| self.addresses(head, selector))
            .or_else(|| {
                if head.fragment != Fragment::Whole {
                    return None;
                }
                if !named && is_nobodys(head.protocol, Some(head.version)) {
                    return Some(Contradiction::Protocol);
                }
                let pseudo = Pseudo {
                    source: head.source,
                    destination: head.destination,
                    protocol: head.protocol,
                };
                self.upper(&Upper {
                    protocol: head.protocol,
                    octets: packet.get(head.upper_at..)?,
                    pseudo: (!readdressed(headers)).then_some(pseudo),
                })
            })
    }

    /// What an IPv4 header says besides addresses and protocol.
    fn ipv4(&self, headers: &[u8]) -> Option<Contradiction> {
        if u8_at(headers, 0).ok()? >> 4 != 4 {
            return None;
        }
        if self.has(Fid::Flags) && u8_at(headers, v4::FRAGMENT).ok()? & 0x80 != 0 {
            return Some(Contradiction::ReservedFlag);
        }
        let wrong = self.has(Fid::HeaderChecksum) && finish_checksum(sum_words(headers, 0)) != 0;
        wrong.then_some(Contradiction::Checksum)
    }

    /// Space that the selector itself asks for is the context's word, not the wire's.
    fn addresses(&self, head: &Head, selector: &Selector) -> Option<Contradiction> {
        let (source, destination) = (head.source, head.destination);
        let wanted = |range: &AddrRange| match range {
            AddrRange::Range { first, .. } => is_group(*first) || is_nowhere(*first),
            AddrRange::Any => false,
        };
        // Who has no address yet asks a group (RFC 4862 s5.4.2); of IPv4 a
        // broadcast address cannot be told from others.
        let nameless = source.is_unspecified() && source.is_ipv6() && !destination.is_multicast();
        let nobodys = nameless || is_group(source) || is_nowhere(source);
        if self.has(Fid::Source) && nobodys && !wanted(&selector.source) {
            return Some(Contradiction::SourceAddress);
        }
        let nobody = destination.is_unspecified() || is_nowhere(destination);
        let wrong = self.has(Fid::Destination) && nobody && !wanted(&selector.destination);
        wrong.then_some(Contradiction::DestinationAddress)
    }

    fn upper(&self, upper: &Upper<'_>) -> Option<Contradiction> {
        let shape = match upper.protocol {
            proto::TCP => tcp(upper.octets),
            proto::SCTP => sctp(upper.octets),
            proto::IPV4 | proto::IPV6 => tunnelled(upper),
            _ => None,
        };
        let shape = shape.or_else(|| self.ports(upper));
        if self.computed {
            return shape;
        }
        shape.or_else(|| upper.checksum())
    }

    /// Port 0 is nobody's (RFC 6335 s6); only of UDP it says that nobody answers
    /// (RFC 768).
    fn ports(&self, upper: &Upper<'_>) -> Option<Contradiction> {
        let answered = match upper.protocol {
            proto::UDP | proto::UDP_LITE => false,
            proto::TCP | proto::SCTP => true,
            _ => return None,
        };
        let (source, destination) = ip::ports(upper.protocol, upper.octets)?;
        let wrong = self.has(Fid::DestinationPort) && destination == 0
            || self.has(Fid::SourcePort) && answered && source == 0;
        wrong.then_some(Contradiction::Port)
    }
}

impl Upper<'_> {
    /// A checksum that came along, and the length that it covers.
    fn checksum(&self) -> Option<Contradiction> {
        let whole = self.octets.len();
        let stated = || u16_at(self.octets, guard::at::UDP_LENGTH).map_or(0, usize::from);
        let (least, covered, counted) = match self.protocol {
            // Behind the datagram there can be options (RFC 9868).
            proto::UDP => (8, stated(), stated()),
            proto::UDP_LITE if stated() == 0 => (8, whole, whole),
            proto::UDP_LITE => (8, stated(), whole),
            proto::TCP => (20, whole, whole),
            proto::SCTP => (12, whole, whole),
            proto::ICMP | proto::IGMP => (8, whole, whole),
            proto::ICMPV6 => (4, whole, whole),
            _ => return None,
        };
        let Some(octets) = self.octets.get(..covered).filter(|o| o.len() >= least) else {
            return Some(Contradiction::Length);
        };
        let good = match self.protocol {
            // 0 can be agreed upon (RFC 9653).
            proto::SCTP => {
                let stated = octets.get(8..12);
                stated == Some(&[0; 4]) || stated == Some(&guard::crc32c(&[octets]))
            }
            proto::UDP if u16_at(octets, guard::at::UDP_CHECKSUM) == Ok(0) => true,
            proto::ICMP | proto::IGMP => finish_checksum(sum_words(octets, 0)) == 0,
            _ => self
                .pseudo
                .is_none_or(|pseudo| finish_checksum(sum_words(octets, pseudo.sum(counted))) == 0),
        };
        (!good).then_some(Contradiction::Checksum)
    }
}

const _: () = assert!(Fid::ALL.len() <= 64);

const fn bit(fid: Fid) -> u64 {
    1u64.wrapping_shl(fid.code() as u32)
}

/// An address that many have, or all.
fn is_group(address: IpAddr) -> bool {
    let everybody = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    everybody || address.is_multicast()
}

/// Addresses that stay inside a node, and those of space that IANA has given to
/// nobody.
fn is_nowhere(address: IpAddr) -> bool {
    let reserved = match address {
        IpAddr::V4(address) => {
            matches!(address.octets(), [240..=255, ..]) && !address.is_broadcast()
        }
        IpAddr::V6(address) => {
            // Mapped and translated, discard-only, global, SRv6, unique local,
            // link-local and what was site-local, groups.
            !matches!(
                address.octets(),
                [0x00 | 0x20..=0x3f | 0xfc | 0xfd | 0xff, ..]
                    | [0x01 | 0x5f, 0, ..]
                    | [0xfe, 0x80..=0xff, ..]
            )
        }
    };
    reserved || address.is_loopback()
}

/// Numbers that IANA has given to nobody, and those that only the other version of
/// IP has.
fn is_nobodys(protocol: u8, version: Option<Version>) -> bool {
    let of_v4 = matches!(protocol, proto::ICMP | proto::IGMP);
    let of_v6 = matches!(
        protocol,
        proto::HOP_BY_HOP
            | proto::ROUTING
            | proto::FRAGMENT
            | proto::ICMPV6
            | proto::NO_NEXT
            | proto::DESTINATION
    );
    match version {
        _ if matches!(protocol, 148..=252 | 255) => true,
        Some(Version::V4) => of_v6,
        Some(Version::V6) => of_v4,
        None => false,
    }
}

/// Whether `headers`, an IP header and what belongs to it, may hold other addresses,
/// which a checksum covers: a source route, Destination Options with a home address.
pub(super) fn readdressed(headers: &[u8]) -> bool {
    match headers.first().map(|octet| octet >> 4) {
        Some(4) => source_routed(headers.get(ip::IPV4_LEN..).unwrap_or(&[])),
        _ => behind_options(headers),
    }
}

/// Options with Loose or Strict Source Route (RFC 791 s3.1): the address that the
/// checksum covers stands in them.
fn source_routed(options: &[u8]) -> bool {
    const ROUTES: [u8; 2] = [131, 137];
    let mut rest = options;
    loop {
        rest = match rest {
            [] | [0, ..] => return false,
            [1, rest @ ..] => rest,
            [kind, ..] if ROUTES.contains(kind) => return true,
            [_, len, ..] => rest.get(usize::from(*len).max(2)..).unwrap_or(&[]),
            [_] => return false,
        };
    }
}

/// Whether there are extension headers that change an address or may.
fn behind_options(headers: &[u8]) -> bool {
    let (mut at, mut name) = (ip::IPV6_LEN, headers.get(v6::NEXT_HEADER).copied());
    while at < headers.len() {
        let len = match (name, headers.get(at + 1)) {
            (Some(proto::HOP_BY_HOP), Some(len)) => usize::from(*len) * 8 + 8,
            (Some(proto::FRAGMENT), _) => 8,
            _ => return true,
        };
        name = headers.get(at).copied();
        at += len;
    }
    false
}

/// Data Offset, reserved bits (the one that AccECN has excepted) and options of
/// RFC 9293 s3.1.
fn tcp(segment: &[u8]) -> Option<Contradiction> {
    let octet = segment.get(12).copied()?;
    let header = usize::from(octet >> 4) * 4;
    let options = match segment.get(..header) {
        Some(header) if header.len() >= 20 => header.get(20..)?,
        _ => return Some(Contradiction::TcpDataOffset),
    };
    if octet & 0x0e != 0 {
        return Some(Contradiction::TcpReserved);
    }
    let mut rest = options;
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [1, rest @ ..] => rest,
            [_, len, ..] if *len >= 2 && usize::from(*len) <= rest.len() => {
                rest.get(usize::from(*len)..)?
            }
            _ => return Some(Contradiction::TcpOptions),
        };
    }
}

/// The chunks of RFC 9260 s3.2, of which INIT alone has no tag yet (s8.5.1).
fn sctp(packet: &[u8]) -> Option<Contradiction> {
    const INIT: u8 = 1;
    let tag = u32_at(packet, 4).ok()?;
    let mut rest = packet.get(12..)?;
    if rest.is_empty() {
        return Some(Contradiction::SctpChunks);
    }
    if (tag == 0) != (rest.first() == Some(&INIT)) {
        return Some(Contradiction::SctpTag);
    }
    while !rest.is_empty() {
        let len = u16_at(rest, 2).map_or(0, usize::from);
        if len < 4 || len > rest.len() {
            return Some(Contradiction::SctpChunks);
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    None
}

/// IP in IP: version, lengths and the header checksum of IPv4.
fn tunnelled(upper: &Upper<'_>) -> Option<Contradiction> {
    let version = match upper.protocol {
        proto::IPV4 => Version::V4,
        _ => Version::V6,
    };
    let head = Head::parse(upper.octets).ok();
    let Some(head) = head.filter(|head| head.version == version) else {
        return Some(Contradiction::Length);
    };
    let header = upper.octets.get(..head.upper_at)?;
    let wrong = version == Version::V4 && finish_checksum(sum_words(header, 0)) != 0;
    wrong.then_some(Contradiction::Checksum)
}

#[cfg(test)]
mod tests;
