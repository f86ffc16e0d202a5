use std::fs::Metadata;
use std::time::{SystemTime, UNIX_EPOCH};

use weft_object::Handle;

const MAGIC: &[u8; 32] = b"weft artifact 2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What an artifact is.
///
/// | bytes | |
/// |---|---|
/// | 0..32 | `weft artifact 2`, filled with zeros |
/// | 32..64 | Handle of the module |
/// | 64..96 | Handle of what compiler, target and settings hash to |
/// | 96..128 | Handle of the artifact as a Blob: its checksum |
/// | 128..160 | the [`Stamp`] of the artifact's file when it was last read and found sound, or zeros |
/// | 160.. | what was found out about the module |
/// | the last 32 | Handle of all before as a Blob |
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) module: Handle,
    pub(super) settings: Handle,
    pub(super) checksum: Handle,
    pub(super) stamp: Option<Stamp>,
    pub(super) about: Vec<u8>,
}

impl Seal {
    pub(super) const MAX_BYTES: u64 = 4096;

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for handle in [&self.module, &self.settings, &self.checksum] {
            bytes.extend_from_slice(handle.as_bytes());
        }
        let stamp = self.stamp.map_or([0; 4], |stamp| stamp.numbers());
        stamp.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&self.about);
        let check = Handle::of_blob(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    /// A sound seal of a module under some settings.
    pub(super) fn decode(bytes: &[u8], module: &Handle, settings: &Handle) -> Option<Self> {
        let (bytes, check) = bytes.split_last_chunk::<32>()?;
        let (head, about) = bytes.split_at_checked(160)?;
        let (named, rest) = head.split_at(96);
        let (checksum, stamp) = rest.split_at(32);
        let expected = [&MAGIC[..], module.as_bytes(), settings.as_bytes()].concat();
        if Handle::of_blob(bytes).as_bytes() != check || named != expected {
            return None;
        }
        Some(Self {
            module: *module,
            settings: *settings,
            checksum: Handle::decode(checksum.try_into().ok()?).ok()?,
            stamp: Stamp::decode(stamp),
            about: about.to_vec(),
        })
    }
}

/// By what a file is known to be as it was: any write to it changes this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// In bytes.
    pub(super) length: u64,
    modified_ns: u64,
    changed_ns: u64,
    inode: u64,
}

/// A file system's clock may stand still for so long: what was written within
/// that time after a stamp was taken could bear the same one.
const TICK_NS: u64 = 20_000_000;

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|at: SystemTime| at.duration_since(UNIX_EPOCH).ok());
        let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        let (changed_ns, inode) = changed(metadata);
        Self { length: metadata.len(), modified_ns, changed_ns, inode }
    }

    /// Whether the file was not written to while the other one was, nor
    /// shortly before.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        self.changed_ns != 0 && self.changed_ns.saturating_add(TICK_NS) < other.changed_ns
    }

    fn numbers(&self) -> [u64; 4] {
        [self.length, self.modified_ns, self.changed_ns, self.inode]
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|raw| u64::from_le_bytes(*raw));
        let mut next = || numbers.next();
        let (length, modified_ns, changed_ns, inode) = (next()?, next()?, next()?, next()?);
        (changed_ns != 0).then_some(Self { length, modified_ns, changed_ns, inode })
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let ns = u64::try_from(metadata.ctime()).ok().and_then(|s| s.checked_mul(1_000_000_000));
    let ns = ns.and_then(|ns| ns.checked_add(u64::try_from(metadata.ctime_nsec()).ok()?));
    (ns.unwrap_or(0), metadata.ino())
}

/// Nothing tells that a file has changed: so it is read.
#[cfg(not(unix))]
fn changed(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(stamp: Option<Stamp>) -> Seal {
        let [module, settings, checksum] = [1u8, 2, 3].map(|n| Handle::of_blob(&[n; 99]));
        Seal { module, settings, checksum, stamp, about: vec![7; 20] }
    }

    #[test]
    fn it_comes_back_or_is_refused() {
        let stamp = Stamp { length: 5, modified_ns: 6, changed_ns: 7, inode: 8 };
        for seal in [seal(None), seal(Some(stamp))] {
            let bytes = seal.encode();
            let decode = |bytes: &[u8]| Seal::decode(bytes, &seal.module, &seal.settings);
            assert_eq!(decode(&bytes).as_ref(), Some(&seal));
            assert_eq!(Seal::decode(&bytes, &seal.settings, &seal.module), None);
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                assert_eq!(decode(&flipped), None, "byte {at}");
                assert_eq!(decode(&bytes[..at]), None, "{at} bytes");
            }
        }
    }

    #[test]
    fn what_was_just_written_is_not_known_by_its_stamp() {
        let at = |changed_ns| Stamp { length: 5, modified_ns: 6, changed_ns, inode: 8 };
        assert!(at(1).is_older_than(&at(2 + TICK_NS)));
        assert!(!at(1).is_older_than(&at(1 + TICK_NS)));
        // Where there is no such time.
        assert!(!at(0).is_older_than(&at(2 + TICK_NS)));
    }
}
