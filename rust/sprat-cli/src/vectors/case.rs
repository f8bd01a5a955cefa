//! Reading the members of a case, and what the kinds of ESP share.

use std::net::IpAddr;

use serde_json::Value;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Suite};
use sprat_core::num::Spi;
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel, UdpEncap};
use sprat_core::wire::ip::Outer;

use crate::hex;

/// A difference between what a case says and what came out.
pub struct Failure {
    /// The case.
    pub id: String,
    /// Which output.
    pub what: String,
    /// As the case says.
    pub expected: String,
    /// As it came out.
    pub got: String,
}

/// One case and what is wrong with it so far.
pub struct Case<'a> {
    members: Members<'a>,
    id: String,
    stage: &'static str,
    failures: Vec<Failure>,
}

impl<'a> Case<'a> {
    /// The case in `value`; `place` names it where it has no id.
    pub fn new(value: &'a Value, place: String) -> Self {
        let named = ["id", "name"]
            .iter()
            .find_map(|key| value.get(key)?.as_str());
        Case {
            members: Members { value },
            id: named.map_or(place, str::to_owned),
            stage: "",
            failures: Vec::new(),
        }
    }

    /// Names what is done from here on, in front of each difference.
    pub fn stage(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    /// Its members.
    pub fn members(&self) -> Members<'a> {
        self.members
    }

    /// What went wrong.
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures
    }

    /// Notes a difference.
    pub fn fail(&mut self, what: &str, expected: &str, got: &str) {
        self.failures.push(Failure {
            id: self.id.clone(),
            what: format!("{}{what}", self.stage),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    }

    /// Compares octets.
    pub fn octets(&mut self, what: &str, expected: &[u8], got: &[u8]) {
        if expected != got {
            self.fail(what, &hex::encode(expected), &hex::encode(got));
        }
    }

    /// Compares anything else.
    pub fn same<T: PartialEq + std::fmt::Display>(&mut self, what: &str, expected: T, got: T) {
        if expected != got {
            self.fail(what, &expected.to_string(), &got.to_string());
        }
    }
}

/// Members of an object of a case.
#[derive(Clone, Copy)]
pub struct Members<'a> {
    value: &'a Value,
}

impl<'a> Members<'a> {
    /// The members of `value`.
    pub fn of(value: &'a Value) -> Self {
        Members { value }
    }

    /// The member, `None` if absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Option<T>,
        kind: &str,
    ) -> Result<T, String> {
        let value = self
            .get(name)
            .ok_or_else(|| format!("no member {name:?}"))?;
        read(value).ok_or_else(|| format!("member {name:?} is not {kind}"))
    }

    /// Text.
    pub fn text(&self, name: &str) -> Result<&'a str, String> {
        self.typed(name, Value::as_str, "text")
    }

    /// Octets in hex: lower case, nothing in front or between.
    pub fn hex(&self, name: &str) -> Result<Vec<u8>, String> {
        let plain = |value: &Value| {
            let text = value.as_str()?;
            hex::decode(text).filter(|octets| hex::encode(octets) == text)
        };
        self.typed(name, plain, "lower-case hex")
    }

    /// A number of the width of `T`.
    pub fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<T, String> {
        let read = |value: &Value| T::try_from(value.as_u64()?).ok();
        self.typed(name, read, "a number of the right width")
    }

    /// True or false.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        self.typed(name, Value::as_bool, "a boolean")
    }

    /// An address as text.
    pub fn address(&self, name: &str) -> Result<IpAddr, String> {
        self.typed(name, |value| value.as_str()?.parse().ok(), "an address")
    }

    /// A list.
    pub fn list(&self, name: &str) -> Result<&'a Vec<Value>, String> {
        self.typed(name, Value::as_array, "a list")
    }

    /// Whether the member is there, if only as null.
    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// Refuses an object with a member that is not `known`: nobody would look at it.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        let object = self.value.as_object().ok_or("not an object")?;
        match object.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("unknown member {name:?}")),
            None => Ok(()),
        }
    }

    /// The members of an object that must be there.
    pub fn within(&self, name: &str) -> Result<Members<'a>, String> {
        self.object(name)
            .ok_or_else(|| format!("no member {name:?}"))
    }

    /// The members of an object; `None` if absent or null.
    pub fn object(&self, name: &str) -> Option<Members<'a>> {
        self.get(name).map(Members::of)
    }
}

/// The `sa` object of the ESP kinds.
pub struct Sa {
    /// What was agreed.
    pub params: SaParams,
    /// The transforms with their keys.
    pub suite: Suite,
}

