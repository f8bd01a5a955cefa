//! Bits and checksums of headers: as [`super::octets`], nothing here can fail.

use super::octets::{octet, put, word};

/// Sum of 16-bit words for the Internet checksum (RFC 1071), carries not added; an
/// odd last octet is the high half of a word.
pub fn sum(octets: &[u8], start: u32) -> u32 {
    let (pairs, last) = octets.as_chunks::<2>();
    let last = u32::from(octet(last, 0)) << 8;
    let words = pairs
        .iter()
        .map(|pair| u32::from(u16::from_be_bytes(*pair)));
    // 65,535 octets are 2^15 words: their sum fits.
    words.fold(start + last, |sum, word| sum + word)
}

/// The checksum field for words that add up to `sum`.
pub fn checksum(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (sum + (sum >> 16)).to_be_bytes();
    !u16::from_be_bytes([high, low])
}

/// `count` bits (at most 8) that begin `at` bits into `octets`.
pub fn bits(octets: &[u8], at: usize, count: u8) -> u8 {
    let pair = word(octets, at / 8) << (at % 8);
    let [high, _] = pair.to_be_bytes();
    high.checked_shr(u32::from(8 - count)).unwrap_or(0)
}

/// Writes `count` bits (at most 8) to where all bits are 0.
pub fn put_bits(octets: &mut [u8], at: usize, (count, value): (u8, u8)) {
    let pair = u16::from_be_bytes([value << (8 - count), 0]) >> (at % 8);
    let there = word(octets, at / 8);
    put(octets, at / 8, &(there | pair).to_be_bytes());
}
