//! The host library `libsprat`: nothing but a link shell.
//!
//! All functions are in `sprat-ffi`; this crate makes a static archive of
//! them with the standard library and unwinding panics, from which the C
//! compiler links `libsprat.so`.

pub use sprat_ffi as ffi;
