//! Opening: RFC 4303 s3.4 in its order. Nothing moves before the ICV verifies.

use super::head::{Head, rewrite};
use super::octets::{part, part_mut, shift, word};
use super::{Frame, Lent, Platform, Sa, UDP_LEN};
use crate::crypto::{ICV, Way, same};
use crate::error::DropReason;
use crate::num::{Sn64, low_bits_32};
use crate::wire::ip::proto;

/// Where ESP stands in a received packet, and what shows of it: SPI and Sequence
/// Number as one number.
struct Place {
    at: usize,
    end: usize,
    shown: u64,
}

/// Finds ESP, raw or in UDP with this SA's port; `None` if the packet carries
/// something else, another SA's packet, or is no whole datagram.
fn find(sa: &Sa, lent: &Lent<'_>, packet: &[u8], head: &Head) -> Option<Place> {
    let (mut at, mut end) = (head.upper_at, head.total);
    let protocol = match lent.udp() {
        None => proto::ESP,
        Some((_, port)) => {
            // Four zero octets would be IKE, one octet a keepalive: neither shows an
            // SPI of 256 or more.
            end = at + usize::from(word(packet, at + 4));
            if word(packet, at + 2) != port || end > head.total {
                return None;
            }
            at += UDP_LEN;
            proto::UDP
        }
    };
    let header = lent.header_len();
    if head.protocol != protocol || head.fragment || at + header > end {
        return None;
    }
    let octets = part(packet, at, at + header).iter();
    let shown = octets.fold(0, |shown, octet| shown << 8 | u64::from(*octet));
    let (spi_lsb, sn_lsb) = lent.lsb();
    let spi = u64::from(sa.spi.low_bits(spi_lsb));
    (shown >> sn_lsb == spi).then_some(Place { at, end, shown })
}

/// Whether a packet may be for this SA: ESP that shows the SA's SPI bits.
pub fn is_for(sa: &Sa, lent: &Lent<'_>, packet: &[u8]) -> bool {
    let head = Head::parse(packet, packet.len());
    head.is_ok_and(|head| find(sa, lent, packet, &head).is_some())
}

/// Opens the packet in `frame`. On success `frame` holds the inner packet (tunnel)
/// or the packet without ESP.
///
/// On error the SA has not moved, except for what is refused behind the ICV; there
/// no plaintext is left. In front of it the packet is as it was.
pub fn open(
    sa: &mut Sa,
    lent: &Lent<'_>,
    frame: &mut Frame<'_>,
    platform: &impl Platform,
) -> Result<(), DropReason> {
    let found = locate(sa, lent, frame)?;
    verify(sa, frame.octets, &found, platform)?;
    accept(sa, found.number);
    let done = restore(lent, frame, &found);
    if done.is_err() {
        // Wherever plaintext has been moved to.
        frame.octets.fill(0);
    }
    done
}

/// Moves the window.
#[inline(never)]
fn accept(sa: &mut Sa, number: u64) {
    let mut window = sa.seen();
    window.mark(number);
    (sa.number, sa.word) = (window.top, window.seen);
}

/// A packet that may be authentic. Offsets are octets from its start.
struct Found {
    /// Where the IV begins.
    iv_at: usize,
    /// Where the ciphertext begins.
    from: usize,
    /// Where it ends and the ICV begins.
    to: usize,
    number: u64,
}

/// The checks in front of the ICV: place, lengths, room, number, window.
// Out of line: its stack is free again when AES needs the most.
#[inline(never)]
fn locate(sa: &Sa, lent: &Lent<'_>, frame: &Frame<'_>) -> Result<Found, DropReason> {
    let head = Head::parse(frame.octets, frame.len)?;
    let place = find(sa, lent, part(frame.octets, 0, frame.len), &head).ok_or(DropReason::NoSa)?;
    let iv_at = place.at + lent.header_len();
    let from = iv_at + sa.iv_len();
    let to = place.end.checked_sub(ICV).filter(|to| from <= *to);
    let to = to.ok_or(DropReason::Malformed)?;
    // A peer may align otherwise where Diet-ESP is spoken (decision D-05).
    let form = lent.trailer();
    if to - from < form.len() || lent.ehc.is_none() && (to - from) & (form.align - 1) != 0 {
        return Err(DropReason::Malformed);
    }
    check_room(lent, frame, (from, to, head.upper_at))?;
    let number = number(sa, lent, place.shown)?;
    sa.seen().check(number)?;
    Ok(Found {
        iv_at,
        from,
        to,
        number,
    })
}

/// The full number of a packet.
fn number(sa: &Sa, lent: &Lent<'_>, shown: u64) -> Result<u64, DropReason> {
    let (_, sn_lsb) = lent.lsb();
    let low = low_bits_32(Sn64(shown).low(), sn_lsb);
    #[cfg(feature = "mote-diet-esp")]
    if let Some(ehc) = lent.ehc {
        let late = if sa.window == 0 {
            ehc.reorder
        } else {
            sa.window
        };
        let top = Sn64(sa.number);
        let sn = crate::diet_esp::reconstruct((low, sn_lsb), top, u64::from(late), sa.esn())?;
        return Ok(sn.0);
    }
    sa.seen().infer(low, sa.esn())
}

/// What the headers need, before anything moves.
fn check_room(
    lent: &Lent<'_>,
    frame: &Frame<'_>,
    (from, to, kept): (usize, usize, usize),
) -> Result<(), DropReason> {
    #[cfg(feature = "mote-diet-esp")]
    if lent.ehc.is_some_and(|ehc| ehc.compresses_inner()) {
        let kept = if lent.is_tunnel() { 0 } else { kept };
        if kept + to - from + super::ehc::MAX_GROWTH > frame.octets.len() {
            return Err(DropReason::NoRoom);
        }
    }
    let _ = (lent, frame, from, to, kept);
    Ok(())
}

