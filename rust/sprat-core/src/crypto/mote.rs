//! The suite of constrained nodes: AES-CCM with an ICV of 8 octets and a key of
//! 128 bits (RFC 8221 s5, RFC 9333), explicit or implicit IV (RFC 8750).

use aes::Aes128Enc;
use cipher::KeyInit;
use zeroize::Zeroize;

use super::ccm;
use super::{Encr, EspSuite, IvSource, Numbers, OpenFailed, Parts, SealFailed, iv_number};

/// Octets of ICV.
const ICV: usize = 8;

/// AES-CCM-8 with a raw key: 20 octets of state, the key schedule lives on the
/// stack while a packet is worked on.
pub struct MoteCcm {
    key: [u8; 16],
    salt: [u8; 3],
    implicit_iv: bool,
}

impl MoteCcm {
    /// `encr` is [`Encr::AesCcm8`] or [`Encr::AesCcm8Iiv`]; `None` for any other.
    /// `key` and `salt` stand in KEYMAT in this order (RFC 4309 s7.1).
    pub fn new(encr: Encr, key: &[u8; 16], salt: &[u8; 3]) -> Option<Self> {
        let implicit_iv = match encr {
            Encr::AesCcm8 => false,
            Encr::AesCcm8Iiv => true,
            _ => return None,
        };
        Some(MoteCcm {
            key: *key,
            salt: *salt,
            implicit_iv,
        })
    }

    #[inline]
    fn nonce(&self, iv: &[u8], numbers: &Numbers) -> ccm::Nonce {
        let [a, b, c] = self.salt;
        let salt = u32::from_be_bytes([0, a, b, c]);
        ccm::Nonce {
            salt,
            iv: iv_number(iv, numbers),
        }
    }

    #[inline]
    fn packet(&self, numbers: &Numbers, iv: &[u8]) -> ccm::Packet<ccm::EspAad> {
        ccm::Packet {
            nonce: self.nonce(iv, numbers),
            tag_len: 8,
            aad: ccm::EspAad::new(numbers),
        }
    }
}

impl MoteCcm {
    fn try_open(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed> {
        let Parts { iv, data, icv } =
            Parts::cut(body, self.iv_len(), ICV).ok_or(OpenFailed::Malformed)?;
        let cipher = Aes128Enc::new(&self.key.into());
        let tag = ccm::open(&cipher, &self.packet(numbers, iv), data);
        super::check_icv(icv, &tag.ok_or(OpenFailed::Malformed)?)
    }
}

impl Drop for MoteCcm {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl EspSuite for MoteCcm {
    const DIET_ESP: bool = false;

    fn iv_len(&self) -> usize {
        if self.implicit_iv { 0 } else { 8 }
    }

    fn icv_len(&self) -> usize {
        ICV
    }

    fn pad_align(&self) -> usize {
        4
    }

    fn iv_source(&self) -> IvSource {
        if self.implicit_iv {
            IvSource::None
        } else {
            IvSource::Counter
        }
    }

    fn seal(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), SealFailed> {
        let Parts { iv, data, icv } = Parts::cut(body, self.iv_len(), ICV).ok_or(SealFailed)?;
        let cipher = Aes128Enc::new(&self.key.into());
        let tag = ccm::seal(&cipher, &self.packet(numbers, iv), data).ok_or(SealFailed)?;
        super::copy(icv, &tag);
        Ok(())
    }

    fn open(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed> {
        super::wiping(body, |body| self.try_open(numbers, body))
    }

    fn open_or_keep(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed> {
        let open = |body: &mut [u8]| self.try_open(numbers, body);
        super::keeping(body, ICV, open, |body| {
            // What was opened just now can be sealed: nothing is left to refuse.
            let _ = self.seal(numbers, body);
        })
    }
}
