//! Structs of the host profile.

use core::ffi::c_char;
use core::net::IpAddr;

use sprat_core::diet_esp::OuterFields;
use sprat_core::error::AuditLevel;
use sprat_core::esp::SealArgs;
use sprat_core::ipsec::{Outcome, OuterFacts, Verdict};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, Version};

use crate::boundary::{Status, Versioned, octets};
use crate::ehc_types::sprat_ehc_params;
use crate::status::SPRAT_E_ARGUMENT;
use crate::types::sprat_addr;

/// 0 or 1 as C passes it.
pub(crate) fn flag(value: u8) -> Status<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(SPRAT_E_ARGUMENT),
    }
}

/// Verdict: drop the packet; reason says why. Zeroed memory means this.
pub const SPRAT_VERDICT_DROP: i32 = 0;
/// Verdict: inbound, hand the packet in the buffer on.
pub const SPRAT_VERDICT_DELIVER: i32 = 1;
/// Verdict: outbound, send the packet in the buffer.
pub const SPRAT_VERDICT_FORWARD: i32 = 2;
/// Verdict: let the unchanged packet pass in the clear.
pub const SPRAT_VERDICT_BYPASS: i32 = 3;
/// Verdict: an IKE message stands in the buffer, without the non-ESP marker.
pub const SPRAT_VERDICT_IKE: i32 = 4;
/// Verdict: a NAT keepalive, nothing to do.
pub const SPRAT_VERDICT_KEEPALIVE: i32 = 5;

/// Flag: a soft lifetime of the SA is reached, time for a new one.
pub const SPRAT_FLAG_SOFT_EXPIRED: u32 = 1;
/// Flag: less than a quarter of the reserved sequence numbers is left.
pub const SPRAT_FLAG_RESERVE_SOON: u32 = 2;
/// Flag: the drop reason is an auditable event of the RFCs.
pub const SPRAT_FLAG_AUDIT: u32 = 4;
/// Flag: the SA of the policy has counted a reason, ehc-version to ehc-coverage or
/// selector; the rest of the result is of its fallback SA, which took the packet.
pub const SPRAT_FLAG_FALLBACK: u32 = 8;

/// Number of no SA.
pub const SPRAT_NO_SA: u32 = 0xffff_ffff;

/// What a caller gives for one packet to be sealed. Fill with
/// SPRAT_SEAL_ARGS_INIT, then set fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_seal_args {
    /// sizeof(sprat_seal_args).
    pub struct_size: u32,
    /// Identification of an outer IPv4 header without DF; should differ from
    /// packet to packet.
    pub ipv4_id: u16,
    /// Octets of TFC padding.
    pub tfc: u16,
    /// The caller's clock, milliseconds; must not run backwards.
    pub now_ms: u64,
    /// Octets nobody can predict, for transforms with a random IV (CBC): at
    /// least 16. Others ignore it. Read during the call only; NULL with 0.
    pub iv: *const u8,
    /// Octets at iv.
    pub iv_len: usize,
    /// Octets of Padding beyond the least, a multiple of the alignment.
    pub extra_pad: u8,
    /// Must be 0.
    pub reserved: [u8; 7],
}

// SAFETY: repr(C), size first, integers and a pointer.
unsafe impl Versioned for sprat_seal_args {
    const FIRST_SIZE: usize = size_of::<sprat_seal_args>();
}

impl sprat_seal_args {
    /// # Safety
    /// `iv` points to `iv_len` octets for the time of the call.
    pub(crate) unsafe fn get<'a>(&self) -> Status<SealArgs<'a>> {
        if self.reserved != [0; 7] {
            return Err(SPRAT_E_ARGUMENT);
        }
        Ok(SealArgs {
            now: Instant(self.now_ms),
            // SAFETY: forwarded.
            iv: unsafe { octets(self.iv, self.iv_len) }?,
            ipv4_id: self.ipv4_id,
            tfc: self.tfc,
            extra_pad: self.extra_pad,
        })
    }
}

