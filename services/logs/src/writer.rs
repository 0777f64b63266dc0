//! The writer of a container's log, in either format.

mod json;
mod json_file;
mod local;
mod losses;

use crate::entry::Stream;
use crate::rotation::RotationLimits;
use crate::{Error, Format};
use gantry_types::Timestamp;
use json::JsonWriter;
use local::LocalWriter;
use std::path::Path;

/// Appends a container's output to its log.
///
/// An error of `write` concerns the disk: what could not be written is lost, and the next call tries
/// again. When there is room, one line in the log says how much of which stream is missing there. The
/// log stays readable whatever happens: what was torn is left behind.
#[derive(Debug)]
pub struct LogWriter(Writer);

#[derive(Debug)]
enum Writer {
    Json(Box<JsonWriter>),
    Local(Box<LocalWriter>),
}

impl LogWriter {
    /// Opens the log at `path` to append, and makes it (files have mode 0640) when it is not there.
    pub fn open(format: Format, path: &Path, limits: RotationLimits) -> Result<Self, Error> {
        let opened = match format {
            Format::JsonFile => {
                JsonWriter::open(path, limits).map(|writer| Writer::Json(Box::new(writer)))
            }
            Format::Local => {
                LocalWriter::open(path, limits).map(|writer| Writer::Local(Box::new(writer)))
            }
        };
        opened.map(Self).map_err(|source| Error::Open { path: path.to_owned(), source })
    }

    /// Takes what a process wrote to `stream`. Whole lines are in the log when this returns; the
    /// start of an unfinished one is held until its end, or [`crate::MAX_PIECE_BYTES`], has come.
    pub fn write(&mut self, now: Timestamp, stream: Stream, bytes: &[u8]) -> Result<(), Error> {
        let result = match &mut self.0 {
            Writer::Json(writer) => writer.write(now, stream, bytes),
            Writer::Local(writer) => writer.write(now, stream, bytes),
        };
        result.map_err(|source| Error::Write { path: self.path().to_owned(), source })
    }

    /// Says that `stream` has ended: the start of an unfinished line goes to the log as it is.
    pub fn end(&mut self, now: Timestamp, stream: Stream) -> Result<(), Error> {
        let result = match &mut self.0 {
            Writer::Json(writer) => writer.end(now, stream),
            Writer::Local(writer) => writer.end(now, stream),
        };
        result.map_err(|source| Error::Write { path: self.path().to_owned(), source })
    }

    fn path(&self) -> &Path {
        match &self.0 {
            Writer::Json(writer) => writer.path(),
            Writer::Local(writer) => writer.path(),
        }
    }
}

/// The start of a line whose end has not come yet.
#[derive(Debug, Default)]
struct Held {
    text: Vec<u8>,
    /// The time of the first piece, when pieces of this line are in the log already.
    first_piece: Option<Timestamp>,
}
