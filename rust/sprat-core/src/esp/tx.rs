//! Sealing: RFC 4303 s3.3 in its order, with every refusal in front.

use super::{Terms, ecn};
use crate::buf::{PacketBuf, Short};
use crate::crypto::{EspSuite, IvSource, Numbers};
use crate::diet_esp::{Context, Elided, OuterFields, Pseudo};
use crate::error::DropReason;
use crate::num::Sn64;
use crate::sa::{Df, Mode, SaParams, SaTx, Tunnel};
use crate::schc::Residue;
use crate::time::Instant;
use crate::trailer::Form;
use crate::wire::ip::{self, Fragment, Head, Outer, Version, proto};
use crate::wire::{put, udp};

/// Longest IV of any transform, octets.
const MAX_IV: usize = 16;
/// Every IPv6 link takes packets of this many octets (RFC 8200 s5).
const LEAST_IPV6_MTU: usize = 1280;
/// Largest value of a 16-bit length field.
const MAX_LEN: usize = 65_535;

/// What the caller gives for one packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealArgs<'a> {
    /// The caller's clock.
    pub now: Instant,
    /// Octets nobody can predict, at least as many as the IV has, for transforms
    /// with a random IV (CBC); others ignore it.
    pub iv: &'a [u8],
    /// Identification of an outer IPv4 header; fresh unless DF is set.
    pub ipv4_id: u16,
    /// Octets of TFC padding behind the payload.
    pub tfc: u16,
    /// Octets of Padding beyond the least, a multiple of the alignment.
    pub extra_pad: u8,
}

/// A sealed packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The number it carries.
    pub sn: Sn64,
    /// Octets in front of the ESP header: IP and UDP.
    pub esp_offset: usize,
    /// A soft lifetime is reached: time for a new SA.
    pub soft_expired: bool,
    /// Less than a quarter of the reserved numbers is left.
    pub reserve_soon: bool,
    /// Not 0: the packet is larger than the path takes and must go out in
    /// fragments of at most this many octets ([`ip::fragment`]).
    pub fragment_to: usize,
    /// Octets by which plain ESP would have been longer; 0 without Diet-ESP, less
    /// than 0 where a wide alignment costs more than was left out.
    pub saved: i64,
}

/// Why a packet was not sealed. Neither buffer nor sending state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The buffer lacks room; with this much the call succeeds.
    Short(Short),
    /// Refused.
    Dropped(DropReason),
    /// The outer packet would be too large for the path.
    TooBig {
        /// Largest inner packet that fits, octets.
        mtu: usize,
    },
}

impl From<DropReason> for SealError {
    fn from(reason: DropReason) -> Self {
        SealError::Dropped(reason)
    }
}

/// Everything decided about a packet before it is touched.
struct Plan<'a> {
    /// Transport: where ESP goes and the octet naming what stood there.
    split: Split,
    /// Octets of UDP header.
    udp_len: usize,
    iv_len: usize,
    payload_len: usize,
    tfc: usize,
    extra_pad: usize,
    padding: usize,
    icv_len: usize,
    /// Octets of SPI and Sequence Number.
    header_len: usize,
    form: Form,
    /// Inner headers that a residue stands for; both 0 in plain ESP. `payload_len`
    /// counts the residue.
    elided: &'a Elided,
    /// Octets that the residue is shorter than the headers it stands for.
    cut: usize,
    fragment_to: usize,
}

/// How mode decides over the packet.
enum Split {
    Transport {
        at: usize,
        name_at: usize,
        version: Version,
        next_header: u8,
    },
    Tunnel {
        outer: Outer,
        next_header: u8,
    },
}

