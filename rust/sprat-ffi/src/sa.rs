//! One SA by itself, for programs that do their own look-up.

use core::ffi::{CStr, c_char};

use sprat_core::buf::{PacketBuf, Short};
use sprat_core::crypto::{Encr, EspSuite, Integ, IvSource, Keys, Suite};
use sprat_core::diet_esp::{Ehc, FlowLabelCda};
use sprat_core::esp::{InboundSa, OutboundSa, Place, SealArgs, SealError, Sealed};
use sprat_core::ipsec::{Outcome, Sa, Verdict};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{
    Df, Dscp, Lifetime, Limit, Lookup, Mode, NatOriginal, SaError, SaParams, SenderId, Tunnel,
    UdpEncap,
};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, proto};

use crate::boundary::{
    Handle, Out, Status, copy_counters, elements, guarded, octets, read, reference, reference_mut,
};
use crate::ehc::{self, sprat_ehc};
use crate::ehc_types::{self, sprat_ehc_stats};
use crate::host_types::*;
use crate::status::*;
use crate::types::sprat_buf;

/// One SA. Made by sprat_sa_new(), freed by sprat_sa_free(); one thread at a time.
pub struct sprat_sa(Handle<Sa>);

fn limit(limit: &sprat_limit) -> Limit {
    let set = |value: u64| (value != 0).then_some(value);
    Limit {
        soft: set(limit.soft),
        hard: set(limit.hard),
    }
}

fn mode(params: &sprat_sa_params) -> Status<Mode> {
    match params.mode {
        SPRAT_TRANSPORT => Ok(Mode::Transport),
        SPRAT_TUNNEL => Ok(Mode::Tunnel(Tunnel {
            source: params.tunnel_source.some()?,
            destination: params.tunnel_destination.some()?,
            hop_limit: params.hop_limit,
            dscp: match params.dscp {
                SPRAT_DSCP_COPY => Dscp::Copy,
                value => Dscp::Set(value),
            },
            ecn: !flag(params.no_ecn)?,
            df: match params.df {
                SPRAT_DF_COPY => Df::Copy,
                SPRAT_DF_SET => Df::Set,
                SPRAT_DF_CLEAR => Df::Clear,
                _ => return Err(SPRAT_E_ARGUMENT),
            },
            flow_label: params.flow_label,
        })),
        _ => Err(SPRAT_E_ARGUMENT),
    }
}

fn lookup(params: &sprat_sa_params) -> Status<Lookup> {
    match (
        params.lookup_destination.get()?,
        params.lookup_source.get()?,
    ) {
        (None, None) => Ok(Lookup::Spi),
        (Some(destination), None) => Ok(Lookup::SpiDestination(destination)),
        (Some(destination), Some(source)) => Ok(Lookup::SpiDestinationSource(destination, source)),
        (None, Some(_)) => Err(SPRAT_E_ARGUMENT),
    }
}

fn agreed(params: &sprat_sa_params) -> Status<SaParams> {
    if params.reserved != [0; 4] || params.reserved_too != [0; 2] {
        return Err(SPRAT_E_ARGUMENT);
    }
    let nat = (params.nat_source.get()?, params.nat_destination.get()?);
    let encap = (params.udp_source_port, params.udp_destination_port);
    Ok(SaParams {
        esn: flag(params.esn)?,
        replay_window: params.replay_window,
        udp_encap: match encap {
            (0, 0) => None,
            (0, _) | (_, 0) => return Err(SPRAT_E_ARGUMENT),
            (source_port, destination_port) => Some(UdpEncap {
                source_port,
                destination_port,
            }),
        },
        nat_original: match nat {
            (None, None) => None,
            (Some(source), Some(destination)) => Some(NatOriginal {
                source,
                destination,
            }),
            _ => return Err(SPRAT_E_ARGUMENT),
        },
        lookup: lookup(params)?,
        lifetime: Lifetime {
            packets: limit(&params.packets),
            octets: limit(&params.octets),
            seconds: limit(&params.seconds),
        },
        tfc_allowed: !flag(params.no_tfc)?,
        multi_sender: flag(params.multi_sender)?,
        sender_id: match (params.sender_id_bits, params.sender_id) {
            (0, 0) => None,
            (bits, value) => Some(SenderId::new(bits, value).ok_or(SPRAT_E_ARGUMENT)?),
        },
        path_mtu: params.path_mtu,
        ..SaParams::new(Spi(params.spi), mode(params)?)
    })
}

