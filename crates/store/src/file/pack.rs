//! One file of the log.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use weft_object::{Content, Handle};

use super::compressed::{decompress, is_whole};
use super::home::Home;
use super::location::Location;
use super::record::{HEADER, Header, SMALL_MAX, Sort, StoreId, content_length, digest, number};
use super::version::{self, VERSION};
use crate::StoreError;
use crate::disk::{Access, DiskFile};

/// Where the first record of a pack begins.
pub(crate) const START: u64 = 48;

const MAGIC: &[u8; 8] = b"weftpack";

/// Why a pack exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It is the first of a store.
    Nothing,
    /// The log went on here, when the pack before it ended at this place.
    Log(Location),
    /// A collection copied here what was live of the log up to this place.
    Collection(Location),
}

/// A file of the log. Its records never move and never change.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) follows: Follows,
    /// One of an older version gets no more records.
    pub(crate) version: u32,
    /// Whether its first bytes are what they should be.
    pub(crate) is_sound: bool,
    /// `None` if it is gone; that shows when something is read from it.
    file: Option<Arc<dyn DiskFile>>,
    /// Where its records end, once it gets no more.
    pub(crate) sealed: OnceLock<u64>,
}

impl Pack {
    /// Makes an empty pack; neither it nor its name is durable yet.
    pub(crate) fn create(home: &Home, number: u32, follows: Follows) -> Result<Self, StoreError> {
        let path = home.pack(number);
        // Of an attempt that failed.
        match home.disk.remove(&path) {
            Err(error) if !error.not_found() => return Err(error),
            _ => {}
        }
        let file = home.disk.open(&path, Access::New)?;
        let raw = encode_start(home, number, follows, VERSION);
        if let Err(error) = file.write_at(&raw, 0) {
            let _ = home.disk.remove(&path);
            return Err(StoreError::io("write", path)(error));
        }
        Ok(Self {
            number,
            path,
            follows,
            version: VERSION,
            is_sound: true,
            file: Some(file),
            sealed: OnceLock::new(),
        })
    }

    /// Opens a pack; `None` if it is not there.
    pub(crate) fn open(
        home: &Home,
        number: u32,
        access: Access,
    ) -> Result<Option<Self>, StoreError> {
        let path = home.pack(number);
        let file = match home.disk.open(&path, access) {
            Ok(file) => file,
            Err(error) if error.not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut raw = [0; START as usize];
        match file.read_exact_at(&mut raw, 0) {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                return Err(StoreError::io("read", path)(error));
            }
            _ => {}
        }
        let follows = decode_start(home, number, &raw);
        refuse_other_version(&path, &raw, MAGIC)?;
        Ok(Some(Self {
            number,
            path,
            follows: follows.unwrap_or(Follows::Nothing),
            version: version::stated(&raw),
            is_sound: follows.is_some(),
            file: Some(file),
            sealed: OnceLock::new(),
        }))
    }

