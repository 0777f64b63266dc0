//! One shim: the calls of its task API with types, exit notices, and the streams of its processes.

use crate::connection::{Connection, Failure, Progress};
use crate::launch::NAMESPACE;
use crate::reactor::Reactor;
use crate::{Error, exits};
use gantry_shim_protocol::attach::{AttachHeader, Reply};
use gantry_shim_protocol::bootstrap::BootstrapResult;
use gantry_shim_protocol::rpc::{Any, Code, Empty, KeyValue, NAMESPACE_KEY, Request};
use gantry_shim_protocol::task::{
    self, CloseIoRequest, ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse,
    DeleteRequest, DeleteResponse, ExecProcessRequest, KillRequest, Mount, PauseRequest,
    PidsRequest, PidsResponse, ResizePtyRequest, ResumeRequest, ShutdownRequest, StartRequest,
    StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse, UpdateTaskRequest,
    WaitRequest, WaitResponse,
};
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{IO_SOCKET, TASK_SERVICE_V2, TASK_SERVICE_V3};
use gantry_types::{ErrorKind, Signal, Timestamp};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// For calls that run a container's hooks or mount its file systems.
const LONG_LIMIT: Duration = Duration::from_mins(2);
/// For all others.
const LIMIT: Duration = Duration::from_secs(10);

/// How the container is made; the rest is in the bundle's `config.json`.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// The mounts that make the root; none: `root.path` of `config.json` as it is.
    pub rootfs: Vec<Mount>,
    pub terminal: bool,
    /// Stdio URIs, see `gantry_shim_protocol::stdio`.
    pub stdin: String,
    pub stdout: String,
    pub stderr: String,
    /// What the shim is told of the runtime; none is its own way.
    pub options: Option<Any>,
}

/// A further process in the container.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// The `process` of the OCI runtime spec, as JSON.
    pub process: Vec<u8>,
    pub terminal: bool,
    /// Stdio URIs, see `gantry_shim_protocol::stdio`.
    pub stdin: String,
    pub stdout: String,
    pub stderr: String,
}

/// The end of a process, or of all that could be known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitNotice {
    /// `status` is 0 to 255; 128 + n when signal n ended it.
    Exited { pid: u32, status: u32, exited_at: Timestamp },
    /// The shim is gone and left no record. The process may still run; whoever hears this has to
    /// make sure that it does not. Docker reports status 137.
    ShimDied,
}

/// A container in a running shim. Clones of the `Arc` around it may call from many threads at once.
#[derive(Debug)]
pub struct Shim {
    id: String,
    bundle: PathBuf,
    link: Arc<Link>,
    /// The shim is another's, and outlives this container.
    is_guest: bool,
}

/// The way to a shim, for all of its containers.
#[derive(Debug)]
struct Link {
    service: &'static str,
    connection: Arc<Connection>,
    reactor: Arc<Reactor>,
    token: u64,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reactor.remove(self.token);
    }
}

impl Shim {
    pub(crate) fn connect(
        reactor: &Arc<Reactor>,
        bundle: &Path,
        id: &str,
        bootstrap: &BootstrapResult,
    ) -> Result<Self, Error> {
        let socket = connect_own(Path::new(bootstrap.socket_path()))?;
        socket.set_nonblocking(true).map_err(|source| Error::Reactor { source })?;
        let connection = Arc::new(Connection::new(socket));
        let token = reactor.add(&connection)?;
        let service = if bootstrap.version == 3 { TASK_SERVICE_V3 } else { TASK_SERVICE_V2 };
        let link = Arc::new(Link { service, connection, reactor: Arc::clone(reactor), token });
        Ok(Self { id: id.to_owned(), bundle: bundle.to_owned(), link, is_guest: false })
    }

    /// A further container in this shim, with a bundle of its own. [`Shim::dismiss`] leaves the shim to those who come after it.
    #[must_use]
    pub fn guest(&self, bundle: &Path, id: &str) -> Self {
        let link = Arc::clone(&self.link);
        Self { id: id.to_owned(), bundle: bundle.to_owned(), link, is_guest: true }
    }

