//! Components: programs for WASI 0.2, under `wasi/1` as any program.

use weft_engine::{FailureKind, NoAnswerKind, Outcome};
use weft_object::Handle;

use crate::harness::{Case, every_way, made_blob, made_tree, refused, value};

const HELLO: &[u8] = include_bytes!("../../../../guests/bin/component-hello.wasm");

fn component(binary: &[u8]) -> Case {
    let mut case = Case::binary(binary).limit(16 << 20);
    let program = std::mem::replace(&mut case.module, Handle::of_blob(b"wasi/1"));
    case.argument(program)
}

fn text(text: &str) -> Case {
    match wat::parse_str(text) {
        Ok(binary) => component(&binary),
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// A command around a core module's `run`, an `i32` of which 0 is well, with
/// imports before it and others for the module.
fn command(imports: &str, given: &str, module: &str) -> String {
    format!(
        r#"(component
            {imports}
            (core module $module {module})
            (core instance $instance (instantiate $module {given}))
            (func $run (result (result)) (canon lift (core func $instance "run")))
            (instance $exported (export "run" (func $run)))
            (export "wasi:cli/run@0.2.3" (instance $exported)))"#
    )
}

fn exit_code(case: &Case) -> u64 {
    let applied = case.apply();
    made_tree(&applied, value(&applied))[0].literal_u64().unwrap()
}

#[test]
fn a_component_runs_as_any_program() {
    for case in every_way(component(HELLO)) {
        let applied = case.apply();
        let left = made_tree(&applied, value(&applied));
        assert_eq!(left.len(), 3);
        assert_eq!(left[0].literal_u64(), Some(0));
        assert_eq!(made_blob(&applied, left[1]), b"hello\n");
        assert_eq!(made_blob(&applied, left[2]), b"");
        assert!(applied.memory_peak_bytes > 0 && applied.memory_peak_bytes < 16 << 20);
        assert_eq!(applied.fuel_used.is_some(), case.fuel.is_some());
    }
}

#[test]
fn what_run_returns_is_the_exit_code() {
    for (returned, code) in [(0, 0), (1, 1)] {
        let module = format!(r#"(func (export "run") (result i32) (i32.const {returned}))"#);
        assert_eq!(exit_code(&text(&command("", "", &module))), code);
    }
    let imports = r#"
        (import "wasi:cli/exit@0.2.12" (instance $exit
          (export "exit-with-code" (func (param "status-code" u8)))))
        (core func $exit (canon lower (func $exit "exit-with-code")))
        (core instance $given (export "exit" (func $exit)))"#;
    let module = r#"
        (import "wasi" "exit" (func $exit (param i32)))
        (func (export "run") (result i32) (call $exit (i32.const 7)) (unreachable))"#;
    let given = r#"(with "wasi" (instance $given))"#;
    assert_eq!(exit_code(&text(&command(imports, given, module))), 7);
}

#[test]
fn imports_of_others_are_named() {
    let import = |name: &str| format!(r#"(import "{name}" (instance))"#);
    let names = ["wasi:sockets/tcp@0.2.0", "wasi:cli/envrionment@0.2.3", "wasi:io/poll@0.3.0"];
    let imports: String = names.iter().copied().chain(["wasi:io/poll@0.2.7"]).map(import).collect();
    let module = r#"(func (export "run") (result i32) (i32.const 0))"#;
    let failure = refused(&text(&command(&imports, "", module)));
    assert_eq!(failure.detail, format!("unknown imports: {}", names.join(", ")));
    assert_eq!(
        failure.note.unwrap(),
        "wasi:cli/envrionment@0.2.3: the nearest known is wasi:cli/environment@0.2\n\
         wasi:io/poll@0.3.0: the nearest known is wasi:io/poll@0.2"
    );
}

#[test]
fn functions_that_an_interface_has_not_are_refused() {
    let module = r#"(func (export "run") (result i32) (i32.const 0))"#;
    for function in [r#"(export "nap" (func))"#, r#"(export "now" (func (result string)))"#] {
        let import =
            format!(r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance {function}))"#);
        let failure = refused(&text(&command(&import, "", module)));
        let said = "imports from WASI 0.2 what is not there, or is of another type";
        assert_eq!(failure.detail, said);
        assert!(failure.note.unwrap().contains("monotonic-clock"));
    }
}

#[test]
fn what_is_no_command() {
    let failure = refused(&text("(component)"));
    let said = "no export wasi:cli/run@0.2, so it is no command for WASI 0.2";
    assert_eq!(failure.detail, said);
    let failure = refused(&component(&[HELLO, &[9][..]].concat()));
    assert!(failure.detail.starts_with("malformed"), "{failure:?}");
    // Nor is it a function, or has others to call.
    let failure = refused(&Case::binary(HELLO));
    assert!(failure.detail.starts_with("malformed"), "{failure:?}");
    let mut case = component(HELLO);
    case.arguments = vec![case.memory.put_tree(&[case.arguments[0], Handle::of_blob(b"run")])];
    assert!(refused(&case).detail.starts_with("a component has no function to choose"));
}

#[test]
fn traps_and_exceptions_are_failures() {
    let failed = |module: &str| text(&command("", "", module)).failure();
    let trap = r#"(func (export "run") (result i32) (unreachable))"#;
    assert_eq!(failed(trap), (FailureKind::Trap, "unreachable".to_owned()));
    let throw = r#"(tag $e) (func (export "run") (result i32) (throw $e))"#;
    assert_eq!(failed(throw), (FailureKind::Trap, "uncaught exception".to_owned()));
    let neither = r#"(func (export "run") (result i32) (i32.const 2))"#;
    let (kind, detail) = failed(neither);
    assert_eq!((kind, &*detail), (FailureKind::Trap, "a call broke the rules of components"));
}

#[test]
fn memories_of_all_instances_count_together() {
    let module = r#"
        (memory 8)
        (func (export "run") (result i32)
          (i32.eq (memory.grow (i32.const 12)) (i32.const -1)))"#;
    let other = "(core module $other (memory 6)) (core instance (instantiate $other))";
    let case = text(&command(other, "", module));
    assert_eq!(exit_code(&Case { limit_bytes: 26 << 16, ..case }), 0);
    let case = text(&command(other, "", module));
    assert_eq!(exit_code(&Case { limit_bytes: 25 << 16, ..case }), 1, "growing is refused");
    for case in every_way(text(&command(other, "", module)).limit(13 << 16)) {
        let (kind, detail) = case.failure();
        assert_eq!(kind, FailureKind::MemoryLimit, "{detail}");
    }
}

#[test]
fn a_component_is_interrupted() {
    let module =
        r#"(func (export "run") (result i32) (loop $for_ever (br $for_ever)) (unreachable))"#;
    let case = text(&command("", "", module));
    let interrupt = case.interrupt.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        interrupt.interrupt();
    });
    assert_eq!(case.no_answer(), NoAnswerKind::Interrupted);
    stopper.join().unwrap();
}

