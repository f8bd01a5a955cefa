//! Opening: RFC 4303 s3.4 in its order. Nothing moves before the ICV verifies.

use core::net::IpAddr;

use super::{HEADER_LEN, Terms, ecn};
use crate::buf::PacketBuf;
use crate::crypto::{EspSuite, Numbers, OpenFailed};
use crate::diet_esp::{Context, Generator, OuterFields, Pseudo, generate, reconstruct};
use crate::error::DropReason;
use crate::num::{Sn64, Spi};
use crate::sa::{Mode, NatOriginal, SaParams, SaRx};
use crate::time::Instant;
use crate::trailer::Trailer;
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
    /// What of an outer header that a socket has taken off Diet-ESP may need;
    /// `None` if the socket did not tell.
    pub outer: Option<OuterFields>,
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
            outer: None,
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
    pub fn bare(len: usize, traffic_class: u8, outer: Option<OuterFields>) -> Self {
        Place {
            esp_at: 0,
            end: len,
            head: None,
            traffic_class,
            outer,
        }
    }

    /// Where the octets behind the ESP header of `header_len` stand in the slice of
    /// `buf`, in front of any trimming.
    pub(super) fn protected(
        &self,
        buf: &PacketBuf<'_>,
        header_len: usize,
    ) -> core::ops::Range<usize> {
        let at = |offset: usize| buf.start().saturating_add(offset);
        at(self.esp_at.saturating_add(header_len))..at(self.end)
    }

    /// The octets of ESP.
    pub fn esp<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.esp_at..self.end).unwrap_or(&[])
    }

    /// SPI and low half of the sequence number as received. `Malformed` if the
    /// packet is too short for them.
    pub fn numbers(&self, packet: &[u8]) -> Result<(Spi, u32), DropReason> {
        let esp = self.esp(packet);
        let spi = array_at(esp, 0).map_err(|_| DropReason::Malformed)?;
        let sn = array_at(esp, 4).map_err(|_| DropReason::Malformed)?;
        Ok((Spi::from_octets(spi), u32::from_be_bytes(sn)))
    }
}

/// The fields of the outer header that Diet-ESP knows as "lower".
fn outer_fields(packet: &[u8], head: &Head) -> Result<OuterFields, DropReason> {
    let flow = match head.version {
        Version::V6 => head.flow_label,
        Version::V4 => u16_at(packet, ip::v4::ID)
            .map_err(|_| DropReason::Malformed)?
            .into(),
    };
    Ok(OuterFields {
        version: head.version,
        traffic_class: head.traffic_class,
        hop_limit: head.hop_limit,
        flow,
    })
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
    /// Octets by which plain ESP would have been longer; 0 without Diet-ESP.
    pub saved: i64,
}

/// Bounded search for the number of an authentic packet after a loss that
/// `esp_sn_lsb` cannot express (digest section 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resync {
    /// Further numbers tried for one packet, 0 = none.
    pub tries: u8,
    /// Most of them in one second; every further packet waits for the next.
    pub per_second: u16,
    second: u64,
    used: u16,
    /// ICV checks beyond the first of a packet.
    pub trials: u64,
    /// Packets whose number was found so.
    pub resyncs: u64,
}

impl Resync {
    /// At most `tries` for a packet and `per_second` in all.
    pub const fn new(tries: u8, per_second: u16) -> Self {
        Resync {
            tries,
            per_second,
            second: 0,
            used: 0,
            trials: 0,
            resyncs: 0,
        }
    }

    /// Whether a further ICV check is left this second.
    pub fn is_left(&mut self, now: Instant) -> bool {
        let second = now.0 / 1000;
        if second != self.second {
            self.second = second;
            self.used = 0;
        }
        self.used < self.per_second
    }

    /// Takes one further ICV check, if there is one left this second.
    pub fn take(&mut self, now: Instant) -> bool {
        let left = self.is_left(now);
        if left {
            self.used = self.used.saturating_add(1);
            self.trials = self.trials.saturating_add(1);
        }
        left
    }

