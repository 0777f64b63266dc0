//! Processes held by descriptor: no reuse of a pid can make a signal hit a stranger.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use gantry_types::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus};

use crate::check;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(u8),
    Killed { signal: i32, core_dumped: bool },
}

impl Ended {
    /// The shell's number: the exit code, or 128 and the signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed { signal, .. } => 128 | u8::try_from(signal).unwrap_or(0),
        }
    }
}

/// `pidfd_open(2)`; `ESRCH` when there is no such process.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// `pidfd_send_signal(2)`; `ESRCH` when the process has ended and been waited for.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    // SAFETY: a null siginfo means "as kill(2) does"; no other pointers are passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal.as_raw(),
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })?;
    Ok(())
}

/// Whether the process has ended (it may still be a zombie).
pub fn has_ended(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    wait_ended(pidfd, Some(Duration::ZERO))
}

/// Waits until the process, anybody's child, has ended; false when the time is over first.
pub fn wait_ended(pidfd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.map(|timeout| crate::clock::monotonic() + timeout);
    loop {
        let left = deadline.map(|end| end.saturating_sub(crate::clock::monotonic()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result? > 0),
        }
    }
}

/// Reaps a child that has ended; `None` while it runs. `ECHILD` when it is not this process's child.
pub fn try_wait(pidfd: BorrowedFd<'_>) -> io::Result<Option<Ended>> {
    wait_with(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

/// Waits for a child and reaps it.
pub fn wait(pidfd: BorrowedFd<'_>) -> io::Result<Ended> {
    loop {
        match wait_with(pidfd, WaitIdOptions::EXITED) {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn wait_with(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> io::Result<Option<Ended>> {
    Ok(rustix::process::waitid(WaitId::PidFd(pidfd), options)?.as_ref().map(ended))
}

fn ended(status: &WaitIdStatus) -> Ended {
    match status.terminating_signal() {
        Some(signal) => Ended::Killed { signal, core_dumped: status.dumped() },
        // The kernel keeps the low eight bits only.
        None => Ended::Exited(
            u8::try_from(status.exit_status().unwrap_or(0) & 0xff).unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_signalled_waited_for_and_reaped() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = open(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(!has_ended(pidfd.as_fd()).unwrap());
        assert_eq!(try_wait(pidfd.as_fd()).unwrap(), None);
        send_signal(pidfd.as_fd(), Signal::KILL).unwrap();
        assert!(wait_ended(pidfd.as_fd(), Some(Duration::from_secs(10))).unwrap());
        let ended = wait(pidfd.as_fd()).unwrap();
        assert_eq!(ended, Ended::Killed { signal: 9, core_dumped: false });
        assert_eq!(ended.code(), 137);
        assert_eq!(
            send_signal(pidfd.as_fd(), Signal::KILL).unwrap_err().raw_os_error(),
            Some(libc::ESRCH)
        );
        assert!(child.wait().is_err(), "it was reaped already");
    }
}
