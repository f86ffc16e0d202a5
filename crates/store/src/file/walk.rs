//! From the bytes of packs to the records in them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use weft_object::{Handle, Kind};

use super::home::Home;
use super::large;
use super::location::Location;
use super::pack::{PART, Pack};
use super::record::{HEADER, Header, SMALL_MAX, Sort, content_length};
use crate::StoreError;
use crate::disk::DiskFile;

/// A part of a pack that was durable once and is no record any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The pack.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A record; with its payload, except for content.
    Record(Header, Vec<u8>),
    /// So many bytes that are none.
    Damage(u64),
}

/// Goes through the records of one pack. Payloads of content are not looked at.
///
/// What is no record is skipped up to the next one, in steps of 8. Where none
/// follows, the walk is at its end.
pub(crate) struct Walk<'a> {
    home: &'a Home,
    pack: &'a Pack,
    window: Window,
    at: u64,
    length: u64,
}

impl<'a> Walk<'a> {
    /// From an offset at which a record begins, up to this length of the file.
    pub(crate) fn new(home: &'a Home, pack: &'a Pack, from: u64, length: u64) -> Self {
        Self { home, pack, window: Window::default(), at: from, length }
    }

    /// Where the next record would begin.
    pub(crate) fn offset(&self) -> u64 {
        self.at
    }

    /// The next record or damaged part, and its offset.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than was said.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Item)>, StoreError> {
        self.step().map_err(StoreError::io("read", &self.pack.path))
    }

    fn step(&mut self) -> io::Result<Option<(u64, Item)>> {
        let from = self.at;
        if let Some((header, payload)) = self.record(from)? {
            self.at = header.end(from);
            return Ok(Some((from, Item::Record(header, payload))));
        }
        let mut next = from + 8;
        while next + HEADER as u64 <= self.length {
            if self.record(next)?.is_some() {
                self.at = next;
                return Ok(Some((from, Item::Damage(next - from))));
            }
            next += 8;
        }
        Ok(None)
    }

    // The whole record that begins here, if one does.
    fn record(&mut self, at: u64) -> io::Result<Option<(Header, Vec<u8>)>> {
        let bytes = self.window.bytes(self.pack, at, self.length)?;
        let Some(raw) = bytes.first_chunk() else { return Ok(None) };
        let Some(header) = Header::parse(raw) else { return Ok(None) };
        if header.end(at) > self.length {
            return Ok(None);
        }
        let payload = &bytes[HEADER..HEADER + header.checked()];
        let place = Location::new(self.pack.number, at);
        let sound = header.is_sound(&self.home.id, place, raw, payload);
        Ok(sound.then(|| (header, payload.to_vec())))
    }
}

/// Bytes of a pack, read many at once where records lie close together.
#[derive(Default)]
struct Window {
    from: u64,
    bytes: Vec<u8>,
}

const WINDOW: u64 = 128 * 1024;
const RECORD_MAX: u64 = (HEADER + SMALL_MAX) as u64;

impl Window {
    /// As many bytes from an offset on as the longest checked record has, or
    /// up to the end.
    fn bytes(&mut self, pack: &Pack, at: u64, length: u64) -> io::Result<&[u8]> {
        let wanted = RECORD_MAX.min(length.saturating_sub(at));
        if wanted == 0 {
            return Ok(&[]);
        }
        let inside = at >= self.from && at + wanted <= self.from + self.bytes.len() as u64;
        if !inside {
            self.bytes.resize(WINDOW.min(length - at) as usize, 0);
            pack.file()?.read_exact_at(&mut self.bytes, at)?;
            self.from = at;
        }
        let from = (at - self.from) as usize;
        Ok(&self.bytes[from..from + wanted as usize])
    }
}

/// What a replay found beside records.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) damage: Vec<Damage>,
    /// Where the sound records end: the place of the pack among those given,
    /// and the offset in it. What follows was never acknowledged.
    pub(crate) end: (usize, u64),
    /// Sound content in files of their own that nothing says was synced.
    pub(crate) unsynced_large: Vec<Handle>,
}

/// Takes each record of one log, in order.
pub(crate) type Keep<'a> = dyn FnMut(Location, &Header, &[u8]) -> Result<(), StoreError> + 'a;

/// Goes through the log from a place on, and gives what is to be kept of it to
/// `keep`: records that were synced, as they are, and of what came after the
/// last sync everything before the first that is not sound. A crash may have
/// kept any part of those, so of those content is verified.
///
/// All before `durable` is known to have been synced, and what of that is beyond
/// the end of a pack is damage. Of a pack that is missing nothing is said.
/// Places are pairs as in [`Replayed::end`]. Time and memory are linear in the length of the packs,
/// whatever they hold.
pub(crate) fn replay(
    home: &Home,
    packs: &[Arc<Pack>],
    from: (usize, u64),
    durable: (usize, u64),
    keep: &mut Keep<'_>,
) -> Result<Replayed, StoreError> {
    let (unsynced, damage) = (VecDeque::new(), Vec::new());
    let mut replay = Replay { home, packs, known: durable, durable, unsynced, damage };
    let mut end = from;
    for (place, pack) in packs.iter().enumerate().skip(from.0) {
        let start = if place == from.0 { from.1 } else { super::pack::START };
        end = (place, replay.pack(place, pack, start, keep)?);
    }
    let mut cut = None;
    let mut unsynced_large = Vec::new();
    while let Some((at, item)) = replay.unsynced.pop_front() {
        if !replay.is_sound(at, &item)? {
            cut = Some(at);
            break;
        }
        if let Item::Record(Header { sort: Sort::Large(handle), .. }, _) = item {
            unsynced_large.push(handle);
        }
        replay.keep(at, &item, keep)?;
    }
    Ok(Replayed { damage: replay.damage, end: cut.unwrap_or(end), unsynced_large })
}

