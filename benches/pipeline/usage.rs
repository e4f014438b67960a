//! What processes use: CPU time and memory, from `/proc`.

use std::collections::BTreeMap;

/// Clock ticks a second, as Linux shows CPU time to all programs (`man 5 proc`).
const TICKS: f64 = 100.0;

/// CPU seconds used so far by a process, its living descendants, and those it has waited for.
pub fn cpu_seconds(pid: u32) -> f64 {
    let all: BTreeMap<u32, (u32, u64)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect();
    let mut family = vec![pid];
    let mut ticks = 0;
    while let Some(member) = family.pop() {
        ticks += all.get(&member).map_or(0, |(_, ticks)| *ticks);
        family.extend(all.iter().filter(|(_, (parent, _))| *parent == member).map(|(child, _)| *child));
    }
    ticks as f64 / TICKS
}

/// A process's parent, and its ticks with those of children it has waited for.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; what follows its last parenthesis is numbers. Fields 4 and 14 to 17 of `man 5 proc`.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |n: usize| fields.get(n - 3).and_then(|field| field.parse::<u64>().ok());
    let ticks = (14..=17).filter_map(number).sum();
    Some((u32::try_from(number(4)?).ok()?, ticks))
}

/// The most memory that a process has had resident, in MB.
pub fn peak_memory_mb(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

/// Megabytes of memory that the machine has.
pub fn machine_memory_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
        / 1024
}

/// What the processor calls itself.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor").to_owned()
}
