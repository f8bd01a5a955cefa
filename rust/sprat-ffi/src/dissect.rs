//! What a packet analyser asks: which fields there are, and the fields of one
//! packet. Only with the feature `dissect`, which the shared library does not
//! have: the plugin for Wireshark links an archive of its own.

mod capture;
mod types;

use core::ffi::{CStr, c_char};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::HashSet;

use ::sprat_config::{Config, SaConfig};
use sprat_core::crypto::{Encr, Integ, Keys, Suite};
use sprat_core::diet_esp::Context;
use sprat_core::dissect::{
    Class, Compression, Encap, Expert, Field, Frame, Inner, Input, Outcome, Report, Sa, SaMode,
    Sink, Span, Table, Value, frame, show,
};
use sprat_core::error::DropReason;
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Lookup, Mode};
use sprat_core::selector::AddrRange;

use crate::boundary::{
    Handle, Out, Status, copy_text, guarded, octets, octets_mut, read, reference, reference_mut,
};
use crate::config::sprat_config;
use crate::status::*;

use capture::Trial;
pub use capture::sprat_dissect_capture;
pub use types::*;

/// A table of SAs. One thread at a time while it is filled; afterwards any
/// number may read it.
pub struct sprat_dissect_ctx {
    table: Handle<Table>,
}

/// Fills `out`, which has room for `*count` rows, and tells how many there are.
///
/// # Safety
/// `out` is NULL or has room for `*count` rows.
unsafe fn fill<T>(
    rows: impl ExactSizeIterator<Item = T>,
    out: *mut T,
    count: *mut usize,
) -> Status<()> {
    // SAFETY: the caller passes NULL or a number that is his to write.
    let count = unsafe { reference_mut(count) }?;
    let room = core::mem::replace(count, rows.len());
    if room < *count {
        return Err(SPRAT_E_SHORT);
    }
    if out.is_null() {
        return Err(SPRAT_E_NULL);
    }
    for (i, row) in rows.enumerate() {
        // SAFETY: there is room for `room` rows, and i is below.
        unsafe { out.add(i).write(row) };
    }
    Ok(())
}

/// Lists the fields; a span names one by its index here.
///
/// `*count`: in how many fit, out how many there are. Status SHORT if they do
/// not fit, then `fields` may be NULL. Any thread.
///
/// # Safety
/// `fields` has room for `*count` of them.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_fields(
    fields: *mut sprat_dissect_field,
    count: *mut usize,
) -> i32 {
    let rows = Field::ALL.iter().map(|field| sprat_dissect_field {
        abbrev: sprat_text::new(field.abbrev()),
        name: sprat_text::new(field.name()),
        about: sprat_text::new(field.about()),
        kind: field.kind() as u8,
        base: field.base() as u8,
        in_parent: field.in_parent().into(),
        mask: 0,
    });
    // SAFETY: as the caller promised.
    guarded(|| unsafe { fill(rows, fields, count) })
}

/// Lists the remarks, like sprat_dissect_fields().
///
/// # Safety
/// `experts` has room for `*count` of them.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_experts(
    experts: *mut sprat_dissect_expert,
    count: *mut usize,
) -> i32 {
    let rows: Vec<Expert> = Expert::all().collect();
    let rows = rows.into_iter().map(|expert| sprat_dissect_expert {
        code: expert.code(),
        group: expert.group() as u8,
        severity: expert.severity() as u8,
        name: sprat_text::new(expert.name()),
        text: sprat_text::new(expert.text()),
    });
    // SAFETY: as the caller promised.
    guarded(|| unsafe { fill(rows, experts, count) })
}

/// Lists the encryption transforms, like sprat_dissect_fields().
///
/// # Safety
/// `transforms` has room for `*count` of them.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_encr(
    transforms: *mut sprat_dissect_transform,
    count: *mut usize,
) -> i32 {
    let legacy = cfg!(feature = "legacy");
    let usable = Encr::ALL.iter().filter(|encr| legacy || !encr.legacy());
    let rows: Vec<_> = usable
        .map(|encr| sprat_dissect_transform {
            id: encr.id().into(),
            name: sprat_text::new(encr.name()),
        })
        .collect();
    // SAFETY: as the caller promised.
    guarded(|| unsafe { fill(rows.into_iter(), transforms, count) })
}

