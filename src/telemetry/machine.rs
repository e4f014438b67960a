//! What the process takes of the machine, by the names that Prometheus' own client libraries use.

use std::fs;

use metrics::{counter, gauge};

/// Clock ticks a second and bytes a page, which Linux has given programs on x86-64 and arm64 since they exist.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

/// Reads what Linux says of this process (`proc(5)`); elsewhere nothing is shown.
pub fn show() {
    // The name of the program may hold blanks and ends with the last bracket; what follows is counted from the state.
    if let Ok(stat) = fs::read_to_string("/proc/self/stat")
        && let Some((_, fields)) = stat.rsplit_once(") ")
    {
        let fields: Vec<f64> = fields.split(' ').map(|field| field.trim().parse().unwrap_or(0.0)).collect();
        let ticks: f64 = [11, 12].iter().filter_map(|n| fields.get(*n)).sum();
        counter!("process_cpu_seconds_total").absolute((ticks / TICKS) as u64);
        if let Some(pages) = fields.get(21) {
            gauge!("process_resident_memory_bytes").set(pages * PAGE);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(open.count() as f64);
    }
}
