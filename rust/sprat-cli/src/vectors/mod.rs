//! `sprat vectors`: run files of test vectors through the core.
//!
//! A file says its `kind`; one module a kind runs the cases. What a file holds
//! and no module knows is an error, never a silent pass.

mod case;
mod diet_esp;
mod esp;
mod esp_negative;
mod published;
mod replay;

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::fail::{Fail, Outcome, complain};
use case::{Case, Failure};

/// Longest file that is read, octets.
const MAX_LEN: u64 = 64 << 20;

/// Runs one case; differences go into the case, an `Err` ends it.
type Run = fn(&mut Case<'_>) -> Result<(), String>;

/// A kind of file and how to run the cases of each of its lists.
struct Kind {
    name: &'static str,
    lists: &'static [(&'static str, Run)],
}

const KINDS: &[Kind] = &[
    diet_esp::KIND,
    esp::KIND,
    esp_negative::KIND,
    published::KIND,
    replay::KIND,
];

/// Cases so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Files or lists that could not be understood.
    errors: usize,
}

/// Runs every file; the last line of output is the sum.
pub fn run(files: &[PathBuf]) -> Result<Outcome, Fail> {
    let mut tally = Tally::default();
    let mut out = std::io::stdout().lock();
    for file in files {
        let ran = match &read(file) {
            Ok(document) => run_document(document, &mut tally, &mut out, file)?,
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = ran {
            tally.errors += 1;
            complain(format_args!("error: {}: {error}", file.display()));
        }
    }
    writeln!(
        out,
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    )?;
    match tally {
        Tally { errors: 1.., .. } => Err(Fail::text(format!(
            "{} of {} files not understood",
            tally.errors,
            files.len()
        ))),
        Tally { failed: 0, .. } => Ok(Outcome::Well),
        _ => Ok(Outcome::Wrong),
    }
}

fn read(path: &Path) -> Result<Value, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        // One octet more than allowed tells that it is too long.
        file.take(MAX_LEN + 1).read_to_string(&mut text)
    });
    match read {
        Err(error) => Err(error.to_string()),
        Ok(len) if len as u64 > MAX_LEN => Err(format!("longer than {MAX_LEN} octets")),
        Ok(_) => serde_json::from_str(&text).map_err(|error| error.to_string()),
    }
}

/// `Ok(Err(…))` is a file that cannot be understood.
fn run_document(
    document: &Value,
    tally: &mut Tally,
    out: &mut impl Write,
    file: &Path,
) -> Result<Result<(), String>, Fail> {
    let lists = match understand(document) {
        Ok(understood) => understood,
        Err(error) => {
            tally.skipped += cases_in(document);
            return Ok(Err(error));
        }
    };
    for (list, run, cases) in lists {
        let mut ids = HashSet::new();
        for (index, value) in cases.iter().enumerate() {
            let mut case = Case::new(value, format!("{list}[{index}]"));
            match value.get("id").and_then(Value::as_str) {
                Some(id) if ids.insert(id) => {}
                Some(_) => case.fail("id", "another one in each case", "used before"),
                None => case.fail("id", "text", "none"),
            }
            if let Err(text) = run(&mut case) {
                case.fail("not run", "a case of this kind", &text);
            }
            let failures = case.into_failures();
            if failures.is_empty() {
                tally.passed += 1;
            } else {
                tally.failed += 1;
                print(&failures, value, (out, file))?;
            }
        }
    }
    Ok(Ok(()))
}

fn print(
    failures: &[Failure],
    value: &Value,
    (out, file): (&mut impl Write, &Path),
) -> Result<(), Fail> {
    for failure in failures {
        writeln!(
            out,
            "FAIL {} ({}): {}",
            failure.id,
            file.display(),
            failure.what
        )?;
        for member in ["label", "name"] {
            if let Some(text) = value.get(member).and_then(Value::as_str) {
                writeln!(out, "  {member}     {text}")?;
            }
        }
        writeln!(out, "  expected {}", failure.expected)?;
        writeln!(out, "  got      {}", failure.got)?;
    }
    Ok(())
}

