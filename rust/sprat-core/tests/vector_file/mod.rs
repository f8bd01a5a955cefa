//! Loading of the vector files in `tests/vectors`.

use serde_json::Value;

/// The list `vectors` of a file, after a check of its kind and count.
pub fn vectors(kind: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/{kind}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["kind"], kind, "{path}");
    let Value::Array(cases) = file["vectors"].take() else {
        panic!("{path}: no vectors")
    };
    assert_eq!(
        file["number_of_cases"]["vectors"].as_u64(),
        Some(cases.len() as u64),
        "{path}"
    );
    assert!(!cases.is_empty(), "{path}: empty");
    cases
}

/// Octets of a hex member; panics if it is absent.
pub fn hex(case: &Value, member: &str) -> Vec<u8> {
    let text = case[member]
        .as_str()
        .unwrap_or_else(|| panic!("{}: {member}", case["id"]));
    assert_eq!(text.len() % 2, 0, "{}: {member}", case["id"]);
    let octet = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(octet).collect()
}

/// A number of 32 bits.
pub fn number(case: &Value, member: &str) -> u32 {
    let number = case[member]
        .as_u64()
        .unwrap_or_else(|| panic!("{}: {member}", case["id"]));
    u32::try_from(number).unwrap()
}

/// Text.
pub fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member]
        .as_str()
        .unwrap_or_else(|| panic!("{}: {member}", case["id"]))
}
