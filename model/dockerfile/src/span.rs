//! Where something stands in the source.

use std::fmt;

/// Lines of a Dockerfile, the first and the last, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first line.
    pub first: usize,
    /// The last line; that of a heredoc's end.
    pub last: usize,
}

impl Span {
    /// One line.
    pub fn line(number: usize) -> Self {
        Self { first: number, last: number }
    }
}

impl fmt::Display for Span {
    /// `3`, or `3-5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}
