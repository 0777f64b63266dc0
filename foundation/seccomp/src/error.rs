//! What can be wrong with a profile.

use gantry_types::ErrorKind;

use crate::instruction::MAX_INSTRUCTIONS;

/// Why a profile cannot become a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("seccomp profile: unknown architecture {name:?}")]
    UnknownArchitecture { name: String },
    #[error("seccomp profile: unknown flag {name:?}")]
    UnknownFlag { name: String },
    #[error("seccomp profile: a rule names an empty system call")]
    EmptyName,
    #[error("seccomp profile: errno {errno} of {subject} is above {limit}")]
    ErrnoTooLarge { subject: String, errno: u32, limit: u32 },
    #[error("seccomp profile: errnoRet {errno} of {subject}: the action {action} takes none")]
    UselessErrno { subject: String, errno: u32, action: &'static str },
    #[error("seccomp profile: a rule names no system call")]
    NoNames,
    #[error("seccomp profile: listenerMetadata needs listenerPath")]
    MetadataWithoutListener,
    #[error("seccomp profile: argument index {index} of system call {syscall:?} is above 5")]
    ArgumentIndex { syscall: String, index: u32 },
    #[error("seccomp profile: SCMP_ACT_NOTIFY cannot be the default action")]
    NotifyDefault,
    /// The calls that carry the listener out of the container must not wait for that same listener.
    #[error("seccomp profile: SCMP_ACT_NOTIFY cannot be used for system call {syscall:?}")]
    NotifyHandover { syscall: String },
    #[error("seccomp profile: SCMP_ACT_NOTIFY needs listenerPath")]
    NotifyWithoutListener,
    #[error("seccomp profile: more than {limit} conditional rules for one system call")]
    TooManyRules { limit: usize },
    #[error(
        "seccomp profile: the filter has more than {MAX_INSTRUCTIONS} instructions, use fewer rules"
    )]
    TooLong,
}

impl Error {
    /// Every error here is a fault of the profile.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}
