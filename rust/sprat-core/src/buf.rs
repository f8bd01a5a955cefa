//! A packet inside a larger slice, with room to grow at both ends.

/// Octets of room that an operation needs and the buffer lacks.
///
/// Both numbers are totals needed, not what is missing, so that a caller can
/// size its next buffer from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Octets needed in front of the packet.
    pub head: usize,
    /// Octets needed behind the packet.
    pub tail: usize,
}

/// One packet in a caller's slice: `head room | packet | tail room`.
#[derive(Debug)]
pub struct PacketBuf<'a> {
    data: &'a mut [u8],
    start: usize,
    end: usize,
}

impl<'a> PacketBuf<'a> {
    /// A packet of `len` octets at offset `start` of `data`; `None` if it does
    /// not lie inside.
    pub fn new(data: &'a mut [u8], start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len)?;
        (end <= data.len()).then_some(PacketBuf { data, start, end })
    }

    /// Offset of the packet's first octet in the slice.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Octets in the packet.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether the packet has no octets.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Octets free in front.
    pub fn head_room(&self) -> usize {
        self.start
    }

    /// Octets free behind.
    pub fn tail_room(&self) -> usize {
        self.data.len() - self.end
    }

    /// The packet.
    pub fn packet(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or(&[])
    }

    /// The packet, to be changed in place.
    pub fn packet_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.start..self.end).unwrap_or(&mut [])
    }

    /// Checks that both rooms exist; changes nothing.
    pub fn reserve(&self, head: usize, tail: usize) -> Result<(), Short> {
        if head <= self.head_room() && tail <= self.tail_room() {
            Ok(())
        } else {
            Err(Short { head, tail })
        }
    }

    /// Takes `n` octets of head room into the packet; their content is whatever
    /// stood there.
    pub fn grow_head(&mut self, n: usize) -> Result<(), Short> {
        self.reserve(n, 0)?;
        self.start -= n;
        Ok(())
    }

    /// Takes `n` octets of tail room into the packet.
    pub fn grow_tail(&mut self, n: usize) -> Result<(), Short> {
        self.reserve(0, n)?;
        self.end += n;
        Ok(())
    }

    /// Gives the first `n` octets back as head room, all of them if there are fewer.
    pub fn trim_head(&mut self, n: usize) {
        self.start += n.min(self.len());
    }

    /// Zeroes these octets of the slice, in the packet or not.
    pub(crate) fn zero(&mut self, octets: core::ops::Range<usize>) {
        let to = octets.end.min(self.data.len());
        if let Some(octets) = self.data.get_mut(octets.start..to) {
            octets.fill(0);
        }
    }

    /// Cuts the packet to its first `len` octets; longer stays as it is.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start.saturating_add(len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_shrinks_inside_the_slice() {
        let mut data = [0u8; 20];
        let mut buf = PacketBuf::new(&mut data, 8, 6).unwrap();
        assert_eq!((buf.head_room(), buf.len(), buf.tail_room()), (8, 6, 6));
        assert_eq!(buf.reserve(9, 2), Err(Short { head: 9, tail: 2 }));
        buf.grow_head(8).unwrap();
        buf.grow_tail(6).unwrap();
        assert_eq!(buf.len(), 20);
        assert!(buf.grow_tail(1).is_err());
        buf.trim_head(15);
        buf.truncate(2);
        assert_eq!((buf.start(), buf.len()), (15, 2));
        buf.trim_head(99);
        assert!(buf.is_empty());
    }

    #[test]
    fn a_packet_outside_the_slice_is_refused() {
        let mut data = [0u8; 4];
        assert!(PacketBuf::new(&mut data, 3, 2).is_none());
        assert!(PacketBuf::new(&mut data, usize::MAX, 2).is_none());
        assert!(PacketBuf::new(&mut data, 4, 0).is_some());
    }
}
