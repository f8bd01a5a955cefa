//! Traffic selectors (RFC 4301 s4.4.1.1): ranges of addresses, a protocol,
//! ranges of ports.

use core::net::IpAddr;

pub use crate::wire::ip::Flow;
use crate::wire::ip::proto;

/// Addresses a selector admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddrRange {
    /// Every address of both families.
    Any,
    /// From `first` to `last`, both included, of one family.
    Range {
        /// Lowest address.
        first: IpAddr,
        /// Highest address.
        last: IpAddr,
    },
}

impl AddrRange {
    /// A single address.
    pub const fn single(address: IpAddr) -> Self {
        AddrRange::Range {
            first: address,
            last: address,
        }
    }

    /// The addresses of `address/bits`; host bits are ignored. `None` if `bits`
    /// exceeds the family's 32 or 128.
    pub fn prefix(address: IpAddr, bits: u8) -> Option<Self> {
        match address {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
                let first = v4.to_bits() & !host;
                (bits <= 32).then(|| AddrRange::Range {
                    first: IpAddr::V4(first.into()),
                    last: IpAddr::V4((first | host).into()),
                })
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
                let first = v6.to_bits() & !host;
                (bits <= 128).then(|| AddrRange::Range {
                    first: IpAddr::V6(first.into()),
                    last: IpAddr::V6((first | host).into()),
                })
            }
        }
    }

    /// From `first` to `last`; `None` if they are of two families or reversed.
    pub fn range(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last)
            .then_some(AddrRange::Range { first, last })
    }

    /// Whether `address` lies inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            AddrRange::Any => true,
            // IpAddr orders every IPv4 address below every IPv6 address, so a
            // range of one family never admits the other.
            AddrRange::Range { first, last } => *first <= address && address <= *last,
        }
    }
}

/// Ports a selector admits. For ICMP the "port" is type × 256 + code, on both
/// sides (RFC 7296 s3.13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortRange {
    /// Any port, and packets that show none.
    Any,
    /// Only packets that show no port: non-first fragments (RFC 4301 s4.4.1.1).
    Opaque,
    /// From `first` to `last`, both included.
    Range {
        /// Lowest port.
        first: u16,
        /// Highest port.
        last: u16,
    },
}

impl PortRange {
    /// Whether a packet showing this port (or none) matches.
    pub fn contains(&self, port: Option<u16>) -> bool {
        match (self, port) {
            (PortRange::Any, _) | (PortRange::Opaque, None) => true,
            // All ports is another way to say any (RFC 7296 s3.13.1).
            (
                PortRange::Range {
                    first: 0,
                    last: u16::MAX,
                },
                None,
            ) => true,
            (PortRange::Range { first, last }, Some(port)) => *first <= port && port <= *last,
            _ => false,
        }
    }
}

/// One selector, seen from the packet: source is where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Admitted source addresses.
    pub source: AddrRange,
    /// Admitted destination addresses.
    pub destination: AddrRange,
    /// Admitted next layer protocol; `None` = any.
    pub protocol: Option<u8>,
    /// Admitted source ports.
    pub source_ports: PortRange,
    /// Admitted destination ports.
    pub destination_ports: PortRange,
}

impl Selector {
    /// Admits every packet.
    pub const ANY: Selector = Selector {
        source: AddrRange::Any,
        destination: AddrRange::Any,
        protocol: None,
        source_ports: PortRange::Any,
        destination_ports: PortRange::Any,
    };

    /// Whether the packet matches in every field but the ports, and does not show
    /// those: a fragment that belongs to a flow which this selector may admit.
    pub fn might_admit(&self, flow: &Flow) -> bool {
        let any = Selector {
            source_ports: PortRange::Any,
            destination_ports: PortRange::Any,
            ..*self
        };
        flow.ports.is_none() && proto::has_ports(flow.protocol) && any.admits(flow)
    }

    /// Whether the packet matches in every field.
    pub fn admits(&self, flow: &Flow) -> bool {
        self.source.contains(flow.source)
            && self.destination.contains(flow.destination)
            && self.protocol.is_none_or(|p| p == flow.protocol)
            && self
                .source_ports
                .contains(flow.ports.map(|(source, _)| source))
            && self
                .destination_ports
                .contains(flow.ports.map(|(_, destination)| destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    }

    #[test]
    fn prefixes_cover_their_hosts_and_nothing_else() {
        let p = AddrRange::prefix(v4(10, 1, 2, 3), 16).unwrap();
        assert!(p.contains(v4(10, 1, 0, 0)) && p.contains(v4(10, 1, 255, 255)));
        assert!(!p.contains(v4(10, 2, 0, 0)) && !p.contains(v4(10, 0, 255, 255)));
        assert!(
            AddrRange::prefix(v4(1, 2, 3, 4), 0)
                .unwrap()
                .contains(v4(255, 0, 0, 0))
        );
        assert!(
            !AddrRange::prefix(v4(1, 2, 3, 4), 0)
                .unwrap()
                .contains(IpAddr::V6(Ipv6Addr::LOCALHOST))
        );
        assert_eq!(
            AddrRange::prefix(v4(1, 2, 3, 4), 32),
            Some(AddrRange::single(v4(1, 2, 3, 4)))
        );
        assert_eq!(AddrRange::prefix(v4(1, 2, 3, 4), 33), None);
        let six = AddrRange::prefix(IpAddr::V6(Ipv6Addr::LOCALHOST), 128).unwrap();
        assert!(six.contains(IpAddr::V6(Ipv6Addr::LOCALHOST)) && !six.contains(v4(0, 0, 0, 1)));
        assert_eq!(
            AddrRange::prefix(IpAddr::V6(Ipv6Addr::LOCALHOST), 129),
            None
        );
    }

    #[test]
    fn a_range_is_of_one_family_and_in_order() {
        assert!(AddrRange::range(v4(1, 0, 0, 0), v4(2, 0, 0, 0)).is_some());
        assert!(AddrRange::range(v4(2, 0, 0, 0), v4(1, 0, 0, 0)).is_none());
        assert!(AddrRange::range(v4(2, 0, 0, 0), IpAddr::V6(Ipv6Addr::LOCALHOST)).is_none());
    }

    #[test]
    fn packets_without_ports_match_any_and_opaque_only() {
        let all = PortRange::Range {
            first: 0,
            last: 65535,
        };
        assert!(all.contains(None) && all.contains(Some(7)));
        let range = PortRange::Range {
            first: 1,
            last: 65535,
        };
        assert!(PortRange::Any.contains(None) && PortRange::Opaque.contains(None));
        assert!(!range.contains(None) && range.contains(Some(1)) && range.contains(Some(65535)));
        assert!(!PortRange::Opaque.contains(Some(1)));
    }
}
