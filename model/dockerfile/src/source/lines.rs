//! Physical lines → statements: comments away, continued lines joined, heredocs read.

use super::{Heredoc, Opening, Statement, flags, heredoc};
use crate::{Problem, Span, SyntaxError};

/// Instructions that files may follow.
const WITH_HEREDOCS: [&str; 3] = ["ADD", "COPY", "RUN"];

/// The lines that are still to be read, with their numbers.
struct Lines<'a> {
    rest: std::iter::Enumerate<std::str::Split<'a, char>>,
    /// The number of the line that was taken last.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (index, line) = self.rest.next()?;
        self.number = index + 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

/// All statements, and those with empty lines inside.
pub(super) fn statements(
    text: &str,
    escape: char,
) -> Result<(Vec<Statement>, Vec<Span>), SyntaxError> {
    let mut lines = Lines { rest: text.split('\n').enumerate(), number: 0 };
    let (mut statements, mut empty_continuations) = (Vec::new(), Vec::new());
    let mut comments: Vec<String> = Vec::new();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if let Some(comment) = line.strip_prefix('#') {
            comments.push(comment.trim().to_owned());
            continue;
        }
        let first = lines.number;
        let (joined, is_interrupted) = join(line, &mut lines, escape);
        if joined.trim().is_empty() {
            comments.clear();
            continue;
        }
        let mut statement = take_apart(&joined, escape);
        statement.comments = std::mem::take(&mut comments);
        statement.heredocs = heredocs(&statement, &mut lines, escape)
            .map_err(|problem| SyntaxError { span: Span::line(first), problem })?;
        statement.span = Span { first, last: lines.number };
        if is_interrupted {
            empty_continuations.push(statement.span);
        }
        statements.push(statement);
    }
    Ok((statements, empty_continuations))
}

/// A line with those that continue it, and whether there were empty ones between.
fn join(first: &str, lines: &mut Lines<'_>, escape: char) -> (String, bool) {
    let (text, mut goes_on) = without_continuation(first, escape);
    let mut joined = text.to_owned();
    let mut is_interrupted = false;
    while goes_on {
        let Some(line) = lines.next() else { break };
        if line.trim_start().starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            is_interrupted = true;
            continue;
        }
        let text;
        (text, goes_on) = without_continuation(line, escape);
        joined.push_str(text);
    }
    (joined, is_interrupted)
}

/// The line without the escape at its end, and whether there was one. An escape that is itself escaped continues nothing.
fn without_continuation(line: &str, escape: char) -> (&str, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (line, false),
    }
}

fn take_apart(text: &str, escape: char) -> Statement {
    let text = text.trim();
    let (keyword, rest) = text.split_once(is_blank).unwrap_or((text, ""));
    let (flags, arguments) = flags::take(rest.trim_start_matches(is_blank), escape);
    Statement {
        span: Span::line(0),
        keyword: keyword.to_owned(),
        text: text.to_owned(),
        flags,
        arguments: arguments.trim().to_owned(),
        heredocs: Vec::new(),
        comments: Vec::new(),
    }
}

/// What separates words.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// Reads the files that a statement announces.
fn heredocs(
    statement: &Statement,
    lines: &mut Lines<'_>,
    escape: char,
) -> Result<Vec<Heredoc>, Problem> {
    if !statement.arguments.contains("<<") || !takes_heredocs(statement) {
        return Ok(Vec::new());
    }
    let openings = heredoc::openings(&statement.arguments, escape)?;
    openings.into_iter().map(|opening| content(opening, lines)).collect()
}

/// Whether files may follow; those of a trigger belong to the trigger.
fn takes_heredocs(statement: &Statement) -> bool {
    let is_one = |word: &str| WITH_HEREDOCS.iter().any(|known| known.eq_ignore_ascii_case(word));
    if statement.keyword.eq_ignore_ascii_case("ONBUILD") {
        return statement.arguments.split(is_blank).next().is_some_and(is_one);
    }
    is_one(&statement.keyword)
}

fn content(opening: Opening, lines: &mut Lines<'_>) -> Result<Heredoc, Problem> {
    let mut content = String::new();
    loop {
        let Some(line) = lines.next() else {
            return Err(Problem::UnterminatedHeredoc(opening.name));
        };
        let line = if opening.strips_tabs { line.trim_start_matches('\t') } else { line };
        if line == opening.name {
            return Ok(Heredoc { opening, content });
        }
        content.push_str(line);
        content.push('\n');
    }
}
