//! Any octets at a boundary with SAs of every shape: each packet is delivered
//! or dropped with one counted reason.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, Integ, Keys, Suite};
use sprat_core::esp::InboundSa;
use sprat_core::ipsec::{Ipsec, OuterFacts, Verdict};
use sprat_core::num::Spi;
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel, UdpEncap};
use sprat_core::time::Instant;

fn boundary() -> Ipsec {
    let octets: Vec<u8> = (0..64).collect();
    let tunnel = Mode::Tunnel(Tunnel {
        source: IpAddr::from([192, 0, 2, 1]),
        destination: IpAddr::from([192, 0, 2, 2]),
        hop_limit: 64,
        dscp: Dscp::Copy,
        ecn: true,
        df: Df::Copy,
        flow_label: 0,
    });
    let mut ipsec = Ipsec::new();
    let transforms = [
        (Encr::AesCcm8, Integ::None, 16),
        (Encr::AesCcm8Iiv, Integ::None, 16),
        (Encr::AesCbc, Integ::HmacSha2_256_128, 16),
        (Encr::Null, Integ::AesXcbc96, 0),
    ];
    for (n, (encr, integ, len)) in (0x0101_0101u32..).zip(transforms) {
        for (mode, esn) in [(Mode::Transport, true), (tunnel, false)] {
            let keys = Keys {
                encr_key: &octets[..len],
                salt: &octets[..encr.salt_len()],
                integ_key: &octets[..integ.key_len()],
            };
            let suite = Suite::new(encr, integ, &keys).expect("the keys fit");
            let mut params = SaParams::new(Spi(n * 2 + u32::from(esn)), mode);
            params.esn = esn;
            let ports = UdpEncap {
                source_port: 4500,
                destination_port: 4500,
            };
            params.udp_encap = Some(ports);
            let sa = InboundSa::new(params, suite, Vec::new(), Instant(0)).expect("a legal SA");
            ipsec.add_inbound("fuzz", sa).expect("SPIs differ");
        }
    }
    ipsec
}

fuzz_target!(|octets: &[u8]| {
    let Some((kind, packet)) = octets.split_first() else {
        return;
    };
    let mut ipsec = boundary();
    let mut data = packet.to_vec();
    let mut buf = PacketBuf::new(&mut data, 0, packet.len()).expect("the whole slice");
    let facts = OuterFacts {
        source: IpAddr::from([1, 1, 1, 1]),
        destination: IpAddr::from([1, 1, 1, 2]),
        traffic_class: *kind,
        udp_ports: (kind & 2 != 0).then_some((4500, 4500)),
        outer: None,
    };
    let outcome = match kind & 1 {
        0 => ipsec.inbound(&mut buf, Instant(0)),
        _ => ipsec.inbound_esp(&mut buf, &facts, Instant(0)),
    };
    let by_sas = (0..8)
        .filter_map(|n| ipsec.sa(n))
        .map(|(_, sa)| sa.drops().total());
    let counted = ipsec.drops().total() + by_sas.sum::<u64>();
    assert_eq!(counted, u64::from(outcome.verdict == Verdict::Drop));
    ipsec.icmp_error(packet, Instant(0));
});
