//! Runs the vectors of ESP and Diet-ESP on an emulated Cortex-M3, by the hosts'
//! engine with every transform (`scripts/mote-vectors`): the same protocol as the
//! engine of the motes, on their processor and without an allocator.
#![no_std]
#![no_main]

mod case;
#[path = "../machine.rs"]
mod machine;
mod packet;

use core::ffi::CStr;
use core::panic::PanicInfo;

use case::{Lookup, Reconstruct, Skipped};
use machine::{exit, print};
use sprat_core::diet_esp::reconstruct;
use sprat_core::num::{Sn64, Spi};

/// The tables, written by `cases.py`.
mod cases {
    use crate::case::*;
    include!(env!("MOTE_CASES"));
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    print(c"FAIL: panic\n");
    exit(1)
}

/// How it went.
#[derive(Default)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    fn note(&mut self, id: &str, result: Result<(), &'static CStr>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed += 1;
                print(c"FAIL ");
                print_text(id);
                print(c": ");
                print(why);
                print(c"\n");
            }
        }
    }

    fn skip(&mut self, skipped: &Skipped) {
        self.skipped += skipped.count;
        print(c"SKIP ");
        print_text(skipped.reason);
        print(c": ");
        print_text(skipped.ids);
        print(c"\n");
    }
}

/// What runs after reset.
fn main() -> ! {
    let mut counts = Counts::default();
    for case in cases::PACKETS {
        counts.note(case.id, packet::run(case));
    }
    for case in cases::RECONSTRUCT {
        counts.note(case.id, number(case));
    }
    for case in cases::LOOKUPS {
        counts.note(case.id, lookup(case));
    }
    for skipped in cases::SKIPPED {
        counts.skip(skipped);
    }
    print_number(counts.passed);
    print(c" passed, ");
    print_number(counts.failed);
    print(c" failed, ");
    print_number(counts.skipped);
    print(c" skipped\n");
    exit(usize::from(counts.failed != 0 || counts.passed == 0))
}

fn number(case: &Reconstruct) -> Result<(), &'static CStr> {
    let found = reconstruct(case.received, Sn64(case.top), case.window, case.esn);
    match found {
        Ok(sn) if sn.0 == case.sn => Ok(()),
        _ => Err(c"another number than stated"),
    }
}

fn lookup(case: &Lookup) -> Result<(), &'static CStr> {
    for (spi, lsb, expected) in case.sas {
        let context = packet::spi_context(Spi(*spi), *lsb)?;
        if context.shows_spi(case.packet) != *expected {
            return Err(c"another candidate than stated");
        }
    }
    Ok(())
}

/// Prints text of any length.
fn print_text(text: &str) {
    let mut line = [0; 64];
    let longest = line.len() - 1;
    for part in text.as_bytes().chunks(longest) {
        for (to, from) in line.iter_mut().zip(part.iter().chain(&[0])) {
            *to = *from;
        }
        print(CStr::from_bytes_until_nul(&line).unwrap_or(c"?"));
    }
}

fn print_number(mut number: u32) {
    let mut digits = [b'0'; 10];
    let mut used = 0;
    for to in digits.iter_mut().rev() {
        *to = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let text = digits.get(digits.len() - used..).unwrap_or(&[]);
    print_text(core::str::from_utf8(text).unwrap_or("?"));
}
