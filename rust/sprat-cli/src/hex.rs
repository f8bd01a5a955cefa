//! Octets as lower-case hex digits.

/// The digits of `octets`.
pub fn encode(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    nibbles
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// The octets of hex digits, in either case; blanks and `:` may stand between
/// octets. `None` for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let nibble = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut chars = digits.chars();
    let mut octets = Vec::with_capacity(digits.len() / 2);
    while let Some(c) = chars.next() {
        if !matches!(c, ' ' | '\t' | ':') {
            octets.push(nibble(c)? << 4 | nibble(chars.next()?)?);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_digits_are_the_same() {
        assert_eq!(encode(&[0x00, 0x9a, 0xff]), "009aff");
        assert_eq!(decode("009aff"), Some(vec![0x00, 0x9a, 0xff]));
        assert_eq!(decode("0x00:9A fF"), Some(vec![0x00, 0x9a, 0xff]));
        assert_eq!(decode(""), Some(vec![]));
        for wrong in ["0", "0g", "é0", "0x0", "00-11", "0 0", "00:1:1"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
