//! Which of two lists' entries stand for each other.

/// So many pairs are looked at for what is the same in both; of longer lists only
/// the ends are.
const PAIRS_MAX: usize = 1 << 22;

/// Pairs of places, in order: of what stands for each other, or of what only one
/// list has. Lists of one length are paired by position. Else what is the same
/// in both, in the same order, shows where something came or went, and only what
/// lies between is paired by position.
pub(crate) fn aligned<T: PartialEq>(old: &[T], new: &[T]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut out = Vec::with_capacity(old.len().max(new.len()));
    let (mut a, mut b) = (0, 0);
    if old.len() != new.len() {
        for (at, to) in common(old, new) {
            between(&mut out, a..at, b..to);
            out.push((Some(at), Some(to)));
            (a, b) = (at + 1, to + 1);
        }
    }
    between(&mut out, a..old.len(), b..new.len());
    out
}

type Places = std::ops::Range<usize>;

fn between(out: &mut Vec<(Option<usize>, Option<usize>)>, old: Places, new: Places) {
    let most = old.len().max(new.len());
    let at = |places: &Places, n: usize| (n < places.len()).then(|| places.start + n);
    out.extend((0..most).map(|n| (at(&old, n), at(&new, n))));
}

/// What is the same in both, as long as can be, in the order of both.
fn common<T: PartialEq>(old: &[T], new: &[T]) -> Vec<(usize, usize)> {
    let same = |(old, new): &(&T, &T)| old == new;
    let before = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let after = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let old_middle = &old_rest[..old_rest.len() - after];
    let new_middle = &new_rest[..new_rest.len() - after];
    let mut out: Vec<_> = (0..before).map(|at| (at, at)).collect();
    let middle = longest(old_middle, new_middle);
    out.extend(middle.into_iter().map(|(at, to)| (at + before, to + before)));
    out.extend((0..after).rev().map(|n| (old.len() - 1 - n, new.len() - 1 - n)));
    out
}

/// The longest common subsequence, by the table of those of all ends.
fn longest<T: PartialEq>(old: &[T], new: &[T]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if old.is_empty() || new.is_empty() || (old.len() + 1).saturating_mul(width) > PAIRS_MAX {
        return Vec::new();
    }
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            lengths[at * width + to] = match old[at] == new[to] {
                true => lengths[(at + 1) * width + to + 1] + 1,
                false => lengths[(at + 1) * width + to].max(lengths[at * width + to + 1]),
            };
        }
    }
    let (mut out, mut at, mut to) = (Vec::new(), 0, 0);
    while at < old.len() && to < new.len() {
        if old[at] == new[to] {
            out.push((at, to));
            (at, to) = (at + 1, to + 1);
        } else if lengths[(at + 1) * width + to] >= lengths[at * width + to + 1] {
            at += 1;
        } else {
            to += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::aligned;

    fn text(old: &str, new: &str) -> String {
        let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
        let shown = |list: &[char], at: Option<usize>| at.map_or('-', |at| list[at]);
        let pairs = aligned(&old, &new);
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(a, b)| format!("{}{}", shown(&old, a), shown(&new, b)))
            .collect();
        pairs.join(" ")
    }

    #[test]
    fn what_came_or_went_shifts_nothing() {
        assert_eq!(text("abc", "axbc"), "aa -x bb cc");
        assert_eq!(text("abc", "ac"), "aa b- cc");
        assert_eq!(text("abcde", "aXbcYe"), "aa -X bb cc dY ee");
        assert_eq!(text("abcd", "bxcdy"), "a- bb -x cc dd -y");
        assert_eq!(text("", "ab"), "-a -b");
    }

    #[test]
    fn lists_of_one_length_are_paired_by_position() {
        assert_eq!(text("ab", "ba"), "ab ba");
        assert_eq!(text("abc", "xyz"), "ax by cz");
    }

    #[test]
    fn of_very_long_lists_the_ends_are_looked_at() {
        let old: Vec<usize> = (0..5000).collect();
        let new: Vec<usize> = (0..10).chain(9000..13_000).chain(4995..5000).collect();
        let pairs = aligned(&old, &new);
        assert_eq!(pairs.len(), 5000);
        assert_eq!(pairs[9], (Some(9), Some(9)));
        assert_eq!(pairs[4999], (Some(4999), Some(new.len() - 1)));
    }
}
