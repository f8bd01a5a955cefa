//! Diet-ESP, ESP Header Compression (draft-ietf-ipsecme-diet-esp-07).
//!
//! ```text
//! inner packet  --IIPC-->  residue | pad bits | payload
//!               --CTEC-->  + as much of Padding, Pad Length, Next Header as the SA needs
//!               --cipher-> IV | ciphertext | ICV      (over the full SPI and SN)
//!               --EEC--->  low bits of SPI and SN in front
//! ```
//!
//! [`Afrg`] holds the attributes of one SA, [`Context`] what is made from them
//! once: the rules, which are data (`rules.rs`), and for the commonest kind of SA
//! a template. Everything here is pure: no counter, window or packet moves.

mod afrg;
mod context;
mod ctec;
mod eec;
pub(crate) mod guard;
mod iipc;
mod rules;
mod template;

pub use afrg::{
    Afrg, Alignment, Carried, ContextError, DscpCda, DscpList, EcnCda, Ehc, Ehc2019, EspTrailer,
    FlowLabelCda, IipcProfile, Profile,
};
pub use context::{Context, Stratum};
pub use eec::{Header, reconstruct};
#[cfg(feature = "mote-sctp")]
pub(crate) use guard::crc32c;
pub use iipc::{Elided, Generate, Generator, MAX_HEADER, OuterFields, Pseudo, Restored, generate};
