//! Transforms of an SA and their keys.

use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use sprat_core::crypto::{Encr, Integ};
use zeroize::Zeroizing;

use crate::reader::{Place, Reader, Section};

/// Largest file that may hold a key, octets: hex, blanks only around it.
const KEY_FILE_MAX: usize = 4096;

/// Keys of one SA, overwritten when dropped. No `Debug`, no `Clone`: keys are
/// neither printed nor multiplied.
pub struct KeyMaterial {
    /// Encryption key, without salt: octets of [`Encr::key_lens`].
    pub encr_key: Zeroizing<Vec<u8>>,
    /// Salt: octets of [`Encr::salt_len`].
    pub salt: Zeroizing<Vec<u8>>,
    /// Integrity key: octets of [`Integ::key_len`].
    pub integ_key: Zeroizing<Vec<u8>>,
}

/// Both transforms and their keys, fitting together.
pub(crate) struct Transforms {
    pub(crate) encr: Encr,
    pub(crate) integ: Integ,
    pub(crate) keys: KeyMaterial,
}

/// Names beside those of the registry, without prefix.
const ENCR_ALIASES: &[(&str, Encr)] = &[
    ("aes_gmac", Encr::NullAesGmac),
    ("null_aes_gmac", Encr::NullAesGmac),
    ("chacha20poly1305", Encr::ChaCha20Poly1305),
];
const INTEG_ALIASES: &[(&str, Integ)] = &[
    ("md5", Integ::HmacMd5_96),
    ("sha1", Integ::HmacSha1_96),
    ("sha256", Integ::HmacSha2_256_128),
    ("sha384", Integ::HmacSha2_384_192),
    ("sha512", Integ::HmacSha2_512_256),
    ("sha256_96", Integ::HmacSha2_256_96),
    ("aesxcbc", Integ::AesXcbc96),
    ("aescmac", Integ::AesCmac96),
];

/// The encryption transform of this name: as in the registry, or without
/// `ENCR_`, in either case, `-` for `_`.
pub fn encr_by_name(name: &str) -> Option<Encr> {
    let word = plain(name, &ENCR_PREFIX);
    let named = Encr::ALL
        .iter()
        .find(|encr| plain(encr.name(), &ENCR_PREFIX) == word);
    named.copied().or_else(|| alias(ENCR_ALIASES, &word))
}

/// The integrity transform of this name, by the same rules without `AUTH_`
/// or `PRIV_`.
pub fn integ_by_name(name: &str) -> Option<Integ> {
    let word = plain(name, &INTEG_PREFIX);
    let named = Integ::ALL
        .iter()
        .find(|integ| plain(integ.name(), &INTEG_PREFIX) == word);
    named.copied().or_else(|| alias(INTEG_ALIASES, &word))
}

const ENCR_PREFIX: [&str; 1] = ["encr_"];
const INTEG_PREFIX: [&str; 2] = ["auth_", "priv_"];

fn plain(name: &str, prefixes: &[&str]) -> String {
    let word = name.to_ascii_lowercase().replace('-', "_");
    for prefix in prefixes {
        if let Some(rest) = word.strip_prefix(*prefix) {
            return rest.to_owned();
        }
    }
    word
}

fn alias<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, transform)| *transform)
}

