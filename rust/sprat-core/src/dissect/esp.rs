//! ESP packets (RFC 4303), one SA given.

use core::net::IpAddr;
use core::ops::Range;

use crate::crypto::{Encr, EspSuite, Integ, Numbers, OpenFailed};
use crate::error::DropReason;
use crate::num::Spi;
use crate::wire::ip::{self, Head, Version, proto};
use crate::wire::tcp;

use super::expert::Expert;
use super::field::Field;
use super::sequence::Report;
use super::span::{Sink, SinkExt, Source, Span, Value, blank};
use super::table::{Sa, SaMode};

/// SPI and Sequence Number.
const HEADER: usize = 8;

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
/// `plain` is overwritten; it needs as many octets as the packet has. With less
/// nothing is decrypted. What it holds after a failure is not plaintext.
pub fn dissect<S: Sink + ?Sized>(
    sa: &Sa,
    input: &Input<'_>,
    report: &Report,
    plain: &mut [u8],
    sink: &mut S,
) -> Outcome {
    let mut run = Run {
        sa,
        input,
        report,
        sink,
        outcome: Outcome {
            verified: false,
            reason: None,
            inner: Inner::None,
            plaintext: 0..0,
            payload: 0..0,
        },
    };
    run.header();
    run.body(plain);
    run.association();
    if let Some(reason) = run.outcome.reason {
        run.sink.refusal(reason);
    }
    run.outcome
}

struct Run<'a, S: ?Sized> {
    sa: &'a Sa,
    input: &'a Input<'a>,
    report: &'a Report,
    sink: &'a mut S,
    outcome: Outcome,
}

impl<S: Sink + ?Sized> Run<'_, S> {
    /// Only the first reason counts, as at a receiver.
    fn refuse(&mut self, reason: DropReason) {
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

    fn body(&mut self, plain: &mut [u8]) {
        let octets = self.input.octets;
        if self.input.fragment {
            // The order of RFC 4303 s3.4.1: before everything else.
            self.outcome.reason = Some(DropReason::Fragment);
            return;
        }
        let suite = &self.sa.suite;
        let (iv, icv) = (suite.iv_len(), suite.icv_len());
        let cipher_len = self.input.reported.checked_sub(HEADER + iv + icv);
        let fits = |len: usize| len >= 2 && len.is_multiple_of(suite.pad_align());
        if !cipher_len.is_some_and(fits) {
            if self.input.quoted {
                return self.cut_off();
            }
            // Before the number: RFC 4303 s3.4.3 wants lengths checked first.
            self.outcome.reason = Some(DropReason::Malformed);
            return;
        }
        if octets.len() >= HEADER + iv {
            self.nonce(iv);
        }
        if octets.len() < self.input.reported {
            return self.cut_off();
        }
        let opened = self.open(plain);
        // An error message quotes the beginning of a packet, often less than all.
        if self.input.quoted && opened == Err(DropReason::Integrity) {
            return self.cut_off();
        }
        let end = octets.len() - icv;
        self.sink
            .octets(Field::Encrypted, HEADER + iv, end - HEADER - iv);
        let icv_span = Some(self.sink.octets(Field::Icv, end, icv));
        self.verdict(icv_span, opened);
        if self.outcome.verified {
            let text = plain.get(self.outcome.plaintext.clone());
            self.plaintext(text.unwrap_or(&[]));
        }
    }

    fn nonce(&mut self, iv_len: usize) {
        let (suite, numbers) = (&self.sa.suite, self.numbers());
        let iv = self.input.octets.get(HEADER..HEADER + iv_len);
        let nonce = suite.nonce(&numbers, iv.unwrap_or(&[]));
        if iv_len != 0 {
            self.sink.octets(Field::Iv, HEADER, iv_len);
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

    fn numbers(&self) -> Numbers {
        Numbers {
            spi: self.sa.spi,
            sn: self.report.sn,
            esn: self.sa.esn,
        }
    }

    /// There is less than the packet had.
    fn cut_off(&mut self) {
        let expert = Some(Expert::Truncated);
        self.sink
            .concluded(Field::Truncated, None, Value::Number(1), expert);
    }

    fn open(&self, plain: &mut [u8]) -> Result<(), DropReason> {
        let body = self.input.octets.get(HEADER..).unwrap_or(&[]);
        let room = plain.get_mut(..body.len()).ok_or(DropReason::NoRoom)?;
        room.copy_from_slice(body);
        let opened = self.sa.suite.open(&self.numbers(), room);
        opened.map_err(|failed| match failed {
            OpenFailed::Malformed => DropReason::Malformed,
            OpenFailed::Integrity => DropReason::Integrity,
        })
    }

    fn verdict(&mut self, icv_span: Option<u16>, opened: Result<(), DropReason>) {
        match opened {
            Ok(()) => {
                let (suite, len) = (&self.sa.suite, self.input.octets.len() - HEADER);
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
    fn payload(&mut self, front: &[u8], next: u8, padding_good: bool) {
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

    fn in_plain(&mut self, field: Field, offset: usize, len: usize, value: Value<'_>) -> u16 {
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
    }
}

/// Whether the octets are 1, 2, 3, …
fn counts_up(padding: &[u8]) -> bool {
    (1u8..).zip(padding).all(|(n, octet)| n == *octet)
}

#[cfg(test)]
mod tests;
