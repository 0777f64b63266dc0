//! The mounts of the document, each attached to a descriptor that was found or made inside the root.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use gantry_sys::mount::{Attributes, Change};
use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, mkdirat, symlinkat};
use rustix::io::Errno;

use crate::failure::{During, Failure};
use crate::plan::{MountKind, MountOptions, MountPlan, Plan};
use crate::prepare::{CgroupMount, Prepared};
use crate::procfs::PROC_MAGIC;
use crate::root::{Missing, Root};
use crate::rootless::Caller;
use crate::rootless::filesystem::FilesystemMaker;
use crate::{copy_up, filesystem};

/// Files of `/proc` that tools like lxcfs may cover. Everything else there tells the kernel's state to programs that trust it, and a
/// mount over it could make the runtime itself write into a file of the container's choice.
const COVERABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
];

pub(super) fn apply(
    root: &Root,
    plan: &Plan,
    prepared: &Prepared,
    caller: Caller,
) -> Result<(), Failure> {
    let maker = FilesystemMaker::new(plan, caller);
    for (mount, bind) in plan.mounts.iter().zip(&prepared.binds) {
        if mount.destination.components().all(|part| part == Component::RootDir) {
            return Err(Failure::invalid("a mount's destination cannot be the root itself"));
        }
        match (&mount.kind, bind) {
            (MountKind::Bind(_), Some(tree)) => attach_bind(root, mount, tree)?,
            (MountKind::Filesystem(kind), _) => {
                attach_new(root, mount, kind, &maker)?;
            }
            (MountKind::Cgroup, _) => {
                attach_cgroups(root, mount, &prepared.cgroups, maker.label())?;
            }
            (MountKind::Bind(_), None) => return Err(Failure::invalid("a bind without source")),
        }
    }
    Ok(())
}

fn attach_bind(root: &Root, mount: &MountPlan, tree: &OwnedFd) -> Result<(), Failure> {
    let what = || format!("bind {} to {}", mount.source, mount.destination.display());
    let missing =
        if is_directory(tree.as_fd(), what)? { Missing::Directory } else { Missing::File };
    let target = root.find_or_make(&mount.destination, missing).during_with(what)?;
    if is_directory(target.as_fd(), what)? != (missing == Missing::Directory) {
        return Err(Failure::invalid(format!(
            "{}: not a directory: a directory can only be mounted on a directory, a file on a file",
            what()
        )));
    }
    check_proc(mount, target.as_fd(), Some(tree.as_fd()))?;
    filesystem::attach(tree.as_fd(), target.as_fd()).during_with(what)
}

fn attach_new(
    root: &Root,
    mount: &MountPlan,
    kind: &str,
    maker: &FilesystemMaker<'_>,
) -> Result<(), Failure> {
    let what = || format!("mount {kind} to {}", mount.destination.display());
    // A directory made for the mount has no mode that anybody chose.
    let covers = kind == "tmpfs" && root.find(&mount.destination).is_ok();
    let target = if matches!(kind, "proc" | "sysfs") {
        // The kernel's own trees must be where programs look for them.
        let found = root.find_or_make_without_links(&mount.destination, Missing::Directory);
        match found {
            Err(error) if is_no_directory(&error) => {
                return Err(Failure::invalid(format!(
                    "filesystem {kind:?} must be mounted on an ordinary directory, and {} is none",
                    mount.destination.display()
                )));
            }
            found => found.during_with(what)?,
        }
    } else {
        root.find_or_make(&mount.destination, Missing::Directory).during_with(what)?
    };
    check_proc(mount, target.as_fd(), None)?;
    let options = mount.options.clone().with_label(kind, maker.label());
    let made = if kind == "tmpfs" {
        new_tmpfs(&mount.source, options, target.as_fd(), covers)?
    } else {
        maker.make(kind, &mount.source, options)?
    };
    if kind == "mqueue" && !maker.label().is_empty() {
        label_queues(made.as_fd(), maker.label())?;
    }
    filesystem::attach(made.as_fd(), target.as_fd()).during_with(what)
}

/// Message queues take no label as a mount option. Where they are the host's own, their label is nothing that this process could change.
fn label_queues(queues: BorrowedFd<'_>, label: &str) -> Result<(), Failure> {
    match gantry_sys::selinux::set_label(queues, label)
        .map_err(|error| Errno::from_io_error(&error))
    {
        Ok(()) | Err(Some(Errno::NOTSUP | Errno::ACCESS | Errno::PERM)) => Ok(()),
        Err(errno) => Err(Failure::invalid(format!(
            "label /dev/mqueue as {label:?}: {}",
            errno.unwrap_or(Errno::IO)
        ))),
    }
}

