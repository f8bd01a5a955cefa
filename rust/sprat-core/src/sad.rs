//! The index of a SAD: which SA a received packet belongs to (RFC 4301 s4.1), and
//! which SPIs a receiver may give out so that compressed ones stay unambiguous
//! (Diet-ESP decision D-20).

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use crate::num::Spi;
use crate::sa::Lookup;
use crate::schc::bits_at;

/// Most SAs that one packet is compared with.
pub const MAX_CANDIDATES: usize = 8;

/// Finds values by SPI, SPI and destination, or SPI, destination and source;
/// the longest match wins. One step per SA that shares the SPI, however many
/// SAs there are. SAs whose SPI is compressed stand in a binary trie of the bits
/// that they show: at most 32 steps.
#[derive(Debug, Default)]
pub struct Sad {
    by_spi: HashMap<Spi, Vec<(Lookup, u32)>>,
    by_bits: Trie,
}

/// What names an SA in a packet: its SPI, and how many low bits of it are sent
/// (`None` = plain ESP, all four octets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The SPI in full.
    pub spi: Spi,
    /// Low bits sent, 0-32, with Diet-ESP.
    pub lsb: Option<u8>,
}

impl Shown {
    /// The bits on the wire, leading bits first, and their number.
    fn bits(&self) -> (u32, u8) {
        match self.lsb {
            None => (self.spi.0, 32),
            Some(lsb) => (left(self.spi.low_bits(lsb), lsb), lsb),
        }
    }
}

/// `bits` low bits of `value`, moved to the left end.
fn left(value: u32, bits: u8) -> u32 {
    value.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0)
}

/// SAs that a packet may belong to, the longest match first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates {
    list: [(u8, u8, u32); MAX_CANDIDATES],
    len: usize,
}

impl Candidates {
    /// Enters an SA that matched in `bits` bits of SPI and by `rank` addresses;
    /// past the most, the shortest match falls out.
    fn enter(&mut self, bits: u8, rank: u8, value: u32) {
        let shorter = |entry: &&(u8, u8, u32)| (entry.0, entry.1) < (bits, rank);
        let known = self.list.get(..self.len).unwrap_or(&[]);
        let at = known.len() - known.iter().rev().take_while(shorter).count();
        if self.len < MAX_CANDIDATES {
            self.len += 1;
        }
        if let Some(tail) = self.list.get_mut(at..self.len) {
            tail.rotate_right(1);
            if let Some(first) = tail.first_mut() {
                *first = (bits, rank, value);
            }
        }
    }

    /// The values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = u32> {
        let list = self.list.get(..self.len).unwrap_or(&[]);
        list.iter().map(|(_, _, value)| *value)
    }
}

/// How well the addresses match; `None` if they do not.
fn rank(lookup: &Lookup, destination: IpAddr, source: IpAddr) -> Option<u8> {
    match *lookup {
        Lookup::Spi => Some(1),
        Lookup::SpiDestination(d) => (d == destination).then_some(2),
        Lookup::SpiDestinationSource(d, s) => (d == destination && s == source).then_some(3),
    }
}

impl Sad {
    /// An empty index.
    pub fn new() -> Self {
        Sad::default()
    }

    /// Enters `value`; false if these facts already name another. Compressed SPIs
    /// may overlap: then a packet has several candidates.
    pub fn insert(&mut self, shown: Shown, lookup: Lookup, value: u32) -> bool {
        let (bits, len) = shown.bits();
        if shown.lsb.is_some() {
            let spi = shown.spi;
            return self
                .by_bits
                .insert((bits, len), Leaf { spi, lookup, value });
        }
        let bucket = self.by_spi.entry(shown.spi).or_default();
        if bucket.iter().any(|(known, _)| *known == lookup) {
            return false;
        }
        bucket.push((lookup, value));
        true
    }

    /// Takes `value` out again; false if it was not there.
    pub fn remove(&mut self, shown: Shown, value: u32) -> bool {
        let (bits, len) = shown.bits();
        if shown.lsb.is_some() {
            return self.by_bits.remove((bits, len), value);
        }
        let Some(bucket) = self.by_spi.get_mut(&shown.spi) else {
            return false;
        };
        let before = bucket.len();
        bucket.retain(|(_, known)| *known != value);
        let removed = bucket.len() < before;
        if bucket.is_empty() {
            self.by_spi.remove(&shown.spi);
        }
        removed
    }

