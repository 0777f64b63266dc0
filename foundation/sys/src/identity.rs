//! Which file it is, whatever its name is now: two files never have the same identity, not even one that gets the inode of
//! another after that was deleted.

use crate::check;
use rustix::fs::{CWD, Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

/// The most bytes of a handle (`MAX_HANDLE_SZ`, `name_to_handle_at(2)`).
const MOST_HANDLE_BYTES: usize = 128;

/// `struct file_handle` with the room for its bytes.
#[repr(C)]
struct Handle {
    length: u32,
    kind: i32,
    bytes: [u8; MOST_HANDLE_BYTES],
}

/// The identity of an open file: its device, its inode and, from filesystems that have handles, the handle, which has the
/// inode's generation in it. At most 144 bytes.
pub fn of_file(file: impl AsFd) -> io::Result<Vec<u8>> {
    let found = rustix::fs::fstat(&file)?;
    let mut identity = [found.st_dev.to_le_bytes(), found.st_ino.to_le_bytes()].concat();
    let length = u32::try_from(MOST_HANDLE_BYTES).map_err(io::Error::other)?;
    let mut handle = Handle { length, kind: 0, bytes: [0; MOST_HANDLE_BYTES] };
    let mut mount = 0_i32;
    // SAFETY: the path is an empty C string, and the handle has the room that it tells of.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    });
    match result {
        Ok(_) => identity.extend(handle.bytes.iter().take(handle.length as usize)),
        // Device and inode are all that there is.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    Ok(identity)
}

/// The same of the file at `path`; of a symbolic link itself, if it is one.
pub fn of_path(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    of_file(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_name_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let file = File::create(&old).unwrap();
        let identity = of_path(&old).unwrap();
        fs::rename(&old, &new).unwrap();
        fs::write(&new, "longer").unwrap();
        assert_eq!((of_file(&file).unwrap(), of_path(&new).unwrap()), (identity.clone(), identity));
        assert_eq!(of_path(&old).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_inode_that_is_used_again_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut inodes = Vec::new();
        let mut identities = Vec::new();
        for _ in 0..100 {
            fs::write(&path, "").unwrap();
            inodes.push(path.metadata().unwrap().ino());
            identities.push(of_path(&path).unwrap());
            fs::remove_file(&path).unwrap();
        }
        let count = |mut all: Vec<Vec<u8>>| {
            all.sort();
            all.dedup();
            all.len()
        };
        assert_eq!(count(identities), 100, "inodes: {inodes:?}");
    }
}
