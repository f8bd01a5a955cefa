//! List `diet_esp`: a packet on its way from the sender to the receiver.

use std::net::IpAddr;

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::EspSuite;
use sprat_core::diet_esp::{Context, FlowLabelCda, OuterFields};
use sprat_core::error::DropReason;
use sprat_core::esp::{Terms, tx};
use sprat_core::num::Sn64;
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel};
use sprat_core::wire::ip::{self, Head, Outer, Version, proto};

use super::attributes::{Attributes, Keyed};
use super::layers::{self, Cut, Sent};
use super::receiver::{self, Arrived};
use super::whole;
use crate::vectors::case::{Case, Members};

/// What `layers` holds, every one of which is compared.
const LAYERS: &[&str] = &[
    "residue_fields",
    "residue_bits",
    "iipc_pad_bits",
    "iipc_packet",
    "cte",
    "esp_pad_len",
    "aad",
    "nonce",
    "ciphertext",
    "icv",
    "eec_header",
];

/// Room in front and behind that every transform fits into.
pub const ROOM: usize = 320;

/// What a case is given.
pub struct Given {
    pub attributes: Attributes,
    pub keyed: Keyed,
    pub iv: Vec<u8>,
    pub packet: Vec<u8>,
}

pub fn run(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let given = Given {
        attributes: Attributes::read(members)?,
        keyed: Keyed::read(case, Sn64(members.number("sn")?))?,
        iv: members.hex("iv")?,
        packet: members.hex("inner_packet")?,
    };
    case.same("octets of iv", given.iv.len(), given.keyed.suite.iv_len());
    let fits = match members.text("expect")? {
        "ok" => true,
        "no_match" => false,
        other => return Err(format!("unknown expect {other:?}")),
    };
    // A packet that does not fit needs no outer header.
    let outer = match fits || members.get("outer_sent").is_some() {
        true => layers::outer(members, "outer_sent")?,
        false => layers::plain_outer(given.attributes.version),
    };
    let spi = given.keyed.numbers.spi;
    let context = given.attributes.context(spi, outer.version)?;
    for (stage, context) in [
        ("", context.clone()),
        ("by the rules alone: ", context.by_rules()),
    ] {
        case.stage(stage);
        match fits {
            true => fitting(case, &given, &context)?,
            false => no_match(case, &given, &context),
        }
    }
    case.stage("by an SA: ");
    match fits {
        true => whole::fitting(case, &given),
        false => whole::no_match(case, &given, &outer),
    }
}

/// The compressor says why, with one of its own reasons.
fn no_match(case: &mut Case<'_>, given: &Given, context: &Context) {
    let elided = Cut::of(&given.packet, context).and_then(|cut| cut.compress(context));
    let of_ehc = DropReason::EhcVersion.code()..=DropReason::EhcCoverage.code();
    match elided {
        Err(reason) if of_ehc.contains(&reason.code()) => {}
        Err(reason) => case.fail("expect", "a reason of Diet-ESP", reason.counter()),
        Ok(_) => case.fail("expect", "no_match", "compressed"),
    }
}

fn fitting(case: &mut Case<'_>, given: &Given, context: &Context) -> Result<(), String> {
    let cut = Cut::of(&given.packet, context).map_err(|reason| reason.to_string())?;
    let elided = match cut.compress(context) {
        Ok(elided) => elided,
        Err(reason) => {
            case.fail("expect", "ok", &reason.to_string());
            return Ok(());
        }
    };
    let sent = layers::seal(context, &given.keyed, &given.iv, (&cut, &elided))?;
    compare_layers(case, given, context, &sent)?;
    let members = case.members();
    case.octets("esp", &members.hex("esp")?, &sent.esp());
    case.same("esp_len", members.number("esp_len")?, sent.esp().len());
    let standard = standard_esp(given, context)?;
    case.octets("standard_esp", &members.hex("standard_esp")?, &standard);
    case.same(
        "standard_esp_len",
        members.number("standard_esp_len")?,
        standard.len(),
    );
    let len = |octets: &[u8]| i64::try_from(octets.len()).unwrap_or(i64::MAX);
    let saved = len(&standard) - len(&sent.esp());
    case.same("saved_bytes", signed(members, "saved_bytes")?, saved);
    let outer = layers::outer(members, "outer_sent")?;
    let packet = outer_packet(&cut, &outer, &sent.esp(), context)?;
    case.octets("outer_packet", &members.hex("outer_packet")?, &packet);
    arrive(case, given, context, (&packet, &sent.esp()))
}

