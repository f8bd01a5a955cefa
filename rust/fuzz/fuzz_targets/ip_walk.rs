//! Any octets as an IP packet: what is found lies inside the packet, and what
//! reads or changes it further does not fail on it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sprat_core::wire::{icmp::TooBig, ip::Head, tcp};

fuzz_target!(|octets: &[u8]| {
    let Ok(head) = Head::parse(octets) else {
        return;
    };
    assert!(head.total_len <= octets.len());
    assert!(head.insert_at <= head.upper_at && head.upper_at <= head.total_len);
    assert!(head.insert_name_at < head.insert_at && head.upper_name_at < head.upper_at);
    let _ = head.flow(octets);
    let _ = TooBig::parse(octets);
    let mut clamped = octets.to_vec();
    if tcp::clamp_mss(&mut clamped, 1280) {
        assert_eq!(Head::parse(&clamped), Ok(head));
    }
});
