//! `sprat vectors` on the shared files, and on files with a fault in them.

mod common;

use common::{Dir, sprat};
use serde_json::{Value, json};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/");

fn shared(name: &str) -> String {
    format!("{VECTORS}{name}.json")
}

fn content(name: &str) -> String {
    std::fs::read_to_string(shared(name)).unwrap()
}

#[test]
fn every_shared_case_passes() {
    for (name, cases) in [
        ("diet-esp", 105),
        ("esp", 265),
        ("esp-negative", 80),
        ("esp-published", 82),
        ("replay", 65),
    ] {
        let run = sprat(&["vectors", &shared(name)], "");
        let sum = format!("{cases} passed, 0 failed, 0 skipped\n");
        assert!(
            run.out.ends_with(&sum) && run.code == Some(0),
            "{name}: {run:#?}"
        );
    }
}

#[test]
fn several_files_are_summed() {
    let run = sprat(
        &["vectors", &shared("replay"), &shared("esp-published")],
        "",
    );
    assert_eq!(run.out, "147 passed, 0 failed, 0 skipped\n");
}

/// Changes the last digit of the first value of `member` in the first list or
/// behind it.
fn changed(text: &str, member: &str) -> String {
    let cases = text.find("\": [").unwrap();
    let found = text[cases..].find(&format!("\"{member}\": \"")).unwrap();
    let at = cases + found + member.len() + 5;
    let end = at + text[at..].find('"').unwrap();
    let digit = if text[..end].ends_with('0') { "1" } else { "0" };
    format!("{}{digit}{}", &text[..end - 1], &text[end..])
}

#[test]
fn a_changed_value_fails_its_case_with_expected_and_got() {
    let dir = Dir::new("changed");
    let mut told = 0;
    for (file, members) in [
        (
            "esp",
            &[
                "input",
                "output",
                "nonce",
                "plaintext",
                "icv",
                "aad_or_icv_input",
                "iv",
                "encr_key",
            ][..],
        ),
        ("esp-negative", &["packet", "encr_key", "event", "expect"]),
        (
            "esp-published",
            &[
                "output_packet",
                "ciphertext",
                "icv",
                "full_mac",
                "tag",
                "esp",
                "aad",
            ],
        ),
        ("replay", &["verdict"]),
        (
            "diet-esp",
            &[
                "dscp_cda",
                "encr",
                "key",
                "spi",
                "iipc_packet",
                "cte",
                "aad",
                "nonce",
                "ciphertext",
                "icv",
                "eec_header",
                "esp",
                "outer_packet",
                "decompressed",
                "standard_esp",
                "reason",
                "payload_data",
                "compressed_payload",
            ],
        ),
    ] {
        for member in members {
            let path = dir.file("changed.json", changed(&content(file), member));
            let run = sprat(&["vectors", &path], "");
            let failed = run.out.contains(" passed, 1 failed, 0 skipped\n");
            assert!(failed && run.code == Some(1), "{file} {member}: {run:#?}");
            assert!(run.out.contains("\n  expected ") && run.out.contains("\n  got      "));
            told += run.out.matches("FAIL ").count();
        }
    }
    assert!(told >= 20, "{told}");
}

