//! How fast the pure core is, on one core: decoding, deciding, the gate, rendering; and a batch of the intake without broker
//! and disk.
//!
//!     cargo bench --bench core                    all cases, by the clock
//!     cargo bench --bench core -- decide          those whose name holds `decide`
//!     scripts/instructions                        all cases, by instructions, which a busy machine does not change
//!
//! `docs/performance.md` says what else is measured.

mod cases;
mod shop;

use criterion::{Criterion, Throughput};

use cases::Case;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [fixed, times, filter @ ..] if fixed == "--fixed" => {
            let times = times.parse().expect("--fixed TIMES [NAME], with a whole number of times");
            run_fixed(times, filter.first().map_or("", String::as_str));
        }
        _ => by_the_clock(),
    }
}

fn by_the_clock() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("core");
    for case in cases::all() {
        group.throughput(Throughput::Elements(case.events));
        group.bench_function(case.name, |bencher| bencher.iter(|| (case.run)()));
    }
    group.finish();
    criterion.final_summary();
}

/// Runs each case a fixed number of times, for a profiler that counts, and says how many events that were.
fn run_fixed(times: u64, filter: &str) {
    for case in cases::all().iter().filter(|case| case.name.contains(filter)) {
        // Whatever is worked out once (CEL's library, numbering plans, a regular expression) is no event's work.
        for _ in 0..3 {
            (case.run)();
        }
        run_measured(case, times);
        println!("{}\t{}", case.name, case.events * times);
    }
}

/// What `scripts/instructions` counts: nothing outside of this function, which it knows by name.
#[inline(never)]
fn run_measured(case: &Case, times: u64) {
    for _ in 0..times {
        (case.run)();
    }
}