    /// Gives back `checks` taken for a packet that turned out to be authentic: the
    /// limit is there for forgeries.
    pub fn give_back(&mut self, checks: u16) {
        self.used = self.used.saturating_sub(checks);
    }
}

/// What moves when a packet is opened, and what only the receiver knows.
pub struct Receiver<'a, W> {
    /// Window and usage.
    pub rx: &'a mut SaRx<W>,
    /// Packets that may arrive late where anti-replay is off (Diet-ESP).
    pub reorder: u16,
    /// The search for lost numbers; `None` = none, and the packet stays as it was
    /// where its ICV does not verify, so that another SA can be tried.
    pub resync: Option<&'a mut Resync>,
    /// Makes what the sender left to the receiver.
    pub generator: Generator<'a>,
}

impl<'a, W> Receiver<'a, W> {
    /// The receiver of a plain SA.
    pub fn plain(rx: &'a mut SaRx<W>) -> Self {
        Receiver {
            rx,
            reorder: DEFAULT_REORDER,
            resync: None,
            generator: &generate,
        }
    }
}

/// Packets that may arrive late where nothing is said.
pub const DEFAULT_REORDER: u16 = 64;

/// Opens the packet in `buf`, in place.
///
/// On success `buf` holds the inner packet (tunnel) or the packet without ESP
/// (transport), cut to its own length. The selectors are the caller's next
/// step (RFC 4301 s5.2), and so is counting refusals. On error everything behind
/// the ESP header is zeroed if it had been decrypted.
///
/// With Diet-ESP the packet grows: `NoRoom`, before anything moves, where the
/// buffer has neither in front nor behind the octets that the headers need.
pub fn open<S, W>(
    terms: &Terms<'_, S>,
    receiver: &mut Receiver<'_, W>,
    buf: &mut PacketBuf<'_>,
    (place, now): (&Place, Instant),
) -> Result<Opened, DropReason>
where
    S: EspSuite,
    W: AsRef<[u64]> + AsMut<[u64]>,
{
    check_place(terms, buf, place)?;
    let sn = verify(terms, receiver, buf, (place, now))?;
    let protected = place.protected(buf, terms.header_len());
    let taken = (sn, receiver.generator);
    let restored = restore(terms, buf, place, taken);
    let (next_header, head, saved) =
        restored.inspect_err(|_| wipe(buf, protected, terms.compresses_inner()))?;
    let age = now.seconds_since(receiver.rx.installed);
    let soft_expired = receiver.rx.usage.soft_expired(&terms.params.lifetime, age);
    Ok(Opened {
        sn,
        next_header,
        head,
        soft_expired,
        saved,
    })
}

/// No plaintext stays in a buffer whose packet was refused: neither where it was
/// decrypted nor, if headers were being rebuilt, where they have moved it.
pub(super) fn wipe(buf: &mut PacketBuf<'_>, protected: core::ops::Range<usize>, moved: bool) {
    buf.zero(protected);
    if moved {
        buf.zero(buf.start()..buf.start().saturating_add(buf.len()));
    }
}

/// What can be known of the packet to come: whether the outer header tells enough
/// and the buffer has the room.
fn check_place<S: EspSuite>(
    terms: &Terms<'_, S>,
    buf: &PacketBuf<'_>,
    place: &Place,
) -> Result<(), DropReason> {
    let tunnel = terms.params.mode != Mode::Transport;
    if !tunnel && place.head.is_none() {
        return Err(DropReason::Malformed);
    }
    let Some(context) = terms.context().filter(|c| c.afrg().compresses_inner()) else {
        return Ok(());
    };
    if tunnel && place.head.is_none() && place.outer.is_none() {
        return Err(DropReason::Unsupported);
    }
    let payload_at = place.esp_at + terms.header_len() + terms.suite.iv_len();
    let missing = context
        .most_growth()
        .saturating_sub((buf.start() + payload_at).saturating_sub(kept(terms, place)));
    if missing > buf.tail_room() {
        return Err(DropReason::NoRoom);
    }
    Ok(())
}