#[test]
fn changed_numbers_fail() {
    let dir = Dir::new("numbers");
    for (file, from, to) in [
        ("replay", "\"T\": 1\n", "\"T\": 2\n"),
        ("replay", "\"seq_hi_inferred\": 0", "\"seq_hi_inferred\": 1"),
        ("replay", "\"forged\": true", "\"forged\": false"),
        ("esp", "\"encr_id\": 14", "\"encr_id\": 15"),
        ("esp", "\"icv_len\": 8", "\"icv_len\": 12"),
        ("esp", "\"seq_lo\": ", "\"seq_lo\": 1"),
        ("diet-esp", "\"sn\": 1,", "\"sn\": 11,"),
        ("diet-esp", "\"residue_bits\": \"0", "\"residue_bits\": \"1"),
        ("diet-esp", "\"bits\": \"0", "\"bits\": \"1"),
        ("diet-esp", "\"encr_id\": 29", "\"encr_id\": 14"),
        ("diet-esp", "\"alignment\": 8,", "\"alignment\": 16,"),
        ("diet-esp", "\"esp_len\": 20", "\"esp_len\": 21"),
        ("diet-esp", "\"esp_pad_len\": 0", "\"esp_pad_len\": 1"),
        ("diet-esp", "\"iipc_pad_bits\": 0", "\"iipc_pad_bits\": 1"),
        ("diet-esp", "\"saved_bytes\": 56", "\"saved_bytes\": 57"),
        (
            "diet-esp",
            "\"standard_esp_len\": 76",
            "\"standard_esp_len\": 77",
        ),
        (
            "diet-esp",
            "\"hop_limit\": 64,\n    \"flow_label\": 74565\n   },\n   \"layers\"",
            "\"hop_limit\": 63,\n    \"flow_label\": 74565\n   },\n   \"layers\"",
        ),
        (
            "diet-esp",
            "\"decompressed_equals_input\": true",
            "\"decompressed_equals_input\": false",
        ),
        ("diet-esp", "\"expect\": \"no_match\"", "\"expect\": \"ok\""),
        (
            "diet-esp",
            "\"packet_start\": \"d4",
            "\"packet_start\": \"d5",
        ),
        (
            "diet-esp",
            "\"first4\": \"00000000\"",
            "\"first4\": \"00000001\"",
        ),
        ("diet-esp", "\"expect_sn\": 1", "\"expect_sn\": 2"),
        (
            "diet-esp",
            "\"prefix_free\": true",
            "\"prefix_free\": false",
        ),
        ("diet-esp", "\"overhead\": 8", "\"overhead\": 9"),
        ("diet-esp", "\"header\": \"01\"", "\"header\": \"02\""),
        ("diet-esp", "\"pad\": 0", "\"pad\": 1"),
        ("diet-esp", "\"saved\": 12", "\"saved\": 13"),
    ] {
        let text = content(file);
        assert!(text.contains(from), "{file} {from}");
        let path = dir.file("numbers.json", text.replacen(from, to, 1));
        let run = sprat(&["vectors", &path], "");
        assert!(
            run.out.contains(" 1 failed, 0 skipped\n"),
            "{file} {from}: {run:#?}"
        );
        assert_eq!(run.code, Some(1));
    }
}

#[test]
fn unknown_values_fail() {
    let dir = Dir::new("unknown");
    for (file, from, to, told) in [
        (
            "esp-negative",
            "\"expect\": \"accept\"",
            "\"expect\": \"maybe\"",
            "unknown expect",
        ),
        (
            "esp-negative",
            "\"event\": \"integrity\"",
            "\"event\": \"bad luck\"",
            "unknown event",
        ),
        (
            "diet-esp",
            "\"expect\": \"ok\"",
            "\"expect\": \"fine\"",
            "unknown expect",
        ),
        (
            "diet-esp",
            "\"dscp_cda\": \"lower\"",
            "\"dscp_cda\": \"higher\"",
            "unknown dscp_cda",
        ),
        (
            "diet-esp",
            "\"alignment\": 8",
            "\"alignment\": 24",
            "unknown alignment",
        ),
        (
            "diet-esp",
            "\"ipsec_mode\": \"Tunnel\"",
            "\"ipsec_mode\": \"Beet\"",
            "unknown ipsec_mode",
        ),
        (
            "diet-esp",
            "\"ts_proto\": 17,",
            "\"ts_proto\": 17, \"ts_vlan\": 1,",
            "unknown member",
        ),
        (
            "diet-esp",
            "\"eec_header\": \"d401\"",
            "\"eec_header\": \"d401\", \"ruleid\": \"\"",
            "unknown member",
        ),
        (
            "diet-esp",
            "\"reason\": \"padding\"",
            "\"reason\": \"pudding\"",
            "unknown reason",
        ),
        (
            "diet-esp",
            "\"verdict\": \"ESP\"",
            "\"verdict\": \"AH\"",
            "unknown verdict",
        ),
        (
            "diet-esp",
            "\"trailer_only\": true",
            "\"trailer_only\": true, \"rohc\": true",
            "unknown member",
        ),
        (
            "diet-esp",
            "\"mode\": \"Transport\"",
            "\"mode\": \"Beet\"",
            "unknown mode",
        ),
        (
            "diet-esp",
            "\"udplite_coverage\": 0",
            "\"udplite_coverage\": 12",
            "udplite_coverage other",
        ),
        (
            "esp-published",
            "\"kind\": \"mac\"",
            "\"kind\": \"hash\"",
            "unknown computation",
        ),
        (
            "replay",
            "\"verdict\": \"accept\"",
            "\"verdict\": \"ok\"",
            "unknown verdict",
        ),
        (
            "esp",
            "\"mode\": \"tunnel\"",
            "\"mode\": \"beet\"",
            "unknown mode",
        ),
        (
            "esp",
            "\"encr\": \"ENCR_AES_CBC\"",
            "\"encr\": \"ENCR_ROT13\"",
            "unknown encr",
        ),
        (
            "esp",
            "\"iv_len\": 8",
            "\"ivlen\": 8",
            "no member \"iv_len\"",
        ),
    ] {
        let path = dir.file("unknown.json", content(file).replacen(from, to, 1));
        let run = sprat(&["vectors", &path], "");
        assert!(
            run.out.contains(" 1 failed, 0 skipped\n"),
            "{from}: {run:#?}"
        );
        assert!(
            run.out.contains(told) && run.code == Some(1),
            "{from}: {run:#?}"
        );
    }
}

