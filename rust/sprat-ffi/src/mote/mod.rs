//! The mote profile: SAs in the caller's memory, AES-CCM-8, no allocation, no
//! clock, no random numbers. A packet begins at the first octet of its buffer.

mod check;
mod types;

use core::ptr;

#[cfg(feature = "aes")]
use sprat_core::crypto::BuiltIn;
use sprat_core::crypto::{Block, Blocks, ICV, Packet, Way, ccm};
use sprat_core::error::DropReason;
use sprat_core::mote::{self, Flags, Frame, Head, Lent, Platform, Sa, nvm};
use sprat_core::num::Spi;
use sprat_core::wire::ip::proto;

use crate::boundary::{Status, code, octets, octets_mut, reference_mut};
use crate::status::*;
pub use types::*;

/// Most octets by which sealing makes a packet longer.
pub const SPRAT_MOTE_SEAL_ROOM: usize = 84;
/// Most octets by which opening makes a packet longer: headers that Diet-ESP left
/// out.
pub const SPRAT_MOTE_OPEN_ROOM: usize = 60;

/// What stands in a sprat_mote_sa.
#[repr(C)]
struct MoteSa {
    sa: Sa,
    port: *const sprat_mote_port,
    path: *const sprat_mote_path,
    ehc: *const sprat_mote_ehc,
    counters: *mut sprat_mote_counters,
}

// Where 64-bit integers are aligned to 4 octets (i686) it is smaller.
const _: () = assert!(size_of::<MoteSa>() <= size_of::<sprat_mote_sa>());
const _: () = assert!(align_of::<MoteSa>() == align_of::<sprat_mote_sa>());
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<sprat_mote_sa>() <= 64);

/// Marks an SA in its flags, since C can pass zeroed or foreign memory.
const LIVE: u8 = 0xa0;
const LIVE_MASK: u8 = 0xf0;

/// Octets of a sprat_mote_sa in this library; a firmware compares it with its
/// sizeof at start. Cannot fail.
// SAFETY: no other symbol of this name is linked; the prefix is ours.
#[unsafe(no_mangle)]
pub extern "C" fn sprat_mote_sa_size() -> usize {
    size_of::<sprat_mote_sa>()
}

/// Makes an SA with AES-CCM-8 and a 128-bit key. What stood in sa before is not
/// looked at.
///
/// Errors: NULL; ARGUMENT (also for what was not built into this library: tunnel
/// mode, UDP, IPv4, Diet-ESP, its own AES); E_EHC_*. sa refuses every packet then.
///
/// # Safety
/// Pointers are NULL or valid for the lengths named.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_sa_init(
    sa: *mut sprat_mote_sa,
    params: *const sprat_mote_params,
) -> i32 {
    // SAFETY: forwarded to the caller.
    code(unsafe { init(sa, params) })
}

/// # Safety
/// As sprat_mote_sa_init().
unsafe fn init(sa: *mut sprat_mote_sa, params: *const sprat_mote_params) -> Status<()> {
    if sa.is_null() {
        return Err(SPRAT_E_NULL);
    }
    // SAFETY: forwarded; not NULL.
    unsafe { sprat_mote_wipe(sa) };
    // SAFETY: forwarded.
    let params = unsafe { params.as_ref() }.ok_or(SPRAT_E_NULL)?;
    // SAFETY: forwarded.
    let (port, path, ehc) = unsafe {
        (
            params.port.as_ref(),
            params.path.as_ref(),
            params.ehc.as_ref(),
        )
    };
    check::params(params, port)?;
    check::path(path)?;
    check::ehc(params, ehc, path)?;
    // SAFETY: forwarded.
    let (key, salt) = unsafe { (octets(params.key, 16)?, octets(params.salt, 3)?) };
    let mut flags = LIVE;
    for (yes, flag) in [
        (params.out, Flags::OUT),
        (params.implicit_iv, Flags::IMPLICIT_IV),
        (params.esn, Flags::ESN),
        (params.sender_id_bits, Flags::SENDERS),
    ] {
        flags |= if yes != 0 { flag } else { 0 };
    }
    let kept = port.is_some_and(|port| port.store.is_some());
    let fresh = MoteSa {
        sa: Sa {
            key: *key.first_chunk().ok_or(SPRAT_E_ARGUMENT)?,
            salt: *salt.first_chunk().ok_or(SPRAT_E_ARGUMENT)?,
            window: params.window,
            spi: Spi(params.spi),
            sender: match params.sender_id_bits {
                8 => params.sender_id << 8,
                _ => params.sender_id,
            },
            flags: Flags(flags),
            number: params.last_sn,
            word: match (params.out, kept) {
                // Nothing is written ahead yet.
                (1, true) => params.last_sn,
                // Sending: never written ahead. Receiving: nobody knows which numbers
                // below the highest were seen.
                _ => u64::MAX,
            },
        },
        port: params.port,
        path: params.path,
        ehc: params.ehc,
        counters: params.counters,
    };
    // SAFETY: not NULL; size and alignment are asserted above.
    unsafe { sa.cast::<MoteSa>().write(fresh) };
    Ok(())
}

