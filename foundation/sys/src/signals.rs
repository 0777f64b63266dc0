//! Dispositions and masks of signals.

use std::io;

use crate::check;

/// Sets every signal to its default and blocks none: what a new program may expect. An ignored signal would survive an exec, and Rust
/// programs start with `SIGPIPE` ignored.
pub fn reset_all() -> io::Result<()> {
    // All zeroes is the kernel's `struct sigaction` for SIG_DFL, on every architecture. The C library's function would not do: it
    // refuses 32 and 33, which a caller may have left ignored.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        if matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
            continue;
        }
        let nothing = std::ptr::null_mut::<u64>();
        // SAFETY: SIG_DFL runs no code of ours, so no handler's rules can be broken; the structure outlives the call, and 8 is the size
        // of the kernel's signal sets.
        check(unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), nothing, 8_usize)
        })?;
    }
    unblock_all()
}

/// Blocks no signal in the calling thread.
pub fn unblock_all() -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, 0)
}

/// Changes which signals the calling thread blocks. The C libraries' own functions would not do: each refuses some signals.
pub(crate) fn change_mask(how: libc::c_int, set: u64) -> io::Result<()> {
    let (set, old, size) = (&raw const set, std::ptr::null_mut::<u64>(), size_of::<u64>());
    // SAFETY: the set outlives the call and has the size that is passed; no old set is asked for.
    check(unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, set, old, size) })?;
    Ok(())
}
