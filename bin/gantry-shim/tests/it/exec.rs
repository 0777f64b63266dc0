//! Further processes in a container.

use crate::bundle::Bundles;
use crate::container::{Container, Options, created, frames, is_running, poll, read_until};
use gantry_shim_protocol::task::{CreateTaskRequest, TaskStatus};
use gantry_shims::{ExitNotice, Shims};
use gantry_types::{ErrorKind, Signal};
use std::io::{Read, Write};
use std::net::Shutdown;

fn sleeper() -> Container {
    let container = created(&Options { script: "exec sleep 100", ..Default::default() });
    container.start();
    container
}

fn exec(container: &Container, exec_id: &str, script: &str) {
    container.shim().exec(exec_id, &Container::exec_options(script, false)).unwrap();
}

#[test]
fn an_exec_has_streams_and_a_status_of_its_own() {
    let container = sleeper();
    exec(&container, "e1", "cat; echo err >&2; exit 9");
    assert_eq!(container.shim().state("e1").unwrap().status, TaskStatus::Created);
    let mut stream = container.attach("e1");
    stream.write_all(b"early").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    container.shim().start("e1").unwrap();
    assert_eq!(frames(&stream), ("early".to_owned(), "err\n".to_owned()));
    assert_eq!(container.status("e1"), 9);
    assert!(matches!(
        Shims::recorded_exit(&container.bundle, "e1"),
        Some(ExitNotice::Exited { status: 9, .. })
    ));
    container.shim().delete("e1").unwrap();
    assert_eq!(container.shim().state("e1").unwrap_err().kind(), ErrorKind::NotFound);
    // The name is free again.
    exec(&container, "e1", "exit 2");
    container.shim().start("e1").unwrap();
    assert_eq!(container.status("e1"), 2);
}

#[test]
fn an_exec_that_cannot_run_says_why_and_ends() {
    let container = sleeper();
    let mut options = Container::exec_options("true", false);
    options.process = String::from_utf8(options.process)
        .unwrap()
        .replace("[\"sh\",", "[\"no-such-program\",")
        .into_bytes();
    container.shim().exec("e", &options).unwrap();
    let mut stream = container.attach("e");
    let error = container.shim().start("e").unwrap_err();
    let words = "exec: \"no-such-program\": executable file not found in $PATH";
    assert!(error.to_string().contains(words), "{error}");
    let mut nothing = Vec::new();
    stream.read_to_end(&mut nothing).unwrap();
    assert!(nothing.is_empty());
    assert_eq!(container.status("e"), 127);
    container.shim().delete("e").unwrap();
}

#[test]
fn a_grandchild_keeps_the_stream_open() {
    let container = sleeper();
    exec(&container, "e", "exec 3<&0; (read x <&3; echo grandchild) & echo parent");
    let mut stream = container.attach("e");
    container.shim().start("e").unwrap();
    read_until(&stream, "parent");
    assert_eq!(container.status("e"), 0);
    container.shim().delete("e").unwrap();
    stream.write_all(b"go\n").unwrap();
    read_until(&stream, "grandchild");
}

