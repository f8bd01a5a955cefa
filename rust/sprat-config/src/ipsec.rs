//! From a configuration to the boundary that packets cross.

use std::collections::{HashMap, HashSet};

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Keys, Suite, SuiteError};
use sprat_core::diet_esp::MAX_HEADER;
use sprat_core::error::DropReason;
use sprat_core::esp::{InboundSa, OutboundSa};
use sprat_core::ipsec::{Ipsec, Outcome, Verdict};
use sprat_core::num::Sn64;
use sprat_core::sa::{Lifetime, Lookup, Mode};
use sprat_core::sad::{Sad, Shown};
use sprat_core::selector::Selector;
use sprat_core::spd::{self, Action, Policy};
use sprat_core::time::Instant;

use crate::{Config, Direction, PolicyAction, SaConfig};

const ALIKE: &str = "nothing tells it from another SA with this SPI: set destination and source";

/// A configuration that was accepted and still makes no boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// Name of the SA.
    pub sa: String,
    /// What is wrong with it.
    pub text: String,
}

impl core::fmt::Display for BuildError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SA \"{}\": {}", self.sa, self.text)
    }
}

impl std::error::Error for BuildError {}

impl SaConfig {
    /// The transforms with their keys expanded.
    pub fn suite(&self) -> Result<Suite, SuiteError> {
        let keys = Keys {
            encr_key: &self.keys.encr_key,
            salt: &self.keys.salt,
            integ_key: &self.keys.integ_key,
        };
        Suite::new(self.encr, self.integ, &keys)
    }

    fn error(&self, text: impl core::fmt::Display) -> BuildError {
        BuildError {
            sa: self.name.clone(),
            text: text.to_string(),
        }
    }

    /// The sending side; the first packet carries `sequence_start` + 1.
    pub fn outbound(&self, now: Instant) -> Result<OutboundSa, BuildError> {
        self.outbound_from(self.sequence_start, now)
    }

    /// The sending side; the first packet carries `last` + 1.
    pub fn outbound_from(&self, last: Sn64, now: Instant) -> Result<OutboundSa, BuildError> {
        let suite = self.suite().map_err(|error| self.error(error))?;
        let sa = OutboundSa::new(self.params, suite, last, now);
        let sa = sa.map_err(|error| self.error(error))?;
        match &self.ehc {
            Some(ehc) => sa.compress(ehc).map_err(|error| self.error(error)),
            None => Ok(sa),
        }
    }

    /// The receiving side, with `sequence_start` as the highest number verified.
    pub fn inbound(&self, now: Instant) -> Result<InboundSa, BuildError> {
        self.inbound_by(self.params.lookup, self.params.lifetime, now)
    }

    fn inbound_by(
        &self,
        lookup: Lookup,
        lifetime: Lifetime,
        now: Instant,
    ) -> Result<InboundSa, BuildError> {
        let suite = self.suite().map_err(|error| self.error(error))?;
        let mut params = self.params;
        params.lookup = lookup;
        params.lifetime = lifetime;
        let mut sa = InboundSa::new(params, suite, self.selectors.clone(), now)
            .map_err(|error| self.error(error))?;
        sa.start_at(self.sequence_start);
        match &self.ehc {
            Some(ehc) => sa.compress(ehc).map_err(|error| self.error(error)),
            None => Ok(sa),
        }
    }

    fn shown(&self) -> Shown {
        Shown {
            spi: self.params.spi,
            lsb: self.ehc.as_ref().map(|ehc| ehc.afrg.esp_spi_lsb),
        }
    }
}

impl Config {
    /// The boundary of a gateway: every SA in its direction, every policy. The
    /// number of an SA in it is its index in [`Config::sas`].
    pub fn ipsec(&self, now: Instant) -> Result<Ipsec, BuildError> {
        let mut ipsec = Ipsec::new();
        for sa in &self.sas {
            let number = match sa.direction {
                Some(Direction::Out) => ipsec.add_outbound(&sa.name, sa.outbound(now)?),
                _ => ipsec.add_inbound(&sa.name, sa.inbound(now)?),
            };
            number.ok_or_else(|| sa.error(ALIKE))?;
        }
        self.add_fallbacks(&mut ipsec)?;
        self.add_gateway(&mut ipsec);
        Ok(ipsec)
    }

    fn add_fallbacks(&self, ipsec: &mut Ipsec) -> Result<(), BuildError> {
        let numbers = self.sas.iter().zip(0u32..);
        let by_name: HashMap<&str, u32> = numbers.map(|(sa, n)| (&*sa.name, n)).collect();
        for (sa, number) in self.sas.iter().zip(0u32..) {
            let Some(name) = sa.ehc_fallback.as_deref() else {
                continue;
            };
            let plain = by_name.get(name);
            if !plain.is_some_and(|plain| ipsec.set_fallback(number, *plain)) {
                return Err(sa.error(format!("\"{name}\" is no plain SA that sends")));
            }
        }
        Ok(())
    }

    /// What opens a capture: every SA receives, whatever its direction, and no
    /// lifetime ends it.
    pub fn capture(&self, now: Instant) -> Result<Capture, BuildError> {
        let mut layers = vec![Layer::new()];
        let mut taken = HashMap::new();
        for (index, sa) in self.sas.iter().enumerate() {
            let (lookup, depth) = capture_lookup(sa, &mut taken);
            let free = |layer: &Layer| layer.tells_apart(sa);
            let depth = match layers.iter().skip(depth).position(free) {
                Some(more) => depth + more,
                None => layers.len().max(depth),
            };
            if layers.len() <= depth {
                layers.resize_with(depth + 1, Layer::new);
            }
            let layer = layers.get_mut(depth);
            let layer = layer.ok_or_else(|| sa.error(ALIKE))?;
            let sa_in = sa.inbound_by(lookup, Lifetime::default(), now)?;
            let number = layer.ipsec.add_inbound(&sa.name, sa_in);
            number.ok_or_else(|| sa.error(ALIKE))?;
            layer.enter(index, sa);
        }
        // What a layer takes for no ESP no other one is asked about.
        let encaps = self.sas.iter().filter_map(|sa| sa.params.udp_encap);
        let ports: HashSet<u16> = encaps.map(|encap| encap.destination_port).collect();
        for layer in &mut layers {
            ports.iter().for_each(|port| layer.ipsec.listen_udp(*port));
        }
        Ok(Capture { layers })
    }

