//! New processes without exec: `clone3(2)` in the manner of `fork`, and namespaces of the calling thread.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Namespace flags of `clone3(2)`, `unshare(2)` and `setns(2)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Namespaces(u64);

impl Namespaces {
    pub const NONE: Self = Self(0);
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS as u64);
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    pub const UTS: Self = Self(libc::CLONE_NEWUTS as u64);
    pub const IPC: Self = Self(libc::CLONE_NEWIPC as u64);
    pub const USER: Self = Self(libc::CLONE_NEWUSER as u64);
    pub const PID: Self = Self(libc::CLONE_NEWPID as u64);
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET as u64);
    pub const TIME: Self = Self(0x80);

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What `fork`-like calls return, once in each process.
#[derive(Debug)]
pub enum Fork<T> {
    Parent(T),
    Child,
}

/// A child as its parent holds it.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    /// Readable (poll) when the child has ended.
    pub pidfd: OwnedFd,
}

/// Duplicates the process into new namespaces (`clone3(2)`, Linux 5.3; `cgroup` is a v2 directory and needs 5.7).
///
/// Handlers of signals are reset in the child. The child runs on with a copy of everything, so the caller must have one thread only:
/// another thread might hold a lock that nobody would ever release in the copy. More than one thread is refused with
/// [`io::ErrorKind::ResourceBusy`].
pub fn clone_into(
    namespaces: Namespaces,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Fork<Child>> {
    refuse_threads()?;
    clone3(namespaces.0, cgroup)
}

/// Like [`clone_into`], but the new process becomes a sibling of this one, a child of its parent (`CLONE_PARENT`): for a process that
/// enters namespaces on its parent's behalf. The parent waits for it; this process only gets to know it.
///
/// Only for a process that [`clone_into`] made and that has started no thread: the `/proc` around it may be somebody else's by now, so
/// that it cannot be asked.
pub fn clone_beside(
    namespaces: Namespaces,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Fork<Child>> {
    clone3(namespaces.0 | libc::CLONE_PARENT as u64, cgroup)
}

fn clone3(what: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Fork<Child>> {
    let mut pidfd: libc::c_int = -1;
    let mut flags = what | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    let mut cgroup_fd = 0;
    if let Some(fd) = cgroup {
        flags |= CLONE_INTO_CGROUP;
        cgroup_fd = u64::try_from(fd.as_raw_fd()).unwrap_or(0);
    }
    let mut args = libc::clone_args {
        flags,
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        // A sibling has this process's own, and the kernel refuses another.
        exit_signal: if what & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup_fd,
    };
    // SAFETY: without CLONE_VM the child has its own copy of all memory, and this process has no second thread (checked by the callers) or the
    // child takes no lock, so the copy is consistent; `args` outlives the call and has the size that is passed.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>())
    })?;
    if pid == 0 {
        return Ok(Fork::Child);
    }
    Ok(Fork::Parent(child_of(pid, pidfd)))
}

/// What the kernel told the parent of a new child.
fn child_of(pid: libc::c_long, pidfd: libc::c_int) -> Child {
    // SAFETY: the kernel has just stored a new descriptor there that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Child { pid: i32::try_from(pid).unwrap_or(i32::MAX), pidfd }
}

/// Duplicates the process (`fork(2)`), for callers with one thread; see [`clone_into`].
///
/// Works under Docker's seccomp profile, which answers `clone3` with ENOSYS; handlers of signals stay as they are there.
pub fn fork() -> io::Result<Fork<Child>> {
    match clone_into(Namespaces::NONE, None) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => fork_by_clone(),
        result => result,
    }
}

/// The same for a child that makes system calls, on what is on its stack, and ends: it may have any number of threads beside it, for it
/// takes no lock.
pub(crate) fn fork_for_calls() -> io::Result<Fork<Child>> {
    match clone3(0, None) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => fork_by_clone(),
        result => result,
    }
}

/// The same in new namespaces.
pub(crate) fn clone_for_calls(namespaces: Namespaces) -> io::Result<Fork<Child>> {
    clone3(namespaces.0, None)
}

/// `clone(2)`, which every kernel and every profile has.
fn fork_by_clone() -> io::Result<Fork<Child>> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: as in `clone_into`, which has checked for threads: a copy of everything, on a copy of the stack. The last two
    // arguments are unused with these flags, so that their order, which differs between machines, does not matter.
    let pid = check(unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            0 as libc::c_long,
            &raw mut pidfd,
            0 as libc::c_long,
            0 as libc::c_long,
        )
    })?;
    if pid == 0 { Ok(Fork::Child) } else { Ok(Fork::Parent(child_of(pid, pidfd))) }
}

/// Gives the calling thread a root, a working directory and a umask of its own (`unshare(2)`), so that it can change them, or
/// enter a mount namespace, while the other threads stay where they are. Threads that it starts have them in common with it.
pub fn unshare_root() -> io::Result<()> {
    // SAFETY: takes no pointers; paths of other threads mean what they meant before, and descriptors stay common.
    check(unsafe { libc::unshare(libc::CLONE_FS) }.into())?;
    Ok(())
}

/// Moves the calling thread into new namespaces (`unshare(2)`).
pub fn unshare(namespaces: Namespaces) -> io::Result<()> {
    let flags = libc::c_int::try_from(namespaces.0).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: takes no pointers; without CLONE_FILES or CLONE_FS in the type no resource that Rust relies on is unshared.
    check(unsafe { libc::unshare(flags) }.into())?;
    Ok(())
}

/// Moves the calling thread into namespaces (`setns(2)`): of the process behind a pidfd (Linux 5.8), or the one behind a namespace file.
pub fn setns(target: BorrowedFd<'_>, namespaces: Namespaces) -> io::Result<()> {
    let flags = libc::c_int::try_from(namespaces.0).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: takes no pointers; the descriptor is open for as long as the borrow.
    check(unsafe { libc::setns(target.as_raw_fd(), flags) }.into())?;
    Ok(())
}

/// What kind of namespace a namespace file is (`NS_GET_NSTYPE`, Linux 4.11); an error for any other file.
pub fn namespace_kind(file: BorrowedFd<'_>) -> io::Result<Namespaces> {
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: this request takes no argument and returns a number.
    let kind = check(unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) }.into())?;
    Ok(Namespaces(u64::try_from(kind).unwrap_or(0)))
}

/// `/proc/self/task` has one sub-directory for each thread, and a directory one link for each besides its own two.
fn refuse_threads() -> io::Result<()> {
    if rustix::fs::stat("/proc/self/task")?.st_nlink > 3 {
        return Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "a process with several threads cannot be duplicated",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_process_with_threads_is_not_duplicated() {
        // The test harness itself has at least two threads.
        let waiting = std::thread::spawn(std::thread::park);
        let error = fork().unwrap_err();
        waiting.thread().unpark();
        waiting.join().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    }

    #[test]
    fn namespace_files_tell_their_kind_and_others_are_refused() {
        let uts = std::fs::File::open("/proc/self/ns/uts").unwrap();
        assert_eq!(namespace_kind(uts.as_fd()).unwrap(), Namespaces::UTS);
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(namespace_kind(null.as_fd()).is_err());
    }
}
