//! Containers with a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};
use std::time::Duration;

use gantry_sys::unix_socket::receive_with_fd;
use serde_json::json;

use crate::bed::{Bed, wait_until};

/// Runs a command that sends its terminal to a console socket, and gives the terminal's master.
fn with_console_socket(bed: &Bed, args: &[&str]) -> File {
    let path = bed.dir.path().join("console.sock");
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).unwrap();
    let (command, rest) = args.split_first().unwrap();
    let args = [&[*command, "--console-socket", path.to_str().unwrap()], rest].concat();
    let status = bed.command(&args).status().unwrap();
    assert!(status.success());
    let (socket, _) = listener.accept().unwrap();
    let (_, fd) = receive_with_fd(socket.as_fd(), &mut [0; 64]).unwrap();
    fd.unwrap().into()
}

/// A container in the foreground with a terminal.
fn in_the_foreground(bed: &mut Bed, script: &str, stdout: impl Into<Stdio>) -> Child {
    bed.set("/process/terminal", json!(true)).script(script).write_config();
    bed.command(&["run", &bed.id]).stdout(stdout).spawn().unwrap()
}

/// Reads until the words appear.
fn read_until(terminal: &mut impl Read, words: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 256];
    while !seen.contains(words) {
        match terminal.read(&mut buffer) {
            Ok(0) | Err(_) => panic!("the terminal ended before {words:?}: {seen:?}"),
            Ok(length) => seen.push_str(&String::from_utf8_lossy(&buffer[..length])),
        }
    }
    seen
}

#[test]
fn the_terminal_goes_to_the_console_socket() {
    let mut bed = Bed::new();
    bed.set("/process/terminal", json!(true));
    bed.set("/process/consoleSize", json!({"height": 41, "width": 143}));
    bed.script("tty; stty size; stat -c %t:%T /dev/console > /dev/null; echo ready; read x; echo got $x; exec sleep 1000");
    bed.write_config();
    let mut terminal = with_console_socket(&bed, &["create", &bed.id]);
    bed.ok(&["start", &bed.id]);
    let said = read_until(&mut terminal, "ready");
    assert!(said.contains("/dev/pts/0"), "{said}");
    assert!(said.contains("41 143"), "{said}");
    terminal.write_all(b"hello\n").unwrap();
    read_until(&mut terminal, "got hello");
    let mut second =
        with_console_socket(&bed, &["exec", "-t", "-d", &bed.id, "sh", "-c", "tty; sleep 1000"]);
    read_until(&mut second, "/dev/pts/1");
}

#[test]
fn a_terminal_in_the_foreground_is_copied() {
    let mut bed = Bed::new();
    bed.set("/process/terminal", json!(true));
    bed.script("tty; tty < /dev/console; exit 4");
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    assert_eq!(output.status.code(), Some(4));
    let stdout = crate::bed::text(&output.stdout);
    assert!(stdout.starts_with("/dev/pts/0\r\n"), "{stdout:?}");
    bed.check_nothing_left();
}

#[test]
fn a_terminal_that_the_process_closes_costs_nothing_and_is_heard_again() {
    let mut bed = Bed::new();
    let script = "exec < /dev/null > /dev/null 2>&1; sleep 1; echo again > /dev/tty; sleep 1; echo once more > /dev/tty; exec sleep 1000";
    let mut child = in_the_foreground(&mut bed, script, Stdio::piped());
    read_until(child.stdout.as_mut().unwrap(), "again\r\nonce more\r\n");
    // Nanoseconds on a processor come first.
    let statistics = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap();
    let used: u64 = statistics.split(' ').next().unwrap().parse().unwrap();
    bed.ok(&["kill", &bed.id, "KILL"]);
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert!(Duration::from_nanos(used) < Duration::from_millis(400), "{used} ns");
    bed.check_nothing_left();
}

#[test]
fn an_output_that_does_not_wait_and_is_read_late_gets_everything() {
    let mut bed = Bed::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    // Twice as much as the pipe takes, and the rest when a signal has come through nevertheless.
    let script = "trap 'touch /heard' USR1; seq 1500; touch /said; while ! test -e /heard; do sleep 0.01; done; seq 1501 6000; exit 5";
    let mut child = in_the_foreground(&mut bed, script, writer);
    wait_until("the pipe is full", || bed.rootfs().join("said").exists());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    wait_until("the signal came through", || bed.rootfs().join("heard").exists());
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    let expected = (1..=6000).map(|number| number.to_string());
    assert!(output.split_terminator("\r\n").eq(expected), "{} bytes came", output.len());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    bed.check_nothing_left();
}

#[test]
fn a_terminal_that_nobody_takes_is_refused() {
    let mut bed = Bed::new();
    bed.set("/process/terminal", json!(true)).write_config();
    assert!(bed.err(&["create", &bed.id]).contains("without setting console socket"));
    bed.set("/process/terminal", json!(false)).write_config();
    assert!(bed.err(&["create", "--console-socket", "x", &bed.id]).contains("console socket"));
    bed.set("/process/terminal", json!(true)).write_config();
    let message = bed.err(&["create", "--console-socket", "/no/socket", &bed.id]);
    assert!(message.contains("/no/socket"), "{message}");
    bed.check_nothing_left();
}
