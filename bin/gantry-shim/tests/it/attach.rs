//! Attachers: what they see, what they send, and what the slow ones cost.

use crate::container::{Container, Options, created, frames, launched, numbers, poll, read_until};
use gantry_logs::Stream;
use gantry_shim_protocol::attach::{AttachHeader, Streams};
use gantry_shim_protocol::stdio::{Input, LogFormat, LogTarget, Output};
use gantry_shims::CreateOptions;
use gantry_types::{ErrorKind, Signal};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

fn with_input(script: &'static str, once: bool) -> Container {
    created(&Options { script, stdin: Input::Relay { once }, ..Default::default() })
}

#[test]
fn who_attaches_before_the_start_sees_every_byte() {
    let container = with_input("echo first; echo second >&2; seq 1 50000; exit 3", true);
    let streams: Vec<_> = (0..4).map(|_| container.attach("")).collect();
    container.start();
    let numbers = numbers(50_000);
    for stream in streams {
        let (stdout, stderr) = frames(&stream);
        assert!(stdout == format!("first\n{numbers}"));
        assert_eq!(stderr, "second\n");
    }
    assert_eq!(container.status(""), 3);
}

#[test]
fn attachers_get_only_the_streams_they_chose() {
    let container = with_input("echo out; echo err >&2", true);
    let choose = |stdout, stderr| {
        let streams = Streams { stdin: false, stdout, stderr };
        container.shim().attach(&AttachHeader { exec_id: String::new(), streams }).unwrap()
    };
    let (out, err) = (choose(true, false), choose(false, true));
    container.start();
    assert_eq!(frames(&out), ("out\n".to_owned(), String::new()));
    assert_eq!(frames(&err), (String::new(), "err\n".to_owned()));
}

