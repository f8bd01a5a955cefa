//! What is no fault of a configuration and may still not be meant.

use sprat_core::diet_esp::{DscpCda, EcnCda, Ehc, FlowLabelCda, Profile};
use sprat_core::sa::{Lookup, Mode};

use crate::{Config, Direction, SaConfig};

/// How much a [`Notice`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Packets may be lost by it.
    Warning,
    /// Good to know.
    Note,
}

/// Something to tell about one SA. Prints as `warning: SA "…": …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub weight: Weight,
    /// Name of the SA.
    pub sa: String,
    /// What there is to know.
    pub text: String,
}

impl core::fmt::Display for Notice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let weight = match self.weight {
            Weight::Warning => "warning",
            Weight::Note => "note",
        };
        write!(f, "{weight}: SA \"{}\": {}", self.sa, self.text)
    }
}

impl Notice {
    fn new(weight: Weight, sa: &SaConfig, text: impl Into<String>) -> Self {
        Notice {
            weight,
            sa: sa.name.clone(),
            text: text.into(),
        }
    }
}

impl Config {
    /// What works and should be known all the same: by SA in the order of the
    /// file, then SAs that a receiver cannot tell apart by their SPI bits.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for sa in &self.sas {
            if let Some(ehc) = &sa.ehc {
                of_numbers(sa, ehc, &mut notices);
                of_packets(sa, ehc, &mut notices);
                of_idle_keys(sa, ehc, &mut notices);
            }
        }
        overlaps(&self.sas, &mut notices);
        notices
    }
}

/// The receiver's reading of the Sequence Number (digest section 8.2).
fn of_numbers(sa: &SaConfig, ehc: &Ehc, notices: &mut Vec<Notice>) {
    let (lsb, window) = (ehc.afrg.esp_sn_lsb, sa.params.replay_window);
    if sa.direction == Some(Direction::Out) {
        return;
    }
    if !ehc.afrg.window_fits(window) {
        let reach = 1u64 << lsb >> 1;
        let text = format!(
            "replay_window {window} is wider than {lsb} bits of the number can tell apart: {reach} packets of it count"
        );
        notices.push(Notice::new(Weight::Warning, sa, text));
    }
    if lsb == 0 && ehc.resync == 0 {
        let text = "esp_sn_lsb = 0: one lost packet, and none opens any more; set resync, or send bits of the number";
        notices.push(Notice::new(Weight::Warning, sa, text));
    }
}

/// What becomes of packets that the rules do not suit.
fn of_packets(sa: &SaConfig, ehc: &Ehc, notices: &mut Vec<Notice>) {
    if !ehc.afrg.compresses_inner() {
        return;
    }
    if matches!(sa.params.mode, Mode::Tunnel(_)) {
        let text = "the inner Hop Limit travels in the outer header, unprotected: what must arrive with 255 (GTSM, neighbour discovery) or leaves with 1 belongs on a plain SA";
        notices.push(Notice::new(Weight::Note, sa, text));
    }
    if sa.direction == Some(Direction::Out) && sa.ehc_fallback.is_none() {
        let text = "no fallback: packets that do not fit its rules are dropped";
        notices.push(Notice::new(Weight::Note, sa, text));
    }
}

