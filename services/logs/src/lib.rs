//! Logs of containers on the disk, in two formats: a writer that rotates, and a reader that selects and follows. Prefixes
//! for timestamps and details, and Docker's frames, are made above; what other programs are sent is made in
//! `services/log-drivers`.
//!
//! ```text
//! shim     LogWriter::open(format, path, RotationLimits) → write(now, stream, bytes)* → end(stream)
//! engine   LogReader::open(format, path, &ReadOptions) → Iterator<Item = Result<Entry, Error>>, on a blocking thread
//!          reader.handle() → FollowHandle: finish() when the container has stopped, cancel() when nobody listens
//!          compress_rotated(format, path), now and then
//! ```
//!
//! **json-file** is Docker's: one JSON object a line, `{"log":"text\n","stream":"stdout","time":"RFC 3339"}`. A line
//! of output over 16 KiB is spread over several objects; only the last has the newline. Rotated files
//! are `<path>.1` (the youngest), `<path>.2`, …
//!
//! **local** is our own: a folder of numbered files, each a row of blocks of output as it came (`block`). Bytes are kept as they
//! were, and nothing is done for each line.

mod block;
mod compress;
mod entry;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod json_line;
mod long_lines;
mod numbered;
mod pieces;
mod reader;
mod rotation;
mod writer;

pub use compress::compress_rotated;
pub use entry::{Entry, Stream};
pub use error::Error;
pub use long_lines::LongLines;
pub use reader::{FollowHandle, LogReader, Position, ReadOptions, Streams, Tail};
pub use rotation::{RotationLimits, remove_all};
pub use writer::LogWriter;

/// The longest piece of a line that one entry holds, as in Docker.
pub const MAX_PIECE_BYTES: usize = 16 * 1024;

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Docker's; its path is the newest file.
    JsonFile,
    /// Our own; its path is the folder of the files.
    Local,
}
