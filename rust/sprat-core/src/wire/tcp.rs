//! ESP and IKE in a TCP stream (RFC 9329), and the MSS option of TCP (RFC 9293).
//!
//! ```text
//! stream:  "IKETCP" once, from the originator | message | message | …
//! message: length 2 (itself included) | ESP, or four zero octets and IKE
//! ```

use super::ip::{Fragment, Head, Version, proto};
use super::udp::Encapsulated;
use super::{WireError, put, u8_at, u16_at, update_checksum};

/// What the originator sends first, once (RFC 9329 s4).
pub const PREFIX: [u8; 6] = *b"IKETCP";
/// Octets of the length field.
pub const LENGTH_LEN: usize = 2;
/// Largest message in a frame: 65,535 less the length field.
pub const MAX_MESSAGE: usize = 65_533;

/// The next thing in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// The stream ends in the middle of a frame: read on.
    More,
    /// A frame of `consumed` octets with this message. An empty message is
    /// classified `Short` and to be ignored.
    Message {
        /// What the message is.
        kind: Encapsulated,
        /// The message; IKE with its marker.
        message: &'a [u8],
        /// Octets of the stream that this frame took.
        consumed: usize,
    },
}

/// Checks the stream's first octets: `Ok(true)` the prefix is there, `Ok(false)`
/// read on, `Other` this is no IKE-in-TCP stream.
pub fn prefix(stream: &[u8]) -> Result<bool, WireError> {
    let shown = stream.len().min(PREFIX.len());
    if stream.get(..shown) != PREFIX.get(..shown) {
        return Err(WireError::Other);
    }
    Ok(shown == PREFIX.len())
}

/// Reads the frame at the start of `stream`.
///
/// `Length` for a length field of 0 or 1: the stream is lost, close it
/// (RFC 9329 s4).
pub fn frame(stream: &[u8]) -> Result<Next<'_>, WireError> {
    let Ok(length) = u16_at(stream, 0) else {
        return Ok(Next::More);
    };
    let consumed = usize::from(length);
    if consumed < LENGTH_LEN {
        return Err(WireError::Length);
    }
    Ok(match stream.get(LENGTH_LEN..consumed) {
        None => Next::More,
        Some(message) => Next::Message {
            kind: Encapsulated::classify(message),
            message,
            consumed,
        },
    })
}

/// The length field in front of a message of `len` octets; `Length` if it is
/// larger than [`MAX_MESSAGE`].
pub fn frame_length(len: usize) -> Result<[u8; LENGTH_LEN], WireError> {
    len.checked_add(LENGTH_LEN)
        .and_then(|n| u16::try_from(n).ok())
        .map(u16::to_be_bytes)
        .ok_or(WireError::Length)
}

/// Lowers the MSS option of a TCP SYN so that its segments fit packets of `mtu`
/// octets (MSS = mtu less the fixed IP and TCP headers), and mends the checksum.
/// True if something changed. Anything that is not a whole SYN is left alone.
pub fn clamp_mss(packet: &mut [u8], mtu: usize) -> bool {
    match find_mss(packet) {
        Ok((head, mss_at)) => lower_mss(packet, &head, mss_at, mtu).unwrap_or(false),
        Err(_) => false,
    }
}

/// TCP: flags at 13, data offset at 12, checksum at 16, options from 20.
fn find_mss(packet: &[u8]) -> Result<(Head, usize), WireError> {
    const SYN: u8 = 2;
    let head = Head::parse(packet)?;
    if head.protocol != proto::TCP || head.fragment != Fragment::Whole {
        return Err(WireError::Other);
    }
    let tcp = packet
        .get(head.upper_at..head.total_len)
        .ok_or(WireError::Truncated)?;
    if u8_at(tcp, 13)? & SYN == 0 {
        return Err(WireError::Other);
    }
    let end = usize::from(u8_at(tcp, 12)? >> 4) * 4;
    let options = tcp.get(..end).ok_or(WireError::Truncated)?;
    let mut at = 20;
    loop {
        match u8_at(options, at)? {
            0 => return Err(WireError::Other),
            1 => at += 1,
            2 if u8_at(options, at + 1)? == 4 => {
                u16_at(options, at + 2)?;
                return Ok((head, head.upper_at + at + 2));
            }
            _ => match u8_at(options, at + 1)? {
                0 | 1 => return Err(WireError::Length),
                len => at += usize::from(len),
            },
        }
    }
}