    /// Stands for a pack that should be there and is not.
    pub(crate) fn missing(home: &Home, number: u32) -> Self {
        Self {
            number,
            path: home.pack(number),
            follows: Follows::Nothing,
            version: VERSION,
            is_sound: true,
            file: None,
            sealed: OnceLock::new(),
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.file.is_none()
    }

    pub(crate) fn file(&self) -> io::Result<&dyn DiskFile> {
        self.file.as_deref().ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        let write = || self.file()?.write_at(bytes, offset);
        write().map_err(StoreError::io("write", &self.path))
    }

    pub(crate) fn cut(&self, length: u64) -> Result<(), StoreError> {
        let cut = || self.file()?.set_length(length);
        cut().map_err(StoreError::io("cut", &self.path))
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let sync = || self.file()?.sync_data();
        sync().map_err(StoreError::io("sync", &self.path))
    }

    /// The bytes of the file.
    pub(crate) fn length(&self) -> Result<u64, StoreError> {
        let length = || self.file()?.length();
        length().map_err(StoreError::io("read", &self.path))
    }

    /// The record at an offset, if there is a sound one; with its payload,
    /// except for content.
    pub(crate) fn record(
        &self,
        home: &Home,
        offset: u64,
    ) -> Result<Option<(Header, Vec<u8>)>, StoreError> {
        // All relations fit; what is longer is read once more.
        let mut raw = [0; HEADER + 88];
        let mut have = self.read(&mut raw, offset)?;
        let Some(first) = raw[..have].first_chunk::<HEADER>() else { return Ok(None) };
        let Some(header) = Header::parse(first) else { return Ok(None) };
        let at = Location::new(self.number, offset);
        let wanted = HEADER + header.checked();
        if wanted <= raw.len() {
            let payload = &raw[HEADER..have.min(wanted)];
            let sound = header.is_sound(&home.id, at, first, payload);
            return Ok(sound.then(|| (header, payload.to_vec())));
        }
        let mut raw = [0; HEADER + SMALL_MAX];
        have = self.read(&mut raw[..wanted], offset)?;
        let (first, payload) = raw[..have].split_at(HEADER.min(have));
        let sound =
            first.first_chunk().is_some_and(|first| header.is_sound(&home.id, at, first, payload));
        Ok(sound.then(|| (header, payload.to_vec())))
    }

    // As many bytes as there are and fit.
    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<usize, StoreError> {
        let mut read = || {
            let file = self.file()?;
            let mut have = 0;
            while have < bytes.len() {
                match file.read_at(&mut bytes[have..], offset + have as u64) {
                    Ok(0) => break,
                    Ok(read) => have += read,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(have)
        };
        match read() {
            // Of a pack that is gone, nothing is sound.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            read => read.map_err(StoreError::io("read", &self.path)),
        }
    }

    /// What the content record at an offset holds, checked against the handle.
    pub(crate) fn content(
        &self,
        offset: u64,
        handle: &Handle,
        header: &Header,
    ) -> Result<Content, StoreError> {
        let corrupt = || self.corrupt(handle, offset);
        let bytes = self.content_bytes(offset, header).map_err(|error| match error.kind() {
            // The end of the file inside of a record is damage like any other.
            ErrorKind::UnexpectedEof | ErrorKind::NotFound | ErrorKind::InvalidData => corrupt(),
            _ => StoreError::io("read", &self.path)(error),
        })?;
        Content::check(handle, bytes).map_err(|_| corrupt())
    }

    // Of the length that they should have, and not checked.
    fn content_bytes(&self, offset: u64, header: &Header) -> io::Result<Vec<u8>> {
        let bytes = read_payload(self.file()?, offset + HEADER as u64, header.length)?;
        match header.sort {
            Sort::Compressed(handle) => decompress(&bytes, content_length(&handle))
                .ok_or_else(|| ErrorKind::InvalidData.into()),
            _ => Ok(bytes),
        }
    }

    /// Whether the content record at an offset holds this, as far as it can be
    /// read; for what is short. One that is compressed does if it is what was
    /// written.
    pub(crate) fn holds(&self, offset: u64, header: &Header, content: &Content) -> bool {
        let mut raw = [0; 4096];
        let Some(found) = raw.get_mut(..header.length as usize) else { return true };
        match self.file().and_then(|file| file.read_exact_at(found, offset + HEADER as u64)) {
            Ok(()) => {}
            Err(error) => return error.kind() != ErrorKind::UnexpectedEof,
        }
        match content {
            _ if matches!(header.sort, Sort::Compressed(_)) => is_whole(found),
            Content::Blob(blob) => found == blob.bytes(),
            Content::Tree(tree) | Content::Tag(tree) => {
                let entries = tree.entries().iter().map(|entry| &entry.as_bytes()[..]);
                found.chunks_exact(32).eq(entries)
            }
        }
    }

    pub(crate) fn corrupt(&self, handle: &Handle, offset: u64) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), handle: *handle, offset }
    }
}

/// Reads records of a pack from its end to its beginning, many at once where
/// they lie close together.
#[derive(Debug, Default)]
pub(crate) struct Backwards {
    pack: u32,
    from: u64,
    bytes: Vec<u8>,
}

const WINDOW: u64 = 128 * 1024;
const RECORD_MAX: u64 = (HEADER + SMALL_MAX) as u64;