/// Octets of header in front that stay: those of transport mode.
fn kept<S>(terms: &Terms<'_, S>, place: &Place) -> usize {
    match (terms.params.mode, place.head) {
        (Mode::Transport, Some(head)) => head.upper_at,
        _ => 0,
    }
}

/// Steps 2 to 6 of RFC 4303 s3.4: length, replay check, ICV and decryption,
/// window.
fn verify<S, W>(
    terms: &Terms<'_, S>,
    receiver: &mut Receiver<'_, W>,
    buf: &mut PacketBuf<'_>,
    (place, now): (&Place, Instant),
) -> Result<Sn64, DropReason>
where
    S: EspSuite,
    W: AsRef<[u64]> + AsMut<[u64]>,
{
    let cipher_len = cipher_len(terms, place)?;
    let octets = u64::try_from(cipher_len).unwrap_or(u64::MAX);
    let rx = &mut *receiver.rx;
    let age = now.seconds_since(rx.installed);
    rx.usage.admits(&terms.params.lifetime, octets, age)?;
    let sn = match terms.context() {
        None => rx.window.infer(place.numbers(buf.packet())?.1)?,
        Some(context) => {
            let esp = place.esp(buf.packet());
            let low = context.received_sn(esp).ok_or(DropReason::Malformed)?;
            let late = rx.window.width().unwrap_or(receiver.reorder.into());
            let lsb = context.afrg().esp_sn_lsb;
            reconstruct((low, lsb), rx.window.top(), late, terms.params.esn)?
        }
    };
    rx.window.check(sn)?;
    let body = buf
        .packet_mut()
        .get_mut(place.esp_at + terms.header_len()..place.end)
        .ok_or(DropReason::Malformed)?;
    let sn = match terms.context() {
        None if S::DIET_ESP && receiver.resync.is_none() => {
            authenticate_or_keep(terms, sn, body).map(|()| sn)?
        }
        None => authenticate(terms, sn, body, EspSuite::open).map(|()| sn)?,
        Some(context) => authenticate_compressed(terms, context, (receiver, now), (sn, body))?,
    };
    receiver.rx.window.mark(sn)?;
    receiver.rx.usage.add(octets);
    Ok(sn)
}

/// One ICV check and, if it is good, the decryption.
fn authenticate<S: EspSuite>(
    terms: &Terms<'_, S>,
    sn: Sn64,
    body: &mut [u8],
    open: impl FnOnce(&S, &Numbers, &mut [u8]) -> Result<(), OpenFailed>,
) -> Result<(), DropReason> {
    let numbers = Numbers {
        spi: terms.params.spi,
        sn,
        esn: terms.params.esn,
    };
    open(terms.suite, &numbers, body).map_err(|failed| match failed {
        OpenFailed::Malformed => DropReason::Malformed,
        OpenFailed::Integrity => DropReason::Integrity,
    })
}

/// The same for plain ESP where another SA may be tried after it: seldom, and out
/// of the way of all other packets.
#[cold]
#[inline(never)]
fn authenticate_or_keep<S: EspSuite>(
    terms: &Terms<'_, S>,
    sn: Sn64,
    body: &mut [u8],
) -> Result<(), DropReason> {
    authenticate(terms, sn, body, EspSuite::open_or_keep)
}

