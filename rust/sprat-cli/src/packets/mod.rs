//! `sprat open` and `sprat seal`: packets as hex lines or as captures.

mod capture;
mod link;
pub mod open;
mod pcapng;
pub mod seal;
mod summary;

use std::fs::{File, Metadata};
use std::io::{BufRead, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use sprat_config::Config;
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

/// The configuration of `--sa`.
fn load(streams: &Streams) -> Result<Config, Fail> {
    Config::load(&streams.sa).map_err(Fail::Config)
}

/// Runs `work` on every packet of the arguments or of standard input; what it
/// gives is a line of output, what it refuses a line of errors.
fn each_hex(
    streams: &Streams,
    mut work: impl FnMut(&[u8]) -> Result<Result<Vec<u8>, Refusal>, Fail>,
) -> Result<Outcome, Fail> {
    // Writes at every line end: who follows a pipe sees each packet at once.
    let mut out = std::io::stdout().lock();
    let mut outcome = Outcome::Well;
    let mut one = |text: Option<&str>, place: &str| -> Result<(), Fail> {
        let Some(packet) = text.and_then(hex::decode) else {
            outcome = Outcome::Wrong;
            complain(format_args!("error: not-hex: {place} is not octets in hex"));
            return Ok(());
        };
        match work(&packet)? {
            Ok(octets) => writeln!(out, "{}", hex::encode(&octets))?,
            Err(refusal) if refusal.reason == DropReason::Dummy => {
                complain(format_args!("# {refusal} ({place})"));
            }
            Err(refusal) => {
                outcome = Outcome::Wrong;
                complain(format_args!("error: {refusal} ({place})"));
            }
        }
        Ok(())
    };
    if streams.packets.is_empty() {
        for (index, line) in std::io::stdin().lock().split(b'\n').enumerate() {
            let line = line?;
            let text = std::str::from_utf8(line.trim_ascii()).ok();
            if text.is_none_or(|text| !text.is_empty() && !text.starts_with('#')) {
                one(text, &format!("line {}", index + 1))?;
            }
        }
    } else {
        for (index, text) in streams.packets.iter().enumerate() {
            one(Some(text), &format!("packet {}", index + 1))?;
        }
    }
    Ok(outcome)
}

/// The files of a run on a capture.
struct Files<'a> {
    input: &'a Path,
    output: &'a Path,
    /// What else is read: the configuration and its key files.
    read: Vec<&'a Path>,
}

impl<'a> Files<'a> {
    /// `None` if packets come as hex.
    fn of(streams: &'a Streams, config: &'a Config) -> Option<Self> {
        let keys = config.key_files.iter().map(PathBuf::as_path);
        Some(Files {
            input: streams.input.as_deref()?,
            output: streams.output.as_deref()?,
            read: keys.chain([streams.sa.as_path()]).collect(),
        })
    }

    /// Refuses to write over what is read: no name, link or hard link of it.
    fn spare_what_is_read(&self) -> Result<(), Fail> {
        let identity = |path: &Path| {
            let data = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
            Some((data.dev(), data.ino()))
        };
        let Some(output) = identity(self.output) else {
            return Ok(());
        };
        let mut read = self.read.iter().chain([&self.input]);
        match read.find(|path| identity(path) == Some(output)) {
            Some(path) => {
                let (output, path) = (self.output.display(), path.display());
                let text = format!("--out {output} is {path}, which is read: it would be lost");
                Err(Fail::text(text))
            }
            None => Ok(()),
        }
    }
}

/// Runs `work` on every frame of the input with a writer for the output, then
/// prints what it counted.
fn each_frame(
    files: &Files<'_>,
    mut summary: Summary,
    mut work: impl FnMut(&Frame<'_>, &mut Summary, &mut Output) -> Result<Outcome, Fail>,
) -> Result<Outcome, Fail> {
    let input = File::open(files.input).map_err(|error| Fail::file(files.input, error))?;
    files.spare_what_is_read()?;
    let bar = progress(input.metadata().map_or(0, |data| data.len()));
    let name = files.input.display().to_string();
    // The input is understood before the output is touched.
    let mut reader = capture::Reader::new(bar.wrap_read(input), name.clone())?;
    let mut output = Output::new(files.output)?;
    let mut outcome = Outcome::Well;
    let end = reader.frames(&mut |frame| {
        let one = match frame {
            Ok(frame) => work(&frame, &mut summary, &mut output)?,
            Err(capture::Damaged) => {
                summary.damaged();
                Outcome::Wrong
            }
        };
        if one == Outcome::Wrong {
            outcome = Outcome::Wrong;
        }
        Ok(())
    })?;
    output.finish()?;
    bar.finish_and_clear();
    summary.print();
    match end {
        End::Complete => Ok(outcome),
        End::CutShort => {
            complain(format_args!(
                "error: {name}: ends in the middle of a packet"
            ));
            Ok(Outcome::Wrong)
        }
        End::Damaged(at) => Err(Fail::text(format!("{name}: damaged at octet {at}"))),
    }
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
    fn new(path: &Path) -> Result<Self, Fail> {
        let error = |error| Fail::file(path, error);
        let file = BufWriter::new(File::create(path).map_err(error)?);
        Ok(Output {
            writer: Writer::new(file).map_err(error)?,
            name: path.display().to_string(),
        })
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

    /// Writes the frame as it was read, with a comment more.
    fn write(&mut self, frame: &Frame<'_>, comment: Option<&str>) -> Result<(), Fail> {
        let written = self.writer.packet(frame, comment);
        written.map_err(|error| Fail::Io(self.name.clone(), error))
    }

    fn finish(self) -> Result<(), Fail> {
        let Output { writer, name } = self;
        writer.finish().map_err(|error| Fail::Io(name, error))
    }
}
