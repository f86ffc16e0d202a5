//! Pages at rest: Blobs that are kept compressed.
//!
//! The memory of a program that was started and kept is a Tree of pages, each a
//! Blob of exactly [`PAGE`] bytes. They have long runs of the same and words that
//! recur, unlike most of what has that length by chance, and are read as a whole.
//! So it is the length that decides, and whether it pays.
//!
//! The name of a page is the digest of its bytes, as of all content: nobody but
//! the packs knows that it is compressed. What a record holds begins with a check
//! of its own. Of a frame that was damaged the bytes might come out all the
//! same, for zstd ignores a bit here and there: that would be damage that shows
//! today or never, as the decoder likes. And it never sees any but what was
//! written.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use super::record::digest;

/// The length of what is compressed.
pub(super) const PAGE: u64 = 4096;

/// No content is longer of which a record says that it is compressed: so much
/// memory is taken for the word of a record.
const CONTENT_MAX: u64 = 64 * 1024;

const CHECK: usize = 8;

/// Of 7,338 pages of a CPython heap, 22.4% are left at 3 and 22.8% at 1, which
/// takes as long; 22.1% at 4 for a fifth more, and 21.6% at 12 for twenty times
/// as much.
const LEVEL: i32 = 3;

/// Whether a payload of this length may be content of that length, compressed.
/// It has to save an eighth: what is left then would take longer to read than
/// its bytes are worth.
pub(super) fn fits(content: u64, payload: u64) -> bool {
    content <= CONTENT_MAX && payload > CHECK as u64 && payload <= content - content / 8
}

struct Coders {
    // What a record says anyway, or its check, is left out.
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
}

thread_local! {
    // Making one takes longer than a page.
    static CODERS: RefCell<Option<Coders>> = const { RefCell::new(None) };
}

fn with_coders<T>(work: impl FnOnce(&mut Coders) -> io::Result<T>) -> io::Result<T> {
    CODERS.with_borrow_mut(|coders| match coders {
        Some(coders) => work(coders),
        none => work(none.insert(Coders::new()?)),
    })
}

impl Coders {
    fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_contentsize(false)?;
        compressor.include_checksum(false)?;
        compressor.include_dictid(false)?;
        Ok(Self { compressor, decompressor: Decompressor::new()? })
    }
}

/// The payload of a compressed record of these bytes; `None` if they stay as
/// they are.
pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = bytes.len() as u64;
    let mut payload = vec![0; (length - length / 8) as usize];
    let (check, frame) = payload.split_at_mut_checked(CHECK)?;
    // What does not fit is not worth it.
    let written = with_coders(|coders| coders.compressor.compress_to_buffer(bytes, frame)).ok()?;
    check.copy_from_slice(&digest(&frame[..written]));
    payload.truncate(CHECK + written);
    fits(length, payload.len() as u64).then_some(payload)
}

/// Whether a payload is what was written, as its check says: it takes a third of
/// the time.
pub(super) fn is_whole(payload: &[u8]) -> bool {
    let split = payload.split_at_checked(CHECK);
    split.is_some_and(|(check, frame)| digest(frame) == check)
}

