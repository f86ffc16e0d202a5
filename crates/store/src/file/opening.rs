//! Making a store, and from its files to an open one.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::broken::Broken;
use super::home::{Home, Options, numbers};
use super::index::{Index, Parts, SortedRun};
use super::large;
use super::location::Location;
use super::log::Tail;
use super::manifest::{Manifest, Start, read_start};
use super::pack::{Follows, Pack, START};
use super::record::{Header, Sort, StoreId, digest};
use super::store::Store;
use super::synced;
use super::version::VERSION;
use super::walk::{Damage, Item, Replayed, Walk, replay};
use super::{Mode, StoreError};
use crate::disk::{Access, Disk};

/// A store as it was found.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) damage: Vec<Damage>,
}

/// Makes an empty store in a directory that the caller has locked.
pub(crate) fn create(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: Options,
) -> Result<(), StoreError> {
    let home = Home { disk, directory: directory.into(), id: new_id(), options };
    home.disk.make_directory(&home.packs())?;
    // What an attempt before this one has left. A pack with records in it is
    // a store that has lost its first file.
    for number in numbers(&*home.disk, &home.packs())? {
        let file = home.disk.open(&home.pack(number), Access::Read)?;
        let length = file.length().map_err(StoreError::io("read", home.pack(number)))?;
        if length > START {
            return Err(without_manifest(&home));
        }
    }
    begin(&home, 1)?;
    keep_names(&home)
}

/// Writes what an empty store consists of, durably; its first pack has this
/// number.
pub(crate) fn begin(home: &Home, number: u32) -> Result<(), StoreError> {
    let parts = [home.packs(), home.index(), home.large()];
    for part in &parts {
        home.disk.make_directory(part)?;
    }
    let pack = Pack::create(home, number, Follows::Nothing)?;
    pack.sync()?;
    for part in &parts {
        home.disk.sync_directory(part)?;
    }
    // The names of these, too: a manifest without its packs is a damaged store.
    home.disk.sync_directory(&home.directory)?;
    let manifest = Manifest {
        version: VERSION,
        indexed: Location::new(number, START),
        packs: vec![(number, None)],
        runs: Vec::new(),
        counters: Default::default(),
        state: Arc::default(),
    };
    manifest.write(home).map(drop)
}

// A store that lost the list of its parts is one all the same.
fn without_list(disk: &Arc<dyn Disk>, directory: &Path, options: Options) -> StoreError {
    let id = StoreId::default();
    let home = Home { disk: disk.clone(), directory: directory.into(), id, options };
    let packs = list(&home, &home.packs()).unwrap_or_default();
    let has_records = |number: &u32| {
        let file = home.disk.open(&home.pack(*number), Access::Read);
        file.is_ok_and(|file| file.length().is_ok_and(|length| length > START))
    };
    match packs.iter().any(has_records) {
        true => without_manifest(&home),
        false => StoreError::NoStore(directory.into()),
    }
}

fn without_manifest(home: &Home) -> StoreError {
    StoreError::Damaged { path: home.manifest(), what: "the list of the store's parts" }
}

// Not secret, but of no two stores the same.
pub(super) fn new_id() -> StoreId {
    use std::hash::BuildHasher;
    let random = std::hash::RandomState::new();
    let mut id = [0; 16];
    for (part, bytes) in id.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&digest(&random.hash_one(part).to_le_bytes()));
    }
    id
}

