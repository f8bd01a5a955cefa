//! The C ABI of sprat: every `extern "C"` function and all `unsafe` code.
//!
//! With the feature `host` it has the host profile, with the standard library;
//! without it only what runs on a mote.
//!
//! Rules of every function: outputs are written on success only (except lengths
//! that tell a need); NULL is an error unless its length is 0; an object that is
//! not const belongs to one thread at a time; there is no global state.
#![cfg_attr(not(feature = "host"), no_std)]
#![allow(non_camel_case_types)]

mod boundary;
mod mote;
mod status;
mod types;
mod version;

pub use mote::*;
pub use status::*;
pub use types::*;
pub use version::*;

#[cfg(feature = "host")]
mod config;
#[cfg(feature = "dissect")]
mod dissect;
#[cfg(feature = "host")]
mod ehc;
#[cfg(feature = "host")]
mod ehc_types;
#[cfg(feature = "host")]
mod host_types;
#[cfg(feature = "host")]
mod ipsec;
#[cfg(feature = "host")]
mod packet;
#[cfg(feature = "host")]
mod sa;

#[cfg(feature = "host")]
pub use {config::*, ehc::*, ehc_types::*, host_types::*, ipsec::*, packet::*, sa::*};

#[cfg(feature = "dissect")]
pub use dissect::*;
