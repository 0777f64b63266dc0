//! Events, as a containerd hears them that comes and goes. The listener here plays containerd's events
//! service; a real containerd is in `containerd`.

use crate::bundle::Bundles;
use crate::caller::Caller;
use crate::container::DEADLINE;
use gantry_shim_protocol::event::{
    EVENTS_SERVICE, Envelope, ForwardRequest, TaskCreate, TaskDelete, TaskExecAdded,
    TaskExecStarted, TaskExit, TaskStart,
};
use gantry_shim_protocol::frame::FrameBuffer;
use gantry_shim_protocol::rpc::{Empty, Request, Response};
use gantry_shim_protocol::task::{CreateTaskRequest, PauseRequest, ResumeRequest};
use gantry_shim_protocol::wire::Message;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A containerd that only listens, one event at a time.
struct Listener {
    path: PathBuf,
    inner: UnixListener,
    socket: Option<(UnixStream, FrameBuffer)>,
}

impl Listener {
    fn new(path: &Path) -> Self {
        drop(std::fs::remove_file(path));
        let inner = UnixListener::bind(path).unwrap();
        Self { path: path.to_owned(), inner, socket: None }
    }

    /// The next event, not acknowledged yet, and its stream id.
    fn hear(&mut self) -> (u32, Envelope) {
        let mut block = [0; 4096];
        loop {
            if self.socket.is_none() {
                let (socket, _) = self.inner.accept().unwrap();
                socket.set_read_timeout(Some(DEADLINE)).unwrap();
                self.socket = Some((socket, FrameBuffer::default()));
            }
            let (socket, buffer) = self.socket.as_mut().unwrap();
            if let Some(frame) = buffer.next_frame().unwrap() {
                let request = Request::decode(frame.payload).unwrap();
                assert_eq!(
                    (request.service.as_str(), request.method.as_str()),
                    (EVENTS_SERVICE, "Forward")
                );
                let envelope = ForwardRequest::decode(&request.payload).unwrap().envelope.unwrap();
                assert_eq!(envelope.namespace, "tests");
                assert!(envelope.timestamp.is_some());
                return (frame.stream_id, envelope);
            }
            match socket.read(&mut block) {
                Ok(0) => self.socket = None,
                Ok(length) => buffer.extend(&block[..length]),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::Interrupted),
            }
        }
    }

    fn acknowledge(&mut self, stream_id: u32) {
        let mut answer = Vec::new();
        Response::success(&Empty).put(stream_id, &mut answer);
        self.socket.as_mut().unwrap().0.write_all(&answer).unwrap();
    }

    /// The next event, acknowledged.
    fn take(&mut self) -> Envelope {
        let (stream_id, envelope) = self.hear();
        self.acknowledge(stream_id);
        envelope
    }

    /// The same, of this kind.
    fn expect<E: gantry_shim_protocol::event::Event>(&mut self) -> E {
        let envelope = self.take();
        assert_eq!(envelope.topic, E::TOPIC);
        let event = envelope.event.unwrap();
        assert_eq!(event.type_url, E::TYPE_URL);
        E::decode(&event.value).unwrap()
    }

    /// Dies, and is there again when this returns.
    fn restart(self) -> Self {
        let path = self.path.clone();
        drop(self);
        Self::new(&path)
    }
}

struct Rig {
    bundles: Bundles,
    caller: Caller,
    id: String,
}

fn rig(script: &str) -> (Rig, Listener) {
    let mut bundles = Bundles::new();
    let bundle = bundles.make("c", script, |_| {});
    let id = bundles.id("c");
    let path = bundles.path().join("events.sock");
    let listener = Listener::new(&path);
    let address = format!("unix://{}", path.display());
    let flags = ["-namespace", "tests", "-id", &id];
    let result = crate::caller::start(&bundle, &flags, b"", &[("TTRPC_ADDRESS", &address)]);
    let mut caller = Caller::connect(Path::new(result.socket_path()));
    bundles.expect_end_of(caller.shim_pid(&id));
    (Rig { bundles, caller, id }, listener)
}

impl Rig {
    fn create(&mut self) -> u32 {
        let bundle = self.bundles.bundle("c").to_str().unwrap().to_owned();
        let request = CreateTaskRequest { id: self.id.clone(), bundle, ..Default::default() };
        let pid = self.caller.create(&request).unwrap();
        self.caller.start(&self.id, "").unwrap();
        pid
    }

    fn exec(&mut self, exec_id: &str, script: &str) -> u32 {
        let process = crate::container::process(script, false).to_string();
        self.caller.exec(&self.id, exec_id, &process).unwrap();
        self.caller.start(&self.id, exec_id).unwrap()
    }

