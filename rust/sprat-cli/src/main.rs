//! The command `sprat`.
//!
//! Exit codes: 0 all is well; 1 a case, a packet or a configuration is wrong;
//! 2 the command line or another file cannot be understood; 141 the reader of
//! the output went away before the end.
#![forbid(unsafe_code)]

mod check;
mod cli;
mod explain;
mod fail;
mod hex;
mod man;
mod overhead;
mod packets;
mod vectors;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, SaCommand};
use fail::{Fail, Outcome};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Wrong) => ExitCode::from(1),
        Err(fail) => {
            // A reader that has seen enough needs no message, but what follows
            // in a shell must not take a part for the whole.
            if !fail.is_broken_pipe() {
                fail::complain(format_args!("error: {fail}"));
            }
            ExitCode::from(fail.exit_code())
        }
    }
}

fn run(command: Command) -> Result<Outcome, Fail> {
    match command {
        Command::Vectors(args) => vectors::run(&args.files),
        Command::Open(args) => packets::open::run(&args),
        Command::Seal(args) => packets::seal::run(&args),
        Command::Sa {
            command: SaCommand::Check { file },
        } => check::run(&file),
        Command::Explain(args) => explain::run(&args),
        Command::Overhead(args) => overhead::run(&args),
        Command::Man { dir } => man::run(&dir),
    }
}
