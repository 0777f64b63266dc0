//! gantry-init as a plain process: exit codes, signals, orphans.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn init(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-init"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    init(arguments).output().unwrap()
}

fn check_code(arguments: &[&str], expected: i32, words: &str) {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {stderr}");
    assert!(stderr.contains(words), "{arguments:?}: {stderr}");
}

#[test]
fn it_ends_as_its_program_ends() {
    check_code(&["--", "sh", "-c", "exit 7"], 7, "");
    check_code(&["true"], 0, "");
    check_code(&["sh", "-c", "kill -TERM $$"], 143, "");
    check_code(&["sh", "-c", "kill -KILL $$"], 137, "");
}

#[test]
fn what_cannot_be_run_has_its_code_and_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    std::fs::File::create(&path).unwrap().write_all(b"\x01\x02").unwrap();
    let path = path.to_str().unwrap();
    check_code(
        &["no-such-program"],
        127,
        "\"no-such-program\": executable file not found in $PATH",
    );
    check_code(&[path], 126, "Permission denied");
    check_code(&[], 125, "usage");
}

fn spawn(script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = init(&["--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn line(stdout: &mut impl BufRead) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[test]
fn signals_are_passed_on() {
    let (mut child, mut stdout) = spawn(
        "trap 'echo usr1' USR1; trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done",
    );
    let pid = Pid::from_child(&child);
    assert_eq!(line(&mut stdout), "ready");
    kill_process(pid, Signal::USR1).unwrap();
    assert_eq!(line(&mut stdout), "usr1");
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn orphans_are_reaped() {
    // The inner shell ends at once; its child becomes an orphan, says its pid, and ends.
    let (mut child, mut stdout) =
        spawn("sh -c '(echo $(exec sh -c \"echo \\$PPID\")) &'; read x || sleep 60");
    let orphan = line(&mut stdout);
    let stat = format!("/proc/{orphan}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::path::Path::new(&stat).exists() {
        assert!(Instant::now() < deadline, "process {orphan} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
