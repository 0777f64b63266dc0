//! The conversation on a bundle's `io.sock`: one header from the attacher, one byte of answer from the
//! shim, then the streams. Sockets and buffers are the shim's and the daemon's business.
//!
//! ```text
//! attacher → shim   "GIO1"  flags: u8  n: u8  n bytes of exec id (n = 0: the container's first process)
//! shim → attacher   one byte, see [`Reply`]; anything but Accepted is followed by end-of-file
//! attacher → shim   raw input, when it asked for stdin; a half-close is the end of the input
//! shim → attacher   output: [`output_header`] and bytes, or raw bytes when the process has a terminal
//! ```
//!
//! An attacher that joined before Start sees every byte. The shim closes the connection when all
//! outputs of the process ended and everything was delivered. What an attacher that
//! falls behind does not take waits on the disk, beside the process's log; when there is much of it, or no log, the
//! process waits, unless it has a limit to that (`stall-ms`, see [`crate::stdio`]).

use crate::{Error, MAX_ID_BYTES};

const MAGIC: [u8; 4] = *b"GIO1";
const FIXED_BYTES: usize = MAGIC.len() + 2;
const STDIN: u8 = 1;
const STDOUT: u8 = 2;
const STDERR: u8 = 4;

/// No header is longer.
pub const MAX_HEADER_BYTES: usize = FIXED_BYTES + MAX_ID_BYTES;

/// Which process, and which of its streams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachHeader {
    /// Empty: the container's first process.
    pub exec_id: String,
    pub streams: Streams,
}

/// A choice of standard streams. With a terminal, stdout is the terminal's output, and stderr is
/// never heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// The shim's answer to a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reply {
    /// The streams follow.
    Accepted = 0,
    /// There is no such process, or it has ended and all its output is out.
    NoSuchProcess = 1,
    /// Its streams do not go through the shim (fifos, files).
    NotRelayed = 2,
    /// As many attachers as the shim takes are there already.
    TooMany = 3,
    /// The header was not one.
    Malformed = 4,
}

impl Reply {
    /// The reply behind its byte.
    pub fn from_byte(byte: u8) -> Result<Self, Error> {
        match byte {
            0 => Ok(Self::Accepted),
            1 => Ok(Self::NoSuchProcess),
            2 => Ok(Self::NotRelayed),
            3 => Ok(Self::TooMany),
            4 => Ok(Self::Malformed),
            _ => Err(Error::AttachHeader("the shim's answer is unknown")),
        }
    }
}

impl AttachHeader {
    /// The header's bytes; an exec id over [`MAX_ID_BYTES`] is refused.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let length = u8::try_from(self.exec_id.len())
            .map_err(|_| Error::AttachHeader("the exec id is too long"))?;
        let bit = |wanted: bool, bit: u8| if wanted { bit } else { 0 };
        let flags = bit(self.streams.stdin, STDIN)
            | bit(self.streams.stdout, STDOUT)
            | bit(self.streams.stderr, STDERR);
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.exec_id.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[flags, length]);
        bytes.extend_from_slice(self.exec_id.as_bytes());
        Ok(bytes)
    }

    /// How many bytes a header that begins with `bytes` still needs, as far as one can tell: reading
    /// just as many leaves the input behind it where it is.
    pub fn missing_bytes(bytes: &[u8]) -> usize {
        let whole = match bytes.get(FIXED_BYTES - 1) {
            Some(&exec_id_bytes) => FIXED_BYTES + usize::from(exec_id_bytes),
            None => FIXED_BYTES,
        };
        whole.saturating_sub(bytes.len())
    }

    /// Reads a header from the start of `bytes`: the header and its length, or `None` while it is
    /// not whole. What follows it is input already.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let common = bytes.len().min(MAGIC.len());
        if bytes[..common] != MAGIC[..common] {
            return Err(Error::AttachHeader("the magic is wrong"));
        }
        let Some((&[flags, length], rest)) =
            bytes.get(MAGIC.len()..).and_then(|rest| rest.split_first_chunk::<2>())
        else {
            return Ok(None);
        };
        if flags & !(STDIN | STDOUT | STDERR) != 0 {
            return Err(Error::AttachHeader("a flag is unknown"));
        }
        let Some(exec_id) = rest.get(..usize::from(length)) else {
            return Ok(None);
        };
        let exec_id = std::str::from_utf8(exec_id)
            .map_err(|_| Error::AttachHeader("the exec id is not UTF-8"))?
            .to_owned();
        let streams = Streams {
            stdin: flags & STDIN != 0,
            stdout: flags & STDOUT != 0,
            stderr: flags & STDERR != 0,
        };
        Ok(Some((Self { exec_id, streams }, FIXED_BYTES + usize::from(length))))
    }
}

/// Which output a frame carries, by Docker's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OutputStream {
    Stdout = 1,
    Stderr = 2,
}

/// The header of a frame of Docker's multiplexed stream.
pub fn output_header(stream: OutputStream, length: u32) -> [u8; 8] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_went() {
        let choices = [(false, false, false), (true, false, true), (true, true, true)];
        for exec_id in ["", "a", &"x".repeat(MAX_ID_BYTES)] {
            for (stdin, stdout, stderr) in choices {
                let header = AttachHeader {
                    exec_id: exec_id.to_owned(),
                    streams: Streams { stdin, stdout, stderr },
                };
                let mut bytes = header.encode().unwrap();
                let length = bytes.len();
                for cut in 0..length {
                    assert_eq!(AttachHeader::decode(&bytes[..cut]), Ok(None), "cut at {cut}");
                    let missing = AttachHeader::missing_bytes(&bytes[..cut]);
                    assert!((1..=length - cut).contains(&missing), "cut at {cut}");
                }
                bytes.extend_from_slice(b"input");
                assert_eq!(AttachHeader::decode(&bytes), Ok(Some((header, length))));
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_the_first_wrong_byte() {
        for bytes in [&b"GET / HTTP/1.1"[..], b"GX", b"GIO2", b"GIO1\xff\0", b"GIO1\x01\x01\xff"] {
            assert!(AttachHeader::decode(bytes).is_err(), "{bytes:?}");
        }
        let too_long =
            AttachHeader { exec_id: "x".repeat(MAX_ID_BYTES + 1), streams: Streams::default() };
        assert!(too_long.encode().is_err());
    }

    #[test]
    fn output_headers_are_dockers() {
        assert_eq!(output_header(OutputStream::Stderr, 0x0102), [2, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn replies_come_back_by_their_byte() {
        for byte in 0..=4 {
            assert_eq!(Reply::from_byte(byte).map(|reply| reply as u8), Ok(byte));
        }
        assert!(Reply::from_byte(5).is_err());
    }
}