    /// Whether the shim has ended, or nobody can talk to it any more.
    pub fn is_gone(&self) -> bool {
        self.link.connection.is_closed()
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The container's bundle.
    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// Makes the container; its first process waits for [`Shim::start`]. Gives its pid.
    pub fn create(&self, options: &CreateOptions) -> Result<u32, Error> {
        let CreateOptions { rootfs, terminal, stdin, stdout, stderr, options } = options.clone();
        let request = CreateTaskRequest {
            id: self.id.clone(),
            bundle: self.bundle.to_string_lossy().into_owned(),
            rootfs,
            terminal,
            stdin,
            stdout,
            stderr,
            options,
            ..Default::default()
        };
        let response: CreateTaskResponse = self.call("Create", &request, LONG_LIMIT)?;
        Ok(response.pid)
    }

    /// Prepares a further process named `exec_id`; [`Shim::start`] runs it.
    pub fn exec(&self, exec_id: &str, options: &ExecOptions) -> Result<(), Error> {
        let ExecOptions { process, terminal, stdin, stdout, stderr } = options.clone();
        let spec = Any { type_url: task::PROCESS_TYPE_URL.to_owned(), value: process };
        let (id, exec_id) = self.names(exec_id);
        let request =
            ExecProcessRequest { id, exec_id, terminal, stdin, stdout, stderr, spec: Some(spec) };
        self.call::<Empty>("Exec", &request, LIMIT).map(drop)
    }

    /// Starts the first process (`exec_id` empty) or an exec. Gives its pid.
    pub fn start(&self, exec_id: &str) -> Result<u32, Error> {
        let (id, exec_id) = self.names(exec_id);
        let response: StartResponse =
            self.call("Start", &StartRequest { id, exec_id }, LONG_LIMIT)?;
        Ok(response.pid)
    }

    /// Sends a signal to one process. One that has ended is [`ErrorKind::NotFound`].
    pub fn kill(&self, exec_id: &str, signal: Signal) -> Result<(), Error> {
        self.send_signal(exec_id, signal, false)
    }

    /// Sends a signal to every process of the container.
    pub fn kill_all(&self, signal: Signal) -> Result<(), Error> {
        self.send_signal("", signal, true)
    }

    fn send_signal(&self, exec_id: &str, signal: Signal, all: bool) -> Result<(), Error> {
        let (id, exec_id) = self.names(exec_id);
        let signal = signal.as_raw().unsigned_abs();
        let request = KillRequest { id, exec_id, signal, all };
        self.call::<Empty>("Kill", &request, LIMIT).map(drop)
    }

    /// Forgets a process that has ended; with `exec_id` empty the container with everything the
    /// runtime made for it. [`ErrorKind::Conflict`] while it runs.
    pub fn delete(&self, exec_id: &str) -> Result<ExitNotice, Error> {
        let (id, exec_id) = self.names(exec_id);
        let response: DeleteResponse =
            self.call("Delete", &DeleteRequest { id, exec_id }, LONG_LIMIT)?;
        let DeleteResponse { pid, exit_status: status, exited_at } = response;
        Ok(ExitNotice::Exited { pid, status, exited_at: exited_at.unwrap_or(Timestamp::ZERO) })
    }

    /// Tells a process's terminal its size in characters.
    pub fn resize(&self, exec_id: &str, rows: u16, columns: u16) -> Result<(), Error> {
        let (id, exec_id) = self.names(exec_id);
        let request = ResizePtyRequest { id, exec_id, width: columns.into(), height: rows.into() };
        self.call::<Empty>("ResizePty", &request, LIMIT).map(drop)
    }

    /// Closes a process's input.
    pub fn close_stdin(&self, exec_id: &str) -> Result<(), Error> {
        let (id, exec_id) = self.names(exec_id);
        self.call::<Empty>("CloseIO", &CloseIoRequest { id, exec_id, stdin: true }, LIMIT).map(drop)
    }

    /// The pids of the container's processes, on the host.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let request = PidsRequest { id: self.id.clone() };
        let response: PidsResponse = self.call("Pids", &request, LIMIT)?;
        Ok(response.processes.into_iter().map(|process| process.pid).collect())
    }

    /// Where a process stands.
    pub fn state(&self, exec_id: &str) -> Result<StateResponse, Error> {
        let (id, exec_id) = self.names(exec_id);
        self.call("State", &StateRequest { id, exec_id }, LIMIT)
    }

