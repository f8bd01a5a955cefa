//! Runs each measurement once, for callgrind: `--zero-before` and `--dump-after`
//! on `measured` make it write one file of counts for each line printed here.

use sprat_bench::{LENGTHS, PACKETS, TRANSFORMS, bodies, open_all, seal_all};

/// The boundary that callgrind looks for by name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

fn main() {
    for transform in TRANSFORMS {
        let suite = transform.suite();
        for len in LENGTHS {
            let mut packets = bodies(&suite, len);
            measured(&mut || seal_all(&suite, &mut packets));
            println!("{} seal {len} {PACKETS}", transform.name);
            measured(&mut || open_all(&suite, &mut packets));
            println!("{} open {len} {PACKETS}", transform.name);
        }
    }
}
