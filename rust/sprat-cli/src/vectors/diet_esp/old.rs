//! List `ehc_2016_2019`: the form of 2016, which compresses header and trailer of
//! ESP only, and the EHC rules of 2017 to 2019.

use std::net::IpAddr;

use serde_json::Value;
use sprat_core::crypto::EspSuite;
use sprat_core::diet_esp::{
    Afrg, Carried, Context, Ehc2019, IipcProfile, OuterFields, Profile, Pseudo,
};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::trailer::Form;
use sprat_core::wire::ip::Version;

use super::attributes::{self, Keyed};
use super::layers;
use super::packet::signed;
use crate::vectors::case::{Case, Members};

/// Another member of `context` would be an attribute that nobody looks at.
const ATTRIBUTES: &[&str] = &[
    "trailer_only",
    "mode",
    "ip_version",
    "outer_version",
    "ip_src",
    "ip_dst",
    "l4_proto",
    "l4_src",
    "l4_dst",
    "esp_align",
    "esp_spi_lsb",
    "esp_sn_lsb",
    "udplite_coverage",
    "tcp_lsb",
    "tcp_options",
    "tcp_urgent",
];

pub fn run(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let keyed = Keyed::read(case, Sn64(members.number("sn")?))?;
    let context = context(members.within("context")?, keyed.numbers.spi)?;
    for (stage, context) in [
        ("", context.clone()),
        ("by the rules alone: ", context.by_rules()),
    ] {
        case.stage(stage);
        forth(case, &context, &keyed)?;
        back(case, &context)?;
    }
    case.stage("");
    Ok(())
}

fn context(members: Members<'_>, spi: Spi) -> Result<Context, String> {
    members.only(ATTRIBUTES)?;
    let version = |name| match members.get(name) {
        Some(_) => attributes::version(members.number(name)?),
        None => Ok(Version::V6),
    };
    let tunnel = match members.get("mode").map(|mode| mode.as_str()) {
        None | Some(Some("Tunnel")) => true,
        Some(Some("Transport")) => false,
        _ => return Err("unknown mode".to_owned()),
    };
    let trailer_only = flag(members, "trailer_only")?;
    let inner = version("ip_version")?;
    let selector = selector(members, inner)?;
    let lsb = (
        members.number("esp_spi_lsb")?,
        members.number("esp_sn_lsb")?,
    );
    let alignment = attributes::alignment(members.number("esp_align")?)?;
    let mut afrg = Afrg::diet_esp_2016(inner, selector, lsb, alignment);
    if !trailer_only {
        afrg.profile = Profile::Ehc2019;
        afrg.iipc_profile = IipcProfile::DietEsp;
        afrg.ehc2019 = Ehc2019 {
            udplite_whole: udplite_whole(members)?,
            tcp_options: flag(members, "tcp_options")?,
            tcp_urgent: flag(members, "tcp_urgent")?,
        };
        // Low octets of a number that moves are not what an SA can know.
        if members.get("tcp_lsb").is_some() && members.number::<u8>("tcp_lsb")? != 4 {
            return Err("tcp_lsb below 4 needs the state of a flow".to_owned());
        }
    }
    let carried = Carried {
        spi,
        outer: tunnel.then_some(version("outer_version")?),
        udp: false,
    };
    Context::new(afrg, &carried).map_err(|error| error.to_string())
}

/// What is not there is false.
fn flag(members: Members<'_>, name: &str) -> Result<bool, String> {
    match members.get(name) {
        Some(_) => members.flag(name),
        None => Ok(false),
    }
}

/// 0 is the whole datagram; another coverage is not known here.
fn udplite_whole(members: Members<'_>) -> Result<bool, String> {
    match members.get("udplite_coverage").map(Value::as_u64) {
        None => Ok(false),
        Some(Some(0)) => Ok(true),
        _ => Err("udplite_coverage other than the whole datagram".to_owned()),
    }
}

/// Single values; null is unspecified.
fn selector(members: Members<'_>, version: Version) -> Result<Selector, String> {
    let single = |name: &str| match members.get(name) {
        None => Ok(AddrRange::Any),
        Some(value) => attributes::address(value, version)
            .map(AddrRange::single)
            .ok_or_else(|| format!("{name:?} is no address of the IP version")),
    };
    let port = |name: &str| match members.get(name) {
        None => Ok::<_, String>(PortRange::Any),
        Some(_) => {
            let port = members.number(name)?;
            Ok(PortRange::Range {
                first: port,
                last: port,
            })
        }
    };
    let protocol = members.get("l4_proto").map(|_| members.number("l4_proto"));
    Ok(Selector {
        source: single("ip_src")?,
        destination: single("ip_dst")?,
        protocol: protocol.transpose()?,
        source_ports: port("l4_src")?,
        destination_ports: port("l4_dst")?,
    })
}