/// The same with the numbers that the low bits may also stand for, if the SA is
/// to look for them.
fn authenticate_compressed<S, W>(
    terms: &Terms<'_, S>,
    context: &Context,
    (receiver, now): (&mut Receiver<'_, W>, Instant),
    (sn, body): (Sn64, &mut [u8]),
) -> Result<Sn64, DropReason>
where
    S: EspSuite,
    W: AsRef<[u64]> + AsMut<[u64]>,
{
    let first = authenticate(terms, sn, body, EspSuite::open_or_keep);
    let Some(resync) = receiver.resync.as_deref_mut() else {
        return first.map(|()| sn);
    };
    if first != Err(DropReason::Integrity) {
        return first.map(|()| sn);
    }
    let step = 1u64 << context.afrg().esp_sn_lsb;
    let end = if terms.params.esn {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    for k in 1..=u64::from(resync.tries) {
        let Some(further) = sn.0.checked_add(k * step).filter(|sn| *sn <= end) else {
            break;
        };
        let further = Sn64(further);
        if receiver.rx.window.check(further).is_err() {
            continue;
        }
        if !resync.take(now) {
            return Err(DropReason::IcvTrials);
        }
        if authenticate(terms, further, body, EspSuite::open_or_keep).is_ok() {
            resync.resyncs = resync.resyncs.saturating_add(1);
            return Ok(further);
        }
    }
    Err(DropReason::Integrity)
}

/// Octets between IV and ICV; `Malformed` if there cannot be a trailer or they
/// are no multiple of what the cipher takes.
fn cipher_len<S: EspSuite>(terms: &Terms<'_, S>, place: &Place) -> Result<usize, DropReason> {
    let fixed = terms.header_len() + terms.suite.iv_len() + terms.suite.icv_len();
    let len = place
        .end
        .checked_sub(place.esp_at)
        .and_then(|len| len.checked_sub(fixed))
        .ok_or(DropReason::Malformed)?;
    // A literal peer may align the whole packet where Diet-ESP is spoken: what
    // counts is the block (decision D-05).
    let align = match terms.context() {
        None => terms.suite.pad_align(),
        Some(_) => terms.block(),
    };
    if len < terms.trailer().len() || !len.is_multiple_of(align) {
        return Err(DropReason::Malformed);
    }
    Ok(len)
}

/// Steps 7 to 9: padding, dummy packets, the packet that was protected.
fn restore<S: EspSuite>(
    terms: &Terms<'_, S>,
    buf: &mut PacketBuf<'_>,
    place: &Place,
    taken: (Sn64, Generator<'_>),
) -> Result<(u8, Head, i64), DropReason> {
    let from = place.esp_at + terms.header_len() + terms.suite.iv_len();
    let to = place
        .end
        .checked_sub(terms.suite.icv_len())
        .ok_or(DropReason::Malformed)?;
    let plaintext = buf.packet().get(from..to).ok_or(DropReason::Malformed)?;
    let trailer = terms.trailer().read(plaintext)?;
    let next_header = next_header(terms, &trailer)?;
    let mut payload = (from, from + trailer.payload_len);
    let mut octets_saved = 0;
    if let Some(context) = terms.context() {
        let mut len = trailer.payload_len;
        if context.afrg().compresses_inner() {
            payload = rebuild(context, buf, (place, payload, next_header), taken)?;
            len = payload.1 - payload.0;
        }
        octets_saved = saved(terms, to - from, len);
    }
    let head = match terms.params.mode {
        Mode::Tunnel(tunnel) => {
            let lower = terms.context().is_some_and(Context::outer_ecn);
            let outer = (tunnel.ecn && !lower).then_some(place.traffic_class);
            take_inner(buf, payload, next_header, outer)?
        }
        Mode::Transport => rejoin(terms, buf, place, (payload, next_header))?,
    };
    Ok((next_header, head, octets_saved))
}

/// Octets by which plain ESP would have been longer.
fn saved<S: EspSuite>(terms: &Terms<'_, S>, cipher_len: usize, payload_len: usize) -> i64 {
    let form = crate::trailer::Form::whole(terms.suite.pad_align());
    let padding = form.padding_len(payload_len, 0).unwrap_or(0);
    let plain = HEADER_LEN + payload_len + padding + form.len();
    let this = terms.header_len() + cipher_len;
    i64::try_from(plain).unwrap_or(0) - i64::try_from(this).unwrap_or(0)
}

/// What the protected octets are, said or known; a dummy packet ends here.
fn next_header<S: EspSuite>(terms: &Terms<'_, S>, trailer: &Trailer) -> Result<u8, DropReason> {
    let known = terms.context().and_then(Context::next_header);
    match (trailer.next_header, known) {
        (Some(proto::NO_NEXT), _) => Err(DropReason::Dummy),
        (Some(said), Some(known)) if said != known => Err(DropReason::BadInner),
        (Some(said), _) => Ok(said),
        (None, Some(known)) => Ok(known),
        (None, None) => Err(DropReason::Internal),
    }
}

/// Diet-ESP: puts the headers in front of what is behind the residue and returns
/// where the packet, or in transport mode the segment, stands then.
fn rebuild(
    context: &Context,
    buf: &mut PacketBuf<'_>,
    (place, (from, to), next_header): (&Place, (usize, usize), u8),
    taken: (Sn64, Generator<'_>),
) -> Result<(usize, usize), DropReason> {
    let iipc = buf.packet().get(from..to).ok_or(DropReason::Internal)?;
    let (restored, kept) = match (context.outer(), place.head) {
        (Some(_), Some(head)) => {
            let outer = outer_fields(buf.packet(), &head)?;
            (context.restore_packet(iipc, &outer, taken)?, 0)
        }
        (Some(_), None) => {
            let outer = place.outer.as_ref().ok_or(DropReason::Internal)?;
            (context.restore_packet(iipc, outer, taken)?, 0)
        }
        (None, Some(head)) => {
            let pseudo = Pseudo {
                source: head.source,
                destination: head.destination,
                protocol: next_header,
            };
            (context.restore_segment(iipc, &pseudo)?, head.upper_at)
        }
        _ => return Err(DropReason::Internal),
    };
    let header = restored.header();
    let payload = (from + restored.residue_len, to);
    // In front of the slice's start there is nothing: then all moves back.
    let missing = (kept + header.len()).saturating_sub(buf.start() + payload.0);
    if missing > 0 {
        buf.grow_tail(missing).map_err(|_| DropReason::NoRoom)?;
        let packet = buf.packet_mut();
        packet
            .get(payload.0..payload.1 + missing)
            .ok_or(DropReason::NoRoom)?;
        packet.copy_within(payload.0..payload.1, payload.0 + missing);
    }
    let (start, end) = (payload.0 + missing, payload.1 + missing);
    let grow = (kept + header.len()).saturating_sub(start);
    buf.grow_head(grow).map_err(|_| DropReason::NoRoom)?;
    let packet = buf.packet_mut();
    if grow > 0 && kept > 0 {
        packet.get(..grow + kept).ok_or(DropReason::Internal)?;
        packet.copy_within(grow..grow + kept, 0);
    }
    let at = start + grow - header.len();
    packet
        .get_mut(at..start + grow)
        .ok_or(DropReason::Internal)?
        .copy_from_slice(header);
    Ok((at, end + grow))
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
fn rejoin<S: EspSuite>(
    terms: &Terms<'_, S>,
    buf: &mut PacketBuf<'_>,
    place: &Place,
    ((from, to), next_header): ((usize, usize), u8),
) -> Result<Head, DropReason> {
    let head = place.head.ok_or(DropReason::Malformed)?;
    let payload = buf.packet().get(from..to).ok_or(DropReason::Malformed)?;
    // A rebuilt header states what is there, over the addresses seen here.
    let rebuilt = terms
        .context()
        .is_some_and(|context| context.computes_checksum(next_header));
    let kept = match terms.compresses_inner() {
        true => payload.len(),
        false => cut_tfc(terms.params, next_header, payload),
    };
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
    if let Some(original) = terms.params.nat_original.as_ref().filter(|_| !rebuilt) {
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
