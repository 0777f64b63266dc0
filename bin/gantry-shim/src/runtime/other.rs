//! A runtime that is another program: its command line is runc's. It is run for each operation and
//! awaited, within a limit; its last words are the error. Containers' processes become our children when
//! it has ended, since the shim is their subreaper.
//!
//! Follows the command line of runc 1.x, as crun and youki have it too (`man 8 runc`).

use super::Owner;
use crate::child::{Program, open_null};
use crate::error::Error;
use gantry_cgroup::{Cgroup, Hierarchies};
use gantry_oci::runtime::Process;
use gantry_runtime::{CreateFlags, KillScope, RootfsMount, Started, Stdio};
use gantry_types::Signal;
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an operation may take: as long as the longest hook that is worth waiting for.
const LIMIT: Duration = Duration::from_mins(2);
/// How long the terminal may take to come when the runtime has ended already.
const TERMINAL_LIMIT: Duration = Duration::from_secs(5);
/// What is read of the runtime's log and of what it prints.
const MAX_WORDS_BYTES: u64 = 64 * 1024;
/// Where containerd's contract has the root file system.
const ROOTFS: &str = "rootfs";

#[derive(Debug)]
pub(crate) struct OtherRuntime {
    id: String,
    bundle: PathBuf,
    program: PathBuf,
    root: PathBuf,
    flags: CreateFlags,
    /// Tells the files of one operation from those of the next.
    count: Cell<u32>,
}

/// Files that an operation needs in the bundle; they go with it.
struct Scratch<'a> {
    bundle: &'a Path,
    number: u32,
}

impl Scratch<'_> {
    /// A name below the bundle, which is the program's working directory.
    fn name(&self, what: &str) -> String {
        format!(".gantry-{}-{what}", self.number)
    }

    fn path(&self, what: &str) -> PathBuf {
        self.bundle.join(self.name(what))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        for what in ["log", "pid", "pty", "process"] {
            // Most were never made.
            drop(std::fs::remove_file(self.path(what)));
        }
    }
}

impl OtherRuntime {
    pub(super) fn new(
        owner: Owner<'_>,
        program: PathBuf,
        root: PathBuf,
        flags: CreateFlags,
    ) -> Self {
        Self {
            id: owner.id.to_owned(),
            bundle: owner.bundle.to_owned(),
            program,
            root,
            flags,
            count: Cell::new(0),
        }
    }

    pub(super) fn create(&self, mounts: &[RootfsMount], stdio: &Stdio) -> Result<Started, Error> {
        self.mount_root(mounts)?;
        let mut words = vec!["create".into(), "--bundle".into(), self.bundle.clone().into()];
        if self.flags.no_pivot {
            words.push("--no-pivot".into());
        }
        if self.flags.no_new_keyring {
            words.push("--no-new-keyring".into());
        }
        let scratch = self.scratch();
        // Whose directory is there already is another container, which is not ours to take down.
        let is_taken = self.root.join(&self.id).exists();
        let started = self.launch(&scratch, words, stdio);
        // A container that is there and cannot be used is as good as none.
        started.inspect_err(|_| if is_taken { self.unmount_root() } else { drop(self.delete()) })
    }

    pub(super) fn start(&self) -> Result<(), Error> {
        self.simple(&["start"], &[])
    }

    pub(super) fn exec(&self, process: &Process, stdio: &Stdio) -> Result<Started, Error> {
        let scratch = self.scratch();
        let path = scratch.path("process");
        let json = serde_json::to_vec(process)
            .map_err(|source| Error::ExecSpec { exec_id: String::new(), source })?;
        write_private(&path, &json).map_err(Error::file("write", &path))?;
        let name = scratch.name("process");
        let words = ["exec", "--process", &name, "--detach"].map(OsString::from).to_vec();
        self.launch(&scratch, words, stdio)
    }

    pub(super) fn kill(&self, signal: Signal, scope: KillScope) -> Result<(), Error> {
        let number = signal.as_raw().to_string();
        match scope {
            KillScope::All => self.simple(&["kill", "--all"], &[&number]),
            KillScope::Init => self.simple(&["kill"], &[&number]),
        }
    }

    pub(super) fn pause(&self) -> Result<(), Error> {
        self.simple(&["pause"], &[])
    }

    pub(super) fn resume(&self) -> Result<(), Error> {
        self.simple(&["resume"], &[])
    }

    pub(super) fn update(&self, json: &[u8]) -> Result<(), Error> {
        let scratch = self.scratch();
        let path = scratch.path("process");
        write_private(&path, json).map_err(Error::file("write", &path))?;
        let name = scratch.name("process");
        self.simple(&["update", "--resources", &name], &[])
    }

