//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::explain::ExplainArgs;
use crate::overhead::OverheadArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0    all is well
  1    a case or a packet is wrong, or the configuration is, which cannot be
       read or used as it stands
  2    the command line or another file cannot be understood
  141  the reader of the output went away before the end";

const VECTORS_HELP: &str = "\
Examples:
  sprat vectors tests/vectors/*.json

The last line is `N passed, N failed, N skipped`; skipped are cases of a kind
or list that sprat does not know, and they make the command fail.

Exit codes:
  0    every case passed
  1    a case failed
  2    a file cannot be read or understood
  141  the reader of the output went away before the end";

const OPEN_HELP: &str = "\
Without --in packets are hex digits, one IP packet an argument or, without
arguments, a line of standard input; each opened packet is one line of output.
Packets that are not ESP come out unchanged. What is refused, also for want of
an SA, is a line on standard error; a dummy packet is one, too, but no fault.

With --in every packet of the capture that an SA opens is written without ESP
(link type RAW); all others are written unchanged, with a comment that names SA
and drop reason where an SA refused. A packet without an SA is no fault here: a
capture may hold more than there are keys for. Fragments are reported, not
reassembled. Comments of packets are kept; their flags, the names of
interfaces, resolved names and decryption secrets are not.

Examples:
  sprat open --sa sas.toml 4500007404d2...
  sprat open --sa sas.toml --in wire.pcapng --out clear.pcapng

Exit codes:
  0    everything that met an SA was opened, or was a dummy
  1    a packet was refused, cut by the snaplen or damaged, or the configuration
       is wrong, or cannot be read
  2    the command line or a capture cannot be understood
  141  the reader of the output went away before the end";

const SEAL_HELP: &str = "\
Without --in packets are hex digits, one IP packet an argument or, without
arguments, a line of standard input; each sealed packet is one line of output.

The SA is --sa-name, else the only one with direction = \"out\", else the only
one of the file. Its number continues behind sequence_start unless --seq is
given. What does not fit its Diet-ESP rules is sealed by its fallback, if it has
one. Never send what two runs have sealed with the same number and key.

Examples:
  sprat seal --sa sas.toml --seq 7 4500001c...
  sprat seal --sa sas.toml --sa-name to-b --in clear.pcap --out wire.pcapng

Exit codes:
  0    every packet was sealed
  1    a packet was refused or damaged, or the configuration is wrong, or cannot
       be read
  2    the command line or a capture cannot be understood
  141  the reader of the output went away before the end";

const CHECK_HELP: &str = "\
Every fault is one line `file:line: key: what is wrong; allowed: ...`. A file
without fault gives a table of its SAs; keys are never printed. A warning tells
where others than the owner may read a file with keys.

Example:
  sprat sa check sas.toml

Exit codes:
  0    the file is right
  1    it is not, or cannot be read
  2    the command line cannot be understood
  141  the reader of the output went away before the end";

const EXPLAIN_HELP: &str = "\
A table for each compressor: IIPC makes a residue of the inner headers, CTEC
leaves out of the ESP trailer and EEC of the ESP header what the receiver knows.
BITS are those that each packet sends. Below it stands what a packet costs, with
the arithmetic, and what other attributes would save; headers outside of ESP are
not counted. Advice that is in brackets few SAs can follow.

With --packet each field of one packet is shown, elided or sent, and the octets
of each layer. An inner packet is sealed as the next one of the SA, which
changes nothing; never send what was shown and seal another with its number. Of
a packet with ESP the SA that opens it is explained.

Examples:
  sprat explain --sa sas.toml
  sprat explain --sa sas.toml --name sensor --payload 64
  sprat explain --sa sas.toml --packet 6001234500121140...

Exit codes:
  0    all is well
  1    the packet does not fit the rules, or the configuration is wrong, or
       cannot be read
  2    the command line or the packet cannot be understood
  141  the reader of the output went away before the end";

const OVERHEAD_HELP: &str = "\
Lengths are computed from those of the fields, and each sum shows its terms. A
value that depends on the length stands once for each: Padding 2/1/0/3 for
payloads of 0, 1, 2, 3 octets modulo 4, or one for each --payload.

Frames are plain division: octets above the frame's own header, by what a frame
carries. Headers of fragments are not counted, so more than one frame is a lower
bound. On each radio IPv6 and UDP are compressed as 6LoWPAN does on IEEE
802.15.4, to 2 and 7 octets; what ESP encrypts stays as it is.

Examples:
  sprat overhead
  sprat overhead --payload 10,64 --spi-lsb 0 --sn-lsb 16 --alignment 32
  sprat overhead --plot overhead.svg

Exit codes:
  0    all is well
  2    the command line cannot be understood, or a file not be written
  141  the reader of the output went away before the end";

/// Lean IPsec: run test vectors, seal and open packets, check configurations.
#[derive(Debug, Parser)]
#[command(name = "sprat", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run files of test vectors and compare every output
    #[command(after_help = VECTORS_HELP)]
    Vectors(VectorsArgs),
    /// Open ESP packets: verify, decrypt, take ESP off
    #[command(after_help = OPEN_HELP)]
    Open(OpenArgs),
    /// Seal IP packets into ESP
    #[command(after_help = SEAL_HELP)]
    Seal(SealArgs),
    /// Explain Diet-ESP SAs: their rules, what they cost, what would cost less
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Tell what ESP and Diet-ESP cost, in octets and radio frames
    #[command(after_help = OVERHEAD_HELP)]
    Overhead(OverheadArgs),
    /// Work on security associations
    #[command(after_help = EXIT_CODES)]
    Sa {
        /// What to do with them.
        #[command(subcommand)]
        command: SaCommand,
    },
    /// Write the man pages into DIR
    #[command(hide = true)]
    Man {
        /// Directory, made if it is not there
        dir: PathBuf,
    },
}

/// Verbs of `sprat sa`.
#[derive(Debug, Subcommand)]
pub enum SaCommand {
    /// Check a configuration and tell every fault
    #[command(after_help = CHECK_HELP)]
    Check {
        /// Configuration, TOML
        file: PathBuf,
    },
}

/// `sprat vectors`.
#[derive(Debug, Args)]
pub struct VectorsArgs {
    /// Vector files, JSON; the member `kind` says what they hold
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Where packets come from and go to.
#[derive(Debug, Args)]
pub struct Streams {
    /// Configuration with the SAs, TOML
    #[arg(long, value_name = "FILE")]
    pub sa: PathBuf,
    /// Capture to read, pcap or pcapng
    #[arg(long = "in", value_name = "CAPTURE", requires = "output")]
    pub input: Option<PathBuf>,
    /// Capture to write, pcapng
    #[arg(
        long = "out",
        id = "output",
        value_name = "CAPTURE",
        requires = "input"
    )]
    pub output: Option<PathBuf>,
    /// IP packets in hex
    #[arg(value_name = "HEX", conflicts_with = "input")]
    pub packets: Vec<String>,
}

/// `sprat open`.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// Input and output.
    #[command(flatten)]
    pub streams: Streams,
}

/// `sprat seal`.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Input and output.
    #[command(flatten)]
    pub streams: Streams,
    /// SA to seal with
    #[arg(long, value_name = "NAME")]
    pub sa_name: Option<String>,
    /// Sequence number of the first packet, 64 bits with ESN
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seq: Option<u64>,
    /// IV in hex, for one packet and a transform with a random IV (CBC)
    #[arg(long, value_name = "HEX")]
    pub iv: Option<String>,
    /// Octets of TFC padding behind the payload
    #[arg(long, value_name = "OCTETS", default_value_t = 0)]
    pub tfc: u16,
    /// Octets of padding beyond the least, a multiple of the alignment
    #[arg(long, value_name = "OCTETS", default_value_t = 0)]
    pub pad: u8,
    /// Identification of the first outer IPv4 header; each packet takes the next
    #[arg(long, value_name = "N")]
    pub ipv4_id: Option<u16>,
}
