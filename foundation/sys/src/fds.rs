//! Descriptor tables: which descriptors survive an exec, and moving descriptors to fixed numbers.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// Marks every descriptor from `first` on as close-on-exec (`close_range(2)` with `CLOSE_RANGE_CLOEXEC`, Linux 5.11).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: takes no pointers; with this flag no descriptor is closed now, so nothing that Rust owns goes away.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })?;
    Ok(())
}

/// Closes every descriptor from 3 on: what a caller left open by mistake. Only for the first step of `main`, when nothing of this
/// process's own is open yet.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: takes no pointers; nothing in this process owns a descriptor yet, as the callers' contract says.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) })?;
    Ok(())
}

/// Makes 0, 1 and 2 refer to what the arguments refer to, and keeps them over an exec.
pub fn set_stdio(
    stdin: BorrowedFd<'_>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
) -> io::Result<()> {
    // Copies above 2 first: one of the sources may itself be 0, 1 or 2 and would be overwritten.
    let sources = [above_stdio(stdin)?, above_stdio(stdout)?, above_stdio(stderr)?];
    for (target, source) in (0..).zip(&sources) {
        // SAFETY: replaces one of the standard streams, which Rust never owns exclusively; the source is open.
        check(unsafe { libc::dup2(source.as_raw_fd(), target) }.into())?;
    }
    Ok(())
}

/// Whether descriptor `number` is open.
pub fn is_open(number: i32) -> bool {
    // SAFETY: F_GETFD takes no argument, and any number is allowed.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Keeps descriptor `number`, which the caller's caller handed over on purpose, open over an exec. A closed number is an error.
pub fn keep_on_exec(number: i32) -> io::Result<()> {
    // SAFETY: F_SETFD changes a flag only, and any number is allowed.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }.into())?;
    Ok(())
}

/// Opens `/dev/null` for each of 0, 1 and 2 that is closed: otherwise a later open would land there, and the program would write its
/// messages into that file.
pub fn fill_stdio() -> io::Result<()> {
    for number in 0..3 {
        if !is_open(number) {
            // SAFETY: the path is NUL-terminated; the new descriptor is meant to stay open for good.
            let fd = check(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) }.into())?;
            debug_assert_eq!(
                fd,
                libc::c_long::from(number),
                "the kernel gives the lowest free number"
            );
        }
    }
    Ok(())
}

fn above_stdio(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers; the descriptor is open for as long as the borrow.
    let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) }.into())?;
    let copy = i32::try_from(copy).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the kernel just made this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
