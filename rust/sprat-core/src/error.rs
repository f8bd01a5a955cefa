//! Why a packet is refused: one table for the Rust enum, the C code, the
//! counter, the text and the audit level.

use core::ffi::CStr;

/// What an operator should do with the event (RFC 4303 s3.4, RFC 4301 s5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditLevel {
    /// Normal operation: counted, never logged.
    Silent,
    /// Counted; a log line is of use when searching for a fault.
    Notice,
    /// Auditable event of the RFCs: SPI, time, addresses, sequence number and,
    /// in IPv6, the flow label belong in the record.
    Audit,
}

/// The text as C wants it; the table ends each with a 0 and holds no other.
pub(crate) const fn zero_terminated(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

macro_rules! drop_reasons {
    ($($code:literal $variant:ident $counter:literal $level:ident $text:literal;)*) => {
        /// Why a packet was not sent or not delivered.
        ///
        /// The number is the code in the C ABI and the index of the counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $text] $variant = $code,)*
        }

        impl DropReason {
            /// Every reason, in the order of the codes, which start at 1 and have no gap.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant,)*];

            /// Name of the counter: lower case, words joined by `-`.
            pub const fn counter(self) -> &'static str {
                match self { $(DropReason::$variant => $counter,)* }
            }

            /// One sentence for people, without a full stop.
            pub const fn text(self) -> &'static str {
                match self { $(DropReason::$variant => $text,)* }
            }

            /// [`DropReason::counter`], zero-terminated for C.
            pub const fn counter_c(self) -> &'static CStr {
                match self { $(DropReason::$variant => zero_terminated(concat!($counter, "\0")),)* }
            }

            /// [`DropReason::text`], zero-terminated for C.
            pub const fn text_c(self) -> &'static CStr {
                match self { $(DropReason::$variant => zero_terminated(concat!($text, "\0")),)* }
            }

            /// How loud the event is.
            pub const fn audit(self) -> AuditLevel {
                match self { $(DropReason::$variant => AuditLevel::$level,)* }
            }
        }
    };
}

drop_reasons! {
    1 NoSa "no-sa" Audit "no SA for this SPI and these addresses (RFC 4303 s3.4.2)";
    2 Fragment "fragment" Audit "a fragment where reassembly comes first, or one that no policy can judge (RFC 4303 s3.4.1, RFC 4301 s7)";
    3 Malformed "malformed" Audit "length or header cannot be an ESP packet of this SA (RFC 4303 s2)";
    4 InvalidZero "invalid-zero" Audit "sequence number 0 with anti-replay on (RFC 4303 s3.3.3)";
    5 TooOld "too-old" Audit "sequence number left of the anti-replay window (RFC 4303 s3.4.3)";
    6 Replay "replay" Audit "sequence number already seen (RFC 4303 s3.4.3)";
    7 Integrity "integrity" Audit "ICV does not verify (RFC 4303 s3.4.4)";
    8 BadPadding "bad-padding" Audit "padding is not 1, 2, 3, … or longer than the data (RFC 4303 s2.4)";
    9 BadInner "bad-inner" Audit "what was protected is not the packet its headers claim (RFC 4303 s3.4.4.1)";
    10 Dummy "dummy" Silent "dummy packet, discarded as its sender wished (RFC 4303 s2.6)";
    11 Selector "selector" Audit "inner packet does not match the selectors of its SA (RFC 4301 s5.2)";
    12 Ecn "ecn" Audit "outer CE over an inner Not-ECT packet (RFC 6040 s4.2)";
    13 SnExhausted "sn-exhausted" Audit "sequence numbers used up: the counter never wraps (RFC 4303 s3.3.3)";
    14 LifetimePackets "lifetime-packets" Audit "hard lifetime in packets reached (RFC 4301 s4.4.2.1)";
    15 LifetimeOctets "lifetime-octets" Audit "hard lifetime in octets reached (RFC 4301 s4.4.2.1)";
    16 LifetimeSeconds "lifetime-seconds" Audit "hard lifetime in seconds reached (RFC 4301 s4.4.2.1)";
    17 Policy "policy" Notice "an SPD entry says discard (RFC 4301 s4.4.1)";
    18 NoPolicy "no-policy" Audit "no SPD entry matches (RFC 4301 s5.1, s5.2)";
    19 NoOutboundSa "no-outbound-sa" Notice "the SPD entry names an SA that is not installed";
    20 Unprotected "unprotected" Audit "came in the clear where the SPD demands ESP (RFC 4301 s5.2)";
    21 TooBig "too-big" Notice "larger than the path allows and not to be fragmented (RFC 4301 s8.2)";
    22 NotIp "not-ip" Notice "not a whole IPv4 or IPv6 packet";
    23 Unsupported "unsupported" Notice "a header that ESP cannot be placed behind, such as a jumbo payload";
    24 TfcRefused "tfc-refused" Notice "TFC padding asked for where the payload does not state its length, or the peer refused it (RFC 4303 s2.7)";
    25 NoRoom "no-room" Notice "the buffer has no room for the result";
    26 IvMissing "iv-missing" Notice "the transform needs a random IV and the caller gave none of that length";
    27 Stream "stream" Audit "the TCP stream is not framed as RFC 9329 says";
    28 Internal "internal" Audit "a check inside sprat failed; the packet was dropped to be safe";
    29 SnUnreserved "sn-unreserved" Notice "the next sequence number has not been written ahead to stable storage yet";
    30 EhcVersion "ehc-version" Notice "inner packet is not of the IP version that the SA compresses (Diet-ESP s4.2)";
    31 EhcProtocol "ehc-protocol" Notice "inner protocol is not the one that the SA compresses (Diet-ESP s5.1)";
    32 EhcExtension "ehc-extension" Notice "IPv6 extension header in front of the protocol that the SA compresses (Diet-ESP s5.1.2)";
    33 EhcAddress "ehc-address" Notice "inner address outside the prefix that the SA leaves out (Diet-ESP s5.1)";
    34 EhcPort "ehc-port" Notice "inner port outside the range that the SA leaves out (Diet-ESP s5.1)";
    35 EhcDscp "ehc-dscp" Notice "inner DSCP is not in the list of the SA (Diet-ESP s4.2)";
    36 EhcFlowLabel "ehc-flow-label" Notice "flow label or Identification is not 0, which the SA takes for granted (Diet-ESP s4.2)";
    37 EhcValue "ehc-value" Notice "a header field has not the one value that the profile leaves out";
    38 EhcOptions "ehc-options" Notice "IPv4 options cannot be compressed";
    39 EhcFragment "ehc-fragment" Notice "a fragment cannot be compressed";
    40 EhcTruncated "ehc-truncated" Notice "the header to compress is not whole";
    41 EhcLength "ehc-length" Notice "a length field does not state the real length, so it would not come back";
    42 EhcChecksum "ehc-checksum" Notice "a checksum is wrong, so it would not come back";
    43 EhcCoverage "ehc-coverage" Notice "UDP-Lite checksum covers a part only, which would not come back";
    44 EhcResidue "ehc-residue" Audit "authentic, but its residue ends before the rule of the SA does (Diet-ESP s5.1)";
    45 EhcMapping "ehc-mapping" Audit "authentic, but its mapping index is beyond the list of the SA (RFC 8724 s7.4.5)";
    46 IcvTrials "icv-trials" Audit "another ICV check would have been needed, and there were too many of late";
}

