//! Rotated files that were compressed: read like the others, in both formats, while the log goes on.

use crate::{FORMATS, Log, log, span};
use gantry_logs::{Format, LogReader, ReadOptions, Tail, compress_rotated};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn compress(log: &Log) -> usize {
    compress_rotated(log.format, &log.path).unwrap()
}

/// How many compressed and plain files there are.
fn files(log: &Log) -> (usize, usize) {
    let folder = match log.format {
        Format::JsonFile => log.path.parent().unwrap(),
        Format::Local => &log.path,
    };
    let names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let compressed = names.iter().filter(|name| name.to_string_lossy().ends_with(".gz")).count();
    (compressed, names.len() - compressed)
}

#[test]
fn they_are_read_like_the_others() {
    for format in FORMATS {
        let mut log = log(format, Some(4), 100);
        for round in 0..5 {
            (round * 10..round * 10 + 10).for_each(|number| log.put(number));
            assert!(compress(&log) > 0);
            assert_eq!(compress(&log), 0, "there is nothing left");
            assert_eq!(files(&log).1, 1, "only the newest is plain");
            assert_eq!(log.read(&ReadOptions::default()), span(0..round * 10 + 10));
        }
        for count in [0_i64, 1, 3, 4, 5, 17, 49, 50, 51] {
            let tail =
                ReadOptions { tail: Tail::Last(count.cast_unsigned()), ..Default::default() };
            assert_eq!(log.read(&tail), span(50 - count.min(50)..50), "{format:?}, {count}");
        }
    }
}

#[test]
fn they_fall_away_with_their_turn() {
    for format in FORMATS {
        let mut log = log(format, Some(2), 3);
        for number in 0..20 {
            log.put(number);
            compress(&log);
            let (compressed, plain) = files(&log);
            assert!(compressed <= 2 && plain == 1, "{format:?}: {compressed} and {plain}");
        }
        assert_eq!(log.read(&ReadOptions::default()), span(14..20), "{format:?}");
    }
}

#[test]
fn a_plain_one_falls_away_before_a_compressed_younger_one() {
    let mut log = log(Format::JsonFile, Some(2), 3);
    (0..6).for_each(|number| log.put(number));
    // Whoever compresses begins with the youngest, and has come no further.
    let oldest = log.path.with_file_name("log.2");
    let kept = fs::read(&oldest).unwrap();
    assert_eq!(compress(&log), 2);
    fs::remove_file(log.path.with_file_name("log.2.gz")).unwrap();
    fs::write(&oldest, kept).unwrap();
    log.put(6);
    assert_eq!(log.read(&ReadOptions::default()), span(2..7));
}

#[test]
fn what_somebody_damaged_is_passed_over() {
    for format in FORMATS {
        let mut log = log(format, Some(4), 100);
        (0..12).for_each(|number| log.put(number));
        compress(&log);
        let damaged = match format {
            Format::JsonFile => log.path.with_file_name("log.1.gz"),
            Format::Local => log.path.join("0000000002.gz"),
        };
        let bytes = fs::read(&damaged).unwrap();
        fs::write(&damaged, &bytes[..30]).unwrap();
        let read = log.read(&ReadOptions::default());
        assert!(read.starts_with(&[0, 1, 2, 3]) && read.ends_with(&[8, 9, 10, 11]), "{read:?}");
    }
}

#[test]
fn a_follower_sees_each_line_once_while_files_are_rotated_and_compressed() {
    for format in FORMATS {
        let mut log = log(format, Some(7), 1000);
        let options = ReadOptions { follow: true, ..Default::default() };
        let reader = LogReader::open(format, &log.path, &options).unwrap();
        let handle = reader.handle();
        let (done, path) = (AtomicBool::new(false), log.path.clone());
        let read = thread::scope(|scope| {
            let reading = scope.spawn(move || crate::numbers(reader));
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    compress_rotated(format, &path).unwrap();
                }
            });
            (0..2000).for_each(|number| log.put(number));
            done.store(true, Ordering::Relaxed);
            handle.finish();
            reading.join().unwrap()
        });
        assert_eq!(read, span(0..2000), "{format:?}");
        compress(&log);
        assert_eq!(log.read(&ReadOptions::default()), span(0..2000), "{format:?}");
    }
}
