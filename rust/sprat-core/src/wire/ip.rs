//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, as far as the upper layer.
//!
//! ```text
//! IPv4  ver ihl | TOS | total length | id | flags, offset | TTL | protocol | checksum | src 4 | dst 4 | options
//! IPv6  ver, class, label (4) | payload length | next header | hop limit | src 16 | dst 16 | extension headers
//! ```

use core::net::IpAddr;

use super::{
    WireError, array_at, finish_checksum, put, sum_words, u8_at, u16_at, u32_at, update_checksum,
};

/// What a selector looks at in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address of the IP header.
    pub source: IpAddr,
    /// Destination address of the IP header.
    pub destination: IpAddr,
    /// Next layer protocol, behind all IPv6 extension headers.
    pub protocol: u8,
    /// Source and destination port; `None` where the packet does not show them.
    pub ports: Option<(u16, u16)>,
}

/// Protocol numbers (IANA) that this crate acts on.
pub mod proto {
    /// IPv6 Hop-by-Hop Options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// IPv4 in a tunnel.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 in a tunnel.
    pub const IPV6: u8 = 41;
    /// IPv6 Routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = 50;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// No Next Header; in ESP a dummy packet (RFC 4303 s2.6).
    pub const NO_NEXT: u8 = 59;
    /// IPv6 Destination Options.
    pub const DESTINATION: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// IPv6 Mobility Header.
    pub const MOBILITY: u8 = 135;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;

    /// Whether selectors can ask for ports (or types and codes) of a protocol.
    pub const fn has_ports(protocol: u8) -> bool {
        matches!(
            protocol,
            TCP | UDP | DCCP | SCTP | UDP_LITE | ICMP | ICMPV6 | MOBILITY
        )
    }
}

/// Octets of an IPv4 header without options.
pub const IPV4_LEN: usize = 20;
/// Octets of the fixed IPv6 header.
pub const IPV6_LEN: usize = 40;

/// Offsets in the fixed IPv4 header, octets.
pub(crate) mod v4 {
    pub const TOS: usize = 1;
    pub const TOTAL_LENGTH: usize = 2;
    pub const ID: usize = 4;
    pub const FRAGMENT: usize = 6;
    pub const TTL: usize = 8;
    pub const PROTOCOL: usize = 9;
    pub const CHECKSUM: usize = 10;
    pub const SOURCE: usize = 12;
    pub const DESTINATION: usize = 16;
    /// Flag bits in the FRAGMENT word.
    pub const DF: u16 = 0x4000;
    pub const MF: u16 = 0x2000;
    pub const OFFSET: u16 = 0x1fff;
}

/// Offsets in the fixed IPv6 header, octets.
pub(crate) mod v6 {
    pub const PAYLOAD_LENGTH: usize = 4;
    pub const NEXT_HEADER: usize = 6;
    pub const HOP_LIMIT: usize = 7;
    pub const SOURCE: usize = 8;
    pub const DESTINATION: usize = 24;
}

/// IP version of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which part of a datagram a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it (an atomic IPv6 fragment, RFC 6946, included).
    Whole,
    /// The first part: offset 0, more follow.
    First,
    /// A later part: no upper-layer header inside.
    Later,
}

/// What the headers of one packet say. Offsets are octets from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// IPv4 or IPv6.
    pub version: Version,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TOS or Traffic Class: DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: u8,
    /// TTL or Hop Limit.
    pub hop_limit: u8,
    /// Flow label, 20 bits; 0 in IPv4.
    pub flow_label: u32,
    /// Don't Fragment: the bit of IPv4, always true in IPv6.
    pub dont_fragment: bool,
    /// Whether this is a fragment.
    pub fragment: Fragment,
    /// Whether an IPv6 Fragment header is there, atomic or not.
    pub has_fragment_header: bool,
    /// Octets of the packet by its own length field, never more than were given.
    pub total_len: usize,
    /// Where ESP goes in transport mode: behind Hop-by-Hop, Routing, Destination
    /// Options in front of a Routing header, and an atomic Fragment header
    /// (RFC 4303 s3.1.1, RFC 8200 s4.1).
    pub insert_at: usize,
    /// The octet that names what stands at `insert_at`.
    pub insert_name_at: usize,
    /// What stands at `insert_at`.
    pub insert_protocol: u8,
    /// Where the upper layer begins: behind all extension headers.
    pub upper_at: usize,
    /// The octet that names the upper layer.
    pub upper_name_at: usize,
    /// The upper-layer protocol.
    pub protocol: u8,
}