/// In transport mode the addresses come from the header that stays.
fn pseudo(context: &Context, next_header: u8) -> Result<Pseudo, String> {
    let address = |range: &AddrRange| match range {
        AddrRange::Range { first, .. } => *first,
        AddrRange::Any => IpAddr::from([0u16; 8]),
    };
    let selector = &context.afrg().selector;
    Ok(Pseudo {
        source: address(&selector.source),
        destination: address(&selector.destination),
        protocol: next_header,
    })
}

/// The sender, and the same packet as plain ESP.
fn forth(case: &mut Case<'_>, context: &Context, keyed: &Keyed) -> Result<(), String> {
    let members = case.members();
    let (data, iv) = (members.hex("payload_data")?, members.hex("iv")?);
    let next_header: u8 = members.number("next_header")?;
    case.same("octets of iv", iv.len(), keyed.suite.iv_len());
    if let Some(known) = context.next_header() {
        case.same("next_header", next_header, known);
    }
    let elided = match context.outer() {
        Some(_) => context.compress_packet(&data),
        None => context.compress_segment(&data, &pseudo(context, next_header)?),
    };
    let elided = elided.map_err(|reason| reason.to_string())?;
    let mut payload = elided.residue.octets().to_vec();
    payload.extend(data.get(elided.header_len..).unwrap_or(&[]));
    let (cte, padding) = layers::clear_text(context, keyed.block(), &payload, next_header)?;
    let header = context.header(keyed.numbers.sn);
    let mut body = [iv.as_slice(), &cte].concat();
    body.resize(body.len() + keyed.suite.icv_len(), 0);
    keyed
        .suite
        .seal(&keyed.numbers, &mut body)
        .map_err(|error| format!("not sealed: {error:?}"))?;
    let esp = [header.octets(), &body].concat();
    for (name, got) in [
        ("compressed_payload", payload.as_slice()),
        ("cte", &cte),
        ("header", header.octets()),
        ("esp", &esp),
    ] {
        case.octets(name, &members.hex(name)?, got);
    }
    case.same("pad", members.number("pad")?, padding);
    sizes(case, keyed, data.len(), esp.len())
}

/// Octets beside those of plain ESP (RFC 4303).
fn sizes(case: &mut Case<'_>, keyed: &Keyed, data: usize, esp: usize) -> Result<(), String> {
    let members = case.members();
    let form = Form::whole(keyed.suite.pad_align());
    let padding = form.padding_len(data, 0).ok_or("no padding")?;
    let fixed = 8 + keyed.suite.iv_len() + keyed.suite.icv_len();
    let standard = fixed + data + padding + form.len();
    let number = |octets: usize| i64::try_from(octets).map_err(|_| "too long".to_owned());
    let (data, esp, standard) = (number(data)?, number(esp)?, number(standard)?);
    for (name, got) in [
        ("esp_len", esp),
        ("overhead", esp - data),
        ("standard_esp_len", standard),
        ("standard_overhead", standard - data),
        ("saved", standard - esp),
    ] {
        case.same(name, signed(members, name)?, got);
    }
    Ok(())
}

/// The receiver, with the outer header as the sender makes it.
fn back(case: &mut Case<'_>, context: &Context) -> Result<(), String> {
    let members = case.members();
    let data = members.hex("payload_data")?;
    let payload = members.hex("compressed_payload")?;
    let restored = match context.outer() {
        Some(version) => {
            let plain = OuterFields {
                version,
                traffic_class: 0,
                hop_limit: 64,
                flow: 0,
            };
            let outer = context.outer_fields(&data, plain);
            context.restore_packet(&payload, &outer, (Sn64(1), &|_| 0))
        }
        None => {
            let pseudo = pseudo(context, members.number("next_header")?)?;
            context.restore_segment(&payload, &pseudo)
        }
    };
    match restored {
        Ok(restored) => {
            let rest = payload.get(restored.residue_len..).unwrap_or(&[]);
            case.octets("restored", &data, &[restored.header(), rest].concat());
        }
        Err(reason) => case.fail("restored", "a packet", &reason.to_string()),
    }
    Ok(())
}
