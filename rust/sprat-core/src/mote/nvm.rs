//! Numbers in stable storage: two records that are written in turn, so that power
//! may fail at any octet of any write.
//!
//! ```text
//! record, 16 octets: number 8 | SPI 4 | CRC-32C over both 4, most significant first
//! ```
//!
//! The valid record with the higher number counts. A write goes over the other
//! one, which a later start does not miss.

use super::octets::{part, put};
use crate::num::Spi;

/// Octets of a record.
pub const RECORD: usize = 16;

/// A record as it stands in storage.
pub type Record = [u8; RECORD];

/// A slot cannot be read now: nobody knows which number it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Storage of two records.
pub trait Storage {
    /// Reads what is in `slot`, 0 or 1, record or not; false if it cannot be read.
    fn read(&mut self, slot: u8, record: &mut Record) -> bool;
    /// Writes it; false if it may not be there.
    fn write(&mut self, slot: u8, record: &Record) -> bool;
}

/// CRC-32C (RFC 3720 B.4) without a table: flash is dearer than time here.
fn crc(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

fn record(spi: Spi, number: u64) -> Record {
    let mut record = [0; RECORD];
    put(&mut record, 0, &number.to_be_bytes());
    put(&mut record, 8, &spi.to_octets());
    let sum = crc(part(&record, 0, 12));
    put(&mut record, 12, &sum.to_be_bytes());
    record
}

/// The number in a slot; `None` if there is none for this SPI.
fn number_in(storage: &mut impl Storage, spi: Spi, slot: u8) -> Result<Option<u64>, Unreadable> {
    let mut read = [0; RECORD];
    if !storage.read(slot, &mut read) {
        return Err(Unreadable);
    }
    let [a, b, c, d, e, f, g, h, ..] = read;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    Ok((record(spi, number) == read).then_some(number))
}

/// The highest number written for `spi`; `None` if none was.
///
/// `Unreadable` if a slot cannot be read: it may hold the higher number.
pub fn load(storage: &mut impl Storage, spi: Spi) -> Result<Option<u64>, Unreadable> {
    Ok(number_in(storage, spi, 0)?.max(number_in(storage, spi, 1)?))
}

/// Writes `number`; false if it may not be there. The record with the highest number
/// so far is not touched.
///
/// Refuses a number that is not higher than all before: whoever asks for one did not
/// begin behind what is stored, and would use numbers again.
pub fn store(storage: &mut impl Storage, spi: Spi, number: u64) -> bool {
    let (Ok(zero), Ok(one)) = (number_in(storage, spi, 0), number_in(storage, spi, 1)) else {
        return false;
    };
    if zero.max(one) >= Some(number) {
        return false;
    }
    let slot = if zero > one { 1 } else { 0 };
    storage.write(slot, &record(spi, number)) && number_in(storage, spi, slot) == Ok(Some(number))
}
