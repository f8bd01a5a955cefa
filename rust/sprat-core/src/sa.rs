//! Security associations: what is agreed ([`SaParams`], read only) and what
//! moves on each side ([`SaTx`], [`SaRx`]).

use core::net::IpAddr;

use crate::diet_esp::Carried;
use crate::error::DropReason;
use crate::num::{Sn64, Spi};
use crate::replay::ReplayWindow;
use crate::time::Instant;
use crate::wire::ip::Version;

/// How the outer DSCP of a tunnel is made (RFC 4301 s5.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscp {
    /// Copied from the inner header.
    Copy,
    /// This value, 0-63.
    Set(u8),
}

/// How the outer Don't Fragment bit of an IPv4 tunnel is made (RFC 4301 s8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Df {
    /// As in the inner header; set if that is IPv6.
    Copy,
    /// Always set.
    Set,
    /// Always clear.
    Clear,
}

/// The outer header of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Outer source address.
    pub source: IpAddr,
    /// Outer destination address, of the same family.
    pub destination: IpAddr,
    /// Outer TTL or Hop Limit, not 0.
    pub hop_limit: u8,
    /// Outer DSCP.
    pub dscp: Dscp,
    /// RFC 6040 normal mode on ingress and its table on egress; if false, the
    /// outer ECN field is sent as Not-ECT and ignored on receipt.
    pub ecn: bool,
    /// Outer DF, IPv4 only.
    pub df: Df,
    /// Outer flow label, IPv6 only, 20 bits; never copied from the inner header.
    pub flow_label: u32,
}

/// Transport or tunnel mode (RFC 4301 s3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// ESP stands between the IP header and the upper layer.
    Transport,
    /// ESP carries a whole IP packet.
    Tunnel(Tunnel),
}

/// UDP ports around ESP (RFC 3948), both as they stand in the packet that this
/// SA sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpEncap {
    /// UDP source port.
    pub source_port: u16,
    /// UDP destination port.
    pub destination_port: u16,
}

/// Addresses a NAT changed, for the checksum of transport mode (RFC 3948 s3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatOriginal {
    /// Source address as the sender's transport checksum covers it.
    pub source: IpAddr,
    /// Destination address as the sender's transport checksum covers it.
    pub destination: IpAddr,
}

/// What keeps the IVs of several senders with one key apart (RFC 6054 s3): it
/// stands in the upper bits of an IV that is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderId {
    bits: u8,
    value: u16,
}

impl SenderId {
    /// The identifier `value` of 8, 12 or 16 bits; `None` for another width or a
    /// value that does not fit it.
    pub const fn new(bits: u8, value: u16) -> Option<Self> {
        if matches!(bits, 8 | 12 | 16) && (value as u32) >> bits == 0 {
            Some(SenderId { bits, value })
        } else {
            None
        }
    }

    /// Bits of the identifier.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The identifier.
    pub const fn value(&self) -> u16 {
        self.value
    }

    /// The IV for a counter of 32 bits.
    pub const fn iv(&self, counter: u32) -> u64 {
        (self.value as u64) << (64 - self.bits as u32) | counter as u64
    }
}

/// Which facts of a received packet name the SA (RFC 4301 s4.1): the longest
/// match wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// SPI alone: unicast.
    Spi,
    /// SPI and destination address: any-source multicast.
    SpiDestination(IpAddr),
    /// SPI, destination and source address: source-specific multicast.
    SpiDestinationSource(IpAddr, IpAddr),
}

/// A soft limit asks for a new SA, a hard limit ends this one. `None` = no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Reported once reached, nothing else happens.
    pub soft: Option<u64>,
    /// The last amount that passes.
    pub hard: Option<u64>,
}

/// Lifetimes (RFC 4301 s4.4.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Packets.
    pub packets: Limit,
    /// Octets given to the cipher: payload, padding and trailer.
    pub octets: Limit,
    /// Seconds since the SA was installed.
    pub seconds: Limit,
}

/// What was agreed for one direction. Algorithms and keys are in the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaParams {
    /// SPI; 256 or more.
    pub spi: Spi,
    /// Transport, or tunnel with its outer header.
    pub mode: Mode,
    /// 64-bit sequence numbers, the high half inferred by the receiver.
    pub esn: bool,
    /// Anti-replay window in packets, a multiple of 32 from 32 to 4096; 0 = off.
    pub replay_window: u16,
    /// UDP encapsulation.
    pub udp_encap: Option<UdpEncap>,
    /// NAT-OA for transport mode in UDP.
    pub nat_original: Option<NatOriginal>,
    /// What names this SA when receiving.
    pub lookup: Lookup,
    /// When it ends.
    pub lifetime: Lifetime,
    /// The peer accepts TFC padding (no ESP_TFC_PADDING_NOT_SUPPORTED).
    pub tfc_allowed: bool,
    /// Several senders share the SA (multicast): no anti-replay, no implicit IV.
    pub multi_sender: bool,
    /// This sender among several; needed to send where the IV is a counter.
    pub sender_id: Option<SenderId>,
    /// Largest outer packet in octets for this path; 0 = no limit known.
    pub path_mtu: u16,
}