/// The SA in the caller's memory, if it is one.
///
/// # Safety
/// `sa` is NULL or points to a sprat_mote_sa, initialised or zeroed, that nobody
/// writes during `'a`.
unsafe fn alive<'a>(sa: *const sprat_mote_sa) -> Status<&'a MoteSa> {
    // SAFETY: every pattern of octets is a MoteSa: integers and pointers.
    let sa = unsafe { sa.cast::<MoteSa>().as_ref() }.ok_or(SPRAT_E_NULL)?;
    match sa.sa.flags.0 & LIVE_MASK {
        LIVE => Ok(sa),
        _ => Err(SPRAT_E_ARGUMENT),
    }
}

/// Zeroes an SA with its key; it refuses every packet afterwards. NULL is allowed.
///
/// # Safety
/// `sa` is NULL or points to a sprat_mote_sa.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_wipe(sa: *mut sprat_mote_sa) {
    if sa.is_null() {
        return;
    }
    for word in 0..size_of::<sprat_mote_sa>() / size_of::<usize>() {
        // SAFETY: a word of the caller's; volatile so that it is zeroed though
        // nobody reads it again.
        unsafe { sa.cast::<usize>().add(word).write_volatile(0) };
    }
}

/// AES and storage of the platform.
struct Port(*const sprat_mote_port);

impl Port {
    fn get(&self) -> Option<&sprat_mote_port> {
        // SAFETY: the caller of sprat_mote_sa_init() answers for it.
        unsafe { self.0.as_ref() }
    }
}

/// The callback, and the key until the first block.
struct Callback(sprat_mote_aes128, *const u8);

impl Blocks for Callback {
    fn one(&mut self, block: &mut Block) {
        if let Some(aes128) = self.0 {
            // SAFETY: the key has 16 octets or is NULL, the block has 16.
            unsafe { aes128(self.1, block.as_mut_ptr()) };
            self.1 = ptr::null();
        }
    }
}

/// What runs CCM: with two kinds of AES in one image, one code for both.
#[cfg(feature = "aes")]
type AnyAes<'a> = &'a mut dyn Blocks;
#[cfg(not(feature = "aes"))]
type AnyAes<'a> = &'a mut Callback;

impl Platform for Port {
    fn ccm(&self, key: &[u8; 16], packet: &Packet, data: (&mut [u8], Way)) -> [u8; ICV] {
        let callback = self.get().and_then(|port| port.aes128);
        #[cfg(feature = "aes")]
        if callback.is_none() {
            let aes: AnyAes = &mut BuiltIn::new(key);
            return ccm(aes, packet, data);
        }
        let aes: AnyAes = &mut Callback(callback, key.as_ptr());
        ccm(aes, packet, data)
    }

    fn store(&self, spi: Spi, number: u64) -> Option<u64> {
        let port = self.get()?;
        let ahead = u64::from(port.ahead);
        let last = number.saturating_add(ahead.saturating_sub(1));
        // SAFETY: the caller of sprat_mote_sa_init() answers for the function.
        let kept = unsafe { port.store?(port.context, spi.0, last) };
        (kept == 0).then_some(last)
    }
}

/// Seals the IP packet of *length octets at packet, in place: SPRAT_OK, and it is
/// the packet to send, of *length octets. Or a drop reason (positive,
/// SPRAT_DROP_*) or an error (negative, NULL or ARGUMENT), both with packet and
/// number as before; drop reasons are counted. capacity is what the buffer holds:
/// a packet grows by at most SPRAT_MOTE_SEAL_ROOM.
///
/// # Safety
/// Pointers are NULL or valid; packet points to capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_seal(
    sa: *mut sprat_mote_sa,
    packet: *mut u8,
    length: *mut u16,
    capacity: u16,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { run(sa, (packet, length, capacity), true) }
}

/// Opens the IP packet of *length octets at packet, which carries ESP, in place:
/// SPRAT_OK, and it is the packet without ESP, or in tunnel mode the inner packet,
/// of *length octets. Or a drop reason (positive, SPRAT_DROP_*), counted, or an
/// error (negative, NULL or ARGUMENT). With SPRAT_DROP_INTEGRITY and every reason
/// before it the packet is as it was received; behind it no plaintext is left.
///
/// # Safety
/// Pointers are NULL or valid; packet points to capacity octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_open(
    sa: *mut sprat_mote_sa,
    packet: *mut u8,
    length: *mut u16,
    capacity: u16,
) -> i32 {
    // SAFETY: forwarded to the caller.
    unsafe { run(sa, (packet, length, capacity), false) }
}

