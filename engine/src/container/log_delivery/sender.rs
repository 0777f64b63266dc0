//! The thread that delivers one container's output: reads, sends, remembers how far it came, and tries again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_log_drivers::{Delivery, Message, Partial, Retries};
use gantry_logs::{Entry, LogReader, MAX_PIECE_BYTES, Position, ReadOptions, Stream};
use gantry_types::error_chain;
use tokio::sync::watch;

use super::control::Control;
use super::place::Place;
use super::{Way, driver_of};
use crate::Result;
use crate::container::announce;
use crate::engine::Engine;
use crate::error::Error;
use crate::record::ContainerRecord;

/// What is sent before it is remembered: so many lines may come twice when the daemon is killed.
const BATCH: usize = 32;
/// The longest pause between attempts, and the shortest, whatever the options say: no remote that is away keeps a processor busy.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// How often lines that are too long are told of.
const TELL_PAUSE: Duration = Duration::from_mins(1);

/// Lines that were given up because they are longer than the remote takes.
#[derive(Debug, Default)]
pub(super) struct TooLong {
    untold: u64,
    told: Option<Instant>,
}

impl TooLong {
    /// One more. How many are to be told of now, if any: the first at once, later ones together.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_PAUSE);
        due.then(|| self.take(now)).flatten()
    }

    /// Those that nobody was told of.
    fn take(&mut self, now: Instant) -> Option<u64> {
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold)).filter(|count| *count > 0)
    }
}

/// Everything that the thread needs.
pub(super) struct Sender {
    pub(super) engine: Engine,
    pub(super) record: Arc<ContainerRecord>,
    pub(super) log: PathBuf,
    pub(super) place: PathBuf,
    pub(super) way: Way,
    /// One that is open already.
    pub(super) connection: Option<Box<dyn Delivery>>,
    /// The delivery of an earlier run.
    pub(super) before: Option<Arc<Control>>,
    /// Since when the remote takes nothing.
    pub(super) failing_since: Option<Instant>,
    pub(super) too_long: TooLong,
    pub(super) control: Arc<Control>,
    pub(super) done: watch::Sender<bool>,
}

/// The lines that are on their way, each with the place behind it.
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    places: Vec<Position>,
}

/// How many messages a remote took, and why no more.
struct Refused {
    delivered: usize,
    error: Error,
    /// The next message is longer than the remote will ever take.
    is_too_long: bool,
}

/// The long lines, by stream, of which not all pieces were read yet: their names and how many pieces were.
type Unfinished = [Option<(String, u32)>; 2];

