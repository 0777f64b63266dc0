//! The task that owns one container's record. Every change of state happens here, one at a time.

use std::sync::Arc;

use gantry_shim_protocol::attach::AttachHeader;
use gantry_shims::{ExitNotice, Shim};
use gantry_types::ContainerName;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use super::stillness::{self, Still};
use super::{attach, exited, launch, remove, rename};
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::record::{ContainerRecord, Snapshot, State};
use crate::registry::Handle;
use crate::{Result, blocking::block};

/// How many commands may wait for one container.
const QUEUE: usize = 64;

/// What a container's task can be told.
pub(crate) enum Command {
    Start {
        reply: oneshot::Sender<Result<()>>,
    },
    /// Connects an attacher now, or at the next start.
    Attach {
        header: AttachHeader,
        /// It ran when the client asked.
        ran: bool,
        reply: oneshot::Sender<Result<UnixStream>>,
    },
    /// The first process of the run with this number has ended.
    Exited {
        run: u64,
        notice: ExitNotice,
    },
    /// Whether the container stays after its next end although it would remove itself.
    KeepOnce {
        keep: bool,
        reply: oneshot::Sender<Result<()>>,
    },
    /// Keeps the processes still, until as many [`Command::Thaw`] have come.
    Freeze {
        reply: oneshot::Sender<Result<()>>,
    },
    Thaw {
        reply: oneshot::Sender<Result<()>>,
    },
    Rename {
        name: ContainerName,
        reply: oneshot::Sender<Result<()>>,
    },
    Remove {
        reply: oneshot::Sender<Result<()>>,
    },
}

/// An attacher that waits for the next start.
pub(crate) struct PendingAttach {
    pub header: AttachHeader,
    pub reply: oneshot::Sender<Result<UnixStream>>,
}

/// The owner of one container.
pub(crate) struct Task {
    pub engine: Engine,
    pub record: Arc<ContainerRecord>,
    pub shim: Option<Arc<Shim>>,
    pub pending: Vec<PendingAttach>,
    /// At its next end the container does not remove itself, because it is to start again.
    pub keep_once: bool,
    pub still: Still,
    /// Counts starts, so that a late notice of an earlier run cannot end a later one.
    pub run: u64,
    /// Weak, because the task lives as long as others hold the way to it.
    commands: mpsc::WeakSender<Command>,
    snapshots: watch::Sender<Snapshot>,
}

/// Whether the task goes on after a command.
enum Next {
    Continue,
    Gone,
}

/// Makes the task for a container and the way to it. The caller spawns [`Task::run`].
pub(crate) fn new(
    engine: &Engine,
    record: Arc<ContainerRecord>,
    shim: Option<Arc<Shim>>,
) -> (Task, Handle, mpsc::Receiver<Command>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let snapshot = Snapshot { record: Arc::clone(&record), shim: shim.clone(), exits: 0 };
    let (snapshots, watch) = watch::channel(snapshot);
    let task = Task {
        engine: engine.clone(),
        record,
        shim,
        pending: Vec::new(),
        keep_once: false,
        still: Still::default(),
        run: 0,
        commands: sender.downgrade(),
        snapshots,
    };
    (task, Handle { commands: sender, snapshots: watch }, receiver)
}

impl Task {
    /// Lets the task run on its own.
    pub(crate) fn spawn(self, commands: mpsc::Receiver<Command>) {
        let id = self.record.id.clone();
        let running = tokio::spawn(self.run(commands));
        tokio::spawn(async move {
            if let Err(panic) = running.await {
                tracing::error!(%id, %panic, "a container's task failed; restart the daemon to use the container again");
            }
        });
    }

