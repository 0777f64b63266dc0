//! gantry-init: the first process of a container that was asked for with `--init`. It runs one program,
//! passes signals on to it, reaps whatever orphans the container leaves, and ends as the program ends.
//!
//! ```text
//! gantry-init [--] PROGRAM [ARGUMENT...]
//! ```
//!
//! Its exit code is the program's, 128 + n when signal n ended it, 127 when the program is not there and
//! 126 when it cannot be run.

use gantry_sys::clone::{Fork, fork};
use gantry_sys::pidfd;
use gantry_types::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Our own failure.
const FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Signals that are a program's own trouble: they are neither blocked nor passed on.
const OWN: [i32; 11] = [
    4,  // ILL
    5,  // TRAP
    6,  // ABRT
    7,  // BUS
    8,  // FPE
    9,  // KILL
    11, // SEGV
    19, // STOP
    21, // TTIN
    22, // TTOU
    31, // SYS
];
/// The C library keeps these to itself.
const LIBRARY: [i32; 2] = [32, 33];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "--") {
        arguments.next();
    }
    let Some(program) = arguments.next() else {
        eprintln!("gantry-init: no program to run; usage: gantry-init [--] PROGRAM [ARGUMENT...]");
        return ExitCode::from(FAILURE);
    };
    match supervise(&program, arguments.collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("gantry-init: run {}: {error}", program.display());
            ExitCode::from(FAILURE)
        }
    }
}

fn supervise(program: &OsString, arguments: Vec<OsString>) -> io::Result<u8> {
    // Where this is not process 1 (a shared pid namespace), orphans still come here.
    gantry_sys::process::set_child_subreaper()?;
    let watched: Vec<Signal> = (1..=64)
        .filter(|number| !OWN.contains(number) && !LIBRARY.contains(number))
        .filter_map(|number| Signal::from_raw(number).ok())
        .collect();
    let signals = gantry_sys::signalfd::watch(&watched)?;
    match fork()? {
        Fork::Child => become_program(program, arguments),
        Fork::Parent(child) => watch(child.pid, &child.pidfd, &signals),
    }
}

/// The child's side: a process group of its own, in the terminal's foreground if there is one.
fn become_program(program: &OsString, arguments: Vec<OsString>) -> ! {
    let own = rustix::process::getpid();
    rustix::process::setpgid(None, None).unwrap_or_default();
    // As a background process we would be stopped by this, were TTOU not blocked meanwhile.
    if let Ok(blocked) = Signal::from_raw(22)
        && gantry_sys::signalfd::watch(&[blocked]).is_ok()
    {
        // It fails where stdin is no terminal.
        rustix::termios::tcsetpgrp(rustix::stdio::stdin(), own).unwrap_or_default();
    }
    drop(gantry_sys::signals::reset_all());
    let error = Command::new(program).args(arguments).exec();
    let name = program.display();
    let code = if error.kind() == io::ErrorKind::NotFound {
        eprintln!("gantry-init: exec: \"{name}\": executable file not found in $PATH");
        NOT_FOUND
    } else {
        eprintln!("gantry-init: exec: \"{name}\": {error}");
        NOT_EXECUTABLE
    };
    gantry_sys::process::exit_now(code)
}

/// The parent's side: signals go on, orphans are reaped, until the program has ended.
fn watch(pid: i32, program: &OwnedFd, signals: &OwnedFd) -> io::Result<u8> {
    loop {
        let mut ready = [PollFd::new(signals, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        gantry_sys::signalfd::drain(signals, |number| pass_on(number, program))?;
        if let Some(code) = reap(pid)? {
            return Ok(code);
        }
    }
}

fn pass_on(number: u32, program: &OwnedFd) {
    let signal = i32::try_from(number).ok().and_then(|number| Signal::from_raw(number).ok());
    if let Some(signal) = signal
        && signal != Signal::CHLD
    {
        // It may have ended in this moment; then the loop is about to see that.
        drop(pidfd::send_signal(program.as_fd(), signal));
    }
}

/// Reaps everyone who has ended; the program's exit code when it is among them.
fn reap(program: i32) -> io::Result<Option<u8>> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == program => {
                ended = Some(code(status));
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(ended),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let number = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => FAILURE.into(),
    };
    u8::try_from(number & 0xff).unwrap_or(FAILURE)
}
