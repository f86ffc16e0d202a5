//! The file `store`: what the store consists of, and its state up to a place.

use std::sync::Arc;

use super::home::Home;
use super::location::Location;
use super::log::Counters;
use super::record::{HEADER, Header, StoreId, number};
use super::state::State;
use super::version::{self, VERSION};
use crate::StoreError;
use crate::disk::{Access, Disk};

const MAGIC: &[u8; 8] = b"weftstor";
const FIXED: usize = 96;
const CHECK: usize = 32;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// That it had; what is written has this program's.
    pub(crate) version: u32,
    /// Everything before this place of the log is in the runs and the state,
    /// and is durable.
    pub(crate) indexed: Location,
    /// Packs in the order of the log, with the length of those that get no more
    /// records. Packs that the log went on in later are not listed.
    pub(crate) packs: Vec<(u32, Option<u64>)>,
    /// The numbers of runs, the latest last.
    pub(crate) runs: Vec<u32>,
    pub(crate) counters: Counters,
    pub(crate) state: Arc<State>,
}

/// What the first bytes of the file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Known,
    Other(u32),
    Foreign,
}

/// Which version of a store begins like this.
pub(crate) fn read_start(found: &[u8]) -> Start {
    match found.first_chunk::<16>() {
        Some(first) if first.starts_with(MAGIC) => match number(&first[8..12]) as u32 {
            known if version::is_known(known) => Start::Known,
            other => Start::Other(other),
        },
        _ => Start::Foreign,
    }
}

impl Manifest {
    pub(crate) fn encode(&self, id: &StoreId) -> Vec<u8> {
        let mut state = Vec::new();
        for (sort, payload) in self.state.changes() {
            let header = Header::new(sort, &payload);
            state.extend_from_slice(&header.encode(id, Location::default(), &payload));
            state.extend_from_slice(&payload);
            state.resize(state.len().next_multiple_of(8), 0);
        }
        let mut raw = Vec::with_capacity(FIXED + CHECK + state.len());
        raw.extend_from_slice(MAGIC);
        raw.extend_from_slice(&VERSION.to_le_bytes());
        raw.extend_from_slice(&[0; 4]);
        raw.extend_from_slice(id);
        raw.extend_from_slice(&self.indexed.raw().to_le_bytes());
        raw.extend_from_slice(&(self.packs.len() as u32).to_le_bytes());
        raw.extend_from_slice(&(self.runs.len() as u32).to_le_bytes());
        let Counters { objects, relations, dropped, dead_bytes, large_bytes } = self.counters;
        for number in [objects, relations, dropped, dead_bytes, large_bytes, state.len() as u64] {
            raw.extend_from_slice(&number.to_le_bytes());
        }
        for (pack, length) in &self.packs {
            raw.extend_from_slice(&u64::from(*pack).to_le_bytes());
            raw.extend_from_slice(&length.unwrap_or(0).to_le_bytes());
        }
        for run in &self.runs {
            raw.extend_from_slice(&u64::from(*run).to_le_bytes());
        }
        raw.extend_from_slice(&state);
        let check = blake3::hash(&raw);
        raw.extend_from_slice(check.as_bytes());
        raw
    }

    /// `None` if any of it is damaged.
    pub(crate) fn decode(raw: &[u8]) -> Option<(StoreId, Self)> {
        let (body, check) = raw.split_last_chunk::<CHECK>()?;
        if read_start(body) != Start::Known || blake3::hash(body) != *check {
            return None;
        }
        let (fixed, mut rest) = body.split_first_chunk::<FIXED>()?;
        let id = *fixed[16..].first_chunk()?;
        let word = |at: usize| number(&fixed[at..at + 8]);
        let mut take = |bytes: usize| rest.split_off(..bytes);
        let mut packs = Vec::new();
        for _ in 0..number(&fixed[40..44]) {
            let raw = take(16)?;
            let length = Some(number(&raw[8..])).filter(|length| *length != 0);
            packs.push((number_of_file(&raw[..8])?, length));
        }
        let mut runs = Vec::new();
        for _ in 0..number(&fixed[44..48]) {
            runs.push(number_of_file(take(8)?)?);
        }
        let counters = Counters {
            objects: word(48),
            relations: word(56),
            dropped: word(64),
            dead_bytes: word(72),
            large_bytes: word(80),
        };
        let state = decode_state(&id, rest).filter(|_| rest.len() as u64 == word(88))?;
        let indexed = Location::from_raw(word(32));
        let version = version::stated(fixed);
        Some((id, Self { version, indexed, packs, runs, counters, state: Arc::new(state) }))
    }

