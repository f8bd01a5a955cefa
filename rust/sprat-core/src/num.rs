//! Numbers that must not be mixed up.

/// Security Parameters Index: 32 bits, network byte order on the wire
/// (RFC 4303 s2.1). 1-255 are reserved by IANA, 0 never stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl Spi {
    /// The smallest SPI that IANA has not reserved.
    pub const FIRST_FREE: Spi = Spi(256);

    /// The four octets as they stand on the wire.
    pub const fn to_octets(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// Its `count` low bits (Diet-ESP's esp_spi_lsb), 0-32.
    pub const fn low_bits(self, count: u8) -> u32 {
        low_bits_32(self.0, count)
    }

    /// Reads the four octets of the wire.
    pub const fn from_octets(octets: [u8; 4]) -> Self {
        Spi(u32::from_be_bytes(octets))
    }
}

impl core::fmt::Display for Spi {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

/// The `count` low bits of `value`; all of them from 32 on.
pub(crate) const fn low_bits_32(value: u32, count: u8) -> u32 {
    if count >= 32 {
        value
    } else {
        value & ((1 << count) - 1)
    }
}

/// The `count` low bits of `value`; all of them from 64 on.
const fn low_bits(value: u64, count: u8) -> u64 {
    if count >= 64 {
        value
    } else {
        value & ((1 << count) - 1)
    }
}

/// Full 64-bit sequence number (RFC 4303 s2.2.1). Without ESN the high half is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sn64(pub u64);

impl Sn64 {
    /// Joins the halves.
    pub const fn from_halves(high: u32, low: u32) -> Self {
        Sn64(((high as u64) << 32) | low as u64)
    }

    /// The high half: never sent, but covered by the ICV with ESN.
    pub const fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Its `count` low bits (Diet-ESP's esp_sn_lsb), 0-64.
    pub const fn low_bits(self, count: u8) -> u64 {
        low_bits(self.0, count)
    }

    /// The low half: what the Sequence Number field carries.
    pub const fn low(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }
}
