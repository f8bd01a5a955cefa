//! The mote profile: SAs in the caller's memory, AES-CCM-8, transport mode, no
//! allocation, no clock, no random numbers.

use core::mem::MaybeUninit;

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, MoteCcm};
use sprat_core::error::DropReason;
use sprat_core::esp::{Place, Receiver, SealArgs, SealError, Terms, rx, tx};
use sprat_core::num::{Sn64, Spi};
use sprat_core::replay::ReplayWindow;
use sprat_core::sa::{Mode, SaParams, SaRx, SaTx, Usage};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, proto};

use crate::boundary::{Status, code, octets, reference_mut};
use crate::status::*;
use crate::types::sprat_buf;

/// 64-bit words of a sprat_mote_sa.
pub const SPRAT_MOTE_SA_WORDS: usize = 13;

/// One SA in memory that the caller owns: static, on a stack or in a pool; not
/// to be copied while in use. It holds raw keys: wipe it by sprat_mote_wipe().
/// Zeroed memory is an SA that refuses every packet.
#[repr(C)]
pub struct sprat_mote_sa {
    /// Not to be looked into.
    pub opaque: [u64; SPRAT_MOTE_SA_WORDS],
}

/// Direction of an SA on a mote.
enum Side {
    Tx(SaTx),
    Rx(SaRx<[u64; 2]>),
}

/// What stands in the words. `live` is a number that zeroed or foreign memory
/// does not hold, since C can pass either.
struct MoteSa {
    live: u32,
    spi: Spi,
    suite: MoteCcm,
    side: Side,
}

const LIVE: u32 = 0x7370_7261;
const ROOM: usize = SPRAT_MOTE_SA_WORDS * size_of::<u64>();
const _: () = assert!(
    size_of::<MoteSa>() <= ROOM,
    "SPRAT_MOTE_SA_WORDS is too small"
);
const _: () = assert!(
    size_of::<MoteSa>() > ROOM - 16,
    "SPRAT_MOTE_SA_WORDS is too large"
);
const _: () = assert!(align_of::<MoteSa>() <= align_of::<u64>());

/// Octets of a sprat_mote_sa in this library; a firmware compares it with its
/// sizeof at start. Cannot fail.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_mote_sa_size() -> usize {
    size_of::<sprat_mote_sa>()
}

/// Makes an SA for sending (out = 1) or receiving (out = 0) in transport mode
/// with AES-CCM-8 and a 128-bit key. key has 16 octets, salt 3 (the order of
/// KEYMAT, RFC 4309 s7.1). implicit_iv = 1 takes the IV from the sequence number
/// (RFC 8750). last_sn: sending, the number used last, from stable storage, 0 for
/// a new SA; receiving, the highest number verified before. The anti-replay
/// window is 64 packets. spi is 256 or more, host order.
///
/// Errors: NULL; ARGUMENT. key and salt are copied.
///
/// # Safety
/// Pointers are NULL or valid for the lengths named.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_sa_init(
    sa: *mut sprat_mote_sa,
    out: u8,
    spi: u32,
    implicit_iv: u8,
    key: *const u8,
    salt: *const u8,
    last_sn: u64,
) -> i32 {
    // SAFETY: forwarded to the caller.
    code(unsafe { init(sa, (out, spi, implicit_iv), (key, salt), last_sn) })
}

/// # Safety
/// As sprat_mote_sa_init().
unsafe fn init(
    sa: *mut sprat_mote_sa,
    (out, spi, implicit_iv): (u8, u32, u8),
    (key, salt): (*const u8, *const u8),
    last_sn: u64,
) -> Status<()> {
    if sa.is_null() {
        return Err(SPRAT_E_NULL);
    }
    // SAFETY: forwarded.
    let (key, salt) = unsafe { (octets(key, 16)?, octets(salt, 3)?) };
    let key = key.first_chunk().ok_or(SPRAT_E_ARGUMENT)?;
    let salt = salt.first_chunk().ok_or(SPRAT_E_ARGUMENT)?;
    let encr = match implicit_iv {
        0 => Encr::AesCcm8,
        1 => Encr::AesCcm8Iiv,
        _ => return Err(SPRAT_E_ARGUMENT),
    };
    let spi = Spi(spi);
    if spi < Spi::FIRST_FREE {
        return Err(SPRAT_E_ARGUMENT);
    }
    let side = match out {
        1 => Side::Tx(SaTx::new(Sn64(last_sn), Instant(0))),
        0 => Side::Rx(receiver(last_sn)?),
        _ => return Err(SPRAT_E_ARGUMENT),
    };
    let suite = MoteCcm::new(encr, key, salt).ok_or(SPRAT_E_ARGUMENT)?;
    let fresh = MoteSa {
        live: LIVE,
        spi,
        suite,
        side,
    };
    // SAFETY: not NULL; size and alignment are asserted above. What stood there
    // before is the caller's and needs no drop.
    unsafe {
        sa.cast::<MaybeUninit<MoteSa>>()
            .write(MaybeUninit::new(fresh))
    };
    Ok(())
}

fn receiver(top: u64) -> Status<SaRx<[u64; 2]>> {
    let mut window = ReplayWindow::new([0; 2], 64, false).ok_or(SPRAT_E_INTERNAL)?;
    window.start_at(Sn64(top));
    Ok(SaRx {
        window,
        usage: Usage::default(),
        installed: Instant(0),
    })
}

