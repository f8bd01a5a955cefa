//! Counts instructions on an emulated Cortex-M3 (`scripts/mote-bench`).
//!
//! QEMU executes one instruction in 64 ns of its own time, and SysTick counts that
//! time by the 25 MHz of the board mps2-an385.
#![no_std]
#![no_main]

mod clock;
#[cfg(not(feature = "empty"))]
mod ehc;
mod machine;

use core::ffi::CStr;
use core::hint::black_box;
use core::panic::PanicInfo;

use machine::{exit, print};

/// Times that each thing is done; the count is the mean.
const ROUNDS: u32 = 32;
/// Instructions in 8 ticks: 8 * 40 ns / 64 ns.
const PER_8_TICKS: u32 = 5;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail(c"panic")
}

/// Ends the run.
fn fail(why: &CStr) -> ! {
    print(c"FAIL: ");
    print(why);
    print(c"\n");
    exit(1)
}

/// What runs after reset.
fn main() -> ! {
    clock::start();
    calibrate();
    #[cfg(not(feature = "empty"))]
    ehc::measure();
    report(c"flash", clock::flash());
    exit(0)
}

/// Instructions of `work`, without those of calling it.
fn instructions(work: &mut dyn FnMut()) -> u32 {
    let mut nothing = || ();
    let calls = round_trip(black_box(&mut nothing));
    let done = round_trip(work);
    (done.saturating_sub(calls) * PER_8_TICKS / 8 + ROUNDS / 2) / ROUNDS
}

/// Ticks of all rounds.
fn round_trip(work: &mut dyn FnMut()) -> u32 {
    clock::ticks(&mut || {
        for _ in 0..ROUNDS {
            work();
        }
    })
}

/// A clock that counts something else than instructions must not go unnoticed.
fn calibrate() {
    let counted = instructions(&mut || clock::spin(500));
    if counted.abs_diff(1000) > 5 {
        fail(c"the clock does not count instructions");
    }
}

/// Prints a name and a number.
fn report(name: &CStr, mut number: u32) {
    let mut text = [0u8; 12];
    let mut digits = text.iter_mut().rev().skip(1);
    for to in digits.by_ref() {
        *to = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let start = digits.len();
    let text = text.get(start..).unwrap_or(&[]);
    print(name);
    print(c" ");
    print(CStr::from_bytes_with_nul(text).unwrap_or(c"?"));
    print(c"\n");
}
