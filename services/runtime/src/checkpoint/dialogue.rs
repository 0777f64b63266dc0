//! Starting CRIU, and the dialogue with it: requests, notifications and answers over a socket that keeps messages apart.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_protobuf::Message;
use gantry_sys::clone::{Child, Fork, Namespaces, clone_into};
use gantry_sys::exec::{CStringList, execve};
use gantry_sys::unix_socket::{receive_with_fd, send_with_fd};
use gantry_sys::{fds, pidfd, signals};
use gantry_types::{SEARCH_PATH, Signal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Access, FileType, access, stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::rpc::{Request, Response, VERSION, Version};
use crate::channel::{Channel, Word};
use crate::error::Error;
use crate::failure::{During, Failure};
use crate::init::give_up;

/// CRIU's own buffer for a message is smaller.
const MESSAGE_LIMIT_BYTES: usize = 64 << 10;

/// How long a CRIU that nobody speaks to any more may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Finds a program as a shell would: a name in the directories of a `PATH`, anything with a slash as it is.
pub fn find_criu(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    let runs = |path: &Path| {
        stat(path)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
            && access(path, Access::EXEC_OK).is_ok()
    };
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name)).filter(|path| runs(path));
    }
    let directories = std::env::split_paths(path).filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join(name)).find(|path| runs(path))
}

/// A running CRIU. Dropped, it is ended.
#[derive(Debug)]
pub(super) struct Criu {
    socket: OwnedFd,
    child: Child,
}

/// What the process does before it becomes CRIU, and what it takes along.
pub(super) struct Birth<'a> {
    pub namespaces: Namespaces,
    /// The v2 cgroup to be born in.
    pub cgroup: Option<std::os::fd::BorrowedFd<'a>>,
    pub prepare: &'a dyn Fn() -> Result<(), Failure>,
    /// Descriptors that keep their numbers.
    pub keep: &'a [i32],
}

impl Birth<'_> {
    fn plain() -> Self {
        Self { namespaces: Namespaces::NONE, cgroup: None, prepare: &|| Ok(()), keep: &[] }
    }
}

/// What CRIU says, with the descriptor that came along.
#[derive(Debug)]
pub(super) struct Heard {
    pub response: Response,
    pub fd: Option<OwnedFd>,
}

impl Criu {
    /// Starts it as it is for a dump.
    pub(super) fn start(program: &Path) -> Result<Self, Error> {
        Self::start_with(program, &Birth::plain())
    }

    pub(super) fn start_with(program: &Path, birth: &Birth<'_>) -> Result<Self, Error> {
        let system = |source: io::Error| Error::System { what: "make a socket pair", source };
        let kind = SocketType::SEQPACKET;
        let (socket, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
            .map_err(|error| system(error.into()))?;
        let (told, tells) = Channel::pair().map_err(system)?;
        let forked = clone_into(birth.namespaces, birth.cgroup);
        let child = match forked.map_err(|source| Error::System { what: "clone", source })? {
            Fork::Child => {
                drop((socket, told));
                let failure = become_criu(program, birth, &theirs);
                give_up(tells.send(&Word::Failed(failure)).is_ok())
            }
            Fork::Parent(child) => child,
        };
        drop((theirs, tells));
        // From here on a failure ends the process.
        let criu = Self { socket, child };
        match told
            .receive()
            .map_err(|source| Error::System { what: "listen to the new process", source })?
        {
            Word::End => Ok(criu),
            Word::Failed(failure) => Err(failure.into()),
            _ => Err(silent()),
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.pid
    }

    pub(super) fn send(&self, request: &Request) -> Result<(), Error> {
        send_with_fd(self.socket.as_fd(), &request.encode(), None)
            .map_err(|source| Error::System { what: "send a request to criu", source })
    }

    /// Waits for the next message.
    pub(super) fn hear(&self) -> Result<Heard, Error> {
        self.wait_for_message()?;
        let mut buffer = vec![0; MESSAGE_LIMIT_BYTES];
        let received = match receive_with_fd(self.socket.as_fd(), &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(silent()),
            received => received,
        };
        let (length, fd) =
            received.map_err(|source| Error::System { what: "listen to criu", source })?;
        if length == 0 {
            return Err(silent());
        }
        let response = Response::decode(&buffer[..length]).map_err(|error| {
            let source = io::Error::new(io::ErrorKind::InvalidData, error);
            Error::System { what: "understand criu", source }
        })?;
        Ok(Heard { response, fd })
    }

    /// A process that it made may hold its socket open, so its death is looked for, too.
    fn wait_for_message(&self) -> Result<(), Error> {
        loop {
            let mut waits = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::new(&self.child.pidfd, PollFlags::IN),
            ];
            match poll(&mut waits, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => {
                    let source = error.into();
                    return Err(Error::System { what: "wait for criu", source });
                }
            }
            // What it said last still counts.
            if !waits[0].revents().is_empty() {
                return Ok(());
            }
            if !waits[1].revents().is_empty() {
                return Err(silent());
            }
        }
    }

    /// Ends the dialogue, and waits until the program has ended.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.hang_up();
        pidfd::wait_ended(self.child.pidfd.as_fd(), None)
            .map(drop)
            .map_err(|source| Error::System { what: "wait for criu", source })
    }

