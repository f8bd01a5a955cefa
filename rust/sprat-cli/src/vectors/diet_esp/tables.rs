//! The lists that look at one computation: `sn_reconstruct`, `spi_lookup` and
//! `udp_encapsulation`.

use std::net::{IpAddr, Ipv4Addr};

use sprat_core::diet_esp::{Afrg, Carried, Context, reconstruct};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::Lookup;
use sprat_core::sad::{Sad, Shown};
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
    let found = found.ok().map(|sn| sn.0);
    let text = |sn: Option<u64>| sn.map_or("none".to_owned(), |sn| sn.to_string());
    match members.get("expect_sn") {
        Some(_) => {
            let expected = Some(members.number("expect_sn")?);
            case.same("expect_sn", text(expected), text(found));
        }
        None if !members.has("expect_sn") => return Err("no member \"expect_sn\"".to_owned()),
        // Number 0 is never sent: the replay check refuses it.
        None => case.same("expect_sn", text(None), text(found.filter(|sn| *sn != 0))),
    }
    Ok(())
}

/// SPI and the bits of it that are sent; the index is what is found.
struct Entry {
    spi: Spi,
    lsb: u8,
    at: u32,
}

impl Entry {
    fn read(at: usize, members: Members<'_>) -> Result<Self, String> {
        members.only(&["spi", "esp_spi_lsb"])?;
        Ok(Entry {
            spi: Spi::from_octets(attributes::octets4(&members.hex("spi")?)?),
            lsb: members.number("esp_spi_lsb")?,
            at: u32::try_from(at).map_err(|_| "too many SAs")?,
        })
    }

    /// An SA as far as its first bits go.
    fn context(&self) -> Result<Context, String> {
        let mut afrg = Afrg::new(Version::V6, Selector::ANY);
        afrg.esp_spi_lsb = self.lsb;
        // Any number that fills the octets.
        afrg.esp_sn_lsb = (8 - self.lsb % 8) % 8;
        let carried = Carried {
            spi: self.spi,
            outer: Some(Version::V6),
            udp: false,
        };
        Context::new(afrg, &carried).map_err(|error| error.to_string())
    }

    /// Enters the SA: plain where it shows all bits, if `plain` says so. A SAD tells
    /// SAs of one SPI apart by their addresses, and finds one such plain SA: the
    /// next ones are compressed, and known by more addresses.
    fn enter(&self, sad: &mut Sad, plain: bool) -> bool {
        let shown = |lsb| Shown { spi: self.spi, lsb };
        let (whole, sent) = (shown(None), shown(Some(self.lsb)));
        let first = if plain && self.lsb == 32 { whole } else { sent };
        let free = sad.is_free(first);
        let tries = [
            (first, Lookup::Spi),
            (sent, Lookup::Spi),
            (sent, Lookup::SpiDestination(END)),
            (sent, Lookup::SpiDestinationSource(END, END)),
        ];
        let mut tries = tries.into_iter();
        tries.any(|(shown, lookup)| sad.insert(shown, lookup, self.at));
        free
    }
}

/// Where packets come from and go to.
const END: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Which SAs a packet may belong to, and whether there can be two.
pub fn spi_lookup(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let entries = members.list("sad")?.iter().enumerate();
    let entries: Vec<Entry> = entries
        .map(|(at, value)| Entry::read(at, Members::of(value)))
        .collect::<Result<_, _>>()?;
    let start = members.hex("packet_start")?;
    let expected = members.list("candidates")?.iter();
    let mut expected: Vec<u32> = expected
        .map(|value| value.as_u64().and_then(|at| u32::try_from(at).ok()))
        .collect::<Option<_>>()
        .ok_or("a candidate is no index")?;
    expected.sort_unstable();
    let prefix_free = members.flag("prefix_free")?;
    let mut shown = Vec::new();
    for entry in &entries {
        if entry.context()?.shows_spi(&start) {
            shown.push(entry.at);
        }
    }
    case.same("candidates", format!("{expected:?}"), format!("{shown:?}"));
    for plain in [false, true] {
        case.stage(if plain { "plain SAs: " } else { "SAD: " });
        let mut sad = Sad::new();
        let overlapping = entries.iter().filter(|entry| !entry.enter(&mut sad, plain));
        let free = overlapping.count() == 0;
        case.same("prefix_free", prefix_free, free);
        let mut found: Vec<u32> = sad.candidates(&start, END, END).values().collect();
        found.sort_unstable();
        case.same("candidates", format!("{expected:?}"), format!("{found:?}"));
    }
    Ok(())
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
        "malformed" | "too short" | "short" => Encapsulated::Short,
        other => return Err(format!("unknown verdict {other:?}")),
    };
    let got = Encapsulated::classify(&members.hex("first4")?);
    case.same("verdict", format!("{expected:?}"), format!("{got:?}"));
    Ok(())
}
