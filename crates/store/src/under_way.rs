//! What is being found out at this moment. Names no lock, so that the tests of
//! who joins whom can have a schedule checker's around it.

use weft_object::Handle;

/// Keys that somebody is finding out, and of each whether somebody else waits
/// for that: one or two for each thread, so they are looked through.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Vec<(Handle, bool)>);

impl UnderWay {
    /// Whether nobody was at it; then the caller is. Else, with `watch`, whoever
    /// is will hear that somebody waits.
    #[inline]
    pub(crate) fn begin(&mut self, key: &Handle, watch: bool) -> bool {
        match self.0.iter_mut().find(|(begun, _)| begun == key) {
            Some((_, watched)) => {
                *watched |= watch;
                false
            }
            None => {
                self.0.push((*key, false));
                true
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
