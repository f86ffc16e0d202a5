use std::sync::Arc;

use weft_object::{Blob, Content, Handle, Tree};

use crate::{Failure, FailureKind};

const WORD: &[u8] = b"failure/1";

impl Failure {
    /// The failure as content: the Tree `["failure/1", kind, detail,
    /// application]`, and the Blob of the detail if that is no literal. The
    /// Tree's handle stands for the failure in a stored relation.
    #[must_use]
    pub fn contents(&self) -> (Handle, Vec<(Handle, Content)>) {
        let detail = Blob::new(self.detail.as_bytes().to_vec());
        let detail_handle = detail.handle();
        let kind = Handle::of_blob(self.kind.name().as_bytes());
        let tree = Tree::new([Handle::of_blob(WORD), kind, detail_handle, self.application]);
        let handle = tree.handle();
        (handle, vec![(detail_handle, Content::Blob(detail)), (handle, Content::Tree(tree))])
    }

    /// Reads what [`Failure::contents`] made; `None` if the content is not there
    /// or is something else. `content` is not asked for literals.
    pub fn read(
        handle: Handle,
        mut content: impl FnMut(Handle) -> Option<Content>,
    ) -> Option<Arc<Self>> {
        let tree = content(handle)?.tree()?.clone();
        let [word, kind, detail, application] = tree.entries() else { return None };
        if word.literal_bytes() != Some(WORD) || !application.kind().is_thunk() {
            return None;
        }
        let kind = kind.literal_bytes()?;
        let kind = FailureKind::ALL.into_iter().find(|known| known.name().as_bytes() == kind)?;
        let detail = match detail.literal_bytes() {
            Some(bytes) => bytes.to_vec(),
            None => content(*detail)?.blob()?.bytes().to_vec(),
        };
        let detail = String::from_utf8(detail).ok()?.into();
        Some(Arc::new(Self { kind, detail, application: *application }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_failure_is_read_as_it_was_written() {
        let application = Handle::of_tree(&[]).application().unwrap();
        for kind in FailureKind::ALL {
            for detail in ["short", "longer than what a literal Blob has room for"] {
                let failure = Failure { kind, detail: detail.into(), application };
                let (handle, contents) = failure.contents();
                let stored: HashMap<_, _> = contents.into_iter().collect();
                let read = Failure::read(handle, |handle| stored.get(&handle).cloned());
                assert_eq!(read.as_deref(), Some(&failure));
                assert_eq!(Failure::read(handle, |_| None), None);
            }
        }
    }
}
