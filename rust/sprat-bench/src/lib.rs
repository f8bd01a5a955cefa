//! What is measured: four transforms, four lengths, both directions.

pub mod ehc;
#[cfg(feature = "openssl")]
mod openssl_peer;
pub mod peer;

use std::net::IpAddr;

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::esp::{InboundSa, OutboundSa, SealArgs};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{self, Df, Dscp, Mode, SaParams};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Outer, proto};
use sprat_core::wire::udp;

/// A pair of transforms under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform {
    /// Name in tables and budgets.
    pub name: &'static str,
    /// Encryption transform.
    pub encr: Encr,
    /// Integrity transform.
    pub integ: Integ,
    /// Octets of encryption key.
    pub key_len: usize,
}

/// The transforms of the budget: what RFC 8221 demands and what motes use.
pub const TRANSFORMS: [Transform; 4] = [
    Transform {
        name: "aes-ccm-8",
        encr: Encr::AesCcm8,
        integ: Integ::None,
        key_len: 16,
    },
    Transform {
        name: "aes-gcm-16",
        encr: Encr::AesGcm16,
        integ: Integ::None,
        key_len: 16,
    },
    Transform {
        name: "chacha20-poly1305",
        encr: Encr::ChaCha20Poly1305,
        integ: Integ::None,
        key_len: 32,
    },
    Transform {
        name: "aes-cbc-hmac-sha2-256-128",
        encr: Encr::AesCbc,
        integ: Integ::HmacSha2_256_128,
        key_len: 16,
    },
];

/// Octets that are encrypted; for a block cipher the next multiple of its block.
pub const LENGTHS: [usize; 4] = [16, 64, 256, 1400];

/// Packets in one measured call: enough that setting up the call costs nothing.
pub const PACKETS: usize = 32;

/// Key material of every measurement.
pub const MATERIAL: [u8; 64] = {
    let mut octets = [0; 64];
    let mut i = 0;
    while i < 64 {
        octets[i] = (i as u8).wrapping_mul(29).wrapping_add(7);
        i += 1;
    }
    octets
};

impl Transform {
    /// The suite with keys from [`MATERIAL`].
    ///
    /// # Panics
    /// Never for the transforms of this crate.
    pub fn suite(&self) -> Suite {
        let keys = Keys {
            encr_key: &MATERIAL[..self.key_len],
            salt: &MATERIAL[..self.encr.salt_len()],
            integ_key: &MATERIAL[..self.integ.key_len()],
        };
        Suite::new(self.encr, self.integ, &keys).expect("keys of the right length")
    }
}

/// Numbers of the `i`th packet.
pub fn numbers(i: usize) -> Numbers {
    Numbers {
        spi: Spi(0x5349_4d31),
        sn: Sn64(i as u64 + 1),
        esn: false,
    }
}

/// [`PACKETS`] bodies with `len` octets to encrypt, not sealed: IV, data, room.
pub fn bodies(suite: &Suite, len: usize) -> Vec<Vec<u8>> {
    let data = len.next_multiple_of(suite.pad_align());
    let octets = suite.iv_len() + data + suite.icv_len();
    (0..PACKETS)
        .map(|i| (0..octets).map(|j| (i * 7 + j) as u8).collect())
        .collect()
}

/// Seals each body with its number.
///
/// # Panics
/// If one is refused.
pub fn seal_all(suite: &Suite, bodies: &mut [Vec<u8>]) {
    for (i, body) in bodies.iter_mut().enumerate() {
        suite.seal(&numbers(i), body).expect("sealed");
    }
}

/// Opens each body with its number.
///
/// # Panics
/// If one is refused.
pub fn open_all(suite: &Suite, bodies: &mut [Vec<u8>]) {
    for (i, body) in bodies.iter_mut().enumerate() {
        suite.open(&numbers(i), body).expect("opened");
    }
}

/// A packet in a buffer with room on both sides.
#[derive(Clone)]
pub struct Packet {
    data: Vec<u8>,
    start: usize,
    len: usize,
}

/// Room on either side: more than any transform of [`TRANSFORMS`] needs.
const ROOM: usize = 96;

/// [`PACKETS`] IPv4 packets of 28 + `len` octets, UDP.
///
/// # Panics
/// Never for the lengths of this crate.
pub fn packets(len: usize) -> Vec<Packet> {
    let outer = Outer {
        source: IpAddr::from([192, 0, 2, 1]),
        destination: IpAddr::from([192, 0, 2, 2]),
        hop_limit: 64,
        traffic_class: 0,
        id: 1,
        fragment: 0,
        flow_label: 0,
    };
    let mut inner = vec![0x2a; 28 + len];
    let header = udp::Repr {
        source_port: 5683,
        destination_port: 5683,
        len: len + 8,
    };
    header.emit(&mut inner[20..]).expect("UDP header");
    outer.emit(&mut inner, proto::UDP).expect("IPv4 header");
    let room = vec![0; ROOM];
    let data = [&room[..], &inner, &room].concat();
    vec![
        Packet {
            data,
            start: ROOM,
            len: 28 + len
        };
        PACKETS
    ]
}

/// Both ends of an IPv4 tunnel, anti-replay window 64.
pub struct Tunnel {
    transform: Transform,
    sender: OutboundSa,
    receiver: InboundSa,
}

impl Clone for Tunnel {
    /// The same SAs as they were at the start: keys are not copied.
    fn clone(&self) -> Self {
        Tunnel::new(&self.transform)
    }
}

impl Tunnel {
    /// Fresh SAs with keys from [`MATERIAL`].
    ///
    /// # Panics
    /// Never for the transforms of this crate.
    pub fn new(transform: &Transform) -> Self {
        let mode = Mode::Tunnel(sa::Tunnel {
            source: IpAddr::from([198, 51, 100, 1]),
            destination: IpAddr::from([198, 51, 100, 2]),
            hop_limit: 64,
            dscp: Dscp::Copy,
            ecn: true,
            df: Df::Copy,
            flow_label: 0,
        });
        let params = SaParams::new(Spi(0x5349_4d31), mode);
        let (now, suite) = (Instant(0), || transform.suite());
        Tunnel {
            transform: *transform,
            sender: OutboundSa::new(params, suite(), Sn64(0), now).expect("sender"),
            receiver: InboundSa::new(params, suite(), Vec::new(), now).expect("receiver"),
        }
    }

    /// Seals each packet.
    ///
    /// # Panics
    /// If one is refused.
    pub fn seal_all(&mut self, packets: &mut [Packet]) {
        let args = SealArgs {
            iv: &MATERIAL[..16],
            ..SealArgs::default()
        };
        for packet in packets {
            let mut buf = packet.buf();
            self.sender.seal(&mut buf, &args).expect("sealed");
            (packet.start, packet.len) = (buf.start(), buf.len());
        }
    }

    /// Opens each packet.
    ///
    /// # Panics
    /// If one is refused.
    pub fn open_all(&mut self, packets: &mut [Packet]) {
        for packet in packets {
            let mut buf = packet.buf();
            self.receiver.open(&mut buf, Instant(0)).expect("opened");
            (packet.start, packet.len) = (buf.start(), buf.len());
        }
    }
}

impl Packet {
    fn buf(&mut self) -> PacketBuf<'_> {
        PacketBuf::new(&mut self.data, self.start, self.len).expect("inside")
    }
}
