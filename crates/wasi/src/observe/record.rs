use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Answer, Asked, Observation, Question};
use crate::fs::Origin;

/// Beyond this many questions, or bytes of paths in them, a run is known by its
/// exact inputs alone: somebody who asks for a million names that do not exist
/// should not fill the memory, nor the store.
pub(super) const QUESTIONS_MAX: usize = 1 << 16;
const BYTES_MAX: usize = 16 << 20;

/// Collects observations as they are made, each only if it is news.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The most that was asked of a place, and of its names apart.
    known: BTreeMap<(u16, Arc<[u8]>, bool), Question>,
    observations: Vec<Observation>,
    bytes: usize,
    overflown: bool,
}

impl Observed {
    pub(crate) fn note(&mut self, origin: &Origin, answer: Answer) {
        if self.overflown {
            return;
        }
        let Ok(preopen) = u16::try_from(origin.preopen) else { return self.overflow() };
        let path = &origin.path;
        let question = answer.question();
        let most = self.known.entry((preopen, path.clone(), question == Question::Listing));
        let mut is_news = false;
        let most = most.or_insert_with(|| {
            is_news = true;
            question
        });
        if is_news || question > *most {
            *most = question;
            self.bytes += path.len();
            let asked = Asked { preopen, path: path.clone(), question };
            self.observations.push(Observation { asked, answer });
            if self.observations.len() > QUESTIONS_MAX || self.bytes > BYTES_MAX {
                self.overflow();
            }
        }
    }

    fn overflow(&mut self) {
        *self = Self { overflown: true, ..Self::default() };
    }

    /// The preopened directories of which something was asked; `None` if that is not
    /// known any more.
    pub(crate) fn looked_at(&self) -> Option<BTreeSet<usize>> {
        let looked = self.known.keys().map(|(preopen, ..)| usize::from(*preopen));
        (!self.overflown).then(|| looked.collect())
    }

    /// All of them, the first first; `None` if they were too many to keep.
    pub(crate) fn into_list(self) -> Option<Vec<Observation>> {
        (!self.overflown).then_some(self.observations)
    }
}
