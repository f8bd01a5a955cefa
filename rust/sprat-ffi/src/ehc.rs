//! Diet-ESP by itself, for programs that do ESP elsewhere.

use sprat_core::buf::{PacketBuf, Short};
use sprat_core::diet_esp::{
    Context, Elided, MAX_HEADER, OuterFields, Pseudo, Restored, Stratum, generate, reconstruct,
};
use sprat_core::error::{DropCounters, DropReason};
use sprat_core::ipsec::{Outcome, Sa, Verdict};
use sprat_core::num::Sn64;
use sprat_core::selector::Flow;
use sprat_core::trailer::{Form, Trailer};
use sprat_core::wire::ip::{self, Head, Version, proto};

use crate::boundary::{
    Handle, Out, Status, copy_counters, guarded, octets, octets_mut, read, reference, reference_mut,
};
use crate::ehc_types::*;
use crate::host_types::*;
use crate::sa::report;
use crate::status::*;
use crate::types::sprat_buf;

/// A Diet-ESP context: the rules of one SA, for either direction. Made by
/// sprat_ehc_new(), freed by sprat_ehc_free(); one thread at a time.
pub struct sprat_ehc(Handle<Alone>);

/// A context, and what the ESP around it would know.
struct Alone {
    context: Context,
    block: usize,
    esn: bool,
    /// Packets that may arrive late.
    late: u64,
    packets: u64,
    octets_saved: i64,
    drops: DropCounters,
}

/// Why a packet stays as it is.
enum Refused {
    Short(Short),
    Dropped(DropReason),
}

impl From<DropReason> for Refused {
    fn from(reason: DropReason) -> Self {
        Refused::Dropped(reason)
    }
}

impl From<Short> for Refused {
    fn from(short: Short) -> Self {
        Refused::Short(short)
    }
}

impl Alone {
    /// What the caller tells of the header around the packet.
    fn around(&self, outer: &sprat_outer) -> Status<Around> {
        match self.context.outer() {
            Some(version) => outer.fields(version).map(Around::Tunnel),
            None if outer.reserved != [0; 2] => Err(SPRAT_E_ARGUMENT),
            None => Ok(Around::Transport(Pseudo {
                source: outer.source.some()?,
                destination: outer.destination.some()?,
                protocol: outer.protocol,
            })),
        }
    }

    /// The octets of ESP that `payload` takes without Diet-ESP, but for IV and ICV.
    fn plain_len(&self, payload: usize) -> usize {
        let form = Form::whole(self.block.max(4));
        let padding = form.padding_len(payload, 0).unwrap_or(0);
        8 + payload + padding + form.len()
    }

    fn count(&mut self, payload: usize, cte: usize) {
        let plain = self.plain_len(payload) as i64;
        let sent = (self.context.header_len() + cte) as i64;
        self.packets += 1;
        self.octets_saved = self.octets_saved.saturating_add(plain - sent);
    }

    fn compress(&mut self, buf: &mut PacketBuf<'_>, around: &mut Around) -> Result<(), Refused> {
        let (elided, next_header) = self.elide(buf.packet(), around)?;
        let residue = elided.residue.octets();
        let cut = elided.header_len.checked_sub(residue.len());
        let cut = cut.ok_or(DropReason::Internal)?;
        let payload_len = buf.len();
        let form = self.context.trailer(self.block);
        let iipc_len = payload_len - cut;
        let padding = form.padding_len(iipc_len, 0).ok_or(DropReason::Internal)?;
        let trailer = padding + form.len();
        buf.reserve(0, trailer)?;
        if let Around::Tunnel(fields) = around {
            *fields = self.context.outer_fields(buf.packet(), *fields);
        }
        buf.trim_head(cut);
        buf.grow_tail(trailer)?;
        let (iipc, space) = buf.packet_mut().split_at_mut(iipc_len);
        iipc[..residue.len()].copy_from_slice(residue);
        form.write(space, next_header).ok_or(DropReason::Internal)?;
        self.count(payload_len, buf.len());
        Ok(())
    }

