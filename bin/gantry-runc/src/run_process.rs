//! What `create`, `run` and `exec` have in common: where the terminal goes, the pid file, and staying until the end.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_runtime::Stdio;
use gantry_sys::{signalfd, unix_socket};
use gantry_types::Signal;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::error::Error;
use crate::inherited::Inherited;
use crate::notify::Notify;
use crate::relay;

/// Flags that say how a process is run.
pub(crate) const FLAGS: [Flag; 4] =
    [value("console-socket"), value("pid-file"), value("pidfd-socket"), value("preserve-fds")];
pub(crate) const DETACH: Flag = switch("detach").short("d");

/// How the process is attended to.
#[derive(Debug)]
pub(crate) struct Attendance {
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub pidfd_socket: Option<PathBuf>,
    pub inherited: Inherited,
    pub detach: bool,
}

impl Attendance {
    pub(crate) fn new(args: &Arguments, detach: bool) -> Result<Self, Error> {
        let path = |name| args.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self {
            console_socket: path("console-socket"),
            pid_file: path("pid-file"),
            pidfd_socket: path("pidfd-socket"),
            inherited: Inherited::find(args)?,
            detach,
        })
    }

    /// Whether anybody is to be told of the process before its program runs.
    pub(crate) fn announces(&self) -> bool {
        [&self.console_socket, &self.pid_file, &self.pidfd_socket].iter().any(|it| it.is_some())
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

    /// Hands over what callers wait for: the terminal, the process and its pid. A terminal that stays with us comes back.
    pub(crate) fn announce(
        &self,
        pid: i32,
        process: &OwnedFd,
        terminal: Option<OwnedFd>,
    ) -> Result<Option<OwnedFd>, Error> {
        let kept = match (&self.console_socket, terminal) {
            (Some(path), Some(terminal)) => {
                send(path, b"/dev/ptmx", &terminal)?;
                None
            }
            (_, terminal) => terminal,
        };
        if let Some(path) = &self.pidfd_socket {
            send(path, b"pidfd", process)?;
        }
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

/// Stays until the process ends, unless detached: then no signals were taken, and only its readiness is waited for. Its exit code.
pub(crate) fn attend(
    process: &Attended<'_>,
    signals: Option<&OwnedFd>,
    notify: Option<&Notify>,
) -> Result<u8, Error> {
    let Some(signals) = signals else {
        if let Some(notify) = notify {
            notify.wait(process.pidfd.as_fd(), process.pid)?;
        }
        return Ok(0);
    };
    relay::attend(process, signals, notify)
}

/// The process that is attended to.
#[derive(Debug)]
pub(crate) struct Attended<'a> {
    pub pid: i32,
    pub pidfd: &'a OwnedFd,
    pub terminal: Option<&'a OwnedFd>,
}

fn send(path: &Path, name: &[u8], fd: &OwnedFd) -> Result<(), Error> {
    let failed =
        |source| Error::File { what: "send a descriptor to", path: path.to_owned(), source };
    let socket = unix_socket::connect(path).map_err(failed)?;
    unix_socket::send_with_fd(socket.as_fd(), name, Some(fd.as_fd())).map_err(failed)
}

/// Callers watch for the name, so it appears with its contents.
fn write_pid(path: &Path, pid: i32) -> Result<(), Error> {
    let failed = |source| Error::File { what: "write the pid file", path: path.to_owned(), source };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let new = path.with_file_name(format!(".{}", name.unwrap_or_default()));
    fs::write(&new, pid.to_string()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}
