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

/// A block of the cipher: 16 octets.
pub(crate) type Block = Array<u8, U16>;

/// What one packet brings besides its data.
pub(crate) struct Packet<A> {
    /// Salt and IV (RFC 4309 s4).
    pub nonce: Nonce,
    /// Octets of ICV: 8, 12 or 16.
    pub tag_len: u8,
    /// Additional data, framed for the MAC.
    pub aad: A,
}

/// Nonce of 11 octets, as two numbers: read back from memory as it was written,
/// in the same pieces, or each packet would wait for the one before it.
#[derive(Clone, Copy)]
pub(crate) struct Nonce {
    /// The first 3 octets.
    pub salt: u32,
    /// The other 8.
    pub iv: u64,
}

/// Additional data, framed as RFC 3610 s2.2 asks. Of ESP it is known to fit one
/// block, and what is known needs no branch.
pub(crate) trait Aad {
    /// False leaves the block out: there is none for empty additional data.
    fn present(&self) -> bool;
    /// Length in two octets, then the first 14 octets, padded with zeros.
    fn first(&self) -> u128;
    /// What does not fit there.
    fn rest(&self) -> &[u8];
}

/// SPI and sequence number: 8 octets, 12 with ESN.
pub(crate) struct EspAad(u128);

impl EspAad {
    /// Frames them.
    #[inline(always)]
    pub fn new(numbers: &super::Numbers) -> Self {
        let spi = u128::from(numbers.spi.0);
        let sn = u128::from(numbers.sn.0);
        // 2 octets length, 4 octets SPI, then 4 or 8 octets of number.
        EspAad(if numbers.esn {
            12 << 112 | spi << 80 | sn << 16
        } else {
            8 << 112 | spi << 80 | u128::from(numbers.sn.low()) << 48
        })
    }
}

impl Aad for EspAad {
    #[inline(always)]
    fn present(&self) -> bool {
        true
    }

    #[inline(always)]
    fn first(&self) -> u128 {
        self.0
    }

    #[inline(always)]
    fn rest(&self) -> &[u8] {
        &[]
    }
}

/// Any octets, below 0xff00 of them: from there on the framing is another.
#[cfg(any(test, feature = "known-answer"))]
pub(crate) struct AnyAad<'a>(&'a [u8]);

#[cfg(any(test, feature = "known-answer"))]
impl<'a> AnyAad<'a> {
    /// `None` if there are too many.
    pub fn new(aad: &'a [u8]) -> Option<Self> {
        (aad.len() < 0xff00).then_some(AnyAad(aad))
    }
}

#[cfg(any(test, feature = "known-answer"))]
impl Aad for AnyAad<'_> {
    fn present(&self) -> bool {
        !self.0.is_empty()
    }

    fn first(&self) -> u128 {
        let len = u16::try_from(self.0.len()).unwrap_or(0).to_be_bytes();
        let mut first = [0; 16];
        let framed = len.iter().chain(self.0);
        first
            .iter_mut()
            .zip(framed)
            .for_each(|(to, from)| *to = *from);
        u128::from_be_bytes(first)
    }

    fn rest(&self) -> &[u8] {
        self.0.get(14..).unwrap_or(&[])
    }
}

/// Encrypts `data` in place and gives the ICV, of which the first `tag_len`
/// octets count. `None`, with `data` untouched, from 2^32 octets on.
#[inline]
pub(crate) fn seal<C, A>(cipher: &C, packet: &Packet<A>, data: &mut [u8]) -> Option<Block>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
    A: Aad,
{
    run::<C, A, false>(cipher, packet, data)
}

/// Decrypts `data` in place and gives the ICV that it should have. The caller
/// compares, and wipes `data` if they differ. `None`, with `data` untouched,
/// from 2^32 octets on.
#[inline]
pub(crate) fn open<C, A>(cipher: &C, packet: &Packet<A>, data: &mut [u8]) -> Option<Block>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
    A: Aad,
{
    run::<C, A, true>(cipher, packet, data)
}