    /// What is left out of `packet`, and what Next Header says of it.
    fn elide(&self, packet: &[u8], around: &Around) -> Result<(Elided, u8), DropReason> {
        match around {
            Around::Tunnel(_) => {
                let elided = self.context.compress_packet(packet)?;
                let head = Head::parse(packet).map_err(|_| DropReason::NotIp)?;
                let next_header = carries(head.version);
                let fits = self.context.next_header().is_none_or(|n| n == next_header);
                if !fits {
                    return Err(DropReason::EhcVersion);
                }
                // Behind a packet that is shorter than its octets TFC padding would end it.
                if elided.header_len == 0 && head.total_len != packet.len() {
                    return Err(DropReason::EhcLength);
                }
                self.admits(&head.flow(packet))?;
                Ok((elided, next_header))
            }
            Around::Transport(pseudo) => {
                let elided = self.context.compress_segment(packet, pseudo)?;
                self.admits(&flow_of(pseudo, packet))?;
                Ok((elided, pseudo.protocol))
            }
        }
    }

    /// What a context compresses by its selector must be within it: a range that
    /// is no prefix could not be told from its neighbours.
    fn admits(&self, flow: &Flow) -> Result<(), DropReason> {
        if self.context.afrg().selector.admits(flow) {
            Ok(())
        } else {
            Err(DropReason::Selector)
        }
    }

    fn decompress(
        &mut self,
        buf: &mut PacketBuf<'_>,
        around: &mut Around,
        sn: Sn64,
    ) -> Result<(), Refused> {
        let cte_len = buf.len();
        let trailer = self.context.trailer(self.block).read(buf.packet())?;
        let next_header = self.next_header(&trailer)?;
        let iipc = buf.packet().get(..trailer.payload_len).unwrap_or(&[]);
        let restored = match around {
            Around::Tunnel(fields) => self.context.restore_packet(iipc, fields, (sn, &generate))?,
            Around::Transport(pseudo) => {
                pseudo.protocol = next_header;
                self.context.restore_segment(iipc, pseudo)?
            }
        };
        let before = put_header(buf, &restored)?;
        let behind = cte_len - trailer.payload_len;
        buf.truncate(buf.len() - behind);
        match self.judge(buf.packet(), around, next_header) {
            Ok(len) => buf.truncate(len),
            Err(reason) => {
                take_header(buf, &restored, &before)?;
                buf.grow_tail(behind)?;
                return Err(reason.into());
            }
        }
        self.count(buf.len(), cte_len);
        Ok(())
    }

    /// What Next Header says, or would.
    fn next_header(&self, trailer: &Trailer) -> Result<u8, DropReason> {
        match (trailer.next_header, self.context.next_header()) {
            (Some(proto::NO_NEXT), _) => Err(DropReason::Dummy),
            (Some(sent), Some(known)) if sent != known => Err(DropReason::BadInner),
            (Some(sent), _) => Ok(sent),
            (None, Some(known)) => Ok(known),
            (None, None) => Err(DropReason::Internal),
        }
    }

    /// Looks at what was rebuilt and tells its length: behind it TFC padding may
    /// stand.
    fn judge(&self, packet: &[u8], around: &Around, next_header: u8) -> Result<usize, DropReason> {
        let Around::Transport(pseudo) = around else {
            let head = Head::parse(packet).map_err(|_| DropReason::BadInner)?;
            if carries(head.version) != next_header {
                return Err(DropReason::BadInner);
            }
            self.admits(&head.flow(packet))?;
            return Ok(head.total_len);
        };
        self.admits(&flow_of(pseudo, packet))?;
        Ok(packet.len())
    }

