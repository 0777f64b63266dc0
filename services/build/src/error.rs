//! Why a build fails.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use gantry_dockerfile::{InvalidPattern, InvalidSubstitution, Problem, Span, SyntaxError};
use gantry_types::ErrorKind;

/// A build that failed. The texts are for the one who wrote the Dockerfile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Dockerfile cannot be read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A step failed.
    #[error("line {}: {step}", span.first)]
    Step {
        /// Its lines.
        span: Span,
        /// What it says.
        step: String,
        /// Why.
        source: Box<Error>,
    },
    /// No stage has the name.
    #[error("target stage {0:?} could not be found")]
    NoTarget(String),
    /// A stage needs itself.
    #[error("circular dependency detected on stage: {0}")]
    Circle(String),
    /// `FROM` or `--from` gives no name.
    #[error("base name ({0}) should not be blank")]
    BlankBase(String),
    /// A value that is wrong only now that its variables have values.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// A platform that is none.
    #[error(transparent)]
    Platform(#[from] gantry_oci::image::InvalidPlatform),
    /// An address that is none.
    #[error(transparent)]
    Remote(#[from] gantry_dockerfile::InvalidRemote),
    /// What was fetched is not what was asked for.
    #[error("{address} has the digest {found}, and {wanted} was asked for")]
    Checksum {
        /// Where it came from.
        address: String,
        /// Its digest.
        found: String,
        /// The digest that it should have.
        wanted: String,
    },
    /// Variables in a form that is none.
    #[error(transparent)]
    Substitution(#[from] InvalidSubstitution),
    /// A pattern of `.dockerignore` or `--exclude`.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// Nothing is there.
    #[error("{path:?} is not there in {place}{hint}")]
    NotFound {
        /// What was looked for.
        path: String,
        /// Where.
        place: String,
        /// What may be the reason.
        hint: &'static str,
    },
    /// Several files for one name.
    #[error(
        "when using {0} with more than one source file, the destination must be a directory and end with a /"
    )]
    ManySources(&'static str),
    /// A directory where a file is, or the other way round.
    #[error("cannot copy {what} to {path:?}: {obstacle} is there")]
    Obstacle {
        /// What was to be copied.
        what: &'static str,
        /// Where to.
        path: String,
        /// What is there.
        obstacle: &'static str,
    },
    /// Neither a file nor a directory.
    #[error(
        "{0:?} is a device or something else that is no file: a build takes none from its context"
    )]
    NotOrdinary(String),
    /// A file of the context is not what it was.
    #[error("{0:?} was changed while the build read it: build again")]
    Changed(String),
    /// A file that a layer cannot have.
    #[error("{0:?} has a name that layers reserve for deletions (.wh.): give the file another one")]
    Reserved(String),
    /// A value that is not of its form.
    #[error("invalid {what} {value:?}: {reason}")]
    Invalid {
        /// Of what.
        what: &'static str,
        /// The value.
        value: String,
        /// What would be right.
        reason: String,
    },
    /// More than there may be.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// A command ended with a failure.
    #[error("The command '{command}' returned a non-zero code: {code}")]
    Command {
        /// What was executed.
        command: String,
        /// Its exit code.
        code: u8,
    },
    /// Understood, but not part of this version.
    #[error("{0} is not there yet in this version of Gantry")]
    NotThereYet(String),
    /// The one who asked has gone.
    #[error("the build was cancelled")]
    Cancelled,
    /// A stage has no thread.
    #[error("start a thread for a stage of the build")]
    Thread(#[source] io::Error),
    /// Another stage failed first.
    #[error("another stage failed")]
    Abandoned,
    /// A file of a source cannot be read.
    #[error("read {path:?}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// An archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] gantry_archive::Error),
    /// What is remembered of earlier builds cannot be read or written.
    #[error(transparent)]
    Database(#[from] gantry_db::Error),
    /// The workshop failed.
    #[error(transparent)]
    Workshop(Failure),
}

/// A failure of those who know images, layers and containers: their own error, and of what sort it is.
#[derive(Debug)]
pub struct Failure {
    kind: ErrorKind,
    error: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl Error {
    /// The exit code of the command that failed, where that is the reason.
    pub fn command_code(&self) -> Option<u8> {
        match self {
            Self::Command { code, .. } => Some(*code),
            Self::Step { source, .. } => source.command_code(),
            _ => None,
        }
    }

    /// A failure of the workshop.
    pub fn workshop(kind: ErrorKind, error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Workshop(Failure { kind, error: Box::new(error) })
    }

    pub(crate) fn invalid(what: &'static str, value: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { what, value: value.to_owned(), reason: reason.into() }
    }

    /// A directory where something else is, or something else where a directory is.
    pub(crate) fn obstacle(path: &[u8], is_directory: bool) -> Self {
        let path = String::from_utf8_lossy(path).into_owned();
        let (what, obstacle) = if is_directory {
            ("a directory", "a file or a link")
        } else {
            ("a file", "a directory")
        };
        Self::Obstacle { what, path, obstacle }
    }

    pub(crate) fn read(path: &[u8], source: impl Into<io::Error>) -> Self {
        Self::Read { path: String::from_utf8_lossy(path).into_owned(), source: source.into() }
    }

    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Step { source, .. } => source.kind(),
            Self::Workshop(failure) => failure.kind,
            Self::Archive(error) => error.kind(),
            Self::Database(error) => error.kind(),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotThereYet(_) => ErrorKind::NotImplemented,
            Self::Limit { .. } => ErrorKind::TooLarge,
            Self::Read { .. } | Self::Thread(_) | Self::Abandoned | Self::Cancelled => {
                ErrorKind::Internal
            }
            _ => ErrorKind::InvalidParameter,
        }
    }
}
