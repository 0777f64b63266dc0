//! Which commit a reference means.

use crate::program::{Program, Reach};
use crate::{Error, Result};

/// A commit, and by what name the server gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meant {
    /// Its digest; of a tag with a message, the tag's own. Empty where only a fetch can tell.
    pub(crate) object: String,
    /// The full reference; empty for a commit by its digest.
    pub(crate) name: String,
}

/// Asks the server.
pub(crate) fn meant(program: &Program<'_>) -> Result<Meant> {
    let reference = program.wanted.reference.as_str();
    if is_whole_digest(reference) {
        return Ok(Meant { object: reference.to_owned(), name: String::new() });
    }
    let url = program.wanted.url.as_str();
    let asked = if reference.is_empty() { "HEAD" } else { reference };
    let words = ["ls-remote", "--", url, asked];
    let listed = program.ask("read the references of", Reach::Network, &words)?;
    if let Some(meant) = choose(&listed, asked) {
        return Ok(meant);
    }
    if is_digest(reference) {
        // The server does not look for commits by the beginning of their digests.
        return Ok(Meant { object: String::new(), name: String::new() });
    }
    let (url, reference) = (program.shown(), asked.to_owned());
    Err(Error::NoReference { url, reference })
}

/// Of several references that end with the word, the one that git itself would take: gitrevisions(7).
fn choose(listed: &str, asked: &str) -> Option<Meant> {
    let all: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let names = [
        asked.to_owned(),
        format!("refs/{asked}"),
        format!("refs/tags/{asked}"),
        format!("refs/heads/{asked}"),
    ];
    names.iter().find_map(|name| {
        let (object, _) = all.iter().find(|(_, listed)| listed == name)?;
        is_whole_digest(object).then(|| Meant { object: (*object).to_owned(), name: name.clone() })
    })
}

fn is_whole_digest(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_digest(text)
}

fn is_digest(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_before_branches() {
        let (one, two, three) = ("1".repeat(40), "2".repeat(40), "3".repeat(40));
        let listed = format!("{one}\trefs/heads/x\n{two}\trefs/tags/x\n{three}\trefs/heads/a/x\n");
        let found = |asked| choose(&listed, asked).map(|meant| (meant.object, meant.name));
        assert_eq!(found("x"), Some((two.clone(), "refs/tags/x".to_owned())));
        assert_eq!(found("refs/heads/x"), Some((one.clone(), "refs/heads/x".to_owned())));
        assert_eq!(found("heads/x"), Some((one, "refs/heads/x".to_owned())));
        assert_eq!(found("a/x"), Some((three, "refs/heads/a/x".to_owned())));
        assert_eq!(found("none"), None);
    }
}