impl Head {
    /// Reads the headers of the packet at the start of `packet`, which may be
    /// longer than the packet (link-layer padding).
    ///
    /// Errors: `Truncated` if the packet is longer than what is there or an
    /// extension header runs past its end, `Length` if a length field is below
    /// its header, `Version`, `Jumbo`.
    pub fn parse(packet: &[u8]) -> Result<Self, WireError> {
        match u8_at(packet, 0)? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => Err(WireError::Version),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, WireError> {
        let fixed: [u8; IPV4_LEN] = array_at(packet, 0)?;
        let header_len = usize::from(u8_at(&fixed, 0)? & 0x0f) * 4;
        let total_len = usize::from(u16_at(&fixed, v4::TOTAL_LENGTH)?);
        if header_len < IPV4_LEN || total_len < header_len {
            return Err(WireError::Length);
        }
        if total_len > packet.len() {
            return Err(WireError::Truncated);
        }
        let word = u16_at(&fixed, v4::FRAGMENT)?;
        let protocol = u8_at(&fixed, v4::PROTOCOL)?;
        Ok(Head {
            version: Version::V4,
            source: IpAddr::from(array_at::<4>(&fixed, v4::SOURCE)?),
            destination: IpAddr::from(array_at::<4>(&fixed, v4::DESTINATION)?),
            traffic_class: u8_at(&fixed, v4::TOS)?,
            hop_limit: u8_at(&fixed, v4::TTL)?,
            flow_label: 0,
            dont_fragment: word & v4::DF != 0,
            fragment: match (word & v4::OFFSET, word & v4::MF) {
                (0, 0) => Fragment::Whole,
                (0, _) => Fragment::First,
                _ => Fragment::Later,
            },
            has_fragment_header: false,
            total_len,
            insert_at: header_len,
            insert_name_at: v4::PROTOCOL,
            insert_protocol: protocol,
            upper_at: header_len,
            upper_name_at: v4::PROTOCOL,
            protocol,
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, WireError> {
        let fixed: [u8; IPV6_LEN] = array_at(packet, 0)?;
        let payload = usize::from(u16_at(&fixed, v6::PAYLOAD_LENGTH)?);
        let next = u8_at(&fixed, v6::NEXT_HEADER)?;
        if payload == 0 && next == proto::HOP_BY_HOP {
            return Err(WireError::Jumbo);
        }
        let total_len = IPV6_LEN + payload;
        let whole = packet.get(..total_len).ok_or(WireError::Truncated)?;
        let word = u32_at(&fixed, 0)?;
        let mut head = Head {
            version: Version::V6,
            source: IpAddr::from(array_at::<16>(&fixed, v6::SOURCE)?),
            destination: IpAddr::from(array_at::<16>(&fixed, v6::DESTINATION)?),
            traffic_class: u8::try_from(word >> 20 & 0xff).unwrap_or(0),
            hop_limit: u8_at(&fixed, v6::HOP_LIMIT)?,
            flow_label: word & 0xf_ffff,
            dont_fragment: true,
            fragment: Fragment::Whole,
            has_fragment_header: false,
            total_len,
            insert_at: IPV6_LEN,
            insert_name_at: v6::NEXT_HEADER,
            insert_protocol: next,
            upper_at: IPV6_LEN,
            upper_name_at: v6::NEXT_HEADER,
            protocol: next,
        };
        while head.fragment != Fragment::Later && head.step_over_extension(whole)? {}
        Ok(head)
    }

    /// Moves `upper_at` over one extension header; false at the upper layer.
    fn step_over_extension(&mut self, packet: &[u8]) -> Result<bool, WireError> {
        let at = self.upper_at;
        let kind = self.protocol;
        let len = match kind {
            proto::HOP_BY_HOP | proto::ROUTING | proto::DESTINATION => {
                usize::from(u8_at(packet, at + 1)?) * 8 + 8
            }
            proto::FRAGMENT => 8,
            _ => return Ok(false),
        };
        if at + len > packet.len() {
            return Err(WireError::Truncated);
        }
        if kind == proto::FRAGMENT {
            self.has_fragment_header = true;
            let word = u16_at(packet, at + 2)?;
            self.fragment = match (word >> 3, word & 1) {
                // What is inside a fragment is no whole packet, whatever it says.
                (0, 0) => self.fragment,
                (0, _) => Fragment::First,
                _ => Fragment::Later,
            };
        }
        self.upper_at = at + len;
        self.upper_name_at = at;
        self.protocol = u8_at(packet, at)?;
        if kind != proto::DESTINATION {
            self.insert_at = self.upper_at;
            self.insert_name_at = at;
            self.insert_protocol = self.protocol;
        }
        Ok(true)
    }

    /// What selectors look at; ports are `None` in a later fragment, for
    /// protocols without ports and where the header is cut short.
    pub fn flow(&self, packet: &[u8]) -> Flow {
        Flow {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            ports: self.ports(packet),
        }
    }

    fn ports(&self, packet: &[u8]) -> Option<(u16, u16)> {
        if self.fragment == Fragment::Later {
            return None;
        }
        ports(self.protocol, packet.get(self.upper_at..self.total_len)?)
    }
}

/// What selectors see as source and destination port of the upper layer `upper`
/// (RFC 4301 s4.4.1.1); `None` where it shows none.
pub fn ports(protocol: u8, upper: &[u8]) -> Option<(u16, u16)> {
    match protocol {
        proto::TCP | proto::UDP | proto::DCCP | proto::SCTP | proto::UDP_LITE => {
            Some((u16_at(upper, 0).ok()?, u16_at(upper, 2).ok()?))
        }
        // Type and code stand where the high and low octet of a port would.
        proto::ICMP | proto::ICMPV6 => {
            let type_code = u16_at(upper, 0).ok()?;
            Some((type_code, type_code))
        }
        // RFC 4301 s4.4.1.1, RFC 4877: the Mobility Header type stands where
        // the high octet of a port would.
        proto::MOBILITY => {
            let kind = u16::from(u8_at(upper, 2).ok()?) << 8;
            Some((kind, kind))
        }
        _ => None,
    }
}

/// Writes the length of `packet` into its header and `protocol` at `name_at`,
/// the octet that names what follows the headers. The IPv4 checksum is updated
/// (RFC 1624), so that one that was wrong stays wrong.
pub fn rewrite(
    packet: &mut [u8],
    version: Version,
    name_at: usize,
    protocol: u8,
) -> Result<(), WireError> {
    let len = packet.len();
    match version {
        Version::V4 => {
            let total = u16::try_from(len).map_err(|_| WireError::Length)?;
            change_word(packet, v4::TTL, |[ttl, _]| [ttl, protocol])?;
            change_word(packet, v4::TOTAL_LENGTH, |_| total.to_be_bytes())
        }
        Version::V6 => {
            let payload = len.checked_sub(IPV6_LEN).ok_or(WireError::Truncated)?;
            let payload = u16::try_from(payload).map_err(|_| WireError::Length)?;
            put(packet, name_at, [protocol])?;
            put(packet, v6::PAYLOAD_LENGTH, payload.to_be_bytes())
        }
    }
}

/// Changes the 16-bit word at `at` of an IPv4 header, and its checksum with it.
fn change_word(
    packet: &mut [u8],
    at: usize,
    change: impl FnOnce([u8; 2]) -> [u8; 2],
) -> Result<(), WireError> {
    let old: [u8; 2] = array_at(packet, at)?;
    let new = change(old);
    let checksum = u16_at(packet, v4::CHECKSUM)?;
    let checksum = update_checksum(checksum, u16::from_be_bytes(old), u16::from_be_bytes(new));
    put(packet, at, new)?;
    put(packet, v4::CHECKSUM, checksum.to_be_bytes())
}

/// Computes the IPv4 header checksum anew.
pub(crate) fn refresh_checksum(packet: &mut [u8]) -> Result<(), WireError> {
    let header_len = usize::from(u8_at(packet, 0)? & 0x0f) * 4;
    put(packet, v4::CHECKSUM, [0, 0])?;
    let header = packet.get(..header_len).ok_or(WireError::Truncated)?;
    let checksum = finish_checksum(sum_words(header, 0));
    put(packet, v4::CHECKSUM, checksum.to_be_bytes())
}

/// Sets the ECN field of a packet, two bits.
pub(crate) fn set_ecn(packet: &mut [u8], version: Version, ecn: u8) -> Result<(), WireError> {
    match version {
        Version::V4 => {
            let tos = u8_at(packet, v4::TOS)?;
            change_word(packet, 0, |[first, _]| [first, tos & !3 | ecn & 3])
        }
        Version::V6 => {
            let octet = u8_at(packet, 1)?;
            put(packet, 1, [octet & !0x30 | (ecn & 3) << 4])
        }
    }
}

/// All fields of a new outer header; nothing is taken from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// TTL or Hop Limit.
    pub hop_limit: u8,
    /// TOS or Traffic Class.
    pub traffic_class: u8,
    /// IPv4 Identification.
    pub id: u16,
    /// IPv4 flags and fragment offset; 0x4000 = DF.
    pub fragment: u16,
    /// IPv6 flow label, 20 bits.
    pub flow_label: u32,
}

impl Outer {
    /// Octets of the header: 20 or 40.
    pub fn header_len(&self) -> usize {
        if self.destination.is_ipv4() {
            IPV4_LEN
        } else {
            IPV6_LEN
        }
    }

    /// Writes the header at the start of `packet`, whose length goes into it.
    ///
    /// Errors: `Length` above 65,535 octets or if the addresses are of two
    /// families, `Truncated` if the header does not fit.
    pub fn emit(&self, packet: &mut [u8], protocol: u8) -> Result<(), WireError> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut fixed = [0u8; IPV4_LEN];
                put(&mut fixed, 0, [0x45, self.traffic_class])?;
                put(&mut fixed, v4::ID, self.id.to_be_bytes())?;
                put(&mut fixed, v4::FRAGMENT, self.fragment.to_be_bytes())?;
                put(&mut fixed, v4::TTL, [self.hop_limit])?;
                put(&mut fixed, v4::SOURCE, source.octets())?;
                put(&mut fixed, v4::DESTINATION, destination.octets())?;
                let total = u16::try_from(packet.len()).map_err(|_| WireError::Length)?;
                put(&mut fixed, v4::TOTAL_LENGTH, total.to_be_bytes())?;
                put(&mut fixed, v4::PROTOCOL, [protocol])?;
                refresh_checksum(&mut fixed)?;
                put(packet, 0, fixed)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut fixed = [0u8; IPV6_LEN];
                let word =
                    6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
                put(&mut fixed, 0, word.to_be_bytes())?;
                put(&mut fixed, v6::HOP_LIMIT, [self.hop_limit])?;
                put(&mut fixed, v6::SOURCE, source.octets())?;
                put(&mut fixed, v6::DESTINATION, destination.octets())?;
                put(packet, 0, fixed)?;
                rewrite(packet, Version::V6, v6::NEXT_HEADER, protocol)
            }
            _ => Err(WireError::Length),
        }
    }
}

