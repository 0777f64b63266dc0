//! Loading a system call filter into the calling thread (`seccomp(2)`).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::check;

/// One BPF instruction, as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub value: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: the call returns a descriptor for notifications.
pub const FLAG_NEW_LISTENER: u32 = 8;

/// Whether this kernel knows a `SECCOMP_FILTER_FLAG_*`. Nothing is loaded: the kernel looks at the flags before it looks for a program.
pub fn knows_flag(flag: u32) -> bool {
    let none = std::ptr::null::<Program>();
    // SAFETY: the kernel answers EFAULT to a null pointer, or EINVAL to flags that it does not know.
    let answer =
        check(unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, none) });
    matches!(answer, Err(error) if error.raw_os_error() == Some(libc::EFAULT))
}

/// Installs the filter with `SECCOMP_FILTER_FLAG_*` flags. It needs `no_new_privs` or `CAP_SYS_ADMIN`. With [`FLAG_NEW_LISTENER`] the
/// notification descriptor comes back.
pub fn load(instructions: &[Instruction], flags: u32) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: `program` has the layout of `struct sock_fprog`; it and the instructions it points to outlive the call.
    let result = check(unsafe {
        libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })?;
    if flags & FLAG_NEW_LISTENER == 0 {
        return Ok(None);
    }
    let listener = i32::try_from(result).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: with this flag a success is a new descriptor that nobody else owns.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(listener) }))
}