impl DropReason {
    /// Number of counters an array by reason needs; index 0 stays unused.
    pub const COUNTERS: usize = Self::ALL.len() + 1;

    /// The C code, which is also the index of the counter.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// Whether a sender's refusal says that the packet does not fit the Diet-ESP
    /// rules of an SA, or the selector that they are made from: a fallback SA takes
    /// such a packet. Only SAs with rules look at the selector when sending.
    pub fn is_misfit(self) -> bool {
        self == Self::Selector || (Self::EhcVersion..=Self::EhcCoverage).contains(&self)
    }
}

impl core::fmt::Display for DropReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.counter(), self.text())
    }
}

/// Packets refused, by reason. Saturates instead of wrapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCounters([u64; DropReason::COUNTERS]);

impl Default for DropCounters {
    fn default() -> Self {
        DropCounters([0; DropReason::COUNTERS])
    }
}

impl DropCounters {
    /// Counts one packet.
    pub fn count(&mut self, reason: DropReason) {
        if let Some(n) = self.0.get_mut(usize::from(reason.code())) {
            *n = n.saturating_add(1);
        }
    }

    /// Counts one packet less: it will be tried again, and counts then.
    #[cfg(feature = "alloc")]
    pub(crate) fn take_back(&mut self, reason: DropReason) {
        if let Some(n) = self.0.get_mut(usize::from(reason.code())) {
            *n = n.saturating_sub(1);
        }
    }

    /// Packets refused for this reason.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(usize::from(reason.code())).copied().unwrap_or(0)
    }

    /// Packets refused in all, dummy packets included.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, n| sum.saturating_add(*n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_start_at_one_without_gap_and_names_are_unique() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(usize::from(reason.code()), i + 1);
            assert_eq!(DropReason::from_code(reason.code()), Some(*reason));
            let same = DropReason::ALL
                .iter()
                .filter(|r| r.counter() == reason.counter());
            assert_eq!(same.count(), 1, "{reason:?}");
            assert_eq!(reason.counter_c().to_str(), Ok(reason.counter()));
            assert_eq!(reason.text_c().to_str(), Ok(reason.text()));
        }
        assert_eq!(DropReason::from_code(0), None);
        assert_eq!(DropReason::from_code(DropReason::ALL.len() as u8 + 1), None);
    }

    #[test]
    fn counters_count_by_reason() {
        let mut counters = DropCounters::default();
        counters.count(DropReason::Replay);
        counters.count(DropReason::Replay);
        counters.count(DropReason::Internal);
        assert_eq!(counters.of(DropReason::Replay), 2);
        assert_eq!(counters.of(DropReason::Dummy), 0);
        assert_eq!(counters.total(), 3);
    }
}
