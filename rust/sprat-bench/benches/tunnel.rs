//! Times for people: `cargo bench --manifest-path rust/sprat-bench/Cargo.toml`.
//!
//! Whole packets through a tunnel, sealed and opened. Opening needs packets that
//! have not been opened, so each batch is sealed anew outside of the measurement.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sprat_bench::{LENGTHS, PACKETS, Packet, TRANSFORMS, Transform, Tunnel, packets};

fn sealed(transform: &Transform, len: usize) -> (Tunnel, Vec<Packet>) {
    let (mut tunnel, mut packets) = (Tunnel::new(transform), packets(len));
    tunnel.seal_all(&mut packets);
    (tunnel, packets)
}

fn transform(c: &mut Criterion, transform: &Transform) {
    let mut group = c.benchmark_group(transform.name);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(PACKETS as u64));
    for len in LENGTHS {
        let fresh = || (Tunnel::new(transform), packets(len));
        group.bench_function(BenchmarkId::new("seal", len), |b| {
            b.iter_batched_ref(
                fresh,
                |(tunnel, all)| tunnel.seal_all(all),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("open", len), |b| {
            let fresh = || sealed(transform, len);
            b.iter_batched_ref(
                fresh,
                |(tunnel, all)| tunnel.open_all(all),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    for t in &TRANSFORMS {
        transform(c, t);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
