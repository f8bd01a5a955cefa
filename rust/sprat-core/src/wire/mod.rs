//! Octets on the wire: IP, UDP, TCP framing and ICMP as far as ESP meets them.
//! Knows no keys and decides no policy. All numbers are in network byte order.

pub mod icmp;
pub mod ip;
pub mod tcp;
pub mod udp;

/// Why octets are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// Fewer octets than a header or its length field says.
    Truncated,
    /// A length field that contradicts itself.
    Length,
    /// Neither IPv4 nor IPv6.
    Version,
    /// IPv6 jumbo payload (RFC 2675): lengths above 65,535 are not supported.
    Jumbo,
    /// Not the protocol or message looked for.
    Other,
}

/// The octet at `at`.
pub(crate) fn u8_at(octets: &[u8], at: usize) -> Result<u8, WireError> {
    octets.get(at).copied().ok_or(WireError::Truncated)
}

/// The `N` octets at `at`.
pub(crate) fn array_at<const N: usize>(octets: &[u8], at: usize) -> Result<[u8; N], WireError> {
    octets
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or(WireError::Truncated)
}

/// The 16-bit number at `at`.
pub(crate) fn u16_at(octets: &[u8], at: usize) -> Result<u16, WireError> {
    array_at(octets, at).map(u16::from_be_bytes)
}

/// The 32-bit number at `at`.
pub(crate) fn u32_at(octets: &[u8], at: usize) -> Result<u32, WireError> {
    array_at(octets, at).map(u32::from_be_bytes)
}

/// Writes `value` at `at`.
pub(crate) fn put<const N: usize>(
    octets: &mut [u8],
    at: usize,
    value: [u8; N],
) -> Result<(), WireError> {
    *octets
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<N>())
        .ok_or(WireError::Truncated)? = value;
    Ok(())
}

/// Sum of 16-bit words for the Internet checksum (RFC 1071), not yet folded;
/// an odd last octet counts as the high half of a word.
///
/// The words are added in the processor's own order, several at a time, and the
/// sum is put right at the end (RFC 1071 s2).
#[inline]
pub(crate) fn sum_words(octets: &[u8], start: u32) -> u32 {
    let (eights, rest) = octets.as_chunks::<8>();
    let sum = eights.iter().fold(0, |sum, eight| {
        let eight = u64::from_ne_bytes(*eight);
        sum + (eight >> 32) + (eight & 0xffff_ffff)
    });
    let (pairs, last) = rest.as_chunks::<2>();
    let sum = pairs.iter().fold(sum, |sum: u64, pair| {
        sum + u64::from(u16::from_ne_bytes(*pair))
    });
    let last = last
        .first()
        .map_or(0, |last| u16::from_ne_bytes([*last, 0]));
    let sum = u16::from_be(fold(sum + u64::from(last)));
    u32::from(fold(u64::from(start) + u64::from(sum)))
}

/// Adds the carries back in until 16 bits are left.
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::try_from(sum).unwrap_or(0)
}

/// The checksum field for words that add up to `sum`.
pub(crate) fn finish_checksum(sum: u32) -> u16 {
    !fold(u64::from(sum))
}

/// A checksum after one 16-bit word it covers changed (RFC 1624).
pub(crate) fn update_checksum(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u64::from(!checksum) + u64::from(!old) + u64::from(new);
    !fold(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_rfc_1071_example() {
        // The sum in the RFC's section 3 is ddf2.
        let sum = sum_words(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0);
        assert_eq!(sum, 0xddf2);
        assert_eq!(finish_checksum(sum), !0xddf2);
        assert_eq!(sum_words(&[0xff], 0), 0xff00);
    }

    #[test]
    fn an_updated_checksum_equals_a_fresh_one() {
        let mut data = [0x45, 0x00, 0x12, 0x34, 0xfe, 0xdc];
        let before = finish_checksum(sum_words(&data, 0));
        data[2..4].copy_from_slice(&[0xab, 0xcd]);
        let after = finish_checksum(sum_words(&data, 0));
        assert_eq!(update_checksum(before, 0x1234, 0xabcd), after);
    }
}
