//! `COPY` and `ADD`.

use super::flags::{Flags, Takes};
use super::{json, split};
use crate::Problem;
use crate::source::{Heredoc, Opening, Statement};

/// Files that are brought into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Paths, and with `ADD` also URLs and repositories.
    pub sources: Vec<String>,
    /// Files that stand in the Dockerfile.
    pub files: Vec<Heredoc>,
    /// Where to.
    pub destination: String,
    /// The stage, image or context that the sources are in; the build's context by default.
    pub from: Option<String>,
    /// `user[:group]` of what is brought.
    pub owner: Option<String>,
    /// Its permissions.
    pub mode: Option<String>,
    /// It makes a layer that depends on nothing below it.
    pub is_linked: bool,
    /// Directories above the sources are made as well.
    pub keeps_parents: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// The digest of what a URL gives.
    pub checksum: Option<String>,
    /// The repository's own directory stays.
    pub keeps_git_dir: bool,
    /// Whether archives are taken apart; by default local ones are, others not.
    pub unpacks: Option<bool>,
}

const BOTH: [(&str, Takes); 4] = [
    ("chown", Takes::Text),
    ("chmod", Takes::Text),
    ("link", Takes::Switch),
    ("exclude", Takes::Texts),
];

impl Transfer {
    pub(super) fn copy(statement: &Statement, escape: char) -> Result<Self, Problem> {
        let own = [("from", Takes::Text), ("parents", Takes::Switch)];
        Self::read("COPY", statement, escape, &own)
    }

    pub(super) fn add(statement: &Statement, escape: char) -> Result<Self, Problem> {
        let own =
            [("checksum", Takes::Text), ("keep-git-dir", Takes::Switch), ("unpack", Takes::Switch)];
        Self::read("ADD", statement, escape, &own)
    }

    fn read(
        name: &'static str,
        statement: &Statement,
        escape: char,
        own: &[(&'static str, Takes)],
    ) -> Result<Self, Problem> {
        let known: Vec<_> = BOTH.iter().chain(own).copied().collect();
        let words = json(&statement.arguments)?.unwrap_or_else(|| split(&statement.arguments));
        let Some((destination, words)) = words.split_last().filter(|(_, rest)| !rest.is_empty())
        else {
            return Err(Problem::NoDestination(name));
        };
        let flags = Flags::read(statement, &known)?;
        if flags.text("from").is_some_and(|from| from.contains('$')) {
            return Err(Problem::VariableInFrom);
        }
        if Opening::parse(destination, escape)?.is_some() {
            return Err(Problem::BadHeredoc { instruction: name, place: "a destination" });
        }
        let mut sources = Vec::new();
        for word in words {
            if Opening::parse(word, escape)?.is_none() {
                sources.push(word.clone());
            }
        }
        Ok(Self {
            sources,
            files: statement.heredocs.clone(),
            destination: destination.clone(),
            from: flags.text("from"),
            owner: flags.text("chown"),
            mode: flags.text("chmod"),
            is_linked: flags.switch("link").unwrap_or(false),
            keeps_parents: flags.switch("parents").unwrap_or(false),
            exclude: flags.texts("exclude"),
            checksum: flags.text("checksum"),
            keeps_git_dir: flags.switch("keep-git-dir").unwrap_or(false),
            unpacks: flags.switch("unpack"),
        })
    }
}
