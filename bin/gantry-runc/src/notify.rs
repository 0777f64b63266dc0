//! Readiness of a container's program (`sd_notify(3)`), passed on to the service manager that runs us.
//!
//! The program reports to a socket of ours; of what it says the readiness alone goes on, together with the pid that the manager is to
//! watch. Nothing else that a container writes reaches the manager.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_sys::{pidfd, unix_socket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::Error;

/// Longer messages are cut.
const MESSAGE_LIMIT_BYTES: usize = 4096;
/// How long the manager may take to note what it was told before we end.
const BARRIER_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    manager: OsString,
}

/// The manager's socket, when there is one.
pub(crate) fn manager() -> Option<OsString> {
    env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
}

impl Notify {
    /// Listens at the container's socket, when the container has one and somebody wants to know.
    pub(crate) fn listen(state_dir: &Path) -> Result<Option<Self>, Error> {
        let path = gantry_runtime::notify_socket(state_dir);
        let Some(manager) = manager().filter(|_| path.parent().is_some_and(Path::is_dir)) else {
            return Ok(None);
        };
        let failed = |source| Error::File { what: "make the socket", path: path.clone(), source };
        let socket = match unix_socket::bind_datagram(&path) {
            // The container was started before; whoever did it listened.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
            bound => bound.map_err(failed)?,
        };
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Some(Self { socket, manager }))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Passes on that the program is ready, if that is what it said; whether it was.
    pub(crate) fn relay(&self, main_pid: i32) -> Result<bool, Error> {
        let mut buffer = [0; MESSAGE_LIMIT_BYTES];
        let failed = |source| Error::System { what: "pass on the container's readiness", source };
        let length = match self.socket.recv(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            received => received.map_err(failed)?,
        };
        let mut lines = buffer[..length].split(|byte| *byte == b'\n');
        if !lines.any(|line| line.starts_with(b"READY=")) {
            return Ok(false);
        }
        self.tell(main_pid).map_err(failed)?;
        Ok(true)
    }

    /// Waits until the program is ready, or has ended.
    pub(crate) fn wait(&self, process: BorrowedFd<'_>, pid: i32) -> Result<(), Error> {
        loop {
            let mut waits = [
                PollFd::from_borrowed_fd(process, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            match poll(&mut waits, None) {
                Err(Errno::INTR) => continue,
                result => result.map_err(|error| Error::System {
                    what: "wait for the container's readiness",
                    source: error.into(),
                })?,
            };
            let ended = !waits[0].revents().is_empty();
            // It may have spoken just before its end.
            if self.relay(pid)? || ended {
                return Ok(());
            }
        }
    }

    fn tell(&self, main_pid: i32) -> io::Result<()> {
        let manager = connect(&self.manager)?;
        manager.send(format!("MAINPID={main_pid}\nREADY=1").as_bytes())?;
        // The manager closes the descriptor when it has dealt with all that came before; should we end earlier it could not tell
        // any more whose words they were.
        let (reader, writer) = io::pipe()?;
        let sent = unix_socket::send_with_fd(manager.as_fd(), b"BARRIER=1", Some(writer.as_fd()));
        drop(writer);
        if sent.is_ok() {
            let patience = Timespec::try_from(BARRIER_PATIENCE).map_err(io::Error::other)?;
            let mut waits = [PollFd::new(&reader, PollFlags::IN)];
            poll(&mut waits, Some(&patience))?;
        }
        Ok(())
    }
}

/// The process behind the container, for [`Notify::wait`].
pub(crate) fn process_of(pid: i32) -> Result<OwnedFd, Error> {
    pidfd::open(pid)
        .map_err(|source| Error::System { what: "open the container's process", source })
}

/// An address with `@` in front has no file.
fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
            Ok(socket)
        }
        None => unix_socket::connect_datagram(&PathBuf::from(address)),
    }
}
