//! One question and its answer: a POST of HTTP/1.1 on a connection of its own. Plugins are other people's programs: what they send is
//! bounded in length and time.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::find::Address;
use crate::{Error, Result};

const MAX_HEAD_BYTES: u64 = 64 << 10;
const MAX_BODY_BYTES: u64 = 4 << 20;
/// The version of the protocol.
const CONTENT_TYPE: &str = "application/vnd.docker.plugins.v1.2+json";

/// What a plugin said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A connection that ends a while after it began, however slowly the bytes come and go.
struct Patient<S> {
    stream: S,
    deadline: Instant,
}

impl<S: AsFd> Patient<S> {
    /// Limits the next call to what is left of the time.
    fn limit(&self, way: Timeout) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(set_socket_timeout(&self.stream, way, Some(left))?)
    }
}

impl<S: Read + AsFd> Read for Patient<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit(Timeout::Recv)?;
        self.stream.read(buffer).map_err(too_late)
    }
}

impl<S: Write + AsFd> Write for Patient<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit(Timeout::Send)?;
        self.stream.write(bytes).map_err(too_late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A socket's own time limit says that it would have to wait.
fn too_late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// Waits no longer than `patience` where the queue of those who are not accepted yet is full.
pub(crate) fn connect_unix(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    connect_to(&open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?, patience)
}

/// The same where the plugin itself may have put a link to somebody else's socket, whom it may not reach.
pub(crate) fn connect_managed(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let socket = open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&socket)?.st_mode) != FileType::Socket {
        return Err(io::Error::new(io::ErrorKind::NotFound, "what is there is no socket"));
    }
    connect_to(&socket, patience)
}

fn connect_to(socket: &OwnedFd, patience: Duration) -> io::Result<UnixStream> {
    // An address has room for 107 bytes; the way to the socket may be longer.
    let short = Path::new("/proc/self/fd").join(socket.as_raw_fd().to_string());
    let address = SocketAddrUnix::new(&short)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    connect(&socket, &address).map_err(|errno| too_late(errno.into()))?;
    Ok(socket.into())
}

pub(crate) fn post(
    plugin: &str,
    address: &Address,
    (path, body): (&str, &[u8]),
    patience: Duration,
) -> Result<Answer> {
    let unreached =
        |source| Error::Connect { plugin: plugin.to_owned(), address: address.to_string(), source };
    let failed = |source| Error::Exchange { plugin: plugin.to_owned(), source };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: plugin\r\nAccept: {CONTENT_TYPE}\r\nContent-Type: {CONTENT_TYPE}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let message = [head.as_bytes(), body].concat();
    let deadline = Instant::now() + patience;
    match address {
        Address::Unix(path) => {
            let stream = connect_unix(path, patience).map_err(unreached)?;
            exchange(Patient { stream, deadline }, &message).map_err(failed)
        }
        Address::Managed(path) => {
            let stream = connect_managed(path, patience).map_err(unreached)?;
            exchange(Patient { stream, deadline }, &message).map_err(failed)
        }
        Address::Tcp(address) => {
            let found = address.to_socket_addrs().map_err(unreached)?.next();
            let target = found.ok_or_else(|| unreached(io::ErrorKind::NotFound.into()))?;
            let stream = TcpStream::connect_timeout(&target, patience).map_err(unreached)?;
            exchange(Patient { stream, deadline }, &message).map_err(failed)
        }
    }
}

fn exchange(mut stream: impl Read + Write, message: &[u8]) -> io::Result<Answer> {
    stream.write_all(message)?;
    read(stream)
}

/// The status line, the headers, and the body in one of HTTP's three forms.
fn read(stream: impl Read) -> io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let mut left = MAX_HEAD_BYTES;
    let first = line(&mut reader, &mut left)?;
    let mut words = first.split(' ');
    let status = match (words.next(), words.next().map(str::parse)) {
        (Some(protocol), Some(Ok(status))) if protocol.starts_with("HTTP/1.") => status,
        _ => return Err(bad("it does not speak HTTP")),
    };
    let (mut length, mut is_chunked) = (None, false);
    loop {
        let header = line(&mut reader, &mut left)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else {
            return Err(bad("a header has no name"));
        };
        if name.eq_ignore_ascii_case("content-length") {
            let parsed = value.trim().parse::<u64>().ok().filter(|it| *it <= MAX_BODY_BYTES);
            length = Some(parsed.ok_or_else(|| bad("its answer has no length or is too long"))?);
        }
        is_chunked |= name.eq_ignore_ascii_case("transfer-encoding")
            && value.trim().eq_ignore_ascii_case("chunked");
    }
    let body = match length {
        _ if is_chunked => chunks(&mut reader)?,
        Some(length) => exactly(&mut reader, length)?,
        None => {
            let mut body = Vec::new();
            reader.take(MAX_BODY_BYTES + 1).read_to_end(&mut body)?;
            if body.len() as u64 > MAX_BODY_BYTES {
                return Err(bad("its answer is too long"));
            }
            body
        }
    };
    Ok(Answer { status, body })
}

fn exactly(reader: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut body, mut left) = (Vec::new(), MAX_HEAD_BYTES);
    loop {
        let size = line(reader, &mut left)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| bad("a chunk has no length"))?;
        if body.len() as u64 + size.min(MAX_BODY_BYTES + 1) > MAX_BODY_BYTES {
            return Err(bad("its answer is too long"));
        }
        if size == 0 {
            return Ok(body);
        }
        body.extend(exactly(reader, size)?);
        if !line(reader, &mut left)?.is_empty() {
            return Err(bad("a chunk is longer than it says"));
        }
    }
}

/// Without its end; `left` bytes may still come in lines.
fn line(reader: &mut impl BufRead, left: &mut u64) -> io::Result<String> {
    let mut text = String::new();
    let count = reader.take(*left).read_line(&mut text)?;
    *left -= count as u64;
    if !text.ends_with('\n') {
        return Err(bad("its answer ends in the middle, or its headers are too long"));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> io::Result<String> {
        read(text.as_bytes()).map(|answer| String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn bodies_come_in_three_forms() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x").unwrap(), "{}");
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\nall of it").unwrap(), "all of it");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(body(chunked).unwrap(), "abcde");
        assert_eq!(read("HTTP/1.1 500 No\r\n\r\n".as_bytes()).unwrap().status, 500);
    }

    #[test]
    fn what_makes_no_sense_ends() {
        for text in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            body(text).unwrap_err();
        }
        body(&format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(20_000))).unwrap_err();
    }
}