/// Lists the integrity transforms, NONE among them, like sprat_dissect_fields().
///
/// # Safety
/// `transforms` has room for `*count` of them.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_integ(
    transforms: *mut sprat_dissect_transform,
    count: *mut usize,
) -> i32 {
    let legacy = cfg!(feature = "legacy");
    let usable = |integ: &&Integ| !integ.ah_only() && (legacy || !integ.legacy());
    let rows: Vec<_> = Integ::ALL
        .iter()
        .filter(usable)
        .map(|integ| sprat_dissect_transform {
            id: integ.id().into(),
            name: sprat_text::new(integ.name()),
        })
        .collect();
    // SAFETY: as the caller promised.
    guarded(|| unsafe { fill(rows.into_iter(), transforms, count) })
}

/// Makes an empty table of SAs in `*out`; sprat_dissect_ctx_free() ends it.
///
/// # Safety
/// `out` is NULL (an error) or a pointer to be overwritten.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_ctx_new(out: *mut *mut sprat_dissect_ctx) -> i32 {
    guarded(|| {
        let table = Handle::new(Table::new());
        // SAFETY: the caller passes NULL or a pointer that is his to write.
        *unsafe { reference_mut(out) }? = Box::into_raw(Box::new(sprat_dissect_ctx { table }));
        Ok(())
    })
}

/// Ends a table, its keys overwritten. NULL is nothing.
///
/// # Safety
/// `ctx` came from sprat_dissect_ctx_new() and is not used again.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_ctx_free(ctx: *mut sprat_dissect_ctx) {
    if !ctx.is_null() {
        // SAFETY: it was made by Box::into_raw and nobody else has it.
        drop(unsafe { Box::from_raw(ctx) });
    }
}

/// Number of SAs in the table; 0 for NULL.
///
/// # Safety
/// `ctx` is NULL or a table.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_ctx_count(ctx: *const sprat_dissect_ctx) -> usize {
    // SAFETY: as the caller promised.
    let table = unsafe { reference(ctx) }.and_then(|ctx| ctx.table.get());
    table.map_or(0, Table::len)
}

/// 1 if an SA of the table is compressed: then sprat_dissect() wants to see what is
/// in front of a packet, and more room. 0 for NULL.
///
/// # Safety
/// `ctx` is NULL or a table.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_ctx_compresses(ctx: *const sprat_dissect_ctx) -> i32 {
    // SAFETY: as the caller promised.
    let table = unsafe { reference(ctx) }.and_then(|ctx| ctx.table.get());
    table.is_ok_and(Table::compresses).into()
}

/// Adds an SA to the table. Status KEY or CONFIG if it cannot be one; then
/// nothing was added and `message` says why. `*message_len`: in the room for it,
/// out what it needs with its final zero; it is cut to fit.
///
/// # Safety
/// All pointers are NULL or point to what their length says; texts end in zero.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_ctx_add(
    ctx: *mut sprat_dissect_ctx,
    row: *const sprat_dissect_sa,
    message: *mut c_char,
    message_len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: as the caller promised, all four.
        let (ctx, row) = unsafe { (reference_mut(ctx)?, read(row)?) };
        // SAFETY: likewise.
        match unsafe { read_sa(&row) } {
            Ok(sa) => done(ctx.table.change(|table| {
                table.add(sa);
                Ok(())
            })),
            Err(refused) => {
                // SAFETY: likewise. A message cut short does not change the status.
                let _ = unsafe { copy_text(&refused.text, message, message_len) };
                Err(refused.status)
            }
        }
    })
}

/// The other way round: a status as a result.
fn done(status: i32) -> Status<()> {
    match status {
        SPRAT_OK => Ok(()),
        error => Err(error),
    }
}

/// Adds every SA of a configuration, which may be freed afterwards. After a
/// failure none was added.
///
/// # Safety
/// The pointers are NULL or what their type says.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_ctx_add_config(
    ctx: *mut sprat_dissect_ctx,
    config: *const sprat_config,
) -> i32 {
    guarded(|| {
        // SAFETY: as the caller promised.
        let (ctx, config) = unsafe { (reference_mut(ctx)?, reference(config)?) };
        let sas = sas_of(&config.config)?;
        done(ctx.table.change(|table| {
            sas.into_iter().for_each(|sa| table.add(sa));
            Ok(())
        }))
    })
}

