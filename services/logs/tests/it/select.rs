//! What a reader picks: tails, times, streams, and what it passes over.

use crate::{FORMATS, at, log, span};
use gantry_logs::{Format, LogReader, ReadOptions, Streams, Tail, remove_all};
use std::fs::OpenOptions;
use std::io::Write;

#[test]
fn all_files_are_read_in_order() {
    for format in FORMATS {
        for lines_per_file in [None, Some(1), Some(4), Some(7)] {
            let mut log = log(format, lines_per_file, 100);
            (0..50).for_each(|number| log.put(number));
            assert_eq!(log.read(&ReadOptions::default()), span(0..50));
        }
    }
}

#[test]
fn a_tail_reaches_over_files() {
    for format in FORMATS {
        let mut log = log(format, Some(4), 100);
        (0..50).for_each(|number| log.put(number));
        for count in [0, 1, 2, 3, 4, 5, 6, 7, 49, 50, 51, i64::MAX] {
            let tail = Tail::Last(count.cast_unsigned());
            let expected = span(50 - count.min(50)..50);
            assert_eq!(log.read(&ReadOptions { tail, ..Default::default() }), expected, "{count}");
        }
    }
}

#[test]
fn a_long_tail_of_one_large_file_is_found() {
    for format in FORMATS {
        let mut log = log(format, None, 1);
        (0..5000).for_each(|number| log.put(number));
        for count in [1_i64, 400, 500, 4999] {
            let tail = Tail::Last(count.cast_unsigned());
            let expected = span(5000 - count..5000);
            assert_eq!(log.read(&ReadOptions { tail, ..Default::default() }), expected, "{count}");
        }
    }
}

#[test]
fn few_of_many_files_are_open_at_a_time() {
    for format in FORMATS {
        let mut log = log(format, Some(2), 300);
        (0..401).for_each(|number| log.put(number));
        let folder = log.path.parent().unwrap().to_owned();
        let open = || {
            let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let paths = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
            paths.filter(|path| path.starts_with(&folder)).count()
        };
        let own = open();
        let tail = |count| ReadOptions { tail: Tail::Last(count), ..ReadOptions::default() };
        for (options, expected) in
            [(ReadOptions::default(), 0..401), (tail(301), 100..401), (tail(3), 398..401)]
        {
            let mut reader = LogReader::open(format, &log.path, &options).unwrap();
            let (mut numbers, mut most) = (Vec::new(), open());
            while let Some(entry) = reader.try_next().unwrap() {
                numbers.push(entry.time.seconds);
                most = most.max(open());
            }
            assert_eq!(numbers, span(expected), "{format:?}");
            assert!(most <= own + 17, "{format:?}: {most} files were open");
        }
    }
}

#[test]
fn times_and_streams_select() {
    for format in FORMATS {
        let mut log = log(format, None, 1);
        (0..9).for_each(|number| log.put(number));
        let stderr = Streams { stdout: false, stderr: true };
        let check =
            |options: ReadOptions, expected: &[i64]| assert_eq!(log.read(&options), expected);
        check(ReadOptions { since: Some(at(7)), ..Default::default() }, &[7, 8]);
        check(ReadOptions { until: Some(at(1)), ..Default::default() }, &[0, 1]);
        check(ReadOptions { streams: stderr, ..Default::default() }, &[2, 5, 8]);
        let both = ReadOptions { since: Some(at(3)), until: Some(at(5)), ..Default::default() };
        check(both, &[3, 4, 5]);
        check(ReadOptions { tail: Tail::Last(2), streams: stderr, ..Default::default() }, &[8]);
        // A follower with a past `until` ends by itself.
        check(ReadOptions { until: Some(at(1)), follow: true, ..Default::default() }, &[0, 1]);
        check(ReadOptions { until: Some(at(99)), follow: true, ..Default::default() }, &span(0..9));
    }
}

#[test]
fn torn_and_foreign_lines_are_passed_over() {
    let mut log = log(Format::JsonFile, None, 1);
    log.put(0);
    let mut file = OpenOptions::new().append(true).open(&log.path).unwrap();
    file.write_all(b"garbage\n\n{\"log\":1}\n\xff\xfe\n").unwrap();
    file.write_all(&vec![b'x'; 3 << 20]).unwrap();
    file.write_all(b"\n").unwrap();
    log.put(1);
    file.write_all(b"{\"log\":\"torn").unwrap();
    assert_eq!(log.read(&ReadOptions::default()), [0, 1]);
    // The torn line is no line: the tail is what stands before it.
    assert_eq!(log.read(&ReadOptions { tail: Tail::Last(1), ..Default::default() }), [1]);
}

#[test]
fn a_log_that_is_not_there_is_empty() {
    for format in FORMATS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none");
        assert_eq!(LogReader::open(format, &path, &ReadOptions::default()).unwrap().count(), 0);
        remove_all(&path).unwrap();
    }
}

#[test]
fn removal_takes_rotated_files_too() {
    let mut log = log(Format::JsonFile, Some(2), 5);
    (0..20).for_each(|number| log.put(number));
    let directory = log.path.parent().unwrap().to_owned();
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 5);
    remove_all(&log.path).unwrap();
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}
