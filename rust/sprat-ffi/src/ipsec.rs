//! SPD and SAD: the IPsec boundary (RFC 4301 s3.1).

use sprat_core::esp::OutboundSa;
use sprat_core::ipsec::{Ipsec, Sa};
use sprat_core::num::Sn64;
use sprat_core::spd::{Action, Direction, Policy};
use sprat_core::time::Instant;

use crate::boundary::{
    Handle, Out, Status, copy_counters, guarded, octets, read, reference, reference_mut,
};
use crate::ehc::{self, sprat_ehc};
use crate::ehc_types::sprat_ehc_stats;
use crate::host_types::*;
use crate::sa;
use crate::status::*;
use crate::types::sprat_buf;

/// An SPD and a SAD. Made by sprat_ipsec_new() or from a configuration, freed by
/// sprat_ipsec_free(); one thread at a time.
pub struct sprat_ipsec(pub(crate) Handle<Ipsec>);

/// Makes a boundary without SAs and policies, which drops everything. On success
/// *out is to be freed by sprat_ipsec_free(). Errors: NULL.
///
/// # Safety
/// `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_new(out: *mut *mut sprat_ipsec) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let out = unsafe { reference_mut(out) }?;
        *out = Box::into_raw(Box::new(sprat_ipsec(Handle::new(Ipsec::new()))));
        Ok(())
    })
}

/// Frees a boundary and wipes all keys. NULL is allowed.
///
/// # Safety
/// `ipsec` is NULL or came from this library and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_free(ipsec: *mut sprat_ipsec) {
    if !ipsec.is_null() {
        // SAFETY: it came from Box::into_raw and the caller gives it up.
        let ipsec = unsafe { Box::from_raw(ipsec) };
        guarded(|| {
            drop(ipsec);
            Ok(())
        });
    }
}

/// Runs `body` on the boundary behind `ipsec`.
///
/// # Safety
/// `ipsec` is NULL or valid and used by nobody else.
unsafe fn change(ipsec: *mut sprat_ipsec, body: impl FnOnce(&mut Ipsec) -> Status<()>) -> i32 {
    // SAFETY: forwarded.
    match unsafe { reference_mut(ipsec) } {
        Ok(ipsec) => ipsec.0.change(body),
        Err(code) => code,
    }
}

/// Adds an SA; *number is its number, to be named in policies, counted from 0
/// and never given twice. params is read during the call only.
///
/// Errors: as sprat_sa_new(), and EXISTS if SPI and addresses of an inbound SA
/// name another already.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_add_sa(
    ipsec: *mut sprat_ipsec,
    params: *const sprat_sa_params,
    now_ms: u64,
    number: *mut u32,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let (params, number) = (read(params)?, reference_mut(number)?);
            let name = sa::name_of(params.name)?;
            let added = match sa::build(&params, now_ms)? {
                Sa::Outbound(sa) => ipsec.add_outbound(&name, sa),
                Sa::Inbound(sa) => ipsec.add_inbound(&name, sa),
            };
            *number = added.ok_or(SPRAT_E_EXISTS)?;
            Ok(())
        })
    }
}

/// Takes an SA out and wipes its keys. Errors: NULL, NOT_FOUND.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_remove_sa(ipsec: *mut sprat_ipsec, number: u32) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            ipsec.remove(number).map(drop).ok_or(SPRAT_E_NOT_FOUND)
        })
    }
}

/// Adds an SPD entry behind all others; the first that matches decides.
/// Errors: NULL; ARGUMENT; NOT_FOUND if sa names no outbound SA.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_add_policy(
    ipsec: *mut sprat_ipsec,
    policy: *const sprat_policy,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let policy = read(policy)?;
            let direction = match policy.direction {
                SPRAT_OUT => Direction::Out,
                SPRAT_IN => Direction::In,
                _ => return Err(SPRAT_E_ARGUMENT),
            };
            let action = match (policy.action, direction) {
                (SPRAT_DISCARD, _) => Action::Discard,
                (SPRAT_BYPASS, _) => Action::Bypass,
                (SPRAT_PROTECT, Direction::In) => Action::Protect(None),
                (SPRAT_PROTECT, Direction::Out) => match ipsec.sa(policy.sa) {
                    Some((_, Sa::Outbound(_))) => Action::Protect(Some(policy.sa)),
                    _ => return Err(SPRAT_E_NOT_FOUND),
                },
                _ => return Err(SPRAT_E_ARGUMENT),
            };
            if policy.reserved != [0; 2] || policy.reserved_too != [0; 2] {
                return Err(SPRAT_E_ARGUMENT);
            }
            let selector = policy.selector.get()?;
            ipsec.add_policy(Policy {
                direction,
                selector,
                action,
            });
            Ok(())
        })
    }
}

