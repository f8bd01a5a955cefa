//! The man pages, one a command, from the help texts.

use std::io::{Result, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::fail::{Fail, Outcome};

/// Writes every page into `dir`, which is made if it is not there.
pub fn run(dir: &Path) -> std::result::Result<Outcome, Fail> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(dir)
        .and_then(|()| pages(&command, dir))
        .map_err(|error| Fail::file(dir, error))?;
    Ok(Outcome::Well)
}

fn pages(command: &Command, dir: &Path) -> Result<()> {
    let shown = |command: &&Command| !command.is_hide_set();
    for below in command.get_subcommands().filter(shown) {
        pages(below, dir)?;
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command, &mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_extra_section(&mut page)?;
    std::fs::write(dir.join(man.get_filename()), page)
}

/// The usage line of the help: that of the generator leaves out the values.
fn synopsis(command: &Command, page: &mut Vec<u8>) -> Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    writeln!(page, ".SH SYNOPSIS\n{}", usage.replace('-', "\\-"))
}
