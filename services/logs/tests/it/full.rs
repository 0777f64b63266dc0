//! A full disk: a small tmpfs, mounted in a mount namespace that dies with the child.

use gantry_logs::{Format, LogReader, LogWriter, ReadOptions, RotationLimits, Stream};
use gantry_types::{ErrorKind, Timestamp};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// In the child only: the folder where the small tmpfs is mounted.
const FOLDER: &str = "GANTRY_LOGS_FULL_FOLDER";
const LINES: u32 = 40_000;

/// Runs one of the tests below in a child with the tmpfs; `None` in the child itself: its folder.
fn in_child(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some(PathBuf::from(folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=1m tmpfs \"$GANTRY_LOGS_FULL_FOLDER\" && exec \"$0\" \"$@\"";
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
    None
}

/// Bytes and lines that the notices in the log admit for a stream.
fn admitted(format: Format, path: &Path, stream: Stream) -> (usize, usize) {
    let mut sum = (0, 0);
    for entry in LogReader::open(format, path, &ReadOptions::default()).unwrap().map(Result::unwrap)
    {
        let text = String::from_utf8(entry.line).unwrap();
        if let Some(notice) = text.strip_prefix("[gantry: ").filter(|_| entry.stream == stream) {
            let mut numbers = notice
                .split(|letter: char| !letter.is_ascii_digit())
                .filter(|digits| !digits.is_empty())
                .map(|digits| digits.parse::<usize>().unwrap());
            sum = (sum.0 + numbers.next().unwrap(), sum.1 + numbers.next().unwrap());
        }
    }
    sum
}

#[test]
fn what_a_full_disk_cost_is_counted_to_the_byte() {
    let Some(folder) = in_child("full::what_a_full_disk_cost_is_counted_to_the_byte") else {
        return;
    };
    for format in crate::FORMATS {
        cost_is_counted(format, &folder);
    }
}

fn cost_is_counted(format: Format, folder: &Path) {
    let (path, ballast) = (folder.join("log"), folder.join("ballast"));
    fs::write(&ballast, vec![0; 600 << 10]).unwrap();
    let limits = RotationLimits { max_size_bytes: None, max_files: 1 };
    let mut writer = LogWriter::open(format, &path, limits).unwrap();
    let now = Timestamp { seconds: 1, nanos: 0 };
    let mut failures = 0;
    for number in 0..LINES {
        // Lines of all lengths, so that the end of the disk falls anywhere.
        let line = format!("{number:06}{}\n", "y".repeat((number % 97) as usize));
        let stream = if number % 3 == 2 { Stream::Stderr } else { Stream::Stdout };
        if let Err(error) = writer.write(now, stream, line.as_bytes()) {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            failures += 1;
        }
        if number == LINES / 2 {
            assert!(failures > 0);
            // Room for some lines, and then none again.
            fs::write(&ballast, vec![0; 300 << 10]).unwrap();
        }
    }
    fs::remove_file(&ballast).unwrap();
    writer.end(now, Stream::Stdout).unwrap();

    let entries: Vec<_> = LogReader::open(format, &path, &ReadOptions::default())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for stream in [Stream::Stdout, Stream::Stderr] {
        let expected = (0..LINES).filter(|number| (number % 3 == 2) == (stream == Stream::Stderr));
        let (mut bytes, mut lines) = (0, 0);
        let there: BTreeSet<u32> = entries
            .iter()
            .filter(|entry| entry.stream == stream && !entry.line.starts_with(b"[gantry"))
            .map(|entry| std::str::from_utf8(&entry.line[..6]).unwrap().parse().unwrap())
            .collect();
        for number in expected.filter(|number| !there.contains(number)) {
            bytes += 7 + (number % 97) as usize;
            lines += 1;
        }
        assert!(lines > 100 && there.len() > 100);
        assert_eq!(admitted(format, &path, stream), (bytes, lines), "{stream:?}");
    }
    let notices = entries.iter().filter(|entry| entry.line.starts_with(b"[gantry")).count();
    assert!((3..=4).contains(&notices), "{notices} notices");
    drop(writer);
    match format {
        Format::JsonFile => fs::remove_file(&path).unwrap(),
        Format::Local => fs::remove_dir_all(&path).unwrap(),
    }
}
