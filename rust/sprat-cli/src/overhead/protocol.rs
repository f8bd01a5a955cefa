//! What each protocol sends for one message over UDP and IPv6, from the end of
//! the frame's own header on.
//!
//! IPv6 and UDP are compressed as 6LoWPAN does (RFC 6282): IPHC 2 with addresses
//! made of those of the link, UDP 7 with both ports and the checksum. What ESP
//! encrypts, 6LoWPAN cannot compress.

use super::esp::{Esp, IV, Trailer};
use super::field::{Kind, Layout};

const IPHC: usize = 2;
/// UDP compressed: NHC 1, ports 4, checksum 2.
const NHC_UDP: usize = 7;
/// Next Header of IPv6, not compressed where no NHC stands for it.
const NEXT_HEADER: usize = 1;
const IPV6: usize = 40;
const UDP: usize = 8;
/// Both ports of UDP.
const PORTS: usize = 4;
/// The tag of the CCM_8 cipher suites and of AES-CCM-16-64-128.
const TAG: usize = 8;
const EXPLICIT_NONCE: usize = 8;
const RULE_ID: usize = 1;
/// The lower half of both inner addresses, where the selectors are /64.
const INTERFACE_IDS: usize = 16;

/// A protocol, with the choices that change its length.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// UDP alone.
    Unprotected,
    /// DTLS 1.2 with AES_128_CCM_8 (RFC 6347, RFC 6655).
    Dtls12,
    /// DTLS 1.3 with AES_128_CCM_8, the shortest header (RFC 9147 section 4).
    Dtls13,
    /// DTLS 1.3 with a CID of 1 octet, a number of 16 bits and a length.
    Dtls13Cid,
    /// OSCORE with AES-CCM-16-64-128 (RFC 8613).
    Oscore(Oscore),
    /// ESP in transport mode, UDP inside.
    EspTransport(Esp),
    /// ESP in tunnel mode, IPv6 and UDP inside.
    EspTunnel(Esp),
    /// Diet-ESP, headers inside elided by selectors of single values.
    DietEsp(Diet),
    /// The same in tunnel mode with selectors of /64 at both ends.
    DietEspPrefix(Diet),
    /// AH in transport mode (RFC 4302).
    Ah(Ah),
    /// WireGuard, IPv6 and UDP inside.
    WireGuard,
}

/// An OSCORE message.
#[derive(Clone, Copy, Debug)]
pub enum Oscore {
    /// A request with a PIV of 1 octet and an empty kid.
    Request,
    /// A response, whose option is empty.
    Response,
    /// A request where SCHC stands for IPv6 and UDP.
    OverSchc,
}

/// Diet-ESP.
#[derive(Clone, Copy, Debug)]
pub struct Diet {
    /// Its ESP part.
    pub esp: Esp,
    /// Sends the RuleID, which draft -07 lets both sides elide.
    pub rule_id: bool,
}

/// Integrity transforms of AH.
#[derive(Clone, Copy, Debug)]
pub enum Ah {
    /// HMAC-SHA-256-128.
    HmacSha256,
    /// AES-GMAC with an explicit IV.
    AesGmac,
}

