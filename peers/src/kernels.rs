//! Programs that people use, as functions of Weft: SQLite and zstd by the clang
//! that `cargo xtask real` has fetched, a parser of JSON by Cargo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use weft_object::Handle;

use crate::Result;
use crate::plain::Linked;
use crate::real::{Scratch, compiled, path, root};

/// A function in C over sources that were fetched.
struct Build {
    name: &'static str,
    /// The function, in `kernels/`.
    kernel: &'static str,
    /// Where in the package of its name the sources are.
    directory: &'static str,
    /// Files below that, or folders of which all are compiled.
    sources: &'static [&'static str],
    flags: &'static str,
}

const SQLITE: Build = Build {
    name: "sqlite",
    kernel: include_str!("../kernels/sqlite.c"),
    directory: "sqlite3",
    sources: &["sqlite3.c"],
    // Without files and clocks, and in a memory that does not grow.
    flags: "-DSQLITE_THREADSAFE=0 -DSQLITE_OS_OTHER=1 -DSQLITE_OMIT_LOAD_EXTENSION \
            -DSQLITE_OMIT_WAL -DSQLITE_OMIT_DATETIME_FUNCS -DSQLITE_ENABLE_MEMSYS5 \
            -DSQLITE_ZERO_MALLOC -DSQLITE_TEMP_STORE=3 -DLONGDOUBLE_TYPE=double",
};

const ZSTD: Build = Build {
    name: "zstd",
    kernel: include_str!("../kernels/zstd.c"),
    directory: "zstd/lib",
    sources: &["common", "compress", "decompress"],
    flags: "-DZSTD_DISABLE_ASM=1",
};

/// As much memory to begin with as functions have whose instances are used again.
const LINK: &str = "--no-entry --gc-sections --stack-first --strip-all -zstack-size=131072 \
                    --initial-memory=4194304 -L/usr/lib/wasm32-wasip1";
const LIBRARIES: &str = "-lc /usr/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a";

pub(crate) fn sqlite() -> Result<Vec<u8>> {
    SQLITE.module()
}

pub(crate) fn zstd() -> Result<Vec<u8>> {
    ZSTD.module()
}

/// Built by this machine's Cargo, from `kernels/json.rs`.
pub(crate) fn json() -> Result<Vec<u8>> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let directory = root().join("peers/kernels");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // From the folder, so that its .cargo/config.toml applies.
    cargo.args(["build", "--quiet", "--release", "--locked"]).current_dir(&directory);
    match cargo.status()?.success() {
        true => Ok(fs::read(directory.join(format!("target/{TARGET}/release/json.wasm")))?),
        false => {
            let remedy = format!("if the target is missing, `rustup target add {TARGET}`");
            Err(format!("the parser of JSON was not built; {remedy}").into())
        }
    }
}

impl Build {
    /// The module: kept beside this program, for the next time.
    fn module(&self) -> Result<Vec<u8>> {
        let from = [self.kernel, self.flags, LINK, LIBRARIES].concat();
        let from = &Handle::of_blob(from.as_bytes()).to_string()[..16];
        let kept = env::current_exe()?.with_file_name(format!("{}-{from}.wasm", self.name));
        if !kept.is_file() {
            eprintln!("{}: clang compiles it", self.name);
            fs::write(&kept, self.built()?)?;
        }
        Ok(fs::read(kept)?)
    }

    fn built(&self) -> Result<Vec<u8>> {
        let clang = Linked::load(&compiled("clang", &path("clang")?)?)?;
        let (usr, package) = (path("llvm")?.join("usr"), path(self.name)?.join(self.directory));
        let scratch = Scratch::new()?;
        fs::write(scratch.path().join("kernel.c"), self.kernel)?;
        let directories = [
            (&*package, "/src"),
            (&*usr, "/usr"),
            (&*root().join("guests/include"), "/weft"),
            (scratch.path(), "/out"),
        ];
        let run = |command: &str| {
            let words: Vec<&str> = command.split_whitespace().collect();
            clang.run_in(&directories, &words)
        };
        let mut objects = Vec::new();
        let mut compile = |source: &str| {
            let object = format!("/out/{}.o", objects.len());
            let flags = self.flags;
            let to = format!("clang -O2 -DNDEBUG {flags} -I/src -I/weft -c {source} -o {object}");
            objects.push(object);
            run(&to)
        };
        compile("/out/kernel.c")?;
        for source in self.sources {
            for file in files(&package, source)? {
                compile(&format!("/src/{file}"))?;
            }
        }
        let objects = objects.join(" ");
        run(&format!("wasm-ld {LINK} {objects} {LIBRARIES} -o /out/kernel.wasm"))?;
        Ok(fs::read(scratch.path().join("kernel.wasm"))?)
    }
}

/// A file, or the C files of a folder, below a directory.
fn files(directory: &Path, source: &str) -> Result<Vec<String>> {
    if directory.join(source).is_file() {
        return Ok(vec![source.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(directory.join(source))? {
        let name = PathBuf::from(entry?.file_name());
        let is_source = name.extension().is_some_and(|extension| extension == "c");
        files.extend(is_source.then(|| format!("{source}/{}", name.display())));
    }
    files.sort();
    Ok(files)
}