/// One fragment of a packet: IPv4 by RFC 791 s3.2, or IPv6 with a Fragment
/// header by RFC 8200 s4.5 (then `id` is its Identification, fresh for each
/// packet; `None` refuses IPv6, which only its sender may fragment).
///
/// Writes the `index`-th fragment of at most `mtu` octets into `out` and returns
/// its length, or `None` past the last.
///
/// Errors: `Other` for IPv4 with DF set, or a packet that has a Fragment header
/// already; `Length` if `mtu` leaves no room for 8 octets of payload; `Truncated`
/// if `out` is too short.
pub fn fragment(
    packet: &[u8],
    (mtu, id): (usize, Option<u32>),
    index: usize,
    out: &mut [u8],
) -> Result<Option<usize>, WireError> {
    let head = Head::parse(packet)?;
    let whole = packet.get(..head.total_len).ok_or(WireError::Truncated)?;
    match head.version {
        Version::V4 if head.dont_fragment => Err(WireError::Other),
        Version::V4 => fragment_v4(whole, &head, (mtu, index), out),
        Version::V6 => {
            let id = id.ok_or(WireError::Other)?;
            fragment_v6(whole, &head, (mtu, id, index), out)
        }
    }
}

/// Where the `index`-th part of `len` octets lies if each part has at most
/// `room` octets; `None` past the last. The `bool` tells whether more follow.
fn part(len: usize, room: usize, index: usize) -> Result<Option<(usize, usize, bool)>, WireError> {
    let step = room & !7;
    if step == 0 {
        return Err(WireError::Length);
    }
    let from = index.checked_mul(step).ok_or(WireError::Length)?;
    if from >= len && index != 0 {
        return Ok(None);
    }
    let to = from.saturating_add(step).min(len);
    Ok(Some((from, to, to < len)))
}

