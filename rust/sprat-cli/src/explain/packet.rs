//! One packet, layer by layer: what of it is sent and what is left out.

use sprat_config::{Config, SaConfig};
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{EspSuite, IvSource, Numbers, Suite};
use sprat_core::diet_esp::{Context, Stratum};
use sprat_core::error::DropReason;
use sprat_core::esp::{OutboundSa, Place, SealArgs, SealError, Terms};
use sprat_core::ipsec::Verdict;
use sprat_core::num::Sn64;
use sprat_core::sa::Mode;
use sprat_core::schc::{Cda, Descriptor, Fid, bits_at};
use sprat_core::time::Instant;
use sprat_core::trailer::Form;
use sprat_core::wire::ip::{Head, proto};

use super::rules::written;
use crate::fail::Fail;
use crate::packets::seal::random;

/// Room around a packet: for all that ESP adds.
const ROOM: usize = 512;

/// One field of a layer.
pub struct Field {
    /// Which.
    pub fid: Fid,
    /// What it says.
    pub value: String,
    /// Its length in bits.
    pub bits: usize,
    /// Those of it that are sent, as 0 and 1.
    pub sent: String,
    /// `elided (not-sent)`, `sent 3 of 16 bits: 001`.
    pub how: String,
}

/// What one compressor makes of the packet.
pub struct Layer {
    /// Its name.
    pub name: &'static str,
    /// Its fields in packet order.
    pub fields: Vec<Field>,
    /// Its octets, by name.
    pub octets: Vec<(String, Vec<u8>)>,
}

/// A packet that was sealed or opened.
pub struct Explained {
    /// Its full number.
    pub sn: u64,
    /// The packet inside.
    pub inner: Vec<u8>,
    /// From the inside to the outside.
    pub layers: Vec<Layer>,
    /// The ESP packet.
    pub esp: Vec<u8>,
    /// Octets of plain ESP around the same packet.
    pub plain: usize,
}

/// Why there are no layers to show.
pub enum Refused {
    /// The reason of the data path.
    By(DropReason),
    /// In words.
    Words(String),
}

impl Refused {
    /// Whether a fallback SA would take the packet.
    pub fn is_misfit(&self) -> bool {
        matches!(self, Refused::By(reason) if reason.is_misfit())
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::By(reason) => write!(f, "{reason}"),
            Refused::Words(words) => f.write_str(words),
        }
    }
}

impl From<DropReason> for Refused {
    fn from(reason: DropReason) -> Self {
        Refused::By(reason)
    }
}

/// A packet as it was given.
pub enum Given {
    /// ESP of the SA with this index: its number and what was inside.
    Esp(usize, Sn64, Vec<u8>),
    /// ESP that an SA refuses, or that none has.
    Foreign(DropReason),
    /// No ESP: an inner packet.
    Inner,
}

/// Whether an SA of the configuration opens `packet`.
pub fn given(config: &Config, packet: &[u8]) -> Result<Given, Fail> {
    let mut capture = config.capture(Instant(0)).map_err(Fail::Sa)?;
    let (outcome, left) = capture.inbound(packet, Instant(0));
    let number = outcome.sa.and_then(|sa| usize::try_from(sa).ok());
    if let (Verdict::Deliver, Some(index)) = (outcome.verdict, number) {
        return Ok(Given::Esp(index, Sn64(outcome.sn), left));
    }
    let head = Head::parse(packet).ok();
    let is_esp = head.is_some_and(|head| head.protocol == proto::ESP);
    match (outcome.verdict, is_esp) {
        (Verdict::Drop, true) => Ok(Given::Foreign(
            outcome.reason.unwrap_or(DropReason::Internal),
        )),
        _ => Ok(Given::Inner),
    }
}

