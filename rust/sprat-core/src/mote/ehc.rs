//! Diet-ESP for motes: the rules of [`crate::diet_esp`] for one inner IP version
//! and UDP (TCP, UDP-Lite, SCTP and IPv4 by features), walked in one loop for
//! both ways. Tests hold it against the rules and the engine of the hosts.

use super::bits::{bits, checksum, put_bits, sum};
use super::head::{Head, addresses, class_and_flow, final_destination, hop_limit_at, is_v4};
use super::octets::{long, octet, part, put, set, word};
use crate::error::DropReason;
use crate::trailer::Form;
#[cfg(feature = "mote-ipv4")]
use crate::wire::ip::{IPV4_LEN, v4};
use crate::wire::ip::{IPV6_LEN, proto, v6};

/// Most octets of header that the rules cover.
pub const MAX_HEADER: usize = if cfg!(feature = "mote-tcp") { 60 } else { 52 };
/// Most octets by which a packet grows when it is restored.
pub const MAX_GROWTH: usize = MAX_HEADER;
/// Most values of a DSCP list.
pub const MAX_DSCP: usize = 8;

/// The attributes of one SA (AfRG, draft-ietf-ipsecme-diet-esp-07 s4.2), as a
/// constant of 96 octets. Codes are those of [`crate::diet_esp`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ehc {
    /// Lowest source address, network order; of IPv4 the first 4 octets count.
    pub source_first: [u8; 16],
    /// Highest source address.
    pub source_last: [u8; 16],
    /// Lowest destination address.
    pub destination_first: [u8; 16],
    /// Highest destination address.
    pub destination_last: [u8; 16],
    /// Lowest and highest source port.
    pub source_ports: [u16; 2],
    /// Lowest and highest destination port.
    pub destination_ports: [u16; 2],
    /// Protocol, 0 = ANY.
    pub protocol: u8,
    /// Inner IP version, 4 or 6.
    pub ip_version: u8,
    /// 0: inner headers are compressed.
    pub iipc_profile: u8,
    /// Inner DSCP.
    pub dscp_cda: u8,
    /// Inner ECN.
    pub ecn_cda: u8,
    /// Inner Flow Label or Identification.
    pub flow_label_cda: u8,
    /// Alignment.
    pub alignment: u8,
    /// ESP trailer.
    pub esp_trailer: u8,
    /// Low bits of the SPI on the wire.
    pub esp_spi_lsb: u8,
    /// Low bits of the Sequence Number on the wire.
    pub esp_sn_lsb: u8,
    /// 1: no guard.
    pub no_guard: u8,
    /// Values in `dscp_list`.
    pub dscp_count: u8,
    /// DSCP values.
    pub dscp_list: [u8; MAX_DSCP],
    /// Packets that may arrive late where anti-replay is off.
    pub reorder: u8,
    /// 0.
    pub reserved: [u8; 3],
}

/// What decides over a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Version,
    Dscp,
    Ecn,
    FlowLabel,
    Protocol,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    /// Not sent; computed or taken from the outer header.
    Made,
    #[cfg(any(feature = "mote-tcp", feature = "mote-sctp", feature = "mote-ipv4"))]
    Sent,
}

/// A field: its bits and what decides over it.
type Row = (u8, By);

const IPV6: &[Row] = &[
    (4, By::Version),
    (6, By::Dscp),
    (2, By::Ecn),
    (20, By::FlowLabel),
    (16, By::Made),
    (8, By::Protocol),
    (8, By::Made),
    (128, By::Source),
    (128, By::Destination),
];

#[cfg(feature = "mote-ipv4")]
const IPV4: &[Row] = &[
    (4, By::Version),
    (4, By::Sent),
    (6, By::Dscp),
    (2, By::Ecn),
    (16, By::Made),
    (16, By::FlowLabel),
    (16, By::Sent),
    (8, By::Made),
    (8, By::Protocol),
    (16, By::Made),
    (32, By::Source),
    (32, By::Destination),
];

const UDP: &[Row] = &[
    (16, By::SourcePort),
    (16, By::DestinationPort),
    (16, By::Made),
    (16, By::Made),
];

#[cfg(feature = "mote-tcp")]
const TCP: &[Row] = &[
    (16, By::SourcePort),
    (16, By::DestinationPort),
    (128 - 32, By::Sent),
    (16, By::Made),
    (16, By::Sent),
];

#[cfg(feature = "mote-sctp")]
const SCTP: &[Row] = &[
    (16, By::SourcePort),
    (16, By::DestinationPort),
    (32, By::Sent),
    (32, By::Made),
];

