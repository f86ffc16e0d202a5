//! Every way to evaluate agrees with the reference, whatever happens.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;
use weft_eval::Outcome;
use weft_object::Handle;
use weft_sim::generate::{self, Case};
use weft_sim::oracle::{Verdict, agrees, verdict, with_deep_stack};
use weft_sim::scheduler::{Finished, Scheduler, Settings, run};

/// Thousands of seeds; with `WEFT_LONG` a hundred times as many.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let start = std::env::var("WEFT_SEED").ok().and_then(|seed| seed.parse().ok());
    match (start, std::env::var_os("WEFT_LONG")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(_)) => 0..100 * few,
        (None, None) => 0..few,
    }
}

/// Runs a check for each seed, and says which seed it was that failed.
#[allow(clippy::print_stderr)]
fn each_seed(few: u64, check: impl Fn(u64) + Send + 'static) {
    let seeds = seeds(few);
    with_deep_stack(move || {
        for seed in seeds {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(seed))) {
                eprintln!("seed {seed} failed; WEFT_SEED={seed} replays it");
                resume_unwind(panic);
            }
        }
    });
}

fn settings_of_calm() -> Vec<Settings> {
    let mixed = Settings { depths: vec![0, 1, 3, 64], wants_work: 300, ..Settings::calm(0) };
    let few_steps = Settings { tail_steps: vec![1, 3], ..Settings::calm(64) };
    let not_resident = Settings { resident: false, claim: 500, ..Settings::calm(0) };
    vec![Settings::calm(0), Settings::calm(64), mixed, few_steps, not_resident]
}

fn check_outcomes(case: &Case, verdict: &Verdict, finished: &Finished) {
    for (id, expected) in verdict.outcomes.iter().enumerate() {
        let outcome = &finished.answers[&(id as u64)];
        let request = case.requests[id];
        assert!(
            agrees(outcome, expected, case.fuel) || Scheduler::is_cancelled(outcome),
            "{request:?} came to {outcome:?}, and by the reference to {expected:?}"
        );
    }
}

fn all_succeed(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| outcome.value().is_some())
}

#[test]
fn calm_runs_agree_with_the_reference() {
    each_seed(4000, |seed| {
        let case = generate::case(seed);
        let verdict = verdict(&case);
        for settings in settings_of_calm() {
            let finished = run(&case, seed, &settings);
            check_outcomes(&case, &verdict, &finished);
            if !all_succeed(&verdict.outcomes) {
                continue;
            }
            let ran: Vec<Handle> = finished.ran().collect();
            let set: BTreeSet<Handle> = ran.iter().copied().collect();
            assert_eq!(set, verdict.ran, "another set of applications ran");
            // With fuel, a run may have to be tried twice.
            assert!(case.fuel || ran.len() == set.len(), "something ran twice");
        }
    });
}

#[test]
fn runs_in_any_order_agree_with_the_reference() {
    each_seed(10_000, |seed| {
        let case = generate::case(seed);
        let verdict = verdict(&case);
        let finished = run(&case, seed, &Settings::any_order());
        check_outcomes(&case, &verdict, &finished);
        if all_succeed(&verdict.outcomes) && !case.fuel {
            let ran: Vec<Handle> = finished.ran().collect();
            let set: BTreeSet<Handle> = ran.iter().copied().collect();
            assert_eq!(set, verdict.ran, "another set of applications ran");
            assert_eq!(ran.len(), set.len(), "something ran twice");
        }
    });
}

#[test]
fn rough_runs_agree_with_the_reference() {
    each_seed(15_000, |seed| {
        let case = generate::case(seed);
        let verdict = verdict(&case);
        let finished = run(&case, seed, &Settings::rough());
        check_outcomes(&case, &verdict, &finished);
        if all_succeed(&verdict.outcomes) && !case.fuel {
            let set: BTreeSet<Handle> = finished.ran().collect();
            assert_eq!(set, verdict.ran, "another set of applications ran");
        }
    });
}

/// Where the graph may hold a few keys only, whoever gets an answer gets the
/// right one, and nothing is left behind.
#[test]
fn runs_in_a_narrow_graph_agree_or_have_no_answer() {
    each_seed(4000, |seed| {
        let case = generate::case(seed);
        let verdict = verdict(&case);
        let graph_bytes_max = 2000 + 500 * (seed % 40);
        for settings in [Settings::any_order(), Settings::rough()] {
            let mut finished = run(&case, seed, &Settings { graph_bytes_max, ..settings });
            for (id, expected) in verdict.outcomes.iter().enumerate() {
                let answer = finished.answers.get_mut(&(id as u64)).unwrap();
                if matches!(answer, Outcome::NoAnswer(reason) if reason.detail.contains("at once"))
                {
                    *answer = expected.clone();
                }
            }
            check_outcomes(&case, &verdict, &finished);
        }
    });
}

#[test]
fn cancelled_requests_leave_the_others_alone() {
    each_seed(3000, |seed| {
        let case = generate::case(seed);
        let verdict = verdict(&case);
        let mut settings = Settings::rough();
        settings.faults.cancel = 500;
        settings.faults.restart = if seed % 2 == 0 { 0 } else { 4 };
        let finished = run(&case, seed, &settings);
        check_outcomes(&case, &verdict, &finished);
        if all_succeed(&verdict.outcomes) && !case.fuel {
            let set: BTreeSet<Handle> = finished.ran().collect();
            assert!(set.is_subset(&verdict.ran), "something ran that nobody needs");
        }
    });
}

#[test]
fn a_seed_replays_exactly() {
    each_seed(100, |seed| {
        let case = generate::case(seed);
        let first = run(&case, seed, &Settings::rough());
        let second = run(&generate::case(seed), seed, &Settings::rough());
        assert_eq!(first.log, second.log);
        assert_eq!(first.steps, second.steps);
    });
}

/// Seeds say little if the cases they make are all alike.
#[test]
fn the_cases_are_of_every_sort() {
    with_deep_stack(|| {
        let (mut values, mut ran) = (0, 0);
        let mut sorts = BTreeSet::new();
        for seed in 0..2000 {
            let verdict = verdict(&generate::case(seed));
            ran += verdict.ran.len();
            for outcome in verdict.outcomes {
                match outcome {
                    Outcome::Value(_) => values += 1,
                    Outcome::Failure(failure) => drop(sorts.insert(failure.kind.name())),
                    Outcome::NoAnswer(reason) => drop(sorts.insert(reason.kind.name())),
                }
            }
        }
        let expected = [
            "trap",
            "failed",
            "bad module",
            "ill-formed",
            "out of range",
            "cycle",
            "out of fuel",
            "exhausted",
            "too large",
            "lost",
        ];
        assert_eq!(sorts, expected.into_iter().collect());
        assert!(values > 1500 && ran > 15_000, "{values} values, {ran} runs");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any seed, any schedule of it.
    #[test]
    fn any_case_under_any_schedule(seed: u64, schedule: u64) {
        with_deep_stack(move || {
            let case = generate::case(seed);
            let finished = run(&case, schedule, &Settings::rough());
            check_outcomes(&case, &verdict(&case), &finished);
        });
    }
}
