//! `include/sprat.h`, written by cbindgen from `sprat-ffi`.

use std::fs;
use std::path::Path;

use sprat_core::crypto::{Encr, Integ};
use sprat_core::diet_esp::{
    Alignment, DscpCda, EcnCda, EspTrailer, FlowLabelCda, IipcProfile, Profile,
};
use sprat_core::error::DropReason;
use sprat_core::schc::Fid;

/// What the header should be, from the sources as they are now.
fn generate(root: &Path) -> Result<String, String> {
    let crate_dir = root.join("rust/sprat-ffi");
    let mut config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml"))?;
    let includes = config.after_includes.get_or_insert_default();
    includes.push_str(&drop_reasons());
    includes.push_str(&transforms());
    includes.push_str(&diet_esp());
    let bindings = cbindgen::Builder::new()
        .with_crate(&crate_dir)
        .with_config(config)
        .generate()
        .map_err(|e| format!("cbindgen: {e}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|e| format!("cbindgen: {e}"))?;
    Ok(for_c_readers(&text))
}

/// What cbindgen writes, made shorter to read: no Rust sections, one condition
/// around neighbours that share it, short comments on one line.
fn for_c_readers(text: &str) -> String {
    let text = without_safety_sections(text);
    let text = merged_conditions(&text);
    let text = one_line_comments(&text);
    let text = bracketed_negatives(&text);
    guarded_to_the_end(&text)
}

/// `#endif` and the same `#if` again go, where only an empty line stands between.
fn merged_conditions(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut open, mut at) = (String::new(), "", 0);
    while let Some(line) = lines.get(at) {
        match lines.get(at..at + 3) {
            Some(["#endif", "", again]) if *again == open => {
                at += 2;
            }
            _ => {
                out += line;
                if line.starts_with("#if ") {
                    open = line;
                }
            }
        }
        out.push('\n');
        at += 1;
    }
    out
}

/// A comment of one line of text stands on one line.
fn one_line_comments(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let short = match lines.get(at..at + 3) {
            Some([open, said, close]) if open.trim() == "/*" && close.trim() == "*/" => {
                let indent = open.len() - open.trim_start().len();
                Some(format!("{}/* {} */", &open[..indent], said.trim()))
            }
            _ => None,
        };
        match short.filter(|short| short.len() <= 90) {
            Some(short) => {
                out += &short;
                at += 3;
            }
            None => {
                out += line;
                at += 1;
            }
        }
        out.push('\n');
    }
    out
}

