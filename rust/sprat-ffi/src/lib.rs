//! The C ABI of sprat: every `extern "C"` function and all `unsafe` code.
//!
//! With the feature `host` it has the host profile, with the standard library;
//! without it only what runs on a mote.
#![cfg_attr(not(feature = "host"), no_std)]
