//! What is measured: four transforms, four lengths, both directions.

#[cfg(feature = "openssl")]
mod openssl_peer;
pub mod peer;

use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::num::{Sn64, Spi};

/// A pair of transforms under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform {
    /// Name in tables and budgets.
    pub name: &'static str,
    /// Encryption transform.
    pub encr: Encr,
    /// Integrity transform.
    pub integ: Integ,
    /// Octets of encryption key.
    pub key_len: usize,
}

/// The transforms of the budget: what RFC 8221 demands and what motes use.
pub const TRANSFORMS: [Transform; 4] = [
    Transform {
        name: "aes-ccm-8",
        encr: Encr::AesCcm8,
        integ: Integ::None,
        key_len: 16,
    },
    Transform {
        name: "aes-gcm-16",
        encr: Encr::AesGcm16,
        integ: Integ::None,
        key_len: 16,
    },
    Transform {
        name: "chacha20-poly1305",
        encr: Encr::ChaCha20Poly1305,
        integ: Integ::None,
        key_len: 32,
    },
    Transform {
        name: "aes-cbc-hmac-sha2-256-128",
        encr: Encr::AesCbc,
        integ: Integ::HmacSha2_256_128,
        key_len: 16,
    },
];

/// Octets that are encrypted; for a block cipher the next multiple of its block.
pub const LENGTHS: [usize; 4] = [16, 64, 256, 1400];

/// Packets in one measured call: enough that setting up the call costs nothing.
pub const PACKETS: usize = 32;

/// Key material of every measurement.
pub const MATERIAL: [u8; 64] = {
    let mut octets = [0; 64];
    let mut i = 0;
    while i < 64 {
        octets[i] = (i as u8).wrapping_mul(29).wrapping_add(7);
        i += 1;
    }
    octets
};

impl Transform {
    /// The suite with keys from [`MATERIAL`].
    ///
    /// # Panics
    /// Never for the transforms of this crate.
    pub fn suite(&self) -> Suite {
        let keys = Keys {
            encr_key: &MATERIAL[..self.key_len],
            salt: &MATERIAL[..self.encr.salt_len()],
            integ_key: &MATERIAL[..self.integ.key_len()],
        };
        Suite::new(self.encr, self.integ, &keys).expect("keys of the right length")
    }
}

/// Numbers of the `i`th packet.
pub fn numbers(i: usize) -> Numbers {
    Numbers {
        spi: Spi(0x5349_4d31),
        sn: Sn64(i as u64 + 1),
        esn: false,
    }
}

/// [`PACKETS`] bodies with `len` octets to encrypt, not sealed: IV, data, room.
pub fn bodies(suite: &Suite, len: usize) -> Vec<Vec<u8>> {
    let data = len.next_multiple_of(suite.pad_align());
    let octets = suite.iv_len() + data + suite.icv_len();
    (0..PACKETS)
        .map(|i| (0..octets).map(|j| (i * 7 + j) as u8).collect())
        .collect()
}

/// Seals each body with its number.
///
/// # Panics
/// If one is refused.
pub fn seal_all(suite: &Suite, bodies: &mut [Vec<u8>]) {
    for (i, body) in bodies.iter_mut().enumerate() {
        suite.seal(&numbers(i), body).expect("sealed");
    }
}

/// Opens each body with its number.
///
/// # Panics
/// If one is refused.
pub fn open_all(suite: &Suite, bodies: &mut [Vec<u8>]) {
    for (i, body) in bodies.iter_mut().enumerate() {
        suite.open(&numbers(i), body).expect("opened");
    }
}
