//! Times for people: `cargo bench -p sprat-bench`.

fn main() {}
