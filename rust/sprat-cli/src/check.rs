//! `sprat sa check`.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sprat_config::{Config, Direction, SaConfig};
use sprat_core::crypto::Integ;
use sprat_core::sa::Mode;

use crate::fail::{Fail, Outcome, complain};

/// Tells every fault of the file, or lists its SAs.
pub fn run(file: &Path) -> Result<Outcome, Fail> {
    let config = Config::load(file).map_err(Fail::Config)?;
    for path in &config.key_files {
        warn_if_shared(path);
    }
    for notice in config.notices() {
        complain(format_args!("{}: {notice}", file.display()));
    }
    let mut rows = vec![
        [
            "SA",
            "DIRECTION",
            "SPI",
            "MODE",
            "TRANSFORMS",
            "SN",
            "WINDOW",
        ]
        .map(String::from),
    ];
    rows.extend(config.sas.iter().map(row));
    let mut out = std::io::stdout().lock();
    let widths = widths(&rows);
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    let gateway = if config.gateway.is_some() { "a" } else { "no" };
    writeln!(
        out,
        "{}: {} SAs, {} policies, {gateway} gateway",
        file.display(),
        config.sas.len(),
        config.policies.len()
    )?;
    Ok(Outcome::Well)
}

/// Whoever may read a key may read and forge every packet.
fn warn_if_shared(path: &Path) {
    let mode = std::fs::metadata(path).map_or(0, |data| data.mode() & 0o777);
    if mode & 0o044 != 0 {
        complain(format_args!(
            "warning: {}: holds keys, and others than its owner may read it (mode {mode:04o})",
            path.display()
        ));
    }
}

fn widths(rows: &[[String; 7]]) -> [usize; 7] {
    let mut widths = [0; 7];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    widths
}

fn row(sa: &SaConfig) -> [String; 7] {
    let direction = match sa.direction {
        Some(Direction::Out) => "out",
        Some(Direction::In) => "in",
        None => "-",
    };
    let mode = match sa.params.mode {
        Mode::Transport => "transport".to_owned(),
        Mode::Tunnel(tunnel) => format!("tunnel {} > {}", tunnel.source, tunnel.destination),
    };
    let mode = match sa.params.udp_encap {
        Some(encap) => format!(
            "{mode} udp {} > {}",
            encap.source_port, encap.destination_port
        ),
        None => mode,
    };
    let bits = sa.keys.encr_key.len() * 8;
    let transforms = match (sa.integ, bits) {
        (Integ::None, _) => format!("{}/{bits}", sa.encr.name()),
        (integ, 0) => format!("{} {}", sa.encr.name(), integ.name()),
        (integ, _) => format!("{}/{bits} {}", sa.encr.name(), integ.name()),
    };
    let transforms = match &sa.ehc {
        Some(ehc) => format!("{transforms} {}", ehc.afrg.profile.name()),
        None => transforms,
    };
    let numbers = if sa.params.esn { "64" } else { "32" };
    let window = match sa.params.replay_window {
        0 => "off".to_owned(),
        window => window.to_string(),
    };
    [
        sa.name.clone(),
        direction.to_owned(),
        sa.params.spi.to_string(),
        mode,
        transforms,
        numbers.to_owned(),
        window,
    ]
}