/// # Safety
/// The pointers in `params` are valid for their lengths.
unsafe fn suite(params: &sprat_sa_params) -> Status<Suite> {
    let encr = Encr::from_id(params.encr).ok_or(SPRAT_E_KEY)?;
    let integ = Integ::from_id(params.integ).ok_or(SPRAT_E_KEY)?;
    // SAFETY: forwarded.
    let keys = unsafe {
        Keys {
            encr_key: octets(params.encr_key, params.encr_key_len)?,
            salt: octets(params.salt, params.salt_len)?,
            integ_key: octets(params.integ_key, params.integ_key_len)?,
        }
    };
    Suite::new(encr, integ, &keys).map_err(|_| SPRAT_E_KEY)
}

/// The status of parameters that make no SA.
fn refused(error: SaError) -> i32 {
    match error {
        SaError::SpiReserved
        | SaError::TunnelHopLimit
        | SaError::TunnelDscp
        | SaError::TunnelFlowLabel
        | SaError::ReplayWindow => SPRAT_E_ARGUMENT,
        _ => SPRAT_E_SA,
    }
}

/// Attributes of Diet-ESP, if there are any.
///
/// # Safety
/// `params.ehc` is NULL or valid, with its list.
unsafe fn attributes(params: &sprat_sa_params) -> Status<Option<Ehc>> {
    if params.ehc.is_null() {
        return Ok(None);
    }
    // SAFETY: forwarded.
    unsafe { read(params.ehc)?.get() }.map(Some)
}

/// Builds the SA that C describes.
///
/// # Safety
/// The pointers in `params` are valid for their lengths.
pub(crate) unsafe fn build(params: &sprat_sa_params, now_ms: u64) -> Status<Sa> {
    let agreed = agreed(params)?;
    // SAFETY: forwarded.
    let (suite, ehc) = unsafe { (suite(params)?, attributes(params)?) };
    let (last, now) = (Sn64(params.last_sn), Instant(now_ms));
    match params.direction {
        SPRAT_OUT => {
            let sa = OutboundSa::new(agreed, suite, last, now).map_err(refused)?;
            let compressed = match &ehc {
                Some(ehc) => sa.compress(ehc),
                None => Ok(sa),
            };
            compressed.map(Sa::Outbound).map_err(ehc_types::refused)
        }
        SPRAT_IN => {
            // SAFETY: forwarded.
            let selectors = unsafe { elements(params.selectors, params.selectors_len) }?;
            let selectors = selectors
                .iter()
                .map(sprat_selector::get)
                .collect::<Status<_>>()?;
            let mut sa = InboundSa::new(agreed, suite, selectors, now).map_err(refused)?;
            if let Some(ehc) = &ehc {
                sa = sa.compress(ehc).map_err(ehc_types::refused)?;
            }
            sa.start_at(last);
            Ok(Sa::Inbound(sa))
        }
        _ => Err(SPRAT_E_ARGUMENT),
    }
}

/// # Safety
/// `name` is NULL or zero-terminated.
pub(crate) unsafe fn name_of(name: *const c_char) -> Status<String> {
    if name.is_null() {
        return Ok(String::new());
    }
    // SAFETY: forwarded.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str()
        .map(str::to_owned)
        .map_err(|_| SPRAT_E_ARGUMENT)
}

/// Makes an SA. On success *out is the new object, to be freed by
/// sprat_sa_free(). params and what it points to are read during the call only.
///
/// Errors: NULL; ARGUMENT for a field outside its range; KEY for a transform
/// that is unknown or whose keys have another length; SA for parameters that
/// contradict each other; EHC_* for attributes of Diet-ESP that make no context.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_new(
    params: *const sprat_sa_params,
    now_ms: u64,
    out: *mut *mut sprat_sa,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (params, out) = unsafe { (read(params)?, reference_mut(out)?) };
        // SAFETY: forwarded to the caller.
        let sa = unsafe { build(&params, now_ms) }?;
        *out = Box::into_raw(Box::new(sprat_sa(Handle::new(sa))));
        Ok(())
    })
}

