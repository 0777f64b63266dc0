//! The reader: entries of a log in the order they were written, over rotated files, selected by tail,
//! time and stream, and followed until told to stop. It blocks while it follows: drive it from a
//! thread that may.

mod blocks;
mod content;
mod control;
mod lines;
mod sequence;

pub use blocks::Position;
pub use control::FollowHandle;

use crate::entry::{Entry, Stream};
use crate::{Error, Format};
use blocks::BlockFile;
use control::Watch;
use gantry_types::Timestamp;
use lines::LineFile;
use sequence::Sequence;
use std::path::{Path, PathBuf};

/// How much of the past is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tail {
    #[default]
    All,
    /// The last so many entries of both streams; entries that the other options leave out count.
    Last(u64),
}

/// Which output streams are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    pub stdout: bool,
    pub stderr: bool,
}

impl Streams {
    pub const BOTH: Self = Self { stdout: true, stderr: true };

    fn contains(self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    pub tail: Tail,
    /// Leave out what is older.
    pub since: Option<Timestamp>,
    /// Stop at the first entry that is newer; a follower stops when this moment has passed.
    pub until: Option<Timestamp>,
    pub streams: Streams,
    /// Wait for more at the end, until [`FollowHandle::finish`] or [`FollowHandle::cancel`].
    pub follow: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { tail: Tail::All, since: None, until: None, streams: Streams::BOTH, follow: false }
    }
}

/// An iterator over entries. What is no entry (torn by a crash, damaged by somebody) is passed over. After an
/// error it ends.
#[derive(Debug)]
pub struct LogReader {
    format: Format,
    path: PathBuf,
    options: ReadOptions,
    current: Option<LogFile>,
    /// Newer files than the current one.
    newer: Sequence,
    handle: FollowHandle,
    watch: Option<Watch>,
    /// Files that fell away before they were read, since somebody asked.
    missed: u64,
    /// The container had stopped before the last look at the files.
    last_pass: bool,
    ended: bool,
}

impl LogReader {
    /// Opens the log at `path`. A log that is not there is empty; a follower waits for it.
    pub fn open(format: Format, path: &Path, options: &ReadOptions) -> Result<Self, Error> {
        let last = match options.tail {
            Tail::All => None,
            Tail::Last(count) => Some(count),
        };
        Self::with(format, path, options, || sequence::open(format, path, last))
    }

    /// Opens a log in the local format to go on where another reader was: behind `position`. What has fallen away
    /// since then is left out, and [`LogReader::next_position`] tells how far that went.
    pub fn open_at(path: &Path, position: Position, options: &ReadOptions) -> Result<Self, Error> {
        let mut newest = None;
        let mut reader = Self::with(Format::Local, path, options, || {
            let (sequence, last) = sequence::open_from(path, position.file)?;
            newest = last;
            Ok(sequence)
        })?;
        if newest.is_some_and(|newest| newest < position.file) {
            // Somebody removed the log, and its numbers began anew.
            return Ok(reader);
        }
        if let Some(LogFile::Blocks(file)) = &mut reader.current
            && file.number() == position.file
        {
            file.seek(position).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        } else if let Some(oldest) = reader.current.as_ref().and_then(LogFile::number) {
            reader.missed = oldest.saturating_sub(position.file.max(1));
        }
        Ok(reader)
    }

    fn with(
        format: Format,
        path: &Path,
        options: &ReadOptions,
        open: impl FnOnce() -> Result<Sequence, Error>,
    ) -> Result<Self, Error> {
        let handle = FollowHandle::new(path)?;
        let folder = match format {
            Format::JsonFile => path.parent().unwrap_or(Path::new("/")),
            Format::Local => path,
        };
        // The watch is there before the first look, so that nothing falls between the two.
        let watch = options.follow.then(|| Watch::new(folder));
        let mut newer = open()?;
        Ok(Self {
            format,
            path: path.to_owned(),
            options: *options,
            current: newer.files.pop_front(),
            newer,
            handle,
            watch,
            missed: 0,
            last_pass: false,
            ended: false,
        })
    }

