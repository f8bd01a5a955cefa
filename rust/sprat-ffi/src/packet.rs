//! Packets that a gateway makes or changes beside ESP.

use sprat_core::wire::{icmp, ip, tcp, udp};

use crate::boundary::{Status, guarded, octets, octets_mut, reference, reference_mut};
use crate::status::*;
use crate::types::sprat_addr;

/// Writes what `build` makes into the caller's buffer; `*len` is the room and
/// becomes the length. `need` tells the room that always suffices.
///
/// # Safety
/// `out` is NULL or points to `*len` writable octets; `len` is valid or NULL.
unsafe fn emit(
    out: *mut u8,
    len: *mut usize,
    need: usize,
    build: impl FnOnce(&mut [u8]) -> Status<usize>,
) -> Status<()> {
    // SAFETY: forwarded.
    let len = unsafe { reference_mut(len) }?;
    let room = *len;
    if room < need {
        *len = need;
        return Err(SPRAT_E_SHORT);
    }
    // SAFETY: forwarded.
    *len = build(unsafe { octets_mut(out, room) }?)?;
    Ok(())
}

/// Builds the ICMP "fragmentation needed" or ICMPv6 "packet too big" error that
/// tells the sender of packet to use at most mtu octets. from is the address it
/// comes from, of the packet's family. out needs 1280 octets; *out_len is the
/// room and becomes the length.
///
/// Errors: NULL; SHORT, with the need in *out_len; PACKET where no error must be
/// sent (to an ICMP error, a multicast source, a later fragment, or not IP).
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_icmp_too_big(
    packet: *const u8,
    len: usize,
    from: *const sprat_addr,
    mtu: u32,
    out: *mut u8,
    out_len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe {
            let (packet, from) = (octets(packet, len)?, reference(from)?.some()?);
            emit(out, out_len, 1280, |out| {
                icmp::too_big(packet, from, mtu, out).map_err(|_| SPRAT_E_PACKET)
            })
        }
    })
}

/// As sprat_icmp_too_big() with the error that tells the sender of packet that it
/// is administratively prohibited: what a gateway answers to a packet that does not
/// fit the rules of its SA (reasons ehc-version to ehc-coverage) and has no other.
/// ICMP type 3 code 13 (RFC 1812 s5.2.7.1), ICMPv6 type 1 code 1 (RFC 4443 s3.1).
///
/// Errors: as there, and PACKET if packet went to more than one host.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_icmp_prohibited(
    packet: *const u8,
    len: usize,
    from: *const sprat_addr,
    out: *mut u8,
    out_len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        unsafe {
            let (packet, from) = (octets(packet, len)?, reference(from)?.some()?);
            emit(out, out_len, 1280, |out| {
                icmp::prohibited(packet, from, out).map_err(|_| SPRAT_E_PACKET)
            })
        }
    })
}

/// Lowers the MSS option of a TCP SYN so that its segments fit packets of mtu
/// octets, in place, and mends the checksum. *changed becomes 1 if it did, 0 if
/// packet is no SYN or its MSS is low enough. Errors: NULL.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_tcp_clamp_mss(
    packet: *mut u8,
    len: usize,
    mtu: u32,
    changed: *mut u8,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (packet, changed) = unsafe { (octets_mut(packet, len)?, reference_mut(changed)?) };
        *changed = u8::from(tcp::clamp_mss(packet, mtu as usize));
        Ok(())
    })
}

/// Writes the index-th fragment, of at most mtu octets, of an IPv4 packet
/// without DF, as a router may. out needs mtu octets; *out_len is the room and
/// becomes the length.
///
/// Errors: NULL; SHORT, with the need in *out_len; NOT_FOUND past the last
/// fragment; PACKET if it is not IPv4, has DF set, or mtu is too small.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them; out does not overlap packet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipv4_fragment(
    packet: *const u8,
    len: usize,
    mtu: u32,
    index: u32,
    out: *mut u8,
    out_len: *mut usize,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { fragment((packet, len), (mtu, None), index, (out, out_len)) }
}

