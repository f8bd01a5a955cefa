//! The same packets by other implementations. Each sets its key up once, builds
//! the nonce and the additional data for each packet and works in place; the
//! body is `IV | data | ICV`, as sprat takes it.

use aes::Aes128;
use aes_gcm::aead::{AeadInOut, inout::InOutBuf};
use ccm::consts::{U8, U11};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sprat_core::crypto::{Encr, EspSuite, Numbers, Suite};

use crate::{MATERIAL, Transform};

/// Something that seals and opens ESP bodies.
pub trait Peer {
    /// Who it is.
    fn name(&self) -> &'static str;
    /// Encrypts in place and writes the ICV; false if it failed.
    fn seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool;
    /// Verifies and decrypts in place; false if it failed.
    fn open(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool;
}

/// Everyone who has this transform, sprat first.
pub fn peers(transform: &Transform) -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(Sprat(transform.suite()))];
    peers.push(match transform.encr {
        Encr::AesCcm8 => Box::new(CcmCrate::new()),
        Encr::AesGcm16 => Box::new(GcmCrate::new()),
        Encr::ChaCha20Poly1305 => Box::new(ChaChaCrate::new()),
        _ => Box::new(CbcCrates::new()),
    });
    #[cfg(feature = "openssl")]
    peers.push(crate::openssl_peer::peer(transform));
    peers
}

struct Sprat(Suite);

impl Peer for Sprat {
    fn name(&self) -> &'static str {
        "sprat"
    }

    fn seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        self.0.seal(numbers, body).is_ok()
    }

    fn open(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        self.0.open(numbers, body).is_ok()
    }
}

/// IV, data and ICV of a body.
pub(crate) fn cut(body: &mut [u8], iv: usize, icv: usize) -> (&[u8], &mut [u8], &mut [u8]) {
    let (iv, rest) = body.split_at_mut(iv);
    let (data, icv) = rest.split_at_mut(rest.len() - icv);
    (iv, data, icv)
}

/// Salt of `N` octets less than the nonce, then the IV.
pub(crate) fn nonce<const N: usize>(iv: &[u8]) -> [u8; N] {
    let mut nonce = [0; N];
    nonce[..N - 8].copy_from_slice(&MATERIAL[..N - 8]);
    nonce[N - 8..].copy_from_slice(iv);
    nonce
}

/// SPI and sequence number.
pub(crate) fn aad(numbers: &Numbers) -> [u8; 8] {
    let mut aad = [0; 8];
    aad[..4].copy_from_slice(&numbers.spi.to_octets());
    aad[4..].copy_from_slice(&numbers.sn.low().to_be_bytes());
    aad
}

/// A peer on an AEAD crate.
macro_rules! aead_crate {
    ($peer:ident, $name:literal, $cipher:ty, $key_len:literal, $nonce_len:literal, $icv:literal) => {
        struct $peer($cipher);

        impl $peer {
            fn new() -> Self {
                $peer(<$cipher>::new_from_slice(&MATERIAL[..$key_len]).expect("key"))
            }
        }

        impl Peer for $peer {
            fn name(&self) -> &'static str {
                $name
            }

            fn seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
                let (iv, data, icv) = cut(body, 8, $icv);
                let nonce = nonce::<$nonce_len>(iv).into();
                let data = InOutBuf::from(data);
                let tag = self.0.encrypt_inout_detached(&nonce, &aad(numbers), data);
                tag.is_ok_and(|tag| {
                    icv.copy_from_slice(&tag);
                    true
                })
            }

            fn open(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
                let (iv, data, icv) = cut(body, 8, $icv);
                let nonce = nonce::<$nonce_len>(iv).into();
                let Ok(tag) = (&*icv).try_into() else {
                    return false;
                };
                let data = InOutBuf::from(data);
                self.0
                    .decrypt_inout_detached(&nonce, &aad(numbers), data, tag)
                    .is_ok()
            }
        }
    };
}

aead_crate!(CcmCrate, "ccm crate", ccm::Ccm<Aes128, U8, U11>, 16, 11, 8);
aead_crate!(GcmCrate, "aes-gcm crate", aes_gcm::Aes128Gcm, 16, 12, 16);
aead_crate!(
    ChaChaCrate,
    "chacha20poly1305 crate",
    ChaCha20Poly1305,
    32,
    12,
    16
);

/// `cbc`, `hmac` and `sha2` put together.
struct CbcCrates {
    aes: Aes128,
    hmac: Hmac<Sha256>,
}

impl CbcCrates {
    fn new() -> Self {
        CbcCrates {
            aes: Aes128::new_from_slice(&MATERIAL[..16]).expect("key"),
            hmac: Hmac::new_from_slice(&MATERIAL[..32]).expect("key"),
        }
    }

    fn icv(&self, numbers: &Numbers, covered: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.hmac.clone();
        mac.update(&aad(numbers));
        mac.update(covered);
        mac
    }
}

impl Peer for CbcCrates {
    fn name(&self) -> &'static str {
        "cbc + hmac crates"
    }

    fn seal(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        use cbc::cipher::{BlockModeEncrypt, InnerIvInit, array::Array};
        let (iv, data, _) = cut(body, 16, 16);
        let Ok(mut cbc) = cbc::Encryptor::inner_iv_slice_init(&self.aes, iv) else {
            return false;
        };
        cbc.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
        let (covered, icv) = body.split_at_mut(body.len() - 16);
        icv.copy_from_slice(&self.icv(numbers, covered).finalize().into_bytes()[..16]);
        true
    }

    fn open(&mut self, numbers: &Numbers, body: &mut [u8]) -> bool {
        use cbc::cipher::{BlockModeDecrypt, InnerIvInit, array::Array};
        let (covered, icv) = body.split_at_mut(body.len() - 16);
        if self
            .icv(numbers, covered)
            .verify_truncated_left(icv)
            .is_err()
        {
            return false;
        }
        let (iv, data, _) = cut(body, 16, 16);
        let Ok(mut cbc) = cbc::Decryptor::inner_iv_slice_init(&self.aes, iv) else {
            return false;
        };
        cbc.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
        true
    }
}