#[inline(always)]
fn run<C, A, const OPEN: bool>(cipher: &C, packet: &Packet<A>, data: &mut [u8]) -> Option<Block>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
    A: Aad,
{
    let len = u32::try_from(data.len()).ok()?;
    let mut tag = Block::default();
    cipher.encrypt_with_backend(OnePass::<A, OPEN> {
        packet,
        len,
        data,
        tag: &mut tag,
    });
    Some(tag)
}

/// Flags octet of B0: additional data, ICV length, L - 1 (RFC 3610 s2.2).
#[inline(always)]
fn b0_flags<A: Aad>(packet: &Packet<A>) -> u8 {
    let aad = if packet.aad.present() { 0x40 } else { 0 };
    // (M - 2) / 2 in bits 3 to 5, M being a multiple of four.
    aad | packet.tag_len.wrapping_mul(4).wrapping_sub(8) & 0x38 | 3
}

/// Flags, nonce and a 32-bit number: the shape of B0 and of the counter blocks.
#[inline(always)]
fn framed(flags: u8, nonce: Nonce, number: u32) -> Block {
    let high = u64::from(flags) << 56 | u64::from(nonce.salt) << 32 | nonce.iv >> 32;
    let low = nonce.iv << 32 | u64::from(number);
    block(u128::from(high) << 64 | u128::from(low))
}

#[inline(always)]
pub(super) fn block(number: u128) -> Block {
    number.to_be_bytes().into()
}

struct OnePass<'a, A, const OPEN: bool> {
    packet: &'a Packet<A>,
    /// Octets of `data`.
    len: u32,
    data: &'a mut [u8],
    tag: &'a mut Block,
}

impl<A, const OPEN: bool> BlockSizeUser for OnePass<'_, A, OPEN> {
    type BlockSize = U16;
}

impl<A: Aad, const OPEN: bool> BlockCipherEncClosure for OnePass<'_, A, OPEN> {
    // The two lanes are values handed on, not fields: so they stay in registers.
    // Blocks are put together here and not by the caller: a block read back from
    // memory in other pieces than it was written stalls the processor.
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let a0 = framed(3, self.packet.nonce, 0);
        let b0 = framed(b0_flags(self.packet), self.packet.nonce, self.len);
        let (mac, s0) = step(backend, &b0, &a0);
        let (mut mac, mut stream) = absorb(backend, mac, &self.packet.aad, &counted(&a0, 1));
        let mut counter = 2;

        let (blocks, last) = self.data.as_chunks_mut::<16>();
        for block in blocks {
            let plain = cross::<OPEN>(block, &stream);
            (mac, stream) = step(backend, &xor(&mac, &plain), &counted(&a0, counter));
            counter = counter.wrapping_add(1);
        }
        if !last.is_empty() {
            let before = load(last);
            let after = before ^ u128::from_le_bytes(stream.into()) & mask(last.len());
            store(last, after);
            let plain = if OPEN { after } else { before };
            mac = xor_number(&mac, &Block::from(plain.to_le_bytes()));
            mac = alone(backend, &mac);
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

/// Encrypts a block of the MAC's chain. A backend for pairs is used as such here
/// too: its code for single blocks would only be more code.
#[inline(always)]
fn alone<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, chain: &Block) -> Block {
    if B::ParBlocksSize::USIZE == 2 {
        return step(backend, chain, chain).0;
    }
    let mut mac = *chain;
    backend.encrypt_block_inplace(&mut mac);
    mac
}

#[inline(always)]
fn copy_pair(pair: &mut [Block], (chain, counter): (&Block, &Block)) {
    if let [first, second] = pair {
        (*first, *second) = (*chain, *counter);
    }
}

