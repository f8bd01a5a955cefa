//! What would cost less: each change is made to the attributes, a context is
//! built of them, and its packets are counted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sprat_core::crypto::{Encr, Integ};
use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, DscpList, EcnCda, EspTrailer, FlowLabelCda,
    IipcProfile, Profile,
};
use sprat_core::selector::{AddrRange, PortRange};
use sprat_core::wire::ip::{Version, proto};

use super::cost::{Cipher, Traffic, compressed};
use super::rules::residue_bits;

/// Payload lengths after which every alignment repeats.
const LENGTHS: usize = 8;

/// A change and what it would save.
pub struct Advice {
    /// What to change.
    pub change: String,
    /// Octets that it saves with the asked payload length.
    pub octets: isize,
    /// Octets that it saves in all with [`LENGTHS`] payload lengths, from the asked
    /// one on: what an alignment makes of a single length is luck.
    pub sum: isize,
    /// Least and most octets with those.
    pub range: (isize, isize),
    /// Bits of residue and header that it saves.
    pub bits: isize,
    /// It stands in for another change, or few can afford it.
    pub apart: bool,
}

impl Advice {
    /// Octets saved, over all those lengths.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / LENGTHS as f64
    }
}

/// All advice on an SA.
pub struct Advices {
    /// Each change by itself.
    pub each: Vec<Advice>,
    /// Octets of a packet with all changes that go together.
    pub together: usize,
}

/// An SA and packets that it may carry.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// Its context.
    pub context: &'a Context,
    /// What carries it.
    pub carried: Carried,
    /// Its transforms.
    pub cipher: Cipher,
    /// The packets.
    pub traffic: Traffic,
    /// Its selectors are several, so that inner headers cannot be compressed.
    pub many_selectors: bool,
}

/// Attributes and transforms, as they are or as they might be.
#[derive(Clone, Copy)]
struct Choice {
    afrg: Afrg,
    cipher: Cipher,
}