/// Frees an SA and wipes its keys. NULL is allowed.
///
/// # Safety
/// `sa` is NULL or came from sprat_sa_new() and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_free(sa: *mut sprat_sa) {
    if !sa.is_null() {
        // SAFETY: it came from Box::into_raw and the caller gives it up.
        let sa = unsafe { Box::from_raw(sa) };
        guarded(|| {
            drop(sa);
            Ok(())
        });
    }
}

/// Reports a packet: its result, or the room it needs.
pub(crate) fn report(outcome: Result<sprat_result, Short>, out: Out<sprat_result>) -> Status<()> {
    match outcome {
        Ok(result) => {
            out.write(&result);
            Ok(())
        }
        Err(Short { head, tail }) => {
            let unset = sprat_result::from(&Outcome::default());
            out.write(&sprat_result {
                need_head: head,
                need_tail: tail,
                ..unset
            });
            Err(SPRAT_E_SHORT)
        }
    }
}

/// The result of sealing, with what the packet in `buf` says of itself if it is to
/// be sent.
pub(crate) fn leaving(
    outcome: Result<Outcome, Short>,
    buf: &PacketBuf<'_>,
) -> Result<sprat_result, Short> {
    let outcome = outcome?;
    let result = sprat_result::from(&outcome);
    Ok(match outcome.verdict {
        Verdict::Forward => result.leaves(buf.packet()),
        _ => result,
    })
}

/// Seals the IP packet in buf with an outbound SA, in place. With SPRAT_OK the
/// verdict is FORWARD (buf holds the packet to send) or DROP (buf is unchanged,
/// reason says why, no sequence number was used).
///
/// Errors, all with buf and SA unchanged: SHORT, with the room needed in
/// need_head and need_tail of result; NULL; ARGUMENT, also for an inbound SA.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_seal(
    sa: *mut sprat_sa,
    buf: *mut sprat_buf,
    args: *const sprat_seal_args,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { seal_with(sa, (buf, args, result), OutboundSa::seal) }
}

/// Makes a dummy packet (RFC 4303 s2.6), which its receiver verifies and throws
/// away: the octets in buf are its payload, and nobody reads them. Tunnel mode
/// only: in transport mode the reason is unsupported. Consumes a sequence
/// number. Else as sprat_seal().
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_seal_dummy(
    sa: *mut sprat_sa,
    buf: *mut sprat_buf,
    args: *const sprat_seal_args,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { seal_with(sa, (buf, args, result), OutboundSa::seal_dummy) }
}

/// How a packet is sealed: `OutboundSa::seal` or `OutboundSa::seal_dummy`.
type Seal = fn(&mut OutboundSa, &mut PacketBuf<'_>, &SealArgs<'_>) -> Result<Sealed, SealError>;

/// # Safety
/// As sprat_seal().
unsafe fn seal_with(
    sa: *mut sprat_sa,
    (buf, args, result): (*mut sprat_buf, *const sprat_seal_args, *mut sprat_result),
    seal: Seal,
) -> i32 {
    // SAFETY: forwarded.
    let Ok(sa) = (unsafe { reference_mut(sa) }) else {
        return SPRAT_E_NULL;
    };
    sa.0.change(|sa| {
        let Sa::Outbound(sa) = sa else {
            return Err(SPRAT_E_ARGUMENT);
        };
        // SAFETY: forwarded.
        unsafe {
            let (buf, args) = (reference_mut(buf)?, read(args)?);
            let (args, result) = (args.get()?, Out::new(result)?);
            let outcome = buf.with(|buf| {
                let known = outgoing(sa.params(), buf.packet());
                leaving(sealed_outcome(known, seal(sa, buf, &args)), buf)
            })?;
            report(outcome, result)
        }
    })
}

