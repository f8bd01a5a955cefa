//! Bits in octets, most significant first.

/// Most bits that one step moves.
pub const WORD: usize = 32;

/// The `count` bits (at most 32) that begin `at` bits into `octets`, as a number.
/// `None` if they are not all there.
#[inline]
pub fn bits_at(octets: &[u8], at: usize, count: usize) -> Option<u32> {
    if count > WORD {
        return None;
    }
    let end = at.checked_add(count)?;
    let from = octets.get(at / 8..)?;
    // Most fields have eight octets behind their first: one load.
    let window = match from.first_chunk::<8>() {
        Some(window) => u64::from_be_bytes(*window),
        None => {
            let covering = from.get(..end.div_ceil(8) - at / 8)?;
            let mut window = [0; 8];
            for (to, octet) in window.iter_mut().zip(covering) {
                *to = *octet;
            }
            u64::from_be_bytes(window)
        }
    };
    let value = (window << (at % 8)).checked_shr(u64::BITS - u32::try_from(count).ok()?);
    u32::try_from(value.unwrap_or(0)).ok()
}

/// Writes the low `count` bits (at most 32) of `value`, `at` bits into `octets`;
/// neighbours stay. `None` if they do not fit.
#[inline]
pub fn put_bits(octets: &mut [u8], at: usize, count: usize, value: u32) -> Option<()> {
    if count > WORD {
        return None;
    }
    if count == 0 {
        return Some(());
    }
    let from = octets.get_mut(at / 8..)?;
    if let Some(window) = from.first_chunk_mut::<8>() {
        // At most 7 bits in front and 32 of the value.
        let behind = u32::try_from(64 - at % 8 - count).ok()?;
        let kept = mask(count).checked_shl(behind)?;
        let value = u64::from(value).checked_shl(behind)? & kept;
        *window = (u64::from_be_bytes(*window) & !kept | value).to_be_bytes();
        return Some(());
    }
    let end = at.checked_add(count)?;
    let covering = octets.get_mut(at / 8..end.div_ceil(8))?;
    let behind = end.div_ceil(8) * 8 - end;
    let mut kept = mask(count) << behind;
    let mut value = (u64::from(value) & mask(count)) << behind;
    for octet in covering.iter_mut().rev() {
        let [.., low] = value.to_be_bytes();
        let [.., low_mask] = kept.to_be_bytes();
        *octet = *octet & !low_mask | low;
        value >>= 8;
        kept >>= 8;
    }
    Some(())
}

fn mask(count: usize) -> u64 {
    (1u64 << count) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_there_and_nothing_else_moves(
            fill in any::<[u8; 12]>(), at in 0usize..64, count in 0usize..=32, value in any::<u32>(),
        ) {
            let mut octets = fill;
            put_bits(&mut octets, at, count, value).unwrap();
            let wanted = if count == 32 { value } else { value & ((1 << count) - 1) };
            prop_assert_eq!(bits_at(&octets, at, count), Some(wanted));
            for bit in (0..96).filter(|bit| !(at..at + count).contains(bit)) {
                prop_assert_eq!(bits_at(&octets, bit, 1), bits_at(&fill, bit, 1));
            }
        }
    }

    #[test]
    fn outside_is_refused() {
        assert_eq!(bits_at(&[0xff], 1, 8), None);
        assert_eq!(bits_at(&[0xff], 1, 7), Some(0x7f));
        assert_eq!(bits_at(&[0; 8], 0, 33), None);
        assert_eq!(bits_at(&[], usize::MAX, 2), None);
        assert_eq!(put_bits(&mut [0], 1, 8, 0), None);
        assert_eq!(bits_at(&[], 0, 0), Some(0));
        assert_eq!(bits_at(&[0xff; 9], 8, 0), Some(0));
        assert_eq!(put_bits(&mut [0xff; 9], 8, 0, 1), Some(()));
    }
}