impl SaParams {
    /// An SA with the RFC's defaults: no ESN, window 64, no UDP, no lifetime.
    pub const fn new(spi: Spi, mode: Mode) -> Self {
        SaParams {
            spi,
            mode,
            esn: false,
            replay_window: 64,
            udp_encap: None,
            nat_original: None,
            lookup: Lookup::Spi,
            lifetime: Lifetime {
                packets: Limit {
                    soft: None,
                    hard: None,
                },
                octets: Limit {
                    soft: None,
                    hard: None,
                },
                seconds: Limit {
                    soft: None,
                    hard: None,
                },
            },
            tfc_allowed: true,
            multi_sender: false,
            sender_id: None,
            path_mtu: 0,
        }
    }

    /// Checks what the fields say about each other.
    pub fn validate(&self) -> Result<(), SaError> {
        if self.spi < Spi::FIRST_FREE {
            return Err(SaError::SpiReserved);
        }
        if let Mode::Tunnel(tunnel) = self.mode {
            tunnel.validate()?;
        }
        let window = self.replay_window;
        if window != 0 && (!(32..=4096).contains(&window) || !window.is_multiple_of(32)) {
            return Err(SaError::ReplayWindow);
        }
        if self.multi_sender && window != 0 {
            return Err(SaError::ReplayMultiSender);
        }
        if self.multi_sender && self.esn {
            return Err(SaError::EsnMultiSender);
        }
        if self.sender_id.is_some() && !self.multi_sender {
            return Err(SaError::SenderIdAlone);
        }
        if let Some(original) = self.nat_original {
            if matches!(self.mode, Mode::Tunnel(_)) {
                return Err(SaError::NatTunnel);
            }
            if original.source.is_ipv4() != original.destination.is_ipv4() {
                return Err(SaError::NatFamilies);
            }
        }
        let lifetime = &self.lifetime;
        for limit in [lifetime.packets, lifetime.octets, lifetime.seconds] {
            if matches!((limit.soft, limit.hard), (Some(soft), Some(hard)) if soft > hard) {
                return Err(SaError::SoftAboveHard);
            }
        }
        Ok(())
    }
}

impl SaParams {
    /// What carries this SA's packets, as a Diet-ESP context asks.
    pub fn carried(&self) -> Carried {
        let outer = match self.mode {
            Mode::Transport => None,
            Mode::Tunnel(tunnel) if tunnel.destination.is_ipv4() => Some(Version::V4),
            Mode::Tunnel(_) => Some(Version::V6),
        };
        Carried {
            spi: self.spi,
            outer,
            udp: self.udp_encap.is_some(),
        }
    }
}

impl Tunnel {
    fn validate(&self) -> Result<(), SaError> {
        if self.source.is_ipv4() != self.destination.is_ipv4() {
            return Err(SaError::TunnelFamilies);
        }
        if self.hop_limit == 0 {
            return Err(SaError::TunnelHopLimit);
        }
        if matches!(self.dscp, Dscp::Set(64..)) {
            return Err(SaError::TunnelDscp);
        }
        if self.flow_label > 0xf_ffff {
            return Err(SaError::TunnelFlowLabel);
        }
        Ok(())
    }
}

/// Parameters that cannot make an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaError {
    /// SPI 0-255 (RFC 4303 s2.1).
    SpiReserved,
    /// Tunnel ends of two address families.
    TunnelFamilies,
    /// Tunnel TTL or Hop Limit 0.
    TunnelHopLimit,
    /// DSCP above 63.
    TunnelDscp,
    /// Flow label above 20 bits.
    TunnelFlowLabel,
    /// Window neither 0 nor a multiple of 32 from 32 to 4096.
    ReplayWindow,
    /// Anti-replay with several senders (RFC 4303 s3.4.3).
    ReplayMultiSender,
    /// A soft limit above its hard limit.
    SoftAboveHard,
    /// An implicit IV with several senders (RFC 8750 s7).
    ImplicitIvMultiSender,
    /// 64-bit numbers with several senders: no receiver can infer the high
    /// halves of them all (RFC 4303 s3.3.3).
    EsnMultiSender,
    /// A sender identifier on an SA with one sender.
    SenderIdAlone,
    /// NAT-OA in tunnel mode, where no checksum is to be mended.
    NatTunnel,
    /// NAT-OA of two address families.
    NatFamilies,
    /// One of several senders has no identifier: two would use one nonce (RFC 6054).
    SenderIdMissing,
}

