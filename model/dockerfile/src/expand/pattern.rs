//! Patterns in substitutions: `*` is any text, `?` any character; bracket expressions are no part of them.

use super::{InvalidSubstitution, MAX_BYTES};

/// Comparisons of characters that one replacement may take.
const MAX_WORK: usize = 1 << 27;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShellPattern {
    /// A backslash before something that needs none.
    #[error("invalid escape '\\{0}'")]
    Escape(char),
    /// A backslash at the end.
    #[error("a backslash at the end")]
    OpenEscape,
    /// The value and the pattern together are over the limit.
    #[error("the value is too long for it")]
    TooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    Text,
    Character(char),
}

#[derive(Debug)]
pub(super) struct Pattern<'p> {
    source: &'p str,
    pieces: Vec<Piece>,
}

impl<'p> Pattern<'p> {
    pub(super) fn parse(source: &'p str) -> Result<Self, InvalidSubstitution> {
        let mut pieces = Vec::new();
        let mut rest = source.chars();
        let invalid = |reason| InvalidSubstitution::Pattern { pattern: source.to_owned(), reason };
        while let Some(character) = rest.next() {
            pieces.push(match character {
                '*' => Piece::Text,
                '?' => Piece::Any,
                '\\' => match rest.next() {
                    Some(c @ ('}' | '/' | '*' | '?' | '\\')) => Piece::Character(c),
                    Some(c) => return Err(invalid(InvalidShellPattern::Escape(c))),
                    None => return Err(invalid(InvalidShellPattern::OpenEscape)),
                },
                c => Piece::Character(c),
            });
        }
        Ok(Self { source, pieces })
    }

    /// The value without what matches at its beginning.
    pub(super) fn without_prefix(&self, value: &str, longest: bool) -> String {
        let characters: Vec<char> = value.chars().collect();
        let end = end_of_match(&self.pieces, &characters, longest).unwrap_or(0);
        characters[end..].iter().collect()
    }

    /// The value without what matches at its end.
    pub(super) fn without_suffix(&self, value: &str, longest: bool) -> String {
        let characters: Vec<char> = value.chars().rev().collect();
        let pieces: Vec<Piece> = self.pieces.iter().rev().copied().collect();
        let end = end_of_match(&pieces, &characters, longest).unwrap_or(0);
        characters[end..].iter().rev().collect()
    }

    /// The value with the longest match at the leftmost place replaced, or each such match. Empty matches are none.
    pub(super) fn replace(
        &self,
        value: &str,
        replacement: &str,
        all: bool,
    ) -> Result<String, InvalidSubstitution> {
        let characters: Vec<char> = value.chars().collect();
        let length = characters.len();
        if length.saturating_mul(length).saturating_mul(self.pieces.len()) > MAX_WORK {
            let pattern = self.source.to_owned();
            return Err(InvalidSubstitution::Pattern {
                pattern,
                reason: InvalidShellPattern::TooLong,
            });
        }
        let mut text = String::new();
        let mut at = 0;
        while at < length {
            match end_of_match(&self.pieces, &characters[at..], true) {
                Some(end) if end > 0 => {
                    text.push_str(replacement);
                    at += end;
                    if !all {
                        break;
                    }
                }
                _ => {
                    text.push(characters[at]);
                    at += 1;
                }
            }
            if text.len() > MAX_BYTES {
                return Err(InvalidSubstitution::TooLong);
            }
        }
        text.extend(&characters[at..]);
        Ok(text)
    }
}

/// Where the shortest or the longest match from the first character on ends.
fn end_of_match(pieces: &[Piece], text: &[char], longest: bool) -> Option<usize> {
    // `ends[i]`: the pieces so far match the first `i` characters.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for piece in pieces {
        if *piece == Piece::Text {
            let first = ends.iter().position(|end| *end)?;
            ends[first..].fill(true);
            continue;
        }
        for i in (0..text.len()).rev() {
            let fits = match piece {
                Piece::Character(c) => text[i] == *c,
                Piece::Any | Piece::Text => true,
            };
            ends[i + 1] = ends[i] && fits;
        }
        ends[0] = false;
    }
    if longest { ends.iter().rposition(|end| *end) } else { ends.iter().position(|end| *end) }
}