    /// Freezes the container's processes.
    pub fn pause(&self) -> Result<(), Error> {
        self.call::<Empty>("Pause", &PauseRequest { id: self.id.clone() }, LIMIT).map(drop)
    }

    /// Lets them go on.
    pub fn resume(&self) -> Result<(), Error> {
        self.call::<Empty>("Resume", &ResumeRequest { id: self.id.clone() }, LIMIT).map(drop)
    }

    /// Changes resource limits: the JSON of the OCI runtime spec's `linux.resources`.
    pub fn update(&self, resources: Vec<u8>) -> Result<(), Error> {
        let any = Any { type_url: task::RESOURCES_TYPE_URL.to_owned(), value: resources };
        let request =
            UpdateTaskRequest { id: self.id.clone(), resources: Some(any), ..Default::default() };
        self.call::<Empty>("Update", &request, LIMIT).map(drop)
    }

    /// What the container uses, in the form of the shim.
    pub fn stats(&self) -> Result<Option<Any>, Error> {
        let request = StatsRequest { id: self.id.clone() };
        Ok(self.call::<StatsResponse>("Stats", &request, LIMIT)?.stats)
    }

    /// The pids of the shim and of the container's first process.
    pub fn identify(&self) -> Result<ConnectResponse, Error> {
        self.call("Connect", &ConnectRequest { id: self.id.clone() }, LIMIT)
    }

