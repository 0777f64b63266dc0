//! Unix sockets under paths of any length, with the peer's credentials, and descriptors sent over them.
//!
//! The address of a Unix socket holds 107 bytes of path. A longer path is reached through its directory's descriptor, as
//! `/proc/self/fd/<n>/<name>`.

use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::check;

/// Bytes of `sun_path`, its closing NUL not counted.
const LONGEST_PATH: usize = 107;

/// Who is at the other end (`SO_PEERCRED`), as of its `connect` or `listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Zero when the peer is outside of this process's pid namespace.
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// Connects to the socket at `path`.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::new(path)?;
    UnixStream::connect(&short.path)
}

/// Makes a listening socket at `path` that only its owner may connect to (mode 0600). Whatever lies there already is an error.
pub fn bind_listener(path: &Path) -> io::Result<UnixListener> {
    let short = ShortPath::new(path)?;
    let listener = UnixListener::bind(&short.path)?;
    // Nobody can connect between the two steps: callers keep their sockets in directories of mode 0700.
    rustix::fs::chmod(&short.path, Mode::RUSR | Mode::WUSR)?;
    Ok(listener)
}

/// A socket for datagrams, connected to the one at `path`.
pub fn connect_datagram(path: &Path) -> io::Result<UnixDatagram> {
    let short = ShortPath::new(path)?;
    let socket = UnixDatagram::unbound()?;
    socket.connect(&short.path)?;
    Ok(socket)
}

/// Makes a socket at `path` that everybody who gets at the path may send datagrams to (mode 0777): the directory decides who does.
pub fn bind_datagram(path: &Path) -> io::Result<UnixDatagram> {
    let short = ShortPath::new(path)?;
    let socket = UnixDatagram::bind(&short.path)?;
    rustix::fs::chmod(&short.path, Mode::RWXU | Mode::RWXG | Mode::RWXO)?;
    Ok(socket)
}

/// The peer's process and user.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    // Not rustix's: its type has no room for the zero that stands for a process in another pid namespace.
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    let (fd, into) = (socket.as_raw_fd(), (&raw mut found).cast());
    let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    // SAFETY: the kernel writes at most `size` bytes, which is the structure's size; both numbers outlive the call, and every content is
    // a valid value.
    check(unsafe { libc::getsockopt(fd, level, name, into, &raw mut size) }.into())?;
    if size as usize != size_of::<libc::ucred>() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(PeerCredentials { pid: found.pid, uid: found.uid, gid: found.gid })
}

/// Whether the peer of a stream socket has read all that was written (`SIOCOUTQ`: what is written occupies memory until it is read).
pub fn is_all_read(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut unread: libc::c_int = 0;
    // SAFETY: the kernel writes one `int`, which outlives the call.
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unread) };
    check(asked.into())?;
    Ok(unread == 0)
}

/// Sends `data` (at least one byte) as one message, with a descriptor when given.
pub fn send_with_fd(
    socket: BorrowedFd<'_>,
    data: &[u8],
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds;
    if let Some(fd) = fd {
        fds = [fd];
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    let sent = loop {
        match sendmsg(socket, &[IoSlice::new(data)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    if sent == data.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives into `buffer` and takes at most one descriptor along; 0 bytes mean the end.
pub fn receive_with_fd(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let slices = &mut [IoSliceMut::new(buffer)];
        match recvmsg(socket, slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    let mut fd = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message {
            fd = fds.next();
        }
    }
    Ok((received.bytes, fd))
}

/// A path that fits into an address, and the directory's descriptor that it may go through.
struct ShortPath {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl ShortPath {
    fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= LONGEST_PATH {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory =
            open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path: through(&directory, name), _directory: Some(directory) })
    }
}

fn through(directory: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(directory.as_fd().as_raw_fd().to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check_round_trip(path: &Path) {
        let listener = bind_listener(path).unwrap();
        let mode = std::fs::symlink_metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = connect(path).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(
            peer_credentials(server.as_fd()).unwrap().pid,
            i32::try_from(std::process::id()).unwrap()
        );
        client.write_all(b"x").unwrap();
        let mut got = [0];
        server.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"x");
        assert_eq!(bind_listener(path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn short_and_long_paths_work() {
        let root = tempfile::tempdir().unwrap();
        check_round_trip(&root.path().join("s"));
        let deep = root.path().join("d".repeat(120)).join("e".repeat(200));
        std::fs::create_dir_all(&deep).unwrap();
        check_round_trip(&deep.join("s"));
    }

    #[test]
    fn datagrams_travel_under_long_paths() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(150));
        std::fs::create_dir(&deep).unwrap();
        let receiver = bind_datagram(&deep.join("s")).unwrap();
        connect_datagram(&deep.join("s")).unwrap().send(b"READY=1").unwrap();
        let mut buffer = [0; 16];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        assert!(connect_datagram(&deep.join("none")).is_err());
    }

    #[test]
    fn a_descriptor_travels() {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        send_with_fd(left.as_fd(), b"take", Some(writer.as_fd())).unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        let (length, fd) = receive_with_fd(right.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"take");
        std::fs::File::from(fd.unwrap()).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        drop(left);
        assert_eq!(receive_with_fd(right.as_fd(), &mut buffer).unwrap().0, 0);
    }
}