    /// Serves commands until the container is removed or nobody can send any more.
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            if let Next::Gone = self.obey(command).await {
                break;
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Next {
        match command {
            Command::Start { reply } => {
                let result = launch::launch(self).await;
                let removed = result.is_err()
                    && !self.record.state.is_running()
                    && self.record.plan.host_config.auto_remove
                    && remove::remove_now(self).await.is_ok();
                answer(reply, result);
                if removed { Next::Gone } else { Next::Continue }
            }
            Command::Attach { header, ran, reply } => {
                attach::connect_or_wait(self, header, ran, reply);
                Next::Continue
            }
            Command::Exited { run, notice } => {
                if run != self.run || !self.record.state.is_running() {
                    return Next::Continue;
                }
                if exited::finish(self, notice).await { Next::Gone } else { Next::Continue }
            }
            Command::KeepOnce { keep, reply } => {
                self.keep_once = keep;
                answer(reply, Ok(()));
                Next::Continue
            }
            Command::Freeze { reply } => {
                let result = stillness::freeze(self).await;
                answer(reply, result);
                Next::Continue
            }
            Command::Thaw { reply } => {
                let result = stillness::thaw(self).await;
                answer(reply, result);
                Next::Continue
            }
            Command::Rename { name, reply } => {
                let result = rename::rename_now(self, name).await;
                answer(reply, result);
                Next::Continue
            }
            Command::Remove { reply } => {
                let result = remove::remove_on_request(self).await;
                let next = if result.is_ok() { Next::Gone } else { Next::Continue };
                answer(reply, result);
                next
            }
        }
    }

    /// Saves a new state and lets everyone see it.
    pub(crate) async fn enter(&mut self, state: State) -> Result<()> {
        let record = Arc::new(ContainerRecord { state, ..ContainerRecord::clone(&self.record) });
        self.save(record).await
    }

    /// Saves a changed record and lets everyone see it.
    pub(crate) async fn save(&mut self, record: Arc<ContainerRecord>) -> Result<()> {
        save(&self.engine, &record).await?;
        self.show(record, false);
        Ok(())
    }

    /// Lets everyone see a record, and counts an exit when there was one.
    pub(crate) fn show(&mut self, record: Arc<ContainerRecord>, exited: bool) {
        self.record = record;
        self.snapshots.send_modify(|snapshot| {
            snapshot.record = Arc::clone(&self.record);
            snapshot.shim.clone_from(&self.shim);
            snapshot.exits += u64::from(exited);
        });
    }

    /// What is to be called when the first process of the present run ends.
    pub(crate) fn exit_listener(&self) -> impl FnOnce(ExitNotice) + Send + 'static {
        let (commands, run) = (self.commands.clone(), self.run);
        let runtime = tokio::runtime::Handle::current();
        move |notice| {
            // The notice comes from the thread that reads the shims' connections, which must not wait for a full queue.
            runtime.spawn(async move {
                if let Some(commands) = commands.upgrade() {
                    // A closed queue means that the container is gone; then nobody needs the notice.
                    drop(commands.send(Command::Exited { run, notice }).await);
                }
            });
        }
    }
}

/// Writes a record into the database.
pub(crate) async fn save(engine: &Engine, record: &Arc<ContainerRecord>) -> Result<()> {
    let (engine, record) = (engine.clone(), Arc::clone(record));
    block(move || engine.db.write(|tx| CONTAINERS.put(tx, record.id.as_str(), &record)))
        .await
        .map_err(Error::Database)
}

/// Sends a command that carries a reply, and waits for it.
pub(crate) async fn ask<T>(
    handle: &Handle,
    command: impl FnOnce(oneshot::Sender<Result<T>>) -> Command,
) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    if handle.commands.send(command(reply)).await.is_err() {
        let id = handle.snapshot().record.id.to_string();
        return Err(Error::NoSuchContainer(id));
    }
    // The task went away with the question in its queue: the container was removed first.
    answer
        .await
        .unwrap_or_else(|_| Err(Error::NoSuchContainer(handle.snapshot().record.id.to_string())))
}

/// Answers, unless the one who asked has gone.
pub(crate) fn answer<T>(reply: oneshot::Sender<Result<T>>, result: Result<T>) {
    drop(reply.send(result));
}