    /// Runs one of the two directions and tells what became of the packet.
    fn run(
        &mut self,
        (buf, outer, sn): (&mut PacketBuf<'_>, &mut sprat_outer, Option<Sn64>),
    ) -> Status<Result<Outcome, Short>> {
        let mut around = self.around(outer)?;
        let (done, verdict) = match sn {
            None => (self.compress(buf, &mut around), Verdict::Forward),
            Some(sn) => (self.decompress(buf, &mut around, sn), Verdict::Deliver),
        };
        let seen = Outcome {
            spi: self.context.spi().0,
            sn: sn.map_or(0, |sn| sn.0),
            ..Outcome::default()
        };
        Ok(match done {
            Ok(()) => {
                around.tell(outer);
                Ok(Outcome { verdict, ..seen })
            }
            Err(Refused::Short(short)) => Err(short),
            Err(Refused::Dropped(reason)) => {
                self.drops.count(reason);
                Ok(Outcome {
                    reason: Some(reason),
                    ..seen
                })
            }
        })
    }

    fn stats(&self) -> sprat_ehc_stats {
        sprat_ehc_stats {
            packets: self.packets,
            octets_saved: self.octets_saved,
            refused: refusals(&self.drops),
            ..sprat_ehc_stats::default()
        }
    }
}

/// What stands around the octets that are worked on.
enum Around {
    /// Fields of the outer header.
    Tunnel(OuterFields),
    /// The addresses of the IP header, and what stands behind it.
    Transport(Pseudo),
}

impl Around {
    /// Tells the caller what has changed.
    fn tell(&self, outer: &mut sprat_outer) {
        match self {
            Around::Tunnel(fields) => {
                outer.traffic_class = fields.traffic_class;
                outer.hop_limit = fields.hop_limit;
                outer.flow = fields.flow;
            }
            Around::Transport(pseudo) => outer.protocol = pseudo.protocol,
        }
    }
}

/// What Next Header says of an inner packet.
const fn carries(version: Version) -> u8 {
    match version {
        Version::V4 => proto::IPV4,
        Version::V6 => proto::IPV6,
    }
}

fn flow_of(pseudo: &Pseudo, segment: &[u8]) -> Flow {
    Flow {
        source: pseudo.source,
        destination: pseudo.destination,
        protocol: pseudo.protocol,
        ports: ip::ports(pseudo.protocol, segment),
    }
}

/// Puts the rebuilt header in the place of its residue and returns what stood
/// where the header stands now.
fn put_header(buf: &mut PacketBuf<'_>, restored: &Restored) -> Result<[u8; MAX_HEADER], Refused> {
    let (header, residue) = (restored.header(), restored.residue_len);
    let more = header.len().checked_sub(residue);
    let more = more.ok_or(DropReason::Internal)?;
    buf.grow_head(more)?;
    let mut before = [0; MAX_HEADER];
    for ((octet, new), old) in buf.packet_mut().iter_mut().zip(header).zip(&mut before) {
        *old = core::mem::replace(octet, *new);
    }
    Ok(before)
}

/// Undoes [`put_header`].
fn take_header(
    buf: &mut PacketBuf<'_>,
    restored: &Restored,
    before: &[u8; MAX_HEADER],
) -> Result<(), DropReason> {
    let (len, residue) = (restored.header().len(), restored.residue_len);
    for (octet, old) in buf.packet_mut().iter_mut().zip(&before[..len]) {
        *octet = *old;
    }
    let more = len.checked_sub(residue).ok_or(DropReason::Internal)?;
    buf.trim_head(more);
    Ok(())
}

/// Packets refused for what the rules say.
fn refusals(drops: &DropCounters) -> u64 {
    let of_rules = DropReason::EhcVersion..=DropReason::EhcMapping;
    let counted = DropReason::ALL.iter().filter(|r| of_rules.contains(r));
    counted.fold(0, |sum: u64, reason| sum.saturating_add(drops.of(*reason)))
}

fn handle(alone: Alone) -> *mut sprat_ehc {
    Box::into_raw(Box::new(sprat_ehc(Handle::new(alone))))
}

/// A context like that of an SA.
pub(crate) fn copy_of(sa: &Sa) -> Status<*mut sprat_ehc> {
    let context = sa.context().ok_or(SPRAT_E_NOT_FOUND)?;
    let (params, block, reorder) = match sa {
        Sa::Outbound(sa) => (sa.params(), sa.terms().block(), 0),
        Sa::Inbound(sa) => (sa.params(), sa.terms().block(), sa.reorder()),
    };
    Ok(handle(Alone {
        context: context.clone(),
        block,
        esn: params.esn,
        late: u64::from(match params.replay_window {
            0 => reorder,
            window => window,
        }),
        packets: 0,
        octets_saved: 0,
        drops: DropCounters::default(),
    }))
}

/// What Diet-ESP has done for an SA.
pub(crate) fn stats_of(sa: &Sa) -> Status<sprat_ehc_stats> {
    sa.context().ok_or(SPRAT_E_NOT_FOUND)?;
    let done = sa.ehc_stats();
    Ok(sprat_ehc_stats {
        packets: done.packets,
        octets_saved: done.octets_saved,
        refused: refusals(sa.drops()),
        icv_trials: done.icv_trials,
        resyncs: done.resyncs,
        ..sprat_ehc_stats::default()
    })
}

/// Makes a context for an SA whose ESP another program does; sprat_sa_params.ehc
/// is for SAs of this library. On success *out is the new object, to be freed by
/// sprat_ehc_free(). params, sa and what they point to are read during the call
/// only.
///
/// Errors: NULL; ARGUMENT for a field outside its range; EHC_* for attributes
/// that make no context.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_new(
    params: *const sprat_ehc_params,
    sa: *const sprat_ehc_sa,
    out: *mut *mut sprat_ehc,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (params, sa, out) = unsafe { (read(params)?, read(sa)?, reference_mut(out)?) };
        // SAFETY: forwarded to the caller.
        let ehc = unsafe { params.get() }?;
        let late = match sa.replay_window {
            0 => ehc.reorder,
            window => window,
        };
        *out = handle(Alone {
            context: Context::new(ehc.afrg, &sa.carried()?).map_err(refused)?,
            block: usize::from(sa.block),
            esn: flag(sa.esn)?,
            late: u64::from(late),
            packets: 0,
            octets_saved: 0,
            drops: DropCounters::default(),
        });
        Ok(())
    })
}

