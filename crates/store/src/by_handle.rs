use weft_object::Handle;

use crate::hash::HandleHash;
use crate::slab::Slab;

/// What is found by a handle that it carries.
pub(crate) trait Named {
    fn handle(&self) -> &Handle;
}

/// Entries by their handle, in places that only a removal changes.
///
/// Among ten million of them whatever is looked at first comes from main
/// memory, so a search should look at one line of the cache before it looks at
/// an entry: a bucket has both the entry's place and, in the bits which that
/// leaves, a part of its hash. A table with a byte of hash here and the place
/// elsewhere takes two lines, and five bytes for each bucket instead of four.
pub(crate) struct ByHandle<T> {
    // A power of two, at most three quarters of them taken: below, bits for the
    // number of a bucket, which so is more than any place; above, of the hash.
    buckets: Box<[u32]>,
    entries: Slab<T>,
}

const EMPTY: u32 = u32::MAX;
const BUCKETS_MIN: usize = 4;

impl<T> Default for ByHandle<T> {
    fn default() -> Self {
        Self { buckets: Box::default(), entries: Slab::default() }
    }
}

impl<T: Named> ByHandle<T> {
    /// What the index takes for an entry at most, where it has just grown.
    pub(crate) const INDEX_BYTES: usize = size_of::<[u32; 8]>().div_ceil(3);

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// # Panics
    /// If there is none at this place.
    pub(crate) fn get(&self, at: usize) -> &T {
        self.entries.get(at)
    }

    /// The entry's handle stays as it is.
    ///
    /// # Panics
    /// If there is none at this place.
    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        self.entries.get_mut(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    /// The entries' handles stay as they are.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }

    /// The place of the entry with this handle, of which `hash` is the hash.
    #[inline]
    pub(crate) fn find(&self, hash: u64, handle: &Handle) -> Option<usize> {
        let (_, at) = self.search(hash, |at| self.entries.get(at).handle() == handle)?;
        Some(at)
    }

    /// The entry with this handle, which stays as it is.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: u64, handle: &Handle) -> Option<&mut T> {
        let at = self.find(hash, handle)?;
        Some(self.get_mut(at))
    }

    /// Puts in an entry whose handle is not there, of which `hash` is the hash.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, hasher: &HandleHash, entry: T) {
        if (self.len() + 1) * 4 > self.buckets.len() * 3 {
            self.index_again(hasher, buckets_for(self.len() + 1));
        }
        let at = self.entries.push(entry);
        self.enter(hash, at);
    }

    /// Takes out the entry at a place; the last comes there instead. `None` if
    /// there is none.
    pub(crate) fn swap_remove(&mut self, hasher: &HandleHash, at: usize) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        let bucket = self.bucket_of(hasher, at)?;
        self.vacate(hasher, bucket);
        if at != last {
            let bucket = self.bucket_of(hasher, last)?;
            self.buckets[bucket] = self.buckets[bucket] & !self.mask() | at as u32;
        }
        self.entries.swap_remove(at)
    }

    /// Takes out what `wanted` says.
    pub(crate) fn take(&mut self, hasher: &HandleHash, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let count = self.iter().filter(|entry| wanted(entry)).count();
        let mut taken = Vec::with_capacity(count);
        // To index all again costs less than to search for many.
        let many = count > self.len() / 8;
        let mut at = 0;
        while taken.len() < count {
            match (wanted(self.get(at)), many) {
                (false, _) => at += 1,
                (true, true) => taken.extend(self.entries.swap_remove(at)),
                (true, false) => taken.extend(self.swap_remove(hasher, at)),
            }
        }
        // Only far from the number at which it would grow again.
        if many || buckets_for(self.len()) < self.buckets.len() / 2 {
            self.index_again(hasher, buckets_for(self.len()));
        }
        taken
    }

    /// What is allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes() + size_of_val(&*self.buckets)
    }

    /// The bits of a bucket's number.
    fn mask(&self) -> u32 {
        (self.buckets.len() as u32).wrapping_sub(1)
    }

    /// The bucket, and the place in it, of which `is_it` is true among those
    /// that may have this hash.
    #[inline]
    fn search(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        if self.buckets.is_empty() {
            return None;
        }
        let mask = self.mask();
        let mut bucket = hash as u32 & mask;
        // There always is an empty one.
        loop {
            let found = self.buckets[bucket as usize];
            if found == EMPTY {
                return None;
            }
            let at = (found & mask) as usize;
            if found & !mask == high(hash) & !mask && is_it(at) {
                return Some((bucket as usize, at));
            }
            bucket = (bucket + 1) & mask;
        }
    }

    fn bucket_of(&self, hasher: &HandleHash, at: usize) -> Option<usize> {
        let hash = hasher.of(self.get(at).handle());
        let (bucket, _) = self.search(hash, |other| other == at)?;
        Some(bucket)
    }

    fn enter(&mut self, hash: u64, at: usize) {
        let mask = self.mask();
        let mut bucket = hash as u32 & mask;
        while self.buckets[bucket as usize] != EMPTY {
            bucket = (bucket + 1) & mask;
        }
        self.buckets[bucket as usize] = high(hash) & !mask | at as u32;
    }

    /// Empties a bucket. Each behind it, up to the next empty one, moves up
    /// unless it then stood before the bucket where its search begins.
    fn vacate(&mut self, hasher: &HandleHash, bucket: usize) {
        let mask = self.mask();
        let mut hole = bucket as u32;
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let moved = self.buckets[next as usize];
            if moved == EMPTY {
                break;
            }
            let begin = hasher.of(self.get((moved & mask) as usize).handle()) as u32 & mask;
            if next.wrapping_sub(begin) & mask >= next.wrapping_sub(hole) & mask {
                self.buckets[hole as usize] = moved;
                hole = next;
            }
        }
        self.buckets[hole as usize] = EMPTY;
    }

    /// In the order of the entries: there may be thousands, in no cache.
    fn index_again(&mut self, hasher: &HandleHash, buckets: usize) {
        // The old ones go first, so that there are never both.
        self.buckets = Box::default();
        self.buckets = vec![EMPTY; buckets].into();
        for at in 0..self.len() {
            self.enter(hasher.of(self.get(at).handle()), at);
        }
    }
}