/// `inner` as the SA would send it next.
pub fn sealed(config: &SaConfig, inner: &[u8]) -> Result<Result<Explained, Refused>, Fail> {
    let mut sa = config.outbound(Instant(0)).map_err(Fail::Sa)?;
    let (sn, outer) = match seal(&mut sa, inner)? {
        Ok(sealed) => sealed,
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(layers(sa.terms(), (sn, inner), &outer))
}

/// The number and the packet.
type Outer = (Sn64, Vec<u8>);

fn seal(sa: &mut OutboundSa, inner: &[u8]) -> Result<Result<Outer, Refused>, Fail> {
    let iv = match sa.suite().iv_source() {
        IvSource::Random => random::<16>()?.to_vec(),
        _ => Vec::new(),
    };
    let iv_len = sa.suite().iv_len();
    let args = SealArgs {
        iv: iv.get(..iv_len).unwrap_or(&[]),
        ..SealArgs::default()
    };
    let mut data = vec![0; ROOM];
    data.extend_from_slice(inner);
    data.resize(data.len() + ROOM, 0);
    let Some(mut buf) = PacketBuf::new(&mut data, ROOM, inner.len()) else {
        return Ok(Err(DropReason::NoRoom.into()));
    };
    Ok(match sa.seal(&mut buf, &args) {
        Ok(sealed) => Ok((sealed.sn, buf.packet().to_vec())),
        Err(SealError::Dropped(reason)) => Err(reason.into()),
        Err(SealError::Short(_)) => Err(DropReason::NoRoom.into()),
        Err(SealError::TooBig { mtu }) => {
            let reason = DropReason::TooBig;
            Err(Refused::Words(format!("{reason}; at most {mtu} octets")))
        }
    })
}

/// `outer`, which the SA has opened: its number, and what was inside.
pub fn opened(
    config: &SaConfig,
    (sn, inner): (Sn64, &[u8]),
    outer: &[u8],
) -> Result<Result<Explained, Refused>, Fail> {
    let sa = config.inbound(Instant(0)).map_err(Fail::Sa)?;
    Ok(layers(sa.terms(), (sn, inner), outer))
}

/// A packet that is cut open.
struct Cut<'a, S> {
    terms: Terms<'a, S>,
    context: &'a Context,
    numbers: Numbers,
    /// What the inner IP header names.
    protocol: u8,
    /// From the first field of the IIPC rule on.
    headers: &'a [u8],
    header: &'a [u8],
    iv: &'a [u8],
    ciphertext: &'a [u8],
    icv: &'a [u8],
    /// What the ciphertext says.
    cte: Vec<u8>,
}

fn layers(
    terms: Terms<'_, Suite>,
    (sn, inner): (Sn64, &[u8]),
    outer: &[u8],
) -> Result<Explained, Refused> {
    let head = Head::parse(outer).map_err(|_| malformed())?;
    let place = Place::find(outer, &head)?;
    let esp = place.esp(outer);
    // In transport mode the IP header stays outside.
    let skipped = match terms.params.mode {
        Mode::Transport => head.upper_at,
        Mode::Tunnel(_) => 0,
    };
    let headers = inner.get(skipped..).ok_or_else(malformed)?;
    let cut = cut(terms, (sn, inner), headers, esp)?;
    let (trailer, iipc_len) = ctec(&cut)?;
    Ok(Explained {
        sn: sn.0,
        inner: inner.to_vec(),
        layers: vec![iipc(&cut, iipc_len)?, trailer, cipher(&cut), eec(&cut)],
        esp: esp.to_vec(),
        plain: plain_len(&cut),
    })
}

fn malformed() -> Refused {
    DropReason::Malformed.into()
}

fn cut<'a>(
    terms: Terms<'a, Suite>,
    (sn, inner): (Sn64, &[u8]),
    headers: &'a [u8],
    esp: &'a [u8],
) -> Result<Cut<'a, Suite>, Refused> {
    let context = terms
        .context
        .ok_or_else(|| Refused::Words("the SA is plain ESP".to_owned()))?;
    let at = esp.split_at_checked(terms.header_len());
    let (header, body) = at.ok_or_else(malformed)?;
    let numbers = Numbers {
        spi: context.spi(),
        sn,
        esn: terms.params.esn,
    };
    let mut clear = body.to_vec();
    let opened = terms.suite.open(&numbers, &mut clear);
    opened.map_err(|_| Refused::from(DropReason::Integrity))?;
    let (iv_len, icv_len) = (terms.suite.iv_len(), terms.suite.icv_len());
    let end = body.len().checked_sub(icv_len).ok_or_else(malformed)?;
    let part = |from: usize, to: usize| body.get(from..to).ok_or_else(malformed);
    Ok(Cut {
        terms,
        context,
        numbers,
        protocol: protocol_of(context, inner),
        headers,
        header,
        iv: part(0, iv_len)?,
        ciphertext: part(iv_len, end)?,
        icv: part(end, body.len())?,
        cte: clear.get(iv_len..end).ok_or_else(malformed)?.to_vec(),
    })
}

