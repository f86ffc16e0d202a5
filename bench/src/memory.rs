//! What this process takes, as Linux tells it.

/// The most memory that was resident since the process began.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// What is resident now.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// What all threads of this process have had of processors, as Linux tells it;
/// of those that have ended, nothing.
pub(crate) fn processor_ns() -> Option<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(sum)
}

fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
