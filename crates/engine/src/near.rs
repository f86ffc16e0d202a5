//! What somebody may have meant.

/// The names that differ from `word` in a letter or two: exchanged, added, left
/// out or another. The nearest first, and few.
#[must_use]
pub fn near<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const SHOWN: usize = 3;
    let most = if word.len() < 4 { 1 } else { 2 };
    let measured = names.map(|name| (distance(word.as_bytes(), name.as_bytes()), name));
    let mut near: Vec<_> = measured.filter(|(distance, _)| *distance <= most).collect();
    near.sort_unstable();
    near.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

/// How many such changes there are, neighbors that changed places being one.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let other = last[j] + usize::from(a[i] != b[j]);
            let mut least = other.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_letters_make_a_neighbor() {
        let names = ["odd", "old", "source", "word", "readme"];
        let near = |word| near(word, names.into_iter());
        assert_eq!(near("ood"), ["odd", "old"]);
        assert_eq!(near("raedme"), ["readme"]);
        assert_eq!(near("sorce"), ["source"]);
        assert!(near("something").is_empty() && near("sou").is_empty());
        assert_eq!(distance(b"", b"abc"), 3);
    }
}
