//! What `create`, `run` and `exec` have in common: where the terminal goes, the pid file, and staying until the end.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_runtime::Stdio;
use gantry_sys::{signalfd, unix_socket};
use gantry_types::Signal;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::error::Error;
use crate::relay;

/// Flags that say how a process is run.
pub(crate) const FLAGS: [Flag; 3] =
    [value("console-socket"), value("pid-file"), value("preserve-fds")];
pub(crate) const DETACH: Flag = switch("detach").short("d");

/// How the process is attended to.
#[derive(Debug)]
pub(crate) struct Attendance {
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub preserve_fds: u32,
    pub detach: bool,
}

impl Attendance {
    pub(crate) fn new(args: &Arguments, detach: bool) -> Result<Self, Error> {
        let path = |name| args.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self {
            console_socket: path("console-socket"),
            pid_file: path("pid-file"),
            preserve_fds: args.number("preserve-fds")?.unwrap_or(0),
            detach,
        })
    }

    /// The streams for a process that wants a terminal or not.
    pub(crate) fn stdio(&self, terminal: bool) -> Result<Stdio, Error> {
        match (terminal, self.detach, &self.console_socket) {
            (true, true, None) => Err(Error::usage(
                "cannot allocate tty if runc will detach without setting console socket",
            )),
            (false, _, Some(_)) => Err(Error::usage(
                "cannot use console socket if runc will not detach or allocate tty",
            )),
            (true, _, _) => Ok(Stdio::Terminal),
            (false, _, None) => Ok(Stdio::Inherit),
        }
    }

    /// Hands over what callers wait for: the terminal and the pid. A terminal that stays with us comes back.
    pub(crate) fn announce(
        &self,
        pid: i32,
        terminal: Option<OwnedFd>,
    ) -> Result<Option<OwnedFd>, Error> {
        let kept = match (&self.console_socket, terminal) {
            (Some(path), Some(terminal)) => {
                send_terminal(path, &terminal)?;
                None
            }
            (_, terminal) => terminal,
        };
        if let Some(path) = &self.pid_file {
            write_pid(path, pid)?;
        }
        Ok(kept)
    }

    /// Signals are taken before the process exists, so that none is lost; none are taken when nobody stays to forward them.
    pub(crate) fn take_signals(&self) -> Result<Option<OwnedFd>, Error> {
        if self.detach {
            return Ok(None);
        }
        // 32 and 33 belong to the C library.
        let numbers = (1..=64).filter(|number| !matches!(number, 32 | 33));
        let all: Vec<Signal> = numbers.filter_map(|number| Signal::from_raw(number).ok()).collect();
        let taken = signalfd::watch(&all);
        taken.map(Some).map_err(|source| Error::System { what: "take signals", source })
    }
}

/// Stays until the process ends, unless detached: then no signals were taken. Its exit code.
pub(crate) fn attend(
    process: &OwnedFd,
    terminal: Option<&OwnedFd>,
    signals: Option<&OwnedFd>,
) -> Result<u8, Error> {
    let Some(signals) = signals else { return Ok(0) };
    relay::attend(process, terminal, signals)
        .map_err(|source| Error::System { what: "attend to the process", source })
}

fn send_terminal(path: &Path, terminal: &OwnedFd) -> Result<(), Error> {
    let failed =
        |source| Error::File { what: "send the terminal to", path: path.to_owned(), source };
    let socket = unix_socket::connect(path).map_err(failed)?;
    unix_socket::send_with_fd(socket.as_fd(), b"/dev/ptmx", Some(terminal.as_fd())).map_err(failed)
}

/// Callers watch for the name, so it appears with its contents.
fn write_pid(path: &Path, pid: i32) -> Result<(), Error> {
    let failed = |source| Error::File { what: "write the pid file", path: path.to_owned(), source };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let new = path.with_file_name(format!(".{}", name.unwrap_or_default()));
    fs::write(&new, pid.to_string()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}
