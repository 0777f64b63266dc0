//! Removing and measuring directory trees that nobody vouches for: any depth, any names, no symbolic
//! link followed, a constant number of open files.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::{Error, Result};

/// Removes what is at `name` in `dir`, with everything below it. Nothing there is fine.
///
/// # Errors
/// [`Error::Place`]; what could not be removed stays.
pub fn remove(dir: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    remove_tree(dir, name).map_err(|source| Error::place("remove", name, source))
}

fn remove_tree(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR; POSIX allows EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(mut current) = open_dir(dir, name)? else { return Ok(()) };
    // Names of the directories above `current`, below `dir`; and who their parents are, to notice
    // when somebody moves the tree away under us.
    let mut above = vec![(name.to_vec(), identity(dir)?)];
    loop {
        if let Some(child) = empty(current.as_fd())? {
            let Some(next) = open_dir(current.as_fd(), &child)? else { continue };
            above.push((child, identity(current.as_fd())?));
            current = next;
            continue;
        }
        let Some((name, parent)) = above.pop() else { return Ok(()) };
        if above.is_empty() {
            return remove_dir(dir, &name);
        }
        let up = openat(&current, "..", DIR_FLAGS, Mode::empty())?;
        if identity(up.as_fd())? != parent {
            return Err(io::Error::other("the directory was moved while it was being removed"));
        }
        remove_dir(up.as_fd(), &name)?;
        current = up;
    }
}

const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<OwnedFd>> {
    match openat(dir, name, DIR_FLAGS, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn remove_dir(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn identity(fd: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let stat = fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Removes everything in a directory that is not a directory with something in it; the name of the
/// first such one, if any.
fn empty(dir: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    for item in Dir::read_from(dir)? {
        let item = item?;
        let name = item.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if item.file_type() != FileType::Directory {
            match unlinkat(dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                // A file system that tells no types.
                Err(Errno::ISDIR | Errno::PERM) if item.file_type() == FileType::Unknown => {}
                Err(error) => return Err(error.into()),
            }
        }
        match unlinkat(dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(Some(name.to_vec())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Levels that [`size`] and [`crate::create`] descend; a path that names its way there has 4095
/// bytes at most.
pub const MAX_DEPTH: usize = 2048;

/// Bytes in the regular files below `dir`, each inode counted once. What vanishes meanwhile does
/// not count.
///
/// # Errors
/// [`Error::Place`], or [`Error::Limit`] for a tree deeper than [`MAX_DEPTH`].
pub fn size(dir: BorrowedFd<'_>) -> Result<u64> {
    let failed = |source: Errno| Error::place("measure", b".", source);
    let mut total = 0_u64;
    let mut linked = std::collections::HashSet::new();
    let mut frames = vec![Dir::read_from(dir).map_err(failed)?];
    while let Some(frame) = frames.last_mut() {
        let Some(item) = frame.read() else {
            frames.pop();
            continue;
        };
        let item = item.map_err(failed)?;
        let name = item.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let here = frame.fd().map_err(failed)?;
        let stat = match statat(here, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(failed(error)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile
                if stat.st_nlink == 1 || linked.insert((stat.st_dev, stat.st_ino)) =>
            {
                total = total.saturating_add(stat.st_size.unsigned_abs());
            }
            FileType::Directory => {
                let below = match openat(here, name, DIR_FLAGS, Mode::empty()) {
                    Ok(fd) => Dir::new(fd).map_err(failed)?,
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                    Err(error) => return Err(failed(error)),
                };
                if frames.len() == MAX_DEPTH {
                    return Err(Error::Limit { limit: MAX_DEPTH as u64, what: "levels" });
                }
                frames.push(below);
            }
            _ => {}
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use gantry_sys::clone::{Namespaces, unshare};
    use rustix::mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
    };

    use super::*;

    #[test]
    fn removes_what_is_deeper_than_any_path() {
        let temp = tempfile::tempdir().unwrap();
        let top = std::fs::File::open(temp.path()).unwrap();
        let name = [b'd'; 200];
        let mut dir: OwnedFd = top.try_clone().unwrap().into();
        for level in 0..3000 {
            rustix::fs::mkdirat(&dir, &name[..], Mode::RWXU).unwrap();
            if level % 500 == 0 {
                rustix::fs::symlinkat("/etc", &dir, "link").unwrap();
                rustix::fs::mkdirat(&dir, "empty", Mode::RWXU).unwrap();
            }
            dir = openat(&dir, &name[..], DIR_FLAGS, Mode::empty()).unwrap();
        }
        assert!(matches!(size(top.as_fd()), Err(Error::Limit { .. })));
        drop(dir);
        remove(top.as_fd(), &name).unwrap();
        let left: Vec<_> = std::fs::read_dir(temp.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(std::path::Path::new("/etc/passwd").exists());
    }

    #[test]
    fn removes_files_links_and_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let top = std::fs::File::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", temp.path().join("link")).unwrap();
        remove(top.as_fd(), b"link").unwrap();
        assert!(temp.path().join("file").exists());
        remove(top.as_fd(), b"file").unwrap();
        remove(top.as_fd(), b"file").unwrap();
    }

    #[test]
    fn what_is_mounted_below_stays() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let private = || {
            unshare(Namespaces::MOUNT).unwrap();
            let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", flags).unwrap();
            let temp = tempfile::tempdir().unwrap();
            let remote = temp.path().join("tree/remote");
            std::fs::create_dir_all(&remote).unwrap();
            mount("tmpfs", &remote, "tmpfs", MountFlags::empty(), c"size=64k").unwrap();
            std::fs::create_dir(remote.join("dir")).unwrap();
            std::fs::write(remote.join("dir/file"), "x").unwrap();
            let top = std::fs::File::open(temp.path()).unwrap();
            remove(top.as_fd(), b"tree").unwrap_err();
            assert!(remote.join("dir/file").exists());
            unmount(&remote, UnmountFlags::DETACH).unwrap();
            remove(top.as_fd(), b"tree").unwrap();
        };
        std::thread::spawn(private).join().unwrap();
    }

    #[test]
    fn measures_each_inode_once() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path();
        std::fs::create_dir(path.join("a")).unwrap();
        std::fs::write(path.join("a/one"), [0; 100]).unwrap();
        std::fs::write(path.join("two"), [0; 11]).unwrap();
        std::fs::hard_link(path.join("a/one"), path.join("a/again")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path.join("link")).unwrap();
        let top = std::fs::File::open(path).unwrap();
        assert_eq!(size(top.as_fd()).unwrap(), 111);
    }
}
