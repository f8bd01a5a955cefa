//! `[sa.ehc]`: Diet-ESP on one SA, its keys named as the draft names the attributes.

use std::collections::HashMap;

use sprat_core::diet_esp::{
    Afrg, Alignment, Context, ContextError, DscpCda, DscpList, EcnCda, Ehc, Ehc2019, EspTrailer,
    FlowLabelCda, IipcProfile, Profile,
};
use sprat_core::sa::SaParams;
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::wire::ip::Version;

use crate::reader::{Reader, Section};
use crate::{Direction, schema};

const PATH: &str = "sa.ehc";
/// Further numbers tried after an ICV failure, at most.
const MAX_RESYNC: u16 = 16;
const ALIGNMENTS: &str = "8, 16, 32, 64 bits";

/// What the readers of `[sa.ehc]` look at.
#[derive(Clone, Copy)]
struct Sources<'a> {
    /// `[[sa]]`.
    sa: &'a Section<'a>,
    /// `[sa.ehc]`.
    table: &'a Section<'a>,
    profile: Profile,
}

/// Diet-ESP of one SA.
pub(crate) struct Table {
    /// Attributes and receiver's settings.
    pub(crate) ehc: Ehc,
    /// Name of the plain SA for what does not fit.
    pub(crate) fallback: Option<String>,
}

/// Reads `[sa.ehc]`, if there is one. `params` are `None` where the rest of the
/// SA is wrong: then the keys are judged each by itself. The window of an SA that
/// names none becomes one that the sent bits of the number can serve.
pub(crate) fn read(
    r: &mut Reader<'_>,
    sa: &Section<'_>,
    params: Option<&mut SaParams>,
    selectors: &[Selector],
) -> Option<Table> {
    let before = r.problem_count();
    let table = r.table(sa, "ehc", PATH)?;
    r.admit(&table, schema::EHC);
    let profile = named(r, &table, "profile", Profile::ALL, Profile::name);
    let sources = Sources {
        sa,
        table: &table,
        profile: profile.unwrap_or(Profile::DietEsp07),
    };
    let afrg = afrg(r, sources, selectors);
    let resync = r.number16(&table, "resync", 0..=MAX_RESYNC);
    let reorder = r.number16(&table, "reorder", 0..=u16::MAX);
    let fallback = r.text(&table, "fallback", SENDING);
    let (afrg, params) = (afrg?, params?);
    if r.problem_count() != before {
        return None;
    }
    fit_window(sa, params, &afrg);
    if params.multi_sender {
        report(r, sources, ContextError::MultiSender);
        return None;
    }
    if let Err(error) = Context::new(afrg, &params.carried()) {
        report(r, sources, error);
        return None;
    }
    let plain = Ehc::new(afrg);
    Some(Table {
        ehc: Ehc {
            afrg,
            resync: resync.map_or(Some(plain.resync), |n| u8::try_from(n).ok())?,
            reorder: reorder.unwrap_or(plain.reorder),
        },
        fallback: fallback.map(str::to_owned),
    })
}

/// The window of an SA that names none: as wide as the sent bits of the number
/// can serve.
fn fit_window(sa: &Section<'_>, params: &mut SaParams, afrg: &Afrg) {
    if sa.has("replay_window") || params.multi_sender {
        return;
    }
    let steps = (32..=params.replay_window).rev().step_by(32);
    let widest = steps.into_iter().find(|window| afrg.window_fits(*window));
    params.replay_window = widest.unwrap_or(32);
}

/// Puts what the core refuses at the key that is to blame.
fn report(r: &mut Reader<'_>, sources: Sources<'_>, error: ContextError) {
    let allowed = match error {
        ContextError::LsbOctets => "a sum of 0, 8, 16 and so on up to 64 bits",
        ContextError::DscpListEmpty => "1 to 64 values from 0 to 63",
        ContextError::Hardened => "hardened = false, or no attribute \"lower\"",
        ContextError::Profile => "iipc_profile = \"iipc_not_compressed\" beside diet-esp-2016",
        ContextError::SelectorFamily => "addresses of the version in sa.ehc.ip_version",
        ContextError::OuterIdentification => "outer_id = true beside \"lower\"",
        ContextError::UdpMarker => "1 to 32 bits, of which the SPI sets one",
        ContextError::MultiSender => "multi_sender = false beside [sa.ehc]",
        ContextError::IpVersion => "4, 6, or iipc_not_compressed with a Mandatory trailer",
        _ => "",
    };
    let section = match error.key() {
        "selector" | "multi_sender" => sources.sa,
        _ => sources.table,
    };
    r.report(section.place(error.key()), error.to_string(), allowed);
}

