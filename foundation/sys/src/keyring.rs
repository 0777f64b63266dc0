//! Session keyrings (`keyctl(2)`).

use std::ffi::CStr;
use std::io;

use crate::check;

const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;

/// Gives the process a new session keyring of this name. `ENOSYS` on kernels without keyrings.
pub fn join_session_keyring(name: &CStr) -> io::Result<()> {
    // SAFETY: the name is NUL-terminated and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    Ok(())
}
