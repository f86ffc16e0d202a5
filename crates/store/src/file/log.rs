//! The end of the log: where records are appended.

use std::path::PathBuf;
use std::sync::Arc;

use weft_object::{Content, Handle};

use super::home::Home;
use super::location::Location;
use super::pack::{Follows, Pack, START};
use super::record::{Header, Sort};
use super::state::State;
use super::version::VERSION;
use crate::StoreError;
use crate::disk::DiskFile;

/// What there is, counted as records are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Objects that can be read.
    pub(crate) objects: u64,
    pub(crate) relations: u64,
    /// Objects that can be computed again.
    pub(crate) dropped: u64,
    /// Bytes of records that nothing reads any more.
    pub(crate) dead_bytes: u64,
    /// Bytes of all files of large content.
    pub(crate) large_bytes: u64,
}

impl Counters {
    /// With what has gone and what has come.
    pub(crate) fn changed(&self, gone: &Self, come: &Self) -> Self {
        let change = |now: u64, gone: u64, come: u64| now.saturating_sub(gone) + come;
        Self {
            objects: change(self.objects, gone.objects, come.objects),
            relations: change(self.relations, gone.relations, come.relations),
            dropped: change(self.dropped, gone.dropped, come.dropped),
            dead_bytes: change(self.dead_bytes, gone.dead_bytes, come.dead_bytes),
            large_bytes: change(self.large_bytes, gone.large_bytes, come.large_bytes),
        }
    }
}

/// Where the next record goes, and what was not synced yet.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) pack: Arc<Pack>,
    pub(crate) end: u64,
    /// The number of the next pack, by whomever it is made.
    pub(crate) next_pack: u32,
    /// How many changes there have been, and how many when last synced.
    pub(crate) changes: u64,
    pub(crate) synced: u64,
    /// What reached the disk is not known any more.
    pub(crate) failed: bool,
    pub(crate) unsynced: Unsynced,
    pub(crate) state: Arc<State>,
    pub(crate) counters: Counters,
    /// Bytes appended since the last table was frozen.
    pub(crate) unfrozen_bytes: u64,
    // Kept to be filled again.
    buffer: Vec<u8>,
}

/// What a sync has to see to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsynced {
    /// In the order of the log.
    pub(crate) packs: Vec<Arc<Pack>>,
    /// Whether there is a new name among the packs.
    pub(crate) pack_names: bool,
    /// New files of large content.
    pub(crate) large: Vec<Arc<dyn DiskFile>>,
    /// Directories with new names in them.
    pub(crate) directories: Vec<PathBuf>,
}

