//! The index of a SAD: which SA a received packet belongs to (RFC 4301 s4.1).

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashMap;

use crate::num::Spi;
use crate::sa::Lookup;

/// Finds values by SPI, SPI and destination, or SPI, destination and source;
/// the longest match wins. One step per SA that shares the SPI, however many
/// SAs there are.
#[derive(Debug, Default)]
pub struct Sad {
    by_spi: HashMap<Spi, Vec<(Lookup, u32)>>,
}

impl Sad {
    /// An empty index.
    pub fn new() -> Self {
        Sad::default()
    }

    /// Enters `value`; false if these facts already name another.
    pub fn insert(&mut self, spi: Spi, lookup: Lookup, value: u32) -> bool {
        let bucket = self.by_spi.entry(spi).or_default();
        if bucket.iter().any(|(known, _)| *known == lookup) {
            return false;
        }
        bucket.push((lookup, value));
        true
    }

    /// Takes `value` out again; false if it was not there.
    pub fn remove(&mut self, spi: Spi, value: u32) -> bool {
        let Some(bucket) = self.by_spi.get_mut(&spi) else {
            return false;
        };
        let before = bucket.len();
        bucket.retain(|(_, known)| *known != value);
        let removed = bucket.len() < before;
        if bucket.is_empty() {
            self.by_spi.remove(&spi);
        }
        removed
    }

    /// The value that the facts of a received packet name.
    pub fn find(&self, spi: Spi, destination: IpAddr, source: IpAddr) -> Option<u32> {
        let rank = |lookup: &Lookup| match *lookup {
            Lookup::Spi => Some(1),
            Lookup::SpiDestination(d) => (d == destination).then_some(2),
            Lookup::SpiDestinationSource(d, s) => (d == destination && s == source).then_some(3),
        };
        let matches = self.by_spi.get(&spi)?.iter();
        let ranked = matches.filter_map(|(lookup, value)| Some((rank(lookup)?, *value)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_wins() {
        let [group, a, b] = [1u8, 2, 3].map(|n| IpAddr::from([224, 0, 0, n]));
        let mut sad = Sad::new();
        let spi = Spi(300);
        assert!(sad.insert(spi, Lookup::Spi, 1));
        assert!(!sad.insert(spi, Lookup::Spi, 9));
        assert!(sad.insert(spi, Lookup::SpiDestination(group), 2));
        assert!(sad.insert(spi, Lookup::SpiDestinationSource(group, a), 3));
        assert_eq!(sad.find(spi, group, a), Some(3));
        assert_eq!(sad.find(spi, group, b), Some(2));
        assert_eq!(sad.find(spi, b, a), Some(1));
        assert_eq!(sad.find(Spi(301), b, a), None);
        assert!(sad.remove(spi, 1) && !sad.remove(spi, 1));
        assert_eq!(sad.find(spi, b, a), None);
    }
}
