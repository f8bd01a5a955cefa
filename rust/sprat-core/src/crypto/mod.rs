//! Transforms of ESP (RFC 4303 with the RFCs of the table in [`transform`]).
//!
//! This layer knows keys, numbers and octets, never packets: it is given the
//! part of an ESP packet behind the Sequence Number.

#[cfg(feature = "rustcrypto")]
mod cbc_mac;
mod ccm;
#[cfg(feature = "rustcrypto")]
mod gcm;
#[cfg(feature = "rustcrypto")]
mod key;
#[cfg(feature = "rustcrypto")]
mod mac;
mod mote;
#[cfg(feature = "known-answer")]
pub mod primitive;
#[cfg(feature = "rustcrypto")]
mod suite;
pub mod transform;

use subtle::ConstantTimeEq;

pub use mote::MoteCcm;
#[cfg(feature = "rustcrypto")]
pub use suite::{Keys, Suite, SuiteError};
pub use transform::{Encr, Integ};

/// What stands in an ESP header, in full: the wire may carry less (ESN, Diet-ESP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// SPI as agreed, 32 bits.
    pub spi: crate::num::Spi,
    /// Full sequence number; without `esn` the high half is 0.
    pub sn: crate::num::Sn64,
    /// Whether the high half takes part in AAD, ICV and implicit IV (RFC 4303 s2.2.1).
    pub esn: bool,
}

/// Where the IV of a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IvSource {
    /// The wire carries none: NULL, or implicit from the sequence number (RFC 8750).
    None,
    /// The 64-bit sequence number: unique, never random (CTR, CCM, GCM, GMAC, ChaCha20).
    Counter,
    /// Octets that nobody can predict, from the caller (CBC).
    Random,
}

/// A packet could not be sealed: the body is shorter than IV and ICV, not a
/// multiple of the cipher's block, or longer than the mode allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealFailed;

/// Why a body did not open. In both cases no plaintext is left in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFailed {
    /// Too short for IV, two octets and ICV, or not a multiple of the block.
    Malformed,
    /// The ICV does not verify.
    Integrity,
}

/// One SA's transforms with their keys.
///
/// `body` is everything behind the Sequence Number field:
/// `IV | payload, padding, Pad Length, Next Header | ICV`, in network order.
pub trait EspSuite {
    /// Octets of IV on the wire: 0, 8 or 16.
    fn iv_len(&self) -> usize;
    /// Octets of ICV on the wire: 8, 12, 16, 24 or 32.
    fn icv_len(&self) -> usize;
    /// What payload, padding and the two trailer octets together are a multiple
    /// of: 4, or the cipher's block if larger (RFC 4303 s2.4).
    fn pad_align(&self) -> usize;
    /// Where the IV comes from.
    fn iv_source(&self) -> IvSource;
    /// Encrypts in place and writes the ICV; the IV already stands in `body`.
    fn seal(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), SealFailed>;
    /// Verifies the ICV, then decrypts in place. On failure everything between
    /// IV and ICV is zeroed (except where nothing was decrypted yet and the
    /// octets are still ciphertext: they are zeroed too).
    fn open(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed>;
}

/// The IV that is not sent: the 64-bit sequence number (RFC 8750 s3).
fn implicit_iv(numbers: &Numbers) -> [u8; 8] {
    if numbers.esn {
        numbers.sn.0
    } else {
        u64::from(numbers.sn.low())
    }
    .to_be_bytes()
}

/// A body, cut in three.
struct Parts<'a> {
    iv: &'a [u8],
    /// What is encrypted: payload to Next Header.
    data: &'a mut [u8],
    icv: &'a mut [u8],
}

impl<'a> Parts<'a> {
    /// `None` if the data would be shorter than Pad Length and Next Header.
    fn cut(body: &'a mut [u8], iv_len: usize, icv_len: usize) -> Option<Self> {
        let (iv, rest) = body.split_at_mut_checked(iv_len)?;
        let data_len = rest.len().checked_sub(icv_len).filter(|len| *len >= 2)?;
        let (data, icv) = rest.split_at_mut_checked(data_len)?;
        Some(Parts { iv, data, icv })
    }
}

/// Writes as much of `mac` as the ICV field takes.
fn put_icv(field: &mut [u8], mac: &[u8]) {
    field.iter_mut().zip(mac).for_each(|(to, from)| *to = *from);
}

/// Compares the ICV field with the start of `mac`, in a time that depends on
/// the length alone.
fn check_icv(field: &[u8], mac: &[u8]) -> Result<(), OpenFailed> {
    let expected = mac.get(..field.len()).ok_or(OpenFailed::Integrity)?;
    if bool::from(field.ct_eq(expected)) {
        Ok(())
    } else {
        Err(OpenFailed::Integrity)
    }
}

/// Runs `open` and leaves nothing of the body behind if it fails.
fn wiping(
    body: &mut [u8],
    open: impl FnOnce(&mut [u8]) -> Result<(), OpenFailed>,
) -> Result<(), OpenFailed> {
    let result = open(body);
    if result.is_err() {
        body.fill(0);
    }
    result
}

/// At most `N` octets.
#[derive(Clone, Copy, Debug)]
pub struct Octets<const N: usize> {
    octets: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Octets<N> {
    fn default() -> Self {
        Octets {
            octets: [0; N],
            len: 0,
        }
    }
}

impl<const N: usize> Octets<N> {
    /// What `octets` yields, up to `N`.
    #[cfg(feature = "rustcrypto")]
    fn of(octets: impl IntoIterator<Item = u8>) -> Self {
        let mut all = Self::default();
        for (to, from) in all.octets.iter_mut().zip(octets) {
            *to = from;
            all.len = all.len.saturating_add(1);
        }
        all
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}