fn sas_of(config: &Config) -> Status<Vec<Sa>> {
    let mut lookups = HashSet::new();
    let sas = config.sas.iter().map(|sa| {
        let lookup = sa.params.lookup;
        let again = !lookups.insert((sa.params.spi, format!("{lookup:?}")));
        let (source, destination) = ends(sa, again);
        let start = sa.sequence_start;
        Ok(Sa {
            name: sa.name.clone(),
            spi: sa.params.spi,
            source,
            destination,
            mode: match sa.params.mode {
                Mode::Transport => SaMode::Transport,
                Mode::Tunnel(_) => SaMode::Tunnel,
            },
            esn: sa.params.esn,
            sequence_start: (start.0 != 0).then_some(start),
            window: sa.params.replay_window,
            suite: sa.suite().map_err(|_| SPRAT_E_KEY)?,
            ehc: compression(sa)?,
        })
    });
    sas.collect()
}

fn compression(sa: &SaConfig) -> Status<Option<Box<Compression>>> {
    let Some(ehc) = &sa.ehc else {
        return Ok(None);
    };
    let context = Context::new(ehc.afrg, &sa.params.carried()).map_err(|_| SPRAT_E_CONFIG)?;
    let reorder = ehc.reorder;
    Ok(Some(Box::new(Compression { context, reorder })))
}

/// Source and destination that an SA is for. A capture shows both directions,
/// and two peers may have chosen one SPI: then the tunnel's ends tell. So they do
/// where an SA shows a part of its SPI only, unless a NAT may change them.
fn ends(sa: &SaConfig, again: bool) -> (AddrRange, AddrRange) {
    let (one, any) = (AddrRange::single, AddrRange::Any);
    let unclear = again || sa.ehc.is_some() && sa.params.udp_encap.is_none();
    match (sa.params.lookup, sa.params.mode) {
        (Lookup::SpiDestinationSource(destination, source), _) => (one(source), one(destination)),
        (Lookup::SpiDestination(destination), _) => (any, one(destination)),
        (Lookup::Spi, Mode::Tunnel(tunnel)) if unclear => {
            (one(tunnel.source), one(tunnel.destination))
        }
        (Lookup::Spi, _) => (any, any),
    }
}

/// What is wrong with something a user wrote.
struct Refusal {
    status: i32,
    text: String,
}

fn no_pointer(status: i32) -> Refusal {
    Refusal {
        status,
        text: "a key without octets".to_string(),
    }
}

fn refusal(text: impl ToString) -> Refusal {
    Refusal {
        status: SPRAT_E_CONFIG,
        text: text.to_string(),
    }
}

/// # Safety
/// The pointers of `row` are NULL or point to what their length says.
unsafe fn read_sa(row: &sprat_dissect_sa) -> Result<Sa, Refusal> {
    let encr = u16::try_from(row.encr).ok().and_then(Encr::from_id);
    let integ = u16::try_from(row.integ).ok().and_then(Integ::from_id);
    let encr = encr.ok_or_else(|| refusal("unknown encryption transform"))?;
    let integ = integ.ok_or_else(|| refusal("unknown integrity transform"))?;
    if row.spi < Spi::FIRST_FREE.0 {
        return Err(refusal("SPI 0-255 is reserved: use 100 to ffffffff"));
    }
    // SAFETY: as the caller promised, all of them.
    let (encr_key, integ_key, name, source, destination) = unsafe {
        (
            octets(row.encr_key, row.encr_key_len).map_err(no_pointer)?,
            octets(row.integ_key, row.integ_key_len).map_err(no_pointer)?,
            string(row.name),
            string(row.source),
            string(row.destination),
        )
    };
    let suite = suite((encr, integ), encr_key, integ_key)?;
    Ok(Sa {
        name: name.to_string(),
        spi: Spi(row.spi),
        source: range(source, "source")?,
        destination: range(destination, "destination")?,
        mode: match row.mode {
            0 => SaMode::Any,
            1 => SaMode::Transport,
            2 => SaMode::Tunnel,
            _ => return Err(refusal("unknown mode")),
        },
        esn: row.esn != 0,
        sequence_start: start(row.sequence_start, row.esn != 0)?,
        window: WINDOW,
        suite,
        ehc: None,
    })
}

/// Anti-replay window of an SA that states none: the least that RFC 4303
/// s3.4.3 recommends.
const WINDOW: u16 = 64;