/// A packet leaves: the SPD decides, the SA it names seals, in place. With
/// SPRAT_OK the verdict is FORWARD (buf holds the whole outer packet, ESP begins
/// at result->esp_offset), BYPASS or DROP (buf unchanged).
///
/// Errors, all with nothing changed or counted: SHORT, with the room needed in
/// need_head and need_tail of result; NULL; ARGUMENT.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_outbound(
    ipsec: *mut sprat_ipsec,
    buf: *mut sprat_buf,
    args: *const sprat_seal_args,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let (buf, args) = (reference_mut(buf)?, read(args)?);
            let (args, result) = (args.get()?, Out::new(result)?);
            let outcome = buf.with(|buf| {
                let outcome = ipsec.outbound(buf, &args);
                sa::leaving(outcome, buf)
            })?;
            sa::report(outcome, result)
        })
    }
}

/// A whole IP packet arrives: ESP raw or in UDP is opened in place, anything else
/// is for the SPD. With SPRAT_OK the verdict is DELIVER (buf holds the inner
/// packet), BYPASS (buf unchanged), IKE (buf holds the message behind the
/// marker), KEEPALIVE or DROP (no plaintext is left in buf).
///
/// Errors, all with nothing changed or counted: NULL; ARGUMENT.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_inbound(
    ipsec: *mut sprat_ipsec,
    buf: *mut sprat_buf,
    now_ms: u64,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let (buf, result) = (reference_mut(buf)?, Out::new(result)?);
            let outcome = buf.with(|buf| ipsec.inbound(buf, Instant(now_ms)))?;
            sa::report(Ok(outcome.into()), result)
        })
    }
}

/// As sprat_ipsec_inbound() for what a socket gives without the outer header: an
/// ESP packet (raw IPv6 socket) or a UDP payload. Tunnel mode only: a packet of
/// a transport mode SA is dropped as malformed.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_inbound_esp(
    ipsec: *mut sprat_ipsec,
    buf: *mut sprat_buf,
    outer: *const sprat_outer,
    now_ms: u64,
    result: *mut sprat_result,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let (buf, outer) = (reference_mut(buf)?, read(outer)?);
            let (facts, result) = (outer.get()?, Out::new(result)?);
            let outcome = buf.with(|buf| ipsec.inbound_esp(buf, &facts, Instant(now_ms)))?;
            sa::report(Ok(outcome.into()), result)
        })
    }
}

/// An ICMP or ICMPv6 error arrived from outside (a whole IP packet): if it is
/// "too big" about a packet of a tunnel SA of ours, the path MTU of that SA goes
/// down for ten minutes, never below 576 (IPv4) or 1280 octets (RFC 4301 s8.2).
/// *number becomes that SA. Errors: NULL; NOT_FOUND: nothing of ours, ignored.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_icmp_error(
    ipsec: *mut sprat_ipsec,
    packet: *const u8,
    len: usize,
    now_ms: u64,
    number: *mut u32,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let (packet, number) = (octets(packet, len)?, reference_mut(number)?);
            let found = ipsec.icmp_error(packet, Instant(now_ms));
            *number = found.ok_or(SPRAT_E_NOT_FOUND)?;
            Ok(())
        })
    }
}

/// How many numbers have been given to SAs: they are 0 to this less 1, and some
/// may have been removed. 0 for NULL.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_count(ipsec: *const sprat_ipsec) -> u32 {
    // SAFETY: forwarded to the caller.
    let ipsec = unsafe { reference(ipsec) }.and_then(|ipsec| ipsec.0.get());
    ipsec.map_or(0, |ipsec| {
        u32::try_from(ipsec.sa_count()).unwrap_or(u32::MAX)
    })
}

