//! Reading captures: pcap and pcapng, both byte orders.

use std::io::{BufReader, Read};

use crate::fail::Fail;

/// Largest block or packet that is taken for one, octets.
const BLOCK_MAX: u32 = 64 << 20;
const NANOS: u128 = 1_000_000_000;

/// Block types of pcapng.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// Superseded by [`ENHANCED_PACKET`], and still found.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Stands for the records of pcap, which have no type.
const RECORD: u32 = u32::MAX;

/// Options of pcapng.
pub const COMMENT: u16 = 1;
const TS_RESOLUTION: u16 = 9;
const TS_OFFSET: u16 = 14;

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
    /// What is noted beside it.
    pub options: Options<'a>,
}

impl Frame<'_> {
    /// Whether not all of it was captured.
    pub fn is_cut(&self) -> bool {
        usize::try_from(self.original_len).is_ok_and(|len| len > self.octets.len())
    }
}

/// A packet that does not hold what it says, or that no interface captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// What stands where a packet should.
pub type Packet<'a> = Result<Frame<'a>, Damaged>;

/// How a capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Behind a whole packet.
    Complete,
    /// Within a packet or block.
    CutShort,
    /// Before this octet, from which on nothing can be understood.
    Damaged(u64),
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Little,
    Big,
}

/// Takes fields from the front of octets.
#[derive(Clone, Copy, Default)]
struct Cursor<'a> {
    order: Order,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// Octets and what fills them up to a multiple of 4, if it is there.
    fn take_padded(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.take(len)?;
        let padding = len.next_multiple_of(4) - len;
        self.rest = self.rest.get(padding..).unwrap_or(&[]);
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let octets = *self.take(2)?.first_chunk()?;
        Some(match self.order {
            Order::Little => u16::from_le_bytes(octets),
            Order::Big => u16::from_be_bytes(octets),
        })
    }

    fn u32(&mut self) -> Option<u32> {
        let octets = *self.take(4)?.first_chunk()?;
        Some(match self.order {
            Order::Little => u32::from_le_bytes(octets),
            Order::Big => u32::from_be_bytes(octets),
        })
    }

    /// 64 bits in two words, the high one first in either order.
    fn time(&mut self) -> Option<u64> {
        Some(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }
}

/// The options at the end of a block.
#[derive(Clone, Copy, Default)]
pub struct Options<'a>(Cursor<'a>);

impl<'a> Options<'a> {
    /// The values of every option with this code.
    pub fn values(self, code: u16) -> impl Iterator<Item = &'a [u8]> {
        let mut cursor = self.0;
        let next = move || {
            let code = cursor.u16().filter(|code| *code != 0)?;
            let len = cursor.u16()?;
            Some((code, cursor.take_padded(usize::from(len))?))
        };
        std::iter::from_fn(next)
            .filter(move |(found, _)| *found == code)
            .map(|(_, value)| value)
    }
}

/// What packets refer to.
#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    /// Units of the time stamps a second.
    units: u128,
    /// Seconds to add to them.
    offset: i64,
    /// Octets captured at most; 0 = no limit.
    snaplen: u32,
}

impl Interface {
    fn described(mut body: Cursor<'_>) -> Option<Self> {
        let link = body.u16()?;
        body.u16()?;
        let snaplen = body.u32()?;
        let options = Options(body);
        let resolution = options.values(TS_RESOLUTION).next();
        let units = match resolution.and_then(<[u8]>::first) {
            None => 1_000_000,
            Some(power @ 0x80..) => 1 << (power & 0x7f),
            // More digits than 128 bits: every time stamp is 0.
            Some(power) => 10_u128.checked_pow(u32::from(*power)).unwrap_or(u128::MAX),
        };
        let offset = options.values(TS_OFFSET).next();
        let offset = offset.and_then(<[u8]>::first_chunk::<8>);
        Some(Interface {
            link,
            units,
            offset: offset.map_or(0, |octets| match body.order {
                Order::Little => i64::from_le_bytes(*octets),
                Order::Big => i64::from_be_bytes(*octets),
            }),
            snaplen,
        })
    }

