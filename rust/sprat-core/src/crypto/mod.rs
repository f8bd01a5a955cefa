//! Transforms of ESP (RFC 4303 with the RFCs of the table in [`transform`]).
//!
//! This layer knows keys, numbers and octets, never packets: it is given the
//! part of an ESP packet behind the Sequence Number.

#[cfg(feature = "rustcrypto")]
mod cbc_mac;
#[cfg(feature = "rustcrypto")]
mod ccm;
#[cfg(feature = "rustcrypto")]
mod ctr;
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

#[cfg(feature = "mote-aes")]
pub use mote::BuiltIn;
pub use mote::{Block, Blocks, ICV, Packet, Way, ccm, same};
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
    /// Too short for IV and ICV, or not a multiple of the block.
    Malformed,
    /// The ICV does not verify.
    Integrity,
}

/// One SA's transforms with their keys.
///
/// `body` is everything behind the Sequence Number field:
/// `IV | payload, padding, Pad Length, Next Header | ICV`, in network order.
pub trait EspSuite {
    /// Whether SAs with this suite may carry Diet-ESP; an image whose suite says
    /// no has none of its code.
    const DIET_ESP: bool = true;
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
    /// As [`EspSuite::open`], but where the ICV does not verify the body is as it
    /// was received, so that another number or SA can be tried.
    fn open_or_keep(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed>;
}

#[cfg(feature = "rustcrypto")]
/// Longest ICV of an AEAD, octets.
const MAX_TAG: usize = 16;

#[cfg(feature = "rustcrypto")]
/// Undoes the decryption of an AEAD whose ICV did not verify: the keystream once
/// more, and the ICV as it was.
fn keeping(
    body: &mut [u8],
    icv_len: usize,
    open: impl FnOnce(&mut [u8]) -> Result<(), OpenFailed>,
    seal: impl FnOnce(&mut [u8]),
) -> Result<(), OpenFailed> {
    let mut received = [0u8; MAX_TAG];
    let icv_at = body.len().saturating_sub(icv_len);
    copy(&mut received, body.get(icv_at..).unwrap_or(&[]));
    let result = open(body);
    if result == Err(OpenFailed::Integrity) {
        seal(body);
        copy(body.get_mut(icv_at..).unwrap_or(&mut []), &received);
    }
    result
}

#[cfg(feature = "rustcrypto")]
/// The IV as a number. One that is not on the wire is the 64-bit sequence number
/// (RFC 8750 s3).
fn iv_number(iv: &[u8], numbers: &Numbers) -> u64 {
    let implicit = if numbers.esn {
        numbers.sn.0
    } else {
        u64::from(numbers.sn.low())
    };
    iv.first_chunk()
        .map_or(implicit, |iv| u64::from_be_bytes(*iv))
}

#[cfg(feature = "rustcrypto")]
/// A body, cut in three.
struct Parts<'a> {
    iv: &'a [u8],
    /// What is encrypted: payload to Next Header.
    data: &'a mut [u8],
    icv: &'a mut [u8],
}

#[cfg(feature = "rustcrypto")]
impl<'a> Parts<'a> {
    /// `None` if the body is shorter than IV and ICV. There may be no data at all:
    /// Diet-ESP can leave an empty payload without a trailer.
    fn cut(body: &'a mut [u8], iv_len: usize, icv_len: usize) -> Option<Self> {
        let (iv, rest) = body.split_at_mut_checked(iv_len)?;
        let data_len = rest.len().checked_sub(icv_len)?;
        let (data, icv) = rest.split_at_mut_checked(data_len)?;
        Some(Parts { iv, data, icv })
    }
}

#[cfg(feature = "rustcrypto")]
/// Copies as much of `from` as `to` takes.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
}

/// Compares the ICV field with the start of `mac`, in a time that depends on
/// the length alone. Every ICV is a multiple of four octets.
#[inline(always)]
fn check_icv(field: &[u8], mac: &[u8]) -> Result<(), OpenFailed> {
    let expected = mac.get(..field.len()).ok_or(OpenFailed::Integrity)?;
    let (words, rest) = field.as_chunks::<4>();
    let words = words.iter().zip(expected.as_chunks::<4>().0);
    let word = |octets: &[u8; 4]| u32::from_ne_bytes(*octets);
    let differ = words.fold(0, |differ, (a, b)| differ | (word(a) ^ word(b)));
    if rest.is_empty() && bool::from(differ.ct_eq(&0)) {
        Ok(())
    } else {
        Err(OpenFailed::Integrity)
    }
}

#[cfg(feature = "rustcrypto")]
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
    /// The first `len` of `octets`.
    #[cfg(feature = "rustcrypto")]
    fn first(octets: &[u8], len: usize) -> Self {
        let mut first = Octets {
            octets: [0; N],
            len,
        };
        copy(&mut first.octets, octets);
        first
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}