fn start(number: u64, esn: bool) -> Result<Option<Sn64>, Refusal> {
    match number {
        0 => Ok(None),
        number if !esn && number > u64::from(u32::MAX) => {
            Err(refusal("a start above 4294967295 needs 64-bit numbers"))
        }
        number => Ok(Some(Sn64(number))),
    }
}

fn suite((encr, integ): (Encr, Integ), keymat: &[u8], integ_key: &[u8]) -> Result<Suite, Refusal> {
    let (salt_len, name) = (encr.salt_len(), encr.name());
    let lens: Vec<String> = encr
        .key_lens()
        .iter()
        .map(|len| (len + salt_len).to_string())
        .collect();
    let cut = keymat.len().checked_sub(salt_len);
    let Some(cut) = cut.filter(|len| encr.key_lens().contains(len)) else {
        let salt = match salt_len {
            0 => String::new(),
            n => format!(" ({n} of them salt, last)"),
        };
        let (lens, given) = (lens.join(" or "), keymat.len());
        return Err(Refusal {
            status: SPRAT_E_KEY,
            text: format!("{name} takes a key of {lens} octets{salt}, not {given}"),
        });
    };
    let (encr_key, salt) = keymat.split_at(cut);
    let keys = Keys {
        encr_key,
        salt,
        integ_key,
    };
    Suite::new(encr, integ, &keys).map_err(|error| Refusal {
        status: SPRAT_E_KEY,
        text: error.to_string(),
    })
}

/// `*` or nothing, an address, or address/bits.
fn range(text: &str, what: &str) -> Result<AddrRange, Refusal> {
    if text.is_empty() || text == "*" {
        return Ok(AddrRange::Any);
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let parsed = address.parse().ok().and_then(|address: IpAddr| match bits {
        None => Some(AddrRange::single(address)),
        Some(bits) => AddrRange::prefix(address, bits.parse().ok()?),
    });
    parsed.ok_or_else(|| {
        let allowed = "\"*\", an address, or a prefix such as 10.0.0.0/8";
        refusal(format!("{what}: \"{text}\" is not one of {allowed}"))
    })
}

/// Makes an empty memory of a capture in `*out`; sprat_dissect_capture_free()
/// ends it.
///
/// # Safety
/// `out` is NULL (an error) or a pointer to be overwritten.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_capture_new(out: *mut *mut sprat_dissect_capture) -> i32 {
    guarded(|| {
        let capture = sprat_dissect_capture::default();
        // SAFETY: the caller passes NULL or a pointer that is his to write.
        *unsafe { reference_mut(out) }? = Box::into_raw(Box::new(capture));
        Ok(())
    })
}

/// Ends the memory of a capture. NULL is nothing.
///
/// # Safety
/// `capture` came from sprat_dissect_capture_new() and is not used again.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_capture_free(capture: *mut sprat_dissect_capture) {
    if !capture.is_null() {
        // SAFETY: it was made by Box::into_raw and nobody else has it.
        drop(unsafe { Box::from_raw(capture) });
    }
}

/// Octets of the first frame of a TCP stream (RFC 9329): its prefix, or a message
/// behind its length. 0 if more octets are needed to tell, SIZE_MAX if the stream
/// is not framed so. `*header` becomes the number of them that are no message;
/// it may be NULL. Any thread.
///
/// # Safety
/// `data` points to `len` octets; NULL only with 0.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect_frame(
    data: *const u8,
    len: usize,
    header: *mut usize,
) -> usize {
    // SAFETY: as the caller promised.
    let found = match frame(unsafe { octets(data, len) }.unwrap_or(&[])) {
        Frame::More => (0, 0),
        Frame::Lost => (usize::MAX, 0),
        Frame::Whole { len, header } => (len, header),
    };
    // SAFETY: as the caller promised.
    if let Some(header) = unsafe { header.as_mut() } {
        *header = found.1;
    }
    found.0
}