/// What became of one packet, with all that an audit record needs. Fill with
/// SPRAT_RESULT_INIT; a call overwrites everything behind struct_size.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sprat_result {
    /// sizeof(sprat_result).
    pub struct_size: u32,
    /// One of SPRAT_VERDICT_*.
    pub verdict: i32,
    /// Drop reason, 0 if none: one of SPRAT_DROP_*, see sprat_drop_text().
    pub reason: i32,
    /// Sum of SPRAT_FLAG_*.
    pub flags: u32,
    /// Number of the SA, or SPRAT_NO_SA.
    pub sa: u32,
    /// SPI in host order, 0 if the packet showed none.
    pub spi: u32,
    /// Sequence number; of a refused packet the low 32 bits as received.
    pub sn: u64,
    /// Source of the outer (else the only) IP header.
    pub source: sprat_addr,
    /// Destination of that header.
    pub destination: sprat_addr,
    /// UDP source port around ESP, 0 without UDP.
    pub udp_source_port: u16,
    /// UDP destination port around ESP, 0 without UDP.
    pub udp_destination_port: u16,
    /// Verdict FORWARD: TOS or Traffic Class of the packet, for a caller that
    /// sends ESP without the header in front.
    pub traffic_class: u8,
    /// Verdict FORWARD: its TTL or Hop Limit.
    pub hop_limit: u8,
    /// IPv6 flow label of that header, 0 in IPv4.
    pub flow_label: u32,
    /// Reason too-big: largest packet that would pass, octets.
    pub mtu: u32,
    /// Verdict FORWARD: octets of IP and UDP header in front of ESP.
    pub esp_offset: u32,
    /// Verdict FORWARD: not 0 if the packet is larger than the path takes and
    /// must go out in fragments of at most this many octets: sprat_ip_fragment().
    pub fragment_mtu: u32,
    /// With SPRAT_E_SHORT: octets needed in front of the packet, in all.
    pub need_head: usize,
    /// With SPRAT_E_SHORT: octets needed behind the packet, in all.
    pub need_tail: usize,
}

// SAFETY: repr(C), size first, integers only.
unsafe impl Versioned for sprat_result {
    const FIRST_SIZE: usize = size_of::<sprat_result>();
}

impl sprat_result {
    /// Takes over what the packet that is to be sent says of itself.
    pub(crate) fn leaves(mut self, packet: &[u8]) -> Self {
        if let Ok(head) = Head::parse(packet) {
            self.traffic_class = head.traffic_class;
            self.hop_limit = head.hop_limit;
            self.flow_label = head.flow_label;
        }
        self
    }
}

impl From<Outcome> for sprat_result {
    fn from(outcome: Outcome) -> Self {
        (&outcome).into()
    }
}

impl From<&Outcome> for sprat_result {
    fn from(outcome: &Outcome) -> Self {
        let verdict = match outcome.verdict {
            Verdict::Drop => SPRAT_VERDICT_DROP,
            Verdict::Deliver => SPRAT_VERDICT_DELIVER,
            Verdict::Forward => SPRAT_VERDICT_FORWARD,
            Verdict::Bypass => SPRAT_VERDICT_BYPASS,
            Verdict::Ike => SPRAT_VERDICT_IKE,
            Verdict::Keepalive => SPRAT_VERDICT_KEEPALIVE,
        };
        let audit = outcome
            .reason
            .is_some_and(|r| r.audit() == AuditLevel::Audit);
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        sprat_result {
            struct_size: 0,
            verdict,
            reason: outcome.reason.map_or(0, |reason| i32::from(reason.code())),
            flags: flag(outcome.soft_expired, SPRAT_FLAG_SOFT_EXPIRED)
                | flag(outcome.reserve_soon, SPRAT_FLAG_RESERVE_SOON)
                | flag(audit, SPRAT_FLAG_AUDIT)
                | flag(outcome.fell_back, SPRAT_FLAG_FALLBACK),
            sa: outcome.sa.unwrap_or(SPRAT_NO_SA),
            spi: outcome.spi,
            sn: outcome.sn,
            source: outcome.source.into(),
            destination: outcome.destination.into(),
            udp_source_port: outcome.udp_ports.0,
            udp_destination_port: outcome.udp_ports.1,
            traffic_class: 0,
            hop_limit: 0,
            flow_label: outcome.flow_label,
            mtu: u32::try_from(outcome.mtu).unwrap_or(u32::MAX),
            esp_offset: u32::try_from(outcome.esp_offset).unwrap_or(0),
            fragment_mtu: u32::try_from(outcome.fragment_to).unwrap_or(0),
            need_head: 0,
            need_tail: 0,
        }
    }
}

