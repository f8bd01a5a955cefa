//! Counter mode over salt, IV and a 32-bit block counter, for AES-CTR (RFC 3686)
//! and AES-GCM (NIST SP 800-38D).

use cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockSizeUser, ParBlocks, consts::U16,
    typenum::Unsigned,
};

use super::ccm::{Block, Nonce, block, counted, load, mask, store, xor};
use super::key::{AesEnc, with_cipher};
use cipher::BlockCipherEncrypt;

/// Encrypts or decrypts `data` in place, counting from `first` on. `None`, with
/// `data` untouched, if the counter would run out.
pub(super) fn ctr(aes: &AesEnc, nonce: Nonce, first: u32, data: &mut [u8]) -> Option<()> {
    fits(first, data).then(|| {
        run(
            aes,
            Pass {
                nonce,
                first,
                mask: None,
                data,
            },
        )
    })
}

/// What the counter block 1 encrypts to, the mask of GCM's ICV; with `data`
/// encrypted or decrypted from block 2 on, all in one call of the cipher.
pub(super) fn masked(aes: &AesEnc, nonce: Nonce, data: &mut [u8]) -> Option<Block> {
    let mut mask = Block::default();
    fits(2, data).then(|| {
        run(
            aes,
            Pass {
                nonce,
                first: 2,
                mask: Some(&mut mask),
                data,
            },
        )
    })?;
    Some(mask)
}

/// Salt, IV and counter as a block.
#[inline(always)]
fn counter_block(nonce: Nonce, counter: u32) -> Block {
    let high = u64::from(nonce.salt) << 32 | nonce.iv >> 32;
    let low = nonce.iv << 32 | u64::from(counter);
    block(u128::from(high) << 64 | u128::from(low))
}

fn fits(first: u32, data: &[u8]) -> bool {
    let blocks = u64::try_from(data.len().div_ceil(16)).unwrap_or(u64::MAX);
    blocks <= (1 << 32) - u64::from(first)
}

fn run(aes: &AesEnc, pass: Pass<'_>) {
    with_cipher!(aes, aes => aes.encrypt_with_backend(pass));
}

struct Pass<'a> {
    nonce: Nonce,
    first: u32,
    mask: Option<&'a mut Block>,
    data: &'a mut [u8],
}

impl BlockSizeUser for Pass<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Pass<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let base = counter_block(self.nonce, 0);
        if let Some(mask) = self.mask {
            *mask = single(backend, &base, 1);
        }
        let mut counter = self.first;
        let (blocks, last) = self.data.as_chunks_mut::<16>();
        let mut groups = blocks.chunks_exact_mut(B::ParBlocksSize::USIZE);
        for group in &mut groups {
            many(backend, &base, &mut counter, group);
        }
        for block in groups.into_remainder() {
            *block = xor(&Block::from(*block), &single(backend, &base, counter)).into();
            counter = counter.wrapping_add(1);
        }
        if !last.is_empty() {
            let stream = u128::from_le_bytes(single(backend, &base, counter).into());
            store(last, load(last) ^ stream & mask(last.len()));
        }
    }
}

#[inline(always)]
fn single<B>(backend: &B, base: &Block, counter: u32) -> Block
where
    B: BlockCipherEncBackend<BlockSize = U16>,
{
    let mut stream = counted(base, counter);
    backend.encrypt_block_inplace(&mut stream);
    stream
}

/// As many blocks as the backend takes at once.
#[inline(always)]
fn many<B>(backend: &B, base: &Block, counter: &mut u32, group: &mut [[u8; 16]])
where
    B: BlockCipherEncBackend<BlockSize = U16>,
{
    let mut streams = ParBlocks::<B>::default();
    for stream in &mut streams {
        *stream = counted(base, *counter);
        *counter = counter.wrapping_add(1);
    }
    backend.encrypt_par_blocks_inplace(&mut streams);
    for (block, stream) in group.iter_mut().zip(&streams) {
        *block = xor(&Block::from(*block), stream).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_counter_never_comes_round() {
        let aes = AesEnc::new(&[0; 16]).unwrap();
        let nonce = Nonce { salt: 1, iv: 2 };
        let mut data = vec![0; 33];
        assert_eq!(ctr(&aes, nonce, u32::MAX - 2, &mut data), Some(()));
        let before = data.clone();
        assert_eq!(ctr(&aes, nonce, u32::MAX - 1, &mut data), None);
        assert_eq!(data, before);
    }
}
