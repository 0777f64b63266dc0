//! Dispositions and masks of signals.

use std::io;

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
