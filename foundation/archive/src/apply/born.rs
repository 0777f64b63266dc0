//! What a new file is by itself: who owns it, and what is left of the mode it was asked for. Where that is known
//! and right already, nothing is set; most files of most layers need no further call.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Dir, Mode, OFlags, Stat, fgetxattr, fstat, openat};
use rustix::io::Errno;

use crate::{Header, Xattr};

/// The attribute of a directory that gives its new files a mode of its own.
const DEFAULT_ACL: &str = "system.posix_acl_default";

const PERMISSIONS: u32 = 0o777;
const SET_GROUP_ID: u32 = 0o2000;

/// Known of a root that was empty and where no directory has rules of its own for what is made in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Born {
    uid: u32,
    gid: u32,
    /// Permissions that a new file never gets: the process's umask.
    masked: u32,
}

/// What is still to be set on a file that was just made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unset {
    pub(super) owner: bool,
    pub(super) mode: bool,
}

impl Born {
    /// Tries it with a file that has no name; `None` where nothing can be told.
    pub(super) fn probe(root: BorrowedFd<'_>) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(root, ".", flags, Mode::empty()).ok()?;
        let is_empty = Dir::read_from(&root)
            .ok()?
            .all(|item| item.is_ok_and(|item| matches!(item.file_name().to_bytes(), b"." | b"..")));
        let mut value = [0_u8; 1];
        let has_acl = !matches!(
            fgetxattr(&root, DEFAULT_ACL, &mut value),
            Err(Errno::NODATA | Errno::NOTSUP)
        );
        if !is_empty || has_acl {
            return None;
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&root, ".", flags, Mode::from_raw_mode(PERMISSIONS)).ok()?;
        let stat = fstat(file.as_fd()).ok()?;
        Some(Self { uid: stat.st_uid, gid: stat.st_gid, masked: PERMISSIONS & !stat.st_mode })
    }

    /// Whether it still holds when a directory gets these attributes.
    pub(super) fn survives(xattrs: &[Xattr]) -> bool {
        xattrs.iter().all(|xattr| xattr.name != DEFAULT_ACL.as_bytes())
    }

    /// Whether files in this directory belong to whom we think: a directory can pass its group on.
    pub(super) fn holds_in(self, directory: &Stat) -> bool {
        directory.st_mode & SET_GROUP_ID == 0 && directory.st_gid == self.gid
    }

    /// The mode to make a file with, and what that does not settle.
    pub(super) fn of(self, header: &Header) -> (Mode, Unset) {
        let unset = Unset {
            owner: (header.uid, header.gid) != (self.uid, self.gid),
            mode: header.mode & (self.masked | !PERMISSIONS) != 0,
        };
        (Mode::from_raw_mode(header.mode & PERMISSIONS), unset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORN: Born = Born { uid: 0, gid: 0, masked: 0o022 };

    fn unset(mode: u32, uid: u32) -> (bool, bool) {
        let header = Header { uid, ..Header::file("a", mode) };
        let (_, unset) = BORN.of(&header);
        (unset.owner, unset.mode)
    }

    #[test]
    fn only_what_differs_is_set() {
        assert_eq!(unset(0o644, 0), (false, false));
        assert_eq!(unset(0o755, 1), (true, false));
        assert_eq!(unset(0o664, 0), (false, true));
        assert_eq!(unset(0o4755, 0), (false, true));
        assert_eq!(unset(0o1644, 0), (false, true));
    }

    #[test]
    fn a_root_with_files_or_rules_of_its_own_tells_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(temp.path()).unwrap();
        let born = Born::probe(root.as_fd());
        assert!(born.is_some());
        assert!(born.unwrap().holds_in(&fstat(&root).unwrap()));
        std::fs::write(temp.path().join("file"), "").unwrap();
        assert_eq!(Born::probe(root.as_fd()), None);
    }
}
