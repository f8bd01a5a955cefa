//! Dissection: what a packet analyser shows of a packet.
//!
//! A packet becomes a flat list of [`Span`]s: which field, where its octets
//! are, what its value is, what is remarkable about it. The fields are described
//! once, in [`Field`], and the remarks in [`Expert`].
//!
//! Invariant: nothing here moves a window or a counter of an SA that carries
//! traffic. What an analyser remembers of a capture is in [`Sequence`], and only
//! its own [`Sequence::advance`] changes it.

mod contradiction;
mod ehc;
mod esp;
mod expert;
mod field;
mod sequence;
mod span;
mod table;

pub use contradiction::Contradiction;
pub use esp::{Attempt, Encap, Frame, Inner, Input, Outcome, dissect, frame, show};
pub use expert::{Expert, Group, Severity};
pub use field::{Base, Field, Kind};
pub use sequence::{Report, Sequence};
pub use span::{Sink, Source, Span, Value};
pub use table::{Class, Compression, Sa, SaMode, Table};
