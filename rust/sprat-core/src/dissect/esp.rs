//! ESP packets (RFC 4303), one SA given.

use core::net::IpAddr;
use core::ops::Range;

use crate::crypto::{Encr, EspSuite, Integ, Numbers, OpenFailed};
use crate::error::DropReason;
use crate::num::{Sn64, Spi};
use crate::wire::ip::{self, Head, Version, proto};
use crate::wire::tcp;

use super::contradiction::Contradiction;
use super::expert::Expert;
use super::field::Field;
use super::sequence::{Report, Sequence};
use super::span::{Sink, SinkExt, Source, Span, Value, blank};
use super::table::{Sa, SaMode};

/// SPI and Sequence Number.
pub(super) const HEADER: usize = 8;
/// Most numbers that are tried for one packet.
const TRIALS: u32 = 256;

/// What the octets came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encap {
    /// An IP packet of protocol 50.
    Ip,
    /// A UDP datagram (RFC 3948).
    Udp,
    /// A message of a TCP stream, without its Length (RFC 9329).
    Tcp,
}

/// A packet as captured.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What was captured, from the SPI on.
    pub octets: &'a [u8],
    /// Octets that the packet had.
    pub reported: usize,
    /// Source address of the IP header; `None` where there is none.
    pub source: Option<IpAddr>,
    /// Destination address of the IP header.
    pub destination: Option<IpAddr>,
    /// What the octets came in.
    pub encap: Encap,
    /// It is the first fragment of a packet.
    pub fragment: bool,
    /// It is quoted in an error message, so it was not sent here and now.
    pub quoted: bool,
    /// What stands in front of `octets`, the IP header last, or last but a UDP
    /// header: only looked at for compressed packets.
    pub before: &'a [u8],
}

impl Input<'_> {
    /// The SPI field; `None` where the packet is too short for one.
    pub fn spi(&self) -> Option<Spi> {
        self.octets.first_chunk().copied().map(Spi::from_octets)
    }

    /// The Sequence Number field; 0 where there is none.
    pub fn sequence_low(&self) -> u32 {
        let field = self.octets.get(4..HEADER).and_then(<[u8]>::first_chunk);
        field.map_or(0, |octets| u32::from_be_bytes(*octets))
    }

    /// What is sent of the number in a packet of `sa`; 0 where there is nothing.
    pub fn received(&self, sa: &Sa) -> u32 {
        match &sa.ehc {
            Some(ehc) => ehc.context.received_sn(self.octets).unwrap_or(0),
            None => self.sequence_low(),
        }
    }
}

/// What the payload is, for the next dissector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Nothing to go on with.
    None,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
    /// Header and data of this protocol.
    Protocol(u8),
    /// Octets to show as they are: a dummy packet, or not the packet it should be.
    Data,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The ICV verified.
    pub verified: bool,
    /// Why a receiver would drop the packet.
    pub reason: Option<DropReason>,
    /// What the payload is.
    pub inner: Inner,
    /// Where in the caller's buffer the decrypted octets are: payload to Next Header.
    pub plaintext: Range<usize>,
    /// Where in the decrypted octets the payload is, which is without TFC padding.
    pub payload: Range<usize>,
    /// Where in the caller's buffer the packet is that was rebuilt from them; empty
    /// if none was. Then it is what `inner` is about, not the payload.
    pub rebuilt: Range<usize>,
    /// What of it cannot be, though a receiver takes it.
    pub contradiction: Option<Contradiction>,
    /// Octets that plain ESP would have needed in addition.
    pub saved: Option<i64>,
}

impl Outcome {
    /// Whether the SA must have another Diet-ESP context: its sender would not have
    /// made such octets of any packet. What is inside may have been broken before.
    pub fn disproves_context(&self) -> bool {
        let refused = matches!(
            self.reason,
            Some(DropReason::BadPadding | DropReason::EhcResidue | DropReason::EhcMapping)
        );
        let odd = matches!(
            self.contradiction,
            Some(Contradiction::Alignment | Contradiction::PadBits)
        );
        self.verified && (refused || odd)
    }
}

/// Why there is no plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// A fragment only.
    Fragment,
    /// The length is not that of an ESP packet of the SA.
    Length,
    /// Less was captured than the packet had.
    CutOff,
    /// Opening failed.
    Refused(DropReason),
}

/// A packet that was tried to be opened with one SA and one number.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The number.
    pub report: Report,
    opened: Result<(), Closed>,
}

