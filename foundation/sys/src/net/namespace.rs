//! A network namespace that is made while its maker goes on: the kernel takes longer for one than for all other kinds together.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::set_loopback_up;
use crate::aside::Aside;

/// A new network namespace, its loopback device up, in the making. Dropped, it is waited for, and goes.
#[derive(Debug)]
pub struct PendingNamespace(Option<Aside<Job>>);

#[derive(Debug)]
struct Job {
    made: Result<RawFd, Errno>,
}

impl PendingNamespace {
    /// Begins to make one, with the calling process's rights and in its user namespace.
    ///
    /// Only for a process with one thread.
    pub fn begin() -> io::Result<Self> {
        // The descriptor is to be there when the worker is not any more.
        let aside = Aside::start(libc::CLONE_FILES, work, Job { made: Err(Errno::CANCELED) })?;
        Ok(Self(Some(aside)))
    }

    /// The namespace, to be entered with [`setns`](crate::clone::setns).
    ///
    /// # Errors
    /// What the kernel said when it was made: `EPERM` without the right to, `ENOSPC` when there are as many as there may be.
    pub fn finish(mut self) -> io::Result<OwnedFd> {
        self.take()
    }

    fn take(&mut self) -> io::Result<OwnedFd> {
        let aside = self.0.take().ok_or(io::ErrorKind::NotFound)?;
        let (job, _) = aside.wait()?;
        let fd = job.made?;
        // SAFETY: the worker opened it in the table of descriptors that it had in common with this process, and left it there.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl Drop for PendingNamespace {
    fn drop(&mut self) {
        if self.0.is_some() {
            drop(self.take());
        }
    }
}

/// The worker's life.
extern "C" fn work(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the maker passes a job that lives as long as this and is nobody else's meanwhile.
    let job = unsafe { &mut *job.cast::<Job>() };
    job.made = make().map(IntoRawFd::into_raw_fd);
    0
}

/// Makes one and moves the calling process there, without the C library and the heap.
pub(crate) fn make() -> Result<OwnedFd, Errno> {
    // SAFETY: the table of descriptors stays common.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
    set_loopback_up()?;
    openat(CWD, c"/proc/self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::clone::{Namespaces, namespace_kind};

    #[test]
    fn a_namespace_of_its_own_is_made_by_whoever_may() {
        let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
        match PendingNamespace::begin().unwrap().finish() {
            Ok(made) => {
                assert_eq!(namespace_kind(made.as_fd()).unwrap(), Namespaces::NETWORK);
                assert_ne!(fs::File::from(made).metadata().unwrap().ino(), own);
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}"),
        }
        assert_eq!(fs::metadata("/proc/self/ns/net").unwrap().ino(), own);
        drop(PendingNamespace::begin().unwrap());
    }
}
