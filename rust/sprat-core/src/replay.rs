//! Anti-replay window and the inference of the high half of a 64-bit sequence
//! number (RFC 4303 s3.4.3 and A2; ring of words as in RFC 6479).
//!
//! Nothing here moves before the ICV has been verified: [`ReplayWindow::check`]
//! and [`ReplayWindow::infer`] only read, [`ReplayWindow::mark`] is called last.

use crate::error::DropReason;
use crate::num::Sn64;

/// Bits in a word of the ring.
const WORD: u64 = 64;

/// With anti-replay off an ESN receiver still has to infer the high half: it
/// accepts numbers this far behind the highest one without marking them.
const INFER_ONLY_WINDOW: u64 = 1 << 30;

/// Words of storage a window of `window` packets needs: the window and one
/// word more, so that moving forward clears whole words and shifts nothing.
pub const fn words_for(window: u16) -> usize {
    if window == 0 {
        0
    } else {
        (window as usize).div_ceil(WORD as usize) + 1
    }
}

/// The state of one receiver. `S` is the ring: `[u64; N]` or a boxed slice of
/// [`words_for`] words.
#[derive(Debug, Clone)]
pub struct ReplayWindow<S> {
    ring: S,
    top: u64,
    window: u64,
    esn: bool,
    on: bool,
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> ReplayWindow<S> {
    /// A window over `ring`, which is cleared. `window` = 0 turns anti-replay
    /// off. `None` if the ring is too short for the window.
    pub fn new(mut ring: S, window: u16, esn: bool) -> Option<Self> {
        if ring.as_ref().len() < words_for(window) {
            return None;
        }
        ring.as_mut().fill(0);
        let on = window != 0;
        let window = if on {
            u64::from(window)
        } else {
            INFER_ONLY_WINDOW
        };
        Some(ReplayWindow {
            ring,
            top: 0,
            window,
            esn,
            on,
        })
    }

    /// Packets that may arrive late and still be told from copies; `None` with
    /// anti-replay off.
    pub fn width(&self) -> Option<u64> {
        self.on.then_some(self.window)
    }

    /// Highest number verified so far, T of the RFC; 0 if none was.
    pub fn top(&self) -> Sn64 {
        Sn64(self.top)
    }

    /// Starts as if `top` had been verified and nothing else: for a state that
    /// was kept, or a capture that begins late.
    pub fn start_at(&mut self, top: Sn64) {
        self.ring.as_mut().fill(0);
        self.top = top.0;
        if self.on && top.0 != 0 {
            self.set(top.0);
        }
    }

    /// The full number that `low` stands for; the high half is 0 without ESN.
    /// `TooOld` where it would lie before 0 or beyond 2^64 (RFC 4303 A2.2; its
    /// pseudo-code forgets the first case).
    pub fn infer(&self, low: u32) -> Result<Sn64, DropReason> {
        if !self.esn {
            return Ok(Sn64(u64::from(low)));
        }
        let top = Sn64(self.top);
        let reach = u32::try_from(self.window - 1).unwrap_or(u32::MAX);
        let edge = top.low().wrapping_sub(reach);
        let high = if top.low() >= reach {
            if low >= edge {
                Some(top.high())
            } else {
                top.high().checked_add(1)
            }
        } else if low >= edge {
            top.high().checked_sub(1)
        } else {
            Some(top.high())
        };
        high.map(|high| Sn64::from_halves(high, low))
            .ok_or(DropReason::TooOld)
    }

    /// The check before the ICV: reads only.
    pub fn check(&self, number: Sn64) -> Result<(), DropReason> {
        if !self.on {
            return Ok(());
        }
        if number.0 == 0 {
            return Err(DropReason::InvalidZero);
        }
        if number.0 > self.top {
            return Ok(());
        }
        if self.top - number.0 >= self.window {
            return Err(DropReason::TooOld);
        }
        if self.is_set(number.0) {
            Err(DropReason::Replay)
        } else {
            Ok(())
        }
    }

    /// Marks a number whose packet has been verified; refuses what
    /// [`ReplayWindow::check`] refuses, so that a number is marked once.
    pub fn mark(&mut self, number: Sn64) -> Result<(), DropReason> {
        self.check(number)?;
        if number.0 > self.top {
            self.advance(number.0);
        }
        if self.on {
            self.set(number.0);
        }
        Ok(())
    }

    /// Clears the words between the old and the new top.
    fn advance(&mut self, to: u64) {
        if self.on {
            let words = self.ring.as_ref().len() as u64;
            let (from_word, to_word) = (self.top / WORD, to / WORD);
            for step in 1..=(to_word - from_word).min(words) {
                if let Some(word) = self.word(from_word + step) {
                    *word = 0;
                }
            }
        }
        self.top = to;
    }

    fn word(&mut self, index: u64) -> Option<&mut u64> {
        let ring = self.ring.as_mut();
        let slot = usize::try_from(index.checked_rem(ring.len() as u64)?).ok()?;
        ring.get_mut(slot)
    }

    fn set(&mut self, number: u64) {
        if let Some(word) = self.word(number / WORD) {
            *word |= 1 << (number % WORD);
        }
    }

    fn is_set(&self, number: u64) -> bool {
        let ring = self.ring.as_ref();
        let slot = (number / WORD)
            .checked_rem(ring.len() as u64)
            .and_then(|s| usize::try_from(s).ok());
        slot.and_then(|s| ring.get(s))
            .is_some_and(|word| word >> (number % WORD) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    /// The plain model: the set of accepted numbers.
    struct Model {
        seen: BTreeSet<u64>,
        top: u64,
        window: u64,
    }

    impl Model {
        fn check(&self, n: u64) -> Result<(), DropReason> {
            match n {
                0 => Err(DropReason::InvalidZero),
                n if n <= self.top && self.top - n >= self.window => Err(DropReason::TooOld),
                n if self.seen.contains(&n) => Err(DropReason::Replay),
                _ => Ok(()),
            }
        }
    }

    fn window(w: u16, esn: bool) -> ReplayWindow<Vec<u64>> {
        ReplayWindow::new(std::vec![0; words_for(w)], w, esn).unwrap()
    }

    proptest! {
        #[test]
        fn agrees_with_the_model(
            width in prop::sample::select(std::vec![32u16, 64, 96, 128, 1024, 4096]),
            start in prop::sample::select(std::vec![0u64, 1, 5000, u32::MAX as u64 - 40, u64::MAX - 9000]),
            steps in prop::collection::vec((any::<bool>(), 0u64..6000), 1..300),
        ) {
            let mut real = window(width, true);
            real.start_at(Sn64(start));
            let mut model = Model { seen: BTreeSet::from([start]), top: start, window: width.into() };
            for (up, distance) in steps {
                let n = if up { model.top.saturating_add(distance % 97) } else { model.top.saturating_sub(distance) };
                let expected = model.check(n);
                prop_assert_eq!(real.check(Sn64(n)), expected);
                if expected.is_err() { prop_assert_eq!(real.mark(Sn64(n)), expected); continue; }
                prop_assert_eq!(real.infer(Sn64(n).low()), Ok(Sn64(n)));
                real.mark(Sn64(n)).unwrap();
                model.seen.insert(n);
                model.top = model.top.max(n);
                prop_assert_eq!(real.top(), Sn64(model.top));
            }
        }
    }

    #[test]
    fn the_edges_of_the_window() {
        let mut w = window(64, false);
        for n in [100, 37, 38] {
            assert_eq!(w.mark(Sn64(n)), Ok(()), "{n}");
        }
        assert_eq!(w.check(Sn64(36)), Err(DropReason::TooOld));
        assert_eq!(w.check(Sn64(37)), Err(DropReason::Replay));
        assert_eq!(w.check(Sn64(0)), Err(DropReason::InvalidZero));
        assert_eq!(w.mark(Sn64(u64::from(u32::MAX))), Ok(()));
        assert_eq!(w.check(Sn64(100)), Err(DropReason::TooOld));
    }

    #[test]
    fn high_half_before_zero_and_beyond_the_end_is_too_old() {
        let mut w = window(64, true);
        assert_eq!(w.infer(u32::MAX), Err(DropReason::TooOld));
        w.start_at(Sn64(u64::MAX));
        assert_eq!(w.infer(0), Err(DropReason::TooOld));
        assert_eq!(w.infer(u32::MAX), Ok(Sn64(u64::MAX)));
    }

    #[test]
    fn off_means_everything_passes_but_esn_is_still_followed() {
        let mut w = window(0, true);
        w.mark(Sn64(0xffff_fff0)).unwrap();
        w.mark(Sn64(0xffff_fff0)).unwrap();
        assert_eq!(w.infer(3), Ok(Sn64(0x1_0000_0003)));
        w.mark(Sn64(0x1_0000_0003)).unwrap();
        assert_eq!(w.infer(0xffff_fff1), Ok(Sn64(0xffff_fff1)));
        assert_eq!(w.top(), Sn64(0x1_0000_0003));
    }

    #[test]
    fn a_ring_too_short_is_refused() {
        assert!(ReplayWindow::new([0u64; 1], 64, false).is_none());
        assert!(ReplayWindow::new([0u64; 2], 64, false).is_some());
    }
}
