//! Quotes, escapes and variables in an instruction's words: `"a b"`, `\$`, `$name`, `${name:-word}`, `${name%.c}`.

mod pattern;
mod substitution;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

use pattern::InvalidShellPattern;

/// The most bytes that one expansion may give: variables that name one another twice grow without end.
const MAX_BYTES: usize = 1 << 20;
/// How deep substitutions may stand in one another.
const MAX_DEPTH: usize = 64;

/// Where the values of variables come from.
pub trait Variables {
    /// The value, when there is one.
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl Variables for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// No variables.
struct Nothing;

impl Variables for Nothing {
    fn value(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubstitution {
    /// A quote without its end.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    OpenQuote(&'static str),
    /// `${name` without its end.
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    /// `${name/pattern` without a second slash.
    #[error("syntax error: missing '/' in ${{}}")]
    MissingSlash,
    /// `${}` and the like.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// `${name^}` and the like.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${name:?message}` of a name without a value.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the Dockerfile says about it.
        message: String,
    },
    /// A pattern with an escape that is none.
    #[error("invalid pattern ({pattern}) in substitution: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: InvalidShellPattern,
    },
    /// The value is over the limit.
    #[error("a value grows beyond {MAX_BYTES} bytes")]
    TooLong,
    /// Substitutions in substitutions are over the limit.
    #[error("substitutions stand more than {MAX_DEPTH} deep in one another")]
    TooDeep,
}

/// What a word became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The word.
    pub text: String,
    /// The variables that had no value.
    pub unset: BTreeSet<String>,
}

/// How words are expanded.
#[derive(Clone, Copy)]
pub struct Expander<'a> {
    escape: char,
    variables: &'a dyn Variables,
    keeps_quotes: bool,
    keeps_escapes: bool,
    keeps_unset: bool,
}

impl<'a> Expander<'a> {
    /// Takes quotes and escapes away and puts values in; a variable without one gives nothing.
    pub fn new(escape: char, variables: &'a dyn Variables) -> Self {
        Self { escape, variables, keeps_quotes: false, keeps_escapes: false, keeps_unset: false }
    }

    /// The same, except that variables without a value stay as they are written.
    #[must_use]
    pub fn keeping_unset(self) -> Self {
        Self { keeps_unset: true, ..self }
    }

    /// The same, except that quotes are characters like others: for heredocs.
    #[must_use]
    pub fn keeping_quotes(self) -> Self {
        Self { keeps_quotes: true, ..self }
    }

    /// Only finds where words end.
    pub(crate) fn splitting(escape: char) -> Expander<'static> {
        Expander {
            escape,
            variables: &Nothing,
            keeps_quotes: true,
            keeps_escapes: true,
            keeps_unset: true,
        }
    }

    /// Finds where words end, and takes their quotes away.
    pub(crate) fn unquoting(escape: char) -> Expander<'static> {
        Expander { keeps_quotes: false, ..Self::splitting(escape) }
    }

    /// Expands a text that is one word, whatever blanks are in it.
    pub fn word(&self, text: &str) -> Result<Expanded, InvalidSubstitution> {
        let mut reader = self.reader(text);
        let output = reader.read_to(None, self.keeps_escapes)?;
        Ok(Expanded { text: output.text, unset: reader.unset })
    }

    /// Expands a text of several words; values with blanks make several of one unless they are quoted.
    pub fn words(&self, text: &str) -> Result<Vec<String>, InvalidSubstitution> {
        Ok(self.reader(text).read_to(None, self.keeps_escapes)?.into_words())
    }

    /// Expands the content of a heredoc, in which quotes mean nothing.
    pub fn content(&self, text: &str) -> Result<Expanded, InvalidSubstitution> {
        let mut reader = self.reader(text);
        reader.ignores_quotes = true;
        let output = reader.read_to(None, self.keeps_escapes)?;
        Ok(Expanded { text: output.text, unset: reader.unset })
    }

    fn reader<'t>(&self, text: &'t str) -> Reader<'a, 't> {
        Reader {
            expander: *self,
            rest: text.chars().peekable(),
            unset: BTreeSet::new(),
            depth: 0,
            ignores_quotes: false,
        }
    }
}

/// What has been read so far, as one text and as words.
#[derive(Default)]
struct Output {
    text: String,
    words: Vec<String>,
    word: Option<String>,
}

