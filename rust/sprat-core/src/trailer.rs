//! Padding, Pad Length and Next Header (RFC 4303 s2.4-2.6), whole or, with
//! Diet-ESP, without what the receiver knows.

use crate::error::DropReason;

/// Octets of Pad Length and Next Header.
pub const LEN: usize = 2;
/// Most octets of Padding.
pub const MAX_PADDING: usize = 255;

/// What a trailer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Padding and Pad Length are there.
    pub pad_length: bool,
    /// Next Header is there.
    pub next_header: bool,
    /// What payload and trailer together are a multiple of, octets: a power of two;
    /// 1 without Pad Length.
    pub align: usize,
}

/// A trailer that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Octets in front of the padding: payload and TFC padding.
    pub payload_len: usize,
    /// Octets of Padding.
    pub padding_len: usize,
    /// Next Header, where it is there.
    pub next_header: Option<u8>,
}

impl Form {
    /// RFC 4303's, with everything.
    pub const fn whole(align: usize) -> Self {
        Form {
            pad_length: true,
            next_header: true,
            align,
        }
    }

    /// Octets behind the Padding.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.pad_length as usize + self.next_header as usize
    }

    /// Whether nothing is behind the payload.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Padding for `payload_len` octets (TFC padding included) so that with the
    /// octets behind it the whole is a multiple of `align`, plus `extra` octets.
    /// `None` if `extra` is no multiple of `align`, the sum is above 255, or
    /// there is padding to be had without a Pad Length.
    #[inline(always)]
    pub fn padding_len(&self, payload_len: usize, extra: usize) -> Option<usize> {
        let mask = self.align.checked_sub(1)?;
        let over = payload_len.checked_add(self.len())? & mask;
        let least = (self.align - over) & mask;
        if extra & mask != 0 {
            return None;
        }
        let most = if self.pad_length { MAX_PADDING } else { 0 };
        least.checked_add(extra).filter(|padding| *padding <= most)
    }

    /// Fills `space` (TFC padding is in front and not part of it) with 1, 2, 3, …,
    /// Pad Length and Next Header. `None` if the space holds no trailer.
    #[inline(always)]
    pub fn write(&self, space: &mut [u8], next_header: u8) -> Option<()> {
        let padding = u8::try_from(space.len().checked_sub(self.len())?).ok()?;
        for (octet, value) in space.iter_mut().zip(1..=padding) {
            *octet = value;
        }
        match (self.pad_length, self.next_header) {
            (true, true) => *space.last_chunk_mut()? = [padding, next_header],
            (true, false) => *space.last_chunk_mut()? = [padding],
            (false, true) => *space.last_chunk_mut()? = [next_header],
            (false, false) => {}
        }
        Some(())
    }

    /// Reads the end of a decrypted body, from behind the IV to in front of the
    /// ICV.
    ///
    /// `Malformed` if there is no room for a trailer. `BadPadding` if Pad Length
    /// is beyond what is there or the octets are not 1, 2, 3, …: all of them are
    /// looked at wherever the first difference is.
    #[inline(always)]
    pub fn read(&self, plaintext: &[u8]) -> Result<Trailer, DropReason> {
        let at = plaintext.len().checked_sub(self.len());
        let (rest, fixed) = at
            .and_then(|at| plaintext.split_at_checked(at))
            .ok_or(DropReason::Malformed)?;
        let (padding_len, next_header) = match (self.pad_length, fixed) {
            (true, [pad_length, rest @ ..]) => (usize::from(*pad_length), rest.first().copied()),
            (_, rest) => (0, rest.first().copied()),
        };
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
            next_header,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form() -> impl Strategy<Value = Form> {
        let align = prop::sample::select(std::vec![1usize, 2, 4, 8, 16]);
        (any::<bool>(), any::<bool>(), align).prop_map(|(pad_length, next_header, align)| Form {
            pad_length,
            next_header,
            align: if pad_length { align } else { 1 },
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in 0usize..300, form in form(), more in 0usize..8) {
            let more = if form.pad_length { more } else { 0 };
            let padding = form.padding_len(payload, more * form.align).unwrap();
            let len = payload + padding + form.len();
            prop_assert_eq!(len % form.align, 0);
            let mut body = std::vec![0xa5u8; len];
            form.write(&mut body[payload..], 17).unwrap();
            let next_header = form.next_header.then_some(17);
            prop_assert_eq!(form.read(&body), Ok(Trailer { payload_len: payload, padding_len: padding, next_header }));
            if padding > 0 {
                body[payload + more % padding] ^= 1;
                prop_assert_eq!(form.read(&body), Err(DropReason::BadPadding));
            }
        }
    }

    #[test]
    fn all_255_octets_count_up() {
        let form = Form::whole(4);
        let mut body = [0u8; 257];
        form.write(&mut body, 4).unwrap();
        assert_eq!(body[..3], [1, 2, 3]);
        assert_eq!(body[254..], [255, 255, 4]);
        assert!(form.read(&body).is_ok());
        assert_eq!(form.read(&body[1..]), Err(DropReason::BadPadding));
        assert_eq!(form.read(&[1]), Err(DropReason::Malformed));
        assert_eq!(form.padding_len(0, 256), None);
        assert_eq!(Form::whole(16).padding_len(0, 4), None);
        assert_eq!(form.padding_len(usize::MAX, 0), None);
        assert!(form.write(&mut [0; 258], 4).is_none() && form.write(&mut [0], 4).is_none());
    }

    #[test]
    fn without_pad_length_there_is_no_padding() {
        let form = Form {
            pad_length: false,
            next_header: true,
            align: 1,
        };
        assert_eq!(form.padding_len(7, 0), Some(0));
        assert_eq!(form.padding_len(7, 1), None);
        assert_eq!(form.read(&[]), Err(DropReason::Malformed));
    }
}