/// Reads the `sa` object and checks what it says about its transforms.
pub fn read_sa(case: &mut Case<'_>) -> Result<Sa, String> {
    let sa = case.members().object("sa").ok_or("no member \"sa\"")?;
    let (encr, integ) = transforms(case, sa)?;
    let (encr_key, salt) = (sa.hex("encr_key")?, sa.hex("salt")?);
    let integ_key = sa.hex("integ_key")?;
    let keys = Keys {
        encr_key: &encr_key,
        salt: &salt,
        integ_key: &integ_key,
    };
    let suite = Suite::new(encr, integ, &keys).map_err(|error| error.to_string())?;
    if sa.get("encr_key_bits").is_some() {
        let bits = sa.number("encr_key_bits")?;
        case.same("sa.encr_key_bits", bits, encr_key.len() * 8);
    }
    case.same("sa.iv_len", sa.number("iv_len")?, suite.iv_len());
    case.same("sa.icv_len", sa.number("icv_len")?, suite.icv_len());
    let mode = match sa.text("mode")? {
        "transport" => Mode::Transport,
        "tunnel" => Mode::Tunnel(tunnel(sa)?),
        other => return Err(format!("unknown mode {other:?}")),
    };
    let mut params = SaParams::new(Spi(sa.number("spi")?), mode);
    params.esn = sa.flag("esn")?;
    if let Some(encap) = sa.object("udp_encap") {
        params.udp_encap = Some(UdpEncap {
            source_port: encap.number("sport")?,
            destination_port: encap.number("dport")?,
        });
    }
    Ok(Sa { params, suite })
}

/// Transforms by name; the numbers beside them must be the same ones.
fn transforms(case: &mut Case<'_>, sa: Members<'_>) -> Result<(Encr, Integ), String> {
    let (encr, integ) = (encr(sa)?, integ(sa)?);
    case.same("sa.encr_id", sa.number("encr_id")?, encr.id());
    match sa.get("integ_id") {
        // The private variant has no number that others could know.
        None => case.same(
            "sa.integ with integ_id null",
            "PRIV_HMAC_SHA2_256_96",
            integ.name(),
        ),
        Some(_) => case.same("sa.integ_id", sa.number("integ_id")?, integ.id()),
    }
    Ok((encr, integ))
}

/// The encryption transform that the member `encr` names.
pub fn encr(members: Members<'_>) -> Result<Encr, String> {
    let name = members.text("encr")?;
    Encr::from_name(name).ok_or_else(|| format!("unknown encr {name:?}"))
}

/// The integrity transform that the member `integ` names.
pub fn integ(members: Members<'_>) -> Result<Integ, String> {
    let name = members.text("integ")?;
    Integ::from_name(name).ok_or_else(|| format!("unknown integ {name:?}"))
}

/// Tunnel parameters for opening: the header template has its own place
/// ([`outer`]), so that only the addresses count here.
fn tunnel(sa: Members<'_>) -> Result<Tunnel, String> {
    let any = IpAddr::from([192, 0, 2, 1]);
    let (source, destination) = match sa.object("outer") {
        Some(outer) => (outer.address("src")?, outer.address("dst")?),
        None => (any, any),
    };
    Ok(Tunnel {
        source,
        destination,
        hop_limit: 64,
        dscp: Dscp::Set(0),
        ecn: false,
        df: Df::Clear,
        flow_label: 0,
    })
}

/// The complete outer header that `sa.outer` states; `None` in transport mode.
pub fn outer(members: Members<'_>) -> Result<Option<Outer>, String> {
    let sa = members.object("sa").ok_or("no member \"sa\"")?;
    let Some(outer) = sa.object("outer") else {
        return Ok(None);
    };
    let (source, destination) = (outer.address("src")?, outer.address("dst")?);
    let four = source.is_ipv4();
    Ok(Some(Outer {
        source,
        destination,
        hop_limit: outer.number(if four { "ttl" } else { "hlim" })?,
        traffic_class: outer.number(if four { "tos" } else { "tc" })?,
        id: if four { outer.number("id")? } else { 0 },
        fragment: if four { outer.number("frag")? } else { 0 },
        flow_label: if four { 0 } else { outer.number("fl")? },
    }))
}

/// The high half of the number, which without ESN is there and 0.
pub fn seq_hi(members: Members<'_>, esn: bool) -> Result<u32, String> {
    match members.number("seq_hi")? {
        1.. if !esn => Err("seq_hi is not 0 without ESN".to_owned()),
        high => Ok(high),
    }
}
