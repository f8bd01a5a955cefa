//! What is remembered of a capture, and with which SA and number a packet of it
//! opens.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sprat_core::dissect::{Attempt, Input, Report, Sa, Sequence, Table};
use sprat_core::num::{Sn64, Spi};

use crate::boundary::Status;
use crate::status::{SPRAT_E_ARGUMENT, SPRAT_E_INTERNAL};

/// What is remembered of one capture: the numbers seen of each SA. One thread
/// at a time.
#[derive(Default)]
pub struct sprat_dissect_capture {
    /// Where in `sequences` each stream's numbers are.
    streams: BTreeMap<Stream, usize>,
    sequences: Vec<Sequence>,
    guesses: Guesses,
}

/// Guesses at numbers that an SA of the table has left, where it is not all of them.
/// They are not for each stream: anybody can make up addresses.
type Guesses = BTreeMap<usize, u32>;

/// What numbers are followed for: an SA by its SPI, or a compressed one by its
/// number in the table, between two addresses.
type Stream = (Result<Spi, usize>, Option<IpAddr>, Option<IpAddr>);

/// A packet that is tried with the SAs that it can be of.
pub(super) struct Trial<'a> {
    pub(super) table: &'a Table,
    pub(super) input: &'a Input<'a>,
    /// What is remembered; `None` if nothing is to be.
    pub(super) capture: Option<&'a mut sprat_dissect_capture>,
}

/// An SA that a packet was tried with.
pub(super) struct Found {
    pub(super) index: usize,
    pub(super) attempt: Attempt,
    /// Where the capture remembers its numbers.
    pub(super) place: Option<usize>,
}

impl Trial<'_> {
    /// As it was found out the first time.
    pub(super) fn again(&self, index: usize, report: Report, plain: &mut [u8]) -> Status<Found> {
        let sa = self.table.sa(index).ok_or(SPRAT_E_ARGUMENT)?;
        Ok(Found {
            index,
            attempt: Attempt::new(sa, self.input, report, plain),
            place: None,
        })
    }

    /// The first SA with which the ICV verifies, or if none, the `likely` one, which
    /// is the first candidate.
    pub(super) fn first(&mut self, likely: usize, plain: &mut [u8]) -> Status<Found> {
        let failed = self.attempt(likely, plain)?;
        if failed.attempt.verified() || !self.table.compresses() {
            return Ok(failed);
        }
        for index in self.table.candidates(self.input).skip(1) {
            let found = self.attempt(index, plain)?;
            if found.attempt.verified() {
                return Ok(found);
            }
        }
        Ok(failed)
    }

    fn attempt(&mut self, index: usize, plain: &mut [u8]) -> Status<Found> {
        let input = self.input;
        let sa = self.table.sa(index).ok_or(SPRAT_E_ARGUMENT)?;
        let (attempt, place) = match &mut self.capture {
            Some(capture) if !input.quoted => {
                let place = capture.place((index, sa), input)?;
                let sequence = capture.sequences.get_mut(place).ok_or(SPRAT_E_INTERNAL)?;
                let guesses = &mut capture.guesses;
                let attempt = search((index, sa), input, (sequence, guesses), plain);
                (attempt, Some(place))
            }
            capture => {
                let capture = capture.as_deref_mut();
                (aside((index, sa), input, capture, plain)?, None)
            }
        };
        Ok(Found {
            index,
            attempt,
            place,
        })
    }
}

/// Tries to open a packet with no more guesses than its SA has left.
fn search(
    (index, sa): (usize, &Sa),
    input: &Input<'_>,
    (sequence, guesses): (&mut Sequence, &mut Guesses),
    plain: &mut [u8],
) -> Attempt {
    if let Some(left) = guesses.get(&index) {
        sequence.allow(*left);
    }
    let attempt = Attempt::search(sa, input, sequence, plain);
    if let Some(left) = sequence.guesses() {
        guesses.insert(index, left);
    }
    attempt
}

/// Judges a packet by itself, as one that is quoted; but the missing bits of its
/// number are those of the packets around it.
fn aside(
    (index, sa): (usize, &Sa),
    input: &Input<'_>,
    capture: Option<&mut sprat_dissect_capture>,
    plain: &mut [u8],
) -> Status<Attempt> {
    let compressed = sa.ehc.is_some();
    let around = capture.as_deref().filter(|_| compressed);
    let mut sequence = match around.and_then(|capture| capture.around((index, sa), input)) {
        Some(sequence) => sequence.clone(),
        None => fresh(sa)?,
    };
    let mut nobodys = Guesses::new();
    let guesses = capture.map_or(&mut nobodys, |capture| &mut capture.guesses);
    let mut attempt = search((index, sa), input, (&mut sequence, guesses), plain);
    if compressed {
        (attempt.report.missing, attempt.report.reason) = (0, None);
    }
    Ok(attempt)
}

fn fresh(sa: &Sa) -> Status<Sequence> {
    Sequence::new(sa).ok_or(SPRAT_E_ARGUMENT)
}

fn stream((index, sa): (usize, &Sa), input: &Input<'_>) -> Stream {
    // Other SAs can show the same bits.
    let name = match sa.ehc {
        Some(_) => Err(index),
        None => Ok(sa.spi),
    };
    (name, input.source, input.destination)
}

impl sprat_dissect_capture {
    /// Where the numbers of this SA between these addresses are.
    fn place(&mut self, sa: (usize, &Sa), input: &Input<'_>) -> Status<usize> {
        match self.streams.entry(stream(sa, input)) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => {
                self.sequences.push(fresh(sa.1)?);
                Ok(*entry.insert(self.sequences.len() - 1))
            }
        }
    }

    /// Remembers a packet of the SA `index` that has verified.
    pub(super) fn advance(&mut self, (index, place): (usize, usize), sn: Sn64) {
        self.guesses.remove(&index);
        if let Some(sequence) = self.sequences.get_mut(place) {
            sequence.advance(sn);
        }
    }

    /// Remembers that a packet showed another context than the SA's in the table.
    pub(super) fn disprove(&mut self, place: usize) {
        if let Some(sequence) = self.sequences.get_mut(place) {
            sequence.disprove();
        }
    }

    /// What is known of the numbers around a packet that was not sent there.
    fn around(&self, sa: (usize, &Sa), input: &Input<'_>) -> Option<&Sequence> {
        let place = self.streams.get(&stream(sa, input))?;
        self.sequences.get(*place)
    }
}
