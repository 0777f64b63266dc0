//! The mounts below one, by the kernel's table of mounts: the classic calls change one mount at a time.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use gantry_sys::mountinfo;

/// Handles on all mounts below this one.
pub(super) fn of(mount: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let own = mount_id(mount)?;
    let table = mountinfo::read(own_pid()?)?;
    let Some(top) = table.iter().find(|line| line.id == own) else { return Ok(Vec::new()) };
    let mut inside = BTreeSet::from([own]);
    let mut found = Vec::new();
    // The kernel lists a mount after the one that it lies on.
    for line in &table {
        if line.id == own || !inside.contains(&line.parent) {
            continue;
        }
        inside.insert(line.id);
        let below = Path::new(&line.place).strip_prefix(&top.place);
        found.push(open(mount, below.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?)?);
    }
    Ok(found)
}

/// As the procfs counts that is mounted here: the host's, while the container's is not the root yet.
fn own_pid() -> io::Result<i32> {
    let link = fs::read_link("/proc/self")?;
    let pid = link.to_str().and_then(|pid| pid.parse().ok());
    pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What is mounted at a path below the mount. Links are errors: somebody changes the tree meanwhile.
fn open(mount: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(mount, path, flags, Mode::empty(), resolve)?)
}

fn mount_id(mount: BorrowedFd<'_>) -> io::Result<u64> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", mount.as_raw_fd()))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    id.and_then(|id| id.trim().parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
