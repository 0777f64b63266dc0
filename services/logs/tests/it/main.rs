//! Logs written and read through the public API.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compressed;
mod follow;
mod full;
mod local;
mod select;

use gantry_logs::{Format, LogReader, LogWriter, ReadOptions, RotationLimits, Stream};
use gantry_types::Timestamp;
use std::path::PathBuf;

pub(crate) const FORMATS: [Format; 2] = [Format::JsonFile, Format::Local];

pub(crate) struct Log {
    _directory: tempfile::TempDir,
    pub(crate) format: Format,
    pub(crate) path: PathBuf,
    pub(crate) limits: RotationLimits,
    pub(crate) writer: LogWriter,
}

/// A log whose files hold `lines_per_file` of the lines that [`Log::put`] writes.
pub(crate) fn log(format: Format, lines_per_file: Option<u64>, max_files: u32) -> Log {
    let line_bytes = match format {
        Format::JsonFile => 67,
        Format::Local => 35,
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let limits =
        RotationLimits { max_size_bytes: lines_per_file.map(|n| n * line_bytes), max_files };
    let writer = LogWriter::open(format, &path, limits).unwrap();
    Log { _directory: directory, format, path, limits, writer }
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

    /// The file that is being written.
    pub(crate) fn newest(&self) -> PathBuf {
        match self.format {
            Format::JsonFile => self.path.clone(),
            Format::Local => self.files().pop().unwrap(),
        }
    }

    /// All files of a log in the local format, the oldest first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.path).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Another process goes on with it.
    pub(crate) fn reopen(&mut self) {
        self.writer = LogWriter::open(self.format, &self.path, self.limits).unwrap();
    }

    pub(crate) fn read(&self, options: &ReadOptions) -> Vec<i64> {
        numbers(LogReader::open(self.format, &self.path, options).unwrap())
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
