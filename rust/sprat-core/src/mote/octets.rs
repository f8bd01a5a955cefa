//! Octets of a packet whose lengths have been checked before: what is
//! outside reads as 0 and cannot be written, so nothing here can fail. What is
//! called from many places is kept out of line, since flash is dear.

use core::cell::Cell;

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

/// The 32-bit number at `at`.
pub fn long(octets: &[u8], at: usize) -> u32 {
    u32::from(word(octets, at)) << 16 | u32::from(word(octets, at + 2))
}

/// Writes `value` at `at`, most significant octet first.
pub fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in octets.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

/// The octets from `from` to `to`.
#[inline(never)]
pub fn part(octets: &[u8], from: usize, to: usize) -> &[u8] {
    octets.get(from..to).unwrap_or(&[])
}

/// The same, to be written.
#[inline(never)]
pub fn part_mut(octets: &mut [u8], from: usize, to: usize) -> &mut [u8] {
    octets.get_mut(from..to).unwrap_or(&mut [])
}

/// Moves the octets from `from` to `end` so that they begin at `to`.
pub fn shift(octets: &mut [u8], (from, end): (usize, usize), to: usize) {
    let cells = Cell::from_mut(octets).as_slice_of_cells();
    let source = cells.get(from..end).unwrap_or(&[]);
    let target = cells.get(to..).unwrap_or(&[]);
    let pairs = target.get(..source.len()).unwrap_or(&[]).iter().zip(source);
    let copy = |(to, from): (&Cell<u8>, &Cell<u8>)| to.set(from.get());
    // Upwards the last octet goes first, else it would be overwritten.
    if to > from {
        pairs.rev().for_each(copy);
    } else {
        pairs.for_each(copy);
    }
}
