//! What this process takes, as Linux tells it.

use std::collections::HashMap;
use std::path::PathBuf;

/// The most memory that was resident since the process began.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// What is resident now.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// What each thread of this process has had of processors so far, in ns, as Linux
/// tells it.
pub(crate) struct Processors(HashMap<PathBuf, u64>);

impl Processors {
    pub(crate) fn now() -> Option<Self> {
        let mut threads = HashMap::new();
        for thread in std::fs::read_dir("/proc/self/task").ok()? {
            let path = thread.ok()?.path();
            // It may have ended since it was listed.
            let Ok(text) = std::fs::read_to_string(path.join("schedstat")) else { continue };
            threads.insert(path, text.split_whitespace().next()?.parse().ok()?);
        }
        Some(Self(threads))
    }

    /// What they have had since then; of those that have ended, nothing.
    pub(crate) fn since_ns(&self, before: &Self) -> u64 {
        let had = |path| before.0.get(path).copied().unwrap_or(0);
        self.0.iter().map(|(path, ns)| ns.saturating_sub(had(path))).sum()
    }
}

fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