/// Looks at one packet.
///
/// A packet looked at for the first time has `in.report.known` 0; then its
/// number is judged by `capture` and remembered there if the ICV verifies.
/// Afterwards `out.report` must be given back in `in.report`, and `capture` is
/// not looked at. Status SHORT if the spans do not fit: `out.span_count` tells
/// the need, and the capture has remembered nothing.
///
/// # Safety
/// All pointers are NULL or point to what their length says.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_dissect(
    ctx: *const sprat_dissect_ctx,
    capture: *mut sprat_dissect_capture,
    packet: *const sprat_dissect_in,
    out: *mut sprat_dissect_out,
) -> i32 {
    guarded(|| {
        // SAFETY: as the caller promised, all of them.
        let (ctx, packet) = unsafe { (reference(ctx)?, read(packet)?) };
        // SAFETY: likewise.
        let (mut told, out) = unsafe { (read(out)?, Out::new(out)?) };
        // SAFETY: likewise; NULL is nothing to remember in.
        let (input, capture) = unsafe { (read_packet(&packet)?, capture.as_mut()) };
        let known = known(&packet.report)?;
        let brief = packet.flags & SPRAT_DISSECT_BRIEF != 0;
        let looked = look(ctx.table.get()?, capture, (known, brief, &input), &mut told);
        out.write(&told);
        looked
    })
}

/// # Safety
/// The pointers of `packet` are NULL or point to what their length says.
unsafe fn read_packet(packet: &sprat_dissect_in) -> Status<Input<'_>> {
    // SAFETY: as the caller promised, all four.
    let (octets, source, destination, before) = unsafe {
        (
            octets(packet.octets, packet.len)?,
            octets(packet.source, packet.source_len)?,
            octets(packet.destination, packet.destination_len)?,
            octets(packet.before, packet.before_len)?,
        )
    };
    let flag = |bit| packet.flags & bit != 0;
    Ok(Input {
        octets,
        reported: packet.reported.max(packet.len),
        source: address(source),
        destination: address(destination),
        encap: match (flag(SPRAT_DISSECT_UDP), flag(SPRAT_DISSECT_TCP)) {
            (false, false) => Encap::Ip,
            (true, false) => Encap::Udp,
            (false, true) => Encap::Tcp,
            (true, true) => return Err(SPRAT_E_ARGUMENT),
        },
        fragment: flag(SPRAT_DISSECT_FRAGMENT),
        quoted: flag(SPRAT_DISSECT_QUOTED),
        before,
    })
}

