//! UDP headers (RFC 768) and what UDP port 4500 carries (RFC 3948 s2).
//!
//! ```text
//! source port 2 | destination port 2 | length 2 (header included) | checksum 2
//! ```

use super::{WireError, put, u16_at};

/// Octets of a UDP header.
pub const LEN: usize = 8;
/// Octets of the non-ESP marker: zeros, where an SPI would stand.
pub const MARKER_LEN: usize = 4;
/// The single octet of a NAT keepalive (RFC 3948 s2.3).
pub const KEEPALIVE: u8 = 0xff;

/// A UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Octets of header and payload.
    pub len: usize,
}

impl Repr {
    /// Reads the header at the start of `datagram`. `Length` if the length field
    /// is below 8, `Truncated` if it is beyond what is there.
    pub fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        let repr = Repr {
            source_port: u16_at(datagram, 0)?,
            destination_port: u16_at(datagram, 2)?,
            len: usize::from(u16_at(datagram, 4)?),
        };
        u16_at(datagram, 6)?;
        match repr.len {
            ..LEN => Err(WireError::Length),
            len if len > datagram.len() => Err(WireError::Truncated),
            _ => Ok(repr),
        }
    }

    /// Writes the header with checksum 0, as RFC 3948 s2.1 asks for around ESP.
    pub fn emit(&self, datagram: &mut [u8]) -> Result<(), WireError> {
        let len = u16::try_from(self.len).map_err(|_| WireError::Length)?;
        put(datagram, 0, self.source_port.to_be_bytes())?;
        put(datagram, 2, self.destination_port.to_be_bytes())?;
        put(datagram, 4, len.to_be_bytes())?;
        put(datagram, 6, [0, 0])
    }
}

/// What an encapsulated payload is, over UDP (RFC 3948 s2) or TCP (RFC 9329 s4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encapsulated {
    /// One octet 0xff: drop silently.
    Keepalive,
    /// Four zero octets, then an IKE message.
    Ike,
    /// ESP: the first four octets are an SPI, not 0.
    Esp,
    /// Fewer than four octets and no keepalive.
    Short,
}

impl Encapsulated {
    /// Classifies a payload by its first octets.
    pub fn classify(payload: &[u8]) -> Self {
        match payload.first_chunk::<MARKER_LEN>() {
            Some([0, 0, 0, 0]) => Encapsulated::Ike,
            Some(_) => Encapsulated::Esp,
            None if payload == [KEEPALIVE] => Encapsulated::Keepalive,
            None => Encapsulated::Short,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips_and_lies_are_refused() {
        let repr = Repr {
            source_port: 4500,
            destination_port: 4501,
            len: 12,
        };
        let mut octets = [0xa5u8; 12];
        repr.emit(&mut octets).unwrap();
        assert_eq!(Repr::parse(&octets), Ok(repr));
        assert_eq!(Repr::parse(&octets[..11]), Err(WireError::Truncated));
        assert_eq!(Repr::parse(&octets[..7]), Err(WireError::Truncated));
        octets[5] = 7;
        assert_eq!(Repr::parse(&octets), Err(WireError::Length));
        assert!(Repr { len: 65536, ..repr }.emit(&mut octets).is_err());
    }

    #[test]
    fn port_4500_payloads() {
        assert_eq!(Encapsulated::classify(&[0xff]), Encapsulated::Keepalive);
        assert_eq!(Encapsulated::classify(&[]), Encapsulated::Short);
        assert_eq!(
            Encapsulated::classify(&[0xff, 0xff, 0]),
            Encapsulated::Short
        );
        assert_eq!(Encapsulated::classify(&[0, 0, 0, 0]), Encapsulated::Ike);
        assert_eq!(Encapsulated::classify(&[0, 0, 0, 1]), Encapsulated::Esp);
    }
}
