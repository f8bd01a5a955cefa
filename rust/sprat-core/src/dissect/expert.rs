//! What is remarkable about a packet: the drop reasons, and what no receiver
//! would drop.

use crate::error::{AuditLevel, DropReason};

/// What kind of thing it is; the numbers are those of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Group {
    /// About keys and integrity.
    Security = 0,
    /// About the order of packets.
    Sequence = 1,
    /// Octets that cannot be what they claim.
    Malformed = 2,
    /// Could not be looked into.
    Undecoded = 3,
    /// Against a rule of the protocol or the policy.
    Protocol = 4,
}

/// How much it asks for attention; the numbers are those of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Severity {
    /// Normal operation.
    Chat = 0,
    /// Worth knowing.
    Note = 1,
    /// Unusual.
    Warn = 2,
    /// Wrong.
    Error = 3,
}

/// A remark on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expert {
    /// A receiver would drop the packet.
    Drop(DropReason),
    /// Numbers are missing before this one: lost, late or not captured.
    Gap,
    /// The capture holds less than the packet had.
    Truncated,
    /// A panic was caught while the packet was looked into.
    Panic,
    /// The ICV of a compressed packet does not verify.
    Context,
    /// A compressed packet without the outer header that its fields come from.
    OuterUnknown,
    /// A compressed packet that cannot be what its SA makes of it.
    Contradiction,
    /// A packet of a compressed SA whose inside another dissector finds malformed.
    InnerMalformed,
}

/// Codes from here on are no drop reasons.
const OWN: u8 = 200;

impl Expert {
    /// Every remark, by ascending code.
    pub fn all() -> impl Iterator<Item = Expert> + Clone {
        let own = [
            Expert::Gap,
            Expert::Truncated,
            Expert::Panic,
            Expert::Context,
            Expert::OuterUnknown,
            Expert::Contradiction,
            Expert::InnerMalformed,
        ];
        DropReason::ALL.iter().copied().map(Expert::Drop).chain(own)
    }

    /// The code: that of the drop reason, or one from 200 on; never 0.
    pub const fn code(self) -> u8 {
        match self {
            Expert::Drop(reason) => reason.code(),
            Expert::Gap => OWN,
            Expert::Truncated => OWN + 1,
            Expert::Panic => OWN + 2,
            Expert::Context => OWN + 3,
            Expert::OuterUnknown => OWN + 4,
            Expert::Contradiction => OWN + 5,
            Expert::InnerMalformed => OWN + 6,
        }
    }

    /// Its name: of a drop reason, the counter's.
    pub const fn name(self) -> &'static str {
        match self {
            Expert::Drop(reason) => reason.counter(),
            Expert::Gap => "gap",
            Expert::Truncated => "truncated",
            Expert::Panic => "panic",
            Expert::Context => "ehc-integrity",
            Expert::OuterUnknown => "outer-unknown",
            Expert::Contradiction => "ehc-contradiction",
            Expert::InnerMalformed => "ehc-inner-malformed",
        }
    }

    /// One sentence for people, without a full stop.
    pub const fn text(self) -> &'static str {
        match self {
            Expert::Drop(reason) => reason.text(),
            Expert::Gap => "numbers of this SA are missing: lost, late or not captured",
            Expert::Truncated => "the capture holds less than the packet had",
            Expert::Panic => "sprat failed on this packet; please report it with the capture",
            Expert::Context => "ICV does not verify (wrong key, SA or Diet-ESP context)",
            Expert::OuterUnknown => {
                "the outer IP header is not at hand, so what was left out cannot be rebuilt"
            }
            Expert::Contradiction => {
                "what was rebuilt cannot be (wrong Diet-ESP context, or it was broken before)"
            }
            Expert::InnerMalformed => {
                "the inner packet is malformed (wrong Diet-ESP context, or it was sent so)"
            }
        }
    }

    /// What kind of thing it is.
    pub const fn group(self) -> Group {
        match self {
            Expert::Drop(reason) => match reason {
                DropReason::Integrity => Group::Security,
                DropReason::TooOld | DropReason::Replay | DropReason::InvalidZero => {
                    Group::Sequence
                }
                DropReason::Malformed
                | DropReason::BadPadding
                | DropReason::BadInner
                | DropReason::EhcResidue
                | DropReason::EhcMapping
                | DropReason::Stream
                | DropReason::NotIp => Group::Malformed,
                DropReason::NoSa | DropReason::Fragment => Group::Undecoded,
                _ => Group::Protocol,
            },
            Expert::Gap => Group::Sequence,
            Expert::Truncated => Group::Undecoded,
            Expert::Panic => Group::Malformed,
            Expert::Context => Group::Security,
            Expert::OuterUnknown => Group::Undecoded,
            Expert::Contradiction | Expert::InnerMalformed => Group::Malformed,
        }
    }

    /// How much it asks for attention.
    pub const fn severity(self) -> Severity {
        match self {
            // Keys that the user did not give are no fault of the traffic.
            Expert::Drop(DropReason::NoSa)
            | Expert::Gap
            | Expert::Truncated
            | Expert::OuterUnknown => Severity::Note,
            Expert::Panic | Expert::Context | Expert::Contradiction | Expert::InnerMalformed => {
                Severity::Error
            }
            Expert::Drop(reason) => match (self.group(), reason.audit()) {
                (Group::Security | Group::Malformed, _) => Severity::Error,
                (_, AuditLevel::Audit) => Severity::Warn,
                (_, AuditLevel::Notice) => Severity::Note,
                (_, AuditLevel::Silent) => Severity::Chat,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_never_zero() {
        let codes = Expert::all().map(Expert::code);
        assert!(codes.clone().is_sorted_by(|a, b| a < b));
        assert!(codes.clone().all(|code| code != 0));
        assert_eq!(codes.count(), DropReason::ALL.len() + 7);
    }

    #[test]
    fn classes_follow_the_table() {
        let class = |r| (Expert::Drop(r).group(), Expert::Drop(r).severity());
        assert_eq!(
            class(DropReason::Integrity),
            (Group::Security, Severity::Error)
        );
        assert_eq!(class(DropReason::Replay), (Group::Sequence, Severity::Warn));
        assert_eq!(class(DropReason::NoSa), (Group::Undecoded, Severity::Note));
        assert_eq!(class(DropReason::Dummy), (Group::Protocol, Severity::Chat));
    }
}