/// # Safety
/// As sprat_mote_seal().
// Shared by both ways where flash is what counts, not the stack of an AES.
#[cfg_attr(feature = "aes", inline(always))]
unsafe fn run(
    sa: *mut sprat_mote_sa,
    (packet, length, capacity): (*mut u8, *mut u16, u16),
    out: bool,
) -> i32 {
    // SAFETY: forwarded.
    let given = unsafe { given(sa, (packet, length, capacity), out) };
    let (sa, mut frame, length) = match given {
        Ok(given) => given,
        Err(error) => return error,
    };
    let lent = lent(sa);
    let port = Port(sa.port);
    let outcome = match out {
        true => mote::seal(&mut sa.sa, &lent, &mut frame, &port),
        false => mote::open(&mut sa.sa, &lent, &mut frame, &port),
    };
    *length = u16::try_from(frame.len).unwrap_or(0);
    // SAFETY: the caller of sprat_mote_sa_init() answers for the counters.
    if let Some(counters) = unsafe { sa.counters.as_mut() } {
        count(counters, outcome);
    }
    match outcome {
        Ok(()) => SPRAT_OK,
        Err(reason) => i32::from(reason.code()),
    }
}

/// # Safety
/// As sprat_mote_seal().
unsafe fn given<'a>(
    sa: *mut sprat_mote_sa,
    (packet, length, capacity): (*mut u8, *mut u16, u16),
    out: bool,
) -> Status<(&'a mut MoteSa, Frame<'a>, &'a mut u16)> {
    // SAFETY: forwarded.
    let alive = unsafe { alive(sa) }?;
    if alive.sa.flags.has(Flags::OUT) != out {
        return Err(SPRAT_E_ARGUMENT);
    }
    // SAFETY: forwarded; a MoteSa stands there.
    let sa = unsafe { &mut *sa.cast::<MoteSa>() };
    // SAFETY: forwarded.
    let (octets, length) = unsafe {
        (
            octets_mut(packet, usize::from(capacity))?,
            reference_mut(length)?,
        )
    };
    if *length > capacity {
        return Err(SPRAT_E_ARGUMENT);
    }
    let frame = Frame {
        octets,
        len: usize::from(*length),
    };
    Ok((sa, frame, length))
}

fn lent<'a>(sa: &MoteSa) -> Lent<'a> {
    Lent {
        // SAFETY: the caller of sprat_mote_sa_init() answers for both; the layouts
        // are the same, and every value of their fields is one of the core's.
        path: unsafe { sa.path.cast::<mote::Path>().as_ref() },
        #[cfg(feature = "diet-esp")]
        // SAFETY: as above.
        ehc: unsafe { sa.ehc.cast::<mote::ehc::Ehc>().as_ref() },
        #[cfg(not(feature = "diet-esp"))]
        ehc: None,
    }
}

fn count(counters: &mut sprat_mote_counters, outcome: Result<(), DropReason>) {
    match outcome {
        Ok(()) => counters.passed = counters.passed.saturating_add(1),
        Err(reason) => {
            if let Some(count) = counters.dropped.get_mut(usize::from(reason.code())) {
                *count = count.saturating_add(1);
            }
        }
    }
}

/// The last number that an SA used (sending) or the highest that it verified.
/// Errors: NULL, ARGUMENT.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_sa_sn(sa: *const sprat_mote_sa, sn: *mut u64) -> i32 {
    // SAFETY: forwarded to the caller.
    let told = unsafe { alive(sa).and_then(|sa| Ok((sa, reference_mut(sn)?))) };
    code(told.map(|(sa, sn)| *sn = sa.sa.number))
}

/// Whether the packet of length octets is ESP that may be this SA's: raw or in UDP
/// as its path says, with the SPI bits that are sent. Of a sending SA: what it has
/// sealed before. 1 or 0; 0 also for NULL. Reads only.
///
/// # Safety
/// Pointers are NULL or valid; packet points to length octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_is_for(
    sa: *const sprat_mote_sa,
    packet: *const u8,
    length: u16,
) -> i32 {
    // SAFETY: forwarded to the caller.
    let given = unsafe { alive(sa).and_then(|sa| Ok((sa, octets(packet, length.into())?))) };
    i32::from(given.is_ok_and(|(sa, packet)| mote::is_for(&sa.sa, &lent(sa), packet)))
}

