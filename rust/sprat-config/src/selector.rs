//! Selectors: addresses, protocol, ports or ICMP types.

use core::net::IpAddr;

use sprat_core::selector::{AddrRange, PortRange, Selector};

use crate::reader::{Reader, Section, Value};

const ADDRESSES: &str =
    "\"any\", an address, a prefix \"address/bits\", a range \"first-last\" of one family";
const PORTS: &str = "\"any\", \"opaque\", a port from 0 to 65535, a range \"first-last\"";

/// Names of next layer protocols; any other one is written as its number.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("sctp", 132),
    ("udplite", 136),
];
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Reads the selector keys of a section; absent ones admit everything.
pub(crate) fn read(r: &mut Reader<'_>, section: &Section<'_>) -> Selector {
    let source = r.parsed(section, "source", addresses, ADDRESSES);
    let destination = r.parsed(section, "destination", addresses, ADDRESSES);
    let protocol = section
        .value("protocol")
        .and_then(|value| protocol(r, value))
        .flatten();
    let mut selector = Selector {
        source: source.unwrap_or(AddrRange::Any),
        destination: destination.unwrap_or(AddrRange::Any),
        protocol,
        source_ports: port_key(r, section, "source_ports", protocol),
        destination_ports: port_key(r, section, "destination_ports", protocol),
    };
    if let Some(icmp) = icmp(r, section, protocol) {
        // Both sides hold type and code (RFC 7296 s3.13.1).
        selector.source_ports = icmp;
        selector.destination_ports = icmp;
    }
    families(r, section, &selector);
    selector
}

/// Two families in one selector would admit nothing.
fn families(r: &mut Reader<'_>, section: &Section<'_>, selector: &Selector) {
    let (
        AddrRange::Range { first: source, .. },
        AddrRange::Range {
            first: destination, ..
        },
    ) = (selector.source, selector.destination)
    else {
        return;
    };
    if source.is_ipv4() != destination.is_ipv4() {
        let text = "source and destination are of two address families: nothing would match";
        r.report(section.place("destination"), text, "");
    }
}

/// `Some(None)` is "any".
fn protocol(r: &mut Reader<'_>, value: Value<'_>) -> Option<Option<u8>> {
    if value.value.is_integer() {
        let number = r.number_of(value, 0..=255)?;
        return u8::try_from(number).ok().map(Some);
    }
    let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
    let allowed = format!("\"any\", a number from 0 to 255, {}", names.join(", "));
    r.parsed_of(value, protocol_text, &allowed)
}

fn protocol_text(text: &str) -> Option<Option<u8>> {
    if text == "any" {
        return Some(None);
    }
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text);
    named
        .map(|(_, number)| *number)
        .or_else(|| text.parse().ok())
        .map(Some)
}

fn port_key(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    name: &'static str,
    protocol: Option<u8>,
) -> PortRange {
    let Some(range) = section.value(name).and_then(|value| port_range(r, value)) else {
        return PortRange::Any;
    };
    let has_ports = matches!(protocol, Some(6 | 17 | 33 | 132 | 136));
    if matches!(range, PortRange::Range { .. }) && !has_ports {
        let text = "ports need a protocol that has them";
        r.report(
            section.place(name),
            text,
            "protocol tcp, udp, dccp, sctp, udplite",
        );
    }
    range
}

fn port_range(r: &mut Reader<'_>, value: Value<'_>) -> Option<PortRange> {
    if value.value.is_integer() {
        let port = u16::try_from(r.number_of(value, 0..=65535)?).ok()?;
        return Some(PortRange::Range {
            first: port,
            last: port,
        });
    }
    r.parsed_of(value, ports, PORTS)
}

fn ports(text: &str) -> Option<PortRange> {
    match text {
        "any" => return Some(PortRange::Any),
        "opaque" => return Some(PortRange::Opaque),
        _ => {}
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(PortRange::Range { first, last })
}

fn icmp(r: &mut Reader<'_>, section: &Section<'_>, protocol: Option<u8>) -> Option<PortRange> {
    let kind = r.number16(section, "icmp_type", 0..=255);
    let code = r.number16(section, "icmp_code", 0..=255);
    if !section.has("icmp_type") {
        if section.has("icmp_code") {
            r.report(
                section.place("icmp_code"),
                "stands without icmp_type",
                "icmp_type beside it",
            );
        }
        return None;
    }
    if !matches!(protocol, Some(ICMP | ICMPV6)) {
        let text = "stands without an ICMP protocol";
        r.report(
            section.place("icmp_type"),
            text,
            "protocol icmp or ipv6-icmp",
        );
    }
    for name in ["source_ports", "destination_ports"] {
        if section.has(name) {
            r.report(section.place(name), "ports beside icmp_type", "one of them");
        }
    }
    let first = kind? * 256;
    Some(match code {
        Some(code) => PortRange::Range {
            first: first + code,
            last: first + code,
        },
        None => PortRange::Range {
            first,
            last: first + 255,
        },
    })
}

/// "any", an address, a prefix or a range.
pub(crate) fn addresses(text: &str) -> Option<AddrRange> {
    if text == "any" {
        return Some(AddrRange::Any);
    }
    if let Some((first, last)) = text.split_once('-') {
        return AddrRange::range(first.trim().parse().ok()?, last.trim().parse().ok()?);
    }
    match text.split_once('/') {
        Some(_) => prefix(text).and_then(|(address, bits)| AddrRange::prefix(address, bits)),
        None => text.parse().ok().map(AddrRange::single),
    }
}

/// `address/bits` with bits that the family has.
pub(crate) fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_ranges() {
        let any = |text: &str| addresses(text).is_some();
        assert!(any("any") && any("10.0.0.1") && any("10.0.0.0/8") && any("2001:db8::/32"));
        assert!(any("10.0.0.1-10.0.0.9") && any("2001:db8::1 - 2001:db8::2"));
        assert!(!any("10.0.0.9-10.0.0.1") && !any("10.0.0.0/33") && !any("10.0.0") && !any(""));
        assert!(!any("10.0.0.1-2001:db8::1") && !any("any/8"));
        assert_eq!(
            ports("80"),
            Some(PortRange::Range {
                first: 80,
                last: 80
            })
        );
        assert_eq!(
            ports("1-1024"),
            Some(PortRange::Range {
                first: 1,
                last: 1024
            })
        );
        assert_eq!(ports("opaque"), Some(PortRange::Opaque));
        assert_eq!(ports("2-1"), None);
        assert_eq!(ports("65536"), None);
        assert_eq!(protocol_text("udp"), Some(Some(17)));
        assert_eq!(protocol_text("any"), Some(None));
        assert_eq!(protocol_text("256"), None);
    }
}