/// Frees a context. NULL is allowed.
///
/// # Safety
/// `ehc` is NULL or came from this library and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_free(ehc: *mut sprat_ehc) {
    if !ehc.is_null() {
        // SAFETY: it came from Box::into_raw and the caller gives it up.
        let ehc = unsafe { Box::from_raw(ehc) };
        guarded(|| {
            drop(ehc);
            Ok(())
        });
    }
}

/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
unsafe fn run(
    ehc: *mut sprat_ehc,
    (buf, outer, sn): (*mut sprat_buf, *mut sprat_outer, Option<Sn64>),
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded.
    let Ok(ehc) = (unsafe { reference_mut(ehc) }) else {
        return SPRAT_E_NULL;
    };
    ehc.0.change(|alone| {
        // SAFETY: forwarded.
        unsafe {
            let (buf, mut told) = (reference_mut(buf)?, read(outer)?);
            let (outer, result) = (Out::new(outer)?, Out::new(result)?);
            let outcome = buf.with(|buf| alone.run((buf, &mut told, sn)))??;
            outer.write(&told);
            report(outcome.map(Into::into), result)
        }
    })
}

/// Makes the octets to encrypt, in place: compresses the inner headers and
/// writes as much of an ESP trailer as the SA needs (IIPC and CTEC). sn and the
/// header in front are sprat_ehc_header().
///
/// Tunnel mode: buf holds the inner packet. outer says traffic_class, hop_limit
/// and flow of the outer header as it would be without Diet-ESP; those that the
/// receiver takes from it become the inner packet's, and the packet must go out
/// with them. Transport mode: buf holds what stands behind the IP header (and its
/// extension headers); outer says source, destination and protocol.
///
/// With SPRAT_OK the verdict is FORWARD or DROP (buf and outer are unchanged,
/// reason says why: send the packet by an SA without Diet-ESP, or not at all).
///
/// Errors, with nothing changed or counted: SHORT, with the room needed in
/// need_head and need_tail of result; NULL; ARGUMENT.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_compress(
    ehc: *mut sprat_ehc,
    buf: *mut sprat_buf,
    outer: *mut sprat_outer,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { run(ehc, (buf, outer, None), result) }
}

/// The reverse of sprat_ehc_compress(), for octets whose ICV has verified: buf
/// holds them from behind the IV to in front of the ICV, decrypted. sn is the
/// packet's sequence number in full.
///
/// Tunnel mode: outer says traffic_class, hop_limit and flow as they arrived, and
/// a hop_limit of 0 is 0 here, not "not known"; buf becomes the inner packet. Its
/// ECN field is not yet combined with that of the outer header (RFC 6040).
/// Transport mode: outer says source and destination; buf becomes what stands
/// behind the IP header, and outer->protocol what it is.
///
/// With SPRAT_OK the verdict is DELIVER or DROP (buf is unchanged, reason says
/// why). What was rebuilt is within the selector.
///
/// Errors, with nothing changed or counted: SHORT, with the room needed in
/// need_head of result; NULL; ARGUMENT.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_decompress(
    ehc: *mut sprat_ehc,
    buf: *mut sprat_buf,
    sn: u64,
    outer: *mut sprat_outer,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { run(ehc, (buf, outer, Some(Sn64(sn))), result) }
}

/// The ESP header of the packet with this number (EEC): the low bits of the SPI,
/// then those of sn, 0 to 8 octets. *len is the room in octets and becomes the
/// octets of the header, which are the same for every packet of the SA. ICV and
/// nonce are over the full SPI and number all the same.
///
/// Errors: NULL; SHORT, with the need in *len.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_header(
    ehc: *const sprat_ehc,
    sn: u64,
    out: *mut u8,
    len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (alone, len) = unsafe { (reference(ehc)?.0.get()?, reference_mut(len)?) };
        // SAFETY: forwarded to the caller.
        let out = unsafe { octets_mut(out, *len) }?;
        let header = alone.context.header(Sn64(sn));
        let header = header.octets();
        *len = header.len();
        let out = out.get_mut(..header.len()).ok_or(SPRAT_E_SHORT)?;
        out.copy_from_slice(header);
        Ok(())
    })
}

