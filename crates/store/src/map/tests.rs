use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use super::*;

const PAGE: usize = 4096;

/// A file that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("weft-map-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn map(&self, length: usize) -> Mapping {
        Mapping::of(&File::open(&self.0).unwrap(), length).unwrap()
    }

    fn cut(&self, length: usize) {
        File::options().write(true).open(&self.0).unwrap().set_len(length as u64).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_mapping_has_the_bytes_of_its_file_and_goes_with_its_owner() {
    let bytes: Vec<u8> = (0..5 * PAGE + 100).map(|at| (at / 7) as u8).collect();
    let file = Scratch::new("bytes", &bytes);
    let mapping = file.map(bytes.len());
    fs::remove_file(&file.0).unwrap();
    mapping.will_be_read_in_order();
    assert!(mapping.as_ref() == bytes && !mapping.is_poisoned());
    mapping.may_be_read_anywhere();
    let at = mapping.as_ref().as_ptr() as usize;
    let (_, start, length) = slots::find(at + 5 * PAGE).unwrap();
    assert_eq!((start, length), (at, 6 * PAGE));
    assert!(slots::find(at + 6 * PAGE).is_none_or(|(_, other, _)| other != at));
    drop(mapping);
    assert!(slots::find(at).is_none_or(|(_, other, _)| other != at));
}

#[test]
fn nothing_cannot_be_mapped() {
    let file = Scratch::new("nothing", b"");
    let file = File::open(&file.0).unwrap();
    assert_eq!(Mapping::of(&file, 0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(Mapping::of(&file, usize::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_file_cut_short_gives_zeros_and_poison_not_an_end() {
    let bytes = vec![7; 64 * PAGE];
    let (cut, whole) = (Scratch::new("cut", &bytes), Scratch::new("whole", &bytes));
    let (mapping, other) = (cut.map(bytes.len()), whole.map(bytes.len()));
    assert_eq!(mapping.as_ref()[10 * PAGE], 7);
    let before = poisoned();
    cut.cut(PAGE);
    // From several threads at once, each at another place first.
    std::thread::scope(|scope| {
        for thread in 1..8 {
            let mapping = &mapping;
            scope.spawn(move || {
                let (low, high) = mapping.as_ref().split_at(thread * 8 * PAGE);
                assert!(high.iter().chain(low).all(|byte| [0, 7].contains(byte)));
            });
        }
    });
    assert!(mapping.is_poisoned() && poisoned() > before);
    assert_eq!(mapping.as_ref()[63 * PAGE], 0);
    // What was written to the file later is not seen as if nothing had been.
    File::options().write(true).open(&cut.0).unwrap().set_len(bytes.len() as u64).unwrap();
    assert!(mapping.is_poisoned());
    assert!(!other.is_poisoned() && other.as_ref() == bytes);
    // The place may be used again.
    drop((mapping, other));
    let again = whole.map(bytes.len());
    assert!(!again.is_poisoned() && again.as_ref() == bytes);
}

#[test]
fn poison_is_counted_once() {
    let file = Scratch::new("once", &[1; PAGE]);
    let mapping = file.map(PAGE);
    let before = poisoned();
    mapping.poison();
    let after = poisoned();
    assert!(after > before && mapping.is_poisoned());
}

#[test]
fn many_mappings_find_their_places() {
    let file = Scratch::new("many", &[3; PAGE]);
    let many: Vec<Mapping> = (0..1000).map(|_| file.map(PAGE)).collect();
    file.cut(0);
    for mapping in &many {
        assert!(!mapping.is_poisoned());
        assert!(mapping.as_ref() == [0; PAGE] && mapping.is_poisoned());
    }
}

/// The variable that makes [`another_bus_error`] fault.
const CHILD: &str = "WEFT_TEST_BUS_ERROR";

/// Only of use to [`other_bus_errors_end_the_process`], in a process of its own.
#[test]
fn another_bus_error() {
    let Some(how) = std::env::var_os(CHILD) else { return };
    let file = Scratch::new("another", &[1; PAGE]);
    let ours = file.map(PAGE);
    if how == "sent" {
        // SAFETY: sends a signal to this process.
        unsafe { libc::raise(libc::SIGBUS) };
    }
    // SAFETY: as in `Mapping::of`.
    let start = unsafe {
        let file = File::open(&file.0).unwrap();
        libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            libc::PROT_READ,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    file.cut(0);
    assert_eq!(ours.as_ref()[0], 0);
    println!("ours went well");
    std::io::stdout().flush().unwrap();
    let _ = fs::remove_file(&file.0);
    // SAFETY: this is to fault, outside of what the guard knows.
    let byte = unsafe { std::ptr::read_volatile(start.cast::<u8>()) };
    println!("read {byte}");
}

#[test]
fn other_bus_errors_end_the_process() {
    for (how, prints) in [("fault", true), ("sent", false)] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "map::tests::another_bus_error", "--nocapture"]).env(CHILD, how);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{how}: {text}");
        assert_eq!((text.contains("ours went well"), text.contains("read ")), (prints, false));
    }
}