    pub(super) fn delete(&self) -> Result<(), Error> {
        let deleted = match self.simple(&["delete", "--force"], &[]) {
            Err(Error::Finished) => Ok(()),
            other => other,
        };
        self.unmount_root();
        deleted
    }

    fn scratch(&self) -> Scratch<'_> {
        let number = self.count.get();
        self.count.set(number.wrapping_add(1));
        Scratch { bundle: &self.bundle, number }
    }

    /// An operation that only has to succeed.
    fn simple(&self, before: &[&str], behind: &[&str]) -> Result<(), Error> {
        let scratch = self.scratch();
        let words = before.iter().copied().chain([self.id.as_str()]).chain(behind.iter().copied());
        let null = open_null()?;
        self.run(&scratch, words.map(OsString::from).collect(), [null.as_fd(); 3])
    }

    /// An operation that makes a process. Its pid comes in a file, its terminal through a socket.
    fn launch(
        &self,
        scratch: &Scratch<'_>,
        mut words: Vec<OsString>,
        stdio: &Stdio,
    ) -> Result<Started, Error> {
        words.extend(["--pid-file".into(), scratch.name("pid").into()]);
        let null = open_null()?;
        let console = match stdio {
            Stdio::Terminal => Some(listen(&scratch.path("pty"))?),
            Stdio::Inherit | Stdio::Fds { .. } => None,
        };
        if console.is_some() {
            words.extend(["--console-socket".into(), scratch.name("pty").into()]);
        }
        words.push(self.id.clone().into());
        let streams = match stdio {
            Stdio::Fds { stdin, stdout, stderr } => [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
            Stdio::Inherit | Stdio::Terminal => [null.as_fd(); 3],
        };
        self.run(scratch, words, streams)?;
        let path = scratch.path("pid");
        let pid = read_pid(&path).map_err(Error::file("read", path))?;
        let terminal = || console.map(|listener| receive_terminal(&listener)).transpose();
        let started = gantry_sys::pidfd::open(pid)
            .map_err(Error::system("look at the process that the runtime made"))
            .and_then(|pidfd| Ok(Started { pid, pidfd, terminal: terminal()? }));
        started.inspect_err(|_| {
            // Nobody would know of it. The number is its own: it is our child, and was not reaped.
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let killed = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                killed.unwrap_or_default();
            }
        })
    }

    /// Runs the program with `words` and waits for its end. What it prints besides its log matters only
    /// when it fails, and goes to the container's stderr as with runc's own shim.
    fn run(
        &self,
        scratch: &Scratch<'_>,
        words: Vec<OsString>,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<(), Error> {
        let operation = words.first().map_or_else(String::new, |word| word.display().to_string());
        let mut arguments: Vec<OsString> = vec![
            "--root".into(),
            self.root.clone().into(),
            "--log".into(),
            scratch.path("log").into(),
            "--log-format".into(),
            "json".into(),
        ];
        if self.flags.systemd_cgroup {
            arguments.push("--systemd-cgroup".into());
        }
        arguments.extend(words);
        let child = Program {
            path: &self.program,
            arguments,
            variables: environment(),
            directory: &self.bundle,
            descriptors: streams.to_vec(),
        }
        .spawn()?;
        let waiting = Error::system("wait for the runtime");
        let ended = gantry_sys::pidfd::wait_ended(child.pidfd.as_fd(), Some(LIMIT));
        let words = match ended {
            Ok(true) => {
                let ended = gantry_sys::pidfd::wait(child.pidfd.as_fd()).map_err(waiting)?;
                if ended.code() == 0 {
                    return Ok(());
                }
                last_words(&scratch.path("log"))
                    .unwrap_or_else(|| format!("it ended with status {}", ended.code()))
            }
            unfinished => {
                // Its end follows at once.
                drop(gantry_sys::pidfd::send_signal(child.pidfd.as_fd(), Signal::KILL));
                drop(gantry_sys::pidfd::wait(child.pidfd.as_fd()));
                unfinished.map_err(waiting)?;
                format!("it did not end within {} seconds", LIMIT.as_secs())
            }
        };
        Err(self.failure(operation, words))
    }

    fn failure(&self, operation: String, words: String) -> Error {
        if matches!(operation.as_str(), "kill" | "delete") && is_gone(&self.id, &words) {
            return Error::Finished;
        }
        Error::OtherRuntime { program: self.program.clone(), operation, words }
    }

    /// The root file system at its place in the bundle, where the program looks for it.
    fn mount_root(&self, mounts: &[RootfsMount]) -> Result<(), Error> {
        if mounts.is_empty() {
            return Ok(());
        }
        let path = self.bundle.join(ROOTFS);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::file("create directory", path)(error));
            }
            _ => {}
        }
        Ok(gantry_runtime::mount_root(mounts, &path)?)
    }

    fn unmount_root(&self) {
        let flags = rustix::mount::UnmountFlags::DETACH | rustix::mount::UnmountFlags::NOFOLLOW;
        // Until there is no mount of ours any more; a recipe may have several layers.
        while rustix::mount::unmount(self.bundle.join(ROOTFS), flags).is_ok() {}
    }
}

