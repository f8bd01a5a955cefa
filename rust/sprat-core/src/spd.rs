//! The SPD: ordered entries, the first that matches decides (RFC 4301 s4.4.1).

use alloc::vec::Vec;

use crate::error::DropReason;
use crate::selector::{Flow, Selector};

/// Which way the packets go that an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Leaving: SPD-O, and SPD-S for those to be protected.
    Out,
    /// Arriving: SPD-I.
    In,
}

/// What happens to a packet that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes in the clear.
    Bypass,
    /// It is dropped.
    Discard,
    /// Outbound: it goes through the SA with this number in the SAD. Inbound: it
    /// had to arrive through an SA, in the clear it is dropped.
    Protect(Option<u32>),
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Direction the entry is for.
    pub direction: Direction,
    /// Packets it is for.
    pub selector: Selector,
    /// What to do.
    pub action: Action,
}

/// The entries in their order.
#[derive(Debug, Default)]
pub struct Spd {
    out: Vec<(Selector, Action)>,
    r#in: Vec<(Selector, Action)>,
}

impl Spd {
    /// An SPD without entries: nothing matches.
    pub fn new() -> Self {
        Spd::default()
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, policy: Policy) {
        let entry = (policy.selector, policy.action);
        match policy.direction {
            Direction::Out => self.out.push(entry),
            Direction::In => self.r#in.push(entry),
        }
    }

    /// What the first entry that matches says.
    ///
    /// `NoPolicy` if none does: the packet is to be discarded. `Fragment` if the
    /// packet does not show its ports, an earlier entry that asks for ports may
    /// have been meant for it, and what matches would let it pass in the clear
    /// (RFC 4301 s7): such a packet must not slip past its policy.
    pub fn classify(&self, direction: Direction, flow: &Flow) -> Result<Action, DropReason> {
        let entries = match direction {
            Direction::Out => &self.out,
            Direction::In => &self.r#in,
        };
        let mut passed_over = false;
        for (selector, action) in entries {
            if selector.admits(flow) {
                return match action {
                    Action::Bypass if passed_over => Err(DropReason::Fragment),
                    action => Ok(*action),
                };
            }
            passed_over |= *action != Action::Bypass && selector.might_admit(flow);
        }
        Err(DropReason::NoPolicy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::PortRange;
    use core::net::IpAddr;

    #[test]
    fn the_first_match_decides_and_directions_are_apart() {
        let mut spd = Spd::new();
        let tcp = Selector {
            protocol: Some(6),
            ..Selector::ANY
        };
        let (direction, selector) = (Direction::Out, tcp);
        spd.push(Policy {
            direction,
            selector,
            action: Action::Discard,
        });
        spd.push(Policy {
            direction,
            selector: Selector::ANY,
            action: Action::Protect(Some(3)),
        });
        let address = IpAddr::from([10, 0, 0, 1]);
        let mut flow = Flow {
            source: address,
            destination: address,
            protocol: 6,
            ports: None,
        };
        assert_eq!(spd.classify(Direction::Out, &flow), Ok(Action::Discard));
        flow.protocol = 17;
        assert_eq!(
            spd.classify(Direction::Out, &flow),
            Ok(Action::Protect(Some(3)))
        );
        assert_eq!(
            spd.classify(Direction::In, &flow),
            Err(DropReason::NoPolicy)
        );
    }

    #[test]
    fn a_fragment_does_not_slip_past_an_entry_for_ports() {
        let mut spd = Spd::new();
        let direction = Direction::Out;
        let ports = PortRange::Range {
            first: 1,
            last: 1000,
        };
        let some = Selector {
            protocol: Some(17),
            destination_ports: ports,
            ..Selector::ANY
        };
        spd.push(Policy {
            direction,
            selector: some,
            action: Action::Protect(Some(3)),
        });
        let icmp = Selector {
            protocol: Some(1),
            ..Selector::ANY
        };
        spd.push(Policy {
            direction,
            selector: icmp,
            action: Action::Discard,
        });
        spd.push(Policy {
            direction,
            selector: Selector::ANY,
            action: Action::Bypass,
        });
        let address = IpAddr::from([10, 0, 0, 1]);
        let flow = |protocol, ports| Flow {
            source: address,
            destination: address,
            protocol,
            ports,
        };
        let classify = |protocol, ports| spd.classify(direction, &flow(protocol, ports));
        assert_eq!(classify(17, Some((9, 2000))), Ok(Action::Bypass));
        assert_eq!(classify(17, None), Err(DropReason::Fragment));
        assert_eq!(classify(6, None), Ok(Action::Bypass));
        assert_eq!(classify(47, None), Ok(Action::Bypass));
        assert_eq!(classify(1, None), Ok(Action::Discard));
    }
}
