use std::fs::{File, TryLockError};
use std::path::PathBuf;

use crate::compiling::Counts;

/// The right to compile a module, among processes.
#[derive(Debug)]
pub(crate) struct Turn {
    path: PathBuf,
    // Locked while this is there; a process that ends leaves it unlocked.
    _file: File,
}

impl Turn {
    /// `None` if there can be no lock: then some may do the same work twice.
    pub(super) fn wait(path: PathBuf, compiling: &Counts) -> Option<Self> {
        loop {
            let file = super::create_or_open(&path).ok()?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => compiling.elsewhere(|| file.lock()).ok()?,
                Err(TryLockError::Error(_)) => return None,
            }
            // Whoever had it has removed it, and another one may be there.
            if is_at(&file, &path) {
                return Some(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // While it is locked, so that nobody takes what is no longer there for
        // the lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let name = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let ours = file.metadata().map(name).ok();
    ours.is_some() && ours == std::fs::symlink_metadata(path).map(name).ok()
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &std::path::Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compiling::Compiling;

    #[test]
    fn who_waits_for_another_is_counted() {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("weft-turn-{}.lock", std::process::id()));
        let counts = Arc::<Counts>::default();
        let first = Turn::wait(path.clone(), &counts).unwrap();
        assert_eq!(counts.now(), Compiling::default());
        let second = std::thread::spawn({
            let (path, counts) = (path.clone(), counts.clone());
            move || Turn::wait(path, &counts).is_some()
        });
        while counts.now().elsewhere == 0 {
            assert!(!second.is_finished(), "it has not waited");
            std::thread::yield_now();
        }
        drop(first);
        assert!(second.join().unwrap());
        assert_eq!(counts.now(), Compiling::default());
        assert!(!path.exists());
    }
}
