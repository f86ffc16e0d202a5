//! C projects, built by clang, and the programs that come out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{Program, fetched, program};
use crate::reactors;
use crate::world::{Ran, ran};

/// What is behind the objects in a link.
pub(crate) const LIBRARIES: &str = "-lc /usr/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a";

/// `None` unless all are wanted and there.
pub(crate) fn clang(package: &str) -> Option<Program> {
    std::env::var_os("WEFT_LONG")?;
    let clang = program("clang")?;
    if fetched(package).is_none() {
        println!("skipped: {package} was not fetched; `cargo xtask test --long` fetches it");
    }
    copy(&fetched(package)?, &clang.world.path(package));
    Some(clang)
}

/// A project may be changed.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
}

/// Builds what is in a directory, and links it as `NAME.wasm`.
fn build(clang: &Program, directory: &str, name: &str, libraries: &str) -> Ran {
    let link = format!(
        "wasm-ld -L/usr/lib/wasm32-wasip1 /usr/lib/wasm32-wasip1/crt1-command.o {{objects}} \
         {libraries} {LIBRARIES} -o {name}.wasm"
    );
    build_by(clang, directory, &link)
}

/// The same with another last step.
pub(crate) fn build_by(clang: &Program, directory: &str, link: &str) -> Ran {
    let top = clang.world.path(directory);
    let commands = fs::read_to_string(top.join("compile_commands.json")).unwrap();
    let mut commands: Value = serde_json::from_str(&commands).unwrap();
    for entry in commands.as_array_mut().unwrap() {
        entry["directory"] = top.canonicalize().unwrap().to_str().unwrap().into();
    }
    fs::write(top.join("compile_commands.json"), commands.to_string()).unwrap();
    let usr = format!("{}:/usr", fetched("llvm").unwrap().join("usr").display());
    let mut weft = clang.command();
    weft.args(["build", "--quiet", "--output", "json", directory, "--sysroot", &usr]);
    weft.args(["--map", &format!("{directory}=/src"), "--out", "out", "--link", link]);
    weft.arg("--compiler").arg(&clang.path);
    ran(weft.output().unwrap())
}

/// The names of the steps that ran, of a build that went well.
#[track_caller]
pub(crate) fn steps_run(built: &Ran) -> BTreeSet<String> {
    assert_eq!(built.code, Some(0), "{}", String::from_utf8_lossy(&built.stdout));
    let object: Value = serde_json::from_slice(&built.stdout).unwrap();
    let steps = object["steps"].as_array().unwrap().iter();
    let ran = steps.filter(|step| step["ran"] == true);
    ran.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

fn said(clang: &Program, name: &str, flags: &[&str], arguments: &[&str]) -> String {
    let path = clang.world.path(format!("out/{name}.wasm"));
    let ran = clang.run_other(&path, flags, arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

/// The sources that include a header, by whatever way.
fn includers(directory: &Path, header: &str) -> BTreeSet<String> {
    let mut includes: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if let Ok(text) = fs::read_to_string(entry.path()) {
            includes.insert(entry.file_name().into_string().unwrap(), text);
        }
    }
    let mut found = BTreeSet::from([header.to_owned()]);
    loop {
        let names =
            |text: &str| found.iter().any(|name| text.contains(&format!("#include \"{name}\"")));
        let more = includes.iter().filter(|(_, text)| names(text)).map(|(name, _)| name.clone());
        let more: Vec<String> = more.filter(|name| !found.contains(name)).collect();
        if more.is_empty() {
            return found.into_iter().filter(|name| name.ends_with(".c")).collect();
        }
        found.extend(more);
    }
}

#[test]
fn lua_is_built_and_a_header_compiles_what_includes_it() {
    let Some(clang) = clang("lua") else { return };
    let directory = "lua/lua-5.4.9";
    let build = || {
        let libraries = "-lsetjmp -lwasi-emulated-signal -lm";
        steps_run(&build(&clang, directory, "lua", libraries))
    };
    assert_eq!(build().len(), 34);
    let script = "local good, why = pcall(error, {code = 7}) \
                  print(good, why.code, ('x'):rep(3), 2^53, string.format('%q', 1/3))";
    assert_eq!(
        said(&clang, "lua", &[], &["-e", script]),
        "false\t7\txxx\t9.007199254741e+15\t0x1.5555555555555p-2\n"
    );
    assert!(build().is_empty());
    let header = clang.world.path(directory).join("lopcodes.h");
    let text = fs::read_to_string(&header).unwrap();
    // Touched.
    fs::write(&header, &text).unwrap();
    assert!(build().is_empty());
    // Changed, but not what it comes to, so nothing is linked.
    fs::write(&header, text + "/* more */\n").unwrap();
    let wanted = includers(&clang.world.path(directory), "lopcodes.h");
    assert!(wanted.contains("lvm.c") && wanted.len() < 10, "{wanted:?}");
    assert_eq!(build(), wanted);
}

#[test]
fn sqlite_is_built_and_answers_also_from_an_image() {
    let Some(clang) = clang("sqlite") else { return };
    let libraries = "-lwasi-emulated-mman -lwasi-emulated-getpid";
    let built = build(&clang, "sqlite/sqlite3", "sqlite", libraries);
    assert_eq!(steps_run(&built).len(), 3);
    fs::create_dir(clang.world.path("job")).unwrap();
    let statements = [
        "create table t(x integer, y text)",
        "insert into t values (1, 'one'), (2, 'two'), (3, 'three')",
        "select sum(x), group_concat(y) from t where x > 1",
    ];
    let arguments: Vec<&str> = ["/job/data.db"].into_iter().chain(statements).collect();
    let said = said(&clang, "sqlite", &["--dir", "job:/job"], &arguments);
    assert!(said.contains('5') && said.contains("two,three"), "{said}");
    reactors::sqlite_goes_on_with_a_database_in_memory(clang, libraries);
}

#[test]
fn zstd_is_built_and_takes_back_what_it_made() {
    let Some(clang) = clang("zstd") else { return };
    assert_eq!(steps_run(&build(&clang, "zstd/zstd/lib", "zstd", "")).len(), 28);
    let text = "the same again and ".repeat(5000);
    clang.world.write("plain", &text);
    let path = clang.world.path("out/zstd.wasm");
    let packed = clang.run_other(&path, &["--stdin", "plain"], &["-19"]);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    assert!(packed.stdout.len() < 200, "{}", packed.stdout.len());
    clang.world.write("packed", &packed.stdout);
    assert_eq!(said(&clang, "zstd", &["--stdin", "packed"], &["-d"]), text);
}
