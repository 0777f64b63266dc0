//! Standing between the caller and a process in the foreground: signals go through, a terminal is copied, the exit code comes back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::{pidfd, signalfd};
use gantry_types::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use crate::error::Error;
use crate::notify::Notify;
use crate::run_process::Attended;

const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;
const SIGURG: i32 = 23;

/// What a pipe with any room takes at once (`PIPE_BUF`): a write of it after a poll does not wait.
const PORTION_BYTES: usize = 4096;

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
    let console = terminal.map(Console::new).transpose().map_err(failed)?;
    let mut relay = Relay { process: process.pidfd, console, signals, notify };
    while !relay.step().map_err(failed)? {
        if let Some(notify) = relay.notify {
            // We are what the manager watches, and readiness is told once.
            if notify.relay(gantry_sys::process::pid())? {
                relay.notify = None;
            }
        }
    }
    // What the process said last may still be on its way.
    if let Some(console) = &mut relay.console {
        console.output.finish().map_err(failed)?;
    }
    drop(raw);
    Ok(pidfd::wait(process.pidfd.as_fd()).map_err(failed)?.code())
}

struct Relay<'a> {
    process: &'a OwnedFd,
    console: Option<Console<'a>>,
    signals: &'a OwnedFd,
    notify: Option<&'a Notify>,
}

impl Relay<'_> {
    /// Waits for something and deals with it; true when the process has ended.
    fn step(&mut self) -> io::Result<bool> {
        let console = self.console.as_ref();
        let [ended, signalled, output, input, _] = wait_for([
            Some(PollFd::new(self.process, PollFlags::IN)),
            Some(PollFd::new(self.signals, PollFlags::IN)),
            console.and_then(|console| console.output.awaited()),
            console.and_then(|console| console.input.awaited()),
            // After each step the caller looks whether something came.
            self.notify.map(|notify| PollFd::from_borrowed_fd(notify.as_fd(), PollFlags::IN)),
        ])?;
        if signalled {
            self.forward_signals()?;
        }
        if let Some(console) = &mut self.console {
            if output {
                console.advance_output()?;
            }
            if input {
                console.input.advance()?;
            }
        }
        Ok(ended)
    }

    fn forward_signals(&self) -> io::Result<()> {
        signalfd::drain(self.signals, |number| {
            match (i32::try_from(number).unwrap_or(0), &self.console) {
                // Ours to know, and what Go programs send themselves.
                (SIGCHLD | SIGURG, _) => {}
                (SIGWINCH, Some(console)) => copy_size(console.output.from),
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

/// Which of the descriptors are ready, as soon as one is.
fn wait_for<const N: usize>(waits: [Option<PollFd<'_>>; N]) -> io::Result<[bool; N]> {
    let mut polled: Vec<PollFd<'_>> = waits.iter().flatten().cloned().collect();
    match poll(&mut polled, None) {
        Err(Errno::INTR) => return Ok([false; N]),
        result => result?,
    };
    let mut ready = polled.iter().map(|wait| !wait.revents().is_empty());
    Ok(waits.map(|wait| wait.is_some() && ready.next() == Some(true)))
}

/// The process's terminal, copied both ways.
struct Console<'a> {
    output: Flow<'a>,
    input: Flow<'a>,
    /// The process's end of the terminal, from when the process has closed it.
    held: Option<OwnedFd>,
}

impl<'a> Console<'a> {
    fn new(master: &'a OwnedFd) -> io::Result<Self> {
        // Nobody else has this end: to find it empty or full must not stop us.
        ioctl_fionbio(master, true)?;
        Ok(Self {
            output: Flow::new(master.as_fd(), rustix::stdio::stdout()),
            input: Flow::new(rustix::stdio::stdin(), master.as_fd()),
            held: None,
        })
    }

    fn advance_output(&mut self) -> io::Result<()> {
        self.output.advance()?;
        if !self.output.is_open {
            // While nobody has the other end open, a poll would always return at once; but it may be opened again, and be listened to.
            // What we hold can be hung up as well (`vhangup(2)`).
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            self.held = ioctl_tiocgptpeer(self.output.from, flags).ok();
            self.output.is_open = self.held.is_some();
        }
        Ok(())
    }
}

/// Bytes on their way from one descriptor to another.
struct Flow<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    /// Read, and not yet written.
    pending: Vec<u8>,
    /// False when the source is at its end.
    is_open: bool,
}

impl<'a> Flow<'a> {
    fn new(from: BorrowedFd<'a>, to: BorrowedFd<'a>) -> Self {
        Self { from, to, pending: Vec::new(), is_open: true }
    }

    /// What must be ready to go on: a target that is full may be a non-blocking one.
    fn awaited(&self) -> Option<PollFd<'a>> {
        if !self.pending.is_empty() {
            return Some(PollFd::from_borrowed_fd(self.to, PollFlags::OUT));
        }
        self.is_open.then(|| PollFd::from_borrowed_fd(self.from, PollFlags::IN))
    }

    fn advance(&mut self) -> io::Result<()> {
        if self.pending.is_empty() { self.read() } else { self.write() }
    }

    /// Moves all that is there, however long the target takes.
    fn finish(&mut self) -> io::Result<()> {
        loop {
            if self.pending.is_empty() {
                self.read()?;
            }
            if self.pending.is_empty() {
                return Ok(());
            }
            wait_for([self.awaited()])?;
            self.write()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; PORTION_BYTES];
        match retry_on_intr(|| rustix::io::read(self.from, &mut buffer)) {
            // A terminal's master answers EIO when nobody has the other end open any more.
            Ok(0) | Err(Errno::IO) => self.is_open = false,
            Err(Errno::AGAIN) => {}
            read => self.pending.extend_from_slice(&buffer[..read?]),
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        match retry_on_intr(|| rustix::io::write(self.to, &self.pending)) {
            Err(Errno::AGAIN) => {}
            // Nobody reads any more: drop it, and keep the process going.
            Err(Errno::PIPE | Errno::IO) => self.pending.clear(),
            written => drop(self.pending.drain(..written?)),
        }
        Ok(())
    }
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
