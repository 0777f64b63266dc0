//! A terminal with a program in it: types keys, reads the screen's bytes, changes the size.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::deadline::{TIMEOUT, poll_for};
use crate::invocation::describe;

/// What no program writes.
const LAST: u8 = 0;

/// A program that runs in a terminal of its own. Dropped, it is killed.
pub struct Terminal {
    child: Child,
    line: String,
    keyboard: File,
    /// Our own end that the program sees; kept to read the modes and so that the screen outlives the program.
    tty: OwnedFd,
    modes_before: Termios,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How far [`Terminal::expect`] has read.
    read: usize,
}

impl Terminal {
    pub(crate) fn start(command: &Command, rows: u16, columns: u16) -> Self {
        let line = describe(command);
        let (master, tty) = open_pair().unwrap_or_else(|error| panic!("open a terminal: {error}"));
        tcsetwinsize(&master, size(rows, columns)).expect("set the size of a new terminal");
        let modes_before = tcgetattr(&tty).expect("read a new terminal's modes");
        let end = || Stdio::from(tty.try_clone().expect("duplicate the terminal"));
        // setsid(1) makes the terminal the controlling one, which std's Command cannot.
        let mut inside = Command::new("setsid");
        inside.args(["--ctty", "--"]).arg(command.get_program()).args(command.get_args());
        inside.env_clear().env("TERM", "xterm");
        inside
            .envs(command.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
        let child = inside
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap_or_else(|error| panic!("start `{line}`: {error}"));
        let keyboard = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let mut eyes = keyboard.try_clone().expect("duplicate the terminal");
        let seen = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = eyes.read(&mut buffer) {
                let new = buffer.get(..count).unwrap_or_default();
                seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(new);
            }
        });
        Self { child, line, keyboard, tty, modes_before, screen, read: 0 }
    }

    /// Types these keys.
    #[track_caller]
    pub fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("type into the terminal");
    }

    /// Waits until `words` appear after everything that was expected before.
    #[track_caller]
    pub fn expect(&mut self, words: &str) {
        let found = poll_for(TIMEOUT, || {
            let screen = self.screen();
            let new = screen.get(self.read..).unwrap_or_default();
            new.find(words).map(|at| self.read + at + words.len())
        });
        match found {
            Some(end) => self.read = end,
            None => panic!("`{}` did not show {words:?} but\n{}", self.line, self.screen()),
        }
    }

    /// Everything shown so far.
    pub fn screen(&self) -> String {
        let bytes = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Changes the size, as a dragged window corner does.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.keyboard, size(rows, columns)).expect("resize the terminal");
    }

    /// The modes before the program started, which it has to put back.
    pub fn modes_before(&self) -> &Termios {
        &self.modes_before
    }

    /// The modes as the program has set them.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.tty).expect("read the terminal's modes")
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has ended and all that it wrote is on the screen, and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let ended = poll_for(TIMEOUT, || self.child.try_wait().ok().flatten());
        let Some(status) = ended else {
            panic!("`{}` did not end; the screen shows\n{}", self.line, self.screen())
        };
        self.catch_up();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }

    /// Waits until the screen shows what was written before now: a byte of our own follows it through the terminal.
    #[track_caller]
    fn catch_up(&self) {
        rustix::io::write(&self.tty, &[LAST]).expect("write to the terminal");
        let shown = poll_for(TIMEOUT, || {
            let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
            let at = screen.iter().rposition(|&byte| byte == LAST)?;
            screen.remove(at);
            Some(())
        });
        assert!(shown.is_some(), "the terminal of `{}` stands still", self.line);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn open_pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let tty = rustix::fs::open(name, flags, Mode::empty())?;
    Ok((master, tty))
}
