//! Which versions of a store there are.

use super::record::number;

/// The one that this program writes.
pub(crate) const VERSION: u32 = 3;

/// The oldest that it reads. In a store of version 2, or a part of one, nothing
/// is compressed, and all else is the same. So what was written stays as it is;
/// the first that opens such a store for writing makes it one of this version.
pub(crate) const OLDEST: u32 = 2;

pub(crate) fn is_known(version: u32) -> bool {
    (OLDEST..=VERSION).contains(&version)
}

/// What the first bytes of a file say that may be encoded again to be compared:
/// of what is not known, this version.
pub(crate) fn stated(start: &[u8]) -> u32 {
    let found = start.get(8..12).map_or(VERSION, |raw| number(raw) as u32);
    if is_known(found) { found } else { VERSION }
}
