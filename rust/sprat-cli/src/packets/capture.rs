//! Reading captures: pcap and pcapng, both byte orders.

use std::io::Read;

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, PcapHeader, create_reader};

use crate::fail::Fail;

/// Octets read at once, and the largest block that is taken for one.
const BUFFER: usize = 1 << 16;
const BLOCK_MAX: usize = 64 << 20;
const NANOS: u64 = 1_000_000_000;

/// One packet of a capture.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Link type (LINKTYPE_…).
    pub link: u16,
    /// Nanoseconds since 1970.
    pub time: u64,
    /// What was captured.
    pub octets: &'a [u8],
    /// Octets there were on the wire.
    pub original_len: u32,
}

/// How a capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Behind a whole packet.
    Complete,
    /// Within a packet or block.
    CutShort,
}

/// A capture that is being read.
pub struct Reader<'r> {
    blocks: Box<dyn PcapReaderIterator + Send + 'r>,
    capacity: usize,
    section: Section,
    name: String,
}

/// What is known of the interfaces that follow packets refer to.
#[derive(Default)]
struct Section {
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    /// Units of the time stamps a second.
    units: u64,
    /// Seconds to add to them.
    offset: i64,
    snaplen: u32,
}

enum Step {
    Used(usize),
    More,
    Grow,
    End(End),
}

impl<'r> Reader<'r> {
    /// Looks at the first block. `name` stands in errors.
    pub fn new(input: impl Read + Send + 'r, name: String) -> Result<Self, Fail> {
        let blocks = create_reader(BUFFER, input)
            .map_err(|_| Fail::text(format!("{name}: neither pcap nor pcapng")))?;
        Ok(Reader {
            blocks,
            capacity: BUFFER,
            section: Section::default(),
            name,
        })
    }

    /// Hands every packet to `each`.
    pub fn frames(
        &mut self,
        each: &mut dyn FnMut(Frame<'_>) -> Result<(), Fail>,
    ) -> Result<End, Fail> {
        loop {
            let step = match self.blocks.next() {
                Ok((used, block)) => {
                    self.section.block(&block, each)?;
                    Step::Used(used)
                }
                Err(PcapError::Eof) => Step::End(End::Complete),
                Err(PcapError::UnexpectedEof) => Step::End(End::CutShort),
                Err(PcapError::Incomplete(_)) => Step::More,
                Err(PcapError::BufferTooSmall) => Step::Grow,
                Err(_) => return Err(self.damaged()),
            };
            match step {
                Step::Used(used) => self.blocks.consume(used),
                Step::End(end) => return Ok(end),
                Step::More => self.more(false)?,
                Step::Grow => self.more(true)?,
            }
        }
    }

    fn damaged(&self) -> Fail {
        let at = self.blocks.consumed();
        Fail::text(format!("{}: damaged at octet {at}", self.name))
    }

    /// Reads on, with a larger buffer where the block needs it.
    fn more(&mut self, grow: bool) -> Result<(), Fail> {
        let before = self.blocks.data().len();
        if grow {
            self.capacity = self.capacity.saturating_mul(2);
            if self.capacity > BLOCK_MAX || !self.blocks.grow(self.capacity) {
                return Err(self.damaged());
            }
        }
        if self.blocks.refill().is_err() {
            return Err(Fail::text(format!("{}: cannot be read", self.name)));
        }
        let stuck = self.blocks.data().len() == before && !self.blocks.reader_exhausted();
        match stuck && !grow {
            true => self.more(true),
            false => Ok(()),
        }
    }
}

fn link_of(link: Linktype) -> u16 {
    // The upper half tells of the frame check sequence.
    u16::try_from(link.0 & 0xffff).unwrap_or(u16::MAX)
}

impl Section {
    fn block(
        &mut self,
        block: &PcapBlockOwned<'_>,
        each: &mut dyn FnMut(Frame<'_>) -> Result<(), Fail>,
    ) -> Result<(), Fail> {
        let frame = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.interfaces = vec![Interface::legacy(header)];
                None
            }
            PcapBlockOwned::Legacy(packet) => self.interfaces.first().and_then(|interface| {
                let units = u64::from(packet.ts_sec)
                    .saturating_mul(interface.units)
                    .saturating_add(u64::from(packet.ts_usec));
                interface.frame(units, packet.data, (packet.caplen, packet.origlen))
            }),
            PcapBlockOwned::NG(block) => self.ng(block),
        };
        frame.map_or(Ok(()), each)
    }

