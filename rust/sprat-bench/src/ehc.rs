//! Diet-ESP's header compression by itself: the headers of 32 packets left out and
//! put back, without cipher and counters.

use std::net::IpAddr;

use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, EcnCda, FlowLabelCda, OuterFields, generate,
};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::wire::ip::Version;

use crate::PACKETS;

/// Octets of IPv6 and UDP header.
const HEADERS: usize = 48;

const OUTER: OuterFields = OuterFields {
    version: Version::V6,
    traffic_class: 0,
    hop_limit: 64,
    flow: 0x12345,
};

/// A context and packets that it compresses.
#[derive(Clone)]
pub struct Ehc {
    context: Context,
    packets: Vec<Vec<u8>>,
    /// Room for headers, then a payload.
    payloads: Vec<Vec<u8>>,
}

/// One UDP session over IPv6, all of it single values.
fn afrg(guard: bool) -> Afrg {
    let port = |port| PortRange::Range {
        first: port,
        last: port,
    };
    let address = |last: u8| {
        let octets: [u8; 16] = std::array::from_fn(|i| match i {
            0 => 0x20,
            1 => 0x01,
            15 => last,
            _ => 0x0d,
        });
        AddrRange::single(IpAddr::from(octets))
    };
    let selector = Selector {
        source: address(1),
        destination: address(2),
        protocol: Some(17),
        source_ports: port(5683),
        destination_ports: port(5683),
    };
    Afrg {
        dscp_cda: DscpCda::Lower,
        ecn_cda: EcnCda::Lower,
        flow_label_cda: FlowLabelCda::Lower,
        alignment: Alignment::Bits8,
        esp_spi_lsb: 8,
        esp_sn_lsb: 8,
        guard,
        ..Afrg::new(Version::V6, selector)
    }
}

impl Ehc {
    /// Packets with `len` octets of UDP payload; by the template, or by the rules
    /// alone.
    ///
    /// # Panics
    /// Never for the lengths of this crate.
    pub fn new(len: usize, guard: bool, template: bool) -> Self {
        let carried = Carried {
            spi: Spi(0x5349_4d31),
            outer: Some(Version::V6),
            udp: false,
        };
        let context = Context::new(afrg(guard), &carried).expect("a context");
        let context = match template {
            true => context,
            false => context.by_rules(),
        };
        let payload = vec![0x2a; len];
        let restored = context
            .restore_packet(&payload, &OUTER, (Sn64(1), &generate))
            .expect("headers");
        let packet = [restored.header(), &payload].concat();
        Ehc {
            context,
            packets: vec![packet; PACKETS],
            payloads: vec![[&[0; HEADERS][..], &payload].concat(); PACKETS],
        }
    }

    /// Finds what to leave out of each packet.
    ///
    /// # Panics
    /// If one does not fit.
    pub fn compress_all(&mut self) {
        for packet in &self.packets {
            let elided = self.context.compress_packet(packet).expect("fits");
            assert_eq!(elided.header_len, HEADERS);
        }
    }

    /// Puts the headers in front of each payload.
    ///
    /// # Panics
    /// If one is refused.
    pub fn restore_all(&mut self) {
        for packet in &mut self.payloads {
            let (space, payload) = packet.split_at_mut(HEADERS);
            let taken = (Sn64(1), &generate as _);
            let restored = self.context.restore_packet(payload, &OUTER, taken);
            space.copy_from_slice(restored.expect("restored").header());
        }
    }
}