/// Tells what the SA of this number is and has done. Errors: NULL; NOT_FOUND;
/// ARGUMENT (struct_size).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_info(
    ipsec: *const sprat_ipsec,
    number: u32,
    out: *mut sprat_sa_info,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe {
            let ipsec = reference(ipsec)?.0.get()?;
            let (_, found) = ipsec.sa(number).ok_or(SPRAT_E_NOT_FOUND)?;
            Out::new(out)?.write(&sa::info(found));
            Ok(())
        }
    })
}

/// Copies the name of the SA of this number, UTF-8, to out. *len is the room in
/// octets and becomes the octets with the final 0. Errors: NULL; NOT_FOUND;
/// SHORT, with the need in *len and the start of the name in out.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_name(
    ipsec: *const sprat_ipsec,
    number: u32,
    out: *mut core::ffi::c_char,
    len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe {
            let ipsec = reference(ipsec)?.0.get()?;
            let (name, _) = ipsec.sa(number).ok_or(SPRAT_E_NOT_FOUND)?;
            crate::boundary::copy_text(name, out, len)
        }
    })
}

/// Copies how many packets the SA of this number refused, by reason code, to
/// counters; index 0 is unused. *count is the room in numbers and becomes
/// sprat_drop_count() + 1. Errors: NULL; NOT_FOUND; SHORT, with the need in *count.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_drops(
    ipsec: *const sprat_ipsec,
    number: u32,
    counters: *mut u64,
    count: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe {
            let ipsec = reference(ipsec)?.0.get()?;
            let (_, found) = ipsec.sa(number).ok_or(SPRAT_E_NOT_FOUND)?;
            copy_counters(found.drops(), counters, count)
        }
    })
}

/// As sprat_ipsec_sa_drops() for packets that met no SA.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_drops(
    ipsec: *const sprat_ipsec,
    counters: *mut u64,
    count: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe { copy_counters(reference(ipsec)?.0.get()?.drops(), counters, count) }
    })
}

/// As sprat_sa_ehc() for the SA of this number. Errors: NULL; NOT_FOUND, also if
/// the SA has no context.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_ehc(
    ipsec: *const sprat_ipsec,
    number: u32,
    out: *mut *mut sprat_ehc,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (ipsec, out) = unsafe { (reference(ipsec)?.0.get()?, reference_mut(out)?) };
        let (_, found) = ipsec.sa(number).ok_or(SPRAT_E_NOT_FOUND)?;
        *out = ehc::copy_of(found)?;
        Ok(())
    })
}

/// As sprat_sa_ehc_stats() for the SA of this number. Errors: NULL; NOT_FOUND,
/// also if the SA has no context; ARGUMENT (struct_size).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_ehc_stats(
    ipsec: *const sprat_ipsec,
    number: u32,
    out: *mut sprat_ehc_stats,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (ipsec, out) = unsafe { (reference(ipsec)?.0.get()?, Out::new(out)?) };
        let (_, found) = ipsec.sa(number).ok_or(SPRAT_E_NOT_FOUND)?;
        out.write(&ehc::stats_of(found)?);
        Ok(())
    })
}

/// Packets that do not fit the rules of the outbound SA `compressed` are sealed by
/// the outbound SA `plain`, which has no Diet-ESP. Without this call they are
/// dropped, with their reason. Errors: NULL; NOT_FOUND unless the numbers are
/// those of such SAs.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_set_fallback(
    ipsec: *mut sprat_ipsec,
    compressed: u32,
    plain: u32,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            let set = ipsec.set_fallback(compressed, plain);
            set.then_some(()).ok_or(SPRAT_E_NOT_FOUND)
        })
    }
}

/// Limits the work for packets whose compressed SPI fits several SAs: ICV checks
/// for one packet, 1 to 8, and in a second beyond the first of each packet.
/// Without this call 2 and 100. Errors: NULL; ARGUMENT.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_set_icv_trials(
    ipsec: *mut sprat_ipsec,
    per_packet: u8,
    per_second: u16,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            if !(1..=8).contains(&per_packet) {
                return Err(SPRAT_E_ARGUMENT);
            }
            ipsec.set_icv_trials(per_packet, per_second);
            Ok(())
        })
    }
}

