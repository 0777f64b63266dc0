//! Streams as containerd names them: named pipes and files.

use crate::container::{Container, launched};
use gantry_shim_protocol::stdio::Output;
use gantry_shims::CreateOptions;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

fn fifo(container: &Container, name: &str) -> PathBuf {
    let path = container.bundle.join(name);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    path
}

fn options(stdin: &Path, stdout: &Path, stderr: &Path, terminal: bool) -> CreateOptions {
    let bare = |path: &Path| path.to_str().unwrap().to_owned();
    CreateOptions {
        terminal,
        stdin: bare(stdin),
        stdout: bare(stdout),
        stderr: if terminal { String::new() } else { bare(stderr) },
        ..Default::default()
    }
}

#[test]
fn named_pipes_carry_the_streams() {
    let container = launched("cat; echo err >&2; exit 2", false);
    let [stdin, stdout, stderr] = ["in", "out", "err"].map(|name| fifo(&container, name));
    let shim = container.shim();
    shim.create(&options(&stdin, &stdout, &stderr, false)).unwrap();
    container.start();
    // A client that leaves and comes back neither ends the input nor loses output.
    OpenOptions::new().write(true).open(&stdin).unwrap().write_all(b"one\n").unwrap();
    let mut second = OpenOptions::new().write(true).open(&stdin).unwrap();
    second.write_all(b"two\n").unwrap();
    drop(second);
    let mut reader = File::open(&stdout).unwrap();
    let mut errors = File::open(&stderr).unwrap();
    shim.close_stdin("").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    text.clear();
    errors.read_to_string(&mut text).unwrap();
    assert_eq!(text, "err\n");
    assert_eq!(container.status(""), 2);
}

#[test]
fn a_terminal_may_go_through_named_pipes() {
    let container = launched("read line; echo \"got $line\"", true);
    let [stdin, stdout] = ["in", "out"].map(|name| fifo(&container, name));
    container.shim().create(&options(&stdin, &stdout, Path::new(""), true)).unwrap();
    container.start();
    let mut reader = File::open(&stdout).unwrap();
    OpenOptions::new().write(true).open(&stdin).unwrap().write_all(b"hi\n").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi\r\ngot hi\r\n");
    assert_eq!(container.status(""), 0);
}

#[test]
fn output_may_go_to_a_file() {
    let container = launched("echo out; echo err >&2", false);
    let path = container.bundle.join("both");
    let file = Output::File(path.clone()).to_string();
    let options = CreateOptions { stdout: file.clone(), stderr: file, ..Default::default() };
    container.shim().create(&options).unwrap();
    container.start();
    assert_eq!(container.status(""), 0);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text == "out\nerr\n" || text == "err\nout\n", "{text:?}");
}
