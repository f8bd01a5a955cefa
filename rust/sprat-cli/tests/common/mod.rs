//! Runs the binary and keeps what it said.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod capture;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run of `sprat` left behind.
#[derive(Debug)]
pub struct Run {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

/// Runs `sprat` with `args` and `input` on standard input.
pub fn sprat(args: &[&str], input: &str) -> Run {
    sprat_raw(args, input.as_bytes())
}

/// Runs `sprat` with input that need not be text.
pub fn sprat_raw(args: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Beside each other, as the command answers line by line. One that fails
    // early does not read its input.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    Run {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

/// A directory that goes away with the value.
pub struct Dir(PathBuf);

impl Dir {
    /// A new directory with `name` in its path.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sprat-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    /// The path of `name` inside.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        self.mode(name, 0o600);
        path
    }

    /// Sets who may read a file.
    pub fn mode(&self, name: &str, mode: u32) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
