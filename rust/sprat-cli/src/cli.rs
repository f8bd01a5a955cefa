//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  a case, a packet or a configuration is wrong
  2  the command line or a file cannot be understood";

const VECTORS_HELP: &str = "\
Examples:
  sprat vectors tests/vectors/*.json

The last line is `N passed, N failed, N skipped`; skipped are cases of a kind
or list that sprat does not know, and they make the command fail.

Exit codes:
  0  every case passed
  1  a case failed
  2  a file cannot be read or understood";

const CHECK_HELP: &str = "\
Every fault is one line `file:line: key: what is wrong; allowed: ...`. A file
without fault gives a table of its SAs; keys are never printed.

Example:
  sprat sa check sas.toml

Exit codes:
  0  the file is right
  1  it is not";

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
    /// Work on security associations
    #[command(after_help = CHECK_HELP)]
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
