//! Files of git repositories, by the host's git program: what is fetched is kept, and a directory is filled with a commit.
//!
//! Neither servers nor repositories are trusted. The program gets no environment, no configuration, no terminal and no
//! input; only the protocols of addresses that users write are spoken, hooks and filters are off, and what a
//! commit unpacks to is counted before it is unpacked. See git-config(1), gitattributes(5) and git-submodule(1).

mod address;
mod checkout;
mod error;
mod kept;
mod program;
mod resolve;

use std::path::PathBuf;

pub use checkout::Checkout;
pub use error::Error;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Repositories that were fetched once, and how others are reached.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    /// The folder that they are kept in.
    pub folder: PathBuf,
    /// `NAME=value`: proxies, as the program has them.
    pub environment: Vec<(String, String)>,
    /// What may come out of one of them.
    pub limits: Limits,
}

/// What a commit may unpack to, and what it may with all its submodules and their own directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most files.
    pub files: u64,
    /// The most bytes that these may have.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 1_000_000, bytes: 20 << 30 }
    }
}

/// What is wanted of a repository.
#[derive(Clone, Default)]
pub struct Wanted {
    /// Where it is.
    pub url: String,
    /// A branch, a tag, a commit or a full reference; empty for what the server shows first.
    pub reference: String,
    /// The repository's own directory comes along.
    pub keeps_git_dir: bool,
    /// Repositories that it names come along.
    pub has_submodules: bool,
    /// Who asks, where the server wants to know.
    pub login: Option<Login>,
    /// The socket of an agent that has keys for `ssh`.
    pub agent: Option<PathBuf>,
}

/// Who asks. It is never shown.
#[derive(Clone)]
pub enum Login {
    /// A token, as GitHub's and GitLab's are.
    Token(String),
    /// The value of an `Authorization` header.
    Header(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}