/// Whether there is a store, of whatever version.
pub(crate) fn exists(disk: &dyn Disk, directory: &Path) -> Result<bool, StoreError> {
    match disk.open(&directory.join("store"), Access::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file `store` that is longer is not read to see whether it only seems to be
/// of another version: in the first one it had all that there is.
const DAMAGED_START_MAX: u64 = 64 << 20;

/// Reads the file `store`; also its length.
pub(crate) fn read_manifest(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    mode: Mode,
    options: Options,
) -> Result<(Home, Manifest, u64), StoreError> {
    let path = directory.join("store");
    let access = if mode == Mode::Write { Access::Write } else { Access::Read };
    let file = disk.open(&path, access).map_err(|error| match error.not_found() {
        true => without_list(disk, directory, options),
        false => error,
    })?;
    let mut first = [0; 16];
    let read = |error| StoreError::io("read", &path)(error);
    let length = file.length().map_err(read)?;
    if length >= 16 {
        file.read_exact_at(&mut first, 0).map_err(read)?;
    }
    let home = Home { disk: disk.clone(), directory: directory.into(), id: [0; 16], options };
    let start = read_start(&first);
    if start != Start::Known
        && length <= DAMAGED_START_MAX
        && Manifest::has_damaged_start(&super::pack::read_payload(&*file, 0, length).map_err(read)?)
    {
        return Err(without_manifest(&home));
    }
    match start {
        Start::Known => {}
        Start::Other(found) => return Err(StoreError::Version { path, found }),
        Start::Foreign => return Err(StoreError::NotAStore(path)),
    }
    let raw = super::pack::read_payload(&*file, 0, length).map_err(read)?;
    let (id, manifest) = Manifest::decode(&raw).ok_or_else(|| without_manifest(&home))?;
    Ok((Home { id, ..home }, manifest, length))
}

// How often what a reader wants to read may be replaced meanwhile.
const AGAIN_MAX: usize = 8;

/// Opens a store; for writing, the caller has locked it.
pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    mode: Mode,
    options: Options,
) -> Result<Opened, StoreError> {
    let mut left = if mode == Mode::Read { AGAIN_MAX } else { 0 };
    loop {
        match open_once(disk, directory, mode, options, left > 0) {
            Ok(Some(opened)) => return Ok(opened),
            // A collection has removed files.
            Ok(None) => {}
            // A writer cut off what failed.
            Err(StoreError::Io { source, .. })
                if left > 0 && source.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
        left -= 1;
    }
}

/// Whether the store consists of other files than this manifest says. Who reads
/// has no lock: files that were merged or collected since are gone.
pub(super) fn has_changed(home: &Home, manifest: &Manifest) -> bool {
    let now = read_manifest(&home.disk, &home.directory, Mode::Read, home.options);
    now.is_ok_and(|(now_home, now, _)| now_home.id != home.id || now != *manifest)
}

// With `may_begin_again`, `None` if something is missing, and need not be any
// more when all is read anew.
fn open_once(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    mode: Mode,
    options: Options,
    may_begin_again: bool,
) -> Result<Option<Opened>, StoreError> {
    let (home, manifest, manifest_bytes) = read_manifest(disk, directory, mode, options)?;
    if mode == Mode::Write {
        for part in [home.packs(), home.index(), home.large()] {
            disk.make_directory(&part)?;
        }
    }
    // Before it is looked how long the packs are: they may grow meanwhile.
    let (note, synced) = synced::read(&home, mode)?;
    let broken = Broken::read(&home, mode)?;
    let listed = list(&home, &home.packs())?;
    let packs = open_packs(&home, &manifest, synced, &listed, mode)?;
    let runs = open_runs(&home, &manifest)?;
    // Without one of the runs, all that they say is found out from the log.
    let complete = runs.is_some();
    let named = |number: &u32| packs.iter().any(|pack| pack.number == *number);
    let gone = packs.iter().any(|pack| pack.is_missing()) || !listed.iter().all(named);
    if may_begin_again && (gone || !complete) && has_changed(&home, &manifest) {
        return Ok(None);
    }
    let unreached = unreached(&home, &packs, &listed)?;
    if mode == Mode::Write {
        refuse_with_gaps(&packs, &unreached)?;
    }
    let indexed = place(&packs, manifest.indexed);
    let durable = durable(&packs, &manifest, synced);
    let from = if complete { indexed } else { (0, START) };
    let parts = Parts { packs: packs.clone(), runs: runs.unwrap_or_default(), frozen: Vec::new() };
    let home = Arc::new(home);
    let index = Index::new(home.clone(), parts);
    let mut tail = Tail::new(packs[indexed.0].clone(), indexed.1, 0);
    tail.state = manifest.state.clone();
    tail.counters = manifest.counters;
    let mut place_of = HashMap::new();
    place_of.extend(packs.iter().enumerate().map(|(place, pack)| (pack.number, place)));
    let mut damage = Vec::new();
    let replayed = replay(&home, &packs, from, durable, &mut |at, header, payload| {
        let known = place_of.get(&at.pack()).is_some_and(|pack| (*pack, at.offset()) < indexed);
        match known {
            true => super::store::index_only(&index, at, header),
            false => super::store::note(&index, &mut tail, at, header, payload).map(|understood| {
                if !understood {
                    let path = home.pack(at.pack());
                    damage.push(Damage { path, offset: at.offset(), length: header.size() });
                }
            }),
        }
    })?;
    let Replayed { damage: mut found, end, unsynced_large } = replayed;
    found.append(&mut damage);
    found.splice(..0, before(&packs, from, durable)?);
    found.extend(unreached);
    // Large files are looked at by the replay.
    let whole = found.is_empty() && is_end(&packs, end)?;
    if may_begin_again && !whole && has_changed(&home, &manifest) {
        return Ok(None);
    }
    if mode == Mode::Write && !found.is_empty() {
        // The log may go on behind what is gone: who opens it next has to know
        // that there was something.
        note.keep(&home)?;
    }
    let packs = going_on(&home, packs, end, mode)?;
    if mode == Mode::Write {
        // Who puts one of these is told that it is there, and syncs packs alone.
        unsynced_large.iter().try_for_each(|handle| large::sync(&home, handle))?;
        if durable == (0, START) || is_just_made(&home)? {
            keep_names(&home)?;
        }
        let listed = list(&home, &home.packs())?;
        remove_leftovers(&home, &manifest, &packs, &listed)?;
    }
    tail.unsynced.packs = packs[indexed.0..=end.0].to_vec();
    tail.unsynced.pack_names = end.0 > indexed.0;
    tail.pack = packs[end.0].clone();
    tail.end = end.1;
    tail.next_pack =
        listed.last().max(packs.iter().map(|pack| &pack.number).max()).map_or(1, |last| last + 1);
    index.change(|parts| parts.packs.clone_from(&packs));
    let next_run = list(&home, &home.index())?
        .last()
        .max(manifest.runs.iter().max())
        .map_or(1, |last| last + 1);
    let (manifest, manifest_bytes) = match mode {
        Mode::Write if manifest.version < VERSION => raise(&home, manifest)?,
        _ => (manifest, manifest_bytes),
    };
    let store =
        Store::new(home, mode, index, tail, next_run, (manifest, manifest_bytes), (note, broken));
    Ok(Some(Opened { store, damage: found }))
}

// Makes a store of an older version one of this. What it consists of stays as it
// is, and the log goes on in a new pack: so who knows the older version only
// meets another one, whichever file is read first, before what it cannot read.
fn raise(home: &Home, manifest: Manifest) -> Result<(Manifest, u64), StoreError> {
    let bytes = manifest.write(home)?;
    Ok((Manifest { version: VERSION, ..manifest }, bytes))
}

// Whether nothing follows.
fn is_end(packs: &[Arc<Pack>], end: (usize, u64)) -> Result<bool, StoreError> {
    let last = &packs[end.0];
    Ok(end.0 + 1 == packs.len() && (last.is_missing() || last.length()? <= end.1))
}

pub(super) fn list(home: &Home, directory: &Path) -> Result<Vec<u32>, StoreError> {
    match numbers(&*home.disk, directory) {
        Err(error) if error.not_found() => Ok(Vec::new()),
        listed => listed,
    }
}

/// All packs in the order of the log: those that are listed, and those in which
/// the log went on since. What is gone of them is there as missing.
pub(super) fn open_packs(
    home: &Home,
    manifest: &Manifest,
    synced: Option<Location>,
    listed: &[u32],
    mode: Mode,
) -> Result<Vec<Arc<Pack>>, StoreError> {
    let access = |sealed: bool| match mode {
        Mode::Write if !sealed => Access::Write,
        _ => Access::Read,
    };
    let mut packs: Vec<Arc<Pack>> = Vec::new();
    for (number, length) in &manifest.packs {
        let pack = Pack::open(home, *number, access(length.is_some()))?;
        // Its beginning is not needed to read what is listed.
        let pack = pack.unwrap_or_else(|| Pack::missing(home, *number));
        if let Some(length) = length {
            let _ = pack.sealed.set(*length);
        }
        packs.push(Arc::new(pack));
    }
    let listed_in = |number: &u32| manifest.packs.iter().any(|(pack, _)| pack == number);
    for number in listed.iter().filter(|number| !listed_in(number)) {
        let Some(last) = packs.last() else { break };
        let Some(pack) = Pack::open(home, *number, access(false))? else { continue };
        let Follows::Log(end) = pack.follows else { continue };
        if pack.is_sound && end.pack() == last.number {
            let _ = last.sealed.set(end.offset());
            packs.push(Arc::new(pack));
        } else if pack.is_sound
            && end.pack() > last.number
            && !listed.contains(&end.pack())
            && (synced.is_some_and(|synced| synced.pack() >= *number)
                || synced_length(home, *number)?.is_some())
        {
            let gone = Pack::missing(home, end.pack());
            let _ = gone.sealed.set(end.offset());
            packs.extend([Arc::new(gone), Arc::new(pack)]);
        }
    }
    if let (Some(last), Some(synced)) = (packs.last(), synced)
        && synced.pack() > last.number
        && !listed.contains(&synced.pack())
    {
        packs.push(Arc::new(Pack::missing(home, synced.pack())));
    }
    match packs.is_empty() {
        true => Err(without_manifest(home)),
        false => Ok(packs),
    }
}

/// The runs; `None` if one is damaged.
fn open_runs(home: &Home, manifest: &Manifest) -> Result<Option<Vec<Arc<SortedRun>>>, StoreError> {
    let mut runs = Vec::new();
    for number in &manifest.runs {
        match SortedRun::open(home, *number)? {
            Some(run) => runs.push(Arc::new(run)),
            None => return Ok(None),
        }
    }
    Ok(Some(runs))
}

pub(super) fn place(packs: &[Arc<Pack>], at: Location) -> (usize, u64) {
    let pack = packs.iter().position(|pack| pack.number == at.pack());
    pack.map_or((packs.len() - 1, START), |pack| (pack, at.offset()))
}

// The packs up to the end of the log. The last of them may have been taken for
// one that gets no more records, by a pack after it that is not one of ours.
fn going_on(
    home: &Home,
    mut packs: Vec<Arc<Pack>>,
    end: (usize, u64),
    mode: Mode,
) -> Result<Vec<Arc<Pack>>, StoreError> {
    let more = packs.split_off(end.0 + 1);
    if mode == Mode::Write {
        // Durably, before anything is written where something else may show.
        for pack in more.iter().rev() {
            home.disk.remove(&pack.path)?;
            home.disk.sync_directory(&home.packs())?;
        }
        let last = &packs[end.0];
        if !last.is_missing() && last.length()? > end.1 {
            last.cut(end.1)?;
            last.sync()?;
        }
    }
    if !more.is_empty()
        && let Some(last) = packs.pop()
    {
        let access = if mode == Mode::Write { Access::Write } else { Access::Read };
        let again = Pack::open(home, last.number, access)?;
        packs.push(again.map_or(last, Arc::new));
    }
    Ok(packs)
}

// Runs and packs that were being made, or that had their time.
fn remove_leftovers(
    home: &Home,
    manifest: &Manifest,
    packs: &[Arc<Pack>],
    listed: &[u32],
) -> Result<(), StoreError> {
    let packs = listed.iter().filter(|number| packs.iter().all(|pack| pack.number != **number));
    let listed = list(home, &home.index())?;
    let runs = listed.iter().filter(|number| !manifest.runs.contains(number));
    let mut left = packs.map(|number| home.pack(*number)).chain(runs.map(|run| home.run(*run)));
    if let Some(first) = left.next() {
        // Who wrote the manifest may have ended before it was durable: after a
        // power cut there would be the one before, which needs these.
        home.disk.sync_directory(&home.directory)?;
        std::iter::once(first).chain(left).try_for_each(|path| home.disk.remove(&path))?;
    }
    large::remove_unfinished(home)
}

// Whether a repair or a migration was ended when it had made this store of
// another one: it may have been before the name was durable.
fn is_just_made(home: &Home) -> Result<bool, StoreError> {
    let names = home.disk.list(&home.directory)?;
    Ok(["repaired", "migrating"].iter().any(|made_in| names.iter().any(|name| name == made_in)))
}

// As who makes a store does at the end; a store that nobody ever synced may have
// been left without that.
fn keep_names(home: &Home) -> Result<(), StoreError> {
    home.disk.sync_directory(&home.directory)?;
    home.disk.sync_directory(home.directory.parent().unwrap_or(&home.directory))
}

/// Packs that the log went on in, and of which that cannot be seen any more.
pub(super) fn unreached(
    home: &Home,
    packs: &[Arc<Pack>],
    listed: &[u32],
) -> Result<Vec<Damage>, StoreError> {
    let collected = collected_until(packs);
    let mut unreached = Vec::new();
    for number in listed.iter().filter(|number| packs.iter().all(|pack| pack.number != **number)) {
        if *number > collected
            && let Some(length) = synced_length(home, *number)?
        {
            unreached.push(Damage { path: home.pack(*number), offset: 0, length });
        }
    }
    Ok(unreached)
}

// What is written while a part of the log is not there would stand in its place
// when it is put back.
fn refuse_with_gaps(packs: &[Arc<Pack>], unreached: &[Damage]) -> Result<(), StoreError> {
    if let Some(gone) = packs.iter().find(|pack| pack.is_missing()) {
        return Err(StoreError::NoPack(gone.path.clone()));
    }
    match unreached.first() {
        Some(Damage { path, .. }) => {
            Err(StoreError::Damaged { path: path.clone(), what: "a part of the log" })
        }
        None => Ok(()),
    }
}

/// The last pack of the log that a collection has read: what of it and of
/// those before is not listed had its time.
pub(super) fn collected_until(packs: &[Arc<Pack>]) -> u32 {
    let until = packs.iter().filter_map(|pack| match pack.follows {
        Follows::Collection(end) => Some(end.pack()),
        _ => None,
    });
    until.max().unwrap_or(0)
}

/// The length of a pack that is not known to be of the store, if the log went
/// on in it and was synced there: then its beginning must have been damaged.
pub(super) fn synced_length(home: &Home, number: u32) -> Result<Option<u64>, StoreError> {
    let Some(pack) = Pack::open(home, number, Access::Read)? else { return Ok(None) };
    if matches!(pack.follows, Follows::Collection(_)) {
        return Ok(None);
    }
    let length = pack.length()?;
    let mut walk = Walk::new(home, &pack, START, length);
    while let Some((_, item)) = walk.next()? {
        // One may speak of the pack before only.
        if let Item::Record(Header { sort: Sort::Commit(until), .. }, _) = item
            && until.pack() == number
        {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// The place before which all is known to have been synced.
pub(super) fn durable(
    packs: &[Arc<Pack>],
    manifest: &Manifest,
    synced: Option<Location>,
) -> (usize, u64) {
    let indexed = place(packs, manifest.indexed);
    // A collection may have removed the pack of an earlier one.
    let later = synced.filter(|synced| *synced > manifest.indexed);
    later.map_or(indexed, |synced| indexed.max(place(packs, synced)))
}

/// What is damaged of the part of the log that a replay from a place on does
/// not look at.
pub(super) fn before(
    packs: &[Arc<Pack>],
    from: (usize, u64),
    durable: (usize, u64),
) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    for (place, pack) in packs.iter().enumerate() {
        let path = pack.path.clone();
        let sealed = pack.sealed.get().copied();
        if pack.is_missing() {
            let synced = (place == durable.0).then_some(durable.1);
            damage.push(Damage { path, offset: 0, length: sealed.or(synced).unwrap_or(0) });
            continue;
        }
        let there = pack.length()?;
        if !pack.is_sound && place <= durable.0 {
            damage.push(Damage { path: path.clone(), offset: 0, length: START.min(there) });
        }
        let looked_at = if place == from.0 { Some(from.1) } else { sealed };
        let wanted = looked_at.filter(|_| place <= from.0).unwrap_or(0);
        if there < wanted {
            damage.push(Damage { path, offset: there, length: wanted - there });
        }
    }
    Ok(damage)
}
