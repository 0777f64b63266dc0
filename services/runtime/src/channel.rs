//! The few words between the parent and the process it makes, over a socket that keeps messages apart.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::unix_socket::{receive_with_fd, send_with_fd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
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
    /// Parent: the copy of the program is complete.
    Copied,
    /// Parent: the new network namespace.
    Network(OwnedFd),
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
const COPIED: u8 = b'C';
const NETWORK: u8 = b'N';
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

    /// Waits until the other end is closed. What it said before is there to be received, and wakes nobody.
    pub(crate) fn wait_closed(&self) -> io::Result<()> {
        let mut wait = [PollFd::new(&self.0, PollFlags::empty())];
        loop {
            match poll(&mut wait, None) {
                Err(Errno::INTR) => {}
                polled => return polled.map(drop).map_err(io::Error::from),
            }
        }
    }

    pub(crate) fn send(&self, word: &Word) -> io::Result<()> {
        match word {
            Word::Hooks => send_with_fd(self.0.as_fd(), &[HOOKS], None),
            Word::Go => send_with_fd(self.0.as_fd(), &[GO], None),
            Word::Copied => send_with_fd(self.0.as_fd(), &[COPIED], None),
            Word::Network(fd) => send_with_fd(self.0.as_fd(), &[NETWORK], Some(fd.as_fd())),
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
        let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        let mut received = receive_with_fd(self.0.as_fd(), &mut buffer);
        if received.as_ref().is_err_and(is_reset) {
            // The other end did not read all that we said. That is told once, and before what it said itself.
            received = receive_with_fd(self.0.as_fd(), &mut buffer);
        }
        let (length, fd) = match received {
            Err(error) if is_reset(&error) => return Ok(Word::End),
            received => received?,
        };
        Ok(match buffer[..length].split_first() {
            None => Word::End,
            Some((&NETWORK, _)) => Word::Network(fd.ok_or(io::ErrorKind::InvalidData)?),
            Some((&HOOKS, _)) => Word::Hooks,
            Some((&GO, _)) => Word::Go,
            Some((&COPIED, _)) => Word::Copied,
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
        child.send(&Word::Ready(Some(reader.try_clone().unwrap().into()))).unwrap();
        parent.send(&Word::Network(reader.into())).unwrap();
        parent.send(&Word::Go).unwrap();
        parent.send(&Word::Pid(-7)).unwrap();
        assert!(matches!(parent.receive().unwrap(), Word::Hooks));
        assert!(matches!(parent.receive().unwrap(), Word::Failed(f) if f.message == "no"));
        assert!(matches!(parent.receive().unwrap(), Word::Ready(Some(_))));
        assert!(matches!(child.receive().unwrap(), Word::Network(_)));
        assert!(matches!(child.receive().unwrap(), Word::Go));
        assert!(matches!(child.receive().unwrap(), Word::Pid(-7)));
        drop(child);
        assert!(matches!(parent.receive().unwrap(), Word::End));
    }

    #[test]
    fn words_wait_until_the_other_end_is_closed() {
        let (parent, child) = Channel::pair().unwrap();
        let speaker = std::thread::spawn(move || {
            child.send(&Word::Ready(None)).unwrap();
            child.send(&Word::Failed(Failure::invalid("no"))).unwrap();
        });
        parent.wait_closed().unwrap();
        speaker.join().unwrap();
        assert!(matches!(parent.receive().unwrap(), Word::Ready(None)));
        assert!(matches!(parent.receive().unwrap(), Word::Failed(f) if f.message == "no"));
        assert!(matches!(parent.receive().unwrap(), Word::End));
    }

    #[test]
    fn the_last_word_arrives_from_somebody_who_did_not_listen() {
        let (parent, child) = Channel::pair().unwrap();
        parent.send(&Word::Copied).unwrap();
        child.send(&Word::Failed(Failure::invalid("no"))).unwrap();
        drop(child);
        assert!(matches!(parent.receive().unwrap(), Word::Failed(f) if f.message == "no"));
        assert!(matches!(parent.receive().unwrap(), Word::End));
    }
}