/// Rows, octets of header and the offset of the checksum; `None` for a protocol
/// whose rule this image does not have. Behind all others is only payload.
fn transport(protocol: u8) -> Option<(&'static [Row], usize, usize)> {
    match protocol {
        proto::UDP => Some((UDP, 8, 6)),
        #[cfg(feature = "mote-udp-lite")]
        proto::UDP_LITE => Some((UDP, 8, 6)),
        #[cfg(feature = "mote-tcp")]
        proto::TCP => Some((TCP, 20, 16)),
        #[cfg(feature = "mote-sctp")]
        proto::SCTP => Some((SCTP, 12, 8)),
        #[cfg(not(feature = "mote-udp-lite"))]
        proto::UDP_LITE => None,
        #[cfg(not(feature = "mote-tcp"))]
        proto::TCP => None,
        #[cfg(not(feature = "mote-sctp"))]
        proto::SCTP => None,
        _ => Some((&[], 0, 0)),
    }
}

/// Whether the protocol is written behind an IPv6 header that is no upper layer.
fn is_extension(protocol: u8) -> bool {
    // Hop-by-Hop, Routing, Fragment, AH, Destination Options, Mobility, HIP, Shim6.
    matches!(protocol, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140)
}

/// Whether an address is none below `first` and none above `last`.
fn within(address: &[u8], first: &[u8; 16], last: &[u8; 16]) -> bool {
    // Whether it is still equal to either, octet by octet.
    let (mut at_first, mut at_last) = (true, true);
    for ((octet, first), last) in address.iter().zip(first).zip(last) {
        if at_first && octet < first || at_last && octet > last {
            return false;
        }
        at_first &= octet == first;
        at_last &= octet == last;
    }
    true
}

/// Leading bits that two values of `octets` octets share.
fn shared(first: &[u8], last: &[u8]) -> u8 {
    let mut count = 0;
    for (a, b) in first.iter().zip(last) {
        let equal = (a ^ b).leading_zeros();
        count += u8::try_from(equal).unwrap_or(8);
        if equal < 8 {
            break;
        }
    }
    count
}

/// Where the walk stands: bits of header and bits of residue.
#[derive(Clone, Copy, Default)]
struct At {
    header: usize,
    residue: usize,
}

/// What a field is with these attributes.
struct Field<'a> {
    /// Leading bits that are known.
    known: u8,
    /// The known bits, leading.
    value: &'a [u8],
    /// Bits that are sent: the rest, or none.
    sent: u8,
}

/// Headers on one side, and what stands for them on the other.
pub struct Headers {
    /// Compressing: the residue. Restoring: the headers.
    pub octets: [u8; MAX_HEADER],
    /// Octets of residue.
    pub residue: usize,
    /// Octets of header.
    pub header: usize,
}

impl Headers {
    /// None.
    pub const NONE: Headers = Headers {
        octets: [0; MAX_HEADER],
        residue: 0,
        header: 0,
    };
}

impl Ehc {
    /// Whether inner headers are compressed.
    pub fn compresses_inner(&self) -> bool {
        self.iipc_profile == 0
    }

    /// Inner packets are IPv4.
    fn is_v4(&self) -> bool {
        cfg!(feature = "mote-ipv4") && self.ip_version == 4
    }

    /// Octets of SPI and Sequence Number on the wire.
    pub fn header_len(&self) -> usize {
        usize::from(self.esp_spi_lsb + self.esp_sn_lsb) / 8
    }

    /// What a Next Header that is not sent stands for; `None` if any.
    pub fn next_header(&self, tunnel: bool) -> Option<u8> {
        match (tunnel, self.protocol) {
            (true, _) if self.is_v4() => Some(proto::IPV4),
            (true, _) => Some(proto::IPV6),
            (false, 0) => None,
            (false, protocol) => Some(protocol),
        }
    }

    /// The trailer; see [`crate::diet_esp::Context::trailer`].
    pub fn trailer(&self, tunnel: bool) -> Form {
        let align = 1 << self.alignment;
        if self.esp_trailer == 0 {
            return Form::whole(align);
        }
        Form {
            pad_length: self.alignment != 0,
            next_header: self.next_header(tunnel).is_none(),
            align,
        }
    }

