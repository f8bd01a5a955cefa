//! Random contexts and packets that often fit each other, and what the texts say
//! about them. Nothing here asks the core what is right.
#![allow(dead_code)]

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::test_runner::TestRng;
use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, DscpCda, DscpList, EcnCda, Ehc2019, EspTrailer, FlowLabelCda,
    IipcProfile, OuterFields, Profile,
};
use sprat_core::num::Spi;
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::wire::ip::Version;

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const SCTP: u8 = 132;
pub const UDP_LITE: u8 = 136;
const ICMPV6: u8 = 58;

/// As many cases as `PROPTEST_CASES` asks for, else 2,000.
pub fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 2000;
    }
    // What is drawn from a random source has no smaller form.
    config.max_shrink_iters = 0;
    config
}

/// One SA and one packet for it.
#[derive(Clone)]
pub struct Way {
    pub afrg: Afrg,
    pub carried: Carried,
    pub packet: Vec<u8>,
    /// The outer header but for what is copied from the inner one.
    pub plain: OuterFields,
}

/// Ways whose packet may have a fault.
pub fn way() -> impl Strategy<Value = Way> {
    Just(()).prop_perturb(|(), mut rng| Way::draw(&mut rng))
}

/// On one line, the packet as hex: many octets on many lines hide the rest.
impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?} ", self.afrg, self.carried, self.plain)?;
        self.packet
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Way {
    fn draw(rng: &mut TestRng) -> Self {
        let v6 = rng.random_bool(0.65);
        let likely_template = v6 && rng.random_bool(0.4);
        let mut draft = Draft::draw(rng, v6);
        if likely_template {
            draft.protocol = UDP;
            draft.refill(rng);
        }
        let transport = !likely_template && rng.random_bool(0.25);
        let outer = if rng.random_bool(0.6) {
            Version::V6
        } else {
            Version::V4
        };
        let mut afrg = afrg(rng, &draft, likely_template);
        if afrg.flow_label_cda == FlowLabelCda::Zero && rng.random_bool(0.8) {
            draft.flow = 0;
        }
        if afrg.hardened {
            unlower(&mut afrg);
        }
        let mut packet = draft.emit();
        if rng.random_bool(0.45) {
            fault(rng, &mut draft, &mut packet);
        }
        let header = if v6 { 40 } else { 20 };
        if transport && packet.len() < header {
            // Transport mode has found its place behind the header.
            packet.resize(header, 0);
        }
        Way {
            afrg,
            carried: Carried {
                spi: Spi(rng.random_range(256..=u32::MAX)),
                outer: (!transport).then_some(outer),
                udp: false,
            },
            packet,
            plain: OuterFields {
                version: outer,
                traffic_class: rng.random(),
                hop_limit: rng.random(),
                flow: rng.random::<u32>()
                    & if outer == Version::V6 {
                        0xf_ffff
                    } else {
                        0xffff
                    },
            },
        }
    }
}

fn unlower(afrg: &mut Afrg) {
    if afrg.dscp_cda == DscpCda::Lower {
        afrg.dscp_cda = DscpCda::NotCompressed;
    }
    afrg.ecn_cda = EcnCda::NotCompressed;
    if afrg.flow_label_cda == FlowLabelCda::Lower {
        afrg.flow_label_cda = FlowLabelCda::Generated;
    }
}

fn one_of<T: Copy>(rng: &mut TestRng, all: &[T]) -> T {
    all[rng.random_range(0..all.len())]
}

/// A range that holds `value`: itself, a prefix, no prefix, or everything.
fn ends(rng: &mut TestRng, value: u128, width: u32, single: bool) -> (u128, u128) {
    let most = u128::MAX >> (128 - width);
    let form = if single { 0.0 } else { rng.random::<f64>() };
    let reach = most >> rng.random_range(0..width);
    match form {
        ..0.35 => (value, value),
        0.35..0.6 => (value & !reach, value | reach),
        0.6..0.9 => (
            value.saturating_sub(rng.random::<u128>() & reach),
            value.saturating_add(rng.random::<u128>() & reach).min(most),
        ),
        _ => (0, most),
    }
}

fn address(value: u128, v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(value.into())
    } else {
        IpAddr::V4(u32::try_from(value).unwrap().into())
    }
}

