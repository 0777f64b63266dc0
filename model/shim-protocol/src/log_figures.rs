//! The text of a bundle's `log-figures` file: what went wrong between a container's output and its log. The shim writes it, the daemon
//! adds up those of all containers.

use std::fmt::{self, Display, Formatter};
use std::ops::AddAssign;

/// Counted since the container's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Reads of its output that failed.
    pub failed_reads: u64,
    /// Writes to its log that failed.
    pub failed_writes: u64,
    /// Lines that no single entry of the log holds.
    pub long_lines: u64,
}

impl LogFigures {
    /// How long the text is.
    pub const BYTES: usize = 63;

    /// Reads the text; what it does not say is zero.
    pub fn parse(text: &str) -> Self {
        let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        Self { failed_reads: next(), failed_writes: next(), long_lines: next() }
    }
}

/// Always as long, so that one write over another leaves nothing of it.
impl Display for LogFigures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:020} {:020} {:020}", self.failed_reads, self.failed_writes, self.long_lines)
    }
}

impl AddAssign for LogFigures {
    fn add_assign(&mut self, other: Self) {
        self.failed_reads = self.failed_reads.saturating_add(other.failed_reads);
        self.failed_writes = self.failed_writes.saturating_add(other.failed_writes);
        self.long_lines = self.long_lines.saturating_add(other.long_lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_the_numbers_at_one_length() {
        let most = LogFigures { failed_reads: 1, failed_writes: 0, long_lines: u64::MAX };
        for figures in [most, LogFigures::default()] {
            let text = figures.to_string();
            assert_eq!((text.len(), LogFigures::parse(&text)), (LogFigures::BYTES, figures));
        }
        for text in ["", "x y", "-1"] {
            assert_eq!(LogFigures::parse(text), LogFigures::default(), "{text:?}");
        }
        let mut sum = most;
        sum += most;
        assert_eq!((sum.failed_reads, sum.long_lines), (2, u64::MAX));
    }
}
