//! The shim under containerd's rules: bootstrap forms, named pipes, events.

use crate::container::{Container, DEADLINE, Options, launched, poll};
use gantry_shim_protocol::bootstrap::{BootstrapParams, BootstrapResult};
use gantry_shim_protocol::event::{Envelope, ForwardRequest};
use gantry_shim_protocol::frame::{FrameBuffer, FrameKind};
use gantry_shim_protocol::rpc::{Empty, Request, Response};
use gantry_shim_protocol::stdio::{Input, Output};
use gantry_shim_protocol::wire::Message;
use gantry_shims::{CreateOptions, Shims};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

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

/// Runs `start` in an empty bundle, checks that the answer is of use, and ends the shim.
fn check_start(flags: &[&str], stdin: &[u8], variables: &[(&str, &str)]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(crate::container::binary())
        .args(flags)
        .arg("start")
        .envs(variables.iter().copied())
        .current_dir(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let result = BootstrapResult::parse(&output.stdout).unwrap();
    assert_eq!(Path::new(result.socket_path()), directory.path().join("task.sock"));
    let shims = Shims::new().unwrap();
    let shim = shims.connect(directory.path(), "c1").unwrap();
    shim.shutdown().unwrap();
    poll("the sockets are gone", || std::fs::read_dir(&directory).unwrap().count() == 0);
    output.stdout
}

#[test]
fn every_version_of_containerd_gets_its_answer() {
    let flags = ["-namespace", "default", "-id", "c1", "-address", "/run/containerd.sock"];
    assert!(check_start(&flags, b"", &[]).starts_with(b"unix:///"));
    assert!(check_start(&flags, b"", &[("MAX_SHIM_VERSION", "3")]).starts_with(b"{"));
    let params = BootstrapParams {
        instance_id: "c1".to_owned(),
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let answer = check_start(&flags, &params.encode(), &[]);
    assert_eq!(BootstrapResult::decode(&answer).unwrap().version, 3);
}

/// A containerd that only listens: answers every event and passes it on.
fn listen_for_events(path: &Path) -> mpsc::Receiver<Envelope> {
    let listener = UnixListener::bind(path).unwrap();
    let (sender, receiver) = mpsc::sync_channel(100);
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut buffer = FrameBuffer::default();
        let mut block = [0; 4096];
        loop {
            let length = socket.read(&mut block).unwrap();
            if length == 0 {
                return;
            }
            buffer.extend(&block[..length]);
            while let Some(frame) = buffer.next_frame().unwrap() {
                assert_eq!(frame.kind, FrameKind::Request);
                let request = Request::decode(frame.payload).unwrap();
                assert_eq!(request.service, "containerd.services.events.ttrpc.v1.Events");
                let envelope = ForwardRequest::decode(&request.payload).unwrap().envelope;
                let mut answer = Vec::new();
                Response::success(&Empty).put(frame.stream_id, &mut answer);
                sender.send(envelope.unwrap()).unwrap();
                socket.write_all(&answer).unwrap();
            }
        }
    });
    receiver
}

#[test]
fn events_come_in_the_order_that_containerd_expects() {
    let template = launched("exit 1", false);
    let address = template.bundle.join("events.sock");
    let events = listen_for_events(&address);
    template.shim().shutdown().unwrap();
    poll("the first shim is gone", || !template.bundle.join("task.sock").exists());
    let started = Command::new(crate::container::binary())
        .args(["-namespace", "tests", "-id", &template.id, "start"])
        .env("TTRPC_ADDRESS", &address)
        .current_dir(&template.bundle)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(started.status.success());
    let mut container = template;
    container.reconnect();
    let create = container.create_options(&Options { stdin: Input::Null, ..Options::default() });
    container.shim().create(&create).unwrap();
    container.start();
    assert_eq!(container.status(""), 1);
    container.shim().delete("").unwrap();
    let topics: Vec<_> = (0..4)
        .map(|_| events.recv_timeout(DEADLINE).unwrap())
        .inspect(|envelope| assert_eq!(envelope.namespace, "tests"))
        .map(|envelope| envelope.topic)
        .collect();
    assert_eq!(topics, ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]);
}
