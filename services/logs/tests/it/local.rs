//! What only the local format has: numbered files, damage that is passed over, and places to go on from.

use crate::{Log, at, log, numbers, span};
use gantry_logs::{
    Format, LogReader, LogWriter, MAX_PIECE_BYTES, Position, ReadOptions, RotationLimits, Stream,
    Tail,
};
use std::fs::{self, OpenOptions};
use std::io::Write;

fn local(lines_per_file: Option<u64>, max_files: u32) -> Log {
    log(Format::Local, lines_per_file, max_files)
}

fn lines(log: &Log) -> Vec<Vec<u8>> {
    let reader = LogReader::open(log.format, &log.path, &ReadOptions::default()).unwrap();
    reader.map(|entry| entry.unwrap().line).collect()
}

#[test]
fn bytes_come_back_as_they_were() {
    let mut log = local(None, 1);
    let every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let text = [b"GLB1\x01\n", &every_byte[..], b"\n\n\0\n", b"held"].concat();
    for piece in text.chunks(7) {
        log.writer.write(at(1), Stream::Stdout, piece).unwrap();
    }
    log.writer.end(at(1), Stream::Stdout).unwrap();
    let expected = [b"GLB1\x01\n".to_vec(), [&every_byte[..], b"\n"].concat(), b"\n".to_vec()];
    let expected = [&expected[..], &[b"\0\n".to_vec(), b"held".to_vec()]].concat();
    assert_eq!(lines(&log), expected);
}

#[test]
fn a_long_line_is_cut_where_docker_cuts_it() {
    // However the output comes in.
    for step in [1000, MAX_PIECE_BYTES, 100_000, usize::MAX] {
        let mut log = local(None, 1);
        let long = [vec![b'x'; MAX_PIECE_BYTES * 2 + 5], b"end\nnext\n".to_vec()].concat();
        for (number, piece) in long.chunks(step.min(long.len())).enumerate() {
            log.writer.write(at(number.try_into().unwrap()), Stream::Stdout, piece).unwrap();
        }
        let reader = LogReader::open(log.format, &log.path, &ReadOptions::default()).unwrap();
        let entries: Vec<_> = reader.map(Result::unwrap).collect();
        let lengths: Vec<_> = entries.iter().map(|entry| entry.line.len()).collect();
        assert_eq!(lengths, [MAX_PIECE_BYTES, MAX_PIECE_BYTES, 9, 5], "steps of {step}");
        assert!(entries[..3].iter().all(|entry| entry.time == entries[0].time), "steps of {step}");
    }
}

#[test]
fn ten_megabytes_without_an_end_are_held_to() {
    let mut log = local(None, 1);
    let piece = vec![b'y'; 64 << 10];
    for _ in 0..160 {
        log.writer.write(at(1), Stream::Stderr, &piece).unwrap();
    }
    log.writer.end(at(2), Stream::Stderr).unwrap();
    let lines = lines(&log);
    assert_eq!(lines.concat().len(), 10 << 20);
    assert!(lines.iter().all(|line| line.len() == MAX_PIECE_BYTES));
}

#[test]
fn files_stay_within_their_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let limits = RotationLimits { max_size_bytes: Some(4096), max_files: 3 };
    let mut writer = LogWriter::open(Format::Local, &path, limits).unwrap();
    let many = (0..20_000).map(|number| format!("{number}\n")).collect::<Vec<_>>().concat();
    for piece in many.as_bytes().chunks(65_536) {
        writer.write(at(1), Stream::Stdout, piece).unwrap();
    }
    let sizes: Vec<u64> =
        fs::read_dir(&path).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= 4096), "{sizes:?}");
    let read = LogReader::open(Format::Local, &path, &ReadOptions::default()).unwrap();
    let numbers: Vec<u32> = read
        .map(|entry| String::from_utf8(entry.unwrap().line).unwrap().trim().parse().unwrap())
        .collect();
    let first = numbers[0];
    assert_eq!(numbers, (first..20_000).collect::<Vec<_>>());
}

#[test]
fn a_torn_end_is_left_behind() {
    let mut log = local(None, 5);
    (0..3).for_each(|number| log.put(number));
    let whole = fs::read(log.newest()).unwrap();
    for cut in 1..35 {
        fs::write(log.newest(), &whole[..whole.len() - cut]).unwrap();
        log.reopen();
        log.put(9);
        assert_eq!(log.read(&ReadOptions::default()), [0, 1, 9], "{cut} bytes are missing");
        let tail = ReadOptions { tail: Tail::Last(2), ..Default::default() };
        assert_eq!(log.read(&tail), [1, 9], "{cut} bytes are missing");
        let files = log.files();
        assert_eq!(files.len(), 2);
        fs::remove_file(&files[1]).unwrap();
    }
}

