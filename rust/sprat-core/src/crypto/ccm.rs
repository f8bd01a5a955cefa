//! AES-CCM in one pass (RFC 3610 with the parameters of RFC 4309: nonce of 11
//! octets, L = 4, ICV of 8, 12 or 16 octets).
//!
//! The CBC-MAC is a chain: each block waits for the one before it. Counter
//! blocks wait for nothing. So each step hands one of either to the cipher
//! together, and the counter blocks cost next to nothing; the whole packet runs
//! inside one call of the cipher's backend, which is chosen once, not per block.

use cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocks,
    array::Array, consts::U16, typenum::Unsigned,
};

use super::copy;

/// A block of the cipher: 16 octets.
pub(crate) type Block = Array<u8, U16>;

/// What one packet brings besides its data.
pub(crate) struct Packet<'a> {
    /// Nonce as a number of 88 bits: 3 octets of salt, 8 of IV (RFC 4309 s4).
    pub nonce: u128,
    /// Octets of ICV: 8, 12 or 16.
    pub tag_len: u8,
    /// Additional data, framed for the MAC.
    pub aad: Aad<'a>,
}

/// Additional data, framed as RFC 3610 s2.2 asks.
pub(crate) struct Aad<'a> {
    /// Length in two octets, then the first 14 octets, padded with zeros.
    first: Block,
    /// What does not fit there.
    rest: &'a [u8],
    /// False leaves the block out: there is none for empty additional data.
    present: bool,
}

impl Aad<'static> {
    /// Frames the SPI and the sequence number of ESP: `words` are 2, or 3 with ESN.
    #[inline(always)]
    pub fn esp(numbers: &super::Numbers) -> Self {
        let spi = u128::from(numbers.spi.0);
        let sn = u128::from(numbers.sn.0);
        // 2 octets length, 4 octets SPI, then 4 or 8 octets of number.
        let words = if numbers.esn {
            12 << 112 | spi << 80 | sn << 16
        } else {
            8 << 112 | spi << 80 | u128::from(numbers.sn.low()) << 48
        };
        Aad {
            first: words.to_be_bytes().into(),
            rest: &[],
            present: true,
        }
    }
}

impl<'a> Aad<'a> {
    /// Frames any octets; `None` from 0xff00 octets on, which need another framing.
    #[cfg(any(test, feature = "known-answer"))]
    pub fn new(aad: &'a [u8]) -> Option<Self> {
        let len = u16::try_from(aad.len()).ok().filter(|len| *len < 0xff00)?;
        let (head, rest) = aad.split_at_checked(14).unwrap_or((aad, &[]));
        let framed = len.to_be_bytes().into_iter().chain(head.iter().copied());
        let mut first = Block::default();
        first
            .iter_mut()
            .zip(framed)
            .for_each(|(to, from)| *to = from);
        Some(Aad {
            first,
            rest,
            present: len > 0,
        })
    }
}

/// Encrypts `data` in place and gives the ICV, of which the first `tag_len`
/// octets count. `None`, with `data` untouched, from 2^32 octets on.
#[inline]
pub(crate) fn seal<C>(cipher: &C, packet: &Packet<'_>, data: &mut [u8]) -> Option<Block>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    run::<C, false>(cipher, packet, data)
}

/// Decrypts `data` in place and gives the ICV that it should have. The caller
/// compares, and wipes `data` if they differ. `None`, with `data` untouched,
/// from 2^32 octets on.
#[inline]
pub(crate) fn open<C>(cipher: &C, packet: &Packet<'_>, data: &mut [u8]) -> Option<Block>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    run::<C, true>(cipher, packet, data)
}

#[inline(always)]
fn run<C, const OPEN: bool>(cipher: &C, packet: &Packet<'_>, data: &mut [u8]) -> Option<Block>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    let len = u32::try_from(data.len()).ok()?;
    let mut tag = Block::default();
    let b0 = framed(b0_flags(packet), packet.nonce, len);
    let a0 = framed(3, packet.nonce, 0);
    cipher.encrypt_with_backend(OnePass::<OPEN> {
        b0,
        a0,
        aad: &packet.aad,
        data,
        tag: &mut tag,
    });
    Some(tag)
}

