use weft_object::{Content, Handle};
use weft_store::{Backend, Relation, StoreError};

/// What an explanation reads: a backend, or something that knows more.
pub trait Source {
    /// The content of a handle, if it is there.
    ///
    /// # Errors
    /// It cannot be read.
    fn content(&self, handle: &Handle) -> Result<Option<Content>, StoreError>;

    /// What is known under a key.
    ///
    /// # Errors
    /// It cannot be read.
    fn known(&self, key: &Handle) -> Result<Option<Relation>, StoreError>;
}

impl<B: Backend + ?Sized> Source for B {
    fn content(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.get(&handle.content())
    }

    fn known(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        Backend::relation(self, key)
    }
}
