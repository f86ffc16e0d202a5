//! The answer for programs.

use serde_json::{Map, Value, json};
use weft_eval::Outcome;
use weft_explain::{Earlier, Role, Source, Told};
use weft_object::Handle;
use weft_store::{Run, StoreError};

use super::Answered;
use super::text::{difference, role};
use crate::commands::diff::differences;
use crate::exit::Exit;
use crate::explained::{LINE, file, finder, full, steps};
use crate::out::name;

impl Answered<'_> {
    /// One object.
    pub(super) fn json(&self, source: &dyn Source) -> Result<Value, Exit> {
        let why = self.why;
        let mut told = Map::new();
        let mut keys: Vec<_> = self.reached();
        keys.sort_unstable();
        for key in keys {
            if let Some(one) = why.told.get(&key) {
                told.insert(format!("#{key}"), self.told(key, one, source)?);
            }
        }
        Ok(json!({
            "handle": full(why.subject),
            "kind": why.subject.kind().name(),
            "length": why.subject.length(),
            "name": file(self.names, why.subject),
            "run": why.run.as_ref().map(run),
            "request": why.request.map(full),
            "text": why.request.map(|request| self.names.brief(source, request, LINE)),
            "outcome": outcome(why.outcome.as_ref()),
            "within": steps(&why.within),
            "made_by": why.roots.iter().map(|root| full(*root)).collect::<Vec<_>>(),
            "computations": told,
            "unknown": why.unknown,
            "more": why.cut,
            "earlier": why.earlier.as_ref().map(earlier),
        }))
    }

    /// The computations within the depth and the width that were asked for.
    fn reached(&self) -> Vec<Handle> {
        let mut seen = std::collections::HashSet::new();
        let mut level: Vec<Handle> = self.why.roots.clone();
        for _ in 0..self.depth {
            let mut below = Vec::new();
            for key in level {
                let Some(told) = self.why.told.get(&key).filter(|_| seen.insert(key)) else {
                    continue;
                };
                below.extend(told.needs.iter().take(self.width).map(|(_, key)| *key));
                let made = told.inputs.iter().filter_map(|(_, input)| self.made(*input));
                below.extend(made.take(self.width));
            }
            level = below;
        }
        seen.into_iter().collect()
    }

    fn made(&self, input: Handle) -> Option<Handle> {
        self.why.made.get(&input.content()).copied()
    }

    fn told(&self, key: Handle, told: &Told, source: &dyn Source) -> Result<Value, StoreError> {
        let needs = told.needs.iter().map(|(need, key)| match need {
            Role::Caller => json!({ "for": "caller", "key": full(*key) }),
            Role::Entry(at) => json!({ "for": role(&told.entries, *at), "key": full(*key) }),
        });
        let inputs = told.inputs.iter().map(|(at, input)| {
            json!({
                "for": role(&told.entries, *at),
                "handle": full(*input),
                "name": file(self.names, *input),
                "label": self.names.label(input),
                "made_by": self.made(*input).map(full),
            })
        });
        let relation = told.relation;
        let found_by = relation.map(|relation| finder(self.backend, &relation)).transpose()?;
        Ok(json!({
            "text": self.names.brief(source, key.application().unwrap_or(key), LINE),
            "entries": told.entries.iter().map(|entry| full(*entry)).collect::<Vec<_>>(),
            "outcome": outcome(told.outcome.as_ref()),
            "run_ns": relation.map(|relation| relation.cost.run_ns),
            "fuel": relation.and_then(|relation| relation.cost.fuel),
            "found_at_s": relation.map(|relation| relation.origin.found_at_s).filter(|at| *at > 0),
            "finder": found_by,
            "needs": needs.collect::<Vec<_>>(),
            "inputs": inputs.collect::<Vec<_>>(),
        }))
    }
}

fn outcome(outcome: Option<&Outcome>) -> Value {
    match outcome {
        Some(Outcome::Value(value)) => json!({ "value": full(*value) }),
        Some(Outcome::Failure(failure)) => json!({ "failure": {
            "kind": failure.kind.name(),
            "detail": &*failure.detail,
            "application": full(failure.application),
        }}),
        _ => Value::Null,
    }
}

fn run(run: &Run) -> Value {
    json!({
        "request": full(run.request),
        "label": run.label.as_ref().map(|label| label.as_str()),
        "at_ms": run.at_ms,
        "took_ns": run.took_ns,
        "applied": run.applied,
    })
}

fn earlier(earlier: &Earlier) -> Value {
    let entered = earlier.entered.iter();
    let mut out = Map::new();
    out.insert("old".into(), full(earlier.old));
    out.insert("new".into(), full(earlier.new));
    out.insert("later".into(), earlier.later.into());
    out.insert("run".into(), earlier.run.as_ref().map_or(Value::Null, run));
    out.extend(differences(&earlier.diff));
    let pairs = entered.map(|one| json!({ "old": full(one.old), "new": full(one.new) }));
    out.insert("enters".into(), pairs.collect());
    let programs = earlier.sights.iter().map(|sight| {
        let seen = sight.seen.iter().map(|seen| {
            let what = difference(&seen.before.answer, &seen.now);
            json!({ "path": name(&seen.path), "what": what })
        });
        let seen: Vec<Value> = seen.collect();
        json!({ "old": full(sight.old), "new": full(sight.new), "seen": seen })
    });
    out.insert("programs".into(), programs.collect());
    Value::Object(out)
}