/// What the header names first: a rule is chosen by it.
fn protocol_of(context: &Context, inner: &[u8]) -> u8 {
    let head = Head::parse(inner).ok();
    match context.outer() {
        None => head.map_or(proto::NO_NEXT, |head| head.insert_protocol),
        Some(_) => {
            let named = |version: u8| inner.get(if version == 4 { 9 } else { 6 }).copied();
            let version = inner.first().map_or(0, |first| first >> 4);
            named(version).unwrap_or(proto::NO_NEXT)
        }
    }
}

fn plain_len<S: EspSuite>(cut: &Cut<'_, S>) -> usize {
    let form = Form::whole(cut.terms.suite.pad_align());
    let padding = form.padding_len(cut.headers.len(), 0).unwrap_or(0);
    8 + cut.iv.len() + cut.headers.len() + padding + form.len() + cut.icv.len()
}

fn descriptors<'a>(
    context: &'a Context,
    stratum: Stratum,
    protocol: u8,
    block: usize,
) -> Vec<Descriptor<'a>> {
    let mut all = Vec::new();
    let rule = context.rule(stratum, protocol, block);
    rule.for_each(|d| all.push(d));
    all
}

fn iipc<S>(cut: &Cut<'_, S>, iipc_len: usize) -> Result<Layer, Refused> {
    let whole = || Refused::from(DropReason::EhcResidue);
    let packet = cut.cte.get(..iipc_len).ok_or_else(whole)?;
    let (mut at, mut from) = (0, 0);
    let mut fields = Vec::new();
    for d in descriptors(cut.context, Stratum::Iipc, cut.protocol, 1) {
        let (bits, sent) = (usize::from(d.bits), usize::from(d.residue_bits()));
        fields.push(Field {
            fid: d.fid,
            value: value(d.fid, cut.headers, at, bits),
            bits,
            sent: bit_text(packet, from, sent),
            how: how(&d, &shown(packet, from, sent)),
        });
        at += bits;
        from += sent;
    }
    let (residue, payload) = packet
        .split_at_checked(from.div_ceil(8))
        .ok_or_else(whole)?;
    Ok(Layer {
        name: "IIPC, inner headers",
        fields,
        octets: vec![
            ("residue".to_owned(), residue.to_vec()),
            ("payload".to_owned(), payload.to_vec()),
            ("IIPC packet".to_owned(), packet.to_vec()),
        ],
    })
}

/// The layer, and the octets in front of its trailer.
fn ctec<S: EspSuite>(cut: &Cut<'_, S>) -> Result<(Layer, usize), Refused> {
    let trailer = cut.terms.trailer().read(&cut.cte)?;
    let behind = trailer.payload_len + trailer.padding_len;
    let padding = cut.cte.get(trailer.payload_len..behind).unwrap_or(&[]);
    let mut at = behind * 8;
    let mut fields = Vec::new();
    for d in descriptors(cut.context, Stratum::Ctec, cut.protocol, cut.terms.block()) {
        let sent = match (d.fid, d.cda) {
            (Fid::EspPadding, _) => padding.len() * 8,
            (_, Cda::ValueSent) => usize::from(d.bits),
            _ => 0,
        };
        let known = cut.context.next_header().unwrap_or(cut.protocol);
        let value = match d.fid {
            Fid::EspPadding => crate::hex::encode(padding),
            Fid::EspNextHeader => trailer.next_header.unwrap_or(known).to_string(),
            _ if sent == 0 => String::new(),
            _ => trailer.padding_len.to_string(),
        };
        let how = match (d.fid, d.cda) {
            (Fid::EspPadding, Cda::ValueSent) => format!("sent {} octets", padding.len()),
            _ => how(&d, &shown(&cut.cte, at, sent)),
        };
        let from = match d.fid {
            Fid::EspPadding => trailer.payload_len * 8,
            _ => at,
        };
        if d.fid != Fid::EspPadding {
            at += sent;
        }
        fields.push(Field {
            fid: d.fid,
            value: dash(value),
            bits: usize::from(d.bits).max(sent),
            sent: bit_text(&cut.cte, from, sent),
            how,
        });
    }
    let layer = Layer {
        name: "CTEC, ESP trailer",
        fields,
        octets: vec![("CTE".to_owned(), cut.cte.clone())],
    };
    Ok((layer, trailer.payload_len))
}

