//! What a plugin of the kind `LogDriver` reads from its fifo, and what one that keeps logs gives back: messages of protobuf, each
//! with its length before it. Follows Docker's `daemon/logger/plugin.go` and `api/types/plugins/logdriver`.

use crate::delivery::{Delivery, Failure, each};
use crate::{Error, Message, Partial};
use gantry_protobuf::{Message as Proto, messages};
use gantry_types::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::stream::PATIENCE;

const DRIVER: &str = "plugin's";
/// No entry of a plugin's is longer.
const MAX_ENTRY_BYTES: usize = 1 << 20;
/// What lies before each entry.
const LENGTH_BYTES: usize = 4;
/// How often it is looked whether a plugin reads by now.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

messages! {
    struct PartialEntry {
        1 => last: bool,
        2 => id: String,
        3 => ordinal: u32,
    }

    struct Entry {
        1 => source: String,
        2 => time_nano: u64,
        3 => line: Vec<u8>,
        4 => partial: bool,
        5 => partial_log_metadata: Option<PartialEntry>,
    }
}

/// The writing end of a plugin's fifo.
#[derive(Debug)]
pub struct PluginEntries {
    fifo: File,
    path: PathBuf,
}

impl PluginEntries {
    /// Opens the fifo before the plugin is told of it, so that its opening does not wait for a writer.
    pub fn open(path: PathBuf) -> Result<Self, Error> {
        // Also for reading, or there would have to be a reader already.
        match open_fifo(&path, OFlags::RDWR) {
            Ok(fifo) => Ok(Self { fifo, path }),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Leaves the reading to the plugin, which has been told: from now on its end is seen. One that opens the fifo a little later than
    /// it answers is waited for.
    pub fn hand_over(&mut self) -> Result<(), Error> {
        let failed = |source| failed(&self.path, source);
        // The end that could read goes with this.
        self.fifo = open_fifo(&self.path, OFlags::WRONLY).map_err(failed)?;
        await_reader(&self.fifo).map_err(failed)
    }

    /// Writes all of it; a plugin that takes nothing for a while has failed.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.fifo.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::from_borrowed_fd(self.fifo.as_fd(), PollFlags::OUT)];
                    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
                    if poll(&mut fds, Some(&patience))? == 0 {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn open_fifo(path: &Path, access: OFlags) -> io::Result<File> {
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Connect { driver: DRIVER, address: path.display().to_string(), source }
}

/// Waits until somebody reads from the fifo.
fn await_reader(fifo: &File) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A fifo without a reader is in error.
        let mut fds = [PollFd::from_borrowed_fd(fifo.as_fd(), PollFlags::empty())];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

impl Delivery for PluginEntries {
    fn deliver(&mut self, messages: &[Message]) -> Result<(), Failure> {
        each(messages, |message| {
            self.write(&encode(message)).map_err(|source| Error::Send {
                driver: DRIVER,
                address: self.path.display().to_string(),
                source,
            })
        })
    }
}

fn encode(message: &Message) -> Vec<u8> {
    let entry = Entry {
        source: message.source().to_owned(),
        time_nano: u64::try_from(message.time.as_nanos()).unwrap_or(0),
        line: message.line.clone(),
        partial: message.partial.as_ref().is_some_and(|partial| !partial.is_last),
        partial_log_metadata: message.partial.as_ref().map(|partial| PartialEntry {
            last: partial.is_last,
            id: partial.id.clone(),
            ordinal: partial.ordinal,
        }),
    };
    let body = entry.encode();
    // A piece of a line is short.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// Takes the first entry out of what a plugin gave; `Ok(None)` while there is not all of it.
///
/// # Errors
/// What is there is no entry.
pub fn decode_entry(bytes: &mut Vec<u8>) -> io::Result<Option<Message>> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    if length > MAX_ENTRY_BYTES {
        return Err(invalid(format!("an entry of {length} bytes is longer than any may be")));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let entry = Entry::decode(body).map_err(|error| invalid(error.to_string()))?;
    bytes.drain(..LENGTH_BYTES + length);
    let partial = entry.partial_log_metadata.map(|partial| Partial {
        id: partial.id,
        ordinal: partial.ordinal,
        is_last: partial.last,
    });
    let time = Timestamp {
        seconds: (entry.time_nano / 1_000_000_000).cast_signed(),
        nanos: u32::try_from(entry.time_nano % 1_000_000_000).unwrap_or(0),
    };
    let is_stderr = entry.source == "stderr";
    Ok(Some(Message { time, is_stderr, line: entry.line, partial }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back() {
        let partial = Partial { id: "abc".to_owned(), ordinal: 2, is_last: false };
        let message = Message {
            time: Timestamp { seconds: 5, nanos: 7 },
            is_stderr: true,
            line: b"text\xff".to_vec(),
            partial: Some(partial),
        };
        let mut bytes = encode(&message);
        let second = Message { partial: None, is_stderr: false, ..message.clone() };
        bytes.extend(encode(&second));
        let mut partly = bytes[..10].to_vec();
        assert_eq!(decode_entry(&mut partly).unwrap(), None);
        assert_eq!(decode_entry(&mut bytes).unwrap(), Some(message));
        assert_eq!(decode_entry(&mut bytes).unwrap(), Some(second));
        assert_eq!(decode_entry(&mut bytes).unwrap(), None);
        assert!(decode_entry(&mut vec![0xff; 8]).is_err());
        assert!(decode_entry(&mut vec![0, 0, 0, 2, 0xff, 0xff]).is_err());
    }
}
