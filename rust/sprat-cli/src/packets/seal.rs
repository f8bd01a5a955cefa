//! `sprat seal`.

use sprat_config::{Config, Direction, SaConfig};
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{EspSuite, IvSource};
use sprat_core::error::DropReason;
use sprat_core::esp::{OutboundSa, SealArgs as Args, SealError};
use sprat_core::num::Sn64;
use sprat_core::time::Instant;

use super::capture::Frame;
use super::summary::Summary;
use super::{Files, Output, Refusal, each_frame, each_hex, link, load};
use crate::cli::SealArgs;
use crate::fail::{Fail, Outcome};
use crate::hex;

/// Room that a first attempt has; more is made where it does not suffice.
const HEAD_ROOM: usize = 128;
const TAIL_ROOM: usize = 512;

/// Seals packets in hex or those of a capture.
pub fn run(args: &SealArgs) -> Result<Outcome, Fail> {
    let config = load(&args.streams)?;
    let sa = choose(&config, args.sa_name.as_deref())?;
    let mut sealer = Sealer::new(sa, args)?;
    let Some(files) = Files::of(&args.streams, &config) else {
        return each_hex(&args.streams, |packet| sealer.seal(packet));
    };
    let name = (sa.name.clone(), sa.params.spi.to_string());
    let summary = Summary::new("sealed", std::iter::once(name));
    each_frame(&files, summary, |frame, summary, out| {
        seal_frame(&mut sealer, summary, frame, out)
    })
}

/// The SA of this name, else the only one that sends, else the only one.
fn choose<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c SaConfig, Fail> {
    if let Some(name) = name {
        let found = config.sa(name);
        return found.ok_or_else(|| Fail::text(format!("no SA has the name {name:?}")));
    }
    let sending = config.sas.iter();
    let sending: Vec<_> = sending
        .filter(|sa| sa.direction == Some(Direction::Out))
        .collect();
    match (sending.as_slice(), config.sas.as_slice()) {
        ([sa], _) => Ok(sa),
        ([], [sa]) => Ok(sa),
        _ => {
            let names: Vec<String> = config
                .sas
                .iter()
                .map(|sa| format!("{:?}", sa.name))
                .collect();
            let names = names.join(", ");
            Err(Fail::text(format!(
                "which SA? --sa-name with one of: {names}"
            )))
        }
    }
}

/// The sending side of one SA.
struct Sealer {
    sa: OutboundSa,
    /// A given IV, until a packet has used it.
    iv: Option<Vec<u8>>,
    iv_given: bool,
    ipv4_id: u16,
    tfc: u16,
    extra_pad: u8,
}

impl Sealer {
    fn new(config: &SaConfig, args: &SealArgs) -> Result<Self, Fail> {
        let last = match args.seq {
            None => config.sequence_start,
            Some(seq) if config.params.esn || seq <= u64::from(u32::MAX) => Sn64(seq - 1),
            Some(_) => return Err(Fail::text("--seq: without esn at most 4294967295")),
        };
        let sa = config.outbound_from(last, Instant(0)).map_err(Fail::Sa)?;
        let align = sa.suite().pad_align();
        if !usize::from(args.pad).is_multiple_of(align) {
            let name = sa.suite().encr().name();
            let text = format!("--pad: {name} takes multiples of {align} octets");
            return Err(Fail::text(text));
        }
        let iv = args
            .iv
            .as_deref()
            .map(|text| given_iv(&sa, text))
            .transpose()?;
        let ipv4_id = match args.ipv4_id {
            Some(id) => id,
            None => u16::from_be_bytes(random()?),
        };
        Ok(Sealer {
            sa,
            iv_given: iv.is_some(),
            iv,
            ipv4_id,
            tfc: args.tfc,
            extra_pad: args.pad,
        })
    }

    fn next_iv(&mut self) -> Result<Vec<u8>, Fail> {
        match (self.sa.suite().iv_source(), self.iv_given) {
            (IvSource::Random, false) => Ok(random::<16>()?.to_vec()),
            (IvSource::Random, true) => self
                .iv
                .take()
                .ok_or_else(|| Fail::text("--iv serves one packet: an IV is not used twice")),
            _ => Ok(Vec::new()),
        }
    }

    fn seal(&mut self, packet: &[u8]) -> Result<Result<Vec<u8>, Refusal>, Fail> {
        let iv = self.next_iv()?;
        let args = Args {
            now: Instant(0),
            iv: &iv,
            ipv4_id: self.ipv4_id,
            tfc: self.tfc,
            extra_pad: self.extra_pad,
        };
        let mut room = (HEAD_ROOM, TAIL_ROOM);
        loop {
            let mut data = vec![0; room.0 + packet.len() + room.1];
            if let Some(place) = data.get_mut(room.0..room.0 + packet.len()) {
                place.copy_from_slice(packet);
            }
            let Some(mut buf) = PacketBuf::new(&mut data, room.0, packet.len()) else {
                return Ok(Err(DropReason::NoRoom.into()));
            };
            match self.sa.seal(&mut buf, &args) {
                Ok(_) => {
                    self.ipv4_id = self.ipv4_id.wrapping_add(1);
                    return Ok(Ok(buf.packet().to_vec()));
                }
                Err(SealError::Short(short)) if (short.head, short.tail) != room => {
                    room = (short.head, short.tail);
                }
                Err(SealError::Short(_)) => return Ok(Err(DropReason::NoRoom.into())),
                Err(SealError::Dropped(reason)) => return Ok(Err(reason.into())),
                Err(SealError::TooBig { mtu }) => {
                    let more = format!("; at most {mtu} octets");
                    let reason = DropReason::TooBig;
                    return Ok(Err(Refusal { reason, more }));
                }
            }
        }
    }
}

/// The IV of `--iv`, for transforms whose IV the caller chooses.
fn given_iv(sa: &OutboundSa, text: &str) -> Result<Vec<u8>, Fail> {
    let suite = sa.suite();
    let name = suite.encr().name();
    if suite.iv_source() != IvSource::Random {
        let text = format!("--iv: the sequence number makes the IV of {name}");
        return Err(Fail::text(text));
    }
    let iv = hex::decode(text).filter(|iv| iv.len() == suite.iv_len());
    iv.ok_or_else(|| {
        let len = suite.iv_len();
        Fail::text(format!("--iv: {name} takes {len} octets in hex"))
    })
}

/// Octets that nobody can predict.
pub fn random<const N: usize>() -> Result<[u8; N], Fail> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)
        .map_err(|error| Fail::text(format!("no random octets: {error}")))?;
    Ok(octets)
}

fn seal_frame(
    sealer: &mut Sealer,
    summary: &mut Summary,
    frame: &Frame<'_>,
    out: &mut Output,
) -> Result<Outcome, Fail> {
    let packet = link::ip_at(frame.link, frame.octets).and_then(|at| frame.octets.get(at..));
    let Some(packet) = packet else {
        summary.unchanged();
        out.write(frame, None)?;
        return Ok(Outcome::Well);
    };
    match sealer.seal(packet)? {
        Ok(sealed) => {
            summary.done(0);
            out.packet(frame, &sealed)?;
            Ok(Outcome::Well)
        }
        Err(refusal) => {
            summary.refused(Some(0), refusal.reason);
            let comment = format!("sprat: SA \"{}\": {refusal}", summary.name(0));
            out.write(frame, Some(&comment))?;
            Ok(Outcome::Wrong)
        }
    }
}
