//! The daemon's side against a shim made of a few lines: order, refusals, ends. Real shims and real
//! containers are tested with `gantry-shim`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use gantry_shim_protocol::bootstrap::BootstrapResult;
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::frame::FrameBuffer;
use gantry_shim_protocol::rpc::{Code, Request, Response, Status};
use gantry_shim_protocol::task::{DeleteRequest, StartRequest, StartResponse, WaitResponse};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{ADDRESS_FILE, EXITS_FILE, TASK_SERVICE_V3, TASK_SOCKET};
use gantry_shims::{Error, ExitNotice, Shim, Shims};
use gantry_types::{ErrorKind, Timestamp};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);
const TIME: Timestamp = Timestamp { seconds: 1, nanos: 0 };

struct Fake {
    directory: tempfile::TempDir,
    listener: UnixListener,
    shims: Shims,
}

/// The fake's end of a connection.
struct Peer {
    socket: UnixStream,
    buffer: FrameBuffer,
}

fn fake() -> Fake {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join(TASK_SOCKET)).unwrap();
    Fake { directory, listener, shims: Shims::new().unwrap() }
}

impl Fake {
    fn connect(&self) -> (Shim, Peer) {
        let shim = self.shims.connect(self.directory.path(), "c").unwrap();
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        (shim, Peer { socket, buffer: FrameBuffer::default() })
    }
}

impl Peer {
    fn next_call(&mut self) -> (u32, Request) {
        loop {
            if let Some(frame) = self.buffer.next_frame().unwrap() {
                return (frame.stream_id, Request::decode(frame.payload).unwrap());
            }
            let mut block = [0; 4096];
            let length = self.socket.read(&mut block).unwrap();
            assert!(length > 0, "the caller went away");
            self.buffer.extend(&block[..length]);
        }
    }

    fn answer(&mut self, stream_id: u32, response: &Response) {
        let mut bytes = Vec::new();
        response.put(stream_id, &mut bytes);
        self.socket.write_all(&bytes).unwrap();
    }
}

#[test]
fn answers_find_their_calls_in_any_order() {
    let fake = fake();
    let (shim, mut peer) = fake.connect();
    std::thread::scope(|scope| {
        for number in 0..20_u32 {
            let shim = &shim;
            scope.spawn(move || assert_eq!(shim.start(&number.to_string()).unwrap(), number));
        }
        let mut calls: Vec<_> = (0..20).map(|_| peer.next_call()).collect();
        calls.reverse();
        for (stream_id, request) in calls {
            assert_eq!((request.method.as_str(), stream_id % 2), ("Start", 1));
            let wanted = StartRequest::decode(&request.payload).unwrap();
            let pid = wanted.exec_id.parse().unwrap();
            peer.answer(stream_id, &Response::success(&StartResponse { pid }));
        }
    });
}

#[test]
fn a_refusal_keeps_its_words_and_kind() {
    let fake = fake();
    let (shim, mut peer) = fake.connect();
    let calling = std::thread::spawn(move || shim.start("").unwrap_err());
    let (stream_id, _) = peer.next_call();
    let words = "exec: \"x\": permission denied";
    peer.answer(stream_id, &Response::failure(Status::new(Code::NotFound, words)));
    let error = calling.join().unwrap();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, words));
}

#[test]
fn a_large_call_goes_through_in_pieces() {
    let fake = fake();
    let (shim, mut peer) = fake.connect();
    let resources = vec![b' '; 3 << 20];
    let sent = resources.clone();
    let calling = std::thread::spawn(move || shim.update(sent));
    let (stream_id, request) = peer.next_call();
    assert!(request.payload.len() > resources.len());
    peer.answer(stream_id, &Response::success(&gantry_shim_protocol::rpc::Empty));
    calling.join().unwrap().unwrap();
}

#[test]
fn the_newer_protocol_is_spoken_where_the_shim_said_so() {
    let fake = fake();
    let socket = fake.directory.path().join(TASK_SOCKET);
    let bootstrap = BootstrapResult::ttrpc(3, format!("unix://{}", socket.display()));
    std::fs::write(fake.directory.path().join(ADDRESS_FILE), bootstrap.to_json()).unwrap();
    let (shim, mut peer) = fake.connect();
    let calling = std::thread::spawn(move || shim.pids().unwrap());
    let (stream_id, request) = peer.next_call();
    assert_eq!(request.service, TASK_SERVICE_V3);
    peer.answer(stream_id, &Response { status: None, payload: Vec::new() });
    assert!(calling.join().unwrap().is_empty());
}