impl Output {
    /// Characters that end no word, whatever they are.
    fn push_whole(&mut self, text: &str) -> Result<(), InvalidSubstitution> {
        self.word.get_or_insert_default().push_str(text);
        self.push_text(text)
    }

    /// Characters between which blanks end words.
    fn push_split(&mut self, text: &str) -> Result<(), InvalidSubstitution> {
        for character in text.chars() {
            if character.is_whitespace() {
                self.words.extend(self.word.take_if(|word| !word.is_empty()));
            } else {
                self.word.get_or_insert_default().push(character);
            }
        }
        self.push_text(text)
    }

    fn push_text(&mut self, text: &str) -> Result<(), InvalidSubstitution> {
        self.text.push_str(text);
        if self.text.len() > MAX_BYTES { Err(InvalidSubstitution::TooLong) } else { Ok(()) }
    }

    fn into_words(mut self) -> Vec<String> {
        self.words.extend(self.word.filter(|word| !word.is_empty()));
        self.words
    }
}

/// Goes through one text.
struct Reader<'a, 't> {
    expander: Expander<'a>,
    rest: Peekable<Chars<'t>>,
    unset: BTreeSet<String>,
    depth: usize,
    ignores_quotes: bool,
}

impl Reader<'_, '_> {
    /// Reads to the end of the text, or to a character, which is taken.
    fn read_to(
        &mut self,
        end: Option<char>,
        keeps_escapes: bool,
    ) -> Result<Output, InvalidSubstitution> {
        let mut output = Output::default();
        while let Some(&next) = self.rest.peek() {
            match next {
                _ if end == Some(next) => {
                    self.rest.next();
                    return Ok(output);
                }
                '\'' if !self.ignores_quotes => output.push_whole(&self.single_quoted()?)?,
                '"' if !self.ignores_quotes => {
                    output.push_whole(&self.double_quoted(keeps_escapes)?)?;
                }
                '$' => output.push_split(&self.variable()?)?,
                _ if next == self.expander.escape => {
                    self.rest.next();
                    if keeps_escapes {
                        output.push_whole(next.encode_utf8(&mut [0; 4]))?;
                    }
                    if let Some(escaped) = self.rest.next() {
                        output.push_whole(escaped.encode_utf8(&mut [0; 4]))?;
                    }
                }
                _ => {
                    self.rest.next();
                    output.push_split(next.encode_utf8(&mut [0; 4]))?;
                }
            }
        }
        match end {
            None => Ok(output),
            Some('/') => Err(InvalidSubstitution::MissingSlash),
            Some(_) => Err(InvalidSubstitution::MissingBrace),
        }
    }

    /// `'…'`: nothing means anything in it.
    fn single_quoted(&mut self) -> Result<String, InvalidSubstitution> {
        let mut text = self.quote();
        loop {
            match self.rest.peek() {
                None => return Err(InvalidSubstitution::OpenQuote("single")),
                Some('\'') => {
                    text.push_str(&self.quote());
                    return Ok(text);
                }
                Some(_) => text.extend(self.rest.next()),
            }
        }
    }

    /// `"…"`: variables are expanded; an escape counts before `"`, `$` and itself.
    fn double_quoted(&mut self, keeps_escapes: bool) -> Result<String, InvalidSubstitution> {
        let mut text = self.quote();
        let escape = self.expander.escape;
        loop {
            match self.rest.peek() {
                None => return Err(InvalidSubstitution::OpenQuote("double")),
                Some('"') => {
                    text.push_str(&self.quote());
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.variable()?),
                Some(&next) if next == escape => {
                    self.rest.next();
                    let counts = |c: &char| matches!(c, '"' | '$') || *c == escape;
                    let escaped = self.rest.next_if(counts);
                    if escaped.is_none() || keeps_escapes {
                        text.push(escape);
                    }
                    text.extend(escaped);
                }
                Some(_) => text.extend(self.rest.next()),
            }
            if text.len() > MAX_BYTES {
                return Err(InvalidSubstitution::TooLong);
            }
        }
    }

    /// Takes a quote; it stays in the text where quotes do.
    fn quote(&mut self) -> String {
        let quote = self.rest.next();
        quote.filter(|_| self.expander.keeps_quotes).into_iter().collect()
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.expander.variables.value(name).map(Cow::into_owned);
        if value.is_none() {
            self.unset.insert(name.to_owned());
        }
        value
    }
}
