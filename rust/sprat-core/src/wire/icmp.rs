//! ICMP errors. "Packet too big" in both directions: Destination Unreachable
//! code 4 (RFC 792, RFC 1191) and ICMPv6 type 2 (RFC 4443 s3.2). "Prohibited" to
//! the sender: code 13 (RFC 1812 s5.2.7.1) and ICMPv6 type 1 code 1 (RFC 4443 s3.1).
//!
//! ```text
//! type 1 | code 1 | checksum 2 | IPv4: unused 2, MTU 2 / IPv6: MTU 4 | the packet in question, cut
//! ```
//!
//! Where no MTU is told, these 4 octets are 0.

use core::net::{IpAddr, Ipv4Addr};

use super::ip::{Fragment, Head, IPV4_LEN, IPV6_LEN, Outer, Version, copy, proto, v4, v6};
use super::{WireError, finish_checksum, put, sum_words, u8_at, u16_at, u32_at};

const V4_UNREACHABLE: u8 = 3;
const V4_FRAGMENTATION_NEEDED: u8 = 4;
const V4_PROHIBITED: u8 = 13;
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_PROHIBITED: u8 = 1;
/// Octets of an ICMP header with the MTU.
const LEN: usize = 8;
/// Largest error message: 576 octets in IPv4 (RFC 1812 s4.3.2.3), 1280 in IPv6.
const V4_MAX: usize = 576;
const V6_MAX: usize = 1280;

/// Builds the error that tells the sender of `packet` to use at most `mtu`
/// octets, and returns its length. `from` is the address it comes from, of the
/// packet's family. `out` needs at most 1280 octets.
///
/// Errors: `Other` where no error must be sent: to a fragment but the first, to
/// an ICMP error, to a source that is no single host (RFC 1122 s3.2.2, RFC 4443
/// s2.4), or where `from` is of the other family; `Truncated` if `out` is too short.
pub fn too_big(packet: &[u8], from: IpAddr, mtu: u32, out: &mut [u8]) -> Result<usize, WireError> {
    error(packet, from, Error::TooBig(mtu), out)
}

/// Builds the error that tells the sender of `packet` that it is administratively
/// prohibited, and returns its length. Parameters and errors as [`too_big`], and
/// `Other` to every packet that went to more than one host.
pub fn prohibited(packet: &[u8], from: IpAddr, out: &mut [u8]) -> Result<usize, WireError> {
    error(packet, from, Error::Prohibited, out)
}

/// What a sender is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Error {
    /// Octets that would have passed.
    TooBig(u32),
    Prohibited,
}

fn error(packet: &[u8], from: IpAddr, error: Error, out: &mut [u8]) -> Result<usize, WireError> {
    let head = Head::parse(packet)?;
    if !may_be_answered(&head, packet, error) || from.is_ipv4() != (head.version == Version::V4) {
        return Err(WireError::Other);
    }
    let (header_len, max, protocol) = match head.version {
        Version::V4 => (IPV4_LEN, V4_MAX, proto::ICMP),
        Version::V6 => (IPV6_LEN, V6_MAX, proto::ICMPV6),
    };
    let quoted = packet.get(..head.total_len).ok_or(WireError::Truncated)?;
    let quoted = quoted.get(..max - header_len - LEN).unwrap_or(quoted);
    let len = header_len + LEN + quoted.len();
    let message = out.get_mut(..len).ok_or(WireError::Truncated)?;
    let outer = Outer {
        source: from,
        destination: head.source,
        hop_limit: 64,
        traffic_class: 0xc0,
        id: 0,
        // An Identification of 0 is for packets that cannot be fragmented (RFC 6864 s4.1).
        fragment: v4::DF,
        flow_label: 0,
    };
    outer.emit(message, protocol)?;
    let (header, body) = message
        .split_at_mut_checked(header_len)
        .ok_or(WireError::Truncated)?;
    write_body(body, head.version, error, quoted)?;
    let start = if head.version == Version::V6 {
        pseudo_sum(header, body.len())?
    } else {
        0
    };
    let checksum = finish_checksum(sum_words(body, start));
    put(body, 2, checksum.to_be_bytes())?;
    Ok(len)
}

