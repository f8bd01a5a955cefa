//! The processor and its debugger: start, clock, words to the host. All that is
//! unsafe is here.

use core::arch::asm;
use core::ptr::{addr_of, read_volatile, write_volatile};

/// Semihosting: print a text that ends with 0.
const SYS_WRITE0: usize = 0x04;
/// Semihosting: end with an exit status.
const SYS_EXIT_EXTENDED: usize = 0x20;
/// The reason "the program ended by itself" of SYS_EXIT_EXTENDED.
const APPLICATION_EXIT: usize = 0x2_0026;

/// SysTick: control, value to start again from, value now (ARMv7-M B3.3.2).
const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;
/// SysTick counts in 24 bits, downwards.
const SYST_MAX: u32 = 0xff_ffff;

unsafe extern "C" {
    /// The linker script: the first octet behind the stack.
    static stack_top: u8;
    /// The linker script: an address that is a number, the octets of flash in use.
    static flash_used: u8;
}

/// An entry of the vector table.
#[repr(C)]
union Vector {
    stack: *const u8,
    code: extern "C" fn() -> !,
}

// SAFETY: nothing writes the table, and the processor alone reads it.
unsafe impl Sync for Vector {}

/// Initial stack, reset, and NMI to UsageFault.
#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [Vector; 7] = [
    Vector {
        stack: addr_of!(stack_top),
    },
    Vector { code: reset },
    Vector { code: fault },
    Vector { code: fault },
    Vector { code: fault },
    Vector { code: fault },
    Vector { code: fault },
];

#[unsafe(no_mangle)]
extern "C" fn reset() -> ! {
    // SAFETY: the registers of SysTick, which nothing else uses.
    unsafe {
        write_volatile(SYST_RVR, SYST_MAX);
        write_volatile(SYST_CVR, 0);
        // The processor's clock, no interrupt, on.
        write_volatile(SYST_CSR, 0b101);
    }
    crate::main()
}

extern "C" fn fault() -> ! {
    print(c"fault\n");
    exit(1)
}

fn semihosting(operation: usize, argument: *const ()) {
    // SAFETY: the call that a debugger answers; it reads behind `argument` what the
    // operation asks for, and changes nothing but r0.
    unsafe {
        asm!("bkpt #0xab", inout("r0") operation => _, in("r1") argument);
    }
}

/// Prints on the host.
pub fn print(text: &core::ffi::CStr) {
    semihosting(SYS_WRITE0, text.as_ptr().cast());
}

/// Ends with an exit status for the host.
pub fn exit(status: usize) -> ! {
    let block = [APPLICATION_EXIT, status];
    semihosting(SYS_EXIT_EXTENDED, block.as_ptr().cast());
    loop {
        core::hint::spin_loop();
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