/// Every member that a kind has is looked at.
#[test]
fn what_a_case_must_not_leave_out_fails() {
    let dir = Dir::new("left-out");
    for (file, from, to, told) in [
        (
            "esp",
            "\"aad_or_icv_input\": \"",
            "\"aad_or_icv_input\": null, \"x\": \"",
            "no member \"aad_or_icv_input\"",
        ),
        (
            "esp",
            "\"encr_key_bits\": 128",
            "\"encr_key_bits\": 128.5",
            "not a number",
        ),
        (
            "esp",
            "\"encr_key_bits\": 128,",
            "",
            "no member \"encr_key_bits\"",
        ),
        ("esp", "\"seq_hi\": 0", "\"seq_hi\": 1", "seq_hi is not 0"),
        (
            "esp",
            "\"seq_hi\": 0",
            "\"seqhi\": 0",
            "no member \"seq_hi\"",
        ),
        (
            "esp-negative",
            "\"seq_hi\": 0",
            "\"seqhi\": 0",
            "no member \"seq_hi\"",
        ),
        (
            "esp-negative",
            "\"expect\": \"accept\",\n   \"event\": null",
            "\"expect\": \"accept\",\n   \"event\": \"integrity\"",
            "beside another verdict",
        ),
        (
            "esp-published",
            "\"esn\": false",
            "\"esm\": false",
            "no member \"esn\"",
        ),
        (
            "replay",
            "\"steps\": [",
            "\"steps\": [], \"more\": [",
            "has a window and steps",
        ),
        (
            "replay",
            "\"forged\": false,\n     \"verdict\": \"replay\"",
            "\"verdict\": \"replay\"",
            "no member \"forged\"",
        ),
        (
            "replay",
            "\"window\": 32",
            "\"window\": 0",
            "has a window and steps",
        ),
        ("replay", "\"id\": ", "\"ix\": ", "expected text"),
        ("esp", "\"iv\": \"", "\"iv\": \"0x", "not lower-case hex"),
    ] {
        let text = content(file);
        assert!(text.contains(from), "{file} {from}");
        let path = dir.file("left-out.json", text.replacen(from, to, 1));
        let run = sprat(&["vectors", &path], "");
        assert!(
            run.out.contains(" 1 failed, 0 skipped\n"),
            "{from}: {run:#?}"
        );
        assert!(
            run.out.contains(told) && run.code == Some(1),
            "{from}: {run:#?}"
        );
    }
    let ids = content("replay");
    let id = ids
        .split("\"id\": ")
        .nth(1)
        .unwrap()
        .split(['\n', ','])
        .next()
        .unwrap();
    let other = ids
        .split("\"id\": ")
        .nth(2)
        .unwrap()
        .split(['\n', ','])
        .next()
        .unwrap();
    let path = dir.file("twice.json", ids.replacen(other, id, 1));
    let run = sprat(&["vectors", &path], "");
    assert!(
        run.out.contains("64 passed, 1 failed") && run.out.contains("used before"),
        "{run:#?}"
    );
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let run = sprat(&["vectors", "/dev/zero"], "");
    assert!(run.err.contains("/dev/zero: longer than"), "{run:?}");
    assert_eq!(run.code, Some(2));
}

#[test]
fn files_that_are_not_understood_are_errors() {
    let dir = Dir::new("files");
    let replay = content("replay");
    for (name, text, told) in [
        (
            "kind",
            replay.replacen("\"replay\"", "\"replays\"", 1),
            "unknown kind",
        ),
        (
            "list",
            replay.replacen("\"scenarios\"", "\"scenes\"", 2),
            "unknown list",
        ),
        (
            "count",
            replay.replacen("\"scenarios\": 65", "\"scenarios\": 64", 1),
            "has 65 cases",
        ),
        ("cut", replay[..replay.len() / 2].to_owned(), "EOF"),
        ("empty", String::new(), "EOF"),
    ] {
        let path = dir.file("f.json", text);
        let run = sprat(&["vectors", &path, &shared("replay")], "");
        assert!(run.err.contains(told), "{name}: {run:#?}");
        assert_eq!(run.code, Some(2), "{name}: {run:#?}");
        // The other file still runs, and what is not known is not passed over.
        let skipped = if matches!(name, "cut" | "empty") {
            0
        } else {
            65
        };
        let sum = format!("65 passed, 0 failed, {skipped} skipped\n");
        assert!(run.out.ends_with(&sum), "{name}: {run:#?}");
    }
    let run = sprat(&["vectors", &dir.path("not there")], "");
    assert_eq!(run.code, Some(2));
    assert_eq!(sprat(&["vectors"], "").code, Some(2));
}

