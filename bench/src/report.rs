use serde_json::{Map, Value, json};

use crate::measure::Timing;
use crate::promise::{Measure, Promise};

/// What a bench has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    /// What the times are of.
    pub(crate) per: &'static str,
    pub(crate) p50_ns: Option<f64>,
    pub(crate) p99_ns: Option<f64>,
    pub(crate) per_second: Option<f64>,
    /// Which memory it is depends on the bench.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) baseline: Option<Baseline>,
    /// What else there is to say.
    pub(crate) more: Vec<More>,
    /// What could not be measured here, and why.
    pub(crate) skipped: Vec<(&'static str, &'static str)>,
    /// Relations, or objects, that were looked up and right.
    pub(crate) checked: usize,
}

/// A number that only some benches have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct More {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Bytes, few enough to be read one by one.
    Bytes,
    /// One number by another.
    Ratio,
}

impl Unit {
    /// A number as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Ns => time(value),
            Self::Bytes => format!("{value:.0} B"),
            Self::Ratio => format!("{value:.2}"),
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Ns => "_ns",
            Self::Bytes => "_bytes",
            Self::Ratio => "",
        }
    }
}

/// What it is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    pub(crate) name: &'static str,
    pub(crate) value: Compared,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Compared {
    P50Ns(f64),
    MemoryBytes(u64),
}

impl Report {
    /// Of calls or runs with a baseline.
    pub(crate) fn timed(
        (name, per): (&'static str, &'static str),
        ours: Timing,
        (baseline, theirs): (&'static str, Timing),
    ) -> Self {
        let value = Compared::P50Ns(theirs.p50_ns);
        Self {
            name,
            per,
            p50_ns: Some(ours.p50_ns),
            p99_ns: Some(ours.p99_ns),
            per_second: Some(1e9 / ours.p50_ns),
            baseline: Some(Baseline { name: baseline, value }),
            ..Self::default()
        }
    }

    /// Ours by the baseline's.
    fn ratio(&self) -> Option<f64> {
        match self.baseline.as_ref()?.value {
            Compared::P50Ns(theirs) => Some(self.p50_ns? / theirs),
            Compared::MemoryBytes(theirs) => Some(self.memory_bytes? as f64 / theirs as f64),
        }
    }

    /// The same with another number.
    pub(crate) fn and(mut self, name: &'static str, unit: Unit, value: f64) -> Self {
        self.more.push(More { name, unit, value });
        self
    }

    /// The same, where this machine lacks what a number takes.
    pub(crate) fn without(mut self, name: &'static str, why: &'static str) -> Self {
        self.skipped.push((name, why));
        self
    }

    fn more(&self, name: &str) -> Option<f64> {
        self.more.iter().find(|more| more.name == name).map(|more| more.value)
    }

    /// What a promise is about; `None` if it could not be measured.
    pub(crate) fn get(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::P50Ns => self.p50_ns,
            Measure::P99Ns => self.p99_ns,
            Measure::Ratio => self.ratio(),
            Measure::MemoryBytes => self.memory_bytes.map(|bytes| bytes as f64),
            Measure::More(name, _) => self.more(name),
            Measure::Finishes => Some(0.0),
        }
    }

    pub(crate) fn json(&self, promises: &[Promise]) -> Value {
        let rounded = |value: Option<f64>| value.map(|value| (value * 1000.0).round() / 1000.0);
        let baseline = self.baseline.as_ref().map(|baseline| match baseline.value {
            Compared::P50Ns(ns) => json!({ "name": baseline.name, "p50_ns": rounded(Some(ns)) }),
            Compared::MemoryBytes(bytes) => {
                json!({ "name": baseline.name, "memory_bytes": bytes })
            }
        });
        let mut line = Map::new();
        line.insert("name".into(), self.name.into());
        line.insert("per".into(), self.per.into());
        line.insert("p50_ns".into(), json!(rounded(self.p50_ns)));
        line.insert("p99_ns".into(), json!(rounded(self.p99_ns)));
        line.insert("per_second".into(), json!(self.per_second.map(f64::round)));
        line.insert("memory_bytes".into(), json!(self.memory_bytes));
        line.insert("baseline".into(), json!(baseline));
        line.insert("ratio".into(), json!(rounded(self.ratio())));
        for more in &self.more {
            let key = more.name.replace(' ', "_") + more.unit.suffix();
            line.insert(key, json!(rounded(Some(more.value))));
        }
        if !self.skipped.is_empty() {
            let skipped = self.skipped.iter().map(|(name, why)| format!("{name}: {why}"));
            line.insert("skipped".into(), skipped.collect());
        }
        line.insert("checked".into(), self.checked.into());
        if !promises.is_empty() {
            let promises = promises.iter().map(
                |promise| json!({ "promise": promise.to_string(), "kept": promise.is_kept(self) }),
            );
            line.insert("promises".into(), promises.collect());
        }
        Value::Object(line)
    }

    pub(crate) fn heading() -> String {
        row(&["", "p50", "p99", "per second", "memory", "baseline", "", "ratio"])
    }

    pub(crate) fn row(&self) -> String {
        let text =
            |value: Option<f64>, show: fn(f64) -> String| value.map(show).unwrap_or_default();
        let (name, theirs) = match &self.baseline {
            None => ("", String::new()),
            Some(Baseline { name, value: Compared::P50Ns(ns) }) => (*name, time(*ns)),
            Some(Baseline { name, value: Compared::MemoryBytes(bytes) }) => {
                (*name, memory(*bytes as f64))
            }
        };
        let row = row(&[
            self.name,
            &text(self.p50_ns, time),
            &text(self.p99_ns, time),
            &text(self.per_second, |value| format!("{value:.0}")),
            &text(self.memory_bytes.map(|bytes| bytes as f64), memory),
            &theirs,
            name,
            &text(self.ratio(), |ratio| format!("{ratio:.2}")),
        ]);
        let more = self
            .more
            .iter()
            .map(|more| format!("\n  {:<13} {:>9} {}", "", more.unit.show(more.value), more.name));
        let skipped =
            self.skipped.iter().map(|(name, why)| format!("\n  {:<23} skipped: {name}: {why}", ""));
        row + &more.chain(skipped).collect::<String>()
    }
}

fn row([name, p50, p99, rate, memory, theirs, baseline, ratio]: &[&str; 8]) -> String {
    let row = format!(
        "{name:<15} {p50:>9} {p99:>9} {rate:>10} {memory:>10} {theirs:>9} {baseline:<32} {ratio:>6}"
    );
    row.trim_end().to_owned()
}

/// A time as people read it.
pub(crate) fn time(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{:.2} us", ns / 1e3),
        ..1e9 => format!("{:.2} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

/// A number of bytes as people read it.
pub(crate) fn memory(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}
