//! Descriptors, and the evaluator that compresses and restores by them.

use super::bits::{WORD, bits_at, put_bits};
use super::field::Fid;

/// Target value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tv<'a> {
    /// None.
    None,
    /// A number of at most 32 bits.
    Number(u32),
    /// Octets, as many as the field has bits, for fields of whole octets.
    Octets(&'a [u8]),
    /// The values of a mapping, each of at most 8 bits.
    List(&'a [u8]),
}

/// Matching operator (RFC 8724 s7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mo {
    /// The field equals the target value.
    Equal,
    /// Any value matches.
    Ignore,
    /// That many leading bits equal those of the target value.
    Msb(u8),
    /// The field is one of the values of the mapping.
    MatchMapping,
}

/// Compression and decompression action (RFC 8724 s7.4; the computed ones as
/// draft-ietf-ipsecme-diet-esp names them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cda {
    /// Nothing is sent; the receiver takes the target value.
    NotSent,
    /// All bits are sent.
    ValueSent,
    /// The bits behind those that match are sent.
    Lsb,
    /// The index in the mapping is sent, in the fewest bits that hold every index.
    MappingSent,
    /// Nothing is sent; the receiver counts the octets it has rebuilt.
    Compute,
    /// Nothing is sent; the receiver computes it over what it has rebuilt.
    Checksum,
    /// Nothing is sent; the receiver takes the value of the outer header.
    Lower,
    /// Nothing is sent; the receiver makes a value.
    Generated,
    /// Nothing is sent; the receiver does not rebuild it.
    Padding,
}

impl Cda {
    /// Its name in the texts.
    pub const fn name(self) -> &'static str {
        match self {
            Cda::NotSent => "not-sent",
            Cda::ValueSent => "value-sent",
            Cda::Lsb => "LSB",
            Cda::MappingSent => "mapping-sent",
            Cda::Compute => "compute",
            Cda::Checksum => "checksum",
            Cda::Lower => "lower",
            Cda::Generated => "generated",
            Cda::Padding => "padding",
        }
    }
}

impl Mo {
    /// Its name in the texts, without the operand of MSB.
    pub const fn name(self) -> &'static str {
        match self {
            Mo::Equal => "equal",
            Mo::Ignore => "ignore",
            Mo::Msb(_) => "MSB",
            Mo::MatchMapping => "match-mapping",
        }
    }
}

/// One field descriptor. FP is always 1 and DI does not matter: an SA has one
/// direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// Which field.
    pub fid: Fid,
    /// Its length in bits; 0 if it varies.
    pub bits: u8,
    /// Target value.
    pub tv: Tv<'a>,
    /// Matching operator.
    pub mo: Mo,
    /// Action.
    pub cda: Cda,
}

impl Descriptor<'_> {
    /// Bits that it adds to the residue.
    pub fn residue_bits(&self) -> u8 {
        match (self.cda, self.mo, self.tv) {
            (Cda::ValueSent, _, _) => self.bits,
            (Cda::Lsb, Mo::Msb(known), _) => self.bits.saturating_sub(known),
            (Cda::MappingSent, _, Tv::List(list)) => index_bits(list.len()),
            _ => 0,
        }
    }
}

/// Bits of an index into `len` values (RFC 8724 s7.4.5; decision D-25).
fn index_bits(len: usize) -> u8 {
    let last = len.saturating_sub(1);
    u8::try_from(usize::BITS - last.leading_zeros()).unwrap_or(u8::MAX)
}

/// What was sent: at most 56 octets, more than every rule of Diet-ESP needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residue {
    octets: [u8; Residue::MAX],
    bits: usize,
}

impl Default for Residue {
    fn default() -> Self {
        Residue::EMPTY
    }
}

impl Residue {
    /// Most octets.
    pub const MAX: usize = 56;
    /// Nothing sent.
    pub const EMPTY: Residue = Residue {
        octets: [0; Residue::MAX],
        bits: 0,
    };

    /// Bits.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The octets; the bits behind the last are 0 (decision D-04).
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.bits.div_ceil(8)).unwrap_or(&[])
    }

    fn push(&mut self, count: usize, value: u32) -> Option<()> {
        put_bits(&mut self.octets, self.bits, count, value)?;
        self.bits += count;
        Some(())
    }
}

/// Why a residue cannot be read. Only an authenticated peer can send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResidueError {
    /// It ends before the rule does.
    Truncated,
    /// An index beyond the mapping.
    MappingIndex,
}

