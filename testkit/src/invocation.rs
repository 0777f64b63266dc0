//! A command to run: built, started, fed, watched with a deadline. Terminals are next door.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::deadline::{TIMEOUT, poll_for};
use crate::{Outcome, Terminal};

/// A command line with its environment, not yet running.
pub struct Invocation {
    command: Command,
    input: Option<Vec<u8>>,
    timeout: Duration,
}

impl Invocation {
    /// A command in an environment of its own: PATH, and a HOME where nothing is configured.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let mut command = Command::new(program.as_ref());
        command.env_clear();
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOME", "/nonexistent").env("LC_ALL", "C.UTF-8");
        Self { command, input: None, timeout: TIMEOUT }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in this directory.
    #[must_use]
    pub fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives it these bytes and then the end of input; without this it reads from /dev/null.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Ends the command and fails when it takes longer than this.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(mut self) -> Outcome {
        let timeout = self.timeout;
        let input = self.input.take();
        let running = if input.is_some() { self.spawn_fed() } else { self.spawn() };
        running.feed(input.unwrap_or_default()).wait_for(timeout)
    }

    /// Starts it with nothing on its standard input.
    pub fn spawn(self) -> Running {
        self.start(Stdio::null())
    }

    /// Starts it with a pipe on its standard input, kept open.
    pub fn spawn_fed(self) -> Running {
        self.start(Stdio::piped())
    }

    /// Starts it in a terminal of its own.
    pub fn terminal(self, rows: u16, columns: u16) -> Terminal {
        Terminal::start(&self.command, rows, columns)
    }

    fn start(mut self, stdin: Stdio) -> Running {
        let line = describe(&self.command);
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            self.command.spawn().unwrap_or_else(|error| panic!("start `{line}`: {error}"));
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(Gathered::begin),
            stderr: child.stderr.take().map(Gathered::begin),
            child,
            line,
            feeder: None,
        }
    }
}

pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Output gathered by a thread, readable while it grows.
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Gathered {
    fn begin(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            // A read error ends the output as end-of-file does.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let read = buffer.get(..count).unwrap_or_default();
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(read);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A command under way. Dropped, it is killed.
pub struct Running {
    child: Child,
    line: String,
    stdin: Option<ChildStdin>,
    stdout: Option<Gathered>,
    stderr: Option<Gathered>,
    feeder: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input and leaves that open.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("the command was started with a pipe for its input");
        stdin
            .write_all(text.as_bytes())
            .and_then(|()| stdin.flush())
            .unwrap_or_else(|error| panic!("write to `{}`: {error}", self.line));
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    fn feed(mut self, bytes: Vec<u8>) -> Self {
        if let Some(mut stdin) = self.stdin.take() {
            // On a thread of its own: a command that writes before it reads would block us both.
            self.feeder = Some(thread::spawn(move || stdin.write_all(&bytes)));
        }
        self
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.as_ref().map(Gathered::text).unwrap_or_default()
    }

    /// What it has complained about so far.
    pub fn stderr(&self) -> String {
        self.stderr.as_ref().map(Gathered::text).unwrap_or_default()
    }

    /// Waits until standard output holds `words`.
    #[track_caller]
    pub fn until(&mut self, words: &str) {
        let seen = poll_for(TIMEOUT, || {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)));
            let there = self.stdout().contains(words);
            (there || ended).then_some(there)
        });
        let (stdout, stderr) = (self.stdout(), self.stderr());
        // The last bytes may have come between the look and the end.
        let there = seen == Some(true) || stdout.contains(words);
        assert!(there, "`{}` did not print {words:?}\n{stdout}\n--- stderr\n{stderr}", self.line);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(self) -> Outcome {
        self.wait_for(TIMEOUT)
    }

    #[track_caller]
    fn wait_for(mut self, timeout: Duration) -> Outcome {
        if self.feeder.is_none() {
            self.stdin = None;
        }
        let ended = poll_for(timeout, || self.child.try_wait().ok().flatten());
        let Some(status) = ended else {
            let (stdout, stderr) = (self.stdout(), self.stderr());
            panic!("`{}` did not end in {timeout:?}\n{stdout}\n--- stderr\n{stderr}", self.line);
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let finish = |gathered: Option<Gathered>| {
            gathered.map_or_else(String::new, |gathered| {
                // A grandchild may hold the pipe open for ever; its output is not ours to wait for.
                poll_for(Duration::from_secs(5), || gathered.reader.is_finished().then_some(()));
                gathered.text()
            })
        };
        Outcome {
            command: self.line.clone(),
            code,
            stdout: finish(self.stdout.take()),
            stderr: finish(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Sends a signal to one process; one that is gone already is fine.
pub(crate) fn send(pid: u32, signal: Signal) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("send {signal:?} to {pid:?}: {error}"),
    }
}
