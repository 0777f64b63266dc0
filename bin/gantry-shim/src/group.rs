//! The file by which the bundles of a group find their common shim. It lies beside sockets, holds an
//! address, and is written under the group's own lock. What a group is, is told in
//! `gantry_shim_protocol::group`.

use crate::error::Error;
use gantry_shim_protocol::bootstrap::socket_path;
use gantry_shim_protocol::frame::{FrameBuffer, FrameKind};
use gantry_shim_protocol::group::{GROUP_SERVICE, JOIN_METHOD, JoinRequest};
use gantry_shim_protocol::rpc::{Request, Response};
use gantry_shim_protocol::wire::Message;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A longer address is none.
const MAX_ADDRESS_BYTES: u64 = 4096;
/// How long a start waits for its group: for a shim to let the container in, and for another start that makes
/// the shim. Less than callers wait for `start`, so that they hear which it was.
const ENTER_LIMIT: Duration = Duration::from_secs(8);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// What became of a container that came to its group.
pub(crate) enum Entered {
    /// The shim at this address let it in.
    Joined(String),
    /// There is no shim, and nobody else makes one while this is held.
    First(Lock),
}

/// The right to make a group's shim and to change the group's file; given back when dropped.
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits for others of the same group until `deadline`.
    fn take(group: &Path, deadline: Instant) -> Result<Self, Error> {
        loop {
            if let Some(lock) = Self::try_take(group)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                let path = lock_path(group);
                return Err(Error::file("lock", path)(io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(LOCK_PAUSE);
        }
    }

    /// `None`: somebody else has it.
    fn try_take(group: &Path) -> Result<Option<Self>, Error> {
        let path = lock_path(group);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(Error::file("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            Err(errno) => return Err(Error::file("lock", path)(errno.into())),
        }
        let identity = |stat: std::fs::Metadata| (stat.dev(), stat.ino());
        let own = file.metadata().map(identity).map_err(Error::file("look at", &path))?;
        // Whoever had it before may have removed the file: then the lock is nobody's any more.
        let is_there = std::fs::symlink_metadata(&path).is_ok_and(|stat| identity(stat) == own);
        Ok(is_there.then_some(Self { file, path }))
    }

    /// Gives it back and leaves no file.
    fn remove(self) {
        drop(std::fs::remove_file(&self.path));
        drop(self.file);
    }
}

/// Beside the group's file, whose name has no dot in it.
fn lock_path(group: &Path) -> PathBuf {
    group.with_extension("lock")
}

/// Brings a container to its group. No lock is held while a shim is asked: it may be busy, and it may want
/// the lock itself.
pub(crate) fn enter(file: &Path, id: &str, bundle: &Path) -> Result<Entered, Error> {
    let deadline = Instant::now() + ENTER_LIMIT;
    let known = || read(file).map_err(Error::file("read", file));
    let mut gone = None;
    loop {
        let address = known()?;
        if let Some(address) = address
            && gone.as_ref() != Some(&address)
        {
            if join(&address, (id, bundle), deadline)? {
                return Ok(Entered::Joined(address));
            }
            gone = Some(address);
        }
        let lock = Lock::take(file, deadline)?;
        let address = known()?;
        // Another start may have made a shim meanwhile.
        if address.is_none() || address == gone {
            return Ok(Entered::First(lock));
        }
    }
}

/// Whether the shim at `address` runs and lets the container in.
fn join(address: &str, container: (&str, &Path), deadline: Instant) -> Result<bool, Error> {
    match ask_to_join(address, container, deadline) {
        Ok(response) => match response.into_result() {
            Ok(_) => Ok(true),
            // It is about to end: another one takes its place.
            Err(status) if status.code == gantry_shim_protocol::rpc::Code::Unavailable as i32 => {
                Ok(false)
            }
            Err(status) => Err(Error::Refused { words: status.message }),
        },
        // It died without a word.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(Error::file("join the shim at", socket_path(address))(error)),
    }
}

/// Makes `address` the group's.
pub(crate) fn publish(file: &Path, address: &str) -> Result<(), Error> {
    // Whole or not there, for those who read without the lock.
    let draft = file.with_extension("new");
    std::fs::write(&draft, address)
        .and_then(|()| std::fs::rename(&draft, file))
        .map_err(Error::file("write", file))
}

/// Removes the group's file if it still names this socket. Nobody is waited for: who has the lock is about
/// to replace the file, and a file that stays is replaced by the next one of the group.
pub(crate) fn forget(file: &Path, socket: &Path) {
    let Ok(Some(lock)) = Lock::try_take(file) else { return };
    let own = |address: String| Path::new(socket_path(&address)) == socket;
    if read(file).is_ok_and(|address| address.is_some_and(own)) {
        drop(std::fs::remove_file(file));
    }
    if !file.exists() {
        lock.remove();
    }
}

fn read(file: &Path) -> io::Result<Option<String>> {
    let opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut address = String::new();
    opened.take(MAX_ADDRESS_BYTES).read_to_string(&mut address)?;
    Ok(Some(address).filter(|address| Path::new(socket_path(address)).is_absolute()))
}

fn ask_to_join(
    address: &str,
    (id, bundle): (&str, &Path),
    deadline: Instant,
) -> io::Result<Response> {
    let mut socket = gantry_sys::unix_socket::connect(Path::new(socket_path(address)))?;
    let peer = gantry_sys::unix_socket::peer_credentials(socket.as_fd())?;
    if peer.uid != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // Zero would mean for ever.
    let left = || Some(deadline.saturating_duration_since(Instant::now()).max(LOCK_PAUSE));
    socket.set_write_timeout(left())?;
    let arguments =
        JoinRequest { id: id.to_owned(), bundle: bundle.to_string_lossy().into_owned() };
    let request = Request {
        service: GROUP_SERVICE.to_owned(),
        method: JOIN_METHOD.to_owned(),
        payload: arguments.encode(),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    request.put(1, &mut bytes).map_err(io::Error::other)?;
    socket.write_all(&bytes)?;
    let mut buffer = FrameBuffer::default();
    let mut block = [0; 4096];
    loop {
        if let Some(frame) = buffer.next_frame().map_err(io::Error::other)?
            && frame.kind == FrameKind::Response
        {
            return Response::decode(frame.payload).map_err(io::Error::other);
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(left())?;
        let length = socket.read(&mut block)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend(&block[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &str = "unix:///no/such/socket";

    #[test]
    fn a_shim_that_ends_waits_for_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
        publish(&one, NOBODY).unwrap();
        let lock = Lock::try_take(&one).unwrap().unwrap();
        let begin = Instant::now();
        forget(&one, Path::new(socket_path(NOBODY)));
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert!(one.exists(), "it is whose lock it is");
        // Of another group there is another lock.
        assert!(Lock::try_take(&other).unwrap().is_some());
        assert!(Lock::try_take(&one).unwrap().is_none());
        drop(lock);
        forget(&one, Path::new(socket_path(NOBODY)));
        forget(&other, Path::new(socket_path(NOBODY)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_start_makes_the_shim_and_a_removed_lock_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("group");
        publish(&file, NOBODY).unwrap();
        let entered = enter(&file, "c", directory.path()).unwrap();
        assert!(matches!(entered, Entered::First(_)));
        let soon = Instant::now() + Duration::from_millis(50);
        assert!(Lock::take(&file, soon).is_err());
        let Entered::First(lock) = entered else { return };
        let waiting = OpenOptions::new().write(true).open(lock_path(&file)).unwrap();
        lock.remove();
        flock(&waiting, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(Lock::try_take(&file).unwrap().is_some(), "there is a new file to lock");
    }
}
