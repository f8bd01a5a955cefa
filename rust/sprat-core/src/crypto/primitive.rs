//! The computations beneath the suites, with nonce, additional data and keys as
//! given: for published values, which no SA would allow. Feature `known-answer`.

use aead::AeadInOut;
use chacha20poly1305::ChaCha20Poly1305;
use cipher::KeyInit;
use cipher::inout::InOutBuf;

use super::cbc_mac::CbcMac;
use super::ccm::Nonce;
use super::ctr::ctr;
use super::gcm::Gcm;
use super::key::{Aes, AesEnc, cbc_open, cbc_seal, with_cipher};
use super::mac::Mac;
use super::{Integ, Octets, ccm, check_icv};

/// A key, nonce, IV, block or length that the computation does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Which AEAD to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aead {
    /// AES-CCM with a nonce of 11 octets and this many octets of tag: 4, 6, 8, 10,
    /// 12, 14 or 16.
    Ccm(u8),
    /// AES-GCM with a nonce of 12 octets and a tag of 16.
    Gcm,
    /// ChaCha20-Poly1305 with a nonce of 12 octets and a tag of 16.
    ChaCha20Poly1305,
}

impl Aead {
    /// Encrypts `data` in place and gives the tag.
    pub fn seal(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<Octets<16>, Refused> {
        match self {
            Aead::Ccm(tag_len) => {
                let aes = AesEnc::new(key).ok_or(Refused)?;
                let packet = ccm_packet(tag_len, nonce, aad).ok_or(Refused)?;
                let tag =
                    with_cipher!(&aes, aes => ccm::seal(aes, &packet, data)).ok_or(Refused)?;
                Ok(Octets::first(&tag, usize::from(tag_len)))
            }
            Aead::Gcm => {
                let nonce = salt_and_iv::<4>(nonce).ok_or(Refused)?;
                let tag = Gcm::new(key).ok_or(Refused)?.seal(nonce, aad, data);
                tag.map(|tag| Octets::first(&tag, 16)).ok_or(Refused)
            }
            Aead::ChaCha20Poly1305 => {
                let nonce = nonce.try_into().map_err(|_| Refused)?;
                let key = ChaCha20Poly1305::new_from_slice(key).map_err(|_| Refused)?;
                let tag = key.encrypt_inout_detached(nonce, aad, InOutBuf::from(data));
                tag.map(|tag| Octets::first(&tag, 16)).map_err(|_| Refused)
            }
        }
    }

    /// Decrypts `data` in place; `Ok(false)`, with `data` zeroed, if the tag is wrong.
    pub fn open(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        (data, tag): (&mut [u8], &[u8]),
    ) -> Result<bool, Refused> {
        let good = match self {
            Aead::Ccm(tag_len) => {
                let aes = AesEnc::new(key).ok_or(Refused)?;
                let packet = ccm_packet(tag_len, nonce, aad).ok_or(Refused)?;
                let full =
                    with_cipher!(&aes, aes => ccm::open(aes, &packet, data)).ok_or(Refused)?;
                // No ICV of an SA, some are no multiple of four: nothing is secret here.
                full.get(..usize::from(tag_len)) == Some(tag)
            }
            Aead::Gcm => {
                let nonce = salt_and_iv::<4>(nonce).ok_or(Refused)?;
                let gcm = Gcm::new(key).ok_or(Refused)?;
                let full = gcm.open(nonce, aad, data).ok_or(Refused)?;
                tag.len() == 16 && check_icv(tag, &full).is_ok()
            }
            Aead::ChaCha20Poly1305 => {
                let (nonce, tag) = (nonce.try_into(), tag.try_into());
                let key = ChaCha20Poly1305::new_from_slice(key).map_err(|_| Refused)?;
                let (nonce, tag) = (nonce.map_err(|_| Refused)?, tag.map_err(|_| Refused)?);
                key.decrypt_inout_detached(nonce, aad, InOutBuf::from(&mut *data), tag)
                    .is_ok()
            }
        };
        if !good {
            data.fill(0);
        }
        Ok(good)
    }
}

fn ccm_packet<'a>(
    tag_len: u8,
    nonce: &[u8],
    aad: &'a [u8],
) -> Option<ccm::Packet<ccm::AnyAad<'a>>> {
    let tag_len = Some(tag_len).filter(|len| matches!(len, 4 | 6 | 8 | 10 | 12 | 14 | 16))?;
    let nonce = salt_and_iv::<3>(nonce)?;
    Some(ccm::Packet {
        nonce,
        tag_len,
        aad: ccm::AnyAad::new(aad)?,
    })
}

/// A nonce with `SALT` octets of salt.
fn salt_and_iv<const SALT: usize>(nonce: &[u8]) -> Option<Nonce> {
    let (salt, iv) = nonce.split_first_chunk::<SALT>()?;
    let salt = salt
        .iter()
        .fold(0, |salt, octet| salt << 8 | u32::from(*octet));
    Some(Nonce {
        salt,
        iv: u64::from_be_bytes(iv.try_into().ok()?),
    })
}

/// The MAC of `data`, not cut; the ICV is its first [`Integ::icv_len`] octets.
/// HMAC takes a key of any length here, AES-CMAC that of any AES (SP 800-38B),
/// AES-XCBC 16 octets.
pub fn mac(integ: Integ, key: &[u8], data: &[u8]) -> Result<Octets<64>, Refused> {
    if integ == Integ::AesCmac96 {
        let aes = AesEnc::new(key).ok_or(Refused)?;
        let mac = with_cipher!(&aes, aes => CbcMac::cmac_with(aes).over(&[data]));
        return Ok(Octets::first(&mac, 16));
    }
    Mac::new(integ, key)
        .map(|mac| mac.over(&[data], |mac| Octets::first(mac, mac.len())))
        .ok_or(Refused)
}

/// AES in counter mode from the block `first` on, in place, either direction. The
/// counter is its last four octets; refused if it would run out.
pub fn aes_ctr(key: &[u8], first: &[u8; 16], data: &mut [u8]) -> Result<(), Refused> {
    let (nonce, counter) = first.split_last_chunk().ok_or(Refused)?;
    let nonce = salt_and_iv::<4>(nonce).ok_or(Refused)?;
    let aes = AesEnc::new(key).ok_or(Refused)?;
    ctr(&aes, nonce, u32::from_be_bytes(*counter), data).ok_or(Refused)
}

/// AES-CBC encryption in place; `data` is a multiple of 16 octets.
pub fn aes_cbc_encrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), Refused> {
    let aes = Aes::new(key).ok_or(Refused)?;
    with_cipher!(&aes, aes => cbc_seal(aes, iv, data)).ok_or(Refused)
}

/// AES-CBC decryption in place; `data` is a multiple of 16 octets.
pub fn aes_cbc_decrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), Refused> {
    let aes = Aes::new(key).ok_or(Refused)?;
    with_cipher!(&aes, aes => cbc_open(aes, iv, data)).ok_or(Refused)
}
