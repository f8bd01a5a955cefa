//! AES with the key length of the SA, and CBC.

use aes::{Aes128, Aes128Enc, Aes192, Aes192Enc, Aes256, Aes256Enc};
use cipher::array::{Array, ArraySize};
use cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockModeDecrypt,
    BlockSizeUser, InnerIvInit, KeyInit,
};

/// One of three ciphers, by the octets of its key.
pub(super) enum ByKeyLen<A, B, C> {
    /// 128 bits.
    K16(A),
    /// 192 bits.
    K24(B),
    /// 256 bits.
    K32(C),
}

/// AES that only encrypts: all that the counter modes need.
pub(super) type AesEnc = ByKeyLen<Aes128Enc, Aes192Enc, Aes256Enc>;

/// AES in both directions, for CBC.
pub(super) type Aes = ByKeyLen<Aes128, Aes192, Aes256>;

impl<A: KeyInit, B: KeyInit, C: KeyInit> ByKeyLen<A, B, C> {
    /// Expands a key of 16, 24 or 32 octets; `None` for any other length.
    pub fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => A::new_from_slice(key).ok().map(Self::K16),
            24 => B::new_from_slice(key).ok().map(Self::K24),
            32 => C::new_from_slice(key).ok().map(Self::K32),
            _ => None,
        }
    }
}

/// Runs an expression with the cipher behind `$key`.
macro_rules! with_cipher {
    ($key:expr, $cipher:ident => $body:expr) => {
        match $key {
            $crate::crypto::key::ByKeyLen::K16($cipher) => $body,
            $crate::crypto::key::ByKeyLen::K24($cipher) => $body,
            $crate::crypto::key::ByKeyLen::K32($cipher) => $body,
        }
    };
}
pub(super) use with_cipher;

/// CBC encryption in place (RFC 2451, RFC 3602). `None`, with `data` untouched,
/// if it is no multiple of the block or the IV no block.
pub(super) fn cbc_seal<C: BlockCipherEncrypt>(
    cipher: &C,
    iv: &[u8],
    data: &mut [u8],
) -> Option<()> {
    let iv = <&cipher::Block<C>>::try_from(iv).ok()?;
    let (blocks, rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(data);
    rest.is_empty()
        .then(|| cipher.encrypt_with_backend(CbcSeal { iv, blocks }))
}

/// The `cbc` crate has the chain go through memory from block to block.
struct CbcSeal<'a, N: ArraySize> {
    iv: &'a Array<u8, N>,
    blocks: &'a mut [Array<u8, N>],
}

impl<N: ArraySize> BlockSizeUser for CbcSeal<'_, N> {
    type BlockSize = N;
}

impl<N: ArraySize> BlockCipherEncClosure for CbcSeal<'_, N> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = N>>(self, backend: &B) {
        let mut chain = self.iv.clone();
        for block in self.blocks {
            chain
                .iter_mut()
                .zip(block.iter())
                .for_each(|(to, from)| *to ^= from);
            backend.encrypt_block_inplace(&mut chain);
            *block = chain.clone();
        }
    }
}

/// CBC decryption in place; fails as [`cbc_seal`] does.
pub(super) fn cbc_open<C>(cipher: &C, iv: &[u8], data: &mut [u8]) -> Option<()>
where
    C: cipher::BlockCipherDecrypt,
{
    let mut cbc = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?;
    let (blocks, rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(data);
    rest.is_empty().then(|| cbc.decrypt_blocks(blocks))
}
