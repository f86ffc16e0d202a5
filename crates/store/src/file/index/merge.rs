use std::sync::Arc;

use super::sorted::{RunReader, SortedRun};
use super::table::{Entry, Kind, Table};
use crate::StoreError;

/// Where entries of one kind come from, in order.
pub(crate) enum Source {
    Table(std::vec::IntoIter<Entry>),
    Run(RunReader),
}

impl Source {
    pub(crate) fn table(table: &Table, kind: Kind) -> Self {
        Self::Table(table.sorted(kind).into_iter())
    }

    pub(crate) fn run(run: &Arc<SortedRun>, kind: Kind) -> Self {
        Self::Run(run.read_all(kind))
    }

    fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        match self {
            Self::Table(entries) => Ok(entries.next()),
            Self::Run(reader) => reader.next(),
        }
    }
}

/// Whether two places hold records of the same name.
pub(crate) type Same<'a> = dyn Fn(Entry, Entry) -> Result<bool, StoreError> + 'a;

/// Many sources as one, in order of prints: of entries for the same name, the
/// one from the first source that has one. So sources are given latest first.
pub(crate) struct Merge<'a> {
    sources: Vec<(Source, Option<Entry>)>,
    same: &'a Same<'a>,
    // What was given out of the current print.
    given: Vec<Entry>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(sources: Vec<Source>, same: &'a Same<'a>) -> Result<Self, StoreError> {
        let begin = |mut source: Source| {
            let first = source.next()?;
            Ok((source, first))
        };
        let sources = sources.into_iter().map(begin).collect::<Result<_, StoreError>>()?;
        Ok(Self { sources, same, given: Vec::new() })
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        'entries: while let Some(entry) = self.take()? {
            if self.given.first().is_none_or(|given| given.print != entry.print) {
                self.given.clear();
            }
            for given in &self.given {
                if given.at == entry.at || (self.same)(*given, entry)? {
                    continue 'entries;
                }
            }
            self.given.push(entry);
            return Ok(Some(entry));
        }
        Ok(None)
    }

    // The lowest; of equals, that of the first source. There are few sources.
    fn take(&mut self) -> Result<Option<Entry>, StoreError> {
        let mut lowest: Option<(usize, u64)> = None;
        for (place, (_, next)) in self.sources.iter().enumerate() {
            if let Some(next) = next
                && lowest.is_none_or(|(_, print)| next.print < print)
            {
                lowest = Some((place, next.print));
            }
        }
        let Some((place, _)) = lowest else { return Ok(None) };
        let (source, next) = &mut self.sources[place];
        let taken = next.take();
        *next = source.next()?;
        Ok(taken)
    }
}