/// The container's cgroup: the one its first process is in. Without that one nothing tells it.
pub(super) fn cgroup_of(first: Option<u32>) -> Result<Cgroup, Error> {
    let pid = first.ok_or(Error::Finished)?;
    Hierarchies::detect()
        .and_then(|hierarchies| Cgroup::of_process(&hierarchies, pid))
        .map_err(|source| Error::Stats { source })
}

/// Whether a runtime's last words say that there is nothing to signal or to delete. They may quote names
/// that others chose: only whole phrases count, at the end of the words.
fn is_gone(id: &str, words: &str) -> bool {
    let words = words.trim_end().trim_end_matches('.').to_ascii_lowercase();
    let id = id.to_ascii_lowercase();
    let ends = ["process already finished", "container not running", "no such process"];
    let quoted =
        ["", "\"", "'", "`"].map(|mark| format!("container {mark}{id}{mark} does not exist"));
    ends.iter().any(|phrase| words.ends_with(phrase))
        || words.ends_with("container does not exist")
        || quoted.iter().any(|phrase| words.ends_with(phrase))
}

/// The last error in a log of JSON lines, as runc writes it.
fn last_words(log: &Path) -> Option<String> {
    let mut text = Vec::new();
    let mut file = std::fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    // The line that this cuts in two is none.
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_WORDS_BYTES))).ok()?;
    file.take(MAX_WORDS_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let message = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        (value["level"] == "error").then(|| value["msg"].as_str().map(str::to_owned))?
    };
    text.lines().rev().find_map(message)
}

/// The shim's own variables: another runtime may need them. Those that mean the shim itself stay here.
fn environment() -> Vec<OsString> {
    let own = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
    std::env::vars_os()
        .filter(|(name, _)| !own.iter().any(|own| name == own))
        .map(|(name, value)| {
            let mut entry = name;
            entry.push("=");
            entry.push(value);
            entry
        })
        .collect()
}

fn listen(path: &Path) -> Result<UnixListener, Error> {
    let listener =
        gantry_sys::unix_socket::bind_listener(path).map_err(Error::file("listen on", path))?;
    listener.set_nonblocking(true).map_err(Error::file("listen on", path))?;
    Ok(listener)
}

/// The terminal's master. The runtime has sent it before it ended.
fn receive_terminal(listener: &UnixListener) -> Result<OwnedFd, Error> {
    let failed = || Error::system("receive the terminal from the runtime");
    let (socket, _) = listener.accept().map_err(failed())?;
    socket.set_read_timeout(Some(TERMINAL_LIMIT)).map_err(failed())?;
    let mut name = [0; 4096];
    let (_, terminal) =
        gantry_sys::unix_socket::receive_with_fd(socket.as_fd(), &mut name).map_err(failed())?;
    let terminal = terminal.ok_or_else(|| failed()(io::ErrorKind::InvalidData.into()))?;
    if !rustix::termios::isatty(&terminal) {
        return Err(failed()(io::ErrorKind::InvalidData.into()));
    }
    Ok(terminal)
}

fn read_pid(path: &Path) -> io::Result<i32> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(32).read_to_string(&mut text)?;
    text.trim().parse().ok().filter(|pid| *pid > 0).ok_or(io::ErrorKind::InvalidData.into())
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_phrases_say_that_a_container_is_gone() {
        for words in [
            "unable to signal init: os: process already finished",
            "container not running",
            "container does not exist",
            "container `c1` does not exist",
            "kill container: No such process.",
        ] {
            assert!(is_gone("c1", words), "{words}");
        }
        for words in [
            "cgroup /sys/fs/cgroup/c1 does not exist",
            "container c2 does not exist",
            "cannot delete \"container does not exist\": permission denied",
        ] {
            assert!(!is_gone("c1", words), "{words}");
        }
    }

    #[test]
    fn the_last_error_of_a_long_log_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut text = "{\"level\":\"error\",\"msg\":\"first\"}\n".repeat(4000);
        text.push_str("{\"level\":\"error\",\"msg\":\"last\"}\n");
        assert!(text.len() as u64 > MAX_WORDS_BYTES);
        std::fs::write(&log, text).unwrap();
        assert_eq!(last_words(&log).as_deref(), Some("last"));
    }
}
