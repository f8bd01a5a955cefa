//! What is wrong with a file, and where.

/// One fault of a configuration file.
///
/// Prints as `file:line: key: text; allowed: …`. No field ever holds key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, counted from 1; 0 where the file as a whole is at fault.
    pub line: usize,
    /// Column in octets, counted from 1; 0 like `line`.
    pub column: usize,
    /// The key with its section, such as `sa.tunnel.source`; empty for faults of the TOML itself.
    pub key: String,
    /// What is wrong.
    pub text: String,
    /// What would be right; empty where the text says it.
    pub allowed: String,
}

impl Problem {
    /// A fault of the file as a whole.
    pub(crate) fn of_file(file: &str, text: String) -> Self {
        Problem {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            text,
            allowed: String::new(),
        }
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line != 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.text)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Text from this length on may be a key.
const KEY_LIKE: usize = 16;

/// `value` as it may stand in a message: in quotes, without control
/// characters. What is long enough for a key is not shown, however it is
/// written, unless it misspells one of the words in `allowed`.
pub(crate) fn shown(value: &str, allowed: &str) -> String {
    let words: Vec<&str> = allowed
        .split(", ")
        .map(|word| word.trim_matches('"'))
        .collect();
    if value.len() < KEY_LIKE || !nearest(value, &words).is_empty() {
        format!("\"{}\"", value.escape_debug())
    } else {
        format!("this text of {} octets", value.len())
    }
}

/// The names of `known` that a misspelt `word` most likely means.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|name| (distance(word, name), *name))
        .filter(|(steps, name)| *steps <= limit || name.starts_with(word) && word.len() >= 3)
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Insertions, deletions and replacements from `a` to `b`. Long words are not
/// compared: a hostile key must not cost time.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for ((y, diagonal), above) in b.iter().zip(row.iter()).zip(row.iter().skip(1)) {
            let change = diagonal + usize::from(x != *y);
            left = change.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_names() {
        let known = ["encr", "encr_key", "integ", "salt", "spi"];
        assert_eq!(nearest("encr_kay", &known), ["encr_key"]);
        assert_eq!(nearest("slat", &["salt", "spi"]), Vec::<&str>::new());
        assert_eq!(nearest("sall", &known), ["salt"]);
        assert_eq!(nearest("enc", &known), ["encr", "encr_key"]);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn what_may_be_a_key_is_not_shown() {
        let modes = "\"transport\", \"tunnel\"";
        assert_eq!(shown("tunel", modes), "\"tunel\"");
        assert_eq!(shown("a\nb", modes), "\"a\\nb\"");
        for key in [
            "000102030405060708090a0b0c0d0e0f",
            "0x000102030405060708090a0b0c0d0e0f",
            "00:01:02:03:04:05:06:07",
            "0001 0203 0405 0607",
            "000102030405060708090a0b0c0d0e0g",
            "AAECAwQFBgcICQoLDA0ODw==",
        ] {
            let told = shown(key, modes);
            assert_eq!(told, format!("this text of {} octets", key.len()));
        }
        let integs = "NONE, AUTH_HMAC_SHA2_256_128";
        let misspelt = "AUTH_HMAC_SHA2_256_129";
        assert_eq!(shown(misspelt, integs), format!("\"{misspelt}\""));
    }
}
