//! ESP (RFC 4303) over whole packets, in place.
//!
//! ```text
//! +0   SPI 4 | Sequence Number 4 | IV 0, 8 or 16
//!      payload | TFC padding | Padding 1, 2, 3 … | Pad Length 1 | Next Header 1
//!      ICV 8, 12, 16, 24 or 32
//! ```
//!
//! Invariants: sealing refuses before it consumes a number; opening moves the
//! window only after the ICV has verified, and leaves no plaintext on a refusal.

pub mod ecn;
pub mod rx;

pub mod tx;

#[cfg(feature = "alloc")]
mod host;
#[cfg(feature = "alloc")]
pub use host::{InboundSa, OutboundSa};

pub use rx::{Opened, Place};
pub use tx::{SealArgs, SealError, Sealed};

/// Octets of SPI and Sequence Number.
pub const HEADER_LEN: usize = 8;
