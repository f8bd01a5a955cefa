//! Padding, Pad Length and Next Header (RFC 4303 s2.4-2.6).

use crate::error::DropReason;

/// Octets of Pad Length and Next Header.
pub const LEN: usize = 2;
/// Most octets of Padding.
pub const MAX_PADDING: usize = 255;

/// Padding for `payload_len` octets (TFC padding included) so that with the two
/// octets behind it the whole is a multiple of `align`, plus `extra` octets.
/// `None` if `extra` is no multiple of `align` or the sum is above 255.
pub fn padding_len(payload_len: usize, align: usize, extra: usize) -> Option<usize> {
    let over = payload_len.checked_add(LEN)?.checked_rem(align)?;
    let least = if over == 0 { 0 } else { align - over };
    if extra.checked_rem(align)? != 0 {
        return None;
    }
    least
        .checked_add(extra)
        .filter(|padding| *padding <= MAX_PADDING)
}

/// Fills `space` (TFC padding is in front and not part of it) with 1, 2, 3, …,
/// Pad Length and Next Header. `None` if the space holds no trailer.
pub fn write(space: &mut [u8], next_header: u8) -> Option<()> {
    let padding = u8::try_from(space.len().checked_sub(LEN)?).ok()?;
    for (octet, value) in space.iter_mut().zip(1..=padding) {
        *octet = value;
    }
    let (_, last) = space.split_last_chunk_mut::<LEN>()?;
    *last = [padding, next_header];
    Some(())
}

/// A trailer that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Octets in front of the padding: payload and TFC padding.
    pub payload_len: usize,
    /// Octets of Padding.
    pub padding_len: usize,
    /// Next Header.
    pub next_header: u8,
}

/// Reads the end of a decrypted body, from behind the IV to in front of the ICV.
///
/// `BadPadding` if Pad Length is beyond what is there or the octets are not
/// 1, 2, 3, …: all of them are looked at wherever the first difference is.
pub fn read(plaintext: &[u8]) -> Result<Trailer, DropReason> {
    let (rest, [pad_length, next_header]) = plaintext
        .split_last_chunk::<LEN>()
        .ok_or(DropReason::Malformed)?;
    let padding_len = usize::from(*pad_length);
    let payload_len = rest
        .len()
        .checked_sub(padding_len)
        .ok_or(DropReason::BadPadding)?;
    let padding = rest.get(payload_len..).ok_or(DropReason::BadPadding)?;
    let difference = padding
        .iter()
        .zip(1..=u8::MAX)
        .fold(0, |acc, (octet, value)| acc | (octet ^ value));
    if difference != 0 {
        return Err(DropReason::BadPadding);
    }
    Ok(Trailer {
        payload_len,
        padding_len,
        next_header: *next_header,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in 0usize..300, align in prop::sample::select(std::vec![4usize, 8, 16]), more in 0usize..8) {
            let padding = padding_len(payload, align, more * align).unwrap();
            prop_assert_eq!((payload + padding + LEN) % align, 0);
            let mut body = std::vec![0xa5u8; payload + padding + LEN];
            write(&mut body[payload..], 17).unwrap();
            prop_assert_eq!(read(&body), Ok(Trailer { payload_len: payload, padding_len: padding, next_header: 17 }));
            if padding > 0 {
                body[payload + more % padding] ^= 1;
                prop_assert_eq!(read(&body), Err(DropReason::BadPadding));
            }
        }
    }

    #[test]
    fn all_255_octets_count_up() {
        let mut body = [0u8; 257];
        write(&mut body, 4).unwrap();
        assert_eq!(body[..3], [1, 2, 3]);
        assert_eq!(body[254..], [255, 255, 4]);
        assert!(read(&body).is_ok());
        assert_eq!(read(&body[1..]), Err(DropReason::BadPadding));
        assert_eq!(read(&[1]), Err(DropReason::Malformed));
        assert_eq!(padding_len(0, 4, 256), None);
        assert_eq!(padding_len(0, 16, 4), None);
        assert_eq!(padding_len(usize::MAX, 4, 0), None);
        assert!(write(&mut [0; 258], 4).is_none() && write(&mut [0], 4).is_none());
    }
}
