//! The caller's clock: nothing in this crate reads one.

/// Milliseconds since a point the caller chose; it must not run backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// Whole seconds from `earlier` to `self`; 0 if the clock ran backwards.
    pub const fn seconds_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }
}