impl Tail {
    pub(crate) fn new(pack: Arc<Pack>, end: u64, next_pack: u32) -> Self {
        // What an earlier process wrote may not have been synced.
        let unsynced = Unsynced { packs: vec![pack.clone()], ..Unsynced::default() };
        Self {
            pack,
            end,
            next_pack,
            changes: 1,
            synced: 0,
            failed: false,
            unsynced,
            state: Arc::default(),
            counters: Counters::default(),
            unfrozen_bytes: 0,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn place(&self) -> Location {
        Location::new(self.pack.number, self.end)
    }

    /// Appends by `write`. What was written of a failed attempt is cut off
    /// again, for whole records in it would otherwise be found by the next open.
    ///
    /// Returns also the packs that were begun.
    pub(crate) fn append<T>(
        &mut self,
        home: &Home,
        write: impl FnOnce(&mut Appender<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, Vec<Arc<Pack>>), StoreError> {
        let mut appender = Appender {
            home,
            pack: self.pack.clone(),
            at: self.end,
            next_pack: self.next_pack,
            made: Vec::new(),
            ends: Vec::new(),
            bytes: 0,
            buffer: std::mem::take(&mut self.buffer),
        };
        let result = write(&mut appender).and_then(|value| appender.flush().map(|()| value));
        match result {
            Ok(value) => Ok((value, self.accept(appender))),
            Err(error) => {
                self.failed = self.undo(home, &appender.made).is_err();
                appender.buffer.clear();
                self.buffer = appender.buffer;
                Err(error)
            }
        }
    }

    fn accept(&mut self, appender: Appender<'_>) -> Vec<Arc<Pack>> {
        for (pack, end) in appender.ends {
            let _ = pack.sealed.set(end);
        }
        if self.unsynced.packs.last().is_none_or(|last| last.number != self.pack.number) {
            self.unsynced.packs.push(self.pack.clone());
        }
        self.unsynced.packs.extend(appender.made.iter().cloned());
        self.unsynced.pack_names |= !appender.made.is_empty();
        self.pack = appender.pack;
        self.end = appender.at;
        self.next_pack = appender.next_pack;
        self.unfrozen_bytes += appender.bytes;
        self.changes += 1;
        self.buffer = appender.buffer;
        appender.made
    }

    // Durably, since what is written next may look as if it belonged to what
    // is cut off.
    fn undo(&mut self, home: &Home, made: &[Arc<Pack>]) -> Result<(), StoreError> {
        for pack in made.iter().rev() {
            home.disk.remove(&pack.path)?;
        }
        if !made.is_empty() {
            home.disk.sync_directory(&home.packs())?;
        }
        if self.pack.is_missing() {
            return Ok(());
        }
        self.pack.cut(self.end)?;
        self.pack.sync()
    }
}

/// Writes records at the end of the log, many at once.
pub(crate) struct Appender<'a> {
    home: &'a Home,
    pack: Arc<Pack>,
    // Where the buffer goes.
    at: u64,
    next_pack: u32,
    made: Vec<Arc<Pack>>,
    ends: Vec<(Arc<Pack>, u64)>,
    bytes: u64,
    buffer: Vec<u8>,
}

const BUFFER: usize = 4 << 20;

impl Appender<'_> {
    /// Appends the content of a handle; returns where.
    pub(crate) fn content(
        &mut self,
        handle: Handle,
        content: &Content,
    ) -> Result<Location, StoreError> {
        let header = Header::content(handle);
        match content {
            Content::Blob(blob) => self.record(&header, blob.bytes()),
            Content::Tree(tree) | Content::Tag(tree) => {
                self.begin_record(&header)?;
                let place = self.place();
                self.header(&header, place, &[]);
                for entries in tree.entries().chunks(BUFFER / 32) {
                    for entry in entries {
                        self.buffer.extend_from_slice(entry.as_bytes());
                    }
                    if self.buffer.len() >= BUFFER {
                        self.flush()?;
                    }
                }
                self.end_record(&header, place)
            }
        }
    }

    pub(crate) fn small(&mut self, sort: Sort, payload: &[u8]) -> Result<Location, StoreError> {
        self.record(&Header::new(sort, payload), payload)
    }

    fn record(&mut self, header: &Header, payload: &[u8]) -> Result<Location, StoreError> {
        self.begin_record(header)?;
        let place = self.place();
        self.header(header, place, payload);
        if payload.len() < BUFFER {
            self.buffer.extend_from_slice(payload);
        } else {
            self.flush()?;
            self.pack.write(payload, self.at)?;
            self.at += payload.len() as u64;
        }
        self.end_record(header, place)
    }

    fn header(&mut self, header: &Header, place: Location, payload: &[u8]) {
        self.buffer.extend_from_slice(&header.encode(&self.home.id, place, payload));
    }

    fn begin_record(&mut self, header: &Header) -> Result<(), StoreError> {
        let offset = self.place().offset();
        let full = offset >= self.home.options.pack_bytes_max
            || offset + header.size() > Location::OFFSET_MAX;
        match (full && offset > START) || self.pack.is_missing() || self.pack.version < VERSION {
            true => self.next(),
            false => Ok(()),
        }
    }

    fn end_record(&mut self, header: &Header, place: Location) -> Result<Location, StoreError> {
        let end = header.end(place.offset());
        self.buffer.resize((end - self.at) as usize, 0);
        self.bytes += header.size();
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(place)
    }

    /// Goes on in a new pack.
    pub(crate) fn next(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        if self.next_pack > Location::PACK_MAX {
            return Err(StoreError::io("create", self.home.pack(self.next_pack))(
                std::io::ErrorKind::FileTooLarge.into(),
            ));
        }
        let pack = Pack::create(self.home, self.next_pack, Follows::Log(self.place()))?;
        let pack = Arc::new(pack);
        self.ends.push((self.pack.clone(), self.at));
        self.made.push(pack.clone());
        self.pack = pack;
        self.at = START;
        self.next_pack += 1;
        Ok(())
    }

    fn place(&self) -> Location {
        debug_assert!((self.at + self.buffer.len() as u64).is_multiple_of(8));
        Location::new(self.pack.number, self.at + self.buffer.len() as u64)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if !self.buffer.is_empty() {
            self.pack.write(&self.buffer, self.at)?;
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}
