//! `[[policy]]`: ordered entries of the SPD.

use sprat_core::selector::Selector;

use crate::reader::{Reader, Section};
use crate::{Direction, schema, selector};

/// What happens to a packet that matches (RFC 4301 s4.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyAction {
    /// Goes through the SA of this index in [`crate::Config::sas`].
    ProtectWith(usize),
    /// Must have come through an SA: entries with direction `in`.
    Protected,
    /// Passes in the clear.
    Bypass,
    /// Is dropped.
    Discard,
}

/// One `[[policy]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// Packets that leave or packets that arrive.
    pub direction: Direction,
    /// What happens to them.
    pub action: PolicyAction,
    /// Which packets.
    pub selector: Selector,
}

/// Reads one `[[policy]]`; `find` gives the index and direction of an SA by name.
pub(crate) fn read(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    find: impl Fn(&str) -> Option<(usize, Option<Direction>)>,
) -> Option<PolicyConfig> {
    const DIRECTIONS: &str = "\"out\", \"in\"";
    const ACTIONS: &str = "\"protect\", \"bypass\", \"discard\"";
    r.admit(section, schema::POLICY);
    for (name, allowed) in [("direction", DIRECTIONS), ("action", ACTIONS)] {
        if !section.has(name) {
            r.missing(section, name, allowed);
        }
    }
    let direction = r.parsed(section, "direction", Direction::from_text, DIRECTIONS);
    let known = |text: &str| {
        ["protect", "bypass", "discard"]
            .into_iter()
            .find(|a| *a == text)
    };
    let action = r.parsed(section, "action", known, ACTIONS);
    let selector = selector::read(r, section);
    let sa = r.text(section, "sa", "the name of an SA");
    let (direction, action) = (direction?, action?);
    let action = match (action, direction) {
        ("protect", Direction::Out) => protect(r, section, sa, find)?,
        ("protect", Direction::In) => PolicyAction::Protected,
        ("bypass", _) => PolicyAction::Bypass,
        _ => PolicyAction::Discard,
    };
    if section.has("sa") && !matches!(action, PolicyAction::ProtectWith(_)) {
        let text = "an SA is named where none is used";
        let allowed = "action = \"protect\" and direction = \"out\" with it";
        r.report(section.place("sa"), text, allowed);
    }
    Some(PolicyConfig {
        direction,
        action,
        selector,
    })
}

fn protect(
    r: &mut Reader<'_>,
    section: &Section<'_>,
    sa: Option<&str>,
    find: impl Fn(&str) -> Option<(usize, Option<Direction>)>,
) -> Option<PolicyAction> {
    const SENDING: &str = "the name of an SA with direction = \"out\"";
    if !section.has("sa") {
        r.missing(section, "sa", SENDING);
    }
    match find(sa?) {
        Some((index, Some(Direction::Out))) => Some(PolicyAction::ProtectWith(index)),
        Some(_) => {
            r.report(section.place("sa"), "this SA does not send", SENDING);
            None
        }
        None => {
            r.report(section.place("sa"), "no [[sa]] has this name", SENDING);
            None
        }
    }
}
