//! `--name=value` before an instruction's arguments.

use super::lines::is_blank;

/// One flag as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// What stands after the first `=`.
    pub value: Option<String>,
}

/// The flags at the beginning of a text, and what follows them. A lone `--` ends them.
pub(super) fn take(text: &str, escape: char) -> (Vec<Flag>, &str) {
    let mut flags = Vec::new();
    let mut rest = text;
    while rest.starts_with("--") {
        let (word, after) = word(rest, escape);
        rest = after.trim_start_matches(is_blank);
        if word == "--" {
            break;
        }
        let word = &word[2..];
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        flags.push(Flag { name: name.to_owned(), value });
    }
    (flags, rest)
}

/// The first word, without its quotes, and what follows it.
fn word(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match quote {
            None if character.is_whitespace() => return (word, &text[position..]),
            None if matches!(character, '"' | '\'') => quote = Some(character),
            Some(open) if character == open => quote = None,
            _ if character == escape => word.extend(characters.next().map(|(_, next)| next)),
            _ => word.push(character),
        }
    }
    (word, "")
}
