//! Who is at the other end of a unix socket, as the kernel knows it, and a directory that this process has open.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, fstat, open};

use crate::socket::ClientSocket;

/// A process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalPeer {
    pid: i32,
    uid: u32,
}

/// A directory as a client names it: by its descriptor, and by what it is, so that no other can be taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedDirectory {
    descriptor: u32,
    device: u64,
    inode: u64,
}

impl LocalPeer {
    /// None where the client is no process that this one sees.
    pub(crate) fn of(socket: &ClientSocket) -> Option<Self> {
        let (pid, uid) = socket.credentials()?;
        (pid > 0).then_some(Self { pid, uid })
    }

    /// Opens the client's directory as the client has it open, whatever its own root and mounts are. None where it is another one,
    /// or the client is a user who may not read all that this process may.
    pub(crate) fn directory(self, named: NamedDirectory) -> Option<OwnedFd> {
        let own = rustix::process::geteuid().as_raw();
        if self.uid != 0 && self.uid != own {
            return None;
        }
        let path = format!("/proc/{}/fd/{}", self.pid, named.descriptor);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(path, flags, Mode::empty()).ok()?;
        let stat = fstat(&opened).ok()?;
        ((stat.st_dev, stat.st_ino) == (named.device, named.inode)).then_some(opened)
    }
}

impl NamedDirectory {
    /// Reads `descriptor:device:inode`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(':');
        let descriptor = numbers.next()?.parse().ok()?;
        let (device, inode) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        numbers.next().is_none().then_some(Self { descriptor, device, inode })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn only_the_directory_that_is_meant_is_opened() {
        let temp = tempfile::tempdir().unwrap();
        let open = File::open(temp.path()).unwrap();
        let stat = fstat(&open).unwrap();
        let named = |device, inode| {
            let text = format!("{}:{device}:{inode}", open.as_raw_fd());
            NamedDirectory::parse(&text).unwrap()
        };
        let own = rustix::process::geteuid().as_raw();
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let peer = LocalPeer { pid, uid: own };
        assert!(peer.directory(named(stat.st_dev, stat.st_ino)).is_some());
        assert!(peer.directory(named(stat.st_dev, stat.st_ino + 1)).is_none());
        let other = LocalPeer { pid, uid: own + 1 };
        assert_eq!(other.directory(named(stat.st_dev, stat.st_ino)).is_some(), own + 1 == 0);
        let gone = LocalPeer { pid: i32::MAX, uid: own };
        assert!(gone.directory(named(stat.st_dev, stat.st_ino)).is_none());
        for text in ["", "1", "1:2", "1:2:3:4", "a:2:3", "-1:2:3"] {
            assert_eq!(NamedDirectory::parse(text), None, "{text}");
        }
    }
}
