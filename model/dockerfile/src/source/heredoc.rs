//! `<<EOF`: files that stand in the Dockerfile itself.

use crate::{Expander, Problem};

/// A file in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// How it began.
    pub opening: Opening,
    /// Its lines, each with its end.
    pub content: String,
}

/// What a word such as `3<<-"EOF"` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The word that ends the file, and the file's name in `COPY`.
    pub name: String,
    /// The descriptor that a shell would read it from; 0 unless it was given.
    pub descriptor: u32,
    /// Variables in it are expanded: its name stood in no quotes.
    pub expands: bool,
    /// Tabs at the beginning of lines are no part of it.
    pub strips_tabs: bool,
}

impl Opening {
    /// Reads one word of a statement; `None` when it opens no heredoc.
    pub(crate) fn parse(word: &str, escape: char) -> Result<Option<Self>, Problem> {
        let Some((descriptor, rest)) = word.split_once("<<") else { return Ok(None) };
        let descriptor = match descriptor {
            "" => Some(0),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        };
        let (rest, strips_tabs) = match rest.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (Some(descriptor), false) = (descriptor, rest.is_empty() || rest.contains('<')) else {
            return Ok(None);
        };
        let names = Expander::unquoting(escape).words(rest)?;
        let [name] = names.as_slice() else { return Ok(None) };
        let expands = name == rest;
        Ok(Some(Self { name: name.clone(), descriptor, expands, strips_tabs }))
    }
}

/// The heredocs that a statement's arguments open, in order.
pub(super) fn openings(arguments: &str, escape: char) -> Result<Vec<Opening>, Problem> {
    let words = Expander::splitting(escape).words(arguments)?;
    let openings = words.iter().filter_map(|word| Opening::parse(word, escape).transpose());
    openings.collect()
}