fn fragment_v4(
    packet: &[u8],
    head: &Head,
    (mtu, index): (usize, usize),
    out: &mut [u8],
) -> Result<Option<usize>, WireError> {
    let (header, payload) = packet
        .split_at_checked(head.upper_at)
        .ok_or(WireError::Truncated)?;
    let room = mtu.checked_sub(header.len()).ok_or(WireError::Length)?;
    let Some((from, to, more)) = part(payload.len(), room, index)? else {
        return Ok(None);
    };
    let header_len = if index == 0 {
        copy(
            out.get_mut(..header.len()).ok_or(WireError::Truncated)?,
            header,
        );
        header.len()
    } else {
        later_header(header, out)?
    };
    let len = header_len + (to - from);
    let whole = out.get_mut(..len).ok_or(WireError::Truncated)?;
    let body = whole.get_mut(header_len..).ok_or(WireError::Truncated)?;
    copy(body, payload.get(from..to).ok_or(WireError::Truncated)?);
    let word = u16_at(packet, v4::FRAGMENT)?;
    let offset = (word & v4::OFFSET)
        .checked_add(u16::try_from(from / 8).map_err(|_| WireError::Length)?)
        .filter(|offset| *offset <= v4::OFFSET)
        .ok_or(WireError::Length)?;
    let more = if more { v4::MF } else { word & v4::MF };
    let total = u16::try_from(len).map_err(|_| WireError::Length)?;
    put(whole, v4::FRAGMENT, (offset | more).to_be_bytes())?;
    put(whole, v4::TOTAL_LENGTH, total.to_be_bytes())?;
    refresh_checksum(whole)?;
    Ok(Some(len))
}

