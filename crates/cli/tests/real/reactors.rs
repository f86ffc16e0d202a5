//! Programs that are built as reactors, begun once and gone on from.

use std::path::PathBuf;

use crate::builds::{self, LIBRARIES, steps_run};
use crate::program::Program;

/// A program, built of a package's sources and a `main.c` of our own.
struct Reactor {
    clang: Program,
    path: PathBuf,
}

/// What random bytes and the time follow from.
const SAID: [&str; 4] = ["--seed", "1", "--clock", "2026-01-01"];

impl Reactor {
    #[track_caller]
    fn build(clang: Program, package: &str, directory: &str, main: &str, libraries: &str) -> Self {
        let directory = format!("{package}/{directory}");
        clang.world.write(format!("{directory}/main.c"), main);
        let link = format!(
            "wasm-ld -L/usr/lib/wasm32-wasip1 /usr/lib/wasm32-wasip1/crt1-reactor.o {{objects}} \
             {libraries} {LIBRARIES} --entry=_initialize --export=malloc -o {package}.wasm"
        );
        steps_run(&builds::build_by(&clang, &directory, &link));
        let path = clang.world.path(format!("out/{package}.wasm"));
        Self { clang, path }
    }

    /// What it says to all of it, begun for that alone.
    #[track_caller]
    fn fresh(&self, text: &str) -> String {
        self.clang.world.write("text", text);
        let flags = [&SAID[..], &["--invoke", "fresh", "--stdin", "text"]].concat();
        let ran = self.clang.run_other(&self.path, &flags, &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    /// An image after `begin` and these calls.
    #[track_caller]
    fn image(&self, label: &str, calls: &[&str]) {
        let path = self.path.to_string_lossy();
        let mut arguments = vec!["image", "-q", &path, "--label", label, "--init", "begin"];
        arguments.extend(SAID);
        arguments.extend(calls.iter().flat_map(|call| ["--init", call]));
        let made = self.clang.weft(&arguments);
        assert_eq!((made.code, &*made.stderr), (Some(0), ""), "{made:?}");
    }

    /// What it says to a call, going on from there: exit code, output, errors.
    fn call(&self, label: &str, call: &str) -> (Option<i32>, String, String) {
        let label = format!("@{label}");
        let ran = self.clang.weft(&["run", "-q", &label, "--invoke", call]);
        (ran.code, String::from_utf8(ran.stdout).unwrap(), ran.stderr)
    }
}

fn well(said: &str) -> (Option<i32>, String, String) {
    (Some(0), said.to_owned(), String::new())
}

/// A database that was filled is there at once. Where all but `main.c` is compiled, which
/// takes a minute.
pub(crate) fn sqlite_goes_on_with_a_database_in_memory(clang: Program, libraries: &str) {
    let main = include_str!("sqlite_reactor.c");
    let sqlite = Reactor::build(clang, "sqlite", "sqlite3", main, libraries);
    let fill = "create table t as
          with recursive n(x) as (select 1 union all select x + 1 from n where x < 100000)
          select x, x * 7919 % 100003 as y, hex(x) as z from n;
        create unique index t_y on t(y);";
    let ask = "select count(*), sum(x), max(z) from t where y between 5000 and 6000;
        select x, typeof(z) from t where y = 77;";
    let expected = sqlite.fresh(&format!("{fill}\n{ask}"));
    assert!(expected.starts_with("1001|") && expected.lines().count() == 2, "{expected}");
    sqlite.image("filled", &[&format!("run={fill}")]);
    assert_eq!(sqlite.call("filled", &format!("run={ask}")), well(&expected));
    // What one does to it no other sees.
    let gone = "delete from t where x > 10; select count(*) from t";
    assert_eq!(sqlite.call("filled", &format!("run={gone}")), well("10\n"));
    assert_eq!(sqlite.call("filled", "run=select count(*) from t"), well("100000\n"));
    let (code, _, errors) = sqlite.call("filled", "run=select missing from t");
    assert_eq!((code, &*errors), (Some(1), "sqlite: no such column: missing\n"));
}

/// Errors of Lua are exceptions of WebAssembly.
#[test]
fn lua_goes_on_with_what_it_has_loaded() {
    let libraries = "-lsetjmp -lwasi-emulated-signal -lm";
    let main = include_str!("lua_reactor.c");
    let Some(clang) = builds::clang("lua") else { return };
    let lua = Reactor::build(clang, "lua", "lua-5.4.9", main, libraries);
    let load = "words = {} for i = 1, 20000 do words[i] = ('word %d'):format(i * 7919 % 20011) end
        table.sort(words)
        make = coroutine.wrap(function() for i = 1, #words do coroutine.yield(words[i]) end end)
        make()";
    let ask = "print(make(), make(), #words, select(2, pcall(error, {3}))[1], pcall(string.rep))";
    let expected = lua.fresh(&format!("{load}\n{ask}"));
    assert!(expected.starts_with("word 10\tword 100\t20000\t3\tfalse\tbad argument"), "{expected}");
    lua.image("loaded", &[&format!("turn={load}")]);
    for _ in 0..2 {
        assert_eq!(lua.call("loaded", &format!("turn={ask}")), well(&expected));
    }
    let (code, _, errors) = lua.call("loaded", "turn=error('no', 0)");
    assert_eq!((code, &*errors), (Some(1), "lua: no\n"));
}