impl Backwards {
    /// As [`Pack::record`].
    pub(crate) fn record(
        &mut self,
        home: &Home,
        pack: &Pack,
        offset: u64,
    ) -> Result<Option<(Header, Vec<u8>)>, StoreError> {
        let inside = self.pack == pack.number
            && offset >= self.from
            && offset + HEADER as u64 <= self.from + self.bytes.len() as u64;
        if !inside {
            let until = offset + RECORD_MAX;
            self.pack = pack.number;
            self.from = until.saturating_sub(WINDOW);
            self.bytes.resize((until - self.from) as usize, 0);
            let have = pack.read(&mut self.bytes, self.from)?;
            self.bytes.truncate(have);
        }
        let bytes = self.bytes.get((offset - self.from) as usize..).unwrap_or(&[]);
        let Some(raw) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let Some(header) = Header::parse(raw) else { return Ok(None) };
        let Some(payload) = bytes.get(HEADER..HEADER + header.checked()) else {
            // It ends where the window does, or the file.
            return pack.record(home, offset);
        };
        let sound = header.is_sound(&home.id, Location::new(pack.number, offset), raw, payload);
        Ok(sound.then(|| (header, payload.to_vec())))
    }
}

/// Which store a pack says that it is of, if its first bytes are sound.
pub(crate) fn id_in(home: &Home, number: u32) -> Result<Option<StoreId>, StoreError> {
    let path = home.pack(number);
    let file = match home.disk.open(&path, Access::Read) {
        Err(error) if error.not_found() => return Ok(None),
        file => file?,
    };
    let mut raw = [0; START as usize];
    match file.read_exact_at(&mut raw, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read.map_err(StoreError::io("read", &path))?,
    }
    refuse_other_version(&path, &raw, MAGIC)?;
    let id = raw[16..32].first_chunk().copied();
    Ok(id.filter(|id| decode_start(&Home { id: *id, ..home.clone() }, number, &raw).is_some()))
}

/// Refuses what a program wrote that knows another version. The first bytes of a
/// file of the store end with a check in each version: where that is not right,
/// the number may be damage as well.
pub(crate) fn refuse_other_version(
    path: &Path,
    start: &[u8],
    magic: &[u8; 8],
) -> Result<(), StoreError> {
    let Some((raw, check)) = start.split_last_chunk::<8>() else { return Ok(()) };
    let found = raw.get(8..12).map_or(VERSION, |raw| number(raw) as u32);
    match raw.starts_with(magic) && !version::is_known(found) && digest(raw) == *check {
        true => Err(StoreError::PartVersion { path: path.into(), found }),
        false => Ok(()),
    }
}

fn encode_start(home: &Home, pack: u32, follows: Follows, version: u32) -> [u8; START as usize] {
    let mut raw = [0; START as usize];
    raw[..8].copy_from_slice(MAGIC);
    raw[8..12].copy_from_slice(&version.to_le_bytes());
    raw[12..15].copy_from_slice(&pack.to_le_bytes()[..3]);
    let (kind, place) = match follows {
        Follows::Nothing => (0, Location::default()),
        Follows::Log(place) => (1, place),
        Follows::Collection(place) => (2, place),
    };
    raw[15] = kind;
    raw[16..32].copy_from_slice(&home.id);
    raw[32..40].copy_from_slice(&place.raw().to_le_bytes());
    let check = digest(&raw[..40]);
    raw[40..].copy_from_slice(&check);
    raw
}

fn decode_start(home: &Home, pack: u32, raw: &[u8; START as usize]) -> Option<Follows> {
    let place = Location::from_raw(number(&raw[32..40]));
    let follows = match raw[15] {
        0 => Follows::Nothing,
        1 => Follows::Log(place),
        2 => Follows::Collection(place),
        _ => return None,
    };
    (*raw == encode_start(home, pack, follows, version::stated(raw))).then_some(follows)
}

/// Reads so many bytes.
///
/// The file may be sparse and claim any length. So memory is asked for, not
/// taken, and only used as bytes come.
pub(crate) fn read_payload(file: &dyn DiskFile, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = usize::try_from(length).map_err(|_| ErrorKind::OutOfMemory)?;
    bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
    while bytes.len() < length {
        let from = bytes.len();
        bytes.resize(length.min(from + PART), 0);
        file.read_exact_at(&mut bytes[from..], offset + from as u64)?;
    }
    Ok(bytes)
}

/// How many bytes are read at once.
pub(crate) const PART: usize = 1 << 20;
