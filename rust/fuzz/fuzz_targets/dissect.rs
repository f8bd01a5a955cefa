//! Any octets before the dissector, as they are and as the payload of a packet
//! whose ICV verifies: every span lies in the octets that it says it is in.
#![no_main]

use core::net::{IpAddr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, DscpList, EcnCda, FlowLabelCda, MAX_HEADER,
};
use sprat_core::dissect::{
    Attempt, Class, Compression, Encap, Input, Sa, SaMode, Sequence, Sink, Source, Span, Table,
    frame, show,
};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::{AddrRange, Selector};
use sprat_core::wire::ip::Version;

const SPI: Spi = Spi(0x0101_0101);

/// Rules of many shapes: every bit of `choice` changes one thing.
fn compression(choice: u8) -> Option<Box<Compression>> {
    let bit = |n: u8| choice >> n & 1 != 0;
    let version = if bit(0) { Version::V4 } else { Version::V6 };
    let selector = Selector {
        protocol: [None, Some(17), Some(6), Some(132)][usize::from(choice >> 1 & 3)],
        ..Selector::ANY
    };
    let list: Vec<u8> = (0..5).collect();
    let afrg = Afrg {
        dscp_cda: if bit(3) { DscpCda::Sa } else { DscpCda::Lower },
        dscp_list: DscpList::new(&list)?,
        ecn_cda: EcnCda::Lower,
        flow_label_cda: FlowLabelCda::Generated,
        alignment: if bit(4) {
            Alignment::Bits32
        } else {
            Alignment::Bits8
        },
        esp_spi_lsb: if bit(5) { 8 } else { 6 },
        esp_sn_lsb: if bit(5) { 8 } else { 2 },
        ..Afrg::new(version, selector)
    };
    let carried = Carried {
        spi: SPI,
        outer: bit(6).then_some(Version::V6),
        udp: false,
    };
    let context = Context::new(afrg, &carried).ok()?;
    Some(Box::new(Compression {
        context,
        reorder: 64,
    }))
}

/// An IPv6 header of protocol 50 between equal addresses.
fn outer() -> Vec<u8> {
    let mut header = vec![0; 40];
    (header[0], header[6], header[7]) = (0x60, 50, 64);
    header
}

fn sa(encr: Encr, integ: Integ, (flags, choice): (u8, u8)) -> Sa {
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
        ehc: if flags & 32 != 0 {
            compression(choice)
        } else {
            None
        },
    }
}

/// Remembers the ends of what was shown.
#[derive(Default)]
struct Ends {
    packet: usize,
    plain: usize,
    rebuilt: usize,
    count: u16,
}

impl Sink for Ends {
    fn add(&mut self, span: Span<'_>) -> u16 {
        let end = span.offset + span.len;
        match span.source {
            Source::Packet => self.packet = self.packet.max(end),
            Source::Plaintext => self.plain = self.plain.max(end),
            Source::Rebuilt => self.rebuilt = self.rebuilt.max(end),
        }
        assert!(span.parent.is_none_or(|parent| parent < self.count));
        self.count += 1;
        self.count - 1
    }
}

fn sealed(sa: &Sa, octets: &[u8]) -> Vec<u8> {
    let mut text = octets.to_vec();
    if sa.ehc.is_none() || sa.suite.pad_align() > 4 {
        text.resize(octets.len().next_multiple_of(sa.suite.pad_align()), 0);
    }
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
    match &sa.ehc {
        Some(ehc) => [ehc.context.header(sn).octets(), &body].concat(),
        None => [&SPI.to_octets()[..], &sn.low().to_be_bytes(), &body].concat(),
    }
}

fuzz_target!(|octets: &[u8]| {
    let Some((&[kind, flags, choice], rest)) = octets.split_first_chunk() else {
        return;
    };
    let (encr, integ) = [
        (Encr::Null, Integ::HmacSha1_96),
        (Encr::AesCcm8Iiv, Integ::None),
        (Encr::AesCbc, Integ::AesXcbc96),
    ][usize::from(kind >> 3) % 3];
    let sa = sa(encr, integ, (flags, choice));
    let packet = if kind & 4 != 0 {
        sealed(&sa, rest)
    } else {
        rest.to_vec()
    };
    let (before, nowhere) = (outer(), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let input = Input {
        octets: &packet,
        reported: packet.len() + usize::from(flags >> 7),
        source: Some(nowhere),
        destination: Some(nowhere),
        encap: [Encap::Ip, Encap::Udp, Encap::Tcp][usize::from(kind & 3) % 3],
        fragment: flags & 64 != 0,
        quoted: false,
        before: &before,
    };
    let _ = frame(&packet);
    let mut sequence = Sequence::new(&sa).expect("a window");
    let (mut plain, mut ends) = (vec![0; 2 * packet.len() + MAX_HEADER], Ends::default());
    let attempt = Attempt::search(&sa, &input, &mut sequence, &mut plain);
    let outcome = show(&sa, &input, &attempt, &mut plain, &mut ends);
    assert!(ends.packet <= packet.len() && ends.plain <= outcome.plaintext.len());
    assert!(outcome.payload.end <= outcome.plaintext.len());
    assert!(outcome.plaintext.end <= packet.len());
    assert!(ends.rebuilt <= outcome.rebuilt.len() && outcome.rebuilt.end <= plain.len());
    sequence.advance(attempt.report.sn);

    let mut table = Table::new();
    table.add(sa);
    if let Class::Esp(index) = table.classify(&input) {
        assert!(table.sa(index).is_some());
    }
});