fn lower_mss(packet: &mut [u8], head: &Head, at: usize, mtu: usize) -> Result<bool, WireError> {
    let headers = if head.version == Version::V4 { 40 } else { 60 };
    let old = u16_at(packet, at)?;
    let new = u16::try_from(mtu.saturating_sub(headers)).unwrap_or(u16::MAX);
    if new >= old || new == 0 {
        return Ok(false);
    }
    let checksum_at = head.upper_at + 16;
    let mut checksum = u16_at(packet, checksum_at)?;
    // An option may stand at an odd offset: then the words the checksum covers
    // hold its octets crosswise, which swapping both values mirrors.
    let odd = (at - head.upper_at) % 2 == 1;
    let word = |value: u16| if odd { value.swap_bytes() } else { value };
    checksum = update_checksum(checksum, word(old), word(new));
    put(packet, at, new.to_be_bytes())?;
    put(packet, checksum_at, checksum.to_be_bytes())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::{finish_checksum, sum_words};
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn frames_are_cut_and_nonsense_is_fatal() {
        assert_eq!(prefix(b"IKE"), Ok(false));
        assert_eq!(prefix(b"IKETCPx"), Ok(true));
        assert_eq!(prefix(b"IKX"), Err(WireError::Other));
        assert_eq!(frame(&[0]), Ok(Next::More));
        assert_eq!(frame(&[0, 0]), Err(WireError::Length));
        assert_eq!(frame(&[0, 1, 9]), Err(WireError::Length));
        assert_eq!(
            frame(&[0, 2, 9]),
            Ok(Next::Message {
                kind: Encapsulated::Short,
                message: &[],
                consumed: 2
            })
        );
        assert_eq!(
            frame(&[0, 3, 0xff, 7]),
            Ok(Next::Message {
                kind: Encapsulated::Keepalive,
                message: &[0xff],
                consumed: 3
            })
        );
        assert_eq!(frame(&[0, 7, 1, 2, 3, 4]), Ok(Next::More));
        assert_eq!(frame_length(MAX_MESSAGE), Ok([0xff, 0xff]));
        assert_eq!(frame_length(MAX_MESSAGE + 1), Err(WireError::Length));
    }

    /// A SYN with `options`, and a correct checksum over addresses of zeros.
    fn syn(options: &[u8]) -> Vec<u8> {
        let mut tcp = std::vec![0u8; 20];
        tcp.extend(options);
        tcp[12] = ((tcp.len() / 4) as u8) << 4;
        tcp[13] = 2;
        let pseudo = 6 + tcp.len() as u32;
        let sum = finish_checksum(sum_words(&tcp, pseudo));
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = std::vec![0x45, 0, 0, (20 + tcp.len()) as u8, 0, 0, 0, 0, 64, 6, 0, 0];
        packet.extend([0; 8]);
        packet.extend(tcp);
        packet
    }

    #[test]
    fn mss_is_lowered_and_the_checksum_stays_right() {
        for options in [&[2u8, 4, 5, 180][..], &[1, 2, 4, 5, 180, 1, 1, 0][..]] {
            let mut packet = syn(options);
            assert!(clamp_mss(&mut packet, 1400));
            let tcp = &packet[20..];
            assert_eq!(finish_checksum(sum_words(tcp, 6 + tcp.len() as u32)), 0);
            assert!(tcp.windows(4).any(|w| w == [2, 4, 5, 0x50]));
            assert!(!clamp_mss(&mut packet, 1400), "already low enough");
        }
        let mut zero_len = syn(&[9, 0, 2, 4, 5, 180, 0, 0]);
        assert!(!clamp_mss(&mut zero_len, 1400));
        let mut beyond = syn(&[1, 1, 2, 4]);
        beyond.extend([5, 180]);
        let before = beyond.clone();
        assert!(
            !clamp_mss(&mut beyond, 600) && beyond == before,
            "the value is not in the header"
        );
        let mut none = syn(&[1, 1, 1, 0]);
        assert!(!clamp_mss(&mut none, 1400));
    }

    proptest! {
        #[test]
        fn clamping_never_fails_on_any_options(options in prop::collection::vec(any::<u8>(), 0..10)) {
            let mut padded = options.clone();
            padded.resize(options.len().div_ceil(4) * 4, 0);
            let mut packet = syn(&padded);
            clamp_mss(&mut packet, 600);
            let tcp = &packet[20..];
            let sum = finish_checksum(sum_words(tcp, 6 + tcp.len() as u32));
            prop_assert!(sum == 0 || sum == 0xffff);
        }
    }
}
