//! AES-GCM (NIST SP 800-38D) with the nonce of 12 octets that RFC 4106 and
//! RFC 4543 use, any length of ICV, and GMAC. The nonce is handed over as a
//! number of 96 bits: 4 octets of salt, 8 of IV.

use cipher::inout::InOutBuf;
use cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, StreamCipherCore, consts::U16};
use ghash::{GHash, universal_hash::UniversalHash};
use zeroize::Zeroize;

use super::ccm::Block;
use super::copy;
use super::key::{AesEnc, Ctr, with_cipher};

/// Longest data that one nonce may cover (SP 800-38D s5.2.1.1).
const DATA_MAX: u64 = (1 << 36) - 32;

/// Expanded key.
pub(super) struct Gcm {
    aes: AesEnc,
    ghash: GHash,
}

impl Gcm {
    /// Expands a key of 16, 24 or 32 octets; `None` for any other length.
    pub fn new(key: &[u8]) -> Option<Self> {
        let aes = AesEnc::new(key)?;
        let mut h = Block::default();
        with_cipher!(&aes, c => c.encrypt_block(&mut h));
        let ghash = GHash::new(&h);
        h.zeroize();
        Some(Gcm { aes, ghash })
    }

    /// Encrypts in place and gives the ICV in full. `None`, with `data`
    /// untouched, where it is too long.
    pub fn seal(&self, nonce: u128, aad: &[u8], data: &mut [u8]) -> Option<Block> {
        if too_long(data) {
            return None;
        }
        let mask = with_cipher!(&self.aes, aes => crypt(aes, nonce, data));
        Some(self.icv(mask, aad, data))
    }

    /// Decrypts in place if `check` finds the ICV right; gives what `check`
    /// gives. `None`, with `data` untouched, where it is too long.
    pub fn open<E>(
        &self,
        nonce: u128,
        aad: &[u8],
        data: &mut [u8],
        check: impl FnOnce(&Block) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        if too_long(data) {
            return None;
        }
        let mask = with_cipher!(&self.aes, aes => crypt(aes, nonce, &mut []));
        let verdict = check(&self.icv(mask, aad, data));
        if verdict.is_ok() {
            with_cipher!(&self.aes, aes => crypt(aes, nonce, data));
        }
        Some(verdict)
    }

    /// ICV over `head` and `tail`, none of it encrypted. `head` is at most 16 octets.
    pub fn gmac(&self, nonce: u128, head: &[u8], tail: &[u8]) -> Block {
        let mask = with_cipher!(&self.aes, aes => crypt(aes, nonce, &mut []));
        let fill = 16_usize.saturating_sub(head.len());
        let (joined, rest) = tail.split_at_checked(fill).unwrap_or((tail, &[]));
        let mut ghash = self.ghash.clone();
        let mut first = Block::default();
        copy(&mut first, head);
        copy(first.get_mut(head.len()..).unwrap_or(&mut []), joined);
        ghash.update(&[first]);
        ghash.update_padded(rest);
        finish(ghash, mask, bits(head) + bits(tail), 0)
    }

    fn icv(&self, mask: Block, aad: &[u8], data: &[u8]) -> Block {
        let mut ghash = self.ghash.clone();
        ghash.update_padded(aad);
        ghash.update_padded(data);
        finish(ghash, mask, bits(aad), bits(data))
    }
}

fn too_long(data: &[u8]) -> bool {
    bits(data) / 8 > DATA_MAX
}

fn bits(octets: &[u8]) -> u64 {
    u64::try_from(octets.len())
        .unwrap_or(u64::MAX / 8)
        .saturating_mul(8)
}

/// Encrypts or decrypts `data` and gives the mask of the ICV, which is the key
/// stream in front of it (SP 800-38D s7.1).
fn crypt<C>(aes: &C, nonce: u128, data: &mut [u8]) -> Block
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let j0 = Block::from((nonce << 32 | 1).to_be_bytes());
    let mut ctr = Ctr::inner_iv_init(aes, &j0);
    let mut mask = Block::default();
    ctr.write_keystream_block(&mut mask);
    ctr.apply_keystream_partial(InOutBuf::from(data));
    mask
}

fn finish(mut ghash: GHash, mask: Block, aad_bits: u64, data_bits: u64) -> Block {
    let lengths = u128::from(aad_bits) << 64 | u128::from(data_bits);
    ghash.update(&[lengths.to_be_bytes().into()]);
    let mut icv = ghash.finalize();
    icv.iter_mut().zip(mask).for_each(|(to, from)| *to ^= from);
    icv
}
