//! What a packet costs, by its context, in octets.

use sprat_config::SaConfig;
use sprat_core::crypto::{Encr, Integ};
use sprat_core::diet_esp::Context;
use sprat_core::trailer::Form;
use sprat_core::wire::ip::{IPV4_LEN, IPV6_LEN, Version, proto};

use crate::overhead::field::{Kind, Layout};

/// Protocols by name; others go by their number.
const PROTOCOLS: [(&str, u8); 6] = [
    ("icmp", proto::ICMP),
    ("tcp", proto::TCP),
    ("udp", proto::UDP),
    ("ipv6-icmp", proto::ICMPV6),
    ("sctp", proto::SCTP),
    ("udplite", proto::UDP_LITE),
];

/// The name of a protocol, as the configuration writes it.
pub fn protocol_name(number: u8) -> String {
    let named = PROTOCOLS.iter().find(|(_, n)| *n == number);
    named.map_or(format!("protocol {number}"), |(name, _)| (*name).to_owned())
}

/// The protocol of this name or number.
pub fn protocol_by_name(text: &str) -> Option<u8> {
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text);
    named
        .map(|(_, number)| *number)
        .or_else(|| text.parse().ok())
}

/// Lengths of a transform, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// Encryption transform.
    pub encr: Encr,
    /// IV on the wire.
    pub iv: usize,
    /// ICV on the wire.
    pub icv: usize,
    /// Block that padding must fill; 1 without.
    pub block: usize,
}

impl Cipher {
    /// That of an SA.
    pub fn of(sa: &SaConfig) -> Self {
        Cipher::new(sa.encr, sa.integ)
    }

    /// That of these transforms.
    pub fn new(encr: Encr, integ: Integ) -> Self {
        Cipher {
            encr,
            iv: encr.iv_len(),
            icv: match integ {
                Integ::None => encr.icv_len(),
                integ => integ.icv_len(),
            },
            block: match encr.pad_align() {
                block @ 5.. => block,
                _ => 1,
            },
        }
    }
}

/// Packets to count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// What the inner IP header names.
    pub protocol: u8,
    /// Octets behind the transport header.
    pub payload: usize,
}

impl Traffic {
    fn transport(&self) -> usize {
        match self.protocol {
            proto::UDP | proto::UDP_LITE => 8,
            proto::TCP => 20,
            proto::SCTP => 12,
            _ => 0,
        }
    }

    /// Octets of the headers that ESP protects.
    fn headers(&self, context: &Context) -> usize {
        let ip = match (context.outer(), context.afrg().ip_version) {
            (None, _) => 0,
            (Some(_), Some(Version::V4)) => IPV4_LEN,
            (Some(_), _) => IPV6_LEN,
        };
        ip + self.transport()
    }
}

/// The ESP packet as Diet-ESP sends it.
pub fn compressed(context: &Context, cipher: Cipher, traffic: Traffic) -> Layout {
    let (covered, residue) = context.header_and_residue(traffic.protocol);
    let headers = traffic.headers(context).saturating_sub(covered);
    let form = context.trailer(cipher.block);
    let inner = Layout::default()
        .with(Kind::Lower, "residue", residue)
        .then(inner(headers, traffic));
    let header = header(context).with(Kind::Iv, "IV", cipher.iv);
    around(header, inner, form, cipher)
}

/// The ESP packet as RFC 4303 has it.
pub fn plain(context: &Context, cipher: Cipher, traffic: Traffic) -> Layout {
    let form = Form::whole(cipher.block.max(4));
    let inner = inner(traffic.headers(context), traffic);
    let header = Layout::default()
        .with(Kind::Header, "SPI", 4)
        .with(Kind::Header, "SN", 4)
        .with(Kind::Iv, "IV", cipher.iv);
    around(header, inner, form, cipher)
}

fn header(context: &Context) -> Layout {
    let (spi, sn) = (context.afrg().esp_spi_lsb, context.afrg().esp_sn_lsb);
    let layout = Layout::default();
    if spi.is_multiple_of(8) {
        return layout.with(Kind::Header, "SPI", usize::from(spi / 8)).with(
            Kind::Header,
            "SN",
            usize::from(sn / 8),
        );
    }
    let name = format!("SPI ({spi} bits) and SN ({sn} bits)");
    layout.with(Kind::Header, name, context.header_len())
}

fn inner(headers: usize, traffic: Traffic) -> Layout {
    Layout::default()
        .with(Kind::Lower, "inner headers", headers)
        .with(Kind::Message, "payload", traffic.payload)
}

fn around(header: Layout, inner: Layout, form: Form, cipher: Cipher) -> Layout {
    let padding = form.padding_len(inner.octets(), 0).unwrap_or(0);
    header
        .then(inner)
        .with(Kind::Trailer, "Padding", padding)
        .with(Kind::Trailer, "Pad Length", form.pad_length.into())
        .with(Kind::Trailer, "Next Header", form.next_header.into())
        .with(Kind::Icv, "ICV", cipher.icv)
}
