//! The tables for people.

use std::io::Write;

use super::esp::{Esp, IV, Trailer};
use super::field::{Layout, arithmetic, values};
use super::protocol::{self, Protocol};
use super::radio::{RADIOS, Radio};
use super::{ASSUMPTIONS, Question};
use crate::fail::Fail;

/// Where arithmetic that is longer goes on in the next line.
const WIDTH: usize = 100;
/// Columns of a number beside others.
const CELL: usize = 4;
/// Columns of a protocol's name.
const NAME: usize = 30;

/// SPI and SN in octets: each sum that whole octets can make of them.
const HEADERS: [(usize, usize); 7] = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4)];
const ELIDED: Trailer = Trailer::Optional { next_header: false };
const KEPT: Trailer = Trailer::Optional { next_header: true };

/// Writes all tables.
pub fn print(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    summary(out, question)?;
    by_length(out, question)?;
    trailers(out)?;
    headers(out, question)?;
    messages(out, question)?;
    frames(out, question)?;
    Ok(())
}

/// The table of July 2016.
fn summary(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    let icv = question.diet.esp.icv;
    let (plain, least) = (question.plain(0).overhead(0), question.least(0).overhead(0));
    let dtls = protocol::dtls12_header().then(protocol::tag());
    writeln!(
        out,
        "Octets that a packet grows by: AES-CCM, ICV of {icv} octets, implicit IV (RFC 8750),\n\
         payload of a multiple of 4 octets\n"
    )?;
    let range = format!("{}-{}", least.octets(), plain.octets());
    let rows = [
        ("DTLS/DICE", dtls.octets().to_string(), &dtls),
        ("ESP", plain.octets().to_string(), &plain),
        ("Diet-ESP", range, &least),
        ("", String::new(), &plain),
    ];
    for (name, octets, layout) in rows {
        let sum = arithmetic(std::slice::from_ref(layout));
        writeln!(out, "  {name:<10}{octets:<6}{sum}")?;
    }
    writeln!(
        out,
        "\n  From all elided to nothing elided. Headers of IP and UDP are not counted; DTLS 1.2\n  \
         with CCM_8 always sends its explicit nonce."
    )?;
    Ok(())
}

fn by_length(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    let esp = &question.diet.esp;
    writeln!(out, "\nBy payload length mod 4 = 0/1/2/3\n")?;
    let rows = [
        ("ESP", question.plain(0)),
        ("ESP, explicit IV", question.plain(IV)),
        ("Diet-ESP, all elided", question.least(0)),
        ("Diet-ESP, all elided, explicit IV", question.least(IV)),
    ];
    for (name, esp) in rows {
        sum(out, name, &overheads(&esp, 4))?;
    }
    // 64-bit alignment repeats after 8 octets only.
    let lengths = esp.alignment.max(4);
    let name = match lengths {
        4 => format!("Diet-ESP as asked: {}", esp.words()),
        more => format!("Diet-ESP as asked, mod {more}: {}", esp.words()),
    };
    sum(out, &name, &overheads(esp, lengths))
}

/// The overhead of payloads of 0 to `lengths` - 1 octets.
fn overheads(esp: &Esp, lengths: usize) -> Vec<Layout> {
    (0..lengths).map(|len| esp.overhead(len)).collect()
}

/// A name and, below, how its octets come about.
fn sum(out: &mut impl Write, name: &str, layouts: &[Layout]) -> Result<(), Fail> {
    writeln!(out, "  {name}")?;
    for line in wrapped(&arithmetic(layouts), WIDTH - 4) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// Breaks a sum in front of a plus or equals sign.
fn wrapped(sum: &str, width: usize) -> Vec<String> {
    let terms = sum.replace(" + ", "\n+ ").replace(" = ", "\n= ");
    filled(terms.lines(), width)
}

/// Lines of `width` from pieces that stay whole; all but the first indented.
fn filled<'a>(pieces: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(piece),
            Some(line) if line.len() + 1 + piece.len() <= width => {
                line.push(' ');
                line.push_str(piece);
            }
            _ => lines.push(format!("  {piece}")),
        }
    }
    lines
}

fn trailers(out: &mut impl Write) -> Result<(), Fail> {
    writeln!(
        out,
        "\nTrailer of Diet-ESP by alignment, payload length mod 4 = 0/1/2/3\n"
    )?;
    for (alignment, trailer) in shapes() {
        let esp = Esp {
            alignment,
            trailer,
            ..Esp::least(0, 0)
        };
        let layouts = overheads(&esp, 4);
        let sum = arithmetic(&layouts);
        writeln!(out, "  {:<29}{sum}", shape_name(alignment, trailer))?;
    }
    Ok(())
}

fn shapes() -> [(usize, Trailer); 6] {
    [
        (1, ELIDED),
        (1, KEPT),
        (2, ELIDED),
        (2, KEPT),
        (4, ELIDED),
        (4, KEPT),
    ]
}

fn shape_name(alignment: usize, trailer: Trailer) -> String {
    let next_header = if trailer == KEPT { "kept" } else { "elided" };
    format!("{} bit, Next Header {next_header}", alignment * 8)
}

