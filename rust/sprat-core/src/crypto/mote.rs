//! AES-CCM with an ICV of 8 octets for constrained nodes (RFC 4309 over RFC 3610:
//! nonce of 11 octets, L = 4), over whatever encrypts a block: the platform's AES
//! or the built-in one. Small before fast; [`super::ccm`] is the hosts' kernel.

#[cfg(feature = "mote-aes")]
use aes_mote::cipher::{
    BlockBackend, BlockClosure, BlockEncrypt, BlockSizeUser, KeyInit, ParBlocks, consts,
    typenum::Unsigned,
};

use super::Numbers;

/// A block of AES.
pub type Block = [u8; 16];

/// Octets of ICV.
pub const ICV: usize = 8;

/// AES-128 with the key of one packet.
pub trait Blocks {
    /// Encrypts a block in place.
    fn one(&mut self, block: &mut Block);

    /// Encrypts two blocks that do not depend on each other: together, where the
    /// backend works on two at once.
    fn pair(&mut self, first: &mut Block, second: &mut Block) {
        self.one(first);
        self.one(second);
    }
}

/// The built-in AES, constant in time.
#[cfg(feature = "mote-aes")]
pub struct BuiltIn(aes_mote::Aes128Enc);

#[cfg(feature = "mote-aes")]
impl BuiltIn {
    /// Expands `key`, for one packet.
    // What the expansion needs of the stack is free again when blocks are encrypted.
    #[inline(never)]
    pub fn new(key: &[u8; 16]) -> Self {
        BuiltIn(aes_mote::Aes128Enc::new(key.into()))
    }
}

#[cfg(feature = "mote-aes")]
impl Blocks for BuiltIn {
    fn one(&mut self, block: &mut Block) {
        // What works on two blocks at once takes as long for one, and its code is
        // there already.
        self.pair(block, &mut [0; 16]);
    }

    fn pair(&mut self, first: &mut Block, second: &mut Block) {
        self.0.encrypt_with_backend(Pair(first, second));
    }
}

/// Two blocks at once where the backend takes two, without what it has for other
/// numbers of blocks.
#[cfg(feature = "mote-aes")]
struct Pair<'a>(&'a mut Block, &'a mut Block);

#[cfg(feature = "mote-aes")]
impl BlockSizeUser for Pair<'_> {
    type BlockSize = consts::U16;
}

#[cfg(feature = "mote-aes")]
impl BlockClosure for Pair<'_> {
    #[inline(always)]
    fn call<B: BlockBackend<BlockSize = Self::BlockSize>>(self, backend: &mut B) {
        let Pair(first, second) = self;
        if B::ParBlocksSize::USIZE == 2 {
            let mut pair = ParBlocks::<B>::default();
            if let [one, two] = pair.as_mut_slice() {
                one.copy_from_slice(first);
                two.copy_from_slice(second);
            }
            backend.proc_par_blocks((&mut pair).into());
            if let [one, two] = pair.as_slice() {
                *first = (*one).into();
                *second = (*two).into();
            }
        } else {
            for block in [first, second] {
                backend.proc_block(aes_mote::Block::from_mut_slice(block).into());
            }
        }
    }
}

/// Which way the data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Encrypt.
    Seal,
    /// Decrypt.
    Open,
}

/// What a packet brings besides its data.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Salt of the SA.
    pub salt: [u8; 3],
    /// The IV as a number: that of the packet, or the sequence number (RFC 8750).
    pub iv: u64,
    /// SPI and sequence number, the additional data.
    pub numbers: Numbers,
}

impl Packet {
    /// `flags | salt | IV | number`: the shape of B0 and of the counter blocks.
    fn block(&self, flags: u8, number: u32) -> Block {
        let [a, b, c] = self.salt;
        let [d, e, f, g, h, i, j, k] = self.iv.to_be_bytes();
        let [l, m, n, o] = number.to_be_bytes();
        [flags, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o]
    }

    /// The additional data, framed: 8 octets, 12 with ESN.
    fn aad(&self) -> Block {
        let [a, b, c, d] = self.numbers.spi.to_octets();
        let [e, f, g, h, i, j, k, l] = self.numbers.sn.0.to_be_bytes();
        match self.numbers.esn {
            true => [0, 12, a, b, c, d, e, f, g, h, i, j, k, l, 0, 0],
            false => [0, 8, a, b, c, d, i, j, k, l, 0, 0, 0, 0, 0, 0],
        }
    }
}

/// Flags of B0: additional data, ICV of 8 octets, L of 4 (RFC 3610 s2.2).
const B0: u8 = 0x40 | 3 << 3 | 3;
/// Flags of a counter block.
const COUNTER: u8 = 3;

fn xor(into: &mut [u8], other: &[u8]) {
    // Whole blocks, nearly all, by words.
    if let (Ok(into), Ok(other)) = (
        <&mut Block>::try_from(&mut *into),
        <&Block>::try_from(other),
    ) {
        *into = (u128::from_ne_bytes(*into) ^ u128::from_ne_bytes(*other)).to_ne_bytes();
        return;
    }
    for (to, from) in into.iter_mut().zip(other) {
        *to ^= from;
    }
}

/// Encrypts or decrypts `data` in place and gives the ICV that belongs to it. The
/// other way round it undoes itself.
pub fn ccm<B: Blocks + ?Sized>(
    aes: &mut B,
    packet: &Packet,
    (data, way): (&mut [u8], Way),
) -> [u8; ICV] {
    // Data stand in a packet of at most 65,535 octets.
    let mut mac = packet.block(B0, u32::try_from(data.len()).unwrap_or(0));
    let mut first = packet.block(COUNTER, 0);
    aes.pair(&mut mac, &mut first);
    xor(&mut mac, &packet.aad());
    let mut chunks = data.chunks_mut(16);
    let mut counter = 1;
    loop {
        let mut stream = packet.block(COUNTER, counter);
        let Some(chunk) = chunks.next() else {
            aes.one(&mut mac);
            break;
        };
        aes.pair(&mut mac, &mut stream);
        counter += 1;
        if way == Way::Seal {
            xor(&mut mac, chunk);
        }
        xor(chunk, &stream);
        if way == Way::Open {
            xor(&mut mac, chunk);
        }
    }
    xor(&mut mac, &first);
    let [a, b, c, d, e, f, g, h, ..] = mac;
    [a, b, c, d, e, f, g, h]
}

/// Whether `field` holds `icv`, in a time that does not depend on them.
pub fn same(icv: &[u8; ICV], field: &[u8]) -> bool {
    super::check_icv(field, icv).is_ok() && field.len() == ICV
}
