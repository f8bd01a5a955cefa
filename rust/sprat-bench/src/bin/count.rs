//! Runs each measurement once, for callgrind: with `--zero-before` and
//! `--dump-after` on `count::measured` it writes one file of counts for each
//! line printed here. `scripts/bench` puts the two together.

use sprat_bench::ehc::Ehc;
use sprat_bench::{
    LENGTHS, PACKETS, Packet, TRANSFORMS, Tunnel, bodies, open_all, packets, seal_all,
};

/// The boundary that callgrind looks for by name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

/// Runs `work` on a copy, to settle what is settled once, then for callgrind.
fn count<W: Clone>(name: &str, on: &mut W, work: impl Fn(&mut W)) {
    work(&mut on.clone());
    measured(&mut || work(on));
    println!("{name} {PACKETS}");
}

/// What of the processor the libraries choose their code by, as this process sees it.
#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    macro_rules! seen {
        ($($feature:tt)*) => {
            [$((is_x86_feature_detected!($feature), $feature),)*]
        };
    }
    let all = seen!("aes" "pclmulqdq" "sse4.1" "avx2" "sha" "vaes" "avx512f" "vpclmulqdq");
    let seen: Vec<_> = all
        .into_iter()
        .filter(|(seen, _)| *seen)
        .map(|(_, name)| name)
        .collect();
    format!("x86_64 {}", seen.join(" "))
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.to_string()
}

fn main() {
    println!("processor {}", processor());
    for transform in TRANSFORMS {
        let suite = transform.suite();
        for len in LENGTHS {
            let name = |level, action| format!("{level}.{} {action}-{len}", transform.name);
            let mut octets = bodies(&suite, len);
            count(&name("suite", "seal"), &mut octets, |all| {
                seal_all(&suite, all)
            });
            count(&name("suite", "open"), &mut octets, |all| {
                open_all(&suite, all)
            });

            let mut tunnel = (Tunnel::new(&transform), packets(len));
            let seal = |(tunnel, packets): &mut (Tunnel, Vec<Packet>)| tunnel.seal_all(packets);
            let open = |(tunnel, packets): &mut (Tunnel, Vec<Packet>)| tunnel.open_all(packets);
            count(&name("packet", "seal"), &mut tunnel, seal);
            count(&name("packet", "open"), &mut tunnel, open);
        }
    }
    for len in LENGTHS {
        for (name, guard, template) in [
            ("ehc.template", true, true),
            ("ehc.template-unguarded", false, true),
            ("ehc.rules", true, false),
        ] {
            let mut ehc = Ehc::new(len, guard, template);
            count(
                &format!("{name} compress-{len}"),
                &mut ehc,
                Ehc::compress_all,
            );
            count(&format!("{name} restore-{len}"), &mut ehc, Ehc::restore_all);
        }
    }
}
