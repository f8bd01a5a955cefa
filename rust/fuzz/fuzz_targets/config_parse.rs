//! Any text as a configuration: it is read or every fault has a place, and no
//! boundary is built from what contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sprat_config::Config;
use sprat_core::time::Instant;

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    match Config::parse(text, "fuzz.toml") {
        Ok(config) => {
            let _ = config.capture(Instant(0));
            if config.gateway.is_some() {
                let _ = config.ipsec(Instant(0));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                problems
                    .iter()
                    .all(|p| p.to_string().starts_with("fuzz.toml:"))
            );
        }
    }
});
