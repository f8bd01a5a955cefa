//! `sprat open`.

use std::path::Path;

use sprat_config::{Config, View};
use sprat_core::buf::PacketBuf;
use sprat_core::error::DropReason;
use sprat_core::ipsec::{Ipsec, Outcome as Crossing, Verdict};
use sprat_core::time::Instant;

use super::capture::Frame;
use super::summary::Summary;
use super::{Output, Refusal, each_frame, each_hex, link};
use crate::cli::OpenArgs;
use crate::fail::{Fail, Outcome};

/// Opens packets in hex or those of a capture.
pub fn run(args: &OpenArgs) -> Result<Outcome, Fail> {
    let config = Config::load(&args.streams.sa).map_err(Fail::Config)?;
    let ipsec = config.ipsec(Instant(0), View::Capture);
    let mut ipsec = ipsec.map_err(|error| Fail::text(error.to_string()))?;
    match (&args.streams.input, &args.streams.output) {
        (Some(input), Some(output)) => open_capture(&config, ipsec, (input, output)),
        _ => each_hex(&args.streams, |packet| Ok(open_one(&mut ipsec, packet))),
    }
}

/// Gives the packet to the boundary and returns what is left of it.
fn cross(ipsec: &mut Ipsec, packet: &[u8]) -> (Crossing, Vec<u8>) {
    let mut data = packet.to_vec();
    let Some(mut buf) = PacketBuf::new(&mut data, 0, packet.len()) else {
        return (Crossing::default(), Vec::new());
    };
    let crossing = ipsec.inbound(&mut buf, Instant(0));
    (crossing, buf.packet().to_vec())
}

fn open_one(ipsec: &mut Ipsec, packet: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (crossing, left) = cross(ipsec, packet);
    match crossing.verdict {
        Verdict::Deliver => Ok(left),
        Verdict::Drop => Err(crossing.reason.unwrap_or(DropReason::Internal).into()),
        _ => Ok(packet.to_vec()),
    }
}

fn open_capture(
    config: &Config,
    mut ipsec: Ipsec,
    (input, output): (&Path, &Path),
) -> Result<Outcome, Fail> {
    let names = config.sas.iter();
    let names = names.map(|sa| (sa.name.clone(), sa.params.spi.to_string()));
    let summary = Summary::new("opened", names);
    each_frame((input, output), summary, |frame, summary, out| {
        open_frame(&mut ipsec, summary, frame, out)
    })
}

fn open_frame(
    ipsec: &mut Ipsec,
    summary: &mut Summary,
    frame: &Frame<'_>,
    out: &mut Output,
) -> Result<Outcome, Fail> {
    let packet = link::ip_at(frame.link, frame.octets).and_then(|at| frame.octets.get(at..));
    let crossed = packet.map(|packet| cross(ipsec, packet));
    let Some((crossing, left)) = crossed else {
        summary.unchanged();
        out.unchanged(frame, None)?;
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
            out.unchanged(frame, None)?;
        }
        (Verdict::Drop, reason, sa) => {
            let reason = reason.unwrap_or(DropReason::Internal);
            summary.refused(sa, reason);
            out.unchanged(frame, Some(&comment(summary, &crossing, sa, reason)))?;
            if reason != DropReason::Dummy {
                return Ok(Outcome::Wrong);
            }
        }
        _ => {
            summary.unchanged();
            out.unchanged(frame, None)?;
        }
    }
    Ok(Outcome::Well)
}

fn comment(
    summary: &Summary,
    crossing: &Crossing,
    sa: Option<usize>,
    reason: DropReason,
) -> String {
    match sa {
        Some(sa) => format!(
            "sprat: SA \"{}\" SPI 0x{:08x} number {}: {reason}",
            summary.name(sa),
            crossing.spi,
            crossing.sn
        ),
        None => format!("sprat: {reason}"),
    }
}