/// The value under `key` of those in `all`, by its name.
fn named<T: Copy>(
    r: &mut Reader<'_>,
    table: &Section<'_>,
    key: &'static str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    let names: Vec<String> = all.iter().map(|v| format!("\"{}\"", name(*v))).collect();
    let find = |text: &str| all.iter().copied().find(|value| name(*value) == text);
    r.parsed(table, key, find, &names.join(", "))
}

fn afrg(r: &mut Reader<'_>, sources: Sources<'_>, selectors: &[Selector]) -> Option<Afrg> {
    let table = sources.table;
    let before = r.problem_count();
    only_of_profile(r, sources);
    let iipc = named(
        r,
        table,
        "iipc_profile",
        IipcProfile::ALL,
        IipcProfile::name,
    );
    let iipc_profile = iipc.unwrap_or(match sources.profile {
        Profile::DietEsp2016 => IipcProfile::NotCompressed,
        _ => IipcProfile::DietEsp,
    });
    let selector = selector(r, sources, (iipc_profile, selectors));
    let ip_version = ip_version(r, table).or_else(|| version_of(selectors));
    let plain = Afrg::new(Version::V6, selector);
    let trailer = named(r, table, "esp_trailer", EspTrailer::ALL, EspTrailer::name);
    let mut flag = |key, otherwise| r.flag(table, key).unwrap_or(otherwise);
    let afrg = Afrg {
        profile: sources.profile,
        iipc_profile,
        ip_version,
        outer_id: flag("outer_id", plain.outer_id),
        hardened: flag("hardened", plain.hardened),
        guard: flag("guard", plain.guard),
        ehc2019: Ehc2019 {
            udplite_whole: flag("udplite_whole", plain.ehc2019.udplite_whole),
            tcp_options: flag("tcp_options", plain.ehc2019.tcp_options),
            tcp_urgent: flag("tcp_urgent", plain.ehc2019.tcp_urgent),
        },
        alignment: alignment(r, table).unwrap_or(plain.alignment),
        esp_trailer: trailer.unwrap_or(plain.esp_trailer),
        esp_spi_lsb: lsb(r, sources, "esp_spi_lsb").unwrap_or(plain.esp_spi_lsb),
        esp_sn_lsb: lsb(r, sources, "esp_sn_lsb").unwrap_or(plain.esp_sn_lsb),
        ..copied(r, sources, plain)
    };
    (r.problem_count() == before).then_some(afrg)
}

/// What becomes of the fields that routers may see: DSCP, ECN, Flow Label.
fn copied(r: &mut Reader<'_>, sources: Sources<'_>, plain: Afrg) -> Afrg {
    let table = sources.table;
    let dscp_list = dscp_list(r, table);
    let dscp = named(r, table, "dscp_cda", DscpCda::ALL, DscpCda::name);
    let ecn = named(r, table, "ecn_cda", EcnCda::ALL, EcnCda::name);
    let flow = named(
        r,
        table,
        "flow_label_cda",
        FlowLabelCda::ALL,
        FlowLabelCda::name,
    );
    // The slides of 2023 have no key for DSCP and ECN: a list, else from outside.
    let (dscp_else, ecn_else) = match sources.profile {
        Profile::Ehc2023 if table.has("dscp_list") => (DscpCda::Sa, EcnCda::Lower),
        Profile::Ehc2023 => (DscpCda::Lower, EcnCda::Lower),
        _ => (plain.dscp_cda, plain.ecn_cda),
    };
    let dscp_cda = dscp.unwrap_or(dscp_else);
    if table.has("dscp_list") && dscp_cda != DscpCda::Sa {
        let text = "stands without dscp_cda = \"sa\"";
        r.report(
            table.place("dscp_list"),
            text,
            "dscp_cda = \"sa\" beside it",
        );
    }
    Afrg {
        dscp_cda,
        ecn_cda: ecn.unwrap_or(ecn_else),
        flow_label_cda: flow.unwrap_or(plain.flow_label_cda),
        dscp_list: dscp_list.unwrap_or(plain.dscp_list),
        ..plain
    }
}

/// A key that the profile does not know would pass without effect.
fn only_of_profile(r: &mut Reader<'_>, Sources { table, profile, .. }: Sources<'_>) {
    let newer = ["dscp_cda", "dscp_list", "ecn_cda", "flow_label_cda"];
    let of_2019 = ["udplite_whole", "tcp_options", "tcp_urgent"];
    let newer_apply = matches!(profile, Profile::DietEsp07 | Profile::Ehc2023);
    for (keys, apply, allowed) in [
        (&newer[..], newer_apply, "profile diet-esp-07, ehc-2023"),
        (
            &of_2019[..],
            profile == Profile::Ehc2019,
            "profile ehc-2019",
        ),
    ] {
        for key in keys.iter().filter(|key| !apply && table.has(key)) {
            let text = format!("the profile {} has no such attribute", profile.name());
            r.report(table.place(key), text, &format!("{allowed} beside it"));
        }
    }
}

