//! What a disk that refuses costs.

use super::*;
use crate::Format;
use crate::reader::{LogReader, ReadOptions};

const NOW: Timestamp = Timestamp { seconds: 0, nanos: 0 };
const NEVER: RotationLimits = RotationLimits { max_size_bytes: None, max_files: 1 };

fn read(folder: &Path) -> Vec<String> {
    let reader = LogReader::open(Format::Local, folder, &ReadOptions::default()).unwrap();
    reader.map(|entry| String::from_utf8(entry.unwrap().line).unwrap()).collect()
}

#[test]
fn a_file_that_cannot_be_cut_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("log");
    let limits = RotationLimits { max_size_bytes: None, max_files: 3 };
    let mut writer = LocalWriter::open(&folder, limits).unwrap();
    // /dev/full refuses every write like a full disk, and cannot be cut.
    writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = writer.write(NOW, Stream::Stdout, b"lost\nas well\nhe").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    writer.write(NOW, Stream::Stderr, b"there\n").unwrap();
    writer.write(NOW, Stream::Stdout, b"ld\n").unwrap();
    let why =
        "are missing here: the log could not be written: No space left on device (os error 28)]";
    let notice = format!("[gantry: 13 bytes (2 lines) of stdout {why}\n");
    assert_eq!(read(&folder), [&*notice, "there\n", "held\n"]);
    assert!(folder.join("0000000002").exists());
}

#[test]
fn the_end_of_a_stream_is_an_occasion_to_tell() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("log");
    let mut writer = LocalWriter::open(&folder, NEVER).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let healthy = std::mem::replace(&mut writer.file, full);
    assert!(writer.write(NOW, Stream::Stderr, b"last words\n").is_err());
    writer.file = healthy;
    writer.torn = false;
    writer.end(NOW, Stream::Stdout).unwrap();
    let lines = read(&folder);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("[gantry: 11 bytes (1 line) of stderr are missing"), "{lines:?}");
}