impl Attempt {
    /// Tries to open `input` as a packet of `sa`. `plain` is overwritten; it needs
    /// as many octets as the packet has.
    pub fn new(sa: &Sa, input: &Input<'_>, report: Report, plain: &mut [u8]) -> Self {
        let opened = body_len(sa, input).and_then(|_| open(sa, input, report.sn, plain));
        Attempt { report, opened }
    }

    /// Tries to open `input` with the number that `sequence` makes of it, then, if
    /// the number was not sent whole, with numbers beyond; the first one counts if
    /// all fail.
    pub fn search(sa: &Sa, input: &Input<'_>, sequence: &mut Sequence, plain: &mut [u8]) -> Self {
        let first = Attempt::new(sa, input, sequence.report(input.received(sa)), plain);
        match first.opened {
            Err(Closed::Refused(DropReason::Integrity)) if sa.ehc.is_some() => {
                first.beyond(sa, input, sequence, plain)
            }
            _ => first,
        }
    }

    /// The first number beyond with which the ICV verifies; this one if none does.
    fn beyond(self, sa: &Sa, input: &Input<'_>, sequence: &mut Sequence, plain: &mut [u8]) -> Self {
        let mut report = self.report;
        for _ in 1..TRIALS {
            let Some(next) = sequence.guess(&report) else {
                break;
            };
            let attempt = Attempt::new(sa, input, next, plain);
            if attempt.verified() {
                return attempt;
            }
            report = next;
        }
        self
    }

    /// Whether the ICV verified.
    pub fn verified(&self) -> bool {
        self.opened.is_ok()
    }
}

/// Octets between the header and the end of the packet, if that is a length which
/// such a packet can have.
fn body_len(sa: &Sa, input: &Input<'_>) -> Result<usize, Closed> {
    if input.fragment {
        return Err(Closed::Fragment);
    }
    let (suite, header) = (&sa.suite, sa.header_len());
    let fixed = header + suite.iv_len() + suite.icv_len();
    // Compressed, there may be no trailer.
    let least = match sa.ehc {
        Some(_) => 0,
        None => 2,
    };
    let cipher_len = input.reported.checked_sub(fixed);
    let fits = |len: &usize| *len >= least && len.is_multiple_of(sa.block());
    if cipher_len.filter(fits).is_none() {
        return Err(Closed::Length);
    }
    if input.octets.len() < input.reported {
        return Err(Closed::CutOff);
    }
    Ok(input.octets.len() - header)
}

fn open(sa: &Sa, input: &Input<'_>, sn: Sn64, plain: &mut [u8]) -> Result<(), Closed> {
    let body = input.octets.get(sa.header_len()..).unwrap_or(&[]);
    let room = plain.get_mut(..body.len());
    let room = room.ok_or(Closed::Refused(DropReason::NoRoom))?;
    room.copy_from_slice(body);
    let opened = sa.suite.open(&numbers(sa, sn), room);
    opened.map_err(|failed| {
        Closed::Refused(match failed {
            OpenFailed::Malformed => DropReason::Malformed,
            OpenFailed::Integrity => DropReason::Integrity,
        })
    })
}

fn numbers(sa: &Sa, sn: Sn64) -> Numbers {
    Numbers {
        spi: sa.spi,
        sn,
        esn: sa.esn,
    }
}

/// How RFC 9329 frames the start of a TCP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// More octets are needed to tell.
    More,
    /// Not at all: the stream is lost.
    Lost,
    /// The prefix, or a message behind its Length.
    Whole {
        /// Octets of the frame.
        len: usize,
        /// How many of them are not the message: the prefix, or the Length.
        header: usize,
    },
}

/// Finds the first frame of a stream.
pub fn frame(octets: &[u8]) -> Frame {
    let prefix = tcp::PREFIX.len();
    // As a length, "IK" is as good as any; the whole prefix is not met by chance.
    if octets.len() < prefix && tcp::PREFIX.starts_with(octets) {
        return Frame::More;
    }
    if octets.starts_with(&tcp::PREFIX) {
        return Frame::Whole {
            len: prefix,
            header: prefix,
        };
    }
    let header = tcp::LENGTH_LEN;
    match octets.first_chunk().copied().map(u16::from_be_bytes) {
        None => Frame::More,
        Some(len) if usize::from(len) < header => Frame::Lost,
        Some(len) => Frame::Whole {
            len: len.into(),
            header,
        },
    }
}

