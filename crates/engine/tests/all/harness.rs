//! Modules in text form, applied with whatever content they need.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use weft_engine::{
    Applied, Config, Engine, Failure, FailureKind, Interrupt, NoAnswerKind, Objects, Outcome,
    Reuse, Run, RunBounds,
};
use weft_object::{Blob, Content, Handle, Tree};

/// Content that is resident.
#[derive(Default)]
pub(crate) struct Memory {
    blobs: Mutex<HashMap<Handle, Blob>>,
    trees: Mutex<HashMap<Handle, Tree>>,
}

impl Objects for Memory {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.blobs.lock().unwrap().get(&handle).cloned()
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.trees.lock().unwrap().get(&handle).cloned()
    }
}

impl Memory {
    pub(crate) fn put_blob(&self, bytes: &[u8]) -> Handle {
        let blob = Blob::new(bytes.to_vec());
        let handle = blob.handle();
        self.blobs.lock().unwrap().insert(handle, blob);
        handle
    }

    pub(crate) fn put_tree(&self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.trees.lock().unwrap().insert(handle, tree);
        handle
    }

    pub(crate) fn put_tag(&self, entries: [Handle; 3]) -> Handle {
        let handle = Handle::of_tag(&entries);
        self.trees.lock().unwrap().insert(handle, Tree::new(&entries[..]));
        handle
    }
}

/// One engine with the default settings for all tests that need no other.
pub(crate) static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(config()).unwrap()));

/// Runs a case in each way that there is: from the pool, in an instance that was
/// used before, without a pool, metered, for a debugger.
pub(crate) fn every_way(case: Case) -> [Case; 6] {
    let copy = |engine: &Arc<Engine>, fuel| Case {
        engine: Arc::clone(engine),
        memory: case.memory.clone(),
        arguments: case.arguments.clone(),
        interrupt: Interrupt::new(),
        fuel,
        ..case
    };
    let metered = copy(&ENGINE, Some(1 << 40));
    let again = || copy(&REUSING, None);
    [copy(&ENGINE, None), again(), again(), copy(&ROOMY, None), metered, copy(&DEBUG, None)]
}

/// An engine that uses instances again as soon as it can, and compares each with
/// a new one.
pub(crate) static REUSING: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let config = Config { reuse: Reuse::Always, compare_reused: true, ..config() };
    Arc::new(Engine::new(config).unwrap())
});

/// An engine without a pool: another way to run.
pub(crate) static ROOMY: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(Config { instances: 0, ..config() }).unwrap()));

/// An engine that compiles for debuggers.
pub(crate) static DEBUG: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(Config { debug: true, ..config() }).unwrap()));

/// Settings with bounds that tests reach quickly.
pub(crate) fn config() -> Config {
    Config {
        bounds: RunBounds { handles_max: 100_000, made_max_bytes: 8 << 20, log_max_bytes: 1000 },
        ..Config::default()
    }
}

/// A module, its arguments, and how to run them.
pub(crate) struct Case {
    pub(crate) engine: Arc<Engine>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) module: Handle,
    pub(crate) arguments: Vec<Handle>,
    pub(crate) limit_bytes: u64,
    pub(crate) fuel: Option<u64>,
    pub(crate) interrupt: Interrupt,
}

impl Case {
    /// A case of a module in binary form.
    pub(crate) fn binary(module: &[u8]) -> Self {
        let memory = Memory::default();
        let module = memory.put_blob(module);
        Self {
            engine: Arc::clone(&ENGINE),
            memory: Arc::new(memory),
            module,
            arguments: Vec::new(),
            limit_bytes: 1 << 20,
            fuel: None,
            interrupt: Interrupt::new(),
        }
    }

    /// A case of a module in text form.
    pub(crate) fn text(module: &str) -> Self {
        match wat::parse_str(module) {
            Ok(module) => Self::binary(&module),
            Err(error) => panic!("{error}\n{module}"),
        }
    }

