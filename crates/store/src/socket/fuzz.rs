use super::bytes::Take;
use super::frame::{HEADER_BYTES, read_header};
use super::request::Request;
use super::{hello, value};

/// Reads bytes as a holder reads those of a client: a header, and behind it a
/// request. What is accepted has to have one form only.
///
/// # Panics
/// Where that is not so.
pub fn fuzz_frames(bytes: &[u8]) {
    if let Some(ask) = bytes.first_chunk() {
        let _ = hello::read_ask(ask);
    }
    if let Some(answer) = bytes.first_chunk() {
        let _ = hello::read_answer(answer);
    }
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return };
    let Some((_, tag)) = read_header(*header) else { return };
    if let Some(request) = Request::decode(tag, payload) {
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!((request.tag(), &*again), (tag, payload), "{request:?}");
    }
    // Of what a client reads, all that is not among the requests.
    let _ = super::trouble::take(Take(payload), std::path::Path::new("."));
    let _ = value::resolved(Take(payload));
    let _ = Take(payload).all(value::usage);
    let _ = Take(payload).all(value::fact);
}
