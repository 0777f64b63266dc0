//! Followers: across rotations, before the file exists, and ended from outside.

use crate::{FORMATS, Log, log, numbers, span};
use gantry_logs::{LogReader, LogWriter, ReadOptions, RotationLimits, Tail};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const FOLLOW: ReadOptions = ReadOptions {
    tail: Tail::All,
    since: None,
    until: None,
    streams: gantry_logs::Streams::BOTH,
    follow: true,
};
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs `reader` on a thread; its numbers come over the channel, which closes when it ends.
fn spawn(reader: LogReader) -> mpsc::Receiver<i64> {
    let (sender, receiver) = mpsc::sync_channel(100_000);
    thread::spawn(move || {
        for entry in reader {
            let line = String::from_utf8(entry.unwrap().line).unwrap();
            sender.send(line.trim().parse().unwrap()).unwrap();
        }
    });
    receiver
}

fn open(log: &Log) -> LogReader {
    LogReader::open(log.format, &log.path, &FOLLOW).unwrap()
}

#[test]
fn new_lines_come_as_they_are_written() {
    for format in FORMATS {
        let mut log = log(format, None, 1);
        log.put(0);
        let reader = open(&log);
        let handle = reader.handle();
        let lines = spawn(reader);
        for number in 0..20 {
            assert_eq!(lines.recv_timeout(DEADLINE), Ok(number));
            log.put(number + 1);
        }
        handle.finish();
        assert_eq!(lines.recv_timeout(DEADLINE), Ok(20));
        assert_eq!(lines.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}

#[test]
fn nothing_is_lost_or_repeated_over_rotations() {
    for format in FORMATS {
        let mut log = log(format, Some(3), 1000);
        let reader = open(&log);
        let handle = reader.handle();
        let lines = spawn(reader);
        (0..600).for_each(|number| log.put(number));
        handle.finish();
        assert_eq!(lines.iter().collect::<Vec<_>>(), span(0..600));
    }
}

#[test]
fn a_follower_that_is_left_behind_goes_on_with_the_oldest() {
    for format in FORMATS {
        let mut log = log(format, Some(2), 2);
        log.put(0);
        let reader = open(&log);
        let handle = reader.handle();
        // The reader holds the first file; those after it fall away before it looks again.
        (1..20).for_each(|number| log.put(number));
        handle.finish();
        assert_eq!(numbers(reader), [0, 1, 16, 17, 18, 19]);
    }
}

#[test]
fn a_follower_waits_for_the_log_to_appear() {
    for format in FORMATS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let reader = LogReader::open(format, &path, &FOLLOW).unwrap();
        let handle = reader.handle();
        let lines = spawn(reader);
        let never = RotationLimits { max_size_bytes: None, max_files: 1 };
        let writer = LogWriter::open(format, &path, never).unwrap();
        let mut log = Log { _directory: directory, format, path, limits: never, writer };
        log.put(7);
        assert_eq!(lines.recv_timeout(DEADLINE), Ok(7));
        handle.finish();
        assert!(lines.recv_timeout(DEADLINE).is_err());
    }
}

#[test]
fn a_tail_of_nothing_follows_from_the_end() {
    for format in FORMATS {
        let mut log = log(format, None, 1);
        (0..5).for_each(|number| log.put(number));
        let options = ReadOptions { tail: Tail::Last(0), ..FOLLOW };
        let reader = LogReader::open(log.format, &log.path, &options).unwrap();
        log.put(5);
        reader.handle().finish();
        assert_eq!(numbers(reader), [5]);
    }
}

#[test]
fn a_cancelled_follower_ends_at_once() {
    for format in FORMATS {
        let mut log = log(format, None, 1);
        log.put(0);
        let reader = open(&log);
        let handle = reader.handle();
        let lines = spawn(reader);
        assert_eq!(lines.recv_timeout(DEADLINE), Ok(0));
        handle.cancel();
        assert_eq!(lines.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}

#[test]
fn a_file_that_somebody_empties_is_read_from_its_start() {
    for format in FORMATS {
        let mut log = log(format, None, 1);
        (0..5).for_each(|number| log.put(number));
        let reader = open(&log);
        let handle = reader.handle();
        let lines = spawn(reader);
        for number in 0..5 {
            assert_eq!(lines.recv_timeout(DEADLINE), Ok(number));
        }
        std::fs::OpenOptions::new().write(true).truncate(true).open(log.newest()).unwrap();
        log.put(5);
        assert_eq!(lines.recv_timeout(DEADLINE), Ok(5));
        handle.finish();
    }
}