    /// A case of a function body that returns a handle. It has one page of
    /// exported memory, every import under its name, `$arg` for an entry of the
    /// application and `$num` for a number as a Blob.
    pub(crate) fn body(body: &str) -> Self {
        Self::module(&format!(
            "(memory (export \"memory\") 1)
             (func (export \"weft_apply\") (param $app i32) (result i32)
               (local $r i32) (local $s i32) (local $n i64)
               {body})"
        ))
    }

    /// A case of a module with everything that [`Case::body`] has but memory
    /// and function.
    pub(crate) fn module(rest: &str) -> Self {
        Self::text(&format!(
            "(module {}
               (func $arg (param $i i64) (result i32)
                 (call $tree_get (i32.const 0) (local.get $i)))
               (func $num (param $v i32) (result i32)
                 (call $u64_blob (i64.extend_i32_u (local.get $v))))
               {rest})",
            imports()
        ))
    }

    pub(crate) fn argument(mut self, argument: Handle) -> Self {
        self.arguments.push(argument);
        self
    }

    pub(crate) fn on(mut self, engine: &Arc<Engine>) -> Self {
        self.engine = Arc::clone(engine);
        self
    }

    pub(crate) fn limit(mut self, limit_bytes: u64) -> Self {
        self.limit_bytes = limit_bytes;
        self
    }

    pub(crate) fn fuel(mut self, fuel: u64) -> Self {
        self.fuel = Some(fuel);
        self
    }

    pub(crate) fn entries(&self) -> Tree {
        let mut entries = vec![Handle::of_u64(self.limit_bytes), self.module];
        entries.extend(&self.arguments);
        Tree::new(entries)
    }

    pub(crate) fn apply(&self) -> Applied {
        let entries = self.entries();
        self.engine.apply(Run {
            application: entries.handle(),
            entries: &entries,
            memory_limit_bytes: self.limit_bytes,
            fuel: self.fuel,
            objects: &*self.memory,
            interrupt: &self.interrupt,
        })
    }

    pub(crate) fn value(&self) -> Handle {
        value(&self.apply())
    }

    pub(crate) fn number(&self) -> u64 {
        self.value().literal_u64().expect("a number")
    }

    pub(crate) fn failure(&self) -> (FailureKind, String) {
        match self.apply().outcome {
            Outcome::Failure(failure) => (failure.kind, failure.detail),
            other => panic!("not a failure: {other:?}"),
        }
    }

    /// Without an answer, as it is interrupted while it runs.
    pub(crate) fn is_interrupted(&self) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                self.interrupt.interrupt();
            });
            assert_eq!(self.no_answer(), NoAnswerKind::Interrupted);
        });
    }

    pub(crate) fn no_answer(&self) -> NoAnswerKind {
        match self.apply().outcome {
            Outcome::NoAnswer { kind, .. } => kind,
            other => panic!("an answer: {other:?}"),
        }
    }
}

/// Why a module is not run.
pub(crate) fn refused(case: &Case) -> Failure {
    match case.apply().outcome {
        Outcome::Failure(failure) => {
            assert_eq!(failure.kind, FailureKind::BadModule, "{failure:?}");
            failure
        }
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn value(applied: &Applied) -> Handle {
    match &applied.outcome {
        Outcome::Value(handle) => *handle,
        other => panic!("no value: {other:?}"),
    }
}

/// The Tree that a run made under a name.
pub(crate) fn made_tree(applied: &Applied, handle: Handle) -> Vec<Handle> {
    let made = applied.made.iter().find(|(made, _)| *made == handle);
    match made {
        Some((_, Content::Tree(tree) | Content::Tag(tree))) => tree.entries().to_vec(),
        other => panic!("no tree {handle:?} in {other:?}"),
    }
}

/// The bytes of a Blob that a run made, or of a literal.
pub(crate) fn made_blob(applied: &Applied, handle: Handle) -> Vec<u8> {
    if let Some(bytes) = handle.literal_bytes() {
        return bytes.to_vec();
    }
    match applied.made.iter().find(|(made, _)| *made == handle) {
        Some((_, Content::Blob(blob))) => blob.bytes().to_vec(),
        other => panic!("no blob {handle:?} in {other:?}"),
    }
}

/// Declarations of every import of the ABI, each a function by its name.
pub(crate) fn imports() -> String {
    let mut out = String::new();
    for call in weft_engine::abi::table::CALLS {
        let params: Vec<_> = call.params.iter().map(|(_, ty)| ty.wasm()).collect();
        let result = call.result.map_or(String::new(), |ty| format!("(result {})", ty.wasm()));
        out += &format!(
            "(import \"weft_1\" \"{0}\" (func ${0} (param {1}) {result}))\n",
            call.name,
            params.join(" "),
        );
    }
    out
}