#[test]
fn damage_costs_what_it_hit() {
    let mut log = local(None, 1);
    (0..9).for_each(|number| log.put(number));
    let mut bytes = fs::read(log.newest()).unwrap();
    bytes[35 * 3 + 5] ^= 1;
    bytes.splice(35 * 6..35 * 6, b"somebody's words GLB1 GLB".iter().copied());
    fs::write(log.newest(), &bytes).unwrap();
    assert_eq!(log.read(&ReadOptions::default()), [0, 1, 2, 4, 5, 6, 7, 8]);
    let tail = |count| ReadOptions { tail: Tail::Last(count), ..Default::default() };
    assert_eq!(log.read(&tail(2)), [7, 8]);
    assert_eq!(log.read(&tail(5)), [4, 5, 6, 7, 8]);
    // Cut in the middle, and written on to: what was cut goes, what came later is there.
    let file = OpenOptions::new().write(true).open(log.newest()).unwrap();
    file.set_len(35 * 2 + 20).unwrap();
    (20..23).for_each(|number| log.put(number));
    assert_eq!(log.read(&ReadOptions::default()), [0, 1, 20, 21, 22]);
    fs::write(log.newest(), vec![0xff; 100_000]).unwrap();
    log.put(30);
    assert_eq!(log.read(&ReadOptions::default()), [30]);
}

#[test]
fn a_reader_goes_on_where_another_was() {
    let mut log = local(Some(4), 100);
    // Some blocks have one line, some have many.
    (0..10).for_each(|number| log.put(number));
    let many = (10..13).map(|number| format!("{number:06}\n")).collect::<Vec<_>>().concat();
    log.writer.write(at(10), Stream::Stdout, many.as_bytes()).unwrap();
    (13..20).for_each(|number| log.put(number));
    let number = |line: &[u8]| -> i64 { String::from_utf8_lossy(line).trim().parse().unwrap() };
    let mut reader = LogReader::open(log.format, &log.path, &ReadOptions::default()).unwrap();
    let mut places = vec![Position::default()];
    while let Some(entry) = reader.next() {
        assert_eq!(number(&entry.unwrap().line), i64::try_from(places.len()).unwrap() - 1);
        places.push(reader.next_position().unwrap());
    }
    for compressed in [false, true] {
        for (first, place) in (0..).zip(&places) {
            let rest = LogReader::open_at(&log.path, *place, &ReadOptions::default()).unwrap();
            let rest: Vec<i64> = rest.map(|entry| number(&entry.unwrap().line)).collect();
            assert_eq!(rest, span(first..20), "behind {place:?}");
        }
        if !compressed {
            assert!(gantry_logs::compress_rotated(log.format, &log.path).unwrap() > 2);
        }
    }
    // What has fallen away is not waited for, and numbers that began anew are not either.
    let later = Position { file: 99, offset: 0, entries: 0 };
    let all = LogReader::open_at(&log.path, later, &ReadOptions::default()).unwrap();
    assert_eq!(all.count(), 20);
    for file in &log.files()[..2] {
        fs::remove_file(file).unwrap();
    }
    let rest = LogReader::open_at(&log.path, places[1], &ReadOptions::default()).unwrap();
    assert_eq!(number(&rest.map(Result::unwrap).next().unwrap().line), 8);
}

#[test]
fn a_file_that_was_compressed_is_not_written_to() {
    let mut log = local(Some(2), 10);
    (0..5).for_each(|number| log.put(number));
    gantry_logs::compress_rotated(log.format, &log.path).unwrap();
    // As if the newest had been lost.
    fs::remove_file(log.newest()).unwrap();
    log.reopen();
    log.put(6);
    assert_eq!(log.read(&ReadOptions::default()), [0, 1, 2, 3, 6]);
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fs::create_dir(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", path.join("0000000001")).unwrap();
    let limits = RotationLimits { max_size_bytes: None, max_files: 1 };
    assert!(LogWriter::open(Format::Local, &path, limits).is_err());
    assert!(LogReader::open(Format::Local, &path, &ReadOptions::default()).is_err());
}

#[test]
fn strangers_in_the_folder_are_no_log() {
    let mut log = local(None, 1);
    log.put(0);
    fs::write(log.path.join("notes"), "x").unwrap();
    let mut file = OpenOptions::new().append(true).open(log.newest_number(1)).unwrap();
    file.write_all(b"torn").unwrap();
    assert_eq!(
        numbers(LogReader::open(log.format, &log.path, &ReadOptions::default()).unwrap()),
        [0]
    );
}

impl Log {
    fn newest_number(&self, number: u64) -> std::path::PathBuf {
        self.path.join(format!("{number:010}"))
    }
}