    fn ng<'b>(&mut self, block: &'b Block<'_>) -> Option<Frame<'b>> {
        match block {
            Block::SectionHeader(_) => self.interfaces.clear(),
            Block::InterfaceDescription(described) => self.interfaces.push(Interface {
                link: link_of(described.linktype),
                units: described
                    .ts_resolution()
                    .filter(|units| *units != 0)
                    .unwrap_or(1_000_000),
                offset: described.ts_offset(),
                snaplen: described.snaplen,
            }),
            Block::EnhancedPacket(packet) => {
                let interface = self.interfaces.get(usize::try_from(packet.if_id).ok()?)?;
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                return interface.frame(units, packet.data, (packet.caplen, packet.origlen));
            }
            Block::SimplePacket(packet) => {
                let interface = self.interfaces.first()?;
                let limit = match interface.snaplen {
                    0 => u32::MAX,
                    limit => limit,
                };
                let len = packet.origlen.min(limit);
                return interface.frame(0, packet.data, (len, packet.origlen));
            }
            _ => {}
        }
        None
    }
}

impl Interface {
    fn legacy(header: &PcapHeader) -> Self {
        Interface {
            link: link_of(header.network),
            units: if header.is_nanosecond_precision() {
                NANOS
            } else {
                1_000_000
            },
            offset: 0,
            snaplen: header.snaplen,
        }
    }

    /// `None` if the block is shorter than it says.
    fn frame<'b>(
        &self,
        units: u64,
        data: &'b [u8],
        (captured, original_len): (u32, u32),
    ) -> Option<Frame<'b>> {
        let nanos = u128::from(units) * u128::from(NANOS) / u128::from(self.units.max(1));
        let nanos = i128::try_from(nanos).ok()? + i128::from(self.offset) * i128::from(NANOS);
        Some(Frame {
            link: self.link,
            time: u64::try_from(nanos.max(0)).unwrap_or(u64::MAX),
            octets: data.get(..usize::try_from(captured).ok()?)?,
            original_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads to the end and counts packets.
    fn count(file: &[u8]) -> Option<usize> {
        let mut packets = 0;
        let mut reader = Reader::new(file, "f".to_owned()).ok()?;
        let end = reader.frames(&mut |_| {
            packets += 1;
            Ok(())
        });
        end.ok().map(|_| packets)
    }

    /// A section, an interface, two packets; little-endian.
    fn pcapng() -> Vec<u8> {
        let frame = Frame {
            link: 101,
            time: 5,
            octets: &[0x45; 21],
            original_len: 21,
        };
        let mut file = Vec::new();
        let mut writer = super::super::pcapng::Writer::new(&mut file).unwrap();
        writer.packet(&frame, Some("remark")).unwrap();
        writer.packet(&frame, None).unwrap();
        file
    }

    fn pcap() -> Vec<u8> {
        let mut file = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([0, 0, 255, 255, 0, 0, 0, 101]);
        for _ in 0..2 {
            file.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 3, 1, 2, 3]);
        }
        file
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(count(&pcapng()), Some(2));
        assert_eq!(count(&pcap()), Some(2));
        assert_eq!(count(b"no capture"), None);
    }

    proptest! {
        #[test]
        fn no_octets_panic(start in 0usize..3, octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let start = match start {
                0 => Vec::new(),
                1 => pcap(),
                _ => pcapng(),
            };
            let _ = count(&[start, octets].concat());
        }

        #[test]
        fn no_changed_octet_panics(
            ng in any::<bool>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut file = if ng { pcapng() } else { pcap() };
            for (index, octet) in changes {
                let at = index.index(file.len());
                file[at] = octet;
            }
            let _ = count(&file);
        }
    }
}
