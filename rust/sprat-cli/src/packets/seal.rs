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
    let fallback = sa.ehc_fallback.as_deref();
    let fallback = fallback.and_then(|name| config.sa(name));
    let mut sealer = Sealer::new((sa, fallback), args)?;
    let Some(files) = Files::of(&args.streams, &config) else {
        return each_hex(&args.streams, |packet| {
            let sealed = sealer.seal(packet)?;
            Ok(sealed
                .map(|(_, octets)| octets)
                .map_err(|(_, refusal)| refusal))
        });
    };
    let sas = std::iter::once(sa).chain(fallback);
    let names = sas.map(|sa| (sa.name.clone(), sa.params.spi.to_string()));
    let summary = Summary::new("sealed", names);
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

/// The sending side of one SA, and of the one for what does not fit its rules.
struct Sealer {
    sas: Vec<Sender>,
    ipv4_id: u16,
    tfc: u16,
    extra_pad: u8,
}

/// A sealed packet or why there is none, and which of the SAs says so.
type Sealed = Result<(usize, Vec<u8>), (usize, Refusal)>;

impl Sealer {
    fn new(
        (config, fallback): (&SaConfig, Option<&SaConfig>),
        args: &SealArgs,
    ) -> Result<Self, Fail> {
        let last = match args.seq {
            None => config.sequence_start,
            Some(seq) if config.params.esn || seq <= u64::from(u32::MAX) => Sn64(seq - 1),
            Some(_) => return Err(Fail::text("--seq: without esn at most 4294967295")),
        };
        let mut sas = vec![Sender::new(config, last, args.iv.as_deref())?];
        if let Some(plain) = fallback {
            sas.push(Sender::new(plain, plain.sequence_start, None)?);
        }
        for sender in &sas {
            sender.check_pad(args.pad)?;
        }
        let ipv4_id = match args.ipv4_id {
            Some(id) => id,
            None => u16::from_be_bytes(random()?),
        };
        Ok(Sealer {
            sas,
            ipv4_id,
            tfc: args.tfc,
            extra_pad: args.pad,
        })
    }

    /// Sealed by the first SA, or by the other if the packet does not fit its rules.
    fn seal(&mut self, packet: &[u8]) -> Result<Sealed, Fail> {
        let args = Args {
            now: Instant(0),
            iv: &[],
            ipv4_id: self.ipv4_id,
            tfc: self.tfc,
            extra_pad: self.extra_pad,
        };
        let last = self.sas.len() - 1;
        for (index, sender) in self.sas.iter_mut().enumerate() {
            match sender.seal(packet, args)? {
                Ok(sealed) => {
                    self.ipv4_id = self.ipv4_id.wrapping_add(1);
                    return Ok(Ok((index, sealed)));
                }
                Err(refusal) if refusal.reason.is_misfit() && index < last => {}
                Err(refusal) => return Ok(Err((index, refusal))),
            }
        }
        Ok(Err((0, DropReason::Internal.into())))
    }
}

/// The sending side of one SA.
struct Sender {
    sa: OutboundSa,
    name: String,
    /// A given IV, until a packet has used it.
    iv: Option<Vec<u8>>,
    iv_given: bool,
}

impl Sender {
    fn new(config: &SaConfig, last: Sn64, iv: Option<&str>) -> Result<Self, Fail> {
        let sa = config.outbound_from(last, Instant(0)).map_err(Fail::Sa)?;
        let iv = iv.map(|text| given_iv(&sa, text)).transpose()?;
        Ok(Sender {
            sa,
            name: config.name.clone(),
            iv_given: iv.is_some(),
            iv,
        })
    }

    /// More padding comes in multiples of what the trailer is aligned to.
    fn check_pad(&self, pad: u8) -> Result<(), Fail> {
        let form = self.sa.terms().trailer();
        let text = if pad == 0 || form.pad_length && usize::from(pad).is_multiple_of(form.align) {
            return Ok(());
        } else if form.pad_length {
            let name = self.sa.suite().encr().name();
            let align = form.align;
            let why = match self.sa.context() {
                Some(_) => format!("SA {:?}, with {name}, ", self.name),
                None => format!("{name} "),
            };
            format!("--pad: {why}takes multiples of {align} octets")
        } else {
            format!("--pad: SA {:?} sends no padding", self.name)
        };
        Err(Fail::text(text))
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

    fn seal(&mut self, packet: &[u8], args: Args<'_>) -> Result<Result<Vec<u8>, Refusal>, Fail> {
        let iv = self.next_iv()?;
        let args = Args { iv: &iv, ..args };
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
                Ok(_) => return Ok(Ok(buf.packet().to_vec())),
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
        Ok((sa, sealed)) => {
            summary.done(sa);
            out.packet(frame, &sealed)?;
            Ok(Outcome::Well)
        }
        Err((sa, refusal)) => {
            summary.refused(Some(sa), refusal.reason);
            let comment = format!("sprat: SA \"{}\": {refusal}", summary.name(sa));
            out.write(frame, Some(&comment))?;
            Ok(Outcome::Wrong)
        }
    }
}
