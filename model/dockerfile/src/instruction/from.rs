//! `FROM [--platform=…] IMAGE [AS NAME]`.

use super::flags::{Flags, Takes};
use crate::Problem;
use crate::source::Statement;

/// The beginning of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFrom {
    /// An image, an earlier stage, a named context, or `scratch`; variables in it are not expanded.
    pub base: String,
    /// The stage's name, in small letters.
    pub name: Option<String>,
    /// The word before the name and the name, as they were written.
    pub written: Option<(String, String)>,
    /// The platform of the base, not expanded.
    pub platform: Option<String>,
}

impl StageFrom {
    pub(super) fn read(statement: &Statement) -> Result<Self, Problem> {
        let words: Vec<&str> = statement.arguments.split_whitespace().collect();
        let (base, written) = match words.as_slice() {
            [base] => (*base, None),
            [base, word, name] if word.eq_ignore_ascii_case("as") => (*base, Some((*word, *name))),
            _ => return Err(Problem::FromArguments),
        };
        let name = written.map(|(_, name)| name.to_lowercase());
        if let Some((_, written)) = written.filter(|(_, name)| !is_stage_name(&name.to_lowercase()))
        {
            return Err(Problem::StageName(written.to_owned()));
        }
        let flags = Flags::read(statement, &[("platform", Takes::Text)])?;
        Ok(Self {
            base: base.to_owned(),
            name,
            written: written.map(|(word, name)| (word.to_owned(), name.to_owned())),
            platform: flags.text("platform"),
        })
    }
}

/// A letter, then letters, digits, `-`, `_` and `.`.
fn is_stage_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
}
