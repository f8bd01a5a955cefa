//! What the sequence numbers of one SA in one capture tell.

use alloc::boxed::Box;
use alloc::vec;

use crate::diet_esp::reconstruct;
use crate::error::DropReason;
use crate::num::Sn64;
use crate::replay::{ReplayWindow, words_for};

use super::table::Sa;

/// What was concluded about one packet's number. A packet that is dissected
/// again must be given the report of the first time, or it would be its own
/// duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number with the inferred high half.
    pub sn: Sn64,
    /// Numbers between the highest one verified before and this one.
    pub missing: u64,
    /// What a receiver says before it looks at the ICV.
    pub reason: Option<DropReason>,
    /// An earlier packet showed that the SA has another Diet-ESP context.
    pub doubted: bool,
}

/// The numbers seen of one SA between one pair of addresses.
///
/// The window is that of the SA, so that the verdicts are those of a receiver
/// that saw the same packets. Before the first verified packet any number goes.
#[derive(Debug, Clone)]
pub struct Sequence {
    window: ReplayWindow<Box<[u64]>>,
    /// A packet has been verified, or a starting number was given.
    anchored: bool,
    /// A packet has been verified.
    started: bool,
    strict: bool,
    esn: bool,
    /// A packet showed that the SA has another Diet-ESP context.
    disproved: bool,
    compressed: Option<Compressed>,
}

/// What the numbers of a compressed SA are inferred with.
#[derive(Debug, Clone)]
struct Compressed {
    /// Bits sent.
    lsb: u8,
    /// Packets that may come late.
    late: u64,
    /// Guesses left until a packet verifies: a wrong key must not cost more.
    guesses: u32,
}

/// Most guesses between two packets that verify.
const GUESSES: u32 = 4096;

impl Sequence {
    /// Nothing seen yet. `None` if the SA's window is not one.
    pub fn new(sa: &Sa) -> Option<Self> {
        let ring = vec![0; words_for(sa.window)].into_boxed_slice();
        let mut window = ReplayWindow::new(ring, sa.window, sa.esn)?;
        if let Some(start) = sa.sequence_start {
            window.start_at(start);
        }
        Some(Sequence {
            window,
            anchored: sa.sequence_start.is_some(),
            started: false,
            strict: sa.window != 0,
            esn: sa.esn,
            disproved: false,
            compressed: sa.ehc.as_ref().map(|ehc| Compressed {
                lsb: ehc.context.afrg().esp_sn_lsb,
                late: match sa.window {
                    0 => ehc.reorder.into(),
                    window => window.into(),
                },
                guesses: GUESSES,
            }),
        })
    }

    /// What a packet with this Sequence Number field would be; changes nothing.
    ///
    /// With ESN and neither a verified packet nor a starting number the high
    /// half is taken to be 0. Of a compressed SA `low` holds the bits sent.
    pub fn report(&self, low: u32) -> Report {
        let plain = Sn64(u64::from(low));
        let inferred = match &self.compressed {
            Some(c) => reconstruct((low, c.lsb), self.window.top(), c.late, self.esn),
            None if self.anchored => self.window.infer(low),
            None => return self.judge(plain),
        };
        match inferred {
            Ok(sn) => self.judge(sn),
            Err(reason) => Report {
                sn: plain,
                missing: 0,
                reason: Some(reason),
                doubted: self.disproved,
            },
        }
    }

    fn judge(&self, sn: Sn64) -> Report {
        let reason = match self.started {
            true => self.window.check(sn).err(),
            false => (self.strict && sn.0 == 0).then_some(DropReason::InvalidZero),
        };
        let missing = match self.started {
            true => sn.0.saturating_sub(self.window.top().0.saturating_add(1)),
            false => 0,
        };
        Report {
            sn,
            missing,
            reason,
            doubted: self.disproved,
        }
    }