/// ICV and decryption; where it does not verify the packet is as it was.
fn verify(
    sa: &Sa,
    packet: &mut [u8],
    found: &Found,
    platform: &impl Platform,
) -> Result<(), DropReason> {
    let Found {
        from, to, number, ..
    } = *found;
    let sent = part(packet, found.iv_at, from).first_chunk();
    let iv = sent.map_or(number, |iv| u64::from_be_bytes(*iv));
    let about = sa.packet((number, iv));
    let mut way = Way::Open;
    loop {
        let data = part_mut(packet, from, to);
        let expected = platform.ccm(&sa.key, &about, (data, way));
        if way == Way::Seal {
            return Err(DropReason::Integrity);
        }
        if same(&expected, part(packet, to, to + ICV)) {
            return Ok(());
        }
        // Back to what was received.
        way = Way::Seal;
    }
}

/// Padding, dummy packets, the packet that was protected.
#[cfg_attr(feature = "mote-aes", inline(never))]
fn restore(lent: &Lent<'_>, frame: &mut Frame<'_>, found: &Found) -> Result<(), DropReason> {
    let Found { from, to, .. } = *found;
    let packet = &mut *frame.octets;
    let tunnel = lent.is_tunnel();
    let (mut kept, mut name_at) = (0, 0);
    if !tunnel {
        // As before: what stands in front of the ciphertext has not changed.
        let head = Head::parse(packet, frame.len)?;
        (kept, name_at) = (head.upper_at, head.upper_name_at);
    }
    let trailer = lent.trailer().read(part(packet, from, to))?;
    let end = from + trailer.payload_len;
    let next_header = next_header(lent, trailer.next_header)?;
    #[cfg(feature = "mote-tunnel")]
    let outer_class = class(packet);
    #[cfg(feature = "mote-diet-esp")]
    let mut restored = super::ehc::Headers::NONE;
    #[cfg(feature = "mote-diet-esp")]
    if let Some(ehc) = lent.ehc.filter(|ehc| ehc.compresses_inner()) {
        ehc.restore(
            packet,
            (from, end),
            (tunnel, next_header, found.number),
            &mut restored,
        )?;
    }
    #[cfg(feature = "mote-diet-esp")]
    let (residue, grown) = (restored.residue, restored.header);
    #[cfg(not(feature = "mote-diet-esp"))]
    let (residue, grown) = (0, 0);
    let start = from + residue;
    let _ = number;
    let mut total = kept + grown + end - start;
    if total > usize::from(u16::MAX) {
        return Err(DropReason::BadInner);
    }
    shift(packet, (start, end), kept + grown);
    #[cfg(feature = "mote-diet-esp")]
    super::octets::put(packet, kept, part(&restored.octets, 0, grown));
    if !tunnel {
        rewrite(packet, (name_at, next_header), total);
    }
    let inner = Head::parse(packet, total).map_err(|_| DropReason::BadInner)?;
    // What is behind a packet's own length is TFC padding.
    total = inner.total;
    #[cfg(feature = "mote-tunnel")]
    if tunnel {
        take_inner(lent, packet, (next_header, outer_class))?;
    }
    #[cfg(feature = "mote-diet-esp")]
    if lent.ehc.is_some_and(|ehc| !ehc.admits(packet, &inner)) {
        return Err(DropReason::Selector);
    }
    frame.len = total;
    Ok(())
}

/// What the protected octets are, said or known; a dummy packet ends here.
fn next_header(lent: &Lent<'_>, said: Option<u8>) -> Result<u8, DropReason> {
    #[cfg(feature = "mote-diet-esp")]
    let known = lent.ehc.and_then(|ehc| ehc.next_header(lent.is_tunnel()));
    #[cfg(not(feature = "mote-diet-esp"))]
    let known = None;
    let _ = lent;
    match (said, known) {
        (Some(proto::NO_NEXT), _) => Err(DropReason::Dummy),
        (Some(said), Some(known)) if said != known => Err(DropReason::BadInner),
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(DropReason::Internal),
    }
}

/// Tunnel: the whole packet that was inside is what it should be (RFC 4303
/// s3.4.4.1), and takes the outer ECN field over.
#[cfg(feature = "mote-tunnel")]
fn take_inner(
    lent: &Lent<'_>,
    packet: &mut [u8],
    (next_header, outer_class): (u8, u8),
) -> Result<(), DropReason> {
    if super::head::name(packet) != next_header {
        return Err(DropReason::BadInner);
    }
    #[cfg(feature = "mote-diet-esp")]
    let lower = lent
        .ehc
        .is_some_and(|ehc| ehc.compresses_inner() && ehc.ecn_cda == 1);
    #[cfg(not(feature = "mote-diet-esp"))]
    let lower = false;
    let ignored = lent.path.is_none_or(|path| path.no_ecn != 0);
    if !lower && !ignored {
        let ecn = crate::esp::ecn::decapsulate(class(packet), outer_class)?;
        super::head::set_ecn(packet, ecn);
    }
    Ok(())
}

/// TOS or Traffic Class.
#[cfg(feature = "mote-tunnel")]
fn class(packet: &[u8]) -> u8 {
    let [.., class] = (super::head::class_and_flow(packet) >> 20).to_be_bytes();
    class
}
