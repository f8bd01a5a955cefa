//! The same packets through SAs: sealed and opened as a gateway does.

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{EspSuite, IvSource, Numbers, Suite};
use sprat_core::diet_esp::{Context, Ehc, FlowLabelCda, OuterFields};
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, OutboundSa, SealArgs, SealError, tx};
use sprat_core::num::Sn64;
use sprat_core::sa::{Dscp, Mode, SaParams, Tunnel};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, Version};

use super::attributes::{self, Attributes};
use super::layers;
use super::packet::{self, Given, ROOM, signed};
use super::receiver;
use crate::vectors::case::{Case, Members};

/// The SA's own parameters; the tunnel's header is `outer` where an SA can say it.
fn params(given: &Attributes, numbers: &Numbers, outer: &OuterFields) -> SaParams {
    let mode = match given.tunnel {
        false => Mode::Transport,
        true => Mode::Tunnel(Tunnel {
            hop_limit: outer.hop_limit.max(1),
            dscp: Dscp::Set(outer.traffic_class >> 2),
            ecn: outer.traffic_class & 3 != 0,
            flow_label: match outer.version {
                Version::V4 => 0,
                Version::V6 => outer.flow,
            },
            ..packet::tunnel(outer.version)
        }),
    };
    let mut params = SaParams::new(numbers.spi, mode);
    params.esn = numbers.esn;
    params
}

fn suite(case: &Case<'_>) -> Result<Suite, String> {
    attributes::suite(case.members().within("sa")?)
}

/// An SA whose next packet has the number of the case.
fn sender(case: &Case<'_>, given: &Given, outer: &OuterFields) -> Result<OutboundSa, String> {
    let numbers = &given.keyed.numbers;
    let last = Sn64(numbers.sn.0.checked_sub(1).ok_or("number 0")?);
    let params = params(&given.attributes, numbers, outer);
    OutboundSa::new(params, suite(case)?, last, Instant(0))
        .map_err(|error| error.to_string())?
        .compress(&Ehc::new(given.attributes.afrg))
        .map_err(|error| error.to_string())
}

/// The SA that receives, in the state that the case tells.
pub fn recipient(
    case: &Case<'_>,
    attributes: &Attributes,
    numbers: &Numbers,
    outer: &OuterFields,
) -> Result<InboundSa, String> {
    let (top, window) = receiver::state(case.members())?;
    let mut params = params(attributes, numbers, outer);
    if let Mode::Tunnel(tunnel) = &mut params.mode {
        // RFC 6040 is about headers that were rebuilt with an ECN field sent.
        tunnel.ecn = attributes.afrg.compresses_inner();
    }
    params.replay_window = u16::try_from(window).map_err(|_| "a window of another size")?;
    let mut sa = InboundSa::new(params, suite(case)?, Vec::new(), Instant(0))
        .map_err(|error| error.to_string())?
        .compress(&Ehc::new(attributes.afrg))
        .map_err(|error| error.to_string())?;
    sa.start_at(top);
    Ok(sa)
}

/// A packet in a slice with room around it, for `work`; what it leaves comes back.
fn in_room<T>(
    packet: &[u8],
    work: impl FnOnce(&mut PacketBuf<'_>) -> T,
) -> Result<(T, Vec<u8>), String> {
    let mut data = [&[0xa5; ROOM][..], packet, &[0xa5; ROOM]].concat();
    let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).ok_or("no room")?;
    let result = work(&mut buf);
    Ok((result, buf.packet().to_vec()))
}

/// What the SA refuses it refuses for a reason, and nothing moves.
pub fn no_match(case: &mut Case<'_>, given: &Given, outer: &OuterFields) -> Result<(), String> {
    let mut sa = sender(case, given, outer)?;
    let before = sa.last_sn();
    let args = SealArgs {
        iv: &given.iv,
        ..SealArgs::default()
    };
    let (sealed, left) = in_room(&given.packet, |buf| sa.seal(buf, &args))?;
    match sealed {
        Err(SealError::Dropped(reason)) => {
            case.octets("packet after a refusal", &given.packet, &left);
            case.same("number after a refusal", before.0, sa.last_sn().0);
            case.same("times counted", 1, sa.drops().of(reason));
        }
        Err(error) => case.fail("expect", "no_match", &format!("{error:?}")),
        // Octets behind the packet's own length are the link's, not the packet's.
        Ok(_) if own_len(&given.packet) < given.packet.len() => {}
        Ok(_) => case.fail("expect", "no_match", "sealed"),
    }
    Ok(())
}

fn own_len(packet: &[u8]) -> usize {
    Head::parse(packet).map_or(packet.len(), |head| head.total_len)
}

/// There and back.
pub fn fitting(case: &mut Case<'_>, given: &Given) -> Result<(), String> {
    let outer = layers::outer(case.members(), "outer_sent")?;
    known(case, given, &outer)?;
    seal(case, given, &outer)?;
    open(case, given, &outer)
}

/// Laid out with the IV and the outer header of the case.
fn known(case: &mut Case<'_>, given: &Given, outer: &OuterFields) -> Result<(), String> {
    let sa = sender(case, given, outer)?;
    let terms = sa.terms();
    let known = tx::Known {
        sn: given.keyed.numbers.sn,
        iv: &given.iv,
        outer: given.attributes.tunnel.then(|| packet::outer_header(outer)),
        tfc: 0,
        extra_pad: 0,
    };
    let (sealed, packet) = in_room(&given.packet, |buf| {
        let (numbers, at) = tx::lay_out_known(&terms, buf, &known)
            .map_err(|error| format!("cannot be sealed: {error:?}"))?;
        let body = buf.packet_mut().get_mut(at + terms.header_len()..);
        let body = body.ok_or("laid out too short")?;
        let sealed = terms.suite.seal(&numbers, body);
        sealed.map_err(|error| format!("not sealed: {error:?}"))
    })?;
    sealed?;
    case.octets(
        "outer_packet",
        &case.members().hex("outer_packet")?,
        &packet,
    );
    Ok(())
}

