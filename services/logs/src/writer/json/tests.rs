//! What stands in the file after writes, rotations and crashes.

use super::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

const NOW: Timestamp = Timestamp { seconds: 0, nanos: 0 };
const LATER: Timestamp = Timestamp { seconds: 1, nanos: 500_000_000 };
const NEVER: RotationLimits = RotationLimits { max_size_bytes: None, max_files: 1 };

struct Fixture {
    _directory: tempfile::TempDir,
    path: PathBuf,
    writer: JsonWriter,
}

fn fixture(limits: RotationLimits) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c-json.log");
    let writer = JsonWriter::open(&path, limits).unwrap();
    Fixture { _directory: directory, path, writer }
}

impl Fixture {
    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

fn line(log: &str, stream: &str, time: &str) -> String {
    format!("{{\"log\":\"{log}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n")
}

#[test]
fn lines_stand_as_docker_writes_them() {
    let mut f = fixture(NEVER);
    f.writer.write(NOW, Stream::Stdout, b"one\ntw").unwrap();
    f.writer.write(LATER, Stream::Stderr, b"oops\n").unwrap();
    f.writer.write(LATER, Stream::Stdout, b"o\n\n").unwrap();
    let zero = "1970-01-01T00:00:00Z";
    let later = "1970-01-01T00:00:01.5Z";
    let expected = [
        line("one\\n", "stdout", zero),
        line("oops\\n", "stderr", later),
        line("two\\n", "stdout", later),
        line("\\n", "stdout", later),
    ];
    assert_eq!(f.text(), expected.concat());
}

#[test]
fn a_long_line_is_cut_into_pieces_of_one_time() {
    let mut f = fixture(NEVER);
    let long = vec![b'x'; MAX_PIECE_BYTES * 2 + 5];
    for piece in long.chunks(5000) {
        f.writer.write(NOW, Stream::Stdout, piece).unwrap();
    }
    f.writer.write(LATER, Stream::Stdout, b"end\nnext\n").unwrap();
    let zero = "1970-01-01T00:00:00Z";
    let piece = "x".repeat(MAX_PIECE_BYTES);
    let expected = [
        line(&piece, "stdout", zero),
        line(&piece, "stdout", zero),
        line("xxxxxend\\n", "stdout", zero),
        line("next\\n", "stdout", "1970-01-01T00:00:01.5Z"),
    ];
    assert!(f.text() == expected.concat());
}

#[test]
fn a_character_is_not_cut_in_two() {
    for before in MAX_PIECE_BYTES - 4..=MAX_PIECE_BYTES {
        for step in [1, 1000, usize::MAX] {
            let mut f = fixture(NEVER);
            let text = format!("{}\u{1f980}\n", "x".repeat(before));
            for piece in text.as_bytes().chunks(step.min(text.len())) {
                f.writer.write(NOW, Stream::Stdout, piece).unwrap();
            }
            assert!(!f.text().contains("ufffd"), "{before} bytes before, steps of {step}");
        }
    }
}

#[test]
fn the_end_of_a_stream_writes_what_is_held() {
    let mut f = fixture(NEVER);
    f.writer.write(NOW, Stream::Stdout, b"no newline").unwrap();
    assert_eq!(f.text(), "");
    f.writer.end(NOW, Stream::Stdout).unwrap();
    f.writer.end(NOW, Stream::Stdout).unwrap();
    assert_eq!(f.text(), line("no newline", "stdout", "1970-01-01T00:00:00Z"));
}

#[test]
fn a_torn_line_is_closed_before_the_next() {
    let mut f = fixture(NEVER);
    f.writer.write(NOW, Stream::Stdout, b"one\n").unwrap();
    let whole = f.text();
    OpenOptions::new().append(true).open(&f.path).unwrap().write_all(b"{\"log\":\"to").unwrap();
    f.writer = JsonWriter::open(&f.path, NEVER).unwrap();
    f.writer.write(NOW, Stream::Stdout, b"one\n").unwrap();
    assert_eq!(f.text(), format!("{whole}{{\"log\":\"to\n{whole}"));
}

fn rotated(max_files: u32, lines: usize) -> Vec<(String, usize)> {
    let size = line("0000\\n", "stdout", "1970-01-01T00:00:00Z").len() as u64;
    let mut f = fixture(RotationLimits { max_size_bytes: Some(size * 2), max_files });
    for number in 0..lines {
        f.writer.write(NOW, Stream::Stdout, format!("{number:04}\n").as_bytes()).unwrap();
    }
    let mut files: Vec<_> = fs::read_dir(f.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let lines = fs::read_to_string(entry.path()).unwrap().lines().count();
            (entry.file_name().into_string().unwrap(), lines)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn files_rotate_and_the_oldest_falls_away() {
    let file = |name: &str, lines| (format!("c-json.log{name}"), lines);
    assert_eq!(rotated(3, 3), [file("", 1), file(".1", 2)]);
    assert_eq!(rotated(3, 9), [file("", 1), file(".1", 2), file(".2", 2)]);
    assert_eq!(rotated(1, 5), [file("", 1)]);
}

#[test]
fn what_a_full_disk_cost_is_told_for_each_stream() {
    // /dev/full refuses every write like a full disk.
    let mut f = fixture(NEVER);
    let healthy = std::mem::replace(
        &mut f.writer.file.file,
        OpenOptions::new().write(true).open("/dev/full").unwrap(),
    );
    let error = f.writer.write(NOW, Stream::Stdout, b"lost\nas well\nhe").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(f.writer.write(NOW, Stream::Stderr, b"gone\n").is_err());
    assert!(f.writer.write(NOW, Stream::Stderr, &vec![b'x'; MAX_PIECE_BYTES + 1]).is_err());
    assert_eq!(f.text(), "");
    f.writer.file.file = healthy;
    f.writer.write(LATER, Stream::Stdout, b"ld\n").unwrap();
    let later = "1970-01-01T00:00:01.5Z";
    let why =
        "are missing here: the log could not be written: No space left on device (os error 28)]\\n";
    let expected = [
        line(&format!("[gantry: 13 bytes (2 lines) of stdout {why}"), "stdout", later),
        line(&format!("[gantry: 16389 bytes (1 line) of stderr {why}"), "stderr", later),
        line("held\\n", "stdout", later),
    ];
    assert_eq!(f.text(), expected.concat());
}

#[test]
fn the_end_of_a_stream_is_an_occasion_to_tell() {
    let mut f = fixture(NEVER);
    let healthy = std::mem::replace(
        &mut f.writer.file.file,
        OpenOptions::new().write(true).open("/dev/full").unwrap(),
    );
    assert!(f.writer.write(NOW, Stream::Stderr, b"last words\n").is_err());
    assert!(f.writer.end(NOW, Stream::Stderr).is_err());
    f.writer.file.file = healthy;
    f.writer.end(NOW, Stream::Stdout).unwrap();
    assert!(f.text().contains("[gantry: 11 bytes (1 line) of stderr are missing"), "{}", f.text());
    assert_eq!(f.text().lines().count(), 1);
}

#[test]
fn a_link_in_the_place_of_the_log_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert!(JsonWriter::open(&path, NEVER).is_err());
}