fn look(
    table: &Table,
    capture: Option<&mut sprat_dissect_capture>,
    (known, brief, input): (Option<(usize, Report)>, bool, &Input<'_>),
    out: &mut sprat_dissect_out,
) -> Status<()> {
    let class = table.classify(input);
    let room = if out.spans.is_null() {
        0
    } else {
        out.span_count
    };
    let mut sink = CSink {
        spans: out.spans,
        room,
        count: 0,
        brief,
    };
    blank(out, class, input);
    let Class::Esp(likely) = class else {
        class.show(&mut sink);
        return sink.end(out);
    };
    // SAFETY: the caller's buffer, which nothing else refers to.
    let plain = unsafe { octets_mut(out.plain, out.plain_len) }?;
    let mut trial = Trial {
        table,
        input,
        capture,
    };
    let found = match known {
        Some((index, report)) => trial.again(index, report, plain)?,
        None => trial.first(likely, plain)?,
    };
    let sa = table.sa(found.index).ok_or(SPRAT_E_ARGUMENT)?;
    let outcome = show(sa, input, &found.attempt, plain, &mut sink);
    sink.end(out)?;
    if let (true, Some(place), Some(capture)) = (outcome.verified, found.place, trial.capture) {
        capture.advance((found.index, place), found.attempt.report.sn);
        if outcome.disproves_context() && sa.ehc.is_some() {
            capture.disprove(place);
        }
    }
    (out.sa_name, out.spi) = (sprat_text::new(&sa.name), sa.spi.0);
    out.compressed = sa.ehc.is_some().into();
    out.report.sa = u32::try_from(found.index).map_err(|_| SPRAT_E_ARGUMENT)?;
    tell_outcome(out, &outcome, &found.attempt.report);
    Ok(())
}

fn blank(out: &mut sprat_dissect_out, class: Class, input: &Input<'_>) {
    out.kind = match class {
        Class::Other => SPRAT_DISSECT_OTHER,
        Class::Malformed => SPRAT_DISSECT_MALFORMED,
        Class::NoSa(_) => SPRAT_DISSECT_NO_SA,
        Class::Esp(_) => SPRAT_DISSECT_ESP,
    };
    (out.text_offset, out.text_len, out.payload_len) = (0, 0, 0);
    (out.rebuilt_offset, out.rebuilt_len, out.saved) = (0, 0, 0);
    (out.inner, out.protocol) = (SPRAT_DISSECT_INNER_NONE, 0);
    (out.verified, out.compressed) = (0, 0);
    out.reason = class.reason().map_or(0, DropReason::code);
    out.spi = input.spi().map_or(0, |spi| spi.0);
    out.sequence = input.sequence_low();
    out.sa_name = sprat_text::new("");
    out.report = sprat_dissect_report::default();
}

fn known(report: &sprat_dissect_report) -> Status<Option<(usize, Report)>> {
    if report.known == 0 {
        return Ok(None);
    }
    let sa = usize::try_from(report.sa).map_err(|_| SPRAT_E_ARGUMENT)?;
    let report = Report {
        sn: Sn64(report.sn),
        missing: report.missing,
        reason: DropReason::from_code(report.reason),
        doubted: report.doubted != 0,
    };
    Ok(Some((sa, report)))
}

fn tell_outcome(out: &mut sprat_dissect_out, outcome: &Outcome, report: &Report) {
    out.report = sprat_dissect_report {
        sn: report.sn.0,
        missing: report.missing,
        sa: out.report.sa,
        reason: report.reason.map_or(0, DropReason::code),
        known: 1,
        doubted: report.doubted.into(),
    };
    out.sequence = report.sn.low();
    out.rebuilt_offset = outcome.rebuilt.start;
    out.rebuilt_len = outcome.rebuilt.len();
    out.saved = outcome.saved.unwrap_or(0);
    out.text_offset = outcome.plaintext.start;
    out.text_len = outcome.plaintext.len();
    out.payload_len = outcome.payload.len();
    out.verified = outcome.verified.into();
    let drop = outcome.reason.map(Expert::Drop);
    let remark = drop.or(outcome.contradiction.map(|_| Expert::Contradiction));
    out.reason = remark.map_or(0, Expert::code);
    (out.inner, out.protocol) = match outcome.inner {
        Inner::None => (SPRAT_DISSECT_INNER_NONE, 0),
        Inner::Ipv4 => (SPRAT_DISSECT_INNER_IPV4, 4),
        Inner::Ipv6 => (SPRAT_DISSECT_INNER_IPV6, 41),
        Inner::Protocol(protocol) => (SPRAT_DISSECT_INNER_PROTOCOL, protocol),
        Inner::Data => (SPRAT_DISSECT_INNER_DATA, 0),
    };
}

/// Writes spans where C wants them.
struct CSink {
    spans: *mut sprat_dissect_span,
    room: usize,
    count: usize,
    brief: bool,
}

impl CSink {
    fn end(&self, out: &mut sprat_dissect_out) -> Status<()> {
        out.span_count = self.count;
        if self.count > self.room {
            return Err(SPRAT_E_SHORT);
        }
        Ok(())
    }
}

impl Sink for CSink {
    fn add(&mut self, span: Span<'_>) -> u16 {
        let number = self.count;
        if self.brief && span.expert.is_none() {
            return 0;
        }
        self.count += 1;
        if number < self.room {
            let mut span = in_c(&span);
            if self.brief {
                span.parent = 0;
            }
            // SAFETY: there is room for `room` spans, and number is below.
            unsafe { self.spans.add(number).write(span) };
        }
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    fn brief(&self) -> bool {
        self.brief
    }
}

fn in_c(span: &Span<'_>) -> sprat_dissect_span {
    let (mut number, mut text) = (0, sprat_text::new(""));
    let (mut octets, mut octets_len) = ([0; 16], 0);
    match span.value {
        Value::InPlace => {}
        Value::Number(value) => number = value,
        Value::Text(value) => text = sprat_text::new(value),
        Value::Bits {
            octets: bits,
            count,
        } => (octets, octets_len, number) = (*bits, count.div_ceil(8), count.into()),
        Value::Octets(value) => {
            for (to, from) in octets.iter_mut().zip(value) {
                *to = *from;
                octets_len += 1;
            }
        }
    }
    sprat_dissect_span {
        field: span.field as u16,
        parent: span.parent.map_or(0, |parent| parent.saturating_add(1)),
        source: span.source as u8,
        generated: span.generated.into(),
        expert: span.expert.map_or(0, Expert::code),
        offset: span.offset,
        len: span.len,
        number,
        text,
        octets,
        octets_len,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    let v6 = <[u8; 16]>::try_from(octets).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(v6)))
}

/// # Safety
/// `text` is NULL or ends in zero.
unsafe fn string<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: as the caller promised. What is no UTF-8 fits nothing.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("?")
}

#[cfg(test)]
mod tests;
