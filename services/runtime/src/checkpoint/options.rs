//! What callers of checkpoint and restore say: options, no behaviour.

use std::os::fd::BorrowedFd;
use std::path::Path;

/// What both directions need.
#[derive(Debug, Clone)]
pub struct CriuOptions<'a> {
    /// The program, see [`find_criu`](super::find_criu).
    pub program: &'a Path,
    /// Where the images are.
    pub image_dir: &'a Path,
    /// Where CRIU's log goes. Without one a checkpoint's is beside the images, and a restore's is gone when it ends.
    pub work_dir: Option<&'a Path>,
    pub switches: &'a [Switch],
    pub cgroups: CgroupMode,
    /// The container's network namespace is neither written nor made again; somebody else sets the new one up.
    pub empty_network: bool,
}

impl<'a> CriuOptions<'a> {
    pub fn new(program: &'a Path, image_dir: &'a Path) -> Self {
        Self {
            program,
            image_dir,
            work_dir: None,
            switches: &[],
            cgroups: CgroupMode::Default,
            empty_network: false,
        }
    }

    pub(super) fn has(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }
}

/// CRIU's settings that are on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Connections that are open are kept.
    TcpEstablished,
    /// Connections that are being made are left out (checkpoint).
    TcpSkipInFlight,
    /// Unix sockets whose other end is outside.
    ExternalUnixSockets,
    /// The container's session or terminal is the caller's.
    ShellJob,
    FileLocks,
    /// Memory is fetched when it is needed, from a page server.
    LazyPages,
    /// Pages that a later image holds again are dropped from the earlier one.
    AutoDedup,
    /// Files that were unlinked may be linked again for the time between (checkpoint).
    LinkRemap,
}

/// How much of the container's cgroups CRIU looks after. Limits are always set from the bundle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupMode {
    /// What CRIU does when it is not told.
    #[default]
    Default,
    /// Processes are in the container's cgroup, whatever they were in.
    Ignore,
    /// Cgroups that are missing are made.
    Soft,
    /// Those that are there are changed, too.
    Full,
    /// Those that are there are an error.
    Strict,
}

/// What becomes of the processes when they are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AfterDump {
    #[default]
    Kill,
    LeaveRunning,
    /// Only memory was written, ahead of a checkpoint that names this one as its parent.
    PreDump,
}

/// A process elsewhere that takes the memory over the network.
#[derive(Debug, Clone, Copy)]
pub struct PageServer<'a> {
    pub address: &'a str,
    pub port: u16,
}

/// How [`checkpoint`](super::checkpoint()) writes a container.
#[derive(Debug, Clone)]
pub struct CheckpointOptions<'a> {
    pub criu: CriuOptions<'a>,
    pub after: AfterDump,
    /// The images of an earlier pre-dump: a path relative to the image directory.
    pub parent: Option<&'a Path>,
    pub page_server: Option<PageServer<'a>>,
    /// Gets one byte when lazy pages can be fetched.
    pub status_fd: Option<BorrowedFd<'a>>,
}

impl<'a> CheckpointOptions<'a> {
    pub fn new(criu: CriuOptions<'a>) -> Self {
        Self { criu, after: AfterDump::Kill, parent: None, page_server: None, status_fd: None }
    }
}

/// How [`restore`](super::restore()) makes a container again.
#[derive(Debug, Clone)]
pub struct RestoreOptions<'a> {
    pub criu: CriuOptions<'a>,
    /// An LSM profile instead of the one that was in force.
    pub lsm_profile: Option<&'a str>,
    /// The same for the label of mounts.
    pub lsm_mount_context: Option<&'a str>,
}

impl<'a> RestoreOptions<'a> {
    pub fn new(criu: CriuOptions<'a>) -> Self {
        Self { criu, lsm_profile: None, lsm_mount_context: None }
    }
}
