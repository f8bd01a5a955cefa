//! For people.

use std::io::Write;

use sprat_config::{Direction, SaConfig};
use sprat_core::diet_esp::{Context, Stratum};
use sprat_core::schc::Fid;
use sprat_core::selector::{AddrRange, PortRange};
use sprat_core::wire::ip::Version;

use super::advice::{Advice, Advices};
use super::packet::{Explained, Layer};
use super::rules::{self, Row, Table};
use super::{Report, cost};
use crate::fail::Fail;
use crate::hex;
use crate::overhead::field::arithmetic;

/// Octets in a line of hex digits.
const LINE: usize = 40;

/// Writes what there is to tell about one SA.
pub fn print(out: &mut impl Write, report: &Report<'_>) -> Result<(), Fail> {
    head(out, report)?;
    for table in rules::tables(report.context, report.cipher.block) {
        rule(out, &table)?;
    }
    costs(out, report)?;
    advice(out, report)?;
    match &report.packet {
        Some(Ok(explained)) => packet(out, explained)?,
        Some(Err(refused)) => {
            writeln!(out, "  Packet: refused: {refused}")?;
            if let (Some(plain), true) = (&report.sa.ehc_fallback, refused.is_misfit()) {
                writeln!(out, "    its fallback \"{plain}\" would seal it")?;
            }
            writeln!(out)?;
        }
        None => {}
    }
    Ok(())
}

fn head(out: &mut impl Write, report: &Report<'_>) -> Result<(), Fail> {
    let (sa, afrg) = (report.sa, report.context.afrg());
    let direction = match sa.direction {
        Some(Direction::Out) => "out, ",
        Some(Direction::In) => "in, ",
        None => "",
    };
    let encr = report.cipher.encr.name();
    writeln!(
        out,
        "SA \"{}\": {direction}SPI {}, {}, {encr}",
        sa.name,
        sa.params.spi,
        carried(report.context)
    )?;
    writeln!(
        out,
        "  {}, {}, alignment {}, trailer {}, SPI {} and SN {} bits{}{}",
        afrg.profile.name(),
        afrg.iipc_profile.name(),
        afrg.alignment.name(),
        afrg.esp_trailer.name(),
        afrg.esp_spi_lsb,
        afrg.esp_sn_lsb,
        if afrg.hardened { ", hardened" } else { "" },
        if afrg.guard { "" } else { ", no guard" },
    )?;
    writeln!(out, "  {}\n", traffic(sa, report.context))?;
    Ok(())
}

fn carried(context: &Context) -> &'static str {
    match context.outer() {
        None => "transport mode",
        Some(Version::V4) => "tunnel over IPv4",
        Some(Version::V6) => "tunnel over IPv6",
    }
}

/// The traffic selector.
fn traffic(sa: &SaConfig, context: &Context) -> String {
    let selector = &context.afrg().selector;
    let protocol = match selector.protocol {
        Some(protocol) => cost::protocol_name(protocol),
        None => "any protocol".to_owned(),
    };
    let several = match sa.selectors.len() {
        0 | 1 => String::new(),
        n => format!(", {n} selectors"),
    };
    format!(
        "{}{} > {}{}, {protocol}{several}",
        addresses(&selector.source),
        ports(&selector.source_ports),
        addresses(&selector.destination),
        ports(&selector.destination_ports)
    )
}

fn addresses(range: &AddrRange) -> String {
    match range {
        AddrRange::Any => "any".to_owned(),
        AddrRange::Range { first, last } if first == last => first.to_string(),
        AddrRange::Range { first, last } => format!("{first}-{last}"),
    }
}

fn ports(range: &PortRange) -> String {
    match range {
        PortRange::Any => String::new(),
        PortRange::Opaque => " port opaque".to_owned(),
        PortRange::Range { first, last } if first == last => format!(" port {first}"),
        PortRange::Range { first, last } => format!(" ports {first}-{last}"),
    }
}

/// The name of a compressor.
pub fn stratum_name(stratum: Stratum) -> &'static str {
    match stratum {
        Stratum::Iipc => "IIPC",
        Stratum::Ctec => "CTEC",
        Stratum::Eec => "EEC",
    }
}

fn rule(out: &mut impl Write, table: &Table) -> Result<(), Fail> {
    let stratum = stratum_name(table.stratum);
    writeln!(out, "  {stratum}, {}", table.title)?;
    let mut cells = vec![["FID", "FL", "TV", "MO", "CDA", "BITS"].map(String::from)];
    cells.extend(table.rows.iter().map(row));
    if table.rows.is_empty() {
        cells.clear();
    }
    grid(out, &cells, &[false, true, false, false, false, true])?;
    if !table.sum.is_empty() {
        writeln!(out, "    {}", table.sum)?;
    }
    writeln!(out)?;
    Ok(())
}

fn row(row: &Row) -> [String; 6] {
    let varies = row.fid == Fid::EspPadding;
    let (bits, sent) = match varies {
        true if row.cda == "padding" => ("varies".to_owned(), "0".to_owned()),
        true => ("varies".to_owned(), "varies".to_owned()),
        false => (row.bits.to_string(), row.sent.to_string()),
    };
    let name = row.fid.name().to_owned();
    [
        name,
        bits,
        row.tv.clone(),
        row.mo.clone(),
        row.cda.to_owned(),
        sent,
    ]
}