/// How many ICV checks beyond the first of a packet there were because its
/// compressed SPI fits several SAs. 0 for NULL.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_icv_trials(ipsec: *const sprat_ipsec) -> u64 {
    // SAFETY: forwarded to the caller.
    let ipsec = unsafe { reference(ipsec) }.and_then(|ipsec| ipsec.0.get());
    ipsec.map_or(0, |ipsec| ipsec.icv_trials())
}

/// For sprat_ipsec_allocate_spi(): the SA will have no Diet-ESP.
pub const SPRAT_SPI_PLAIN: u8 = 255;

/// Finds an SPI for an inbound SA that is yet to be added, so that no packet of
/// any SA here can be taken for another's: *spi, host order. esp_spi_lsb is how
/// many low bits of it will be sent, 0 to 32, or SPRAT_SPI_PLAIN. udp = 1: the SA
/// will be in UDP, where some SPIs look like IKE. random decides which of the
/// free ones: any number, best one that nobody can predict. Nothing is reserved:
/// add the SA before the next call.
///
/// Errors: NULL; ARGUMENT; NOT_FOUND if no SPI is free.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_allocate_spi(
    ipsec: *const sprat_ipsec,
    esp_spi_lsb: u8,
    udp: u8,
    random: u32,
    spi: *mut u32,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (ipsec, out) = unsafe { (reference(ipsec)?.0.get()?, reference_mut(spi)?) };
        let lsb = match esp_spi_lsb {
            SPRAT_SPI_PLAIN => None,
            lsb @ 0..=32 => Some(lsb),
            _ => return Err(SPRAT_E_ARGUMENT),
        };
        let found = ipsec.allocate_spi(lsb, flag(udp)?, random);
        *out = found.ok_or(SPRAT_E_NOT_FOUND)?.0;
        Ok(())
    })
}

/// # Safety
/// `ipsec` is NULL or valid and used by nobody else.
unsafe fn change_outbound(
    ipsec: *mut sprat_ipsec,
    number: u32,
    body: impl FnOnce(&mut OutboundSa),
) -> i32 {
    // SAFETY: forwarded.
    unsafe {
        change(ipsec, |ipsec| match ipsec.sa_mut(number) {
            Some(Sa::Outbound(sa)) => {
                body(sa);
                Ok(())
            }
            Some(Sa::Inbound(_)) => Err(SPRAT_E_ARGUMENT),
            None => Err(SPRAT_E_NOT_FOUND),
        })
    }
}

/// For the number that a state file held. Sending: the next number is at least
/// last_sn + 1. Receiving: as if last_sn had been verified, and none before it; where
/// Diet-ESP sends few bits of the number, an SA that starts at 0 cannot read the rest.
/// Never moves back. Errors: NULL; NOT_FOUND.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_skip_to(
    ipsec: *mut sprat_ipsec,
    number: u32,
    last_sn: u64,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe {
        change(ipsec, |ipsec| {
            match ipsec.sa_mut(number).ok_or(SPRAT_E_NOT_FOUND)? {
                Sa::Outbound(sa) => sa.skip_to(Sn64(last_sn)),
                Sa::Inbound(sa) if last_sn > sa.top_sn().0 => sa.start_at(Sn64(last_sn)),
                Sa::Inbound(_) => {}
            }
            Ok(())
        })
    }
}

/// As sprat_sa_reserve() for the outbound SA of this number. Errors: NULL;
/// NOT_FOUND; ARGUMENT for an inbound SA.
///
/// # Safety
/// `ipsec` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_sa_reserve(
    ipsec: *mut sprat_ipsec,
    number: u32,
    up_to_sn: u64,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { change_outbound(ipsec, number, |sa| sa.reserve(Sn64(up_to_sn))) }
}

/// Largest packet in octets that this tunnel SA takes so that the outer packet
/// has at most path_mtu octets. Errors: NULL; NOT_FOUND: no outbound tunnel SA,
/// or not even an empty packet fits.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_inner_mtu(
    ipsec: *const sprat_ipsec,
    number: u32,
    path_mtu: u32,
    inner_mtu: *mut u32,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (ipsec, out) = unsafe { (reference(ipsec)?.0.get()?, reference_mut(inner_mtu)?) };
        let mtu = ipsec.inner_mtu(number, path_mtu as usize);
        *out = mtu
            .and_then(|mtu| u32::try_from(mtu).ok())
            .ok_or(SPRAT_E_NOT_FOUND)?;
        Ok(())
    })
}
