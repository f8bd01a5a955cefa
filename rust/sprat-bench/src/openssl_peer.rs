//! OpenSSL's EVP: one cipher context a direction, keyed once; per packet the
//! nonce alone is set anew.

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::hash::{Hasher, MessageDigest};
use openssl::memcmp;
use sprat_core::crypto::{Encr, Numbers};

use crate::peer::{Peer, aad, cut, nonce};
use crate::{MATERIAL, Transform};

/// OpenSSL with this transform.
///
/// # Panics
/// If OpenSSL refuses the key.
pub fn peer(transform: &Transform) -> Box<dyn Peer> {
    match transform.encr {
        Encr::AesCcm8 => Box::new(Aead::<11>::new(Cipher::aes_128_ccm(), 16, 8).expect("CCM")),
        Encr::AesGcm16 => Box::new(Aead::<12>::new(Cipher::aes_128_gcm(), 16, 16).expect("GCM")),
        Encr::ChaCha20Poly1305 => {
            Box::new(Aead::<12>::new(Cipher::chacha20_poly1305(), 32, 16).expect("ChaCha20"))
        }
        _ => Box::new(CbcHmac::new().expect("CBC and HMAC")),
    }
}

struct Aead<const NONCE: usize> {
    seal: CipherCtx,
    open: CipherCtx,
    icv: usize,
    /// CCM wants the length in advance.
    ccm: bool,
}

impl<const NONCE: usize> Aead<NONCE> {
    fn new(cipher: &CipherRef, key_len: usize, icv: usize) -> Result<Self, ErrorStack> {
        let ccm = NONCE == 11;
        let (mut seal, mut open) = (CipherCtx::new()?, CipherCtx::new()?);
        seal.encrypt_init(Some(cipher), None, None)?;
        open.decrypt_init(Some(cipher), None, None)?;
        for ctx in [&mut seal, &mut open] {
            ctx.set_iv_length(NONCE)?;
            if ccm {
                ctx.set_tag_length(icv)?;
            }
        }
        seal.encrypt_init(None, Some(&MATERIAL[..key_len]), None)?;
        open.decrypt_init(None, Some(&MATERIAL[..key_len]), None)?;
        Ok(Aead {
            seal,
            open,
            icv,
            ccm,
        })
    }

    fn try_seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> Result<(), ErrorStack> {
        let (iv, data, icv) = cut(body, 8, self.icv);
        self.seal
            .encrypt_init(None, None, Some(&nonce::<NONCE>(iv)))?;
        if self.ccm {
            self.seal.set_data_len(data.len())?;
        }
        self.seal.cipher_update(&aad(numbers), None)?;
        self.seal.cipher_update_inplace(data, data.len())?;
        if !self.ccm {
            self.seal.cipher_final(&mut [])?;
        }
        self.seal.tag(icv)
    }

    fn try_open(&mut self, numbers: &Numbers, body: &mut [u8]) -> Result<(), ErrorStack> {
        let (iv, data, icv) = cut(body, 8, self.icv);
        self.open
            .decrypt_init(None, None, Some(&nonce::<NONCE>(iv)))?;
        self.open.set_tag(icv)?;
        if self.ccm {
            self.open.set_data_len(data.len())?;
        }
        self.open.cipher_update(&aad(numbers), None)?;
        self.open.cipher_update_inplace(data, data.len())?;
        if !self.ccm {
            self.open.cipher_final(&mut [])?;
        }
        Ok(())
    }
}

impl<const NONCE: usize> Peer for Aead<NONCE> {
    fn name(&self) -> &'static str {
        "OpenSSL"
    }

    fn seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        self.try_seal(numbers, body).is_ok()
    }

    fn open(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        self.try_open(numbers, body).is_ok()
    }
}

/// HMAC from two hash states behind the pads: the binding's own HMAC would hash
/// the key again for each packet.
struct CbcHmac {
    seal: CipherCtx,
    open: CipherCtx,
    inner: Hasher,
    outer: Hasher,
}

impl CbcHmac {
    fn new() -> Result<Self, ErrorStack> {
        let (mut seal, mut open) = (CipherCtx::new()?, CipherCtx::new()?);
        seal.encrypt_init(Some(Cipher::aes_128_cbc()), Some(&MATERIAL[..16]), None)?;
        open.decrypt_init(Some(Cipher::aes_128_cbc()), Some(&MATERIAL[..16]), None)?;
        let padded = |pad: u8| -> Result<Hasher, ErrorStack> {
            let mut block = [pad; 64];
            block
                .iter_mut()
                .zip(&MATERIAL[..32])
                .for_each(|(to, from)| *to ^= from);
            let mut hasher = Hasher::new(MessageDigest::sha256())?;
            hasher.update(&block)?;
            Ok(hasher)
        };
        Ok(CbcHmac {
            seal,
            open,
            inner: padded(0x36)?,
            outer: padded(0x5c)?,
        })
    }

    fn icv(&self, numbers: &Numbers, covered: &[u8]) -> Result<[u8; 16], ErrorStack> {
        let (mut inner, mut outer) = (self.inner.clone(), self.outer.clone());
        inner.update(&aad(numbers))?;
        inner.update(covered)?;
        outer.update(&inner.finish()?)?;
        let mut icv = [0; 16];
        icv.copy_from_slice(&outer.finish()?[..16]);
        Ok(icv)
    }

    fn try_seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> Result<(), ErrorStack> {
        let (iv, rest) = body.split_at_mut(16);
        self.seal.encrypt_init(None, None, Some(iv))?;
        self.seal.set_padding(false);
        // The ICV field is the spare block that the binding asks for.
        self.seal.cipher_update_inplace(rest, rest.len() - 16)?;
        let (covered, icv) = body.split_at_mut(body.len() - 16);
        icv.copy_from_slice(&self.icv(numbers, covered)?);
        Ok(())
    }

    fn try_open(&mut self, numbers: &Numbers, body: &mut [u8]) -> Result<bool, ErrorStack> {
        let (covered, icv) = body.split_at_mut(body.len() - 16);
        if !memcmp::eq(&self.icv(numbers, covered)?, icv) {
            return Ok(false);
        }
        let (iv, rest) = body.split_at_mut(16);
        self.open.decrypt_init(None, None, Some(iv))?;
        self.open.set_padding(false);
        self.open.cipher_update_inplace(rest, rest.len() - 16)?;
        Ok(true)
    }
}

impl Peer for CbcHmac {
    fn name(&self) -> &'static str {
        "OpenSSL"
    }

    fn seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        self.try_seal(numbers, body).is_ok()
    }

    fn open(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        self.try_open(numbers, body).unwrap_or(false)
    }
}
