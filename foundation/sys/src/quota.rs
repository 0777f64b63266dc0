//! Project quotas: which project the files of a directory belong to, and how much its project may hold
//! (`ioctl_xfs_fsgetxattr(2)`, `quotactl(2)`). The same calls for every file system that has them (ext4, xfs, f2fs).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::ioctl::{Getter, Opcode, Setter, ioctl, opcode};

use crate::check;

const PROJECT_QUOTA: u32 = 2;
const X_GET_QUOTA: u32 = 0x5803;
const X_SET_LIMIT: u32 = 0x5804;
const X_GET_STATE: u32 = 0x5808;
/// `FS_QUOTA_PDQ_ENFD`: limits of projects are enforced.
const PROJECTS_ENFORCED: u16 = 1 << 5;
/// `FS_XFLAG_PROJINHERIT`: what is made in the directory belongs to its project.
const INHERIT: u32 = 0x200;
/// What quotas count blocks in, whatever the file system's are.
const BLOCK_BYTES: u64 = 512;

/// `struct fsxattr` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

/// `struct fs_disk_quota` of `linux/dqblk_xfs.h`.
#[repr(C)]
#[derive(Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    fields: u16,
    id: u32,
    blocks_hard: u64,
    blocks_soft: u64,
    inodes_hard: u64,
    inodes_soft: u64,
    blocks: u64,
    inodes: u64,
    timers: [i32; 2],
    warnings: [u16; 2],
    more_timers: [i8; 4],
    realtime: [u64; 3],
    realtime_timer: i32,
    realtime_warnings: u16,
    padding: u16,
    reserved: [u8; 8],
}

/// `struct fs_quota_statv` of `linux/dqblk_xfs.h`, as far as it is read.
#[repr(C)]
struct State {
    version: i8,
    padding: u8,
    flags: u16,
    rest: [u8; 156],
}

/// The project of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    pub id: u32,
    /// Whether what is made in the directory belongs to it as well.
    pub is_inherited: bool,
}

/// What a project holds and may hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    pub used_bytes: u64,
    pub files: u64,
    /// Zero is without limit.
    pub limit_bytes: u64,
}

fn attributes(dir: BorrowedFd<'_>) -> io::Result<Attributes> {
    const GET: Opcode = opcode::read::<Attributes>(b'X', 31);
    // SAFETY: the code is that of FS_IOC_FSGETXATTR, which fills in an fsxattr; `Attributes` has its layout.
    let request = unsafe { Getter::<GET, Attributes>::new() };
    // SAFETY: the call changes nothing but that value, which rustix gives it room for.
    Ok(unsafe { ioctl(dir, request) }?)
}

/// Which project a directory belongs to; zero is none.
pub fn project(dir: BorrowedFd<'_>) -> io::Result<Project> {
    let found = attributes(dir)?;
    Ok(Project { id: found.project, is_inherited: found.flags & INHERIT != 0 })
}

/// Puts a directory, and all that will be made in it, into a project. What is in it already stays where it is.
pub fn set_project(dir: BorrowedFd<'_>, id: u32) -> io::Result<()> {
    const SET: Opcode = opcode::write::<Attributes>(b'X', 32);
    let mut wanted = attributes(dir)?;
    wanted.project = id;
    wanted.flags |= INHERIT;
    // SAFETY: the code is that of FS_IOC_FSSETXATTR, which reads an fsxattr; `Attributes` has its layout.
    let request = unsafe { Setter::<SET, Attributes>::new(wanted) };
    // SAFETY: the call reads that value and touches no other memory of this process.
    Ok(unsafe { ioctl(dir, request) }?)
}

/// `quotactl_fd(2)`, Linux 5.14. Its argument is of the type that the command wants.
fn control<T>(at: BorrowedFd<'_>, command: u32, id: u32, argument: &mut T) -> io::Result<()> {
    let command = (command << 8) | PROJECT_QUOTA;
    // SAFETY: each command here reads or fills a structure whose layout `T` has, and which outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            at.as_raw_fd(),
            command,
            id,
            std::ptr::from_mut(argument),
        )
    })?;
    Ok(())
}

/// Whether the file system keeps projects to their limits.
pub fn limits_hold(at: BorrowedFd<'_>) -> io::Result<bool> {
    let mut state = State { version: 1, padding: 0, flags: 0, rest: [0; 156] };
    control(at, X_GET_STATE, 0, &mut state)?;
    Ok(state.flags & PROJECTS_ENFORCED != 0)
}

/// What a project holds; nothing and no limit for one that nobody has heard of.
pub fn holding(at: BorrowedFd<'_>, project: u32) -> io::Result<Holding> {
    let mut quota = DiskQuota::default();
    match control(at, X_GET_QUOTA, project, &mut quota) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
            return Ok(Holding::default());
        }
        result => result?,
    }
    Ok(Holding {
        used_bytes: quota.blocks.saturating_mul(BLOCK_BYTES),
        files: quota.inodes,
        limit_bytes: quota.blocks_hard.saturating_mul(BLOCK_BYTES),
    })
}

/// Limits what a project may hold, in whole blocks; zero bytes is without limit.
pub fn set_limit(at: BorrowedFd<'_>, project: u32, bytes: u64) -> io::Result<()> {
    const PROJECT: i8 = 2;
    const BLOCKS_SOFT_AND_HARD: u16 = (1 << 2) | (1 << 3);
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let mut quota = DiskQuota {
        version: 1,
        flags: PROJECT,
        fields: BLOCKS_SOFT_AND_HARD,
        id: project,
        blocks_hard: blocks,
        blocks_soft: blocks,
        ..DiskQuota::default()
    };
    control(at, X_SET_LIMIT, project, &mut quota)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!(size_of::<Attributes>(), 28);
        assert_eq!(size_of::<DiskQuota>(), 112);
        assert_eq!(size_of::<State>(), 160);
    }

    #[test]
    fn a_file_system_without_projects_says_so() {
        let dir = std::fs::File::open("/proc").unwrap();
        assert!(project(dir.as_fd()).is_err());
        assert!(set_project(dir.as_fd(), 7).is_err());
        assert!(limits_hold(dir.as_fd()).is_err());
        assert!(holding(dir.as_fd(), 7).is_err());
        assert!(set_limit(dir.as_fd(), 7, 1).is_err());
    }
}