    /// Asks the shim to end. It stays while it holds a task.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.end(false)
    }

    fn end(&self, now: bool) -> Result<(), Error> {
        let request = ShutdownRequest { id: self.id.clone(), now };
        match self.call::<Empty>("Shutdown", &request, LIMIT) {
            // Some shims are gone before they answer.
            Ok(_) | Err(Error::Disconnected { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the end of a process, at most `limit`; `None` when the time is over.
    pub fn wait(&self, exec_id: &str, limit: Duration) -> Option<ExitNotice> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.on_exit(exec_id, move |notice| sender.try_send(notice).unwrap_or_default());
        receiver.recv_timeout(limit).ok()
    }

    /// Calls `listener` once when the process has ended, or when it is found to have ended already. It
    /// is called on the thread that reads from all shims (or on this one, if the shim is gone): it must
    /// be short and must not call shims itself. When the shim is gone, the bundle's exit record is
    /// asked.
    ///
    /// The notice is lost when this `Shim` is dropped before.
    pub fn on_exit(&self, exec_id: &str, listener: impl FnOnce(ExitNotice) + Send + 'static) {
        let (id, name) = self.names(exec_id);
        let request = self.request("Wait", &WaitRequest { id, exec_id: name }, None);
        let (bundle, exec_id) = (self.bundle.clone(), exec_id.to_owned());
        let completion = move |result: Result<Vec<u8>, Failure>| {
            let answered = result.ok().and_then(|bytes| WaitResponse::decode(&bytes).ok());
            let recorded = || exits::find(&bundle, &exec_id);
            let notice = match answered {
                Some(WaitResponse { exit_status: status, exited_at: Some(exited_at) }) => {
                    ExitNotice::Exited { pid: 0, status, exited_at }
                }
                Some(_) | None => recorded().unwrap_or(ExitNotice::ShimDied),
            };
            listener(notice);
        };
        self.send(&request, Box::new(completion));
    }

    /// Connects to the streams of a process (see `gantry_shim_protocol::attach`); works from
    /// [`Shim::create`] or [`Shim::exec`] on.
    pub fn attach(&self, header: &AttachHeader) -> Result<UnixStream, Error> {
        let path = self.bundle.join(IO_SOCKET);
        let mut stream = connect_own(&path)?;
        let reply = (|| {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(&header.encode().map_err(std::io::Error::other)?)?;
            let mut reply = [0];
            stream.read_exact(&mut reply)?;
            stream.set_read_timeout(None)?;
            Ok(reply[0])
        })();
        let reply = reply.map_err(|source| Error::Connect { path, source })?;
        let (kind, reason) = match Reply::from_byte(reply)? {
            Reply::Accepted => return Ok(stream),
            Reply::NoSuchProcess => (ErrorKind::NotFound, "the process has ended"),
            Reply::NotRelayed => (ErrorKind::Conflict, "its streams go elsewhere"),
            Reply::TooMany => (ErrorKind::Conflict, "too many clients are attached"),
            Reply::Malformed => (ErrorKind::Internal, "the shim did not understand the request"),
        };
        Err(Error::Attach { id: self.id.clone(), kind, reason })
    }

    /// Takes everything down, as far as it is there: kills what runs, deletes the task, ends the shim unless it is another's.
    /// Returns when that is done or cannot be done; the bundle stays.
    pub fn dismiss(&self) {
        let deleted = match self.delete("") {
            Err(error) if error.kind() == ErrorKind::Conflict => self.kill_and_delete(),
            deleted => deleted.map(drop),
        };
        let in_order = match deleted {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            // Whoever hears of the end of the connection cleans up what the shim could not.
            Err(Error::Disconnected { .. }) => return,
            Err(error) => {
                tracing::warn!(id = self.id, %error, "cannot delete a container's task");
                false
            }
        };
        if self.is_guest {
            return;
        }
        // A shim that could not delete its task would stay with it for ever.
        if let Err(error) = self.end(!in_order) {
            tracing::warn!(id = self.id, %error, "cannot end a shim");
        }
    }

    fn kill_and_delete(&self) -> Result<(), Error> {
        self.kill_all(Signal::KILL)?;
        if self.wait("", LIMIT).is_none() {
            tracing::warn!(id = self.id, "a container does not end");
        }
        self.delete("").map(drop)
    }

    fn names(&self, exec_id: &str) -> (String, String) {
        (self.id.clone(), exec_id.to_owned())
    }

    fn request(&self, method: &str, message: &impl Message, limit: Option<Duration>) -> Request {
        let timeout = limit.map_or(0, |limit| i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX));
        Request {
            service: self.link.service.to_owned(),
            method: method.to_owned(),
            payload: message.encode(),
            timeout_nano: timeout,
            metadata: vec![KeyValue { key: NAMESPACE_KEY.to_owned(), value: NAMESPACE.to_owned() }],
        }
    }

    fn send(&self, request: &Request, completion: crate::connection::Completion) -> u32 {
        let Link { connection, reactor, token, .. } = self.link.as_ref();
        let (stream_id, progress) = connection.send(request, completion);
        if progress == Progress::WantsToWrite {
            reactor.watch_writable(*token, connection);
        }
        stream_id
    }

    fn call<R: Message>(
        &self,
        method: &'static str,
        message: &impl Message,
        limit: Duration,
    ) -> Result<R, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let request = self.request(method, message, Some(limit));
        let stream_id = self.send(&request, Box::new(move |result| drop(sender.try_send(result))));
        let result = match receiver.recv_timeout(limit) {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.link.connection.forget(stream_id);
                return Err(Error::Deadline { id: self.id.clone(), method, limit });
            }
            // The thread has ended and took the call with it.
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::Disconnected),
        };
        match result {
            Ok(bytes) => Ok(R::decode(&bytes)?),
            // Some libraries report a vanished server in this way.
            Err(Failure::Refused(status)) if status.code == Code::Canceled as i32 => {
                Err(Error::Disconnected { id: self.id.clone() })
            }
            Err(Failure::Refused(status)) => Err(Error::Refused(status)),
            Err(Failure::Disconnected) => Err(Error::Disconnected { id: self.id.clone() }),
            Err(Failure::Unsendable(error)) => Err(Error::Protocol(error)),
        }
    }
}

/// Connects to a socket whose listener must run as our user.
fn connect_own(path: &Path) -> Result<UnixStream, Error> {
    let connect_error = |source| Error::Connect { path: path.to_owned(), source };
    let socket = gantry_sys::unix_socket::connect(path).map_err(connect_error)?;
    let peer = gantry_sys::unix_socket::peer_credentials(socket.as_fd()).map_err(connect_error)?;
    if peer.uid != rustix::process::geteuid().as_raw() {
        return Err(Error::StrangeOwner { path: path.to_owned(), uid: peer.uid });
    }
    Ok(socket)
}
