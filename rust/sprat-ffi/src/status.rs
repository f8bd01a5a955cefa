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

/// Diet-ESP: esp_spi_lsb and esp_sn_lsb are 0 to 32 bits.
pub const SPRAT_E_EHC_LSB_RANGE: i32 = -32;
/// Diet-ESP: esp_spi_lsb + esp_sn_lsb is no multiple of 8 bits.
pub const SPRAT_E_EHC_LSB_OCTETS: i32 = -33;
/// Diet-ESP: SPRAT_EHC_DSCP_SA without a dscp_list.
pub const SPRAT_E_EHC_DSCP_LIST: i32 = -34;
/// Diet-ESP: hardened, and an attribute that takes from the outer header.
pub const SPRAT_E_EHC_HARDENED: i32 = -35;
/// Diet-ESP: an attribute that the profile does not have.
pub const SPRAT_E_EHC_PROFILE: i32 = -36;
/// Diet-ESP: the selector's addresses are not of ip_version.
pub const SPRAT_E_EHC_SELECTOR: i32 = -37;
/// Diet-ESP: SPRAT_EHC_FLOW_LABEL_LOWER over outer IPv4 without outer_id.
pub const SPRAT_E_EHC_OUTER_ID: i32 = -38;
/// Diet-ESP in UDP: the bits of the SPI that are sent are none or all 0.
pub const SPRAT_E_EHC_UDP: i32 = -39;
/// Diet-ESP: several senders share no sequence.
pub const SPRAT_E_EHC_MULTI_SENDER: i32 = -40;
/// Diet-ESP: ip_version 0 where one version is needed.
pub const SPRAT_E_EHC_IP_VERSION: i32 = -41;

/// Which attributes make no context: the core has the texts.
#[cfg(feature = "host")]
pub(crate) const CONTEXT_ERRORS: &[(i32, sprat_core::diet_esp::ContextError)] = {
    use sprat_core::diet_esp::ContextError;
    &[
        (SPRAT_E_EHC_LSB_RANGE, ContextError::LsbRange),
        (SPRAT_E_EHC_LSB_OCTETS, ContextError::LsbOctets),
        (SPRAT_E_EHC_DSCP_LIST, ContextError::DscpListEmpty),
        (SPRAT_E_EHC_HARDENED, ContextError::Hardened),
        (SPRAT_E_EHC_PROFILE, ContextError::Profile),
        (SPRAT_E_EHC_SELECTOR, ContextError::SelectorFamily),
        (SPRAT_E_EHC_OUTER_ID, ContextError::OuterIdentification),
        (SPRAT_E_EHC_UDP, ContextError::UdpMarker),
        (SPRAT_E_EHC_MULTI_SENDER, ContextError::MultiSender),
        (SPRAT_E_EHC_IP_VERSION, ContextError::IpVersion),
    ]
};

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

    #[cfg(feature = "host")]
    #[test]
    fn context_errors_follow_in_a_block_of_their_own() {
        for (i, (code, error)) in CONTEXT_ERRORS.iter().enumerate() {
            assert_eq!(-32 - (i as i32), *code);
            assert_eq!(error.text_c().to_str(), Ok(error.to_string().as_str()));
            assert_eq!(CONTEXT_ERRORS.iter().filter(|(_, e)| e == error).count(), 1);
        }
    }
}