type Lists<'a> = Vec<(&'a str, &'a Vec<Value>)>;
/// The lists, and how to run them.
type Runs<'a> = Vec<(&'a str, Run, &'a Vec<Value>)>;

/// The lists of the document and how to run them, every one known and complete.
fn understand(document: &Value) -> Result<Runs<'_>, String> {
    let document = document.as_object().ok_or("not a JSON object")?;
    let name = document.get("kind").and_then(Value::as_str);
    let name = name.ok_or("no member \"kind\"")?;
    let kind = KINDS.iter().find(|kind| kind.name == name);
    let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let kind = kind.ok_or_else(|| format!("unknown kind {name:?}; known: {}", known.join(", ")))?;
    let lists = lists(document);
    if lists.is_empty() {
        return Err("no list of cases".to_owned());
    }
    check_counts(document, &lists)?;
    let with_run = lists.into_iter().map(|(list, cases)| {
        let known = kind.lists.iter().find(|(name, _)| *name == list);
        let (_, run) = known.ok_or_else(|| {
            let known: Vec<&str> = kind.lists.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            format!("unknown list {list:?} in kind {name:?}; known: {known}")
        })?;
        Ok((list, *run, cases))
    });
    with_run.collect()
}

fn lists(document: &Map<String, Value>) -> Lists<'_> {
    let arrays = document
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_array()?)));
    arrays.collect()
}

/// `number_of_cases` counts each list, and no other.
fn check_counts(document: &Map<String, Value>, lists: &Lists<'_>) -> Result<(), String> {
    let counts = document.get("number_of_cases").and_then(Value::as_object);
    let counts = counts.ok_or("no object \"number_of_cases\"")?;
    for (list, cases) in lists {
        let count = counts.get(*list).and_then(Value::as_u64);
        let count = count.ok_or_else(|| format!("number_of_cases has no count of {list:?}"))?;
        if u64::try_from(cases.len()) != Ok(count) {
            return Err(format!(
                "list {list:?} has {} cases, number_of_cases says {count}",
                cases.len()
            ));
        }
    }
    match counts
        .keys()
        .find(|name| lists.iter().all(|(list, _)| list != name))
    {
        Some(name) => Err(format!(
            "number_of_cases counts {name:?}, which is not there"
        )),
        None => Ok(()),
    }
}

fn cases_in(document: &Value) -> usize {
    let document = document.as_object();
    document.map_or(0, |document| {
        lists(document).iter().map(|(_, cases)| cases.len()).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let document: Value = serde_json::from_str(text).unwrap();
        understand(&document).err().unwrap_or_default()
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (text, told) in [
            (r#"[]"#, "not a JSON object"),
            (r#"{}"#, "no member"),
            (r#"{"kind":"esq"}"#, "unknown kind"),
            (r#"{"kind":"esp"}"#, "no list"),
            (r#"{"kind":"esp","vectors":[]}"#, "no object"),
            (
                r#"{"kind":"esp","vectors":[],"number_of_cases":{}}"#,
                "no count",
            ),
            (
                r#"{"kind":"esp","vectors":[],"number_of_cases":{"vectors":1}}"#,
                "has 0 cases",
            ),
            (
                r#"{"kind":"esp","more":[],"number_of_cases":{"more":0}}"#,
                "unknown list",
            ),
            (
                r#"{"kind":"esp","vectors":[],"number_of_cases":{"vectors":0,"x":2}}"#,
                "counts \"x\"",
            ),
        ] {
            assert!(refused(text).contains(told), "{text}: {}", refused(text));
        }
        assert_eq!(
            refused(r#"{"kind":"esp","vectors":[],"number_of_cases":{"vectors":0}}"#),
            ""
        );
    }
}
