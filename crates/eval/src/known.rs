use crate::key::KeyMap;
use crate::{Key, Outcome};

/// What is known of some keys.
///
/// Nearly always of one or two, in each of a million nodes, and sometimes of a
/// million in one node.
#[derive(Clone, Debug, Default)]
pub struct Known {
    few: Vec<(Key, Outcome)>,
    /// All of them, once they are too many to look through.
    many: Option<Box<KeyMap<Outcome>>>,
}

/// Up to this many are looked through one by one.
const FEW: usize = 8;

impl Known {
    /// How many keys something is known of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.many.as_ref().map_or(self.few.len(), |many| many.len())
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of a key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Outcome> {
        match &self.many {
            Some(many) => many.get(key),
            None => self.few.iter().find(|(other, _)| other == key).map(|(_, outcome)| outcome),
        }
    }

    /// Notes an outcome; the one that was known before is returned.
    pub fn insert(&mut self, key: Key, outcome: Outcome) -> Option<Outcome> {
        if let Some(many) = &mut self.many {
            return many.insert(key, outcome);
        }
        if let Some((_, known)) = self.few.iter_mut().find(|(other, _)| *other == key) {
            return Some(std::mem::replace(known, outcome));
        }
        if self.few.len() < FEW {
            self.few.reserve_exact(1);
            self.few.push((key, outcome));
        } else {
            let few = std::mem::take(&mut self.few);
            self.many = Some(Box::new(few.into_iter().chain([(key, outcome)]).collect()));
        }
        None
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(many) = &mut self.many {
            many.remove(key);
        } else {
            self.few.retain(|(other, _)| other != key);
        }
    }

    /// Everything that is known, in no order.
    pub fn values(&self) -> impl Iterator<Item = &Outcome> {
        let many = self.many.iter().flat_map(|many| many.values());
        self.few.iter().map(|(_, outcome)| outcome).chain(many)
    }
}

#[cfg(test)]
mod tests {
    use weft_object::Handle;

    use super::*;

    #[test]
    fn few_and_many_are_known_alike() {
        let key = |n| Key::Apply(Handle::of_u64(n));
        let value = |n| Outcome::Value(Handle::of_u64(n));
        for count in [0, 1, FEW as u64, FEW as u64 + 1, 100] {
            let mut known = Known::default();
            for n in 0..count {
                assert_eq!(known.insert(key(n), value(n)), None);
                assert_eq!(known.insert(key(n), value(n + 1)), Some(value(n)));
            }
            assert_eq!((known.len() as u64, known.is_empty()), (count, count == 0));
            assert_eq!(known.values().count() as u64, count);
            for n in 0..count {
                assert_eq!(known.get(&key(n)), Some(&value(n + 1)));
                known.remove(&key(n));
                assert_eq!(known.get(&key(n)), None);
            }
            assert!(known.is_empty());
            assert_eq!(known.insert(key(7), value(7)), None);
            assert_eq!(known.get(&key(7)), Some(&value(7)));
        }
    }
}