/// What is known of a packet before it is sealed: the ends of its tunnel, else
/// its own addresses.
fn outgoing(params: &SaParams, packet: &[u8]) -> Outcome {
    let own = Head::parse(packet).ok();
    let (source, destination, flow_label) = match params.mode {
        Mode::Tunnel(tunnel) => (
            Some(tunnel.source),
            Some(tunnel.destination),
            tunnel.flow_label,
        ),
        Mode::Transport => (
            own.map(|head| head.source),
            own.map(|head| head.destination),
            own.map_or(0, |head| head.flow_label),
        ),
    };
    Outcome {
        spi: params.spi.0,
        source,
        destination,
        flow_label,
        udp_ports: params
            .udp_encap
            .map_or((0, 0), |e| (e.source_port, e.destination_port)),
        ..Outcome::default()
    }
}

fn sealed_outcome(known: Outcome, sealed: Result<Sealed, SealError>) -> Result<Outcome, Short> {
    match sealed {
        Ok(sealed) => Ok(Outcome {
            verdict: Verdict::Forward,
            sn: sealed.sn.0,
            esp_offset: sealed.esp_offset,
            soft_expired: sealed.soft_expired,
            reserve_soon: sealed.reserve_soon,
            fragment_to: sealed.fragment_to,
            ..known
        }),
        Err(SealError::Short(short)) => Err(short),
        Err(SealError::Dropped(reason)) => Ok(Outcome {
            reason: Some(reason),
            ..known
        }),
        Err(SealError::TooBig { mtu }) => {
            let reason = Some(sprat_core::error::DropReason::TooBig);
            Ok(Outcome {
                reason,
                mtu,
                ..known
            })
        }
    }
}

/// Opens the IP packet in buf, which carries ESP raw or in UDP, with an inbound
/// SA, in place. With SPRAT_OK the verdict is DELIVER (buf holds the inner
/// packet) or DROP (reason says why; no plaintext is left in buf).
///
/// Errors, with buf and SA unchanged: NULL; ARGUMENT, also for an outbound SA.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_open(
    sa: *mut sprat_sa,
    buf: *mut sprat_buf,
    now_ms: u64,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    let Ok(sa) = (unsafe { reference_mut(sa) }) else {
        return SPRAT_E_NULL;
    };
    sa.0.change(|sa| {
        let Sa::Inbound(sa) = sa else {
            return Err(SPRAT_E_ARGUMENT);
        };
        // SAFETY: forwarded to the caller.
        unsafe {
            let (buf, result) = (reference_mut(buf)?, Out::new(result)?);
            let outcome = buf.with(|buf| {
                let received = received(sa, buf.packet());
                match sa.open(buf, Instant(now_ms)) {
                    Ok(opened) => Outcome {
                        verdict: Verdict::Deliver,
                        sn: opened.sn.0,
                        soft_expired: opened.soft_expired,
                        ..received
                    },
                    Err(reason) => Outcome {
                        reason: Some(reason),
                        ..received
                    },
                }
            })?;
            report(Ok(outcome.into()), result)
        }
    })
}

/// What a received packet shows of itself before it is opened.
fn received(sa: &InboundSa, packet: &[u8]) -> Outcome {
    let Ok(head) = Head::parse(packet) else {
        return Outcome::default();
    };
    let mut outcome = Outcome {
        source: Some(head.source),
        destination: Some(head.destination),
        flow_label: head.flow_label,
        ..Outcome::default()
    };
    if head.protocol == proto::UDP {
        outcome.udp_ports = head.flow(packet).ports.unwrap_or_default();
    } else if head.protocol != proto::ESP {
        return outcome;
    }
    let Ok(place) = Place::find(packet, &head) else {
        return outcome;
    };
    let numbers = match sa.context() {
        None => place.numbers(packet).ok(),
        Some(context) => {
            let esp = place.esp(packet);
            let low = context.received_sn(esp).filter(|_| context.shows_spi(esp));
            low.map(|low| (context.spi(), low))
        }
    };
    if let Some((spi, low)) = numbers {
        outcome.spi = spi.0;
        outcome.sn = u64::from(low);
    }
    outcome
}

/// Whether the inner Flow Label or Identification comes from the outer header.
fn takes_flow(sa: &Sa) -> bool {
    let Sa::Inbound(sa) = sa else {
        return false;
    };
    sa.context().is_some_and(|context| {
        let afrg = context.afrg();
        context.outer().is_some()
            && afrg.compresses_inner()
            && afrg.flow_label_cda == FlowLabelCda::Lower
    })
}