#[test]
fn execs_are_refused_when_they_make_no_sense() {
    let container = created(&Options { script: "exec sleep 100", ..Default::default() });
    let shim = container.shim();
    let options = Container::exec_options("true", false);
    assert_eq!(shim.exec("e", &options).unwrap_err().kind(), ErrorKind::Conflict);
    container.start();
    shim.exec("e", &options).unwrap();
    assert_eq!(shim.exec("e", &options).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(shim.exec("", &options).unwrap_err().kind(), ErrorKind::InvalidParameter);
    let long = "x".repeat(256);
    assert_eq!(shim.exec(&long, &options).unwrap_err().kind(), ErrorKind::InvalidParameter);
    let mut broken = options.clone();
    broken.process = b"{".to_vec();
    assert_eq!(shim.exec("f", &broken).unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(shim.start("g").unwrap_err().kind(), ErrorKind::NotFound);
    shim.delete("e").unwrap();
    shim.kill("", Signal::KILL).unwrap();
    assert_eq!(container.status(""), 137);
    assert_eq!(shim.exec("h", &options).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn execs_end_with_their_container() {
    let container = sleeper();
    exec(&container, "e", "exec sleep 100");
    container.shim().start("e").unwrap();
    let stream = container.attach("e");
    container.shim().kill("", Signal::KILL).unwrap();
    assert_eq!(container.status("e"), 137);
    assert_eq!(frames(&stream), (String::new(), String::new()));
}

#[test]
fn many_execs_at_once_do_not_mix() {
    let container = sleeper();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let container = &container;
            scope.spawn(move || {
                let name = format!("e{number}");
                exec(container, &name, &format!("echo {number}; exit {number}"));
                let stream = container.attach(&name);
                container.shim().start(&name).unwrap();
                assert_eq!(frames(&stream).0, format!("{number}\n"));
                assert_eq!(container.status(&name), number);
                container.shim().delete(&name).unwrap();
            });
        }
    });
}

#[test]
fn records_of_forgotten_execs_do_not_pile_up() {
    let container = sleeper();
    // One that nobody forgets.
    exec(&container, "kept", "exit 5");
    container.shim().start("kept").unwrap();
    assert_eq!(container.status("kept"), 5);
    for number in 0..300 {
        let name = format!("{number:0>255}");
        exec(&container, &name, "exit 3");
        container.shim().start(&name).unwrap();
        assert_eq!(container.status(&name), 3);
        container.shim().delete(&name).unwrap();
    }
    let length = std::fs::metadata(container.bundle.join("exits")).unwrap().len();
    assert!(length < 70 << 10, "{length} bytes");
    container.shim().kill("", Signal::KILL).unwrap();
    assert_eq!(container.status(""), 137);
    for (exec_id, expected) in [("", 137), ("kept", 5)] {
        let recorded = Shims::recorded_exit(&container.bundle, exec_id);
        let is_right =
            matches!(recorded, Some(ExitNotice::Exited { status, .. }) if status == expected);
        assert!(is_right, "{exec_id:?}: {recorded:?}");
    }
}

#[test]
fn a_signal_to_all_reaches_execs() {
    let container = sleeper();
    exec(&container, "e", "exec sleep 100");
    container.shim().start("e").unwrap();
    container.shim().kill_all(Signal::KILL).unwrap();
    assert_eq!(container.status("e"), 137);
    assert_eq!(container.status(""), 137);
    assert_eq!(container.shim().kill("e", Signal::KILL).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn nobody_outlives_the_first_process_in_the_hosts_pid_namespace() {
    // The kernel ends nobody there.
    let mut bundles = Bundles::new();
    let bundle = bundles.make("c", "sleep 1000 & echo $! > /tmp/pid; read x; exit 3", |config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
    });
    let id = bundles.id("c");
    let stdin = bundle.join("in");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &stdin, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let request = CreateTaskRequest {
        id: id.clone(),
        bundle: bundle.to_str().unwrap().to_owned(),
        stdin: stdin.to_str().unwrap().to_owned(),
        stdout: format!("file://{}", bundle.join("out").display()),
        ..Default::default()
    };
    let mut caller = bundles.start("c");
    caller.create(&request).unwrap();
    caller.start(&id, "").unwrap();
    let process = crate::container::process("exec sleep 1000", false).to_string();
    caller.exec(&id, "e", &process).unwrap();
    let exec = caller.start(&id, "e").unwrap();
    let path = bundles.path().join("rootfs/tmp/pid");
    let pid = || std::fs::read_to_string(&path).unwrap_or_default().trim().parse().unwrap_or(0);
    poll("its background process runs", || is_running(pid()));
    std::fs::OpenOptions::new().write(true).open(&stdin).unwrap().write_all(b"go\n").unwrap();
    assert_eq!(caller.wait(&id, ""), Ok(3));
    assert_eq!(caller.wait(&id, "e"), Ok(137));
    poll("all have ended", || !is_running(exec) && !is_running(pid()));
    assert_eq!(caller.delete(&id, ""), Ok(3));
    caller.shutdown(&id);
}
