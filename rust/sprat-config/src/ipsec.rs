//! From a configuration to the boundary that packets cross.

use std::collections::HashSet;

use sprat_core::crypto::{Keys, Suite, SuiteError};
use sprat_core::esp::{InboundSa, OutboundSa};
use sprat_core::ipsec::Ipsec;
use sprat_core::num::Sn64;
use sprat_core::sa::{Lifetime, Lookup, Mode, SaError};
use sprat_core::selector::Selector;
use sprat_core::spd::{self, Action, Policy};
use sprat_core::time::Instant;

use crate::{Config, Direction, PolicyAction, SaConfig};

/// What the boundary is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Live traffic: every SA in its direction, the policies as they stand.
    Gateway,
    /// A capture: every SA receives, no lifetime ends it, and what is not ESP
    /// passes unchanged.
    Capture,
}

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
        OutboundSa::new(self.params, suite, last, now).map_err(|error: SaError| self.error(error))
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
        Ok(sa)
    }
}

impl Config {
    /// The boundary with every SA and, for [`View::Gateway`], every policy.
    /// The number of an SA in it is its index in [`Config::sas`].
    pub fn ipsec(&self, now: Instant, view: View) -> Result<Ipsec, BuildError> {
        let mut ipsec = Ipsec::new();
        let mut taken = HashSet::new();
        for sa in &self.sas {
            let number = match (view, sa.direction) {
                (View::Gateway, Some(Direction::Out)) => {
                    ipsec.add_outbound(&sa.name, sa.outbound(now)?)
                }
                (View::Gateway, _) => ipsec.add_inbound(&sa.name, sa.inbound(now)?),
                (View::Capture, _) => {
                    let lookup = capture_lookup(sa, &mut taken);
                    let sa_in = sa.inbound_by(lookup, Lifetime::default(), now)?;
                    ipsec.add_inbound(&sa.name, sa_in)
                }
            };
            if number.is_none() {
                return Err(sa.error(
                    "nothing tells it from another SA with this SPI: set destination and source",
                ));
            }
        }
        match view {
            View::Gateway => self.add_gateway(&mut ipsec),
            View::Capture => ipsec.add_policy(Policy {
                direction: spd::Direction::In,
                selector: Selector::ANY,
                action: Action::Bypass,
            }),
        }
        Ok(ipsec)
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
/// later of two equal SAs is found by its tunnel ends.
fn capture_lookup(sa: &SaConfig, taken: &mut HashSet<String>) -> Lookup {
    let key = |lookup: &Lookup| format!("{} {lookup:?}", sa.params.spi);
    if taken.insert(key(&sa.params.lookup)) {
        return sa.params.lookup;
    }
    let Mode::Tunnel(tunnel) = sa.params.mode else {
        return sa.params.lookup;
    };
    let lookup = Lookup::SpiDestinationSource(tunnel.destination, tunnel.source);
    taken.insert(key(&lookup));
    lookup
}
