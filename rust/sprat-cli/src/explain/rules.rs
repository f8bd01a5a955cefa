//! The rules of an SA as tables.

use std::net::IpAddr;

use sprat_core::diet_esp::{Context, Stratum};
use sprat_core::schc::{Descriptor, Fid, Mo, Tv};
use sprat_core::wire::ip::{Version, proto};

use super::cost;

/// Protocols with a transport rule, for SAs that carry any.
const TRANSPORTS: [u8; 4] = [proto::UDP, proto::UDP_LITE, proto::TCP, proto::SCTP];

/// One descriptor, in words.
pub struct Row {
    /// Which field.
    pub fid: Fid,
    /// Its length in bits; 0 if it varies.
    pub bits: u8,
    /// Target value.
    pub tv: String,
    /// Matching operator.
    pub mo: String,
    /// Action.
    pub cda: &'static str,
    /// Bits sent.
    pub sent: u8,
}

/// Descriptors of one header.
pub struct Table {
    /// Which compressor they belong to.
    pub stratum: Stratum,
    /// What they are about.
    pub title: String,
    /// In packet order.
    pub rows: Vec<Row>,
    /// What they add up to; empty if there is nothing to say.
    pub sum: String,
}

/// Every rule of the SA, with a cipher of this block.
pub fn tables(context: &Context, block: usize) -> Vec<Table> {
    let mut tables = iipc(context);
    let protocol = context.afrg().selector.protocol;
    let ctec = rows(context, Stratum::Ctec, protocol.unwrap_or(0), block);
    let form = context.trailer(block);
    tables.push(Table {
        stratum: Stratum::Ctec,
        title: "ESP trailer".to_owned(),
        rows: ctec,
        sum: match form.align {
            1 => "no alignment".to_owned(),
            octets => format!("encrypted octets are a multiple of {octets}"),
        },
    });
    tables.push(Table {
        stratum: Stratum::Eec,
        title: "ESP header".to_owned(),
        rows: rows(context, Stratum::Eec, 0, block),
        sum: match context.header_len() {
            8 => "header: 8 octets".to_owned(),
            1 => "header: 1 octet, not 8".to_owned(),
            octets => format!("header: {octets} octets, not 8"),
        },
    });
    tables
}

fn iipc(context: &Context) -> Vec<Table> {
    let table = |title: String, rows: Vec<Row>, sum: String| Table {
        stratum: Stratum::Iipc,
        title,
        rows,
        sum,
    };
    if !context.afrg().compresses_inner() {
        let title = "inner headers are not compressed".to_owned();
        return vec![table(title, Vec::new(), String::new())];
    }
    let mut tables = Vec::new();
    let ip = ip_rows(context);
    if let (Some(version), false) = (context.afrg().ip_version, ip.is_empty()) {
        let title = match version {
            Version::V4 => "inner IPv4 header",
            Version::V6 => "inner IPv6 header",
        };
        tables.push(table(title.to_owned(), ip, String::new()));
    }
    let protocols: Vec<u8> = match context.afrg().selector.protocol {
        Some(protocol) => vec![protocol],
        None => TRANSPORTS.into_iter().chain([proto::NO_NEXT]).collect(),
    };
    for protocol in protocols {
        let rows = transport_rows(context, protocol);
        let title = match (rows.is_empty(), context.protocol_is_any()) {
            (false, _) => format!("{} header", cost::protocol_name(protocol)),
            (true, false) => format!("{}: all of it is payload", cost::protocol_name(protocol)),
            (true, true) if protocol == proto::NO_NEXT => {
                "every other protocol: all of it is payload".to_owned()
            }
            (true, true) => format!("{}: all of it is payload", cost::protocol_name(protocol)),
        };
        tables.push(table(title, rows, residue(context, protocol)));
    }
    tables
}