/// The facts of an outer header that a socket has taken off.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_outer {
    /// sizeof(sprat_outer).
    pub struct_size: u32,
    /// Source address.
    pub source: sprat_addr,
    /// Destination address.
    pub destination: sprat_addr,
    /// TOS or Traffic Class.
    pub traffic_class: u8,
    /// 1: it came in UDP, and the rules for marker and keepalive apply; else 0.
    pub udp: u8,
    /// UDP source port, if udp is 1.
    pub udp_source_port: u16,
    /// UDP destination port, if udp is 1.
    pub udp_destination_port: u16,
    /// TTL or Hop Limit, of which Diet-ESP makes the inner one; 0 = not known, and
    /// SAs that compress inner headers refuse the packet as unsupported.
    pub hop_limit: u8,
    /// sprat_ehc_* in transport mode: what stands behind that header. Else 0.
    pub protocol: u8,
    /// Must be 0.
    pub reserved: [u8; 2],
    /// Flow Label, 20 bits; of an IPv4 header the Identification, 16 bits:
    /// Diet-ESP takes the inner one from it where that was agreed.
    pub flow: u32,
}

// SAFETY: repr(C), size first, integers only.
unsafe impl Versioned for sprat_outer {
    const FIRST_SIZE: usize = core::mem::offset_of!(sprat_outer, hop_limit);
}

impl sprat_outer {
    pub(crate) fn get(&self) -> Status<OuterFacts> {
        let udp_ports = match self.udp {
            0 => None,
            1 => Some((self.udp_source_port, self.udp_destination_port)),
            _ => return Err(SPRAT_E_ARGUMENT),
        };
        let source = self.source.some()?;
        let version = match source {
            IpAddr::V4(_) => Version::V4,
            IpAddr::V6(_) => Version::V6,
        };
        let fields = self.fields(version)?;
        Ok(OuterFacts {
            source,
            destination: self.destination.some()?,
            traffic_class: self.traffic_class,
            udp_ports,
            // A caller of an older version does not tell a hop limit.
            outer: (self.hop_limit != 0).then_some(fields),
        })
    }

    /// What Diet-ESP takes from a header of this version.
    pub(crate) fn fields(&self, version: Version) -> Status<OuterFields> {
        let most = match version {
            Version::V4 => 0xffff,
            Version::V6 => 0xf_ffff,
        };
        if self.reserved != [0; 2] || self.flow > most {
            return Err(SPRAT_E_ARGUMENT);
        }
        Ok(OuterFields {
            version,
            traffic_class: self.traffic_class,
            hop_limit: self.hop_limit,
            flow: self.flow,
        })
    }
}

/// Ports of a selector: any port, and packets that show none.
pub const SPRAT_PORTS_ANY: u8 = 0;
/// Ports of a selector: only packets that show none (non-first fragments).
pub const SPRAT_PORTS_OPAQUE: u8 = 1;
/// Ports of a selector: from first to last.
pub const SPRAT_PORTS_RANGE: u8 = 2;

/// Ports a selector admits; zeroed memory admits any. For ICMP the port is
/// type * 256 + code, on both sides.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sprat_ports {
    /// One of SPRAT_PORTS_*.
    pub kind: u8,
    /// Must be 0.
    pub reserved: u8,
    /// Lowest port of a range.
    pub first: u16,
    /// Highest port of a range.
    pub last: u16,
}

impl sprat_ports {
    fn get(&self) -> Status<PortRange> {
        let (first, last) = (self.first, self.last);
        if self.reserved != 0 {
            return Err(SPRAT_E_ARGUMENT);
        }
        match self.kind {
            SPRAT_PORTS_ANY => Ok(PortRange::Any),
            SPRAT_PORTS_OPAQUE => Ok(PortRange::Opaque),
            SPRAT_PORTS_RANGE if first <= last => Ok(PortRange::Range { first, last }),
            _ => Err(SPRAT_E_ARGUMENT),
        }
    }
}

/// A traffic selector (RFC 4301 s4.4.1.1), seen from the packet: source is
/// where it comes from. Zeroed memory admits every packet.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sprat_selector {
    /// Lowest source address; family 0 = any address.
    pub source_first: sprat_addr,
    /// Highest source address, of the same family.
    pub source_last: sprat_addr,
    /// Lowest destination address; family 0 = any address.
    pub destination_first: sprat_addr,
    /// Highest destination address, of the same family.
    pub destination_last: sprat_addr,
    /// 1: only this protocol; 0: any.
    pub has_protocol: u8,
    /// Next layer protocol, if has_protocol is 1.
    pub protocol: u8,
    /// Source ports.
    pub source_ports: sprat_ports,
    /// Destination ports.
    pub destination_ports: sprat_ports,
}

fn range(first: &sprat_addr, last: &sprat_addr) -> Status<AddrRange> {
    match (first.get()?, last.get()?) {
        (None, None) => Ok(AddrRange::Any),
        (Some(first), Some(last)) => AddrRange::range(first, last).ok_or(SPRAT_E_ARGUMENT),
        _ => Err(SPRAT_E_ARGUMENT),
    }
}

