//! Reading `context` and `sa`.

use std::net::IpAddr;

use serde_json::Value;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, DscpList, EcnCda, EspTrailer, FlowLabelCda,
    IipcProfile,
};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::wire::ip::Version;

use crate::vectors::case::{Case, Members};

/// Another member of `context` would be an attribute that nobody looks at.
const ATTRIBUTES: &[&str] = &[
    "iipc_profile",
    "dscp_cda",
    "ecn_cda",
    "flow_label_cda",
    "dscp_list",
    "alignment",
    "esp_trailer",
    "ipsec_mode",
    "esp_spi_lsb",
    "esp_sn_lsb",
    "ts_ip_version",
    "ts_proto",
    "ts_ip_src_start",
    "ts_ip_src_end",
    "ts_ip_dst_start",
    "ts_ip_dst_end",
    "ts_port_src_start",
    "ts_port_src_end",
    "ts_port_dst_start",
    "ts_port_dst_end",
];

/// The attributes of a case.
pub struct Attributes {
    pub afrg: Afrg,
    pub tunnel: bool,
    pub version: Version,
}

impl Attributes {
    /// Reads the member `context`.
    pub fn read(members: Members<'_>) -> Result<Self, String> {
        let context = members.within("context")?;
        context.only(ATTRIBUTES)?;
        let version = version(context.number("ts_ip_version")?)?;
        let selector = Selector {
            source: addresses(context, "ts_ip_src", version)?,
            destination: addresses(context, "ts_ip_dst", version)?,
            protocol: Some(context.number("ts_proto")?).filter(|protocol| *protocol != 0),
            source_ports: ports(context, "ts_port_src")?,
            destination_ports: ports(context, "ts_port_dst")?,
        };
        let afrg = Afrg {
            iipc_profile: named(context, "iipc_profile", IipcProfile::from_name)?,
            dscp_cda: named(context, "dscp_cda", DscpCda::from_name)?,
            ecn_cda: named(context, "ecn_cda", EcnCda::from_name)?,
            flow_label_cda: named(context, "flow_label_cda", FlowLabelCda::from_name)?,
            dscp_list: dscp_list(context)?,
            alignment: alignment(context.number("alignment")?)?,
            esp_trailer: named(context, "esp_trailer", EspTrailer::from_name)?,
            esp_spi_lsb: context.number("esp_spi_lsb")?,
            esp_sn_lsb: context.number("esp_sn_lsb")?,
            // The cases send labels in the Identification of IPv4.
            outer_id: true,
            ..Afrg::new(version, selector)
        };
        let tunnel = match context.text("ipsec_mode")? {
            "Tunnel" => true,
            "Transport" => false,
            other => return Err(format!("unknown ipsec_mode {other:?}")),
        };
        Ok(Attributes {
            afrg,
            tunnel,
            version,
        })
    }

    /// The context of an SA whose outer header, in tunnel mode, is of `outer`.
    pub fn context(&self, spi: Spi, outer: Version) -> Result<Context, String> {
        let carried = Carried {
            spi,
            outer: self.tunnel.then_some(outer),
            udp: false,
        };
        Context::new(self.afrg, &carried).map_err(|error| error.to_string())
    }
}

fn named<T>(
    members: Members<'_>,
    name: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let text = members.text(name)?;
    from_name(text).ok_or_else(|| format!("unknown {name} {text:?}"))
}

/// The IP version of this number.
pub fn version(number: u8) -> Result<Version, String> {
    match number {
        4 => Ok(Version::V4),
        6 => Ok(Version::V6),
        other => Err(format!("unknown IP version {other}")),
    }
}

/// The alignment of `bits`.
pub fn alignment(bits: u64) -> Result<Alignment, String> {
    Alignment::from_bits(bits).ok_or_else(|| format!("unknown alignment {bits}"))
}

fn dscp_list(context: Members<'_>) -> Result<DscpList, String> {
    if context.get("dscp_list").is_none() {
        return Ok(DscpList::EMPTY);
    }
    let values = context.list("dscp_list")?.iter();
    let values: Option<Vec<u8>> = values
        .map(|value| u8::try_from(value.as_u64()?).ok())
        .collect();
    let list = values.and_then(|values| DscpList::new(&values));
    list.ok_or_else(|| "dscp_list is no list of DSCPs".to_owned())
}

