//! Anti-replay and the inference of numbers in one word of 64 bits (RFC 4303
//! s3.4.3 and A2). Only [`Window::mark`] moves, and it is called last.

use crate::error::DropReason;

/// With anti-replay off a receiver with ESN still infers the high half.
const INFER_ONLY: u64 = 1 << 30;

/// One receiver's window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Highest number verified; 0 = none.
    pub top: u64,
    /// Bit n: the number `top` - n was verified.
    pub seen: u64,
    /// Packets: 64, 32 or 0 = off.
    pub width: u8,
}

impl Window {
    /// The number that 32 bits on the wire stand for. `TooOld` where it would lie
    /// before 0 or beyond 2^64.
    pub fn infer(&self, low: u32, esn: bool) -> Result<u64, DropReason> {
        if !esn {
            return Ok(u64::from(low));
        }
        let reach = match self.width {
            0 => INFER_ONLY,
            width => u64::from(width),
        };
        let edge = self.top.wrapping_sub(reach - 1);
        let number = edge & !0xffff_ffff | u64::from(low);
        let before_zero = edge > self.top;
        match (number < edge, before_zero) {
            (false, true) => Err(DropReason::TooOld),
            (false, false) => Ok(number),
            (true, true) => Ok(u64::from(low)),
            (true, false) => number.checked_add(1 << 32).ok_or(DropReason::TooOld),
        }
    }

    /// Reads only.
    pub fn check(&self, number: u64) -> Result<(), DropReason> {
        if self.width == 0 {
            return Ok(());
        }
        if number == 0 {
            return Err(DropReason::InvalidZero);
        }
        let Some(behind) = self.top.checked_sub(number) else {
            return Ok(());
        };
        if behind >= u64::from(self.width) {
            return Err(DropReason::TooOld);
        }
        if self.seen >> behind & 1 != 0 {
            return Err(DropReason::Replay);
        }
        Ok(())
    }

    /// Marks a number whose packet has been verified and which passed
    /// [`Window::check`].
    pub fn mark(&mut self, number: u64) {
        match number.checked_sub(self.top) {
            Some(ahead @ 1..) => {
                self.seen = if ahead < 64 { self.seen << ahead } else { 0 } | 1;
                self.top = number;
            }
            _ => {
                let behind = self.top - number;
                if behind < 64 {
                    self.seen |= 1 << behind;
                }
            }
        }
    }
}