/// The header of a later fragment: only options with the "copied" bit go along
/// (RFC 791 s3.1). Returns its length.
fn later_header(header: &[u8], out: &mut [u8]) -> Result<usize, WireError> {
    const COPIED: u8 = 0x80;
    let fixed: [u8; IPV4_LEN] = array_at(header, 0)?;
    put(out, 0, fixed)?;
    let (mut from, mut to) = (IPV4_LEN, IPV4_LEN);
    while let Some(kind) = header.get(from).copied().filter(|kind| *kind != 0) {
        let len = if kind == 1 {
            1
        } else {
            usize::from(u8_at(header, from + 1)?)
        };
        if kind != 1 && len < 2 {
            return Err(WireError::Length);
        }
        if kind & COPIED != 0 {
            let option = header.get(from..from + len).ok_or(WireError::Length)?;
            copy(
                out.get_mut(to..to + len).ok_or(WireError::Truncated)?,
                option,
            );
            to += len;
        }
        from += len;
    }
    let end = to.next_multiple_of(4);
    out.get_mut(to..end).ok_or(WireError::Truncated)?.fill(0);
    let words = u8::try_from(end / 4).map_err(|_| WireError::Length)?;
    put(out, 0, [0x40 | words & 0x0f])?;
    Ok(end)
}

