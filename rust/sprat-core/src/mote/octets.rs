//! Octets and bits of a packet whose lengths have been checked before: what is
//! outside reads as 0 and cannot be written, so nothing here can fail.

/// The octet at `at`.
pub fn octet(octets: &[u8], at: usize) -> u8 {
    octets.get(at).copied().unwrap_or(0)
}

/// Writes the octet at `at`.
pub fn set(octets: &mut [u8], at: usize, value: u8) {
    if let Some(octet) = octets.get_mut(at) {
        *octet = value;
    }
}

/// The 16-bit number at `at`.
pub fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octet(octets, at), octet(octets, at + 1)])
}

/// Writes `value` at `at`, most significant octet first.
pub fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in octets.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

/// The octets from `from` to `to`.
pub fn part(octets: &[u8], from: usize, to: usize) -> &[u8] {
    octets.get(from..to).unwrap_or(&[])
}

/// The same, to be written.
pub fn part_mut(octets: &mut [u8], from: usize, to: usize) -> &mut [u8] {
    octets.get_mut(from..to).unwrap_or(&mut [])
}

/// Moves the octets from `from` to `end` so that they begin at `to`.
pub fn shift(octets: &mut [u8], (from, end): (usize, usize), to: usize) {
    let len = end.saturating_sub(from);
    for step in 0..len {
        // Upwards the last octet goes first, else it would be overwritten.
        let i = if to > from { len - 1 - step } else { step };
        set(octets, to + i, octet(octets, from + i));
    }
}

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
    let [high, low] = pair.to_be_bytes();
    for (i, more) in [high, low].into_iter().enumerate() {
        let kept = octet(octets, at / 8 + i);
        set(octets, at / 8 + i, kept | more);
    }
}
