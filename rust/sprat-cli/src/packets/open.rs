//! `sprat open`.

use sprat_config::{Capture, Config};
use sprat_core::error::DropReason;
use sprat_core::ipsec::{Outcome as Crossing, Verdict};
use sprat_core::time::Instant;

use super::capture::Frame;
use super::summary::Summary;
use super::{Files, Output, Refusal, each_frame, each_hex, link, load};
use crate::cli::OpenArgs;
use crate::fail::{Fail, Outcome};

/// Largest IP packet without options of IPv6 that make it larger, octets.
const PACKET_MAX: usize = 40 + 65_535;

/// Opens packets in hex or those of a capture.
pub fn run(args: &OpenArgs) -> Result<Outcome, Fail> {
    let config = load(&args.streams)?;
    let mut sas = config.capture(Instant(0)).map_err(Fail::Sa)?;
    let Some(files) = Files::of(&args.streams, &config) else {
        return each_hex(&args.streams, |packet| {
            Ok(open_one((&config, &mut sas), packet))
        });
    };
    let names = config.sas.iter();
    let names = names.map(|sa| (sa.name.clone(), sa.params.spi.to_string()));
    let summary = Summary::new("opened", names);
    each_frame(&files, summary, |frame, summary, out| {
        open_frame((&config, &mut sas), summary, frame, out)
    })
}

fn open_one((config, sas): (&Config, &mut Capture), packet: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (crossing, left) = sas.inbound(packet, Instant(0));
    match crossing.verdict {
        Verdict::Deliver => Ok(left),
        Verdict::Drop => Err(Refusal {
            reason: crossing.reason.unwrap_or(DropReason::Internal),
            more: doubt(config, &crossing),
        }),
        _ => Ok(packet.to_vec()),
    }
}

/// The ICV does not verify either where the number was read wrong: of one that is
/// sent in part the rest is what `sequence_start` says, until a packet is opened.
fn doubt(config: &Config, crossing: &Crossing) -> String {
    let index = crossing.sa.and_then(|sa| usize::try_from(sa).ok());
    let sa = index.and_then(|index| config.sas.get(index));
    let ehc = sa.and_then(|sa| sa.ehc.as_ref());
    match (crossing.reason, ehc) {
        (Some(DropReason::Integrity), Some(ehc)) if ehc.afrg.esp_sn_lsb < 32 => format!(
            "; with {} bits of the number, read as {}: is sequence_start near?",
            ehc.afrg.esp_sn_lsb, crossing.sn
        ),
        _ => String::new(),
    }
}

/// The IP packet of the frame. Where the capture cut it, zeros take the place
/// of what is missing, so that its SA can be found; its ICV cannot verify.
fn packet_of(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let at = link::ip_at(frame.link, frame.octets)?;
    let mut packet = frame.octets.get(at..)?.to_vec();
    if frame.is_cut() && !packet.is_empty() {
        let len = usize::try_from(frame.original_len).ok()?;
        packet.resize(len.saturating_sub(at).min(PACKET_MAX), 0);
    }
    Some(packet)
}

fn open_frame(
    (config, sas): (&Config, &mut Capture),
    summary: &mut Summary,
    frame: &Frame<'_>,
    out: &mut Output,
) -> Result<Outcome, Fail> {
    let crossed = packet_of(frame).map(|packet| sas.inbound(&packet, Instant(0)));
    let Some((crossing, left)) = crossed else {
        summary.unchanged();
        out.write(frame, None)?;
        return Ok(Outcome::Well);
    };
    let sa = crossing.sa.and_then(|sa| usize::try_from(sa).ok());
    match (crossing.verdict, crossing.reason, sa) {
        (Verdict::Deliver, _, Some(sa)) => {
            summary.done(sa);
            out.packet(frame, &left)?;
        }
        // A capture may hold more than we have keys or octets for.
        (Verdict::Drop, Some(reason @ (DropReason::NoSa | DropReason::NotIp)), None) => {
            summary.refused(None, reason);
            out.write(frame, None)?;
        }
        (Verdict::Drop, _, Some(sa)) if frame.is_cut() => {
            summary.cut(sa);
            let why = comment(summary, &crossing, Some(sa), "cut by the snaplen");
            out.write(frame, Some(&why))?;
            return Ok(Outcome::Wrong);
        }
        (Verdict::Drop, reason, sa) => {
            let reason = reason.unwrap_or(DropReason::Internal);
            summary.refused(sa, reason);
            let more = doubt(config, &crossing);
            let why = comment(summary, &crossing, sa, &format!("{reason}{more}"));
            out.write(frame, Some(&why))?;
            if reason != DropReason::Dummy {
                return Ok(Outcome::Wrong);
            }
        }
        _ => {
            summary.unchanged();
            out.write(frame, None)?;
        }
    }
    Ok(Outcome::Well)
}

fn comment(summary: &Summary, crossing: &Crossing, sa: Option<usize>, why: &str) -> String {
    match sa {
        Some(sa) => format!(
            "sprat: SA \"{}\" SPI 0x{:08x} number {}: {why}",
            summary.name(sa),
            crossing.spi,
            crossing.sn
        ),
        None => format!("sprat: {why}"),
    }
}