    /// The next number with the same low bits, for a packet that did not verify
    /// with that of `report`: the capture may begin late or have lost packets.
    /// `None` if all of the number was sent, or after too many guesses.
    pub fn guess(&mut self, report: &Report) -> Option<Report> {
        let compressed = self.compressed.as_mut()?;
        let sn = report.sn.0.checked_add(1 << compressed.lsb.min(32))?;
        if !self.esn && sn > u64::from(u32::MAX) {
            return None;
        }
        compressed.guesses = compressed.guesses.checked_sub(1)?;
        Some(self.judge(Sn64(sn)))
    }

    /// Guesses left; `None` if there is nothing to guess.
    pub fn guesses(&self) -> Option<u32> {
        self.compressed
            .as_ref()
            .map(|compressed| compressed.guesses)
    }

    /// Leaves so many guesses: streams of one SA may share them.
    pub fn allow(&mut self, guesses: u32) {
        if let Some(compressed) = &mut self.compressed {
            compressed.guesses = guesses;
        }
    }

    /// Remembers that a packet showed that the SA has another Diet-ESP context.
    pub fn disprove(&mut self) {
        self.disproved = true;
    }

    /// Remembers a number whose packet was verified.
    pub fn advance(&mut self, sn: Sn64) {
        if let Some(compressed) = &mut self.compressed {
            compressed.guesses = GUESSES;
        }
        if self.started {
            // A refusal is already in the report; the window stays as it is.
            let _ = self.window.mark(sn);
        } else {
            self.window.start_at(sn);
            self.anchored = true;
            self.started = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::sa;
    use super::*;

    fn feed(sequence: &mut Sequence, low: u32) -> (u64, u64, Option<DropReason>) {
        let report = sequence.report(low);
        sequence.advance(report.sn);
        (report.sn.0, report.missing, report.reason)
    }

    #[test]
    fn a_capture_may_begin_anywhere() {
        let mut s = Sequence::new(&sa(300)).unwrap();
        assert_eq!(feed(&mut s, 5000), (5000, 0, None));
        assert_eq!(feed(&mut s, 4999), (4999, 0, None));
        assert_eq!(feed(&mut s, 5003), (5003, 2, None));
        assert_eq!(feed(&mut s, 5003), (5003, 0, Some(DropReason::Replay)));
        assert_eq!(feed(&mut s, 5003 - 64), (4939, 0, Some(DropReason::TooOld)));
        assert_eq!(feed(&mut s, 0), (0, 0, Some(DropReason::InvalidZero)));
    }

    #[test]
    fn the_high_half_is_zero_then_followed() {
        let mut one = sa(300);
        one.esn = true;
        let mut s = Sequence::new(&one).unwrap();
        assert_eq!(feed(&mut s, u32::MAX), (0xffff_ffff, 0, None));
        assert_eq!(feed(&mut s, 1), (0x1_0000_0001, 1, None));
        assert_eq!(feed(&mut s, 0), (0x1_0000_0000, 0, None));
    }

    #[test]
    fn a_starting_number_gives_the_high_half_and_counts_as_unseen() {
        let mut one = sa(300);
        one.esn = true;
        one.sequence_start = Some(Sn64(0x7_0000_0002));
        let mut s = Sequence::new(&one).unwrap();
        assert_eq!(s.report(0xffff_fff0).sn, Sn64(0x6_ffff_fff0));
        assert_eq!(feed(&mut s, 2), (0x7_0000_0002, 0, None));
        assert_eq!(
            feed(&mut s, 2),
            (0x7_0000_0002, 0, Some(DropReason::Replay))
        );
    }

    #[test]
    fn without_a_window_only_gaps_are_told() {
        let mut one = sa(300);
        one.window = 0;
        let mut s = Sequence::new(&one).unwrap();
        assert_eq!(feed(&mut s, 9), (9, 0, None));
        assert_eq!(feed(&mut s, 9), (9, 0, None));
        assert_eq!(feed(&mut s, 12), (12, 2, None));
        assert_eq!(feed(&mut s, 0), (0, 0, None));
    }
}
