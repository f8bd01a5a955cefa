//! A receiver of the compressors and nothing else, in the order of digest section
//! 8.3, and the list `receive_reject`.

use sprat_core::crypto::{EspSuite, Numbers, OpenFailed};
use sprat_core::diet_esp::{
    Context, EcnCda, Generator, OuterFields, Pseudo, Restored, reconstruct,
};
use sprat_core::error::DropReason;
use sprat_core::num::Sn64;
use sprat_core::selector::AddrRange;
use sprat_core::wire::ip::{self, Head, Outer, Version, proto};

use super::attributes::{Attributes, Keyed};
use super::{layers, packet, whole};
use crate::vectors::case::{Case, Members};

/// How late a packet may come with anti-replay off (digest section 8.2).
const REORDER: u64 = 64;

/// What has arrived, and what the receiver is.
pub struct Arrived<'a> {
    pub esp: &'a [u8],
    /// The whole packet, whose header transport mode keeps.
    pub packet: &'a [u8],
    pub outer: OuterFields,
    /// Highest number verified, and the window.
    pub state: (Sn64, u64),
    /// What a generator returns.
    pub generated: u32,
}

/// Reads `receiver_state`.
pub fn state(members: Members<'_>) -> Result<(Sn64, u64), String> {
    let state = members.within("receiver_state")?;
    state.only(&["top", "window"])?;
    Ok((Sn64(state.number("top")?), state.number("window")?))
}

/// The number and the inner packet.
pub fn receive(
    context: &Context,
    keyed: &Keyed,
    arrived: &Arrived<'_>,
) -> Result<(Sn64, Vec<u8>), DropReason> {
    let (sn, clear) = open(context, keyed, arrived)?;
    let trailer = context.trailer(keyed.block()).read(&clear)?;
    let payload = clear.get(..trailer.payload_len).unwrap_or(&[]);
    let next_header = next_header(context, trailer.next_header)?;
    let packet = match context.outer() {
        Some(_) => in_tunnel(context, payload, sn, arrived)?,
        None => in_transport(context, payload, next_header, arrived.packet)?,
    };
    let head = Head::parse(&packet).map_err(|_| DropReason::BadInner)?;
    match context.afrg().selector.admits(&head.flow(&packet)) {
        true => Ok((sn, packet)),
        false => Err(DropReason::Selector),
    }
}

/// SPI, number, replay check, ICV: the clear text with its trailer.
fn open(
    context: &Context,
    keyed: &Keyed,
    arrived: &Arrived<'_>,
) -> Result<(Sn64, Vec<u8>), DropReason> {
    let suite = &keyed.suite;
    let (top, window) = arrived.state;
    let body = arrived.esp.get(context.header_len()..);
    let mut body = body.ok_or(DropReason::Malformed)?.to_vec();
    let len = body.len().checked_sub(suite.iv_len() + suite.icv_len());
    if !len.is_some_and(|len| len.is_multiple_of(keyed.block())) {
        return Err(DropReason::Malformed);
    }
    if !context.shows_spi(arrived.esp) {
        return Err(DropReason::NoSa);
    }
    let received = context.received_sn(arrived.esp);
    let received = received.ok_or(DropReason::Malformed)?;
    let lsb = context.afrg().esp_sn_lsb;
    // With anti-replay off the reorder depth takes the place of the window.
    let depth = if window == 0 { REORDER } else { window };
    let sn = reconstruct((received, lsb), top, depth, keyed.numbers.esn)?;
    if sn.0 == 0 && window != 0 {
        return Err(DropReason::InvalidZero);
    }
    if window != 0 && (sn == top || sn.0.saturating_add(window) <= top.0) {
        return Err(DropReason::Replay);
    }
    let numbers = Numbers {
        sn,
        ..keyed.numbers
    };
    suite
        .open(&numbers, &mut body)
        .map_err(|failed| match failed {
            OpenFailed::Malformed => DropReason::Malformed,
            OpenFailed::Integrity => DropReason::Integrity,
        })?;
    body.truncate(body.len() - suite.icv_len());
    Ok((sn, body.split_off(suite.iv_len())))
}

/// One that is there must be what the context knows (decision D-06), or a dummy's.
fn next_header(context: &Context, read: Option<u8>) -> Result<u8, DropReason> {
    match (read, context.next_header()) {
        (Some(proto::NO_NEXT), _) => Err(DropReason::Dummy),
        (Some(read), Some(known)) if read != known => Err(DropReason::BadInner),
        (Some(read), _) => Ok(read),
        (None, known) => known.ok_or(DropReason::Internal),
    }
}

fn joined(restored: &Restored, payload: &[u8]) -> Vec<u8> {
    let rest = payload.get(restored.residue_len..).unwrap_or(&[]);
    [restored.header(), rest].concat()
}

fn in_tunnel(
    context: &Context,
    payload: &[u8],
    sn: Sn64,
    arrived: &Arrived<'_>,
) -> Result<Vec<u8>, DropReason> {
    let generator: Generator<'_> = &|_| arrived.generated;
    let restored = context.restore_packet(payload, &arrived.outer, (sn, generator))?;
    let mut packet = joined(&restored, payload);
    let sent = context.afrg().ecn_cda == EcnCda::NotCompressed;
    // RFC 6040: what was sent inside takes on the network's mark.
    if context.afrg().compresses_inner() && sent && arrived.outer.traffic_class & 3 == 3 {
        mark(&mut packet)?;
    }
    Ok(packet)
}

