//! `sprat overhead`: what security costs on the wire, with the arithmetic.

mod esp;
pub mod field;
mod json;
mod plot;
mod protocol;
mod radio;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::fail::{Fail, Outcome};
use esp::{Esp, IV, Trailer};
use protocol::{Ah, Diet, Oscore, Protocol};

/// `sprat overhead`. The options describe a Diet-ESP SA.
#[derive(Debug, Args)]
pub struct OverheadArgs {
    /// Octets of a message above UDP, such as CoAP; one or more
    #[arg(long, value_name = "OCTETS", value_delimiter = ',',
          default_values_t = [10, 30, 64, 100],
          value_parser = clap::value_parser!(u16).range(1..=65_000))]
    payload: Vec<u16>,
    /// Bits of the SPI that Diet-ESP sends, 0 to 32
    #[arg(long, value_name = "BITS", default_value_t = 8,
          value_parser = clap::value_parser!(u8).range(..=32))]
    spi_lsb: u8,
    /// Bits of the SN that Diet-ESP sends, 0 to 32
    #[arg(long, value_name = "BITS", default_value_t = 8,
          value_parser = clap::value_parser!(u8).range(..=32))]
    sn_lsb: u8,
    /// Bits that Diet-ESP pads to a multiple of
    #[arg(long, value_name = "BITS", default_value = "8")]
    alignment: Alignment,
    /// Next Header is sent, of messages the ports as well: transport mode for any
    /// protocol
    #[arg(long, conflicts_with = "mandatory_trailer")]
    next_header: bool,
    /// The whole trailer is sent: esp_trailer Mandatory
    #[arg(long)]
    mandatory_trailer: bool,
    /// Send the RuleID octet, which both sides may elide
    #[arg(long)]
    rule_id: bool,
    /// Explicit IV of 8 octets in Diet-ESP; without it implicit (RFC 8750)
    #[arg(long)]
    explicit_iv: bool,
    /// Octets of the ICV of ESP and Diet-ESP; the tags of others stay as named
    #[arg(long, value_name = "OCTETS", default_value = "8")]
    icv: Icv,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw it, too: SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Alignment {
    #[value(name = "8")]
    Bits8,
    #[value(name = "16")]
    Bits16,
    #[value(name = "32")]
    Bits32,
    #[value(name = "64")]
    Bits64,
}

impl Alignment {
    fn octets(self) -> usize {
        match self {
            Alignment::Bits8 => 1,
            Alignment::Bits16 => 2,
            Alignment::Bits32 => 4,
            Alignment::Bits64 => 8,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Icv {
    #[value(name = "8")]
    Octets8,
    #[value(name = "12")]
    Octets12,
    #[value(name = "16")]
    Octets16,
}

impl Icv {
    fn octets(self) -> usize {
        match self {
            Icv::Octets8 => 8,
            Icv::Octets12 => 12,
            Icv::Octets16 => 16,
        }
    }
}

/// What is asked: one Diet-ESP SA and messages to compare it with others by.
#[derive(Debug)]
struct Question {
    diet: Diet,
    messages: Vec<usize>,
}

/// Prints the tables, and draws them.
pub fn run(args: &OverheadArgs) -> Result<Outcome, Fail> {
    let question = question(args)?;
    if let Some(file) = &args.plot {
        let picture = plot::picture(&question);
        std::fs::write(file, picture).map_err(|error| Fail::file(file, error))?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        json::print(&mut out, &question)?;
    } else {
        text::print(&mut out, &question)?;
    }
    Ok(Outcome::Well)
}

fn question(args: &OverheadArgs) -> Result<Question, Fail> {
    let (spi_lsb, sn_lsb) = (usize::from(args.spi_lsb), usize::from(args.sn_lsb));
    if !(spi_lsb + sn_lsb).is_multiple_of(8) {
        return Err(Fail::text(format!(
            "--spi-lsb {spi_lsb} and --sn-lsb {sn_lsb}: their sum is no multiple of 8"
        )));
    }
    let trailer = match args.mandatory_trailer {
        true => Trailer::Mandatory,
        false => Trailer::Optional {
            next_header: args.next_header,
        },
    };
    let esp = Esp {
        spi_lsb,
        sn_lsb,
        iv: if args.explicit_iv { IV } else { 0 },
        alignment: args.alignment.octets(),
        trailer,
        icv: args.icv.octets(),
    };
    let diet = Diet {
        esp,
        rule_id: args.rule_id,
    };
    let messages = args.payload.iter().copied().map(usize::from).collect();
    Ok(Question { diet, messages })
}

impl Question {
    /// ESP with the same ICV, to compare with.
    fn plain(&self, iv: usize) -> Esp {
        Esp::plain(iv, self.diet.esp.icv)
    }

    /// The least that Diet-ESP can be with the same ICV.
    fn least(&self, iv: usize) -> Esp {
        Esp::least(iv, self.diet.esp.icv)
    }

    /// Everything a message is compared by.
    fn protocols(&self) -> Vec<Protocol> {
        vec![
            Protocol::Unprotected,
            Protocol::Dtls12,
            Protocol::Dtls13Cid,
            Protocol::Dtls13,
            Protocol::Oscore(Oscore::Request),
            Protocol::Oscore(Oscore::Response),
            Protocol::Oscore(Oscore::OverSchc),
            Protocol::WireGuard,
            Protocol::Ah(Ah::HmacSha256),
            Protocol::Ah(Ah::AesGmac),
            Protocol::EspTunnel(self.plain(IV)),
            Protocol::EspTunnel(self.plain(0)),
            Protocol::EspTransport(self.plain(IV)),
            Protocol::EspTransport(self.plain(0)),
            Protocol::DietEspPrefix(self.diet),
            Protocol::DietEsp(self.diet),
        ]
    }
}

impl Esp {
    /// What was agreed, in words: `SPI 8 bits, SN 8 bits, 8-bit alignment, ...`.
    fn words(&self) -> String {
        let trailer = match self.trailer {
            Trailer::Mandatory => "whole trailer",
            Trailer::Optional { next_header: true } => "Next Header kept",
            Trailer::Optional { next_header: false } => "Next Header elided",
        };
        format!(
            "SPI {} bits, SN {} bits, {}-bit alignment, {trailer}, {} IV, ICV {}",
            self.spi_lsb,
            self.sn_lsb,
            self.alignment * 8,
            if self.iv > 0 { "explicit" } else { "implicit" },
            self.icv
        )
    }
}

/// Why frames are a lower bound; where headers stand.
const ASSUMPTIONS: [&str; 3] = [
    "Frames are plain division: octets above the frame's own header, by what a frame \
     carries; headers of fragments are not counted.",
    "On each radio IPv6 and UDP are compressed as 6LoWPAN does on IEEE 802.15.4 (IPHC 2, \
     UDP 7), but for what ESP encrypts.",
    "LoRa and Bluetooth frames carry at least what is named here.",
];