    // Inlined into the loop it would be taken apart and made larger.
    #[inline(never)]
    fn field<'a>(&'a self, by: By, len: u8, made: &'a mut [u8; 2]) -> Field<'a> {
        let (known, value): (u8, &[u8]) = match by {
            By::Made => {
                return Field {
                    known: 0,
                    value: &[],
                    sent: 0,
                };
            }
            By::Version => {
                *made = [if self.is_v4() { 4 << 4 } else { 6 << 4 }, 0];
                (4, made)
            }
            By::Dscp if self.dscp_cda == 1 => {
                return Field {
                    known: 0,
                    value: &[],
                    sent: 0,
                };
            }
            By::Dscp if self.dscp_cda == 2 => {
                *made = [octet(&self.dscp_list, 0) << 2, 0];
                (6, made)
            }
            By::Ecn if self.ecn_cda == 1 => {
                return Field {
                    known: 0,
                    value: &[],
                    sent: 0,
                };
            }
            By::FlowLabel if self.flow_label_cda == 3 => (len, &[0; 3]),
            By::FlowLabel if self.flow_label_cda != 0 => {
                return Field {
                    known: 0,
                    value: &[],
                    sent: 0,
                };
            }
            By::Protocol if self.protocol != 0 => {
                *made = [self.protocol, 0];
                (8, made)
            }
            By::Source => (
                shared(&self.source_first, &self.source_last),
                &self.source_first,
            ),
            By::Destination => (
                shared(&self.destination_first, &self.destination_last),
                &self.destination_first,
            ),
            By::SourcePort | By::DestinationPort => {
                let [first, last] = match by {
                    By::SourcePort => self.source_ports,
                    _ => self.destination_ports,
                };
                *made = first.to_be_bytes();
                (shared(made, &last.to_be_bytes()), made)
            }
            _ => (0, &[]),
        };
        let known = known.min(len);
        Field {
            known,
            value,
            sent: len - known,
        }
    }

    /// Walks `rows` through `header` and `residue`: with `restore` from the residue
    /// to the header, which is zeroed, else the other way.
    fn walk(
        &self,
        rows: &[Row],
        (header, residue): (&mut [u8], &mut [u8]),
        at: &mut At,
        restore: bool,
    ) -> Result<(), DropReason> {
        for (len, by) in rows {
            let (len, by) = (*len, *by);
            if by == By::Dscp && self.dscp_cda == 2 && self.dscp_count > 1 {
                self.mapped((header, residue), at, restore)?;
                continue;
            }
            let mut made = [0; 2];
            let field = self.field(by, len, &mut made);
            let mut done = 0;
            while done < len {
                let known = done < field.known;
                let until = if known { field.known } else { len };
                // Up to the next octet of the header.
                let place = at.header + usize::from(done);
                let step = (until - done).min(8 - u8::try_from(place % 8).unwrap_or(0));
                let there = bits(header, place, step);
                match (known, restore) {
                    (true, false) if there != bits(field.value, usize::from(done), step) => {
                        return Err(self.mismatch(by, header));
                    }
                    (true, true) => {
                        let value = bits(field.value, usize::from(done), step);
                        put_bits(header, place, (step, value));
                    }
                    (false, _) if field.sent != 0 => {
                        if restore {
                            let value = bits(residue, at.residue, step);
                            put_bits(header, place, (step, value));
                        } else {
                            put_bits(residue, at.residue, (step, there));
                        }
                        at.residue += usize::from(step);
                    }
                    _ => {}
                }
                done += step;
            }
            at.header += usize::from(len);
        }
        Ok(())
    }

    /// The DSCP as an index into the list.
    fn mapped(
        &self,
        (header, residue): (&mut [u8], &mut [u8]),
        at: &mut At,
        restore: bool,
    ) -> Result<(), DropReason> {
        // The fewest bits that hold every index (RFC 8724 s7.4.5).
        let last = self.dscp_count.saturating_sub(1);
        let index_bits = 8 - u8::try_from(last.leading_zeros()).unwrap_or(0);
        let list = part(&self.dscp_list, 0, usize::from(self.dscp_count));
        if restore {
            let index = bits(residue, at.residue, index_bits);
            let value = list.get(usize::from(index)).ok_or(DropReason::EhcMapping)?;
            put_bits(header, at.header, (6, *value));
        } else {
            let value = bits(header, at.header, 6);
            let index = list.iter().position(|v| *v == value);
            let index = index.ok_or(DropReason::EhcDscp)?;
            let index = u8::try_from(index).unwrap_or(0);
            put_bits(residue, at.residue, (index_bits, index));
        }
        at.header += 6;
        at.residue += usize::from(index_bits);
        Ok(())
    }

