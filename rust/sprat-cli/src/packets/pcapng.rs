//! Writing pcapng: one section, little-endian, an interface a link type,
//! nanoseconds.

use std::io::{Error, ErrorKind, Result, Write};

use super::capture::{COMMENT, Frame};

const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const TS_RESOLUTION: u16 = 9;

/// A capture that is being written.
pub struct Writer<W> {
    out: W,
    links: Vec<u16>,
}

impl<W: Write> Writer<W> {
    /// Begins the section.
    pub fn new(mut out: W) -> Result<Self> {
        let mut body = BYTE_ORDER.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        // Length of the section: not stated.
        body.extend(u64::MAX.to_le_bytes());
        block(&mut out, SECTION, &body)?;
        Ok(Writer {
            out,
            links: Vec::new(),
        })
    }

    /// Writes a packet with its comments; an interface of its link type goes before the first.
    pub fn packet(&mut self, frame: &Frame<'_>, comment: Option<&str>) -> Result<()> {
        let interface = self.interface(frame.link)?;
        let [a, b, c, d, e, f, g, h] = frame.time.to_be_bytes();
        let high = u32::from_be_bytes([a, b, c, d]);
        let low = u32::from_be_bytes([e, f, g, h]);
        let len = length(frame.octets.len())?;
        let mut body = Vec::with_capacity(frame.octets.len() + 64);
        for word in [interface, high, low, len, frame.original_len.max(len)] {
            body.extend(word.to_le_bytes());
        }
        padded(&mut body, frame.octets);
        let own = comment.map(str::as_bytes);
        let comments: Vec<&[u8]> = frame.options.values(COMMENT).chain(own).collect();
        options(&mut body, COMMENT, &comments);
        block(&mut self.out, ENHANCED_PACKET, &body)
    }

    /// Writes what is still held back.
    pub fn finish(mut self) -> Result<()> {
        self.out.flush()
    }

    fn interface(&mut self, link: u16) -> Result<u32> {
        let index = match self.links.iter().position(|known| *known == link) {
            Some(index) => index,
            None => {
                let mut body = link.to_le_bytes().to_vec();
                // Reserved, and no limit of length.
                body.extend([0; 6]);
                options(&mut body, TS_RESOLUTION, &[&[9]]);
                block(&mut self.out, INTERFACE, &body)?;
                self.links.push(link);
                self.links.len() - 1
            }
        };
        length(index)
    }
}

fn length(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::from(ErrorKind::InvalidInput))
}

fn padded(body: &mut Vec<u8>, octets: &[u8]) {
    body.extend(octets);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// An option with each of the values, and the end of the options.
fn options(body: &mut Vec<u8>, code: u16, values: &[&[u8]]) {
    for value in values {
        let value = value.get(..value.len().min(65_535)).unwrap_or(value);
        body.extend(code.to_le_bytes());
        body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        padded(body, value);
    }
    if !values.is_empty() {
        body.extend([0; 4]);
    }
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> Result<()> {
    let len = length(body.len() + 12)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&len)?;
    out.write_all(body)?;
    out.write_all(&len)
}
