//! Everything that a command can fail with before or beside the daemon's own refusals. Exit codes: `exit`.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use gantry_client::FramesError;
use gantry_types::ErrorKind;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The daemon refused, or cannot be reached.
    #[error(transparent)]
    Client(#[from] gantry_client::Error),
    /// The streams of a container broke.
    #[error(transparent)]
    Frames(FramesError),
    /// An address that nothing can listen at.
    #[error(transparent)]
    Host(#[from] gantry_client::InvalidHost),
    /// The command line is wrong; the text says how and is printed as it is.
    #[error("{text}")]
    Usage { text: String, code: u8 },
    /// What was asked for contradicts itself or the state of things, in one sentence.
    #[error("{0}")]
    Refused(String),
    /// `run` or `create` failed before there was a container that runs.
    #[error("gantry: {source}\n\nRun 'gantry {command} --help' for more information")]
    NotStarted { command: &'static str, source: Box<Error> },
    /// Work on a file failed.
    #[error("{action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    /// The terminal did not do what was asked of it.
    #[error("{action}")]
    Terminal { action: &'static str, source: io::Error },
    /// The system below failed: a runtime, a signal handler, the standard streams.
    #[error("{action}")]
    System { action: &'static str, source: io::Error },
    /// The daemon could not be started.
    #[error("cannot start the Gantry daemon: {reason}")]
    Autostart { reason: String },
    /// A document of the daemon cannot be shown.
    #[error("cannot show the answer as JSON")]
    Json(#[from] serde_json::Error),
    /// Whoever read our output has gone.
    #[error("the output was closed")]
    OutputClosed,
    /// Some of several things failed, and each failure was reported when it happened.
    #[error("some failed")]
    Reported,
}

impl From<FramesError> for Error {
    fn from(error: FramesError) -> Self {
        match error {
            FramesError::Write(source) if source.kind() == io::ErrorKind::BrokenPipe => {
                Self::OutputClosed
            }
            other => Self::Frames(other),
        }
    }
}

impl Error {
    /// What sort of failure it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Client(error) => error.kind(),
            Self::NotStarted { source, .. } => source.kind(),
            Self::Host(_) | Self::Usage { .. } | Self::Refused(_) => ErrorKind::InvalidParameter,
            Self::Autostart { .. } => ErrorKind::Unavailable,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Frames(_)
            | Self::File { .. }
            | Self::Terminal { .. }
            | Self::System { .. }
            | Self::Json(_)
            | Self::OutputClosed
            | Self::Reported => ErrorKind::Internal,
        }
    }

    /// A sentence of our own.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// For `map_err`: work on `path` failed.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// What the user reads: the failure and its causes.
    pub(crate) fn report(&self) -> String {
        if let Self::NotStarted { command, source } = self {
            let sentence = source.report();
            return format!(
                "gantry: {sentence}\n\nRun 'gantry {command} --help' for more information"
            );
        }
        let mut text = self.to_string();
        // That nobody listens says it all; why the system thinks so adds nothing.
        if matches!(self, Self::Client(error) if error.nobody_listens()) {
            return text;
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            let reason = error.to_string();
            // The number of a system error says nothing to people that its text does not.
            let reason = reason.split(" (os error ").next().unwrap_or_default();
            if !text.ends_with(reason) {
                text.push_str(": ");
                text.push_str(reason);
            }
            cause = error.source();
        }
        text
    }
}
