//! The account of output that could not be written: per stream, until a line in the log has told of it.

use crate::entry::Stream;

/// How much output, as the process wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    /// Ends of lines.
    pub(super) lines: u64,
}

impl Amount {
    /// Of one line, or a piece of it.
    pub(super) fn of_line(text: &[u8]) -> Self {
        Self { bytes: text.len() as u64, lines: text.ends_with(b"\n").into() }
    }

    pub(super) fn of(text: &[u8]) -> Self {
        Self { bytes: text.len() as u64, lines: memchr::memchr_iter(b'\n', text).count() as u64 }
    }
}

/// What is missing of both streams and was not told yet.
#[derive(Debug, Default)]
pub(super) struct Losses([Option<Lost>; 2]);

#[derive(Debug)]
struct Lost {
    amount: Amount,
    /// The first failure's words.
    reason: String,
}

impl Losses {
    /// Counts what is lost.
    pub(super) fn add(&mut self, stream: Stream, amount: Amount, reason: &str) {
        if amount.bytes == 0 {
            return;
        }
        let lost = self.0[stream as usize]
            .get_or_insert_with(|| Lost { amount: Amount::default(), reason: reason.to_owned() });
        lost.amount.bytes += amount.bytes;
        lost.amount.lines += amount.lines;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The line that tells what `stream` misses.
    pub(super) fn notice(&self, stream: Stream) -> Option<String> {
        let Lost { amount: Amount { bytes, lines }, reason } = self.0[stream as usize].as_ref()?;
        // The rest of a line is told as a line.
        let lines = *lines.max(&1);
        let plural = |number| if number == 1 { "" } else { "s" };
        Some(format!(
            "[gantry: {bytes} byte{} ({lines} line{}) of {} are missing here: the log could not be written: {reason}]\n",
            plural(*bytes),
            plural(lines),
            stream.as_str(),
        ))
    }

    /// It has been told.
    pub(super) fn forget(&mut self, stream: Stream) {
        self.0[stream as usize] = None;
    }
}