/// Keys that this SA never looks at: both ends may share them, or one is mistaken.
fn of_idle_keys(sa: &SaConfig, ehc: &Ehc, notices: &mut Vec<Notice>) {
    let afrg = &ehc.afrg;
    let (sends, receives) = (Some(Direction::Out), Some(Direction::In));
    let outer_v4 = match sa.params.mode {
        Mode::Tunnel(tunnel) => Some(tunnel.source.is_ipv4()),
        Mode::Transport => None,
    };
    let inner_ip = afrg.compresses_inner() && outer_v4.is_some();
    let lower = inner_ip && afrg.flow_label_cda == FlowLabelCda::Lower;
    let plain = Ehc::new(*afrg);
    // That profile has "lower" where nobody asked for it.
    let asked = !inner_ip && afrg.profile != Profile::Ehc2023;
    let idle = [
        ("dscp_cda", asked && afrg.dscp_cda != DscpCda::NotCompressed),
        ("ecn_cda", asked && afrg.ecn_cda != EcnCda::NotCompressed),
        (
            "flow_label_cda",
            asked && afrg.flow_label_cda != FlowLabelCda::NotCompressed,
        ),
        (
            "outer_id",
            afrg.outer_id && !(lower && outer_v4 == Some(true)),
        ),
        ("guard", !afrg.guard && sa.direction == receives),
        (
            "resync",
            ehc.resync != plain.resync && sa.direction == sends,
        ),
        (
            "reorder",
            ehc.reorder != plain.reorder && (sa.direction == sends || sa.params.replay_window != 0),
        ),
    ];
    let keys: Vec<&str> = idle.iter().filter(|key| key.1).map(|key| key.0).collect();
    if !keys.is_empty() {
        let text = format!("without effect here: {}", keys.join(", "));
        notices.push(Notice::new(Weight::Note, sa, text));
    }
}

/// The bits by which a receiver finds an SA, as they stand first in the packet.
#[derive(Clone, Copy)]
struct Shown<'c> {
    sa: &'c SaConfig,
    /// From the most significant bit on.
    bits: u32,
    len: u8,
}

impl<'c> Shown<'c> {
    fn of(sa: &'c SaConfig) -> Self {
        let len = sa.ehc.as_ref().map_or(32, |ehc| ehc.afrg.esp_spi_lsb);
        let low = sa.params.spi.low_bits(len);
        Shown {
            sa,
            bits: low.checked_shl(32 - u32::from(len)).unwrap_or(0),
            len,
        }
    }

    fn begins(&self, other: &Self) -> bool {
        let differ = self.bits ^ other.bits;
        let behind = 32 - u32::from(self.len);
        self.len <= other.len && differ.checked_shr(behind).unwrap_or(0) == 0
    }

    /// Whether one packet can be for either.
    fn meets(&self, other: &Self) -> bool {
        let compressed = self.sa.ehc.is_some() || other.sa.ehc.is_some();
        let (a, b) = (ends(self.sa), ends(other.sa));
        let apart = |a, b| matches!((a, b), (Some(a), Some(b)) if a != b);
        compressed && !apart(a.0, b.0) && !apart(a.1, b.1)
    }
}

/// Destination and source that a received packet must have.
fn ends(sa: &SaConfig) -> (Option<core::net::IpAddr>, Option<core::net::IpAddr>) {
    match sa.params.lookup {
        Lookup::Spi => (None, None),
        Lookup::SpiDestination(destination) => (Some(destination), None),
        Lookup::SpiDestinationSource(destination, source) => (Some(destination), Some(source)),
    }
}

/// Where the bits of one SA begin those of another, only trying the ICV tells
/// whose a packet is (digest section 8.1).
fn overlaps(sas: &[SaConfig], notices: &mut Vec<Notice>) {
    let received = sas.iter().filter(|sa| sa.direction != Some(Direction::Out));
    let mut all: Vec<Shown<'_>> = received.map(Shown::of).collect();
    if all.iter().all(|shown| shown.sa.ehc.is_none()) {
        return;
    }
    all.sort_by_key(|shown| (shown.bits, shown.len));
    // Those whose bits begin the present ones, the longest last.
    let mut open: Vec<Shown<'_>> = Vec::new();
    for shown in all {
        while open.last().is_some_and(|outer| !outer.begins(&shown)) {
            open.pop();
        }
        if let Some(outer) = open.iter().rev().find(|outer| outer.meets(&shown)) {
            let text = overlap(outer, &shown);
            notices.push(Notice::new(Weight::Warning, shown.sa, text));
        }
        open.push(shown);
    }
}

fn overlap(outer: &Shown<'_>, shown: &Shown<'_>) -> String {
    let what = match outer.len {
        0 => "no SPI bits (esp_spi_lsb = 0)".to_owned(),
        len => format!("{len} SPI bits that its packets begin with, too"),
    };
    format!(
        "SA \"{}\" shows {what}: only trying the ICV tells {} apart; choose SPIs of which none begins another",
        outer.sa.name, shown.sa.name
    )
}
