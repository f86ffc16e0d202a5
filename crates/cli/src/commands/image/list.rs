use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::ArgMatches;
use serde_json::json;
use weft_object::{Content, Handle, Kind};
use weft_store::{Mode, Outcome};

use crate::commands::is_json;
use crate::exit::Exit;
use crate::image::{Image, PAGE_BYTES, is_image};
use crate::out::out;
use crate::place::Place;
use crate::terminal::Terminal;
use crate::units::size;

/// One a line: the handle, its memory, what of that is not zeros, and the labels.
pub(super) fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let place = Place::open(Mode::Read, terminal)?;
    let backend = &*place.backend;
    let mut found: BTreeMap<Handle, Vec<String>> = BTreeMap::new();
    let is_one = |handle: &Handle| -> Result<bool, Exit> {
        if !matches!(handle.kind(), Kind::Tree | Kind::TreeRef) {
            return Ok(false);
        }
        let content = backend.get(&handle.content())?;
        Ok(content.as_ref().and_then(Content::tree).is_some_and(is_image))
    };
    for (label, handle) in backend.labels()? {
        if is_one(&handle)? {
            found.entry(handle.content()).or_default().push(label.to_string());
        }
    }
    let mut made = Vec::new();
    backend.each_relation(&mut |key, relation| {
        // Few values have as many entries as an image.
        if let Outcome::Value(value) = relation.outcome
            && key.kind() == Kind::Tree
            && value.length() == Some(10)
        {
            made.push(value);
        }
        ControlFlow::Continue(())
    })?;
    for handle in made {
        if !found.contains_key(&handle.content()) && is_one(&handle)? {
            found.insert(handle.content(), Vec::new());
        }
    }
    let mut lines = Vec::new();
    for (handle, labels) in found {
        let read = || -> Result<_, Exit> {
            let image = Image::read(backend, handle)?;
            let pages = image.pages(backend)?.len() as u64;
            Ok((image.memory_bytes(backend)?, pages, image))
        };
        // One that is broken, or not all here, hides no other.
        let (memory, pages, image) = match read() {
            Ok(read) => read,
            Err(exit) => {
                terminal.say("warning", &exit.to_string());
                continue;
            }
        };
        lines.push(match is_json(matches) {
            true => json!({
                "image": handle.to_string(),
                "program": image.program.to_string(),
                "memory_bytes": memory,
                "page_bytes": pages * PAGE_BYTES,
                "labels": labels,
            })
            .to_string(),
            false => {
                let labels = labels.iter().map(|label| format!(" @{label}")).collect::<String>();
                format!("#{handle} {:>10} {:>10}{labels}", size(memory), size(pages * PAGE_BYTES))
            }
        });
    }
    out(|out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))
}