/// Flags octet of B0: additional data, ICV length, L - 1 (RFC 3610 s2.2).
#[inline(always)]
fn b0_flags(packet: &Packet<'_>) -> u8 {
    let aad = if packet.aad.present { 0x40 } else { 0 };
    aad | ((packet.tag_len.saturating_sub(2) / 2) << 3) | 3
}

/// Flags, nonce and a 32-bit number: the shape of B0 and of the counter blocks.
#[inline(always)]
fn framed(flags: u8, nonce: u128, number: u32) -> Block {
    (u128::from(flags) << 120 | nonce << 32 | u128::from(number))
        .to_be_bytes()
        .into()
}

struct OnePass<'a, const OPEN: bool> {
    b0: Block,
    a0: Block,
    aad: &'a Aad<'a>,
    data: &'a mut [u8],
    tag: &'a mut Block,
}

impl<const OPEN: bool> BlockSizeUser for OnePass<'_, OPEN> {
    type BlockSize = U16;
}

impl<const OPEN: bool> BlockCipherEncClosure for OnePass<'_, OPEN> {
    // The two lanes are values handed on, not fields: so they stay in registers.
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let (mac, s0) = step(backend, &self.b0, &self.a0);
        let (mut mac, mut stream) = absorb(backend, mac, self.aad, &counted(&self.a0, 1));
        let mut counter = 2;

        let (blocks, last) = self.data.as_chunks_mut::<16>();
        for block in blocks {
            let plain = cross::<OPEN>(block, &stream);
            (mac, stream) = step(backend, &xor(&mac, &plain), &counted(&self.a0, counter));
            counter = counter.wrapping_add(1);
        }
        if !last.is_empty() {
            let mut block = [0; 16];
            copy(&mut block, last);
            stream
                .iter_mut()
                .skip(last.len())
                .for_each(|octet| *octet = 0);
            mac = xor(&mac, &cross::<OPEN>(&mut block, &stream));
            copy(last, &block);
            backend.encrypt_block_inplace(&mut mac);
        }
        *self.tag = xor(&mac, &s0);
    }
}

/// Encrypts a block of the MAC's chain and a counter block.
#[inline(always)]
fn step<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    chain: &Block,
    counter: &Block,
) -> (Block, Block) {
    if B::ParBlocksSize::USIZE == 2 {
        // Such a backend takes as long for one block as for two.
        let mut pair = ParBlocks::<B>::default();
        copy_pair(pair.as_mut_slice(), (chain, counter));
        backend.encrypt_par_blocks_inplace(&mut pair);
        if let [mac, stream] = pair.as_slice() {
            return (*mac, *stream);
        }
    }
    // Two calls, and the processor runs them side by side.
    let (mut mac, mut stream) = (*chain, *counter);
    backend.encrypt_block_inplace(&mut mac);
    backend.encrypt_block_inplace(&mut stream);
    (mac, stream)
}

#[inline(always)]
fn copy_pair(pair: &mut [Block], (chain, counter): (&Block, &Block)) {
    if let [first, second] = pair {
        (*first, *second) = (*chain, *counter);
    }
}

/// The counter block of this number.
#[inline(always)]
fn counted(a0: &Block, number: u32) -> Block {
    let mut block = *a0;
    if let Some(field) = block.last_chunk_mut::<4>() {
        *field = number.to_be_bytes();
    }
    block
}

/// Takes the additional data into the MAC; gives it with the key stream of `counter`.
#[inline(always)]
fn absorb<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    mac: Block,
    aad: &Aad<'_>,
    counter: &Block,
) -> (Block, Block) {
    if !aad.present {
        return (mac, step(backend, &mac, counter).1);
    }
    let mut mac = xor(&mac, &aad.first);
    for chunk in aad.rest.chunks(16) {
        backend.encrypt_block_inplace(&mut mac);
        mac.iter_mut().zip(chunk).for_each(|(to, from)| *to ^= from);
    }
    step(backend, &mac, counter)
}