/// What an SA is and has done.
pub(crate) fn info(sa: &Sa) -> sprat_sa_info {
    let (params, suite, direction, path_mtu) = match sa {
        Sa::Outbound(sa) => (sa.params(), sa.suite(), SPRAT_OUT, sa.params().path_mtu),
        Sa::Inbound(sa) => (sa.params(), sa.suite(), SPRAT_IN, 0),
    };
    let random = suite.iv_source() == IvSource::Random;
    let tunnel = match params.mode {
        Mode::Transport => None,
        Mode::Tunnel(tunnel) => Some(tunnel),
    };
    let ports = params
        .udp_encap
        .map_or((0, 0), |e| (e.source_port, e.destination_port));
    let usage = sa.usage();
    sprat_sa_info {
        struct_size: 0,
        spi: params.spi.0,
        direction,
        mode: if tunnel.is_some() {
            SPRAT_TUNNEL
        } else {
            SPRAT_TRANSPORT
        },
        udp_source_port: ports.0,
        udp_destination_port: ports.1,
        encr: suite.encr().id(),
        integ: suite.integ().id(),
        random_iv_len: if random { suite.iv_len() as u16 } else { 0 },
        tunnel_source: tunnel.map(|t| t.source).into(),
        tunnel_destination: tunnel.map(|t| t.destination).into(),
        ehc: u8::from(sa.context().is_some()),
        ehc_outer_flow: u8::from(takes_flow(sa)),
        sn: sa.last_sn().0,
        packets: usage.packets,
        octets: usage.octets,
        drops: sa.drops().total(),
        path_mtu: u32::from(path_mtu),
        sn_bits: sa.context().map_or(32, |c| u32::from(c.afrg().esp_sn_lsb)),
    }
}

/// Tells what an SA is and has done. Errors: NULL, ARGUMENT (struct_size).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_get_info(sa: *const sprat_sa, out: *mut sprat_sa_info) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (sa, out) = unsafe { (reference(sa)?, Out::new(out)?) };
        out.write(&info(sa.0.get()?));
        Ok(())
    })
}

/// Copies how many packets an SA refused, by reason code, to counters; index 0 is
/// unused. *count is the room in numbers and becomes sprat_drop_count() + 1.
/// Errors: NULL; SHORT, with the need in *count.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_drops(
    sa: *const sprat_sa,
    counters: *mut u64,
    count: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe { copy_counters(reference(sa)?.0.get()?.drops(), counters, count) }
    })
}

/// Makes a copy of the context of an SA, for sprat_ehc_explain() and to compare:
/// it shares nothing with the SA and outlives it. On success *out is to be freed
/// by sprat_ehc_free(). Errors: NULL; NOT_FOUND if the SA has none.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_ehc(sa: *const sprat_sa, out: *mut *mut sprat_ehc) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (sa, out) = unsafe { (reference(sa)?, reference_mut(out)?) };
        *out = ehc::copy_of(sa.0.get()?)?;
        Ok(())
    })
}

/// Tells what Diet-ESP has done for an SA. Errors: NULL; NOT_FOUND if the SA has
/// no context; ARGUMENT (struct_size).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_ehc_stats(sa: *const sprat_sa, out: *mut sprat_ehc_stats) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (sa, out) = unsafe { (reference(sa)?, Out::new(out)?) };
        out.write(&ehc::stats_of(sa.0.get()?)?);
        Ok(())
    })
}

/// From now on sprat_seal() refuses numbers above up_to_sn (reason
/// sn-unreserved, nothing used): call it after up_to_sn has been written where a
/// restart finds it, and start again with last_sn = up_to_sn. So no number is
/// ever used twice. Errors: NULL; ARGUMENT for an inbound SA.
///
/// # Safety
/// `sa` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_sa_reserve(sa: *mut sprat_sa, up_to_sn: u64) -> i32 {
    // SAFETY: forwarded to the caller.
    let Ok(sa) = (unsafe { reference_mut(sa) }) else {
        return SPRAT_E_NULL;
    };
    sa.0.change(|sa| match sa {
        Sa::Outbound(sa) => {
            sa.reserve(Sn64(up_to_sn));
            Ok(())
        }
        Sa::Inbound(_) => Err(SPRAT_E_ARGUMENT),
    })
}
