//! Labels on files of the host: what `:z` and `:Z` ask for, volumes, and what the engine itself puts into containers.
//!
//! The files may be somebody's who changes them meanwhile. So no path is looked up twice: each file is opened where its directory is open,
//! never through a link, and labelled by its descriptor.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gantry_archive::tree::MAX_DEPTH;
use gantry_sys::selinux as kernel;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, stat};
use rustix::io::Errno;

use super::context::Context;
use super::labels::Labels;
use crate::Result;
use crate::error::Error;
use crate::plan::Relabel;

/// What the host itself could not do without: go-selinux refuses these, too.
const PROTECTED: [&str; 24] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/passwd",
    "/etc/pki",
    "/etc/shadow",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib",
    "/var/log",
];

/// Labels what is at `path` and all that lies below it, for one container or for all of them. Nothing happens without SELinux, and where a
/// file system has no labels.
///
/// # Errors
/// It is one of the host's own directories, or one of these lies below it, whatever they are called there; a label cannot be changed.
pub(crate) fn relabel(path: &Path, labels: &Labels, how: Relabel) -> Result<()> {
    let label = match how {
        Relabel::Private => Some(labels.mount.clone()).filter(|label| !label.is_empty()),
        Relabel::Shared => labels.shared(),
    };
    label.filter(|_| kernel::is_in_force()).map_or(Ok(()), |label| relabel_as(path, &label))
}

/// The same with a label that is known.
pub(super) fn relabel_as(path: &Path, label: &str) -> Result<()> {
    let protected =
        PROTECTED.iter().filter_map(|path| Some(identity(&stat(*path).ok()?))).collect();
    Walk { label: &canonical(label), protected }.tree(path)
}

/// Labels what is at `path` for all containers, unless it is labelled for some already.
pub(crate) fn relabel_if_foreign(path: &Path, labels: &Labels) -> Result<()> {
    let wanted = labels.mount.parse::<Context>().ok().filter(|_| kernel::is_in_force());
    let Some(wanted) = wanted.and_then(|it| canonical(&it.to_string()).parse::<Context>().ok())
    else {
        return Ok(());
    };
    let is_known = label_at(path)?
        .is_some_and(|label| label.parse::<Context>().is_ok_and(|found| found.kind == wanted.kind));
    if is_known { Ok(()) } else { relabel(path, labels, Relabel::Shared) }
}

/// Labels a file of the engine's for one container, unless several have it already.
pub(crate) fn relabel_if_alone(path: &Path, labels: &Labels) -> Result<()> {
    let Some(shared) = labels.shared().filter(|_| kernel::is_in_force()) else { return Ok(()) };
    if label_at(path)? == Some(canonical(&shared)) {
        Ok(())
    } else {
        relabel(path, labels, Relabel::Private)
    }
}

/// Labels a directory of the engine's own and all in it, unless the directory has that label: what is made there has it, too.
pub(crate) fn relabel_once(folder: &Path, label: &str) -> Result<()> {
    if label_at(folder)? == Some(canonical(label)) {
        return Ok(());
    }
    tracing::debug!(folder = %folder.display(), label, "labelling for SELinux");
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        relabel_as(&entry.map_err(failed(folder))?.path(), label)?;
    }
    // When all of it is done: this is what the next one looks at.
    relabel_as(folder, label)
}

fn label_at(path: &Path) -> Result<Option<String>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let label = openat(CWD, path, flags, Mode::empty())
        .map_err(io::Error::from)
        .and_then(|file| kernel::label_of(file.as_fd()));
    label.map_err(Error::file("read the label of", path))
}

/// A label as the kernel tells it of files, which need not be as it was written there: types have aliases.
fn canonical(label: &str) -> String {
    kernel::canonical(label).ok().flatten().unwrap_or_else(|| label.to_owned())
}

/// A file, whatever its name.
type Identity = (u64, u64);

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