/// A number that may be below 0.
pub fn signed(members: Members<'_>, name: &str) -> Result<i64, String> {
    let number = members.get(name).and_then(serde_json::Value::as_i64);
    number.ok_or_else(|| format!("no number {name:?}"))
}

fn compare_layers(
    case: &mut Case<'_>,
    given: &Given,
    context: &Context,
    sent: &Sent,
) -> Result<(), String> {
    let layers = case.members().within("layers")?;
    layers.only(LAYERS)?;
    if let Some(absent) = LAYERS.iter().find(|name| !layers.has(name)) {
        return Err(format!("no member {absent:?}"));
    }
    let numbers = &given.keyed.numbers;
    let suite = &given.keyed.suite;
    compare_residue(case, layers, context, sent)?;
    let icv_at = sent.body.len() - suite.icv_len();
    let sealed = sent.body.split_at(icv_at);
    let ciphertext = sealed.0.get(suite.iv_len()..).unwrap_or(&[]);
    for (name, got) in [
        ("iipc_packet", sent.iipc_packet.as_slice()),
        ("cte", &sent.cte),
        ("ciphertext", ciphertext),
        ("icv", sealed.1),
        ("eec_header", &sent.header),
    ] {
        case.octets(name, &layers.hex(name)?, got);
    }
    case.same("esp_pad_len", layers.number("esp_pad_len")?, sent.padding);
    for (name, got) in [
        ("aad", suite.aad(numbers).as_slice()),
        ("nonce", suite.nonce(numbers, &given.iv).as_slice()),
    ] {
        match layers.get(name) {
            Some(_) => case.octets(name, &layers.hex(name)?, got),
            None if suite.encr().is_aead() => return Err(format!("{name} of an AEAD is null")),
            None => {}
        }
    }
    Ok(())
}

/// Without IIPC there is neither residue nor padding behind it.
fn compare_residue(
    case: &mut Case<'_>,
    layers: Members<'_>,
    context: &Context,
    sent: &Sent,
) -> Result<(), String> {
    let fields = layers.list("residue_fields")?.iter();
    let fields: Option<Vec<&str>> = fields.map(|field| field.get("bits")?.as_str()).collect();
    let fields = fields.ok_or("a residue field without bits")?;
    case.same(
        "residue_fields",
        format!("{fields:?}"),
        format!("{:?}", sent.fields),
    );
    if !context.afrg().compresses_inner() {
        for name in ["residue_bits", "iipc_pad_bits"] {
            if layers.get(name).is_some() {
                case.fail(name, "a residue", "no IIPC");
            }
        }
        return Ok(());
    }
    case.same(
        "residue_bits",
        layers.text("residue_bits")?,
        sent.residue_bits.as_str(),
    );
    case.same(
        "iipc_pad_bits",
        layers.number("iipc_pad_bits")?,
        sent.pad_bits,
    );
    Ok(())
}

/// The same packet as plain ESP.
fn standard_esp(given: &Given, context: &Context) -> Result<Vec<u8>, String> {
    let mode = match context.outer() {
        None => Mode::Transport,
        Some(version) => Mode::Tunnel(tunnel(version)),
    };
    let mut params = SaParams::new(given.keyed.numbers.spi, mode);
    params.esn = given.keyed.numbers.esn;
    let known = tx::Known {
        sn: given.keyed.numbers.sn,
        iv: &given.iv,
        outer: None,
        tfc: 0,
        extra_pad: 0,
    };
    let len = given.packet.len();
    let mut data = [&[0xa5; ROOM][..], &given.packet, &[0xa5; ROOM]].concat();
    let mut buf = PacketBuf::new(&mut data, ROOM, len).ok_or("no room")?;
    let suite = &given.keyed.suite;
    let (numbers, at) = tx::lay_out_known(&Terms::plain(&params, suite), &mut buf, &known)
        .map_err(|error| format!("no standard ESP: {error:?}"))?;
    let body = buf.packet_mut().get_mut(at + 8..).unwrap_or(&mut []);
    suite
        .seal(&numbers, body)
        .map_err(|error| format!("not sealed: {error:?}"))?;
    Ok(buf.packet().get(at..).unwrap_or(&[]).to_vec())
}

