//! Logs written and read through the public API.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod follow;
mod full;
mod select;

use gantry_logs::{LogReader, LogWriter, ReadOptions, RotationLimits, Stream};
use gantry_types::Timestamp;
use std::path::PathBuf;

pub(crate) struct Log {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) writer: LogWriter,
}

/// A log whose files hold `lines_per_file` of the lines that [`Log::put`] writes.
pub(crate) fn log(lines_per_file: Option<u64>, max_files: u32) -> Log {
    const LINE_BYTES: u64 = 67;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let limits =
        RotationLimits { max_size_bytes: lines_per_file.map(|n| n * LINE_BYTES), max_files };
    let writer = LogWriter::open(&path, limits).unwrap();
    Log { _directory: directory, path, writer }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

pub(crate) fn span(numbers: std::ops::Range<i64>) -> Vec<i64> {
    numbers.collect()
}

impl Log {
    /// Writes "line 000000 \n" with the number as its time; every third goes to stderr.
    pub(crate) fn put(&mut self, number: i64) {
        let stream = if number % 3 == 2 { Stream::Stderr } else { Stream::Stdout };
        self.writer.write(at(number), stream, format!("{number:06}\n").as_bytes()).unwrap();
    }

    pub(crate) fn read(&self, options: &ReadOptions) -> Vec<i64> {
        numbers(LogReader::open(&self.path, options).unwrap())
    }
}

pub(crate) fn numbers(reader: LogReader) -> Vec<i64> {
    reader
        .map(|entry| {
            let entry = entry.unwrap();
            let text = String::from_utf8(entry.line).unwrap();
            assert!(text.ends_with('\n'));
            let number = text.trim_end().parse().unwrap();
            assert_eq!(entry.time, at(number));
            number
        })
        .collect()
}
