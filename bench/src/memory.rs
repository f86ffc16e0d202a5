//! What this process takes, as Linux tells it.

/// The most memory that was resident since the process began.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// What is resident now.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