/// Their tables lie outside of what is counted.
#[test]
fn resources_of_its_own_are_not_run() {
    let own = r#"
        (type $own (resource (rep i32)))
        (core func $new (canon resource.new $own))"#;
    let module = r#"(func (export "run") (result i32) (i32.const 0))"#;
    match text(&command(own, "", module)).apply().outcome {
        Outcome::NoAnswer { detail, .. } => assert!(detail.contains("resources of its own")),
        other => panic!("{other:?}"),
    }
}

/// A stream for each turn, none of which is given back.
#[test]
fn handles_are_bounded() {
    let imports = r#"
        (import "wasi:io/streams@0.2.0" (instance $streams
          (export "output-stream" (type (sub resource)))))
        (alias export $streams "output-stream" (type $output))
        (import "wasi:cli/stdout@0.2.0" (instance $stdout
          (alias outer 1 $output (type $theirs))
          (export "output-stream" (type $it (eq $theirs)))
          (export "get-stdout" (func (result (own $it))))))
        (core func $get (canon lower (func $stdout "get-stdout")))
        (core instance $given (export "get" (func $get)))"#;
    let module = r#"
        (import "wasi" "get" (func $get (result i32)))
        (func (export "run") (result i32)
          (loop $more (drop (call $get)) (br $more))
          (unreachable))"#;
    let given = r#"(with "wasi" (instance $given))"#;
    let case = text(&command(imports, given, module));
    assert_eq!(case.no_answer(), NoAnswerKind::HandleTable);
}

#[test]
fn a_component_is_compiled_once_and_its_artifact_loaded() {
    let place = std::env::temp_dir().join(format!("weft-component-{}", std::process::id()));
    let engine = || {
        let config =
            weft_engine::Config { artifacts: Some(place.clone()), ..crate::harness::config() };
        std::sync::Arc::new(weft_engine::Engine::new(config).unwrap())
    };
    let first = engine();
    assert_eq!(exit_code(&component(HELLO).on(&first)), 0);
    assert_eq!(exit_code(&component(HELLO).on(&first)), 0);
    assert_eq!((first.stats().compiled, first.stats().loaded), (1, 0));
    let second = engine();
    assert_eq!(exit_code(&component(HELLO).on(&second)), 0);
    assert_eq!((second.stats().compiled, second.stats().loaded), (0, 1));
    if cfg!(target_os = "linux") {
        let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(mapped.contains(place.to_str().unwrap()), "it was read");
    }
    std::fs::remove_dir_all(&place).unwrap();
}

/// What a program is given, as values of the interfaces.
#[test]
fn arguments_input_and_clock_are_those_of_the_application() {
    let case = component(include_bytes!("../../../../guests/bin/component-calls.wasm"));
    let run = |rest: &[&str], stdin: &[u8]| {
        let arguments: Vec<_> = ["calls", "do"]
            .iter()
            .chain(rest)
            .map(|text| Handle::of_blob(text.as_bytes()))
            .collect();
        let arguments = case.memory.put_tree(&arguments);
        let environment = case.memory.put_tree(&[Handle::of_blob(b"A=b")]);
        let program = case.arguments[0];
        let given = [arguments, environment, case.memory.put_blob(stdin), Handle::of_u64(5)];
        let case = Case {
            arguments: [&[program][..], &given].concat(),
            memory: std::sync::Arc::clone(&case.memory),
            engine: std::sync::Arc::clone(&case.engine),
            interrupt: weft_engine::Interrupt::new(),
            ..case
        };
        let applied = case.apply();
        let left = made_tree(&applied, value(&applied));
        (left[0].literal_u64().unwrap(), made_blob(&applied, left[1]))
    };
    let long = vec![b'x'; 3 << 20];
    assert_eq!(run(&["copy"], &long), (0, long));
    assert_eq!(run(&["environment"], b""), (0, b"A=b\n".to_vec()));
    assert_eq!(run(&["random"], b"").1, run(&["random"], b"").1);
    assert_eq!(run(&["exit", "1"], b"").0, 1);
}