/// The SA in the caller's memory, if it is one.
///
/// # Safety
/// `sa` is NULL or points to a sprat_mote_sa, initialised or zeroed, that nobody
/// else uses during `'a`.
unsafe fn live<'a>(sa: *mut sprat_mote_sa) -> Status<&'a mut MoteSa> {
    // SAFETY: forwarded.
    unsafe { alive(sa) }?;
    // SAFETY: sprat_mote_sa_init() wrote a MoteSa here, and it was not wiped.
    Ok(unsafe { &mut *sa.cast::<MoteSa>() })
}

/// The same, to be read.
///
/// # Safety
/// `sa` is NULL or points to a sprat_mote_sa, initialised or zeroed, that nobody
/// writes during `'a`.
unsafe fn alive<'a>(sa: *const sprat_mote_sa) -> Status<&'a MoteSa> {
    if sa.is_null() {
        return Err(SPRAT_E_NULL);
    }
    let at = core::mem::offset_of!(MoteSa, live);
    // SAFETY: the offset is inside MoteSa, which is inside the words; a number
    // stands there, never padding.
    if unsafe { sa.cast::<u8>().add(at).cast::<u32>().read() } != LIVE {
        return Err(SPRAT_E_ARGUMENT);
    }
    // SAFETY: sprat_mote_sa_init() wrote a MoteSa here, and it was not wiped.
    Ok(unsafe { &*sa.cast::<MoteSa>() })
}

/// Zeroes an SA with its keys; it refuses every packet afterwards. NULL is allowed.
///
/// # Safety
/// `sa` is NULL or points to a sprat_mote_sa.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_wipe(sa: *mut sprat_mote_sa) {
    if sa.is_null() {
        return;
    }
    for word in 0..SPRAT_MOTE_SA_WORDS {
        // SAFETY: a word of the caller's; volatile so that it is zeroed though
        // nobody reads it again.
        unsafe { sa.cast::<u64>().add(word).write_volatile(0) };
    }
}

/// Seals the IPv4 or IPv6 packet in buf, in place: SPRAT_OK and buf holds the
/// packet to send; or a drop reason (positive, SPRAT_DROP_*) or an error
/// (negative), both with buf and SA unchanged. SHORT: buf lacks 8 to 16 octets in
/// front or up to 13 behind.
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_seal(sa: *mut sprat_mote_sa, buf: *mut sprat_buf) -> i32 {
    // SAFETY: forwarded to the caller.
    let outcome = unsafe { live(sa).and_then(|sa| reference_mut(buf)?.with(|buf| seal(sa, buf))) };
    outcome.unwrap_or_else(|error| error)
}

fn seal(sa: &mut MoteSa, buf: &mut PacketBuf<'_>) -> i32 {
    let params = SaParams::new(sa.spi, Mode::Transport);
    let Side::Tx(side) = &mut sa.side else {
        return SPRAT_E_ARGUMENT;
    };
    match tx::seal(
        &Terms::plain(&params, &sa.suite),
        side,
        buf,
        &SealArgs::default(),
    ) {
        Ok(_) => SPRAT_OK,
        Err(SealError::Short(_)) => SPRAT_E_SHORT,
        Err(SealError::Dropped(reason)) => i32::from(reason.code()),
        Err(SealError::TooBig { .. }) => i32::from(DropReason::TooBig.code()),
    }
}

/// Opens the IPv4 or IPv6 packet in buf, which carries ESP, in place: SPRAT_OK
/// and buf holds the packet without ESP; or a drop reason (positive, SPRAT_DROP_*;
/// no plaintext is left) or an error (negative; nothing has changed).
///
/// # Safety
/// Pointers are NULL or valid; buf->data points to buf->capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_open(sa: *mut sprat_mote_sa, buf: *mut sprat_buf) -> i32 {
    // SAFETY: forwarded to the caller.
    let outcome = unsafe { live(sa).and_then(|sa| reference_mut(buf)?.with(|buf| open(sa, buf))) };
    outcome.unwrap_or_else(|error| error)
}

fn open(sa: &mut MoteSa, buf: &mut PacketBuf<'_>) -> i32 {
    let params = SaParams::new(sa.spi, Mode::Transport);
    let Side::Rx(side) = &mut sa.side else {
        return SPRAT_E_ARGUMENT;
    };
    let terms = Terms::plain(&params, &sa.suite);
    let mut receiver = Receiver::plain(side);
    let opened = place(sa.spi, buf.packet())
        .and_then(|place| rx::open(&terms, &mut receiver, buf, (&place, Instant(0))));
    match opened {
        Ok(_) => SPRAT_OK,
        Err(reason) => i32::from(reason.code()),
    }
}

fn place(spi: Spi, packet: &[u8]) -> Result<Place, DropReason> {
    let head = Head::parse(packet).map_err(|_| DropReason::NotIp)?;
    if head.protocol != proto::ESP {
        return Err(DropReason::NoSa);
    }
    let place = Place::find(packet, &head)?;
    let (received, _) = place.numbers(packet)?;
    if received == spi {
        Ok(place)
    } else {
        Err(DropReason::NoSa)
    }
}

/// The last number that an SA used (sending) or the highest that it verified,
/// for stable storage. Errors: NULL, ARGUMENT.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_sa_sn(sa: *const sprat_mote_sa, sn: *mut u64) -> i32 {
    // SAFETY: forwarded to the caller.
    let told = unsafe { alive(sa).and_then(|sa| Ok((sa, reference_mut(sn)?))) };
    code(told.map(|(sa, sn)| {
        *sn = match &sa.side {
            Side::Tx(side) => side.last().0,
            Side::Rx(side) => side.window.top().0,
        };
    }))
}
