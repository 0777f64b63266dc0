//! The few words between the parent and the process it makes, over a socket that keeps messages apart.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::unix_socket::{receive_with_fd, send_with_fd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::failure::Failure;

/// One end. The other end's death reads as [`Word::End`].
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

#[derive(Debug)]
pub(crate) enum Word {
    /// Child: the namespaces are there, hooks may run. Parent: they ran.
    Hooks,
    /// Parent: go on.
    Go,
    /// Parent: the child's pid where the parent is.
    Pid(i32),
    /// Child: all is set up; with the terminal's master when there is one.
    Ready(Option<OwnedFd>),
    /// Child: a step failed, and the child is about to end.
    Failed(Failure),
    /// The other end is closed: the child has executed its program or died; the parent died.
    End,
}

const HOOKS: u8 = b'H';
const GO: u8 = b'G';
const PID: u8 = b'P';
const READY: u8 = b'R';
const FAILED: u8 = b'F';

/// Larger than the longest message a failure makes.
const BUFFER: usize = 8192;

impl Channel {
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (left, right) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(left), Self(right)))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn send(&self, word: &Word) -> io::Result<()> {
        match word {
            Word::Hooks => send_with_fd(self.0.as_fd(), &[HOOKS], None),
            Word::Go => send_with_fd(self.0.as_fd(), &[GO], None),
            Word::Pid(pid) => {
                let [a, b, c, d] = pid.to_ne_bytes();
                send_with_fd(self.0.as_fd(), &[PID, a, b, c, d], None)
            }
            Word::Ready(fd) => {
                send_with_fd(self.0.as_fd(), &[READY], fd.as_ref().map(OwnedFd::as_fd))
            }
            Word::Failed(failure) => {
                let mut message = vec![FAILED];
                message.extend(failure.encode());
                send_with_fd(self.0.as_fd(), &message, None)
            }
            Word::End => Ok(()),
        }
    }

    pub(crate) fn receive(&self) -> io::Result<Word> {
        let mut buffer = [0; BUFFER];
        let (length, fd) = match receive_with_fd(self.0.as_fd(), &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Word::End),
            received => received?,
        };
        Ok(match buffer[..length].split_first() {
            None => Word::End,
            Some((&HOOKS, _)) => Word::Hooks,
            Some((&GO, _)) => Word::Go,
            Some((&PID, &[a, b, c, d])) => Word::Pid(i32::from_ne_bytes([a, b, c, d])),
            Some((&READY, _)) => Word::Ready(fd),
            Some((&FAILED, message)) => Word::Failed(Failure::decode(message)),
            Some(_) => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_as_they_were_sent() {
        let (parent, child) = Channel::pair().unwrap();
        child.send(&Word::Hooks).unwrap();
        child.send(&Word::Failed(Failure::invalid("no"))).unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        child.send(&Word::Ready(Some(reader.into()))).unwrap();
        parent.send(&Word::Go).unwrap();
        parent.send(&Word::Pid(-7)).unwrap();
        assert!(matches!(parent.receive().unwrap(), Word::Hooks));
        assert!(matches!(parent.receive().unwrap(), Word::Failed(f) if f.message == "no"));
        assert!(matches!(parent.receive().unwrap(), Word::Ready(Some(_))));
        assert!(matches!(child.receive().unwrap(), Word::Go));
        assert!(matches!(child.receive().unwrap(), Word::Pid(-7)));
        drop(child);
        assert!(matches!(parent.receive().unwrap(), Word::End));
    }
}