/// An address as text, or as the number it is.
pub fn address(value: &Value, version: Version) -> Option<IpAddr> {
    let found: IpAddr = match (value, version) {
        (Value::String(text), _) => text.parse().ok()?,
        (Value::Number(number), Version::V4) => {
            IpAddr::V4(number.to_string().parse::<u32>().ok()?.into())
        }
        (Value::Number(number), Version::V6) => {
            IpAddr::V6(number.to_string().parse::<u128>().ok()?.into())
        }
        _ => return None,
    };
    (found.is_ipv4() == (version == Version::V4)).then_some(found)
}

fn addresses(context: Members<'_>, name: &str, version: Version) -> Result<AddrRange, String> {
    let end = |end: &str| {
        let name = format!("{name}_{end}");
        let value = context.get(&name).and_then(|value| address(value, version));
        value.ok_or_else(|| format!("no address of the IP version in {name:?}"))
    };
    let range = AddrRange::range(end("start")?, end("end")?);
    range.ok_or_else(|| format!("{name:?} is no range"))
}

fn ports(context: Members<'_>, name: &str) -> Result<PortRange, String> {
    let end = |end: &str| {
        let name = format!("{name}_{end}");
        match context.get(&name) {
            Some(Value::String(text)) => text.parse().map_err(|_| format!("{name:?} is no port")),
            _ => context.number::<u16>(&name),
        }
    };
    match (end("start")?, end("end")?) {
        (u16::MAX, 0) => Ok(PortRange::Opaque),
        (first, last) if first <= last => Ok(PortRange::Range { first, last }),
        _ => Err(format!("{name:?} is no range")),
    }
}

/// The transforms of a case with the numbers of its packet.
pub struct Keyed {
    pub suite: Suite,
    pub numbers: Numbers,
}

/// What `sa` may state.
const SA_MEMBERS: &[&str] = &[
    "encr",
    "encr_id",
    "encr_key_bits",
    "integ",
    "integ_id",
    "key",
    "salt",
    "auth_key",
    "icv_len",
    "iv_len",
    "spi",
    "esn",
];

impl Keyed {
    /// Reads the member `sa`, and checks what it says about its transforms.
    pub fn read(case: &mut Case<'_>, sn: Sn64) -> Result<Self, String> {
        let sa = case.members().within("sa")?;
        sa.only(SA_MEMBERS)?;
        let suite = suite(sa)?;
        for (name, is) in [
            ("encr_id", usize::from(suite.encr().id())),
            ("encr_key_bits", sa.hex("key")?.len() * 8),
            ("integ_id", usize::from(suite.integ().id())),
            ("icv_len", suite.icv_len()),
            ("iv_len", suite.iv_len()),
        ] {
            if sa.get(name).is_some() {
                case.same(&format!("sa.{name}"), sa.number(name)?, is);
            }
        }
        if sa.get("integ").is_some() {
            case.same("sa.integ", sa.text("integ")?, suite.integ().name());
        }
        let esn = sa.flag("esn")?;
        if !esn && sn.high() != 0 {
            return Err("a number above 32 bits without ESN".to_owned());
        }
        let spi = Spi::from_octets(octets4(&sa.hex("spi")?)?);
        let numbers = Numbers { spi, sn, esn };
        Ok(Keyed { suite, numbers })
    }

    /// Octets that the cipher needs as a whole: 1 for those without blocks.
    pub fn block(&self) -> usize {
        match self.suite.pad_align() {
            align @ 5.. => align,
            _ => 1,
        }
    }
}

/// The transforms that `sa` names, with its keys.
pub fn suite(sa: Members<'_>) -> Result<Suite, String> {
    let (encr, integ) = transforms(sa.text("encr")?)?;
    let auth_key = match sa.get("auth_key") {
        Some(_) => sa.hex("auth_key")?,
        None => Vec::new(),
    };
    let keys = Keys {
        encr_key: &sa.hex("key")?,
        salt: &sa.hex("salt")?,
        integ_key: &auth_key,
    };
    Suite::new(encr, integ, &keys).map_err(|error| error.to_string())
}

/// Exactly four octets.
pub fn octets4(octets: &[u8]) -> Result<[u8; 4], String> {
    octets
        .try_into()
        .map_err(|_| "an SPI is not 4 octets".to_owned())
}

fn transforms(name: &str) -> Result<(Encr, Integ), String> {
    let (encr, integ) = match name.split_once('+') {
        Some((encr, integ)) => (encr, Integ::from_name(integ)),
        None => (name, Some(Integ::None)),
    };
    let unknown = || format!("unknown encr {name:?}");
    Ok((
        Encr::from_name(encr).ok_or_else(unknown)?,
        integ.ok_or_else(unknown)?,
    ))
}
