//! Places for boxes and ways for arrows: columns by layer, an order within each
//! that lets few arrows cross, and heights that let most of them run straight.

use std::collections::BTreeMap;

use super::Drawing;

/// The size of a box and what is between boxes, in pixels.
pub(super) const HEIGHT: f64 = 46.0;
const GAP: f64 = 16.0;
/// Between arrows that pass a column.
const PASS_GAP: f64 = 10.0;
const BETWEEN: f64 = 64.0;
const MARGIN: f64 = 20.0;

/// Where everything is.
pub(super) struct Layout {
    /// Of each node the left upper corner and the width.
    pub(super) boxes: Vec<(f64, f64, f64)>,
    /// Of each edge the points that it goes through.
    pub(super) ways: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Arrows bend around boxes between their ends as long as that takes no more
/// places than this.
const BENDS_MAX: usize = 6000;
const SWEEPS: usize = 16;

/// A place in a column: a box, or where an arrow passes.
#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Node(usize),
    Pass,
}

struct Columns {
    slots: Vec<Slot>,
    /// Which slots stand in each column, from top to bottom.
    columns: Vec<Vec<usize>>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    y: Vec<f64>,
    /// For each edge its slots, ends included.
    chains: Vec<Vec<usize>>,
}

/// `widths` has the width of each node's box.
pub(super) fn layout(drawing: &Drawing, widths: &[f64]) -> Layout {
    let mut columns = Columns::of(drawing);
    for sweep in 0..SWEEPS {
        columns.order(sweep % 2 == 0);
    }
    columns.start();
    for sweep in 0..SWEEPS {
        columns.straighten(sweep % 2 == 0);
    }
    columns.place(drawing, widths)
}

impl Columns {
    fn of(drawing: &Drawing) -> Self {
        let layers = drawing.nodes.iter().map(|node| node.layer + 1).max().unwrap_or(0);
        let mut out = Self {
            slots: (0..drawing.nodes.len()).map(Slot::Node).collect(),
            columns: vec![Vec::new(); layers],
            left: vec![Vec::new(); drawing.nodes.len()],
            right: vec![Vec::new(); drawing.nodes.len()],
            y: Vec::new(),
            chains: Vec::new(),
        };
        for (at, node) in drawing.nodes.iter().enumerate() {
            out.columns[node.layer].push(at);
        }
        let spans = drawing.edges.iter().map(|edge| {
            drawing.nodes[edge.to].layer.saturating_sub(drawing.nodes[edge.from].layer + 1)
        });
        let bend = spans.sum::<usize>() <= BENDS_MAX;
        for edge in &drawing.edges {
            let (from, to) = (drawing.nodes[edge.from].layer, drawing.nodes[edge.to].layer);
            let mut chain = vec![edge.from];
            if bend {
                for layer in from + 1..to {
                    let at = out.slots.len();
                    out.slots.push(Slot::Pass);
                    out.left.push(Vec::new());
                    out.right.push(Vec::new());
                    out.columns[layer].push(at);
                    chain.push(at);
                }
            }
            chain.push(edge.to);
            if from < to {
                for pair in chain.windows(2) {
                    out.right[pair[0]].push(pair[1]);
                    out.left[pair[1]].push(pair[0]);
                }
            }
            out.chains.push(chain);
        }
        out.y = vec![0.0; out.slots.len()];
        out
    }

    /// Orders each column by where its neighbors on one side stand.
    fn order(&mut self, forward: bool) {
        let mut place = vec![0.0; self.slots.len()];
        for column in &self.columns {
            for (at, slot) in column.iter().enumerate() {
                place[*slot] = at as f64;
            }
        }
        let count = self.columns.len();
        for step in 0..count {
            let at = if forward { step } else { count - 1 - step };
            let neighbors = if forward { &self.left } else { &self.right };
            let wish = |slot: &usize| mean(&neighbors[*slot], &place).unwrap_or(place[*slot]);
            let mut column: Vec<(f64, usize)> =
                self.columns[at].iter().map(|slot| (wish(slot), *slot)).collect();
            column.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.columns[at] = column.into_iter().map(|(_, slot)| slot).collect();
            for (at, slot) in self.columns[at].iter().enumerate() {
                place[*slot] = at as f64;
            }
        }
    }

    /// How far the middle of a slot is below that of the one above it, at least.
    fn distance(&self, above: usize, below: usize) -> f64 {
        let half = |slot: usize| match self.slots[slot] {
            Slot::Node(_) => (HEIGHT + GAP) / 2.0,
            Slot::Pass => PASS_GAP / 2.0,
        };
        half(above) + half(below)
    }