/// Sets CE; refused where the inner ECN field is Not-ECT.
fn mark(packet: &mut [u8]) -> Result<(), DropReason> {
    let (at, shift) = match packet.first().map(|first| first >> 4) {
        Some(4) => (1, 0),
        _ => (1, 4),
    };
    let octet = packet.get_mut(at).ok_or(DropReason::BadInner)?;
    if *octet >> shift & 3 == 0 {
        return Err(DropReason::Ecn);
    }
    *octet |= 3 << shift;
    if shift == 0 {
        checksum_ipv4(packet);
    }
    Ok(())
}

/// Makes the checksum of an IPv4 header of 20 octets anew (RFC 791).
pub fn checksum_ipv4(packet: &mut [u8]) {
    let Some(header) = packet.first_chunk_mut::<20>() else {
        return;
    };
    header[10..12].fill(0);
    let words = header.as_chunks::<2>().0.iter();
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [_, _, high, low] = (!folded).to_be_bytes();
    header[10..12].copy_from_slice(&[high, low]);
}

/// The headers in front stay and name the segment again.
fn in_transport(
    context: &Context,
    payload: &[u8],
    protocol: u8,
    packet: &[u8],
) -> Result<Vec<u8>, DropReason> {
    let head = Head::parse(packet).map_err(|_| DropReason::Malformed)?;
    let pseudo = Pseudo {
        source: head.source,
        destination: head.destination,
        protocol,
    };
    let restored = context.restore_segment(payload, &pseudo)?;
    let front = packet.get(..head.upper_at).unwrap_or(&[]);
    let mut packet = [front, &joined(&restored, payload)].concat();
    ip::rewrite(&mut packet, head.version, head.upper_name_at, protocol)
        .map_err(|_| DropReason::BadInner)?;
    Ok(packet)
}

/// The reasons that a class of refusal stands for.
fn class(name: &str) -> Result<&'static [DropReason], String> {
    use DropReason as R;
    Ok(match name.to_lowercase().as_str() {
        "short" | "too short" | "trailer" => &[R::Malformed],
        "spi" | "no sa" => &[R::NoSa],
        "sn" | "sequence number" => &[R::SnExhausted, R::InvalidZero],
        "replay" | "too old" => &[R::Replay, R::TooOld],
        "icv" | "integrity" => &[R::Integrity],
        "padding" | "bad padding" => &[R::BadPadding],
        "dummy" => &[R::Dummy],
        "residue truncated" => &[R::EhcResidue],
        "mapping index" => &[R::EhcMapping],
        "next header" | "inner" | "options" | "fragment" | "too long" => &[R::BadInner],
        "ecn" => &[R::Ecn],
        "selector" => &[R::Selector],
        _ => return Err(format!("unknown reason {name:?}")),
    })
}

/// List `receive_reject`.
pub fn run_reject(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    match members.text("expect")? {
        "reject" => {}
        other => return Err(format!("unknown expect {other:?}")),
    }
    let reasons = class(members.text("reason")?)?;
    let attributes = Attributes::read(members)?;
    let state = state(members)?;
    let keyed = Keyed::read(case, Sn64(0))?;
    let esp = members.hex("esp")?;
    let outer = layers::plain_outer(Version::V6);
    let packet = carrying(&attributes, &outer, &esp)?;
    let context = attributes.context(keyed.numbers.spi, outer.version)?;
    for (stage, context) in [
        ("", context.clone()),
        ("by the rules alone: ", context.by_rules()),
    ] {
        case.stage(stage);
        let arrived = Arrived {
            esp: &esp,
            packet: &packet,
            outer,
            state,
            generated: 0,
        };
        let refused = receive(&context, &keyed, &arrived).map(|(_, packet)| packet);
        judge(case, reasons, refused);
    }
    case.stage("by an SA: ");
    let mut sa = whole::recipient(case, &attributes, &keyed.numbers, &outer)?;
    let refused = whole::receive(&mut sa, &packet)?;
    // Too short for the bits that name an SA is too short for all.
    match refused {
        Err(DropReason::NoSa) if esp.len() * 8 < usize::from(attributes.afrg.esp_spi_lsb) => {}
        refused => judge(case, reasons, refused),
    }
    Ok(())
}

/// Whether it was refused for one of the reasons.
fn judge(case: &mut Case<'_>, reasons: &[DropReason], refused: Result<Vec<u8>, DropReason>) {
    let names: Vec<&str> = reasons.iter().map(|reason| reason.counter()).collect();
    match refused {
        Err(reason) if reasons.contains(&reason) => {}
        Err(reason) => case.fail("reason", &names.join(" or "), reason.counter()),
        Ok(packet) => case.fail("reason", &names.join(" or "), &crate::hex::encode(&packet)),
    }
}

/// A packet that carries `esp` to this receiver.
fn carrying(attributes: &Attributes, outer: &OuterFields, esp: &[u8]) -> Result<Vec<u8>, String> {
    if attributes.tunnel {
        return packet::in_tunnel(outer, esp);
    }
    let first = |range: &AddrRange| match range {
        AddrRange::Range { first, .. } => Ok(*first),
        AddrRange::Any => Err("no address"),
    };
    let selector = &attributes.afrg.selector;
    let header = Outer {
        source: first(&selector.source)?,
        destination: first(&selector.destination)?,
        hop_limit: 64,
        traffic_class: 0,
        id: 0,
        fragment: 0,
        flow_label: 0,
    };
    let mut packet = vec![0; header.header_len()];
    packet.extend(esp);
    header
        .emit(&mut packet, proto::ESP)
        .map_err(|error| format!("{error:?}"))?;
    Ok(packet)
}
