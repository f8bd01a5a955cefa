//! What the tests of whole packets share; each of them uses a part.
#![allow(dead_code)]

use std::net::IpAddr;

use sprat_core::crypto::{Encr, Integ, Keys, Suite};
use sprat_core::esp::{InboundSa, OutboundSa, SealArgs};
use sprat_core::num::Sn64;
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Outer, proto};

/// Every legal pair of transforms with every key length.
pub fn pairs() -> Vec<(Encr, Integ, usize)> {
    let mut all = Vec::new();
    for encr in Encr::ALL {
        for integ in Integ::ALL {
            for len in encr.key_lens() {
                if suite(*encr, *integ, *len).is_some() {
                    all.push((*encr, *integ, *len));
                }
            }
        }
    }
    all
}

pub fn suite(encr: Encr, integ: Integ, key_len: usize) -> Option<Suite> {
    let octets: Vec<u8> = (0..64).collect();
    let keys = Keys {
        encr_key: &octets[..key_len],
        salt: &octets[..encr.salt_len()],
        integ_key: &octets[..integ.key_len()],
    };
    Suite::new(encr, integ, &keys).ok()
}

pub fn address(v6: bool, host: u8) -> IpAddr {
    if v6 {
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)])
    } else {
        IpAddr::from([192, 0, 2, host])
    }
}

pub fn tunnel(v6: bool) -> Mode {
    Mode::Tunnel(Tunnel {
        source: address(v6, 101),
        destination: address(v6, 102),
        hop_limit: 64,
        dscp: Dscp::Copy,
        ecn: true,
        df: Df::Copy,
        flow_label: 0,
    })
}

/// A UDP packet whose payload counts up.
pub fn packet(v6: bool, payload: usize) -> Vec<u8> {
    let outer = Outer {
        source: address(v6, 1),
        destination: address(v6, 2),
        hop_limit: 9,
        traffic_class: 0xb8,
        id: 77,
        fragment: 0,
        flow_label: 0,
    };
    let mut octets: Vec<u8> = vec![0; outer.header_len() + 8];
    octets.extend((0..payload).map(|i| i as u8));
    let at = outer.header_len();
    octets[at..at + 4].copy_from_slice(&[0x16, 0x33, 0x16, 0x34]);
    let len = (payload + 8) as u16;
    octets[at + 4..at + 6].copy_from_slice(&len.to_be_bytes());
    outer.emit(&mut octets, proto::UDP).unwrap();
    octets
}

pub fn in_room(packet: &[u8], head: usize, tail: usize) -> Vec<u8> {
    let mut data = vec![0xa5; head];
    data.extend(packet);
    data.resize(head + packet.len() + tail, 0x5a);
    data
}

pub fn ends(params: SaParams, transform: (Encr, Integ, usize)) -> (OutboundSa, InboundSa) {
    let (encr, integ, key) = transform;
    let make = || suite(encr, integ, key).unwrap();
    let tx = OutboundSa::new(params, make(), Sn64(0), Instant(0)).unwrap();
    let rx = InboundSa::new(params, make(), Vec::new(), Instant(0)).unwrap();
    (tx, rx)
}

pub const ARGS: SealArgs<'static> = SealArgs {
    now: Instant(0),
    iv: &[7; 16],
    ipv4_id: 5,
    tfc: 0,
    extra_pad: 0,
};

/// The transform of constrained nodes.
pub const CCM: (Encr, Integ, usize) = (Encr::AesCcm8, Integ::None, 16);