fn addresses(rng: &mut TestRng, value: u128, v6: bool, single: bool) -> AddrRange {
    if !single && rng.random_bool(0.1) {
        return AddrRange::Any;
    }
    let (first, last) = ends(rng, value, if v6 { 128 } else { 32 }, single);
    AddrRange::range(address(first, v6), address(last, v6)).unwrap()
}

fn ports(rng: &mut TestRng, value: u16, single: bool) -> PortRange {
    match rng.random_range(0..10) {
        0 if !single => PortRange::Any,
        1 if !single => PortRange::Opaque,
        _ => {
            let (first, last) = ends(rng, value.into(), 16, single);
            PortRange::Range {
                first: first.try_into().unwrap(),
                last: last.try_into().unwrap(),
            }
        }
    }
}

fn dscps(rng: &mut TestRng, dscp: u8, single: bool) -> DscpList {
    let len = if single {
        1
    } else {
        one_of(rng, &[1, 1, 2, 3, 4, 5, 8, 9, 33, 64])
    };
    let mut values: Vec<u8> = (0..64).collect();
    for at in (1..64).rev() {
        values.swap(at, rng.random_range(0..=at));
    }
    values.truncate(len);
    if !values.contains(&dscp) && rng.random_bool(0.9) {
        values[rng.random_range(0..len)] = dscp;
    }
    DscpList::new(&values).unwrap()
}

/// Bits of SPI and number that make whole octets.
fn lsb(rng: &mut TestRng, octets: bool) -> (u8, u8) {
    let spi = rng.random_range(0..=32);
    if octets {
        return (spi / 8 * 8, rng.random_range(0..=4) * 8);
    }
    let least = (8 - spi % 8) % 8;
    (spi, least + 8 * rng.random_range(0..=(32 - least) / 8))
}

fn afrg(rng: &mut TestRng, draft: &Draft, likely_template: bool) -> Afrg {
    let single = likely_template && rng.random_bool(0.9);
    let (source_port, destination_port) = draft.ports();
    let selector = Selector {
        source: addresses(rng, draft.source, draft.v6, single),
        destination: addresses(rng, draft.destination, draft.v6, single),
        protocol: (single || rng.random_bool(0.7)).then_some(draft.protocol),
        source_ports: ports(rng, source_port, single),
        destination_ports: ports(rng, destination_port, single),
    };
    let version = if draft.v6 { Version::V6 } else { Version::V4 };
    let mut afrg = Afrg::new(version, selector);
    afrg.profile = one_of(
        rng,
        &[
            Profile::DietEsp07,
            Profile::DietEsp07,
            Profile::Ehc2019,
            Profile::Ehc2023,
        ],
    );
    if rng.random_bool(0.05) {
        afrg.iipc_profile = IipcProfile::NotCompressed;
        afrg.profile = one_of(rng, &[Profile::DietEsp07, Profile::DietEsp2016]);
    }
    afrg.dscp_cda = one_of(rng, DscpCda::ALL);
    afrg.ecn_cda = one_of(rng, EcnCda::ALL);
    afrg.flow_label_cda = one_of(rng, FlowLabelCda::ALL);
    if single {
        afrg.dscp_cda = one_of(rng, &[DscpCda::Lower, DscpCda::Sa]);
        afrg.ecn_cda = EcnCda::Lower;
        afrg.flow_label_cda = one_of(rng, &[FlowLabelCda::Lower, FlowLabelCda::Zero]);
    }
    afrg.dscp_list = dscps(rng, draft.class >> 2, single);
    afrg.alignment = one_of(rng, Alignment::ALL);
    afrg.esp_trailer = one_of(rng, EspTrailer::ALL);
    let octets = afrg.profile != Profile::DietEsp07;
    (afrg.esp_spi_lsb, afrg.esp_sn_lsb) = lsb(rng, octets);
    afrg.outer_id = true;
    afrg.hardened = rng.random_bool(0.05);
    afrg.ehc2019 = Ehc2019 {
        udplite_whole: rng.random(),
        tcp_options: rng.random(),
        tcp_urgent: rng.random(),
    };
    afrg
}

/// A packet before it is octets.
struct Draft {
    v6: bool,
    class: u8,
    flow: u32,
    hop_limit: u8,
    source: u128,
    destination: u128,
    protocol: u8,
    flags: u16,
    segment: Vec<u8>,
}