/// Reads transforms and keys; `None` if anything about them is wrong.
pub(crate) fn read(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Transforms> {
    let encr = read_encr(r, section);
    let integ = read_integ(r, section);
    let mut raw = RawKeys::read(r, section);
    let encr = encr?;
    let integ = integ.filter(|integ| combination(r, section, encr, *integ));
    let keys = match (raw.keymat.take(), integ) {
        (Some(keymat), Some(integ)) => split_keymat(r, section, (encr, integ), &keymat),
        // Which of its octets belong to which key cannot be told.
        (Some(_), None) => None,
        (None, _) => separate_keys(r, section, (encr, integ), raw),
    };
    Some(Transforms {
        encr,
        integ: integ?,
        keys: keys?,
    })
}

const TOO_OLD: &str = "is old: only sprat and the Wireshark plugin take it";

fn usable_encr() -> impl Iterator<Item = Encr> {
    let all = Encr::ALL.iter().copied();
    all.filter(|encr| cfg!(feature = "legacy") || !encr.legacy())
}

fn usable_integ() -> impl Iterator<Item = Integ> {
    let all = Integ::ALL.iter().copied();
    all.filter(|integ| (cfg!(feature = "legacy") || !integ.legacy()) && !integ.ah_only())
}

fn read_encr(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Encr> {
    let names: Vec<&str> = usable_encr().map(Encr::name).collect();
    let allowed = names.join(", ");
    if !section.has("encr") {
        r.missing(section, "encr", &allowed);
    }
    let encr = r.parsed(section, "encr", encr_by_name, &allowed)?;
    if usable_encr().any(|usable| usable == encr) {
        return Some(encr);
    }
    let text = format!("{} {TOO_OLD}", encr.name());
    r.report(section.place("encr"), text, &allowed);
    None
}

fn read_integ(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Integ> {
    if !section.has("integ") {
        return Some(Integ::None);
    }
    let names: Vec<&str> = usable_integ().map(Integ::name).collect();
    let allowed = names.join(", ");
    let integ = r.parsed(section, "integ", integ_by_name, &allowed)?;
    if usable_integ().any(|usable| usable == integ) {
        return Some(integ);
    }
    let why = if integ.ah_only() {
        "is for AH"
    } else {
        TOO_OLD
    };
    let text = format!("{} {why}", integ.name());
    r.report(section.place("integ"), text, &allowed);
    None
}

/// RFC 4303 s3.2: an AEAD alone, anything else with an integrity transform.
fn combination(r: &mut Reader<'_>, section: &Section<'_>, encr: Encr, integ: Integ) -> bool {
    if encr.allows(integ) {
        return true;
    }
    if encr.is_aead() {
        let text = format!("{} makes the ICV itself", encr.name());
        r.report(section.place("integ"), text, "NONE");
    } else {
        let names: Vec<&str> = usable_integ()
            .filter(|integ| encr.allows(*integ))
            .map(Integ::name)
            .collect();
        let text = format!("{} needs an integrity transform", encr.name());
        r.report(section.place("integ"), text, &names.join(", "));
    }
    false
}

type Octets = Zeroizing<Vec<u8>>;

/// Keys as they stand in the file.
struct RawKeys {
    keymat: Option<Octets>,
    encr_key: Option<Octets>,
    salt: Option<Octets>,
    integ_key: Option<Octets>,
}

impl RawKeys {
    fn read(r: &mut Reader<'_>, section: &Section<'_>) -> Self {
        let raw = RawKeys {
            keymat: hex_key(r, section, "keymat"),
            encr_key: key_or_file(r, section, "encr_key", "encr_key_file"),
            salt: hex_key(r, section, "salt"),
            integ_key: key_or_file(r, section, "integ_key", "integ_key_file"),
        };
        if section.has("keymat") {
            for name in [
                "encr_key",
                "encr_key_file",
                "salt",
                "integ_key",
                "integ_key_file",
            ] {
                if section.has(name) {
                    let text = "stands beside keymat, which holds it already";
                    r.report(section.place(name), text, "one of them");
                }
            }
        }
        raw
    }
}

fn key_or_file(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    name: &'static str,
    file_name: &'static str,
) -> Option<Octets> {
    let key = hex_key(r, section, name);
    let file = r.text(section, file_name, "name of a file");
    if section.has(name) && section.has(file_name) {
        let text = format!("stands beside {name}");
        r.report(section.place(file_name), text, "one of them");
    }
    match file {
        Some(file) => key_file(r, section.place(file_name), file),
        None => key,
    }
}

/// Reads a key from a file beside the configuration.
fn key_file(r: &mut Reader<'_>, place: Place, file: &str) -> Option<Octets> {
    let path = r.key_in(file);
    match read_small(&path) {
        Ok(text) => {
            let key = hex(text.trim_ascii());
            if key.is_none() {
                r.report(place, "the file does not hold hex digits", HEX);
            }
            key
        }
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            let allowed = format!("hex digits, at most {KEY_FILE_MAX} octets");
            r.report(place, "the file is too long for a key", &allowed);
            None
        }
        Err(error) => {
            let text = format!("the file cannot be read ({})", error.kind());
            r.report(place, text, "a file with the key in hex");
            None
        }
    }
}

fn read_small(path: &Path) -> std::io::Result<Octets> {
    // A pipe or device might never end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::from(ErrorKind::InvalidInput));
    }
    // Room for all that is read: no copy of the key stays behind.
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_FILE_MAX + 1));
    let file = std::fs::File::open(path)?;
    file.take(KEY_FILE_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > KEY_FILE_MAX {
        return Err(Error::from(ErrorKind::FileTooLarge));
    }
    Ok(text)
}

const HEX: &str = "an even number of hex digits, 0x in front or not";

fn hex_key(r: &mut Reader<'_>, section: &Section<'_>, name: &'static str) -> Option<Octets> {
    let text = r.text(section, name, HEX)?;
    r.key_in("");
    let octets = hex(text.as_bytes());
    if octets.is_none() {
        // The digits are secret: the message must not repeat them.
        r.report(section.place(name), "not hex", HEX);
    }
    octets
}