/// Encrypts or decrypts a block in place and gives its plaintext.
#[inline(always)]
fn cross<const OPEN: bool>(block: &mut [u8; 16], stream: &Block) -> Block {
    let before = Block::from(*block);
    let after = xor(&before, stream);
    *block = after.into();
    if OPEN { after } else { before }
}

#[inline(always)]
fn xor(a: &Block, b: &Block) -> Block {
    let mut out = *a;
    out.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
    use ccm::aead::{AeadInOut, KeyInit, inout::InOutBuf};
    use ccm::consts::{U8, U11, U12};
    use std::vec::Vec;

    /// Octets that differ everywhere and are the same in every run.
    fn octets(len: usize, seed: u32) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        core::iter::repeat_with(next).take(len).collect()
    }

    fn same_as_the_ccm_crate<C, M>(len: usize, aad_len: usize)
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
        M: ccm::aead::array::ArraySize + ccm::TagSize,
    {
        let seed = u32::try_from(len * 31 + aad_len).unwrap();
        let key = octets(C::key_size(), seed);
        let key = <&cipher::Key<C>>::try_from(key.as_slice()).unwrap();
        let nonce: [u8; 11] = octets(11, seed + 1).try_into().unwrap();
        let aad = octets(aad_len, seed + 2);
        let plain = octets(len, seed + 3);

        let peer = ccm::Ccm::<C, M, U11>::new(key);
        let mut expected = plain.clone();
        let inout = InOutBuf::from(expected.as_mut_slice());
        let tag = peer
            .encrypt_inout_detached(&nonce.into(), &aad, inout)
            .unwrap();

        let cipher = C::new(key);
        let tag_len = u8::try_from(tag.len()).unwrap();
        let number = nonce.iter().fold(0, |n, octet| n << 8 | u128::from(*octet));
        let packet = Packet {
            nonce: number,
            tag_len,
            aad: Aad::new(&aad).unwrap(),
        };
        let mut data = plain.clone();
        let sealed = seal(&cipher, &packet, &mut data).unwrap();
        assert_eq!(data, expected, "ciphertext of {len} octets, {aad_len} AAD");
        assert_eq!(
            sealed[..tag.len()],
            tag[..],
            "tag of {len} octets, {aad_len} AAD"
        );
        let opened = open(&cipher, &packet, &mut data).unwrap();
        assert_eq!(data, plain);
        assert_eq!(opened, sealed);
    }

    fn every_key_and_tag(len: usize, aad_len: usize) {
        same_as_the_ccm_crate::<Aes128Enc, U8>(len, aad_len);
        same_as_the_ccm_crate::<Aes128Enc, U12>(len, aad_len);
        same_as_the_ccm_crate::<Aes128Enc, U16>(len, aad_len);
        same_as_the_ccm_crate::<Aes192Enc, U8>(len, aad_len);
        same_as_the_ccm_crate::<Aes192Enc, U16>(len, aad_len);
        same_as_the_ccm_crate::<Aes256Enc, U12>(len, aad_len);
        same_as_the_ccm_crate::<Aes256Enc, U16>(len, aad_len);
    }

    #[test]
    fn same_as_the_ccm_crate_for_every_length() {
        for len in (0..=300)
            .chain((301..=2048).step_by(7))
            .chain([1400, 2047, 2048])
        {
            every_key_and_tag(len, 8);
            every_key_and_tag(len, 12);
        }
    }

    #[test]
    fn same_as_the_ccm_crate_for_any_additional_data() {
        for aad_len in (0..=70).chain([0xfeff]) {
            every_key_and_tag(0, aad_len);
            every_key_and_tag(33, aad_len);
        }
        assert!(Aad::new(&octets(0xff00, 1)).is_none());
    }

    #[test]
    fn numbers_of_esp_are_framed_as_their_octets() {
        let numbers = |esn| super::super::Numbers {
            spi: crate::num::Spi(0x0102_0304),
            sn: crate::num::Sn64(0x0506_0708_090a_0b0c),
            esn,
        };
        let short = Aad::new(&[1, 2, 3, 4, 9, 10, 11, 12]).unwrap();
        assert_eq!(Aad::esp(&numbers(false)).first, short.first);
        let long = Aad::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap();
        assert_eq!(Aad::esp(&numbers(true)).first, long.first);
    }
}