    /// The packet at the front of `body`; `None` if the block is shorter than it says.
    fn frame<'b>(
        &self,
        units: u64,
        mut body: Cursor<'b>,
        (captured, original_len): (usize, u32),
    ) -> Option<Frame<'b>> {
        let nanos = i128::try_from(u128::from(units) * NANOS / self.units).ok()?;
        let nanos = nanos + i128::from(self.offset) * 1_000_000_000;
        Some(Frame {
            link: self.link,
            time: u64::try_from(nanos.max(0)).unwrap_or(u64::MAX),
            octets: body.take_padded(captured)?,
            original_len,
            options: Options(body),
        })
    }
}

#[derive(Clone, Copy)]
enum Format {
    /// Octets in front of each packet.
    Pcap(usize),
    PcapNg,
}

/// A capture that is being read.
pub struct Reader<R> {
    input: BufReader<R>,
    name: String,
    format: Format,
    order: Order,
    /// Of the section; `None` where the description is too short.
    interfaces: Vec<Option<Interface>>,
    /// What has been read of the block at hand, from its first octet on.
    block: Vec<u8>,
    /// Octets in front of it.
    at: u64,
}

/// What stands next in the file.
enum Next {
    /// A whole block of this type.
    Block(u32),
    End(End),
}

impl<R: Read> Reader<R> {
    /// Looks at the first octets. `name` stands in errors.
    pub fn new(input: R, name: String) -> Result<Self, Fail> {
        let mut reader = Reader {
            input: BufReader::new(input),
            name,
            format: Format::PcapNg,
            order: Order::Little,
            interfaces: Vec::new(),
            block: Vec::new(),
            at: 0,
        };
        reader.fill(4)?;
        if reader.word(0) == Some(SECTION) || reader.fill(24)? && reader.legacy().is_some() {
            return Ok(reader);
        }
        let name = reader.name;
        Err(Fail::text(format!("{name}: neither pcap nor pcapng")))
    }

    /// Understands the header of a pcap.
    fn legacy(&mut self) -> Option<()> {
        let magic = *self.block.first_chunk::<4>()?;
        for (order, magic) in [
            (Order::Little, u32::from_le_bytes(magic)),
            (Order::Big, u32::from_be_bytes(magic)),
        ] {
            let (units, header) = match magic {
                0xa1b2_c3d4 => (1_000_000, 16),
                0xa1b2_3c4d => (NANOS, 16),
                // As patched libpcaps of old wrote it.
                0xa1b2_cd34 => (1_000_000, 24),
                _ => continue,
            };
            self.order = order;
            self.format = Format::Pcap(header);
            self.interfaces = vec![Some(Interface {
                // The upper half tells of the frame check sequence.
                link: u16::try_from(self.word(20)? & 0xffff).ok()?,
                units,
                offset: 0,
                snaplen: 0,
            })];
            self.done();
            return Some(());
        }
        None
    }

