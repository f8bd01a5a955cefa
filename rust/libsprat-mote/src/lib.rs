//! The mote library `libsprat_mote.a`: nothing but a link shell.
//!
//! All functions are in `sprat-ffi`, here without its host part. This crate
//! adds what a final `no_std` artefact needs: a panic handler. The data plane
//! has no panicking branch, so the linker drops the handler from a good image;
//! `make mote` checks that.
#![no_std]

use core::panic::PanicInfo;

pub use sprat_ffi as ffi;

unsafe extern "C" {
    /// Provided by the firmware (`sprat_port.h`); never returns.
    fn sprat_port_panic() -> !;
}

/// Hands a panic to the firmware, without the message: its source paths would
/// cost flash.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: the firmware supplies this function, it takes no argument and
    // does not return.
    unsafe { sprat_port_panic() }
}
