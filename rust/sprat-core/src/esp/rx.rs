//! Opening: RFC 4303 s3.4 in its order. Nothing moves before the ICV verifies.

use core::net::IpAddr;

use super::{HEADER_LEN, ecn};
use crate::buf::PacketBuf;
use crate::crypto::{EspSuite, Numbers, OpenFailed};
use crate::error::DropReason;
use crate::num::{Sn64, Spi};
use crate::sa::{Mode, NatOriginal, SaParams, SaRx};
use crate::time::Instant;
use crate::trailer::{self, Form};
use crate::wire::ip::{self, Fragment, Head, Version, proto};
use crate::wire::{WireError, array_at, put, u16_at, udp, update_checksum};

/// Where ESP stands in a received packet. Offsets are octets from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the ESP header begins.
    pub esp_at: usize,
    /// Where the ESP packet, and with it the whole packet, ends.
    pub end: usize,
    /// The headers in front; `None` where a socket has taken them off, which
    /// transport mode cannot be restored from.
    pub head: Option<Head>,
    /// The outer TOS or Traffic Class, for its ECN field.
    pub traffic_class: u8,
}

impl Place {
    /// Finds ESP in a whole IP packet: protocol 50, or in UDP with a payload
    /// that is ESP by RFC 3948.
    ///
    /// `Fragment` for fragments, `Malformed` for lengths that contradict each
    /// other; the caller has looked at the protocol before.
    pub fn find(packet: &[u8], head: &Head) -> Result<Self, DropReason> {
        if head.fragment != Fragment::Whole {
            return Err(DropReason::Fragment);
        }
        let mut place = Place {
            esp_at: head.upper_at,
            end: head.total_len,
            head: Some(*head),
            traffic_class: head.traffic_class,
        };
        if head.protocol == proto::UDP {
            let datagram = packet.get(head.upper_at..head.total_len).unwrap_or(&[]);
            let header = udp::Repr::parse(datagram).map_err(|_| DropReason::Malformed)?;
            place.esp_at = head.upper_at + udp::LEN;
            place.end = head.upper_at + header.len;
        }
        Ok(place)
    }

    /// A packet that begins with its ESP header.
    pub fn bare(len: usize, traffic_class: u8) -> Self {
        Place {
            esp_at: 0,
            end: len,
            head: None,
            traffic_class,
        }
    }

    /// Where the octets behind the ESP header stand in the slice of `buf`, in
    /// front of any trimming.
    pub(crate) fn protected(&self, buf: &PacketBuf<'_>) -> core::ops::Range<usize> {
        let at = |offset: usize| buf.start().saturating_add(offset);
        at(self.esp_at.saturating_add(HEADER_LEN))..at(self.end)
    }

    /// SPI and low half of the sequence number as received. `Malformed` if the
    /// packet is too short for them.
    pub fn numbers(&self, packet: &[u8]) -> Result<(Spi, u32), DropReason> {
        let esp = packet.get(self.esp_at..self.end).unwrap_or(&[]);
        let spi = array_at(esp, 0).map_err(|_| DropReason::Malformed)?;
        let sn = array_at(esp, 4).map_err(|_| DropReason::Malformed)?;
        Ok((Spi::from_octets(spi), u32::from_be_bytes(sn)))
    }
}

/// A packet that was opened; it stands in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its full sequence number.
    pub sn: Sn64,
    /// Next Header: what the protected octets are.
    pub next_header: u8,
    /// Headers of the packet now in the buffer.
    pub head: Head,
    /// A soft lifetime is reached.
    pub soft_expired: bool,
}

/// Opens the packet in `buf`, in place.
///
/// On success `buf` holds the inner packet (tunnel) or the packet without ESP
/// (transport), cut to its own length. The selectors are the caller's next
/// step (RFC 4301 s5.2), and so is counting refusals. On error everything behind
/// the ESP header is zeroed if it had been decrypted.
pub fn open<S, W>(
    params: &SaParams,
    suite: &S,
    rx: &mut SaRx<W>,
    buf: &mut PacketBuf<'_>,
    (place, now): (&Place, Instant),
) -> Result<Opened, DropReason>
where
    S: EspSuite,
    W: AsRef<[u64]> + AsMut<[u64]>,
{
    if params.mode == Mode::Transport && place.head.is_none() {
        return Err(DropReason::Malformed);
    }
    let sn = verify(params, suite, rx, buf, (place, now))?;
    let protected = place.protected(buf);
    // No plaintext stays in a buffer whose packet was refused.
    let (next_header, head) =
        restore(params, suite, buf, place).inspect_err(|_| buf.zero(protected))?;
    let age = now.seconds_since(rx.installed);
    let soft_expired = rx.usage.soft_expired(&params.lifetime, age);
    Ok(Opened {
        sn,
        next_header,
        head,
        soft_expired,
    })
}