/// Columns as wide as their longest cell, numbers to the right.
fn grid<const N: usize>(
    out: &mut impl Write,
    rows: &[[String; N]],
    right: &[bool; N],
) -> Result<(), Fail> {
    let mut widths = [0; N];
    for (width, cell) in rows
        .iter()
        .flat_map(|row| (0..N).zip(row))
        .map(|(i, cell)| (i, cell.len()))
    {
        if let Some(known) = widths.get_mut(width) {
            *known = cell.max(*known);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).zip(right);
        let line: String = cells
            .map(|((cell, width), right)| match right {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            })
            .collect();
        writeln!(out, "    {}", line.trim_end())?;
    }
    Ok(())
}

fn costs(out: &mut impl Write, report: &Report<'_>) -> Result<(), Fail> {
    let traffic = report.traffic;
    let diet = cost::compressed(report.context, report.cipher, traffic);
    let plain = cost::plain(report.context, report.cipher, traffic);
    writeln!(out, "  Cost of {}", asked(report))?;
    let (less, more) = (diet.octets(), plain.octets());
    writeln!(out, "    Diet-ESP  {}", arithmetic(&[diet]))?;
    writeln!(out, "    ESP       {}", arithmetic(&[plain]))?;
    match more.checked_sub(less) {
        Some(saved) => writeln!(out, "    {} saved\n", octets_of(saved))?,
        None => writeln!(out, "    {} more than ESP\n", octets_of(less - more))?,
    }
    Ok(())
}

fn asked(report: &Report<'_>) -> String {
    let name = cost::protocol_name(report.traffic.protocol);
    format!(
        "{name} with {} of payload",
        octets_of(report.traffic.payload)
    )
}

fn advice(out: &mut impl Write, report: &Report<'_>) -> Result<(), Fail> {
    let Advices { each, together } = &report.advices;
    let now = cost::compressed(report.context, report.cipher, report.traffic).octets();
    if each.is_empty() {
        writeln!(out, "  Advice: none, nothing would save an octet\n")?;
        return Ok(());
    }
    writeln!(out, "  Advice, for {}", asked(report))?;
    let rows: Vec<[String; 2]> = each.iter().map(|a| [saves(a), change(a)]).collect();
    grid(out, &rows, &[false, false])?;
    if let Some(saved) = now.checked_sub(*together).filter(|saved| *saved > 0) {
        writeln!(
            out,
            "    all but what is in brackets: {}, {now} -> {together}",
            octets_of(saved)
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn change(advice: &Advice) -> String {
    match advice.apart {
        true => format!("({})", advice.change),
        false => advice.change.clone(),
    }
}

/// `6 octets`; where it depends on the length the mean as well.
fn saves(advice: &Advice) -> String {
    let (least, most) = advice.range;
    match advice.octets {
        _ if most <= 0 => format!("{} bits, no octet by itself", advice.bits),
        octets if least == most => octets_of(octets),
        octets => format!("{} on average, {octets} here", advice.mean()),
    }
}

/// `1 octet`, `2 octets`.
fn octets_of(count: impl TryInto<i64>) -> String {
    match count.try_into() {
        Ok(1) => "1 octet".to_owned(),
        Ok(count) => format!("{count} octets"),
        Err(_) => String::new(),
    }
}

fn packet(out: &mut impl Write, explained: &Explained) -> Result<(), Fail> {
    writeln!(out, "  Packet, number {}", explained.sn)?;
    octets(
        out,
        &format!("inner packet, {}", octets_of(explained.inner.len())),
        &explained.inner,
    )?;
    writeln!(out)?;
    for each in &explained.layers {
        layer(out, each)?;
    }
    let (len, plain) = (explained.esp.len(), explained.plain);
    octets(
        out,
        &format!("ESP packet, {}; plain ESP {plain}", octets_of(len)),
        &explained.esp,
    )?;
    writeln!(out)?;
    Ok(())
}

fn layer(out: &mut impl Write, layer: &Layer) -> Result<(), Fail> {
    writeln!(out, "  {}", layer.name)?;
    let row = |field: &super::packet::Field| {
        [
            field.fid.name().to_owned(),
            field.value.clone(),
            field.how.clone(),
        ]
    };
    let rows: Vec<[String; 3]> = layer.fields.iter().map(row).collect();
    grid(out, &rows, &[false; 3])?;
    for (name, value) in &layer.octets {
        match name.as_str() {
            "residue" => {
                let bits: usize = layer.fields.iter().map(|field| field.sent.len()).sum();
                let pad = value.len() * 8 - bits;
                octets(
                    out,
                    &format!("residue, {bits} bits and {pad} to pad"),
                    value,
                )?;
            }
            name => octets(out, name, value)?,
        }
    }
    writeln!(out)?;
    Ok(())
}

/// A name and hex digits; long ones in lines of their own.
fn octets(out: &mut impl Write, name: &str, value: &[u8]) -> Result<(), Fail> {
    match value.len() {
        0 => writeln!(out, "    {name}: none")?,
        1..=LINE => writeln!(out, "    {name}: {}", hex::encode(value))?,
        _ => {
            writeln!(out, "    {name}:")?;
            for line in value.chunks(LINE) {
                writeln!(out, "      {}", hex::encode(line))?;
            }
        }
    }
    Ok(())
}
