//! Streams, terminals and errors.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use gantry_oci::runtime::Process;
use gantry_runtime::{ExecOptions, Stdio};
use gantry_types::ErrorKind;

use crate::bed::{Bed, pipes, wait};

pub(crate) fn pipes_carry_input_and_output() {
    let bed = Bed::new(&["sh", "-c", "cat; echo err >&2"]);
    let (stdio, mut ends) = pipes();
    let created = bed.create(&bed.overlay(), stdio).unwrap();
    gantry_runtime::start(&bed.state_dir()).unwrap();
    ends.stdin.write_all(b"hello").unwrap();
    drop(ends.stdin);
    // An end of file shows that nobody else, neither we nor the runtime, holds the other end.
    assert_eq!(std::io::read_to_string(ends.stdout).unwrap(), "hello");
    assert_eq!(std::io::read_to_string(ends.stderr).unwrap(), "err\n");
    assert_eq!(wait(&created.pidfd), 0);
}

pub(crate) fn a_terminal_comes_back() {
    let mut bed = Bed::new(&["sh", "-c", "tty; sleep 1000; true"]);
    bed.config["process"]["terminal"] = true.into();
    let created = bed.create(&bed.overlay(), Stdio::Terminal).unwrap();
    gantry_runtime::start(&bed.state_dir()).unwrap();
    let mut terminal = fs::File::from(created.terminal.unwrap());
    let mut seen = [0; 12];
    terminal.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"/dev/pts/0\r\n");
    terminal.write_all(&[3]).unwrap();
    // Control-C: the shell is the first process of its namespace, but its child is not.
    assert_eq!(wait(&created.pidfd), 130);
}

pub(crate) fn exec_has_streams_of_its_own() {
    let bed = Bed::new(&["sleep", "1000"]);
    let (stdio, _ends) = pipes();
    let created = bed.create(&bed.overlay(), stdio).unwrap();
    gantry_runtime::start(&bed.state_dir()).unwrap();
    let process = Process {
        args: ["sh", "-c", "cat; exit 6"].map(str::to_owned).to_vec(),
        env: vec!["PATH=/bin".to_owned()],
        cwd: "/".to_owned(),
        ..Process::default()
    };
    let (stdio, mut ends) = pipes();
    let options = ExecOptions { process: &process, stdio, preserve_fds: 0 };
    let started = gantry_runtime::exec(&bed.state_dir(), &options).unwrap();
    drop(options);
    ends.stdin.write_all(b"more").unwrap();
    drop(ends.stdin);
    assert_eq!(std::io::read_to_string(ends.stdout).unwrap(), "more");
    assert_eq!(wait(&started.pidfd), 6);

    let missing = Process { args: vec!["nope".to_owned()], ..process.clone() };
    let (stdio, _ends) = pipes();
    let options = ExecOptions { process: &missing, stdio, preserve_fds: 0 };
    let error = gantry_runtime::exec(&bed.state_dir(), &options).unwrap_err();
    assert_eq!(error.exec_code(), Some(127));
    let no_children = rustix::process::wait(rustix::process::WaitOptions::NOHANG).unwrap();
    assert!(no_children.is_none(), "the failed process was not reaped: {no_children:?}");
    gantry_runtime::delete(&bed.state_dir(), gantry_runtime::DeleteMode::Force).unwrap();
    assert_eq!(wait(&created.pidfd), 137);
    bed.check_nothing_left();
}

pub(crate) fn errors_have_codes_and_kinds() {
    let mut bed = Bed::new(&["nope"]);
    let create = |bed: &Bed| {
        let (stdio, _ends) = pipes();
        bed.create(&bed.overlay(), stdio)
    };
    let error = create(&bed).unwrap_err();
    assert_eq!((error.exec_code(), error.kind()), (Some(127), ErrorKind::InvalidParameter));
    assert_eq!(
        error.to_string(),
        "unable to start container process: exec: \"nope\": executable file not found in $PATH"
    );
    bed.config["process"]["args"] = serde_json::json!(["/bin"]);
    let error = create(&bed).unwrap_err();
    assert_eq!((error.exec_code(), error.kind()), (Some(126), ErrorKind::InvalidParameter));
    // What only the kernel can tell comes from start.
    let program = bed.path("top/program");
    fs::write(&program, "no program").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    bed.config["process"]["args"] = serde_json::json!(["/program"]);
    let created = create(&bed).unwrap();
    let error = gantry_runtime::start(&bed.state_dir()).unwrap_err();
    assert_eq!(error.exec_code(), Some(126));
    assert!(error.to_string().ends_with("exec /program: exec format error"), "{error}");
    assert_eq!(wait(&created.pidfd), 1);
    gantry_runtime::delete(&bed.state_dir(), gantry_runtime::DeleteMode::IfStopped).unwrap();
    let error = gantry_runtime::state(&bed.state_dir()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    bed.check_nothing_left();
}

pub(crate) fn a_caller_with_threads_is_refused() {
    let bed = Bed::new(&["true"]);
    let other = std::thread::spawn(std::thread::park);
    let (stdio, _ends) = pipes();
    let error = bed.create(&bed.overlay(), stdio).unwrap_err();
    other.thread().unpark();
    other.join().unwrap();
    assert!(error.to_string().contains("several threads"), "{error}");
    bed.check_nothing_left();
}
