//! Where in a module its instructions were before it was rewritten.

/// A piece of a rewritten module that is as it was.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) new: usize,
    pub(super) old: usize,
    pub(super) length: usize,
}

/// Where pieces of a rewritten module were, for backtraces.
pub(crate) struct Places {
    /// Ascending.
    pieces: Vec<Piece>,
    functions: u32,
    /// Where that was, of a module that was rewritten twice.
    before: Option<Box<Places>>,
}

impl Places {
    pub(super) fn new(mut pieces: Vec<Piece>, bodies_at: usize, functions: u32) -> Self {
        for piece in &mut pieces {
            piece.new += bodies_at;
        }
        Self { pieces, functions, before: None }
    }

    /// Where an instruction was; of what was put before one, where that was.
    pub(crate) fn old(&self, new: usize) -> Option<usize> {
        let at = self.pieces.partition_point(|piece| piece.new <= new).checked_sub(1)?;
        let piece = self.pieces[at];
        let old = piece.old + (new - piece.new).min(piece.length);
        match &self.before {
            Some(before) => before.old(old),
            None => Some(old),
        }
    }

    /// The same for a module that others had been rewritten to.
    pub(crate) fn after(self, before: Self) -> Self {
        Self { functions: before.functions, before: Some(Box::new(before)), ..self }
    }

    /// Whether a function was there before.
    pub(crate) fn has_function(&self, index: u32) -> bool {
        index < self.functions
    }
}
