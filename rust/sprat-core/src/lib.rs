//! The protocol logic of sprat: ESP (RFC 4303) with everything around it that
//! a packet meets. Later stages add AH, Diet-ESP, IKEv2 extensions, RISAV and ACE.
//!
//! Layers, each knowing only those above it in this list:
//!
//! | layer | modules |
//! |---|---|
//! | L0 | [`error`], [`num`], [`time`], [`buf`] |
//! | L1 | [`wire`] (octets, no crypto), [`crypto`] (no packets) |
//! | L2 | [`selector`], [`sa`], [`replay`], [`trailer`], [`schc`], [`diet_esp`] |
//! | L3 | [`esp`], [`sad`], [`spd`], [`ipsec`] |
//! | L5 | [`dissect`] (reads all of the above, changes none) |
//!
//! What is absent on purpose: allocation on the data path, a clock, a random
//! number generator, locks, threads, logging. The caller passes what is needed.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod buf;
pub mod crypto;
pub mod diet_esp;
#[cfg(feature = "dissect")]
pub mod dissect;
pub mod error;
pub mod esp;
#[cfg(feature = "alloc")]
pub mod ipsec;
#[cfg(feature = "mote")]
pub mod mote;
pub mod num;
pub mod replay;
pub mod sa;
#[cfg(feature = "alloc")]
pub mod sad;
pub mod schc;
pub mod selector;
#[cfg(feature = "alloc")]
pub mod spd;
pub mod time;
pub mod trailer;
pub mod wire;
