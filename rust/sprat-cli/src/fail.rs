//! How a command ends.

use std::fmt::{Arguments, Display, Formatter};
use std::io::{ErrorKind, Write};
use std::path::Path;

use sprat_config::{BuildError, Problem};

/// A command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to complain about.
    Well,
    /// Something was refused, and has been told.
    Wrong,
}

/// A command that could not go on.
#[derive(Debug)]
pub enum Fail {
    /// The configuration is wrong.
    Config(Vec<Problem>),
    /// So is an SA of it, as is found only when it is set up.
    Sa(BuildError),
    /// A file or stream.
    Io(String, std::io::Error),
    /// Anything else, in words.
    Text(String),
}

impl Fail {
    /// An error of the file `path`.
    pub fn file(path: &Path, error: std::io::Error) -> Self {
        Fail::Io(path.display().to_string(), error)
    }

    /// Words for people.
    pub fn text(text: impl Into<String>) -> Self {
        Fail::Text(text.into())
    }

    /// Whether the reader of the output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Fail::Io(_, error) if error.kind() == ErrorKind::BrokenPipe)
    }

    /// 1 for a wrong configuration, 141 where the reader has gone away (as if
    /// SIGPIPE had ended the command), else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Fail::Config(_) | Fail::Sa(_) => 1,
            fail if fail.is_broken_pipe() => 141,
            _ => 2,
        }
    }
}

impl From<std::io::Error> for Fail {
    fn from(error: std::io::Error) -> Self {
        Fail::Io(String::new(), error)
    }
}

impl Display for Fail {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Fail::Config(problems) => {
                for (i, problem) in problems.iter().enumerate() {
                    write!(f, "{}{problem}", if i == 0 { "" } else { "\nerror: " })?;
                }
                Ok(())
            }
            Fail::Sa(error) => write!(f, "{error}"),
            Fail::Io(file, error) if file.is_empty() => write!(f, "{error}"),
            Fail::Io(file, error) => write!(f, "{file}: {error}"),
            Fail::Text(text) => f.write_str(text),
        }
    }
}

/// A line on standard error. A closed one is no reason to stop.
pub fn complain(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
