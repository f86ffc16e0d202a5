use weft_object::Handle;

/// A root without a name: what it reaches is not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What is kept.
    pub handle: Handle,
    /// Until when, in seconds since the beginning of 1970, UTC; `None` until it
    /// is taken away. With an end it is a *lease*: what was just added or found
    /// out has one, so that a collection leaves the time to label it.
    pub until_s: Option<u64>,
}

impl Pin {
    /// Whether it still holds.
    #[must_use]
    pub fn holds_at(&self, now_s: u64) -> bool {
        self.until_s.is_none_or(|until| now_s < until)
    }

    /// The longer one of two.
    #[must_use]
    pub(crate) fn later(one: Option<u64>, other: Option<u64>) -> Option<u64> {
        one.zip(other).map(|(one, other)| one.max(other))
    }
}

/// Seconds since the beginning of 1970, UTC.
pub(crate) fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