impl Draft {
    fn draw(rng: &mut TestRng, v6: bool) -> Self {
        let protocols = [UDP, UDP, TCP, TCP, UDP_LITE, SCTP, 1, ICMPV6, 59, 50, 60];
        let most = if v6 { u128::MAX } else { u32::MAX.into() };
        let mut draft = Draft {
            v6,
            class: rng.random(),
            flow: rng.random::<u32>() & if v6 { 0xf_ffff } else { 0xffff },
            hop_limit: rng.random(),
            source: rng.random::<u128>() & most,
            destination: rng.random::<u128>() & most,
            protocol: one_of(rng, &protocols),
            flags: one_of(rng, &[0x4000, 0x4000, 0, 0x8000]),
            segment: Vec::new(),
        };
        draft.refill(rng);
        draft
    }

    /// Another segment of the protocol.
    fn refill(&mut self, rng: &mut TestRng) {
        let len = match rng.random_range(0..20) {
            0 => 0,
            1 => rng.random_range(200..1500),
            _ => rng.random_range(0..40),
        };
        self.segment = (0..header_len(self.protocol) + len)
            .map(|_| rng.random())
            .collect();
        if self.protocol == TCP && rng.random_bool(0.5) {
            self.segment[12] = 0x50;
            self.segment[18..20].fill(0);
        }
        self.complete();
    }

    /// Lengths and checksum of the transport header.
    fn complete(&mut self) {
        let len = self.segment.len();
        if matches!(self.protocol, UDP | UDP_LITE) && len >= 8 {
            let stated = u16::try_from(len).unwrap();
            self.segment[4..6].copy_from_slice(&stated.to_be_bytes());
        }
        let Some(at) = checksum_at(self.protocol).filter(|at| at + 2 <= len) else {
            return;
        };
        let right = self.checksum();
        self.segment[at..at + right.len()].copy_from_slice(&right);
    }

    fn checksum(&self) -> Vec<u8> {
        checksum(self.protocol, &self.pseudo(), &self.segment)
    }

    /// Source and destination address.
    fn pseudo(&self) -> Vec<u8> {
        let at = if self.v6 { 0 } else { 12 };
        let octets = |address: u128| address.to_be_bytes()[at..].to_vec();
        [octets(self.source), octets(self.destination)].concat()
    }

    fn ports(&self) -> (u16, u16) {
        let at = |at| match self.segment.get(at..at + 2) {
            Some(two) => u16::from_be_bytes([two[0], two[1]]),
            None => 0,
        };
        (at(0), at(2))
    }

    fn emit(&self) -> Vec<u8> {
        let len = u16::try_from(self.segment.len()).unwrap();
        let mut packet = Vec::new();
        if self.v6 {
            let word = 6 << 28 | u32::from(self.class) << 20 | self.flow;
            packet.extend(word.to_be_bytes());
            packet.extend(len.to_be_bytes());
            packet.extend([self.protocol, self.hop_limit]);
            packet.extend(self.pseudo());
        } else {
            packet.extend([0x45, self.class]);
            packet.extend((len + 20).to_be_bytes());
            packet.extend(u16::try_from(self.flow).unwrap().to_be_bytes());
            packet.extend(self.flags.to_be_bytes());
            packet.extend([self.hop_limit, self.protocol, 0, 0]);
            packet.extend(self.pseudo());
            let sum = folded(&packet, 0);
            packet[10..12].copy_from_slice(&(!sum).to_be_bytes());
        }
        packet.extend(&self.segment);
        packet
    }
}

/// Octets of transport header that rules know; 0 for all else.
pub fn header_len(protocol: u8) -> usize {
    match protocol {
        UDP | UDP_LITE => 8,
        TCP => 20,
        SCTP => 12,
        _ => 0,
    }
}

fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        UDP | UDP_LITE => Some(6),
        TCP => Some(16),
        SCTP => Some(8),
        _ => None,
    }
}