    /// Where in a log of the local format the next entry is looked for; `None` while there is no file.
    pub fn next_position(&self) -> Option<Position> {
        match self.current.as_ref()? {
            LogFile::Blocks(file) => Some(file.position()),
            LogFile::Lines(_) => None,
        }
    }

    /// How many files of a log in the local format fell away before they were read to their end, since the last call.
    pub fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// The way to end a follower from another thread.
    pub fn handle(&self) -> FollowHandle {
        self.handle.clone()
    }

    /// The next entry that is there now; `None`: [`LogReader::wait`] tells whether there will be more.
    pub fn try_next(&mut self) -> Result<Option<Entry>, Error> {
        while !self.ended && !self.handle.is_cancelled() {
            match self.look()? {
                Found::Entry(entry) => match self.options.select(&entry) {
                    Selected::Yes => return Ok(Some(entry)),
                    Selected::No => {}
                    Selected::Beyond => self.ended = true,
                },
                Found::Skipped => {}
                Found::End => {
                    if self.newer.files.is_empty() && self.newer.more {
                        self.look_for_newer()?;
                    }
                    match self.newer.files.pop_front() {
                        Some(next) => self.go_to(next),
                        None => break,
                    }
                }
            }
        }
        Ok(None)
    }

    /// To be called when nothing is there now: waits for more. False: it is over.
    pub fn wait(&mut self) -> Result<bool, Error> {
        if self.ended || self.handle.is_cancelled() {
            return Ok(false);
        }
        if self.watch.is_none() {
            return Ok(false);
        }
        // Whatever the writer put into the old file before it rotated is read first: the caller looks there once more.
        self.look_for_newer()?;
        if !self.newer.files.is_empty() {
            return Ok(true);
        }
        if self.last_pass {
            return Ok(false);
        }
        if self.handle.is_finished() {
            self.last_pass = true;
            return Ok(true);
        }
        let now = gantry_sys::clock::now();
        if self.options.until.is_some_and(|until| now > until) {
            return Ok(false);
        }
        let longest = self.options.until.map(|until| until.since(now));
        let failed = |source| Error::Watch { path: self.path.clone(), source };
        if let Some(watch) = &mut self.watch {
            watch.wait(&self.handle, longest).map_err(failed)?;
        }
        Ok(true)
    }

    fn look_for_newer(&mut self) -> Result<(), Error> {
        self.newer = sequence::open_after(self.format, &self.path, self.current.as_ref())?;
        Ok(())
    }

    fn go_to(&mut self, next: LogFile) {
        let numbers = (self.current.as_ref().and_then(LogFile::number), next.number());
        if let (Some(current), Some(next)) = numbers {
            self.missed += next.saturating_sub(current + 1);
        }
        self.current = Some(next);
    }

    fn look(&mut self) -> Result<Found, Error> {
        let found = match &mut self.current {
            None => Ok(Found::End),
            Some(LogFile::Lines(file)) => file.next(),
            Some(LogFile::Blocks(file)) => file.next(),
        };
        found.map_err(|source| Error::Read { path: self.path.clone(), source })
    }
}

/// What one look at a file gives.
enum Found {
    Entry(Entry),
    /// Something that is no entry.
    Skipped,
    /// Nothing more for now.
    End,
}

/// One file of a log.
#[derive(Debug)]
enum LogFile {
    Lines(LineFile),
    Blocks(BlockFile),
}

impl LogFile {
    fn identity(&self) -> Option<&lines::Identity> {
        match self {
            Self::Lines(file) => Some(file.identity()),
            Self::Blocks(_) => None,
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Lines(_) => None,
            Self::Blocks(file) => Some(file.number()),
        }
    }
}

enum Selected {
    Yes,
    No,
    /// Nothing from here on.
    Beyond,
}

impl ReadOptions {
    fn select(&self, entry: &Entry) -> Selected {
        if self.until.is_some_and(|until| entry.time > until) {
            return Selected::Beyond;
        }
        let wanted = self.streams.contains(entry.stream)
            && self.since.is_none_or(|since| entry.time >= since);
        if wanted { Selected::Yes } else { Selected::No }
    }
}

impl Iterator for LogReader {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let failed = match self.try_next() {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => match self.wait() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.ended = true;
            return Some(Err(failed));
        }
    }
}
