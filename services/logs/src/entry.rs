//! What a log holds: entries, each of one output stream. How they stand in the file is told in
//! `json_line`.

use gantry_types::Timestamp;

/// Which output a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// Its name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One object of a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was written; the pieces of a long line share the time of the first.
    pub time: Timestamp,
    pub stream: Stream,
    /// The text with its newline; a piece that is not the last of its line has none.
    pub line: Vec<u8>,
}
