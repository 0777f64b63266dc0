//! The user's terminal: whether there is one, its size, and raw mode that is always undone.

use std::io::{self, IsTerminal};

use gantry_client::TerminalSize;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::error::Error;

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Whether standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Fails when a container's terminal is to be fed, so that a terminal is needed, from something that is none.
pub(crate) fn check_input(needed: bool) -> Result<(), Error> {
    if needed && !stdin_is_terminal() {
        return Err(Error::refused("the input device is not a TTY"));
    }
    Ok(())
}

/// Rows and columns of the terminal at standard output; `None` when there is none or it has no size.
pub(crate) fn size() -> Option<TerminalSize> {
    size_of(rustix::stdio::stdout())
}

/// The same of the terminal at standard error.
pub(crate) fn size_at_stderr() -> Option<TerminalSize> {
    size_of(rustix::stdio::stderr())
}

fn size_of(terminal: std::os::fd::BorrowedFd<'_>) -> Option<TerminalSize> {
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_row > 0 && size.ws_col > 0)
        .then_some(TerminalSize { rows: size.ws_row, columns: size.ws_col })
}

/// The terminal at standard input without echo, until dropped: for secrets.
#[derive(Debug)]
pub(crate) struct WithoutEcho {
    before: Termios,
}

/// Turns the echo off.
pub(crate) fn without_echo() -> Result<WithoutEcho, Error> {
    let failed =
        |action| move |source: rustix::io::Errno| Error::Terminal { action, source: source.into() };
    let stdin = rustix::stdio::stdin();
    let before = tcgetattr(stdin).map_err(failed("read the terminal's settings"))?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin, OptionalActions::Now, &quiet).map_err(failed("turn the echo off"))?;
    Ok(WithoutEcho { before })
}

impl Drop for WithoutEcho {
    fn drop(&mut self) {
        // A terminal that has gone needs no settings.
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before).unwrap_or(());
    }
}

/// Raw mode of the terminal at standard input, until dropped: keys reach us one by one and unchanged.
#[derive(Debug)]
pub(crate) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Enters raw mode; `None` when standard input is no terminal.
    pub(crate) fn enter() -> Result<Option<Self>, Error> {
        if !stdin_is_terminal() {
            return Ok(None);
        }
        let failed = |action| {
            move |source: rustix::io::Errno| Error::Terminal { action, source: source.into() }
        };
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).map_err(failed("read the terminal's settings"))?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Now, &raw)
            .map_err(failed("set the terminal to raw mode"))?;
        Ok(Some(Self { before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone needs no settings.
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before).unwrap_or(());
    }
}
