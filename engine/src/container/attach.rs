//! `attach`: a container's streams for a client, from the past (the log) and from now on (the shim).

use std::sync::Arc;
use std::time::Duration;

use gantry_shim_protocol::attach::{AttachHeader, Streams};
use gantry_shims::Shim;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

use super::announce;
use super::logs::{self, LogStream, LogsOptions};
use super::task::{self, Command, PendingAttach, Task};
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;
use crate::exec::ExecState;
use crate::record::Snapshot;

/// How many clients may wait for the start of one container.
const MAX_PENDING: usize = 64;

/// Which streams a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachOptions {
    pub streams: Streams,
    /// What the container wrote before now, from its log.
    pub logs: bool,
    /// What it reads and writes from now on.
    pub stream: bool,
}

/// A client's streams, framed for the wire already; raw where there is a terminal.
pub struct Attachment {
    pub tty: bool,
    /// What was written before; to be sent first.
    pub past: Option<LogStream>,
    /// The live streams: bytes written to it are input, end-of-file means that all output is out. Arrives when the
    /// container runs; the error side means that it never will.
    pub live: Option<oneshot::Receiver<Result<UnixStream>>>,
    settled: Settled,
}

/// Whose end a client may ask for when its stream has ended.
enum Settled {
    Container(watch::Receiver<Snapshot>),
    Exec(watch::Receiver<ExecState>),
}

impl Attachment {
    /// The streams of an exec session.
    pub(crate) fn of_exec(
        tty: bool,
        live: oneshot::Receiver<Result<UnixStream>>,
        state: watch::Receiver<ExecState>,
    ) -> Self {
        Self { tty, past: None, live: Some(live), settled: Settled::Exec(state) }
    }

    /// Completes when `inspect` knows the end of the process, which is soon after its output has ended: a client that
    /// sees the end of its stream asks for the exit code at once. Gives up after a while, because a process may close
    /// its streams and go on.
    pub async fn settled(self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let ended = async {
            match self.settled {
                Settled::Container(mut snapshots) => {
                    drop(snapshots.wait_for(|snapshot| !snapshot.record.state.is_running()).await);
                }
                Settled::Exec(mut state) => {
                    drop(state.wait_for(|state| matches!(state, ExecState::Ended { .. })).await);
                }
            }
        };
        // Too late or in time, the client gets its end of stream now.
        drop(tokio::time::timeout(PATIENCE, ended).await);
    }
}

/// Attaches to a container, running or not yet.
pub async fn attach(
    engine: &Engine,
    container: &str,
    options: AttachOptions,
) -> Result<Attachment> {
    let handle = engine.container(container)?;
    let record = handle.snapshot().record;
    let Streams { stdin, stdout, stderr } = options.streams;
    announce::tell(engine, &record, "attach");
    let past = if options.logs && record.plan.log.as_ref().is_some_and(|log| !log.hidden) {
        let past = LogsOptions { streams: options.streams, ..LogsOptions::default() };
        Some(logs::logs(engine, container, past).await?)
    } else {
        None
    };
    let live = if options.stream {
        let (reply, live) = oneshot::channel();
        let streams = Streams { stdin: stdin && record.plan.config.open_stdin, stdout, stderr };
        let header = AttachHeader { exec_id: String::new(), streams };
        let ran = record.state.is_running();
        if handle.commands.send(Command::Attach { header, ran, reply }).await.is_err() {
            return Err(Error::NoSuchContainer(container.to_owned()));
        }
        Some(live)
    } else {
        None
    };
    Ok(Attachment {
        tty: record.plan.tty(),
        past,
        live,
        settled: Settled::Container(handle.snapshots),
    })
}

/// The task's side of [`attach`]: now when there is a process, else at the next start. Whoever meant the run that has ended since does
/// not wait for another one.
pub(super) fn connect_or_wait(
    task: &mut Task,
    header: AttachHeader,
    ran: bool,
    reply: oneshot::Sender<Result<UnixStream>>,
) {
    if let Some(shim) = task.shim.clone().filter(|_| task.record.state.is_running()) {
        // Beside the task, which must not wait for a shim that is slow to answer.
        tokio::spawn(async move { task::answer(reply, connect(&shim, header).await) });
    } else if ran {
        task::answer(reply, Err(Error::NotRunning(task.record.id.to_string())));
    } else {
        // Clients that gave up waiting make room for others.
        task.pending.retain(|pending| !pending.reply.is_closed());
        if task.pending.len() < MAX_PENDING {
            task.pending.push(PendingAttach { header, reply });
        } else {
            task::answer(reply, Err(Error::TooManyAttached(task.record.id.to_string())));
        }
    }
}

/// Connects those who attached before the start, so that they see the first byte.
pub(super) async fn connect_pending(task: &mut Task, shim: &Arc<Shim>) {
    for PendingAttach { header, reply } in std::mem::take(&mut task.pending) {
        if !reply.is_closed() {
            let connected = connect(shim, header).await;
            task::answer(reply, connected);
        }
    }
}

/// A connection to the streams of one process.
pub(crate) async fn connect(shim: &Arc<Shim>, header: AttachHeader) -> Result<UnixStream> {
    let shim = Arc::clone(shim);
    let stream = block(move || shim.attach(&header)).await?;
    let usable = |source| Error::File { action: "attach to", path: "io.sock".into(), source };
    stream.set_nonblocking(true).map_err(usable)?;
    UnixStream::from_std(stream).map_err(usable)
}