impl core::fmt::Display for SaError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            SaError::SpiReserved => "SPI 0-255 is reserved: use 256 to 4294967295",
            SaError::TunnelFamilies => "tunnel source and destination are of two address families",
            SaError::TunnelHopLimit => "tunnel hop limit 0: use 1 to 255",
            SaError::TunnelDscp => "DSCP has 6 bits: use 0 to 63",
            SaError::TunnelFlowLabel => "a flow label has 20 bits: use 0 to 1048575",
            SaError::ReplayWindow => {
                "replay window: use 0 (off) or a multiple of 32 from 32 to 4096"
            }
            SaError::ReplayMultiSender => {
                "anti-replay is not possible with several senders: set the window to 0"
            }
            SaError::SoftAboveHard => "the soft limit is above the hard limit",
            SaError::ImplicitIvMultiSender => "an implicit IV must not be used by several senders",
            SaError::EsnMultiSender => "64-bit numbers are not possible with several senders",
            SaError::SenderIdAlone => "a sender identifier is for SAs with several senders",
            SaError::NatTunnel => "original addresses are for transport mode",
            SaError::NatFamilies => "original addresses are of two address families",
            SaError::SenderIdMissing => {
                "one of several senders needs an identifier, else two use one nonce"
            }
        })
    }
}

/// How much an SA has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Packets sealed, or verified.
    pub packets: u64,
    /// Octets given to the cipher.
    pub octets: u64,
}

impl Usage {
    /// Whether a further packet of `octets` is within the hard limits.
    pub fn admits(&self, lifetime: &Lifetime, octets: u64, age: u64) -> Result<(), DropReason> {
        let above = |limit: Limit, value: u64| limit.hard.is_some_and(|hard| value > hard);
        if above(lifetime.packets, self.packets.saturating_add(1)) {
            return Err(DropReason::LifetimePackets);
        }
        if above(lifetime.octets, self.octets.saturating_add(octets)) {
            return Err(DropReason::LifetimeOctets);
        }
        // A limit of n seconds ends the SA when n seconds have passed.
        if lifetime.seconds.hard.is_some_and(|hard| age >= hard) {
            return Err(DropReason::LifetimeSeconds);
        }
        Ok(())
    }

    /// Whether a soft limit is reached.
    pub fn soft_expired(&self, lifetime: &Lifetime, age: u64) -> bool {
        let reached = |limit: Limit, value: u64| limit.soft.is_some_and(|soft| value >= soft);
        reached(lifetime.packets, self.packets)
            || reached(lifetime.octets, self.octets)
            || reached(lifetime.seconds, age)
    }

    /// Counts a packet.
    pub fn add(&mut self, octets: u64) {
        self.packets = self.packets.saturating_add(1);
        self.octets = self.octets.saturating_add(octets);
    }
}

/// The sending side: the counter and what was sent.
#[derive(Debug)]
pub struct SaTx {
    last: u64,
    reserved: u64,
    block: u64,
    /// What was sealed.
    pub usage: Usage,
    /// When the SA was installed.
    pub installed: Instant,
}

impl SaTx {
    /// A side that has used the numbers up to `last`: 0 for a new SA, so that
    /// the first packet carries 1 (RFC 4303 s3.3.3).
    pub fn new(last: Sn64, installed: Instant) -> Self {
        SaTx {
            last: last.0,
            reserved: u64::MAX,
            block: 0,
            usage: Usage::default(),
            installed,
        }
    }

    /// The number used last; 0 if none was.
    pub fn last(&self) -> Sn64 {
        Sn64(self.last)
    }

    /// The number the next packet would take; changes nothing.
    pub fn peek(&self, esn: bool) -> Result<Sn64, DropReason> {
        let end = if esn { u64::MAX } else { u64::from(u32::MAX) };
        match self.last.checked_add(1) {
            Some(next) if next > end => Err(DropReason::SnExhausted),
            Some(next) if next > self.reserved => Err(DropReason::SnUnreserved),
            Some(next) => Ok(Sn64(next)),
            None => Err(DropReason::SnExhausted),
        }
    }