    fn mismatch(&self, by: By, header: &[u8]) -> DropReason {
        match by {
            By::Version => DropReason::EhcVersion,
            By::Dscp => DropReason::EhcDscp,
            By::FlowLabel => DropReason::EhcFlowLabel,
            By::Protocol if !self.is_v4() && is_extension(octet(header, v6::NEXT_HEADER)) => {
                DropReason::EhcExtension
            }
            By::Protocol => DropReason::EhcProtocol,
            By::SourcePort | By::DestinationPort => DropReason::EhcPort,
            _ => DropReason::EhcAddress,
        }
    }

    fn ip_rows(&self) -> (&'static [Row], usize) {
        #[cfg(feature = "mote-ipv4")]
        if self.is_v4() {
            return (IPV4, IPV4_LEN);
        }
        (IPV6, IPV6_LEN)
    }

    /// Whether the selector admits the packet (RFC 4301 s4.4.1.1).
    pub fn admits(&self, packet: &[u8], head: &Head) -> bool {
        let (len, source, _) = addresses(packet);
        let source = part(packet, source, source + len);
        let destination = final_destination(packet, head);
        let destination = part(&destination, 0, len);
        let ports = head.ports(packet);
        let port = |[first, last]: [u16; 2], port: Option<u16>| match port {
            Some(port) => first <= port && port <= last,
            None => first == 0 && last == u16::MAX,
        };
        (self.protocol == 0 || self.protocol == head.protocol)
            && is_v4(packet) == self.is_v4()
            && within(source, &self.source_first, &self.source_last)
            && within(destination, &self.destination_first, &self.destination_last)
            && port(self.source_ports, ports.map(|(source, _)| source))
            && port(
                self.destination_ports,
                ports.map(|(_, destination)| destination),
            )
    }

    /// IIPC of the packet: in tunnel mode from its start, else from `head.insert_at`
    /// on. Changes nothing but `elided`.
    pub fn compress(
        &self,
        packet: &mut [u8],
        (head, tunnel): (&Head, bool),
        elided: &mut Headers,
    ) -> Result<(), DropReason> {
        let mut protocol = octet(packet, head.insert_name_at);
        let mut from = head.insert_at;
        let mut at = At::default();
        if !tunnel && self.protocol != 0 && protocol != self.protocol {
            return Err(match !is_v4(packet) && is_extension(protocol) {
                true => DropReason::EhcExtension,
                false => DropReason::EhcProtocol,
            });
        }
        // What is not read on the other side is taken for what was agreed.
        if tunnel && is_v4(packet) != self.is_v4() {
            return Err(DropReason::EhcVersion);
        }
        if self.compresses_inner() {
            if tunnel {
                self.check_shape(packet)?;
                let (rows, len) = self.ip_rows();
                self.walk(rows, (packet, &mut elided.octets), &mut at, false)?;
                from = len;
                protocol = octet(packet, name_at(self.ip_version));
                elided.header = len;
            }
            let (rows, len, checksum_at) = transport(protocol).ok_or(DropReason::EhcProtocol)?;
            if from + len > head.total {
                return Err(DropReason::EhcTruncated);
            }
            at.header = 0;
            let segment = packet.get_mut(from..).unwrap_or(&mut []);
            self.walk(rows, (segment, &mut elided.octets), &mut at, false)?;
            if len != 0 && self.no_guard == 0 {
                guard(packet, (head, from), (protocol, checksum_at))?;
            }
            elided.header += len;
            elided.residue = at.residue.div_ceil(8);
        }
        if self.admits(packet, head) {
            Ok(())
        } else {
            Err(DropReason::Selector)
        }
    }

    /// What makes the fixed rule of an IPv4 header impossible.
    fn check_shape(&self, packet: &[u8]) -> Result<(), DropReason> {
        #[cfg(feature = "mote-ipv4")]
        if self.is_v4() {
            if octet(packet, 0) & 0x0f != 5 {
                return Err(DropReason::EhcOptions);
            }
            if word(packet, v4::FRAGMENT) & (v4::MF | v4::OFFSET) != 0 {
                return Err(DropReason::EhcFragment);
            }
            let exact = checksum(sum(part(packet, 0, IPV4_LEN), 0)) == 0;
            if self.no_guard == 0 && !(exact && word(packet, v4::CHECKSUM) != 0xffff) {
                return Err(DropReason::EhcChecksum);
            }
        }
        let _ = packet;
        Ok(())
    }

