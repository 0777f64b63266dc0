//! Signals as something to read: they are blocked, and arrive at a descriptor instead of a handler.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use gantry_types::Signal;

use crate::{check, signals};

/// Blocks `signals` in the calling thread and gives a descriptor that is readable when one of them has come (`signalfd(2)`,
/// close-on-exec, not blocking). Read it with [`drain`]; children that run a program must unblock them again
/// ([`crate::signals::reset_all`]).
pub fn watch(signals: &[Signal]) -> io::Result<OwnedFd> {
    let set = signals.iter().fold(0, |set, signal| set | mask(*signal));
    signals::change_mask(libc::SIG_BLOCK, set)?;
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    let (new, set) = (-1, &raw const set);
    // SAFETY: the set outlives the call and has the size that is passed; -1 asks for a new descriptor.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_signalfd4, new, set, size_of::<u64>(), flags) })?;
    let fd = i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the kernel just made this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A signal's bit in the kernel's sets.
fn mask(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

/// Reads until nothing is there; calls `each` with every signal's number.
pub fn drain(fd: &OwnedFd, mut each: impl FnMut(u32)) -> io::Result<()> {
    // A signalfd_siginfo has 128 bytes and begins with the number.
    let mut block = [0_u8; 128 * 8];
    loop {
        match rustix::io::read(fd, &mut block) {
            Ok(length) => {
                for info in block[..length].chunks_exact(128) {
                    if let Some(number) = info.first_chunk() {
                        each(u32::from_ne_bytes(*number));
                    }
                }
            }
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_read_instead_of_handled() {
        // The mask is a thread's own, and so is a signal sent to one.
        let fd = watch(&[Signal::WINCH, Signal::HUP]).unwrap();
        let mut seen = Vec::new();
        drain(&fd, |number| seen.push(number)).unwrap();
        assert!(seen.is_empty());
        // SAFETY: always allowed.
        let this = unsafe { libc::pthread_self() };
        // SAFETY: a signal to this thread, which lives and blocks it.
        assert_eq!(unsafe { libc::pthread_kill(this, libc::SIGHUP) }, 0);
        drain(&fd, |number| seen.push(number)).unwrap();
        assert_eq!(seen, [1]);
        signals::unblock_all().unwrap();
    }
}
