//! `sprat overhead`.

mod common;

use common::{Dir, sprat};
use serde_json::Value;

fn json(args: &[&str]) -> Value {
    let run = sprat(&[&["overhead", "--json"], args].concat(), "");
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    serde_json::from_str(&run.out).unwrap()
}

/// The row of protocol `name` for the only message asked for.
fn row(args: &[&str], name: &str) -> Value {
    let all = json(args);
    let rows = all["messages"][0]["protocols"].as_array().unwrap().clone();
    rows.into_iter().find(|row| row["name"] == name).unwrap()
}

/// RFC 4303 s2 and draft -07 s5.2, s5.3: what each option adds to a message of
/// 10 octets, 23 with IPHC 2, Next Header 1, SPI 1, SN 1 and ICV 8.
#[test]
fn each_option_changes_what_diet_esp_costs() {
    let table: [(&[&str], u64); 10] = [
        (&[], 23),
        (&["--spi-lsb", "0", "--sn-lsb", "0"], 21),
        (&["--spi-lsb", "6", "--sn-lsb", "10"], 23),
        (&["--spi-lsb", "32", "--sn-lsb", "32"], 29),
        // Worked example 8: of any protocol the ports are sent, too.
        (&["--next-header"], 28),
        (&["--mandatory-trailer"], 25),
        (&["--alignment", "64"], 29),
        (&["--rule-id"], 24),
        (&["--explicit-iv"], 31),
        (&["--icv", "12"], 27),
    ];
    for (options, octets) in table {
        let args = [&["--payload", "10"], options].concat();
        assert_eq!(row(&args, "Diet-ESP")["octets"], octets, "{options:?}");
    }
    // 16 octets of addresses more; in a tunnel Next Header is elided.
    let prefix = "Diet-ESP tunnel, /64 selectors";
    let with = |options: &[&str]| row(&[&["--payload", "10"], options].concat(), prefix);
    assert_eq!(with(&["--next-header"])["octets"], 39);
    assert_eq!(with(&["--mandatory-trailer"])["octets"], 41);
}

#[test]
fn frames_are_octets_by_what_a_frame_carries_rounded_up() {
    // 23 octets and 24: one frame of Bluetooth and two.
    for (payload, bluetooth, sigfox) in [("10", 1, 2), ("11", 2, 2), ("12", 2, 3)] {
        let frames = &row(&["--payload", payload], "Diet-ESP")["frames"];
        assert_eq!(
            (&frames["Bluetooth"], &frames["Sigfox"]),
            (&bluetooth.into(), &sigfox.into()),
            "{payload}"
        );
    }
}

#[test]
fn several_messages_stand_beside_each_other() {
    let run = sprat(&["overhead", "--payload", "10,11", "--payload", "12"], "");
    let expected = "    IPHC 2 + UDP 7 + message 10/11/12 = 19/20/21\n";
    assert!(run.out.contains(expected), "{}", run.out);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = Dir::new("overhead");
    let directory = dir.path("");
    let refused: [(&[&str], &str); 5] = [
        (
            &["--spi-lsb", "3"],
            "error: --spi-lsb 3 and --sn-lsb 8: their sum is no multiple of 8\n",
        ),
        (&["--sn-lsb", "40"], "'40'"),
        (&["--payload", "0"], "'0'"),
        (&["--alignment", "24"], "'24'"),
        (&["--plot", &directory], "overhead"),
    ];
    for (args, told) in refused {
        let run = sprat(&[&["overhead"], args].concat(), "");
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.err.contains(told), "{run:?}");
    }
}
