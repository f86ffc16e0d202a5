//! How far the log was synced, noted beside the log.
//!
//! A log that was cut short ends like one that a crash has left: nothing in it
//! says that there was more. So each sync notes here how far it came. The note
//! itself is not synced: it is written after what it speaks of is durable, so
//! whatever can be read of it is true; if it is lost, less is known.

use std::sync::Arc;

use super::Mode;
use super::home::Home;
use super::location::Location;
use super::pack::START;
use super::record::{digest, number};
use super::version::{self, VERSION};
use crate::StoreError;
use crate::disk::{Access, DiskFile};
use crate::sync::Mutex;

const MAGIC: &[u8; 8] = b"weftsync";
const LENGTH: usize = 48;

/// The file `synced`, kept open by who writes.
#[derive(Debug, Default)]
pub(crate) struct Synced(Mutex<Option<Arc<dyn DiskFile>>>);

/// What the file says, if there is one and it is of this store; and the file.
///
/// # Errors
/// It is no file of a store, or cannot be read.
pub(crate) fn read(home: &Home, mode: Mode) -> Result<(Synced, Option<Location>), StoreError> {
    let path = home.synced();
    let access = if mode == Mode::Write { Access::Write } else { Access::Read };
    let file = match home.disk.open(&path, access) {
        Err(error) if error.not_found() => return Ok((Synced::default(), None)),
        file => file?,
    };
    let mut raw = [0; LENGTH];
    let said = match file.read_exact_at(&mut raw, 0) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
        read => {
            read.map_err(StoreError::io("read", path))?;
            decode(home, &raw)
        }
    };
    Ok((Synced(Mutex::new(Some(file))), said))
}

impl Synced {
    /// Notes that everything before a place is durable.
    ///
    /// # Errors
    /// It cannot be written; then less is known, and nothing is wrong.
    pub(crate) fn note(&self, home: &Home, until: Location) -> Result<(), StoreError> {
        let mut known = self.0.lock();
        let file = match &*known {
            Some(file) => file.clone(),
            None => known.insert(home.disk.open(&home.synced(), Access::New)?).clone(),
        };
        file.write_at(&encode(home, until, VERSION), 0)
            .map_err(StoreError::io("write", home.synced()))
    }

    /// Makes what was read durable.
    pub(crate) fn keep(&self, home: &Home) -> Result<(), StoreError> {
        if let Some(file) = &*self.0.lock() {
            file.sync_data().map_err(StoreError::io("sync", home.synced()))?;
        }
        home.disk.sync_directory(&home.directory)
    }
}

fn encode(home: &Home, until: Location, version: u32) -> [u8; LENGTH] {
    let mut raw = [0; LENGTH];
    raw[..8].copy_from_slice(MAGIC);
    raw[8..12].copy_from_slice(&version.to_le_bytes());
    raw[16..32].copy_from_slice(&home.id);
    raw[32..40].copy_from_slice(&until.raw().to_le_bytes());
    let check = digest(&raw[..40]);
    raw[40..].copy_from_slice(&check);
    raw
}

fn decode(home: &Home, raw: &[u8; LENGTH]) -> Option<Location> {
    let until = Location::from_raw(number(&raw[32..40]));
    let is_place = until.offset() >= START && until.offset().is_multiple_of(8);
    let sound = is_place && *raw == encode(home, until, version::stated(raw));
    sound.then_some(until)
}
