//! What a program has looked at in its directories, and where others differ.

use std::cell::RefCell;
use std::collections::HashSet;

use weft_object::{Content, Handle};
use weft_store::{Outcome, StoreError};
use weft_wasi::{Answer, Asked, Directories, End, Observation, Question, Start, Step, Stop, Walk};

use crate::Source;

/// Where the directories begin among the entries of an application of `wasi/1`:
/// each a path, and behind it a Tree.
const DIRECTORIES: usize = 8;

/// A program on its directories, as far as it is known.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// What it asked, in that order.
    pub observations: Vec<Observation>,
    /// How it ended.
    pub end: End,
    /// Under which paths it has the directories.
    pub paths: Vec<Vec<u8>>,
}

/// What an application of a program looked at, by its canonical entries. `None`
/// if it is none that has directories, or its steps are not known to the end.
///
/// # Errors
/// The source cannot be read.
pub fn footprint(
    source: &(impl Source + ?Sized),
    application: &[Handle],
) -> Result<Option<Footprint>, StoreError> {
    let Some(start) = Start::of(application) else { return Ok(None) };
    let reading = Reading::new(source);
    let mut walk = Walk::new(&start);
    let mut observations = Vec::new();
    let mut known = |place: &Handle| reading.known(place);
    let end = loop {
        match walk.step(&mut &reading, &mut known) {
            Ok(Some(Step::Looked(observation))) => observations.push(observation),
            Ok(Some(Step::Ended(end))) => break Some(end),
            // Steps that cannot be gone are as good as unknown.
            Ok(None) | Err(_) => break None,
        }
    };
    reading.end()?;
    let Some(end) = end else { return Ok(None) };
    let paths = application[DIRECTORIES..].iter().step_by(2).map(|path| bytes(source, path));
    Ok(Some(Footprint { observations, end, paths: paths.collect::<Result<_, _>>()? }))
}

fn bytes(source: &(impl Source + ?Sized), blob: &Handle) -> Result<Vec<u8>, StoreError> {
    if let Some(bytes) = blob.content().literal_bytes() {
        return Ok(bytes.to_vec());
    }
    let content = source.content(blob)?;
    let bytes = content.and_then(|content| Some(content.blob()?.bytes().to_vec()));
    Ok(bytes.unwrap_or_default())
}

impl Footprint {
    /// The path of something that was asked, as the program has it.
    #[must_use]
    pub fn path(&self, asked: &Asked) -> Vec<u8> {
        let above = self.paths.get(usize::from(asked.preopen)).map_or(&b""[..], Vec::as_slice);
        match (above, &*asked.path) {
            (above, b"") => above.to_vec(),
            (b"." | b"", path) => path.to_vec(),
            (above, path) if above.ends_with(b"/") => [above, path].concat(),
            (above, path) => [above, b"/", path].concat(),
        }
    }

    /// Of each place the most that was asked, in the order in which they were
    /// first asked about; the names in a directory apart.
    #[must_use]
    pub fn places(&self) -> Vec<&Observation> {
        let mut places: Vec<&Observation> = Vec::new();
        let mut at = std::collections::HashMap::new();
        for observation in &self.observations {
            let asked = &observation.asked;
            let key = (asked.preopen, &asked.path, asked.question == Question::Listing);
            let place = *at.entry(key).or_insert_with(|| {
                places.push(observation);
                places.len() - 1
            });
            places[place] = observation;
        }
        places
    }
}

/// A place that a program looked at and that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its path, as the program has it.
    pub path: Vec<u8>,
    /// What was asked, and answered before.
    pub before: Observation,
    /// What the answer is now.
    pub now: Answer,
}

/// Where the directories of another application answer otherwise than a
/// program was told, each place once, what was asked first at the front. `None`
/// if it is not the same program, with the same of all but directories.
///
/// # Errors
/// The source cannot be read.
pub fn seen_otherwise(
    source: &(impl Source + ?Sized),
    application: &[Handle],
    other: &[Handle],
) -> Result<Option<Vec<Seen>>, StoreError> {
    let (Some(old), Some(new)) = (Start::of(application), Start::of(other)) else {
        return Ok(None);
    };
    if old.place != new.place {
        return Ok(None);
    }
    let Some(footprint) = footprint(source, application)? else { return Ok(None) };
    let reading = Reading::new(source);
    let mut directories = Directories::new(&new.roots);
    let (mut seen, mut places) = (Vec::new(), HashSet::new());
    for before in &footprint.observations {
        // What cannot be read is not known to be different.
        let Ok(now) = directories.ask(&mut &reading, &before.asked) else { break };
        let place = (before.asked.preopen, before.asked.path.clone());
        if now != before.answer && places.insert(place) {
            let path = footprint.path(&before.asked);
            seen.push(Seen { path, before: before.clone(), now });
        }
    }
    reading.end()?;
    Ok(Some(seen))
}

/// A source as a walk reads it.
struct Reading<'a, S: ?Sized> {
    source: &'a S,
    /// What went wrong first.
    error: RefCell<Option<StoreError>>,
}

impl<'a, S: Source + ?Sized> Reading<'a, S> {
    fn new(source: &'a S) -> Self {
        Self { source, error: RefCell::default() }
    }

    fn or_note<T>(&self, result: Result<Option<T>, StoreError>) -> Option<T> {
        result.unwrap_or_else(|error| {
            self.error.borrow_mut().get_or_insert(error);
            None
        })
    }

    fn known(&self, place: &Handle) -> Option<Handle> {
        match self.or_note(self.source.known(place))?.outcome {
            Outcome::Value(outcome) => Some(outcome),
            Outcome::Failure(_) => None,
        }
    }

    fn end(self) -> Result<(), StoreError> {
        self.error.into_inner().map_or(Ok(()), Err)
    }
}

impl<S: Source + ?Sized> weft_wasi::Source for &Reading<'_, S> {
    fn content(&mut self, handle: &Handle) -> Result<Content, Stop> {
        self.or_note(self.source.content(handle)).ok_or(Stop::Missing(*handle))
    }
}