impl Protocol {
    /// What tables call it; at most 30 characters.
    pub fn name(&self) -> &'static str {
        match self {
            Protocol::Unprotected => "no security",
            Protocol::Dtls12 => "DTLS 1.2, CCM_8",
            Protocol::Dtls13 => "DTLS 1.3, CCM_8, shortest",
            Protocol::Dtls13Cid => "DTLS 1.3, CCM_8, CID",
            Protocol::Oscore(Oscore::Request) => "OSCORE request",
            Protocol::Oscore(Oscore::Response) => "OSCORE response",
            Protocol::Oscore(Oscore::OverSchc) => "OSCORE request over SCHC",
            Protocol::EspTransport(esp) if esp.iv > 0 => "ESP transport, explicit IV",
            Protocol::EspTransport(_) => "ESP transport, implicit IV",
            Protocol::EspTunnel(esp) if esp.iv > 0 => "ESP tunnel, explicit IV",
            Protocol::EspTunnel(_) => "ESP tunnel, implicit IV",
            Protocol::DietEsp(_) => "Diet-ESP",
            Protocol::DietEspPrefix(_) => "Diet-ESP tunnel, /64 selectors",
            Protocol::Ah(Ah::HmacSha256) => "AH, HMAC-SHA-256-128",
            Protocol::Ah(Ah::AesGmac) => "AH, AES-GMAC",
            Protocol::WireGuard => "WireGuard",
        }
    }

    /// The fields for a message of `octets` above UDP.
    pub fn layout(&self, octets: usize) -> Layout {
        let message = Layout::default().with(Kind::Message, "message", octets);
        match self {
            Protocol::Unprotected => udp().then(message),
            Protocol::Dtls12 => udp().then(dtls12_header()).then(message).then(tag()),
            Protocol::Dtls13 => udp().then(dtls13(0, 1, 0, message)),
            Protocol::Dtls13Cid => udp().then(dtls13(1, 2, 2, message)),
            Protocol::Oscore(form) => oscore(*form, message),
            Protocol::EspTransport(esp) => {
                let segment = Layout::default().with(Kind::Lower, "UDP", UDP);
                ip().then(esp.around(segment.then(message)))
            }
            Protocol::EspTunnel(esp) => ip().then(esp.around(inner().then(message))),
            Protocol::DietEsp(diet) => diet.layout(diet.ports(), message),
            Protocol::DietEspPrefix(diet) => diet
                .in_tunnel()
                .layout(("addresses", INTERFACE_IDS), message),
            Protocol::Ah(transform) => ah(*transform, message),
            Protocol::WireGuard => wireguard(message),
        }
    }

    /// How much longer a message gets than over UDP alone.
    pub fn added(&self, octets: usize) -> usize {
        self.layout(octets).octets() - Protocol::Unprotected.layout(octets).octets()
    }
}

impl Diet {
    /// Next Header is sent where a transport mode SA carries any protocol: then no
    /// selector states the ports of UDP (digest section 6, worked example 8).
    fn ports(&self) -> (&'static str, usize) {
        let any = self.esp.trailer == Trailer::Optional { next_header: true };
        ("ports", if any { PORTS } else { 0 })
    }

    /// The same in tunnel mode, where only the whole trailer has a Next Header.
    fn in_tunnel(mut self) -> Self {
        if let Trailer::Optional { next_header } = &mut self.esp.trailer {
            *next_header = false;
        }
        self
    }

