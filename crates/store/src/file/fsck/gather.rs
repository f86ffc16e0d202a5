//! The files of a store, also if the list of them is gone.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::{Problem, Wrong};
use crate::StoreError;
use crate::disk::{Access, Disk};
use crate::file::home::{Home, Options, numbers};
use crate::file::location::Location;
use crate::file::manifest::Manifest;
use crate::file::opening;
use crate::file::pack::{Follows, Pack, START, id_in};
use crate::file::{Mode, record::StoreId, synced};

/// What a store consists of.
pub(super) struct Gathered {
    pub(super) home: Arc<Home>,
    pub(super) manifest: Option<Manifest>,
    /// In the order of the log.
    pub(super) packs: Vec<Arc<Pack>>,
    /// Everything in these before this place had been synced: the place of a
    /// pack, and an offset in it.
    pub(super) durable: (usize, u64),
    pub(super) problems: Vec<Problem>,
}

impl Gathered {
    /// # Errors
    /// This is no store of this version.
    pub(super) fn is_one(disk: &Arc<dyn Disk>, directory: &Path) -> Result<(), StoreError> {
        match opening::read_manifest(disk, directory, Mode::Read, Options::default()) {
            Ok(_) | Err(StoreError::Damaged { .. }) => Ok(()),
            // Somebody may have taken the list away, or written over it.
            Err(error @ (StoreError::NoStore(_) | StoreError::NotAStore(_))) => {
                let home = home(disk, directory, Options::default());
                match first_id(&home)? {
                    Some(_) => Ok(()),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

fn home(disk: &Arc<dyn Disk>, directory: &Path, options: Options) -> Home {
    Home { disk: disk.clone(), directory: directory.into(), id: StoreId::default(), options }
}

pub(super) fn gather(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    options: Options,
) -> Result<Gathered, StoreError> {
    match opening::read_manifest(disk, directory, Mode::Read, options) {
        Ok((home, manifest, _)) => listed(home, manifest),
        Err(StoreError::Damaged { .. } | StoreError::NoStore(_) | StoreError::NotAStore(_)) => {
            unlisted(home(disk, directory, options))
        }
        Err(error) => Err(error),
    }
}

fn listed(home: Home, manifest: Manifest) -> Result<Gathered, StoreError> {
    let (_, synced) = synced::read(&home, Mode::Read)?;
    let there = opening::list(&home, &home.packs())?;
    let packs = opening::open_packs(&home, &manifest, synced, &there, Mode::Read)?;
    let durable = opening::durable(&packs, &manifest, synced);
    let mut problems = Vec::new();
    for (place, pack) in packs.iter().enumerate() {
        match () {
            () if pack.is_missing() => problems.push(problem(&home, pack.number, Wrong::NoPack)),
            () if !pack.is_sound && place <= durable.0 => {
                problems.push(problem(&home, pack.number, Wrong::Pack));
            }
            () => {}
        }
    }
    // One that the log went on in, and of which that cannot be seen any more.
    for damage in opening::unreached(&home, &packs, &there)? {
        problems.push(Problem { path: damage.path, offset: 0, what: Wrong::Pack });
    }
    Ok(Gathered { home: Arc::new(home), manifest: Some(manifest), packs, durable, problems })
}

fn problem(home: &Home, pack: u32, what: Wrong) -> Problem {
    Problem { path: home.pack(pack), offset: 0, what }
}

fn unlisted(mut home: Home) -> Result<Gathered, StoreError> {
    let list = Problem { path: home.manifest(), offset: 0, what: Wrong::List };
    let Some(id) = first_id(&home)? else {
        let what = "the list of the store's parts, and there are no parts";
        return Err(StoreError::Damaged { path: home.manifest(), what });
    };
    home.id = id;
    let mut packs = Vec::new();
    let mut problems = vec![list];
    for number in opening::list(&home, &home.packs())? {
        let Some(pack) = Pack::open(&home, number, Access::Read)? else { continue };
        if !pack.is_sound {
            // Of another store, or one whose first bytes are damaged: then its
            // records count all the same.
            if id_in(&home, number)?.is_some() {
                continue;
            }
            problems.push(problem(&home, number, Wrong::Pack));
        }
        packs.push(Arc::new(pack));
    }
    let (_, synced) = synced::read(&home, Mode::Read)?;
    let packs = in_order(&home, packs)?;
    problems
        .extend(gaps(&packs, synced).into_iter().map(|gone| problem(&home, gone, Wrong::NoPack)));
    // A pack ends where the next one says that the log went on.
    for pair in packs.windows(2) {
        if let Follows::Log(end) = pair[1].follows
            && end.pack() == pair[0].number
        {
            let _ = pair[0].sealed.set(end.offset());
        }
    }
    // What a collection copied, and all before it, was durable before anything
    // was removed.
    let copied = packs.iter().rposition(is_copy);
    let mut durable = copied.map_or((0, START), |place| (place, u64::MAX));
    if let Some(synced) = synced {
        durable = durable.max(opening::place(&packs, synced));
    }
    Ok(Gathered { home: Arc::new(home), manifest: None, packs, durable, problems })
}

fn is_copy(pack: &Arc<Pack>) -> bool {
    matches!(pack.follows, Follows::Collection(_))
}

// Packs that others follow, or that were synced, and that nobody has removed.
fn gaps(packs: &[Arc<Pack>], synced: Option<Location>) -> BTreeSet<u32> {
    let collected = opening::collected_until(packs);
    let followed = packs.iter().filter_map(|pack| match pack.follows {
        Follows::Log(end) => Some(end.pack()),
        _ => None,
    });
    let named = followed.chain(synced.map(Location::pack));
    let there = |number: &u32| packs.iter().any(|pack| pack.number == *number);
    named.filter(|number| *number >= collected && !there(number)).collect()
}

// As a collection put them: what it copied of the log up to a place stands
// right there. Where all of the log is still there, copies of it say nothing
// new, and may not be complete; nor may a pack that was just begun when the
// power went.
fn in_order(home: &Home, mut packs: Vec<Arc<Pack>>) -> Result<Vec<Arc<Pack>>, StoreError> {
    let mut whole = true;
    let mut before: Option<u32> = None;
    for pack in packs.iter().filter(|pack| pack.is_sound && !is_copy(pack)) {
        whole &= match pack.follows {
            Follows::Log(end) => before == Some(end.pack()),
            _ => before.is_none(),
        };
        before = Some(pack.number);
    }
    if whole && before.is_some() {
        let mut log = Vec::new();
        for pack in packs.into_iter().filter(|pack| !is_copy(pack)) {
            if pack.is_sound || opening::synced_length(home, pack.number)?.is_some() {
                log.push(pack);
            }
        }
        packs = log;
    }
    packs.sort_by_key(|pack| match pack.follows {
        // Up to the beginning of a pack: before that.
        Follows::Collection(of) if of.offset() <= START => (of.pack(), 0, pack.number),
        Follows::Collection(of) => (of.pack(), 2, pack.number),
        _ => (pack.number, 1, 0),
    });
    Ok(packs)
}

// Which store the first pack belongs to that says so.
fn first_id(home: &Home) -> Result<Option<StoreId>, StoreError> {
    let listed = match numbers(&*home.disk, &home.packs()) {
        Err(StoreError::Io { source, .. })
            if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&source.kind()) =>
        {
            Vec::new()
        }
        listed => listed?,
    };
    for number in listed.into_iter().filter(|number| *number <= Location::PACK_MAX) {
        if let Some(id) = id_in(home, number)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