    fn hang_up(&self) {
        // It may have ended already.
        rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both).ok();
    }
}

impl Drop for Criu {
    fn drop(&mut self) {
        // Left alone it takes back what it has done to the container; killed it could not.
        self.hang_up();
        let ended = pidfd::wait_ended(self.child.pidfd.as_fd(), Some(PATIENCE));
        if !ended.unwrap_or(false) {
            drop(pidfd::send_signal(self.child.pidfd.as_fd(), Signal::KILL));
        }
        drop(pidfd::wait(self.child.pidfd.as_fd()));
    }
}

/// Asks a CRIU of its own for its version: that works on machines, too, where nothing else does.
pub(super) fn version(program: &Path) -> Result<Version, Error> {
    let criu = Criu::start(program)?;
    criu.send(&Request { kind: VERSION, ..Request::default() })?;
    let version = criu.hear()?.response.version.ok_or_else(silent)?;
    criu.finish()?;
    Ok(version)
}

fn silent() -> Error {
    Error::Criu { what: "answer", reason: "it ended without a word".to_owned() }
}

/// The child's way to the other program; returns only to say why there is none.
fn become_criu(program: &Path, birth: &Birth<'_>, socket: &OwnedFd) -> Failure {
    let what = || format!("execute {}", program.display());
    let ready = || -> Result<_, Failure> {
        signals::reset_all().during("reset signals")?;
        (birth.prepare)()?;
        fds::fill_stdio().during("fill closed standard streams")?;
        fds::close_on_exec_from(3).during("close descriptors")?;
        let number = socket.as_raw_fd();
        for number in birth.keep.iter().chain([&number]) {
            fds::keep_on_exec(*number).during("keep a descriptor")?;
        }
        let path =
            CString::new(program.as_os_str().as_bytes()).map_err(io::Error::from).during(what())?;
        let args = CStringList::new(["criu".to_owned(), "swrk".to_owned(), number.to_string()])
            .during(what())?;
        // It runs other programs (`ip`, `iptables-save`, `tar`), and knows nothing else of our environment.
        let env = CStringList::new([format!("PATH={SEARCH_PATH}")]).during(what())?;
        signals::unblock_all().during("unblock signals")?;
        Ok((path, args, env))
    };
    match ready() {
        Ok((path, args, env)) => Failure::io(what(), &execve(&path, &args, &env)),
        Err(failure) => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("bin/criu");
        fs::create_dir_all(&program).unwrap();
        let path =
            std::env::join_paths([Path::new("relative"), dir.path(), &dir.path().join("bin")])
                .unwrap();
        let find = |name: &OsStr| find_criu(name, &path);
        assert_eq!(find(OsStr::new("criu")), None, "a directory is no program");
        fs::remove_dir(&program).unwrap();
        fs::write(&program, "").unwrap();
        assert_eq!(find(OsStr::new("criu")), None, "it cannot be executed");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(OsStr::new("criu")), Some(program.clone()));
        assert_eq!(find(program.as_os_str()), Some(program));
        assert_eq!(find(OsStr::new("/no/criu")), None);
    }
}
