//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, as far as the upper layer.
//!
//! ```text
//! IPv4  ver ihl | TOS | total length | id | flags, offset | TTL | protocol | checksum | src 4 | dst 4 | options
//! IPv6  ver, class, label (4) | payload length | next header | hop limit | src 16 | dst 16 | extension headers
//! ```

use core::net::IpAddr;

use super::{WireError, array_at, finish_checksum, put, sum_words, u8_at, u16_at, u32_at};

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
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
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
            let word = u16_at(packet, at + 2)?;
            self.fragment = match (word >> 3, word & 1) {
                (0, 0) => Fragment::Whole,
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
        let upper = packet.get(self.upper_at..self.total_len)?;
        match self.protocol {
            proto::TCP | proto::UDP | proto::DCCP | proto::SCTP | proto::UDP_LITE => {
                Some((u16_at(upper, 0).ok()?, u16_at(upper, 2).ok()?))
            }
            // Type and code stand where the high and low octet of a port would.
            proto::ICMP | proto::ICMPV6 => {
                let type_code = u16_at(upper, 0).ok()?;
                Some((type_code, type_code))
            }
            _ => None,
        }
    }
}

/// Writes the length of a packet into its header: Total Length with a new
/// checksum in IPv4, Payload Length in IPv6. `name_at` receives `protocol`.
pub fn rewrite(
    packet: &mut [u8],
    version: Version,
    name_at: usize,
    protocol: u8,
) -> Result<(), WireError> {
    let len = packet.len();
    put(packet, name_at, [protocol])?;
    match version {
        Version::V4 => {
            let total = u16::try_from(len).map_err(|_| WireError::Length)?;
            put(packet, v4::TOTAL_LENGTH, total.to_be_bytes())?;
            refresh_checksum(packet)
        }
        Version::V6 => {
            let payload = len.checked_sub(IPV6_LEN).ok_or(WireError::Truncated)?;
            let payload = u16::try_from(payload).map_err(|_| WireError::Length)?;
            put(packet, v6::PAYLOAD_LENGTH, payload.to_be_bytes())
        }
    }
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
            put(packet, v4::TOS, [tos & !3 | ecn & 3])?;
            refresh_checksum(packet)
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
                put(packet, 0, fixed)?;
                rewrite(packet, Version::V4, v4::PROTOCOL, protocol)
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

/// One fragment of an IPv4 packet (RFC 791 s3.2), for tunnels that must split
/// the inner packet before ESP.
///
/// Writes the `index`-th fragment of at most `mtu` octets into `out` and returns
/// its length, or `None` past the last. Options are repeated in every fragment,
/// which is allowed though wasteful.
///
/// Errors: `Other` if the packet must not be fragmented, `Length` if `mtu`
/// leaves no room for 8 octets of payload, `Truncated` if `out` is too short.
pub fn fragment_v4(
    packet: &[u8],
    mtu: usize,
    index: usize,
    out: &mut [u8],
) -> Result<Option<usize>, WireError> {
    let head = Head::parse(packet)?;
    if head.version != Version::V4 || head.dont_fragment {
        return Err(WireError::Other);
    }
    let header = packet.get(..head.upper_at).ok_or(WireError::Truncated)?;
    let payload = packet
        .get(head.upper_at..head.total_len)
        .ok_or(WireError::Truncated)?;
    let step = mtu.checked_sub(header.len()).ok_or(WireError::Length)? & !7;
    if step == 0 {
        return Err(WireError::Length);
    }
    let from = index.checked_mul(step).ok_or(WireError::Length)?;
    if from >= payload.len() && !(index == 0 && payload.is_empty()) {
        return Ok(None);
    }
    let rest = payload.get(from..).ok_or(WireError::Length)?;
    let part = rest.get(..step).unwrap_or(rest);
    let len = header.len() + part.len();
    let packet_out = out.get_mut(..len).ok_or(WireError::Truncated)?;
    let (head_out, part_out) = packet_out
        .split_at_mut_checked(header.len())
        .ok_or(WireError::Length)?;
    copy(head_out, header);
    copy(part_out, part);
    let word = u16_at(packet, v4::FRAGMENT)?;
    let offset = (word & v4::OFFSET)
        .checked_add(u16::try_from(from / 8).map_err(|_| WireError::Length)?)
        .filter(|offset| *offset <= v4::OFFSET)
        .ok_or(WireError::Length)?;
    let more = if from + part.len() < payload.len() {
        v4::MF
    } else {
        word & v4::MF
    };
    put(packet_out, v4::FRAGMENT, (offset | more).to_be_bytes())?;
    rewrite(packet_out, Version::V4, v4::PROTOCOL, head.protocol)?;
    Ok(Some(len))
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

    #[test]
    fn fragments_join_to_the_packet_again() {
        let packet = v4_packet(1000, 0);
        let mut joined: Vec<u8> = Vec::new();
        let mut out = [0u8; 300];
        let mut index = 0;
        while let Some(len) = fragment_v4(&packet, 300, index, &mut out).unwrap() {
            let head = Head::parse(&out[..len]).unwrap();
            assert_eq!(sum_words(&out[..20], 0), 0xffff);
            let word = u16::from_be_bytes([out[6], out[7]]);
            assert_eq!(usize::from(word & v4::OFFSET) * 8, joined.len());
            joined.extend(&out[20..len]);
            assert_eq!(word & v4::MF == 0, joined.len() == 980);
            assert!(head.total_len <= 300);
            index += 1;
        }
        assert_eq!(joined, packet[20..]);
        assert_eq!(
            fragment_v4(&v4_packet(1000, v4::DF), 300, 0, &mut out),
            Err(WireError::Other)
        );
        assert_eq!(
            fragment_v4(&packet, 27, 0, &mut out),
            Err(WireError::Length)
        );
        assert_eq!(
            fragment_v4(&packet, 300, 0, &mut out[..299]),
            Err(WireError::Truncated)
        );
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
