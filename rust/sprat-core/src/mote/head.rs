//! The headers of a packet as far as ESP: in few octets of code and stack. What
//! [`crate::wire::ip`] knows more, a mote has no use for.

use super::octets::{long, octet, part, put, set, word};
use crate::error::DropReason;
#[cfg(feature = "mote-ipv4")]
use crate::wire::ip::{IPV4_LEN, Version, v4};
use crate::wire::ip::{IPV6_LEN, proto, v6};

/// Where headers stand. Offsets are octets from the packet's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Octets of the packet by its own length field.
    pub total: usize,
    /// Where ESP goes in transport mode (RFC 4303 s3.1.1): behind Hop-by-Hop,
    /// Routing and Fragment header.
    pub insert_at: usize,
    /// The octet that names what stands there.
    pub insert_name_at: usize,
    /// Where the upper layer begins.
    pub upper_at: usize,
    /// The octet that names it.
    pub upper_name_at: usize,
    /// The upper layer.
    pub protocol: u8,
    /// A fragment, of more than one.
    pub fragment: bool,
    /// A fragment that does not begin with the upper layer.
    pub later: bool,
    /// Where the last address of a source route with segments left ends; 0 if
    /// there is none.
    pub route_end: usize,
    /// Octets of it that the route states; those before are of the destination
    /// field (CmprE, RFC 6554 s3).
    pub route_tail: usize,
}

/// RPL Source Route Header (RFC 6554).
const SOURCE_ROUTE: u8 = 3;

impl Head {
    /// Reads the headers of the packet of `length` octets in `packet`; it may be
    /// longer than its length field says, never shorter.
    ///
    /// `NotIp` if it is no whole packet, an extension header goes beyond its end, or
    /// it is a jumbo payload.
    pub fn parse(packet: &[u8], length: usize) -> Result<Self, DropReason> {
        let packet = packet.get(..length).ok_or(DropReason::NotIp)?;
        #[cfg(feature = "mote-ipv4")]
        if octet(packet, 0) >> 4 == 4 {
            return Self::parse_v4(packet);
        }
        let total = IPV6_LEN + usize::from(word(packet, v6::PAYLOAD_LENGTH));
        let protocol = octet(packet, v6::NEXT_HEADER);
        if octet(packet, 0) >> 4 != 6 || packet.len() < total {
            return Err(DropReason::NotIp);
        }
        let mut head = Head {
            total,
            insert_at: IPV6_LEN,
            insert_name_at: v6::NEXT_HEADER,
            upper_at: IPV6_LEN,
            upper_name_at: v6::NEXT_HEADER,
            protocol,
            fragment: false,
            later: false,
            route_end: 0,
            route_tail: 0,
        };
        while !head.later && head.step(packet)? {}
        Ok(head)
    }

    /// Moves over one extension header; false at the upper layer.
    fn step(&mut self, packet: &[u8]) -> Result<bool, DropReason> {
        let (at, kind) = (self.upper_at, self.protocol);
        let len = match kind {
            proto::HOP_BY_HOP | proto::ROUTING | proto::DESTINATION => {
                usize::from(octet(packet, at + 1)) * 8 + 8
            }
            proto::FRAGMENT => 8,
            _ => return Ok(false),
        };
        // Of a jumbo payload there is none: its options are beyond the end.
        if at + len > self.total {
            return Err(DropReason::NotIp);
        }
        if kind == proto::FRAGMENT {
            let word = word(packet, at + 2);
            // What is inside a fragment is no whole packet, whatever it says.
            self.fragment |= word & 0xfff9 != 0;
            self.later = word & 0xfff8 != 0;
        }
        if kind == proto::ROUTING && octet(packet, at + 3) != 0 {
            let compressed = octet(packet, at + 2) == SOURCE_ROUTE;
            let (shared, padding) = match compressed {
                true => (octet(packet, at + 4) & 0x0f, octet(packet, at + 5) >> 4),
                false => (0, 0),
            };
            self.route_tail = 16 - usize::from(shared);
            self.route_end = at + len - usize::from(padding);
            if self.route_end < at + 8 + self.route_tail {
                return Err(DropReason::NotIp);
            }
        }
        self.upper_at = at + len;
        self.upper_name_at = at;
        self.protocol = octet(packet, at);
        if kind != proto::DESTINATION {
            self.insert_at = self.upper_at;
            self.insert_name_at = at;
        }
        Ok(true)
    }

