//! What can go wrong with control groups.

use std::io;
use std::path::PathBuf;

use gantry_types::ErrorKind;

/// What was tried, and on what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cgroup path {path:?} {reason}")]
    BadPath { path: String, reason: &'static str },
    #[error("no cgroup hierarchy is mounted, mount one at /sys/fs/cgroup")]
    NoHierarchies,
    #[error("look for cgroup hierarchies in {path}")]
    Detect { path: PathBuf, source: io::Error },
    #[error("create cgroup {directory}")]
    Create { directory: PathBuf, source: io::Error },
    #[error("open cgroup {directory}")]
    Open { directory: PathBuf, source: io::Error },
    #[error("cgroup {directory} already holds {processes} processes, use another path")]
    InUse { directory: PathBuf, processes: usize },
    #[error("read {file}")]
    Read { file: PathBuf, source: io::Error },
    #[error("write {value:?} to {file}")]
    Write { file: PathBuf, value: String, source: io::Error },
    #[error("understand {text:?} in {file}")]
    Parse { file: PathBuf, text: String },
    #[error("set {setting} to {value:?} in {file}")]
    Set { setting: String, value: String, file: PathBuf, source: io::Error },
    #[error("cannot set {setting}: the {controller} cgroup controller is not available")]
    NoController { setting: String, controller: &'static str },
    #[error("cannot set {setting}: the kernel does not offer {file}")]
    NoFile { setting: String, file: PathBuf },
    #[error("cannot set {setting}: cgroup {version} has no such limit")]
    NotInVersion { setting: String, version: &'static str },
    #[error("{setting} {value}: {reason}")]
    BadValue { setting: String, value: String, reason: String },
    #[error(
        "unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak}), use a higher limit"
    )]
    MemoryInUse { limit: i64, usage: u64, peak: u64 },
    #[error("join cgroup {directory}")]
    Join { directory: PathBuf, source: io::Error },
    #[error("freeze cgroup {directory}: it is still {state} after {waited_ms} ms")]
    StillThawed { directory: PathBuf, state: String, waited_ms: u128 },
    #[error(
        "cgroup {directory} cannot be frozen: neither the freezer controller nor cgroup v2 is available"
    )]
    NoFreezer { directory: PathBuf },
    #[error("cgroup {directory} is frozen: thaw it first, or use another path")]
    Frozen { directory: PathBuf },
    #[error("give {file} to user {uid}")]
    Delegate { uid: u32, file: PathBuf, source: io::Error },
    #[error("kill process {pid} of cgroup {directory}")]
    Kill { pid: i32, directory: PathBuf, source: io::Error },
    #[error("remove cgroup {directory}")]
    Remove { directory: PathBuf, source: io::Error },
    #[error("device rule {rule:?}: {reason}")]
    DeviceRule { rule: String, reason: &'static str },
    #[error("{step} the device filter of cgroup {directory}")]
    DeviceFilter { step: &'static str, directory: PathBuf, source: io::Error },
}

impl Error {
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadPath { .. }
            | Self::BadValue { .. }
            | Self::MemoryInUse { .. }
            | Self::NoController { .. }
            | Self::NoFile { .. }
            | Self::NotInVersion { .. }
            | Self::DeviceRule { .. } => ErrorKind::InvalidParameter,
            // The kernel looked at the value and refused it.
            Self::Set { source, .. }
                if matches!(
                    source.raw_os_error().map(rustix::io::Errno::from_raw_os_error),
                    Some(
                        rustix::io::Errno::INVAL
                            | rustix::io::Errno::RANGE
                            | rustix::io::Errno::NODEV
                            | rustix::io::Errno::BUSY
                            | rustix::io::Errno::NOSPC
                    )
                ) =>
            {
                ErrorKind::InvalidParameter
            }
            Self::InUse { .. } | Self::Frozen { .. } => ErrorKind::Conflict,
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::NoHierarchies | Self::NoFreezer { .. } => ErrorKind::NotImplemented,
            _ => ErrorKind::Internal,
        }
    }
}
