//! ECN and DSCP of tunnels (RFC 6040, RFC 4301 s5.1.2.1).

use crate::error::DropReason;
use crate::sa::{Dscp, Tunnel};

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const CE: u8 = 3;
const MASK: u8 = 3;

/// The outer TOS or Traffic Class for an inner one: ECN copied in normal mode,
/// Not-ECT in compatibility mode (RFC 6040 s4.1).
pub fn encapsulate(tunnel: &Tunnel, inner: u8) -> u8 {
    let dscp = match tunnel.dscp {
        Dscp::Copy => inner & !MASK,
        Dscp::Set(value) => value << 2,
    };
    dscp | if tunnel.ecn { inner & MASK } else { NOT_ECT }
}

/// The inner ECN field after decapsulation (RFC 6040 figure 4); only CE over
/// Not-ECT is dropped.
pub fn decapsulate(inner: u8, outer: u8) -> Result<u8, DropReason> {
    let (inner, outer) = (inner & MASK, outer & MASK);
    match (inner, outer) {
        (NOT_ECT, CE) => Err(DropReason::Ecn),
        (NOT_ECT, _) | (CE, _) | (_, NOT_ECT) => Ok(inner),
        (_, CE) => Ok(CE),
        (_, ECT_1) => Ok(ECT_1),
        _ => Ok(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_4_of_rfc_6040() {
        // Rows: inner Not-ECT, ECT(0), ECT(1), CE; columns: outer likewise.
        let (not, e0, e1, ce) = (0u8, 2u8, 1u8, 3u8);
        let table = [
            (not, [Ok(not), Ok(not), Ok(not), Err(DropReason::Ecn)]),
            (e0, [Ok(e0), Ok(e0), Ok(e1), Ok(ce)]),
            (e1, [Ok(e1), Ok(e1), Ok(e1), Ok(ce)]),
            (ce, [Ok(ce), Ok(ce), Ok(ce), Ok(ce)]),
        ];
        for (inner, row) in table {
            for (outer, expected) in [not, e0, e1, ce].into_iter().zip(row) {
                assert_eq!(decapsulate(inner, outer), expected, "{inner} under {outer}");
            }
        }
    }
}
