//! How what a backend speaks of stands in frames.

use weft_object::{Handle, Prefix};

use super::Fact;
use super::bytes::{Put, Take};
use crate::collect::{Budget, Phase, Share};
use crate::{
    Collect, Collected, Expect, Finder, Label, Outcome, Pin, Progress, Relation, Resolved, Run,
    Usage,
};

pub(super) fn put_label(out: &mut Vec<u8>, label: &Label) {
    out.put_bytes(label.as_str().as_bytes());
}

pub(super) fn label(take: &mut Take<'_>) -> Option<Label> {
    Label::new(take.text()?).ok()
}

pub(super) fn put_labeled(out: &mut Vec<u8>, (label, handle): &(Label, Handle)) {
    put_label(out, label);
    out.put_handle(handle);
}

pub(super) fn labeled(take: &mut Take<'_>) -> Option<(Label, Handle)> {
    Some((label(take)?, take.handle()?))
}

pub(super) fn put_expect(out: &mut Vec<u8>, expect: &Expect) {
    match expect {
        Expect::Any => out.push(0),
        Expect::Absent => out.push(1),
        Expect::At(handle) => {
            out.push(2);
            out.put_handle(handle);
        }
    }
}

pub(super) fn expect(take: &mut Take<'_>) -> Option<Expect> {
    match take.u8()? {
        0 => Some(Expect::Any),
        1 => Some(Expect::Absent),
        2 => take.handle().map(Expect::At),
        _ => None,
    }
}

pub(super) fn put_prefix(out: &mut Vec<u8>, prefix: &Prefix) {
    let digits = prefix.low().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.take(prefix.digits()).map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    out.put_bytes(&digits.collect::<Vec<u8>>());
}

pub(super) fn prefix(take: &mut Take<'_>) -> Option<Prefix> {
    Prefix::parse(take.text()?).ok()
}

pub(super) fn put_resolved(out: &mut Vec<u8>, resolved: &Resolved) {
    match resolved {
        Resolved::None => out.push(0),
        Resolved::One(handle) => {
            out.push(1);
            out.put_handle(handle);
        }
        Resolved::Many(handles) => {
            out.push(2);
            handles.iter().for_each(|handle| out.put_handle(handle));
        }
    }
}

pub(super) fn resolved(mut take: Take<'_>) -> Option<Resolved> {
    match take.u8()? {
        0 => take.end(Resolved::None),
        1 => {
            let handle = take.handle()?;
            take.end(Resolved::One(handle))
        }
        2 => take.all(Take::handle).map(Resolved::Many),
        _ => None,
    }
}

/// A key and what is known under it, as in `docs/store.md`.
pub(super) fn put_known(out: &mut Vec<u8>, (key, relation): &(Handle, Relation)) {
    out.put_handle(key);
    put_relation(out, relation);
}

pub(super) fn known(take: &mut Take<'_>) -> Option<(Handle, Relation)> {
    Some((take.handle()?, relation(take)?))
}

pub(super) fn put_relation(out: &mut Vec<u8>, relation: &Relation) {
    out.put_bytes(&relation.encode());
}

pub(super) fn relation(take: &mut Take<'_>) -> Option<Relation> {
    Relation::decode(take.bytes()?)
}

pub(super) fn put_finder(out: &mut Vec<u8>, finder: &Finder) {
    out.push(u8::from(finder.here));
    out.put_bytes(finder.text.as_bytes());
}

pub(super) fn finder(take: &mut Take<'_>) -> Option<Finder> {
    let here = take.flag()?;
    Some(Finder { text: take.text()?.to_owned(), here })
}

pub(super) fn put_run(out: &mut Vec<u8>, run: &Run) {
    out.put_handle(&run.request);
    out.push(u8::from(matches!(run.outcome, Outcome::Failure(_))));
    out.put_handle(&run.outcome.handle());
    out.put_some(run.label.as_ref(), put_label);
    for number in [run.at_ms, run.took_ns, run.applied] {
        out.put_u64(number);
    }
}