/// Values of SP 800-38B (D.2, D.3), and of OpenSSL for the tags of CCM.
#[test]
fn published_values_may_have_lengths_that_no_sa_has() {
    const KEY_192: &str = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b";
    const KEY_256: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
    let mac = |key: &str, mac: &str| {
        let icv = &mac[..24];
        format!(
            r#"{{"id":"{mac}","kind":"mac","integ":"AUTH_AES_CMAC_96","key":"{key}","data":"",
                "icv":"{icv}","full_mac":"{mac}"}}"#
        )
    };
    let aead = |tag_len: usize, tag: &str| {
        format!(
            r#"{{"id":"{tag_len}","kind":"aead","encr":"AES-CCM L=4 M={tag_len}","plaintext":"a5a5a5a5a5",
                "key":"000102030405060708090a0b0c0d0e0f","nonce":"101112131415161718191a",
                "aad":"0001020304050607","ciphertext":"e9cad87e65","tag":"{tag}"}}"#
        )
    };
    let cases = [
        mac(KEY_192, "d17ddf46adaacde531cac483de7a9367"),
        mac(KEY_256, "028962f61b7bf89efc6b551f4667d983"),
        aead(4, "8637c119"),
        aead(6, "fbe40b11614c"),
        aead(10, "f29cd01e71c41f0b3fc8"),
        aead(14, "85f7e2583361f818eda16beea5f6"),
    ];
    let text = format!(
        r#"{{"kind":"esp-published","number_of_cases":{{"vectors":{}}},"vectors":[{}]}}"#,
        cases.len(),
        cases.join(",")
    );
    let dir = Dir::new("lengths");
    let run = sprat(&["vectors", &dir.file("lengths.json", text)], "");
    assert_eq!(
        (run.code, run.out.as_str()),
        (Some(0), "6 passed, 0 failed, 0 skipped\n")
    );
}

/// What a document of other cases may hold or leave out (`null` does not apply).
#[test]
fn diet_esp_cases_of_the_same_shapes_pass() {
    let all: Value = serde_json::from_str(&content("diet-esp")).unwrap();
    let of = |name: &str| {
        let cases = all["diet_esp"].as_array().unwrap().iter();
        cases.clone().find(|case| case["id"] == name).unwrap()
    };
    let (tunnel, transport) = (of("iot6-udp-spi8-sn8"), of("tr6-tcp"));
    let misfit = of("iot6-udp-bad-cksum");
    let outer = &tunnel["outer_sent"];
    let cases = [
        (transport, "/outer_sent", Value::Null),
        (transport, "/outer_received", Value::Null),
        (tunnel, "/generated_value", Value::Null),
        (tunnel, "/context/dscp_list", Value::Null),
        (tunnel, "/receiver_state/window", json!(0)),
        (tunnel, "/sa/integ", json!("NONE")),
        (tunnel, "/sa/encr_key_bits", json!(128)),
        (misfit, "/outer_sent", outer.clone()),
    ];
    let diet_esp: Vec<Value> = (0..)
        .zip(&cases)
        .map(|(id, (case, pointer, value))| {
            let mut case = (*case).clone();
            case["id"] = json!(format!("{id}"));
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            case.pointer_mut(parent).unwrap()[name] = value.clone();
            case
        })
        .collect();
    // Plain SAs of one SPI are two candidates.
    let twice = json!({ "spi": "d4000001", "esp_spi_lsb": 32 });
    let lookup = json!({
        "id": "equal", "sad": [twice, twice], "packet_start": "d40000010000",
        "candidates": [0, 1], "prefix_free": false
    });
    let short = json!({ "id": "short", "first4": "ffff", "verdict": "malformed" });
    let document = json!({
        "kind": "diet-esp",
        "number_of_cases": {
            "diet_esp": diet_esp.len(), "spi_lookup": 1, "udp_encapsulation": 1
        },
        "diet_esp": diet_esp, "spi_lookup": [lookup], "udp_encapsulation": [short]
    });
    let dir = Dir::new("shapes");
    let file = dir.file("shapes.json", document.to_string());
    let run = sprat(&["vectors", &file], "");
    assert_eq!(run.out, "10 passed, 0 failed, 0 skipped\n", "{run:?}");
    // What they say all the same is compared.
    let wrong = document
        .to_string()
        .replace("\"integ\":\"NONE\"", "\"integ\":\"AUTH_HMAC_SHA1_96\"");
    let wrong = wrong.replace("\"encr_key_bits\":128", "\"encr_key_bits\":256");
    let run = sprat(&["vectors", &dir.file("wrong.json", wrong)], "");
    assert!(
        run.out.ends_with("8 passed, 2 failed, 0 skipped\n"),
        "{run:?}"
    );
}