    /// From now on numbers above `up_to` are refused until more are reserved:
    /// the caller has written `up_to` where a restart finds it, and will
    /// [`SaTx::skip_to`] it then. So no number is ever used twice, whenever the
    /// power goes.
    pub fn reserve(&mut self, up_to: Sn64) {
        self.block = up_to.0.saturating_sub(self.last);
        self.reserved = up_to.0;
    }

    /// Less than a quarter of the last reserved block is left.
    pub fn reserve_soon(&self) -> bool {
        let left = self.reserved.saturating_sub(self.last);
        self.reserved != u64::MAX && left < self.block.div_ceil(4).max(1)
    }

    /// Uses up `number`, which [`SaTx::peek`] gave.
    pub(crate) fn take(&mut self, number: Sn64) {
        self.last = self.last.max(number.0);
    }

    /// Skips to `last` after a restart; never moves back.
    pub fn skip_to(&mut self, last: Sn64) {
        self.last = self.last.max(last.0);
    }
}

/// The receiving side: the window and what was verified. `S` holds the words
/// of the window.
#[derive(Debug)]
pub struct SaRx<S> {
    /// The anti-replay window, which also infers the high half with ESN.
    pub window: ReplayWindow<S>,
    /// What was verified.
    pub usage: Usage,
    /// When the SA was installed.
    pub installed: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_ends_and_never_wraps() {
        let mut tx = SaTx::new(Sn64(u64::from(u32::MAX) - 1), Instant(0));
        let last = tx.peek(false).unwrap();
        assert_eq!(last, Sn64(u64::from(u32::MAX)));
        tx.take(last);
        assert_eq!(tx.peek(false), Err(DropReason::SnExhausted));
        assert_eq!(tx.peek(true), Ok(Sn64(1 << 32)));
        tx.skip_to(Sn64(u64::MAX));
        assert_eq!(tx.peek(true), Err(DropReason::SnExhausted));
        tx.skip_to(Sn64(5));
        assert_eq!(tx.last(), Sn64(u64::MAX));
    }

    #[test]
    fn numbers_beyond_the_reserved_block_wait() {
        let mut tx = SaTx::new(Sn64(0), Instant(0));
        assert!(
            !tx.reserve_soon(),
            "without write-ahead nothing is to be reserved"
        );
        tx.reserve(Sn64(8));
        for n in 1..=8 {
            assert_eq!(tx.peek(false), Ok(Sn64(n)));
            tx.take(Sn64(n));
            assert_eq!(tx.reserve_soon(), n > 6, "{n}");
        }
        assert_eq!(tx.peek(false), Err(DropReason::SnUnreserved));
        tx.reserve(Sn64(8));
        assert!(tx.reserve_soon(), "a block of nothing is used up");
        tx.reserve(Sn64(16));
        assert_eq!(tx.peek(false), Ok(Sn64(9)));
    }

    #[test]
    fn hard_limits_refuse_and_soft_limits_tell() {
        let lifetime = Lifetime {
            packets: Limit {
                soft: Some(1),
                hard: Some(2),
            },
            octets: Limit {
                soft: None,
                hard: Some(100),
            },
            seconds: Limit {
                soft: Some(5),
                hard: Some(10),
            },
        };
        let mut usage = Usage::default();
        assert!(!usage.soft_expired(&lifetime, 0));
        assert_eq!(
            usage.admits(&lifetime, 101, 0),
            Err(DropReason::LifetimeOctets)
        );
        assert_eq!(
            usage.admits(&lifetime, 100, 10),
            Err(DropReason::LifetimeSeconds)
        );
        assert_eq!(usage.admits(&lifetime, 100, 9), Ok(()));
        usage.add(10);
        assert!(usage.soft_expired(&lifetime, 0));
        usage.add(10);
        assert_eq!(
            usage.admits(&lifetime, 1, 0),
            Err(DropReason::LifetimePackets)
        );
    }

    #[test]
    fn what_cannot_be_an_sa_is_refused() {
        let mut params = SaParams::new(Spi(255), Mode::Transport);
        assert_eq!(params.validate(), Err(SaError::SpiReserved));
        params.spi = Spi(256);
        assert_eq!(params.validate(), Ok(()));
        for window in [1, 31, 33, 4097, 4128] {
            params.replay_window = window;
            assert_eq!(params.validate(), Err(SaError::ReplayWindow), "{window}");
        }
        params.replay_window = 4096;
        params.multi_sender = true;
        assert_eq!(params.validate(), Err(SaError::ReplayMultiSender));
        params.replay_window = 0;
        params.lifetime.octets = Limit {
            soft: Some(2),
            hard: Some(1),
        };
        assert_eq!(params.validate(), Err(SaError::SoftAboveHard));
    }
}
