//! The mount calls that every kernel has (`mount(2)`), for those without `fsopen(2)`, `open_tree(2)` or `mount_setattr(2)`.
//!
//! They cannot make a mount that is attached nowhere. So each begins its life on a stage: a tmpfs over `/`, which no path of the process
//! leads to, since lookups begin below what covers the root. It belongs to a mount namespace that this process is alone in, and goes
//! with the host's root. Sources and targets are named by descriptor (`/proc/self/fd`), as long as the host's `/proc` is there.

mod submounts;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use gantry_sys::clone::{Fork, fork};
use gantry_sys::mount::{Attributes, Change, Propagation};
use gantry_sys::{pidfd, process};
use rustix::fs::{
    CWD, FileType, Mode, OFlags, StatVfsMountFlags, fstat, fstatvfs, mkdirat, openat,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move, mount_remount,
};
use rustix::process::fchdir;

use super::context::split_lower;
use super::numbered::Numbered;
use crate::failure::{During, Failure, errno_text};
use crate::init::become_root;
use crate::plan::{MountOptions, Recursion};

/// The kernel copies at most one page of options.
const DATA_LIMIT: usize = 4095;

static STAGE: OnceLock<Stage> = OnceLock::new();

/// Where mounts wait for their place.
#[derive(Debug)]
pub(super) struct Stage {
    directory: OwnedFd,
    next: AtomicU32,
}

impl Stage {
    /// The stage, when this process uses the classic calls.
    pub(super) fn get() -> Option<&'static Self> {
        STAGE.get()
    }

    pub(super) fn begin(copies: usize) -> Result<(), Failure> {
        if STAGE.get().is_some() {
            return Ok(());
        }
        let what = "make a place for mounts";
        // Nothing travels to the host, neither the stage nor the end of all this at the change of the root; what is mounted there still
        // comes here. So a volume may be a slave of the host's, as its document says, and a shared one is heard of by the container's own
        // peers only: the price of the classic calls.
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .during(what)?;
        mount(
            "tmpfs",
            "/",
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            c"mode=700,uid=0,gid=0,size=4m",
        )
        .during(what)?;
        // Going up from the root leads to what covers it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, "/..", flags, Mode::empty()).during(what)?;
        mount_change(at(directory.as_fd()), MountPropagationFlags::PRIVATE).during(what)?;
        let stage = Self { directory, next: AtomicU32::new(0) };
        stage.furnish(copies).during(what)?;
        // Nobody else could have set it: the process has one thread.
        drop(STAGE.set(stage));
        Ok(())
    }

    /// Where this process is nobody yet it cannot make files: a child that has taken on the namespace's root makes them for it.
    fn furnish(&self, copies: usize) -> io::Result<()> {
        if mkdirat(&self.directory, "probe", Mode::RWXU) != Err(Errno::OVERFLOW) {
            return Ok(());
        }
        match fork()? {
            Fork::Child => {
                let made = become_root().is_ok()
                    && (0..copies).all(|number| {
                        make(&self.directory, &format!("d{number}"), FileType::Directory).is_ok()
                            && make(&self.directory, &format!("f{number}"), FileType::RegularFile)
                                .is_ok()
                    });
                process::exit_now(u8::from(!made))
            }
            Fork::Parent(child) => match pidfd::wait(child.pidfd.as_fd())?.code() {
                0 => Ok(()),
                _ => Err(io::Error::other("the user namespace's root could not make files there")),
            },
        }
    }

    pub(super) fn new_filesystem(
        &self,
        kind: &str,
        source: &str,
        options: &MountOptions,
    ) -> Result<OwnedFd, Failure> {
        let what = || format!("make a {kind} mount");
        let name = self.place(FileType::Directory).during_with(what)?;
        let mut flags = flags_of(options.change.set);
        for word in &options.superblock {
            flags |= superblock_flag(word);
        }
        let (data, _numbered) = data_of(kind, options)?;
        let shown = data.clone();
        let data = CString::new(data).map_err(|_| Failure::invalid("a mount option with NUL"))?;
        let source = if source.is_empty() { "none" } else { source };
        mount(source, self.path(&name), kind, flags, data.as_c_str()).map_err(|errno| {
            let error = io::Error::from(errno);
            match errno {
                Errno::NODEV => Failure::io(format!("open the file system {kind:?}"), &error),
                _ => Failure::io(format!("{} with the options {shown:?}", what()), &error),
            }
        })?;
        self.open(&name).during_with(what)
    }

    pub(super) fn copy_of_path(&self, path: &Path, recursion: Recursion) -> io::Result<OwnedFd> {
        let file = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        self.copy_of(file.as_fd(), recursion)
    }

    pub(super) fn copy_of(
        &self,
        file: BorrowedFd<'_>,
        recursion: Recursion,
    ) -> io::Result<OwnedFd> {
        let name = self.place(FileType::from_raw_mode(fstat(file)?.st_mode))?;
        match recursion {
            Recursion::TopOnly => mount_bind(at(file), self.path(&name))?,
            Recursion::All => mount_bind_recursive(at(file), self.path(&name))?,
        }
        self.open(&name)
    }

    /// Makes something to mount on: a directory for directories, a file for everything else.
    fn place(&self, kind: FileType) -> io::Result<String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let letter = if kind == FileType::Directory { 'd' } else { 'f' };
        let name = format!("{letter}{number}");
        make(&self.directory, &name, kind)?;
        Ok(name)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", at(self.directory.as_fd()))
    }

    fn open(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.directory, name, flags, Mode::empty())?)
    }
}

/// Makes a directory or a file; one that was made before is as good.
fn make(directory: &OwnedFd, name: &str, kind: FileType) -> io::Result<()> {
    let made = if kind == FileType::Directory {
        mkdirat(directory, name, Mode::RWXU)
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(directory, name, flags, Mode::RUSR).map(drop)
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        made => Ok(made?),
    }
}

