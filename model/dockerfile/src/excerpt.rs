//! Lines of a Dockerfile as they are shown with what is said of them.

use crate::{Span, SyntaxError};
use std::fmt::Write;

/// Lines that are shown above and below.
const AROUND: usize = 2;

/// The lines of a span and those around them, the former marked, below the Dockerfile's name. Where a word is given that stands in
/// the first of them, carets point at it.
pub fn excerpt(name: &str, text: &str, span: Span, word: Option<&str>) -> String {
    let rule = "-".repeat(20);
    let mut shown = format!("{name}:{}\n{rule}\n", span.first);
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let near =
        lines.filter(|(number, _)| number + AROUND >= span.first && *number <= span.last + AROUND);
    let mut word = word;
    for (number, line) in near {
        let is_in = (span.first..=span.last).contains(&number);
        let mark = if is_in { ">>>" } else { "   " };
        writeln!(shown, "{number:4} | {mark} {line}").unwrap_or(());
        if let Some(at) = word.filter(|_| is_in).and_then(|word| line.find(word)) {
            // As wide as what stands above it; a tab is one as well.
            let before: String =
                line[..at].chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
            let carets = "^".repeat(word.unwrap_or_default().chars().count());
            writeln!(shown, "     |     {before}{carets}").unwrap_or(());
            word = None;
        }
    }
    shown + &rule + "\n"
}

impl SyntaxError {
    /// The error's place in a text, with carets below the word that is wrong, where one is.
    pub fn excerpt(&self, name: &str, text: &str) -> String {
        let word = self.problem.word();
        excerpt(name, text, self.span, word.as_deref())
    }
}
