//! `[[sa]]`: one security association.

use core::net::IpAddr;

use sprat_core::crypto::{Encr, Integ, IvSource};
use sprat_core::diet_esp::Ehc;
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{
    Df, Dscp, Lifetime, Limit, Lookup, Mode, NatOriginal, SaError, SaParams, SenderId, Tunnel,
    UdpEncap,
};
use sprat_core::selector::Selector;

use crate::keys::{self, KeyMaterial};
use crate::reader::{Reader, Section, Value};
use crate::{Direction, ehc, schema, selector};

const ADDRESS: &str = "an IPv4 or IPv6 address";
const DIRECTIONS: &str = "\"out\", \"in\"";
/// Window of an SA that names none, in packets.
const DEFAULT_WINDOW: u16 = 128;

/// One `[[sa]]`, complete and consistent.
pub struct SaConfig {
    /// Unique name, for messages and policies.
    pub name: String,
    /// Whether it sends or receives; `None` serves captures only.
    pub direction: Option<Direction>,
    /// What was agreed; [`SaParams::validate`] accepts it.
    pub params: SaParams,
    /// Encryption transform.
    pub encr: Encr,
    /// Integrity transform; [`Integ::None`] with an AEAD.
    pub integ: Integ,
    /// Keys, of the lengths that the transforms take.
    pub keys: KeyMaterial,
    /// What may come out of it; empty = everything.
    pub selectors: Vec<Selector>,
    /// Highest number before the first packet: verified when receiving, used
    /// when sending.
    pub sequence_start: Sn64,
    /// Diet-ESP; a context can be made of it and `params`.
    pub ehc: Option<Ehc>,
    /// Name of the plain SA that seals what does not fit the rules.
    pub ehc_fallback: Option<String>,
}

/// Names the SA and its transforms, never its keys.
impl core::fmt::Debug for SaConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SaConfig")
            .field("name", &self.name)
            .field("direction", &self.direction)
            .field("params", &self.params)
            .field("encr", &self.encr)
            .field("integ", &self.integ)
            .field("selectors", &self.selectors)
            .field("sequence_start", &self.sequence_start)
            .field("ehc", &self.ehc)
            .field("ehc_fallback", &self.ehc_fallback)
            .finish_non_exhaustive()
    }
}

/// Reads one `[[sa]]`; `None` if it is not complete, which is reported. Its
/// direction and parameters go to `check` even where keys or name are wrong.
pub(crate) fn read<'a>(
    r: &mut Reader<'a>,
    section: &Section<'_>,
    check: impl FnOnce(&mut Reader<'a>, Option<Direction>, &SaParams),
) -> Option<SaConfig> {
    let before = r.problem_count();
    r.admit(section, schema::SA);
    let name = name(r, section);
    let direction = r.parsed(section, "direction", Direction::from_text, DIRECTIONS);
    let mut params = params(r, section);
    if let Some(params) = &params {
        check(r, direction, params);
    }
    let transforms = keys::read(r, section);
    let selectors = selectors(r, section);
    let ehc = ehc::read(r, section, params.as_mut(), &selectors);
    let sequence_start = sequence_start(r, section);
    let (params, transforms) = (params?, transforms?);
    if transforms.encr.implicit_iv() && params.multi_sender {
        report_sa_error(r, section, SaError::ImplicitIvMultiSender);
    }
    let counter_iv = transforms.encr.iv_source() == IvSource::Counter;
    let sends_among_others = params.multi_sender && direction == Some(Direction::Out);
    if sends_among_others && counter_iv && !section.has("sender_id") {
        report_sa_error(r, section, SaError::SenderIdMissing);
    }
    let (ehc, ehc_fallback) = match ehc {
        Some(table) => (Some(table.ehc), table.fallback),
        None => (None, None),
    };
    (r.problem_count() == before).then_some(SaConfig {
        name: name?,
        direction,
        params,
        encr: transforms.encr,
        integ: transforms.integ,
        keys: transforms.keys,
        selectors,
        sequence_start,
        ehc,
        ehc_fallback,
    })
}

