//! The rule vocabulary of SCHC (RFC 8724 s7) and one evaluator for it.
//!
//! A rule is a list of [`Descriptor`]s in packet order; together they cover the
//! header without gaps. The residue is what the descriptors send, one behind the
//! other, most significant bit first (RFC 8724 s7.2). There is no RuleID here and
//! no fragmentation: one SA has one rule (Diet-ESP decision D-01).

mod bits;
mod field;
mod rule;

pub use bits::{bits_at, put_bits};
pub use field::Fid;
pub use rule::{Cda, Descriptor, Mo, Residue, ResidueError, Tv, compress, decompress};