impl Plan<'_> {
    /// Octets of IP header in front of UDP and ESP.
    fn ip_len(&self) -> usize {
        match &self.split {
            Split::Transport { at, .. } => *at,
            Split::Tunnel { outer, .. } => outer.header_len(),
        }
    }

    fn esp_at(&self) -> usize {
        self.ip_len() + self.udp_len
    }

    /// Octets of the packet before ESP.
    fn before(&self) -> usize {
        let kept = match &self.split {
            Split::Transport { at, .. } => *at,
            Split::Tunnel { .. } => 0,
        };
        kept + self.payload_len + self.cut
    }

    /// Octets by which the same packet in plain ESP would be longer.
    fn saved(&self, plain_align: usize) -> i64 {
        let payload = self.payload_len + self.cut + self.tfc;
        let form = Form::whole(plain_align);
        let padding = form.padding_len(payload, 0).unwrap_or(0);
        let plain = super::HEADER_LEN + payload + padding + form.len();
        let this = self.header_len + self.cipher_len();
        i64::try_from(plain).unwrap_or(0) - i64::try_from(this).unwrap_or(0)
    }

    /// Octets the packet grows in front, where the headers left out were.
    fn head(&self) -> usize {
        let new_ip = match &self.split {
            Split::Transport { .. } => 0,
            Split::Tunnel { outer, .. } => outer.header_len(),
        };
        new_ip + self.udp_len + self.header_len + self.iv_len
    }

    /// Octets the packet grows behind.
    fn tail(&self) -> usize {
        self.tfc + self.padding + self.form.len() + self.icv_len
    }

    /// Octets given to the cipher.
    fn cipher_len(&self) -> usize {
        self.payload_len + self.tfc + self.padding + self.form.len()
    }

    /// Octets of the whole outer packet.
    fn total(&self) -> usize {
        self.esp_at() + self.header_len + self.iv_len + self.cipher_len() + self.icv_len
    }

    /// Largest whole packet that the length field of the outermost IP header
    /// can state: that of IPv6 does not count its own 40 octets.
    fn max_total(&self) -> usize {
        let v6 = match &self.split {
            Split::Transport { version, .. } => *version == Version::V6,
            Split::Tunnel { outer, .. } => outer.destination.is_ipv6(),
        };
        if v6 { MAX_LEN + ip::IPV6_LEN } else { MAX_LEN }
    }

    /// Largest packet before ESP so that the packet after it has at most `limit`
    /// octets: what is left for the cipher, rounded down to its alignment. 0 if
    /// nothing fits.
    fn inner_mtu(&self, limit: usize) -> usize {
        let fixed = self.esp_at() + self.header_len + self.iv_len + self.icv_len;
        let room = limit.saturating_sub(fixed);
        let aligned = room - room.checked_rem(self.form.align).unwrap_or(0);
        let kept = match &self.split {
            Split::Transport { at, .. } => *at,
            Split::Tunnel { .. } => 0,
        };
        match aligned.checked_sub(self.form.len() + self.tfc + self.extra_pad) {
            Some(payload) => payload + kept + self.cut,
            None => 0,
        }
    }

    /// Whether the packet may go out in fragments: the configuration clears DF,
    /// or the inner packet is IPv6 and so small that no sender can be told to
    /// make it smaller (RFC 2473 s7.1, RFC 8200 s5).
    fn may_be_fragmented<S: EspSuite>(&self, terms: &Terms<'_, S>) -> bool {
        let Mode::Tunnel(tunnel) = &terms.params.mode else {
            return false;
        };
        // An Identification that carries inner bits is no use for reassembly.
        if tunnel.destination.is_ipv4() && terms.context().is_some_and(Context::outer_flow) {
            return false;
        }
        let six = matches!(
            self.split,
            Split::Tunnel {
                next_header: proto::IPV6,
                ..
            }
        );
        tunnel.df == Df::Clear && tunnel.destination.is_ipv4()
            || six && self.payload_len + self.cut <= LEAST_IPV6_MTU
    }
}