impl sprat_selector {
    pub(crate) fn get(&self) -> Status<Selector> {
        Ok(Selector {
            source: range(&self.source_first, &self.source_last)?,
            destination: range(&self.destination_first, &self.destination_last)?,
            protocol: match self.has_protocol {
                0 => None,
                1 => Some(self.protocol),
                _ => return Err(SPRAT_E_ARGUMENT),
            },
            source_ports: self.source_ports.get()?,
            destination_ports: self.destination_ports.get()?,
        })
    }
}

/// Direction: packets that leave.
pub const SPRAT_OUT: u8 = 1;
/// Direction: packets that arrive.
pub const SPRAT_IN: u8 = 2;
/// Mode: transport.
pub const SPRAT_TRANSPORT: u8 = 1;
/// Mode: tunnel.
pub const SPRAT_TUNNEL: u8 = 2;
/// Action of a policy: discard. Zeroed memory means this.
pub const SPRAT_DISCARD: u8 = 0;
/// Action of a policy: let pass in the clear.
pub const SPRAT_BYPASS: u8 = 1;
/// Action of a policy: outbound through an SA; inbound only out of an SA.
pub const SPRAT_PROTECT: u8 = 2;
/// DF of an IPv4 tunnel: copied from the inner header, set over IPv6.
pub const SPRAT_DF_COPY: u8 = 0;
/// DF of an IPv4 tunnel: set.
pub const SPRAT_DF_SET: u8 = 1;
/// DF of an IPv4 tunnel: clear.
pub const SPRAT_DF_CLEAR: u8 = 2;
/// DSCP of a tunnel: copied from the inner header; else 0 to 63.
pub const SPRAT_DSCP_COPY: u8 = 255;

/// Soft and hard limit of a lifetime; 0 = no limit.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sprat_limit {
    /// Reported by SPRAT_FLAG_SOFT_EXPIRED once reached.
    pub soft: u64,
    /// The last amount that passes.
    pub hard: u64,
}

/// Everything about one SA. Fill with SPRAT_SA_PARAMS_INIT, then set at least
/// direction, mode, spi, encr and the keys. The library copies what it keeps.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_sa_params {
    /// sizeof(sprat_sa_params).
    pub struct_size: u32,
    /// SPI in host order, 256 or more.
    pub spi: u32,
    /// SPRAT_OUT or SPRAT_IN.
    pub direction: u8,
    /// SPRAT_TRANSPORT or SPRAT_TUNNEL.
    pub mode: u8,
    /// 1: 64-bit sequence numbers.
    pub esn: u8,
    /// 1: the peer refuses TFC padding.
    pub no_tfc: u8,
    /// 1: several senders share the SA (multicast).
    pub multi_sender: u8,
    /// Tunnel: DSCP, 0 to 63 or SPRAT_DSCP_COPY.
    pub dscp: u8,
    /// Tunnel: 1 sends Not-ECT and ignores the outer ECN field.
    pub no_ecn: u8,
    /// Tunnel over IPv4: one of SPRAT_DF_*.
    pub df: u8,
    /// Encryption transform, the IANA number (IKEv2 transform type 1).
    pub encr: u16,
    /// Integrity transform, the IANA number (type 3); 0 = NONE.
    pub integ: u16,
    /// Anti-replay window in packets: 0 = off, or a multiple of 32 from 32 to 4096.
    pub replay_window: u16,
    /// Largest outer packet of the path in octets; 0 = unknown.
    pub path_mtu: u16,
    /// UDP encapsulation: source port as this SA's packets carry it; 0 = none.
    pub udp_source_port: u16,
    /// UDP encapsulation: destination port; 0 = none.
    pub udp_destination_port: u16,
    /// Tunnel: flow label over IPv6, 20 bits.
    pub flow_label: u32,
    /// Tunnel: TTL or hop limit, 1 to 255.
    pub hop_limit: u8,
    /// Sending with multi_sender and an IV that is a counter: bits of this
    /// sender's identifier in it, 8, 12 or 16 (RFC 6054); else 0.
    pub sender_id_bits: u8,
    /// This sender's identifier.
    pub sender_id: u16,
    /// Must be 0.
    pub reserved: [u8; 4],
    /// Sending: last number used before. Receiving: highest number verified before.
    pub last_sn: u64,
    /// Encryption key without salt.
    pub encr_key: *const u8,
    /// Octets of the encryption key.
    pub encr_key_len: usize,
    /// Salt: 3 octets for CCM, 4 for CTR, GCM, GMAC and ChaCha20.
    pub salt: *const u8,
    /// Octets of the salt.
    pub salt_len: usize,
    /// Integrity key.
    pub integ_key: *const u8,
    /// Octets of the integrity key.
    pub integ_key_len: usize,
    /// Tunnel: outer source address.
    pub tunnel_source: sprat_addr,
    /// Tunnel: outer destination address.
    pub tunnel_destination: sprat_addr,
    /// Receiving, multicast: destination address that must match; family 0 = any.
    pub lookup_destination: sprat_addr,
    /// Receiving, multicast: source address that must match too; family 0 = any.
    pub lookup_source: sprat_addr,
    /// Transport mode in UDP: source address that the sender's checksum covers
    /// (NAT-OA); family 0 = no NAT.
    pub nat_source: sprat_addr,
    /// The same for the destination address.
    pub nat_destination: sprat_addr,
    /// Must be 0.
    pub reserved_too: [u8; 2],
    /// Lifetime in packets.
    pub packets: sprat_limit,
    /// Lifetime in octets given to the cipher.
    pub octets: sprat_limit,
    /// Lifetime in seconds.
    pub seconds: sprat_limit,
    /// Receiving: selectors of the inner packet, any of which must match.
    pub selectors: *const sprat_selector,
    /// How many selectors; 0 admits every inner packet.
    pub selectors_len: usize,
    /// Name for messages and counters, zero-terminated UTF-8; NULL = none.
    pub name: *const c_char,
    /// Attributes of Diet-ESP; NULL = plain ESP.
    pub ehc: *const sprat_ehc_params,
}