/// A symbolic link, or something else that is no directory, was on the way.
fn is_no_directory(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR))
}

/// A tmpfs has the mode of the directory that it covers, unless it is told another or there was none, and its contents when it is told
/// to.
fn new_tmpfs(
    source: &str,
    mut options: MountOptions,
    target: BorrowedFd<'_>,
    covers: bool,
) -> Result<OwnedFd, Failure> {
    if covers && options.value("mode").is_none() {
        let covered = fstat(target).during("look at a tmpfs's directory")?;
        options.data.push(("mode".to_owned(), Some(format!("{:o}", covered.st_mode & 0o7777))));
    }
    if !options.copy_up {
        return filesystem::new("tmpfs", source, &options);
    }
    // It becomes read-only, if it shall be, when the copy is made.
    let change = options.change;
    options.change.set = change.set.without(Attributes::RDONLY);
    let made = filesystem::new("tmpfs", source, &options)?;
    copy_up::copy(target, made.as_fd())?;
    filesystem::set_attributes(made.as_fd(), change).during("set the attributes of a tmpfs")?;
    Ok(made)
}

/// The container's own cgroups: one mount on a host with the unified hierarchy alone, else a directory of them.
fn attach_cgroups(
    root: &Root,
    mount: &MountPlan,
    cgroups: &[CgroupMount],
    label: &str,
) -> Result<(), Failure> {
    let what = || format!("mount cgroups to {}", mount.destination.display());
    let target = root.find_or_make(&mount.destination, Missing::Directory).during_with(what)?;
    check_proc(mount, target.as_fd(), None)?;
    if let [only] = cgroups
        && only.name.is_empty()
    {
        filesystem::change_bind(only.tree.as_fd(), &mount.options).during_with(what)?;
        return filesystem::attach(only.tree.as_fd(), target.as_fd()).during_with(what);
    }
    let words = ["nosuid", "nodev", "noexec", "mode=755"];
    let options = MountOptions::parse(&words).with_label("tmpfs", label);
    let directory = filesystem::new("tmpfs", "tmpfs", &options)?;
    filesystem::attach(directory.as_fd(), target.as_fd()).during_with(what)?;
    for cgroup in cgroups {
        attach_cgroup(directory.as_fd(), cgroup, &mount.options)?;
    }
    if mount.options.change.set.contains(Attributes::RDONLY) {
        let change = Change { set: Attributes::RDONLY, ..Change::default() };
        filesystem::set_attributes(directory.as_fd(), change).during_with(what)?;
    }
    Ok(())
}

fn attach_cgroup(
    directory: BorrowedFd<'_>,
    cgroup: &CgroupMount,
    options: &MountOptions,
) -> Result<(), Failure> {
    let what = || format!("mount the cgroup {}", cgroup.name);
    mkdirat(directory, &cgroup.name, Mode::from_raw_mode(0o755)).during_with(what)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target =
        rustix::fs::openat(directory, &cgroup.name, flags, Mode::empty()).during_with(what)?;
    filesystem::change_bind(cgroup.tree.as_fd(), options).during_with(what)?;
    filesystem::attach(cgroup.tree.as_fd(), target.as_fd()).during_with(what)?;
    for alias in &cgroup.aliases {
        symlinkat(&cgroup.name, directory, alias).during_with(what)?;
    }
    Ok(())
}

fn check_proc(
    mount: &MountPlan,
    target: BorrowedFd<'_>,
    source: Option<BorrowedFd<'_>>,
) -> Result<(), Failure> {
    let destination: PathBuf = mount.destination.components().collect();
    let is_proc = |fd: BorrowedFd<'_>| {
        fstatfs(fd).map(|found| found.f_type.cast_unsigned() == PROC_MAGIC).during("statfs")
    };
    if destination == Path::new("/proc") {
        let ours = mount.is_filesystem("proc");
        if ours || source.map(is_proc).transpose()?.unwrap_or(false) {
            return Ok(());
        }
        return Err(Failure::invalid("only a procfs can be mounted at /proc"));
    }
    let covered = COVERABLE.iter().any(|path| Path::new(path) == destination);
    if is_proc(target)? && !covered {
        return Err(Failure::invalid(format!(
            "{} cannot be mounted because it is inside /proc",
            mount.destination.display()
        )));
    }
    Ok(())
}

fn is_directory<D: std::fmt::Display>(
    fd: BorrowedFd<'_>,
    what: impl FnOnce() -> D,
) -> Result<bool, Failure> {
    let found = fstat(fd).during_with(what)?;
    Ok(FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}