/// Seals the IP packet in `buf`, in place, growing it at both ends; with Diet-ESP
/// it may become shorter.
///
/// On success `buf` holds the packet to send. On error neither `buf` nor `tx`
/// has changed; counting the reason is the caller's. A packet that does not fit
/// the rules of the SA's context is refused with their reason, one that its
/// selector does not admit with `Selector`: the receiver would drop it.
pub fn seal<S: EspSuite>(
    terms: &Terms<'_, S>,
    tx: &mut SaTx,
    buf: &mut PacketBuf<'_>,
    args: &SealArgs<'_>,
) -> Result<Sealed, SealError> {
    let head = Head::parse(buf.packet()).map_err(|_| DropReason::NotIp)?;
    let mut split = split(terms.params, &head, args)?;
    let compressed;
    let elided = match terms.context() {
        None => &NOTHING,
        Some(context) => {
            let packet = buf.packet().get(..head.total_len).unwrap_or(&[]);
            compressed = compress(context, (packet, &head), &mut split)?;
            &compressed
        }
    };
    let len = match &split {
        Split::Transport { at, .. } => head.total_len - at,
        Split::Tunnel { .. } => head.total_len,
    };
    seal_planned(terms, tx, (buf, args), (split, elided, len))
}

/// The same for packets and dummies: the last checks, then the packet.
fn seal_planned<S: EspSuite>(
    terms: &Terms<'_, S>,
    tx: &mut SaTx,
    (buf, args): (&mut PacketBuf<'_>, &SealArgs<'_>),
    (split, elided, len): (Split, &Elided, usize),
) -> Result<Sealed, SealError> {
    let plan = decide(terms, (buf, args), (split, elided), len)?;
    let sn = admit(terms, tx, (&plan, args))?;
    reserve(buf, &plan)?;
    commit(terms, tx, buf, (&plan, sn, args))
}

/// Makes a dummy packet (RFC 4303 s2.6): `buf`'s octets are the payload, which
/// no one reads, with Next Header 59. Tunnel mode only, since in transport mode
/// `buf` would have to bring an IP header: pass one whose protocol is 59 to
/// [`seal`] instead. Consumes a number; errors as [`seal`], and `Unsupported`
/// where the SA sends no Next Header.
pub fn seal_dummy<S: EspSuite>(
    terms: &Terms<'_, S>,
    tx: &mut SaTx,
    buf: &mut PacketBuf<'_>,
    args: &SealArgs<'_>,
) -> Result<Sealed, SealError> {
    let split = dummy_split(terms.params, args)?;
    if !terms.trailer().next_header {
        return Err(DropReason::Unsupported.into());
    }
    let len = buf.len();
    seal_planned(terms, tx, (buf, args), (split, &NOTHING, len))
}

/// Plain ESP leaves nothing out.
static NOTHING: Elided = Elided {
    header_len: 0,
    residue: Residue::EMPTY,
};

fn dummy_split(params: &SaParams, args: &SealArgs<'_>) -> Result<Split, SealError> {
    match &params.mode {
        Mode::Transport => Err(DropReason::Unsupported.into()),
        Mode::Tunnel(tunnel) => {
            let outer = outer_header(tunnel, 0, true, args.ipv4_id);
            Ok(Split::Tunnel {
                outer,
                next_header: proto::NO_NEXT,
            })
        }
    }
}

/// IIPC, and what of it the outer header has to carry.
fn compress(
    context: &Context,
    (packet, head): (&[u8], &Head),
    split: &mut Split,
) -> Result<Elided, DropReason> {
    if !context.afrg().selector.admits(&head.flow(packet)) {
        // The rules know why, where it is their matter.
        return Err(elide(context, (packet, head), split)
            .err()
            .unwrap_or(DropReason::Selector));
    }
    let elided = elide(context, (packet, head), split)?;
    if let Split::Tunnel { outer, .. } = split {
        let version = if outer.destination.is_ipv4() {
            Version::V4
        } else {
            Version::V6
        };
        let fields = context.outer_fields(
            packet,
            OuterFields {
                version,
                traffic_class: outer.traffic_class,
                hop_limit: outer.hop_limit,
                flow: match version {
                    Version::V4 => u32::from(outer.id),
                    Version::V6 => outer.flow_label,
                },
            },
        );
        outer.traffic_class = fields.traffic_class;
        outer.hop_limit = fields.hop_limit;
        match version {
            Version::V6 => outer.flow_label = fields.flow,
            Version::V4 if context.outer_flow() => {
                outer.id = u16::try_from(fields.flow).unwrap_or(0);
                outer.fragment = ip::v4::DF;
            }
            Version::V4 => {}
        }
    }
    Ok(elided)
}

