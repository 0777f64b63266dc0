//! `logs`: what a container wrote, from its log, framed for the wire.

pub(super) mod attributes;

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use gantry_logs::{Entry, FollowHandle, LogReader, ReadOptions, Stream, Tail};
use gantry_shim_protocol::attach::Streams;
use gantry_types::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::Result;
use crate::blocking::{block, thread};
use crate::engine::Engine;
use crate::error::Error;
use crate::record::Snapshot;

/// Pieces that may wait for a slow client; then reading waits too.
const QUEUE: usize = 8;
/// A piece gets no more entries once it has so many bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Which part of the log, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogsOptions {
    /// Output streams; stdin has no log.
    pub streams: Streams,
    /// Go on until the container ends.
    pub follow: bool,
    /// The last so many lines; all without.
    pub tail: Option<u64>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Put each line's time before it.
    pub timestamps: bool,
    /// Put what the log's options name of the container's labels and variables before each line.
    pub details: bool,
}

/// A log on its way to a client: frames of Docker's multiplexed stream, raw bytes where there is a terminal.
pub struct LogStream {
    pub tty: bool,
    pub chunks: mpsc::Receiver<Result<Bytes>>,
}

/// Opens the log of a container.
pub async fn logs(engine: &Engine, container: &str, options: LogsOptions) -> Result<LogStream> {
    let handle = engine.container(container)?;
    let record = handle.snapshot().record;
    if !options.streams.stdout && !options.streams.stderr {
        return Err(Error::invalid("Bad parameters: you must choose at least one stream"));
    }
    let log = record.plan.log.as_ref().filter(|log| !log.hidden).ok_or(Error::LogNotReadable)?;
    let path = log.path(&engine.settings.container_dir(record.id.as_str()));
    let files = log.files_format();
    let read = ReadOptions {
        streams: gantry_logs::Streams {
            stdout: options.streams.stdout,
            stderr: options.streams.stderr,
        },
        tail: options.tail.map_or(Tail::All, Tail::Last),
        since: options.since,
        until: options.until,
        follow: options.follow,
    };
    let reader = block(move || LogReader::open(files, &path, &read)).await?;
    let (sender, chunks) = mpsc::channel(QUEUE);
    // Dropped when the reading ends, for whatever reason.
    let (reading, read_to_end) = oneshot::channel::<Infallible>();
    if options.follow {
        tokio::spawn(end_with(handle.snapshots, reader.handle(), sender.clone(), read_to_end));
    }
    let tty = record.plan.tty();
    let details = if options.details {
        attributes::of(&record, &engine.host.hostname) + " "
    } else {
        String::new()
    };
    let form = Form { tty, timestamps: options.timestamps, details };
    thread("logs", move || {
        send(reader, &form, &sender);
        drop(reading);
    })?;
    Ok(LogStream { tty, chunks })
}

/// Sends what is there in pieces of some size, and what comes later as it comes, until the log or its client ends.
fn send(mut reader: LogReader, form: &Form, sender: &mpsc::Sender<Result<Bytes>>) {
    let mut chunk = BytesMut::new();
    loop {
        let next = reader.try_next();
        let goes_on = match next {
            Ok(Some(entry)) => {
                form.put(&entry, &mut chunk);
                if chunk.len() < CHUNK_BYTES {
                    continue;
                }
                Ok(true)
            }
            // What is there does not wait for more.
            Ok(None) if !chunk.is_empty() => Ok(true),
            Ok(None) => reader.wait(),
            Err(error) => Err(error),
        };
        let full = std::mem::take(&mut chunk).freeze();
        if !full.is_empty() && sender.blocking_send(Ok(full)).is_err() {
            return;
        }
        match goes_on {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Nobody may be there to hear of it.
                drop(sender.blocking_send(Err(error.into())));
                return;
            }
        }
    }
}

/// Ends a following reader when the container has stopped, or when nobody listens any more. Whoever listens waits for this too, so
/// that it must not outlive the reading: a moment that was given as the end may pass while the container runs.
async fn end_with(
    mut snapshots: watch::Receiver<Snapshot>,
    reader: FollowHandle,
    sender: mpsc::Sender<Result<Bytes>>,
    read_to_end: oneshot::Receiver<Infallible>,
) {
    tokio::select! {
        _ = read_to_end => {}
        // An error means that the container is gone, which is an end as well.
        _ = snapshots.wait_for(|snapshot| !snapshot.record.state.is_active()) => reader.finish(),
        () = sender.closed() => reader.cancel(),
    }
}

/// How lines look.
struct Form {
    tty: bool,
    timestamps: bool,
    /// What comes before each line.
    details: String,
}

impl Form {
    fn put(&self, entry: &Entry, chunk: &mut BytesMut) {
        let time = if self.timestamps { entry.time.to_fixed_string() } else { String::new() };
        let space = usize::from(self.timestamps);
        let length = time.len() + space + self.details.len() + entry.line.len();
        chunk.reserve(8 + length);
        if !self.tty {
            chunk.put_u8(match entry.stream {
                Stream::Stdout => 1,
                Stream::Stderr => 2,
            });
            chunk.put_bytes(0, 3);
            chunk.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
        chunk.put_slice(time.as_bytes());
        chunk.put_bytes(b' ', space);
        chunk.put_slice(self.details.as_bytes());
        chunk.put_slice(&entry.line);
    }
}
