//! One thing to show: a field with its place and value.

use crate::error::DropReason;

use super::expert::Expert;
use super::field::Field;

/// Which octets a span's place is in; the numbers are those of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// The packet as given.
    Packet = 0,
    /// What was decrypted.
    Plaintext = 1,
    /// What was rebuilt from it.
    Rebuilt = 2,
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The octets at the span's place.
    InPlace,
    /// A number, or 0 and 1 for a boolean.
    Number(u64),
    /// Octets that are not in the packet, at most 16: the nonce, what it is made
    /// of, or an address.
    Octets(&'a [u8]),
    /// Bits, at most 128.
    Bits {
        /// The octets that hold them, the first bit in the highest one.
        octets: &'a [u8; 16],
        /// How many there are.
        count: u8,
    },
    /// Text.
    Text(&'a str),
}

/// One thing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// Which field.
    pub field: Field,
    /// The span under which it stands; `None` = the top.
    pub parent: Option<u16>,
    /// Which octets `offset` counts in.
    pub source: Source,
    /// Octets before it.
    pub offset: usize,
    /// Octets it covers; 0 where it stands for none.
    pub len: usize,
    /// Not in the packet but concluded from it.
    pub generated: bool,
    /// Its value.
    pub value: Value<'a>,
    /// What is remarkable about it.
    pub expert: Option<Expert>,
}

/// Where spans go.
pub trait Sink {
    /// Takes a span and numbers it: 0 for the first one, then upwards.
    fn add(&mut self, span: Span<'_>) -> u16;

    /// Whether nobody will see a span without a remark: it need not be added.
    fn brief(&self) -> bool {
        false
    }
}

/// Shorthands for the few shapes that spans have.
pub(super) trait SinkExt: Sink {
    /// Octets of the packet.
    fn octets(&mut self, field: Field, offset: usize, len: usize) -> u16 {
        self.add(Span {
            offset,
            len,
            ..blank(field)
        })
    }

    /// A number that stands in the packet.
    fn number(&mut self, field: Field, offset: usize, len: usize, value: u64) -> u16 {
        self.add(Span {
            offset,
            len,
            value: Value::Number(value),
            ..blank(field)
        })
    }

    /// A number or truth that was concluded.
    fn fact(&mut self, field: Field, parent: Option<u16>, value: u64) -> u16 {
        self.concluded(field, parent, Value::Number(value), None)
    }

    /// Why a receiver would drop the packet.
    fn refusal(&mut self, reason: DropReason) -> u16 {
        let expert = Some(Expert::Drop(reason));
        let name = Value::Text(reason.counter());
        self.concluded(Field::DropReason, None, name, expert)
    }

    /// Anything that was concluded.
    fn concluded(
        &mut self,
        field: Field,
        parent: Option<u16>,
        value: Value<'_>,
        expert: Option<Expert>,
    ) -> u16 {
        self.add(Span {
            parent,
            generated: true,
            value,
            expert,
            ..blank(field)
        })
    }
}

impl<S: Sink + ?Sized> SinkExt for S {}

/// A span over no octets of the packet.
pub(super) const fn blank(field: Field) -> Span<'static> {
    Span {
        field,
        parent: None,
        source: Source::Packet,
        offset: 0,
        len: 0,
        generated: false,
        value: Value::InPlace,
        expert: None,
    }
}