fn elide(
    context: &Context,
    (packet, head): (&[u8], &Head),
    split: &Split,
) -> Result<Elided, DropReason> {
    match split {
        // Where inner headers are left alone, the receiver still takes what it does
        // not read for the version that was agreed.
        Split::Tunnel { next_header, .. }
            if !context.afrg().compresses_inner()
                && context.next_header().is_some_and(|n| n != *next_header) =>
        {
            Err(DropReason::EhcVersion)
        }
        Split::Tunnel { .. } => context.compress_packet(packet),
        Split::Transport {
            at, next_header, ..
        } => {
            let pseudo = Pseudo {
                source: head.source,
                destination: head.destination,
                protocol: *next_header,
            };
            context.compress_segment(packet.get(*at..).unwrap_or(&[]), &pseudo)
        }
    }
}

/// What is the same for packets and dummies: TFC, sizes, path.
fn decide<'a, S: EspSuite>(
    terms: &Terms<'_, S>,
    (buf, args): (&PacketBuf<'_>, &SealArgs<'_>),
    (split, elided): (Split, &'a Elided),
    len: usize,
) -> Result<Plan<'a>, SealError> {
    if args.tfc != 0 && !tfc_possible(terms, &split, buf.packet(), len) {
        return Err(DropReason::TfcRefused.into());
    }
    let mut plan = plan_for(terms, args, (split, elided), len)?;
    plan.fragment_to = check_path(terms, &plan)?;
    if plan.fragment_to != 0
        && let Split::Tunnel { outer, .. } = &mut plan.split
    {
        outer.fragment = 0;
        outer.id = args.ipv4_id;
    }
    Ok(plan)
}

fn reserve(buf: &PacketBuf<'_>, plan: &Plan) -> Result<(), SealError> {
    // Octets behind the packet's own length are room, not packet; so is what the
    // residue is shorter than the headers.
    let surplus = buf.len().saturating_sub(plan.before());
    let need = Short {
        head: plan.head().saturating_sub(plan.cut),
        tail: plan.tail(),
    };
    match buf.reserve(need.head, need.tail.saturating_sub(surplus)) {
        Ok(()) => Ok(()),
        Err(_) => Err(SealError::Short(need)),
    }
}

fn split(params: &SaParams, head: &Head, args: &SealArgs<'_>) -> Result<Split, DropReason> {
    match &params.mode {
        Mode::Transport if head.fragment != Fragment::Whole => Err(DropReason::Fragment),
        Mode::Transport => Ok(Split::Transport {
            at: head.insert_at,
            name_at: head.insert_name_at,
            version: head.version,
            next_header: head.insert_protocol,
        }),
        Mode::Tunnel(tunnel) => Ok(Split::Tunnel {
            outer: outer_header(tunnel, head.traffic_class, head.dont_fragment, args.ipv4_id),
            next_header: match head.version {
                Version::V4 => proto::IPV4,
                Version::V6 => proto::IPV6,
            },
        }),
    }
}

/// RFC 4301 s5.1.2.1: what is copied, what is set, what is new.
fn outer_header(tunnel: &Tunnel, inner_class: u8, inner_df: bool, id: u16) -> Outer {
    let df = match tunnel.df {
        Df::Copy => inner_df,
        Df::Set => true,
        Df::Clear => false,
    };
    Outer {
        source: tunnel.source,
        destination: tunnel.destination,
        hop_limit: tunnel.hop_limit,
        traffic_class: ecn::encapsulate(tunnel, inner_class),
        id: if df { 0 } else { id },
        fragment: if df { ip::v4::DF } else { 0 },
        flow_label: tunnel.flow_label,
    }
}

