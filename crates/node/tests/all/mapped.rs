//! Large content is read from files, which somebody may change.

use std::sync::Arc;

use weft_eval::{NoAnswerKind, Outcome};
use weft_node::Config;
use weft_object::{Blob, Content, Handle};
use weft_store::conformance::Double;
use weft_store::{Backend, FileBackend, Options, StoreError, map};

use crate::guests::{apply, echo, first, module, ran, start};

/// A directory that goes away with the test.
struct Dir(std::path::PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let name = format!("weft-node-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const ALONE: &str = "WEFT_TEST_ALONE";

/// Runs one of the tests here in a process of its own: nobody in one knows who
/// read of a changed file.
fn alone(test: &str, says: &str) {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", test, "--nocapture"];
    let mut command = std::process::Command::new(program);
    let output = command.args(arguments).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(says), "{output:?}");
}

#[test]
fn what_was_read_of_a_file_that_changed_is_not_kept() {
    alone("mapped::only_alone", "nothing was kept");
}

#[test]
fn what_a_request_came_to_before_a_file_changed_is_no_answer() {
    alone("mapped::only_alone_during_a_request", "nothing was answered");
}

#[test]
fn what_is_found_out_through_a_window_onto_a_file_that_changes_is_not_kept() {
    alone("mapped::only_alone_through_a_window", "nothing was concluded");
}

/// A store with 5000 times 7 in a file of its own.
struct Mapped {
    dir: Dir,
    backend: Arc<FileBackend>,
    name: Handle,
}

impl Mapped {
    fn new(name: &str) -> Self {
        Self::of(name, 5000)
    }

    fn of(name: &str, sevens: usize) -> Self {
        let dir = Dir::new(name);
        let options = Options { large_bytes_min: 1000, background: false, ..Options::default() };
        let disk = Arc::new(weft_store::disk::RealDisk);
        let backend = FileBackend::create_on(disk, &dir.0.join("store"), options).unwrap();
        let name = put(&backend, vec![7; sevens]);
        Self { dir, backend: Arc::new(backend), name }
    }

    /// Writes another first byte into the file, which is then noticed.
    fn change(&self) {
        std::os::unix::fs::FileExt::write_all_at(&self.open(), b"8", 0).unwrap();
        map::look_again();
    }

    fn path(&self) -> std::path::PathBuf {
        let hex = self.name.to_string();
        self.dir.0.join("store/large").join(&hex[..2]).join(&hex)
    }

    /// The file, although nobody is to write to it.
    fn open(&self) -> std::fs::File {
        let path = self.path();
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        std::fs::set_permissions(&path, permissions).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap()
    }
}

fn put(backend: &FileBackend, bytes: Vec<u8>) -> Handle {
    let blob = Blob::new(bytes);
    let handle = blob.handle();
    backend.put(&[(handle, Content::Blob(blob))]).unwrap();
    handle
}

/// Whoever finds the change first, what came of the file is not kept. Only of
/// use to [`what_was_read_of_a_file_that_changed_is_not_kept`].
#[test]
fn only_alone() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let mapped = Mapped::new("changed");
    let backend = &mapped.backend;
    let node = start(Config { backend: Some(backend.clone()), ..Config::default() });
    let session = node.session();
    let request = apply(&session, first(&session), &[mapped.name]);
    assert_eq!(session.submit(request).wait().value(), Some(Handle::of_u64(7)));
    mapped.change();
    let error = node.keep(&[request]).unwrap_err();
    assert!(matches!(error, StoreError::Changed(_)), "{error}");
    // It is told once; and there is nothing to keep by then.
    assert_eq!(node.keep(&[]).unwrap().relations, 0);
    let application = request.thunk().unwrap_or(request).definition().unwrap();
    assert!(backend.relation(&application).unwrap().is_none());
    println!("nothing was kept");
}

/// The run that read of the file has ended well, the one that goes on with its
/// result begins after the change: of neither it is known that anything is
/// wrong. Only of use to
/// [`what_a_request_came_to_before_a_file_changed_is_no_answer`].
#[test]
fn only_alone_during_a_request() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let mapped = Arc::new(Mapped::new("answered"));
    let late = put(&mapped.backend, vec![1; 500]);
    let seen = mapped.clone();
    let sees = move |handle: &Handle| {
        if *handle == late {
            seen.change();
        }
        true
    };
    let backend = Arc::new(Double::seeing(mapped.backend.clone(), sees));
    let node = start(Config { backend: Some(backend), ..Config::default() });
    let watch = node.watch();
    let session = node.session();
    let inner = apply(&session, first(&session), &[mapped.name]);
    let bytes = [inner.strict().unwrap(), late];
    let request = apply(&session, echo(&session), &bytes);
    let outcome = session.submit(request).wait();
    let Outcome::NoAnswer(none) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(none.kind, NoAnswerKind::Storage);
    assert!(none.detail.contains("was changed while it was read"), "{none}");
    assert_eq!(ran(&watch).len(), 2, "both ran to their end");
    println!("nothing was answered");
}

/// A function looks through a window until the file is cut short: it sees zeros,
/// and there is no answer. Only of use to
/// [`what_is_found_out_through_a_window_onto_a_file_that_changes_is_not_kept`].
#[test]
fn only_alone_through_a_window() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let mapped = Mapped::of("window", 2 << 20);
    let node = start(Config { backend: Some(mapped.backend.clone()), ..Config::default() });
    let session = node.session();
    let waiting = module(
        &session,
        r#"(func (export "weft_apply") (param $in i32) (result i32)
             (local $at i32)
             (local.set $at (call $window (call $get (local.get $in) (i64.const 2))
               (i64.const 0) (i32.const 0x200000)))
             ;; The last page, which the file loses.
             (loop $wait
               (br_if $wait (i32.eq (i32.const 7)
                 (i32.load8_u offset=0x1ff000 (local.get $at)))))
             (call $blob (i64.load8_u (local.get $at))))"#,
    );
    // Before it is read: whose mode has changed since is not mapped again.
    let file = mapped.open();
    let request = session.submit(apply(&session, waiting, &[mapped.name]));
    // Not before it is mapped twice: then the function has its window.
    let path = mapped.path();
    let times = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())).count()
    };
    while times() < 2 {
        std::thread::yield_now();
    }
    file.set_len(4096).unwrap();
    let outcome = request.wait();
    let Outcome::NoAnswer(none) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(none.kind, NoAnswerKind::Storage);
    assert!(none.detail.contains("was changed while it was read"), "{none}");
    assert!(times() < 2, "the window is gone");
    assert_eq!(node.stat().relations, 0);
    println!("nothing was concluded");
}
