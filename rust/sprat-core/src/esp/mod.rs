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
pub use host::{EhcStats, InboundSa, OutboundSa};

pub use rx::{Opened, Place, Receiver, Resync};
pub use tx::{SealArgs, SealError, Sealed};

use crate::crypto::EspSuite;
use crate::diet_esp::Context;
use crate::sa::SaParams;
use crate::trailer::Form;

/// Octets of SPI and Sequence Number.
pub const HEADER_LEN: usize = 8;

/// What was agreed for an SA, together: read only while packets pass.
#[derive(Debug)]
pub struct Terms<'a, S> {
    /// Mode, tunnel, lifetime and the like.
    pub params: &'a SaParams,
    /// Transforms and keys.
    pub suite: &'a S,
    /// Diet-ESP; `None` for plain ESP.
    pub context: Option<&'a Context>,
}

impl<S> Clone for Terms<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Terms<'_, S> {}

impl<'a, S: EspSuite> Terms<'a, S> {
    /// Plain ESP.
    pub fn plain(params: &'a SaParams, suite: &'a S) -> Self {
        Terms {
            params,
            suite,
            context: None,
        }
    }

    /// The context, where the suite may have one at all.
    #[inline(always)]
    pub(crate) fn context(&self) -> Option<&'a Context> {
        self.context.filter(|_| S::DIET_ESP)
    }

    /// Octets of SPI and Sequence Number on the wire.
    #[inline(always)]
    pub fn header_len(&self) -> usize {
        self.context().map_or(HEADER_LEN, Context::header_len)
    }

    /// The trailer.
    #[inline(always)]
    pub fn trailer(&self) -> Form {
        let align = self.suite.pad_align();
        match self.context() {
            None => Form::whole(align),
            Some(context) => context.trailer(self.block()),
        }
    }

    /// Octets of the cipher's block; 1 for ciphers that take any length.
    #[inline(always)]
    pub fn block(&self) -> usize {
        match self.suite.pad_align() {
            0..=PLAIN_ALIGN => 1,
            block => block,
        }
    }

    /// Whether inner headers are compressed, and with them their lengths.
    fn compresses_inner(&self) -> bool {
        self.context().is_some_and(|c| c.afrg().compresses_inner())
    }
}

/// What RFC 4303 aligns to where the cipher has no block, octets.
const PLAIN_ALIGN: usize = 4;