/// TFC padding is cut by the length the payload states: any IP packet in a
/// tunnel, UDP in transport mode (RFC 4303 s2.7).
/// Nothing states its length once inner headers are compressed (decision D-22).
fn tfc_possible<S: EspSuite>(
    terms: &Terms<'_, S>,
    split: &Split,
    packet: &[u8],
    payload_len: usize,
) -> bool {
    terms.params.tfc_allowed
        && !terms.compresses_inner()
        && match split {
            Split::Tunnel { .. } => true,
            Split::Transport {
                at, next_header, ..
            } => {
                let payload = packet.get(*at..).and_then(|rest| rest.get(..payload_len));
                let stated = payload.and_then(|payload| ip::stated_len(*next_header, payload));
                stated == Some(payload_len)
            }
        }
}

fn plan_for<'a, S: EspSuite>(
    terms: &Terms<'_, S>,
    args: &SealArgs<'_>,
    (split, elided): (Split, &'a Elided),
    len: usize,
) -> Result<Plan<'a>, SealError> {
    let tfc = usize::from(args.tfc);
    let extra = usize::from(args.extra_pad);
    let residue_len = elided.residue.octets().len();
    let cut = match S::DIET_ESP {
        true => elided.header_len.saturating_sub(residue_len),
        false => 0,
    };
    let payload_len = len.saturating_sub(cut);
    let form = terms.trailer();
    let padding = form
        .padding_len(payload_len + tfc, extra)
        .ok_or(DropReason::Unsupported)?;
    let plan = Plan {
        split,
        udp_len: if terms.params.udp_encap.is_some() {
            udp::LEN
        } else {
            0
        },
        iv_len: terms.suite.iv_len(),
        payload_len,
        tfc,
        padding,
        extra_pad: extra,
        icv_len: terms.suite.icv_len(),
        header_len: terms.header_len(),
        form,
        elided,
        cut,
        fragment_to: 0,
    };
    if plan.total() <= plan.max_total() {
        Ok(plan)
    } else {
        Err(SealError::TooBig {
            mtu: plan.inner_mtu(plan.max_total()),
        })
    }
}

/// The path's limit: 0 if the packet fits it, the limit if the packet may go out
/// in fragments, else an error so that the caller can tell the sender (RFC 4301
/// s8.2).
fn check_path<S: EspSuite>(terms: &Terms<'_, S>, plan: &Plan) -> Result<usize, SealError> {
    let limit = usize::from(terms.params.path_mtu);
    if limit == 0 || plan.total() <= limit {
        return Ok(0);
    }
    if plan.may_be_fragmented(terms) {
        return Ok(limit);
    }
    let mtu = plan.inner_mtu(limit);
    let six = matches!(
        plan.split,
        Split::Tunnel {
            next_header: proto::IPV6,
            ..
        }
    );
    Err(SealError::TooBig {
        mtu: if six { mtu.max(LEAST_IPV6_MTU) } else { mtu },
    })
}

