//! Help, errors of the command line, completions and the manual page.

use std::process::Command;

use crate::world::World;

#[test]
fn the_help_names_every_command_once() {
    let world = World::bare();
    let golden = "\
Computations as data: name one, and get its result, at once the second time

Usage: weft [OPTIONS] <COMMAND>

Commands:
  init         Make a store here, or in a directory
  add          Add files and directories, and print their handles
  cat          Write the bytes of a Blob
  ls           List a directory, or the entries of any Tree
  get          Write a file or a directory back to disk
  eval         Evaluate a computation and print its result
  why          Say what made something, from what, and what is different this time
  diff         Say what is different between two Trees, or two computations
  graph        Draw a computation: what it needed, what that took, and the longest chain
  verify       Compute again what is known, and compare
  replay       Run one past application again, with its log
  run          Run a program for WASI, and remember what it came to
  image        Begin a program once, and keep it so
  build        Build a C project with a compiler that is a program for WASI
  label        Give a handle a name, or take the name away
  labels       List the labels and what they stand for
  pin          Keep something in the store without a label
  unpin        Let something be collected again that was pinned
  pins         List what is pinned, and for how long
  gc           Remove from the store what nobody needs
  stat         Say what is in the store, and who holds it
  export       Write what a handle needs to one file, to send to somebody
  import       Take what `weft export` wrote, and print its handle
  fsck         Prove that the store is what it was, or keep what is sound of it
  migrate      Make a store that an older program wrote one of this version
  demo         Count the words of a real tree, again, and again after a change
";
    let help = world.weft(["help"]);
    assert!(help.text().starts_with(golden), "{}", help.text());
    assert_eq!(world.weft(["--help"]).text(), help.text());
    assert_eq!(world.weft(["help", "eval"]).text(), world.weft(["eval", "--help"]).text());
    assert!(world.weft(["help", "eval"]).text().contains("--deadline <TIME>"));
    assert_eq!(world.weft(["version"]).text(), world.weft(["--version"]).text());
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let world = World::bare();
    let golden = "\
weft: error: unexpected argument '--outpt' found

  tip: a similar argument exists: '--output'

Usage: weft eval --output <FORM> [EXPR]

for more, try `--help`
";
    let ran = world.weft(["eval", "--outpt", "raw", "1u8"]);
    ran.fails(2, &[]);
    assert_eq!(ran.stderr, golden);
    world.weft(["evil"]).fails(2, &["unrecognized subcommand 'evil'", "'eval'"]);
    world.weft(["eval"]).fails(2, &["EXPR"]);
    world.weft(["eval", "-o", "xml", "1u8"]).fails(2, &["xml", "json"]);
    world.weft(["completions", "csh"]).fails(2, &["bash", "zsh", "fish"]);
    world.weft(["man", "evil"]).fails(2, &["there is no command evil"]);
    // Nothing at all: the help, and a code that says that nothing was done.
    let nothing = world.weft([""; 0]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("Commands:") && nothing.stdout.is_empty(), "{nothing:?}");
}

/// From the one table: each shell is told of each command and flag.
#[test]
fn completions_have_everything() {
    let world = World::bare();
    let help = world.weft(["help"]);
    let section = help.text().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> =
        section.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(commands.len() > 10);
    for shell in ["bash", "zsh", "fish"] {
        let script = world.weft(["completions", shell]);
        for word in commands.iter().chain(&["output", "deadline", "workers", "label", "quiet"]) {
            assert!(script.text().contains(word), "{shell}: {word}");
        }
        assert!(script.text().contains("json"), "{shell}");
    }
    world.write("weft.bash", world.weft(["completions", "bash"]).text());
    let bash = Command::new("bash")
        .arg("-c")
        .arg(
            "source \"$0\"; COMP_WORDS=(weft ev); COMP_CWORD=1; _weft weft ev weft; \
             echo \"${COMPREPLY[@]}\"",
        )
        .arg(world.path("weft.bash"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "eval", "{bash:?}");
}

#[test]
fn the_manual_page_has_everything() {
    let world = World::bare();
    let page = world.weft(["man"]).text().to_owned();
    for words in [".TH weft 1", "SUBCOMMANDS", "weft\\-eval(1)", "Exit codes", "WEFT_DIR"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let eval = world.weft(["man", "eval"]).text().to_owned();
    for words in ["weft\\-eval", "\\-\\-deadline", "Examples"] {
        assert!(eval.contains(words), "{words}: {eval}");
    }
}
