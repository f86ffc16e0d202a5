use std::sync::atomic::{AtomicU64, Ordering};

/// Memory that is set aside for applications that threads run directly, without
/// a claim in the graph. Who finds none left makes a claim and waits its turn.
#[derive(Debug)]
pub(crate) struct Direct {
    left_bytes: AtomicU64,
    all_bytes: u64,
}

/// What a direct run takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    from: &'a Direct,
    bytes: u64,
}

impl Direct {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left_bytes: AtomicU64::new(bytes), all_bytes: bytes }
    }

    /// How much there is when nobody has any.
    pub(crate) fn all_bytes(&self) -> u64 {
        self.all_bytes
    }

    /// All of it, or nothing.
    pub(crate) fn take(&self, bytes: u64) -> Option<Taken<'_>> {
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self.left_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.ok().map(|_| Taken { from: self, bytes })
    }
}

impl Taken<'_> {
    /// Whether it does for a run that takes so many bytes, without keeping much
    /// more from others.
    pub(crate) fn suits(&self, bytes: u64) -> bool {
        (bytes..=bytes.saturating_add(bytes / 16)).contains(&self.bytes)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.from.left_bytes.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_run_gets_all_it_takes_or_nothing() {
        let direct = Direct::new(100);
        let most = direct.take(70).unwrap();
        assert!(direct.take(31).is_none());
        let rest = direct.take(30).unwrap();
        assert!(direct.take(1).is_none());
        drop(most);
        assert!(direct.take(71).is_none());
        drop(rest);
        assert!(direct.take(100).is_some());
    }

    #[test]
    fn what_was_taken_suits_a_run_of_about_that_size() {
        let direct = Direct::new(1000);
        let taken = direct.take(340).unwrap();
        assert!([340, 320].iter().all(|bytes| taken.suits(*bytes)));
        assert!([341, 319, 0, u64::MAX].iter().all(|bytes| !taken.suits(*bytes)));
    }
}