/// Shows a packet of `sa` whose number is reported to be `report`.
///
/// `plain` is overwritten; it needs as many octets as the packet has, and for a
/// compressed one as many again and [`MAX_HEADER`](crate::diet_esp::MAX_HEADER).
/// With less nothing is decrypted. What it holds after a failure is not plaintext.
pub fn dissect<S: Sink + ?Sized>(
    sa: &Sa,
    input: &Input<'_>,
    report: &Report,
    plain: &mut [u8],
    sink: &mut S,
) -> Outcome {
    let attempt = Attempt::new(sa, input, *report, plain);
    show(sa, input, &attempt, plain, sink)
}

/// Shows a packet after the last attempt to open it, which was the one with this
/// `plain` unless it failed.
pub fn show<S: Sink + ?Sized>(
    sa: &Sa,
    input: &Input<'_>,
    attempt: &Attempt,
    plain: &mut [u8],
    sink: &mut S,
) -> Outcome {
    let mut run = Run {
        sa,
        input,
        report: &attempt.report,
        sink,
        outcome: Outcome {
            verified: false,
            reason: None,
            inner: Inner::None,
            plaintext: 0..0,
            payload: 0..0,
            rebuilt: 0..0,
            contradiction: None,
            saved: None,
        },
    };
    match &sa.ehc {
        None => run.header(),
        Some(ehc) => run.compressed_header(ehc),
    }
    run.body(attempt.opened, plain);
    if !run.sink.brief() {
        run.association();
    }
    if let Some(reason) = run.outcome.reason {
        run.refusal(reason);
    }
    if let Some(contradiction) = run.outcome.contradiction {
        run.contradiction(contradiction);
    }
    run.outcome
}

/// A packet on its way to the sink.
pub(super) struct Run<'a, S: ?Sized> {
    pub(super) sa: &'a Sa,
    pub(super) input: &'a Input<'a>,
    pub(super) report: &'a Report,
    pub(super) sink: &'a mut S,
    pub(super) outcome: Outcome,
}

