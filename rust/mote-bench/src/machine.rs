//! The processor and its debugger: start, words to the host.

use core::arch::asm;
use core::ptr::addr_of;

/// Semihosting: print a text that ends with 0.
const SYS_WRITE0: usize = 0x04;
/// Semihosting: end with an exit status.
const SYS_EXIT_EXTENDED: usize = 0x20;
/// The reason "the program ended by itself" of SYS_EXIT_EXTENDED.
const APPLICATION_EXIT: usize = 0x2_0026;

unsafe extern "C" {
    /// The linker script: the first octet behind the stack.
    static stack_top: u8;
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