/// How many buckets so many entries need; none for none.
fn buckets_for(entries: usize) -> usize {
    match entries {
        0 => 0,
        _ => (entries * 4).div_ceil(3).next_power_of_two().max(BUCKETS_MIN),
    }
}

/// Other bits of a hash than those that say where a search begins.
fn high(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Entry(Handle, u32);

    impl Named for Entry {
        fn handle(&self) -> &Handle {
            &self.0
        }
    }

    fn handle(number: u32) -> Handle {
        Handle::of_blob(&[&number.to_le_bytes()[..], &[7; 60]].concat())
    }

    fn agree(table: &ByHandle<Entry>, plain: &HashMap<Handle, u32>, hasher: &HandleHash) {
        assert_eq!(table.len(), plain.len());
        for number in 0..300 {
            let handle = handle(number);
            let found = table.find(hasher.of(&handle), &handle).map(|at| table.get(at).1);
            assert_eq!(found, plain.get(&handle).copied(), "{number}");
        }
        assert!(table.buckets.len() * 3 >= 4 * table.len());
        let taken = table.buckets.iter().filter(|bucket| **bucket != EMPTY).count();
        assert_eq!(taken, table.len());
    }

    #[test]
    fn it_is_a_map() {
        for seed in 0..50_u32 {
            let hasher = HandleHash::default();
            let (mut table, mut plain) = (ByHandle::<Entry>::default(), HashMap::new());
            let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
            for step in 0..600_u32 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let name = handle(state % 300);
                match table.find(hasher.of(&name), &name) {
                    // Grows to begin with, then goes up and down.
                    Some(at) if step > 200 => {
                        let out = table.swap_remove(&hasher, at).unwrap();
                        assert_eq!(plain.remove(&name), Some(out.1));
                    }
                    Some(at) => table.get_mut(at).1 = *plain.entry(name).insert_entry(step).get(),
                    None => {
                        table.insert(hasher.of(&name), &hasher, Entry(name, step));
                        plain.insert(name, step);
                    }
                }
            }
            agree(&table, &plain, &hasher);
            for part in [20, 3, 2, 1] {
                let mut taken = table.take(&hasher, |entry| entry.1 % part == 0);
                taken.sort_unstable_by_key(|entry| entry.1);
                let mut wanted: Vec<_> = plain.extract_if(|_, step| *step % part == 0).collect();
                wanted.sort_unstable_by_key(|(_, step)| *step);
                assert!(taken.into_iter().map(|Entry(name, step)| (name, step)).eq(wanted));
                agree(&table, &plain, &hasher);
            }
            assert_eq!((table.len(), table.buckets.len()), (0, 0));
        }
    }

    /// All that can go wrong when buckets move up happens where many begin at
    /// the same one, and around the end.
    #[test]
    fn what_begins_at_one_bucket_is_found() {
        let hasher = HandleHash::default();
        let near_end = |at: &Handle| hasher.of(at) as u32 & 31 >= 30;
        let names: Vec<_> = (0..).map(handle).filter(near_end).take(20).collect();
        for out in 0..names.len() {
            let mut table = ByHandle::<Entry>::default();
            for (number, name) in names.iter().enumerate() {
                table.insert(hasher.of(name), &hasher, Entry(*name, number as u32));
            }
            assert_eq!(table.buckets.len(), 32);
            let at = table.find(hasher.of(&names[out]), &names[out]).unwrap();
            assert_eq!(table.swap_remove(&hasher, at).unwrap().0, names[out]);
            for (number, name) in names.iter().enumerate() {
                assert_eq!(table.find(hasher.of(name), name).is_some(), number != out);
            }
        }
    }

    #[test]
    fn nothing_is_in_an_empty_one() {
        let hasher = HandleHash::default();
        let mut table = ByHandle::<Entry>::default();
        assert_eq!(table.find(hasher.of(&handle(1)), &handle(1)), None);
        assert_eq!(table.swap_remove(&hasher, 0), None);
        assert!(table.take(&hasher, |_| true).is_empty());
        assert_eq!(table.bytes(), 0);
    }
}
