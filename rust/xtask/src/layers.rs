//! Directions between the modules of the core crate.
//!
//! Every path that starts with `crate::`, `self::` or `super::` is followed to
//! the top-level module it names. A module may name modules of lower layers
//! and itself; its own layer only where that layer is open. Modules named
//! `tests` are not looked at: a test may stand on anything.

use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One layer: may its modules name each other, and which are they?
struct Layer {
    open: bool,
    modules: &'static [&'static str],
}

/// Lowest first, as in ARCHITECTURE.md.
const LAYERS: &[Layer] = &[
    Layer {
        open: true,
        modules: &["error", "num", "time", "buf"],
    },
    Layer {
        open: false,
        modules: &["wire", "crypto"],
    },
    Layer {
        open: true,
        modules: &["selector", "sa", "replay", "trailer", "schc", "diet_esp"],
    },
    Layer {
        open: true,
        modules: &["esp", "ah", "sad", "spd", "ipsec", "mote"],
    },
    Layer {
        open: false,
        modules: &["ikev2", "risav", "ace", "coap_jws"],
    },
    Layer {
        open: false,
        modules: &["dissect"],
    },
];

/// A path in `file` at `line` that names the top-level module `to`.
struct Edge {
    line: usize,
    to: String,
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|l| l.modules.contains(&module))
}

/// Why module `from` may not name `to`, if so.
fn objection(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let Some(own) = layer_of(from) else {
        return Some(format!(
            "module '{from}' has no layer (see rust/xtask/src/layers.rs)"
        ));
    };
    let Some(other) = layer_of(to) else {
        return Some(format!(
            "'crate::{to}' is no module with a layer: name its module"
        ));
    };
    let allowed = other < own || (other == own && LAYERS[own].open);
    (!allowed).then(|| format!("'{from}' (layer {own}) must not use '{to}' (layer {other})"))
}

/// Checks every source file under `src`.
pub fn check(src: &Path) -> Result<(), String> {
    let mut errors = Vec::new();
    visit(src, &mut Vec::new(), &mut errors)?;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n"))
    }
}

fn visit(dir: &Path, scope: &mut Vec<String>, errors: &mut Vec<String>) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("{}: {e}", dir.display());
    let mut entries: Vec<_> = fs::read_dir(dir)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(fault)?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            scope.push(stem);
            visit(&path, scope, errors)?;
            scope.pop();
        } else if path.extension().is_some_and(|e| e == "rs") && stem != "tests" {
            let inner = stem != "mod" && stem != "lib";
            if inner {
                scope.push(stem);
            }
            let text = fs::read_to_string(&path).map_err(fault)?;
            check_file(&path, &text, scope, errors)?;
            if inner {
                scope.pop();
            }
        }
    }
    Ok(())
}

/// The crate root ties the modules together, so it may name all of them.
fn check_file(
    path: &Path,
    text: &str,
    scope: &[String],
    errors: &mut Vec<String>,
) -> Result<(), String> {
    let Some(from) = scope.first() else {
        return Ok(());
    };
    if layer_of(from).is_none() {
        errors.push(format!(
            "{}: module '{from}' has no layer (see rust/xtask/src/layers.rs)",
            path.display()
        ));
        return Ok(());
    }
    for edge in edges(text, scope).map_err(|e| format!("{}: {e}", path.display()))? {
        if let Some(why) = objection(from, &edge.to) {
            errors.push(format!("{}:{}: {why}", path.display(), edge.line));
        }
    }
    Ok(())
}

/// All top-level modules that `text`, being module `scope`, names.
fn edges(text: &str, scope: &[String]) -> Result<Vec<Edge>, String> {
    let tokens: TokenStream = text.parse().map_err(|e| format!("{e}"))?;
    let mut out = Vec::new();
    walk(tokens, scope, &mut out);
    Ok(out)
}

