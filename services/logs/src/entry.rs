//! What a log holds: entries, each of one output stream. How they stand in the files is told in
//! `json_line` and `block`.

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

/// One line of output, or one piece of a line over [`crate::MAX_PIECE_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was written; the pieces of a long line share the time of the first.
    pub time: Timestamp,
    pub stream: Stream,
    /// The text with its newline; a piece that is not the last of its line has none, and so has the last
    /// line of a process that did not end it.
    pub line: Vec<u8>,
}

impl Entry {
    /// Whether the line ends here, so that the stream's next entry begins another.
    pub fn ends_line(&self) -> bool {
        self.line.ends_with(b"\n")
    }
}
