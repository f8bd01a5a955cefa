//! The logic behind the verbs of the Makefile: `cargo run -p xtask -- VERB`.
#![forbid(unsafe_code)]

mod header;
mod layers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: xtask VERB
  header [--check]   write include/sprat.h, or compare it with what would be written
  layers             check the directions between the modules of sprat-core";

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
        _ => Err(USAGE.to_owned()),
    }
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
