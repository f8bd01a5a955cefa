//! The logic behind the verbs of the Makefile: `cargo run -p xtask -- VERB`.
#![forbid(unsafe_code)]

mod budget;
mod header;
mod layers;
mod stack;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: xtask VERB
  header [--check]   write include/sprat.h, or compare it with what would be written
  layers             check the directions between the modules of sprat-core
  budget SECTION NAME=N...
                     compare numbers with a section of tests/budget.toml
  limit SECTION NAME=N...
                     the same without tolerance, and each of them must be measured
  stack FUNCTION...  worst-case stack of functions, from `objdump -d --no-show-raw-insn`
                     on standard input";

/// The top of the tree, two levels above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

fn run(args: &[&str]) -> Result<(), String> {
    match args {
        ["header"] => header::write(&root()),
        ["header", "--check"] => header::check(&root()),
        ["layers"] => layers::check(&root().join("rust/sprat-core/src")),
        ["budget", section, measured @ ..] => budget::check(&root(), section, measured),
        ["limit", section, measured @ ..] => budget::limit(&root(), section, measured),
        ["stack", roots @ ..] => stack_of(roots),
        _ => Err(USAGE.to_owned()),
    }
}

fn stack_of(roots: &[&str]) -> Result<(), String> {
    let listing = std::io::read_to_string(std::io::stdin()).map_err(|e| e.to_string())?;
    let (octets, root) = stack::worst(&listing, roots)?;
    println!("{octets} {root}");
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
