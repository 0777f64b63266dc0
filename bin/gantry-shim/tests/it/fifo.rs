//! Named pipes whose readers are slow, gone, or late: no line is lost, and nobody is stopped who need not
//! be.

use crate::container::{Container, DEADLINE, is_running, launched, numbers, poll};
use gantry_shims::CreateOptions;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A container whose stdout is a named pipe.
fn created(script: &str) -> (Container, PathBuf) {
    let container = launched(script, false);
    let path = container.bundle.join("out");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let stdout = path.to_str().unwrap().to_owned();
    container.shim().create(&CreateOptions { stdout, ..Default::default() }).unwrap();
    container.start();
    (container, path)
}

/// A reader that does not wait for a writer.
fn open(path: &PathBuf) -> File {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).unwrap();
    // From now on it waits for bytes.
    rustix::io::ioctl_fionbio(&file, false).unwrap();
    file
}

fn rest(mut file: &File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_nobody_read_is_kept_for_a_reader_who_comes_later() {
    let (container, path) = created("echo hello; exit 3");
    assert_eq!(container.status(""), 3);
    // Its reader (a containerd that is being restarted) stays away for a while: nothing tells the shim that it will come.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(rest(&open(&path)), "hello\n");
}

#[test]
fn readers_may_change_in_the_middle() {
    let (container, path) = created("seq 1 300000; exit 4");
    let mut text = String::new();
    let mut block = [0; 10_000];
    for _ in 0..20 {
        let mut reader = open(&path);
        reader.read_exact(&mut block).unwrap();
        text.push_str(std::str::from_utf8(&block).unwrap());
        drop(reader);
        std::thread::sleep(Duration::from_millis(5));
    }
    text.push_str(&rest(&open(&path)));
    assert!(text == numbers(300_000));
    assert_eq!(container.status(""), 4);
}

#[test]
fn a_reader_that_reads_only_at_the_end_gets_everything_and_holds_nobody_up() {
    // More than one pipe and one backlog.
    let (container, path) = created("seq 1 30000; exit 5");
    let reader = open(&path);
    assert_eq!(container.status(""), 5);
    let shim = container.shim_pid();
    container.shim().delete("").unwrap();
    container.shim().shutdown().unwrap();
    poll("the shim ends", || !is_running(shim));
    assert!(rest(&reader) == numbers(30_000));
}

#[test]
fn a_pipe_without_a_reader_does_not_keep_a_shim() {
    let (container, _) = created("seq 1 30000; exit 6");
    assert_eq!(container.status(""), 6);
    let shim = container.shim_pid();
    let begin = Instant::now();
    container.shim().delete("").unwrap();
    container.shim().shutdown().unwrap();
    poll("the shim ends", || !is_running(shim));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn a_container_waits_for_its_reader_and_goes_on_with_the_next() {
    let (container, path) = created("seq 1 1000000; exit 7");
    // It stands still: nobody reads.
    assert_eq!(container.shim().wait("", Duration::from_secs(1)), None);
    let mut reader = open(&path);
    let mut text = vec![0; 1000];
    reader.read_exact(&mut text).unwrap();
    drop(reader);
    assert_eq!(container.shim().wait("", Duration::from_millis(500)), None);
    let text = String::from_utf8(text).unwrap() + &rest(&open(&path));
    assert!(text == numbers(1_000_000));
    let ended = container.shim().wait("", DEADLINE);
    assert!(matches!(ended, Some(gantry_shims::ExitNotice::Exited { status: 7, .. })), "{ended:?}");
}

#[test]
fn what_is_no_named_pipe_is_refused() {
    let container = launched("exit 1", false);
    let file = container.bundle.join("file");
    std::fs::write(&file, "").unwrap();
    let link = container.bundle.join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for path in [file, link, container.bundle.clone(), PathBuf::from("/dev/null")] {
        let stdout = path.to_str().unwrap().to_owned();
        let options = CreateOptions { stdout, ..Default::default() };
        let error = container.shim().create(&options).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn an_output_that_nobody_reads_does_not_hold_up_the_other() {
    // stdout stands still, stderr has a reader, and the process waits for neither of them.
    let container = launched("seq 1 300000 & seq 1 200000 >&2; kill $!; exit 8", false);
    let paths = ["out", "err"].map(|name| container.bundle.join(name));
    for path in &paths {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
    let [stdout, stderr] = paths.each_ref().map(|path| path.to_str().unwrap().to_owned());
    container.shim().create(&CreateOptions { stdout, stderr, ..Default::default() }).unwrap();
    let reader = open(&paths[1]);
    container.start();
    let mut text = vec![0; numbers(200_000).len()];
    (&reader).read_exact(&mut text).unwrap();
    assert!(text == numbers(200_000).into_bytes());
    // The first may be read by now.
    drop(open(&paths[0]));
    assert_eq!(container.status(""), 8);
}
