//! `sprat explain`: the rules of an SA, what they cost, what would cost less, and
//! what they do to one packet.

mod advice;
mod cost;
mod json;
mod packet;
mod rules;
mod text;

use std::path::PathBuf;

use clap::Args;
use sprat_config::{Config, Direction, SaConfig};
use sprat_core::diet_esp::Context;

use crate::fail::{Fail, Outcome};
use crate::hex;
use advice::{Advices, Case};
use cost::{Cipher, Traffic};
use packet::{Explained, Given, Refused};

/// `sprat explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Configuration with the SAs, TOML
    #[arg(long, value_name = "FILE")]
    sa: PathBuf,
    /// SA to explain; without it every one with [sa.ehc]
    #[arg(long, value_name = "SA")]
    name: Option<String>,
    /// Octets behind the transport header of the packets to count for
    #[arg(long, value_name = "OCTETS", default_value_t = 10)]
    payload: u16,
    /// Protocol of those packets, where the SA carries any
    #[arg(long, value_name = "PROTOCOL", default_value = "udp", value_parser = protocol)]
    protocol: u8,
    /// IP packet in hex: an inner packet to be sealed, or one with ESP
    #[arg(long, value_name = "HEX")]
    packet: Option<String>,
    /// Print JSON, one line an SA
    #[arg(long)]
    json: bool,
}

fn protocol(text: &str) -> Result<u8, String> {
    cost::protocol_by_name(text)
        .ok_or_else(|| "allowed: icmp, tcp, udp, ipv6-icmp, sctp, udplite, 0 to 255".to_owned())
}

/// An SA with what there is to tell about it.
struct Report<'a> {
    sa: &'a SaConfig,
    context: &'a Context,
    cipher: Cipher,
    traffic: Traffic,
    advices: Advices,
    packet: Option<Result<Explained, Refused>>,
}

/// Explains the SAs of a file.
pub fn run(args: &ExplainArgs) -> Result<Outcome, Fail> {
    let config = Config::load(&args.sa).map_err(Fail::Config)?;
    let packet = args.packet.as_deref().map(octets).transpose()?;
    let given = match &packet {
        Some(packet) => Some(packet::given(&config, packet)?),
        None => None,
    };
    if let Some(Given::Foreign(reason)) = given {
        return Err(Fail::text(format!("--packet: ESP, but: {reason}")));
    }
    let mut outcome = Outcome::Well;
    let mut out = std::io::stdout().lock();
    for sa in chosen(&config, args, given.as_ref())? {
        let packet = match (&packet, &given) {
            (Some(outer), Some(Given::Esp(_, sn, inner))) => {
                Some(packet::opened(sa, (*sn, inner), outer)?)
            }
            (Some(inner), Some(_)) => Some(packet::sealed(sa, inner)?),
            _ => None,
        };
        if let Some(Err(_)) = packet {
            outcome = Outcome::Wrong;
        }
        report(sa, args, packet, |report| match args.json {
            true => json::print(&mut out, report),
            false => text::print(&mut out, report),
        })?;
    }
    Ok(outcome)
}

fn octets(text: &str) -> Result<Vec<u8>, Fail> {
    hex::decode(text).ok_or_else(|| Fail::text("--packet: not octets in hex"))
}

/// The SAs to explain: the one of the name or of the ESP packet, else all with
/// Diet-ESP; for an inner packet those that send, if one does.
fn chosen<'c>(
    config: &'c Config,
    args: &ExplainArgs,
    given: Option<&Given>,
) -> Result<Vec<&'c SaConfig>, Fail> {
    let mut sas: Vec<&SaConfig> = match (&args.name, given) {
        (Some(name), _) => {
            let found = config.sa(name);
            vec![found.ok_or_else(|| Fail::text(format!("no SA has the name {name:?}")))?]
        }
        (None, Some(Given::Esp(index, ..))) => config.sas.get(*index).into_iter().collect(),
        (None, _) => config.sas.iter().filter(|sa| sa.ehc.is_some()).collect(),
    };
    if let (Some(Given::Esp(index, ..)), [sa]) = (given, sas.as_slice()) {
        let opener = config.sas.get(*index).map_or("", |sa| &*sa.name);
        if opener != sa.name {
            return Err(Fail::text(format!(
                "--packet: it is SA {opener:?} that opens it"
            )));
        }
    }
    let sends = |sa: &&SaConfig| sa.direction != Some(Direction::In);
    if matches!(given, Some(Given::Inner)) && sas.iter().any(sends) {
        sas.retain(sends);
    }
    match sas.iter().find(|sa| sa.ehc.is_none()) {
        Some(sa) => Err(Fail::text(format!(
            "SA {:?} has no [sa.ehc]: it is plain ESP",
            sa.name
        ))),
        None if sas.is_empty() => Err(Fail::text("no SA has [sa.ehc]")),
        None => Ok(sas),
    }
}

fn report(
    sa: &SaConfig,
    args: &ExplainArgs,
    packet: Option<Result<Explained, Refused>>,
    print: impl FnOnce(&Report<'_>) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let Some(ehc) = &sa.ehc else {
        return Ok(());
    };
    let carried = sa.params.carried();
    let context = Context::new(ehc.afrg, &carried)
        .map_err(|error| Fail::text(format!("SA {:?}: {error}", sa.name)))?;
    let traffic = Traffic {
        protocol: ehc.afrg.selector.protocol.unwrap_or(args.protocol),
        payload: args.payload.into(),
    };
    let cipher = Cipher::of(sa);
    let advices = advice::advices(&Case {
        context: &context,
        carried,
        cipher,
        traffic,
        many_selectors: sa.selectors.len() > 1,
    });
    print(&Report {
        sa,
        context: &context,
        cipher,
        traffic,
        advices,
        packet,
    })
}
