//! Dispositions and masks of signals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// Sets every signal to its default and blocks none: what a new program may expect. An ignored signal would survive an exec, and Rust
/// programs start with `SIGPIPE` ignored.
pub fn reset_all() -> io::Result<()> {
    for signal in 1..=64 {
        // 32 and 33 are the C library's own; it refuses to touch them, and they are never ignored.
        if matches!(signal, libc::SIGKILL | libc::SIGSTOP | 32 | 33) {
            continue;
        }
        // SAFETY: SIG_DFL runs no code of ours, so no handler's rules can be broken.
        if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    unblock_all()
}

/// Blocks no signal in the calling thread.
pub fn unblock_all() -> io::Result<()> {
    // SAFETY: all zeroes is a valid value of the C structure.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours and lives.
    check(unsafe { libc::sigemptyset(&raw mut none) }.into())?;
    let nothing = std::ptr::null_mut();
    // SAFETY: the set is initialised and outlives the call; no old set is asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, nothing) }.into())?;
    Ok(())
}

/// Signals as something to poll (`signalfd(2)`): blocked for the calling thread and read from here instead.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks every signal that can be blocked, and takes it from now on.
    pub fn block_all() -> io::Result<Self> {
        // SAFETY: all zeroes is a valid value of the C structure.
        let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is ours and lives.
        check(unsafe { libc::sigfillset(&raw mut all) }.into())?;
        let nothing = std::ptr::null_mut();
        // SAFETY: the set is initialised and outlives the call; no old set is asked for.
        check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, nothing) }.into())?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: -1 asks for a new descriptor; the set is initialised and outlives the call.
        let fd = check(unsafe { libc::signalfd(-1, &raw const all, flags) }.into())?;
        let fd = i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
        // SAFETY: the kernel just made this descriptor, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that has arrived, by number; `None` when there is none.
    pub fn next(&self) -> io::Result<Option<i32>> {
        // The number is the first field of the 128 bytes of `struct signalfd_siginfo`.
        let mut info = [0; 128];
        match rustix::io::read(&self.0, &mut info) {
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            read => {
                read?;
                Ok(Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]])))
            }
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