/// Octets of hex digits, with or without `0x` in front.
fn hex(text: &[u8]) -> Option<Octets> {
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        octets.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(octets)
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// "16, 24 or 32 octets".
fn octets_text(lens: &[usize]) -> String {
    let lens: Vec<String> = lens.iter().map(usize::to_string).collect();
    match lens.split_last() {
        Some((last, [])) => format!("{last} octets"),
        Some((last, rest)) => format!("{} or {last} octets", rest.join(", ")),
        None => "no octets".to_owned(),
    }
}

fn split_keymat(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    (encr, integ): (Encr, Integ),
    keymat: &[u8],
) -> Option<KeyMaterial> {
    let behind = encr.salt_len() + integ.key_len();
    let totals: Vec<usize> = encr.key_lens().iter().map(|len| len + behind).collect();
    let (encr_key, rest) = keymat
        .len()
        .checked_sub(behind)
        .filter(|len| encr.key_lens().contains(len))
        .and_then(|len| keymat.split_at_checked(len))
        .or_else(|| {
            let text = format!(
                "{} octets do not fit: {} takes key, salt of {} and integrity key of {}",
                keymat.len(),
                encr.name(),
                encr.salt_len(),
                integ.key_len()
            );
            r.report(section.place("keymat"), text, &octets_text(&totals));
            None
        })?;
    let (salt, integ_key) = rest.split_at_checked(encr.salt_len())?;
    Some(KeyMaterial {
        encr_key: Zeroizing::new(encr_key.to_vec()),
        salt: Zeroizing::new(salt.to_vec()),
        integ_key: Zeroizing::new(integ_key.to_vec()),
    })
}

/// Checks every length, the last one only where `integ` is known.
fn separate_keys(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    (encr, integ): (Encr, Option<Integ>),
    raw: RawKeys,
) -> Option<KeyMaterial> {
    let salted = raw.encr_key.as_ref().is_some_and(|key| {
        let behind = key.len().checked_sub(encr.salt_len());
        encr.salt_len() != 0 && behind.is_some_and(|len| encr.key_lens().contains(&len))
    });
    let hint = if salted {
        "; a key with its salt behind it belongs in keymat"
    } else {
        ""
    };
    let what = format!("{}{hint}", encr.name());
    let lens = (encr.key_lens(), what.as_str());
    let encr_key = fitting(r, section, "encr_key", raw.encr_key, lens);
    let lens = (&[encr.salt_len()][..], encr.name());
    let salt = fitting(r, section, "salt", raw.salt, lens);
    let integ_key = integ.and_then(|integ| {
        let lens = (&[integ.key_len()][..], integ.name());
        fitting(r, section, "integ_key", raw.integ_key, lens)
    });
    Some(KeyMaterial {
        encr_key: encr_key?,
        salt: salt?,
        integ_key: integ_key?,
    })
}

/// The key if it has one of the lengths; an absent one has none.
fn fitting(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    name: &'static str,
    key: Option<Octets>,
    (lens, what): (&[usize], &str),
) -> Option<Octets> {
    let file = match name {
        "encr_key" => "encr_key_file",
        "integ_key" => "integ_key_file",
        other => other,
    };
    if key.is_none() && (section.has(name) || section.has(file)) {
        // It could not be read, which is reported already.
        return None;
    }
    let key = key.unwrap_or_default();
    if lens.contains(&key.len()) {
        return Some(key);
    }
    let place = section.place(if section.has(file) { file } else { name });
    let text = match key.len() {
        0 => format!("missing for {what}"),
        found => format!("{found} octets do not fit {what}"),
    };
    r.report(place, text, &octets_text(lens));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transform_is_found_by_its_name_and_its_short_name() {
        for encr in Encr::ALL {
            let short = encr.name()[5..].to_lowercase().replace('_', "-");
            assert_eq!(encr_by_name(encr.name()), Some(*encr));
            assert_eq!(encr_by_name(&short), Some(*encr), "{short}");
        }
        for integ in Integ::ALL {
            assert_eq!(integ_by_name(integ.name()), Some(*integ));
        }
        assert_eq!(
            integ_by_name("hmac-sha2-256-128"),
            Some(Integ::HmacSha2_256_128)
        );
        assert_eq!(integ_by_name("none"), Some(Integ::None));
        assert_eq!(integ_by_name("sha256"), Some(Integ::HmacSha2_256_128));
        assert_eq!(encr_by_name("aes-gmac"), Some(Encr::NullAesGmac));
        assert_eq!(encr_by_name("aes"), None);
        assert_eq!(encr_by_name("priv_aes_ccm_8"), None);
    }

    #[test]
    fn hex_is_pairs_of_digits() {
        assert_eq!(hex(b"0x0aF9").as_deref(), Some(&vec![0x0a, 0xf9]));
        assert_eq!(hex(b"").as_deref(), Some(&vec![]));
        assert!(hex(b"0a0").is_none() && hex(b"zz").is_none() && hex("ä".as_bytes()).is_none());
    }
}
