//! A clock that counts instructions where the emulator is told so, and what the
//! linker knows.

use core::arch::asm;
use core::ptr::{addr_of, read_volatile, write_volatile};

/// SysTick: control, value to start again from, value now (ARMv7-M B3.3.2).
const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;
/// SysTick counts in 24 bits, downwards.
const SYST_MAX: u32 = 0xff_ffff;

unsafe extern "C" {
    /// The linker script: an address that is a number, the octets of flash in use.
    static flash_used: u8;
}

/// Lets the clock run.
pub fn start() {
    // SAFETY: the registers of SysTick, which nothing else uses.
    unsafe {
        write_volatile(SYST_RVR, SYST_MAX);
        write_volatile(SYST_CVR, 0);
        // The processor's clock, no interrupt, on.
        write_volatile(SYST_CSR, 0b101);
    }
}

/// The value of a clock that counts down.
fn clock() -> u32 {
    // SAFETY: a register of SysTick; reading it changes nothing that is used.
    unsafe { read_volatile(SYST_CVR) }
}

/// Ticks of the clock while `work` runs.
pub fn ticks(work: &mut dyn FnMut()) -> u32 {
    let start = clock();
    work();
    start.wrapping_sub(clock()) & SYST_MAX
}

/// Executes two instructions `rounds` times; at least 1.
pub fn spin(rounds: u32) {
    // SAFETY: works in a register of its own and in the flags.
    unsafe {
        asm!("2:", "subs {0}, #1", "bne 2b", inout(reg) rounds => _, options(nomem, nostack));
    }
}

/// Octets of flash in this image.
pub fn flash() -> u32 {
    // The address is the number; it fits a register.
    addr_of!(flash_used).addr() as u32
}