/// The sum of RFC 1071, folded.
pub fn folded(octets: &[u8], start: u32) -> u16 {
    let mut sum = u64::from(start);
    for pair in octets.chunks(2) {
        sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

/// What the checksum field of `segment` must hold, whatever it holds now.
pub fn checksum(protocol: u8, pseudo: &[u8], segment: &[u8]) -> Vec<u8> {
    let at = checksum_at(protocol).unwrap();
    let mut zeroed = segment.to_vec();
    if protocol == SCTP {
        zeroed[at..at + 4].fill(0);
        return crc32c(&zeroed).to_le_bytes().to_vec();
    }
    zeroed[at..at + 2].fill(0);
    let start = u32::try_from(segment.len()).unwrap() + u32::from(protocol);
    let rest = folded(pseudo, start);
    let sum = !folded(&zeroed, rest.into());
    match (sum, protocol) {
        (0, UDP | UDP_LITE) => vec![0xff, 0xff],
        (sum, _) => sum.to_be_bytes().to_vec(),
    }
}

/// RFC 3720 appendix B.4, bit by bit.
fn crc32c(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in octets {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// Makes the packet one that may not come back.
fn fault(rng: &mut TestRng, draft: &mut Draft, packet: &mut Vec<u8>) {
    let header = if draft.v6 { 40 } else { 20 };
    let len = packet.len();
    match rng.random_range(0..11) {
        0 => {
            let at = rng.random_range(0..len.min(70));
            packet[at] ^= 1 << rng.random_range(0..8);
        }
        1 => packet.truncate(rng.random_range(0..len)),
        2 => packet.extend((0..rng.random_range(1..9)).map(|_| rng.random::<u8>())),
        3 => {
            let keep = rng.random_range(0..=draft.segment.len().min(24));
            draft.segment.truncate(keep);
            *packet = draft.emit();
        }
        4 if draft.protocol == UDP => packet[header + 6..header + 8].fill(0),
        4 | 5 if draft.protocol == UDP_LITE => {
            let coverage = one_of(rng, &[0, 0, 8, 1, draft.segment.len() + 1]);
            let coverage = u16::try_from(coverage).unwrap();
            draft.segment[4..6].copy_from_slice(&coverage.to_be_bytes());
            let right = draft.checksum();
            draft.segment[6..8].copy_from_slice(&right);
            *packet = draft.emit();
        }
        6 => {
            all_ones(draft);
            *packet = draft.emit();
            if let Some(at) = checksum_at(draft.protocol).filter(|_| rng.random()) {
                let field = packet.get_mut(header + at..header + at + 2);
                field
                    .unwrap_or(&mut [])
                    .iter_mut()
                    .for_each(|octet| *octet = !*octet);
            }
        }
        7 if !draft.v6 => {
            draft.flags = one_of(rng, &[0x2000, 1, 0x1fff, 0x6000, 0xe000]);
            *packet = draft.emit();
        }
        8 if !draft.v6 => {
            packet[0] = one_of(rng, &[0x46, 0x44, 0x40, 0x4f]);
        }
        9 => {
            // A Destination Options header in front.
            let name_at = if draft.v6 { 6 } else { 9 };
            packet[name_at] = 60;
            packet.splice(header..header, [draft.protocol, 0, 1, 4, 0, 0, 0, 0]);
            if draft.v6 {
                let len = u16::try_from(packet.len() - 40).unwrap();
                packet[4..6].copy_from_slice(&len.to_be_bytes());
            }
        }
        _ => packet.iter_mut().for_each(|octet| *octet = rng.random()),
    }
}

/// Changes the last whole word of the payload so that the sum is all ones, whose
/// complement is 0.
fn all_ones(draft: &mut Draft) {
    let Some(at) = checksum_at(draft.protocol).filter(|_| draft.protocol != SCTP) else {
        return;
    };
    let word = header_len(draft.protocol);
    if draft.segment.len() < word + 2 {
        return;
    }
    draft.segment[word..word + 2].fill(0);
    draft.complete();
    let sum = match draft.segment[at..at + 2] {
        [0xff, 0xff] if draft.protocol != TCP => [0, 0],
        [high, low] => [high, low],
        _ => return,
    };
    // The complement of the sum without the word is what the word must be.
    draft.segment[word..word + 2].copy_from_slice(&sum);
    draft.complete();
}

/// Bits that both ends share.
fn common(first: u128, last: u128, width: u32) -> u32 {
    width - (128 - (first ^ last).leading_zeros())
}

fn number(address: &IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn shares(octets: &[u8], range: Option<(u128, u128)>) -> bool {
    let Some((first, last)) = range else {
        return true;
    };
    let width = u32::try_from(octets.len() * 8).unwrap();
    let value = octets
        .iter()
        .fold(0u128, |value, octet| value << 8 | u128::from(*octet));
    let rest = width - common(first, last, width);
    rest == 128 || value >> rest == first >> rest
}

/// Both ends of what the text leaves out some of; that of 2019 knows single values
/// only.
fn known(afrg: &Afrg, (first, last): (u128, u128)) -> Option<(u128, u128)> {
    (afrg.profile != Profile::Ehc2019 || first == last).then_some((first, last))
}

fn address_ends(afrg: &Afrg, range: &AddrRange) -> Option<(u128, u128)> {
    match range {
        AddrRange::Any => None,
        AddrRange::Range { first, last } => known(afrg, (number(first), number(last))),
    }
}

fn port_ends(afrg: &Afrg, range: &PortRange) -> Option<(u128, u128)> {
    match range {
        PortRange::Any | PortRange::Opaque => None,
        PortRange::Range { first, last } => known(afrg, ((*first).into(), (*last).into())),
    }
}

/// Whether the text has a rule for a transport header: its octets, 0 for none.
pub fn covered(afrg: &Afrg, protocol: u8) -> usize {
    let old = afrg.profile == Profile::Ehc2019;
    if old && (afrg.selector.protocol.is_none() || protocol == SCTP) {
        return 0;
    }
    header_len(protocol)
}

/// Whether a segment fits its rule and comes back (digest section 11).
pub fn segment_fits(afrg: &Afrg, protocol: u8, pseudo: &[u8], segment: &[u8]) -> bool {
    if afrg.selector.protocol.is_some_and(|only| only != protocol) {
        return false;
    }
    let len = covered(afrg, protocol);
    if len == 0 || segment.len() < len {
        return segment.len() >= len;
    }
    let word = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    let in_ports = shares(&segment[..2], port_ends(afrg, &afrg.selector.source_ports))
        && shares(
            &segment[2..4],
            port_ends(afrg, &afrg.selector.destination_ports),
        );
    let at = checksum_at(protocol).unwrap();
    let right = checksum(protocol, pseudo, segment);
    let right = segment[at..at + right.len()] == right;
    let whole = usize::from(word(4)) == segment.len();
    let old = afrg.profile == Profile::Ehc2019;
    in_ports
        && match protocol {
            UDP => whole && (right || word(6) == 0),
            UDP_LITE if old && !afrg.ehc2019.udplite_whole => true,
            UDP_LITE => (whole || word(4) == 0) && right,
            TCP if old => {
                right
                    && (afrg.ehc2019.tcp_options || segment[12] == 0x50)
                    && (afrg.ehc2019.tcp_urgent || word(18) == 0)
            }
            _ => right,
        }
}

/// Whether a packet fits the rule of its SA and comes back (digest section 11).
pub fn packet_fits(afrg: &Afrg, packet: &[u8]) -> bool {
    let v6 = afrg.ip_version == Some(Version::V6);
    let (version, header, name_at, at) = if v6 { (6, 40, 6, 8) } else { (4, 20, 9, 12) };
    if packet.len() < header || packet[0] >> 4 != version {
        return false;
    }
    let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let size = (header - at) / 2;
    let (source, destination) = packet[at..header].split_at(size);
    let selector = &afrg.selector;
    let in_addresses = shares(source, address_ends(afrg, &selector.source))
        && shares(destination, address_ends(afrg, &selector.destination));
    let class = if v6 {
        word(0) >> 4 & 0xff
    } else {
        word(0) & 0xff
    };
    let flow = if v6 {
        u32::from(word(0) & 15) << 16 | u32::from(word(2))
    } else {
        word(4).into()
    };
    let old = afrg.profile == Profile::Ehc2019;
    let dscp = u8::try_from(class >> 2).unwrap();
    let marked = old || afrg.dscp_cda != DscpCda::Sa || afrg.dscp_list.values().contains(&dscp);
    let labelled = old || afrg.flow_label_cda != FlowLabelCda::Zero || flow == 0;
    let whole = if v6 {
        usize::from(word(4)) == packet.len() - 40
    } else {
        usize::from(word(2)) == packet.len()
            && packet[0] == 0x45
            && word(6) & 0x3fff == 0
            && (!old || word(6) == 0x4000)
            && !folded(&[&packet[..10], &packet[12..20]].concat(), 0) == word(10)
    };
    in_addresses
        && marked
        && labelled
        && whole
        && segment_fits(
            afrg,
            packet[name_at],
            &packet[at..header],
            &packet[header..],
        )
}

/// The packet that comes back: the exceptions of digest section 11 to what was sent.
pub fn returned(way: &Way) -> Vec<u8> {
    let mut packet = way.packet.clone();
    let v6 = way.afrg.ip_version == Some(Version::V6);
    let (header, name_at, at) = if v6 { (40, 6, 8) } else { (20, 9, 12) };
    let lower = way.afrg.flow_label_cda == FlowLabelCda::Lower;
    let old = way.afrg.profile == Profile::Ehc2019;
    if v6 && lower && !old && way.carried.outer == Some(Version::V4) {
        packet[1] &= 0xf0;
    }
    let protocol = packet[name_at];
    if covered(&way.afrg, protocol) > 0 {
        let pseudo = packet[at..header].to_vec();
        let segment = &mut packet[header..];
        let zero_checksum = protocol == UDP && segment[6..8] == [0, 0];
        let sent = old && !way.afrg.ehc2019.udplite_whole;
        let zero_coverage = protocol == UDP_LITE && !sent && segment[4..6] == [0, 0];
        if zero_coverage {
            let len = u16::try_from(segment.len()).unwrap();
            segment[4..6].copy_from_slice(&len.to_be_bytes());
        }
        if zero_checksum || zero_coverage {
            let right = checksum(protocol, &pseudo, segment);
            segment[6..8].copy_from_slice(&right);
        }
    }
    packet
}

/// Bits of residue (digest section 4, and section 3 of the forms of 2016 to 2019).
pub fn residue_bits(way: &Way, protocol: u8) -> u32 {
    let afrg = &way.afrg;
    let selector = &afrg.selector;
    let old = afrg.profile == Profile::Ehc2019;
    let sent = |ends: Option<(u128, u128)>, width: u32| {
        ends.map_or(width, |(first, last)| width - common(first, last, width))
    };
    let named = if selector.protocol.is_some() { 0 } else { 8 };
    let v6 = afrg.ip_version == Some(Version::V6);
    let width = if v6 { 128 } else { 32 };
    let addresses = sent(address_ends(afrg, &selector.source), width)
        + sent(address_ends(afrg, &selector.destination), width);
    let over_v6 = way.carried.outer == Some(Version::V6);
    let ip = match (old, v6) {
        _ if way.carried.outer.is_none() => 0,
        // Traffic Class and Flow Label with Version, or TOS and Identification.
        (true, true) => named + addresses + if over_v6 { 0 } else { 32 },
        (true, false) => named + addresses + 24,
        (false, true) => named + addresses + marks(afrg, 20),
        // IHL, flags and offset.
        (false, false) => named + addresses + marks(afrg, 16) + 20,
    };
    if covered(afrg, protocol) == 0 {
        return ip;
    }
    let ports = sent(port_ends(afrg, &selector.source_ports), 16)
        + sent(port_ends(afrg, &selector.destination_ports), 16);
    let if_so = |flag: bool, bits: u32| if flag { bits } else { 0 };
    let agreed = &afrg.ehc2019;
    let rest = match protocol {
        // Numbers, flags and window; offset and reserved bits; Urgent Pointer.
        TCP if old => 64 + 24 + if_so(agreed.tcp_options, 8) + if_so(agreed.tcp_urgent, 16),
        TCP => 112,
        SCTP => 32,
        UDP_LITE if old => if_so(!agreed.udplite_whole, 32),
        _ => 0,
    };
    ip + ports + rest
}

/// DSCP, ECN and a label of `label` bits.
fn marks(afrg: &Afrg, label: u32) -> u32 {
    let dscp = match afrg.dscp_cda {
        DscpCda::NotCompressed => 6,
        DscpCda::Lower => 0,
        // As many bits as the last index has.
        DscpCda::Sa => usize::BITS - (afrg.dscp_list.values().len() - 1).leading_zeros(),
    };
    let ecn = if afrg.ecn_cda == EcnCda::Lower { 0 } else { 2 };
    let sent = afrg.flow_label_cda == FlowLabelCda::NotCompressed;
    dscp + ecn + if sent { label } else { 0 }
}

/// Octets of Pad Length and Next Header, and what all is a multiple of (digest
/// section 6).
pub fn trailer(way: &Way, block: usize) -> (usize, usize, usize) {
    let align = match way.afrg.alignment {
        Alignment::Bits8 => 1,
        Alignment::Bits16 => 2,
        Alignment::Bits32 => 4,
        Alignment::Bits64 => 8,
    };
    let align = align.max(block);
    if way.afrg.esp_trailer == EspTrailer::Mandatory {
        return (1, 1, align);
    }
    let any = way.carried.outer.is_none() && way.afrg.selector.protocol.is_none();
    (usize::from(align > 1), usize::from(any), align)
}
