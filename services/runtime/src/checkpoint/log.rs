//! What CRIU's log says about a failure.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat};

/// The end of the log is looked at, this much of it.
const TAIL_BYTES: u64 = 256 << 10;
/// The last errors go into the message: the last is often only the echo of the one before.
const LINES: usize = 4;
const LINE_LIMIT: usize = 300;

/// The last lines that tell of an error, oldest first; empty when there is no such log.
pub(super) fn errors(directory: BorrowedFd<'_>, name: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(directory, name, flags, Mode::empty()) else { return String::new() };
    let mut file = File::from(file);
    let Ok(metadata) = file.metadata() else { return String::new() };
    let begin = metadata.len().saturating_sub(TAIL_BYTES);
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(begin))
        .and_then(|_| file.take(TAIL_BYTES).read_to_end(&mut bytes));
    if !metadata.is_file() || read.is_err() {
        return String::new();
    }
    last_errors(&String::from_utf8_lossy(&bytes))
}

/// Lines look like `(00.012345) 12: Error (criu/mount.c:1): what happened`.
fn last_errors(text: &str) -> String {
    let errors: Vec<String> = text
        .lines()
        .filter_map(|line| line.find("Error (").map(|at| &line[at..]))
        .filter_map(|line| line.split_once("): "))
        .map(|(_, said)| {
            said.chars().filter(|letter| !letter.is_control()).take(LINE_LIMIT).collect()
        })
        .collect();
    errors[errors.len().saturating_sub(LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_errors_are_told_without_their_places() {
        let text = "(00.1) Warn (a.c:1): x\n(00.2) Error (b.c:2): one\n(00.3) 7: Error (c.c:3): two: three\n";
        assert_eq!(last_errors(text), "one; two: three");
        assert_eq!(last_errors("(00.1) fine\n"), "");
        let many: Vec<String> = (0..9).map(|number| format!("Error (x.c:1): {number}")).collect();
        let many = many.join("\n");
        assert_eq!(last_errors(&many), "5; 6; 7; 8");
    }
}
