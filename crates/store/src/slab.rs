/// A vector in pieces, so that growing moves nothing and leaves no slack: ten
/// million entries must not wait while some of them are copied elsewhere.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    // All full but the last.
    pieces: Vec<Vec<T>>,
}

// Of 64 bytes each, half a page.
const PIECE: usize = 32;
const FIRST: usize = 4;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// What an entry takes beside its own bytes: its part of a piece's place
    /// in the list, which doubles, and of the allocator's word.
    pub(crate) const OVERHEAD_BYTES: usize = 2;

    pub(crate) fn len(&self) -> usize {
        let last = self.pieces.last().map_or(0, Vec::len);
        self.pieces.len().saturating_sub(1) * PIECE + last
    }

    /// Puts an entry behind all others; its place.
    pub(crate) fn push(&mut self, entry: T) -> usize {
        let at = self.len();
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => {
                if last.len() == last.capacity() {
                    last.reserve_exact(last.len().clamp(1, PIECE - last.len()));
                }
                last.push(entry);
            }
            last => {
                // A table of a few stays small.
                let mut piece = Vec::with_capacity(last.map_or(FIRST, |_| PIECE));
                piece.push(entry);
                self.pieces.push(piece);
            }
        }
        at
    }

    /// # Panics
    /// If there is none at this place.
    pub(crate) fn get(&self, at: usize) -> &T {
        &self.pieces[at / PIECE][at % PIECE]
    }

    /// # Panics
    /// If there is none at this place.
    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.pieces[at / PIECE][at % PIECE]
    }

    /// Takes an entry out; the last takes its place. `None` if there is none.
    pub(crate) fn swap_remove(&mut self, at: usize) -> Option<T> {
        let last_piece = self.pieces.last_mut()?;
        let last = last_piece.pop()?;
        if last_piece.is_empty() {
            self.pieces.pop();
            if self.pieces.len() < self.pieces.capacity() / 4 {
                self.pieces.shrink_to(2 * self.pieces.len());
            }
        }
        match at == self.len() {
            true => Some(last),
            false => Some(std::mem::replace(self.get_mut(at), last)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flatten()
    }

    /// What is allocated.
    pub(crate) fn bytes(&self) -> usize {
        let last = self.pieces.last().map_or(0, Vec::capacity);
        (self.pieces.len().saturating_sub(1) * PIECE + last) * size_of::<T>()
            + self.pieces.capacity() * size_of::<Vec<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_vector() {
        let mut slab = Slab::default();
        let mut plain = Vec::new();
        for number in 0..1000_u32 {
            assert_eq!(slab.push(number), plain.len());
            plain.push(number);
        }
        for at in [999, 0, 500, 31, 32, 33, 990] {
            assert_eq!(slab.swap_remove(at), Some(plain.swap_remove(at)));
        }
        *slab.get_mut(7) += 1;
        plain[7] += 1;
        assert!(slab.iter().eq(plain.iter()));
        assert!((0..plain.len()).all(|at| slab.get(at) == &plain[at]));
        while !plain.is_empty() {
            assert_eq!(slab.len(), plain.len());
            assert_eq!(slab.swap_remove(plain.len() / 3), Some(plain.swap_remove(plain.len() / 3)));
        }
        assert_eq!((slab.len(), slab.swap_remove(0)), (0, None));
        assert!(slab.bytes() < 1000, "{}", slab.bytes());
    }
}