/// The counter block of this number.
#[inline(always)]
pub(super) fn counted(a0: &Block, number: u32) -> Block {
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
    aad: &impl Aad,
    counter: &Block,
) -> (Block, Block) {
    if !aad.present() {
        return (mac, step(backend, &mac, counter).1);
    }
    let mut mac = xor_number(&mac, &block(aad.first()));
    for chunk in aad.rest().chunks(16) {
        mac = alone(backend, &mac);
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

/// Ones over the first `len` octets of a little-endian number; `len` is below 16.
#[inline(always)]
pub(super) fn mask(len: usize) -> u128 {
    let bits = u32::try_from(len.saturating_mul(8)).unwrap_or(0);
    1_u128.wrapping_shl(bits).wrapping_sub(1)
}

/// At most 15 octets as a little-endian number. In pieces of fixed length: a copy
/// of a length known at run time only is a call, which spills the round keys.
#[inline(always)]
pub(super) fn load(octets: &[u8]) -> u128 {
    let (words, rest) = octets.as_chunks::<4>();
    let number = rest
        .iter()
        .rev()
        .fold(0, |n, octet| n << 8 | u128::from(*octet));
    let word = |octets: &[u8; 4]| u128::from(u32::from_le_bytes(*octets));
    words
        .iter()
        .rev()
        .fold(number, |n, octets| n << 32 | word(octets))
}

/// The reverse of [`load`].
#[inline(always)]
pub(super) fn store(octets: &mut [u8], mut number: u128) {
    let (words, rest) = octets.as_chunks_mut::<4>();
    for word in words {
        let [a, b, c, d, ..] = number.to_le_bytes();
        *word = [a, b, c, d];
        number >>= 32;
    }
    rest.iter_mut()
        .zip(number.to_le_bytes())
        .for_each(|(to, from)| *to = from);
}

#[inline(always)]
pub(super) fn xor(a: &Block, b: &Block) -> Block {
    let mut out = *a;
    out.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    out
}

/// The same where `b` comes out of general registers: octet by octet the
/// compiler would take such a number apart.
#[inline(always)]
fn xor_number(a: &Block, b: &Block) -> Block {
    let number = |block: &Block| u128::from_ne_bytes((*block).into());
    (number(a) ^ number(b)).to_ne_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
    use ccm::aead::{AeadInOut, KeyInit, inout::InOutBuf};
    use ccm::consts::{U2, U8, U11, U12};
    use cipher::{KeySizeUser, ParBlocksSizeUser, inout::InOut};
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
        let (salt, iv) = nonce.split_first_chunk::<3>().unwrap();
        let [a, b, c] = *salt;
        let salt = u32::from_be_bytes([0, a, b, c]);
        let iv = u64::from_be_bytes(iv.try_into().unwrap());
        let packet = Packet {
            nonce: Nonce { salt, iv },
            tag_len,
            aad: AnyAad::new(&aad).unwrap(),
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

    /// A cipher that works on two blocks at a time, as the one of motes does.
    struct Pairs(Aes128Enc);

    struct PairBackend<'a>(&'a Aes128Enc);

    impl KeySizeUser for Pairs {
        type KeySize = U16;
    }

    impl KeyInit for Pairs {
        fn new(key: &cipher::Key<Self>) -> Self {
            Pairs(Aes128Enc::new(key))
        }
    }

    impl BlockSizeUser for Pairs {
        type BlockSize = U16;
    }

    impl BlockCipherEncrypt for Pairs {
        fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U16>) {
            f.call(&PairBackend(&self.0));
        }
    }

    impl BlockSizeUser for PairBackend<'_> {
        type BlockSize = U16;
    }

    impl ParBlocksSizeUser for PairBackend<'_> {
        type ParBlocksSize = U2;
    }

    impl BlockCipherEncBackend for PairBackend<'_> {
        fn encrypt_block(&self, block: InOut<'_, '_, Block>) {
            self.0.encrypt_block_inout(block);
        }
    }

    fn every_key_and_tag(len: usize, aad_len: usize) {
        same_as_the_ccm_crate::<Pairs, U8>(len, aad_len);
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
        assert!(AnyAad::new(&octets(0xff00, 1)).is_none());
    }

    #[test]
    fn numbers_of_esp_are_framed_as_their_octets() {
        let numbers = |esn| super::super::Numbers {
            spi: crate::num::Spi(0x0102_0304),
            sn: crate::num::Sn64(0x0506_0708_090a_0b0c),
            esn,
        };
        let short = AnyAad::new(&[1, 2, 3, 4, 9, 10, 11, 12]).unwrap();
        assert_eq!(EspAad::new(&numbers(false)).first(), short.first());
        let long = AnyAad::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap();
        assert_eq!(EspAad::new(&numbers(true)).first(), long.first());
    }
}