// SAFETY: repr(C), size first, integers and pointers.
unsafe impl Versioned for sprat_sa_params {
    const FIRST_SIZE: usize = core::mem::offset_of!(sprat_sa_params, ehc);
}

/// An SPD entry. Fill with SPRAT_POLICY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_policy {
    /// sizeof(sprat_policy).
    pub struct_size: u32,
    /// SPRAT_OUT or SPRAT_IN.
    pub direction: u8,
    /// SPRAT_DISCARD, SPRAT_BYPASS or SPRAT_PROTECT.
    pub action: u8,
    /// Must be 0.
    pub reserved: [u8; 2],
    /// SPRAT_PROTECT outbound: number of the SA; else SPRAT_NO_SA.
    pub sa: u32,
    /// Packets the entry is for.
    pub selector: sprat_selector,
    /// Must be 0.
    pub reserved_too: [u8; 2],
}

// SAFETY: repr(C), size first, integers only.
unsafe impl Versioned for sprat_policy {
    const FIRST_SIZE: usize = size_of::<sprat_policy>();
}

/// What one SA is and has done. Fill with SPRAT_SA_INFO_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_sa_info {
    /// sizeof(sprat_sa_info).
    pub struct_size: u32,
    /// SPI in host order.
    pub spi: u32,
    /// SPRAT_OUT or SPRAT_IN.
    pub direction: u8,
    /// SPRAT_TRANSPORT or SPRAT_TUNNEL.
    pub mode: u8,
    /// UDP source port of its packets, 0 without UDP.
    pub udp_source_port: u16,
    /// UDP destination port of its packets, 0 without UDP.
    pub udp_destination_port: u16,
    /// Encryption transform, IANA number.
    pub encr: u16,
    /// Integrity transform, IANA number.
    pub integ: u16,
    /// Octets of random IV that sprat_seal_args must bring; 0 if none.
    pub random_iv_len: u16,
    /// Tunnel: source; else family 0.
    pub tunnel_source: sprat_addr,
    /// Tunnel: destination; else family 0.
    pub tunnel_destination: sprat_addr,
    /// 1: it has a context of Diet-ESP; else 0.
    pub ehc: u8,
    /// Receiving, 1: Diet-ESP makes the inner Flow Label or Identification of the
    /// outer one (sprat_outer.flow), so the caller must know it; else 0.
    pub ehc_outer_flow: u8,
    /// Sending: last number used. Receiving: highest number verified.
    pub sn: u64,
    /// Packets sealed, or verified.
    pub packets: u64,
    /// Octets given to the cipher.
    pub octets: u64,
    /// Packets refused, dummy packets included.
    pub drops: u64,
    /// Sending: largest outer packet of the path in octets; 0 = unknown.
    pub path_mtu: u32,
    /// Low bits of the sequence number that are sent, 0 to 32; 32 without Diet-ESP.
    pub sn_bits: u32,
}

// SAFETY: repr(C), size first, integers only.
unsafe impl Versioned for sprat_sa_info {
    const FIRST_SIZE: usize = size_of::<sprat_sa_info>();
}
