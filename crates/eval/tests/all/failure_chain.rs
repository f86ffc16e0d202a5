//! Where a failure came from.

use weft_eval::{Application, Attempt, Key, Outcome, Platform, failure_chain};
use weft_object::{Blob, Handle, Tree};

use crate::script::{Host, MIB, Script, number, strict};

/// Evaluates a request, which must fail, and asks why.
fn chain(host: Host, request: Handle) -> (Vec<Handle>, Handle) {
    let mut script = Script::new(1024 * MIB);
    script.depth = 64;
    script.host = host;
    script.request(1, request);
    script.perform_all();
    let Outcome::Failure(failure) = &script.answers[&1] else { panic!("{:?}", script.answers) };
    (failure_chain(&mut script.host, request), failure.application)
}

fn wrapped(data: Handle) -> Handle {
    strict(data.identification().unwrap())
}

#[test]
fn arguments_lead_to_what_failed() {
    let mut host = Host::default();
    let bad = host.apply("fail", &[]);
    let inner = host.apply("add", &[number(1), strict(bad)]);
    let outer = host.apply("add", &[strict(inner)]);
    let (chain, failed) = chain(host, outer);
    assert_eq!(failed, bad);
    assert_eq!(chain, [strict(outer), outer, strict(inner), inner, strict(bad), bad]);
}

#[test]
fn a_thunk_that_succeeds_with_what_fails_is_passed() {
    let mut host = Host::default();
    let bad = host.apply("fail", &[]);
    let tree = host.tree(&[number(1), strict(bad)]);
    let request = wrapped(tree);
    assert_eq!(chain(host, request), (vec![request, tree, strict(bad), bad], bad));
}

#[test]
fn a_function_that_returns_a_fork_with_a_failing_member_is_passed() {
    let mut host = Host::default();
    let bad = host.apply("fail", &[]);
    let good = host.apply("add", &[number(1)]);
    let fork = host.tree(&[strict(good), strict(bad)]);
    let returns = host.apply("go", &[fork.lower().unwrap()]);
    // Behind a chain of tail calls as well.
    for request in [returns, host.apply("go", &[returns])] {
        let request = strict(request);
        let again = Host { content: host.content.clone(), ..Host::default() };
        let (chain, failed) = chain(again, request);
        assert_eq!((chain.first(), failed), (Some(&request), bad));
        assert!(chain.ends_with(&[fork, strict(bad), bad]), "{chain:?}");
    }
}

/// Counts what is asked of a host.
struct Counting(Host, u64);

impl Platform for Counting {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.1 += 1;
        Platform::tree(&mut self.0, object)
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.1 += 1;
        Platform::blob(&mut self.0, object)
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        self.1 += 1;
        Platform::put_tree(&mut self.0, tree)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        Platform::put_blob(&mut self.0, blob)
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        self.1 += 1;
        self.0.recall(key)
    }

    fn remember(&mut self, _: Key, _: &Outcome) {
        panic!("a search keeps nothing")
    }

    fn apply(&mut self, _: &Application) -> Attempt {
        panic!("a search runs nothing")
    }
}

/// `levels` levels, each the one below twice, after more Encodes than a search
/// looks at and before what failed: what is shared is still gone through once.
#[test]
fn a_search_that_is_cut_short_does_not_walk_what_is_shared_again() {
    for levels in [0, 26, 100] {
        let mut host = Host::default();
        let wide: Vec<Handle> = (0..120_000).map(|at| wrapped(number(at))).collect();
        let wide = host.tree(&wide);
        let mut level = host.tree(&[wrapped(number(0))]);
        for _ in 0..levels {
            level = host.tree(&[level, wrapped(level)]);
        }
        let bad = host.apply("fail", &[]);
        let flat = host.tree(&[wide, level, strict(bad)]);
        let deep = host.tree(&[flat, flat]);
        let mut counting = Counting(host, 0);
        for request in [flat, deep] {
            counting.1 = 0;
            let chain = failure_chain(&mut counting, request);
            assert_eq!(chain.first(), Some(&request));
            assert!(counting.1 < 400_000, "{} lookups", counting.1);
        }
    }
}
