//! Everything that can fail here, and how it travels to the caller.

use gantry_shim_protocol::rpc::{Code, Status};
use gantry_types::ErrorKind;
use std::io;
use std::path::PathBuf;

/// Why the shim did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{reason}")]
    Usage { reason: String },
    #[error(transparent)]
    Protocol(#[from] gantry_shim_protocol::Error),
    #[error(transparent)]
    Runtime(#[from] gantry_runtime::Error),
    #[error(transparent)]
    Log(#[from] gantry_logs::Error),
    #[error("{action} {path}")]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{action}")]
    System { action: &'static str, source: io::Error },
    #[error("parse the process of exec {exec_id}")]
    ExecSpec { exec_id: String, source: serde_json::Error },
    #[error("parse resources")]
    Resources { source: serde_json::Error },
    #[error("read what the container uses")]
    Stats { source: gantry_cgroup::Error },
    #[error("a shim runs for this bundle already: {path} answers")]
    AlreadyRunning { path: PathBuf },
    #[error("no container {0} here")]
    NoContainer(String),
    #[error("no such exec {0}")]
    NoExec(String),
    #[error("container {0} exists already")]
    ContainerExists(String),
    #[error("exec {0} exists already")]
    ExecExists(String),
    #[error("process already finished")]
    Finished,
    #[error("process is not running yet: start it first")]
    NotStarted,
    #[error("process has been started already")]
    AlreadyStarted,
    #[error("cannot delete a running process")]
    StillRunning,
    #[error("{what} is too long")]
    TooLong { what: &'static str },
    #[error("invalid argument: {reason}")]
    Invalid { reason: String },
    #[error("too many {what}: {limit} at most")]
    TooMany { what: &'static str, limit: usize },
    #[error("this shim is about to end: start another")]
    Ending,
    #[error("{bundle} is no bundle: it has no config.json")]
    NoBundle { bundle: PathBuf },
    #[error("there is no program {name} in PATH")]
    NoProgram { name: String },
    /// Another runtime's own words.
    #[error("{program} {operation}: {words}")]
    OtherRuntime { program: PathBuf, operation: String, words: String },
    /// What the shim of a group said.
    #[error("{words}")]
    Refused { words: String },
    #[error("put the shim into cgroup {path}")]
    ShimCgroup { path: String, source: gantry_cgroup::Error },
    #[error("logger {program}: {reason}")]
    Logger { program: PathBuf, reason: String },
    #[error("{what} is not there yet in gantry-shim")]
    NotThereYet { what: String },
}

impl From<gantry_shim_protocol::wire::Error> for Error {
    fn from(error: gantry_shim_protocol::wire::Error) -> Self {
        Self::Protocol(error.into())
    }
}

impl Error {
    /// A system call that failed.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// The same for rustix.
    pub(crate) fn errno(action: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::System { action, source: errno.into() }
    }

    /// A file that failed.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// The sort of failure.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Usage { .. }
            | Self::ExecSpec { .. }
            | Self::Resources { .. }
            | Self::Invalid { .. }
            | Self::NoBundle { .. }
            | Self::NoProgram { .. }
            | Self::Logger { .. }
            | Self::TooLong { .. } => ErrorKind::InvalidParameter,
            Self::Protocol(error) => error.kind(),
            Self::Runtime(error) => error.kind(),
            Self::Log(error) => error.kind(),
            Self::File { .. }
            | Self::System { .. }
            | Self::Stats { .. }
            | Self::OtherRuntime { .. } => ErrorKind::Internal,
            Self::Ending => ErrorKind::Unavailable,
            Self::ShimCgroup { source, .. } => source.kind(),
            Self::NoContainer(_) | Self::NoExec(_) | Self::Finished => ErrorKind::NotFound,
            Self::AlreadyRunning { .. }
            | Self::ContainerExists(_)
            | Self::ExecExists(_)
            | Self::NotStarted
            | Self::AlreadyStarted
            | Self::StillRunning
            | Self::TooMany { .. }
            | Self::Refused { .. } => ErrorKind::Conflict,
            Self::NotThereYet { .. } => ErrorKind::NotImplemented,
        }
    }

    /// The status that an exec has which failed in this way: 127 when its program was not found, 126 when
    /// it cannot be executed.
    pub(crate) fn exec_code(&self) -> Option<u8> {
        match self {
            Self::Runtime(error) => error.exec_code(),
            Self::OtherRuntime { words, .. } if words.contains("not found") => Some(127),
            Self::OtherRuntime { words, .. } if words.contains("no such file") => Some(127),
            _ => None,
        }
    }

    /// The error as the answer to a call: the words as they are, with their causes.
    pub(crate) fn to_status(&self) -> Status {
        let code = match self {
            Self::ContainerExists(_) | Self::ExecExists(_) => Code::AlreadyExists,
            Self::TooMany { .. } => Code::ResourceExhausted,
            _ => Code::from_kind(self.kind()),
        };
        Status::new(code, whole_text(self))
    }
}

/// An error with all its causes; a cause whose words are in the text already is not said twice.
pub(crate) fn whole_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// Words of trouble for whoever reads this process's stderr; nobody may.
pub(crate) fn complain(text: &str) {
    let line = format!("gantry-shim: {text}\n");
    rustix::io::write(rustix::stdio::stderr(), line.as_bytes()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let source = io::Error::other("disk on fire");
        let error = Error::File { action: "open", path: PathBuf::from("/x"), source };
        assert_eq!(whole_text(&error), "open /x: disk on fire");
        let status = error.to_status();
        assert_eq!(status.code, Code::Unknown as i32);
    }

    #[test]
    fn kinds_travel_as_codes() {
        assert_eq!(Error::Finished.to_status().code, Code::NotFound as i32);
        assert_eq!(Error::StillRunning.to_status().code, Code::FailedPrecondition as i32);
        assert_eq!(Error::ExecExists("e".to_owned()).to_status().code, Code::AlreadyExists as i32);
    }
}
