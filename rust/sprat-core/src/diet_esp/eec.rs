//! EEC, Encrypted ESP Compression: SPI and Sequence Number on the wire (draft
//! s5.3), and what the receiver makes of them (decision D-19).

use super::context::Context;
use crate::error::DropReason;
use crate::num::Sn64;
use crate::schc::{Cda, Descriptor, Fid, Mo, Tv, bits_at};

/// Most octets of the compressed header.
const MAX: usize = 8;

/// A compressed ESP header: the low bits of the SPI, then those of the Sequence
/// Number, most significant first, no padding: 0 to 8 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    octets: [u8; MAX],
    len: usize,
}

impl Header {
    /// The octets.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(MAX - self.len..).unwrap_or(&[])
    }
}

impl Context {
    /// The header of the packet with this number.
    pub fn header(&self, sn: Sn64) -> Header {
        let (spi_lsb, sn_lsb) = (self.afrg().esp_spi_lsb, self.afrg().esp_sn_lsb);
        let spi = u64::from(self.spi().low_bits(spi_lsb));
        Header {
            octets: (spi << sn_lsb | sn.low_bits(sn_lsb)).to_be_bytes(),
            len: self.header_len(),
        }
    }

    /// Whether the packet that begins with `esp` shows this SA's SPI bits.
    pub fn shows_spi(&self, esp: &[u8]) -> bool {
        let lsb = self.afrg().esp_spi_lsb;
        bits_at(esp, 0, usize::from(lsb)) == Some(self.spi().low_bits(lsb))
    }

    /// The Sequence Number bits of the packet that begins with `esp`; `None` if it
    /// is too short.
    pub fn received_sn(&self, esp: &[u8]) -> Option<u32> {
        let (spi_lsb, sn_lsb) = (self.afrg().esp_spi_lsb, self.afrg().esp_sn_lsb);
        bits_at(esp, usize::from(spi_lsb), usize::from(sn_lsb))
    }
}

/// The full number for `received`, of which `lsb` bits were sent, where `top` is
/// the highest number verified and `window` the packets that may arrive late (the
/// anti-replay window, or without one the reordering to expect).
///
/// ```text
/// We  = min(window, 2^(lsb-1)), 0 for lsb = 0
/// low = max(1, top - We + 1)
/// SN  = low + ((received - low) mod 2^lsb)
/// ```
///
/// With 32 bits and no `esn` the number is what was received. Error:
/// `SnExhausted` beyond 2^32-1, with `esn` 2^64-1.
pub fn reconstruct(
    (received, lsb): (u32, u8),
    top: Sn64,
    window: u64,
    esn: bool,
) -> Result<Sn64, DropReason> {
    if lsb >= 32 && !esn {
        return Ok(Sn64(u64::from(received)));
    }
    let values = 1u64 << lsb.min(32);
    let late = window.min(values / 2);
    let low = top.0.saturating_sub(late).checked_add(1);
    let low = low.ok_or(DropReason::SnExhausted)?;
    let ahead = u64::from(received).wrapping_sub(low) & (values - 1);
    let sn = low.checked_add(ahead).ok_or(DropReason::SnExhausted)?;
    if !esn && sn > u64::from(u32::MAX) {
        return Err(DropReason::SnExhausted);
    }
    Ok(Sn64(sn))
}

/// SPI and Sequence Number as descriptors.
pub(super) fn rule(context: &Context) -> impl Iterator<Item = Descriptor<'_>> {
    let lsb = |sent: u8, value| match sent {
        0 => (Tv::Number(value), Mo::Equal, Cda::NotSent),
        32 => (Tv::None, Mo::Ignore, Cda::ValueSent),
        sent => (Tv::Number(value), Mo::Msb(32 - sent), Cda::Lsb),
    };
    let spi = lsb(context.afrg().esp_spi_lsb, context.spi().0);
    // The target value of the number moves with each packet.
    let sn = match context.afrg().esp_sn_lsb {
        32 => (Tv::None, Mo::Ignore, Cda::ValueSent),
        sent => (Tv::None, Mo::Msb(32 - sent), Cda::Lsb),
    };
    let rows = [(Fid::EspSpi, spi), (Fid::EspSn, sn)];
    rows.into_iter().map(|(fid, (tv, mo, cda))| Descriptor {
        fid,
        bits: 32,
        tv,
        mo,
        cda,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_the_number_space() {
        let at =
            |received, lsb, top, window, esn| reconstruct((received, lsb), Sn64(top), window, esn);
        assert_eq!(at(0, 0, 41, 64, false), Ok(Sn64(42)));
        assert_eq!(
            at(0, 0, u64::from(u32::MAX), 64, false),
            Err(DropReason::SnExhausted)
        );
        assert_eq!(at(0, 0, u64::MAX, 64, true), Err(DropReason::SnExhausted));
        assert_eq!(at(255, 8, u64::MAX, 64, true), Ok(Sn64(u64::MAX)));
        assert_eq!(at(0, 8, u64::MAX, 64, true), Err(DropReason::SnExhausted));
        assert_eq!(
            at(0, 8, u64::from(u32::MAX), 64, false),
            Err(DropReason::SnExhausted)
        );
        assert_eq!(at(1, 1, u64::MAX, 64, true), Ok(Sn64(u64::MAX)));
        // One bit: the next number, or the same again.
        assert_eq!(at(0, 1, 9, 64, false), Ok(Sn64(10)));
        assert_eq!(at(1, 1, 9, 64, false), Ok(Sn64(9)));
        // Nothing was sent yet: 0 stands for the first number that ends in it.
        assert_eq!(at(0, 8, 0, 64, false), Ok(Sn64(256)));
        assert_eq!(at(7, 32, 99, 64, false), Ok(Sn64(7)));
    }

    #[test]
    fn with_32_bits_and_esn_it_is_the_inference_of_rfc_4303() {
        use crate::replay::{ReplayWindow, words_for};
        for top in [1u64, 63, 64, 0xffff_fff0, 0x1_0000_0003, 0x5_8000_0000] {
            let mut window = ReplayWindow::new(std::vec![0; words_for(64)], 64, true).unwrap();
            window.start_at(Sn64(top));
            for low in [
                0u32,
                1,
                2,
                62,
                63,
                64,
                0x8000_0000,
                0xffff_ffc1,
                0xffff_fff0,
                u32::MAX,
            ] {
                // What would lie before 0, and the number 0 itself, that rule refuses.
                let Ok(expected) = window.infer(low) else {
                    continue;
                };
                if expected.0 != 0 {
                    assert_eq!(
                        reconstruct((low, 32), Sn64(top), 64, true),
                        Ok(expected),
                        "{top} {low}"
                    );
                }
            }
        }
    }
}