fn fragment_v6(
    packet: &[u8],
    head: &Head,
    (mtu, id, index): (usize, u32, usize),
    out: &mut [u8],
) -> Result<Option<usize>, WireError> {
    const FRAGMENT_LEN: usize = 8;
    if head.has_fragment_header {
        return Err(WireError::Other);
    }
    // Headers that routers look at stand in every fragment (RFC 8200 s4.5).
    let (header, payload) = packet
        .split_at_checked(head.insert_at)
        .ok_or(WireError::Truncated)?;
    let header_len = header.len() + FRAGMENT_LEN;
    let room = mtu.checked_sub(header_len).ok_or(WireError::Length)?;
    let Some((from, to, more)) = part(payload.len(), room, index)? else {
        return Ok(None);
    };
    let len = header_len + (to - from);
    let whole = out.get_mut(..len).ok_or(WireError::Truncated)?;
    copy(whole, header);
    let offset = u16::try_from(from).map_err(|_| WireError::Length)? | u16::from(more);
    put(whole, header.len(), [head.insert_protocol, 0])?;
    put(whole, header.len() + 2, offset.to_be_bytes())?;
    put(whole, header.len() + 4, id.to_be_bytes())?;
    let body = whole.get_mut(header_len..).ok_or(WireError::Truncated)?;
    copy(body, payload.get(from..to).ok_or(WireError::Truncated)?);
    rewrite(whole, Version::V6, head.insert_name_at, proto::FRAGMENT)?;
    Ok(Some(len))
}

/// Octets of a payload by its own length field, never more than are there: UDP
/// and IP say it, also behind Destination Options; nothing else does.
pub(crate) fn stated_len(mut protocol: u8, payload: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    while protocol == proto::DESTINATION {
        protocol = u8_at(payload, at).ok()?;
        at += usize::from(u8_at(payload, at + 1).ok()?) * 8 + 8;
    }
    let rest = payload.get(at..)?;
    let len = match protocol {
        proto::UDP => super::udp::Repr::parse(rest).ok()?.len,
        proto::IPV4 | proto::IPV6 => Head::parse(rest).ok()?.total_len,
        _ => return None,
    };
    Some(at + len)
}