struct Walk<'a> {
    label: &'a str,
    protected: HashSet<Identity>,
}

impl Walk<'_> {
    fn tree(&self, path: &Path) -> Result<()> {
        // For errors alone, but for its beginning: that is the user's, and a link to a directory is bound as that directory.
        let mut at = path.to_owned();
        let top = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let mut frames = Vec::from_iter(self.label(&opened(top, &at)?, &at)?);
        while let Some(frame) = frames.last_mut() {
            let Some(entry) = frame.read() else {
                frames.pop();
                at.pop();
                continue;
            };
            let entry = opened(entry, &at)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            at.push(OsStr::from_bytes(name.to_bytes()));
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = match openat(opened(frame.fd(), &at)?, name, flags, Mode::empty()) {
                // Somebody was faster.
                Err(Errno::NOENT) => None,
                file => self.label(&opened(file, &at)?, &at)?,
            };
            match below {
                Some(_) if frames.len() == MAX_DEPTH => {
                    let why = format!("it is more than {MAX_DEPTH} directories deep");
                    return Err(failed(&at)(io::Error::other(why)));
                }
                Some(below) => frames.push(below),
                None => {
                    at.pop();
                }
            }
        }
        Ok(())
    }

    /// Labels one file, and opens it if there may be more to label in it.
    fn label(&self, file: &OwnedFd, path: &Path) -> Result<Option<Dir>> {
        let found = opened(fstat(file), path)?;
        if self.protected.contains(&identity(&found)) {
            return Err(Error::invalid(format!(
                "SELinux relabeling of {} is not allowed: bind a directory that is for containers, or leave z and Z out",
                path.display()
            )));
        }
        // A whole file system may be without labels, or have one for all of it.
        let has_labels = self.set(file.as_fd()).map_err(failed(path))?;
        if !has_labels || FileType::from_raw_mode(found.st_mode) != FileType::Directory {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        opened(openat(file, ".", flags, Mode::empty()).and_then(Dir::new), path).map(Some)
    }

    /// Whether the file system has labels.
    fn set(&self, file: BorrowedFd<'_>) -> io::Result<bool> {
        // A label that is right is not written again: that would count as a change of the file.
        if kernel::label_of(file)?.as_deref() == Some(self.label) {
            return Ok(true);
        }
        match kernel::set_label(file, self.label) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTSUP) => Ok(false),
            set => set.map(|()| true),
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    Error::file("label", path)
}

fn opened<T>(result: Result<T, Errno>, path: &Path) -> Result<T> {
    result.map_err(|errno| failed(path)(errno.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The kernel need not have SELinux for what is refused, and takes labels as any other attribute of that sort.
    fn walk(path: &Path) -> Result<()> {
        let protected = PROTECTED.iter().filter_map(|path| Some(identity(&stat(*path).ok()?)));
        let walk = Walk { label: "u:object_r:t:s0:c1,c2", protected: protected.collect() };
        walk.tree(path)
    }

    #[test]
    fn the_host_s_own_directories_are_refused_whatever_leads_there() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("/etc", &link).unwrap();
        for path in [Path::new("/"), Path::new("/usr"), Path::new("/usr/../etc"), &link] {
            let error = walk(path).unwrap_err().to_string();
            assert!(error.starts_with("SELinux relabeling of /"), "{error}");
        }
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        for dir in [&inside, &outside] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("file"), "x").unwrap();
        }
        symlink(&outside, inside.join("to-directory")).unwrap();
        symlink(outside.join("file"), inside.join("to-file")).unwrap();
        symlink("/etc", inside.join("to-etc")).unwrap();
        let label = |path: &Path| label_at(path).unwrap();
        walk(&inside).unwrap();
        for path in [&inside, &inside.join("file")] {
            assert_eq!(label(path).as_deref(), Some("u:object_r:t:s0:c1,c2"), "{path:?}");
        }
        assert_eq!((label(&outside), label(&outside.join("file"))), (None, None));
    }
}