/// A negative number in a macro is put in brackets.
fn bracketed_negatives(text: &str) -> String {
    let bracketed = |line: &str| match line.split_once(" -") {
        Some((name, number)) if name.starts_with("#define ") && number.parse::<u32>().is_ok() => {
            format!("{name} (-{number})\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(bracketed).collect()
}

/// cbindgen closes the include guard in front of the trailer: it goes last.
fn guarded_to_the_end(text: &str) -> String {
    let close = "#endif  /* SPRAT_H */\n";
    match text.split_once(close) {
        Some((guarded, trailer)) => format!("{guarded}{}\n\n{close}", trailer.trim()),
        None => text.to_owned(),
    }
}

/// Rust's `# Safety` sections say to a Rust caller what the rest of the comment
/// says to a C caller: they are left out.
fn without_safety_sections(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim() == "# Safety" {
            inside = true;
            while kept.last().is_some_and(|last| last.trim().is_empty()) {
                kept.pop();
            }
        }
        inside &= !line.trim().starts_with("*/");
        if !inside {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

/// The drop reasons, from the table that also names the counters.
fn drop_reasons() -> String {
    let mut text =
        String::from("\n/* Drop reasons: sprat_drop_text() says the same at run time. */\n");
    for reason in DropReason::ALL {
        let name = reason.counter().replace('-', "_").to_uppercase();
        text += &format!("/* {} */\n", reason.text());
        text += &format!("#define SPRAT_DROP_{name} {}\n", reason.code());
    }
    text
}

/// IANA numbers of the transforms, from the table that also names them.
fn transforms() -> String {
    let mut text =
        String::from("\n/* Encryption and integrity transforms (IANA, IKEv2 types 1 and 3). */\n");
    for encr in Encr::ALL {
        text += &format!("#define SPRAT_{} {}\n", encr.name(), encr.id());
    }
    for integ in Integ::ALL.iter().filter(|integ| **integ != Integ::None) {
        text += &format!("#define SPRAT_{} {}\n", integ.name(), integ.id());
    }
    text
}

/// One `#define` for each value of an enum that the core names.
macro_rules! defines {
    ($text:expr, $prefix:literal, $values:expr) => {
        for value in $values {
            let name = value.name().to_uppercase().replace([' ', '-', '.'], "_");
            $text += &format!("#define SPRAT_{}{name} {}\n", $prefix, value.code());
        }
    };
}

/// Attributes and fields of Diet-ESP, as the draft names them.
fn diet_esp() -> String {
    let mut text = String::from("\n/* Attributes of Diet-ESP (sprat_ehc_params). */\n");
    defines!(text, "EHC_PROFILE_", Profile::ALL);
    defines!(text, "EHC_", IipcProfile::ALL);
    defines!(text, "EHC_DSCP_", DscpCda::ALL);
    defines!(text, "EHC_ECN_", EcnCda::ALL);
    defines!(text, "EHC_FLOW_LABEL_", FlowLabelCda::ALL);
    defines!(text, "EHC_ALIGNMENT_", Alignment::ALL);
    defines!(text, "EHC_TRAILER_", EspTrailer::ALL);
    text += "\n/* Fields that the rules of Diet-ESP are about (sprat_ehc_row). */\n";
    defines!(text, "FID_", Fid::ALL);
    text
}

/// Writes the header.
pub fn write(root: &Path) -> Result<(), String> {
    let path = root.join("include/sprat.h");
    let text = generate(root)?;
    fs::create_dir_all(root.join("include")).map_err(|e| e.to_string())?;
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Fails when the committed header is not what would be written.
pub fn check(root: &Path) -> Result<(), String> {
    let path = root.join("include/sprat.h");
    let have = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let want = generate(root)?;
    match first_difference(&have, &want) {
        None => Ok(()),
        Some((line, have, want)) => Err(format!(
            "include/sprat.h:{line}: not what the sources give (run 'make header')\n\
             committed: {have}\ngenerated: {want}"
        )),
    }
}

/// The number of the first line that differs, and that line of either text.
fn first_difference<'a>(have: &'a str, want: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if have == want {
        return None;
    }
    let end = "(end of file)";
    let (mut h, mut w) = (have.lines(), want.lines());
    for line in 1.. {
        match (h.next(), w.next()) {
            (None, None) => return Some((line, end, end)),
            (a, b) if a != b => return Some((line, a.unwrap_or(end), b.unwrap_or(end))),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{first_difference, for_c_readers, without_safety_sections};

    #[test]
    fn neighbours_share_a_condition_and_the_guard_ends_the_file() {
        let text = "#ifndef SPRAT_H\n#if defined(SPRAT_HOST)\n/*\n One.\n */\nint a;\n#endif\n\n\
                    #if defined(SPRAT_HOST)\n/*\n Two\n lines.\n */\n#define B -1\n#endif\n\n\
                    #endif  /* SPRAT_H */\n\n#define C 1\n";
        assert_eq!(
            for_c_readers(text),
            "#ifndef SPRAT_H\n#if defined(SPRAT_HOST)\n/* One. */\nint a;\n\n\
             /*\n Two\n lines.\n */\n#define B (-1)\n#endif\n\n\
             #define C 1\n\n#endif  /* SPRAT_H */\n"
        );
    }

    #[test]
    fn safety_sections_go_and_the_rest_stays() {
        let text = "/*\n Opens.\n\n # Safety\n Valid.\n */\nint f(void);\n";
        assert_eq!(
            without_safety_sections(text),
            "/*\n Opens.\n */\nint f(void);\n"
        );
    }

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn difference_is_found_in_the_middle_and_at_the_end() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, "b", "c")));
        assert_eq!(
            first_difference("a\n", "a\nc\n"),
            Some((2, "(end of file)", "c"))
        );
        assert_eq!(
            first_difference("a", "a\n"),
            Some((2, "(end of file)", "(end of file)"))
        );
    }
}