/// What the IIPC rule for `protocol` costs.
fn residue(context: &Context, protocol: u8) -> String {
    let bits = residue_bits(context, protocol);
    let (header, octets) = context.header_and_residue(protocol);
    let pad = octets * 8 - bits;
    let s = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "residue: {bits} bit{} + {pad} pad bit{} = {octets} octet{}, for {header} octets of header",
        s(bits),
        s(pad),
        s(octets)
    )
}

/// Bits of residue of a packet with `protocol`.
pub fn residue_bits(context: &Context, protocol: u8) -> usize {
    let rows = rows(context, Stratum::Iipc, protocol, 1);
    rows.iter().map(|row| usize::from(row.sent)).sum()
}

/// The part of the IIPC rule in front of the transport header.
fn ip_rows(context: &Context) -> Vec<Row> {
    let mut rows = rows(context, Stratum::Iipc, proto::NO_NEXT, 1);
    rows.retain(|row| is_ip(row.fid));
    rows
}

fn transport_rows(context: &Context, protocol: u8) -> Vec<Row> {
    let mut rows = rows(context, Stratum::Iipc, protocol, 1);
    rows.retain(|row| !is_ip(row.fid));
    rows
}

/// Whether the field belongs to an IP header.
pub fn is_ip(fid: Fid) -> bool {
    matches!(
        fid,
        Fid::Version
            | Fid::HeaderLength
            | Fid::Dscp
            | Fid::Ecn
            | Fid::FlowLabel
            | Fid::Length
            | Fid::Identification
            | Fid::Flags
            | Fid::FragmentOffset
            | Fid::HopLimit
            | Fid::Protocol
            | Fid::HeaderChecksum
            | Fid::Source
            | Fid::Destination
    )
}

fn rows(context: &Context, stratum: Stratum, protocol: u8, block: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    context
        .rule(stratum, protocol, block)
        .for_each(|d| rows.push(row(&d)));
    rows
}

fn row(d: &Descriptor<'_>) -> Row {
    Row {
        fid: d.fid,
        bits: d.bits,
        tv: target(d),
        mo: match d.mo {
            Mo::Msb(bits) => format!("MSB({bits})"),
            other => other.name().to_owned(),
        },
        cda: d.cda.name(),
        sent: d.residue_bits(),
    }
}

/// The target value as people write it; of a prefix its length as well.
fn target(d: &Descriptor<'_>) -> String {
    let value = match (d.tv, d.fid) {
        // The one that moves with each packet.
        (Tv::None, Fid::EspSn) => return "the next".to_owned(),
        (Tv::None, _) => return "-".to_owned(),
        (Tv::List(list), _) => {
            let values: Vec<String> = list.iter().map(u8::to_string).collect();
            return values.join(",");
        }
        (Tv::Number(number), Fid::EspSpi) => return format!("0x{number:08x}"),
        (Tv::Number(number), _) => return number.to_string(),
        (Tv::Octets(octets), _) => known(octets, d.mo),
    };
    match d.mo {
        Mo::Msb(bits) => format!("{}/{bits}", written(&value)),
        _ => written(&value),
    }
}

/// The octets without the bits that do not count.
fn known(octets: &[u8], mo: Mo) -> Vec<u8> {
    let Mo::Msb(bits) = mo else {
        return octets.to_vec();
    };
    let masked = octets.iter().zip((0u32..).step_by(8)).map(|(octet, at)| {
        let count = u32::from(bits).saturating_sub(at).min(8);
        octet & 0xffu8.checked_shl(8 - count).unwrap_or(0)
    });
    masked.collect()
}

/// An address or a number.
pub fn written(octets: &[u8]) -> String {
    match octets {
        [high, low] => u16::from_be_bytes([*high, *low]).to_string(),
        _ => match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
            (Ok(v4), _) => IpAddr::from(v4).to_string(),
            (_, Ok(v6)) => IpAddr::from(v6).to_string(),
            _ => crate::hex::encode(octets),
        },
    }
}