struct Replay<'a> {
    home: &'a Home,
    packs: &'a [Arc<Pack>],
    // What was known before, and what is known now.
    known: (usize, u64),
    durable: (usize, u64),
    // Taken from the front: a commit may cover but one of many.
    unsynced: VecDeque<((usize, u64), Item)>,
    damage: Vec<Damage>,
}

impl Replay<'_> {
    /// Returns where the records of the pack end.
    fn pack(
        &mut self,
        place: usize,
        pack: &Pack,
        from: u64,
        keep: &mut Keep<'_>,
    ) -> Result<u64, StoreError> {
        let sealed = pack.sealed.get().copied();
        let known = (place == self.known.0).then_some(self.known.1);
        let wanted = sealed.or(known.filter(|known| *known <= Location::OFFSET_MAX)).unwrap_or(0);
        if pack.is_missing() {
            return Ok(wanted.max(from));
        }
        let there = pack.length()?;
        let length = sealed.map_or(there, |sealed| sealed.min(there));
        let mut walk = Walk::new(self.home, pack, from, length);
        while let Some((offset, item)) = walk.next()? {
            if let Item::Record(Header { sort: Sort::Commit(until), .. }, _) = item {
                self.commit(until, keep)?;
            }
            self.take((place, offset), item, keep)?;
        }
        let end = walk.offset();
        if wanted > end {
            self.take((place, end), Item::Damage(wanted - end), keep)?;
        }
        Ok(end.max(wanted))
    }

    fn take(
        &mut self,
        at: (usize, u64),
        item: Item,
        keep: &mut Keep<'_>,
    ) -> Result<(), StoreError> {
        self.unsynced.push_back((at, item));
        self.keep_durable(keep)
    }

    fn commit(&mut self, until: Location, keep: &mut Keep<'_>) -> Result<(), StoreError> {
        let pack = self.packs.iter().position(|pack| pack.number == until.pack());
        let Some(pack) = pack else { return Ok(()) };
        self.durable = self.durable.max((pack, until.offset()));
        self.keep_durable(keep)
    }

    fn keep_durable(&mut self, keep: &mut Keep<'_>) -> Result<(), StoreError> {
        while let Some((at, mut item)) = self.unsynced.pop_front_if(|(at, _)| *at < self.durable) {
            // What follows was not durable yet and may be torn.
            if let Item::Damage(length) = &mut item
                && at.0 == self.durable.0
                && *length > self.durable.1 - at.1
            {
                let more = at.1 + *length - self.durable.1;
                *length = self.durable.1 - at.1;
                self.unsynced.push_front((self.durable, Item::Damage(more)));
            }
            self.keep(at, &item, keep)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        (place, offset): (usize, u64),
        item: &Item,
        keep: &mut Keep<'_>,
    ) -> Result<(), StoreError> {
        let pack = &self.packs[place];
        match item {
            Item::Record(header, payload) => {
                keep(Location::new(pack.number, offset), header, payload)
            }
            Item::Damage(length) => {
                self.damage.push(Damage { path: pack.path.clone(), offset, length: *length });
                Ok(())
            }
        }
    }

    fn is_sound(&self, (place, offset): (usize, u64), item: &Item) -> Result<bool, StoreError> {
        let pack = &self.packs[place];
        match item {
            Item::Damage(_) => Ok(false),
            Item::Record(header, _) if let Some(handle) = header.sort.content() => {
                content_is_sound(pack, offset, &handle, header)
            }
            Item::Record(Header { sort: Sort::Large(handle), .. }, _) => {
                large::is_sound(self.home, handle)
            }
            Item::Record(..) => Ok(true),
        }
    }
}

/// Whether what a content record holds is what its handle names; without holding
/// a long Blob.
pub(crate) fn content_is_sound(
    pack: &Pack,
    offset: u64,
    handle: &Handle,
    header: &Header,
) -> Result<bool, StoreError> {
    if handle.kind() != Kind::Blob || matches!(header.sort, Sort::Compressed(_)) {
        return match pack.content(offset, handle, header) {
            Ok(_) => Ok(true),
            Err(StoreError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        };
    }
    let sound = || blob_is_sound(pack.file()?, offset + HEADER as u64, handle);
    match sound() {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        sound => sound.map_err(StoreError::io("read", &pack.path)),
    }
}

/// Whether the bytes of a file from an offset on are a Blob's.
///
/// # Errors
/// They cannot be read, or there are fewer.
pub(crate) fn blob_is_sound(file: &dyn DiskFile, from: u64, handle: &Handle) -> io::Result<bool> {
    let length = content_length(handle);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; length.min(PART as u64) as usize];
    let mut done = 0;
    while done < length {
        let part = (length - done).min(buffer.len() as u64) as usize;
        file.read_exact_at(&mut buffer[..part], from + done)?;
        hasher.update(&buffer[..part]);
        done += part as u64;
    }
    Ok(Handle::of_blob_digest(hasher.finalize().as_bytes(), length) == Some(*handle))
}
