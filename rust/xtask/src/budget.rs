//! Measured numbers against `tests/budget.toml`.
//!
//! A section holds numbers and one text `why`. A number may grow by 2 % before
//! the check fails; to raise it one edits the file and says why there. A limit is
//! a promise to users instead: one octet more fails.

use std::fs;
use std::path::Path;

/// Growth that passes, in percent.
const TOLERANCE: u64 = 2;

/// Compares each `name=value` with the number of that name in `section`. Prints one
/// line each; an error names all that grew, have no budget or were not measured.
pub fn check(root: &Path, section: &str, measured: &[&str]) -> Result<(), String> {
    report(section, compare(&read(root)?, section, measured)?)
}

/// Holds each number in `section` against the `name=value` of that name. One that
/// was not measured is an error; what has no limit is not looked at.
pub fn limit(root: &Path, section: &str, measured: &[&str]) -> Result<(), String> {
    report(section, within_limits(&read(root)?, section, measured)?)
}

fn read(root: &Path) -> Result<String, String> {
    let path = root.join("tests/budget.toml");
    fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

fn report(section: &str, lines: Vec<(String, bool)>) -> Result<(), String> {
    let mut bad = Vec::new();
    for (line, within) in lines {
        println!("{line}");
        if !within {
            bad.push(line);
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "tests/budget.toml, [{section}]: over budget, or none set:\n{}",
            bad.join("\n")
        ))
    }
}

/// One line for each measured value, and whether it is within its budget; and one
/// for each budget that nothing was measured for.
fn compare(text: &str, section: &str, measured: &[&str]) -> Result<Vec<(String, bool)>, String> {
    let file = parse(text)?;
    let table = find(&file, section)?;
    let mut lines: Vec<_> = measured
        .iter()
        .map(|m| compare_one(table, m))
        .collect::<Result<_, _>>()?;
    let is_there = |name: &str| {
        measured
            .iter()
            .any(|m| split(m).is_ok_and(|(n, _)| n == name))
    };
    let numbers = table.iter().filter(|(_, value)| value.is_integer());
    let missing = numbers.filter(|(name, _)| !is_there(name));
    lines.extend(missing.map(|(name, _)| (format!("{name:<24} not measured"), false)));
    Ok(lines)
}

/// One line for each limit, and whether the measured value keeps it.
fn within_limits(
    text: &str,
    section: &str,
    measured: &[&str],
) -> Result<Vec<(String, bool)>, String> {
    let file = parse(text)?;
    let measured: Vec<(&str, u64)> = measured
        .iter()
        .map(|m| split(m))
        .collect::<Result<_, _>>()?;
    let limits = find(&file, section)?.iter().filter_map(|(name, value)| {
        let limit = u64::try_from(value.as_integer()?).ok()?;
        Some((name.as_str(), limit))
    });
    let lines: Vec<_> = limits
        .map(|(name, limit)| limit_one((name, limit), &measured))
        .collect();
    if lines.is_empty() {
        return Err(format!("tests/budget.toml: no limit in [{section}]"));
    }
    Ok(lines)
}

fn limit_one((name, limit): (&str, u64), measured: &[(&str, u64)]) -> (String, bool) {
    let Some((_, value)) = measured.iter().find(|(m, _)| *m == name) else {
        return (format!("{name:<24} not measured"), false);
    };
    let verdict = if *value <= limit { "ok" } else { "OVER" };
    (
        format!("{name:<24} {value:>10}   limit  {limit:>10}   {verdict}"),
        *value <= limit,
    )
}

fn parse(text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|e| format!("tests/budget.toml: {e}"))
}

fn find<'a>(file: &'a toml::Table, section: &str) -> Result<&'a toml::Table, String> {
    let mut table = file;
    for name in section.split('.') {
        table = table
            .get(name)
            .and_then(toml::Value::as_table)
            .ok_or_else(|| format!("tests/budget.toml: no section [{section}]"))?;
    }
    let why = table.get("why").and_then(toml::Value::as_str).unwrap_or("");
    if why.trim().is_empty() {
        return Err(format!(
            "tests/budget.toml: [{section}] does not say why its numbers are what they are"
        ));
    }
    Ok(table)
}

/// Name and number of `name=value`.
fn split(measured: &str) -> Result<(&str, u64), String> {
    let (name, value) = measured
        .split_once('=')
        .ok_or_else(|| format!("'{measured}' is not name=value"))?;
    let value = value
        .parse()
        .map_err(|_| format!("'{measured}': no number"))?;
    Ok((name, value))
}

fn compare_one(table: &toml::Table, measured: &str) -> Result<(String, bool), String> {
    let (name, value) = split(measured)?;
    let budget = table
        .get(name)
        .and_then(toml::Value::as_integer)
        .and_then(|n| u64::try_from(n).ok());
    let Some(budget) = budget else {
        return Ok((format!("{name:<24} {value:>10}   no budget"), false));
    };
    let within = value.saturating_mul(100) <= budget.saturating_mul(100 + TOLERANCE);
    let verdict = match (within, value < budget) {
        (false, _) => "OVER",
        (true, true) => "ok, lower the budget?",
        (true, false) => "ok",
    };
    Ok((
        format!("{name:<24} {value:>10}   budget {budget:>10}   {verdict}"),
        within,
    ))
}

#[cfg(test)]
mod tests {
    use super::{compare, within_limits};

    const FILE: &str = "[mote.thumb]\ntext = 1000\nbss = 0\nwhy = \"first\"\n[bench]\nseal = 5\n";

    fn within(measured: &str) -> bool {
        compare(FILE, "mote.thumb", &[measured]).unwrap()[0].1
    }

    #[test]
    fn two_percent_pass_and_more_does_not() {
        assert!(within("text=10") && within("text=1000") && within("text=1020"));
        assert!(!within("text=1021"));
        assert!(within("bss=0") && !within("bss=1"));
    }

    #[test]
    fn what_has_no_budget_fails() {
        assert!(!within("data=0"));
        assert!(compare(FILE, "mote.riscv", &["text=1"]).is_err());
    }

    #[test]
    fn what_was_not_measured_fails() {
        let all = |measured: &[&str]| {
            let lines = compare(FILE, "mote.thumb", measured).unwrap();
            lines.iter().all(|(_, within)| *within)
        };
        assert!(all(&["text=1000", "bss=0"]));
        assert!(!all(&["text=1000"]), "bss was not measured");
        assert!(!all(&[]));
    }

    #[test]
    fn a_section_without_a_reason_fails() {
        assert!(compare(FILE, "bench", &["seal=5"]).is_err());
    }

    fn keeps(measured: &[&str]) -> bool {
        let lines = within_limits(FILE, "mote.thumb", measured).unwrap();
        lines.iter().all(|(_, within)| *within)
    }

    #[test]
    fn a_limit_has_no_tolerance() {
        assert!(keeps(&["text=1000", "bss=0", "stack=9"]));
        assert!(!keeps(&["text=1001", "bss=0"]));
        assert!(!keeps(&["text=1000"]), "bss was not measured");
        let empty = "[a]\nwhy = \"none\"\n";
        assert!(within_limits(empty, "a", &["text=1"]).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(compare(FILE, "mote.thumb", &["text"]).is_err());
        assert!(compare(FILE, "mote.thumb", &["text=-1"]).is_err());
        assert!(compare("[mote", "mote", &[]).is_err());
    }
}