/// Steps of at most 32 bits through a field: offset in it and count.
fn steps(bits: usize) -> impl Iterator<Item = (usize, usize)> {
    steps_from(0, bits)
}

fn steps_from(mut at: usize, bits: usize) -> impl Iterator<Item = (usize, usize)> {
    core::iter::from_fn(move || {
        let count = bits.checked_sub(at).filter(|left| *left > 0)?.min(WORD);
        at += count;
        Some((at - count, count))
    })
}

/// Octets at the start of a field, of whose bits `known` are known, that can be
/// handled as octets: those of addresses, which begin at an octet.
fn whole_octets(d: &Descriptor<'_>, at: usize, known: usize) -> usize {
    match d.tv {
        Tv::Octets(_) if at.is_multiple_of(8) => known / 8,
        _ => 0,
    }
}

impl Tv<'_> {
    /// `count` bits of the value, `at` bits into a field of `bits`.
    fn part(&self, bits: usize, at: usize, count: usize) -> Option<u32> {
        match self {
            Tv::Number(number) => {
                let behind = bits.checked_sub(at + count)?;
                let shifted = u64::from(*number) >> behind;
                u32::try_from(shifted & ((1u64 << count) - 1)).ok()
            }
            Tv::Octets(octets) => bits_at(octets, at, count),
            Tv::None | Tv::List(_) => None,
        }
    }
}