impl<S: Sink + ?Sized> Run<'_, S> {
    /// Only the first reason counts, as at a receiver.
    pub(super) fn refuse(&mut self, reason: DropReason) {
        self.outcome.reason.get_or_insert(reason);
    }

    fn header(&mut self) {
        let octets = self.input.octets;
        let spi = u64::from(self.sa.spi.0);
        self.sink.number(Field::Spi, 0, 4.min(octets.len()), spi);
        if octets.len() < HEADER {
            return;
        }
        let low = u64::from(self.input.sequence_low());
        let sequence = Some(self.sink.number(Field::Sequence, 4, 4, low));
        if self.sa.esn {
            let sn = self.report.sn.0;
            self.sink.fact(Field::Sequence64, sequence, sn);
        }
        self.remarks(sequence);
    }

    /// What is remarkable about the number.
    pub(super) fn remarks(&mut self, sequence: Option<u16>) {
        if let Some(reason) = self.report.reason {
            self.refuse(reason);
            match reason {
                DropReason::Replay => self.sink.fact(Field::Duplicate, sequence, 1),
                DropReason::TooOld => self.sink.fact(Field::TooOld, sequence, 1),
                _ => 0,
            };
        }
        if self.report.missing != 0 {
            let missing = Value::Number(self.report.missing);
            let expert = Some(Expert::Gap);
            self.sink.concluded(Field::Gap, sequence, missing, expert);
        }
    }

    fn body(&mut self, opened: Result<(), Closed>, plain: &mut [u8]) {
        let (suite, header) = (&self.sa.suite, self.sa.header_len());
        let (iv, octets) = (suite.iv_len(), self.input.octets);
        match opened {
            // The order of RFC 4303 s3.4.1: before everything else.
            Err(Closed::Fragment) => return self.outcome.reason = Some(DropReason::Fragment),
            Err(Closed::Length) if self.input.quoted => return self.cut_off(),
            // Before the number: RFC 4303 s3.4.3 wants lengths checked first.
            Err(Closed::Length) => return self.outcome.reason = Some(DropReason::Malformed),
            _ => {}
        }
        if octets.len() >= header + iv && !self.sink.brief() {
            self.nonce(iv);
        }
        let opened = match opened {
            Ok(()) => Ok(()),
            // An error message quotes the beginning of a packet, often less than all.
            Err(Closed::Refused(DropReason::Integrity)) if self.input.quoted => {
                return self.cut_off();
            }
            Err(Closed::Refused(reason)) => Err(reason),
            Err(_) => return self.cut_off(),
        };
        let end = octets.len() - suite.icv_len();
        self.sink
            .octets(Field::Encrypted, header + iv, end - header - iv);
        let icv_span = Some(self.sink.octets(Field::Icv, end, octets.len() - end));
        self.verdict(icv_span, opened);
        if self.outcome.verified {
            let body = plain.split_at_mut_checked(octets.len() - header);
            let (body, room) = body.unwrap_or_default();
            let text = body.get(self.outcome.plaintext.clone()).unwrap_or(&[]);
            match &self.sa.ehc {
                None => self.plaintext(text),
                Some(ehc) => self.compressed_text(ehc, text, room),
            }
        }
    }

    fn nonce(&mut self, iv_len: usize) {
        let suite = &self.sa.suite;
        let numbers = numbers(self.sa, self.report.sn);
        let at = self.sa.header_len();
        let iv = self.input.octets.get(at..at + iv_len);
        let nonce = suite.nonce(&numbers, iv.unwrap_or(&[]));
        if iv_len != 0 {
            self.sink.octets(Field::Iv, at, iv_len);
        } else if suite.encr().implicit_iv() {
            let iv = Value::Number(numbers.sn.0);
            self.sink.concluded(Field::ImplicitIv, None, iv, None);
        }
        if !nonce.as_slice().is_empty() {
            let nonce = Value::Octets(nonce.as_slice());
            self.sink.concluded(Field::Nonce, None, nonce, None);
        }
        // GMAC covers the whole packet: nothing is additional.
        if suite.encr().is_aead() && suite.encr() != Encr::NullAesGmac {
            let aad = suite.aad(&numbers);
            let aad = Value::Octets(aad.as_slice());
            self.sink.concluded(Field::Aad, None, aad, None);
        }
    }

    /// There is less than the packet had.
    fn cut_off(&mut self) {
        let expert = Some(Expert::Truncated);
        self.sink
            .concluded(Field::Truncated, None, Value::Number(1), expert);
    }

    fn verdict(&mut self, icv_span: Option<u16>, opened: Result<(), DropReason>) {
        match opened {
            Ok(()) => {
                let (suite, header) = (&self.sa.suite, self.sa.header_len());
                let len = self.input.octets.len() - header;
                self.outcome.verified = true;
                self.outcome.plaintext = suite.iv_len()..len - suite.icv_len();
            }
            Err(DropReason::Malformed) => {
                self.outcome.reason = Some(DropReason::Malformed);
                return;
            }
            Err(reason) => self.refuse(reason),
        }
        if opened != Err(DropReason::NoRoom) {
            let good = u64::from(self.outcome.verified);
            self.sink.fact(Field::IcvGood, icv_span, good);
            self.sink.fact(Field::IcvBad, icv_span, 1 - good);
        }
    }

    /// `text`: payload, TFC padding, Padding, Pad Length, Next Header.
    fn plaintext(&mut self, text: &[u8]) {
        let [front @ .., pad_len, next] = text else {
            return self.refuse(DropReason::Malformed);
        };
        let (pad_len, next) = (*pad_len, *next);
        let split = front.len().checked_sub(usize::from(pad_len));
        let halves = split.and_then(|at| front.split_at_checked(at));
        let good = halves.is_some_and(|(_, padding)| counts_up(padding));
        if !good {
            self.refuse(DropReason::BadPadding);
        } else if next == proto::NO_NEXT {
            self.refuse(DropReason::Dummy);
        }
        if let Some((front, padding)) = halves {
            self.payload(front, next, good);
            if !padding.is_empty() {
                self.in_plain(Field::Padding, front.len(), padding.len(), Value::InPlace);
            }
        }
        self.trailer(front.len(), (pad_len, next), good);
        if halves.is_some() {
            let overhead = self.input.octets.len() - self.outcome.payload.len();
            let overhead = u64::try_from(overhead).unwrap_or(u64::MAX);
            self.sink.fact(Field::Overhead, None, overhead);
        }
    }

    /// Pad Length and Next Header, which stand at `at`.
    fn trailer(&mut self, at: usize, (pad_len, next): (u8, u8), good: bool) {
        let length = Value::Number(pad_len.into());
        let length = Some(self.in_plain(Field::PadLength, at, 1, length));
        self.sink.fact(Field::PadGood, length, u64::from(good));
        let number = Value::Number(next.into());
        let number = Some(self.in_plain(Field::NextHeader, at + 1, 1, number));
        if next == proto::NO_NEXT {
            self.sink.fact(Field::Dummy, number, 1);
        }
    }

    /// `front`: payload and TFC padding. Where the padding is wrong, so may be
    /// the place where the payload ends.
    pub(super) fn payload(&mut self, front: &[u8], next: u8, padding_good: bool) {
        let (inner, len) = match self.inner(front, next) {
            Some((_, len)) if !padding_good => (Inner::Data, len),
            Some(found) => found,
            None => {
                self.refuse(DropReason::BadInner);
                (Inner::Data, front.len())
            }
        };
        self.outcome.inner = inner;
        self.outcome.payload = 0..len;
        if len != 0 {
            self.in_plain(Field::Payload, 0, len, Value::InPlace);
        }
        if len != front.len() {
            self.in_plain(Field::Tfc, len, front.len() - len, Value::InPlace);
        }
    }

    /// What the payload is and how long; `None` if it is not what it must be.
    fn inner(&self, front: &[u8], next: u8) -> Option<(Inner, usize)> {
        match next {
            proto::NO_NEXT => Some((Inner::Data, front.len())),
            proto::IPV4 | proto::IPV6 => {
                let head = Head::parse(front).ok();
                match (next, head.map(|head| head.version)) {
                    (proto::IPV4, Some(Version::V4)) => Some((Inner::Ipv4, head?.total_len)),
                    (proto::IPV6, Some(Version::V6)) => Some((Inner::Ipv6, head?.total_len)),
                    // Whether a whole packet is inside matters to a tunnel only.
                    _ if self.sa.mode == SaMode::Transport => {
                        Some((Inner::Protocol(next), front.len()))
                    }
                    _ => None,
                }
            }
            _ if self.sa.mode == SaMode::Tunnel => None,
            // A length that cannot be is left to the next dissector.
            _ => {
                let len = ip::stated_len(next, front).unwrap_or(front.len());
                Some((Inner::Protocol(next), len))
            }
        }
    }

    pub(super) fn in_plain(
        &mut self,
        field: Field,
        offset: usize,
        len: usize,
        value: Value<'_>,
    ) -> u16 {
        self.sink.add(Span {
            source: Source::Plaintext,
            offset,
            len,
            value,
            ..blank(field)
        })
    }

    fn association(&mut self) {
        let mode = match (self.sa.mode, self.outcome.inner) {
            (SaMode::Tunnel, _) | (SaMode::Any, Inner::Ipv4 | Inner::Ipv6) => "tunnel",
            (SaMode::Transport, _) | (SaMode::Any, Inner::Protocol(_)) => "transport",
            (SaMode::Any, _) => "",
        };
        let integ = match self.sa.suite.integ() {
            Integ::None => "",
            integ => integ.name(),
        };
        let label = Some(self.sink.concluded(Field::Sa, None, Value::InPlace, None));
        let texts = [
            (Field::SaName, self.sa.name.as_str()),
            (Field::Encr, self.sa.suite.encr().name()),
            (Field::Integ, integ),
            (Field::Mode, mode),
        ];
        for (field, text) in texts {
            if !text.is_empty() {
                self.sink.concluded(field, label, Value::Text(text), None);
            }
        }
        let esn = u64::from(self.sa.esn);
        self.sink.fact(Field::Esn, label, esn);
        if let Some(ehc) = &self.sa.ehc {
            self.attributes(ehc, label);
        }
    }

    /// What cannot be, though a receiver takes it.
    fn contradiction(&mut self, contradiction: Contradiction) {
        let text = Value::Text(contradiction.text());
        let expert = Some(Expert::Contradiction);
        self.sink
            .concluded(Field::EhcContradiction, None, text, expert);
    }

    /// Why a receiver would drop the packet.
    fn refusal(&mut self, reason: DropReason) {
        let expert = match (reason, &self.sa.ehc) {
            (DropReason::Integrity, Some(_)) => Expert::Context,
            _ => Expert::Drop(reason),
        };
        let name = Value::Text(reason.counter());
        self.sink
            .concluded(Field::DropReason, None, name, Some(expert));
    }
}

/// Whether the octets are 1, 2, 3, …
fn counts_up(padding: &[u8]) -> bool {
    (1u8..).zip(padding).all(|(n, octet)| n == *octet)
}

#[cfg(test)]
pub(super) mod tests;