fn alignment(r: &mut Reader<'_>, table: &Section<'_>) -> Option<Alignment> {
    let value = table.value("alignment")?;
    let bits = r.number_allowed(value, 0..=u64::MAX, ALIGNMENTS)?;
    let alignment = Alignment::from_bits(bits);
    if alignment.is_none() {
        r.report(value.place, format!("{bits} does not fit here"), ALIGNMENTS);
    }
    alignment
}

fn lsb(r: &mut Reader<'_>, sources: Sources<'_>, key: &'static str) -> Option<u8> {
    let bits = r.number16(sources.table, key, 0..=32)?;
    let octets = sources.profile != Profile::DietEsp07;
    if octets && !bits.is_multiple_of(8) {
        let text = format!("the profile {} counts in octets", sources.profile.name());
        let allowed = "0, 8, 16, 24, 32 bits";
        r.report(sources.table.place(key), text, allowed);
    }
    u8::try_from(bits).ok()
}

fn dscp_list(r: &mut Reader<'_>, table: &Section<'_>) -> Option<DscpList> {
    const ALLOWED: &str = "numbers from 0 to 63";
    let mut values = Vec::new();
    for value in r.list(table, "dscp_list", ALLOWED) {
        let dscp = r.number_of(value, 0..=63)?;
        values.push(u8::try_from(dscp).ok()?);
    }
    let list = DscpList::new(&values);
    if list.is_none() {
        let text = format!("{} values are too many", values.len());
        r.report(table.place("dscp_list"), text, "at most 64 values");
    }
    list
}

fn ip_version(r: &mut Reader<'_>, table: &Section<'_>) -> Option<Version> {
    match r.number16(table, "ip_version", 4..=6)? {
        4 => Some(Version::V4),
        6 => Some(Version::V6),
        _ => {
            r.report(table.place("ip_version"), "5 does not fit here", "4, 6");
            None
        }
    }
}

/// The IP version of what the selectors admit, if it is one.
fn version_of(selectors: &[Selector]) -> Option<Version> {
    let of = |selector: &Selector| match (selector.source, selector.destination) {
        (AddrRange::Range { first, .. }, _) | (_, AddrRange::Range { first, .. }) => {
            Some(first.is_ipv4())
        }
        _ => None,
    };
    let first = of(selectors.first()?)?;
    let one = selectors.iter().all(|selector| of(selector) == Some(first));
    one.then_some(if first { Version::V4 } else { Version::V6 })
}

/// The selector that rules are made from. Of several, which only an SA without
/// inner compression may have, the protocol counts if it is one.
fn selector(
    r: &mut Reader<'_>,
    sources: Sources<'_>,
    (iipc_profile, selectors): (IipcProfile, &[Selector]),
) -> Selector {
    let (first, more) = match selectors {
        [] => return Selector::ANY,
        [only] => return *only,
        [first, more @ ..] => (first, more),
    };
    if iipc_profile == IipcProfile::DietEsp {
        let text = format!(
            "{} selectors: iipc_diet-esp makes rules from one",
            selectors.len()
        );
        let allowed = "one [[sa.selector]], or iipc_profile = \"iipc_not_compressed\"";
        r.report(sources.sa.place("selector"), text, allowed);
    }
    let one = more.iter().all(|other| other.protocol == first.protocol);
    Selector {
        source: AddrRange::Any,
        destination: AddrRange::Any,
        protocol: first.protocol.filter(|_| one),
        source_ports: PortRange::Any,
        destination_ports: PortRange::Any,
    }
}

const SENDING: &str = "the name of an SA with direction = \"out\" and without [sa.ehc]";

fn text<'t>(section: &Section<'t>, key: &'static str) -> Option<&'t str> {
    section.value(key).and_then(|value| value.value.as_str())
}

/// Reports every `fallback` that names no plain SA that sends.
pub(crate) fn check_fallbacks(r: &mut Reader<'_>, sas: &[Section<'_>]) {
    let sends = |sa: &Section<'_>| {
        text(sa, "direction").and_then(Direction::from_text) == Some(Direction::Out)
    };
    let named = |sa| Some((text(sa, "name")?, *sa));
    let by_name: HashMap<&str, Section<'_>> = sas.iter().filter_map(named).collect();
    for sa in sas {
        let Some(table) = sa.inner("ehc", PATH) else {
            continue;
        };
        let Some(name) = text(&table, "fallback") else {
            continue;
        };
        let wrong = match by_name.get(name) {
            _ if !sends(sa) => "stands in an SA that does not send",
            None => "no [[sa]] has this name",
            Some(plain) if plain.has("ehc") => "this SA is compressed, too",
            Some(plain) if !sends(plain) => "this SA does not send",
            Some(_) => continue,
        };
        r.report(table.place("fallback"), wrong, SENDING);
    }
}