    /// The headers for the plaintext from `from` to `end` of `packet`, in front of
    /// which the outer header stands. Changes nothing of it.
    ///
    /// Errors: `EhcResidue`, `EhcMapping`, `BadInner`, `Unsupported` for a protocol
    /// whose rule this image does not have.
    pub fn restore(
        &self,
        packet: &mut [u8],
        (from, end): (usize, usize),
        (tunnel, next_header, sn): (bool, u8, u64),
        restored: &mut Headers,
    ) -> Result<(), DropReason> {
        let mut at = At::default();
        let mut protocol = next_header;
        let residue = packet.get_mut(from..end).unwrap_or(&mut []);
        if tunnel {
            let (rows, len) = self.ip_rows();
            self.walk(rows, (&mut restored.octets, residue), &mut at, true)?;
            restored.header = len;
            protocol = octet(&restored.octets, name_at(self.ip_version));
        }
        let (rows, len, checksum_at) = transport(protocol).ok_or(DropReason::Unsupported)?;
        let ip_len = restored.header;
        at.header = 0;
        let space = restored.octets.get_mut(ip_len..).unwrap_or(&mut []);
        self.walk(rows, (space, residue), &mut at, true)?;
        restored.header += len;
        restored.residue = at.residue.div_ceil(8);
        let payload_at = from + restored.residue;
        if payload_at > end {
            return Err(DropReason::EhcResidue);
        }
        let payload = part(packet, payload_at, end);
        if ip_len != 0 {
            self.fill_ip(restored, packet, (payload.len(), sn))?;
        }
        let segment = len + payload.len();
        let stated = u16::try_from(segment).map_err(|_| DropReason::BadInner)?;
        if len != 0 {
            let header = &mut restored.octets;
            if checksum_at == 6 {
                put(header, ip_len + 4, &stated.to_be_bytes());
            }
            let start = match ip_len {
                0 => pseudo(packet, protocol, stated),
                _ => pseudo(header, protocol, stated),
            };
            fill_checksum(
                header,
                (ip_len, len),
                payload,
                (protocol, checksum_at, start),
            );
        }
        Ok(())
    }

    /// The bits of [`class_and_flow`] that are the outer header's.
    pub fn lower(&self) -> u32 {
        let dscp = if self.dscp_cda == 1 { 0x3f << 22 } else { 0 };
        let ecn = if self.ecn_cda == 1 { 3 << 20 } else { 0 };
        let flow = if self.flow_label_cda == 1 {
            0xf_ffff
        } else {
            0
        };
        dscp | ecn | flow
    }

    /// Length, and what the outer header tells or is made here: bits that are 0 so
    /// far.
    fn fill_ip(
        &self,
        restored: &mut Headers,
        outer: &[u8],
        (payload, sn): (usize, u64),
    ) -> Result<(), DropReason> {
        let len = restored.header;
        let header = &mut restored.octets;
        let hop = octet(outer, hop_limit_at(outer));
        let mut made = class_and_flow(outer) & self.lower();
        #[cfg(feature = "mote-ipv4")]
        if self.is_v4() {
            set(header, v4::TTL, hop);
            if self.flow_label_cda == 2 {
                made |= u32::from(word(&sn.to_be_bytes(), 6));
            }
            return fill_v4(header, made, len + payload);
        }
        let _ = sn;
        set(header, v6::HOP_LIMIT, hop);
        let length = u16::try_from(len - IPV6_LEN + payload).map_err(|_| DropReason::BadInner)?;
        put(header, v6::PAYLOAD_LENGTH, &length.to_be_bytes());
        if self.flow_label_cda == 2 {
            made |= generated(header, len);
        }
        let made = long(header, 0) | made;
        put(header, 0, &made.to_be_bytes());
        Ok(())
    }
}

/// The fields of an IPv4 header that are made here.
#[cfg(feature = "mote-ipv4")]
fn fill_v4(header: &mut [u8], made: u32, total: usize) -> Result<(), DropReason> {
    if octet(header, 0) & 0x0f != 5 || word(header, v4::FRAGMENT) & (v4::MF | v4::OFFSET) != 0 {
        return Err(DropReason::BadInner);
    }
    let total = u16::try_from(total).map_err(|_| DropReason::BadInner)?;
    put(header, v4::TOTAL_LENGTH, &total.to_be_bytes());
    let [_, _, high, low] = made.to_be_bytes();
    let [.., class] = (made >> 20).to_be_bytes();
    for (at, made) in [(v4::TOS, class), (v4::ID, high), (v4::ID + 1, low)] {
        let there = octet(header, at);
        set(header, at, there | made);
    }
    let sum = checksum(sum(part(header, 0, IPV4_LEN), 0));
    put(header, v4::CHECKSUM, &sum.to_be_bytes());
    Ok(())
}