    /// What selectors see as source and destination port (RFC 4301 s4.4.1.1); of
    /// ICMP type and code stand for both. `None` where the packet shows none.
    pub fn ports(&self, packet: &[u8]) -> Option<(u16, u16)> {
        let at = self.upper_at;
        let (second, len) = match self.protocol {
            proto::UDP | proto::TCP | proto::DCCP | proto::SCTP | proto::UDP_LITE => (at + 2, 4),
            proto::ICMP | proto::ICMPV6 => (at, 2),
            _ => return None,
        };
        if self.later || at + len > self.total {
            return None;
        }
        Some((word(packet, at), word(packet, second)))
    }

    #[cfg(feature = "mote-ipv4")]
    fn parse_v4(packet: &[u8]) -> Result<Self, DropReason> {
        let header = usize::from(octet(packet, 0) & 0x0f) * 4;
        let total = usize::from(word(packet, v4::TOTAL_LENGTH));
        if header < IPV4_LEN || total < header || packet.len() < total {
            return Err(DropReason::NotIp);
        }
        let fragment = word(packet, v4::FRAGMENT);
        Ok(Head {
            total,
            insert_at: header,
            insert_name_at: v4::PROTOCOL,
            upper_at: header,
            upper_name_at: v4::PROTOCOL,
            protocol: octet(packet, v4::PROTOCOL),
            fragment: fragment & (v4::MF | v4::OFFSET) != 0,
            later: fragment & v4::OFFSET != 0,
            route_end: 0,
            route_tail: 0,
        })
    }
}

/// Octets of an address, and where source and destination stand.
pub fn addresses(packet: &[u8]) -> (usize, usize, usize) {
    #[cfg(feature = "mote-ipv4")]
    if is_v4(packet) {
        return (4, v4::SOURCE, v4::DESTINATION);
    }
    let _ = packet;
    (16, v6::SOURCE, v6::DESTINATION)
}

/// The destination that the packet has in the end, of IPv4 in 4 octets; it is the
/// one that selectors and checksums mean (RFC 8200 s8.1).
pub fn final_destination(packet: &[u8], head: &Head) -> [u8; 16] {
    let (len, _, at) = addresses(packet);
    let mut address = [0; 16];
    put(&mut address, 0, part(packet, at, at + len));
    let tail = part(packet, head.route_end - head.route_tail, head.route_end);
    put(&mut address, 16 - head.route_tail, tail);
    address
}

/// Whether the packet is IPv4.
pub fn is_v4(packet: &[u8]) -> bool {
    cfg!(feature = "mote-ipv4") && octet(packet, 0) >> 4 == 4
}

/// Writes the octets of the packet into its length field, and `protocol` to where
/// the next header is named.
pub fn rewrite(packet: &mut [u8], (name_at, protocol): (usize, u8), total: usize) {
    #[cfg(feature = "mote-ipv4")]
    if is_v4(packet) {
        let packet = packet.get_mut(..total).unwrap_or(&mut []);
        // The header was read before: nothing in it can be missing.
        let _ = crate::wire::ip::rewrite(packet, Version::V4, name_at, protocol);
        return;
    }
    set(packet, name_at, protocol);
    let [.., high, low] = total.saturating_sub(IPV6_LEN).to_be_bytes();
    put(packet, v6::PAYLOAD_LENGTH, &[high, low]);
}

/// Sets the ECN field, two bits.
pub fn set_ecn(packet: &mut [u8], ecn: u8) {
    #[cfg(feature = "mote-ipv4")]
    if is_v4(packet) {
        let _ = crate::wire::ip::set_ecn(packet, Version::V4, ecn);
        return;
    }
    let octet = octet(packet, 1);
    set(packet, 1, octet & !0x30 | (ecn & 3) << 4);
}

/// Traffic Class and Flow Label, as they stand in the
/// first word of an IPv6 header; of IPv4 TOS and Identification in their places.
pub fn class_and_flow(packet: &[u8]) -> u32 {
    #[cfg(feature = "mote-ipv4")]
    if is_v4(packet) {
        return u32::from(octet(packet, v4::TOS)) << 20 | u32::from(word(packet, v4::ID));
    }
    long(packet, 0) & 0x0fff_ffff
}

/// Where the Hop Limit or TTL stands.
pub fn hop_limit_at(packet: &[u8]) -> usize {
    #[cfg(feature = "mote-ipv4")]
    if is_v4(packet) {
        return v4::TTL;
    }
    let _ = packet;
    v6::HOP_LIMIT
}

/// What the packet is in a tunnel.
pub fn name(packet: &[u8]) -> u8 {
    if is_v4(packet) {
        proto::IPV4
    } else {
        proto::IPV6
    }
}
