//! `name=value` in `ENV`, `LABEL` and `ARG`.

use crate::Problem;

/// A name and its value, quotes and variables as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
    /// There was a blank between them, and so there is only one pair.
    pub is_legacy: bool,
}

/// A variable that the one who builds may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value when nobody sets it.
    pub default: Option<String>,
}

pub(super) fn key_values(
    instruction: &'static str,
    text: &str,
    escape: char,
) -> Result<Vec<KeyValue>, Problem> {
    let words = words(text, escape);
    let first = words.first().ok_or(Problem::AtLeastOneArgument(instruction))?;
    let pairs = if first.contains('=') {
        let pair = |word: &String| {
            let (key, value) =
                word.split_once('=').ok_or_else(|| Problem::NoEquals(word.clone()))?;
            Ok(KeyValue { key: key.to_owned(), value: value.to_owned(), is_legacy: false })
        };
        words.iter().map(pair).collect::<Result<Vec<_>, Problem>>()?
    } else {
        let (key, value) =
            text.split_once(char::is_whitespace).ok_or(Problem::TwoArguments(instruction))?;
        let value = value.trim_start().to_owned();
        vec![KeyValue { key: key.to_owned(), value, is_legacy: true }]
    };
    if pairs.iter().any(|pair| pair.key.is_empty()) {
        return Err(Problem::BlankName(instruction));
    }
    Ok(pairs)
}

pub(super) fn arguments(text: &str, escape: char) -> Result<Vec<Argument>, Problem> {
    let words = words(text, escape);
    if words.is_empty() {
        return Err(Problem::AtLeastOneArgument("ARG"));
    }
    let argument = |word: String| {
        let (name, default) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if name.is_empty() {
            return Err(Problem::BlankName("ARG"));
        }
        Ok(Argument { name, default })
    };
    words.into_iter().map(argument).collect()
}

/// Words between blanks that stand in no quotes; quotes and escapes stay in them.
fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if quote.is_none() && character.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        // In single quotes nothing can be escaped.
        if character == escape && quote != Some('\'') {
            if let Some(escaped) = characters.next() {
                word.extend([character, escaped]);
            }
            continue;
        }
        match quote {
            None if matches!(character, '"' | '\'') => quote = Some(character),
            Some(open) if open == character => quote = None,
            _ => {}
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