    /// Whether this is a manifest of a known version but for its first bytes: what
    /// these say is not to be believed then.
    pub(crate) fn has_damaged_start(raw: &[u8]) -> bool {
        let mut mended = raw.to_vec();
        (version::OLDEST..=VERSION).any(|version| {
            let Some(start) = mended.first_chunk_mut::<12>() else { return false };
            start[..8].copy_from_slice(MAGIC);
            start[8..].copy_from_slice(&version.to_le_bytes());
            Self::decode(&mended).is_some()
        })
    }

    /// Puts this in the place of what the file said, durably.
    ///
    /// # Errors
    /// It may or may not have happened: what both need has to stay.
    pub(crate) fn write(&self, home: &Home) -> Result<u64, StoreError> {
        let raw = self.encode(&home.id);
        replace(&*home.disk, home, &raw)?;
        Ok(raw.len() as u64)
    }
}

fn replace(disk: &dyn Disk, home: &Home, raw: &[u8]) -> Result<(), StoreError> {
    let new = home.directory.join("store.new");
    match disk.remove(&new) {
        Err(error) if !error.not_found() => return Err(error),
        _ => {}
    }
    let file = disk.open(&new, Access::New)?;
    file.write_at(raw, 0).map_err(StoreError::io("write", &new))?;
    file.sync_data().map_err(StoreError::io("sync", &new))?;
    disk.rename(&new, &home.manifest())?;
    disk.sync_directory(&home.directory)
}

fn number_of_file(raw: &[u8]) -> Option<u32> {
    u32::try_from(number(raw)).ok().filter(|number| (1..=Location::PACK_MAX).contains(number))
}

fn decode_state(id: &StoreId, mut rest: &[u8]) -> Option<State> {
    let mut state = State::default();
    while !rest.is_empty() {
        let raw = rest.split_off(..HEADER)?.first_chunk()?;
        let header = Header::parse(raw)?;
        let payload = rest.split_off(..header.length as usize)?;
        rest.split_off(..(header.size() - header.length) as usize - HEADER)?;
        let sound = header.is_sound(id, Location::default(), raw, payload);
        if !sound || !state.apply(&header.sort, payload) {
            return None;
        }
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use weft_object::Handle;

    use super::*;
    use crate::{Finder, Label, Outcome, Pin, Run, file::state};

    fn example() -> Manifest {
        let one = Handle::of_tree(&[]);
        let run = |label: Option<&str>| Run {
            request: one,
            outcome: Outcome::Failure(Handle::of_u64(3)),
            label: label.map(|text| Label::new(text).unwrap()),
            at_ms: 5,
            took_ns: 6,
            applied: 7,
        };
        let mut state = State::default();
        let changes = [
            state::set_label(&Label::new("main").unwrap(), Some(one)),
            state::pin(&Pin { handle: one, until_s: None }),
            state::pin(&Pin { handle: Handle::of_u64(2), until_s: Some(99) }),
            state::finder(&Finder { text: "weft 1 wasmtime 48".into(), here: true }),
            state::finder(&Finder { text: "a file".into(), here: false }),
            state::run(&run(None)),
            state::run(&run(Some("main"))),
            state::budget(Some(1 << 40)),
        ];
        for (sort, payload) in &changes {
            assert!(state.apply(sort, payload));
        }
        Manifest {
            version: VERSION,
            indexed: Location::new(4, 4800),
            packs: vec![(1, Some(300)), (7, Some(96)), (4, None)],
            runs: vec![9, 12],
            counters: Counters {
                objects: 1,
                relations: 2,
                dropped: 3,
                dead_bytes: 4,
                large_bytes: 5,
            },
            state: Arc::new(state),
        }
    }

    #[test]
    fn a_manifest_says_what_was_written() {
        let manifest = example();
        let raw = manifest.encode(&[3; 16]);
        assert_eq!(Manifest::decode(&raw), Some(([3; 16], manifest)));
    }

    #[test]
    fn nothing_of_a_changed_manifest_is_believed() {
        let raw = example().encode(&[3; 16]);
        for at in 0..raw.len() {
            let mut other = raw.clone();
            other[at] ^= 1 << (at % 8);
            assert_eq!(Manifest::decode(&other), None, "byte {at}");
            assert_eq!(Manifest::decode(&raw[..at]), None, "cut at {at}");
        }
        assert_eq!(read_start(b"weftstor\x01\0\0\0\0\0\0\0"), Start::Other(1));
        assert_eq!(read_start(b"weftstor"), Start::Foreign);
    }
}