/// Copies as much as both sides have.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn v6_packet(chain: &[(u8, &[u8])], upper: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0u8; 40];
        packet[0] = 0x60;
        let kinds: Vec<u8> = chain.iter().map(|(kind, _)| *kind).chain([upper]).collect();
        packet[6] = kinds[0];
        for (i, (_, body)) in chain.iter().enumerate() {
            let mut header = body.to_vec();
            header[0] = kinds[i + 1];
            packet.extend(header);
        }
        packet.extend(payload);
        let len = (packet.len() - 40) as u16;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        packet
    }

    #[test]
    fn esp_goes_behind_routing_and_in_front_of_final_destination_options() {
        let eight = [0u8; 8];
        let p = v6_packet(
            &[(0, &eight), (60, &eight), (43, &eight), (60, &eight)],
            17,
            &[0; 8],
        );
        let head = Head::parse(&p).unwrap();
        assert_eq!(
            (head.insert_at, head.insert_name_at, head.insert_protocol),
            (64, 56, 60)
        );
        assert_eq!(
            (head.upper_at, head.upper_name_at, head.protocol),
            (72, 64, 17)
        );
        let p = v6_packet(&[(60, &eight)], 17, &[0; 8]);
        let head = Head::parse(&p).unwrap();
        assert_eq!(
            (head.insert_at, head.insert_name_at, head.insert_protocol),
            (40, 6, 60)
        );
    }

    #[test]
    fn fragments_are_told_apart() {
        let p = v6_packet(&[(44, &[0, 0, 0, 0, 0, 0, 0, 1])], 17, &[0; 8]);
        assert_eq!(Head::parse(&p).unwrap().fragment, Fragment::Whole);
        let p = v6_packet(&[(44, &[0, 0, 0, 1, 0, 0, 0, 1])], 17, &[0; 8]);
        assert_eq!(Head::parse(&p).unwrap().fragment, Fragment::First);
        let inside = [0, 0, 0, 0, 0, 0, 0, 2];
        let p = v6_packet(
            &[(44, &[0, 0, 0, 1, 0, 0, 0, 1]), (44, &inside)],
            17,
            &[0; 8],
        );
        assert_eq!(Head::parse(&p).unwrap().fragment, Fragment::First);
        let p = v6_packet(&[(44, &[0, 0, 0, 8, 0, 0, 0, 1])], 60, &[0xff; 8]);
        let later = Head::parse(&p).unwrap();
        assert_eq!(
            (later.fragment, later.protocol, later.flow(&p).ports),
            (Fragment::Later, 60, None)
        );
    }

    #[test]
    fn an_extension_header_past_the_end_is_truncated() {
        let p = v6_packet(&[(60, &[0, 1, 0, 0, 0, 0, 0, 0])], 17, &[]);
        assert_eq!(Head::parse(&p), Err(WireError::Truncated));
        let mut jumbo = v6_packet(&[(0, &[0; 8])], 17, &[]);
        jumbo[4..6].copy_from_slice(&[0, 0]);
        assert_eq!(Head::parse(&jumbo), Err(WireError::Jumbo));
    }

    fn v4_packet(len: usize, word: u16) -> Vec<u8> {
        let outer = Outer {
            source: IpAddr::from([192, 0, 2, 1]),
            destination: IpAddr::from([192, 0, 2, 2]),
            hop_limit: 64,
            traffic_class: 0,
            id: 7,
            fragment: word,
            flow_label: 0,
        };
        let mut packet: Vec<u8> = (0..len).map(|i| i as u8).collect();
        outer.emit(&mut packet, proto::UDP).unwrap();
        packet
    }

    /// All fragments of at most `mtu` octets.
    fn fragments(packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
        let mut out = vec![0xa5u8; mtu];
        let mut all = Vec::new();
        while let Some(len) = fragment(packet, (mtu, Some(77)), all.len(), &mut out).unwrap() {
            all.push(out[..len].to_vec());
        }
        all
    }

    #[test]
    fn fragments_join_to_the_packet_again() {
        let packet = v4_packet(1000, 0);
        let mut joined: Vec<u8> = Vec::new();
        for fragment in fragments(&packet, 300) {
            assert_eq!(sum_words(&fragment[..20], 0), 0xffff);
            let word = u16::from_be_bytes([fragment[6], fragment[7]]);
            assert_eq!(usize::from(word & v4::OFFSET) * 8, joined.len());
            joined.extend(&fragment[20..]);
            assert_eq!(word & v4::MF == 0, joined.len() == 980);
            assert!(Head::parse(&fragment).unwrap().total_len <= 300);
        }
        assert_eq!(joined, packet[20..]);
        let mut out = [0u8; 300];
        let no_df = v4_packet(1000, v4::DF);
        assert_eq!(
            fragment(&no_df, (300, None), 0, &mut out),
            Err(WireError::Other)
        );
        assert_eq!(
            fragment(&packet, (27, None), 0, &mut out),
            Err(WireError::Length)
        );
        assert_eq!(
            fragment(&packet, (300, None), 0, &mut out[..299]),
            Err(WireError::Truncated)
        );
    }

    #[test]
    fn later_fragments_carry_the_options_marked_for_copying_only() {
        // Record Route (7, not copied), then Router Alert (148, copied).
        let mut packet = v4_packet(100, 0);
        packet.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0]);
        packet[0] = 0x48;
        packet[3] = 112;
        refresh_checksum(&mut packet).unwrap();
        let all = fragments(&packet, 64);
        assert_eq!((all[0][0], &all[0][20..32]), (0x48, &packet[20..32]));
        assert_eq!((all[1][0], &all[1][20..24]), (0x46, &[148, 4, 0, 0][..]));
        let joined: Vec<u8> = all
            .iter()
            .flat_map(|f| f[Head::parse(f).unwrap().upper_at..].to_vec())
            .collect();
        assert_eq!(joined, packet[32..]);
        packet[21] = 0;
        assert_eq!(
            fragment(&packet, (64, None), 1, &mut [0; 64]),
            Err(WireError::Length)
        );
    }

    #[test]
    fn ipv6_is_fragmented_behind_the_headers_for_routers() {
        let payload: Vec<u8> = (0..=255).cycle().take(2000).collect();
        let packet = v6_packet(&[(0, &[0; 8]), (60, &[0; 8])], 50, &payload);
        let all = fragments(&packet, 1280);
        assert_eq!(all.len(), 2);
        let mut joined: Vec<u8> = Vec::new();
        for (i, fragment) in all.iter().enumerate() {
            let head = Head::parse(fragment).unwrap();
            assert_eq!(head.fragment, [Fragment::First, Fragment::Later][i]);
            assert_eq!(
                (fragment[40], fragment[48]),
                (44, 60),
                "hop-by-hop, fragment, options"
            );
            assert_eq!(fragment[52..56], [0, 0, 0, 77]);
            joined.extend(&fragment[56..]);
        }
        assert_eq!(joined, packet[48..]);
        let routed = fragment(&packet, (1280, None), 0, &mut [0; 1280]);
        assert_eq!(
            routed,
            Err(WireError::Other),
            "routers do not fragment IPv6"
        );
        let again = fragment(&all[0], (600, Some(1)), 0, &mut [0; 600]);
        assert_eq!(again, Err(WireError::Other));
    }

    #[test]
    fn a_wrong_ipv4_checksum_stays_wrong() {
        let mut packet = v4_packet(60, 0);
        packet[10] ^= 1;
        rewrite(&mut packet, Version::V4, v4::PROTOCOL, 50).unwrap();
        set_ecn(&mut packet, Version::V4, 3).unwrap();
        assert_ne!(sum_words(&packet[..20], 0), 0xffff);
        packet[10] ^= 1;
        assert_eq!(sum_words(&packet[..20], 0), 0xffff);
        assert_eq!((packet[9], packet[1]), (50, 3));
    }

    proptest! {
        #[test]
        fn any_octets_parse_or_fail(mut octets in prop::collection::vec(any::<u8>(), 0..200), v in 0..3u8) {
            if let Some(first) = octets.first_mut() {
                *first = match v { 0 => *first, 1 => 0x40 | *first & 15, _ => 0x60 };
            }
            if let Ok(head) = Head::parse(&octets) {
                prop_assert!(head.total_len <= octets.len());
                prop_assert!(head.insert_at <= head.upper_at && head.upper_at <= head.total_len);
                head.flow(&octets);
            }
        }

        #[test]
        fn every_truncation_fails(cut in 0usize..60) {
            let packet = v4_packet(60, 0);
            prop_assert!(Head::parse(&packet[..cut]).is_err());
        }
    }
}