/// As sprat_ipv4_fragment() for a packet of either family that this host sends
/// itself, such as one whose sprat_result has a fragment_mtu. id is the
/// Identification of IPv6 fragments: the same for all of one packet, fresh for
/// the next.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them; out does not overlap packet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ip_fragment(
    packet: *const u8,
    len: usize,
    mtu: u32,
    id: u32,
    index: u32,
    out: *mut u8,
    out_len: *mut usize,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { fragment((packet, len), (mtu, Some(id)), index, (out, out_len)) }
}

/// # Safety
/// As sprat_ip_fragment().
unsafe fn fragment(
    (packet, len): (*const u8, usize),
    (mtu, id): (u32, Option<u32>),
    index: u32,
    (out, out_len): (*mut u8, *mut usize),
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded.
        unsafe {
            let packet = octets(packet, len)?;
            let mtu = (mtu as usize).min(65_535);
            emit(out, out_len, mtu, |out| {
                match ip::fragment(packet, (mtu, id), index as usize, out) {
                    Ok(Some(len)) => Ok(len),
                    Ok(None) => Err(SPRAT_E_NOT_FOUND),
                    Err(_) => Err(SPRAT_E_PACKET),
                }
            })
        }
    })
}

/// TCP frame: the stream ends in the middle of a frame, read on.
pub const SPRAT_TCP_MORE: i32 = 0;
/// TCP frame: an ESP packet.
pub const SPRAT_TCP_ESP: i32 = 1;
/// TCP frame: an IKE message behind four zero octets.
pub const SPRAT_TCP_IKE: i32 = 2;
/// TCP frame: a keepalive.
pub const SPRAT_TCP_KEEPALIVE: i32 = 3;
/// TCP frame: empty or shorter than an SPI, to be ignored.
pub const SPRAT_TCP_IGNORE: i32 = 4;

/// Looks at the first octets of a TCP stream (RFC 9329 s4): *complete becomes 1
/// when all six octets "IKETCP" are there, 0 when more are to be read. Errors:
/// NULL; PACKET if this is another protocol: close the connection.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_tcp_prefix(stream: *const u8, len: usize, complete: *mut u8) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (stream, complete) = unsafe { (octets(stream, len)?, reference_mut(complete)?) };
        *complete = u8::from(tcp::prefix(stream).map_err(|_| SPRAT_E_PACKET)?);
        Ok(())
    })
}

/// Reads the frame at the start of a TCP stream, behind the prefix (RFC 9329
/// s4). *kind becomes one of SPRAT_TCP_*; the message stands at offset 2 and has
/// *consumed - 2 octets; *consumed is 0 with SPRAT_TCP_MORE. Errors: NULL; PACKET
/// if the length field is 0 or 1: the stream is lost, close the connection.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_tcp_frame(
    stream: *const u8,
    len: usize,
    kind: *mut i32,
    consumed: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (stream, kind, used) = unsafe {
            (
                octets(stream, len)?,
                reference_mut(kind)?,
                reference_mut(consumed)?,
            )
        };
        (*kind, *used) = match tcp::frame(stream).map_err(|_| SPRAT_E_PACKET)? {
            tcp::Next::More => (SPRAT_TCP_MORE, 0),
            tcp::Next::Message { kind, consumed, .. } => {
                let kind = match kind {
                    udp::Encapsulated::Esp => SPRAT_TCP_ESP,
                    udp::Encapsulated::Ike => SPRAT_TCP_IKE,
                    udp::Encapsulated::Keepalive => SPRAT_TCP_KEEPALIVE,
                    udp::Encapsulated::Short => SPRAT_TCP_IGNORE,
                };
                (kind, consumed)
            }
        };
        Ok(())
    })
}

/// Writes the two octets that stand in front of a message of len octets in a
/// TCP stream. Errors: NULL; ARGUMENT above 65,533 octets.
///
/// # Safety
/// `out` is NULL or points to two writable octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_tcp_frame_length(len: usize, out: *mut u8) -> i32 {
    guarded(|| {
        if out.is_null() {
            return Err(SPRAT_E_NULL);
        }
        // SAFETY: forwarded to the caller.
        let out = unsafe { octets_mut(out, tcp::LENGTH_LEN) }?;
        out.copy_from_slice(&tcp::frame_length(len).map_err(|_| SPRAT_E_ARGUMENT)?);
        Ok(())
    })
}
