//! AES-GCM (NIST SP 800-38D) with the nonce of 12 octets that RFC 4106 and
//! RFC 4543 use, any length of ICV, and GMAC.

use cipher::inout::InOutBuf;
use cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, StreamCipherCore, consts::U16};
use ghash::{GHash, universal_hash::UniversalHash};
use zeroize::Zeroize;

use super::ccm::Block;
use super::key::{AesEnc, Ctr, block_of, with_cipher};

/// Octets of the nonce: 4 of salt, 8 of IV.
pub(super) const NONCE_LEN: usize = 12;

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
    pub fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], data: &mut [u8]) -> Option<Block> {
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
        nonce: &[u8; NONCE_LEN],
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
    pub fn gmac(&self, nonce: &[u8; NONCE_LEN], head: &[u8], tail: &[u8]) -> Block {
        let mask = with_cipher!(&self.aes, aes => crypt(aes, nonce, &mut []));
        let fill = 16_usize.saturating_sub(head.len());
        let (joined, rest) = tail.split_at_checked(fill).unwrap_or((tail, &[]));
        let mut ghash = self.ghash.clone();
        ghash.update(&[block_of(head.iter().chain(joined).copied())]);
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
fn crypt<C>(aes: &C, nonce: &[u8; NONCE_LEN], data: &mut [u8]) -> Block
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let j0 = block_of(nonce.iter().copied().chain([0, 0, 0, 1]));
    let mut ctr = Ctr::inner_iv_init(aes, &j0);
    let mut mask = Block::default();
    ctr.write_keystream_block(&mut mask);
    ctr.apply_keystream_partial(InOutBuf::from(data));
    mask
}

fn finish(mut ghash: GHash, mask: Block, aad_bits: u64, data_bits: u64) -> Block {
    let lengths = aad_bits
        .to_be_bytes()
        .into_iter()
        .chain(data_bits.to_be_bytes());
    ghash.update(&[block_of(lengths)]);
    let mut icv = ghash.finalize();
    icv.iter_mut().zip(mask).for_each(|(to, from)| *to ^= from);
    icv
}