fn cipher(cut: &Cut<'_, Suite>) -> Layer {
    let nonce = cut.terms.suite.nonce(&cut.numbers, cut.iv);
    let aad = cut.terms.suite.aad(&cut.numbers);
    let all = [
        ("AAD", aad.as_slice()),
        ("nonce", nonce.as_slice()),
        ("IV", cut.iv),
        ("ciphertext", cut.ciphertext),
        ("ICV", cut.icv),
    ];
    let some = all.into_iter().filter(|(_, octets)| !octets.is_empty());
    Layer {
        name: "encryption, over the full SPI and SN",
        fields: Vec::new(),
        octets: some
            .map(|(name, o)| (name.to_owned(), o.to_vec()))
            .collect(),
    }
}

fn eec<S>(cut: &Cut<'_, S>) -> Layer {
    let mut from = 0;
    let mut fields = Vec::new();
    for d in descriptors(cut.context, Stratum::Eec, cut.protocol, 1) {
        let sent = usize::from(d.residue_bits());
        fields.push(Field {
            fid: d.fid,
            value: match d.fid {
                Fid::EspSpi => cut.numbers.spi.to_string(),
                _ => cut.numbers.sn.0.to_string(),
            },
            bits: usize::from(d.bits),
            sent: bit_text(cut.header, from, sent),
            how: how(&d, &shown(cut.header, from, sent)),
        });
        from += sent;
    }
    Layer {
        name: "EEC, ESP header",
        fields,
        octets: vec![("header".to_owned(), cut.header.to_vec())],
    }
}

fn dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// What becomes of a field whose sent bits are `sent`.
fn how(d: &Descriptor<'_>, sent: &str) -> String {
    let cda = d.cda.name();
    let source = match d.cda {
        Cda::Lower => ", from the outer header",
        Cda::Compute => ", from the length",
        Cda::Checksum => ", computed again",
        Cda::Generated => ", made by the receiver",
        _ => "",
    };
    match d.residue_bits() {
        0 => format!("elided ({cda}{source})"),
        bits => format!("sent {bits} of {} bits ({cda}): {sent}", d.bits),
    }
}

/// Bits as 0 and 1.
fn bit_text(octets: &[u8], at: usize, count: usize) -> String {
    let bits = (at..at + count).filter_map(|at| bits_at(octets, at, 1));
    bits.map(|bit| if bit == 1 { '1' } else { '0' }).collect()
}

/// Bits as 0 and 1, from 33 on as hex digits; the bits behind the last whole
/// digit follow a point.
fn shown(octets: &[u8], at: usize, count: usize) -> String {
    if count <= 32 {
        return bit_text(octets, at, count);
    }
    let behind = count % 4;
    let digits = (at..at + count - behind).step_by(4);
    let hex: String = digits
        .filter_map(|at| char::from_digit(bits_at(octets, at, 4)?, 16))
        .collect();
    match behind {
        0 => format!("0x{hex}"),
        _ => format!("0x{hex}.{}", bit_text(octets, at + count - behind, behind)),
    }
}

/// A field of the inner headers as people write it.
fn value(fid: Fid, headers: &[u8], at: usize, bits: usize) -> String {
    if matches!(fid, Fid::Source | Fid::Destination) {
        let octets = headers.get(at / 8..(at + bits) / 8);
        return written(octets.unwrap_or(&[]));
    }
    let number = bits_at(headers, at, bits).unwrap_or(0);
    match fid {
        Fid::FlowLabel => format!("0x{number:05x}"),
        Fid::Identification
        | Fid::HeaderChecksum
        | Fid::UdpChecksum
        | Fid::UdpLiteChecksum
        | Fid::TcpChecksum => format!("0x{number:04x}"),
        Fid::SctpChecksum | Fid::SctpTag => format!("0x{number:08x}"),
        Fid::Flags => format!("{number:03b}"),
        Fid::TcpFlags | Fid::TcpReservedFlags => format!("0x{number:03x}"),
        _ => number.to_string(),
    }
}