    fn layout(&self, (name, residue): (&'static str, usize), message: Layout) -> Layout {
        let payload = Layout::default()
            .with(Kind::Lower, "RuleID", RULE_ID * usize::from(self.rule_id))
            .with(Kind::Lower, name, residue)
            .then(message);
        ip().then(self.esp.around(payload))
    }
}

/// The record header of DTLS 1.2 and the part of the nonce that is sent.
pub fn dtls12_header() -> Layout {
    Layout::default()
        .with(Kind::Header, "type", 1)
        .with(Kind::Header, "version", 2)
        .with(Kind::Header, "epoch", 2)
        .with(Kind::Header, "sequence number", 6)
        .with(Kind::Header, "length", 2)
        .with(Kind::Iv, "explicit nonce", EXPLICIT_NONCE)
}

/// The tag of CCM_8.
pub fn tag() -> Layout {
    Layout::default().with(Kind::Icv, "tag", TAG)
}

fn dtls13(cid: usize, number: usize, length: usize, message: Layout) -> Layout {
    Layout::default()
        .with(Kind::Header, "first octet", 1)
        .with(Kind::Header, "CID", cid)
        .with(Kind::Header, "sequence number", number)
        .with(Kind::Header, "length", length)
        .then(message)
        .with(Kind::Trailer, "inner type", 1)
        .then(tag())
}

/// The message is a CoAP message with a payload: its code moves inside, where
/// another payload marker is needed.
fn oscore(form: Oscore, message: Layout) -> Layout {
    let (lower, option) = match form {
        Oscore::Request => (udp(), 3),
        Oscore::Response => (udp(), 1),
        Oscore::OverSchc => (Layout::default().with(Kind::Lower, "RuleID", RULE_ID), 3),
    };
    lower
        .with(Kind::Header, "OSCORE option", option)
        .then(message)
        .with(Kind::Trailer, "inner code", 1)
        .with(Kind::Trailer, "inner marker", 1)
        .then(tag())
}

fn ah(transform: Ah, message: Layout) -> Layout {
    let (iv, icv) = match transform {
        Ah::HmacSha256 => (0, 16),
        Ah::AesGmac => (IV, 16),
    };
    let header = ip()
        .with(Kind::Header, "AH", 12)
        .with(Kind::Iv, "IV", iv)
        .with(Kind::Icv, "ICV", icv);
    // Under IPv6 the whole header is a multiple of 8 octets (RFC 4302 s3.3.3.2.1).
    let length: usize = 12 + iv + icv;
    header
        .with(
            Kind::Trailer,
            "padding",
            length.next_multiple_of(8) - length,
        )
        .with(Kind::Lower, "UDP", UDP)
        .then(message)
}

fn wireguard(message: Layout) -> Layout {
    let packet = inner().then(message);
    let octets = packet.octets();
    udp()
        .with(Kind::Header, "type and reserved", 4)
        .with(Kind::Header, "receiver", 4)
        .with(Kind::Header, "counter", 8)
        .then(packet)
        .with(
            Kind::Trailer,
            "padding",
            octets.next_multiple_of(16) - octets,
        )
        .with(Kind::Icv, "tag", 16)
}

fn udp() -> Layout {
    Layout::default()
        .with(Kind::Lower, "IPHC", IPHC)
        .with(Kind::Lower, "UDP", NHC_UDP)
}

fn ip() -> Layout {
    Layout::default()
        .with(Kind::Lower, "IPHC", IPHC)
        .with(Kind::Lower, "Next Header", NEXT_HEADER)
}

fn inner() -> Layout {
    Layout::default()
        .with(Kind::Lower, "inner IPv6", IPV6)
        .with(Kind::Lower, "UDP", UDP)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 802.15.4 with two addresses of 64 bits, and the FCS.
    const MAC: usize = 23;
    /// CoAP header 4, token 1, marker 1, payload 8.
    const COAP: usize = 14;

    fn diet(lsb: usize, iv: usize) -> Diet {
        let esp = Esp {
            spi_lsb: lsb,
            sn_lsb: lsb,
            iv,
            alignment: 1,
            trailer: Trailer::Optional { next_header: false },
            icv: 8,
        };
        Diet {
            esp,
            rule_id: false,
        }
    }

    fn with_rule_id(diet: Diet) -> Diet {
        Diet {
            rule_id: true,
            ..diet
        }
    }

    #[test]
    fn octets_on_air_of_one_coap_message() {
        let (implicit, explicit) = (Esp::plain(0, 8), Esp::plain(IV, 8));
        let table = [
            (Protocol::Unprotected, 46, 0),
            (Protocol::Dtls12, 75, 29),
            (Protocol::Dtls13, 57, 11),
            (Protocol::Dtls13Cid, 61, 15),
            (Protocol::Oscore(Oscore::Request), 59, 13),
            (Protocol::Oscore(Oscore::Response), 57, 11),
            (Protocol::EspTransport(explicit), 74, 28),
            (Protocol::EspTransport(implicit), 66, 20),
            (Protocol::EspTunnel(explicit), 114, 68),
            (Protocol::EspTunnel(implicit), 106, 60),
            (Protocol::DietEsp(diet(8, 0)), 50, 4),
            (Protocol::DietEsp(with_rule_id(diet(8, 0))), 51, 5),
            (Protocol::DietEsp(diet(16, 0)), 52, 6),
            (Protocol::DietEsp(diet(32, 0)), 56, 10),
            (Protocol::DietEsp(diet(8, IV)), 58, 12),
            (Protocol::DietEspPrefix(with_rule_id(diet(8, 0))), 67, 21),
            (Protocol::Ah(Ah::HmacSha256), 80, 34),
            (Protocol::Ah(Ah::AesGmac), 88, 42),
            (Protocol::Oscore(Oscore::OverSchc), 51, 5),
            (Protocol::WireGuard, 128, 128 - 46),
        ];
        for (protocol, frame, added) in table {
            let octets = MAC + protocol.layout(COAP).octets();
            assert_eq!(
                (octets, protocol.added(COAP)),
                (frame, added),
                "{protocol:?}"
            );
        }
    }

    #[test]
    fn dtls_of_july_2016() {
        assert_eq!(dtls12_header().then(tag()).octets(), 29);
    }
}