pub(super) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    Ok(mount_move(at(mount), at(target))?)
}

pub(super) fn set_attributes(mount: BorrowedFd<'_>, change: Change) -> io::Result<()> {
    change_one(mount, change)?;
    if change.recursive && !(change.set.is_empty() && change.clear.is_empty()) {
        for below in submounts::of(mount)? {
            change_one(below.as_fd(), Change { propagation: None, ..change })?;
        }
    }
    Ok(())
}

fn change_one(mount: BorrowedFd<'_>, change: Change) -> io::Result<()> {
    named(mount, |name| {
        if let Some(propagation) = change.propagation {
            let mut flags = match propagation {
                Propagation::Private => MountPropagationFlags::PRIVATE,
                Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
                Propagation::Shared => MountPropagationFlags::SHARED,
                Propagation::Unbindable => MountPropagationFlags::UNBINDABLE,
            };
            if change.recursive {
                flags |= MountPropagationFlags::REC;
            }
            mount_change(name, flags)?;
        }
        if change.set.is_empty() && change.clear.is_empty() {
            return Ok(());
        }
        // All attributes at once: what is not named would be lost.
        let wanted = current(mount)?.without(change.clear).with(change.set);
        mount_remount(name, MountFlags::BIND | flags_of(wanted), c"")?;
        Ok(())
    })
}

/// Calls with a name for the mount. A directory's works without a `/proc`: it becomes the working directory for the moment.
fn named<T>(mount: BorrowedFd<'_>, call: impl FnOnce(&str) -> io::Result<T>) -> io::Result<T> {
    if FileType::from_raw_mode(fstat(mount)?.st_mode) != FileType::Directory {
        return call(&at(mount));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let before = openat(CWD, ".", flags, Mode::empty())?;
    fchdir(mount)?;
    let result = call(".");
    fchdir(&before)?;
    result
}

fn at(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The attributes that a mount has.
fn current(mount: BorrowedFd<'_>) -> io::Result<Attributes> {
    const PAIRS: [(StatVfsMountFlags, Attributes); 6] = [
        (StatVfsMountFlags::RDONLY, Attributes::RDONLY),
        (StatVfsMountFlags::NOSUID, Attributes::NOSUID),
        (StatVfsMountFlags::NODEV, Attributes::NODEV),
        (StatVfsMountFlags::NOEXEC, Attributes::NOEXEC),
        (StatVfsMountFlags::NOATIME, Attributes::NOATIME),
        (StatVfsMountFlags::NODIRATIME, Attributes::NODIRATIME),
    ];
    let found = fstatvfs(mount)?.f_flag;
    let mut attributes = Attributes::NONE;
    for (flag, attribute) in PAIRS {
        if found.contains(flag) {
            attributes = attributes.with(attribute);
        }
    }
    // Neither bit means that every access is noted.
    if !found.intersects(StatVfsMountFlags::NOATIME | StatVfsMountFlags::RELATIME) {
        attributes = attributes.with(Attributes::STRICTATIME);
    }
    Ok(attributes)
}

fn flags_of(attributes: Attributes) -> MountFlags {
    const PAIRS: [(Attributes, MountFlags); 8] = [
        (Attributes::RDONLY, MountFlags::RDONLY),
        (Attributes::NOSUID, MountFlags::NOSUID),
        (Attributes::NODEV, MountFlags::NODEV),
        (Attributes::NOEXEC, MountFlags::NOEXEC),
        (Attributes::NOATIME, MountFlags::NOATIME),
        (Attributes::STRICTATIME, MountFlags::STRICTATIME),
        (Attributes::NODIRATIME, MountFlags::NODIRATIME),
        (Attributes::NOSYMFOLLOW, MountFlags::NOSYMFOLLOW),
    ];
    let mut flags = MountFlags::empty();
    for (attribute, flag) in PAIRS {
        if attributes.contains(attribute) {
            flags |= flag;
        }
    }
    flags
}

/// Words that no flag stands for mean the absence of one.
fn superblock_flag(word: &str) -> MountFlags {
    match word {
        "sync" => MountFlags::SYNCHRONOUS,
        "dirsync" => MountFlags::DIRSYNC,
        "lazytime" => MountFlags::LAZYTIME,
        "mand" => MountFlags::PERMIT_MANDATORY_FILE_LOCKING,
        _ => MountFlags::empty(),
    }
}

/// The options as one text. Layers of an overlay that do not fit are named by descriptor, which works as long as the second value lives.
fn data_of(kind: &str, options: &MountOptions) -> Result<(String, Option<Numbered>), Failure> {
    let join = |lower: Option<&str>| {
        let words: Vec<String> = options
            .data
            .iter()
            .map(|(key, value)| match (key.as_str(), lower, value) {
                ("lowerdir", Some(lower), _) => format!("lowerdir={lower}"),
                // A comma in a label would end it.
                ("context", _, Some(value)) => format!("context=\"{value}\""),
                (_, _, Some(value)) => format!("{key}={value}"),
                (_, _, None) => key.clone(),
            })
            .collect();
        words.join(",")
    };
    let plain = join(None);
    let mut numbered = None;
    let data = match options.value("lowerdir") {
        Some(list) if kind == "overlay" && plain.len() > DATA_LIMIT => {
            let layers = numbered.insert(Numbered::open(&split_lower(list))?);
            join(Some(&layers.list()))
        }
        _ => plain,
    };
    if data.len() > DATA_LIMIT {
        let error = errno_text(&io::ErrorKind::ArgumentListTooLong.into());
        return Err(Failure::invalid(format!("the options of a {kind} mount: {error}")));
    }
    Ok((data, numbered))
}
