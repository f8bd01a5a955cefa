//! `docs/configuration.md` and the parser agree.

use std::collections::BTreeSet;

use sprat_config::{Config, schema};

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

/// Text blocks between "```toml" and "```".
fn examples() -> Vec<&'static str> {
    let blocks = DOCUMENT.split("```toml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// Keys of the tables under a heading with the section's name.
fn documented() -> BTreeSet<(String, String)> {
    let mut keys = BTreeSet::new();
    let mut section = None;
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let name = heading.split('`').nth(1);
            section = name.map(|name| name.trim_matches(['[', ']']).to_owned());
        } else if let (Some(section), Some(row)) = (&section, line.strip_prefix("| `")) {
            let key = row.split('`').next().unwrap();
            keys.insert((section.clone(), key.to_owned()));
        }
    }
    keys
}

#[test]
fn every_example_is_accepted() {
    let examples = examples();
    assert_eq!(examples.len(), 5);
    for example in examples {
        let config = Config::parse(example, "example.toml");
        let config = config.unwrap_or_else(|problems| panic!("{problems:#?}\n{example}"));
        assert!(!config.sas.is_empty());
    }
}

#[test]
fn documented_and_accepted_keys_are_the_same() {
    let accepted: BTreeSet<(String, String)> = schema::SECTIONS
        .iter()
        .filter(|(section, _)| !section.is_empty())
        .flat_map(|(section, keys)| keys.iter().map(|key| ((*section).into(), (*key).into())))
        .collect();
    assert!(accepted.len() > 60);
    assert_eq!(documented(), accepted);
}

/// A key that were admitted and never read would pass in silence.
#[test]
fn every_accepted_key_is_read() {
    for (section, keys) in schema::SECTIONS {
        for key in *keys {
            let line = format!("{key} = 1979-05-27\n");
            let text = match *section {
                "" => line,
                "gateway" => format!("[gateway]\n{line}"),
                "policy" => format!("[[policy]]\n{line}"),
                "sa" => format!("[[sa]]\n{line}"),
                "sa.selector" => format!("[[sa]]\n[[sa.selector]]\n{line}"),
                inner => format!("[[sa]]\n[{inner}]\n{line}"),
            };
            let problems = Config::parse(&text, "f").unwrap_err();
            let full = format!("{section}.{key}");
            let full = full.trim_start_matches('.');
            let told = |p: &&sprat_config::Problem| p.key == full && p.text.contains("a date");
            assert!(problems.iter().any(|p| told(&p)), "{full}: {problems:#?}");
        }
    }
}

#[test]
fn the_tables_of_transforms_name_them_all() {
    for encr in sprat_core::crypto::Encr::ALL {
        assert!(
            DOCUMENT.contains(&format!("`{}`", encr.name())),
            "{}",
            encr.name()
        );
    }
    for integ in sprat_core::crypto::Integ::ALL
        .iter()
        .filter(|i| !i.ah_only())
    {
        assert!(
            DOCUMENT.contains(&format!("| `{}`", integ.name())),
            "{}",
            integ.name()
        );
    }
}
