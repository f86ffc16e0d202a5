//! What is being found out at this moment. Names no lock, so that the tests of
//! who joins whom can have a schedule checker's around it.

use weft_object::Handle;

/// What came of a look at a key by who would find it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun<T> {
    /// It is known.
    Known(T),
    /// It is not, and the caller is the one to find it out.
    New,
    /// Somebody has begun to find it out and has not ended.
    Elsewhere,
}

/// Keys that somebody is finding out, and of each whether somebody else waits
/// for that: one or two for each thread, so they are looked through.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Vec<(Handle, bool)>);

impl UnderWay {
    /// What is known, or the sole right to find it out; with `watch`, whoever has
    /// that will hear that somebody waits.
    ///
    /// # Contract
    /// What is known is looked up behind the lock that these are behind, and entered
    /// behind it with the end; else what has just been found out is found out again.
    #[inline]
    pub(crate) fn begin<T>(
        &mut self,
        key: &Handle,
        watch: bool,
        known: impl FnOnce() -> Option<T>,
    ) -> Begun<T> {
        if let Some(known) = known() {
            return Begun::Known(known);
        }
        match self.0.iter_mut().find(|(begun, _)| begun == key) {
            Some((_, watched)) => {
                *watched |= watch;
                Begun::Elsewhere
            }
            None => {
                self.0.push((*key, false));
                Begun::New
            }
        }
    }

    /// The caller is not at it any more; whether somebody waits for that.
    #[inline]
    pub(crate) fn end(&mut self, key: &Handle) -> bool {
        let at = self.0.iter().position(|(begun, _)| begun == key);
        at.is_some_and(|at| self.0.swap_remove(at).1)
    }
}
