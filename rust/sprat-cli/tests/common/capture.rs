//! Captures made octet by octet, and read back.

/// Byte order of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, n: u16) -> Vec<u8> {
        match self {
            Order::Little => n.to_le_bytes().to_vec(),
            Order::Big => n.to_be_bytes().to_vec(),
        }
    }

    fn u32(self, n: u32) -> Vec<u8> {
        match self {
            Order::Little => n.to_le_bytes().to_vec(),
            Order::Big => n.to_be_bytes().to_vec(),
        }
    }
}

/// A pcap of `packets`: seconds, fraction, octets.
pub fn pcap(order: Order, nanos: bool, link: u32, packets: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
    let magic = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut file = order.u32(magic);
    file.extend(order.u16(2));
    file.extend(order.u16(4));
    for word in [0, 0, 65535, link] {
        file.extend(order.u32(word));
    }
    for (seconds, fraction, octets) in packets {
        let len = octets.len() as u32;
        for word in [*seconds, *fraction, len, len] {
            file.extend(order.u32(word));
        }
        file.extend(octets);
    }
    file
}

/// A pcapng in the making.
pub struct PcapNg {
    order: Order,
    pub file: Vec<u8>,
}

impl PcapNg {
    pub fn new(order: Order) -> Self {
        let mut capture = PcapNg {
            order,
            file: Vec::new(),
        };
        let mut body = order.u32(0x1a2b_3c4d);
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend([0xff; 8]);
        capture.block(0x0a0d_0d0a, &body);
        capture
    }

    pub fn block(&mut self, kind: u32, body: &[u8]) {
        let len = (body.len().next_multiple_of(4) + 12) as u32;
        self.file.extend(self.order.u32(kind));
        self.file.extend(self.order.u32(len));
        self.file.extend(body);
        self.file.resize(self.file.len().next_multiple_of(4), 0);
        self.file.extend(self.order.u32(len));
    }

    /// An interface whose time stamps count `10^-resolution` seconds, or
    /// `2^-resolution` with the upper bit set.
    pub fn interface(&mut self, link: u16, resolution: u8) {
        self.interface_at(link, resolution, 0);
    }

    /// The same with seconds to add to every time stamp.
    pub fn interface_at(&mut self, link: u16, resolution: u8, offset: i64) {
        let mut body = self.order.u16(link);
        body.extend([0; 6]);
        body.extend(self.option(9, &[resolution]));
        let (high, low) = ((offset >> 32) as u32, offset as u32);
        let words = match self.order {
            Order::Little => [low, high],
            Order::Big => [high, low],
        };
        body.extend(self.option(14, &words.map(|word| self.order.u32(word)).concat()));
        body.extend([0; 4]);
        self.block(1, &body);
    }

    pub fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut octets = self.order.u16(code);
        octets.extend(self.order.u16(value.len() as u16));
        octets.extend(value);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    pub fn packet(&mut self, interface: u32, time: u64, octets: &[u8]) {
        let len = octets.len() as u32;
        self.packet_of(interface, time, (len, len), octets);
    }

    /// A packet that says itself how long it is; options may stand behind it.
    pub fn packet_of(&mut self, interface: u32, time: u64, lens: (u32, u32), octets: &[u8]) {
        let mut body = Vec::new();
        for word in [interface, (time >> 32) as u32, time as u32, lens.0, lens.1] {
            body.extend(self.order.u32(word));
        }
        body.extend(octets);
        self.block(6, &body);
    }

    /// The block that the enhanced one superseded.
    pub fn old_packet(&mut self, interface: u16, time: u64, octets: &[u8]) {
        let len = octets.len() as u32;
        let mut body = self.order.u16(interface);
        body.extend(self.order.u16(7));
        for word in [(time >> 32) as u32, time as u32, len, len] {
            body.extend(self.order.u32(word));
        }
        body.extend(octets);
        self.block(2, &body);
    }

    pub fn simple_packet(&mut self, octets: &[u8]) {
        let mut body = self.order.u32(octets.len() as u32);
        body.extend(octets);
        self.block(3, &body);
    }
}

/// A packet as `sprat` wrote it.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    pub link: u16,
    pub time: u64,
    pub octets: Vec<u8>,
    /// All of them, joined by `|`.
    pub comment: Option<String>,
}

/// Reads the little-endian pcapng that `sprat` writes, with every length checked.
pub fn read_back(file: &[u8]) -> Vec<Written> {
    let u16_at = |body: &[u8], at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    let u32_at = |body: &[u8], at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    let (mut links, mut packets) = (Vec::new(), Vec::new());
    let mut rest = file;
    while !rest.is_empty() {
        let (kind, len) = (u32_at(rest, 0), u32_at(rest, 4) as usize);
        assert_eq!((len % 4, u32_at(rest, len - 4) as usize), (0, len));
        let body = &rest[8..len - 4];
        match kind {
            0x0a0d_0d0a => assert_eq!(u32_at(body, 0), 0x1a2b_3c4d),
            1 => {
                assert_eq!((u16_at(body, 8), body[12]), (9, 9), "nanoseconds");
                links.push(u16_at(body, 0));
            }
            6 => {
                let captured = u32_at(body, 12) as usize;
                let options = &body[20 + captured.next_multiple_of(4)..];
                let comment = comments(options);
                packets.push(Written {
                    link: links[u32_at(body, 0) as usize],
                    time: u64::from(u32_at(body, 4)) << 32 | u64::from(u32_at(body, 8)),
                    octets: body[20..20 + captured].to_vec(),
                    comment,
                });
            }
            other => panic!("block {other}"),
        }
        rest = &rest[len..];
    }
    packets
}

/// The comments of a packet, which has no other options.
fn comments(mut options: &[u8]) -> Option<String> {
    let mut comments = Vec::new();
    while options.len() > 4 {
        assert_eq!(options[..2], [1, 0]);
        let len = usize::from(u16::from_le_bytes([options[2], options[3]]));
        comments.push(String::from_utf8(options[4..4 + len].to_vec()).unwrap());
        options = &options[4 + len.next_multiple_of(4)..];
    }
    assert!(options.iter().all(|octet| *octet == 0));
    (!comments.is_empty()).then(|| comments.join("|"))
}
