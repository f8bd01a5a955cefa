//! The two MACs that are a CBC chain with a key of their own for the last block:
//! AES-CMAC (RFC 4493, 4494) and AES-XCBC-MAC (RFC 3566).

use aes::Aes128Enc;
use cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
    consts::U16,
};
use zeroize::Zeroize;

use super::ccm::Block;

/// Expanded keys, with the cipher `C` in the chain.
pub(super) struct CbcMac<C = Aes128Enc> {
    chain: C,
    /// Goes into a last block that is whole.
    whole: Block,
    /// Goes into a last block that had to be padded.
    padded: Block,
}

impl CbcMac {
    /// Keys of AES-CMAC as IPsec uses it (RFC 4494).
    pub fn cmac(key: &[u8; 16]) -> Self {
        Self::cmac_with(Aes128Enc::new(key.into()))
    }

    /// Keys of AES-XCBC-MAC: the key encrypts three constants (RFC 3566 s4.1).
    pub fn xcbc(key: &[u8; 16]) -> Self {
        let root = Aes128Enc::new(key.into());
        let derive = |octet: u8| {
            let mut derived = Block::from([octet; 16]);
            root.encrypt_block(&mut derived);
            derived
        };
        let mut k1 = derive(1);
        let chain = Aes128Enc::new(&k1);
        k1.zeroize();
        CbcMac {
            chain,
            whole: derive(2),
            padded: derive(3),
        }
    }
}

impl<C: BlockCipherEncrypt<BlockSize = U16>> CbcMac<C> {
    /// Keys of AES-CMAC with a key of any AES: L doubled once and twice (RFC
    /// 4493 s2.3, SP 800-38B s6.1).
    pub fn cmac_with(chain: C) -> Self {
        let mut l = Block::default();
        chain.encrypt_block(&mut l);
        let whole = doubled(&l);
        l.zeroize();
        CbcMac {
            padded: doubled(&whole),
            whole,
            chain,
        }
    }

    /// The MAC over the parts, as if they were one string; 16 octets.
    pub fn over(&self, parts: &[&[u8]]) -> Block {
        let mut mac = Block::default();
        let chain = Chain {
            parts,
            whole: &self.whole,
            padded: &self.padded,
            mac: &mut mac,
        };
        self.chain.encrypt_with_backend(chain);
        mac
    }
}

impl<C> Drop for CbcMac<C> {
    fn drop(&mut self) {
        self.whole.zeroize();
        self.padded.zeroize();
    }
}

/// Doubling in GF(2^128), without a branch on the secret.
fn doubled(block: &Block) -> Block {
    let n = u128::from_be_bytes((*block).into());
    Block::from(((n << 1) ^ (0x87 & (n >> 127).wrapping_neg())).to_be_bytes())
}

struct Chain<'a> {
    parts: &'a [&'a [u8]],
    whole: &'a Block,
    padded: &'a Block,
    mac: &'a mut Block,
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chain<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut mac = Block::default();
        let mut fill = 0;
        for part in self.parts {
            let mut octets: &[u8] = part;
            while !octets.is_empty() {
                if fill == 16 {
                    backend.encrypt_block_inplace(&mut mac);
                    fill = 0;
                }
                let room = 16_usize.saturating_sub(fill).min(octets.len());
                let (now, later) = octets.split_at_checked(room).unwrap_or((octets, &[]));
                mac.iter_mut()
                    .skip(fill)
                    .zip(now)
                    .for_each(|(to, from)| *to ^= from);
                fill = fill.saturating_add(room);
                octets = later;
            }
        }
        let last = if fill == 16 { self.whole } else { self.padded };
        mac.iter_mut().zip(last).for_each(|(to, key)| *to ^= key);
        mac.iter_mut().skip(fill).take(1).for_each(|to| *to ^= 0x80);
        backend.encrypt_block_inplace(&mut mac);
        *self.mac = mac;
    }
}