/// The ends of the tunnel in every case.
pub fn ends(version: Version) -> (IpAddr, IpAddr) {
    match version {
        Version::V4 => ([203, 0, 113, 1].into(), [203, 0, 113, 2].into()),
        Version::V6 => {
            let end = |host| IpAddr::from([0x2001, 0xdb8, 0xf, 0, 0, 0, 0, host]);
            (end(1), end(2))
        }
    }
}

/// A tunnel between those ends, with a plain header.
pub fn tunnel(version: Version) -> Tunnel {
    let (source, destination) = ends(version);
    Tunnel {
        source,
        destination,
        hop_limit: 64,
        dscp: Dscp::Set(0),
        ecn: false,
        df: Df::Set,
        flow_label: 0,
    }
}

/// A tunnel header with these fields.
pub fn outer_header(fields: &OuterFields) -> Outer {
    let (source, destination) = ends(fields.version);
    Outer {
        source,
        destination,
        hop_limit: fields.hop_limit,
        traffic_class: fields.traffic_class,
        id: u16::try_from(fields.flow & 0xffff).unwrap_or(0),
        // Don't Fragment: an Identification with a meaning is not unique.
        fragment: 0x4000,
        flow_label: fields.flow,
    }
}

/// The same in front of `esp`.
pub fn in_tunnel(fields: &OuterFields, esp: &[u8]) -> Result<Vec<u8>, String> {
    let outer = outer_header(fields);
    let mut packet = vec![0; outer.header_len()];
    packet.extend(esp);
    outer
        .emit(&mut packet, proto::ESP)
        .map_err(|error| format!("{error:?}"))?;
    Ok(packet)
}

/// The packet as it leaves.
fn outer_packet(
    cut: &Cut<'_>,
    outer: &OuterFields,
    esp: &[u8],
    context: &Context,
) -> Result<Vec<u8>, String> {
    if context.outer().is_some() {
        return in_tunnel(outer, esp);
    }
    let mut packet = [cut.front, esp].concat();
    let name_at = Head::parse(&[cut.front, cut.protected].concat())
        .map_err(|error| format!("{error:?}"))?
        .insert_name_at;
    let version = context.afrg().ip_version.unwrap_or(Version::V6);
    ip::rewrite(&mut packet, version, name_at, proto::ESP).map_err(|error| format!("{error:?}"))?;
    Ok(packet)
}

/// What the generator returns; nobody asks it unless a field is "generated".
pub fn generated(members: Members<'_>, attributes: &Attributes) -> Result<u32, String> {
    let asked = attributes.afrg.flow_label_cda == FlowLabelCda::Generated;
    match members.get("generated_value") {
        None if !asked => Ok(0),
        _ => members.number("generated_value"),
    }
}

/// The receiver gives back what the case says.
fn arrive(
    case: &mut Case<'_>,
    given: &Given,
    context: &Context,
    (outer_packet, esp): (&[u8], &[u8]),
) -> Result<(), String> {
    let members = case.members();
    let generated = generated(members, &given.attributes)?;
    let arrived = Arrived {
        esp,
        packet: outer_packet,
        outer: layers::outer(members, "outer_received")?,
        state: receiver::state(members)?,
        generated,
    };
    let decompressed = members.hex("decompressed")?;
    let equals = decompressed == given.packet;
    case.same(
        "decompressed_equals_input",
        members.flag("decompressed_equals_input")?,
        equals,
    );
    if equals != members.get("lossy").is_none() {
        case.fail("lossy", "told where the packet changes", "otherwise");
    }
    match receiver::receive(context, &given.keyed, &arrived) {
        Ok((sn, packet)) => {
            case.same("number found", given.keyed.numbers.sn.0, sn.0);
            case.octets("decompressed", &decompressed, &packet);
        }
        Err(reason) => case.fail("decompressed", "a packet", &reason.to_string()),
    }
    Ok(())
}