/// Sealed as any packet: an IV that is a counter is the SA's own.
fn seal(case: &mut Case<'_>, given: &Given, outer: &OuterFields) -> Result<(), String> {
    let mut sa = sender(case, given, outer)?;
    let args = SealArgs {
        iv: &given.iv,
        ..SealArgs::default()
    };
    let (sealed, packet) = in_room(&given.packet, |buf| sa.seal(buf, &args))?;
    let sealed = sealed.map_err(|error| format!("refused: {error:?}"))?;
    let numbers = &given.keyed.numbers;
    case.same("number", numbers.sn.0, sealed.sn.0);
    let esp = expected_esp(case, given)?;
    let got = packet.get(sealed.esp_offset..).unwrap_or(&[]);
    case.octets("esp", &esp, got);
    let context = sa.context().ok_or("no context")?;
    if esp == case.members().hex("esp")? && sayable(given, context, outer) {
        case.octets(
            "outer_packet",
            &case.members().hex("outer_packet")?,
            &packet,
        );
    }
    let saved = signed(case.members(), "saved_bytes")?;
    case.same("octets saved", saved, sa.ehc_stats().octets_saved);
    Ok(())
}

/// The ESP of the case, made from its own layers with the IV that an SA takes.
fn expected_esp(case: &Case<'_>, given: &Given) -> Result<Vec<u8>, String> {
    let members = case.members();
    let suite = &given.keyed.suite;
    if suite.iv_source() != IvSource::Counter {
        return members.hex("esp");
    }
    let layers = members.within("layers")?;
    let iv = given.keyed.numbers.sn.0.to_be_bytes();
    let mut body = [&iv[..], &layers.hex("cte")?].concat();
    body.resize(body.len() + suite.icv_len(), 0);
    suite
        .seal(&given.keyed.numbers, &mut body)
        .map_err(|error| format!("not sealed: {error:?}"))?;
    Ok([layers.hex("eec_header")?, body].concat())
}

/// Whether an SA makes this outer header of the packet: a case may impose others.
fn sayable(given: &Given, context: &Context, outer: &OuterFields) -> bool {
    let inner = Head::parse(&given.packet).map_or(0, |head| head.traffic_class);
    let ecn = match outer.traffic_class & 3 {
        0 => 0,
        _ => inner & 3,
    };
    let mut plain = *outer;
    plain.traffic_class = outer.traffic_class & !3 | ecn;
    if outer.version == Version::V4 {
        // With Don't Fragment set nothing reads it (RFC 6864).
        plain.flow = 0;
    }
    let says = context.outer_fields(&given.packet, plain);
    !given.attributes.tunnel || says == *outer && outer.hop_limit != 0
}

/// Opened, and refused the second time.
fn open(case: &mut Case<'_>, given: &Given, outer: &OuterFields) -> Result<(), String> {
    let members = case.members();
    let numbers = &given.keyed.numbers;
    let mut sa = recipient(case, &given.attributes, numbers, outer)?;
    let top = sa.top_sn();
    let arrived = match given.attributes.tunnel {
        true => {
            let received = layers::outer(members, "outer_received")?;
            packet::in_tunnel(&received, &members.hex("esp")?)?
        }
        false => members.hex("outer_packet")?,
    };
    let (opened, mut inner) = in_room(&arrived, |buf| sa.open(buf, Instant(0)))?;
    match opened {
        Ok(opened) => case.same("number found", numbers.sn.0, opened.sn.0),
        Err(reason) => {
            case.fail("opened", "a packet", &reason.to_string());
            return Ok(());
        }
    }
    case.same("highest number", numbers.sn.max(top).0, sa.top_sn().0);
    if given.attributes.tunnel && given.attributes.afrg.compresses_inner() {
        imitate_generator(members, &given.attributes, &mut inner)?;
    }
    case.octets("opened", &members.hex("decompressed")?, &inner);
    let saved = signed(members, "saved_bytes")?;
    case.same("octets saved", saved, sa.ehc_stats().octets_saved);
    let (again, _) = in_room(&arrived, |buf| sa.open(buf, Instant(0)))?;
    // With anti-replay off a number may come again.
    if again.is_ok() && receiver::state(members)?.1 != 0 {
        case.fail("opened twice", "a refusal", "a packet");
    }
    Ok(())
}

/// An SA has a generator of its own: puts in what that of the case returned.
fn imitate_generator(
    members: Members<'_>,
    attributes: &Attributes,
    inner: &mut [u8],
) -> Result<(), String> {
    if attributes.afrg.flow_label_cda != FlowLabelCda::Generated {
        return Ok(());
    }
    let [_, high, middle, low] = members.number::<u32>("generated_value")?.to_be_bytes();
    let header = inner.first_chunk_mut::<20>().ok_or("no IP header")?;
    match attributes.version {
        Version::V6 => {
            header[1] = header[1] & 0xf0 | high & 15;
            header[2..4].copy_from_slice(&[middle, low]);
        }
        Version::V4 => {
            header[4..6].copy_from_slice(&[middle, low]);
            receiver::checksum_ipv4(header);
        }
    }
    Ok(())
}

/// The inner packet of what arrives, or why there is none.
pub fn receive(sa: &mut InboundSa, packet: &[u8]) -> Result<Result<Vec<u8>, DropReason>, String> {
    let (opened, inner) = in_room(packet, |buf| sa.open(buf, Instant(0)))?;
    Ok(opened.map(|_| inner))
}
