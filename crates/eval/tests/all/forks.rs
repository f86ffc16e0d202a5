//! What a platform is told of a fork that is evaluated by direct calls.

use weft_eval::{Budget, Key, Outcome, Report, Resume, evaluate};
use weft_object::Handle;

use crate::script::{Host, number, strict};

fn look(host: &mut Host, tree: Handle) -> Report {
    let budget = Budget { depth: 8, tail_steps: 5 };
    evaluate(host, Key::Eval(tree), None, &Resume::default(), budget)
}

/// A fork of a sum, what fails, and what nobody needs then.
fn failing(host: &mut Host) -> Handle {
    let entries = [("add", 1), ("fail", 2), ("add", 3)];
    let entries = entries.map(|(name, n)| strict(host.apply(name, &[number(n)])));
    host.tree(&entries)
}

#[test]
fn a_fork_is_left_where_it_fails() {
    let mut host = Host::default();
    let fork = failing(&mut host);
    assert!(matches!(look(&mut host, fork), Report::Done(Outcome::Failure(_))));
    assert_eq!(host.forks, [(fork, 0, false), (fork, 1, false), (fork, 1, true)]);
}

/// Its look goes on with the entries of the outer one, behind one that waits.
#[test]
fn a_fork_in_one_that_waits_is_left_before_the_look_goes_on() {
    let mut host = Host::default();
    let waits = host.apply("add", &[number(4)]);
    host.elsewhere.insert(waits.definition().unwrap());
    let inner = failing(&mut host);
    let middle = host.tree(&[strict(waits), inner]);
    let last = strict(host.apply("add", &[number(5)]));
    let outer = host.tree(&[middle, last]);
    assert!(matches!(look(&mut host, outer), Report::Pending(_)));
    let told = [
        (outer, 0, false),
        (middle, 0, false),
        (middle, 1, false),
        (inner, 0, false),
        (inner, 1, false),
        (inner, 1, true),
        (middle, 1, true),
        (outer, 1, false),
    ];
    assert_eq!(host.forks, told);
    assert_eq!(host.ran.last(), last.thunk().unwrap().definition().as_ref());
}

#[test]
fn of_a_fork_that_others_have_the_platform_knows() {
    let mut host = Host::default();
    let fork = failing(&mut host);
    host.shared_from.insert(fork, 1);
    assert!(matches!(look(&mut host, fork), Report::Done(Outcome::Failure(_))));
    assert_eq!(host.forks, [(fork, 0, false), (fork, 1, false)]);
}
