//! A C project, built by a compiler that is a program for WASI.

mod arguments;
mod building;
mod database;
mod given;
mod map;
mod perform;
mod response;
mod shell;
mod step;
mod told;
mod tree;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use weft_store::{Mode, StoreError};

use self::building::Building;
use self::given::Given;
use self::step::{Common, Link};
use self::tree::Files;
use super::{Command, is_json, output_argument, told_as};
use crate::exit::Exit;
use crate::place::{Place, here};
use crate::program::{MEMORY_BYTES, Made};
use crate::terminal::Terminal;
use crate::units::parse_memory;

pub(crate) const COMMAND: Command = Command {
    name: "build",
    about: "Build a C project with a compiler that is a program for WASI",
    details: "COMMANDS is a compile_commands.json as CMake, Meson, Ninja and Bear write it, or\n\
              a directory that has one. Each entry is one run of the compiler on the whole\n\
              project, of which it reads what it needs; all run at once, and what is known\n\
              does not run. Left out of the project are --out, stores, version control (.git,\n\
              .hg, .svn, .jj), and the list itself. Results go to --out: with --link what was\n\
              linked, else the objects. A --link runs where the objects are, and {objects}\n\
              stands for all of them. What failed is shown with the command that repeats it;\n\
              all else is kept.",
    examples: &[
        "weft build --compiler clang.wasm --sysroot usr:/usr",
        "weft build build --compiler clang.wasm --sysroot usr --map .=/src --out wasm",
        "weft build --compiler clang.wasm --sysroot usr --link 'wasm-ld -o app.wasm -lc'",
    ],
    arguments: |command| {
        let flag = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name).long(name).value_name(value).help(help)
        };
        let path = |arg: Arg| arg.value_parser(value_parser!(PathBuf));
        let many = |arg: Arg| arg.action(ArgAction::Append);
        let commands = path(Arg::new("COMMANDS"))
            .default_value("compile_commands.json")
            .help("What to compile, and how");
        let sysroot = flag(
            "sysroot",
            "DIR[:GUEST]",
            "Headers and libraries, also a #handle or @label; at /usr if left out",
        );
        let jobs = Arg::new("jobs")
            .short('j')
            .long("jobs")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=1024))
            .help("How many steps run at once [default: one a core]");
        let keep_going = Arg::new("keep-going")
            .short('k')
            .long("keep-going")
            .value_name("N")
            .value_parser(value_parser!(u32))
            .default_value("20")
            .help("Begin no step after N have failed; 0 is never");
        let memory = flag("memory", "SIZE", "What a step's memory may come to, and what it writes")
            .value_parser(parse_memory)
            .default_value("1GiB");
        command
            .arg(commands)
            .arg(path(flag("compiler", "PROG", "The compiler, a .wasm file").required(true)))
            .arg(many(sysroot.value_parser(value_parser!(OsString))))
            .arg(many(flag(
                "map",
                "HOST=GUEST",
                "A directory of sources, and where the compiler finds it [default: .=/src]",
            )))
            .arg(many(path(flag(
                "leave-out",
                "DIR",
                "A directory in one of those that is no source",
            ))))
            .arg(path(flag("out", "DIR", "Where results are written")).default_value("weft-out"))
            .arg(many(flag("link", "COMMAND", "How objects are linked, once they are there")))
            .arg(path(flag(
                "linker",
                "PROG",
                "The linker, a .wasm file, if it is not the compiler",
            )))
            .args([jobs, keep_going, memory])
            .arg(output_argument(&["text", "json"], "text or json").short(None))
    },
    run: |matches, terminal| told_as(is_json(matches), run(matches, terminal)),
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let entries = database::read(&path("COMMANDS").unwrap_or_default())?;
    let links = matches.get_many::<String>("link").into_iter().flatten();
    let links = links.map(|text| Link::parse(text)).collect::<Result<Vec<_>, Exit>>()?;
    let target = path("out").unwrap_or_default();
    if fs::symlink_metadata(&target).is_ok_and(|there| !there.is_dir()) {
        return Err(StoreError::Exists(target).into());
    }
    let compiler = path("compiler").unwrap_or_default();
    let linker = path("linker").unwrap_or_else(|| compiler.clone());
    let place = Place::open(Mode::Write, terminal)?;
    let given = Given { matches, place: &place, terminal, here: here()? };
    let (trees, maps) = (given.trees()?, given.maps(&target)?);
    let mut made = Made::default();
    let common = Common {
        place: &place,
        program: place.put(&compiler)?.0,
        memory_bytes: matches.get_one("memory").copied().unwrap_or(MEMORY_BYTES),
        maps: &maps,
        trees: &trees,
        empty: Files::default().root(&mut made)?,
        out: &database::plain(&given.here.join(&target)),
    };
    let steps = step::compile(&common, &entries, &mut made)?;
    let linker_added = if linker == compiler { common.program } else { place.put(&linker)?.0 };
    let mut building = Building::start(matches, &place, terminal, steps.len() + links.len())?;
    let objects = building.perform(&steps, made, &compiler)?;
    if links.is_empty() {
        return building.end(&objects, &target);
    }
    if !building.is_good() {
        return building.end(&Files::default(), &target);
    }
    let common = Common { program: linker_added, ..common };
    let mut made = Made::default();
    let link = |link: &Link| link.step(&common, &objects, &mut made);
    let linked = links.iter().map(link).collect::<Result<Vec<_>, Exit>>()?;
    let linked = building.perform(&linked, made, &linker)?;
    building.end(&linked, &target)
}
