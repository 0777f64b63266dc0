//! `logs`: what a container wrote, from its log, framed for the wire.

mod attributes;

use bytes::{BufMut, Bytes, BytesMut};
use gantry_logs::{Entry, FollowHandle, LogReader, ReadOptions, Stream, Tail};
use gantry_shim_protocol::attach::Streams;
use gantry_types::Timestamp;
use tokio::sync::{mpsc, watch};

use super::launch::LOG_FILE;
use crate::Result;
use crate::blocking::{block, thread};
use crate::engine::Engine;
use crate::error::Error;
use crate::record::Snapshot;

/// Entries that may wait for a slow client; then reading waits too.
const QUEUE: usize = 64;

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
    if record.plan.log.is_none() {
        return Err(Error::invalid("configured logging driver does not support reading"));
    }
    let path = engine.settings.container_dir(record.id.as_str()).join(LOG_FILE);
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
    let reader = block(move || LogReader::open(&path, &read)).await?;
    let (sender, chunks) = mpsc::channel(QUEUE);
    if options.follow {
        tokio::spawn(end_with(handle.snapshots, reader.handle(), sender.clone()));
    }
    let tty = record.plan.tty();
    let details = if options.details { attributes::of(&record) + " " } else { String::new() };
    let form = Form { tty, timestamps: options.timestamps, details };
    thread("logs", move || {
        for entry in reader {
            let chunk = entry.map(|entry| format(&entry, &form)).map_err(Error::from);
            if sender.blocking_send(chunk).is_err() {
                break;
            }
        }
    })?;
    Ok(LogStream { tty, chunks })
}

/// Ends a following reader when the container has stopped, or when nobody listens any more.
async fn end_with(
    mut snapshots: watch::Receiver<Snapshot>,
    reader: FollowHandle,
    sender: mpsc::Sender<Result<Bytes>>,
) {
    tokio::select! {
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

fn format(entry: &Entry, form: &Form) -> Bytes {
    let mut prefix = String::new();
    if form.timestamps {
        prefix = entry.time.to_fixed_string();
        prefix.push(' ');
    }
    prefix.push_str(&form.details);
    let length = prefix.len() + entry.line.len();
    let mut chunk = BytesMut::with_capacity(8 + length);
    if !form.tty {
        chunk.put_u8(match entry.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        });
        chunk.put_bytes(0, 3);
        chunk.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    }
    chunk.put_slice(prefix.as_bytes());
    chunk.put_slice(&entry.line);
    chunk.freeze()
}
