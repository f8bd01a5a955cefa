//! The TOML configuration that command line, gateway and Wireshark plugin
//! share; `docs/configuration.md` describes every key.
//!
//! What is absent on purpose: a default for keys or modes, a message that
//! repeats key material, an unknown key that passes in silence.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod ehc;
mod gateway;
mod ipsec;
mod keys;
mod notice;
mod policy;
mod problem;
mod reader;
mod sa;
pub mod schema;
mod selector;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sprat_core::sa::{Mode, SaParams};
use toml::de::DeTable;

pub use gateway::GatewayConfig;
pub use ipsec::{BuildError, Capture};
pub use keys::{KeyMaterial, encr_by_name, integ_by_name};
pub use notice::{Notice, Weight};
pub use policy::{PolicyAction, PolicyConfig};
pub use problem::Problem;
pub use sa::SaConfig;

use reader::{Reader, Section};

/// Largest configuration in octets: some 100,000 SAs.
pub const MAX_LEN: usize = 64 << 20;

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Sealed and sent.
    Out,
    /// Received and opened.
    In,
}

impl Direction {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "out" => Some(Direction::Out),
            "in" => Some(Direction::In),
            _ => None,
        }
    }
}

/// A whole configuration, consistent in itself.
#[derive(Debug)]
pub struct Config {
    /// Every `[[sa]]` in the order of the file.
    pub sas: Vec<SaConfig>,
    /// Every `[[policy]]` in the order of the file, which is the order of matching.
    pub policies: Vec<PolicyConfig>,
    /// `[gateway]`, if there is one.
    pub gateway: Option<GatewayConfig>,
    /// Files that hold keys: those it names, and its own where keys stand in it.
    pub key_files: Vec<PathBuf>,
}

impl Config {
    /// Reads a configuration. `file` names it in messages, and key files are
    /// looked for beside it.
    ///
    /// On failure every problem comes back, in the order of the lines; where
    /// the text is no TOML only the first one, as what follows cannot be trusted.
    pub fn parse(text: &str, file: &str) -> Result<Config, Vec<Problem>> {
        if text.len() > MAX_LEN {
            let text = format!("longer than {MAX_LEN} octets");
            return Err(vec![Problem::of_file(file, text)]);
        }
        let mut r = Reader::new(text, file);
        match DeTable::parse(text) {
            Err(error) => {
                // The full text of the error would repeat the line, and with it a key.
                let at = error.span().map_or(0, |span| span.start);
                r.report_at(at, String::new(), error.message().to_owned(), "");
                Err(r.into_problems())
            }
            Ok(document) => {
                let config = read(&mut r, &Section::new(document.get_ref(), "", 0));
                match r.into_problems() {
                    problems if problems.is_empty() => Ok(config),
                    problems => Err(problems),
                }
            }
        }
    }

    /// Reads the configuration in `path`.
    pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
        let file = path.display().to_string();
        let mut text = zeroize::Zeroizing::new(String::new());
        let read = File::open(path).and_then(|file| {
            // One octet more than allowed tells that it is too long.
            file.take(MAX_LEN as u64 + 1).read_to_string(&mut text)
        });
        match read {
            Ok(_) => Config::parse(&text, &file),
            Err(error) => {
                let text = format!("cannot be read: {error}");
                Err(vec![Problem::of_file(&file, text)])
            }
        }
    }

    /// The SA of this name.
    pub fn sa(&self, name: &str) -> Option<&SaConfig> {
        self.sas.iter().find(|sa| sa.name == name)
    }
}

fn read(r: &mut Reader<'_>, document: &Section<'_>) -> Config {
    r.admit(document, schema::ROOT);
    let sections = r.tables(document, "sa", "sa");
    let mut sas = Vec::new();
    let mut names = HashMap::new();
    let mut served = HashMap::new();
    let with_gateway = document.has("gateway");
    for section in &sections {
        // The name counts even where the SA is wrong: a policy that uses it is right.
        let name = section.value("name").and_then(|name| name.value.as_str());
        let known = section
            .value("direction")
            .and_then(|value| value.value.as_str())
            .and_then(Direction::from_text);
        if let Some(name) = name
            && names.insert(name, (sas.len(), known)).is_some()
        {
            r.report(section.place("name"), "used twice", "one SA a name");
        }
        if with_gateway && !section.has("direction") {
            r.missing(
                section,
                "direction",
                "\"out\", \"in\", as [gateway] is there",
            );
        }
        sas.extend(sa::read(r, section, |r, direction, params| {
            unique(r, section, (direction, params), &mut served);
        }));
    }
    ehc::check_fallbacks(r, &sections);
    let mut policies = Vec::new();
    for section in r.tables(document, "policy", "policy") {
        let policy = policy::read(r, &section, |name| names.get(name).copied());
        policies.extend(policy);
    }
    let gateway = r
        .table(document, "gateway", "gateway")
        .and_then(|section| gateway::read(r, &section, &sas));
    Config {
        sas,
        policies,
        gateway,
        key_files: r.take_key_files(),
    }
}

/// Two SAs that a receiver could not tell apart are an error.
fn unique(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    (direction, params): (Option<Direction>, &SaParams),
    served: &mut HashMap<String, usize>,
) {
    let ends = match (direction, params.mode) {
        // The peer chose the SPI of a sending SA: two peers may choose the same.
        (Some(Direction::Out), Mode::Tunnel(tunnel)) => tunnel.destination.to_string(),
        (Some(Direction::Out), Mode::Transport) => return,
        _ => String::new(),
    };
    let key = format!("{} {ends} {:?}", params.spi, params.lookup);
    let place = section.place("spi");
    if let Some(other) = served.insert(key, r.line(place)) {
        let text = format!("nothing tells this SA from the one with its spi in line {other}");
        let allowed = "another SPI; destination (and source) to tell equal SPIs apart";
        r.report(place, text, allowed);
    }
}
