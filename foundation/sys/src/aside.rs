//! Work that is done beside a process with one thread: by a process with its memory and a stack of its own.
//!
//! A thread would do the same, but a process that has one cannot be duplicated, and a thread needs more of the C library.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Pid;

use crate::check;
use crate::schedule;

/// How many processes have this one's memory, too.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Whether another process may use this one's memory: then no page of it may be replaced.
pub(crate) fn is_any_running() -> bool {
    RUNNING.load(Ordering::Acquire) > 0
}

/// What the work needs: a few calls of a few frames each.
const STACK_BYTES: usize = 32 << 10;

/// Work in progress. Dropped, it is waited for.
#[derive(Debug)]
pub(crate) struct Aside<J> {
    pid: libc::c_long,
    /// What is the worker's for as long as it runs; empty afterwards.
    lent: Option<(Stack, Box<J>)>,
}

type Stack = Vec<MaybeUninit<u128>>;

/// Work to be done aside: zero when it is done, else the process's exit status.
///
/// The worker shares all memory, the thread-local kind too. So this must not allocate, panic, or use anything that belongs to a thread,
/// such as `errno`: it makes its calls without the C library, and touches nothing but the job.
pub(crate) type Work = extern "C" fn(*mut libc::c_void) -> libc::c_int;

impl<J> Aside<J> {
    /// Starts the work with a copy of the process's descriptors, or with the very same (`CLONE_FILES`).
    ///
    /// `work` gets a pointer to the job, which lives, and is nobody else's, until [`wait`](Self::wait).
    pub(crate) fn start(flags: libc::c_int, work: Work, job: J) -> io::Result<Self> {
        let mut job = Box::new(job);
        let length = STACK_BYTES / size_of::<u128>();
        let mut stack = Stack::with_capacity(length);
        let argument = ptr::from_mut(job.as_mut()).cast();
        let top = stack.as_mut_ptr().wrapping_add(length).cast();
        let idle = schedule::idle_processors();
        // SAFETY: `work` runs on a stack that is its own and touches nothing but its argument; both live until it has ended, for `Self`
        // waits for that.
        let pid = unsafe { libc::clone(work, top, flags | libc::CLONE_VM, argument) };
        let pid = check(pid.into())?;
        let worker = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let (Some(worker), Some(idle)) = (worker, idle) {
            schedule::keep_on(worker, &idle);
        }
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Ok(Self { pid, lent: Some((stack, job)) })
    }

    /// Waits for the end of the work; what it made of the job, and what it returned.
    pub(crate) fn wait(mut self) -> io::Result<(J, libc::c_int)> {
        let status = self.reap()?;
        let (_, job) = self.lent.take().ok_or(io::ErrorKind::NotFound)?;
        Ok((*job, status))
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
                Err(error) => {
                    // Nobody knows whether it still runs: what it uses must stay then.
                    std::mem::forget(self.lent.take());
                    return Err(error);
                }
                Ok(_) => {
                    RUNNING.fetch_sub(1, Ordering::AcqRel);
                    return Ok(status);
                }
            }
        }
    }
}

impl<J> Drop for Aside<J> {
    fn drop(&mut self) {
        if self.pid != 0 {
            drop(self.reap());
        }
    }
}