    /// The value that the facts of a received packet of plain ESP name.
    pub fn find(&self, spi: Spi, destination: IpAddr, source: IpAddr) -> Option<u32> {
        let matches = self.by_spi.get(&spi)?.iter();
        let ranked =
            matches.filter_map(|(lookup, v)| Some((rank(lookup, destination, source)?, *v)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, value)| value)
    }

    /// Whether every SA shows its whole SPI.
    pub fn is_plain(&self) -> bool {
        self.by_bits.is_empty()
    }

    /// The values that a packet beginning with `esp` may belong to, the longest
    /// match first; at most [`MAX_CANDIDATES`].
    pub fn candidates(&self, esp: &[u8], destination: IpAddr, source: IpAddr) -> Candidates {
        let mut found = Candidates::default();
        self.by_bits.walk(esp, |bits, leaf| {
            if let Some(rank) = rank(&leaf.lookup, destination, source) {
                found.enter(bits, rank, leaf.value);
            }
        });
        let plain = bits_at(esp, 0, 32).map(Spi);
        if let Some(value) = plain.and_then(|spi| self.find(spi, destination, source)) {
            found.enter(32, 0, value);
        }
        found
    }

    /// Whether no SA's bits on the wire begin with those of another, so that one
    /// more with `shown` can be told from all.
    pub fn is_free(&self, shown: Shown) -> bool {
        let (bits, len) = shown.bits();
        let below = |spi: &Spi| len == 0 || (spi.0 ^ bits).leading_zeros() >= u32::from(len);
        let plain = match len {
            32 => self.by_spi.contains_key(&Spi(bits)),
            _ => self.by_spi.keys().any(below),
        };
        !plain && self.by_bits.conflict((bits, len)).is_none()
    }

    /// An SPI for an inbound SA that sends `lsb` low bits of it (`None` = plain
    /// ESP), such that the bits on the wire of all SAs stay free of prefixes: no
    /// packet ever needs a second ICV check. `random` decides which; `udp` leaves
    /// out what could look like IKE behind UDP. `None` if there is no SPI left.
    pub fn allocate(&self, lsb: Option<u8>, udp: bool, random: u32) -> Option<Spi> {
        let len = lsb.unwrap_or(32).min(32);
        let values = 1u64 << len;
        let first = u64::from(random) % values;
        let plain = self.plain_heads(len);
        // Each refusal steps past all that one SA blocks, or an SPI that is taken or
        // reserved: at most twice around. No two SAs hold the SPI that is tried.
        let mut value = first;
        for _ in 0..=3 * (self.by_bits.len() + self.by_spi.len()) + 512 {
            let bits = u32::try_from(value % values).ok()?;
            let string = left(bits, len);
            let step = match self.blocked_by_compressed((string, len)) {
                Some(step) => step,
                None if plain.contains(&string) => 1,
                None => match spi_of(bits, (lsb, udp), random).filter(|spi| !self.has(*spi)) {
                    Some(spi) => return Some(spi),
                    None => 1,
                },
            };
            value = value.checked_add(step)?;
            if value - first >= values {
                return None;
            }
        }
        None
    }

    /// What the SPIs of plain SAs begin with, `len` bits of each.
    fn plain_heads(&self, len: u8) -> HashSet<u32> {
        let mask = left(u32::MAX, len);
        self.by_spi.keys().map(|spi| spi.0 & mask).collect()
    }

    /// Whether an SA has this SPI in full, however much of it is sent: whoever
    /// names an SA by its SPI (IKE does) must not mean two.
    fn has(&self, spi: Spi) -> bool {
        self.by_spi.contains_key(&spi) || self.by_bits.has(spi)
    }

    /// How far to step past the compressed SPIs that block these bits; `None` if
    /// none does.
    fn blocked_by_compressed(&self, (bits, len): (u32, u8)) -> Option<u64> {
        let shorter = self.by_bits.conflict((bits, len))?;
        // All values below a shorter string are blocked with it.
        let span = 1u64 << (len - shorter.min(len));
        let value = u64::from(bits >> (32 - u32::from(len.max(1))));
        Some(if len == 0 { 1 } else { span - value % span })
    }
}