/// Steps 2 to 6 of RFC 4303 s3.4: length, replay check, ICV and decryption,
/// window.
fn verify<S, W>(
    params: &SaParams,
    suite: &S,
    rx: &mut SaRx<W>,
    buf: &mut PacketBuf<'_>,
    (place, now): (&Place, Instant),
) -> Result<Sn64, DropReason>
where
    S: EspSuite,
    W: AsRef<[u64]> + AsMut<[u64]>,
{
    let (_, low) = place.numbers(buf.packet())?;
    let cipher_len = cipher_len(suite, place)?;
    let octets = u64::try_from(cipher_len).unwrap_or(u64::MAX);
    rx.usage
        .admits(&params.lifetime, octets, now.seconds_since(rx.installed))?;
    let sn = rx.window.infer(low)?;
    rx.window.check(sn)?;
    let numbers = Numbers {
        spi: params.spi,
        sn,
        esn: params.esn,
    };
    let body = buf
        .packet_mut()
        .get_mut(place.esp_at + HEADER_LEN..place.end)
        .ok_or(DropReason::Malformed)?;
    suite.open(&numbers, body).map_err(|failed| match failed {
        OpenFailed::Malformed => DropReason::Malformed,
        OpenFailed::Integrity => DropReason::Integrity,
    })?;
    rx.window.mark(sn)?;
    rx.usage.add(octets);
    Ok(sn)
}

/// Octets between IV and ICV; `Malformed` if there cannot be a trailer or they
/// are no multiple of the alignment.
fn cipher_len<S: EspSuite>(suite: &S, place: &Place) -> Result<usize, DropReason> {
    let fixed = HEADER_LEN + suite.iv_len() + suite.icv_len();
    let len = place
        .end
        .checked_sub(place.esp_at)
        .and_then(|len| len.checked_sub(fixed))
        .ok_or(DropReason::Malformed)?;
    if len < trailer::LEN || !len.is_multiple_of(suite.pad_align()) {
        return Err(DropReason::Malformed);
    }
    Ok(len)
}

/// Steps 7 to 9: padding, dummy packets, the packet that was protected.
fn restore<S: EspSuite>(
    params: &SaParams,
    suite: &S,
    buf: &mut PacketBuf<'_>,
    place: &Place,
) -> Result<(u8, Head), DropReason> {
    let from = place.esp_at + HEADER_LEN + suite.iv_len();
    let to = place
        .end
        .checked_sub(suite.icv_len())
        .ok_or(DropReason::Malformed)?;
    let plaintext = buf.packet().get(from..to).ok_or(DropReason::Malformed)?;
    let trailer = Form::whole(suite.pad_align()).read(plaintext)?;
    let next_header = trailer.next_header.ok_or(DropReason::Internal)?;
    if next_header == proto::NO_NEXT {
        return Err(DropReason::Dummy);
    }
    let payload = (from, from + trailer.payload_len);
    let head = match params.mode {
        Mode::Tunnel(tunnel) => {
            let outer = tunnel.ecn.then_some(place.traffic_class);
            take_inner(buf, payload, next_header, outer)?
        }
        Mode::Transport => rejoin(params, buf, place, (payload, next_header))?,
    };
    Ok((next_header, head))
}

