//! Fewer boxes: what is alike becomes one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use weft_eval::Outcome;
use weft_object::Handle;

use super::words::{Words, count};
use super::{Drawing, Edge, Node, Options, Order, Sort};
use crate::{Call, CallId, Calls, Role, Source};

/// Which box each call is in.
struct Boxes {
    of: Vec<usize>,
    count: usize,
}

impl Boxes {
    /// Calls with equal keys share one; boxes in order of their first calls.
    fn by<K: Eq + Hash>(calls: usize, key: impl Fn(CallId) -> K) -> Self {
        let mut ids: HashMap<K, usize> = HashMap::new();
        let of = (0..calls).map(|call| {
            let next = ids.len();
            *ids.entry(key(call)).or_insert(next)
        });
        let of = of.collect();
        Self { of, count: ids.len() }
    }
}

/// Folds calls by ever coarser likeness until there are few enough: each alone;
/// those of one function that the same others need; those of one function at one
/// depth, and at depths near each other; those of one function; and where there
/// are too many functions, all but those that ran longest.
fn boxes(calls: &Calls, order: &Order, functions: &[usize], most: usize) -> (Boxes, usize) {
    let count = calls.calls.len();
    if count <= most {
        return (Boxes::by(count, |call| call), 1);
    }
    let parents = parents(calls);
    let boxes = Boxes::by(count, |call| (functions[call], &parents[call]));
    if boxes.count <= most {
        return (boxes, 1);
    }
    let deepest = order.depth.iter().copied().max().unwrap_or(0);
    let mut step = 1;
    while step <= deepest + 1 {
        let boxes = Boxes::by(count, |call| (functions[call], order.depth[call] / step));
        if boxes.count <= most {
            return (boxes, step);
        }
        step *= 2;
    }
    let mut ran: BTreeMap<usize, u64> = BTreeMap::new();
    for (call, function) in calls.calls.iter().zip(functions) {
        *ran.entry(*function).or_default() += call.run_ns().unwrap_or(0);
    }
    let mut longest: Vec<usize> = ran.keys().copied().collect();
    longest.sort_by_key(|function| std::cmp::Reverse(ran[function]));
    let shown: HashSet<usize> = longest.into_iter().take(most.saturating_sub(1)).collect();
    let key = |call: usize| Some(functions[call]).filter(|function| shown.contains(function));
    (Boxes::by(count, key), deepest + 1)
}

/// Who needs each call; one number for each such set.
fn parents(calls: &Calls) -> Vec<Vec<CallId>> {
    let mut parents = vec![Vec::new(); calls.calls.len()];
    for (id, call) in calls.calls.iter().enumerate() {
        for need in &call.needs {
            parents[need.call].push(id);
        }
    }
    parents.iter_mut().for_each(Vec::dedup);
    parents
}

pub(super) fn fold<S: Source + ?Sized>(
    calls: &Calls,
    order: &Order,
    critical: &[CallId],
    words: &Words<'_, S>,
    options: &Options,
) -> Drawing {
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut functions = Vec::with_capacity(calls.calls.len());
    for call in &calls.calls {
        let next = ids.len();
        functions.push(*ids.entry(words.function(call)).or_insert(next));
    }
    let (boxes, step) = boxes(calls, order, &functions, options.nodes_max.max(1));
    let mut folding = Folding {
        calls,
        boxes: &boxes,
        words,
        options,
        out: Drawing::default(),
        edges: BTreeMap::new(),
    };
    folding.nodes(&functions);
    folding.needs(order, critical);
    folding.inputs();
    folding.layers(order, step);
    folding.finish()
}

struct Folding<'a, S: ?Sized> {
    calls: &'a Calls,
    boxes: &'a Boxes,
    words: &'a Words<'a, S>,
    options: &'a Options,
    out: Drawing,
    /// By place of both ends: how many, whether of callers alone, and critical.
    edges: BTreeMap<(usize, usize), (u64, bool, bool)>,
}

/// One function's name, or that there are several.
const OTHERS: &str = "other functions";

