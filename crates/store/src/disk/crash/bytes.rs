//! What is in one file: as it is seen, and as it would be found.

use super::dice::Dice;

const SECTOR: u64 = 512;

/// A change that was not synced.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    seen: Vec<u8>,
    durable: Vec<u8>,
    since: Vec<Change>,
}

impl Bytes {
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Self { seen: bytes.to_vec(), durable: bytes.to_vec(), since: Vec::new() }
    }

    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        write(&mut self.seen, bytes, offset);
        self.since.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        self.seen.resize(length as usize, 0);
        self.since.push(Change::Length(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.since.drain(..) {
            match change {
                Change::Write { offset, bytes } => write(&mut self.durable, &bytes, offset),
                Change::Length(length) => self.durable.resize(length as usize, 0),
            }
        }
    }

    /// A sync that fails: some of it is on the disk, and of the rest nobody
    /// knows any more that it should be.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        self.durable = self.after_crash(dice);
        self.since.clear();
    }

    /// What may be found when the power went.
    pub(super) fn after_crash(&self, dice: &mut Dice) -> Vec<u8> {
        let mut found = self.durable.clone();
        for change in &self.since {
            match change {
                Change::Length(length) if dice.lasts() => found.resize(*length as usize, 0),
                Change::Length(_) => {}
                Change::Write { offset, bytes } => {
                    // The length may have been written, and nothing else.
                    let end = (offset + bytes.len() as u64) as usize;
                    if end > found.len() && dice.lasts() {
                        found.resize(end, 0);
                    }
                    for (offset, sector) in sectors(*offset, bytes) {
                        if dice.lasts() {
                            write(&mut found, sector, offset);
                        }
                    }
                }
            }
        }
        found
    }
}

fn write(file: &mut Vec<u8>, bytes: &[u8], offset: u64) {
    let (from, to) = (offset as usize, offset as usize + bytes.len());
    if file.len() < to {
        file.resize(to, 0);
    }
    file[from..to].copy_from_slice(bytes);
}

fn sectors(mut offset: u64, mut bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let rest = (SECTOR - offset % SECTOR) as usize;
        let (sector, more) = bytes.split_at(rest.min(bytes.len()));
        let at = offset;
        offset += sector.len() as u64;
        bytes = more;
        (!sector.is_empty()).then_some((at, sector))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_stays_and_the_rest_is_torn_at_sectors() {
        let mut bytes = Bytes::default();
        bytes.write(&[1; 2000], 0);
        bytes.sync();
        bytes.write(&[2; 3000], 700);
        let mut torn = 0;
        for seed in 0..200 {
            let found = bytes.after_crash(&mut Dice::new(seed));
            assert!(found.len() >= 2000 && found[..700] == [1; 700]);
            for (at, sector) in sectors(0, &found) {
                let inside: Vec<u8> = (at..)
                    .zip(sector)
                    .filter(|(at, _)| *at >= 700)
                    .map(|(_, byte)| *byte)
                    .collect();
                let old = if at >= 2000 { 0 } else { 1 };
                let all_of = |byte| inside.iter().all(|found| *found == byte);
                // The sector in which the synced part ends has both.
                let mixed = at < 2000 && at + 512 > 2000 && !inside.contains(&2);
                assert!(all_of(2) || all_of(old) || mixed, "seed {seed}, sector at {at}");
            }
            torn += usize::from(found.contains(&2) && found[700..].iter().any(|byte| *byte != 2));
        }
        assert!(torn > 50, "{torn}");
    }

    #[test]
    fn a_sync_that_failed_is_not_made_good_by_the_next() {
        let mut lost = 0;
        for seed in 0..50 {
            let mut bytes = Bytes::default();
            bytes.write(&[1; 600], 0);
            bytes.fail_sync(&mut Dice::new(seed));
            bytes.write(&[2; 600], 600);
            bytes.sync();
            let found = bytes.after_crash(&mut Dice::new(0));
            assert_eq!(
                (bytes.seen(), &found[600..]),
                (&[[1; 600], [2; 600]].concat()[..], &[2; 600][..])
            );
            lost += usize::from(found[..600] != [1; 600]);
        }
        assert!(lost > 20, "{lost}");
    }
}
