//! Fields and their sums: the one place where octets are added up.

use std::borrow::Cow;

/// What a field is for; the picture colours by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IP and UDP, compressed or not, and what stands for them.
    Lower,
    /// Header of the security protocol.
    Header,
    /// Explicit IV or nonce.
    Iv,
    /// What the application sends.
    Message,
    /// Padding, Pad Length, Next Header, inner type.
    Trailer,
    /// ICV or tag.
    Icv,
}

/// A field on the wire.
#[derive(Clone, Debug)]
pub struct Field {
    /// Name as its specification writes it.
    pub name: Cow<'static, str>,
    /// Length; 0 where this packet has no such field.
    pub octets: usize,
    /// What it is for.
    pub kind: Kind,
}

/// Fields in the order of the wire. Layouts of one protocol for messages of
/// different lengths have the same fields.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The fields, also those of length 0.
    pub fields: Vec<Field>,
}

impl Layout {
    /// Adds a field at the end.
    pub fn with(mut self, kind: Kind, name: impl Into<Cow<'static, str>>, octets: usize) -> Self {
        let name = name.into();
        self.fields.push(Field { name, octets, kind });
        self
    }

    /// Adds all of `next` at the end.
    pub fn then(mut self, next: Layout) -> Self {
        self.fields.extend(next.fields);
        self
    }

    /// Octets of all fields.
    pub fn octets(&self) -> usize {
        self.fields.iter().map(|field| field.octets).sum()
    }
}

/// Values that may depend on the length: one where all agree, else each.
pub fn values(values: &[usize]) -> String {
    let same = values.iter().all(|value| Some(value) == values.first());
    let shown = if same { values.get(..1) } else { None };
    let words: Vec<String> = shown
        .unwrap_or(values)
        .iter()
        .map(usize::to_string)
        .collect();
    words.join("/")
}

/// The arithmetic, `SPI 4 + SN 4 + ICV 8 = 16`, of one protocol at one or more
/// lengths: where a field differs between them, its values stand beside each
/// other, `Padding 2/1`. Fields that no length has are left out.
pub fn arithmetic(layouts: &[Layout]) -> String {
    let fields = layouts.first().map_or(&[][..], |first| &first.fields);
    let terms: Vec<String> = fields
        .iter()
        .enumerate()
        .filter_map(|(i, field)| term(&field.name, layouts, i))
        .collect();
    if terms.is_empty() {
        return "nothing = 0".to_owned();
    }
    let sums: Vec<usize> = layouts.iter().map(Layout::octets).collect();
    format!("{} = {}", terms.join(" + "), values(&sums))
}

fn term(name: &str, layouts: &[Layout], i: usize) -> Option<String> {
    let octets: Vec<usize> = layouts
        .iter()
        .filter_map(|layout| layout.fields.get(i))
        .map(|field| field.octets)
        .collect();
    let present = octets.iter().any(|&octets| octets > 0);
    present.then(|| format!("{name} {}", values(&octets)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_shows_what_varies_and_leaves_out_what_is_not_there() {
        let layout = |padding| {
            Layout::default()
                .with(Kind::Header, "SPI", 4)
                .with(Kind::Iv, "IV", 0)
                .with(Kind::Trailer, "Padding", padding)
        };
        assert_eq!(arithmetic(&[layout(2)]), "SPI 4 + Padding 2 = 6");
        let both = arithmetic(&[layout(0), layout(1)]);
        assert_eq!(both, "SPI 4 + Padding 0/1 = 4/5");
        assert_eq!(arithmetic(&[Layout::default()]), "nothing = 0");
    }
}