/// Tunnel: the payload is a whole packet (RFC 4303 s3.4.4.1 and the checks of
/// RFC 4301); what stands behind its own length is TFC padding.
fn take_inner(
    buf: &mut PacketBuf<'_>,
    (from, to): (usize, usize),
    next_header: u8,
    outer_class: Option<u8>,
) -> Result<Head, DropReason> {
    let inner = buf.packet().get(from..to).ok_or(DropReason::BadInner)?;
    let mut head = Head::parse(inner).map_err(|_| DropReason::BadInner)?;
    let claimed = match next_header {
        proto::IPV4 => Version::V4,
        proto::IPV6 => Version::V6,
        _ => return Err(DropReason::BadInner),
    };
    if head.version != claimed {
        return Err(DropReason::BadInner);
    }
    let ecn = match outer_class {
        Some(outer) => ecn::decapsulate(head.traffic_class, outer)?,
        None => head.traffic_class & 3,
    };
    buf.trim_head(from);
    buf.truncate(head.total_len);
    if ecn != head.traffic_class & 3 {
        ip::set_ecn(buf.packet_mut(), head.version, ecn).map_err(|_| DropReason::Internal)?;
        head.traffic_class = head.traffic_class & !3 | ecn;
    }
    Ok(head)
}

/// Transport: the headers in front move up to the payload and name it again.
fn rejoin(
    params: &SaParams,
    buf: &mut PacketBuf<'_>,
    place: &Place,
    ((from, to), next_header): ((usize, usize), u8),
) -> Result<Head, DropReason> {
    let head = place.head.ok_or(DropReason::Malformed)?;
    let payload = buf.packet().get(from..to).ok_or(DropReason::Malformed)?;
    let kept = cut_tfc(params, next_header, payload);
    let gap = from
        .checked_sub(head.upper_at)
        .ok_or(DropReason::Internal)?;
    let packet = buf.packet_mut();
    if from > packet.len() {
        return Err(DropReason::Internal);
    }
    packet.copy_within(..head.upper_at, gap);
    buf.trim_head(gap);
    buf.truncate(head.upper_at + kept);
    let packet = buf.packet_mut();
    ip::rewrite(packet, head.version, head.upper_name_at, next_header)
        .map_err(|_| DropReason::BadInner)?;
    if let Some(original) = &params.nat_original {
        let seen = (head.source, head.destination);
        let upper = packet.get_mut(head.upper_at..).unwrap_or(&mut []);
        mend_checksum(upper, next_header, (original, seen)).map_err(|_| DropReason::BadInner)?;
    }
    Head::parse(packet).map_err(|_| DropReason::BadInner)
}

/// Octets of payload in front of TFC padding: what the payload says of its own
/// length, where it says so and the peer was told that it may pad.
fn cut_tfc(params: &SaParams, next_header: u8, payload: &[u8]) -> usize {
    let stated = match params.tfc_allowed {
        true => ip::stated_len(next_header, payload),
        false => None,
    };
    stated.unwrap_or(payload.len())
}

/// RFC 3948 s3.1.2: the transport checksum covers the addresses that the sender
/// had; make it cover those that the receiver sees. A UDP checksum of 0 stays.
fn mend_checksum(
    upper: &mut [u8],
    protocol: u8,
    (original, seen): (&NatOriginal, (IpAddr, IpAddr)),
) -> Result<(), WireError> {
    let at = match protocol {
        proto::TCP => 16,
        proto::UDP => 6,
        _ => return Ok(()),
    };
    let old = u16_at(upper, at)?;
    if protocol == proto::UDP && old == 0 {
        return Ok(());
    }
    let mut checksum = old;
    for (was, is) in [(original.source, seen.0), (original.destination, seen.1)] {
        match (was, is) {
            (IpAddr::V4(was), IpAddr::V4(is)) => {
                checksum = exchange(checksum, &was.octets(), &is.octets());
            }
            (IpAddr::V6(was), IpAddr::V6(is)) => {
                checksum = exchange(checksum, &was.octets(), &is.octets());
            }
            _ => return Err(WireError::Version),
        }
    }
    // In UDP 0 would say "no checksum": its other form is sent (RFC 768).
    if protocol == proto::UDP && checksum == 0 {
        checksum = 0xffff;
    }
    put(upper, at, checksum.to_be_bytes())
}

/// A checksum after the octets `was` it covers became `is`.
fn exchange(checksum: u16, was: &[u8], is: &[u8]) -> u16 {
    let words = was.as_chunks::<2>().0.iter().zip(is.as_chunks::<2>().0);
    words.fold(checksum, |sum, (old, new)| {
        update_checksum(sum, u16::from_be_bytes(*old), u16::from_be_bytes(*new))
    })
}