/// The full sequence number of a received packet that begins with the octets at
/// esp: of the numbers that end in the bits sent the lowest one that is late by
/// less than the replay window (without one: reorder), or than half of
/// 2^esp_sn_lsb if that is less. top_sn is the highest number verified so far, 0
/// at first. The number is to be believed only when the ICV verifies with it;
/// after a long loss one that is greater by a multiple of 2^esp_sn_lsb may verify
/// instead. With all 32 bits sent, and no more in use, it is those bits.
///
/// Errors: NULL; NOT_FOUND if the packet shows the SPI bits of another SA; PACKET
/// if it is shorter than its header, or its number would be beyond the last.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_sn(
    ehc: *const sprat_ehc,
    esp: *const u8,
    len: usize,
    top_sn: u64,
    sn: *mut u64,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (alone, esp) = unsafe { (reference(ehc)?.0.get()?, octets(esp, len)?) };
        // SAFETY: forwarded to the caller.
        let out = unsafe { reference_mut(sn) }?;
        let context = &alone.context;
        let received = context.received_sn(esp).ok_or(SPRAT_E_PACKET)?;
        if !context.shows_spi(esp) {
            return Err(SPRAT_E_NOT_FOUND);
        }
        let received = (received, context.afrg().esp_sn_lsb);
        let full = reconstruct(received, Sn64(top_sn), alone.late, alone.esn);
        *out = full.map_err(|_| SPRAT_E_PACKET)?.0;
        Ok(())
    })
}

/// Lists the rule of one of the three compressors, row by row in packet order.
/// stratum is one of SPRAT_EHC_STRATUM_*. protocol counts where the selector
/// leaves it open: the rule is that for packets whose IP header names it. *count
/// is the room in rows, SPRAT_EHC_ROWS_MAX always suffices, and becomes the rows
/// of the rule: 0 where nothing is compressed.
///
/// Errors: NULL; ARGUMENT for another stratum; SHORT, with the need in *count.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_explain(
    ehc: *const sprat_ehc,
    stratum: u8,
    protocol: u8,
    rows: *mut sprat_ehc_row,
    count: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (alone, count) = unsafe { (reference(ehc)?.0.get()?, reference_mut(count)?) };
        if rows.is_null() && *count != 0 {
            return Err(SPRAT_E_NULL);
        }
        let stratum = match stratum {
            SPRAT_EHC_STRATUM_IIPC => Stratum::Iipc,
            SPRAT_EHC_STRATUM_CTEC => Stratum::Ctec,
            SPRAT_EHC_STRATUM_EEC => Stratum::Eec,
            _ => return Err(SPRAT_E_ARGUMENT),
        };
        let rule = alone.context.rule(stratum, protocol, alone.block);
        let mut listed: Vec<sprat_ehc_row> = Vec::with_capacity(SPRAT_EHC_ROWS_MAX);
        rule.for_each(|d| listed.push((&d).into()));
        let room = core::mem::replace(count, listed.len());
        if room < listed.len() {
            return Err(SPRAT_E_SHORT);
        }
        if !listed.is_empty() {
            // SAFETY: not NULL, and the caller answers for `room` rows, which do
            // not overlap what we have just made.
            unsafe { core::ptr::copy_nonoverlapping(listed.as_ptr(), rows, listed.len()) };
        }
        Ok(())
    })
}

/// Tells what a context has done; icv_trials and resyncs stay 0, since another
/// program checks the ICV. Errors: NULL; ARGUMENT (struct_size).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_get_stats(
    ehc: *const sprat_ehc,
    out: *mut sprat_ehc_stats,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (ehc, out) = unsafe { (reference(ehc)?, Out::new(out)?) };
        out.write(&ehc.0.get()?.stats());
        Ok(())
    })
}

/// Copies how many packets a context refused, by reason code, to counters; index
/// 0 is unused. *count is the room in numbers and becomes sprat_drop_count() + 1.
/// Errors: NULL; SHORT, with the need in *count.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ehc_drops(
    ehc: *const sprat_ehc,
    counters: *mut u64,
    count: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe { copy_counters(&reference(ehc)?.0.get()?.drops, counters, count) }
    })
}
