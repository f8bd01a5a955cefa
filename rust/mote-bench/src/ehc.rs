//! Diet-ESP's header compression by itself, as `sprat-bench` counts it on a host:
//! IPv6 and UDP, single values, 64 octets of payload.

use core::ffi::CStr;
use core::hint::black_box;
use core::net::IpAddr;

use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, EcnCda, FlowLabelCda, OuterFields, generate,
};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::wire::ip::Version;

use crate::{fail, instructions, report};

/// Octets of IPv6 and UDP header.
const HEADERS: usize = 48;
const PAYLOAD: usize = 64;

const OUTER: OuterFields = OuterFields {
    version: Version::V6,
    traffic_class: 0,
    hop_limit: 64,
    flow: 0x12345,
};

/// Both directions, by each of the ways that a context has.
pub fn measure() {
    let guarded = context(true);
    let rules = guarded.clone().by_rules();
    one(&guarded, c"template-compress-64", c"template-restore-64");
    one(
        &context(false),
        c"template-unguarded-compress-64",
        c"template-unguarded-restore-64",
    );
    one(&rules, c"rules-compress-64", c"rules-restore-64");
}

fn one(context: &Context, compress: &CStr, restore: &CStr) {
    let mut packet = [0x2a; HEADERS + PAYLOAD];
    if !put_back(context, &mut packet) {
        fail(restore);
    }
    report(
        compress,
        instructions(&mut || {
            if !leave_out(black_box(context), black_box(&packet)) {
                fail(compress);
            }
        }),
    );
    report(
        restore,
        instructions(&mut || {
            if !put_back(black_box(context), black_box(&mut packet)) {
                fail(restore);
            }
        }),
    );
}

/// Finds what to leave out of `packet`.
#[inline(never)]
fn leave_out(context: &Context, packet: &[u8]) -> bool {
    let elided = context.compress_packet(packet);
    elided.is_ok_and(|elided| elided.header_len == HEADERS && elided.residue.bits() == 0)
}

/// Puts the headers in front of the payload in `packet`.
#[inline(never)]
fn put_back(context: &Context, packet: &mut [u8]) -> bool {
    let Some((space, payload)) = packet.split_at_mut_checked(HEADERS) else {
        return false;
    };
    match context.restore_packet(payload, &OUTER, (Sn64(1), &generate)) {
        Ok(restored) if restored.header().len() == HEADERS => {
            space.copy_from_slice(restored.header());
            true
        }
        _ => false,
    }
}

/// One UDP session over IPv6, all of it single values.
fn context(guard: bool) -> Context {
    let port = PortRange::Range {
        first: 5683,
        last: 5683,
    };
    let address = |last: u8| {
        let mut octets = [0x0d; 16];
        octets[0] = 0x20;
        octets[1] = 0x01;
        octets[15] = last;
        AddrRange::single(IpAddr::from(octets))
    };
    let selector = Selector {
        source: address(1),
        destination: address(2),
        protocol: Some(17),
        source_ports: port,
        destination_ports: port,
    };
    let afrg = Afrg {
        dscp_cda: DscpCda::Lower,
        ecn_cda: EcnCda::Lower,
        flow_label_cda: FlowLabelCda::Lower,
        alignment: Alignment::Bits8,
        esp_spi_lsb: 8,
        esp_sn_lsb: 8,
        guard,
        ..Afrg::new(Version::V6, selector)
    };
    let carried = Carried {
        spi: Spi(0x5349_4d31),
        outer: Some(Version::V6),
        udp: false,
    };
    Context::new(afrg, &carried).unwrap_or_else(|_| fail(c"no context"))
}
