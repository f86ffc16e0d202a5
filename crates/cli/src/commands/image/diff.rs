use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use clap::ArgMatches;
use serde_json::json;

use crate::argument;
use crate::commands::is_json;
use crate::exit::Exit;
use crate::image::{Image, PAGE_BYTES};
use crate::out::out;
use crate::terminal::Terminal;
use crate::units::{counted, size};

/// Which pages differ, as ranges of addresses, and how much is shared.
pub(super) fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let read = |name: &str| -> Result<_, Exit> {
        let argument = matches.get_one::<OsString>(name).cloned().unwrap_or_default();
        let (place, handle) = argument::data(&argument, terminal)?;
        let image = Image::read(&*place.backend, handle)?;
        let pages: BTreeMap<_, _> = image.pages(&*place.backend)?.into_iter().collect();
        Ok((image, pages))
    };
    let ((a_image, a), (b_image, b)) = (read("A")?, read("B")?);
    let places: BTreeSet<_> = a.keys().chain(b.keys()).copied().collect();
    let differing: Vec<_> = places.iter().filter(|at| a.get(at) != b.get(at)).copied().collect();
    let of = |pages: &BTreeMap<_, _>| pages.values().copied().collect::<BTreeSet<_>>();
    let (in_a, in_b) = (of(&a), of(&b));
    let shared = in_a.intersection(&in_b).count() as u64 * PAGE_BYTES;
    let own = |all: &BTreeSet<_>| all.len() as u64 * PAGE_BYTES - shared;
    let (own_a, own_b) = (own(&in_a), own(&in_b));
    let same_program = a_image.program == b_image.program;
    let ranges = ranges(&differing);
    if is_json(matches) {
        let ranges: Vec<_> = ranges
            .iter()
            .map(|(memory, from, to)| json!({ "memory": memory, "from": from, "to": to }))
            .collect();
        let told = json!({
            "same_program": same_program,
            "pages_differing": differing.len(),
            "shared_bytes": shared,
            "only_a_bytes": own_a,
            "only_b_bytes": own_b,
            "differing": ranges,
        });
        return out(|out| writeln!(out, "{told}"));
    }
    out(|out| {
        if !same_program {
            writeln!(out, "they are of different programs")?;
        }
        for (memory, from, to) in &ranges {
            let pages = counted((to - from) / PAGE_BYTES, "page");
            writeln!(out, "memory {memory} {from:#010x}..{to:#010x} {pages}")?;
        }
        let differing = counted(differing.len() as u64, "page");
        writeln!(
            out,
            "{differing} differ; both have {}, only the first {}, only the second {}",
            size(shared),
            size(own_a),
            size(own_b)
        )
    })
}

/// Pages next to each other together: memory, first address, and the one behind.
fn ranges(pages: &[(usize, u64)]) -> Vec<(usize, u64, u64)> {
    let mut ranges: Vec<(usize, u64, u64)> = Vec::new();
    for (memory, page) in pages {
        let (from, to) = (page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        match ranges.last_mut() {
            Some((last, _, end)) if *last == *memory && *end == from => *end = to,
            _ => ranges.push((*memory, from, to)),
        }
    }
    ranges
}