    fn end(&mut self) {
        self.caller.kill(&self.id, "", 9).unwrap();
        assert_eq!(self.caller.wait(&self.id, ""), Ok(137));
        self.caller.delete(&self.id, "").unwrap();
        self.caller.shutdown(&self.id);
    }
}

#[test]
fn events_tell_the_whole_story_in_order() {
    let (mut rig, mut listener) = rig("exec sleep 100");
    let pid = rig.create();
    let exec = rig.exec("e", "exit 4");
    assert_eq!(rig.caller.wait(&rig.id, "e"), Ok(4));
    rig.caller.delete(&rig.id, "e").unwrap();
    let still_runs = rig.exec("f", "exec sleep 100");
    rig.end();
    let id = rig.id.as_str();
    let create: TaskCreate = listener.expect();
    assert_eq!((create.container_id.as_str(), create.pid), (id, pid));
    assert_eq!(listener.expect::<TaskStart>().pid, pid);
    assert_eq!(listener.expect::<TaskExecAdded>().exec_id, "e");
    assert_eq!(listener.expect::<TaskExecStarted>().pid, exec);
    let exit: TaskExit = listener.expect();
    assert_eq!((exit.id.as_str(), exit.pid, exit.exit_status), ("e", exec, 4));
    listener.expect::<TaskExecAdded>();
    listener.expect::<TaskExecStarted>();
    // The first process is told of last.
    let exit: TaskExit = listener.expect();
    assert_eq!((exit.id.as_str(), exit.pid, exit.exit_status), ("f", still_runs, 137));
    let exit: TaskExit = listener.expect();
    assert_eq!((exit.id.as_str(), exit.pid, exit.exit_status), (id, pid, 137));
    let delete: TaskDelete = listener.expect();
    assert_eq!(
        (delete.container_id.as_str(), delete.id.as_str(), delete.exit_status),
        (id, "", 137)
    );
}

#[test]
fn what_containerd_did_not_acknowledge_is_told_to_the_next() {
    let (mut rig, mut listener) = rig("exec sleep 100");
    rig.create();
    listener.expect::<TaskCreate>();
    assert_eq!(listener.hear().1.topic, "/tasks/start");
    // It heard of it, and dies before it says so; then it is away for a while.
    let path = listener.path.clone();
    drop(listener);
    rig.exec("e", "exit 4");
    assert_eq!(rig.caller.wait(&rig.id, "e"), Ok(4));
    let mut listener = Listener::new(&path);
    listener.expect::<TaskStart>();
    listener.expect::<TaskExecAdded>();
    let mut listener = listener.restart();
    listener.expect::<TaskExecStarted>();
    assert_eq!(listener.expect::<TaskExit>().exit_status, 4);
    rig.end();
    listener.expect::<TaskExit>();
    listener.expect::<TaskDelete>();
}

#[test]
fn a_containerd_that_does_not_answer_is_called_again() {
    let (mut rig, mut listener) = rig("exec sleep 100");
    rig.create();
    let (_, first) = listener.hear();
    let begin = Instant::now();
    // The connection ends, and the event comes by another.
    let (stream_id, again) = listener.hear();
    assert_eq!((&first.topic, first.timestamp), (&again.topic, again.timestamp));
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(15), "{took:?}");
    listener.acknowledge(stream_id);
    listener.expect::<TaskStart>();
    rig.end();
    listener.expect::<TaskExit>();
    listener.expect::<TaskDelete>();
}

#[test]
fn too_many_events_cost_the_oldest_that_tell_of_no_end() {
    let (mut rig, listener) = rig("exec sleep 100");
    let path = listener.path.clone();
    drop(listener);
    rig.create();
    rig.exec("e", "exit 4");
    assert_eq!(rig.caller.wait(&rig.id, "e"), Ok(4));
    let id = rig.id.clone();
    for _ in 0..600 {
        let _: Empty = rig.caller.call("Pause", &PauseRequest { id: id.clone() }).unwrap();
        let _: Empty = rig.caller.call("Resume", &ResumeRequest { id: id.clone() }).unwrap();
    }
    let mut listener = Listener::new(&path);
    // Create, start, added and started are gone, and of the others only as many as had to go.
    assert_eq!(listener.expect::<TaskExit>().id, "e");
    let mut topics = Vec::new();
    for _ in 0..1023 {
        topics.push(listener.take().topic);
    }
    assert!(topics.iter().all(|topic| topic == "/tasks/paused" || topic == "/tasks/resumed"));
    assert_eq!(topics.last().unwrap(), "/tasks/resumed");
    rig.end();
    listener.expect::<TaskExit>();
    listener.expect::<TaskDelete>();
}
