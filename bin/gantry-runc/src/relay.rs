//! Standing between the caller and a process in the foreground: signals go through, a terminal is copied, the exit code comes back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::{pidfd, signalfd};
use gantry_types::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use crate::error::Error;
use crate::notify::Notify;
use crate::run_process::Attended;

const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;
const SIGURG: i32 = 23;

/// Attends to a child until it ends; its exit code.
pub(crate) fn attend(
    process: &Attended<'_>,
    signals: &OwnedFd,
    notify: Option<&Notify>,
) -> Result<u8, Error> {
    let failed = |source| Error::System { what: "attend to the process", source };
    let terminal = process.terminal;
    let raw = terminal.map(|_| RawInput::new()).transpose().map_err(failed)?.flatten();
    if let Some(terminal) = terminal {
        copy_size(terminal.as_fd());
    }
    let input_open = terminal.is_some();
    let mut relay = Relay { process: process.pidfd, terminal, signals, notify, input_open };
    while !relay.step().map_err(failed)? {
        if let Some(notify) = relay.notify {
            // We are what the manager watches, and readiness is told once.
            if notify.relay(gantry_sys::process::pid())? {
                relay.notify = None;
            }
        }
    }
    // What the process said last may still be on its way.
    if let Some(terminal) = terminal {
        while copy(terminal.as_fd(), rustix::stdio::stdout()).map_err(failed)? {}
    }
    drop(raw);
    Ok(pidfd::wait(process.pidfd.as_fd()).map_err(failed)?.code())
}

struct Relay<'a> {
    process: &'a OwnedFd,
    terminal: Option<&'a OwnedFd>,
    signals: &'a OwnedFd,
    notify: Option<&'a Notify>,
    input_open: bool,
}

impl Relay<'_> {
    /// Waits for something and deals with it; true when the process has ended.
    fn step(&mut self) -> io::Result<bool> {
        let stdin = rustix::stdio::stdin();
        let mut waits = vec![
            PollFd::new(self.process, PollFlags::IN),
            PollFd::new(self.signals, PollFlags::IN),
        ];
        if let Some(terminal) = self.terminal {
            waits.push(PollFd::new(terminal, PollFlags::IN));
            if self.input_open {
                waits.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
        }
        // Last, so that the places above stay: after each step the caller looks whether something came.
        if let Some(notify) = self.notify {
            waits.push(PollFd::from_borrowed_fd(notify.as_fd(), PollFlags::IN));
        }
        match poll(&mut waits, None) {
            Err(Errno::INTR) => return Ok(false),
            result => result?,
        };
        let ready: Vec<bool> = waits.iter().map(|wait| !wait.revents().is_empty()).collect();
        drop(waits);
        if ready[1] {
            self.forward_signals()?;
        }
        if let Some(terminal) = self.terminal {
            if ready[2] {
                copy(terminal.as_fd(), rustix::stdio::stdout())?;
            }
            if self.input_open && ready.get(3) == Some(&true) {
                self.input_open = copy(stdin, terminal.as_fd())?;
            }
        }
        Ok(ready[0])
    }

    fn forward_signals(&self) -> io::Result<()> {
        signalfd::drain(self.signals, |number| {
            match (i32::try_from(number).unwrap_or(0), self.terminal) {
                // Ours to know, and what Go programs send themselves.
                (SIGCHLD | SIGURG, _) => {}
                (SIGWINCH, Some(terminal)) => copy_size(terminal.as_fd()),
                (number, _) => {
                    if let Ok(signal) = Signal::from_raw(number) {
                        // The process may be gone: then the next step notices.
                        drop(pidfd::send_signal(self.process.as_fd(), signal));
                    }
                }
            }
        })
    }
}

/// Moves one buffer; false when the source is at its end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    let length = match rustix::io::read(from, &mut buffer) {
        // A terminal's master answers EIO when nobody has the other end open any more.
        Ok(0) | Err(Errno::IO) => return Ok(false),
        Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
        read => read?,
    };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            // Nobody reads any more: drop it, and keep the process going.
            Err(Errno::PIPE | Errno::IO) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Gives the process's terminal the size of ours.
fn copy_size(terminal: BorrowedFd<'_>) {
    if let Ok(size) = tcgetwinsize(rustix::stdio::stdin())
        && size.ws_row > 0
    {
        // A size is a courtesy.
        tcsetwinsize(terminal, size).ok();
    }
}

/// Our terminal passes every key on while this lives.
struct RawInput(Termios);

impl RawInput {
    fn new() -> io::Result<Option<Self>> {
        let stdin = rustix::stdio::stdin();
        if !isatty(stdin) {
            return Ok(None);
        }
        let saved = tcgetattr(stdin)?;
        let mut raw = saved.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self(saved)))
    }
}

impl Drop for RawInput {
    fn drop(&mut self) {
        // Nothing can be done when our own terminal is gone.
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
