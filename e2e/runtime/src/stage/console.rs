//! The counterpart of a console socket: receives the terminal that the runtime made.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use gantry_testkit::poll_for;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::DEADLINE;

/// A socket that waits for one message with one descriptor.
pub(crate) struct Console {
    path: PathBuf,
    received: JoinHandle<(Vec<u8>, Vec<OwnedFd>)>,
}

impl Console {
    /// Listens at `path`.
    pub(crate) fn listen(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("listen for the runtime");
        let received = thread::spawn(move || receive(&listener));
        Self { path: path.to_owned(), received }
    }

    pub(crate) fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// What came: the payload, and the descriptors.
    pub(crate) fn received(self) -> (Vec<u8>, Vec<OwnedFd>) {
        self.received.join().expect("receive what the runtime sends")
    }

    /// The terminal that came, ready to read and write.
    pub(crate) fn terminal(self) -> File {
        let (_, mut descriptors) = self.received();
        File::from(descriptors.pop().expect("a descriptor came over the console socket"))
    }
}

/// Reads all that a connection sends until its end, with descriptors.
fn receive(listener: &UnixListener) -> (Vec<u8>, Vec<OwnedFd>) {
    listener.set_nonblocking(true).expect("poll the listener");
    let Some((connection, _)) = poll_for(DEADLINE, || listener.accept().ok()) else {
        panic!("the runtime did not connect in {DEADLINE:?}");
    };
    connection.set_nonblocking(false).expect("wait for the runtime's message");
    connection.set_read_timeout(Some(DEADLINE)).expect("limit the wait");
    let (mut payload, mut descriptors) = (Vec::new(), Vec::new());
    loop {
        let mut buffer = vec![0; 64 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut buffer)];
        let message = recvmsg(&connection, slices, &mut control, RecvFlags::CMSG_CLOEXEC);
        let Ok(message) = message else { break };
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                descriptors.extend(rights);
            }
        }
        if message.bytes == 0 {
            break;
        }
        payload.extend_from_slice(buffer.get(..message.bytes).unwrap_or_default());
    }
    (payload, descriptors)
}

/// Reads from a terminal until what came holds `words`, and gives it.
pub(crate) fn read_until(mut terminal: &File, words: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(words) {
            return text;
        }
        // A terminal whose other side is closed gives EIO.
        match terminal.read(&mut buffer) {
            Ok(count @ 1..) => seen.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            _ => panic!("the terminal did not show {words:?} but {text:?}"),
        }
    }
}

/// Types on a terminal.
pub(crate) fn type_in(mut terminal: &File, text: &str) {
    terminal.write_all(text.as_bytes()).expect("type on the terminal");
}
