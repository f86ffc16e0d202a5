//! Which stores need no mark, because one before them has marked the card, whichever
//! way led to it.
//!
//! A mark lasts until the run has ended. So what is known of the value that an
//! address was made of stays true, and all that is needed is which addresses are made
//! of the same value: a local that was not written to since, with constants added. Where
//! ways meet, what only one of them has marked is forgotten, and which value each local
//! has that was written to on one of them; where a loop begins, all locals.
//!
//! Addresses wrap around and memory does not reach that far: both stores are to a
//! memory of less than 2 GiB, or the instance is not used again. So if what was added
//! differs by little, the places do by as much.

use std::collections::HashMap;

use wasmparser::Operator;

use super::SPILL_BYTES;
use super::body::stored;
use super::survey::Survey;

/// How far from the place of the store that has marked; with what the other one writes,
/// it is put back with the card.
const NEAR: u32 = SPILL_BYTES - STORED_MAX_BYTES + 1;

/// The most that one store writes.
const STORED_MAX_BYTES: u32 = 16;

/// Of a block, the writes to locals that are kept apart.
const SETS_MAX: usize = 64;

/// What a number on the stack or in a local was made of: some value, and what was
/// added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value {
    from: u32,
    plus: u32,
}

/// What constants are made of.
const NOTHING: u32 = 0;

/// What is known at one place of a body.
pub(super) struct Marked<'s, 'a> {
    survey: &'s Survey<'a>,
    values: u32,
    /// The upper end of the stack.
    stack: Vec<Value>,
    locals: HashMap<u32, Value>,
    /// Locals that were written to, by the blocks we are in.
    sets: Vec<u32>,
    /// What was added to a value where a mark was made last.
    marks: HashMap<u32, u32>,
    /// What was there before, by the blocks we are in.
    before: Vec<(u32, Option<u32>)>,
    blocks: Vec<Block>,
}

/// A block that has not ended.
struct Block {
    sets: usize,
    before: usize,
    /// Whether more locals were written to than are kept apart.
    many: bool,
}

impl<'s, 'a> Marked<'s, 'a> {
    /// Where a body begins.
    pub(super) fn new(survey: &'s Survey<'a>) -> Self {
        Self {
            survey,
            values: NOTHING + 1,
            stack: Vec::new(),
            locals: HashMap::new(),
            sets: Vec::new(),
            marks: HashMap::new(),
            before: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Goes on behind an operator. If it is a store, whether its card is marked; if
    /// not, it is taken to be from now on.
    pub(super) fn next(&mut self, operator: &Operator<'_>) -> bool {
        if let Some((_, arg)) = stored(operator) {
            self.pop();
            let address = self.pop();
            return self.store(address, arg.offset as u32);
        }
        match *operator {
            Operator::LocalGet { local_index } => {
                let value = match self.locals.get(&local_index) {
                    Some(&value) => value,
                    None => self.value(),
                };
                self.locals.insert(local_index, value);
                self.stack.push(value);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.set(local_index, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.pop();
                self.set(local_index, value);
                self.stack.push(value);
            }
            Operator::I32Const { value } => {
                self.stack.push(Value { from: NOTHING, plus: value.cast_unsigned() });
            }
            Operator::I32Add => {
                let (b, a) = (self.pop(), self.pop());
                let value = match (a.from, b.from) {
                    (_, NOTHING) => Value { plus: a.plus.wrapping_add(b.plus), ..a },
                    (NOTHING, _) => Value { plus: a.plus.wrapping_add(b.plus), ..b },
                    _ => self.value(),
                };
                self.stack.push(value);
            }
            Operator::I32Sub => {
                let (b, a) = (self.pop(), self.pop());
                let value = match b.from {
                    NOTHING => Value { plus: a.plus.wrapping_sub(b.plus), ..a },
                    _ => self.value(),
                };
                self.stack.push(value);
            }
            Operator::Block { .. } | Operator::TryTable { .. } => self.enter(),
            Operator::If { .. } => {
                self.pop();
                self.enter();
            }
            Operator::Loop { .. } => {
                self.enter();
                // The loop may write to any of them.
                self.locals.clear();
            }
            Operator::Else => {
                if let Some(block) = self.blocks.pop() {
                    let block = self.meet(block);
                    self.blocks.push(block);
                }
            }
            Operator::End => {
                if let Some(block) = self.blocks.pop() {
                    let many = self.meet(block).many;
                    if let Some(outer) = self.blocks.last_mut() {
                        outer.many |= many;
                    }
                }
            }
            Operator::BrIf { .. } => _ = self.pop(),
            ref other => match other.operator_arity(self.survey) {
                Some((pops, pushes)) => {
                    let left = self.stack.len().saturating_sub(pops as usize);
                    self.stack.truncate(left);
                    for _ in 0..pushes {
                        let value = self.value();
                        self.stack.push(value);
                    }
                }
                // It goes elsewhere, or nobody knows.
                None => self.stack.clear(),
            },
        }
        false
    }

    fn store(&mut self, address: Value, offset: u32) -> bool {
        let at = address.plus.wrapping_add(offset);
        let marked = self.marks.get(&address.from).copied();
        if marked.is_some_and(|marked| at.wrapping_sub(marked).min(marked.wrapping_sub(at)) <= NEAR)
        {
            return true;
        }
        self.marks.insert(address.from, at);
        self.before.push((address.from, marked));
        false
    }

    /// One that nothing is known of.
    fn value(&mut self) -> Value {
        self.values += 1;
        Value { from: self.values, plus: 0 }
    }

    fn pop(&mut self) -> Value {
        match self.stack.pop() {
            Some(value) => value,
            None => self.value(),
        }
    }

    fn set(&mut self, local: u32, value: Value) {
        self.locals.insert(local, value);
        self.sets.push(local);
    }

    fn enter(&mut self) {
        let (sets, before) = (self.sets.len(), self.before.len());
        self.blocks.push(Block { sets, before, many: false });
        self.stack.clear();
    }

    /// Goes back to what was known where a block began, but for what it may have
    /// written.
    fn meet(&mut self, block: Block) -> Block {
        for (from, marked) in self.before.drain(block.before..).rev() {
            match marked {
                Some(marked) => _ = self.marks.insert(from, marked),
                None => _ = self.marks.remove(&from),
            }
        }
        let many = block.many || self.sets.len() - block.sets > SETS_MAX;
        match many {
            true => {
                self.locals.clear();
                self.sets.truncate(block.sets);
            }
            false => self.sets[block.sets..].iter().for_each(|local| _ = self.locals.remove(local)),
        }
        self.stack.clear();
        Block { many, ..block }
    }
}

#[cfg(test)]
mod tests;
