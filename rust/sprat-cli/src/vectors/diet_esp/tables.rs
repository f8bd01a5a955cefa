//! The lists that look at one computation: `sn_reconstruct`, `spi_lookup` and
//! `udp_encapsulation`.

use sprat_core::diet_esp::{Afrg, Carried, Context, reconstruct};
use sprat_core::num::{Sn64, Spi};
use sprat_core::selector::Selector;
use sprat_core::wire::ip::Version;
use sprat_core::wire::udp::Encapsulated;

use super::attributes;
use crate::vectors::case::{Case, Members};

/// The number that the received bits stand for; null for none.
pub fn sn_reconstruct(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let lsb: u8 = members.number("esp_sn_lsb")?;
    let received: u32 = members.number("received_lsb")?;
    if lsb > 32 || u64::from(received) >> lsb != 0 {
        return Err("received_lsb has more than esp_sn_lsb bits".to_owned());
    }
    let top = Sn64(members.number("highest_authenticated")?);
    let (window, esn) = (members.number("window")?, members.flag("esn")?);
    let found = reconstruct((received, lsb), top, window, esn);
    // Number 0 is never sent.
    let found = found.ok().filter(|sn| sn.0 != 0);
    let text = |sn: Option<u64>| sn.map_or("none".to_owned(), |sn| sn.to_string());
    let expected = match members.get("expect_sn") {
        Some(_) => Some(members.number("expect_sn")?),
        None if members.has("expect_sn") => None,
        None => return Err("no member \"expect_sn\"".to_owned()),
    };
    case.same("expect_sn", text(expected), text(found.map(|sn| sn.0)));
    Ok(())
}

/// An SA as far as its first bits go.
fn sa(members: Members<'_>) -> Result<Context, String> {
    members.only(&["spi", "esp_spi_lsb"])?;
    let lsb: u8 = members.number("esp_spi_lsb")?;
    let mut afrg = Afrg::new(Version::V6, Selector::ANY);
    afrg.esp_spi_lsb = lsb;
    // Any number that fills the octets.
    afrg.esp_sn_lsb = (8 - lsb % 8) % 8;
    let carried = Carried {
        spi: Spi::from_octets(attributes::octets4(&members.hex("spi")?)?),
        outer: Some(Version::V6),
        udp: false,
    };
    Context::new(afrg, &carried).map_err(|error| error.to_string())
}

/// Which SAs a packet may belong to, and whether there can be two.
pub fn spi_lookup(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let sad = members.list("sad")?.iter();
    let sad: Vec<Context> = sad
        .map(|value| sa(Members::of(value)))
        .collect::<Result<_, _>>()?;
    let start = members.hex("packet_start")?;
    let shown = sad
        .iter()
        .enumerate()
        .filter(|(_, sa)| sa.shows_spi(&start));
    let shown: Vec<u64> = shown.filter_map(|(at, _)| u64::try_from(at).ok()).collect();
    let expected = members.list("candidates")?.iter();
    let mut expected: Vec<u64> = expected
        .map(|value| value.as_u64().ok_or("a candidate is no number"))
        .collect::<Result<_, _>>()?;
    expected.sort_unstable();
    case.same("candidates", format!("{expected:?}"), format!("{shown:?}"));
    let overlap = |a: usize, b: usize| match (sad.get(a), sad.get(b)) {
        (Some(a), Some(b)) => begins(a, b),
        _ => false,
    };
    let all = 0..sad.len();
    let free = !all
        .clone()
        .any(|a| all.clone().any(|b| a != b && overlap(a, b)));
    case.same("prefix_free", members.flag("prefix_free")?, free);
    Ok(())
}

/// Whether the bits of `short` are the first ones of `long`.
fn begins(short: &Context, long: &Context) -> bool {
    let bits = |sa: &Context| {
        let lsb = sa.afrg().esp_spi_lsb;
        (sa.spi().low_bits(lsb), u32::from(lsb))
    };
    let ((short, n), (long, m)) = (bits(short), bits(long));
    n <= m && u64::from(long) >> (m - n) == u64::from(short)
}

/// What a payload of UDP port 4500 is.
pub fn udp_encapsulation(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let verdict = members.text("verdict")?;
    let class = verdict.split([',', '(', ':']).next().unwrap_or("").trim();
    let expected = match class {
        "read as IKE" => Encapsulated::Ike,
        "ESP" => Encapsulated::Esp,
        "NAT keepalive" => Encapsulated::Keepalive,
        other => return Err(format!("unknown verdict {other:?}")),
    };
    let got = Encapsulated::classify(&members.hex("first4")?);
    case.same("verdict", format!("{expected:?}"), format!("{got:?}"));
    Ok(())
}
