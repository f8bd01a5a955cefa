//! Typed reading of a TOML tree that notes every fault and goes on.

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, nearest, shown};

/// Problems told at most, the first ones of the file: a hostile file must not
/// cost memory without bound.
const MAX_PROBLEMS: usize = 1000;

/// One table of the document.
#[derive(Clone, Copy)]
pub(crate) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// Path for messages; "" for the document.
    path: &'static str,
    /// Octet offset of its first line.
    at: usize,
}

/// A value with where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t> {
    pub(crate) value: &'t DeValue<'t>,
    pub(crate) place: Place,
}

/// Where a problem is: a key and an octet offset.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    section: &'static str,
    name: &'static str,
    at: usize,
}

impl<'t> Section<'t> {
    pub(crate) fn new(table: &'t DeTable<'t>, path: &'static str, at: usize) -> Self {
        Section { table, path, at }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub(crate) fn value(&self, name: &'static str) -> Option<Value<'t>> {
        let spanned = self.table.get(name)?;
        let place = Place {
            section: self.path,
            name,
            at: spanned.span().start,
        };
        Some(Value {
            value: spanned.get_ref(),
            place,
        })
    }

    /// The table under `name`, which messages call `path`; `None` also if it is
    /// none.
    pub(crate) fn inner(&self, name: &'static str, path: &'static str) -> Option<Self> {
        let value = self.value(name)?;
        let table = value.value.as_table()?;
        Some(Section::new(table, path, value.place.at))
    }

    /// Where `name` stands, or the section if it does not.
    pub(crate) fn place(&self, name: &'static str) -> Place {
        self.value(name).map_or(
            Place {
                section: self.path,
                name,
                at: self.at,
            },
            |value| value.place,
        )
    }
}

/// Notes problems while a document is read.
pub(crate) struct Reader<'a> {
    file: &'a str,
    line_starts: Vec<usize>,
    /// By octet offset, and in the order of their finding.
    problems: BTreeMap<(usize, usize), Problem>,
    problem_count: usize,
    key_files: BTreeSet<PathBuf>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &str, file: &'a str) -> Self {
        let breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, octet)| *octet == b'\n');
        let line_starts = core::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Reader {
            file,
            line_starts,
            problems: BTreeMap::new(),
            problem_count: 0,
            key_files: BTreeSet::new(),
        }
    }

    /// The file `name` beside the configuration; an absolute name stays.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        let base = Path::new(self.file).parent();
        base.unwrap_or(Path::new("")).join(name)
    }

    /// Notes that a key stands in the file of this name beside the
    /// configuration; in the configuration itself if it is "".
    pub(crate) fn key_in(&mut self, name: &str) -> PathBuf {
        let path = match name {
            "" => PathBuf::from(self.file),
            name => self.beside(name),
        };
        self.key_files.insert(path.clone());
        path
    }

    pub(crate) fn take_key_files(&mut self) -> Vec<PathBuf> {
        core::mem::take(&mut self.key_files).into_iter().collect()
    }

    pub(crate) fn problem_count(&self) -> usize {
        self.problem_count
    }

    /// The problems in the order of their lines; the last one says how many
    /// more there are.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let left_off = self.problem_count - self.problems.len();
        let mut problems: Vec<Problem> = self.problems.into_values().collect();
        if left_off != 0 {
            let text = format!("{left_off} more problems, further down");
            problems.push(Problem::of_file(self.file, text));
        }
        problems
    }

    fn line_at(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// The line of a place, counted from 1.
    pub(crate) fn line(&self, place: Place) -> usize {
        self.line_at(place.at)
    }

    pub(crate) fn report_at(&mut self, at: usize, key: String, text: String, allowed: &str) {
        let line = self.line_at(at);
        let start = self.line_starts.get(line.saturating_sub(1));
        let problem = Problem {
            file: self.file.to_owned(),
            line,
            column: at.saturating_sub(start.copied().unwrap_or(0)) + 1,
            key,
            text,
            allowed: allowed.to_owned(),
        };
        self.problems.insert((at, self.problem_count), problem);
        self.problem_count += 1;
        if self.problems.len() > MAX_PROBLEMS {
            self.problems.pop_last();
        }
    }

    pub(crate) fn report(&mut self, place: Place, text: impl Into<String>, allowed: &str) {
        let key = match place.section {
            "" => place.name.to_owned(),
            section => format!("{section}.{}", place.name),
        };
        self.report_at(place.at, key, text.into(), allowed);
    }

    /// Reports every key of the section that is not `known`.
    pub(crate) fn admit(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.table.keys() {
            let word: &str = key.get_ref();
            if known.contains(&word) {
                continue;
            }
            let near = nearest(word, known);
            let allowed = known.join(", ");
            let text = if near.is_empty() {
                "unknown key".to_owned()
            } else {
                format!("unknown key, perhaps {}", near.join(" or "))
            };
            let name = shown(word, &allowed);
            let name = name.trim_matches('"');
            let path = match section.path {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            self.report_at(key.span().start, path, text, &allowed);
        }
    }

    /// Reports that `name` is missing.
    pub(crate) fn missing(&mut self, section: &Section<'_>, name: &'static str, allowed: &str) {
        self.report(section.place(name), "missing", allowed);
    }

    fn wrong_type(&mut self, value: Value<'_>, allowed: &str) {
        let found = match value.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(value.place, format!("{found} does not fit here"), allowed);
    }

    pub(crate) fn text_of<'t>(&mut self, value: Value<'t>, allowed: &str) -> Option<&'t str> {
        let text = value.value.as_str();
        if text.is_none() {
            self.wrong_type(value, allowed);
        }
        text
    }

    /// The text under `name`; `None` if absent or, reported, of another type.
    pub(crate) fn text<'t>(
        &mut self,
        section: &Section<'t>,
        name: &'static str,
        allowed: &str,
    ) -> Option<&'t str> {
        self.text_of(section.value(name)?, allowed)
    }

    pub(crate) fn flag(&mut self, section: &Section<'_>, name: &'static str) -> Option<bool> {
        let value = section.value(name)?;
        let flag = value.value.as_bool();
        if flag.is_none() {
            self.wrong_type(value, "true, false");
        }
        flag
    }

    /// The number under `name`: an integer, or text in decimal or `0x…`.
    pub(crate) fn number(
        &mut self,
        section: &Section<'_>,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        self.number_of(section.value(name)?, range)
    }

    pub(crate) fn number_of(
        &mut self,
        value: Value<'_>,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let allowed = format!("{} to {}", range.start(), range.end());
        self.number_allowed(value, range, &allowed)
    }

    /// As [`Self::number_of`], where `allowed` says it better than the range.
    pub(crate) fn number_allowed(
        &mut self,
        value: Value<'_>,
        range: RangeInclusive<u64>,
        allowed: &str,
    ) -> Option<u64> {
        let number = match value.value {
            DeValue::Integer(integer) => unsigned(integer.as_str(), integer.radix()),
            DeValue::String(text) => match text.strip_prefix("0x") {
                Some(hex) => unsigned(hex, 16),
                None => unsigned(text, 10),
            },
            _ => {
                self.wrong_type(value, allowed);
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.report(value.place, "number out of range", allowed);
        }
        number
    }

    pub(crate) fn number16(
        &mut self,
        section: &Section<'_>,
        name: &'static str,
        range: RangeInclusive<u16>,
    ) -> Option<u16> {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        let number = self.number(section, name, wide)?;
        u16::try_from(number).ok()
    }

    /// The value under `name` as `parse` understands its text.
    pub(crate) fn parsed<T>(
        &mut self,
        section: &Section<'_>,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Option<T> {
        self.parsed_of(section.value(name)?, parse, allowed)
    }

    pub(crate) fn parsed_of<T>(
        &mut self,
        value: Value<'_>,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Option<T> {
        let text = self.text_of(value, allowed)?;
        let parsed = parse(text);
        if parsed.is_none() {
            let text = format!("{} does not fit here", shown(text, allowed));
            self.report(value.place, text, allowed);
        }
        parsed
    }

    /// The values of the list under `name`.
    pub(crate) fn list<'t>(
        &mut self,
        section: &Section<'t>,
        name: &'static str,
        allowed: &str,
    ) -> Vec<Value<'t>> {
        let Some(value) = section.value(name) else {
            return Vec::new();
        };
        let Some(items) = value.value.as_array() else {
            self.wrong_type(value, &format!("a list of {allowed}"));
            return Vec::new();
        };
        let value_of = |item: &'t toml::Spanned<DeValue<'t>>| Value {
            value: item.get_ref(),
            place: Place {
                at: item.span().start,
                ..value.place
            },
        };
        items.iter().map(value_of).collect()
    }

    /// The table under `name`, which messages call `path`.
    pub(crate) fn table<'t>(
        &mut self,
        section: &Section<'t>,
        name: &'static str,
        path: &'static str,
    ) -> Option<Section<'t>> {
        let value = section.value(name)?;
        let table = section.inner(name, path);
        if table.is_none() {
            self.wrong_type(value, &format!("a table, [{path}]"));
        }
        table
    }

    /// The tables of the list under `name`.
    pub(crate) fn tables<'t>(
        &mut self,
        section: &Section<'t>,
        name: &'static str,
        path: &'static str,
    ) -> Vec<Section<'t>> {
        let allowed = format!("tables, [[{path}]]");
        let mut sections = Vec::new();
        for value in self.list(section, name, &allowed) {
            match value.value.as_table() {
                Some(table) => sections.push(Section::new(table, path, value.place.at)),
                None => self.wrong_type(value, &allowed),
            }
        }
        sections
    }
}

/// Digits alone, without a sign.
fn unsigned(digits: &str, radix: u32) -> Option<u64> {
    let number = u64::from_str_radix(digits, radix).ok();
    number.filter(|_| !digits.starts_with('+'))
}