#[test]
fn input_ends_with_the_attachers_half_close() {
    let container = with_input("cat; echo over", true);
    let mut stream = container.attach("");
    // Sent before there is anybody to read it.
    stream.write_all(b"early\n").unwrap();
    container.start();
    let big = "x".repeat(300_000);
    let mut writer = stream.try_clone().unwrap();
    let sent = big.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(sent.as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let (stdout, _) = frames(&stream);
    writing.join().unwrap();
    assert!(stdout == format!("early\n{big}over\n"));
    assert_eq!(container.status(""), 0);
}

#[test]
fn input_that_is_not_for_once_outlives_its_attacher() {
    let container = with_input("while read line; do echo \"got $line\"; done; echo over", false);
    container.start();
    let mut first = container.attach("");
    first.write_all(b"one\n").unwrap();
    read_until(&first, "got one");
    drop(first);
    let mut second = container.attach("");
    second.write_all(b"two\n").unwrap();
    read_until(&second, "got two");
    container.shim().close_stdin("").unwrap();
    read_until(&second, "over");
    assert_eq!(container.status(""), 0);
}

#[test]
fn the_last_words_of_a_client_that_left_arrive() {
    let container = with_input("sleep 0.3; wc -c", true);
    let mut stream = container.attach("");
    container.start();
    // More than the pipe holds, then the whole connection goes.
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(length) = stream.write(&[b'x'; 4096]) {
        sent += length;
    }
    drop(stream);
    assert_eq!(container.status(""), 0);
    assert_eq!(container.logged(Stream::Stdout).trim(), sent.to_string());
}

#[test]
fn a_container_without_input_reads_its_end_at_once() {
    let container = created(&Options { script: "cat; echo over", ..Default::default() });
    let mut stream = container.attach("");
    stream.write_all(b"nobody reads this").unwrap();
    container.start();
    // And the client sees an end, not an error, although its input was not read.
    assert_eq!(frames(&stream).0, "over\n");
}

#[test]
fn a_process_that_closes_its_input_goes_on() {
    let container = with_input("exec 0<&-; echo closed; sleep 0.2; echo over", true);
    let mut stream = container.attach("");
    container.start();
    read_until(&stream, "closed");
    stream.write_all(b"for nobody").unwrap();
    assert!(read_until(&stream, "over").contains("over"));
    assert_eq!(container.status(""), 0);
}

#[test]
fn a_slow_client_that_lives_loses_nothing() {
    let container = with_input("seq 1 1000000", true);
    let stream = container.attach("");
    container.start();
    // The client's buffer is full before it begins to read.
    std::thread::sleep(Duration::from_millis(300));
    let (stdout, _) = frames(&stream);
    assert_eq!(stdout.len(), container.logged(Stream::Stdout).len());
    assert!(stdout.ends_with("999999\n1000000\n"));
}

#[test]
fn a_client_that_hangs_still_gets_every_byte_when_the_container_is_gone() {
    let container = with_input("seq 1 1000000; sleep 100", true);
    let stream = container.attach("");
    container.start();
    poll("the container goes on without its client", || {
        container.logged(Stream::Stdout).ends_with("\n1000000\n")
    });
    container.shim().kill("", Signal::KILL).unwrap();
    assert_eq!(container.status(""), 137);
    container.shim().dismiss();
    // Longer than anything else at the shim's end is waited for.
    std::thread::sleep(Duration::from_millis(5500));
    let (stdout, _) = frames(&stream);
    assert!(stdout == numbers(1_000_000));
}

#[test]
fn a_client_that_hangs_holds_up_neither_the_container_nor_other_clients() {
    let container = with_input("seq 1 3000000; exit 4", true);
    let (hanging, alive) = (container.attach(""), container.attach(""));
    container.start();
    let (stdout, _) = frames(&alive);
    assert!(stdout == numbers(3_000_000));
    assert_eq!(container.status(""), 4);
    // It finds what it has missed, in its order.
    let (stdout, _) = frames(&hanging);
    assert!(stdout == numbers(3_000_000));
}

#[test]
fn without_a_log_the_container_waits_for_a_client_that_hangs() {
    let container = launched("seq 1 1000000; exit 4", false);
    let options = CreateOptions { stdout: Output::Relay(None).to_string(), ..Default::default() };
    container.shim().create(&options).unwrap();
    let hanging = container.attach("");
    container.start();
    // Longer than anybody is waited for before the disk takes over.
    assert_eq!(container.shim().wait("", Duration::from_secs(3)), None);
    assert!(frames(&hanging).0 == numbers(1_000_000));
    assert_eq!(container.status(""), 4);
}

#[test]
fn a_client_that_died_holds_nothing_up() {
    let container = launched("seq 1 1000000; exit 4", false);
    let options = CreateOptions { stdout: Output::Relay(None).to_string(), ..Default::default() };
    container.shim().create(&options).unwrap();
    let dead = container.attach("");
    container.start();
    // There is no log, so that it waits for its client.
    assert_eq!(container.shim().wait("", Duration::from_secs(2)), None);
    drop(dead);
    assert_eq!(container.status(""), 4);
}

#[test]
fn with_a_limit_a_client_that_hangs_is_disconnected_and_the_container_goes_on() {
    let container = launched("seq 1 1000000; exit 4", false);
    let log = LogTarget {
        format: LogFormat::Local,
        path: container.log_path(),
        max_size_bytes: None,
        max_files: 1,
    };
    let output = Output::ImpatientRelay { log: Some(log), stall_limit: Duration::from_millis(500) };
    let options = CreateOptions { stdout: output.to_string(), ..Default::default() };
    container.shim().create(&options).unwrap();
    let (hanging, alive) = (container.attach(""), container.attach(""));
    container.start();
    let (stdout, _) = frames(&alive);
    assert!(stdout.ends_with("\n1000000\n"));
    assert_eq!(container.status(""), 4);
    assert_eq!(container.logged(Stream::Stdout).len(), stdout.len());
    // What it can still read ends somewhere in the middle.
    let mut rest = Vec::new();
    let mut hanging = &hanging;
    hanging.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < stdout.len());
}

#[test]
fn attaching_to_what_is_not_there_is_refused() {
    let container = with_input("exit 0", true);
    let attach = |exec_id: &str| {
        let header = AttachHeader { exec_id: exec_id.to_owned(), ..Default::default() };
        container.shim().attach(&header).map(drop)
    };
    assert_eq!(attach("nobody").unwrap_err().kind(), ErrorKind::NotFound);
    container.start();
    assert_eq!(container.status(""), 0);
    poll("its streams are closed", || {
        attach("").is_err_and(|error| error.kind() == ErrorKind::NotFound)
    });
}

#[test]
fn connections_that_say_nothing_keep_no_attacher_out() {
    let container = with_input("read x; echo \"got $x\"", true);
    let path = container.bundle.join("io.sock");
    let silent: Vec<_> =
        (0..500).map(|_| gantry_sys::unix_socket::connect(&path).unwrap()).collect();
    let mut stream = container.attach("");
    container.start();
    stream.write_all(b"it\n").unwrap();
    assert_eq!(frames(&stream).0, "got it\n");
    drop(silent);
    assert_eq!(container.status(""), 0);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let container = with_input("read x", true);
    let header = AttachHeader::default();
    let attached: Vec<_> = (0..128).map(|_| container.shim().attach(&header).unwrap()).collect();
    assert_eq!(container.shim().attach(&header).unwrap_err().kind(), ErrorKind::Conflict);
    drop(attached);
    poll("there is room again", || container.shim().attach(&header).is_ok());
}
