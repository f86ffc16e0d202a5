//! Directories that go away with the test, and content to put.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use weft_object::{Blob, Handle, Tree};
use weft_store::Content;

/// A directory of its own for one test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weft-store-{}-{count}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn blob(text: &str) -> (Handle, Content) {
    let content = Content::Blob(Blob::new(text.as_bytes().to_vec()));
    (content.handle(), content)
}

pub(crate) fn long(number: usize) -> (Handle, Content) {
    blob(&format!("{number}: more than thirty bytes, so not a literal"))
}

pub(crate) fn tree(entries: &[Handle]) -> (Handle, Content) {
    let content = Content::Tree(Tree::new(entries));
    (content.handle(), content)
}
