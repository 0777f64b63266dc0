//! A copier that fills the copy while its maker goes on: a process with the maker's memory and a stack of its own.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use crate::check;

/// What the copier needs: it makes a few calls of a few frames each.
const STACK_BYTES: usize = 32 << 10;

/// A copier at work. Dropped, it is waited for.
#[derive(Debug)]
pub(super) struct Copier {
    pid: libc::c_long,
    /// What is the copier's for as long as it runs.
    lent: (Vec<u128>, Box<Job>),
}

#[derive(Debug)]
struct Job {
    from: RawFd,
    to: RawFd,
    length: u64,
}

impl Copier {
    /// Copies `length` bytes between two files, which must stay open until [`wait`](Self::wait).
    pub(super) fn start(from: &File, to: &File, length: u64) -> io::Result<Self> {
        let mut job = Box::new(Job { from: from.as_raw_fd(), to: to.as_raw_fd(), length });
        let mut stack = vec![0_u128; STACK_BYTES / size_of::<u128>()];
        let argument = ptr::from_mut(job.as_mut()).cast();
        let top = stack.as_mut_ptr_range().end.cast();
        // SAFETY: `work` runs on a stack that is its own and touches nothing but its argument; both live until it has ended, for `Self`
        // waits for that. It has its own copy of the descriptors.
        let pid = unsafe { libc::clone(work, top, libc::CLONE_VM, argument) };
        let pid = check(pid.into())?;
        Ok(Self { pid, lent: (stack, job) })
    }

    /// Waits for the copier's end; an error when it could not do its work.
    pub(super) fn wait(mut self) -> io::Result<()> {
        match self.reap()? {
            0 => Ok(()),
            _ => Err(io::Error::other("the program's copy could not be completed")),
        }
    }

    fn reap(&mut self) -> io::Result<libc::c_int> {
        let (pid, mut status, none) = (self.pid, -1, ptr::null_mut::<libc::rusage>());
        self.pid = 0;
        loop {
            // SAFETY: the kernel writes the status into a number that outlives the call, and nothing else.
            let waited = check(unsafe {
                libc::syscall(libc::SYS_wait4, pid, &raw mut status, libc::__WALL, none)
            });
            match waited {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                waited => return waited.map(|_| status),
            }
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        if self.pid != 0 && self.reap().is_err() {
            // Nobody knows whether it still runs: what it uses must stay then.
            let nothing = (Vec::new(), Box::new(Job { from: -1, to: -1, length: 0 }));
            std::mem::forget(std::mem::replace(&mut self.lent, nothing));
        }
    }
}

/// The copier's life. It shares all memory, so it must not allocate, panic, or use anything that belongs to a thread, such as `errno`:
/// the calls below are made without the C library.
extern "C" fn work(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the maker passes a job that lives as long as this.
    let job = unsafe { &*job.cast::<Job>() };
    // SAFETY: the maker's files stay open, and these are copies of their descriptors.
    let from = unsafe { BorrowedFd::borrow_raw(job.from) };
    // SAFETY: as above.
    let to = unsafe { BorrowedFd::borrow_raw(job.to) };
    let mut left = job.length;
    while left > 0 {
        let chunk = usize::try_from(left).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(to, from, None, chunk) {
            Ok(sent) if sent > 0 => left = left.saturating_sub(sent as u64),
            _ => return 1,
        }
    }
    0
}