/// What the packet of length octets shows to selectors. Reads only.
///
/// Errors: NULL; as drop reason NOT_IP: no whole packet, an extension header beyond
/// its end, a source route without room for an address, a jumbo payload. *flow is
/// written with SPRAT_OK only.
///
/// # Safety
/// Pointers are NULL or valid; packet points to length octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_flow_of(
    packet: *const u8,
    length: u16,
    flow: *mut sprat_mote_flow,
) -> i32 {
    // SAFETY: forwarded to the caller.
    let given =
        unsafe { octets(packet, length.into()).and_then(|p| Ok((p, reference_mut(flow)?))) };
    let (packet, flow) = match given {
        Ok(given) => given,
        Err(error) => return error,
    };
    match Head::parse(packet, packet.len()) {
        Ok(head) => {
            *flow = flow_of(packet, &head);
            SPRAT_OK
        }
        Err(reason) => i32::from(reason.code()),
    }
}

fn flow_of(packet: &[u8], head: &Head) -> sprat_mote_flow {
    let (octets, at, _) = mote::addresses(packet);
    let mut source = [0; 16];
    for (to, from) in source.iter_mut().zip(packet.iter().skip(at)).take(octets) {
        *to = *from;
    }
    let ports = head.ports(packet);
    let (source_port, destination_port) = ports.unwrap_or((0, 0));
    let narrow = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    sprat_mote_flow {
        source,
        destination: mote::final_destination(packet, head),
        source_port,
        destination_port,
        total: narrow(head.total),
        upper_at: narrow(head.upper_at),
        protocol: if head.later {
            proto::FRAGMENT
        } else {
            head.protocol
        },
        has_ports: ports.is_some().into(),
        segments_left: (head.route_end != 0).into(),
        fragment: head.fragment.into(),
        version: if octets == 4 { 4 } else { 6 },
        reserved: [0; 3],
    }
}

/// Two slots of a caller's storage.
struct Slots<'a> {
    nvm: &'a sprat_mote_nvm,
    first: u32,
}

impl nvm::Storage for Slots<'_> {
    fn read(&mut self, slot: u8, record: &mut nvm::Record) -> bool {
        let slot = self.first.wrapping_add(slot.into());
        // SAFETY: the caller answers for the function; record has 16 octets.
        self.nvm
            .read
            .is_some_and(|read| unsafe { read(self.nvm.context, slot, record.as_mut_ptr()) == 0 })
    }

    fn write(&mut self, slot: u8, record: &nvm::Record) -> bool {
        let slot = self.first.wrapping_add(slot.into());
        // SAFETY: as above.
        self.nvm
            .write
            .is_some_and(|write| unsafe { write(self.nvm.context, slot, record.as_ptr()) == 0 })
    }
}

/// Reads what sprat_mote_nvm_store() wrote last for this SPI to the slots
/// first_slot and first_slot + 1, whenever power failed: at least the number that
/// the last store which returned SPRAT_OK was given. Hand it to
/// sprat_mote_sa_init() as last_sn. Errors: NULL; NOT_FOUND: neither slot holds a
/// record of this SPI, so nothing was stored where the storage keeps what it took;
/// INTERNAL: a slot cannot be read, so the number is not known and no SA with this
/// key may send.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_nvm_load(
    nvm: *const sprat_mote_nvm,
    spi: u32,
    first_slot: u32,
    number: *mut u64,
) -> i32 {
    // SAFETY: forwarded to the caller.
    let (nvm, number) = match unsafe { (nvm.as_ref(), number.as_mut()) } {
        (Some(nvm), Some(number)) => (nvm, number),
        _ => return SPRAT_E_NULL,
    };
    let mut slots = Slots {
        nvm,
        first: first_slot,
    };
    match nvm::load(&mut slots, Spi(spi)) {
        Ok(Some(stored)) => {
            *number = stored;
            SPRAT_OK
        }
        Ok(None) => SPRAT_E_NOT_FOUND,
        Err(nvm::Unreadable) => SPRAT_E_INTERNAL,
    }
}

/// Writes number for this SPI to one of the slots first_slot and first_slot + 1,
/// never to the one that holds the highest number so far, and reads it back. What
/// the callback store of a sprat_mote_port may call. The two slots are this SA's
/// alone: another SPI takes them over. Errors: NULL; INTERNAL: the storage did not
/// take it, a slot cannot be read, or number is not higher than what is stored, as
/// when an SA did not begin behind it. So it is when a call that failed has written
/// number after all: make the SA anew from sprat_mote_nvm_load().
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_mote_nvm_store(
    nvm: *const sprat_mote_nvm,
    spi: u32,
    first_slot: u32,
    number: u64,
) -> i32 {
    // SAFETY: forwarded to the caller.
    let Some(nvm) = (unsafe { nvm.as_ref() }) else {
        return SPRAT_E_NULL;
    };
    let mut slots = Slots {
        nvm,
        first: first_slot,
    };
    match nvm::store(&mut slots, Spi(spi), number) {
        true => SPRAT_OK,
        false => SPRAT_E_INTERNAL,
    }
}
