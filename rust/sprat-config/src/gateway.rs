//! `[gateway]`: what the gateway needs beside SAs and policies.

use core::net::IpAddr;

use crate::reader::{Reader, Section};
use crate::{Direction, SaConfig, schema, selector};

/// The `[gateway]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Name of the TUN device, at most 15 octets.
    pub tun: String,
    /// Addresses of the TUN device with their prefix length in bits.
    pub tun_addresses: Vec<(IpAddr, u8)>,
    /// MTU of the TUN device in octets.
    pub mtu: u16,
    /// Prefixes routed into the TUN device.
    pub routes: Vec<(IpAddr, u8)>,
    /// UDP ports to receive ESP in UDP on; the outer side sends from them.
    pub udp_ports: Vec<u16>,
    /// Whether to receive ESP over IP directly (protocol 50).
    pub raw: bool,
    /// File that keeps the sequence numbers; a relative name was joined to the
    /// directory of the configuration.
    pub state_file: String,
    /// Numbers reserved with each write of the state file.
    pub state_block: u32,
    /// User to become after set-up; empty = stay.
    pub user: String,
    /// Whether to clamp the MSS of TCP connections to what fits.
    pub mss_clamp: bool,
    /// Audit lines per second at most; 0 = none.
    pub audit_rate: u32,
}

/// Reads `[gateway]`; `None` if it is not complete, which is reported.
pub(crate) fn read(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    sas: &[SaConfig],
) -> Option<GatewayConfig> {
    r.admit(section, schema::GATEWAY);
    let tun = r.parsed(
        section,
        "tun",
        device_name,
        "1 to 15 letters, digits, - _ .",
    );
    let mtu = r.number16(section, "mtu", 68..=65535).unwrap_or(1400);
    let tun_addresses = prefixes(r, section, "tun_addresses");
    let routes = prefixes(r, section, "routes");
    let udp_ports = udp_ports(r, section);
    let raw = r.flag(section, "raw").unwrap_or(true);
    if !raw && udp_ports.is_empty() {
        let text = "the gateway would receive nothing";
        r.report(section.place("raw"), text, "raw = true, udp_ports");
    }
    reachable(r, section, sas, &udp_ports);
    let state_file = state_file(r, section);
    let state_block = r
        .number(section, "state_block", 1..=1 << 24)
        .unwrap_or(4096);
    let user = r.text(section, "user", "the name of a user").unwrap_or("");
    let mss_clamp = r.flag(section, "mss_clamp").unwrap_or(true);
    let audit_rate = r.number(section, "audit_rate", 0..=10_000).unwrap_or(10);
    Some(GatewayConfig {
        tun: tun.unwrap_or_else(|| "sprat0".to_owned()),
        tun_addresses,
        mtu,
        routes,
        udp_ports,
        raw,
        state_file: state_file?,
        state_block: u32::try_from(state_block).ok()?,
        user: user.to_owned(),
        mss_clamp,
        audit_rate: u32::try_from(audit_rate).ok()?,
    })
}

/// ESP in UDP needs the port on our side among those that are opened.
fn reachable(r: &mut Reader<'_>, section: &Section<'_>, sas: &[SaConfig], ports: &[u16]) {
    for sa in sas {
        let Some(encap) = sa.params.udp_encap else {
            continue;
        };
        let ours = match sa.direction {
            Some(Direction::Out) => encap.source_port,
            _ => encap.destination_port,
        };
        if !ports.contains(&ours) {
            let text = format!("port {ours} of SA \"{}\" is not opened", sa.name);
            r.report(section.place("udp_ports"), text, "a list with that port");
        }
    }
}

fn device_name(text: &str) -> Option<String> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let named = (1..=15).contains(&text.len()) && text.bytes().all(fits);
    // The kernel refuses these two as device names.
    (named && text != "." && text != "..").then(|| text.to_owned())
}

/// Sequence numbers used twice break every counter-mode SA: there is no
/// default that might be shared by accident.
fn state_file(r: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    const ALLOWED: &str = "a file on a disk that survives a restart";
    if !section.has("state_file") {
        r.missing(section, "state_file", ALLOWED);
    }
    let fits = |text: &str| (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned());
    let name = r.parsed(section, "state_file", fits, ALLOWED)?;
    r.beside(&name).into_os_string().into_string().ok()
}

fn prefixes(r: &mut Reader<'_>, section: &Section<'_>, name: &'static str) -> Vec<(IpAddr, u8)> {
    const ALLOWED: &str = "\"address/bits\"";
    let values = r.list(section, name, ALLOWED);
    let parse = |value| r.parsed_of(value, selector::prefix, ALLOWED);
    values.into_iter().filter_map(parse).collect()
}

fn udp_ports(r: &mut Reader<'_>, section: &Section<'_>) -> Vec<u16> {
    let values = r.list(section, "udp_ports", "ports from 1 to 65535");
    let parse = |value| u16::try_from(r.number_of(value, 1..=65535)?).ok();
    values.into_iter().filter_map(parse).collect()
}