/// One thing that may be changed: in words, and changed. `None` where it is as
/// lean as it gets.
type Step = fn(&Case<'_>, Choice) -> Option<(String, Choice)>;

/// Changes that go together, each upon the one before.
const STEPS: &[Step] = &[
    inner,
    protocol,
    source,
    destination,
    source_port,
    destination_port,
    dscp,
    ecn,
    flow_label,
    alignment,
    trailer,
    iv,
    spi,
    sn,
];

/// Changes that stand in for one of those, or that few can afford.
const OTHERS: &[Step] = &[
    aligned_source_ports,
    aligned_destination_ports,
    ipv6,
    no_spi,
    no_sn,
];

/// What would make the packets of this SA shorter.
pub fn advices(case: &Case<'_>) -> Advices {
    let now = Choice {
        afrg: *case.context.afrg(),
        cipher: case.cipher,
    };
    let each = STEPS.iter().map(|step| (step, false));
    let mut each: Vec<Advice> = each
        .chain(OTHERS.iter().map(|step| (step, true)))
        .filter_map(|(step, apart)| Some((step(case, now)?, apart)))
        .filter_map(|((change, then), apart)| advice(case, (now, then), (change, apart)))
        .collect();
    each.sort_by_key(|advice| (advice.apart, -advice.sum, -advice.bits));
    let all = STEPS.iter().fold(now, |choice, step| {
        let next = step(case, choice).map(|(_, next)| next);
        next.filter(|next| context(case, *next).is_some())
            .unwrap_or(choice)
    });
    Advices {
        each,
        together: octets(case, all, 0).unwrap_or(0),
    }
}

/// The context of a choice; `None` if the attributes make none.
fn context(case: &Case<'_>, choice: Choice) -> Option<Context> {
    Context::new(choice.afrg, &case.carried).ok()
}

/// Octets of a packet whose payload is `more` octets longer.
fn octets(case: &Case<'_>, choice: Choice, more: usize) -> Option<usize> {
    let traffic = Traffic {
        payload: case.traffic.payload + more,
        ..case.traffic
    };
    let context = context(case, choice)?;
    Some(compressed(&context, choice.cipher, traffic).octets())
}

fn bits(case: &Case<'_>, choice: Choice) -> Option<usize> {
    let context = context(case, choice)?;
    let header = choice.afrg.esp_spi_lsb + choice.afrg.esp_sn_lsb;
    Some(residue_bits(&context, case.traffic.protocol) + usize::from(header))
}

fn advice(
    case: &Case<'_>,
    (now, then): (Choice, Choice),
    (change, apart): (String, bool),
) -> Option<Advice> {
    let less = |now: usize, then: usize| now.cast_signed() - then.cast_signed();
    let saved: Vec<isize> = (0..LENGTHS)
        .map(|more| Some(less(octets(case, now, more)?, octets(case, then, more)?)))
        .collect::<Option<_>>()?;
    let advice = Advice {
        change,
        octets: *saved.first()?,
        sum: saved.iter().sum(),
        range: (*saved.iter().min()?, *saved.iter().max()?),
        bits: less(bits(case, now)?, bits(case, then)?),
        apart,
    };
    (advice.range.1 > 0 || advice.bits > 0).then_some(advice)
}

fn with(
    choice: Choice,
    text: impl Into<String>,
    change: impl FnOnce(&mut Afrg),
) -> Option<(String, Choice)> {
    let mut next = choice;
    change(&mut next.afrg);
    Some((text.into(), next))
}

fn inner(case: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    if choice.afrg.compresses_inner() || case.many_selectors {
        return None;
    }
    let text = match choice.afrg.profile {
        Profile::DietEsp2016 => "profile = \"diet-esp-07\": compress inner headers, too",
        _ => "iipc_profile = \"iipc_diet-esp\": compress inner headers, too",
    };
    with(choice, text, |afrg| {
        afrg.iipc_profile = IipcProfile::DietEsp;
        if afrg.profile == Profile::DietEsp2016 {
            afrg.profile = Profile::DietEsp07;
        }
    })
}

fn protocol(case: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    if choice.afrg.selector.protocol.is_some() {
        return None;
    }
    let protocol = case.traffic.protocol;
    let text = format!(
        "one protocol, {}, in the selector",
        super::cost::protocol_name(protocol)
    );
    with(choice, text, |afrg| afrg.selector.protocol = Some(protocol))
}

/// Values that differ have `bits` of `all` sent.
fn single_text(what: &str, bits: u32, all: u32) -> String {
    format!("a single {what}: {bits} of its {all} bits are sent")
}

fn source(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let (bits, all, range) = single_address(&choice, choice.afrg.selector.source)?;
    with(choice, single_text("source address", bits, all), |afrg| {
        afrg.selector.source = range;
    })
}

fn destination(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let (bits, all, range) = single_address(&choice, choice.afrg.selector.destination)?;
    with(
        choice,
        single_text("destination address", bits, all),
        |afrg| {
            afrg.selector.destination = range;
        },
    )
}

/// Bits that differ in a range of addresses, bits of an address, its first alone.
fn single_address(choice: &Choice, range: AddrRange) -> Option<(u32, u32, AddrRange)> {
    if !choice.afrg.compresses_inner() {
        return None;
    }
    match (range, choice.afrg.ip_version?) {
        (AddrRange::Range { first, last }, _) if first == last => None,
        (AddrRange::Range { first, last }, _) => {
            let differ = match (first, last) {
                (IpAddr::V4(a), IpAddr::V4(b)) => 32 - (a.to_bits() ^ b.to_bits()).leading_zeros(),
                (IpAddr::V6(a), IpAddr::V6(b)) => 128 - (a.to_bits() ^ b.to_bits()).leading_zeros(),
                _ => return None,
            };
            let all = if first.is_ipv4() { 32 } else { 128 };
            Some((differ, all, AddrRange::single(first)))
        }
        (AddrRange::Any, Version::V4) => {
            Some((32, 32, AddrRange::single(Ipv4Addr::UNSPECIFIED.into())))
        }
        (AddrRange::Any, Version::V6) => {
            Some((128, 128, AddrRange::single(Ipv6Addr::UNSPECIFIED.into())))
        }
    }
}

/// First, last and bits in which they differ, of ports that are sent in part.
fn ports(choice: &Choice, range: PortRange) -> Option<(u16, u16, u32)> {
    let compressed = matches!(
        choice.afrg.selector.protocol?,
        proto::UDP | proto::UDP_LITE | proto::TCP | proto::SCTP
    );
    let (first, last) = match range {
        PortRange::Any => (0, u16::MAX),
        PortRange::Opaque => return None,
        PortRange::Range { first, last } => (first, last),
    };
    let differ = 16 - (first ^ last).leading_zeros();
    (compressed && choice.afrg.compresses_inner() && differ > 0).then_some((first, last, differ))
}

const fn one_port(port: u16) -> PortRange {
    PortRange::Range {
        first: port,
        last: port,
    }
}

fn source_port(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let (first, _, bits) = ports(&choice, choice.afrg.selector.source_ports)?;
    with(choice, single_text("source port", bits, 16), |afrg| {
        afrg.selector.source_ports = one_port(first);
    })
}

fn destination_port(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let (first, _, bits) = ports(&choice, choice.afrg.selector.destination_ports)?;
    with(choice, single_text("destination port", bits, 16), |afrg| {
        afrg.selector.destination_ports = one_port(first);
    })
}

/// As many ports, from a multiple of their number on: fewer bits differ.
fn aligned(choice: &Choice, range: PortRange, what: &str) -> Option<(String, PortRange)> {
    let (first, last, bits) = ports(choice, range)?;
    let count = (u32::from(last) - u32::from(first) + 1).next_power_of_two();
    let size = u16::try_from(count).ok()?;
    if count.trailing_zeros() >= bits {
        return None;
    }
    let start = first / size * size;
    let end = start + (size - 1);
    let text =
        format!("{what} ports {start}-{end}: as many as in {first}-{last}, and fewer bits differ");
    let range = PortRange::Range {
        first: start,
        last: end,
    };
    Some((text, range))
}

fn aligned_source_ports(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let (text, range) = aligned(&choice, choice.afrg.selector.source_ports, "source")?;
    with(choice, text, |afrg| afrg.selector.source_ports = range)
}

fn aligned_destination_ports(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let (text, range) = aligned(
        &choice,
        choice.afrg.selector.destination_ports,
        "destination",
    )?;
    with(choice, text, |afrg| afrg.selector.destination_ports = range)
}

/// Whether the profile has attributes for DSCP, ECN and flow label, and the SA
/// an inner IP header to use them on.
fn has_copied(case: &Case<'_>, afrg: &Afrg) -> bool {
    let newer = matches!(afrg.profile, Profile::DietEsp07 | Profile::Ehc2023);
    newer && afrg.compresses_inner() && case.carried.outer.is_some()
}

fn dscp(case: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let afrg = choice.afrg;
    let sent = match afrg.dscp_cda {
        DscpCda::NotCompressed => true,
        DscpCda::Lower => false,
        DscpCda::Sa => afrg.dscp_list.values().len() > 1,
    };
    if !sent || !has_copied(case, &afrg) {
        return None;
    }
    if !afrg.hardened {
        let text = "dscp_cda = \"lower\": the outer header's DSCP, unprotected";
        return with(choice, text, |afrg| afrg.dscp_cda = DscpCda::Lower);
    }
    let first = afrg.dscp_list.values().first().copied().unwrap_or(0);
    let list = DscpList::new(&[first])?;
    with(
        choice,
        "dscp_cda = \"sa\" with a list of one DSCP",
        |afrg| {
            afrg.dscp_cda = DscpCda::Sa;
            afrg.dscp_list = list;
        },
    )
}

fn ecn(case: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let afrg = choice.afrg;
    if afrg.ecn_cda == EcnCda::Lower || afrg.hardened || !has_copied(case, &afrg) {
        return None;
    }
    let text = "ecn_cda = \"lower\": the outer header's ECN field, unprotected";
    with(choice, text, |afrg| afrg.ecn_cda = EcnCda::Lower)
}

fn flow_label(case: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let afrg = choice.afrg;
    if afrg.flow_label_cda != FlowLabelCda::NotCompressed || !has_copied(case, &afrg) {
        return None;
    }
    let field = match afrg.ip_version? {
        Version::V4 => "Identification",
        Version::V6 => "flow label",
    };
    let mut lower = choice;
    lower.afrg.flow_label_cda = FlowLabelCda::Lower;
    if context(case, lower).is_some() {
        let text = format!("flow_label_cda = \"lower\": the outer header's {field}, unprotected");
        return Some((text, lower));
    }
    let text =
        format!("flow_label_cda = \"generated\" or \"zero\": the receiver makes the {field}");
    with(choice, text, |afrg| {
        afrg.flow_label_cda = FlowLabelCda::Generated;
    })
}

fn alignment(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    if choice.afrg.alignment == Alignment::Bits8 {
        return None;
    }
    let text = "alignment = 8: no padding, and no Pad Length";
    with(choice, text, |afrg| afrg.alignment = Alignment::Bits8)
}

fn trailer(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    if choice.afrg.esp_trailer == EspTrailer::Optional {
        return None;
    }
    let text = "esp_trailer = \"Optional\": what the receiver knows of the trailer is not sent";
    with(choice, text, |afrg| afrg.esp_trailer = EspTrailer::Optional)
}

/// The transform that makes its IV of the Sequence Number (RFC 8750), with an ICV
/// that is no shorter. Who only authenticates does not want to encrypt.
fn iv(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let Cipher { encr, iv, icv, .. } = choice.cipher;
    if iv == 0 || encr == Encr::NullAesGmac {
        return None;
    }
    let implicit = match encr {
        Encr::ChaCha20Poly1305 => Encr::ChaCha20Poly1305Iiv,
        _ if icv <= Encr::AesCcm8Iiv.icv_len() => Encr::AesCcm8Iiv,
        _ => Encr::AesGcm16Iiv,
    };
    let mut next = choice;
    next.cipher = Cipher::new(implicit, Integ::None);
    let name = implicit.name();
    let longer = match next.cipher.icv {
        other if other > icv => format!("; the ICV has {other} octets, not {icv}"),
        _ => String::new(),
    };
    let text = format!("{name}: the number makes the IV, whose {iv} octets are not sent{longer}");
    Some((text, next))
}

/// The least bits of one of the two that fill octets with the other's.
fn filling(other: u8, least: u8) -> u8 {
    least + (8 - (least + other) % 8) % 8
}

fn spi(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let bits = filling(choice.afrg.esp_sn_lsb, 4);
    if bits >= choice.afrg.esp_spi_lsb {
        return None;
    }
    let text = format!("esp_spi_lsb = {bits}: for SAs that few bits tell apart");
    with(choice, text, |afrg| afrg.esp_spi_lsb = bits)
}

fn sn(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let bits = filling(choice.afrg.esp_spi_lsb, 8);
    if bits >= choice.afrg.esp_sn_lsb {
        return None;
    }
    let count = 1u32 << bits;
    let text =
        format!("esp_sn_lsb = {bits}: window and longest loss together below {count} packets");
    with(choice, text, |afrg| afrg.esp_sn_lsb = bits)
}

fn no_spi(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    if choice.afrg.esp_spi_lsb == 0 {
        return None;
    }
    let text = "esp_spi_lsb = 0: where it is the receiver's only SA";
    with(choice, text, |afrg| afrg.esp_spi_lsb = 0)
}

fn no_sn(_: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    if choice.afrg.esp_sn_lsb == 0 {
        return None;
    }
    let text = "esp_sn_lsb = 0: on a link that neither loses nor reorders";
    with(choice, text, |afrg| afrg.esp_sn_lsb = 0)
}

/// The same selector in IPv6, where no IHL, Flags and Fragment Offset are.
fn ipv6(case: &Case<'_>, choice: Choice) -> Option<(String, Choice)> {
    let v4 = choice.afrg.ip_version == Some(Version::V4);
    if !v4 || !choice.afrg.compresses_inner() || case.carried.outer.is_none() {
        return None;
    }
    let mapped = |address: IpAddr| match address {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        v6 => v6,
    };
    let range = |range: AddrRange| match range {
        AddrRange::Any => AddrRange::Range {
            first: mapped(Ipv4Addr::UNSPECIFIED.into()),
            last: mapped(Ipv4Addr::BROADCAST.into()),
        },
        AddrRange::Range { first, last } => AddrRange::Range {
            first: mapped(first),
            last: mapped(last),
        },
    };
    let text = "IPv6 inside: of IPv4, IHL, Flags and Fragment Offset are always sent, 20 bits";
    with(choice, text, |afrg| {
        afrg.ip_version = Some(Version::V6);
        afrg.selector.source = range(afrg.selector.source);
        afrg.selector.destination = range(afrg.selector.destination);
    })
}
