//! `sprat open` and `sprat seal`: packets as hex lines or as captures.

mod capture;
mod link;
pub mod open;
mod pcapng;
pub mod seal;
mod summary;

use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use sprat_core::error::DropReason;

use crate::cli::Streams;
use crate::fail::{Fail, Outcome, complain};
use crate::hex;
use capture::{End, Frame};
use pcapng::Writer;
use summary::Summary;

/// Captures from this many octets on show their progress.
const LONG: u64 = 4 << 20;

/// Why a packet did not come out.
struct Refusal {
    reason: DropReason,
    /// What the reason alone does not say; else empty.
    more: String,
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        let more = String::new();
        Refusal { reason, more }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.reason, self.more)
    }
}

/// Runs `work` on every packet of the arguments or of standard input; what it
/// gives is a line of output, what it refuses a line of errors.
fn each_hex(
    streams: &Streams,
    mut work: impl FnMut(&[u8]) -> Result<Result<Vec<u8>, Refusal>, Fail>,
) -> Result<Outcome, Fail> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut outcome = Outcome::Well;
    let mut one = |text: &str, place: &str| -> Result<(), Fail> {
        let Some(packet) = hex::decode(text) else {
            outcome = Outcome::Wrong;
            complain(format_args!("error: not-hex: {place} is not octets in hex"));
            return Ok(());
        };
        match work(&packet)? {
            Ok(octets) => writeln!(out, "{}", hex::encode(&octets))?,
            Err(refusal) => {
                outcome = Outcome::Wrong;
                complain(format_args!("error: {refusal} ({place})"));
            }
        }
        Ok(())
    };
    if streams.packets.is_empty() {
        for (index, line) in std::io::stdin().lock().lines().enumerate() {
            let line = line?;
            let text = line.trim();
            if !text.is_empty() && !text.starts_with('#') {
                one(text, &format!("line {}", index + 1))?;
            }
        }
    } else {
        for (index, text) in streams.packets.iter().enumerate() {
            one(text, &format!("packet {}", index + 1))?;
        }
    }
    out.flush()?;
    Ok(outcome)
}

/// Runs `work` on every frame of the capture `input` with a writer for
/// `output`, then prints what it counted.
fn each_frame(
    (input, output): (&Path, &Path),
    mut summary: Summary,
    mut work: impl FnMut(&Frame<'_>, &mut Summary, &mut Output) -> Result<Outcome, Fail>,
) -> Result<Outcome, Fail> {
    let file = File::open(input).map_err(|error| Fail::file(input, error))?;
    let same = output
        .canonicalize()
        .ok()
        .is_some_and(|output| input.canonicalize().is_ok_and(|input| input == output));
    if same {
        return Err(Fail::text("--in and --out are one file: it would be lost"));
    }
    let bar = progress(file.metadata().map_or(0, |data| data.len()));
    let name = input.display().to_string();
    // The input is understood before the output is touched.
    let mut reader = capture::Reader::new(bar.wrap_read(file), name.clone())?;
    let out = File::create(output).map_err(|error| Fail::file(output, error))?;
    let out = Writer::new(BufWriter::new(out)).map_err(|error| Fail::file(output, error))?;
    let mut output = Output {
        writer: out,
        name: output.display().to_string(),
    };
    let mut outcome = Outcome::Well;
    let end = reader.frames(&mut |frame| {
        if work(&frame, &mut summary, &mut output)? == Outcome::Wrong {
            outcome = Outcome::Wrong;
        }
        Ok(())
    })?;
    output.finish()?;
    bar.finish_and_clear();
    summary.print();
    if end == End::CutShort {
        complain(format_args!(
            "error: {name}: ends in the middle of a packet"
        ));
        outcome = Outcome::Wrong;
    }
    Ok(outcome)
}

fn progress(len: u64) -> ProgressBar {
    const TEMPLATE: &str = "{bar:40} {bytes}/{total_bytes} {eta}";
    if len < LONG {
        return ProgressBar::hidden();
    }
    // Drawn on standard error, and only where that is a terminal.
    let bar = ProgressBar::new(len);
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The capture that is written.
struct Output {
    writer: Writer<BufWriter<File>>,
    name: String,
}

impl Output {
    /// Writes the frame as it was read, with a comment.
    fn unchanged(&mut self, frame: &Frame<'_>, comment: Option<&str>) -> Result<(), Fail> {
        self.write(frame, comment)
    }

    /// Writes an IP packet in the place of `frame`.
    fn packet(&mut self, frame: &Frame<'_>, packet: &[u8]) -> Result<(), Fail> {
        let frame = Frame {
            link: link::RAW,
            octets: packet,
            original_len: u32::try_from(packet.len()).unwrap_or(u32::MAX),
            ..*frame
        };
        self.write(&frame, None)
    }

    fn write(&mut self, frame: &Frame<'_>, comment: Option<&str>) -> Result<(), Fail> {
        let written = self.writer.packet(frame, comment);
        written.map_err(|error| Fail::Io(self.name.clone(), error))
    }

    fn finish(self) -> Result<(), Fail> {
        let Output { writer, name } = self;
        writer.finish().map_err(|error| Fail::Io(name, error))
    }
}
