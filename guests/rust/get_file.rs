//! `get-file(directory, path)`: one file of a directory that may be a Ref,
//! however large. Each step reads one index and calls itself on one child; the
//! platform brings nothing else. (`select(directory, "path")` does the same
//! without a function.)

#![no_std]

use weft_guest::directory::{Entry, Index};
use weft_guest::fold::Again;
use weft_guest::{Handle, blob, fail};

weft_guest::apply!(get_file);

fn get_file(application: Handle) -> Handle {
    let again = |path| Again {
        limits: application.limits(),
        procedure: application.procedure(),
        arguments: path,
    };
    match application.length() {
        // get-file(directory, path): the order that people write.
        4 => {
            let [directory, path] = application.arguments();
            if path.length() == 0 {
                return directory;
            }
            again(&[path]).enter(directory)
        }
        // get-file(path, node, index): one step.
        5 => {
            let [path, node, index] = application.arguments();
            let index = Index::parse(index.bytes());
            let path_bytes = path.bytes();
            let end = path_bytes.iter().position(|&byte| byte == b'/');
            let (name, rest) = match end {
                Some(end) => (&path_bytes[..end], Some(&path_bytes[end + 1..])),
                None => (path_bytes, None),
            };
            let Some(at) = index.position(name) else { fail("no such file") };
            let child = node.select(at as u64 + 1);
            let (deeper, path) = match (index.is_inner(), rest, index.entry(at)) {
                (true, _, _) => (child, path),
                (false, Some(rest), Entry::Node) => (child, blob(rest)),
                (false, Some(_), _) => fail("a path that goes on below a file"),
                (false, None, _) => return child,
            };
            let next = weft_guest::tree(&[
                application.limits(),
                application.procedure(),
                deeper.shallow(),
                path,
            ]);
            next.application()
        }
        _ => fail("called with another number of arguments"),
    }
}
