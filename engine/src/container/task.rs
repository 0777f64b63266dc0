//! The task that owns one container's record. Every change of state happens here, one at a time.

use std::sync::Arc;

use gantry_api::network::EndpointSettings;
use gantry_shim_protocol::attach::AttachHeader;
use gantry_shims::{ExitNotice, Shim};
use gantry_types::ContainerName;
use gantry_volumes::VolumeName;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::restart_policy::{self, Backoff};
use super::stillness::{self, Still};
use super::volumes;
use super::{attach, connections, exited, health, launch, pause, remove, rename, unpause, update};
use crate::engine::{CONTAINERS, Engine};
use crate::error::Error;
use crate::record::{ContainerRecord, Probe, Snapshot, State};
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
    Pause {
        reply: oneshot::Sender<Result<()>>,
    },
    Unpause {
        /// Whether a container that does not stand still is no error, and nobody is told.
        quiet: bool,
        reply: oneshot::Sender<Result<()>>,
    },
    /// Somebody is about to end the container: its restart policy is not asked at its next end.
    ExpectEnd {
        reply: oneshot::Sender<Result<()>>,
    },
    /// The pause before the restart policy's next start, after the run with this number, is over.
    StartAgain {
        run: u64,
    },
    /// A probe of the run with this number has ended.
    Probed {
        run: u64,
        probe: Probe,
    },
    /// Nothing; answered when everything that was said before is done.
    Taken {
        reply: oneshot::Sender<Result<()>>,
    },
    Update {
        change: Box<update::Change>,
        reply: oneshot::Sender<Result<Vec<String>>>,
    },
    /// One of its volumes has another name, and is at another path.
    RenameVolume {
        from: VolumeName,
        to: VolumeName,
        reply: oneshot::Sender<Result<()>>,
    },
    Rename {
        name: ContainerName,
        reply: oneshot::Sender<Result<()>>,
    },
    Remove {
        reply: oneshot::Sender<Result<()>>,
    },
    /// One more network.
    Connect {
        network: Box<gantry_network::Network>,
        settings: Box<EndpointSettings>,
        reply: oneshot::Sender<Result<()>>,
    },
    /// One less.
    Disconnect {
        network: Box<gantry_network::Network>,
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
    /// Somebody ends the container, so that its restart policy is not asked at its next end.
    pub expects_end: bool,
    /// The run that is being ended because it is sick, and that another one is to follow.
    pub sick_run: Option<u64>,
    /// How long the restart policy waits before its next start.
    pub backoff: Backoff,
    /// What works for this run and ends with it: a pause before a start, probes.
    pub companions: Companions,
    /// Counts starts, so that a late notice of an earlier run cannot end a later one.
    pub run: u64,
    /// Weak, because the task lives as long as others hold the way to it.
    commands: mpsc::WeakSender<Command>,
    snapshots: watch::Sender<Snapshot>,
}

/// Tasks that end with the one that they work for.
#[derive(Default)]
pub(crate) struct Companions(Vec<AbortHandle>);

impl Companions {
    /// Runs `work` until it ends or [`Self::end`] is called.
    pub(super) fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.retain(|handle| !handle.is_finished());
        self.0.push(tokio::spawn(work).abort_handle());
    }

    /// Ends them all.
    pub(super) fn end(&mut self) {
        for handle in self.0.drain(..) {
            handle.abort();
        }
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        self.end();
    }
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
        expects_end: false,
        sick_run: None,
        backoff: Backoff::default(),
        companions: Companions::default(),
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
                let result = launch::launch_on_request(self).await;
                let removed = result.is_err()
                    && !self.record.state.is_running()
                    && self.record.plan.host_config.auto_remove
                    && remove::remove_now(self).await.is_ok();
                answer(reply, result);
                if removed { Next::Gone } else { Next::Continue }
            }
            Command::Exited { run, notice } => {
                if run != self.run || !self.record.state.is_running() {
                    return Next::Continue;
                }
                if exited::finish(self, notice).await { Next::Gone } else { Next::Continue }
            }
            Command::Remove { reply } => {
                let result = remove::remove_on_request(self).await;
                let next = if result.is_ok() { Next::Gone } else { Next::Continue };
                answer(reply, result);
                next
            }
            Command::ExpectEnd { reply } => {
                let removed = restart_policy::expect_end(self).await;
                answer(reply, Ok(()));
                if removed { Next::Gone } else { Next::Continue }
            }
            Command::StartAgain { run } => {
                let removed = restart_policy::start_again(self, run).await;
                if removed { Next::Gone } else { Next::Continue }
            }
            other => {
                self.serve(other).await;
                Next::Continue
            }
        }
    }

    /// What never ends the container's being.
    async fn serve(&mut self, command: Command) {
        match command {
            Command::Attach { header, ran, reply } => {
                attach::connect_or_wait(self, header, ran, reply);
            }
            Command::KeepOnce { keep, reply } => {
                self.keep_once = keep;
                answer(reply, Ok(()));
            }
            Command::Freeze { reply } => answer(reply, stillness::freeze(self).await),
            Command::Thaw { reply } => answer(reply, stillness::thaw(self).await),
            Command::Pause { reply } => answer(reply, pause::pause_now(self).await),
            Command::Unpause { quiet, reply } => {
                answer(reply, unpause::unpause_now(self, quiet).await);
            }
            Command::Probed { run, probe } => health::take_in(self, run, probe).await,
            Command::Taken { reply } => answer(reply, Ok(())),
            Command::Update { change, reply } => {
                answer(reply, update::update_now(self, *change).await);
            }
            Command::RenameVolume { from, to, reply } => {
                answer(reply, volumes::rename_now(self, (&from, &to)).await);
            }
            Command::Rename { name, reply } => answer(reply, rename::rename_now(self, name).await),
            Command::Connect { network, settings, reply } => {
                answer(reply, connections::connect_now(self, *network, *settings).await);
            }
            Command::Disconnect { network, reply } => {
                answer(reply, connections::disconnect_now(self, *network).await);
            }
            // [`Self::obey`] has taken these.
            Command::Start { .. }
            | Command::Exited { .. }
            | Command::ExpectEnd { .. }
            | Command::StartAgain { .. }
            | Command::Remove { .. } => {}
        }
    }

    /// What everyone sees, from now on.
    pub(crate) fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.subscribe()
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
        self.engine.containers.changed();
    }

    /// The way to this task for those that work for it, as long as anybody else has one.
    pub(super) fn commands(&self) -> mpsc::WeakSender<Command> {
        self.commands.clone()
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
