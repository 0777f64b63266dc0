//! Addresses: what `ADD`, and a context that is somewhere else, mean by them. Nothing is fetched here.
//!
//! A repository is `https://host/path.git`, `git://…`, `ssh://…` or `user@host:path`, with what is wanted of it behind a `#`
//! (`#reference:directory`) or as a query (`?tag=…&subdir=…`). Everything else with `http://` or `https://` is a file.

use gantry_types::without_password;

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A file on the web.
    File(String),
    /// A git repository.
    Repository(Repository),
}

/// Files of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where it is, without what is wanted of it.
    pub url: String,
    /// A branch, a tag, a commit or a full reference; empty for the branch that the server shows first.
    pub reference: String,
    /// The directory in it, without slashes at its ends; empty for all of it.
    pub directory: String,
    /// The beginning of the commit's digest that the reference must mean.
    pub checksum: Option<String>,
    /// The repository's own directory comes along.
    pub keeps_git_dir: bool,
    /// Repositories that it names come along.
    pub has_submodules: bool,
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid address {address:?}: {reason}")]
pub struct InvalidRemote {
    /// As written, without what may be a password.
    pub address: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The schemes of which all addresses are repositories.
const GIT_SCHEMES: [&str; 2] = ["git://", "ssh://"];
/// The shortest digest that means one commit.
const SHORTEST_DIGEST: usize = 7;

impl Remote {
    /// What a text means; `None` for a path.
    ///
    /// # Errors
    /// It is an address, and what it asks for cannot be.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidRemote> {
        let is_web = text.starts_with("http://") || text.starts_with("https://");
        let is_git = GIT_SCHEMES.iter().any(|scheme| text.starts_with(scheme)) || is_scp(text);
        if !is_web && !is_git {
            return Ok(None);
        }
        let invalid = |reason: &str| InvalidRemote {
            address: without_password(text),
            reason: reason.to_owned(),
        };
        if text.chars().any(|character| character.is_control() || character == ' ') {
            return Err(invalid("there are blanks or control characters in it"));
        }
        let (before, fragment) = match text.split_once('#') {
            Some((before, fragment)) => (before, Some(fragment)),
            None => (text, None),
        };
        let (url, query) = match before.split_once('?') {
            Some((url, query)) => (url, Some(query)),
            None => (before, None),
        };
        if is_web && !path_of(url).trim_end_matches('/').as_bytes().ends_with(b".git") {
            return Ok(Some(Self::File(text.to_owned())));
        }
        let mut repository = Repository {
            url: url.to_owned(),
            reference: String::new(),
            directory: String::new(),
            checksum: None,
            keeps_git_dir: false,
            has_submodules: true,
        };
        for (key, value) in query.iter().flat_map(|query| query.split('&')).map(pair) {
            repository.set(key, value).map_err(|reason| invalid(&reason))?;
        }
        if let Some(fragment) = fragment {
            let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
            repository.fragment(reference, directory).map_err(|reason| invalid(&reason))?;
        }
        repository.check().map_err(|reason| invalid(&reason))?;
        Ok(Some(Self::Repository(repository)))
    }
}

impl Repository {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "" if value.is_empty() => {}
            "ref" => value.clone_into(&mut self.reference),
            "branch" => self.reference = format!("refs/heads/{value}"),
            "tag" => self.reference = format!("refs/tags/{value}"),
            "commit" | "checksum" => {
                self.checksum = Some(value.to_owned());
                if self.reference.is_empty() && key == "commit" {
                    value.clone_into(&mut self.reference);
                }
            }
            "subdir" => value.trim_matches('/').clone_into(&mut self.directory),
            "keep-git-dir" => self.keeps_git_dir = switch(key, value)?,
            "submodules" => self.has_submodules = switch(key, value)?,
            _ => {
                return Err(format!(
                    "{key:?} is unknown: ref, branch, tag, commit, checksum, subdir, keep-git-dir and submodules are known"
                ));
            }
        }
        Ok(())
    }

    fn fragment(&mut self, reference: &str, directory: &str) -> Result<(), String> {
        let is_said_twice = !reference.is_empty() && !self.reference.is_empty()
            || !directory.is_empty() && !self.directory.is_empty();
        if is_said_twice {
            return Err("it says the same behind ? and behind #".to_owned());
        }
        if !reference.is_empty() {
            reference.clone_into(&mut self.reference);
        }
        if !directory.is_empty() {
            directory.trim_matches('/').clone_into(&mut self.directory);
        }
        Ok(())
    }

    /// Nothing in it may be taken for an option, or lead out.
    fn check(&self) -> Result<(), String> {
        if host_of(&self.url).is_none_or(|host| host.is_empty() || host.starts_with('-')) {
            return Err("there is no host in it".to_owned());
        }
        let is_reference = |c: char| c.is_alphanumeric() || "-_./+@=,%!".contains(c);
        let reference = &self.reference;
        let is_bad = reference.starts_with('-')
            || reference.contains("..")
            || reference.contains("@{")
            || !reference.chars().all(is_reference);
        if is_bad {
            return Err(format!("{reference:?} is no branch, tag or commit"));
        }
        if self.directory.split('/').any(|name| name == ".." || name == ".git") {
            return Err(format!("the directory {:?} leads out of the repository", self.directory));
        }
        self.checksum.as_deref().map_or(Ok(()), check_digest)
    }

    /// The same with a digest that the commit must have.
    ///
    /// # Errors
    /// The text is no beginning of a digest in hexadecimal.
    pub fn with_checksum(mut self, checksum: &str) -> Result<Self, InvalidRemote> {
        let invalid = |reason| InvalidRemote { address: without_password(&self.url), reason };
        check_digest(checksum).map_err(invalid)?;
        self.checksum = Some(checksum.to_owned());
        Ok(self)
    }
}

fn check_digest(text: &str) -> Result<(), String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_hex && (SHORTEST_DIGEST..=64).contains(&text.len()) {
        return Ok(());
    }
    Err(format!("{text:?} is no commit's digest: {SHORTEST_DIGEST} hexadecimal digits at least"))
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{key} is true or false, not {value:?}")),
    }
}

fn pair(field: &str) -> (&str, &str) {
    field.split_once('=').unwrap_or((field, ""))
}

/// `user@host:path`, as `scp` has it.
fn is_scp(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    let host_and_path = rest.split_once(':');
    is_word(user) && host_and_path.is_some_and(|(host, path)| is_word(host) && !path.is_empty())
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').map_or("", |(_, path)| path)
}

fn host_of(url: &str) -> Option<&str> {
    let Some((_, rest)) = url.split_once("://") else {
        return url.split_once('@')?.1.split_once(':').map(|(host, _)| host);
    };
    let authority = rest.split('/').next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}