#[test]
fn exits_are_told_by_the_shim_or_by_its_record_or_as_lost() {
    let fake = fake();
    let (shim, mut peer) = fake.connect();
    let (sender, receiver) = mpsc::sync_channel(3);
    for exec_id in ["told", "recorded", "lost"] {
        let sender = sender.clone();
        shim.on_exit(exec_id, move |notice| sender.send((exec_id, notice)).unwrap());
    }
    let (stream_id, _) = peer.next_call();
    let response = WaitResponse { exit_status: 3, exited_at: Some(TIME) };
    peer.answer(stream_id, &Response::success(&response));
    let told = ExitNotice::Exited { pid: 0, status: 3, exited_at: TIME };
    assert_eq!(receiver.recv_timeout(DEADLINE), Ok(("told", told)));

    let record = ExitRecord {
        id: "c".to_owned(),
        exec_id: "recorded".to_owned(),
        pid: 7,
        status: 4,
        exited_at: TIME,
        oom_killed: false,
    };
    std::fs::write(fake.directory.path().join(EXITS_FILE), record.to_line()).unwrap();
    drop(peer);
    let mut notices =
        [receiver.recv_timeout(DEADLINE).unwrap(), receiver.recv_timeout(DEADLINE).unwrap()];
    notices.sort_by_key(|(exec_id, _)| *exec_id);
    let recorded = ExitNotice::Exited { pid: 7, status: 4, exited_at: TIME };
    assert_eq!(notices, [("lost", ExitNotice::ShimDied), ("recorded", recorded)]);
    // Whoever asks afterwards hears it as well.
    assert_eq!(shim.wait("recorded", DEADLINE), Some(recorded));
    assert!(matches!(shim.start(""), Err(Error::Disconnected { .. })));
}

#[test]
fn nonsense_from_a_shim_ends_the_connection() {
    for nonsense in [&b"HTTP/1.1 400 Bad Request"[..], b"\0\0\0\0\0\0\0\x01\x01\0", &[0xff; 10]] {
        let fake = fake();
        let (shim, mut peer) = fake.connect();
        let calling = std::thread::spawn(move || shim.start("").unwrap_err());
        peer.next_call();
        peer.socket.write_all(nonsense).unwrap();
        assert!(matches!(calling.join().unwrap(), Error::Disconnected { .. }), "{nonsense:?}");
    }
}

#[test]
fn a_panicking_listener_harms_nobody_else() {
    let fake = fake();
    let (shim, mut peer) = fake.connect();
    shim.on_exit("", |_| panic!("on purpose"));
    let (stream_id, _) = peer.next_call();
    peer.answer(stream_id, &Response::failure(Status::new(Code::NotFound, "gone")));
    let calling = std::thread::spawn(move || shim.start("").unwrap());
    let (stream_id, _) = peer.next_call();
    peer.answer(stream_id, &Response::success(&StartResponse { pid: 5 }));
    assert_eq!(calling.join().unwrap(), 5);
}

#[test]
fn notices_are_not_made_up_when_the_daemon_ends() {
    let Fake { directory, listener, shims } = fake();
    let shim = shims.connect(directory.path(), "c").unwrap();
    let (socket, _) = listener.accept().unwrap();
    let (sender, receiver) = mpsc::sync_channel(1);
    shim.on_exit("", move |notice| sender.send(notice).unwrap());
    drop(shims);
    drop(shim);
    assert_eq!(receiver.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
    drop(socket);
}

#[test]
fn a_shim_that_is_not_there_cannot_be_reached() {
    let directory = tempfile::tempdir().unwrap();
    let shims = Shims::new().unwrap();
    let error = shims.connect(directory.path(), "c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    std::fs::write(directory.path().join(ADDRESS_FILE), "tcp://1.2.3.4").unwrap();
    let error = shims.connect(directory.path(), "c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
}

#[test]
fn a_guest_that_is_dismissed_leaves_the_shim_to_its_host() {
    let fake = fake();
    let (host, mut peer) = fake.connect();
    let guest = host.guest(fake.directory.path(), "guest");
    let calling = std::thread::spawn(move || {
        guest.dismiss();
        drop(guest);
        host.dismiss();
        assert!(host.is_gone());
    });
    let mut calls = Vec::new();
    for _ in 0..2 {
        let (stream_id, request) = peer.next_call();
        let wanted = DeleteRequest::decode(&request.payload).unwrap();
        calls.push((request.method, wanted.id));
        let status = Status::new(Code::NotFound, "no task");
        peer.answer(stream_id, &Response::failure(status));
    }
    let of = |id: &str| ("Delete".to_owned(), id.to_owned());
    assert_eq!(calls, [of("guest"), of("c")]);
    assert_eq!(peer.next_call().1.method, "Shutdown");
    drop(peer);
    calling.join().unwrap();
}
