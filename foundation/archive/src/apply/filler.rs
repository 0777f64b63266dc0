//! Small files get their content and looks from a second thread, which leaves the first one to read the archive and to
//! make names: most of what a small file costs is the kernel's work on its first page. Names are made in the
//! archive's order by one thread alone, so nothing that depends on the order is done here.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::thread::sched_getaffinity;

use super::born::Unset;
use super::node::write;
use crate::{Error, Header, Result, metadata};

/// The largest content that is handed over, in bytes: it is kept in memory meanwhile.
pub(super) const MOST_BYTES: u64 = 32 << 10;

/// An archive with fewer files is not worth a thread.
const WORTH_A_THREAD: u32 = 128;

/// Files that are handed over at once, and their bytes, roughly.
const BATCH_FILES: usize = 64;
const BATCH_BYTES: usize = 256 << 10;

/// Batches on their way: with what they hold, memory and open files have a limit.
const BATCHES: usize = 4;

/// A file that was just made.
pub(super) struct Blank {
    pub(super) file: OwnedFd,
    pub(super) header: Header,
    pub(super) unset: Unset,
}

impl Blank {
    /// Gives it what its header says.
    pub(super) fn describe(&self) -> Result<()> {
        let (file, header) = (self.file.as_fd(), &self.header);
        if self.unset.owner {
            metadata::owner_on_fd(file, header)?;
        }
        if self.unset.mode {
            metadata::mode_on_fd(file, header)?;
        }
        metadata::xattrs_on_fd(file, header)?;
        metadata::time_on_fd(file, &header.path, header.modified)
    }
}

#[derive(Default)]
struct Batch {
    files: Vec<Blank>,
    /// Their contents, one after the other; each is as long as its header says.
    bytes: Vec<u8>,
}

impl Batch {
    fn fill(&self) -> Result<()> {
        let mut rest = &self.bytes[..];
        for blank in &self.files {
            let size = usize::try_from(blank.header.size).unwrap_or(rest.len()).min(rest.len());
            let (content, others) = rest.split_at(size);
            write(blank.file.as_fd(), &blank.header.path, 0, content)?;
            blank.describe()?;
            rest = others;
        }
        Ok(())
    }
}

/// The files at hand, and the thread once there is one.
pub(super) struct Filler {
    seen: u32,
    batch: Batch,
    /// Batches that were handed over.
    sent: u64,
    worker: Option<Worker>,
}

struct Worker {
    sender: Option<SyncSender<Batch>>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Progress {
    state: Mutex<Done>,
    changed: Condvar,
}

#[derive(Default)]
struct Done {
    batches: u64,
    failure: Option<Error>,
}

impl Filler {
    pub(super) fn new() -> Self {
        Self { seen: 0, batch: Batch::default(), sent: 0, worker: None }
    }

    /// Whether a file of that size can be handed over; says no until there have been many.
    pub(super) fn takes(&mut self, size: u64) -> bool {
        if size > MOST_BYTES {
            return false;
        }
        if self.worker.is_none() {
            self.seen = self.seen.saturating_add(1);
            if self.seen == WORTH_A_THREAD {
                self.worker = Worker::start();
            }
        }
        self.worker.is_some()
    }

    /// Where the next file's content goes, to its whole size.
    pub(super) fn content(&mut self) -> &mut Vec<u8> {
        &mut self.batch.bytes
    }

    /// Hands a file over, after its content.
    ///
    /// # Errors
    /// Whatever an earlier file could not be given.
    pub(super) fn hand_over(&mut self, blank: Blank) -> Result<()> {
        self.batch.files.push(blank);
        if self.batch.files.len() < BATCH_FILES && self.batch.bytes.len() < BATCH_BYTES {
            return Ok(());
        }
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        let Some(worker) = &self.worker else { return Ok(()) };
        let batch = std::mem::take(&mut self.batch);
        if batch.files.is_empty() {
            return Ok(());
        }
        self.sent += 1;
        // A thread that has ended has told why.
        drop(worker.sender.as_ref().map(|sender| sender.send(batch)));
        worker.progress.lock().failure.take().map_or(Ok(()), Err)
    }

    /// Waits until every file that was handed over is as it should be.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.send()?;
        let Some(worker) = &self.worker else { return Ok(()) };
        worker.progress.wait_for(self.sent)
    }
}

impl Worker {
    /// None where there is but one processor, or no thread to be had.
    fn start() -> Option<Self> {
        // Not std's answer: it reads files of `/proc`, and the caller's root may be an image's.
        if sched_getaffinity(None).map_or(1, |processors| processors.count()) < 2 {
            return None;
        }
        let (sender, batches) = sync_channel(BATCHES);
        let progress = Arc::new(Progress::default());
        let telling = Arc::clone(&progress);
        let thread = thread::Builder::new()
            .name("archive-filler".to_owned())
            .spawn(move || telling.work(&batches))
            .ok()?;
        Some(Self { sender: Some(sender), progress, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // What it could not do was told, or nobody asks any more; a panic has told of itself.
            drop(thread.join());
        }
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, batches: &Receiver<Batch>) {
        let told = Told(self);
        for batch in batches {
            let filled = batch.fill();
            // Files are closed before anybody hears of them.
            drop(batch);
            let mut done = told.0.lock();
            done.batches += 1;
            done.failure = done.failure.take().or(filled.err());
            told.0.changed.notify_all();
        }
    }

    fn wait_for(&self, batches: u64) -> Result<()> {
        let mut done = self.lock();
        while done.batches < batches && done.failure.is_none() {
            done = self.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        done.failure.take().map_or(Ok(()), Err)
    }
}

/// Nobody waits for a thread that has panicked.
struct Told<'a>(&'a Progress);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let source = std::io::Error::other("the thread that fills files has panicked");
            self.0.lock().failure = Some(Error::Write { source });
        }
        self.0.changed.notify_all();
    }
}
