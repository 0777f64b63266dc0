//! Making mounts that are attached nowhere yet, and attaching them to a descriptor. No path of a container is used here.
//!
//! Kernels before 5.12, and sandboxes around the runtime, may lack the calls for that. Then the new process does the same with the
//! classic calls ([`classic`]), in the mount namespace that only it is in.

mod classic;
mod context;
mod numbered;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use gantry_sys::mount::{Attributes, Change, Propagation};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsOpenFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsopen, move_mount, open_tree,
    unmount,
};

use crate::failure::{During, Failure};
use crate::plan::{MountOptions, Recursion};
use classic::Stage;
use context::Context;

/// Whether the kernel lets this process make mounts that are attached nowhere. Tried once: version numbers say nothing about sandboxes.
pub(crate) fn is_modern() -> bool {
    static MODERN: OnceLock<bool> = OnceLock::new();
    *MODERN.get_or_init(|| {
        // None of these does anything: a change of nothing, a flag that does not exist, a handle on a directory.
        let attributes = gantry_sys::mount::set_attributes(CWD, Change::default());
        let context = fsopen("tmpfs", FsOpenFlags::from_bits_retain(1 << 30));
        let tree = open_tree(CWD, ".", OpenTreeFlags::OPEN_TREE_CLOEXEC);
        let lacks = |errno: Errno| errno == Errno::NOSYS;
        !(attributes.is_err_and(|error| Errno::from_io_error(&error).is_some_and(lacks))
            || context.is_err_and(lacks)
            || tree.is_err_and(lacks))
    })
}

/// For a new process in its own mount namespace, before it makes its first mount: where the kernel offers only the classic calls, all
/// that is here goes by them from now on. Until the process is somebody in its user namespace it makes at most so many copies.
pub(crate) fn begin(copies: usize) -> Result<(), Failure> {
    if is_modern() { Ok(()) } else { Stage::begin(copies) }
}

/// Cuts the host's mounts off, so that nothing that is mounted from here on travels there.
pub(crate) fn isolate(host: BorrowedFd<'_>) -> io::Result<()> {
    if Stage::get().is_some() {
        // The stage is cut off already. What lies on it still has peers, which it shall have in the container.
        return Ok(());
    }
    let propagation = Some(Propagation::Private);
    set_attributes(host, Change { propagation, recursive: true, ..Change::default() })
}

/// After the change of the root, takes the host's mounts away that lie over it.
pub(crate) fn unmount_host(root: &str) -> io::Result<()> {
    if Stage::get().is_some() {
        // The stage lies over the host's root.
        unmount(root, UnmountFlags::DETACH)?;
    }
    Ok(unmount(root, UnmountFlags::DETACH)?)
}

/// Changes the mount whose root the descriptor refers to (attached or not).
pub(crate) fn set_attributes(mount: BorrowedFd<'_>, change: Change) -> io::Result<()> {
    match Stage::get() {
        Some(_) => classic::set_attributes(mount, change),
        None => gantry_sys::mount::set_attributes(mount, change),
    }
}

/// A new file system of this kind, mounted nowhere.
pub(crate) fn new(kind: &str, source: &str, options: &MountOptions) -> Result<OwnedFd, Failure> {
    let mount = match Stage::get() {
        Some(stage) => stage.new_filesystem(kind, source, options)?,
        None => new_detached(kind, source, options)?,
    };
    change_propagation(mount.as_fd(), &options.propagation)?;
    Ok(mount)
}

fn new_detached(kind: &str, source: &str, options: &MountOptions) -> Result<OwnedFd, Failure> {
    let mut context = Context::new(kind)?;
    if !source.is_empty() {
        context.set("source", Some(source))?;
    }
    for flag in &options.superblock {
        context.set(flag, None)?;
    }
    if options.change.set.contains(Attributes::RDONLY) && !is_virtual(kind) {
        context.set("ro", None)?;
    }
    for (key, value) in &options.data {
        if kind == "overlay" {
            context.set_overlay(key, value.as_deref())?;
        } else {
            context.set(key, value.as_deref())?;
        }
    }
    context.mount(options.change)
}

/// File systems without a device: read-only is a matter of the mount alone, and whoever mounts them may have to write first.
fn is_virtual(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs" | "tmpfs" | "devpts" | "mqueue" | "cgroup" | "cgroup2")
}

/// A copy of the mount (or the tree of mounts) at `path`, attached nowhere and private.
pub(crate) fn copy_of_path(path: &Path, recursion: Recursion) -> io::Result<OwnedFd> {
    match Stage::get() {
        Some(stage) => stage.copy_of_path(path, recursion),
        None => copy(CWD, path, OpenTreeFlags::empty(), recursion),
    }
}

/// A copy of the mount that an open file lies on, with that file as its root.
pub(crate) fn copy_of(file: BorrowedFd<'_>, recursion: Recursion) -> io::Result<OwnedFd> {
    match Stage::get() {
        Some(stage) => stage.copy_of(file, recursion),
        None => copy(file, Path::new(""), OpenTreeFlags::AT_EMPTY_PATH, recursion),
    }
}

fn copy(
    at: BorrowedFd<'_>,
    path: &Path,
    flags: OpenTreeFlags,
    recursion: Recursion,
) -> io::Result<OwnedFd> {
    let mut flags = flags | OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursion == Recursion::All {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(at, path, flags)?)
}

/// Applies the options of a bind to its detached copy. Without a word about propagation the copy is cut off from the source's peers.
pub(crate) fn change_bind(mount: BorrowedFd<'_>, options: &MountOptions) -> io::Result<()> {
    if options.propagation.is_empty() {
        let propagation = Some(Propagation::Private);
        set_attributes(mount, Change { propagation, recursive: true, ..Change::default() })?;
    }
    for change in [options.change, options.recursive_change] {
        change_as_far_as_possible(mount, change)?;
    }
    change_each(mount, &options.propagation)
}

/// A user namespace cannot lift what its surroundings have put on a mount. When times of access are noted is theirs to choose, too, but
/// no reason to fail.
fn change_as_far_as_possible(mount: BorrowedFd<'_>, change: Change) -> io::Result<()> {
    if change.is_nothing() {
        return Ok(());
    }
    let refused = match set_attributes(mount, change) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        changed => return changed,
    };
    let times = Attributes::ATIME.with(Attributes::NODIRATIME);
    let rest =
        Change { set: change.set.without(times), clear: change.clear.without(times), ..change };
    if rest != change && (rest.is_nothing() || set_attributes(mount, rest).is_ok()) {
        return Ok(());
    }
    if rest.clear.is_empty() {
        return Err(refused);
    }
    let text = "operation not permitted: the source's own options, such as ro, cannot be lifted in a user namespace";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn change_propagation(
    mount: BorrowedFd<'_>,
    propagation: &[(Propagation, Recursion)],
) -> Result<(), Failure> {
    change_each(mount, propagation).during("set a mount's propagation")
}

fn change_each(mount: BorrowedFd<'_>, propagation: &[(Propagation, Recursion)]) -> io::Result<()> {
    for (propagation, recursion) in propagation {
        let recursive = *recursion == Recursion::All;
        let propagation = Some(*propagation);
        set_attributes(mount, Change { propagation, recursive, ..Change::default() })?;
    }
    Ok(())
}

/// Attaches a detached mount on top of what the descriptor refers to.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    if Stage::get().is_some() {
        return classic::attach(mount, target);
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_is_named() {
        let options = MountOptions::parse(&["bogus=1"]);
        let failure = new("tmpfs", "tmpfs", &options).unwrap_err();
        assert!(failure.message.contains("bogus"), "{}", failure.message);
    }
}
