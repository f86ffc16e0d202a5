//! Threads that take jobs from each other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use weft_engine::Interrupt;
use weft_eval::{
    Application, Attempt, Budget, Event, Helper, Key, NoAnswer, NoAnswerKind, Outcome, Report,
    Resume, Ticket, evaluate,
};
use weft_object::{Content, Handle};
use weft_store::{Backend, StoreError};

use crate::loading::Reading;
use crate::node::Shared;
use crate::platform::{Granted, View};
use crate::slot::Slot;
use crate::spread::Spread;
use crate::sync::{Condvar, Mutex};

/// A thread's own end of the queue.
pub(crate) type Local = Worker<Job>;

/// Something for a thread to do.
#[derive(Debug)]
pub(crate) enum Job {
    Evaluate {
        key: Key,
        ticket: Ticket,
        resume: Arc<Resume>,
        application: Option<Arc<Application>>,
    },
    Apply {
        application: Arc<Application>,
        ticket: Ticket,
    },
    Load {
        object: Handle,
        ticket: Ticket,
    },
    /// A collection that another thread has found due.
    Collect,
}

/// Jobs that nobody has begun.
#[derive(Debug)]
pub(crate) struct Queue {
    injector: Injector<Job>,
    stealers: Vec<Stealer<Job>>,
    /// Forks in which others may take part, the oldest first, and how many.
    forks: Mutex<Vec<Arc<Spread>>>,
    offered: AtomicUsize,
    /// Threads that look for something to do all the time.
    spinning: AtomicUsize,
    spinning_max: usize,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

/// Of a worker: what the engine needs, and the levels of [`weft_eval::Policy`].
const STACK_BYTES: usize = 16 << 20;

/// How long a worker that has just done something looks for more before it
/// sleeps. To wake it costs as much as some hundred small invocations.
const SPIN: Duration = Duration::from_micros(50);

/// How long a worker does nothing before it has the graph look for cycles.
const IDLE: Duration = Duration::from_millis(10);

impl Queue {
    pub(crate) fn new(workers: usize) -> (Self, Vec<Local>) {
        let locals: Vec<Local> = (0..workers).map(|_| Worker::new_lifo()).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let queue = Self {
            injector: Injector::new(),
            stealers: locals.iter().map(Worker::stealer).collect(),
            forks: Mutex::default(),
            offered: AtomicUsize::new(0),
            spinning: AtomicUsize::new(0),
            // Whoever they would help has a core, too.
            spinning_max: cores - 1,
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::default(),
        };
        (queue, locals)
    }

    pub(crate) fn push(&self, jobs: Vec<Job>, local: Option<&Local>) {
        let count = jobs.len();
        if count == 0 {
            return;
        }
        for job in jobs {
            match local {
                Some(local) => local.push(job),
                None => self.injector.push(job),
            }
        }
        // Whoever pushes into its own queue goes on with one of them.
        let others = if local.is_some() { count - 1 } else { count };
        // Pairs with the fence before the last look of a sleeper.
        fence(Ordering::SeqCst);
        let wake = self.sleepers.load(Ordering::Relaxed).min(others);
        if wake > 0 {
            drop(self.sleep.lock());
            (0..wake).for_each(|_| self.wake.notify_one());
        }
    }

    /// How many threads may take part in a fork.
    pub(crate) fn threads(&self) -> usize {
        // The workers, and whoever asks.
        self.stealers.len().min(self.spinning_max) + 1
    }

    /// Who could take part in a fork at this moment.
    pub(crate) fn helper(&self) -> Helper {
        if self.spinning.load(Ordering::Relaxed) > 0 {
            return Helper::Spinning;
        }
        match self.sleepers.load(Ordering::Relaxed) {
            0 => Helper::None,
            _ => Helper::Asleep,
        }
    }

    /// Has others take part in a fork; if nobody is awake for it, wakes those that
    /// there are cores for.
    pub(crate) fn offer(&self, fork: &Arc<Spread>) {
        let wake = self.helper() == Helper::Asleep;
        self.forks.lock().push(fork.clone());
        self.offered.fetch_add(1, Ordering::SeqCst);
        let sleepers = self.sleepers.load(Ordering::SeqCst).min(self.spinning_max);
        if wake && sleepers > 0 {
            drop(self.sleep.lock());
            (0..sleepers).for_each(|_| self.wake.notify_one());
        }
    }

    pub(crate) fn withdraw(&self, fork: &Arc<Spread>) {
        self.forks.lock().retain(|other| !Arc::ptr_eq(other, fork));
        self.offered.fetch_sub(1, Ordering::SeqCst);
    }

    /// A fork with something left to do.
    fn fork(&self) -> Option<Arc<Spread>> {
        if self.offered.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.forks.lock().iter().find(|fork| fork.is_open()).cloned()
    }

    /// Has a thread count as one that looks for something to do all the time, if
    /// there is a core for it.
    fn stay_awake(&self) -> Option<Spinning<'_>> {
        if self.spinning_max == 0 {
            return None;
        }
        let before = self.spinning.fetch_add(1, Ordering::Relaxed);
        let spinning = Spinning(&self.spinning);
        (before < self.spinning_max).then_some(spinning)
    }

