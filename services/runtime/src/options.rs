//! What callers of the runtime say and get: options and results, no behaviour.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use gantry_oci::runtime::{Process, Spec};
use gantry_sys::self_copy::Pending;
use gantry_types::SEARCH_PATH;

/// How [`create`](crate::create()) makes a container.
#[derive(Debug)]
pub struct CreateOptions<'a> {
    /// Names the container in records, hooks and messages: 1 to 1024 of `[a-zA-Z0-9_+.-]`, not `.` or `..`.
    pub id: &'a str,
    /// Directory that holds `config.json`.
    pub bundle: &'a Path,
    /// What is in `config.json`, from a caller that has read it already.
    pub spec: Option<&'a Spec>,
    /// Directory for the container's record. `create` makes it (its parent must exist) and `delete` removes it.
    pub state_dir: &'a Path,
    pub rootfs: Rootfs<'a>,
    pub stdio: Stdio,
    /// Descriptors from 3 on that the container's process keeps; how many.
    pub preserve_fds: u32,
    /// Further settings that are off by default.
    pub flags: CreateFlags,
    /// Variables for the process besides those of `config.json`, which they override.
    pub env: &'a [String],
    /// Gives the container a directory for the socket that its program reports to (`NOTIFY_SOCKET`, see [`notify_socket`]).
    pub notify: bool,
    /// The system bus's socket, for [`CreateFlags::systemd_cgroup`].
    pub system_bus: &'a Path,
    pub cgroup_refusals: CgroupRefusals,
    /// Directory for compiled system call filters, to be found again by later containers; made when it is needed (its parent must
    /// exist), for the caller alone. It holds a few megabytes at most, and may be removed at any time.
    pub filter_cache: Option<&'a Path>,
    /// The copy of its program that the caller goes on from before anything of it enters the container.
    pub own_copy: Option<&'a Pending>,
    /// Nobody has to be told of the process before its program runs: for [`create_to_run`](crate::create_to_run()), which then starts it,
    /// too, where nothing is to be done in between.
    pub start_at_once: bool,
    /// Directories, separated by colons, in which `newuidmap` and `newgidmap` are looked for when an ordinary user asks for ids that are
    /// not his own.
    pub search_path: &'a str,
}

impl<'a> CreateOptions<'a> {
    /// The root of the bundle's `config.json`, inherited stdio, nothing else.
    pub fn new(id: &'a str, bundle: &'a Path, state_dir: &'a Path) -> Self {
        Self {
            id,
            bundle,
            spec: None,
            state_dir,
            rootfs: Rootfs::FromSpec,
            stdio: Stdio::Inherit,
            preserve_fds: 0,
            flags: CreateFlags::default(),
            env: &[],
            notify: false,
            system_bus: Path::new(SYSTEM_BUS),
            cgroup_refusals: CgroupRefusals::ByCaller,
            filter_cache: None,
            own_copy: None,
            start_at_once: false,
            search_path: SEARCH_PATH,
        }
    }
}

/// What to do when nobody lets the caller make a cgroup. One that a limit of the container needs is never done without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupRefusals {
    /// The machine's root fails; others do without.
    #[default]
    ByCaller,
    Tolerated,
    Reported,
}

/// The system bus's usual place.
pub const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// Where the socket of a container belongs that was created with [`CreateOptions::notify`]: whoever listens for its readiness binds it.
pub fn notify_socket(state_dir: &Path) -> PathBuf {
    notify_dir(state_dir).join(NOTIFY_NAME)
}

pub(crate) fn notify_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("notify")
}

/// Where a container sees [`notify_dir`].
pub(crate) const NOTIFY_TARGET: &str = "/run/notify";
pub(crate) const NOTIFY_NAME: &str = "notify.sock";

/// Switches of [`CreateOptions`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CreateFlags {
    /// Use chroot instead of `pivot_root`: for hosts whose root is the kernel's initial ramfs. Weaker.
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// `cgroupsPath` is `slice:prefix:name`: the container becomes a scope of systemd's.
    pub systemd_cgroup: bool,
}

/// Where the root file system comes from.
#[derive(Debug, Clone, Copy)]
pub enum Rootfs<'a> {
    /// `root.path` of `config.json`, an existing directory.
    FromSpec,
    /// A recipe, as containerd's task API carries it. It is built as a detached mount and appears in the container's mount namespace
    /// only. `root.path` is ignored, `root.readonly` holds. Of several mounts each covers the one before it.
    Mounts(&'a [RootfsMount]),
}

/// One step of a recipe for a root file system: `mount -t kind -o options source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootfsMount {
    /// `overlay`, `bind`, or any other file system type.
    pub kind: String,
    pub source: String,
    /// As in fstab: for example `lowerdir=/a:/b`, `upperdir=/u`, `workdir=/w`, `ro`, `rbind`.
    pub options: Vec<String>,
}

/// The standard streams of the container's process.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's own.
    Inherit,
    /// These; the runtime gives their files to the container's user.
    Fds { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
    /// A new pseudo terminal of the container's own devpts; the master comes back in the result.
    Terminal,
}

/// A container that waits for [`start`](crate::start()). Its process is a child of the caller.
#[derive(Debug)]
pub struct Created {
    /// As the caller's pid namespace numbers it.
    pub pid: i32,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The terminal's master for [`Stdio::Terminal`].
    pub terminal: Option<OwnedFd>,
}

/// How [`exec`](crate::exec()) runs another process in a container.
#[derive(Debug)]
pub struct ExecOptions<'a> {
    pub process: &'a Process,
    pub stdio: Stdio,
    /// Descriptors from 3 on that the process keeps; how many.
    pub preserve_fds: u32,
}

/// A process that [`exec`](crate::exec()) started: its program has replaced the runtime's. It is a child of the caller.
#[derive(Debug)]
pub struct Started {
    pub pid: i32,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The terminal's master for [`Stdio::Terminal`].
    pub terminal: Option<OwnedFd>,
}