/// SPI and SN against alignment and Next Header.
fn headers(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    let (iv, icv) = (question.diet.esp.iv, question.diet.esp.icv);
    let iv_term = if iv > 0 { " + IV 8" } else { "" };
    writeln!(
        out,
        "\nDiet-ESP: SPI + SN{iv_term} + trailer + ICV {icv}, payload length mod 4 = 0/1/2/3\n"
    )?;
    let (mut bits, mut next) = (String::new(), String::new());
    for (alignment, trailer) in shapes() {
        bits += &format!(
            "{:<width$}",
            format!("{} bit", alignment * 8),
            width = column(alignment)
        );
        let word = if trailer == KEPT {
            "NH kept"
        } else {
            "NH elided"
        };
        next += &format!("{word:<width$}", width = column(alignment));
    }
    writeln!(out, "  {:<12}{}", "SPI + SN", bits.trim_end())?;
    writeln!(out, "  {:<12}{}", "octets", next.trim_end())?;
    for (spi, sn) in HEADERS {
        let cells: String = shapes()
            .iter()
            .map(|&(alignment, trailer)| {
                let esp = Esp {
                    spi_lsb: spi * 8,
                    sn_lsb: sn * 8,
                    alignment,
                    trailer,
                    ..Esp::least(iv, icv)
                };
                let octets: Vec<usize> = overheads(&esp, 4).iter().map(Layout::octets).collect();
                format!("{:<width$}", values(&octets), width = column(alignment))
            })
            .collect();
        let split = format!("{} ({spi}+{sn})", spi + sn);
        writeln!(out, "  {split:<12}{}", cells.trim_end())?;
    }
    Ok(())
}

/// Columns that a cell of this alignment takes.
fn column(alignment: usize) -> usize {
    if alignment == 1 { 11 } else { 14 }
}

/// What each protocol makes of the messages.
fn messages(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    let sizes = joined(&question.messages);
    writeln!(
        out,
        "\nOctets above the frame's header for a message of {sizes} octets over UDP and IPv6\n"
    )?;
    for protocol in question.protocols() {
        let layouts = layouts(&protocol, question);
        let added: Vec<usize> = question
            .messages
            .iter()
            .map(|&octets| protocol.added(octets))
            .collect();
        let name = format!("{}: {} more", protocol.name(), values(&added));
        sum(out, &name, &layouts)?;
    }
    writeln!(out, "  Diet-ESP: {}.", question.diet.esp.words())?;
    Ok(())
}

fn layouts(protocol: &Protocol, question: &Question) -> Vec<Layout> {
    let lengths = question.messages.iter();
    lengths.map(|&octets| protocol.layout(octets)).collect()
}

fn joined(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    words.join("/")
}

fn frames(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    let sizes = joined(&question.messages);
    writeln!(out, "\nFrames for a message of {sizes} octets\n")?;
    let protocols = question.protocols();
    let grid = Grid::new(question);
    let names: String = RADIOS
        .iter()
        .map(|radio| grid.heading(radio.name))
        .collect();
    writeln!(out, "  {:<NAME$}{names}", "")?;
    let limits: String = RADIOS
        .iter()
        .map(|radio| grid.heading(&radio.payload.to_string()))
        .collect();
    writeln!(out, "  {:<NAME$}{limits}", "a frame carries")?;
    let sizes = grid.numbers(&question.messages).repeat(RADIOS.len());
    writeln!(out, "  {:<NAME$}{sizes}", "message")?;
    for protocol in &protocols {
        let cells: String = RADIOS
            .iter()
            .map(|radio| grid.numbers(&frames_of(radio, protocol, question)))
            .collect();
        writeln!(out, "  {:<NAME$}{cells}", protocol.name())?;
    }
    writeln!(out)?;
    for assumption in ASSUMPTIONS {
        for line in filled(assumption.split(' '), WIDTH - 2) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

fn frames_of(radio: &Radio, protocol: &Protocol, question: &Question) -> Vec<usize> {
    layouts(protocol, question)
        .iter()
        .map(|layout| radio.frames(layout.octets()))
        .collect()
}

/// Columns of the table of frames: a group a radio, in it a column a message.
struct Grid {
    cell: usize,
    group: usize,
}

impl Grid {
    fn new(question: &Question) -> Self {
        let digits = |number: &usize| number.to_string().len();
        let widest = question.messages.iter().map(digits).max().unwrap_or(1);
        let cell = (widest + 1).max(CELL);
        let names = RADIOS
            .iter()
            .map(|radio| radio.name.len())
            .max()
            .unwrap_or(0);
        Grid {
            cell,
            group: (cell * question.messages.len()).max(names) + 1,
        }
    }

    fn heading(&self, text: &str) -> String {
        format!("{text:>width$}", width = self.group)
    }

    fn numbers(&self, numbers: &[usize]) -> String {
        let cells: String = numbers
            .iter()
            .map(|number| format!("{number:>width$}", width = self.cell))
            .collect();
        self.heading(&cells)
    }
}