/// A whole SPI of 256 or more with these low bits, the others from `random`.
fn spi_of(bits: u32, (lsb, udp): (Option<u8>, bool), random: u32) -> Option<Spi> {
    let len = lsb.unwrap_or(32).min(32);
    if udp && bits == 0 {
        return None;
    }
    let low = Spi(u32::MAX).low_bits(len);
    // A bit that is not sent keeps the SPI out of the reserved range.
    let free = if len < 32 { 1 << 31 } else { 0 };
    let spi = Spi(random & !low | free & !low | bits);
    (spi >= Spi::FIRST_FREE).then_some(spi)
}

/// A binary trie of strings of at most 32 bits.
#[derive(Debug, Default)]
struct Trie {
    nodes: Vec<Node>,
    /// Nodes that no string goes through any more, to be taken first: SAs come and
    /// go for as long as the receiver runs.
    spare: Vec<usize>,
    values: usize,
}

/// An SA in the trie.
#[derive(Debug)]
struct Leaf {
    spi: Spi,
    lookup: Lookup,
    value: u32,
}

#[derive(Debug, Default)]
struct Node {
    /// Where the strings with a further 0 and 1 go on; 0 = nowhere, since nothing
    /// leads back to the root.
    next: [usize; 2],
    /// SAs whose string ends here.
    values: Vec<Leaf>,
    /// SAs here and below.
    count: usize,
}

/// The bit `depth` bits from the left.
fn bit(bits: u32, depth: u8) -> usize {
    usize::from(bits.rotate_left(u32::from(depth) + 1) & 1 == 1)
}

impl Trie {
    fn is_empty(&self) -> bool {
        self.values == 0
    }

    fn len(&self) -> usize {
        self.values
    }

    fn child(&self, node: usize, side: usize) -> Option<usize> {
        let next = *self.nodes.get(node)?.next.get(side)?;
        (next != 0).then_some(next)
    }

    /// The node where the string ends.
    fn find(&self, (bits, len): (u32, u8)) -> Option<usize> {
        (0..len).try_fold(0, |node, depth| self.child(node, bit(bits, depth)))
    }

    /// The same, made if it is not there.
    fn reach(&mut self, (bits, len): (u32, u8)) -> Option<usize> {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut node = 0;
        for depth in 0..len {
            let side = bit(bits, depth);
            node = match self.child(node, side) {
                Some(next) => next,
                None => {
                    let next = self.spare_node();
                    *self.nodes.get_mut(node)?.next.get_mut(side)? = next;
                    next
                }
            };
        }
        Some(node)
    }