/// The bytes that a payload stands for; `None` if it is damaged. The length is
/// what the handle says, and no more memory is taken.
pub(super) fn decompress(payload: &[u8], length: u64) -> Option<Vec<u8>> {
    if !fits(length, payload.len() as u64) || !is_whole(payload) {
        return None;
    }
    let frame = &payload[CHECK..];
    let mut bytes = Vec::with_capacity(length as usize);
    let read = with_coders(|coders| coders.decompressor.decompress_to_buffer(frame, &mut bytes));
    read.is_ok_and(|read| read as u64 == length).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes of any length that can be compressed more or less: `share` of 16
    /// are random.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![0..64_usize, 3000..5000_usize, Just(4096), Just(65_536)];
        (any::<u64>(), 0..=16_u64, length).prop_map(|(seed, share, length)| {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            (0..length).map(|_| if next() % 16 < share { next() as u8 } else { 7 }).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_out_again(bytes in bytes()) {
            if let Some(payload) = compress(&bytes) {
                prop_assert!(payload.len() <= bytes.len() - bytes.len() / 8);
                let length = bytes.len() as u64;
                prop_assert_eq!(decompress(&payload, length), Some(bytes));
                prop_assert_eq!(decompress(&payload, length - 1), None);
                prop_assert_eq!(decompress(&payload, length + 1), None);
            }
        }

        #[test]
        fn whatever_a_payload_is_nothing_else_comes_out(
            payload in prop::collection::vec(any::<u8>(), 0..100),
            length in prop_oneof![0..5000_u64, Just(u64::MAX), Just(1 << 40)],
        ) {
            let forged = [&digest(&payload)[..], &payload].concat();
            prop_assert_eq!(decompress(&payload, length), None);
            if let Some(bytes) = decompress(&forged, length) {
                prop_assert_eq!(bytes.len() as u64, length);
            }
        }
    }

    /// A page of numbers.
    fn words() -> Vec<u8> {
        (0..PAGE / 8).flat_map(|at| (at % 7 * at).to_le_bytes()).collect()
    }

    #[test]
    fn what_does_not_get_shorter_stays_as_it_is() {
        let mut random = vec![0; PAGE as usize];
        blake3::Hasher::new().finalize_xof().fill(&mut random);
        assert_eq!(compress(&random), None);
        assert_eq!(compress(&[]), None);
        let zeros = compress(&[0; PAGE as usize]).unwrap();
        assert!(zeros.len() < 40, "{}", zeros.len());
        // As soon as it is worth it.
        let mut last = PAGE as usize;
        for zeros in (0..1024).step_by(8) {
            random[..zeros].fill(0);
            if let Some(payload) = compress(&random) {
                assert!(payload.len() <= 3584 && last > 3000, "{zeros}");
                last = payload.len();
            }
        }
        assert!(last < 3584, "{last}");
    }

    #[test]
    fn each_flipped_bit_and_each_end_too_early_shows() {
        let bytes = words();
        let payload = compress(&bytes).unwrap();
        for at in 0..payload.len() {
            for bit in 0..8 {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(decompress(&flipped, PAGE), None, "byte {at}, bit {bit}");
            }
            assert_eq!(decompress(&payload[..at], PAGE), None, "{at} bytes");
        }
    }

    /// Whoever made it: the frame itself says that there is more.
    #[test]
    fn no_more_is_taken_than_the_handle_says() {
        let mut theirs = Compressor::new(1).unwrap();
        let mut forged = theirs.compress(&vec![1; 64 << 20]).unwrap();
        assert!(forged.len() > PAGE as usize / 2);
        forged.truncate(PAGE as usize / 2);
        let payload = [&digest(&forged)[..], &forged].concat();
        assert_eq!(decompress(&payload, PAGE), None);
        let several = theirs.compress(&[1; 4096]).unwrap();
        let several = several.repeat(8);
        let payload = [&digest(&several)[..], &several].concat();
        assert_eq!(decompress(&payload, PAGE), None);
        assert!(!fits(u64::MAX, 100) && !fits(CONTENT_MAX + 1, 100) && !fits(0, 0));
    }

    /// Why the frame has a check: without it, some damage is none to the decoder.
    #[test]
    fn the_decoder_overlooks_some_damage() {
        let bytes = words();
        let payload = compress(&bytes).unwrap();
        let frame = &payload[CHECK..];
        let overlooked = (0..8 * frame.len()).filter(|bit| {
            let mut flipped = frame.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let checked = [&digest(&flipped)[..], &flipped].concat();
            decompress(&checked, PAGE).as_ref() == Some(&bytes)
        });
        assert!(overlooked.count() > 0);
    }
}