fn write_body(
    body: &mut [u8],
    version: Version,
    error: Error,
    quoted: &[u8],
) -> Result<(), WireError> {
    let (kind, code, mtu) = match (version, error) {
        // IPv4 has 16 bits for the MTU: the upper ones stay 0.
        (Version::V4, Error::TooBig(mtu)) => (
            V4_UNREACHABLE,
            V4_FRAGMENTATION_NEEDED,
            u16::try_from(mtu).unwrap_or(u16::MAX).into(),
        ),
        (Version::V6, Error::TooBig(mtu)) => (V6_TOO_BIG, 0, mtu),
        (Version::V4, Error::Prohibited) => (V4_UNREACHABLE, V4_PROHIBITED, 0),
        (Version::V6, Error::Prohibited) => (V6_UNREACHABLE, V6_PROHIBITED, 0),
    };
    put(body, 0, [kind, code, 0, 0])?;
    put(body, 4, u32::to_be_bytes(mtu))?;
    copy(body.get_mut(LEN..).ok_or(WireError::Truncated)?, quoted);
    Ok(())
}

/// Words of the IPv6 pseudo-header: addresses, length, next header 58.
fn pseudo_sum(header: &[u8], body_len: usize) -> Result<u32, WireError> {
    let addresses = header
        .get(v6::SOURCE..IPV6_LEN)
        .ok_or(WireError::Truncated)?;
    let len = u32::try_from(body_len).map_err(|_| WireError::Length)?;
    Ok(sum_words(addresses, len + u32::from(proto::ICMPV6)))
}

/// A single host: neither of network 0, loopback, multicast, class E nor broadcast.
fn is_host(address: Ipv4Addr) -> bool {
    !matches!(address.octets().first(), None | Some(0 | 127 | 224..))
}

fn may_be_answered(head: &Head, packet: &[u8], error: Error) -> bool {
    let upper = packet.get(head.upper_at..head.total_len).unwrap_or(&[]);
    let kind = upper.first().copied();
    let is_error = match head.protocol {
        proto::ICMP => matches!(kind, None | Some(3 | 4 | 5 | 11 | 12)),
        proto::ICMPV6 => matches!(kind, None | Some(0..=127 | 137)),
        _ => false,
    };
    let one_host = match head.source {
        IpAddr::V4(a) => is_host(a),
        IpAddr::V6(a) => !(a.is_unspecified() || a.is_multicast() || a.is_loopback()),
    };
    // ICMPv6 answers a multicast packet that is too big, and nothing else of
    // multicast (RFC 4443 s2.4 e.3, RFC 1122 s3.2.2).
    let to_many = match head.destination {
        IpAddr::V4(a) => a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_multicast() && error == Error::Prohibited,
    };
    !is_error && one_host && !to_many && head.fragment != Fragment::Later
}

/// A "too big" message from the network about a packet of ours. Nothing in it
/// is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBig<'a> {
    /// MTU it tells; 0 from an old IPv4 router that tells none (RFC 1191 s5).
    pub mtu: u32,
    /// Source address of the packet in question.
    pub source: IpAddr,
    /// Destination address of the packet in question.
    pub destination: IpAddr,
    /// Its protocol.
    pub protocol: u8,
    /// What is quoted of its upper layer, often 8 octets only.
    pub upper: &'a [u8],
}