pub(super) fn run(take: &mut Take<'_>) -> Option<Run> {
    let request = take.handle()?;
    let failed = take.flag()?;
    let outcome = take.handle()?;
    let outcome = if failed { Outcome::Failure(outcome) } else { Outcome::Value(outcome) };
    let label = take.some(label)?;
    Some(Run {
        request,
        outcome,
        label,
        at_ms: take.u64()?,
        took_ns: take.u64()?,
        applied: take.u64()?,
    })
}

pub(super) fn put_pin(out: &mut Vec<u8>, pin: &Pin) {
    out.put_handle(&pin.handle);
    out.put_some(pin.until_s, Vec::put_u64);
}

pub(super) fn pin(take: &mut Take<'_>) -> Option<Pin> {
    Some(Pin { handle: take.handle()?, until_s: take.some(Take::u64)? })
}

pub(super) fn put_usage(out: &mut Vec<u8>, usage: &Usage) {
    let Usage { objects, relations, dropped, file_bytes, dead_bytes, budget_bytes } = *usage;
    for number in [objects, relations, dropped, file_bytes, dead_bytes] {
        out.put_u64(number);
    }
    out.put_some(budget_bytes, Vec::put_u64);
}

pub(super) fn usage(take: &mut Take<'_>) -> Option<Usage> {
    Some(Usage {
        objects: take.u64()?,
        relations: take.u64()?,
        dropped: take.u64()?,
        file_bytes: take.u64()?,
        dead_bytes: take.u64()?,
        budget_bytes: take.some(Take::u64)?,
    })
}

pub(super) fn put_collect(out: &mut Vec<u8>, options: &Collect) {
    out.push(u8::from(options.dry_run));
    match options.budget {
        Budget::AsSet => out.push(0),
        Budget::Unlimited => out.push(1),
        Budget::Bytes(bytes) => {
            out.push(2);
            out.put_u64(bytes);
        }
    }
}

pub(super) fn collect(take: &mut Take<'_>) -> Option<Collect> {
    let dry_run = take.flag()?;
    let budget = match take.u8()? {
        0 => Budget::AsSet,
        1 => Budget::Unlimited,
        2 => Budget::Bytes(take.u64()?),
        _ => return None,
    };
    Some(Collect { dry_run, budget })
}

const PHASES: [Phase; 4] = [Phase::Reading, Phase::Planning, Phase::Writing, Phase::Removing];

pub(super) fn put_progress(out: &mut Vec<u8>, progress: &Progress) {
    let phase = PHASES.iter().position(|phase| *phase == progress.phase);
    out.push(phase.and_then(|at| u8::try_from(at).ok()).unwrap_or(0));
    out.put_u64(progress.done_bytes);
    out.put_u64(progress.all_bytes);
}

pub(super) fn progress(take: &mut Take<'_>) -> Option<Progress> {
    let phase = *PHASES.get(usize::from(take.u8()?))?;
    Some(Progress { phase, done_bytes: take.u64()?, all_bytes: take.u64()? })
}

pub(super) fn put_collected(out: &mut Vec<u8>, collected: &Collected) {
    for share in [collected.garbage, collected.dropped, collected.forgotten] {
        out.put_u64(share.objects);
        out.put_u64(share.bytes);
    }
    let Collected { recompute_ns, relations, before_bytes, after_bytes, .. } = *collected;
    for number in [recompute_ns, relations, before_bytes, after_bytes] {
        out.put_u64(number);
    }
    out.put_some(collected.budget_bytes, Vec::put_u64);
}

pub(super) fn collected(take: &mut Take<'_>) -> Option<Collected> {
    fn share(take: &mut Take<'_>) -> Option<Share> {
        Some(Share { objects: take.u64()?, bytes: take.u64()? })
    }
    Some(Collected {
        garbage: share(take)?,
        dropped: share(take)?,
        forgotten: share(take)?,
        recompute_ns: take.u64()?,
        relations: take.u64()?,
        before_bytes: take.u64()?,
        after_bytes: take.u64()?,
        budget_bytes: take.some(Take::u64)?,
    })
}

pub(super) fn put_fact(out: &mut Vec<u8>, fact: &Fact) {
    out.put_bytes(fact.name.as_bytes());
    out.put_bytes(fact.value.as_bytes());
}

pub(super) fn fact(take: &mut Take<'_>) -> Option<Fact> {
    Some(Fact { name: take.text()?.to_owned(), value: take.text()?.to_owned() })
}
