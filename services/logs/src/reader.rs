//! The reader: entries of a log in the order they were written, over rotated files, selected by tail,
//! time and stream, and followed until told to stop. It blocks while it follows: drive it from a
//! thread that may.

mod control;
mod lines;
mod sequence;

pub use control::FollowHandle;

use crate::Error;
use crate::entry::{Entry, Stream};
use crate::json_line::parse;
use control::Watch;
use gantry_types::Timestamp;
use lines::LineFile;
use std::collections::VecDeque;
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

/// An iterator over entries. A line that is not an entry (torn by a crash) is passed over. After an
/// error it ends.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    options: ReadOptions,
    current: Option<LineFile>,
    /// Newer files than the current one, the oldest first.
    newer: VecDeque<LineFile>,
    handle: FollowHandle,
    watch: Option<Watch>,
    /// The container had stopped before the last look at the files.
    last_pass: bool,
    ended: bool,
}

impl LogReader {
    /// Opens the log at `path`. A log that is not there is empty; a follower waits for it.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, Error> {
        let handle = FollowHandle::new(path)?;
        // The watch is there before the first look, so that nothing falls between the two.
        let watch = options.follow.then(|| Watch::new(path));
        let mut newer = sequence::open_all(path)?;
        if let Tail::Last(count) = options.tail {
            lines::seek_to_tail(&mut newer, count)
                .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        }
        Ok(Self {
            path: path.to_owned(),
            options: *options,
            current: newer.pop_front(),
            newer,
            handle,
            watch,
            last_pass: false,
            ended: false,
        })
    }

    /// The way to end a follower from another thread.
    pub fn handle(&self) -> FollowHandle {
        self.handle.clone()
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if self.handle.is_cancelled() {
                return Ok(None);
            }
            match self.next_line()? {
                Some(Selected::Entry(entry)) => return Ok(Some(entry)),
                Some(Selected::Skip) => {}
                Some(Selected::End) => return Ok(None),
                None => {
                    if !self.advance()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The next line of the current file, judged; `None` at its end.
    fn next_line(&mut self) -> Result<Option<Selected>, Error> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let line = current
            .next_line()
            .map_err(|source| Error::Read { path: self.path.clone(), source })?;
        Ok(line.map(|line| self.options.select(line)))
    }

    /// At the end of the current file: goes to the next, or waits for more. False: it is over.
    fn advance(&mut self) -> Result<bool, Error> {
        if let Some(next) = self.newer.pop_front() {
            self.current = Some(next);
            return Ok(true);
        }
        let Some(watch) = &mut self.watch else {
            return Ok(false);
        };
        let identity = self.current.as_ref().map(LineFile::identity);
        self.newer = sequence::open_after(&self.path, identity)?;
        if !self.newer.is_empty() {
            // Whatever the writer put into the old file before it rotated is read first: the loop
            // looks there once more.
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
        watch
            .wait(&self.handle, longest)
            .map_err(|source| Error::Watch { path: self.path.clone(), source })?;
        Ok(true)
    }
}

enum Selected {
    Entry(Entry),
    Skip,
    End,
}

impl ReadOptions {
    fn select(&self, line: &[u8]) -> Selected {
        let Some(entry) = parse(line) else {
            return Selected::Skip;
        };
        if self.until.is_some_and(|until| entry.time > until) {
            return Selected::End;
        }
        let wanted = self.streams.contains(entry.stream)
            && self.since.is_none_or(|since| entry.time >= since);
        if wanted { Selected::Entry(entry) } else { Selected::Skip }
    }
}

impl Iterator for LogReader {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_entry().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
