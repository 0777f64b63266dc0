//! What can wait: removing what is in the trash, making spare writable layers, and flushing new layers to the disk. One thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::state::Shared;
use crate::{Error, Result};

/// How long the store must be quiet before new layers are flushed: a flush competes for the disk with
/// the container that is probably started next.
const QUIET: Duration = Duration::from_secs(3);

/// Before the next attempt, when it could not be recorded that layers were flushed: on a full disk, mostly.
const SYNC_AGAIN: Duration = Duration::from_mins(1);

/// How long a command that is just being answered is left alone with the processors and the disk, before the next container's writable
/// layer is made or a former one's is taken apart.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Janitor {
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Orders {
    board: Mutex<Board>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    stop: bool,
    empty_trash_at: Option<Instant>,
    make_spares_at: Option<Instant>,
    sync_at: Option<Instant>,
}

enum Job {
    EmptyTrash,
    MakeSpares,
    Sync,
    Stop,
}

impl Janitor {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self> {
        let orders = Arc::new(Orders::default());
        let own = Arc::clone(&orders);
        let path = shared.dirs.layers.path.clone();
        let thread = std::thread::Builder::new()
            .name("layers-janitor".to_owned())
            .spawn(move || work(&shared, &own))
            .map_err(|error| Error::store("start a thread for", &path, error))?;
        Ok(Self { orders, thread: Some(thread) })
    }

    pub(crate) fn empty_trash_soon(&self) {
        self.orders.board().empty_trash_at.get_or_insert_with(|| Instant::now() + PAUSE);
        self.orders.changed.notify_one();
    }

    pub(crate) fn make_spares_soon(&self) {
        self.orders.board().make_spares_at.get_or_insert_with(|| Instant::now() + PAUSE);
        self.orders.changed.notify_one();
    }

    pub(crate) fn sync_soon(&self) {
        self.orders.sync_in(QUIET);
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.orders.board().stop = true;
        self.orders.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has told of its failures; a panic has told of itself.
            drop(thread.join());
        }
    }
}

impl Orders {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync_in(&self, pause: Duration) {
        self.board().sync_at = Some(Instant::now() + pause);
        self.changed.notify_one();
    }

    fn next(&self) -> Job {
        let mut board = self.board();
        loop {
            if board.stop {
                return Job::Stop;
            }
            let now = Instant::now();
            let is_due = |at: &mut Instant| *at <= now;
            if board.empty_trash_at.take_if(is_due).is_some() {
                return Job::EmptyTrash;
            }
            if board.make_spares_at.take_if(is_due).is_some() {
                return Job::MakeSpares;
            }
            if board.sync_at.take_if(is_due).is_some() {
                return Job::Sync;
            }
            let due = [board.empty_trash_at, board.make_spares_at, board.sync_at];
            let next = due.into_iter().flatten().min();
            board = match next.map(|at| at.saturating_duration_since(now)) {
                Some(wait) => {
                    let waited = self.changed.wait_timeout(board, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(board).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn work(shared: &Shared, orders: &Orders) {
    loop {
        let done = match orders.next() {
            Job::Stop => return,
            Job::EmptyTrash => shared.empty_trash(|| orders.board().stop),
            Job::MakeSpares => shared.spares.fill(&shared.dirs),
            // Nothing else would ask for it before the next layer comes.
            Job::Sync => shared.sync().inspect_err(|_| orders.sync_in(SYNC_AGAIN)),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "cannot do what can wait for the layers; it is tried again later");
        }
    }
}

impl Shared {
    /// Removes what is in the trash, unless somebody says stop.
    pub(crate) fn empty_trash(&self, stop: impl Fn() -> bool) -> Result<()> {
        let mut result = Ok(());
        for name in self.dirs.trash.names()? {
            if stop() {
                break;
            }
            // One that cannot be removed must not keep the others.
            if let Err(error) = self.dirs.trash.remove(&name) {
                result = Err(error);
            }
        }
        result
    }
}
