//! Sealing: RFC 4303 s3.3 in its order, every refusal in front.

#[cfg(feature = "mote-diet-esp")]
use super::ehc::Headers;
#[cfg(feature = "mote-tunnel")]
use super::head::class_and_flow;
#[cfg(all(feature = "mote-tunnel", feature = "mote-diet-esp"))]
use super::head::hop_limit_at;
use super::head::{Head, name, rewrite};
use super::octets::{octet, part_mut, put, set, shift};
use super::{Flags, Frame, Lent, Path, Platform, Sa, UDP_LEN, on_wire};
use crate::crypto::{ICV, Packet, Way};
use crate::error::DropReason;
use crate::num::Sn64;
use crate::trailer::Form;
#[cfg(feature = "mote-ipv4")]
use crate::wire::ip::IPV4_LEN;
use crate::wire::ip::{IPV6_LEN, proto};

/// Everything decided about a packet before it is touched. Offsets are octets from
/// its start, before and after.
struct Plan {
    /// What is protected, behind what is left out.
    from: usize,
    /// Its end.
    end: usize,
    /// Where ESP will stand.
    esp_at: usize,
    /// Where the IV will stand, behind SPI and Sequence Number.
    iv_at: usize,
    /// Where the residue will stand.
    residue_at: usize,
    /// Where the protected octets will stand.
    to: usize,
    /// The end of the packet.
    total: usize,
    form: Form,
    next_header: u8,
}

/// A packet that lacks only encryption and ICV.
struct LaidOut {
    /// Where the octets to encrypt begin.
    from: usize,
    /// Where they end and the ICV begins.
    to: usize,
    about: Packet,
}

/// Seals the packet in `frame`. On success `frame` holds the packet to send.
///
/// On error nothing has changed and no number is used, though numbers may have
/// been written ahead.
pub fn seal(
    sa: &mut Sa,
    lent: &Lent<'_>,
    frame: &mut Frame<'_>,
    platform: &impl Platform,
) -> Result<(), DropReason> {
    let LaidOut { from, to, about } = lay_out(sa, lent, frame, platform)?;
    let data = part_mut(frame.octets, from, to);
    let icv = platform.ccm(&sa.key, &about, (data, Way::Seal));
    put(frame.octets, to, &icv);
    frame.len = to + ICV;
    Ok(())
}

/// Decides, takes the number and lays the packet out.
// Out of line where AES is ours, so that its stack is free when that needs the
// most.
#[cfg_attr(feature = "mote-aes", inline(never))]
fn lay_out(
    sa: &mut Sa,
    lent: &Lent<'_>,
    frame: &mut Frame<'_>,
    platform: &impl Platform,
) -> Result<LaidOut, DropReason> {
    let head = Head::parse(frame.octets, frame.len)?;
    if head.fragment && !lent.is_tunnel() {
        return Err(DropReason::Fragment);
    }
    #[cfg(feature = "mote-diet-esp")]
    let mut elided = Headers::NONE;
    #[cfg(feature = "mote-diet-esp")]
    if let Some(ehc) = lent.ehc {
        ehc.compress(frame.octets, (&head, lent.is_tunnel()), &mut elided)?;
    }
    #[cfg(feature = "mote-diet-esp")]
    let (left_out, residue) = (elided.header, elided.residue);
    #[cfg(not(feature = "mote-diet-esp"))]
    let (left_out, residue) = (0, 0);
    let plan = decide(sa, lent, frame, (&head, left_out, residue))?;
    let number = take(sa, platform)?;

    #[cfg(feature = "mote-tunnel")]
    let tunnel = lent.path.filter(|_| lent.is_tunnel());
    #[cfg(feature = "mote-tunnel")]
    let outer = tunnel.map(|path| (path, outer_fields(lent, path, frame.octets)));
    let packet = &mut *frame.octets;
    shift(packet, (plan.from, plan.end), plan.to);
    #[cfg(feature = "mote-diet-esp")]
    put(
        packet,
        plan.residue_at,
        super::octets::part(&elided.octets, 0, residue),
    );
    // Nothing of what is overwritten here belongs to the headers in front.
    plan.form.write(
        part_mut(packet, plan.to + plan.end - plan.from, plan.total - ICV),
        plan.next_header,
    );
    put_low(
        packet,
        plan.iv_at,
        (
            on_wire((sa.spi, number), lent.lsb()),
            plan.iv_at - plan.esp_at,
        ),
    );
    let iv = iv(sa, number);
    if sa.iv_len() != 0 {
        put(packet, plan.iv_at, &iv.to_be_bytes());
    }
    let protocol = put_udp(lent, packet, &plan);
    #[cfg(feature = "mote-tunnel")]
    if let Some(outer) = outer {
        put_outer(packet, outer, (protocol, plan.total));
    } else {
        rewrite(packet, (head.insert_name_at, protocol), plan.total);
    }
    #[cfg(not(feature = "mote-tunnel"))]
    rewrite(packet, (head.insert_name_at, protocol), plan.total);

    Ok(LaidOut {
        from: plan.residue_at,
        to: plan.total - ICV,
        about: sa.packet((number, iv)),
    })
}

