//! What threads are reading from the backend at this moment, so that two that
//! want the same do not both read it.

use std::collections::HashSet;

use weft_object::Handle;

use crate::sync::{Condvar, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Loading {
    under_way: Mutex<HashSet<Handle>>,
    ended: Condvar,
}

/// The right to read an object, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    of: &'a Loading,
    object: Handle,
}

impl Loading {
    /// `None` if another thread was reading it: that has ended, well or not.
    ///
    /// # Contract
    /// Who has one asks for no other, so that nobody waits in a circle.
    pub(crate) fn begin(&self, object: Handle) -> Option<Reading<'_>> {
        let mut under_way = self.under_way.lock();
        if under_way.insert(object) {
            return Some(Reading { of: self, object });
        }
        while under_way.contains(&object) {
            under_way = self.ended.wait(under_way);
        }
        None
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.of.under_way.lock().remove(&self.object);
        self.of.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_what_is_read_waits_until_it_was() {
        let loading = Loading::default();
        let [object, other] = [1u8, 2].map(|n| Handle::of_blob(&[n; 99]));
        let reading = loading.begin(object).unwrap();
        assert!(loading.begin(other).is_some(), "nobody reads that");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| drop(loading.begin(object)));
            for _ in 0..1000 {
                assert!(!second.is_finished(), "it has not waited");
                std::thread::yield_now();
            }
            drop(reading);
        });
        assert!(loading.begin(object).is_some());
    }
}
