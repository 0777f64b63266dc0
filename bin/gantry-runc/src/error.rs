//! What a command can fail with, its full text, and the exit code.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Runtime(#[from] gantry_runtime::Error),
    /// An `exec` of which everything was understood.
    #[error("exec failed")]
    Exec(#[source] Box<Self>),
    #[error("{what} {}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("parse {}", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("write to standard output")]
    Output(#[source] io::Error),
    #[error("{what}")]
    System { what: &'static str, source: io::Error },
}

impl Error {
    /// A failure of `exec`. What was not understood stays what it is.
    pub(crate) fn of_exec(self) -> Self {
        if matches!(self, Self::Usage(_)) { self } else { Self::Exec(Box::new(self)) }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// 255 tells callers that the code is not the program's of an `exec`.
    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Self::Exec(_)) { 255 } else { 1 }
    }

    /// The error and its causes in one line.
    pub(crate) fn full_text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