/// Sizes, room and path.
fn decide(
    sa: &Sa,
    lent: &Lent<'_>,
    frame: &Frame<'_>,
    (head, left_out, residue): (&Head, usize, usize),
) -> Result<Plan, DropReason> {
    let tunnel = lent.is_tunnel();
    let (kept, start, next_header) = match tunnel {
        true => (outer_len(lent), 0, name(frame.octets)),
        false => (
            head.insert_at,
            head.insert_at,
            octet(frame.octets, head.insert_name_at),
        ),
    };
    let esp_at = kept + if lent.udp().is_some() { UDP_LEN } else { 0 };
    let iv_at = esp_at + lent.header_len();
    let residue_at = iv_at + sa.iv_len();
    let from = start + left_out;
    let payload = residue + head.total - from;
    let form = lent.trailer();
    let padding = form
        .padding_len(payload, 0)
        .ok_or(DropReason::Unsupported)?;
    let total = residue_at + payload + padding + form.len() + ICV;
    let mtu = match lent.path {
        Some(Path { mtu: mtu @ 1.., .. }) => usize::from(*mtu),
        _ => usize::from(u16::MAX),
    };
    if total > mtu {
        return Err(DropReason::TooBig);
    }
    if total > frame.octets.len() {
        return Err(DropReason::NoRoom);
    }
    Ok(Plan {
        from,
        end: head.total,
        esp_at,
        iv_at,
        residue_at,
        to: residue_at + residue,
        total,
        form,
        next_header,
    })
}

/// Takes the next number, written ahead to stable storage where there is one.
fn take(sa: &mut Sa, platform: &impl Platform) -> Result<u64, DropReason> {
    if sa.number >= sa.last_number() {
        return Err(DropReason::SnExhausted);
    }
    let number = sa.number + 1;
    if number > sa.word {
        sa.word = platform
            .store(sa.spi, number)
            .ok_or(DropReason::SnUnreserved)?;
    }
    sa.number = number;
    Ok(number)
}

/// The IV as a number: the counter, with several senders behind the sender.
fn iv(sa: &Sa, number: u64) -> u64 {
    if sa.flags.has(Flags::SENDERS) {
        u64::from(sa.sender) << 48 | u64::from(Sn64(number).low())
    } else {
        number
    }
}

/// Writes the low `len` octets of `value` so that they end at `end`.
fn put_low(packet: &mut [u8], end: usize, (mut value, len): (u64, usize)) {
    for back in 1..=len {
        let [.., low] = value.to_be_bytes();
        set(packet, end - back, low);
        value >>= 8;
    }
}

/// Writes the UDP header, checksum 0 (RFC 3948 s2.1), and names what stands behind
/// the IP header.
fn put_udp(lent: &Lent<'_>, packet: &mut [u8], plan: &Plan) -> u8 {
    let Some((source, destination)) = lent.udp() else {
        return proto::ESP;
    };
    let at = plan.esp_at - UDP_LEN;
    let [.., high, low] = (plan.total - at).to_be_bytes();
    put(packet, at, &source.to_be_bytes());
    put(packet, at + 2, &destination.to_be_bytes());
    put(packet, at + 4, &[high, low, 0, 0]);
    proto::UDP
}

/// Octets of a tunnel's outer header.
fn outer_len(lent: &Lent<'_>) -> usize {
    #[cfg(feature = "mote-ipv4")]
    if lent.path.is_some_and(|path| path.family == 4) {
        return IPV4_LEN;
    }
    let _ = lent;
    IPV6_LEN
}

/// Traffic Class, Flow Label and Hop Limit of the outer header: DSCP and ECN are
/// copied (RFC 4301 s5.1.2.1, RFC 6040 s4.1); with Diet-ESP also what the receiver
/// takes from there.
#[cfg(feature = "mote-tunnel")]
fn outer_fields(lent: &Lent<'_>, path: &Path, packet: &[u8]) -> (u32, u8) {
    let copied = 0x3f << 22 | if path.no_ecn == 0 { 3 << 20 } else { 0 };
    #[cfg(feature = "mote-diet-esp")]
    if let Some(ehc) = lent.ehc.filter(|ehc| ehc.compresses_inner()) {
        let fields = class_and_flow(packet) & (copied | ehc.lower());
        return (fields, octet(packet, hop_limit_at(packet)));
    }
    let _ = lent;
    (class_and_flow(packet) & copied, path.hop_limit)
}

/// The outer header of a tunnel.
#[cfg(feature = "mote-tunnel")]
fn put_outer(
    packet: &mut [u8],
    (path, (fields, hop)): (&Path, (u32, u8)),
    (protocol, total): (u8, usize),
) {
    #[cfg(feature = "mote-ipv4")]
    if path.family == 4 {
        use super::octets::part;
        use crate::wire::ip::v4;
        part_mut(packet, 0, IPV4_LEN).fill(0);
        // Never in fragments: the Identification has nothing to keep apart.
        let [.., class] = (fields >> 20).to_be_bytes();
        put(packet, 0, &[0x45, class]);
        put(packet, v4::FRAGMENT, &v4::DF.to_be_bytes());
        set(packet, v4::TTL, hop);
        put(packet, v4::SOURCE, part(&path.source, 0, 4));
        put(packet, v4::DESTINATION, part(&path.destination, 0, 4));
        let packet = part_mut(packet, 0, total);
        let _ = crate::wire::ip::refresh_checksum(packet);
        return rewrite(packet, (v4::PROTOCOL, protocol), total);
    }
    use crate::wire::ip::v6;
    let word = 6 << 28 | fields;
    put(packet, 0, &word.to_be_bytes());
    set(packet, v6::HOP_LIMIT, hop);
    put(packet, v6::SOURCE, &path.source);
    put(packet, v6::DESTINATION, &path.destination);
    rewrite(packet, (v6::NEXT_HEADER, protocol), total);
}
