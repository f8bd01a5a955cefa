//! Any octets as a TCP stream of IKE and ESP frames: reading advances, and a
//! frame is as long as it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sprat_core::wire::tcp::{self, Next};

fuzz_target!(|stream: &[u8]| {
    let _ = tcp::prefix(stream);
    let mut rest = stream;
    while let Ok(Next::Message {
        message, consumed, ..
    }) = tcp::frame(rest)
    {
        assert!(consumed > 0 && consumed <= rest.len());
        assert_eq!(tcp::frame_length(message.len()), Ok([rest[0], rest[1]]));
        rest = &rest[consumed..];
    }
});