impl<'a> TooBig<'a> {
    /// Reads a whole ICMP or ICMPv6 packet; `Other` if it is another message, a
    /// fragment, or its checksum is wrong.
    pub fn parse(packet: &'a [u8]) -> Result<Self, WireError> {
        let head = Head::parse(packet)?;
        let body = packet
            .get(head.upper_at..head.total_len)
            .ok_or(WireError::Truncated)?;
        let start = match head.version {
            Version::V4 => 0,
            Version::V6 => pseudo_sum(packet, body.len())?,
        };
        if head.fragment != Fragment::Whole || finish_checksum(sum_words(body, start)) != 0 {
            return Err(WireError::Other);
        }
        let mtu = match (head.protocol, u8_at(body, 0)?, u8_at(body, 1)?) {
            (proto::ICMP, V4_UNREACHABLE, V4_FRAGMENTATION_NEEDED) => u32::from(u16_at(body, 6)?),
            (proto::ICMPV6, V6_TOO_BIG, _) => u32_at(body, 4)?,
            _ => return Err(WireError::Other),
        };
        let quoted = body.get(LEN..).ok_or(WireError::Truncated)?;
        Self::parse_quoted(quoted, mtu)
    }

    /// The quoted packet is cut short: its length field says more than is there,
    /// and only plain headers are followed.
    fn parse_quoted(quoted: &'a [u8], mtu: u32) -> Result<Self, WireError> {
        let address = |at: usize, len: usize| match len {
            4 => super::array_at::<4>(quoted, at).map(IpAddr::from),
            _ => super::array_at::<16>(quoted, at).map(IpAddr::from),
        };
        let first = u8_at(quoted, 0)?;
        let (source, destination, protocol, upper_at) = match first >> 4 {
            4 => (
                address(v4::SOURCE, 4)?,
                address(v4::DESTINATION, 4)?,
                u8_at(quoted, v4::PROTOCOL)?,
                (usize::from(first & 0x0f) * 4).max(IPV4_LEN),
            ),
            6 => (
                address(v6::SOURCE, 16)?,
                address(v6::DESTINATION, 16)?,
                u8_at(quoted, v6::NEXT_HEADER)?,
                IPV6_LEN,
            ),
            _ => return Err(WireError::Version),
        };
        let upper = quoted.get(upper_at..).ok_or(WireError::Truncated)?;
        Ok(TooBig {
            mtu,
            source,
            destination,
            protocol,
            upper,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn packet(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
        let outer = Outer {
            source,
            destination,
            hop_limit: 9,
            traffic_class: 0,
            id: 0,
            fragment: 0,
            flow_label: 0,
        };
        let mut packet = std::vec![8u8; outer.header_len() + len];
        outer.emit(&mut packet, protocol).unwrap();
        packet
    }

    #[test]
    fn what_is_built_is_read_back() {
        let six = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let four = |n: u8| IpAddr::from([192, 0, 2, n]);
        for (a, b, gw, mtu) in [
            (four(1), four(2), four(9), 1400),
            (six(1), six(2), six(9), 1400),
        ] {
            let original = packet(a, b, proto::ESP, 1500);
            let mut out = [0xa5u8; 1280];
            let len = too_big(&original, gw, mtu, &mut out).unwrap();
            let head = Head::parse(&out[..len]).unwrap();
            assert_eq!((head.source, head.destination), (gw, a));
            let told = TooBig::parse(&out[..len]).unwrap();
            assert_eq!((told.mtu, told.source, told.destination), (mtu, a, b));
            assert_eq!(told.upper[..4], [8; 4]);
            assert!(too_big(&original, gw, mtu, &mut out[..len - 1]).is_err());
            let start = if a.is_ipv4() {
                0
            } else {
                pseudo_sum(&out[..40], len - 40).unwrap()
            };
            assert_eq!(
                finish_checksum(sum_words(&out[head.upper_at..len], start)),
                0
            );
        }
    }

    #[test]
    fn prohibited_says_so_in_both_families() {
        let six = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let four = |n: u8| IpAddr::from([192, 0, 2, n]);
        for (a, b, gw, protocol, wanted) in [
            (four(1), four(2), four(9), proto::ICMP, [3, 13]),
            (six(1), six(2), six(9), proto::ICMPV6, [1, 1]),
        ] {
            for octets in [20, 1500] {
                let original = packet(a, b, proto::UDP, octets);
                let mut out = [0xa5u8; 1280];
                let len = prohibited(&original, gw, &mut out).unwrap();
                let (head, body) = (Head::parse(&out[..len]).unwrap(), &out[..len]);
                assert_eq!((head.source, head.destination), (gw, a));
                assert_eq!((head.protocol, head.total_len), (protocol, len));
                let body = &body[head.upper_at..];
                assert_eq!(body[..2], wanted);
                assert_eq!(body[4..LEN], [0; 4], "unused");
                assert!(original.starts_with(&body[LEN..]));
                let most = if a.is_ipv4() { 576 } else { 1280 };
                assert_eq!(len, most.min(head.upper_at + LEN + original.len()));
                let start = if a.is_ipv4() {
                    0
                } else {
                    pseudo_sum(&out[..40], body.len()).unwrap()
                };
                assert_eq!(finish_checksum(sum_words(body, start)), 0);
                assert_eq!(TooBig::parse(&out[..len]), Err(WireError::Other));
                assert!(prohibited(&original, gw, &mut out[..len - 1]).is_err());
            }
        }
    }

    #[test]
    fn nobody_is_told_who_must_not_be() {
        let gw6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9]);
        let host6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        let group6 = IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 2]);
        let (gw4, host4) = (IpAddr::from([192, 0, 2, 9]), IpAddr::from([192, 0, 2, 1]));
        let mut later = packet(host4, gw4, proto::UDP, 40);
        later[7] = 1;
        let mut error4 = packet(host4, gw4, proto::ICMP, 40);
        error4[20] = 11;
        let mut error6 = packet(host6, gw6, proto::ICMPV6, 40);
        error6[40] = 1;
        let to_group = packet(host6, group6, proto::UDP, 40);
        let mut out = [0u8; 1280];
        for (original, from) in [
            (&later, gw4),
            (&error4, gw4),
            (
                &packet(host4, IpAddr::from([224, 0, 0, 5]), proto::UDP, 40),
                gw4,
            ),
            (&packet(host4, IpAddr::from([255; 4]), proto::UDP, 40), gw4),
            (&packet(IpAddr::from([0; 4]), gw4, proto::UDP, 40), gw4),
            (&error6, gw6),
            (&to_group, gw6),
            (&packet(IpAddr::from([0u16; 8]), gw6, proto::UDP, 40), gw6),
            (&packet(host6, gw6, proto::UDP, 40), gw4),
        ] {
            assert_eq!(prohibited(original, from, &mut out), Err(WireError::Other));
        }
        assert!(too_big(&to_group, gw6, 1280, &mut out).is_ok());
        error6[40] = 128;
        assert!(prohibited(&error6, gw6, &mut out).is_ok(), "a ping");
    }

    #[test]
    fn errors_and_multicast_are_never_answered() {
        let mut out = [0u8; 1280];
        let gw = IpAddr::from([192, 0, 2, 9]);
        let mut error = packet(IpAddr::from([192, 0, 2, 1]), gw, proto::ICMP, 100);
        error[20] = 3;
        assert_eq!(too_big(&error, gw, 1000, &mut out), Err(WireError::Other));
        error[20] = 8;
        assert!(too_big(&error, gw, 1000, &mut out).is_ok());
        let multicast = packet(IpAddr::from([224, 0, 0, 1]), gw, proto::UDP, 100);
        assert_eq!(
            too_big(&multicast, gw, 1000, &mut out),
            Err(WireError::Other)
        );
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = TooBig::parse(&octets);
            let mut out = [0u8; 1280];
            let _ = too_big(&octets, IpAddr::from([1, 2, 3, 4]), 1280, &mut out);
            let _ = prohibited(&octets, IpAddr::from([1, 2, 3, 4]), &mut out);
        }
    }
}