    fn spare_node(&mut self) -> usize {
        self.spare.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        })
    }

    /// Counts one more along the string, whose nodes are there.
    fn count(&mut self, (bits, len): (u32, u8)) {
        let mut node = Some(0);
        for depth in 0..=len {
            let Some(at) = node else { return };
            if let Some(entry) = self.nodes.get_mut(at) {
                entry.count += 1;
            }
            node = self.child(at, bit(bits, depth));
        }
    }

    /// Counts `removed` less along the string. A node that nothing goes through any
    /// more is empty then: it is taken off and kept to be used again.
    fn release(&mut self, (bits, len): (u32, u8), removed: usize) {
        let (mut node, mut gone) = (0, false);
        for depth in 0..=len {
            let side = bit(bits, depth);
            let next = self.child(node, side).filter(|_| depth < len);
            let ends = next
                .and_then(|next| self.nodes.get(next))
                .is_some_and(|next| next.count == removed);
            if let Some(entry) = self.nodes.get_mut(node) {
                entry.count -= removed;
                if let Some(link) = entry.next.get_mut(side).filter(|_| ends) {
                    *link = 0;
                }
            }
            self.spare.extend(gone.then_some(node));
            gone = ends;
            let Some(next) = next else { return };
            node = next;
        }
    }

    /// False if the same SPI and addresses are there already.
    fn insert(&mut self, string: (u32, u8), leaf: Leaf) -> bool {
        let same = |known: &Leaf| (known.spi, known.lookup) == (leaf.spi, leaf.lookup);
        let there = self.find(string).and_then(|node| self.nodes.get(node));
        if there.is_some_and(|entry| entry.values.iter().any(same)) {
            return false;
        }
        let Some(entry) = self.reach(string).and_then(|node| self.nodes.get_mut(node)) else {
            return false;
        };
        entry.values.push(leaf);
        self.values += 1;
        self.count(string);
        true
    }

    fn remove(&mut self, string: (u32, u8), value: u32) -> bool {
        let Some(entry) = self.find(string).and_then(|node| self.nodes.get_mut(node)) else {
            return false;
        };
        let before = entry.values.len();
        entry.values.retain(|known| known.value != value);
        let removed = before - entry.values.len();
        if removed == 0 {
            return false;
        }
        self.values -= removed;
        self.release(string, removed);
        true
    }

    /// Whether an SA has this SPI in full.
    fn has(&self, spi: Spi) -> bool {
        let leaves = |node: &Node| node.values.iter().any(|leaf| leaf.spi == spi);
        self.nodes.iter().any(leaves)
    }

    /// Calls `each` with every value whose string the octets begin with.
    fn walk(&self, octets: &[u8], mut each: impl FnMut(u8, &Leaf)) {
        let mut node = Some(0);
        for depth in 0..=32u8 {
            let Some(entry) = node.and_then(|node| self.nodes.get(node)) else {
                return;
            };
            entry.values.iter().for_each(|leaf| each(depth, leaf));
            let side = bits_at(octets, usize::from(depth), 1);
            let side = side.and_then(|side| usize::try_from(side).ok());
            node = node
                .zip(side)
                .and_then(|(node, side)| self.child(node, side));
        }
    }

    /// Bits of a string in the trie that begins with this one or that this one
    /// begins with.
    fn conflict(&self, (bits, len): (u32, u8)) -> Option<u8> {
        let mut node = 0;
        for depth in 0..=len {
            let entry = self.nodes.get(node)?;
            if !entry.values.is_empty() {
                return Some(depth);
            }
            if depth == len {
                return (entry.count > 0).then_some(len);
            }
            node = self.child(node, bit(bits, depth))?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_match_wins() {
        let [group, a, b] = [1u8, 2, 3].map(|n| IpAddr::from([224, 0, 0, n]));
        let mut sad = Sad::new();
        let spi = Spi(300);
        let plain = |spi| Shown { spi, lsb: None };
        assert!(sad.insert(plain(spi), Lookup::Spi, 1));
        assert!(!sad.insert(plain(spi), Lookup::Spi, 9));
        assert!(sad.insert(plain(spi), Lookup::SpiDestination(group), 2));
        assert!(sad.insert(plain(spi), Lookup::SpiDestinationSource(group, a), 3));
        assert_eq!(sad.find(spi, group, a), Some(3));
        assert_eq!(sad.find(spi, group, b), Some(2));
        assert_eq!(sad.find(spi, b, a), Some(1));
        assert_eq!(sad.find(Spi(301), b, a), None);
        assert!(sad.remove(plain(spi), 1) && !sad.remove(plain(spi), 1));
        assert_eq!(sad.find(spi, b, a), None);
    }

    fn compressed(spi: u32, lsb: u8) -> Shown {
        Shown {
            spi: Spi(spi),
            lsb: Some(lsb),
        }
    }

    #[test]
    fn compressed_spis_have_candidates_by_length() {
        let here = IpAddr::from([192, 0, 2, 1]);
        let mut sad = Sad::new();
        let plain = Shown {
            spi: Spi(0xd400_0001),
            lsb: None,
        };
        assert!(sad.is_free(plain) && sad.insert(plain, Lookup::Spi, 1));
        assert!(sad.is_plain());
        assert!(!sad.is_free(compressed(0xa1b2_c3d4, 8)));
        assert!(sad.insert(compressed(0xa1b2_c3d4, 8), Lookup::Spi, 2));
        assert!(sad.insert(compressed(0x0000_0125, 6), Lookup::Spi, 3));
        assert!(!sad.is_plain());
        let found = |esp: &[u8]| -> std::vec::Vec<u32> {
            sad.candidates(esp, here, here).values().collect()
        };
        assert_eq!(found(&[0xd4, 0, 0, 1, 9]), [1, 2]);
        assert_eq!(found(&[0xd4, 0, 0]), [2]);
        assert_eq!(found(&[0b1001_0111]), [3]);
        assert!(found(&[]).is_empty() && found(&[0]).is_empty());
        assert!(!sad.is_free(compressed(0x12, 5)) && !sad.is_free(compressed(0, 0)));
        assert!(sad.is_free(compressed(0x13, 5)));
        assert!(sad.remove(compressed(0xa1b2_c3d4, 8), 2));
        assert_eq!(found_after(&sad, here), [1]);
    }

    fn found_after(sad: &Sad, here: IpAddr) -> std::vec::Vec<u32> {
        sad.candidates(&[0xd4, 0, 0, 1], here, here)
            .values()
            .collect()
    }

    #[test]
    fn more_candidates_than_fit_leave_the_longest() {
        let here = IpAddr::from([192, 0, 2, 1]);
        let mut sad = Sad::new();
        for lsb in 0..20 {
            assert!(sad.insert(compressed(0x8000_0000, lsb), Lookup::Spi, lsb.into()));
        }
        let found: std::vec::Vec<u32> = sad.candidates(&[0; 4], here, here).values().collect();
        assert_eq!(found, [19, 18, 17, 16, 15, 14, 13, 12]);
    }

    #[test]
    fn allocated_spis_are_free_of_prefixes_until_none_is_left() {
        for (seed, udp) in [(0u32, false), (77, true), (u32::MAX, false)] {
            let mut sad = Sad::new();
            let mut random = seed;
            let mut next = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random
            };
            let mut strings = std::vec::Vec::new();
            for lsb in [Some(4), None, Some(8), Some(6), None, Some(12), Some(3)] {
                let spi = sad.allocate(lsb, udp, next()).unwrap();
                let shown = Shown { spi, lsb };
                assert!(spi >= Spi::FIRST_FREE && sad.is_free(shown));
                assert!(sad.insert(shown, Lookup::Spi, 0));
                strings.push(shown.bits());
            }
            for (i, (a, a_len)) in strings.iter().enumerate() {
                for (b, b_len) in strings.iter().skip(i + 1) {
                    let shared = (a ^ b).leading_zeros();
                    assert!(shared < u32::from(*a_len.min(b_len)));
                }
            }
        }
    }

    #[test]
    fn the_allocator_finds_the_last_one_and_then_none() {
        let mut sad = Sad::new();
        for n in 0..255u32 {
            let spi = sad.allocate(Some(8), true, n.wrapping_mul(99)).unwrap();
            assert_ne!(spi.low_bits(8), 0, "reserved under UDP");
            assert!(sad.insert(Shown { spi, lsb: Some(8) }, Lookup::Spi, n));
        }
        assert_eq!(sad.allocate(Some(8), true, 5), None);
        assert!(sad.allocate(Some(8), false, 5).is_some());
        assert_eq!(sad.allocate(Some(0), false, 5), None);
        let empty = Sad::new();
        assert!(empty.allocate(Some(0), false, 5).is_some());
        assert_eq!(empty.allocate(Some(0), true, 5), None);
    }
    /// The first `len` bits that the SA shows are those of `octets`.
    fn begins(octets: &[u8; 4], shown: Shown) -> bool {
        let (bits, len) = shown.bits();
        len == 0 || (u32::from_be_bytes(*octets) ^ bits) >> (32 - u32::from(len)) == 0
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(
            steps in prop::collection::vec(
                (any::<u32>(), prop::option::of(0u8..=32), any::<bool>(), any::<[u8; 4]>()), 1..60,
            ),
            mask in prop::sample::select(std::vec![0x0303_0303u32, 0x8000_00ff, u32::MAX]),
        ) {
            let here = IpAddr::from([192, 0, 2, 1]);
            let mut sad = Sad::new();
            let mut list: std::vec::Vec<(Shown, u32)> = std::vec::Vec::new();
            for (n, (spi, lsb, remove, esp)) in (0u32..).zip(steps) {
                let shown = Shown { spi: Spi(spi & mask), lsb };
                if remove && !list.is_empty() {
                    let (gone, value) = list.swap_remove(usize::try_from(spi).unwrap() % list.len());
                    prop_assert!(sad.remove(gone, value));
                } else {
                    let known = list.iter().any(|(one, _)| *one == shown);
                    let (bits, len) = shown.bits();
                    let blocks = |(one, _): &(Shown, u32)| {
                        begins(&bits.to_be_bytes(), *one) && one.bits().1 <= len
                            || begins(&one.bits().0.to_be_bytes(), shown) && len <= one.bits().1
                    };
                    prop_assert_eq!(sad.is_free(shown), !list.iter().any(blocks));
                    prop_assert_eq!(sad.insert(shown, Lookup::Spi, n), !known);
                    if !known {
                        list.push((shown, n));
                    }
                }
                let esp = (u32::from_be_bytes(esp) & mask).to_be_bytes();
                let fitting = list.iter().filter(|(one, _)| begins(&esp, *one));
                let mut lens: std::vec::Vec<_> = fitting.map(|(one, _)| one.bits().1).collect();
                lens.sort_by(|a, b| b.cmp(a));
                lens.truncate(MAX_CANDIDATES);
                let found = sad.candidates(&esp, here, here);
                let of = |value| list.iter().find(|(_, n)| *n == value).map(|(one, _)| one.bits().1);
                let found: std::vec::Vec<_> = found.values().filter_map(of).collect();
                prop_assert_eq!(found, lens);
                for lsb in [None, Some(3), Some(8)] {
                    if let Some(spi) = sad.allocate(lsb, false, spi) {
                        let new = Shown { spi, lsb };
                        prop_assert!(sad.is_free(new));
                        prop_assert!(spi >= Spi::FIRST_FREE && list.iter().all(|(one, _)| one.spi != spi));
                    }
                }
            }
        }
    }

    #[test]
    fn sas_that_come_and_go_leave_no_room_behind() {
        let here = IpAddr::from([192, 0, 2, 1]);
        let mut sad = Sad::new();
        assert!(sad.insert(compressed(0x8000_0007, 12), Lookup::Spi, 1));
        let mut random = 1u32;
        let mut held = 0;
        for n in 0..2000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let lsb = [8, 16, 32, 5][n % 4];
            let one = compressed(random, lsb);
            assert!(sad.insert(one, Lookup::Spi, 2));
            assert!(!sad.remove(compressed(!random, lsb), 2));
            assert!(sad.remove(one, 2) && !sad.remove(one, 2));
            if n == 3 {
                held = sad.by_bits.nodes.len();
            }
        }
        assert_eq!(sad.by_bits.nodes.len(), held);
        let found = |esp: &[u8]| sad.candidates(esp, here, here).values().count();
        assert_eq!((found(&[0x00, 0x70]), found(&[0x80, 0x70])), (1, 0));
        assert!(sad.is_free(compressed(1, 4)) && !sad.is_free(compressed(0, 4)));
    }

    #[test]
    fn an_spi_names_one_sa_even_where_the_wire_tells_two_apart() {
        let mut sad = Sad::new();
        let first = sad.allocate(Some(8), false, 5).unwrap();
        assert!(sad.insert(
            Shown {
                spi: first,
                lsb: Some(8)
            },
            Lookup::Spi,
            1
        ));
        assert!(!sad.insert(
            Shown {
                spi: first,
                lsb: Some(8)
            },
            Lookup::Spi,
            2
        ));
        // The same SPI, of which 16 bits or all of them begin otherwise.
        for (lsb, random) in [(Some(16), first.0), (None, first.0)] {
            assert!(sad.is_free(Shown { spi: first, lsb }));
            assert_ne!(sad.allocate(lsb, false, random), Some(first));
        }
    }

    #[test]
    fn many_plain_sas_do_not_hold_up_the_allocator() {
        let mut sad = Sad::new();
        for head in 1..20_000u32 {
            let spi = Spi(head << 16);
            assert!(sad.insert(Shown { spi, lsb: None }, Lookup::Spi, head));
        }
        let spi = sad.allocate(Some(16), false, 1).unwrap();
        assert_eq!(spi.low_bits(16), 20_000);
    }
}