/// Lifetime, counter and IV: may this packet go out, and with which number?
fn admit<S: EspSuite>(
    terms: &Terms<'_, S>,
    tx: &SaTx,
    (plan, args): (&Plan, &SealArgs<'_>),
) -> Result<Sn64, DropReason> {
    let age = args.now.seconds_since(tx.installed);
    let octets = u64::try_from(plan.cipher_len()).unwrap_or(u64::MAX);
    tx.usage.admits(&terms.params.lifetime, octets, age)?;
    if terms.suite.iv_source() == IvSource::Random && args.iv.len() < terms.suite.iv_len() {
        return Err(DropReason::IvMissing);
    }
    tx.peek(terms.params.esn)
}

/// Nothing in here can be refused any more; the number is used up first.
fn commit<S: EspSuite>(
    terms: &Terms<'_, S>,
    tx: &mut SaTx,
    buf: &mut PacketBuf<'_>,
    (plan, sn, args): (&Plan, Sn64, &SealArgs<'_>),
) -> Result<Sealed, SealError> {
    tx.take(sn);
    let Terms { params, suite, .. } = *terms;
    let mut iv = [0u8; MAX_IV];
    match suite.iv_source() {
        IvSource::None => {}
        IvSource::Counter => {
            let counter = params.sender_id.map_or(sn.0, |sender| sender.iv(sn.low()));
            ip::copy(&mut iv, &counter.to_be_bytes());
        }
        IvSource::Random => ip::copy(&mut iv, args.iv),
    }
    let iv = iv.get(..plan.iv_len).ok_or(DropReason::Internal)?;
    let numbers = Numbers {
        spi: params.spi,
        sn,
        esn: params.esn,
    };
    write(terms, (plan, buf), &numbers, iv).ok_or(DropReason::Internal)?;
    let body = buf.packet_mut().get_mut(plan.esp_at() + plan.header_len..);
    suite
        .seal(&numbers, body.unwrap_or(&mut []))
        .map_err(|_| DropReason::Internal)?;
    tx.usage
        .add(u64::try_from(plan.cipher_len()).unwrap_or(u64::MAX));
    let age = args.now.seconds_since(tx.installed);
    Ok(Sealed {
        sn,
        esp_offset: plan.esp_at(),
        soft_expired: tx.usage.soft_expired(&params.lifetime, age),
        reserve_soon: tx.reserve_soon(),
        fragment_to: plan.fragment_to,
        saved: terms.context().map_or(0, |_| plan.saved(suite.pad_align())),
    })
}

/// Puts the residue in the place of the headers it stands for.
fn shorten(plan: &Plan, buf: &mut PacketBuf<'_>) -> Option<()> {
    let (cut, residue) = (plan.cut, plan.elided.residue.octets());
    if plan.elided.header_len == 0 {
        return Some(());
    }
    let at = match &plan.split {
        Split::Transport { at, .. } => *at,
        Split::Tunnel { .. } => 0,
    };
    let packet = buf.packet_mut();
    if at.checked_add(cut)? > packet.len() {
        return None;
    }
    packet.copy_within(..at, cut);
    let space = packet.get_mut(at + cut..)?;
    space.get_mut(..residue.len())?.copy_from_slice(residue);
    buf.trim_head(cut);
    Some(())
}

/// Lays out headers, IV and trailer around the payload.
fn write<S: EspSuite>(
    terms: &Terms<'_, S>,
    (plan, buf): (&Plan, &mut PacketBuf<'_>),
    numbers: &Numbers,
    iv: &[u8],
) -> Option<()> {
    buf.truncate(plan.before());
    if S::DIET_ESP {
        shorten(plan, buf)?;
    }
    buf.grow_head(plan.head()).ok()?;
    buf.grow_tail(plan.tail()).ok()?;
    let packet = buf.packet_mut();
    if let Split::Transport { at, .. } = plan.split {
        move_to_front(packet, plan.head(), at)?;
    }
    let esp_at = plan.esp_at();
    let udp_at = plan.ip_len();
    let payload_at = esp_at + plan.header_len + plan.iv_len;
    let esp = packet.get_mut(esp_at..)?;
    match terms.context() {
        None => {
            put(esp, 0, numbers.spi.to_octets()).ok()?;
            put(esp, 4, numbers.sn.low().to_be_bytes()).ok()?;
        }
        Some(context) => {
            let header = context.header(numbers.sn);
            esp.get_mut(..plan.header_len)?
                .copy_from_slice(header.octets());
        }
    }
    // Every IV is a multiple of 8 octets.
    for (word, at) in iv
        .as_chunks::<8>()
        .0
        .iter()
        .zip((plan.header_len..).step_by(8))
    {
        put(esp, at, *word).ok()?;
    }
    let tfc_at = payload_at + plan.payload_len;
    packet.get_mut(tfc_at..tfc_at + plan.tfc)?.fill(0);
    let trailer_at = tfc_at + plan.tfc;
    let next_header = match plan.split {
        Split::Transport { next_header, .. } | Split::Tunnel { next_header, .. } => next_header,
    };
    let end = trailer_at + plan.padding + plan.form.len();
    plan.form
        .write(packet.get_mut(trailer_at..end)?, next_header)?;
    write_udp(packet.get_mut(udp_at..)?, terms.params)?;
    let protocol = if terms.params.udp_encap.is_some() {
        proto::UDP
    } else {
        proto::ESP
    };
    match &plan.split {
        Split::Transport {
            name_at, version, ..
        } => ip::rewrite(packet, *version, *name_at, protocol).ok(),
        Split::Tunnel { outer, .. } => outer.emit(packet, protocol).ok(),
    }
}

fn write_udp(datagram: &mut [u8], params: &SaParams) -> Option<()> {
    let Some(encap) = params.udp_encap else {
        return Some(());
    };
    let len = datagram.len();
    let repr = udp::Repr {
        source_port: encap.source_port,
        destination_port: encap.destination_port,
        len,
    };
    repr.emit(datagram).ok()
}

/// Moves the `len` octets at `from` to the front of `packet`.
fn move_to_front(packet: &mut [u8], from: usize, len: usize) -> Option<()> {
    let end = from.checked_add(len).filter(|end| *end <= packet.len())?;
    packet.copy_within(from..end, 0);
    Some(())
}

/// What a test vector states instead of the SA: the number, the IV and the
/// complete outer header.
#[cfg(feature = "known-answer")]
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The number to use, whatever the counter says.
    pub sn: Sn64,
    /// The IV as it stands on the wire; empty where the wire carries none.
    pub iv: &'a [u8],
    /// The outer header of a tunnel, in full.
    pub outer: Option<Outer>,
    /// Octets of TFC padding.
    pub tfc: u16,
    /// Octets of Padding beyond the least.
    pub extra_pad: u8,
}

/// Lays a packet out as [`seal`] does but for a test vector, and hands back the
/// numbers, so that the caller can look at the plaintext before it seals the
/// octets behind the ESP header at that offset with the suite. No SA state takes part.
#[cfg(feature = "known-answer")]
pub fn lay_out_known<S: EspSuite>(
    terms: &Terms<'_, S>,
    buf: &mut PacketBuf<'_>,
    known: &Known<'_>,
) -> Result<(Numbers, usize), SealError> {
    let head = Head::parse(buf.packet()).map_err(|_| DropReason::NotIp)?;
    let args = SealArgs {
        tfc: known.tfc,
        extra_pad: known.extra_pad,
        ..SealArgs::default()
    };
    let params = terms.params;
    let mut split = split(params, &head, &args)?;
    let packet = buf.packet().get(..head.total_len).unwrap_or(&[]);
    let elided = match terms.context() {
        None => NOTHING,
        Some(context) => compress(context, (packet, &head), &mut split)?,
    };
    let mut len = head.total_len;
    match &mut split {
        Split::Transport { at, .. } => len -= *at,
        Split::Tunnel { outer, .. } => {
            if let Some(known) = known.outer {
                *outer = known;
            }
        }
    }
    if args.tfc != 0 && !tfc_possible(terms, &split, buf.packet(), len) {
        return Err(DropReason::TfcRefused.into());
    }
    let plan = plan_for(terms, &args, (split, &elided), len)?;
    reserve(buf, &plan)?;
    let numbers = Numbers {
        spi: params.spi,
        sn: known.sn,
        esn: params.esn,
    };
    let iv = known.iv.get(..plan.iv_len).ok_or(DropReason::IvMissing)?;
    write(terms, (&plan, buf), &numbers, iv).ok_or(DropReason::Internal)?;
    Ok((numbers, plan.esp_at()))
}

/// What a gateway needs to know before the first packet: the largest inner
/// packet of a tunnel over a path of `limit` octets; `None` in transport mode or
/// if nothing fits.
pub fn tunnel_mtu<S: EspSuite>(terms: &Terms<'_, S>, limit: usize) -> Option<usize> {
    let args = SealArgs::default();
    let split = dummy_split(terms.params, &args).ok()?;
    let plan = plan_for(terms, &args, (split, &NOTHING), 0).ok()?;
    Some(plan.inner_mtu(limit)).filter(|mtu| *mtu != 0)
}
