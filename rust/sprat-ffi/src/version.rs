//! Versions, and texts for codes.

use core::ffi::{CStr, c_char};
use core::ptr;

use sprat_core::error::{AuditLevel, DropReason};

use crate::status::{SPRAT_E_NOT_FOUND, TEXTS};

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

/// One sentence for a status code, zero-terminated, without a full stop; lives
/// as long as the library. "unknown status" for any other number, never NULL;
/// any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_status_text(status: i32) -> *const c_char {
    let known = TEXTS.iter().find(|(code, _)| *code == status);
    let known = known.map(|(_, text)| *text);
    #[cfg(feature = "host")]
    let known = known.or_else(|| crate::ehc_types::refused_text(status));
    known.unwrap_or(c"unknown status").as_ptr()
}

/// How many drop reasons there are: their codes are 1 to this number. A newer
/// library may know more than this header. Any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_drop_count() -> u32 {
    DropReason::COUNTERS as u32 - 1
}

fn drop_reason(code: i32) -> Option<DropReason> {
    DropReason::from_code(u8::try_from(code).ok()?)
}

/// Name of the counter of a drop reason, such as "too-old": zero-terminated,
/// lives as long as the library; NULL for an unknown code. Any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_drop_name(reason: i32) -> *const c_char {
    drop_reason(reason).map_or(ptr::null(), |reason| reason.counter_c().as_ptr())
}

/// One sentence for a drop reason, with its section: zero-terminated UTF-8,
/// lives as long as the library; NULL for an unknown code. Any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_drop_text(reason: i32) -> *const c_char {
    drop_reason(reason).map_or(ptr::null(), |reason| reason.text_c().as_ptr())
}

/// Audit level: normal, only counted.
pub const SPRAT_AUDIT_SILENT: i32 = 0;
/// Audit level: of use when searching for a fault.
pub const SPRAT_AUDIT_NOTICE: i32 = 1;
/// Audit level: an auditable event of the RFCs.
pub const SPRAT_AUDIT_AUDIT: i32 = 2;

/// Audit level of a drop reason, one of SPRAT_AUDIT_*; SPRAT_E_NOT_FOUND for an
/// unknown code. Any thread.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_drop_audit(reason: i32) -> i32 {
    match drop_reason(reason).map(DropReason::audit) {
        None => SPRAT_E_NOT_FOUND,
        Some(AuditLevel::Silent) => SPRAT_AUDIT_SILENT,
        Some(AuditLevel::Notice) => SPRAT_AUDIT_NOTICE,
        Some(AuditLevel::Audit) => SPRAT_AUDIT_AUDIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_that_of_the_package() {
        assert_eq!(VERSION.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn every_reason_has_name_text_and_level() {
        for code in 1..=sprat_drop_count() as i32 {
            assert!(!sprat_drop_name(code).is_null() && !sprat_drop_text(code).is_null());
            assert!((SPRAT_AUDIT_SILENT..=SPRAT_AUDIT_AUDIT).contains(&sprat_drop_audit(code)));
        }
        for code in [0, -1, 256, i32::MAX, sprat_drop_count() as i32 + 1] {
            assert!(sprat_drop_name(code).is_null() && sprat_drop_text(code).is_null());
            assert_eq!(sprat_drop_audit(code), SPRAT_E_NOT_FOUND);
        }
    }
}