    /// All columns packed, around one middle line.
    fn start(&mut self) {
        for column in &self.columns {
            let mut y = 0.0;
            for (at, slot) in column.iter().enumerate() {
                if at > 0 {
                    y += self.distance(column[at - 1], *slot);
                }
                self.y[*slot] = y;
            }
            for slot in column {
                self.y[*slot] -= y / 2.0;
            }
        }
    }

    /// Moves each column as near to its neighbors as order and distances allow.
    fn straighten(&mut self, forward: bool) {
        let count = self.columns.len();
        for step in 0..count {
            let at = if forward { step } else { count - 1 - step };
            let column = &self.columns[at];
            let wish = |slot: &usize| {
                let sides = [&self.left[*slot], &self.right[*slot]];
                let [left, right] = sides.map(|side| mean(side, &self.y).unwrap_or(0.0));
                let [lefts, rights] = sides.map(|side| side.len() as f64);
                match lefts + rights {
                    0.0 => self.y[*slot],
                    count => (left * lefts + right * rights) / count,
                }
            };
            let mut offset = 0.0;
            let mut offsets = Vec::with_capacity(column.len());
            for (at, slot) in column.iter().enumerate() {
                if at > 0 {
                    offset += self.distance(column[at - 1], *slot);
                }
                offsets.push(offset);
            }
            let wishes: Vec<f64> =
                column.iter().zip(&offsets).map(|(slot, offset)| wish(slot) - offset).collect();
            let column = column.clone();
            for ((slot, y), offset) in column.iter().zip(rising(&wishes)).zip(offsets) {
                self.y[*slot] = y + offset;
            }
        }
    }

    fn place(self, drawing: &Drawing, widths: &[f64]) -> Layout {
        let mut x = MARGIN;
        let mut lefts = Vec::new();
        for column in &self.columns {
            let nodes = column.iter().filter_map(|slot| match self.slots[*slot] {
                Slot::Node(node) => Some(widths[node]),
                Slot::Pass => None,
            });
            let width = nodes.fold(0.0, f64::max);
            lefts.push((x, width));
            x += width + BETWEEN;
        }
        let top = self.y.iter().copied().fold(f64::INFINITY, f64::min);
        let bottom = self.y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let down = MARGIN + HEIGHT / 2.0 - if top.is_finite() { top } else { 0.0 };
        let y = |slot: usize| self.y[slot] + down;
        let column_of: BTreeMap<usize, usize> = self
            .columns
            .iter()
            .enumerate()
            .flat_map(|(at, column)| column.iter().map(move |slot| (*slot, at)))
            .collect();
        let boxes: Vec<_> = widths
            .iter()
            .enumerate()
            .map(|(node, width)| (lefts[column_of[&node]].0, y(node) - HEIGHT / 2.0, *width))
            .collect();
        let ways = self.chains.iter().zip(&drawing.edges).map(|(chain, edge)| {
            let (from, to) = (boxes[edge.from], boxes[edge.to]);
            let mut way = vec![(from.0 + from.2, y(edge.from))];
            for slot in &chain[1..chain.len() - 1] {
                let (left, width) = lefts[column_of[slot]];
                way.extend([(left, y(*slot)), (left + width, y(*slot))]);
            }
            way.push((to.0, y(edge.to)));
            way
        });
        let ways = ways.collect();
        let height =
            if bottom.is_finite() { bottom + down + HEIGHT / 2.0 + MARGIN } else { MARGIN };
        Layout { boxes, ways, width: (x - BETWEEN + MARGIN).max(MARGIN), height }
    }
}

fn mean(of: &[usize], values: &[f64]) -> Option<f64> {
    let sum: f64 = of.iter().map(|at| values[*at]).sum();
    (!of.is_empty()).then(|| sum / of.len() as f64)
}

/// The rising sequence that is nearest to one that need not rise: where it falls,
/// neighbors meet in their mean.
fn rising(wishes: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for wish in wishes {
        let mut block = (*wish, 1);
        while let Some((mean, count)) = blocks.last().copied()
            && mean > block.0
        {
            blocks.pop();
            let total = (count + block.1) as f64;
            block = ((mean * count as f64 + block.0 * block.1 as f64) / total, count + block.1);
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|(mean, count)| std::iter::repeat_n(*mean, *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_wish_is_met_in_the_middle() {
        assert_eq!(rising(&[1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
        assert_eq!(rising(&[3.0, 1.0, 2.0]), [2.0, 2.0, 2.0]);
        assert_eq!(rising(&[0.0, 5.0, 1.0, 9.0]), [0.0, 3.0, 3.0, 9.0]);
        assert_eq!(rising(&[]), [0.0; 0]);
    }
}
