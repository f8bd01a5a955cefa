//! ESP and Diet-ESP for constrained nodes: AES-CCM-8 with a key of 128 bits, one
//! packet at a time, in a buffer where the packet begins at its first octet.
//!
//! The same protocol as [`crate::esp`], in the flash and stack of a mote: an SA of
//! 48 octets, no tunnels, contexts or counters unless lent, no code for what a
//! feature does not ask for. Tests hold every packet against the hosts' engine.
//!
//! Invariants as there: sealing refuses before it uses a number, opening moves the
//! window only after the ICV has verified. Here a packet whose ICV does not verify
//! stays as it was received, so that another SA can be tried.

#[cfg(feature = "mote-diet-esp")]
mod bits;
#[cfg(feature = "mote-diet-esp")]
pub mod ehc;
pub mod head;
pub mod nvm;
mod octets;
mod open;
mod seal;
mod window;

pub use head::{Head, addresses, final_destination};
pub use open::{is_for, open};
pub use seal::seal;

use crate::crypto::{ICV, Numbers, Packet, Way};
use crate::num::{Sn64, Spi, low_bits_32};
use crate::trailer::Form;
use window::Window;

/// Octets of UDP header.
const UDP_LEN: usize = 8;
/// What payload and trailer are a multiple of in plain ESP.
const ALIGN: usize = 4;

/// Diet-ESP is not in this image: no value of this type exists.
#[cfg(not(feature = "mote-diet-esp"))]
pub mod ehc {
    /// A context, which nobody can have.
    #[derive(Clone, Copy, Debug)]
    pub enum Ehc {}
}

/// A tunnel, or UDP around ESP; constant. Addresses and ports as they stand in
/// the packets of this SA.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Outer source address, network order; of IPv4 the first 4 octets.
    pub source: [u8; 16],
    /// Outer destination address.
    pub destination: [u8; 16],
    /// UDP source port.
    pub udp_source: u16,
    /// UDP destination port; 0 = no UDP.
    pub udp_destination: u16,
    /// Largest packet after ESP, octets; 0 = no limit.
    pub mtu: u16,
    /// 1: tunnel mode.
    pub tunnel: u8,
    /// IP version of the outer addresses: 4 or 6.
    pub family: u8,
    /// Outer Hop Limit.
    pub hop_limit: u8,
    /// 1: the outer ECN field is sent as Not-ECT and ignored (RFC 6040).
    pub no_ecn: u8,
}

/// What was agreed and moves: one direction of one SA.
#[derive(Clone, Debug)]
pub struct Sa {
    /// AES-128.
    pub key: [u8; 16],
    /// Salt of the nonce.
    pub salt: [u8; 3],
    /// Packets of the anti-replay window: 64, 32 or 0 = off.
    pub window: u8,
    /// 256 or more.
    pub spi: Spi,
    /// With [`Flags::SENDERS`] the upper 16 bits of the IV: this sender's identifier
    /// of 8 or 16 bits and zeros (RFC 6054).
    pub sender: u16,
    /// Direction and formats.
    pub flags: Flags,
    /// Sending: the number used last. Receiving: the highest verified.
    pub number: u64,
    /// Sending: the last number written ahead. Receiving: what was seen.
    pub word: u64,
}

/// Yes or no of an SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Sends.
    pub const OUT: u8 = 1;
    /// The IV is not on the wire (RFC 8750).
    pub const IMPLICIT_IV: u8 = 2;
    /// Numbers of 64 bits.
    pub const ESN: u8 = 4;
    /// One of several senders.
    pub const SENDERS: u8 = 8;

    /// Whether `flag` is set.
    pub fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// An SA with what was lent to it.
#[derive(Clone, Copy)]
pub struct Lent<'a> {
    /// Tunnel or UDP; `None`: transport mode.
    pub path: Option<&'a Path>,
    /// Diet-ESP; `None`: plain ESP.
    pub ehc: Option<&'a ehc::Ehc>,
}

/// What the platform does: AES and stable storage.
pub trait Platform {
    /// [`crate::crypto::ccm`] with AES and `key`.
    fn ccm(&self, key: &[u8; 16], packet: &Packet, data: (&mut [u8], Way)) -> [u8; ICV];

    /// Makes the numbers up to the result durable, at least `number`; `None`: the
    /// packet must not go out.
    fn store(&self, spi: Spi, number: u64) -> Option<u64>;
}

/// A packet at the start of a buffer.
pub struct Frame<'a> {
    /// The buffer; nothing is written behind it.
    pub octets: &'a mut [u8],
    /// Octets of the packet.
    pub len: usize,
}

impl Sa {
    fn esn(&self) -> bool {
        self.flags.has(Flags::ESN)
    }

    fn iv_len(&self) -> usize {
        if self.flags.has(Flags::IMPLICIT_IV) {
            0
        } else {
            8
        }
    }

    /// What CCM asks of a packet.
    fn packet(&self, (number, iv): (u64, u64)) -> Packet {
        Packet {
            salt: self.salt,
            iv,
            numbers: Numbers {
                spi: self.spi,
                sn: Sn64(number),
                esn: self.esn(),
            },
        }
    }

    /// The last number that the counter may reach.
    fn last_number(&self) -> u64 {
        if self.esn() {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        }
    }

    fn seen(&self) -> Window {
        Window {
            top: self.number,
            seen: self.word,
            width: self.window,
        }
    }
}

impl<'a> Lent<'a> {
    #[cfg(feature = "mote-diet-esp")]
    fn ehc(&self) -> Option<&'a ehc::Ehc> {
        self.ehc
    }

    /// Octets of SPI and Sequence Number on the wire.
    fn header_len(&self) -> usize {
        #[cfg(feature = "mote-diet-esp")]
        if let Some(ehc) = self.ehc() {
            return ehc.header_len();
        }
        8
    }

    /// Bits of SPI and of Sequence Number on the wire.
    fn lsb(&self) -> (u8, u8) {
        #[cfg(feature = "mote-diet-esp")]
        if let Some(ehc) = self.ehc() {
            return (ehc.esp_spi_lsb, ehc.esp_sn_lsb);
        }
        (32, 32)
    }

    fn trailer(&self) -> Form {
        #[cfg(feature = "mote-diet-esp")]
        if let Some(ehc) = self.ehc() {
            return ehc.trailer(self.is_tunnel());
        }
        Form::whole(ALIGN)
    }

    fn is_tunnel(&self) -> bool {
        cfg!(feature = "mote-tunnel") && self.path.is_some_and(|path| path.tunnel != 0)
    }

    /// UDP ports around ESP.
    fn udp(&self) -> Option<(u16, u16)> {
        let path = self.path.filter(|_| cfg!(feature = "mote-udp-encap"))?;
        (path.udp_destination != 0).then_some((path.udp_source, path.udp_destination))
    }
}

/// SPI and Sequence Number as they stand on the wire, the low bits of either: a
/// number whose lowest octets they are.
fn on_wire((spi, number): (Spi, u64), (spi_lsb, sn_lsb): (u8, u8)) -> u64 {
    let sn = low_bits_32(Sn64(number).low(), sn_lsb);
    u64::from(spi.low_bits(spi_lsb)) << sn_lsb | u64::from(sn)
}