/// Whether the first `known` bits of the field equal the target value's.
fn matches(d: &Descriptor<'_>, header: &[u8], at: usize, known: usize) -> Option<bool> {
    let bits = usize::from(d.bits);
    let whole = whole_octets(d, at, known);
    if let (Tv::Octets(value), true) = (d.tv, whole > 0) {
        let field = header.get(at / 8..)?.get(..whole)?;
        if field != value.get(..whole)? {
            return Some(false);
        }
    }
    for (from, count) in steps_from(whole * 8, known) {
        if bits_at(header, at + from, count)? != d.tv.part(bits, from, count)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Copies bits of the header to the residue.
fn send(header: &[u8], at: usize, bits: usize, residue: &mut Residue) -> Option<()> {
    for (from, count) in steps(bits) {
        residue.push(count, bits_at(header, at + from, count)?)?;
    }
    Some(())
}

/// The residue of one field; `None` if it does not match.
fn compress_field(
    d: &Descriptor<'_>,
    header: &[u8],
    at: usize,
    residue: &mut Residue,
) -> Option<()> {
    let bits = usize::from(d.bits);
    match d.mo {
        Mo::Ignore if d.cda == Cda::ValueSent => send(header, at, bits, residue),
        Mo::Ignore => Some(()),
        Mo::Equal => matches(d, header, at, bits)?.then_some(()),
        Mo::Msb(known) => {
            let known = usize::from(known).min(bits);
            matches(d, header, at, known)?.then_some(())?;
            send(header, at + known, bits - known, residue)
        }
        Mo::MatchMapping => {
            let Tv::List(list) = d.tv else { return None };
            let value = bits_at(header, at, bits)?;
            let index = list.iter().position(|entry| u32::from(*entry) == value)?;
            residue.push(
                usize::from(index_bits(list.len())),
                u32::try_from(index).ok()?,
            )
        }
    }
}

/// Compresses the header that `rule` covers, appending to `residue`, and returns
/// the bits it covers.
///
/// Error: the field that does not match its descriptor.
pub fn compress<'a>(
    rule: impl Iterator<Item = Descriptor<'a>>,
    header: &[u8],
    residue: &mut Residue,
) -> Result<usize, Fid> {
    let mut at = 0;
    for d in rule {
        compress_field(&d, header, at, residue).ok_or(d.fid)?;
        at += usize::from(d.bits);
    }
    Ok(at)
}

fn restore_field(
    d: &Descriptor<'_>,
    residue: &[u8],
    from: usize,
    (header, at): (&mut [u8], usize),
) -> Result<(), ResidueError> {
    let bits = usize::from(d.bits);
    let sent = usize::from(d.residue_bits());
    let truncated = ResidueError::Truncated;
    if let (Cda::MappingSent, Tv::List(list)) = (d.cda, d.tv) {
        let index = bits_at(residue, from, sent).ok_or(truncated)?;
        let index = usize::try_from(index).map_err(|_| ResidueError::MappingIndex)?;
        let value = list.get(index).ok_or(ResidueError::MappingIndex)?;
        return put_bits(header, at, bits, u32::from(*value)).ok_or(truncated);
    }
    if matches!(d.cda, Cda::NotSent | Cda::Lsb) {
        let known = bits - sent;
        let whole = whole_octets(d, at, known);
        if let (Tv::Octets(value), true) = (d.tv, whole > 0) {
            let field = header.get_mut(at / 8..).and_then(|h| h.get_mut(..whole));
            let value = value.get(..whole).ok_or(truncated)?;
            field.ok_or(truncated)?.copy_from_slice(value);
        }
        for (part, count) in steps_from(whole * 8, known) {
            let value = d.tv.part(bits, part, count).ok_or(truncated)?;
            put_bits(header, at + part, count, value).ok_or(truncated)?;
        }
    }
    if matches!(d.cda, Cda::ValueSent | Cda::Lsb) {
        for (part, count) in steps(sent) {
            let value = bits_at(residue, from + part, count).ok_or(truncated)?;
            put_bits(header, at + bits - sent + part, count, value).ok_or(truncated)?;
        }
    }
    Ok(())
}

/// Rebuilds the header that `rule` covers into `header`, from the residue that
/// begins `from` bits into `octets`, and returns the bits of residue read and of
/// header covered. Fields that are computed or taken from elsewhere are left as
/// they are.
pub fn decompress<'a>(
    rule: impl Iterator<Item = Descriptor<'a>>,
    octets: &[u8],
    from: usize,
    header: &mut [u8],
) -> Result<(usize, usize), ResidueError> {
    let (mut read, mut at) = (0, 0);
    for d in rule {
        restore_field(&d, octets, from + read, (&mut *header, at))?;
        read += usize::from(d.residue_bits());
        at += usize::from(d.bits);
    }
    Ok((read, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn field(bits: u8, tv: Tv<'static>, mo: Mo, cda: Cda) -> Descriptor<'static> {
        Descriptor {
            fid: Fid::Version,
            bits,
            tv,
            mo,
            cda,
        }
    }

    const RULE: [Descriptor<'static>; 5] = [
        field(4, Tv::Number(6), Mo::Equal, Cda::NotSent),
        field(4, Tv::List(&[9, 3, 5]), Mo::MatchMapping, Cda::MappingSent),
        field(16, Tv::Number(0x1388), Mo::Msb(13), Cda::Lsb),
        field(40, Tv::Octets(&[1, 2, 3, 4, 0xf0]), Mo::Msb(36), Cda::Lsb),
        field(8, Tv::None, Mo::Ignore, Cda::ValueSent),
    ];

    #[test]
    fn the_residue_holds_what_is_sent_in_order() {
        let header = [0x65, 0x13, 0x8d, 1, 2, 3, 4, 0xfb, 0xa5];
        let mut residue = Residue::default();
        assert_eq!(compress(RULE.into_iter(), &header, &mut residue), Ok(72));
        // index 10, port 101, address 1011, octet 10100101
        assert_eq!(residue.bits(), 2 + 3 + 4 + 8);
        assert_eq!(residue.octets(), [0b1010_1101, 0b1101_0010, 0b1000_0000]);
        let mut back = [0; 9];
        let read = decompress(RULE.into_iter(), residue.octets(), 0, &mut back);
        assert_eq!((read, back), (Ok((17, 72)), header));
    }

    #[test]
    fn what_does_not_match_is_refused() {
        for (at, octet) in [(0, 0x55), (0, 0x64), (2, 0x90), (6, 5), (7, 0xe0)] {
            let mut header = [0x65, 0x13, 0x8d, 1, 2, 3, 4, 0xfb, 0xa5];
            header[at] = octet;
            let mut residue = Residue::default();
            let compressed = compress(RULE.into_iter(), &header, &mut residue);
            assert_eq!(compressed, Err(Fid::Version), "{at}");
        }
    }

    #[test]
    fn a_bad_residue_is_an_error() {
        let mut header = [0; 9];
        let index = decompress(RULE.into_iter(), &[0xff; 3], 0, &mut header);
        assert_eq!(index, Err(ResidueError::MappingIndex));
        let short = decompress(RULE.into_iter(), &[0; 2], 0, &mut header);
        assert_eq!(short, Err(ResidueError::Truncated));
        let none = decompress(RULE.into_iter(), &[], 0, &mut header);
        assert_eq!(none, Err(ResidueError::Truncated));
    }

    #[test]
    fn an_index_takes_the_fewest_bits() {
        for (len, bits) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (64, 6)] {
            assert_eq!(index_bits(len), bits, "{len}");
        }
    }
}
