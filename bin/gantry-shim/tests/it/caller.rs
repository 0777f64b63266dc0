//! A caller of the task API that plays containerd 2.x: version 3 of the service, a shim started by hand
//! with whatever bootstrap, raw bytes where a test wants them. (Debian has containerd 1.6, which the
//! tests in `containerd` drive; 2.x is in no place that these tests can take it from.)

use crate::container::{DEADLINE, binary};
use gantry_shim_protocol::TASK_SERVICE_V3;
use gantry_shim_protocol::bootstrap::BootstrapResult;
use gantry_shim_protocol::frame::{FrameBuffer, FrameKind};
use gantry_shim_protocol::rpc::{Any, Code, Request, Response, Status};
use gantry_shim_protocol::task::{
    ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest,
    DeleteResponse, ExecProcessRequest, KillRequest, PROCESS_TYPE_URL, RUNC_OPTIONS_TYPE_URL,
    RuncOptions, ShutdownRequest, StartRequest, StartResponse, StateRequest, StateResponse,
    WaitRequest, WaitResponse,
};
use gantry_shim_protocol::wire::Message;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A connection to a shim.
pub(crate) struct Caller {
    pub(crate) socket: UnixStream,
    buffer: FrameBuffer,
    last_stream_id: u32,
}

/// Runs `start` in a bundle with `stdin` and `variables`.
pub(crate) fn start_output(
    bundle: &Path,
    flags: &[&str],
    stdin: &[u8],
    variables: &[(&str, &str)],
) -> Output {
    let mut child = Command::new(binary())
        .args(flags)
        .arg("start")
        .envs(variables.iter().copied())
        .current_dir(bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

/// The same, when it must succeed; its answer.
pub(crate) fn start(
    bundle: &Path,
    flags: &[&str],
    stdin: &[u8],
    variables: &[(&str, &str)],
) -> BootstrapResult {
    let output = start_output(bundle, flags, stdin, variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    BootstrapResult::parse(&output.stdout).unwrap()
}

impl Caller {
    pub(crate) fn connect(socket: &Path) -> Self {
        let socket = gantry_sys::unix_socket::connect(socket).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, buffer: FrameBuffer::default(), last_stream_id: 0 }
    }

    /// Sends a call; gives its stream id.
    pub(crate) fn send(&mut self, service: &str, method: &str, message: &impl Message) -> u32 {
        let stream_id = self.last_stream_id.wrapping_add(2) | 1;
        self.last_stream_id = stream_id;
        let request = Request {
            service: service.to_owned(),
            method: method.to_owned(),
            payload: message.encode(),
            ..Default::default()
        };
        let mut bytes = Vec::new();
        request.put(stream_id, &mut bytes).unwrap();
        self.socket.write_all(&bytes).unwrap();
        stream_id
    }

    /// The next answer, whichever call it belongs to.
    pub(crate) fn receive(&mut self) -> (u32, Result<Vec<u8>, Status>) {
        let mut block = [0; 4096];
        loop {
            if let Some(frame) = self.buffer.next_frame().unwrap() {
                assert_eq!(frame.kind, FrameKind::Response);
                let response = Response::decode(frame.payload).unwrap();
                return (frame.stream_id, response.into_result());
            }
            let length = match self.socket.read(&mut block) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.unwrap(),
            };
            assert!(length > 0, "the shim closed the connection");
            self.buffer.extend(&block[..length]);
        }
    }

    pub(crate) fn call<R: Message>(
        &mut self,
        method: &str,
        message: &impl Message,
    ) -> Result<R, Status> {
        let stream_id = self.send(TASK_SERVICE_V3, method, message);
        let (answered, result) = self.receive();
        assert_eq!(answered, stream_id);
        result.map(|payload| R::decode(&payload).unwrap())
    }

    /// The code that a call is refused with.
    pub(crate) fn refusal(&mut self, method: &str, message: &impl Message) -> (Code, String) {
        let result: Result<gantry_shim_protocol::rpc::Empty, Status> = self.call(method, message);
        let status = result.unwrap_err();
        (Code::from_number(status.code), status.message)
    }

    pub(crate) fn create(&mut self, request: &CreateTaskRequest) -> Result<u32, Status> {
        self.call("Create", request).map(|response: CreateTaskResponse| response.pid)
    }

    pub(crate) fn start(&mut self, id: &str, exec_id: &str) -> Result<u32, Status> {
        let request = StartRequest { id: id.to_owned(), exec_id: exec_id.to_owned() };
        self.call("Start", &request).map(|response: StartResponse| response.pid)
    }

    pub(crate) fn exec(&mut self, id: &str, exec_id: &str, process: &str) -> Result<(), Status> {
        let spec = Any { type_url: PROCESS_TYPE_URL.to_owned(), value: process.into() };
        let request = ExecProcessRequest {
            id: id.to_owned(),
            exec_id: exec_id.to_owned(),
            spec: Some(spec),
            ..Default::default()
        };
        self.call("Exec", &request).map(|_: gantry_shim_protocol::rpc::Empty| ())
    }

    pub(crate) fn wait(&mut self, id: &str, exec_id: &str) -> Result<u32, Status> {
        let request = WaitRequest { id: id.to_owned(), exec_id: exec_id.to_owned() };
        self.call("Wait", &request).map(|response: WaitResponse| response.exit_status)
    }

    pub(crate) fn kill(&mut self, id: &str, exec_id: &str, signal: u32) -> Result<(), Status> {
        let request = KillRequest {
            id: id.to_owned(),
            exec_id: exec_id.to_owned(),
            signal,
            ..Default::default()
        };
        self.call("Kill", &request).map(|_: gantry_shim_protocol::rpc::Empty| ())
    }

    pub(crate) fn state(&mut self, id: &str, exec_id: &str) -> Result<StateResponse, Status> {
        let request = StateRequest { id: id.to_owned(), exec_id: exec_id.to_owned() };
        self.call("State", &request)
    }

    pub(crate) fn delete(&mut self, id: &str, exec_id: &str) -> Result<u32, Status> {
        let request = DeleteRequest { id: id.to_owned(), exec_id: exec_id.to_owned() };
        self.call("Delete", &request).map(|response: DeleteResponse| response.exit_status)
    }

    pub(crate) fn shim_pid(&mut self, id: &str) -> u32 {
        let answer = self.call("Connect", &ConnectRequest { id: id.to_owned() });
        answer.map(|answer: ConnectResponse| answer.shim_pid).unwrap()
    }

    pub(crate) fn shutdown(&mut self, id: &str) {
        let request = ShutdownRequest { id: id.to_owned(), now: false };
        let _: gantry_shim_protocol::rpc::Empty = self.call("Shutdown", &request).unwrap();
    }

    /// Runs a container to its end and deletes it; its status.
    pub(crate) fn run(&mut self, request: &CreateTaskRequest) -> u32 {
        self.create(request).unwrap();
        self.start(&request.id, "").unwrap();
        let status = self.wait(&request.id, "").unwrap();
        assert_eq!(self.delete(&request.id, "").unwrap(), status);
        status
    }
}

/// Options as containerd passes them.
pub(crate) fn options(options: &RuncOptions) -> Any {
    Any { type_url: RUNC_OPTIONS_TYPE_URL.to_owned(), value: options.encode() }
}