/// The octet of an IP header that names what is behind it.
fn name_at(version: u8) -> usize {
    #[cfg(feature = "mote-ipv4")]
    if version == 4 {
        return v4::PROTOCOL;
    }
    let _ = version;
    v6::NEXT_HEADER
}

/// The flow label that a receiver makes; see [`crate::diet_esp::generate`], whose
/// hash of addresses, ports and protocol this is.
fn generated(header: &[u8], len: usize) -> u32 {
    let protocol = octet(header, v6::NEXT_HEADER);
    let ports_end = if len > IPV6_LEN {
        IPV6_LEN + 4
    } else {
        IPV6_LEN
    };
    let mut hash = 0x811c_9dc5u32;
    let mut at = v6::SOURCE;
    loop {
        let last = at == ports_end;
        let octet = if last { protocol } else { octet(header, at) };
        hash = (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
        if last {
            break;
        }
        at += 1;
    }
    let label = (hash ^ hash >> 20) & 0xf_ffff;
    label.max(1)
}

fn is_tcp(protocol: u8) -> bool {
    cfg!(feature = "mote-tcp") && protocol == proto::TCP
}

/// Whether a protocol with a rule is UDP.
fn is_udp(protocol: u8) -> bool {
    let more = cfg!(any(
        feature = "mote-udp-lite",
        feature = "mote-tcp",
        feature = "mote-sctp"
    ));
    !more || protocol == proto::UDP
}

/// What a transport checksum covers besides the segment of `len` octets.
fn pseudo(packet: &[u8], protocol: u8, len: u16) -> u32 {
    let (octets, source, _) = addresses(packet);
    let addresses = part(packet, source, source + 2 * octets);
    sum(addresses, u32::from(protocol) + u32::from(len))
}

/// The checksum of the transport header from `at`, `len` octets long, in front of
/// `payload`.
fn fill_checksum(
    header: &mut [u8],
    (at, len): (usize, usize),
    payload: &[u8],
    (protocol, checksum_at, pseudo): (u8, usize, u32),
) {
    #[cfg(feature = "mote-sctp")]
    if protocol == proto::SCTP {
        let sum = crate::diet_esp::crc32c(&[part(header, at, at + len), payload]);
        return put(header, at + checksum_at, &sum);
    }
    let words = sum(payload, sum(part(header, at, at + len), pseudo));
    let mut value = checksum(words);
    // In UDP 0 would say "no checksum".
    if value == 0 && !is_tcp(protocol) {
        value = 0xffff;
    }
    put(header, at + checksum_at, &value.to_be_bytes());
}

/// What the receiver computes must be what stands in the packet, bit for bit; a
/// UDP checksum and a UDP-Lite coverage of 0 come back as their valid equivalents.
fn guard(
    packet: &[u8],
    (head, from): (&Head, usize),
    (protocol, checksum_at): (u8, usize),
) -> Result<(), DropReason> {
    let segment = part(packet, from, head.total);
    #[cfg(feature = "mote-sctp")]
    if protocol == proto::SCTP {
        let exact = crate::diet_esp::crc32c(&[segment]) == *part(segment, 8, 12);
        return if exact {
            Ok(())
        } else {
            Err(DropReason::EhcChecksum)
        };
    }
    let field = word(segment, checksum_at);
    let len = u16::try_from(segment.len()).unwrap_or(0);
    let stated = word(segment, 4);
    if is_udp(protocol) {
        if stated != len {
            return Err(DropReason::EhcLength);
        }
        if field == 0 {
            return Ok(());
        }
    }
    if cfg!(feature = "mote-udp-lite")
        && protocol == proto::UDP_LITE
        && stated != 0
        && stated != len
    {
        return Err(DropReason::EhcCoverage);
    }
    // The other form of 0 would not come back.
    let odd_one = if is_tcp(protocol) { 0xffff } else { 0 };
    let (octets, source, _) = addresses(packet);
    let source = part(packet, source, source + octets);
    let destination = final_destination(packet, head);
    let start = sum(source, u32::from(protocol) + u32::from(len));
    let words = sum(segment, sum(&destination, start));
    if checksum(words) == 0 && field != odd_one {
        Ok(())
    } else {
        Err(DropReason::EhcChecksum)
    }
}