impl<S: Source + ?Sized> Folding<'_, S> {
    fn nodes(&mut self, functions: &[usize]) {
        let mut first: Vec<Option<CallId>> = vec![None; self.boxes.count];
        for (id, call) in self.calls.calls.iter().enumerate() {
            let at = self.boxes.of[id];
            match first[at] {
                None => {
                    first[at] = Some(id);
                    self.out.nodes.push(self.node(call));
                }
                Some(_) => {
                    let one = self.node_of(call);
                    self.out.nodes[at].join(&one);
                }
            }
            if first[at].is_some_and(|one| functions[one] != functions[id]) {
                OTHERS.clone_into(&mut self.out.nodes[at].title);
            }
        }
        for node in &mut self.out.nodes {
            if node.count > 1 {
                node.detail = format!("\u{d7} {}", count(node.count));
            }
        }
        for result in &self.calls.results {
            self.out.nodes[self.boxes.of[*result]].result = true;
        }
    }

    /// A box of one call, without its words.
    fn node_of(&self, call: &Call) -> Node {
        let ran = self.options.ran.as_ref().is_some_and(|ran| ran.contains(&call.key));
        Node {
            sort: match &call.outcome {
                None => Sort::Unknown,
                Some(Outcome::Failure(_)) => Sort::Failed,
                Some(_) => Sort::Value,
            },
            title: String::new(),
            detail: String::new(),
            handle: call.key,
            count: 1,
            run_ns: call.run_ns().unwrap_or(0),
            timed: u64::from(call.relation.is_some()),
            ran: u64::from(ran),
            critical: false,
            result: false,
            layer: 0,
        }
    }

    fn node(&self, call: &Call) -> Node {
        let (title, detail) = (self.words.function(call), self.words.arguments(call));
        Node { title, detail, ..self.node_of(call) }
    }

    fn needs(&mut self, order: &Order, critical: &[CallId]) {
        let chain: HashSet<(CallId, CallId)> =
            critical.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for call in critical {
            self.out.nodes[self.boxes.of[*call]].critical = true;
        }
        for (id, call) in self.calls.calls.iter().enumerate() {
            for need in &call.needs {
                let (from, to) = (self.boxes.of[need.call], self.boxes.of[id]);
                if from == to || order.back.contains(&(id, need.call)) {
                    continue;
                }
                let edge = self.edges.entry((from, to)).or_insert((0, true, false));
                edge.0 += 1;
                edge.1 &= need.role == Role::Caller;
                edge.2 |= chain.contains(&(need.call, id));
            }
        }
    }

    /// What no call here made: a box for each, or for those that go into the same
    /// boxes; and if that are still many, one for most of them.
    fn inputs(&mut self) {
        let mut into: BTreeMap<Handle, BTreeSet<usize>> = BTreeMap::new();
        for (id, call) in self.calls.calls.iter().enumerate() {
            let made: HashSet<Role> = call.needs.iter().map(|need| need.role).collect();
            for (at, entry) in call.entries.entries().iter().enumerate().skip(2) {
                if entry.kind().is_data() && !entry.is_literal() && !made.contains(&Role::Entry(at))
                {
                    into.entry(entry.content()).or_default().insert(self.boxes.of[id]);
                }
            }
        }
        let most = self.options.nodes_max.max(2);
        if into.len() + self.boxes.count <= most {
            for (input, boxes) in &into {
                self.input(boxes, &[*input]);
            }
            return;
        }
        let mut groups: BTreeMap<BTreeSet<usize>, Vec<Handle>> = BTreeMap::new();
        for (input, boxes) in into {
            groups.entry(boxes).or_default().push(input);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, inputs)| std::cmp::Reverse(inputs.len()));
        let rest = groups.split_off(groups.len().min(most / 2));
        let (boxes, inputs): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
        groups.push((boxes.into_iter().flatten().collect(), inputs.concat()));
        for (boxes, inputs) in groups {
            self.input(&boxes, &inputs);
        }
    }

    fn input(&mut self, into: &BTreeSet<usize>, group: &[Handle]) {
        let [first, ..] = group else { return };
        let at = self.out.nodes.len();
        let (title, detail) = match group.len() {
            1 => self.words.input(*first),
            many => (format!("{} inputs", count(many as u64)), self.words.sizes(group)),
        };
        self.out.nodes.push(Node {
            sort: Sort::Input,
            title,
            detail,
            handle: *first,
            count: group.len() as u64,
            run_ns: 0,
            timed: 0,
            ran: 0,
            critical: false,
            result: false,
            layer: 0,
        });
        for to in into {
            self.edges.insert((at, *to), (group.len() as u64, false, false));
        }
    }

    /// Calls by their depth, inputs directly before the first that takes them.
    fn layers(&mut self, order: &Order, step: usize) {
        let mut layers = vec![usize::MAX; self.out.nodes.len()];
        for (id, at) in self.boxes.of.iter().enumerate() {
            let before = if layers[*at] == usize::MAX { 0 } else { layers[*at] };
            layers[*at] = before.max(1 + order.depth[id] / step);
        }
        for (from, to) in self.edges.keys().filter(|(from, _)| *from >= self.boxes.count) {
            layers[*from] = layers[*from].min(layers[*to] - 1);
        }
        // No empty column.
        let used: BTreeSet<usize> = layers.iter().copied().collect();
        let place: BTreeMap<usize, usize> =
            used.into_iter().enumerate().map(|(place, layer)| (layer, place)).collect();
        for (node, layer) in self.out.nodes.iter_mut().zip(layers) {
            node.layer = place[&layer];
        }
    }

    fn finish(mut self) -> Drawing {
        let edges = self.edges.iter().map(|((from, to), (count, caller, critical))| Edge {
            from: *from,
            to: *to,
            count: *count,
            caller: *caller,
            critical: *critical,
        });
        self.out.edges = edges.collect();
        self.out
    }
}

impl Node {
    /// Takes in another one of the same box.
    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.run_ns = self.run_ns.saturating_add(other.run_ns);
        self.timed += other.timed;
        self.ran += other.ran;
        self.sort = self.sort.max(other.sort);
    }
}
