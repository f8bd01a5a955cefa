//! Any octets before the dissector, as they are and as the payload of a packet
//! whose ICV verifies: every span lies in the octets that it says it is in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::dissect::{
    Class, Encap, Input, Sa, SaMode, Sequence, Sink, Source, Span, Table, dissect, frame,
};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::AddrRange;

const SPI: Spi = Spi(0x0101_0101);

fn sa(encr: Encr, integ: Integ, flags: u8) -> Sa {
    let octets: Vec<u8> = (0..64).collect();
    let keys = Keys {
        encr_key: &octets[..encr.key_lens()[0]],
        salt: &octets[..encr.salt_len()],
        integ_key: &octets[..integ.key_len()],
    };
    Sa {
        name: "fuzz".into(),
        spi: SPI,
        source: AddrRange::Any,
        destination: AddrRange::Any,
        mode: [SaMode::Any, SaMode::Transport, SaMode::Tunnel][usize::from(flags >> 1) % 3],
        esn: flags & 1 != 0,
        sequence_start: (flags & 8 != 0).then_some(Sn64(7 << 32)),
        window: if flags & 16 != 0 { 64 } else { 0 },
        suite: Suite::new(encr, integ, &keys).expect("the keys fit"),
    }
}

/// Remembers the ends of what was shown.
#[derive(Default)]
struct Ends {
    packet: usize,
    plain: usize,
    count: u16,
}

impl Sink for Ends {
    fn add(&mut self, span: Span<'_>) -> u16 {
        let end = span.offset + span.len;
        match span.source {
            Source::Packet => self.packet = self.packet.max(end),
            Source::Plaintext => self.plain = self.plain.max(end),
        }
        assert!(span.parent.is_none_or(|parent| parent < self.count));
        self.count += 1;
        self.count - 1
    }
}

fn sealed(sa: &Sa, octets: &[u8]) -> Vec<u8> {
    let mut text = octets.to_vec();
    text.resize(octets.len().next_multiple_of(sa.suite.pad_align()), 0);
    let (iv, icv) = (vec![0; sa.suite.iv_len()], vec![0; sa.suite.icv_len()]);
    let mut body = [iv, text, icv].concat();
    let (spi, sn) = (SPI, Sn64(5));
    let numbers = Numbers {
        spi,
        sn,
        esn: sa.esn,
    };
    // Too short for a trailer: it stays as it is.
    let _ = sa.suite.seal(&numbers, &mut body);
    [&SPI.to_octets()[..], &sn.low().to_be_bytes(), &body].concat()
}

fuzz_target!(|octets: &[u8]| {
    let Some((&[kind, flags], rest)) = octets.split_first_chunk() else {
        return;
    };
    let (encr, integ) = [
        (Encr::Null, Integ::HmacSha1_96),
        (Encr::AesCcm8Iiv, Integ::None),
        (Encr::AesCbc, Integ::AesXcbc96),
    ][usize::from(kind >> 3) % 3];
    let sa = sa(encr, integ, flags);
    let packet = if kind & 4 != 0 {
        sealed(&sa, rest)
    } else {
        rest.to_vec()
    };
    let input = Input {
        octets: &packet,
        reported: packet.len() + usize::from(flags >> 7),
        source: None,
        destination: None,
        encap: [Encap::Ip, Encap::Udp, Encap::Tcp][usize::from(kind & 3) % 3],
        fragment: flags & 64 != 0,
        quoted: false,
    };
    let _ = frame(&packet);
    let mut sequence = Sequence::new(&sa).expect("a window");
    let report = sequence.report(input.sequence_low());
    let (mut plain, mut ends) = (vec![0; packet.len()], Ends::default());
    let outcome = dissect(&sa, &input, &report, &mut plain, &mut ends);
    assert!(ends.packet <= packet.len() && ends.plain <= outcome.plaintext.len());
    assert!(outcome.payload.end <= outcome.plaintext.len());
    assert!(outcome.plaintext.end <= packet.len());
    sequence.advance(report.sn);

    let mut table = Table::new();
    table.add(sa);
    if let Class::Esp(index) = table.classify(&input) {
        assert!(table.sa(index).is_some());
    }
});
