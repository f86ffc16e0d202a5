use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weft_store::disk::RealDisk;
use weft_store::{Migrated, Options};

use super::{Command, no_arguments};
use crate::exit::{Code, Exit};
use crate::out::out;
use crate::units::{counted, size};
use crate::{place, progress};

pub(crate) const COMMAND: Command = Command {
    name: "migrate",
    about: "Make a store that an older program wrote one of this version",
    details: "The new store is made beside the old one, which stays as it is until the new one\n\
              is complete: interrupted, it can be run again. There has to be room for both.\n\
              If part of the old store is damaged, the rest is taken over, and the old file\n\
              is kept as `store.v1`.",
    examples: &["weft migrate"],
    arguments: no_arguments,
    run: |_, terminal| {
        let directory = place::located()?;
        place::remember(&directory);
        let (done, all) = (AtomicU64::new(0), AtomicU64::new(0));
        let tell = |now: u64, of: u64| {
            done.store(now, Ordering::Relaxed);
            all.store(of, Ordering::Relaxed);
        };
        let line = |elapsed: Duration| {
            let (done, all) = (done.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
            let rate = progress::rate(done, elapsed);
            let (done, all) = (size(done), size(all));
            vec![format!("migrating {done} of {all}, {rate}"), format!("{done} of {all}"), done]
        };
        let migrated = progress::during(terminal, line, || {
            weft_store::migrate(Arc::new(RealDisk), &directory, Options::default(), &tell)
        })?;
        match migrated {
            None => out(|out| writeln!(out, "{} is of this version", directory.display())),
            Some(migrated) => report(&migrated),
        }
    },
};

fn report(migrated: &Migrated) -> Result<(), Exit> {
    let mut text = format!(
        "from version {}: {}, {}, {}\n",
        migrated.from,
        counted(migrated.objects, "object"),
        counted(migrated.relations, "relation"),
        counted(migrated.labels, "label")
    );
    for handle in &migrated.lost {
        text += &format!("damaged: #{handle}\n");
    }
    if migrated.damaged_bytes > 0 {
        text += &format!("damaged: {} that held nothing readable\n", size(migrated.damaged_bytes));
    }
    if migrated.ends_early {
        text += "damaged: the end, it was cut or a command was killed\n";
    }
    for affected in &migrated.affected {
        text += &format!("affected: {affected}\n");
    }
    out(|out| out.write_all(text.as_bytes()))?;
    match &migrated.kept {
        None => Ok(()),
        Some(kept) => {
            let text = format!(
                "part of the old store was damaged or missing and is not in the new one; the old \
                 file is {} now, remove it when nothing is missed",
                kept.display()
            );
            Err(Exit::new(Code::Store, text))
        }
    }
}