    /// Hands every packet to `each`.
    pub fn frames(
        &mut self,
        each: &mut dyn FnMut(Packet<'_>) -> Result<(), Fail>,
    ) -> Result<End, Fail> {
        loop {
            let next = match self.format {
                Format::Pcap(header) => self.next_record(header)?,
                Format::PcapNg => self.next_block()?,
            };
            match next {
                Next::End(end) => return Ok(end),
                Next::Block(INTERFACE) => {
                    let interface = Interface::described(self.body());
                    self.interfaces.push(interface);
                }
                Next::Block(kind) => {
                    if let Some(packet) = self.packet(kind) {
                        each(packet)?;
                    }
                }
            }
            self.done();
        }
    }

    fn next_record(&mut self, header: usize) -> Result<Next, Fail> {
        if !self.fill(header)? {
            return Ok(self.at_end());
        }
        match self.word(8) {
            Some(len) if len <= BLOCK_MAX => self.whole(header + len as usize, RECORD),
            _ => Ok(Next::End(End::Damaged(self.at))),
        }
    }

    fn next_block(&mut self) -> Result<Next, Fail> {
        let damaged = Next::End(End::Damaged(self.at));
        if !self.fill(8)? {
            return Ok(self.at_end());
        }
        let kind = self.word(0);
        if kind == Some(SECTION) {
            if !self.fill(12)? {
                return Ok(Next::End(End::CutShort));
            }
            self.order = match self.block.get(8..) {
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order::Little,
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order::Big,
                _ => return Ok(damaged),
            };
            self.interfaces.clear();
        }
        match (kind, self.word(4)) {
            (Some(kind), Some(len @ 12..=BLOCK_MAX)) if len.is_multiple_of(4) => {
                let next = self.whole(len as usize, kind)?;
                let twice = self.word(len as usize - 4) == Some(len);
                match next {
                    Next::Block(_) if !twice => Ok(damaged),
                    next => Ok(next),
                }
            }
            _ => Ok(damaged),
        }
    }

    fn at_end(&self) -> Next {
        Next::End(match self.block.is_empty() {
            true => End::Complete,
            false => End::CutShort,
        })
    }

    /// Reads the block up to its length.
    fn whole(&mut self, len: usize, kind: u32) -> Result<Next, Fail> {
        Ok(match self.fill(len)? {
            true => Next::Block(kind),
            false => Next::End(End::CutShort),
        })
    }

    /// Reads until the block has `len` octets; false if the file has no more.
    fn fill(&mut self, len: usize) -> Result<bool, Fail> {
        let missing = len.saturating_sub(self.block.len());
        // What a length promises is not believed before it has been read.
        let mut input = (&mut self.input).take(missing as u64);
        let read = input.read_to_end(&mut self.block);
        let read = read.map_err(|error| Fail::Io(self.name.clone(), error))?;
        Ok(read == missing)
    }

    /// The block at hand is behind us.
    fn done(&mut self) {
        self.at += self.block.len() as u64;
        self.block.clear();
    }

    fn word(&self, at: usize) -> Option<u32> {
        let rest = self.block.get(at..)?;
        Cursor {
            order: self.order,
            rest,
        }
        .u32()
    }

    /// What stands between type, length and length of a block.
    fn body(&self) -> Cursor<'_> {
        let end = self.block.len().saturating_sub(4);
        Cursor {
            order: self.order,
            rest: self.block.get(8..end).unwrap_or(&[]),
        }
    }

    fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// The packet in the block at hand; `None` if a block of this type holds none.
    fn packet(&self, kind: u32) -> Option<Packet<'_>> {
        let packet = match kind {
            RECORD => self.record(),
            PACKET => self.superseded(),
            SIMPLE_PACKET => self.simple(),
            ENHANCED_PACKET => self.enhanced(),
            _ => return None,
        };
        Some(packet.ok_or(Damaged))
    }

    fn record(&self) -> Option<Frame<'_>> {
        let Format::Pcap(header) = self.format else {
            return None;
        };
        let interface = self.interface(0)?;
        let mut body = Cursor {
            order: self.order,
            rest: &self.block,
        };
        let (seconds, fraction) = (body.u32()?, body.u32()?);
        let lens = (body.len()?, body.u32()?);
        body.take(header - 16)?;
        let units = u64::try_from(interface.units).ok()?;
        let units = u64::from(seconds) * units + u64::from(fraction);
        interface.frame(units, body, lens)
    }

    fn superseded(&self) -> Option<Frame<'_>> {
        let mut body = self.body();
        let interface = self.interface(body.u16()?.into())?;
        // How many packets were lost before this one.
        body.u16()?;
        let time = body.time()?;
        let lens = (body.len()?, body.u32()?);
        interface.frame(time, body, lens)
    }

    fn simple(&self) -> Option<Frame<'_>> {
        let mut body = self.body();
        let interface = self.interface(0)?;
        let original_len = body.u32()?;
        let captured = match interface.snaplen {
            0 => original_len,
            limit => original_len.min(limit),
        };
        interface.frame(0, body, (usize::try_from(captured).ok()?, original_len))
    }

    fn enhanced(&self) -> Option<Frame<'_>> {
        let mut body = self.body();
        let interface = self.interface(body.u32()?)?;
        let time = body.time()?;
        let lens = (body.len()?, body.u32()?);
        interface.frame(time, body, lens)
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
            options: Options::default(),
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
