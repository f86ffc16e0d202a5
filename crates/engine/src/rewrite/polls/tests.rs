use proptest::prelude::*;

use super::*;

fn body(instructions: u64, calls: &[usize]) -> Work {
    Work { instructions, calls: calls.to_vec(), ..Work::default() }
}

/// Which of them look when they begin.
fn beginning(bodies: &[Work]) -> Vec<usize> {
    let placed = placed(bodies);
    (0..bodies.len()).filter(|body| placed[*body].begin).collect()
}

#[test]
fn short_functions_do_not_look() {
    let bodies = [body(10, &[1, 2]), body(500, &[2]), body(490, &[])];
    // 10, 500, and twice 490.
    assert_eq!(beginning(&bodies), [0]);
    assert!(beginning(&[body(SHORT, &[])]).is_empty());
    assert_eq!(beginning(&[body(SHORT + 1, &[])]), [0]);
}

#[test]
fn one_of_each_circle_looks() {
    assert_eq!(beginning(&[body(1, &[0])]), [0]);
    assert_eq!(beginning(&[body(1, &[1]), body(1, &[2]), body(1, &[1])]), [1]);
    // Two circles that share the function between them.
    assert_eq!(beginning(&[body(1, &[1]), body(1, &[0, 2]), body(1, &[1])]), [0, 1]);
}

#[test]
fn a_row_that_doubles_is_looked_at_on_the_way() {
    let row: Vec<Work> = (0..40).map(|at| body(3, &[at + 1, at + 1])).collect();
    let row: Vec<Work> = row.into_iter().chain([body(3, &[])]).collect();
    let looking = beginning(&row);
    // The last eight do 765 instructions together, and nine 1533.
    assert_eq!(looking, [5, 14, 23, 32]);
}

#[test]
fn what_calls_much_looks_after_each_call() {
    let much = vec![1; 200];
    let placed = placed(&[body(200, &much), body(600, &[])]);
    assert_eq!((placed[0].begin, placed[0].after_calls), (true, true));
    assert_eq!(placed[1], Polled::default());
}

#[test]
fn what_calls_through_a_table_looks() {
    let text = "(module (type $t (func)) (table 1 funcref)
        (func (call_indirect (type $t) (i32.const 0)))
        (func (nop)) (func (call 1)))";
    let module = wat::parse_str(text).unwrap();
    let placed = polled(&super::super::bodies(&module).unwrap(), 0).unwrap();
    let begin: Vec<bool> = placed.iter().map(|body| body.begin).collect();
    assert_eq!(begin, [true, false, false]);
}

/// Executes everything that a body names, in turn.
struct Run<'a> {
    bodies: &'a [Work],
    placed: &'a [Polled],
    since: u64,
    longest: u64,
    left: u64,
}

const DEPTH: usize = 12;

impl Run<'_> {
    fn look(&mut self) {
        self.since = 0;
    }

    fn body(&mut self, at: usize, depth: usize) {
        if self.left == 0 || depth == DEPTH {
            return;
        }
        if self.placed[at].begin {
            self.look();
        }
        let executed = self.bodies[at].instructions;
        self.since += executed;
        self.left = self.left.saturating_sub(executed);
        self.longest = self.longest.max(self.since);
        for call in &self.bodies[at].calls {
            self.body(*call, depth + 1);
            if self.placed[at].after_calls {
                self.look();
            }
        }
    }
}

fn any_bodies() -> impl Strategy<Value = Vec<Work>> {
    (2..9usize).prop_flat_map(|count| {
        let calls = prop::collection::vec(0..count, 0..6);
        let repeats = prop_oneof![9 => 1..3usize, 1 => 100..200usize];
        let body = (1..900u64, calls, repeats)
            .prop_map(|(instructions, calls, repeats)| body(instructions, &calls.repeat(repeats)));
        prop::collection::vec(body, count)
    })
}

proptest! {
    #[test]
    fn no_run_goes_on_for_long_without_a_look(bodies in any_bodies()) {
        let placed = placed(&bodies);
        for first in 0..bodies.len() {
            let left = 4 * LONG * DEPTH as u64;
            let mut run = Run { bodies: &bodies, placed: &placed, since: 0, longest: 0, left };
            run.body(first, 0);
            prop_assert!(run.longest <= LONG * (DEPTH as u64 + 1), "{}", run.longest);
        }
    }
}
