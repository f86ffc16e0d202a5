//! How far the compiler is.
//!
//! The compiler tells nobody, but it times its passes for whoever sets a profiler
//! for a thread. Each module is compiled on threads of its own, so a profiler of
//! ours on these, which takes no times, counts the functions of that module.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};
use wasmparser::{Parser, Payload};

/// How far the modules are that are compiled at this moment, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compiling {
    /// Their functions.
    pub functions: u64,
    /// Of these, how many the compiler has begun with. A moment later, and but
    /// for one a thread, they are done.
    pub begun: u64,
    /// Modules that are waited for because another process compiles them.
    pub elsewhere: u64,
}

/// The same as all threads count it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    functions: AtomicU64,
    begun: AtomicU64,
    elsewhere: AtomicU64,
}

impl Counts {
    pub(crate) fn now(&self) -> Compiling {
        // In this order, so that no more have begun than there are, unless a
        // module ends just now.
        let begun = self.begun.load(Ordering::Relaxed);
        let functions = self.functions.load(Ordering::Relaxed);
        let elsewhere = self.elsewhere.load(Ordering::Relaxed);
        Compiling { functions, begun: begun.min(functions), elsewhere }
    }

    /// Does what takes as long as another process compiles.
    pub(crate) fn elsewhere<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.elsewhere.fetch_add(1, Ordering::Relaxed);
        let waited = wait();
        self.elsewhere.fetch_sub(1, Ordering::Relaxed);
        waited
    }
}

/// One module that is compiled. It counts until this is dropped.
pub(crate) struct Module {
    all: Arc<Counts>,
    functions: u64,
    begun: Arc<AtomicU64>,
}

impl Module {
    pub(crate) fn begin(all: &Arc<Counts>, binary: &[u8]) -> Self {
        let functions = functions(binary);
        all.functions.fetch_add(functions, Ordering::Relaxed);
        Self { all: Arc::clone(all), functions, begun: Arc::default() }
    }

    /// What makes a thread count what is compiled on it, for as long as there is
    /// the thread.
    pub(crate) fn counter(&self) -> impl Fn() + Send + Sync + use<> {
        let (all, begun) = (Arc::clone(&self.all), Arc::clone(&self.begun));
        move || {
            let counting = Counting { all: Arc::clone(&all), begun: Arc::clone(&begun) };
            set_thread_profiler(Box::new(counting));
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.all.begun.fetch_sub(self.begun.load(Ordering::Relaxed), Ordering::Relaxed);
        self.all.functions.fetch_sub(self.functions, Ordering::Relaxed);
    }
}

struct Counting {
    all: Arc<Counts>,
    begun: Arc<AtomicU64>,
}

impl Profiler for Counting {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        // Once for each function of the module, and not for what leads into it
        // from the host, which there is more of and takes no time.
        if pass == Pass::wasm_translate_function {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.all.begun.fetch_add(1, Ordering::Relaxed);
        }
        // Of no size, so this does not allocate.
        Box::new(())
    }
}

/// How many functions a module has, or all modules of a component.
fn functions(binary: &[u8]) -> u64 {
    let parts = Parser::new(0).parse_all(binary).map_while(Result::ok);
    let counts = parts.map(|part| match part {
        Payload::CodeSectionStart { count, .. } => u64::from(count),
        _ => 0,
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_counts_once_for_as_long_as_its_module_is_compiled() {
        // Those of a table and of exports have a way in from the host, too.
        let text = "(module (func (export \"a\")) (func) (func (result i32) i32.const 7)
                      (table funcref (elem 0 1 2)))";
        let binary = wat::parse_str(text).unwrap();
        let all = Arc::<Counts>::default();
        let module = Module::begin(&all, &binary);
        assert_eq!(all.now(), Compiling { functions: 3, ..Compiling::default() });
        let count = module.counter();
        let pool = rayon::ThreadPoolBuilder::new().start_handler(move |_| count());
        let engine = wasmtime::Engine::default();
        let compile = || wasmtime::Module::from_binary(&engine, &binary);
        pool.build().unwrap().install(compile).unwrap();
        assert_eq!(module.begun.load(Ordering::Relaxed), 3);
        assert_eq!(all.now(), Compiling { functions: 3, begun: 3, elsewhere: 0 });
        drop(module);
        assert_eq!(all.now(), Compiling::default());
    }
}
