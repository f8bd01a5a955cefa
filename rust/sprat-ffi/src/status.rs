//! Status codes: 0 is success, errors are negative and never reused.

/// Success.
pub const SPRAT_OK: i32 = 0;
/// A NULL pointer where none is allowed.
pub const SPRAT_E_NULL: i32 = -1;
/// A buffer is too small: the need is told, nothing else has changed.
pub const SPRAT_E_SHORT: i32 = -2;
/// A value outside its range: a struct_size, an enumeration, a length.
pub const SPRAT_E_ARGUMENT: i32 = -3;
/// The configuration is wrong: see the message.
pub const SPRAT_E_CONFIG: i32 = -4;
/// A key, a salt or the combination of transforms is wrong.
pub const SPRAT_E_KEY: i32 = -5;
/// The parameters of an SA contradict each other.
pub const SPRAT_E_SA: i32 = -6;
/// What was named does not exist.
pub const SPRAT_E_NOT_FOUND: i32 = -7;
/// SPI and addresses name another SA already.
pub const SPRAT_E_EXISTS: i32 = -8;
/// The octets are not a packet this function is for.
pub const SPRAT_E_PACKET: i32 = -9;
/// An earlier call on this handle failed inside the library; only freeing is left.
pub const SPRAT_E_POISONED: i32 = -10;
/// A check inside the library failed. Please report it.
pub const SPRAT_E_INTERNAL: i32 = -11;

/// One sentence for each code.
pub(crate) const TEXTS: &[(i32, &core::ffi::CStr)] = &[
    (SPRAT_OK, c"success"),
    (SPRAT_E_NULL, c"a NULL pointer where none is allowed"),
    (SPRAT_E_SHORT, c"a buffer is too small; the need was told"),
    (SPRAT_E_ARGUMENT, c"a value is outside its range"),
    (
        SPRAT_E_CONFIG,
        c"the configuration is wrong; see the message",
    ),
    (
        SPRAT_E_KEY,
        c"a key, a salt or the combination of transforms is wrong",
    ),
    (SPRAT_E_SA, c"the parameters of an SA contradict each other"),
    (SPRAT_E_NOT_FOUND, c"what was named does not exist"),
    (SPRAT_E_EXISTS, c"SPI and addresses name another SA already"),
    (
        SPRAT_E_PACKET,
        c"the octets are not a packet this function is for",
    ),
    (
        SPRAT_E_POISONED,
        c"an earlier call on this handle failed inside the library",
    ),
    (
        SPRAT_E_INTERNAL,
        c"a check inside the library failed; please report it",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ok_is_zero_and_codes_are_in_order() {
        for (i, (code, text)) in TEXTS.iter().enumerate() {
            assert_eq!(-(i as i32), *code);
            assert!(!text.is_empty());
        }
    }
}
