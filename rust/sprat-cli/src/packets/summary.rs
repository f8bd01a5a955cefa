//! What became of the packets of a capture, by SA and drop reason.

use sprat_core::error::{DropCounters, DropReason};

use crate::fail::complain;

/// Counts of one SA.
#[derive(Default)]
struct Row {
    name: String,
    spi: String,
    done: u64,
    /// Not captured whole.
    cut: u64,
    drops: DropCounters,
}

/// Counts of a run.
pub struct Summary {
    /// "opened" or "sealed".
    verb: &'static str,
    rows: Vec<Row>,
    /// Refused without an SA.
    drops: DropCounters,
    /// Packets that neither met an SA nor were refused.
    unchanged: u64,
    /// Packets that the capture does not hold as it says.
    damaged: u64,
}

impl Summary {
    /// Nothing counted; `sas` gives name and SPI of each.
    pub fn new(verb: &'static str, sas: impl Iterator<Item = (String, String)>) -> Self {
        let rows = sas.map(|(name, spi)| Row {
            name,
            spi,
            ..Row::default()
        });
        Summary {
            verb,
            rows: rows.collect(),
            drops: DropCounters::default(),
            unchanged: 0,
            damaged: 0,
        }
    }

    /// A packet that SA number `sa` opened or sealed.
    pub fn done(&mut self, sa: usize) {
        if let Some(row) = self.rows.get_mut(sa) {
            row.done += 1;
        }
    }

    /// A packet for SA number `sa` that was not captured whole.
    pub fn cut(&mut self, sa: usize) {
        if let Some(row) = self.rows.get_mut(sa) {
            row.cut += 1;
        }
    }

    /// A packet that cannot be read.
    pub fn damaged(&mut self) {
        self.damaged += 1;
    }

    /// A packet that was refused, by an SA or without one.
    pub fn refused(&mut self, sa: Option<usize>, reason: DropReason) {
        match sa.and_then(|sa| self.rows.get_mut(sa)) {
            Some(row) => row.drops.count(reason),
            None => self.drops.count(reason),
        }
    }

    /// A packet that is none of our business.
    pub fn unchanged(&mut self) {
        self.unchanged += 1;
    }

    /// Name of an SA, for comments.
    pub fn name(&self, sa: usize) -> &str {
        self.rows.get(sa).map_or("", |row| &row.name)
    }

    /// Prints the counts to standard error.
    pub fn print(&self) {
        let mut idle = 0;
        for row in &self.rows {
            if row.done + row.cut + row.drops.total() == 0 {
                idle += 1;
                continue;
            }
            let cut = match row.cut {
                0 => String::new(),
                cut => format!(", {cut} cut by the snaplen"),
            };
            complain(format_args!(
                "SA \"{}\" {}: {} {}{}{cut}",
                row.name,
                row.spi,
                row.done,
                self.verb,
                reasons(&row.drops)
            ));
        }
        if idle != 0 {
            complain(format_args!("SAs without packets: {idle}"));
        }
        if self.drops.total() != 0 {
            let reasons = reasons(&self.drops);
            complain(format_args!("no SA{reasons}"));
        }
        complain(format_args!("other packets: {}", self.unchanged));
        if self.damaged != 0 {
            complain(format_args!("damaged packets: {}", self.damaged));
        }
    }
}

/// ", 3 integrity, 1 replay".
fn reasons(drops: &DropCounters) -> String {
    let all = DropReason::ALL
        .iter()
        .map(|reason| (drops.of(*reason), reason));
    let some = all.filter(|(count, _)| *count != 0);
    some.map(|(count, reason)| format!(", {count} {}", reason.counter()))
        .collect()
}
