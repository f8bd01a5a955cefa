//! Any plaintext under a good ICV: what stands behind the crypto (padding, inner
//! packet, TFC, rejoining) meets octets that no peer of ours would send.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, Place};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Df, Dscp, Mode, NatOriginal, SaParams, Tunnel};
use sprat_core::time::Instant;
use sprat_core::wire::ip::Head;

fn suite() -> Suite {
    let keys = Keys {
        encr_key: &[],
        salt: &[],
        integ_key: &[7; 20],
    };
    Suite::new(Encr::Null, Integ::HmacSha1_96, &keys).expect("the keys fit")
}

fn params(transport: bool) -> SaParams {
    let [a, b] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(std::net::IpAddr::from);
    let tunnel = Tunnel {
        source: a,
        destination: b,
        hop_limit: 64,
        dscp: Dscp::Copy,
        ecn: true,
        df: Df::Copy,
        flow_label: 0,
    };
    let mode = if transport {
        Mode::Transport
    } else {
        Mode::Tunnel(tunnel)
    };
    let mut params = SaParams::new(Spi(256), mode);
    params.nat_original = transport.then_some(NatOriginal {
        source: b,
        destination: a,
    });
    params
}

fuzz_target!(|octets: &[u8]| {
    let Some((kind, plaintext)) = octets.split_first() else {
        return;
    };
    let transport = kind & 1 == 0;
    let params = params(transport);
    let suite = suite();
    let mut packet = vec![
        0x45, *kind, 0, 0, 0, 0, 0, 0, 64, 50, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
    ];
    packet.extend([0, 0, 1, 0, 0, 0, 0, 1]);
    packet.extend(plaintext);
    packet.resize(packet.len() + suite.icv_len(), 0);
    let Ok(len) = u16::try_from(packet.len()) else {
        return;
    };
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    let numbers = Numbers {
        spi: params.spi,
        sn: Sn64(1),
        esn: false,
    };
    if suite.seal(&numbers, &mut packet[28..]).is_err() {
        return;
    }
    let head = Head::parse(&packet).expect("a plain header");
    let place = Place::find(&packet, &head).expect("ESP is there");
    let mut sa = InboundSa::new(params, suite, Vec::new(), Instant(0)).expect("a legal SA");
    let len = packet.len();
    let mut buf = PacketBuf::new(&mut packet, 0, len).expect("the whole slice");
    match sa.open_at(&mut buf, &place, Instant(0)) {
        Ok(opened) => assert_eq!(Head::parse(buf.packet()), Ok(opened.head)),
        Err(reason) => {
            assert_ne!(reason, DropReason::Integrity);
            assert_ne!(reason, DropReason::Internal);
            if plaintext.len() >= 16 && plaintext.len().is_multiple_of(4) {
                assert!(
                    packet[28..].iter().all(|octet| *octet == 0),
                    "plaintext left behind"
                );
            }
        }
    }
});
