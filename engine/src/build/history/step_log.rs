//! What one command of a build writes, as far as it is kept: its beginning and its end. What lies between is counted.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// The most bytes that are kept of a beginning, and of an end.
const MAX_BYTES: usize = 512 << 10;

/// A log that is being written.
#[derive(Debug)]
pub(super) struct StepLog {
    path: PathBuf,
    file: Option<File>,
    /// How much of the beginning may still come.
    head_left: usize,
    tail: VecDeque<u8>,
    tail_limit: usize,
    left_out: u64,
    kept: u64,
}

impl StepLog {
    /// A log of `limit` bytes at most.
    pub(super) fn new(path: PathBuf, limit: u64) -> Self {
        let half = usize::try_from(limit / 2).unwrap_or(MAX_BYTES).min(MAX_BYTES);
        Self {
            path,
            file: None,
            head_left: half,
            tail: VecDeque::new(),
            tail_limit: half,
            left_out: 0,
            kept: 0,
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_left));
        self.head_left -= head.len();
        self.write(head);
        self.tail.extend(rest);
        if self.tail.len() > self.tail_limit {
            let over = self.tail.len() - self.tail_limit;
            self.tail.drain(..over);
            self.left_out += over as u64;
        }
    }

    /// Writes the end; how many bytes of the command's are kept.
    pub(super) fn finish(mut self) -> u64 {
        if self.left_out > 0 {
            let remark = format!("\n[... {} bytes were left out ...]\n", self.left_out);
            let before = self.kept;
            self.write(remark.as_bytes());
            self.kept = before;
        }
        let tail = std::mem::take(&mut self.tail);
        let (one, other) = tail.as_slices();
        self.write(one);
        self.write(other);
        self.kept
    }

    /// What cannot be written is not kept.
    fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder).unwrap_or(());
            }
            self.file = File::create(&self.path).ok();
        }
        if let Some(file) = &mut self.file
            && file.write_all(bytes).is_ok()
        {
            self.kept += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: u64, pieces: &[&str]) -> (String, u64) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("1/2");
        let mut log = StepLog::new(path.clone(), limit);
        for piece in pieces {
            log.add(piece.as_bytes());
        }
        let kept = log.finish();
        (std::fs::read_to_string(path).unwrap_or_default(), kept)
    }

    #[test]
    fn short_ones_are_kept_whole() {
        assert_eq!(
            kept(20, &["0123456789", "abcdefghij"]),
            ("0123456789abcdefghij".to_owned(), 20)
        );
        assert_eq!(kept(20, &[]), (String::new(), 0));
        assert_eq!(kept(20, &["one"]), ("one".to_owned(), 3));
    }

    #[test]
    fn of_long_ones_the_middle_is_left_out() {
        let (text, kept) = kept(8, &["abcd", "efgh", "ijklm", "n"]);
        assert_eq!(text, "abcd\n[... 6 bytes were left out ...]\nklmn");
        assert_eq!(kept, 8);
    }
}