    /// Looks for something to do for a while; whether there may be something.
    fn spin(&self, shared: &Shared) -> bool {
        let start = Instant::now();
        loop {
            for _ in 0..16 {
                if self.offered.load(Ordering::Relaxed) > 0 && self.fork().is_some() {
                    return true;
                }
                std::hint::spin_loop();
            }
            if !self.is_empty() || shared.is_closing() {
                return true;
            }
            if start.elapsed() > SPIN {
                return false;
            }
        }
    }

    /// Whether a thread is idle and nothing is there for it.
    pub(crate) fn wants_work(&self) -> bool {
        self.helper() != Helper::None && self.injector.is_empty()
    }

    pub(crate) fn wake_all(&self) {
        drop(self.sleep.lock());
        self.wake.notify_all();
    }

    /// A job, the own ones first.
    fn find(&self, local: &Local) -> Option<Job> {
        if let Some(job) = local.pop() {
            return Some(job);
        }
        loop {
            let mut again = false;
            let from_injector = self.injector.steal_batch_and_pop(local);
            let others = self.stealers.iter().map(|other| other.steal_batch_and_pop(local));
            for steal in std::iter::once(from_injector).chain(others) {
                match steal {
                    Steal::Success(job) => return Some(job),
                    Steal::Retry => again = true,
                    Steal::Empty => {}
                }
            }
            if !again {
                return None;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.stealers.iter().all(Stealer::is_empty)
    }

    /// Sleeps until there may be something to do. `false` if nothing came for
    /// `at_most`.
    fn sleep(&self, shared: &Shared, at_most: Option<Duration>) -> bool {
        let guard = self.sleep.lock();
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut woken = true;
        if self.is_empty() && self.fork().is_none() && !shared.is_closing() {
            match at_most {
                Some(at_most) => woken = !self.wake.wait_timeout(guard, at_most).1.timed_out(),
                None => drop(self.wake.wait(guard)),
            }
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        woken
    }
}

/// Counts as spinning until it is dropped.
struct Spinning<'a>(&'a AtomicUsize);

impl Drop for Spinning<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a worker thread.
pub(crate) fn start(
    number: usize,
    local: Local,
    shared: Arc<Shared>,
) -> std::io::Result<JoinHandle<()>> {
    let slot = shared.slots.add();
    std::thread::Builder::new()
        .name(format!("weft-worker-{number}"))
        .stack_size(STACK_BYTES)
        .spawn(move || work(&local, &shared, &slot))
}

fn work(local: &Local, shared: &Shared, slot: &Slot) {
    let levels = crate::stack::levels().unwrap_or(0);
    // Whether the graph was told that this thread is idle.
    let mut told = false;
    // For a while after it did something. From its very end on, so that who goes on
    // right then sees it.
    let mut awake = None;
    while !shared.is_closing() {
        match shared.queue.find(local) {
            Some(job) => {
                drop(awake.take());
                shared.perform(job, slot, local, shared.policy.budget(levels));
                (told, awake) = (false, shared.queue.stay_awake());
            }
            None if let Some(fork) = shared.queue.fork() => {
                drop(awake.take());
                shared.help(&fork, slot, levels);
                awake = shared.queue.stay_awake();
            }
            None if awake.is_some() => {
                if !shared.queue.spin(shared) {
                    awake = None;
                }
            }
            None if told => {
                shared.queue.sleep(shared, None);
            }
            None => {
                if !shared.queue.sleep(shared, Some(IDLE)) {
                    shared.post(Event::Idle, Some(local));
                    told = true;
                }
            }
        }
    }
}

impl Shared {
    /// Does one job and reports.
    fn perform(&self, job: Job, slot: &Slot, local: &Local, budget: Budget) {
        let event = match job {
            Job::Collect => {
                self.collect_as_wanted();
                return self.keep_if_due();
            }
            Job::Load { object, ticket } => {
                Event::Loaded { object, result: self.load_as_job(object, slot, ticket) }
            }
            Job::Evaluate { key, ticket, resume, application } => {
                // If nobody wants the key any more, the graph drops these.
                let application_handle = application.iter().map(|application| application.handle);
                slot.doing().held.extend(resume.roots().chain(application_handle));
                let report = self.guarded(slot, (key, ticket), |view| {
                    evaluate(view, key, application.as_ref(), &resume, budget)
                });
                if let Report::Pending(frames) = &report {
                    self.watchers.tell(|| crate::Event::Waited {
                        key,
                        needs: frames.last().map_or(0, |frame| frame.needs.len()),
                    });
                }
                Event::Reported { key, ticket, report }
            }
            Job::Apply { application, ticket } => {
                let key = application.key();
                let report = self.guarded(slot, (key, ticket), |view| {
                    view.slot.pin(Some(application.handle));
                    match view.attempt(&application, Granted::Yes) {
                        Attempt::Done(outcome) => Report::Done(outcome),
                        Attempt::Claim(claim) => Report::Claim(claim),
                        Attempt::Elsewhere => Report::Elsewhere,
                        // Looked at anew, it says which.
                        Attempt::Missing(_) => {
                            evaluate(view, key, Some(&application), &Resume::default(), budget)
                        }
                    }
                });
                Event::Reported { key, ticket, report }
            }
        };
        // What the job holds goes over to the graph before the slot lets go.
        self.post(event, Some(local));
        slot.end();
        self.collect_if_due();
        self.keep_if_due();
    }

    fn guarded(
        &self,
        slot: &Slot,
        (key, ticket): (Key, Ticket),
        work: impl FnOnce(&mut View<'_>) -> Report,
    ) -> Report {
        let interrupt = Interrupt::new();
        slot.doing().job = Some((ticket, interrupt.clone()));
        slot.begin(self.epoch());
        // Else what it names may be gone; and from here on it is interrupted.
        if !self.graph.lock().awaits(&key, ticket) {
            return Report::Done(Outcome::NoAnswer(given_up()));
        }
        let mut view = View::new(self, slot, &interrupt);
        // A defect in this program must cost its asker an answer, not the node
        // a worker.
        catch_unwind(AssertUnwindSafe(|| work(&mut view))).unwrap_or_else(|_| {
            let detail = "weft itself failed here; please report it with what it printed";
            Report::Done(Outcome::no_answer(NoAnswerKind::Exhausted, detail))
        })
    }

    /// Most loads are short; one that has to compute content again is not.
    fn load_as_job(
        &self,
        object: Handle,
        slot: &Slot,
        ticket: Ticket,
    ) -> Result<(), Arc<NoAnswer>> {
        let interrupt = Interrupt::new();
        slot.doing().job = Some((ticket, interrupt.clone()));
        if !self.graph.lock().awaits(&Key::Content(object), ticket) {
            return Err(given_up());
        }
        let loaded = self.load(object, &interrupt);
        if interrupt.is_set() {
            return loaded.map_err(|_| given_up());
        }
        loaded
    }

    /// Content, unless a store has neither that nor a way to bring it back.
    /// While another process collects, or hands a store over, both may not be
    /// seen for a moment: so that is asked again before it is believed.
    fn look_for(
        &self,
        backend: &dyn Backend,
        object: &Handle,
        interrupt: &Interrupt,
    ) -> Result<Option<Content>, StoreError> {
        const PAUSE: Duration = Duration::from_millis(10);
        const PAUSES: u32 = 20;
        let removals = self.removals.load(Ordering::SeqCst);
        for _ in 0..PAUSES {
            if let Some(content) = backend.get(object)? {
                return Ok(Some(content));
            }
            if backend.recipe(object)?.is_some() || interrupt.is_set() {
                return Ok(None);
            }
            self.forget_what_was_removed();
            // Then what spoke of it may be out of date, and is asked again.
            if self.removals.load(Ordering::SeqCst) != removals {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
        backend.get(object)
    }

    /// `None` if it is there, be it that another thread has just read it.
    fn begin_to_load(&self, object: &Handle) -> Option<Reading<'_>> {
        let is_there = || self.memory.touch(object, self.epoch());
        while !is_there() {
            if let Some(reading) = self.loading.begin(object.content()) {
                // Another thread may have ended since it was asked.
                return (!is_there()).then_some(reading);
            }
        }
        None
    }

    pub(crate) fn load(&self, object: Handle, interrupt: &Interrupt) -> Result<(), Arc<NoAnswer>> {
        let Some(reading) = self.begin_to_load(&object) else { return Ok(()) };
        let refuse = |kind, detail: String| Err(Arc::new(NoAnswer { kind, detail: detail.into() }));
        let content = match &self.backend {
            Some(backend) => self.look_for(&**backend, &object, interrupt),
            None => Ok(None),
        };
        let content = content.inspect(|content| {
            if let Some(content) = content {
                self.memory.put_durable(&object, content.clone(), self.epoch());
            }
        });
        drop(reading);
        match content {
            Ok(Some(content)) => {
                let bytes = content.bytes_len();
                self.counts.loaded.fetch_add(1, Ordering::Relaxed);
                self.counts.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
                self.watchers.tell(|| crate::Event::Loaded { object, bytes });
                Ok(())
            }
            // Which evaluates, and may read others.
            Ok(None) => match self.recover(object, interrupt) {
                Ok(Some(content)) => {
                    self.memory.put(&object, content, self.epoch());
                    Ok(())
                }
                Ok(None) => {
                    // What spoke of it may be out of date: then whoever asked
                    // has it looked at again.
                    self.forget_what_was_removed();
                    refuse(
                        NoAnswerKind::Lost,
                        format!(
                            "the content of #{object} is not here; add or import it, then ask again"
                        ),
                    )
                }
                Err(error) => {
                    self.forget_what_was_removed();
                    Err(crate::recover::no_answer(&error))
                }
            },
            Err(error) => refuse(NoAnswerKind::Storage, error.to_string()),
        }
    }
}

/// What the graph takes no notice of: see [`weft_eval::Event::Loaded`].
fn given_up() -> Arc<NoAnswer> {
    let detail = "nobody waits for it any more".into();
    Arc::new(NoAnswer { kind: NoAnswerKind::Cancelled, detail })
}
