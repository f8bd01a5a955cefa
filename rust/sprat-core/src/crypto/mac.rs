//! Integrity transforms of ESP, with everything that depends on the key alone
//! worked out in advance.

use hmac::digest::Output;
use hmac::{Hmac, KeyInit};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::Integ;
use super::cbc_mac::CbcMac;

/// Key of an integrity transform. HMAC keeps the states behind its two pads
/// (RFC 2104 s4), so that a packet costs no hashing of keys.
pub(super) enum Mac {
    #[cfg(feature = "legacy")]
    Md5(Hmac<md5::Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
    Cbc(CbcMac),
}

impl Mac {
    /// Expands a key. `None` for a transform that this build lacks, that is not
    /// for ESP, or that does not take a key of this length; HMAC takes any.
    pub fn new(integ: Integ, key: &[u8]) -> Option<Self> {
        match integ {
            #[cfg(feature = "legacy")]
            Integ::HmacMd5_96 => Hmac::new_from_slice(key).ok().map(Mac::Md5),
            Integ::HmacSha1_96 => Hmac::new_from_slice(key).ok().map(Mac::Sha1),
            Integ::HmacSha2_256_128 => Hmac::new_from_slice(key).ok().map(Mac::Sha256),
            #[cfg(feature = "legacy")]
            Integ::HmacSha2_256_96 => Hmac::new_from_slice(key).ok().map(Mac::Sha256),
            Integ::HmacSha2_384_192 => Hmac::new_from_slice(key).ok().map(Mac::Sha384),
            Integ::HmacSha2_512_256 => Hmac::new_from_slice(key).ok().map(Mac::Sha512),
            Integ::AesCmac96 => Some(Mac::Cbc(CbcMac::cmac(key.try_into().ok()?))),
            Integ::AesXcbc96 => Some(Mac::Cbc(CbcMac::xcbc(key.try_into().ok()?))),
            _ => None,
        }
    }

    /// Hands the MAC over the parts, as if they were one string, to `use_it`;
    /// not cut.
    pub fn over<R>(&self, parts: &[&[u8]], use_it: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            #[cfg(feature = "legacy")]
            Mac::Md5(key) => use_it(&hmac(key, parts)),
            Mac::Sha1(key) => use_it(&hmac(key, parts)),
            Mac::Sha256(key) => use_it(&hmac(key, parts)),
            Mac::Sha384(key) => use_it(&hmac(key, parts)),
            Mac::Sha512(key) => use_it(&hmac(key, parts)),
            Mac::Cbc(key) => use_it(&key.over(parts)),
        }
    }
}

#[inline(always)]
fn hmac<M: hmac::Mac + Clone>(key: &M, parts: &[&[u8]]) -> Output<M> {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes()
}
