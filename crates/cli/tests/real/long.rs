//! The rest, with `cargo xtask test --long`.

use crate::program::{Program, program};

/// `None` unless all are wanted.
fn long(name: &str) -> Option<Program> {
    std::env::var_os("WEFT_LONG").and_then(|_| program(name))
}

#[test]
fn ruby_sorts() {
    let Some(ruby) = long("ruby") else { return };
    ruby.world.write("job/numbers", "3\n10\n2\n");
    let script = "require 'json'; \
                  puts JSON.generate(File.readlines('/job/numbers').map(&:to_i).sort)";
    let ran = ruby.run(&["--dir", "job:/job"], &["-e", script]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), &b"[2,3,10]\n"[..]), "{ran:?}");
}

#[test]
fn php_writes_what_it_read() {
    let Some(php) = long("php") else { return };
    let script = "<?php $lines = file('/job/in.csv', FILE_IGNORE_NEW_LINES);\n\
                  $rows = array_map('str_getcsv', $lines);\n\
                  file_put_contents('/job/out.json', json_encode($rows));\n\
                  echo count($rows), ' rows';\n";
    php.world.write("job/script.php", script);
    php.world.write("job/in.csv", "a,1\n\"b,c\",2\n");
    let ran = php.run(&["--dir", "job:/job", "--out", "out"], &["-q", "/job/script.php"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), &b"2 rows"[..]), "{ran:?}");
    assert_eq!(php.read("out/out.json"), r#"[["a","1"],["b,c","2"]]"#);
}

#[test]
fn boolector_solves() {
    let Some(boolector) = long("boolector") else { return };
    let problem = |factor: u32| {
        format!(
            "(set-logic QF_BV)\n(set-option :produce-models true)\n\
             (declare-const x (_ BitVec 16))\n\
             (assert (= (bvmul x (_ bv{factor} 16)) (_ bv42 16)))\n\
             (assert (bvult x (_ bv100 16)))\n(check-sat)\n"
        )
    };
    // Six; and of a hundred times anything the lowest two bits are zero.
    for (factor, said, code) in [(7, "sat\n", 10), (100, "unsat\n", 20)] {
        boolector.world.write("job/problem.smt2", problem(factor));
        let ran = boolector.run(&["--dir", "job:/job"], &["--smt2", "/job/problem.smt2"]);
        let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!((ran.code, &*stdout), (Some(code), said), "{factor}: {ran:?}");
    }
}