fn walk(tokens: TokenStream, scope: &[String], out: &mut Vec<Edge>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "mod" => {
                at += inline_module(&tokens[at..], scope, out)
            }
            TokenTree::Ident(word) if word == "crate" && is_path_separator(&tokens[at + 1..]) => {
                path_tail(&tokens[at + 3..], &[], out);
                at += 3;
            }
            TokenTree::Ident(word) if word == "super" && is_path_separator(&tokens[at + 1..]) => {
                path_tail(&tokens[at + 3..], parent(scope), out);
                // A chain is followed from its start only.
                at += 3;
                while tokens.get(at).is_some_and(|t| is_word(t, "super")) {
                    at += 3;
                }
            }
            TokenTree::Group(group) => {
                walk(group.stream(), scope, out);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads `mod name { ... }` at the start of `tokens`; how many tokens it took.
fn inline_module(tokens: &[TokenTree], scope: &[String], out: &mut Vec<Edge>) -> usize {
    let [_, TokenTree::Ident(name), TokenTree::Group(body), ..] = tokens else {
        return 1;
    };
    if name != "tests" {
        let mut inner = scope.to_vec();
        inner.push(name.to_string());
        walk(body.stream(), &inner, out);
    }
    3
}

/// What follows `base::` at the start of `tokens`: a name, a group or a star.
fn path_tail(tokens: &[TokenTree], base: &[String], out: &mut Vec<Edge>) {
    match tokens {
        [TokenTree::Ident(word), rest @ ..] if word == "super" && is_path_separator(rest) => {
            path_tail(&rest[2..], parent(base), out);
        }
        // Below the crate root every further name stays in the same module.
        _ if !base.is_empty() => {}
        // A macro exported at the root has no module.
        [TokenTree::Ident(_), TokenTree::Punct(bang), ..] if bang.as_char() == '!' => {}
        [TokenTree::Ident(name), ..] if name != "self" => push(name.span(), name.to_string(), out),
        [TokenTree::Punct(star), ..] if star.as_char() == '*' => {
            push(star.span(), "*".to_owned(), out)
        }
        [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
            let items: Vec<TokenTree> = group.stream().into_iter().collect();
            for item in items.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
                path_tail(item, base, out);
            }
        }
        _ => {}
    }
}

fn push(span: proc_macro2::Span, to: String, out: &mut Vec<Edge>) {
    out.push(Edge {
        line: span.start().line,
        to,
    });
}

fn parent(scope: &[String]) -> &[String] {
    scope.split_last().map_or(&[], |(_, rest)| rest)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(i) if i == word)
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), TokenTree::Punct(b), ..] if a.as_char() == ':' && b.as_char() == ':')
}

#[cfg(test)]
mod tests {
    use super::{edges, objection};

    /// The modules that `text` as module `scope` names, and those it must not.
    fn look(scope: &str, text: &str) -> (Vec<String>, Vec<String>) {
        let scope: Vec<String> = scope.split("::").map(str::to_owned).collect();
        let all: Vec<String> = edges(text, &scope)
            .unwrap()
            .into_iter()
            .map(|e| e.to)
            .collect();
        let bad = all
            .iter()
            .filter(|to| objection(&scope[0], to).is_some())
            .cloned()
            .collect();
        (all, bad)
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn downward_edges_are_allowed() {
        let (all, bad) = look(
            "esp::rx",
            "use crate::{sa::{SaRx, SaParams}, wire, num::Spi};",
        );
        assert_eq!(all, strings(&["sa", "wire", "num"]));
        assert!(bad.is_empty());
    }

    #[test]
    fn back_edge_is_caught() {
        let (_, bad) = look(
            "wire::esp",
            "use crate::num::Spi;\nuse crate::sa::SaParams;",
        );
        assert_eq!(bad, strings(&["sa"]));
    }

    #[test]
    fn back_edge_in_an_expression_is_caught() {
        let (_, bad) = look("replay", "fn f() -> u8 { g(crate::esp::LIMIT) }");
        assert_eq!(bad, strings(&["esp"]));
    }

    #[test]
    fn back_edge_by_super_is_caught() {
        let (_, bad) = look("wire::ike::sa", "use super::super::super::sad::Sad;");
        assert_eq!(bad, strings(&["sad"]));
        let (_, bad) = look("wire", "use super::{num, esp::tx};");
        assert_eq!(bad, strings(&["esp"]));
        let (_, bad) = look("wire", "mod inner { use super::super::spd; }");
        assert_eq!(bad, strings(&["spd"]));
    }

    #[test]
    fn super_inside_the_module_is_no_edge() {
        let (all, _) = look("wire::esp", "use super::Reader; use super::ip::Packet;");
        assert!(all.is_empty());
    }

    #[test]
    fn siblings_of_closed_layers_are_apart() {
        assert_eq!(
            look("crypto", "use crate::wire::Reader;").1,
            strings(&["wire"])
        );
        assert_eq!(
            look("risav", "use crate::ikev2::message;").1,
            strings(&["ikev2"])
        );
        assert!(look("sad", "use crate::spd::Spd;").1.is_empty());
    }

    #[test]
    fn comments_strings_and_tests_are_not_read() {
        let text = "// use crate::esp;\nconst A: &str = \"crate::esp\";\n\
                    #[cfg(test)] mod tests { use crate::esp; }\npub(crate) fn f() {}";
        assert!(look("wire", text).0.is_empty());
    }

    #[test]
    fn root_names_and_globs_are_refused_and_macros_are_not() {
        assert_eq!(look("esp", "use crate::Spi;").1, strings(&["Spi"]));
        assert_eq!(look("esp", "use crate::*;").1, strings(&["*"]));
        assert!(look("esp", "crate::rows! {}").0.is_empty());
        assert_eq!(look("utils", "use crate::num;").1, strings(&["num"]));
    }
}