impl Sender {
    /// Delivers until the container has ended and nothing is left, or somebody cancels it.
    pub(super) fn run(mut self) {
        if let Some(before) = self.before.take() {
            before.cancel();
            let mut done = before.done();
            // Even if this one is cancelled by now: whoever waits for it waits for both, for two at once would send the same.
            while !*done.borrow_and_update() && done.has_changed().is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // What fails here is this host: its disk is full, or there are too many open files. That may pass.
        while let Err(error) = self.work() {
            tracing::error!(error = error_chain(&error), id = %self.record.id, "a container's output is not delivered for now");
            self.control.set_failing(true);
            if !self.control.pause(LONGEST_PAUSE) {
                break;
            }
        }
        if let Some(lines) = self.too_long.take(Instant::now()) {
            self.tell_too_long(lines, "the last of them was told of before");
        }
        self.connection = None;
        self.way.end();
        {
            let mut sending = self.engine.log_deliveries.sending();
            if sending.get(&self.record.id).is_some_and(|own| Arc::ptr_eq(own, &self.control)) {
                sending.remove(&self.record.id);
            }
        }
        self.done.send_replace(true);
    }

    fn work(&mut self) -> Result<()> {
        let failed = Error::file("open", &self.place);
        let mut place = Place::open(&self.place).map_err(failed)?;
        let options = ReadOptions { follow: true, ..ReadOptions::default() };
        let mut reader = LogReader::open_at(&self.log, place.position(), &options)?;
        self.control.follow(reader.handle());
        let mut unfinished = Unfinished::default();
        loop {
            let batch = read(&mut reader, &mut unfinished)?;
            self.tell_what_fell_away(reader.take_missed());
            if batch.messages.is_empty() {
                if !reader.wait()? {
                    return Ok(());
                }
                continue;
            }
            if !self.deliver(&batch, &mut place)? {
                return Ok(());
            }
        }
    }

    /// Sends a batch, however often that takes. False: it was cancelled.
    fn deliver(&mut self, batch: &Batch, place: &mut Place) -> Result<bool> {
        let Retries { limit, mut pause } = self.way.retries();
        let (mut sent, mut attempts) = (0, 0);
        let last = batch.places.last().copied().unwrap_or_default();
        let record = Arc::clone(&self.record);
        let (id, driver) = (&record.id, driver_of(&record));
        while sent < batch.messages.len() {
            match self.attempt(&batch.messages[sent..]) {
                Ok(()) => break,
                Err(refused) => {
                    let Refused { delivered, error, is_too_long } = *refused;
                    if delivered > 0 {
                        sent += delivered;
                        (attempts, pause) = (0, self.way.retries().pause);
                        self.remember(place, batch.places[sent - 1])?;
                    }
                    if is_too_long {
                        if let Some(lines) = self.too_long.add(Instant::now()) {
                            let error = error_chain(&error);
                            self.tell_too_long(lines, &error);
                        }
                        sent += 1;
                        self.remember(place, batch.places[sent - 1])?;
                        continue;
                    }
                    attempts += 1;
                    self.control.set_failing(true);
                    if self.failing_since.is_none() {
                        tracing::warn!(error = error_chain(&error), %id, driver, "cannot deliver a container's output; trying again");
                    }
                    self.failing_since.get_or_insert_with(Instant::now);
                    if limit.is_some_and(|limit| attempts > limit) {
                        let lines = batch.messages.len() - sent;
                        tracing::warn!(%id, driver, lines, attempts, "lines of a container's output are given up");
                        self.tell(&format!("{lines} lines were given up"));
                        self.remember(place, last)?;
                        // The next ones wait: a container may write faster than anybody should give up.
                        return Ok(self.control.pause(pause.max(SHORTEST_PAUSE)));
                    }
                    if !self.control.pause(pause.max(SHORTEST_PAUSE)) {
                        return Ok(false);
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        if let Some(since) = self.failing_since.take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(%id, driver, seconds, "a container's output goes on");
        }
        self.control.set_failing(false);
        self.remember(place, last)?;
        Ok(true)
    }

    fn attempt(&mut self, messages: &[Message]) -> Result<(), Box<Refused>> {
        if self.connection.is_none() {
            let failed = |error| Box::new(Refused { delivered: 0, error, is_too_long: false });
            self.connection = Some(self.way.connect().map_err(failed)?);
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.deliver(messages).map_err(|failure| {
            let is_too_long = failure.error.is_too_long();
            // Of a message that is too long nothing was sent: the connection is as good as before.
            if !is_too_long {
                self.connection = None;
                // Before it is told to read again.
                self.way.end();
            }
            Box::new(Refused {
                delivered: failure.delivered,
                error: failure.error.into(),
                is_too_long,
            })
        })
    }

    fn remember(&self, place: &mut Place, position: Position) -> Result<()> {
        place.store(position).map_err(Error::file("write", &self.place))
    }

    fn tell_what_fell_away(&self, missed: u64) {
        if missed > 0 {
            let driver = driver_of(&self.record);
            tracing::warn!(id = %self.record.id, driver, files = missed, "files of a container's log fell away before all of them was delivered");
            self.tell(&format!("{missed} files of the log fell away"));
        }
    }

    fn tell_too_long(&self, lines: u64, error: &str) {
        let driver = driver_of(&self.record);
        tracing::warn!(error, id = %self.record.id, driver, lines, "lines of a container's output are too long for its log driver, and given up");
        let (noun, verb) = if lines == 1 { ("line", "was") } else { ("lines", "were") };
        self.tell(&format!("{lines} {noun} {verb} too long"));
    }

    fn tell(&self, what: &str) {
        let event = announce::event(&self.record, "log-undelivered");
        self.engine.events.tell(event.with("driver", driver_of(&self.record)).with("lost", what));
    }
}

/// What is there now, as far as a batch goes.
fn read(reader: &mut LogReader, unfinished: &mut Unfinished) -> Result<Batch> {
    let mut batch = Batch::default();
    while batch.messages.len() < BATCH {
        let before = reader.next_position().unwrap_or_default();
        let Some(entry) = reader.try_next()? else { break };
        batch.messages.push(message(entry, before, unfinished));
        batch.places.push(reader.next_position().unwrap_or_default());
    }
    Ok(batch)
}

fn message(entry: Entry, before: Position, unfinished: &mut Unfinished) -> Message {
    // The end of a stream may leave a line unfinished, but none that fills a piece but for the bytes of a character.
    let is_piece = !entry.ends_line() && entry.line.len() > MAX_PIECE_BYTES - 4;
    let earlier = &mut unfinished[entry.stream as usize];
    let partial = if is_piece {
        let Position { file, offset, entries } = before;
        let (id, ordinal) =
            earlier.get_or_insert_with(|| (format!("{file:x}-{offset:x}-{entries:x}"), 0));
        *ordinal += 1;
        Some(Partial { id: id.clone(), ordinal: *ordinal, is_last: false })
    } else {
        earlier.take().map(|(id, ordinal)| Partial { id, ordinal: ordinal + 1, is_last: true })
    };
    let is_stderr = entry.stream == Stream::Stderr;
    let mut line = entry.line;
    if line.ends_with(b"\n") {
        line.pop();
    }
    Message { time: entry.time, is_stderr, line, partial }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_too_long_are_told_of_now_and_then_and_all_of_them() {
        let (mut too_long, begin) = (TooLong::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(too_long.add(begin), Some(1));
        assert_eq!((0..59).find_map(|second| too_long.add(after(second))), None);
        assert_eq!(too_long.add(after(60)), Some(60));
        assert_eq!((too_long.add(after(61)), too_long.take(after(62))), (None, Some(1)));
        assert_eq!(too_long.take(after(63)), None);
    }
}
