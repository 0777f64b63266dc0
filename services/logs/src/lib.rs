//! Log files of containers in Docker's json-file format: a writer that rotates, and a reader that
//! selects and follows. Prefixes for timestamps and details, and Docker's frames, are made above.
//!
//! ```text
//! shim     LogWriter::open(path, RotationLimits) → write(now, stream, bytes)* → end(stream)
//! engine   LogReader::open(path, &ReadOptions) → Iterator<Item = Result<Entry, Error>>, on a blocking thread
//!          reader.handle() → FollowHandle: finish() when the container has stopped, cancel() when nobody listens
//! ```
//!
//! A file holds one JSON object a line: `{"log":"text\n","stream":"stdout","time":"RFC 3339"}`. A line
//! of output over 16 KiB is spread over several objects; only the last has the newline. Rotated files
//! are `<path>.1` (the youngest), `<path>.2`, …

mod entry;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod json_line;
mod reader;
mod rotation;
mod writer;

pub use entry::{Entry, Stream};
pub use error::Error;
pub use reader::{FollowHandle, LogReader, ReadOptions, Streams, Tail};
pub use rotation::{RotationLimits, remove_all};
pub use writer::LogWriter;

/// The longest piece of a line that one entry holds, as in Docker.
pub const MAX_PIECE_BYTES: usize = 16 * 1024;
