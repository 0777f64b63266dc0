//! Making mounts that are attached nowhere yet, and attaching them to a descriptor. No path of a container is used here.

mod numbered;

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_sys::mount::{Change, Propagation, set_attributes};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
    open_tree,
};

use crate::failure::{During, Failure, errno_text};
use crate::plan::{MountOptions, Recursion};
use numbered::Numbered;

/// `fsconfig(2)` takes strings of up to 255 bytes.
const VALUE_LIMIT: usize = 255;

/// A new file system of this kind, mounted nowhere.
pub(crate) fn new(kind: &str, source: &str, options: &MountOptions) -> Result<OwnedFd, Failure> {
    let mut context = Context::new(kind)?;
    if !source.is_empty() {
        context.set("source", Some(source))?;
    }
    for flag in &options.superblock {
        context.set(flag, None)?;
    }
    if options.change.set.contains(gantry_sys::mount::Attributes::RDONLY) && !is_virtual(kind) {
        context.set("ro", None)?;
    }
    for (key, value) in &options.data {
        if kind == "overlay" {
            context.set_overlay(key, value.as_deref())?;
        } else {
            context.set(key, value.as_deref())?;
        }
    }
    let mount = context.mount(options.change)?;
    change_propagation(mount.as_fd(), &options.propagation)?;
    Ok(mount)
}

/// File systems without a device: read-only is a matter of the mount alone, and whoever mounts them may have to write first.
fn is_virtual(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs" | "tmpfs" | "devpts" | "mqueue" | "cgroup" | "cgroup2")
}

/// A copy of the mount (or the tree of mounts) at `path`, attached nowhere and private.
pub(crate) fn copy_of_path(path: &Path, recursion: Recursion) -> io::Result<OwnedFd> {
    copy(CWD, path, OpenTreeFlags::empty(), recursion)
}

/// A copy of the mount that an open file lies on, with that file as its root.
pub(crate) fn copy_of(file: BorrowedFd<'_>, recursion: Recursion) -> io::Result<OwnedFd> {
    copy(file, Path::new(""), OpenTreeFlags::AT_EMPTY_PATH, recursion)
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
        if !change.is_nothing() {
            set_attributes(mount, change)?;
        }
    }
    change_each(mount, &options.propagation)
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
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// A file system on its way to a mount (`fsopen(2)`).
struct Context {
    fd: OwnedFd,
    kind: String,
    /// Directories that options name by descriptor: open until the file system is made.
    named: Vec<OwnedFd>,
    numbered: Option<Numbered>,
}

impl Context {
    fn new(kind: &str) -> Result<Self, Failure> {
        let fd = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .during_with(|| format!("open the file system {kind:?}"))?;
        Ok(Self { fd, kind: kind.to_owned(), named: Vec::new(), numbered: None })
    }

    fn set(&self, key: &str, value: Option<&str>) -> Result<(), Failure> {
        match value {
            Some(value) => fsconfig_set_string(&self.fd, key, value),
            None => fsconfig_set_flag(&self.fd, key),
        }
        .map_err(|error| self.explain(&error.into(), format_args!("option {key:?}")))
    }

    /// Directories of an overlay are named one at a time, and by descriptor when the path is too long for a string.
    fn set_overlay(&mut self, key: &str, value: Option<&str>) -> Result<(), Failure> {
        match (key, value) {
            ("lowerdir", Some(list)) if !takes_single_layers() => self.set_lower(list),
            ("lowerdir", Some(list)) => {
                split_lower(list).iter().try_for_each(|path| self.set_directory("lowerdir+", path))
            }
            ("upperdir" | "workdir" | "lowerdir+" | "datadir+", Some(path)) => {
                self.set_directory(key, path)
            }
            _ => self.set(key, value),
        }
    }

    fn set_directory(&mut self, key: &str, path: &str) -> Result<(), Failure> {
        let result = if path.len() <= VALUE_LIMIT {
            fsconfig_set_string(&self.fd, key, path)
        } else {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(path, flags, Mode::empty())
                .during_with(|| format!("open the overlay's {key} {path}"))?;
            // Overlay takes descriptors since Linux 6.13; a name of one works before that, too.
            let result = fsconfig_set_fd(&self.fd, key, &directory).or_else(|_| {
                let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
                fsconfig_set_string(&self.fd, key, name)
            });
            self.named.push(directory);
            result
        };
        result.map_err(|error| self.explain(&error.into(), format_args!("{key} {path}")))
    }

    /// All lower directories at once, for kernels that know no other way. A list that is too long for a string names them
    /// by the numbers of their descriptors, which is short enough for some 80.
    fn set_lower(&mut self, list: &str) -> Result<(), Failure> {
        // Kernels of that age refuse a comma, too.
        if list.len() <= VALUE_LIMIT && !list.contains(',') {
            return self.set("lowerdir", Some(list));
        }
        let numbered = self.numbered.insert(Numbered::open(&split_lower(list))?);
        let numbers = numbered.list();
        self.set("lowerdir", Some(&numbers))
    }

    fn mount(mut self, change: Change) -> Result<OwnedFd, Failure> {
        let created = fsconfig_create(&self.fd);
        self.named.clear();
        self.numbered = None;
        created.map_err(|error| self.explain(&error.into(), "create"))?;
        let bits = u32::try_from(change.set.bits()).unwrap_or(u32::MAX);
        let attributes = MountAttrFlags::from_bits_retain(bits);
        fsmount(&self.fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .map_err(|error| self.explain(&error.into(), "fsmount"))
    }

    /// The kernel leaves a sentence about what it did not like in the context; without one there is the errno.
    fn explain(&self, error: &io::Error, what: impl Display) -> Failure {
        let mut log = [0; 512];
        let said = match rustix::io::read(&self.fd, &mut log) {
            Ok(length) => String::from_utf8_lossy(&log[..length]).trim().to_owned(),
            Err(_) => String::new(),
        };
        let kind = &self.kind;
        let text = errno_text(error);
        match said.strip_prefix("e ") {
            Some(said) => Failure::io(format!("make a {kind} mount: {what}: {said}"), error),
            None => Failure::io(format!("make a {kind} mount: {what}"), &io::Error::other(text)),
        }
    }
}

/// Whether overlay takes its lower directories one at a time (Linux 6.8). Before 6.5 it is one of the file systems that take
/// every option, and refuse those that they do not know only when all are there.
fn takes_single_layers() -> bool {
    let Ok(context) = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) else { return true };
    fsconfig_set_flag(&context, "no such option").is_err()
        && fsconfig_set_string(&context, "lowerdir+", "/").is_ok()
}

/// The layers of a `lowerdir` option: separated by colons, with a backslash before a colon that is part of a name.
fn split_lower(list: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut letters = list.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => layers.push(String::new()),
            '\\' => layers.last_mut().into_iter().for_each(|layer| layer.extend(letters.next())),
            _ => layers.last_mut().into_iter().for_each(|layer| layer.push(letter)),
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_directories_are_separated_by_colons_that_are_not_escaped() {
        assert_eq!(split_lower("/a:/b"), ["/a", "/b"]);
        assert_eq!(split_lower(r"/a\:b:/c\\d"), ["/a:b", r"/c\d"]);
        assert_eq!(split_lower("/a"), ["/a"]);
    }

    #[test]
    fn an_unknown_option_is_named() {
        let options = MountOptions::parse(&["bogus=1"]);
        let failure = new("tmpfs", "tmpfs", &options).unwrap_err();
        assert!(failure.message.contains("bogus"), "{}", failure.message);
    }
}
