//! A runtime that is another program: its command line is runc's. It is run for each operation, and the
//! loop goes on meanwhile; its last words are the error (`invocation`). Containers' processes become our
//! children when it has ended, since the shim is their subreaper.
//!
//! Follows the command line of runc 1.x, as crun and youki have it too (`man 8 runc`).

use super::Owner;
use super::invocation::{Invocation, Scratch, Words};
use super::progress::Progress;
use crate::child::open_null;
use crate::error::Error;
use gantry_cgroup::{Cgroup, Hierarchies};
use gantry_oci::runtime::{Process, User};
use gantry_runtime::{CreateFlags, KillScope, RootfsMount, Started, Stdio};
use gantry_types::Signal;
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

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

    /// Whether it knows a container of this id: that is another one, until ours is created.
    pub(super) fn is_taken(&self) -> bool {
        self.root.join(&self.id).exists()
    }

    /// A container that is there and cannot be used is for [`OtherRuntime::delete`].
    pub(super) fn create(
        &self,
        mounts: &[RootfsMount],
        stdio: &Stdio,
    ) -> Result<Progress<Started>, Error> {
        self.mount_root(mounts)?;
        self.number_user()?;
        let mut words = vec!["create".into(), "--bundle".into(), self.bundle.clone().into()];
        if self.flags.no_pivot {
            words.push("--no-pivot".into());
        }
        if self.flags.no_new_keyring {
            words.push("--no-new-keyring".into());
        }
        self.launch(&self.scratch(), words, stdio)
    }

    pub(super) fn start(&self) -> Result<Progress<()>, Error> {
        self.simple(&["start"], &[])
    }

    pub(super) fn exec(
        &self,
        process: &Process,
        stdio: &Stdio,
    ) -> Result<Progress<Started>, Error> {
        let scratch = self.scratch();
        let path = scratch.path("process");
        let process = Process {
            user: gantry_runtime::with_numbers(&self.bundle.join(ROOTFS), &process.user)?,
            ..process.clone()
        };
        let json = serde_json::to_vec(&process)
            .map_err(|source| Error::ExecSpec { exec_id: String::new(), source })?;
        write_private(&path, &json).map_err(Error::file("write", &path))?;
        let name = scratch.name("process");
        let words = ["exec", "--process", &name, "--detach"].map(OsString::from).to_vec();
        self.launch(&scratch, words, stdio)
    }

    pub(super) fn kill(&self, signal: Signal, scope: KillScope) -> Result<Progress<()>, Error> {
        let number = signal.as_raw().to_string();
        match scope {
            KillScope::All => self.simple(&["kill", "--all"], &[&number]),
            KillScope::Init => self.simple(&["kill"], &[&number]),
        }
    }

    pub(super) fn pause(&self) -> Result<Progress<()>, Error> {
        self.simple(&["pause"], &[])
    }

    pub(super) fn resume(&self) -> Result<Progress<()>, Error> {
        self.simple(&["resume"], &[])
    }

    pub(super) fn update(&self, json: &[u8]) -> Result<Progress<()>, Error> {
        let scratch = self.scratch();
        let path = scratch.path("process");
        write_private(&path, json).map_err(Error::file("write", &path))?;
        let name = scratch.name("process");
        let words = ["update", "--resources", &name, &self.id].map(OsString::from).to_vec();
        let null = open_null()?;
        self.run(&scratch, words, [null.as_fd(); 3]).map(Progress::of)
    }

    pub(super) fn delete(&self) -> Result<Progress<()>, Error> {
        let bundle = self.bundle.clone();
        self.simple(&["delete", "--force"], &[])?.then(move |deleted| {
            unmount_root(&bundle);
            match deleted {
                Err(Error::Finished) => Ok(()),
                other => other,
            }
        })
    }

    /// Takes back what [`OtherRuntime::create`] did when the id was another container's.
    pub(super) fn unmount_root(&self) {
        unmount_root(&self.bundle);
    }

    fn scratch(&self) -> Rc<Scratch> {
        let number = self.count.get();
        self.count.set(number.wrapping_add(1));
        Scratch::new(&self.bundle, number)
    }

    /// An operation that only has to succeed.
    fn simple(&self, before: &[&str], behind: &[&str]) -> Result<Progress<()>, Error> {
        let words = before.iter().copied().chain([self.id.as_str()]).chain(behind.iter().copied());
        let null = open_null()?;
        let words = words.map(OsString::from).collect();
        self.run(&self.scratch(), words, [null.as_fd(); 3]).map(Progress::of)
    }

    /// An operation that makes a process. Its pid comes in a file, its terminal through a socket.
    fn launch(
        &self,
        scratch: &Rc<Scratch>,
        mut words: Vec<OsString>,
        stdio: &Stdio,
    ) -> Result<Progress<Started>, Error> {
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
        let invocation = self.run(scratch, words, streams)?;
        // Its files stay until they are read.
        let scratch = Rc::clone(scratch);
        Progress::of(invocation).then(move |ended| {
            ended?;
            launched(&scratch.path("pid"), console.as_ref())
        })
    }

    /// Starts the program with `words`.
    fn run(
        &self,
        scratch: &Rc<Scratch>,
        words: Vec<OsString>,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Invocation, Error> {
        let mut before: Vec<OsString> = vec!["--root".into(), self.root.clone().into()];
        if self.flags.systemd_cgroup {
            before.push("--systemd-cgroup".into());
        }
        let words = Words { container: &self.id, program: &self.program, arguments: words };
        Invocation::start(words, before, scratch, streams)
    }

    /// Names of users are for our own runtime: the program gets numbers.
    fn number_user(&self) -> Result<(), Error> {
        let path = self.bundle.join("config.json");
        let text = std::fs::read(&path).map_err(Error::file("read", &path))?;
        let mut spec: serde_json::Value = serde_json::from_slice(&text)
            .map_err(io::Error::from)
            .map_err(Error::file("parse", &path))?;
        let Some(written) = spec.pointer_mut("/process/user") else { return Ok(()) };
        let user: User = serde_json::from_value(written.clone())
            .map_err(io::Error::from)
            .map_err(Error::file("parse", &path))?;
        let numbered = gantry_runtime::with_numbers(&self.bundle.join(ROOTFS), &user)?;
        if numbered == user {
            return Ok(());
        }
        *written = serde_json::to_value(numbered)
            .map_err(io::Error::from)
            .map_err(Error::file("write", &path))?;
        write_private(&path, spec.to_string().as_bytes()).map_err(Error::file("write", &path))
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
}

/// The process that the program made, with its terminal.
fn launched(pid_file: &Path, console: Option<&UnixListener>) -> Result<Started, Error> {
    let pid = read_pid(pid_file).map_err(Error::file("read", pid_file))?;
    let terminal = || console.map(receive_terminal).transpose();
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

fn unmount_root(bundle: &Path) {
    let flags = rustix::mount::UnmountFlags::DETACH | rustix::mount::UnmountFlags::NOFOLLOW;
    // Until there is no mount of ours any more; a recipe may have several layers.
    while rustix::mount::unmount(bundle.join(ROOTFS), flags).is_ok() {}
}

/// The container's cgroup: the one its first process is in. Without that one nothing tells it.
pub(super) fn cgroup_of(first: Option<u32>) -> Result<Cgroup, Error> {
    let pid = first.ok_or(Error::Finished)?;
    Hierarchies::detect()
        .and_then(|hierarchies| Cgroup::of_process(&hierarchies, pid))
        .map_err(|source| Error::Stats { source })
}

fn listen(path: &Path) -> Result<UnixListener, Error> {
    let listener =
        gantry_sys::unix_socket::bind_listener(path).map_err(Error::file("listen on", path))?;
    listener.set_nonblocking(true).map_err(Error::file("listen on", path))?;
    Ok(listener)
}

/// The terminal's master. The runtime has sent it before it ended: nothing is waited for.
fn receive_terminal(listener: &UnixListener) -> Result<OwnedFd, Error> {
    let failed = || Error::system("receive the terminal from the runtime");
    let (socket, _) = listener.accept().map_err(failed())?;
    socket.set_nonblocking(true).map_err(failed())?;
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