    fn add_gateway(&self, ipsec: &mut Ipsec) {
        for policy in &self.policies {
            ipsec.add_policy(Policy {
                direction: match policy.direction {
                    Direction::Out => spd::Direction::Out,
                    Direction::In => spd::Direction::In,
                },
                selector: policy.selector,
                action: match policy.action {
                    PolicyAction::ProtectWith(index) => Action::Protect(u32::try_from(index).ok()),
                    PolicyAction::Protected => Action::Protect(None),
                    PolicyAction::Bypass => Action::Bypass,
                    PolicyAction::Discard => Action::Discard,
                },
            });
        }
        for port in self.gateway.iter().flat_map(|gateway| &gateway.udp_ports) {
            ipsec.listen_udp(*port);
        }
    }
}

/// A capture shows both directions, and two peers may have chosen one SPI: the
/// later of two equal SAs is found by its tunnel ends, else tried after the
/// other. The number says how many are tried before.
fn capture_lookup(sa: &SaConfig, taken: &mut HashMap<String, usize>) -> (Lookup, usize) {
    let key = |lookup: &Lookup| format!("{} {lookup:?}", sa.params.spi);
    let lookup = match sa.params.mode {
        Mode::Tunnel(tunnel) if taken.contains_key(&key(&sa.params.lookup)) => {
            Lookup::SpiDestinationSource(tunnel.destination, tunnel.source)
        }
        _ => sa.params.lookup,
    };
    let count = taken.entry(key(&lookup)).or_default();
    let depth = *count;
    *count += 1;
    (lookup, depth)
}

/// SAs that their SPI and addresses tell apart.
struct Layer {
    ipsec: Ipsec,
    /// Index in [`Config::sas`] of each.
    sas: Vec<usize>,
    /// Those without and those with Diet-ESP, by what they show of their SPI.
    plain: Sad,
    compressed: Sad,
}

impl Layer {
    fn new() -> Self {
        let mut ipsec = Ipsec::new();
        ipsec.add_policy(Policy {
            direction: spd::Direction::In,
            selector: Selector::ANY,
            action: Action::Bypass,
        });
        Layer {
            ipsec,
            sas: Vec::new(),
            plain: Sad::new(),
            compressed: Sad::new(),
        }
    }

    /// Whether the SPI bits of no SA here begin those of `sa` or the other way
    /// round. Of two plain ones it is the addresses that may tell them apart.
    fn tells_apart(&self, sa: &SaConfig) -> bool {
        let shown = sa.shown();
        self.compressed.is_free(shown) && (shown.lsb.is_none() || self.plain.is_free(shown))
    }

    fn enter(&mut self, index: usize, sa: &SaConfig) {
        let number = u32::try_from(self.sas.len()).unwrap_or(u32::MAX);
        let shown = sa.shown();
        let index_of = match shown.lsb {
            Some(_) => &mut self.compressed,
            None => &mut self.plain,
        };
        index_of.insert(shown, Lookup::Spi, number);
        self.sas.push(index);
    }

    fn inbound(&mut self, packet: &[u8], now: Instant) -> (Outcome, Vec<u8>) {
        // Headers that were left out come back in front.
        let mut data = vec![0; MAX_HEADER];
        data.extend_from_slice(packet);
        let Some(mut buf) = PacketBuf::new(&mut data, MAX_HEADER, packet.len()) else {
            return (Outcome::default(), Vec::new());
        };
        let mut outcome = self.ipsec.inbound(&mut buf, now);
        let left = buf.packet().to_vec();
        let number = outcome.sa.and_then(|sa| usize::try_from(sa).ok());
        let index = number.and_then(|number| self.sas.get(number));
        outcome.sa = index.and_then(|index| u32::try_from(*index).ok());
        (outcome, left)
    }
}

/// The SAs of a configuration, ready to open what was captured.
pub struct Capture {
    /// Where nothing tells SAs apart, each stands in a layer of its own.
    layers: Vec<Layer>,
}

impl Capture {
    /// Opens one IP packet: the outcome, whose SA is an index in
    /// [`Config::sas`], and what is left of the packet. What is not ESP passes
    /// unchanged. Of SAs that nothing tells apart, the one whose ICV verifies
    /// takes the packet; where none does, the refusal of the first is told.
    pub fn inbound(&mut self, packet: &[u8], now: Instant) -> (Outcome, Vec<u8>) {
        let mut told: Option<(Outcome, Vec<u8>)> = None;
        for layer in &mut self.layers {
            let (outcome, left) = layer.inbound(packet, now);
            let refused =
                outcome.verdict == Verdict::Drop && outcome.reason != Some(DropReason::Dummy);
            if !refused {
                return (outcome, left);
            }
            // An SA that refuses says more than that there is none.
            let more = outcome.sa.is_some() && told.as_ref().is_some_and(|(t, _)| t.sa.is_none());
            if more || told.is_none() {
                told = Some((outcome, left));
            }
        }
        told.unwrap_or_default()
    }
}