fn name(r: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    const ALLOWED: &str = "1 to 64 printable ASCII characters";
    if !section.has("name") {
        r.missing(section, "name", ALLOWED);
    }
    let fits = |text: &str| {
        let printable = text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        (printable && (1..=64).contains(&text.len())).then(|| text.to_owned())
    };
    r.parsed(section, "name", fits, ALLOWED)
}

fn sequence_start(r: &mut Reader<'_>, section: &Section<'_>) -> Sn64 {
    let esn = section.value("esn").and_then(|esn| esn.value.as_bool());
    let most = if esn == Some(true) {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    Sn64(r.number(section, "sequence_start", 0..=most).unwrap_or(0))
}

fn selectors(r: &mut Reader<'_>, section: &Section<'_>) -> Vec<Selector> {
    let mut selectors = Vec::new();
    for entry in r.tables(section, "selector", "sa.selector") {
        r.admit(&entry, schema::SELECTOR);
        selectors.push(selector::read(r, &entry));
    }
    selectors
}

fn params(r: &mut Reader<'_>, section: &Section<'_>) -> Option<SaParams> {
    let spi = spi(r, section);
    let mode = mode(r, section);
    let lookup = lookup(r, section);
    let lifetime = lifetime(r, section);
    let udp_encap = udp_encap(r, section);
    let multi_sender = r.flag(section, "multi_sender").unwrap_or(false);
    let replay_window = window(r, section);
    let esn = r.flag(section, "esn").unwrap_or(false);
    let tfc_allowed = r.flag(section, "tfc_allowed").unwrap_or(true);
    let path_mtu = path_mtu(r, section);
    let nat_original = nat_original(r, section, udp_encap.is_some());
    let sender_id = sender_id(r, section, multi_sender);
    let params = SaParams {
        esn,
        replay_window: replay_window.unwrap_or(if multi_sender { 0 } else { DEFAULT_WINDOW }),
        udp_encap,
        nat_original,
        lookup: lookup?,
        lifetime,
        tfc_allowed,
        multi_sender,
        sender_id,
        path_mtu,
        ..SaParams::new(spi?, mode?)
    };
    params
        .validate()
        .map_err(|error| report_sa_error(r, section, error))
        .ok()?;
    Some(params)
}

/// Puts what the core refuses at the key that is to blame.
fn report_sa_error(r: &mut Reader<'_>, section: &Section<'_>, error: SaError) {
    let key = match error {
        SaError::SpiReserved => "spi",
        SaError::TunnelFamilies
        | SaError::TunnelHopLimit
        | SaError::TunnelDscp
        | SaError::TunnelFlowLabel => "tunnel",
        SaError::ReplayWindow | SaError::ReplayMultiSender => "replay_window",
        SaError::SoftAboveHard => "lifetime",
        SaError::ImplicitIvMultiSender => "multi_sender",
        SaError::SenderIdAlone | SaError::SenderIdMissing => "sender_id",
        SaError::EsnMultiSender => "esn",
        SaError::NatTunnel | SaError::NatFamilies => "nat_original",
        _ => "name",
    };
    r.report(section.place(key), error.to_string(), "");
}

fn spi(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Spi> {
    let range = u64::from(Spi::FIRST_FREE.0)..=u64::from(u32::MAX);
    if !section.has("spi") {
        r.missing(section, "spi", "256 to 4294967295");
    }
    let number = r.number(section, "spi", range)?;
    u32::try_from(number).ok().map(Spi)
}

fn window(r: &mut Reader<'_>, section: &Section<'_>) -> Option<u16> {
    let window = r.number16(section, "replay_window", 0..=4096)?;
    if !window.is_multiple_of(32) {
        let allowed = "0 (off), a multiple of 32 from 32 to 4096";
        r.report(
            section.place("replay_window"),
            format!("{window} does not fit here"),
            allowed,
        );
        return None;
    }
    Some(window)
}

fn sender_id(r: &mut Reader<'_>, section: &Section<'_>, multi_sender: bool) -> Option<SenderId> {
    let bits = r.number16(section, "sender_id_bits", 8..=16).unwrap_or(16);
    if !matches!(bits, 8 | 12 | 16) {
        let text = format!("{bits} does not fit here");
        r.report(section.place("sender_id_bits"), text, "8, 12, 16");
        return None;
    }
    let value = r.number16(section, "sender_id", 0..=u16::MAX >> (16 - bits));
    for (name, beside, there) in [
        ("sender_id", "multi_sender = true", multi_sender),
        ("sender_id_bits", "sender_id", section.has("sender_id")),
    ] {
        if section.has(name) && !there {
            let text = format!("stands without {beside}");
            r.report(section.place(name), text, &format!("{beside} beside it"));
        }
    }
    SenderId::new(u8::try_from(bits).ok()?, value?)
}

fn path_mtu(r: &mut Reader<'_>, section: &Section<'_>) -> u16 {
    const ALLOWED: &str = "0 (no limit), 68 to 65535 octets";
    let value = section.value("path_mtu");
    let mtu = value.and_then(|value| r.number_allowed(value, 0..=u64::from(u16::MAX), ALLOWED));
    // RFC 791: every IPv4 link carries 68 octets.
    if mtu.is_some_and(|mtu| (1..68).contains(&mtu)) {
        r.report(section.place("path_mtu"), "below every link's", ALLOWED);
    }
    mtu.and_then(|mtu| u16::try_from(mtu).ok()).unwrap_or(0)
}

fn mode(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Mode> {
    const MODES: &str = "\"transport\", \"tunnel\"";
    if !section.has("mode") {
        r.missing(section, "mode", MODES);
    }
    let is_tunnel = |text: &str| match text {
        "tunnel" => Some(true),
        "transport" => Some(false),
        _ => None,
    };
    let wants_tunnel = r.parsed(section, "mode", is_tunnel, MODES);
    let table = r.table(section, "tunnel", "sa.tunnel");
    let tunnel = table.and_then(|table| tunnel(r, &table));
    match wants_tunnel? {
        true if section.has("tunnel") => tunnel.map(Mode::Tunnel),
        true => {
            let text = "missing in tunnel mode";
            r.report(
                section.place("tunnel"),
                text,
                "[sa.tunnel] with source and destination",
            );
            None
        }
        false if section.has("tunnel") => {
            r.report(
                section.place("tunnel"),
                "stands in transport mode",
                "mode = \"tunnel\" with it",
            );
            None
        }
        false => Some(Mode::Transport),
    }
}

fn address(r: &mut Reader<'_>, section: &Section<'_>, name: &'static str) -> Option<IpAddr> {
    r.parsed(section, name, |text| text.parse().ok(), ADDRESS)
}

/// Both ends of one family; a missing one is reported.
fn ends(r: &mut Reader<'_>, section: &Section<'_>) -> Option<(IpAddr, IpAddr)> {
    for name in ["source", "destination"] {
        if !section.has(name) {
            r.missing(section, name, ADDRESS);
        }
    }
    let source = address(r, section, "source");
    let destination = address(r, section, "destination");
    let (source, destination) = (source?, destination?);
    if source.is_ipv4() != destination.is_ipv4() {
        let text = "source and destination are of two address families";
        r.report(section.place("destination"), text, "two of one family");
        return None;
    }
    Some((source, destination))
}

fn tunnel(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Tunnel> {
    r.admit(section, schema::TUNNEL);
    let ends = ends(r, section);
    let hop_limit = r.number16(section, "hop_limit", 1..=255).unwrap_or(64);
    let dscp = section.value("dscp").and_then(|value| dscp(r, value));
    let ecn = r.flag(section, "ecn").unwrap_or(true);
    let df = r.parsed(section, "df", df, "\"copy\", \"set\", \"clear\"");
    let flow_label = r.number(section, "flow_label", 0..=0xf_ffff).unwrap_or(0);
    let (source, destination) = ends?;
    Some(Tunnel {
        source,
        destination,
        hop_limit: u8::try_from(hop_limit).ok()?,
        dscp: dscp.unwrap_or(Dscp::Copy),
        ecn,
        df: df.unwrap_or(Df::Copy),
        flow_label: u32::try_from(flow_label).ok()?,
    })
}

fn dscp(r: &mut Reader<'_>, value: Value<'_>) -> Option<Dscp> {
    const ALLOWED: &str = "\"copy\", 0 to 63";
    if value.value.is_integer() {
        let number = r.number_of(value, 0..=63)?;
        return u8::try_from(number).ok().map(Dscp::Set);
    }
    let parse = |text: &str| match text {
        "copy" => Some(Dscp::Copy),
        _ => text.parse().ok().filter(|n| *n < 64).map(Dscp::Set),
    };
    r.parsed_of(value, parse, ALLOWED)
}

fn df(text: &str) -> Option<Df> {
    match text {
        "copy" => Some(Df::Copy),
        "set" => Some(Df::Set),
        "clear" => Some(Df::Clear),
        _ => None,
    }
}

fn udp_encap(r: &mut Reader<'_>, section: &Section<'_>) -> Option<UdpEncap> {
    let table = r.table(section, "udp_encap", "sa.udp_encap")?;
    r.admit(&table, schema::UDP_ENCAP);
    let mut port = |name| r.number16(&table, name, 1..=u16::MAX).unwrap_or(4500);
    Some(UdpEncap {
        source_port: port("source_port"),
        destination_port: port("destination_port"),
    })
}

fn nat_original(r: &mut Reader<'_>, section: &Section<'_>, in_udp: bool) -> Option<NatOriginal> {
    let table = r.table(section, "nat_original", "sa.nat_original")?;
    r.admit(&table, schema::NAT_ORIGINAL);
    let ends = ends(r, &table);
    let transport = section.value("mode").and_then(|v| v.value.as_str()) == Some("transport");
    if !transport || !in_udp {
        let text = "only ESP in UDP in transport mode has a use for it (RFC 3948 s3.1.2)";
        let allowed = "mode = \"transport\" and [sa.udp_encap] with it";
        r.report(section.place("nat_original"), text, allowed);
    }
    ends.map(|(source, destination)| NatOriginal {
        source,
        destination,
    })
}

/// Absent keys leave the SPI alone; a wrong one is reported and gives `None`.
fn lookup(r: &mut Reader<'_>, section: &Section<'_>) -> Option<Lookup> {
    let destination = address(r, section, "destination");
    let source = address(r, section, "source");
    match (section.has("destination"), section.has("source")) {
        (false, false) => Some(Lookup::Spi),
        (true, false) => destination.map(Lookup::SpiDestination),
        (true, true) => {
            let (destination, source) = (destination?, source?);
            if destination.is_ipv4() == source.is_ipv4() {
                return Some(Lookup::SpiDestinationSource(destination, source));
            }
            let text = "source and destination are of two address families";
            r.report(section.place("source"), text, "two of one family");
            None
        }
        (false, true) => {
            let text = "stands without destination";
            r.report(section.place("source"), text, "destination beside it");
            None
        }
    }
}

fn lifetime(r: &mut Reader<'_>, section: &Section<'_>) -> Lifetime {
    let Some(table) = r.table(section, "lifetime", "sa.lifetime") else {
        return Lifetime::default();
    };
    r.admit(&table, schema::LIFETIME);
    Lifetime {
        packets: limit(r, &table, "packets_soft", "packets_hard"),
        octets: limit(r, &table, "octets_soft", "octets_hard"),
        seconds: limit(r, &table, "seconds_soft", "seconds_hard"),
    }
}

fn limit(
    r: &mut Reader<'_>,
    table: &Section<'_>,
    soft_name: &'static str,
    hard_name: &'static str,
) -> Limit {
    let soft = r.number(table, soft_name, 1..=u64::MAX);
    let hard = r.number(table, hard_name, 1..=u64::MAX);
    if let (Some(soft), Some(hard)) = (soft, hard)
        && soft > hard
    {
        let text = format!("the soft limit {soft} is above the hard limit {hard}");
        r.report(table.place(soft_name), text, &format!("1 to {hard}"));
        return Limit::default();
    }
    Limit { soft, hard }
}
