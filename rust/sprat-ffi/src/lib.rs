//! The C ABI of sprat: every `extern "C"` function and all `unsafe` code.
//!
//! With the feature `host` it has the host profile, with the standard library;
//! without it only what runs on a mote.
#![cfg_attr(not(feature = "host"), no_std)]

use core::ffi::{CStr, c_char};

/// Number of the ABI that this header describes. A program compares it with
/// sprat_abi_version() at start and stops when they differ.
pub const SPRAT_ABI_VERSION: u32 = 1;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// The ABI number of the library that is loaded. Cannot fail; any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_abi_version() -> u32 {
    SPRAT_ABI_VERSION
}

/// The version of the library, such as "0.1.0": zero-terminated ASCII that
/// lives as long as the library is loaded. Never NULL; any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_version() -> *const c_char {
    VERSION.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn version_is_that_of_the_package() {
        assert_eq!(VERSION.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }
}
