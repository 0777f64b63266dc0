//! Descriptor tables: which descriptors survive an exec, and moving descriptors to fixed numbers.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::check;

/// Marks every descriptor from `first` on as close-on-exec (`close_range(2)` with `CLOSE_RANGE_CLOEXEC`, Linux 5.11).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: takes no pointers; with this flag no descriptor is closed now, so nothing that Rust owns goes away.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })?;
    Ok(())
}

/// Takes over the descriptors 3, 4 and so on, `count` in all, that a service manager has opened for this process
/// (`sd_listen_fds(3)`), and marks them as close-on-exec. Only for a process that was told that they are its own; the
/// second call gets none.
pub fn take_inherited(count: u32) -> io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    (3..).take(count as usize).map(inherited).collect()
}

fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers; sets a flag of whatever has this number, or fails when nothing has.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open, and nobody in this process owns it: it came with the process, and is taken but once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from 3 on: what a caller left open by mistake. Only for the first step of `main`, when nothing of this
/// process's own is open yet.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: takes no pointers; nothing in this process owns a descriptor yet, as the callers' contract says.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) })?;
    Ok(())
}

/// Closes every descriptor above 2 except the first `preserved` ones and those kept. Only for a forked process that from then on uses
/// nothing but those, and ends or executes a program without dropping the rest: an owner of what is closed here must not close the
/// number again.
pub fn close_all_but(kept: &[BorrowedFd<'_>], preserved: u32) -> io::Result<()> {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    kept.sort_unstable();
    let mut first = preserved.saturating_add(3);
    for number in kept.into_iter().chain([u32::MAX]) {
        if number > first {
            let last = if number == u32::MAX { number } else { number - 1 };
            // SAFETY: takes no pointers; by the callers' contract nothing uses, or closes again, what is closed here.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) })?;
        }
        first = first.max(number.saturating_add(1));
    }
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

/// Makes `first`, `first + 1` and so on refer to what `fds` refer to, keeps them over an exec, and marks all others above as
/// close-on-exec. Only for a forked child that runs a program next: whatever had these numbers in it is closed.
pub fn hand_over(first: u32, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let end = first + u32::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let number = |number: u32| i32::try_from(number).map_err(|_| io::ErrorKind::InvalidInput);
    // Copies above the targets first: a source may have a target's number itself.
    let copies = fds.iter().map(|fd| above(*fd, number(end)?)).collect::<io::Result<Vec<_>>>()?;
    for (target, source) in (first..).zip(&copies) {
        // SAFETY: takes no pointers; the callers' contract says that nothing uses the old descriptors with these numbers any more.
        check(unsafe { libc::dup2(source.as_raw_fd(), number(target)?) }.into())?;
    }
    close_on_exec_from(end)
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
    above(fd, 3)
}

fn above(fd: BorrowedFd<'_>, least: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers; the descriptor is open for as long as the borrow.
    let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) }.into())?;
    let copy = i32::try_from(copy).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the kernel just made this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    /// What a child has open that closed all but these.
    fn left_open(kept: Vec<OwnedFd>, preserved: u32) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cd /proc/self/fd && echo *"]);
        let close = move || {
            let kept: Vec<BorrowedFd<'_>> = kept.iter().map(AsFd::as_fd).collect();
            close_all_but(&kept, preserved)?;
            kept.iter().try_for_each(|fd| keep_on_exec(fd.as_raw_fd()))
        };
        // SAFETY: the child of a process with threads: it makes system calls and allocates a little, which the C library's fork allows.
        unsafe { command.pre_exec(close) };
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    #[test]
    fn only_what_is_kept_stays_open() {
        let open = |least| above(rustix::stdio::stdin(), least).unwrap();
        let _others = [open(20), open(42), open(60)];
        let (low, high) = (open(41), open(50));
        let numbers = [low.as_raw_fd().to_string(), high.as_raw_fd().to_string()];
        let said = left_open(vec![high, low], 0);
        let words: Vec<&str> = said.split_whitespace().collect();
        assert!(numbers.iter().all(|number| words.contains(&number.as_str())), "{said}");
        // The standard streams, and one that the shell lists the directory through.
        assert!(words.len() <= 6 && words.contains(&"0") && words.contains(&"2"), "{said}");
        let said = left_open(Vec::new(), 0);
        assert!(said.split_whitespace().count() <= 4, "{said}");
    }
}
