//! AES-GCM (NIST SP 800-38D) with the nonce of 12 octets that RFC 4106 and
//! RFC 4543 use, any length of ICV, and GMAC.

use cipher::{BlockCipherEncrypt, BlockSizeUser, consts::U16, typenum::Unsigned};
use ghash::GHash;
use ghash::universal_hash::{ParBlocks, UhfBackend, UhfClosure, UniversalHash};
use zeroize::Zeroize;

use super::ccm::{Block, Nonce, block, xor};
use super::copy;
use super::ctr::masked;
use super::key::{AesEnc, with_cipher};

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
    pub fn seal(&self, nonce: Nonce, aad: &[u8], data: &mut [u8]) -> Option<Block> {
        let mask = masked(&self.aes, nonce, data)?;
        Some(xor(&mask, &self.hash([aad, data], bits(aad), bits(data))))
    }

    /// Decrypts in place and gives the ICV that it should have, in full. The
    /// caller compares, and wipes `data` if they differ. `None`, with `data`
    /// untouched, where it is too long.
    pub fn open(&self, nonce: Nonce, aad: &[u8], data: &mut [u8]) -> Option<Block> {
        let hash = self.hash([aad, data], bits(aad), bits(data));
        Some(xor(&masked(&self.aes, nonce, data)?, &hash))
    }

    /// ICV over `head` and `tail`, none of it encrypted. `head` is at most 16 octets.
    pub fn gmac(&self, nonce: Nonce, head: &[u8], tail: &[u8]) -> Option<Block> {
        let fill = 16_usize.saturating_sub(head.len());
        let (joined, rest) = tail.split_at_checked(fill).unwrap_or((tail, &[]));
        let mut first = Block::default();
        copy(&mut first, head);
        copy(first.get_mut(head.len()..).unwrap_or(&mut []), joined);
        let hash = self.hash([&first, rest], bits(head).saturating_add(bits(tail)), 0);
        Some(xor(&masked(&self.aes, nonce, &mut [])?, &hash))
    }

    /// GHASH of the parts, each padded to whole blocks, and of the two lengths.
    fn hash(&self, parts: [&[u8]; 2], aad_bits: u64, data_bits: u64) -> Block {
        let lengths = block(u128::from(aad_bits) << 64 | u128::from(data_bits));
        let mut ghash = self.ghash.clone();
        ghash.update_with_backend(Hash { parts, lengths });
        ghash.finalize()
    }
}

fn bits(octets: &[u8]) -> u64 {
    u64::try_from(octets.len())
        .unwrap_or(u64::MAX)
        .saturating_mul(8)
}

struct Hash<'a> {
    parts: [&'a [u8]; 2],
    lengths: Block,
}

impl BlockSizeUser for Hash<'_> {
    type BlockSize = U16;
}

impl UhfClosure for Hash<'_> {
    // Groups only, with zero blocks in front of the first until the count fits:
    // they leave a hash at its start, zero, and a short packet is one step.
    #[inline(always)]
    fn call<B: UhfBackend<BlockSize = U16>>(self, backend: &mut B) {
        let count = self
            .parts
            .iter()
            .fold(1, |n: usize, part| n.wrapping_add(part.len().div_ceil(16)));
        let mut groups = Groups {
            backend,
            group: ParBlocks::<B>::default(),
            fill: count.wrapping_neg() % B::ParBlocksSize::USIZE,
        };
        for part in self.parts {
            groups.push_padded(part);
        }
        groups.push(self.lengths);
    }
}

/// Blocks gathered until the hash takes them.
struct Groups<'a, B: UhfBackend> {
    backend: &'a mut B,
    group: ParBlocks<B>,
    fill: usize,
}

impl<B: UhfBackend<BlockSize = U16>> Groups<'_, B> {
    /// Whole blocks, zeros behind the last octet; whole groups straight from `part`.
    #[inline(always)]
    fn push_padded(&mut self, part: &[u8]) {
        let (blocks, last) = Block::slice_as_chunks(part);
        let begun = self.fill.wrapping_neg() % B::ParBlocksSize::USIZE;
        let (head, rest) = blocks.split_at_checked(begun).unwrap_or((blocks, &[]));
        head.iter().for_each(|block| self.push(*block));
        let (groups, tail) = ParBlocks::<B>::slice_as_chunks(rest);
        groups
            .iter()
            .for_each(|group| self.backend.proc_par_blocks(group));
        tail.iter().for_each(|block| self.push(*block));
        if !last.is_empty() {
            let mut block = Block::default();
            copy(&mut block, last);
            self.push(block);
        }
    }

    #[inline(always)]
    fn push(&mut self, block: Block) {
        if let Some(place) = self.group.as_mut_slice().get_mut(self.fill) {
            *place = block;
        }
        self.fill = self.fill.wrapping_add(1);
        if self.fill >= B::ParBlocksSize::USIZE {
            self.backend.proc_par_blocks(&self.group);
            self.fill = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm::AesGcm;
    use aes_gcm::aead::consts::U12;
    use aes_gcm::aead::{AeadInOut, KeyInit, inout::InOutBuf};
    use std::vec::Vec;

    fn octets(len: usize, step: usize) -> Vec<u8> {
        (0..len).map(|i| (i * step + len) as u8).collect()
    }

    fn same_as_the_crate<C>(len: usize, aad_len: usize)
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
    {
        let key = octets(C::key_size(), 7);
        let (aad, plain) = (octets(aad_len, 5), octets(len, 3));
        let nonce = Nonce {
            salt: 0x0102_0304,
            iv: 0x0506_0708_090a_0b0c,
        };
        let peer = AesGcm::<C, U12>::new_from_slice(&key).unwrap();
        let mut expected = plain.clone();
        let inout = InOutBuf::from(expected.as_mut_slice());
        let nonce_octets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].into();
        let tag = peer
            .encrypt_inout_detached(&nonce_octets, &aad, inout)
            .unwrap();

        let ours = Gcm::new(&key).unwrap();
        let mut data = plain.clone();
        assert_eq!(
            ours.seal(nonce, &aad, &mut data),
            Some(tag),
            "{len} octets, {aad_len} AAD"
        );
        assert_eq!(data, expected, "{len} octets, {aad_len} AAD");
        assert_eq!(ours.open(nonce, &aad, &mut data), Some(tag));
        assert_eq!(data, plain);

        // GMAC: the same tag for the same octets, wherever they are cut.
        let tag = peer.encrypt_inout_detached(&nonce_octets, &plain, InOutBuf::from(&mut [][..]));
        let head = plain.get(..12).unwrap_or(&plain);
        let gmac = ours.gmac(nonce, head, &plain[head.len()..]);
        assert_eq!(gmac, Some(tag.unwrap()), "GMAC of {len} octets");
    }

    #[test]
    fn same_as_the_aes_gcm_crate() {
        // 1040 octets and more fill a group of the widest backend.
        for len in (0..=140)
            .chain((141..2400).step_by(31))
            .chain([1024, 1040, 2048])
        {
            for aad_len in [0, 8, 12, 33] {
                same_as_the_crate::<aes::Aes128Enc>(len, aad_len);
                same_as_the_crate::<aes::Aes192Enc>(len, aad_len);
                same_as_the_crate::<aes::Aes256Enc>(len, aad_len);
            }
        }
    }
}
